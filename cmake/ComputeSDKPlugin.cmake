# computesdk_add_plugin: builds a provider the way the registry wants to find it. Installed with the package; after
# find_package(ComputeSDK REQUIRED COMPONENTS plugin) a plug-in's whole build is
#
#   computesdk_add_plugin(NAME acme SOURCES acme.cpp MANIFEST acme.provider.json)
#
# NAME n              provider name; makes target computesdk_<n> and file libcomputesdk_<n>.so
# SOURCES f…          C or C++ sources
# MANIFEST f          must be called <n>.provider.json; lands beside the library
# LIBRARIES t…        further libraries, linked PRIVATE
# OUTPUT_DIRECTORY d  where both files land; default ${CMAKE_CURRENT_BINARY_DIR}
# STATIC_RUNTIME      link libstdc++ and libgcc statically, so that no C++ runtime is mapped for this plug-in
# INSTALL             install both files into <libdir>/computesdk/providers
#
# The library exports csdk_plugin_entry_v1 and nothing else. Hidden visibility alone does not do that: inline functions
# of the standard library still come out as GNU_UNIQUE symbols, so a version script is needed too.
include_guard(GLOBAL)

function(computesdk_add_plugin)
  cmake_parse_arguments(PARSE_ARGV 0 arg "STATIC_RUNTIME;INSTALL" "NAME;MANIFEST;OUTPUT_DIRECTORY" "SOURCES;LIBRARIES")
  foreach(required NAME SOURCES MANIFEST)
    if(NOT arg_${required})
      message(FATAL_ERROR "computesdk_add_plugin: ${required} is missing")
    endif()
  endforeach()
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "computesdk_add_plugin(${arg_NAME}): unknown arguments: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  get_filename_component(manifest "${arg_MANIFEST}" ABSOLUTE)
  get_filename_component(manifest_name "${manifest}" NAME)
  if(NOT manifest_name STREQUAL "${arg_NAME}.provider.json")
    message(FATAL_ERROR "computesdk_add_plugin(${arg_NAME}): the manifest must be called ${arg_NAME}.provider.json, "
                        "not ${manifest_name}")
  endif()
  if(NOT arg_OUTPUT_DIRECTORY)
    set(arg_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}")
  endif()

  set(target computesdk_${arg_NAME})
  set(exports "${CMAKE_CURRENT_BINARY_DIR}/${target}.map")
  file(CONFIGURE OUTPUT "${exports}" CONTENT "{ global: csdk_plugin_entry_v1; local: *; };\n")
  add_custom_command(
    OUTPUT "${arg_OUTPUT_DIRECTORY}/${manifest_name}"
    COMMAND "${CMAKE_COMMAND}" -E copy "${manifest}" "${arg_OUTPUT_DIRECTORY}/${manifest_name}"
    DEPENDS "${manifest}"
    VERBATIM)

  add_library(${target} MODULE ${arg_SOURCES} "${arg_OUTPUT_DIRECTORY}/${manifest_name}")
  target_link_libraries(${target} PRIVATE ComputeSDK::plugin_api ${arg_LIBRARIES})
  set_target_properties(${target} PROPERTIES
    PREFIX lib SUFFIX .so OUTPUT_NAME ${target}
    LIBRARY_OUTPUT_DIRECTORY "${arg_OUTPUT_DIRECTORY}"
    POSITION_INDEPENDENT_CODE ON
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    LINK_DEPENDS "${exports}")
  # provider.hpp needs C++20, and no compiler of today takes it by itself. An author may ask for more.
  if(NOT CMAKE_CXX_STANDARD)
    set_target_properties(${target} PROPERTIES CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON)
  endif()
  target_link_options(${target} PRIVATE "LINKER:--version-script=${exports}" LINKER:-z,now LINKER:-z,relro)
  # Clang keeps the sanitizers' runtime in the program, so there their symbols stay open in a library.
  if(NOT (COMPUTESDK_SANITIZE AND CMAKE_CXX_COMPILER_ID MATCHES Clang))
    target_link_options(${target} PRIVATE LINKER:--no-undefined)
  endif()
  if(arg_STATIC_RUNTIME AND NOT COMPUTESDK_SANITIZE)
    target_link_options(${target} PRIVATE -static-libstdc++ -static-libgcc)
  endif()
  if(arg_INSTALL)
    include(GNUInstallDirs)
    set(providers "${CMAKE_INSTALL_LIBDIR}/computesdk/providers")
    install(TARGETS ${target} LIBRARY DESTINATION "${providers}")
    install(FILES "${manifest}" DESTINATION "${providers}")
  endif()
endfunction()
