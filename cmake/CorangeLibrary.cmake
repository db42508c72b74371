# The header-only library corange::corange and its CMake package.

include(CMakePackageConfigHelpers)

file(GLOB_RECURSE _headers CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/cpp/include/corange/*.hpp")

add_library(corange INTERFACE)
add_library(corange::corange ALIAS corange)
target_sources(corange INTERFACE
  FILE_SET HEADERS BASE_DIRS "${CMAKE_CURRENT_SOURCE_DIR}/cpp/include" FILES ${_headers})
target_compile_features(corange INTERFACE cxx_std_20)
# The tiles are ours and fixed, so results do not depend on the number of threads: Eigen must not start its own.
target_compile_definitions(corange INTERFACE EIGEN_DONT_PARALLELIZE EIGEN_MPL2_ONLY)
find_package(Threads REQUIRED)
target_link_libraries(corange INTERFACE Eigen3::Eigen Threads::Threads)

if(CORANGE_OPENMP)
  find_package(OpenMP COMPONENTS CXX)
  if(NOT OpenMP_CXX_FOUND)
    message(WARNING "OpenMP was not found: corange will run on one thread.")
  endif()
endif()
# A name, not a target: an application may have found another OpenMP, or want none.
target_link_libraries(corange INTERFACE $<TARGET_NAME_IF_EXISTS:OpenMP::OpenMP_CXX>)

set(_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/corange")
install(TARGETS corange EXPORT corangeTargets
  FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT dev)
install(EXPORT corangeTargets NAMESPACE corange:: DESTINATION "${_package_dir}" COMPONENT dev)
configure_package_config_file(
  "${CMAKE_CURRENT_LIST_DIR}/corangeConfig.cmake.in" "${CMAKE_CURRENT_BINARY_DIR}/corangeConfig.cmake"
  INSTALL_DESTINATION "${_package_dir}")
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/corangeConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/corangeConfig.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/corangeConfigVersion.cmake"
  DESTINATION "${_package_dir}" COMPONENT dev)
