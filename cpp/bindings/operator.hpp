// A core operator as a Python object: the operator and what keeps its memory alive.
#pragma once

#include <pybind11/numpy.h>

#include <memory>
#include <utility>
#include <vector>

#include "corange/operators/linear_operator.hpp"
#include "module.hpp"

namespace corange::bindings {

struct Operator {
  std::shared_ptr<const LinearOperator> core;
  std::shared_ptr<const LinearOperator> raw;  // before shifts and scales
  std::vector<py::object> keep;

  virtual ~Operator() = default;
  py::dtype dtype() const { return core->single_precision() ? py::dtype::of<float>() : py::dtype::of<double>(); }
};

/// Pointers into optional float64 vectors (mean per column, factor per row), which `keep` holds on to.
Affine affine_of(const py::object& mean, const py::object& row_scale, Index rows, Index cols, std::vector<py::object>& keep);

std::shared_ptr<const LinearOperator> make_dense(const py::array& a, Affine affine);
/// by_columns: `read` gives columns start .. stop, as rows.
std::shared_ptr<const LinearOperator> make_row_blocked(const py::function& read, std::pair<Index, Index> shape,
                                                       const py::dtype& dtype, Index block_rows, bool check_finite,
                                                       bool by_columns, Affine affine);
std::shared_ptr<const LinearOperator> make_sparse(const py::array& indptr, const py::array& indices, const py::array& data,
                                                  Index rows, Index cols, bool by_rows);

/// The array as T without a copy, or TypeError: copies are made in Python, visibly, or not at all.
template <class T>
py::array_t<T> exactly(const py::array& a, const char* name) {
  if (!py::isinstance<py::array_t<T>>(a)) throw py::type_error(std::string(name) + " has an unexpected dtype");
  return py::reinterpret_borrow<py::array_t<T>>(a);
}

/// indptr of SciPy's compressed storage.
inline SliceStarts starts_of(const py::array& indptr) {
  if (py::isinstance<py::array_t<std::int64_t>>(indptr)) return static_cast<const std::int64_t*>(indptr.data());
  return exactly<std::int32_t>(indptr, "indptr").data();
}

/// C-contiguous matrix of T with the given shape, which may be written.
template <class T>
T* writable(const py::array& a, Index rows, Index cols, const char* name) {
  const bool fits =
      py::isinstance<py::array_t<T, py::array::c_style>>(a) && a.ndim() == 2 && a.shape(0) == rows && a.shape(1) == cols;
  if (!fits || !a.writeable())
    throw py::value_error(std::string(name) + " must be a writable C-contiguous array of shape (" + std::to_string(rows) + ", " +
                          std::to_string(cols) + ") and the operator's dtype");
  return static_cast<T*>(const_cast<void*>(a.data()));
}

}  // namespace corange::bindings
