// How this extension was built.
#include <Eigen/Core>

#include "corange/core/parallel.hpp"

#include "module.hpp"

namespace corange::bindings {
namespace {

#define CORANGE_TEXT_OF(x) #x
#define CORANGE_TEXT(x) CORANGE_TEXT_OF(x)

constexpr const char* eigen_version =
    CORANGE_TEXT(EIGEN_WORLD_VERSION) "." CORANGE_TEXT(EIGEN_MAJOR_VERSION) "." CORANGE_TEXT(EIGEN_MINOR_VERSION);

#ifdef _OPENMP
constexpr bool has_openmp = true;
#else
constexpr bool has_openmp = false;
#endif

py::dict build_info() {
  using namespace py::literals;
  return py::dict("version"_a = CORANGE_VERSION, "isa"_a = CORANGE_ISA, "openmp"_a = has_openmp, "max_threads"_a = max_threads(),
                  "eigen"_a = eigen_version, "compiler"_a = CORANGE_COMPILER);
}

/// Runs pending signal handlers; true if one raised, and the exception then waits in this thread's state.
bool signal_raised() {
  const py::gil_scoped_acquire gil;
  return PyErr_CheckSignals() != 0;
}

void translate(std::exception_ptr error) {
  try {
    if (error) std::rethrow_exception(error);
  } catch (const Interrupted&) {
    if (!PyErr_Occurred()) PyErr_SetNone(PyExc_KeyboardInterrupt);
  } catch (const InvalidArgument& e) {
    PyErr_SetString(PyExc_ValueError, e.what());
  } catch (const NumericalError& e) {
    py::set_error(py::module_::import("numpy.linalg").attr("LinAlgError"), e.what());
  }
}

}  // namespace

void register_core(py::module_& m) {
  set_interrupt_hook(&signal_raised);
  py::register_local_exception_translator(&translate);
  m.def("build_info", &build_info, "How this extension was built, and the threads it may use.");
}

}  // namespace corange::bindings
