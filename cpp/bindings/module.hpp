// What each binding file registers in the module.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <utility>

namespace corange::bindings {

namespace py = pybind11;

/// A Python callable for lambdas: the core copies and drops those with its options and operators, where nobody holds the GIL.
inline std::shared_ptr<const py::object> shared_callable(py::object callable) {
  return {new py::object(std::move(callable)), [](const py::object* p) {
            const py::gil_scoped_acquire gil;
            delete p;
          }};
}

void register_core(py::module_& m);
void register_operators(py::module_& m);
void register_svd(py::module_& m);
void register_eigh(py::module_& m);
void register_kernel(py::module_& m);
void register_linalg(py::module_& m);
void register_sketch(py::module_& m);
void register_lstsq(py::module_& m);
void register_cur(py::module_& m);
void register_nmf(py::module_& m);
void register_nmf_divergence(py::module_& m);

}  // namespace corange::bindings
