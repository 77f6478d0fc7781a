# What `cmake --install` puts where. The prefix can be moved afterwards: nothing in it holds an absolute path.
#
#   bin/computesdk                              the command line tool
#   lib/libcomputesdk.so*                       the library of applications
#   lib/computesdk/computesdk-plugin-host       the process in which a provider runs that is not trusted
#   lib/computesdk/modules/                     parts of the library that are opened on first use
#   lib/computesdk/providers/                   the product's own providers, each with its manifest
#   include/computesdk/                         public headers
#   lib/cmake/ComputeSDK/                       find_package(ComputeSDK)
#
# Programs and providers install themselves, in their rooms; here is the rest.
option(COMPUTESDK_INSTALL "Offer installation" ${PROJECT_IS_TOP_LEVEL})
if(NOT COMPUTESDK_INSTALL)
  return()
endif()
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/ComputeSDK)

install(TARGETS computesdk csdk_plugin_api EXPORT ComputeSDKTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS computesdk_store LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/computesdk/modules)

# Public headers: those of the plug-in ABI, those of the runtime, and the values of the registry that both speak of. The
# registry's own interface (registry/include/computesdk/registry) stays inside.
install(DIRECTORY plugin_api/include/computesdk runtime/include/computesdk DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY registry/include/computesdk DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  PATTERN registry EXCLUDE)

configure_package_config_file(cmake/ComputeSDKConfig.cmake.in ${PROJECT_BINARY_DIR}/package/ComputeSDKConfig.cmake
  INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/ComputeSDKConfigVersion.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMajorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/package/ComputeSDKConfig.cmake
  ${PROJECT_BINARY_DIR}/package/ComputeSDKConfigVersion.cmake
  cmake/ComputeSDKPlugin.cmake
  DESTINATION ${package_dir})
install(EXPORT ComputeSDKTargets NAMESPACE ComputeSDK:: DESTINATION ${package_dir})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
