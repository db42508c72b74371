// What each binding file registers in the module.
#pragma once

#include <pybind11/pybind11.h>

namespace corange::bindings {

namespace py = pybind11;

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
