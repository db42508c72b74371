# Find Eigen: one that CMake finds by itself wins; else the one that the build requirement cmeel-eigen
# brought along. That one sits beside the Python packages (also in pip's isolated build environment),
# where only the Python that runs the build can tell.

find_package(Eigen3 3.4 CONFIG QUIET)

if(NOT Eigen3_FOUND)
  find_package(Python 3 COMPONENTS Interpreter QUIET)
  if(Python_Interpreter_FOUND)
    execute_process(
      COMMAND "${Python_EXECUTABLE}" -c
              "from importlib.metadata import distribution as d; print(d('cmeel-eigen').locate_file('cmeel.prefix'))"
      OUTPUT_VARIABLE _cmeel_prefix OUTPUT_STRIP_TRAILING_WHITESPACE
      RESULT_VARIABLE _cmeel_status ERROR_QUIET)
    if(_cmeel_status EQUAL 0)
      find_package(Eigen3 3.4 CONFIG QUIET PATHS "${_cmeel_prefix}" NO_DEFAULT_PATH)
    endif()
  endif()
endif()

if(NOT Eigen3_FOUND)
  message(FATAL_ERROR
    "corange needs Eigen 3.4 or newer in the 3 series. Install it (Debian: libeigen3-dev; Python: pip install "
    "cmeel-eigen) or point to a copy with -DEigen3_DIR=<folder of Eigen3Config.cmake>.")
endif()
message(STATUS "Eigen ${Eigen3_VERSION}: ${Eigen3_DIR}")
