# Options, warnings and output folders that every room shares. Nothing here is set globally when the
# project is a sub-project of another one.

option(COMPUTESDK_BUILD_TESTS "Build the tests and the benchmarks" ${PROJECT_IS_TOP_LEVEL})
set(COMPUTESDK_SANITIZE "" CACHE STRING "Sanitizers for the host side: empty, 'address;undefined' or 'thread'")

# The providers that speak HTTP to a vendor. Under the thread sanitizer one stands for all: none has threads of its own,
# each call is served by the thread that it runs on, and what they share runs in every one.
set(COMPUTESDK_VENDORS blaxel daytona e2b runloop vercel)
if(COMPUTESDK_SANITIZE MATCHES thread)
  set(COMPUTESDK_VENDORS e2b)
endif()

if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
  endif()
  find_program(CCACHE_PROGRAM ccache)
  if(CCACHE_PROGRAM)
    set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
  endif()
endif()

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)

# The build tree has the shape of an installed prefix, because the registry looks for the product's
# own providers beside the running program: <dir>/../lib/computesdk/providers.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(COMPUTESDK_PROVIDER_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib/computesdk/providers)
set(CMAKE_INSTALL_LIBDIR lib CACHE STRING "Folder of libraries below the prefix")
include(GNUInstallDirs)

find_package(Threads REQUIRED)

# Every target of ours links this one PRIVATE.
add_library(csdk_build_flags INTERFACE)
target_compile_options(csdk_build_flags INTERFACE -Wall -Wextra -Wpedantic -Werror)
# The same without instrumentation: for the static helpers of the local provider, which sanitizers refuse.
add_library(csdk_plain_flags INTERFACE)
target_compile_options(csdk_plain_flags INTERFACE -Wall -Wextra -Wpedantic -Werror)

# The presets for tests compile the files of a target joined, which takes a third of the time; release and bench compile
# each alone. To be one file's own is then no property of a type any more.
if(CMAKE_UNITY_BUILD)
  target_compile_options(csdk_build_flags INTERFACE -Wno-subobject-linkage)
endif()

# g++ 12 at -O3 takes the copy inside `"text" + std::string` for one that overlaps (GCC bug 105651); which lines it
# finds changes with what is inlined around them.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  foreach(flags IN ITEMS csdk_build_flags csdk_plain_flags)
    target_compile_options(${flags} INTERFACE $<$<AND:$<CONFIG:Release>,$<COMPILE_LANGUAGE:CXX>>:-Wno-restrict>)
  endforeach()
endif()

if(COMPUTESDK_SANITIZE)
  foreach(sanitizer IN LISTS COMPUTESDK_SANITIZE)
    target_compile_options(csdk_build_flags INTERFACE -fsanitize=${sanitizer} -fno-omit-frame-pointer)
    target_link_options(csdk_build_flags INTERFACE -fsanitize=${sanitizer})
  endforeach()
  if("thread" IN_LIST COMPUTESDK_SANITIZE)
    # Fences are not followed. Asio's go with mutexes, which are; ours guard memory that another process writes.
    target_compile_options(csdk_build_flags INTERFACE -Wno-tsan)
  endif()
endif()
