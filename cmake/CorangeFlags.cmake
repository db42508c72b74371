# How our own binaries are compiled. Nothing here reaches those who use corange::corange.

include(CheckCXXCompilerFlag)

set(corange_warning_flags -Wall -Wextra -Wshadow)

# Part of what -ffast-math allows, and all that is sound: no NaN, infinity or rounding is assumed away, only that
# nobody reads errno after sqrt and that floating-point exceptions do not trap. Loops vectorize under these two.
set(corange_optimization_flags -fno-math-errno -fno-trapping-math)

# Sets `out` to the flags of the list that the compiler knows.
function(corange_supported_flags out)
  set(_known "")
  foreach(_flag IN LISTS ARGN)
    string(MAKE_C_IDENTIFIER "CORANGE_HAS${_flag}" _variable)
    check_cxx_compiler_flag("${_flag}" ${_variable})
    if(${_variable})
      list(APPEND _known "${_flag}")
    endif()
  endforeach()
  set(${out} "${_known}" PARENT_SCOPE)
endfunction()
