// Choice of columns of a short, wide matrix.
#include "corange/cur/bounded.hpp"
#include "corange/cur/farthest.hpp"
#include "corange/cur/pivoted_lu.hpp"
#include "corange/cur/pivoted_qr.hpp"

#include "operator.hpp"

namespace corange::bindings {
namespace {

template <class T>
StridedView<T> strided_matrix(const py::array& a) {
  constexpr auto size = static_cast<Index>(sizeof(T));
  if (!py::isinstance<py::array_t<T>>(a) || a.ndim() != 2 || a.strides(0) % size != 0 || a.strides(1) % size != 0)
    throw py::value_error("Y must be an aligned matrix of float32 or float64");
  return {static_cast<const T*>(a.data()), a.shape(0), a.shape(1), a.strides(0) / size, a.strides(1) / size};
}

/// fn(T{}) with the type of the entries.
template <class Fn>
auto by_precision(const py::array& a, const Fn& fn) {
  return py::isinstance<py::array_t<float>>(a) ? fn(float{}) : fn(double{});
}

py::array_t<Index> as_array(const std::vector<Index>& v) {
  return py::array_t<Index>(static_cast<py::ssize_t>(v.size()), v.data());
}

/// Computes in T; R = Q' Y is written where an array for it is given, of the precision of Y.
template <class T, class S>
py::tuple qr_in(const py::array& y, Index rank, double rcond, const py::object& r_out) {
  const StridedView<S> view = strided_matrix<S>(y);
  BlockView<S> target{nullptr, rank, view.cols, view.cols};
  if (!r_out.is_none()) target.data = writable<S>(py::cast<py::array>(r_out), rank, view.cols, "R");
  Pivots pivots;
  {
    const py::gil_scoped_release release;
    Block<T> r(rank, view.cols);
    pivots = pivoted_qr<T>(view, rank, rcond, r.view());
    if (target.data) convert(r.view(), target);
  }
  return py::make_tuple(as_array(pivots.columns),
                        py::array_t<double>(static_cast<py::ssize_t>(pivots.remainders.size()), pivots.remainders.data()));
}

py::tuple qr_of(const py::array& y, Index rank, double rcond, const py::object& r, bool single) {
  return by_precision(y,
                      [&]<class S>(S) { return single ? qr_in<float, S>(y, rank, rcond, r) : qr_in<S, S>(y, rank, rcond, r); });
}

/// out = some columns of A.
void take(const py::array& a, const py::array_t<Index>& columns, const py::array& out) {
  by_precision(a, [&]<class T>(T) {
    const StridedView<T> view = strided_matrix<T>(a);
    if (columns.ndim() != 1 || (columns.size() > 1 && columns.strides(0) != columns.itemsize()))
      throw py::value_error("the columns must be a contiguous vector");
    const Index count = columns.size(), *indices = columns.data();
    for (Index j = 0; j < count; ++j)
      if (indices[j] < 0 || indices[j] >= view.cols) throw py::value_error("a column is out of range");
    T* data = writable<T>(out, view.rows, count, "out");
    const py::gil_scoped_release release;
    take_columns<T>(view, indices, {data, view.rows, count, count, 1});
  });
}

py::array_t<Index> lu_of(const py::array& y, Index rank, double rcond) {
  return by_precision(y, [&]<class T>(T) {
    const StridedView<T> view = strided_matrix<T>(y);
    std::vector<Index> chosen;
    {
      const py::gil_scoped_release release;
      chosen = pivoted_lu<T>(view, rank, rcond);
    }
    return as_array(chosen);
  });
}

py::array_t<Index> farthest_of(const py::array& y, Index count, double rcond) {
  return by_precision(y, [&]<class T>(T) {
    const StridedView<T> view = strided_matrix<T>(y);
    std::vector<Index> chosen;
    {
      const py::gil_scoped_release release;
      chosen = farthest_columns<T>(view, count, rcond);
    }
    return as_array(chosen);
  });
}

/// Changes W and returns the columns that are chosen now.
py::array_t<Index> bounded(const py::array& w, const py::array_t<Index>& chosen, double limit, Index most) {
  return by_precision(w, [&]<class T>(T) {
    if (w.ndim() != 2 || chosen.ndim() != 1) throw py::value_error("W must be a matrix and the chosen columns a vector");
    const Index rows = w.shape(0), cols = w.shape(1);
    const BlockView<T> view{writable<T>(w, rows, cols, "W"), rows, cols, cols};
    std::vector<Index> columns(chosen.data(), chosen.data() + chosen.size());
    {
      const py::gil_scoped_release release;
      bound_coefficients<T>(view, columns, limit, most);
    }
    return as_array(columns);
  });
}

}  // namespace

void register_cur(py::module_& m) {
  using namespace py::literals;
  m.def("pivoted_qr", &qr_of, "Y"_a, "rank"_a, "rcond"_a, "R"_a = py::none(), "single"_a = false);
  m.def("pivoted_lu", &lu_of, "Y"_a, "rank"_a, "rcond"_a);
  m.def("farthest_columns", &farthest_of, "Y"_a, "count"_a, "rcond"_a);
  m.def("take_columns", &take, "A"_a, "columns"_a, "out"_a);
  m.def("bound_coefficients", &bounded, "W"_a, "chosen"_a, "limit"_a, "most"_a);
}

}  // namespace corange::bindings
