# Instruction sets: which ones this build compiles for (corange_isas), which one the build machine has
# (corange_native_isa), and their compiler flags (corange_isa_flags).

# The best instruction set of the machine at hand, found by running the same test as the Python loader does.
function(_corange_detect_native_isa out)
  if(CMAKE_CROSSCOMPILING)
    set(${out} x86_64_v2 PARENT_SCOPE)
    return()
  endif()
  try_run(_status _compiled
    SOURCES "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/native_isa.cpp"
    CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${PROJECT_SOURCE_DIR}/cpp/bindings"
    CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON
    COMPILE_OUTPUT_VARIABLE _compile_output RUN_OUTPUT_VARIABLE _isa)
  if(NOT _compiled)
    message(FATAL_ERROR "The compiler ${CMAKE_CXX_COMPILER} does not compile C++20:\n${_compile_output}")
  elseif(NOT _status EQUAL 0)
    message(FATAL_ERROR
      "corange needs an x86-64-v2 processor (SSE4.2, about 2009), as NumPy does; this machine's is older.")
  endif()
  set(${out} "${_isa}" PARENT_SCOPE)
endfunction()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(_known_isas x86_64_v2 x86_64_v3 x86_64_v4)
  if(NOT DEFINED CACHE{CORANGE_NATIVE_ISA})
    _corange_detect_native_isa(_native)
    set(CORANGE_NATIVE_ISA "${_native}" CACHE INTERNAL "Best instruction set of the build machine")
  endif()
  set(corange_native_isa "${CORANGE_NATIVE_ISA}")
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
  set(_known_isas aarch64)
  set(corange_native_isa aarch64)
else()
  set(_known_isas generic)
  set(corange_native_isa generic)
endif()

if(CORANGE_ISA_LEVELS STREQUAL "native")
  set(corange_isas ${corange_native_isa})
elseif(CORANGE_ISA_LEVELS STREQUAL "all")
  set(corange_isas ${_known_isas})
else()
  string(REPLACE "," ";" corange_isas "${CORANGE_ISA_LEVELS}")
endif()
foreach(_isa IN LISTS corange_isas)
  if(NOT _isa IN_LIST _known_isas)
    message(FATAL_ERROR "CORANGE_ISA_LEVELS=${CORANGE_ISA_LEVELS}: '${_isa}' is not one of native, all, or a "
                        "list of: ${_known_isas}")
  endif()
endforeach()
message(STATUS "Instruction sets: ${corange_isas} (this machine: ${corange_native_isa})")

# Sets `out` to the compiler flags of an instruction set. A level names the instructions; -mtune only schedules
# them for a processor of that generation.
function(corange_isa_flags isa out)
  set(_flags "")
  if(isa STREQUAL "x86_64_v2")
    set(_flags -march=x86-64-v2)
  elseif(isa STREQUAL "x86_64_v3")
    set(_flags -march=x86-64-v3)
  elseif(isa STREQUAL "x86_64_v4")
    # Compilers prefer 256-bit vectors by default, for the clocks of processors of 2017.
    corange_supported_flags(_optional -mprefer-vector-width=512 -mtune=sapphirerapids)
    set(_flags -march=x86-64-v4 ${_optional})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
      # GCC bug 105593: _mm512_undefined_*(), which Eigen calls, is said to be used uninitialized.
      list(APPEND _flags -Wno-uninitialized -Wno-maybe-uninitialized)
    endif()
  endif()
  set(${out} "${_flags}" PARENT_SCOPE)
endfunction()
