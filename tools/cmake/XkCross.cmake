# SPDX-License-Identifier: MIT
# A toolchain of Debian for another architecture: XK_ARCH is Debian's name of it, XK_ROOT the directory into which
# tools/static-client has unpacked the libraries' packages.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES XK_ARCH XK_ROOT)
set(CMAKE_SYSTEM_NAME Linux)
if(XK_ARCH STREQUAL "amd64")
  set(CMAKE_SYSTEM_PROCESSOR x86_64)
  set(triplet x86_64-linux-gnu)
elseif(XK_ARCH STREQUAL "arm64")
  set(CMAKE_SYSTEM_PROCESSOR aarch64)
  set(triplet aarch64-linux-gnu)
elseif(XK_ARCH STREQUAL "armhf")
  set(CMAKE_SYSTEM_PROCESSOR armv7l)
  set(triplet arm-linux-gnueabihf)
else()
  message(FATAL_ERROR "XK_ARCH is amd64, arm64 or armhf")
endif()
set(CMAKE_C_COMPILER ${triplet}-gcc-12)
set(CMAKE_CXX_COMPILER ${triplet}-g++-12)

set(CMAKE_SYSROOT ${XK_ROOT})
add_compile_options("-ffile-prefix-map=${XK_ROOT}/=/")
# There is no shared C library to link CMake's test programs with.
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_LIBRARY_ARCHITECTURE ${triplet})
# The cross compiler brings a C library too. Security updates of Debian are in the package for the architecture itself.
set(CMAKE_EXE_LINKER_FLAGS_INIT "-B${XK_ROOT}/usr/lib/${triplet}/ -L${XK_ROOT}/usr/lib/${triplet}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_LIBDIR} ${XK_ROOT}/usr/lib/${triplet}/pkgconfig:${XK_ROOT}/usr/share/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${XK_ROOT})
