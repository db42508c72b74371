// Dense operators: NumPy arrays of any strides, and rows that Python reads block by block. Together, because the kernels they
// share are slow to compile.
#include "corange/operators/dense.hpp"

#include "corange/operators/row_blocked.hpp"

#include "operator.hpp"

namespace corange::bindings {
namespace {

template <class T>
std::shared_ptr<const LinearOperator> make(const py::array& a, Affine affine) {
  const auto itemsize = static_cast<Index>(sizeof(T));
  if (a.strides(0) % itemsize != 0 || a.strides(1) % itemsize != 0) throw py::value_error("A must be aligned");
  const StridedView<T> view{static_cast<const T*>(a.data()), a.shape(0), a.shape(1), a.strides(0) / itemsize,
                            a.strides(1) / itemsize};
  return std::make_shared<DenseOperator<T>>(view, affine);
}

/// Calls read(start, stop) with the GIL and lends its rows to the consumer without it.
template <class S>
typename RowBlockedOperator<S>::Read reader(py::function read, Index cols) {
  return [read = shared_callable(std::move(read)), cols](Index start, Index stop,
                                                         const typename RowBlockedOperator<S>::Consumer& consumer) {
    const py::gil_scoped_acquire gil;
    const py::array rows = py::cast<py::array>((*read)(start, stop));
    const bool fits =
        py::isinstance<py::array_t<S>>(rows) && rows.ndim() == 2 && rows.shape(0) == stop - start && rows.shape(1) == cols;
    if (!fits)
      throw InvalidArgument("rows " + std::to_string(start) + " .. " + std::to_string(stop) +
                            " were read with an unexpected shape or dtype");
    const auto size = static_cast<Index>(sizeof(S));
    const StridedView<S> view{static_cast<const S*>(rows.data()), stop - start, cols, rows.strides(0) / size,
                              rows.strides(1) / size};
    const py::gil_scoped_release release;
    consumer(view);
  };
}

}  // namespace

std::shared_ptr<const LinearOperator> make_dense(const py::array& a, Affine affine) {
  if (a.ndim() != 2) throw py::value_error("A must have two dimensions");
  if (py::isinstance<py::array_t<float>>(a)) return make<float>(a, affine);
  if (py::isinstance<py::array_t<double>>(a)) return make<double>(a, affine);
  throw py::type_error("A must be float32 or float64");
}

std::shared_ptr<const LinearOperator> make_row_blocked(const py::function& read, std::pair<Index, Index> shape,
                                                       const py::dtype& dtype, Index block_rows, bool check_finite,
                                                       bool by_columns, Affine affine) {
  const auto make = [&]<class S>(S) -> std::shared_ptr<const LinearOperator> {
    const auto [m, n] = shape;
    if (!by_columns) return std::make_shared<RowBlockedOperator<S>>(reader<S>(read, n), m, n, block_rows, check_finite, affine);
    return RowBlockedOperator<S>(reader<S>(read, m), n, m, block_rows, check_finite, affine.transposed(), 1, true).view(true, 1);
  };
  if (dtype.is(py::dtype::of<float>())) return make(float{});
  if (dtype.is(py::dtype::of<double>())) return make(double{});
  throw py::type_error("dtype must be float32 or float64");
}

}  // namespace corange::bindings
