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

py::tuple qr_of(const py::array& y, Index rank, double rcond, const py::array& out) {
  return by_precision(y, [&]<class T>(T) {
    const StridedView<T> view = strided_matrix<T>(y);
    const BlockView<T> target{writable<T>(out, rank, view.cols, "R"), rank, view.cols, view.cols};
    Pivots pivots;
    {
      const py::gil_scoped_release release;
      Block<T> r(rank, view.cols);
      pivots = pivoted_qr<T>(view, rank, rcond, r.view());
      convert(r.view(), target);
    }
    return py::make_tuple(as_array(pivots.columns),
                          py::array_t<double>(static_cast<py::ssize_t>(pivots.remainders.size()), pivots.remainders.data()));
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
  m.def("pivoted_qr", &qr_of, "Y"_a, "rank"_a, "rcond"_a, "R"_a);
  m.def("pivoted_lu", &lu_of, "Y"_a, "rank"_a, "rcond"_a);
  m.def("farthest_columns", &farthest_of, "Y"_a, "count"_a, "rcond"_a);
  m.def("bound_coefficients", &bounded, "W"_a, "chosen"_a, "limit"_a, "most"_a);
}

}  // namespace corange::bindings
