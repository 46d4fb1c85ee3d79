# SPDX-License-Identifier: MIT
# Compiler and linker flags for all of our own targets, and xk_floor(), which makes one static library
# per floor of the house (docs/architecture.md).

add_library(xk_flags INTERFACE)
target_include_directories(xk_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(xk_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
  -Woverloaded-virtual -Wcast-align -Wformat=2 -Wimplicit-fallthrough
  # The macros of libbpf and libseccomp are C99 and GNU C; g++ forgives that in system headers.
  $<$<CXX_COMPILER_ID:Clang>:-Wno-c99-extensions> $<$<CXX_COMPILER_ID:Clang>:-Wno-gnu-statement-expression>
  $<$<AND:$<CXX_COMPILER_ID:Clang>,$<VERSION_GREATER_EQUAL:$<CXX_COMPILER_VERSION>,19>>:-Wno-missing-designated-field-initializers>
  $<$<BOOL:${XK_WERROR}>:-Werror>
  "-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=")
if(CMAKE_SIZEOF_VOID_P EQUAL 4)
  # A time of 64 bits: with 32 bits the clock ends in 2038. No function of the libraries takes or gives a time_t.
  target_compile_definitions(xk_flags INTERFACE _TIME_BITS=64 _FILE_OFFSET_BITS=64)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^arm" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC notes where it passes iterators otherwise than GCC 6 did, which concerns nobody here.
  target_compile_options(xk_flags INTERFACE -Wno-psabi)
endif()

# The hardening of every build type but the fuzzers'; tests/lint/hardening.sh reads it from the binaries.
if(XK_FUZZ)
  target_compile_options(xk_flags INTERFACE -fsanitize=fuzzer-no-link,address,undefined
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(xk_flags INTERFACE -fsanitize=fuzzer-no-link,address,undefined)
elseif(XK_SANITIZE)
  # The two compilers have no common macro for it. The sandbox permits what the sanitizer's runtime needs.
  target_compile_definitions(xk_flags INTERFACE XK_SANITIZED)
  target_compile_options(xk_flags INTERFACE -fsanitize=${XK_SANITIZE} -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  target_link_options(xk_flags INTERFACE -fsanitize=${XK_SANITIZE})
else()
  # Each processor has its own protection of jumps and returns; 32-bit ARM has none.
  set(control_flow)
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
    set(control_flow -fcf-protection)
  elseif(CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64")
    set(control_flow -mbranch-protection=standard)
  endif()
  # clang-14 (the tidy preset) has the last flag behind a second one that later versions refuse.
  target_compile_options(xk_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
    -fstack-protector-strong -fstack-clash-protection ${control_flow} -D_GLIBCXX_ASSERTIONS
    $<$<CXX_COMPILER_ID:GNU>:-ftrivial-auto-var-init=zero>)
endif()
set(executable -pie)
if(XK_STATIC)
  set(executable -static-pie)
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL "armv7l") # Debian 12's glibc has no rcrt1.o for it
    set(executable -static)
  endif()
endif()
target_link_options(xk_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack
  $<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:${executable}>)

# The standard library's headers are parsed once for all sources where the compiler is clang, in the presets that nobody
# ships: that halves the time of a build. A precompiled header is good for one set of options: so with these presets the
# executables get -fPIC like the libraries.
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND NOT XK_TIDY)
  set(CMAKE_POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(xk_flags INTERFACE -fPIC)
  file(WRITE ${PROJECT_BINARY_DIR}/precompiled.cpp "")
  add_library(xk_precompiled OBJECT ${PROJECT_BINARY_DIR}/precompiled.cpp)
  target_link_libraries(xk_precompiled PRIVATE xk_flags sodium)
  # The sanitizers' programs are large: lld links them in a third of the time.
  string(REGEX MATCH "^[0-9]+" version "${CMAKE_CXX_COMPILER_VERSION}")
  find_program(XK_LLD NAMES ld.lld-${version})
  if(XK_LLD)
    target_link_options(xk_flags INTERFACE -fuse-ld=lld)
  endif()
  # A date in it would make each build another one for a compiler cache.
  target_compile_options(xk_precompiled PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
  target_precompile_headers(xk_precompiled PRIVATE <algorithm> <array> <bit> <chrono> <concepts> <cstddef> <cstdint>
    <cstring> <filesystem> <functional> <map> <memory> <optional> <set> <span> <sstream> <string> <string_view>
    <unordered_map> <utility> <variant> <vector> <sodium.h>)
endif()
function(xk_precompile target)
  if(TARGET xk_precompiled)
    target_precompile_headers(${target} REUSE_FROM xk_precompiled)
  endif()
endfunction()

if(XK_TIDY)
  find_program(XK_CLANG_TIDY NAMES clang-tidy-14 clang-tidy REQUIRED)
  set(CMAKE_CXX_CLANG_TIDY ${XK_CLANG_TIDY} --warnings-as-errors=*)
endif()

# The presets of whole runs compile up to sixteen sources of a library as one, in half of the time (CMAKE_UNITY_BUILD in
# CMakePresets.json). So a name in an anonymous namespace is the only one of its library. Each source by itself is compiled by
# the preset dev. Some headers of the kernel and of the C library exclude each other, except where those of the C library come
# first (linux/libc-compat.h).
set(XK_UNITY_BEGIN "#include <net/if.h>\n#include <netinet/in.h>")

# xk_floor(NAME SOURCES ... LINK ...): a static library with our flags.
function(xk_floor name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC xk_flags ${arg_LINK})
  set_target_properties(${name} PROPERTIES UNITY_BUILD_CODE_BEFORE_INCLUDE "${XK_UNITY_BEGIN}")
  xk_precompile(${name})
endfunction()
