// Row-wise factor updates: beta-divergences, Kullback-Leibler descent, missing entries, separable matrices.
#include "corange/nmf/kl_descent.hpp"
#include "corange/nmf/least_squares.hpp"
#include "corange/nmf/separable.hpp"

#include "operator.hpp"

namespace corange::bindings {
namespace {

/// Rows in either precision, and what keeps their memory alive.
struct Rows {
  std::shared_ptr<const NmfRows<float>> single;
  std::shared_ptr<const NmfRows<double>> twice;
  std::vector<py::object> keep;

  template <class T>
  const NmfRows<T>& get() const {
    if constexpr (std::is_same_v<T, float>)
      return *single;
    else
      return *twice;
  }
  template <class T>
  void set(std::shared_ptr<const NmfRows<T>> rows) {
    if constexpr (std::is_same_v<T, float>)
      single = std::move(rows);
    else
      twice = std::move(rows);
  }
};

template <class T>
StridedView<T> view_of(const py::array& a) {
  const auto item = static_cast<Index>(sizeof(T));
  if (a.ndim() != 2) throw py::value_error("X must have two dimensions");
  return {static_cast<const T*>(a.data()), a.shape(0), a.shape(1), a.strides(0) / item, a.strides(1) / item};
}

/// Calls fn(T{}) with the precision of an array.
template <class Fn>
auto by_precision(const py::array& a, const Fn& fn) {
  if (py::isinstance<py::array_t<float>>(a)) return fn(float{});
  if (py::isinstance<py::array_t<double>>(a)) return fn(double{});
  throw py::type_error("X must be float32 or float64");
}

Rows dense_rows(const py::array& x, double scale) {
  Rows rows;
  rows.keep = {x};
  by_precision(x, [&]<class T>(T) { rows.set<T>(std::make_shared<DenseNmfRows<T>>(view_of<T>(x), scale)); });
  return rows;
}

Rows compressed_rows(const py::array& indptr, const py::array& indices, const py::array& data, const py::object& weights,
                     Index inner, double scale, bool missing) {
  Rows rows;
  rows.keep = {indptr, indices, data, weights};
  const auto pointers = exactly<Index>(indptr, "indptr");
  by_precision(data, [&]<class T>(T) {
    const T* w = weights.is_none() ? nullptr : exactly<T>(py::cast<py::array>(weights), "weights").data();
    const auto make = [&]<class I>(I) {
      rows.set<T>(std::make_shared<CompressedNmfRows<T, I>>(pointers.size() - 1, inner, pointers.data(),
                                                            exactly<I>(indices, "indices").data(),
                                                            static_cast<const T*>(data.data()), w, scale, missing));
    };
    py::isinstance<py::array_t<std::int32_t>>(indices) ? make(std::int32_t{}) : make(Index{});
  });
  return rows;
}

/// A factor as Python pads it: C-contiguous with rows of whole cache lines, zero beyond column k.
template <class T>
BlockView<T> factor(const py::array& a, Index rows, Index k, const char* name) {
  const Index width = padded<T>(k);
  return {writable<T>(a, rows, width, name), rows, k, width};
}

/// The same to be read alone.
template <class T>
BlockView<const T> fixed(const py::array& a, Index rows, Index k, const char* name) {
  const Index width = padded<T>(k);
  if (!py::isinstance<py::array_t<T, py::array::c_style>>(a) || a.ndim() != 2 || a.shape(0) != rows || a.shape(1) != width)
    throw py::value_error(std::string(name) + " must be C-contiguous, of shape (" + std::to_string(rows) + ", " +
                          std::to_string(width) + ") and of the precision of X");
  return {static_cast<const T*>(a.data()), rows, k, width};
}

double terms(const Rows& x, const py::array& u, const py::array& y, Index k, double beta, const py::object& numerator,
             const py::object& denominator) {
  return by_precision(u, [&]<class T>(T) {
    const NmfRows<T>& rows = x.get<T>();
    const BlockView<const T> left = fixed<T>(u, rows.rows(), k, "U"), right = fixed<T>(y, rows.cols(), k, "Y");
    BetaTerms<T> out;
    if (!numerator.is_none()) {
      out.numerator = factor<T>(py::cast<py::array>(numerator), rows.rows(), k, "numerator");
      out.denominator = factor<T>(py::cast<py::array>(denominator), rows.rows(), k, "denominator");
    }
    const py::gil_scoped_release release;
    return beta_terms<T>(rows, left, right, beta, out);
  });
}

double descend(const Rows& x, const py::array& u, const py::array& y, Index k, double l1, double l2, Index sweeps) {
  return by_precision(u, [&]<class T>(T) {
    const NmfRows<T>& rows = x.get<T>();
    const BlockView<T> left = factor<T>(u, rows.rows(), k, "U");
    const BlockView<const T> right = fixed<T>(y, rows.cols(), k, "Y");
    const py::gil_scoped_release release;
    return kl_descent<T>(rows, left, right, {l1, l2, sweeps});
  });
}

double masked(const Rows& x, const py::array& u, const py::array& y, Index k, double l1, double l2, Index sweeps, double tol,
              bool by_count) {
  return by_precision(u, [&]<class T>(T) {
    const NmfRows<T>& rows = x.get<T>();
    const BlockView<T> left = factor<T>(u, rows.rows(), k, "U");
    const BlockView<const T> right = fixed<T>(y, rows.cols(), k, "Y");
    const py::gil_scoped_release release;
    return MaskedLeastSquares<T>(rows, right, {l1, l2, tol, sweeps}, by_count).run(left);
  });
}

void project(const py::array& x, double scale, const py::array& u, const py::array& squares) {
  by_precision(x, [&]<class T>(T) {
    const StridedView<T> view = view_of<T>(x);
    const T* direction = exactly<T>(u, "u").data();
    double* out = writable<double>(squares, 1, view.cols, "squares");
    if (u.size() != view.rows) throw py::value_error("u must have an entry for each row of X");
    const py::gil_scoped_release release;
    project_columns<T>(view, scale, direction, out);
  });
}

void squares_of(const py::array& x, double scale, const py::array& squares) {
  by_precision(x, [&]<class T>(T) {
    const StridedView<T> view = view_of<T>(x);
    double* out = writable<double>(squares, 1, view.cols, "squares");
    const py::gil_scoped_release release;
    column_squares<T>(view, scale, out);
  });
}

void capped(const py::array& g, const py::array& b, const py::array& h, Index k, double lipschitz, double tol, Index steps) {
  by_precision(h, [&]<class T>(T) {
    const BlockView<const T> gram = fixed<T>(g, k, k, "G"), right = fixed<T>(b, h.shape(0), k, "B");
    const BlockView<T> out = factor<T>(h, h.shape(0), k, "H");
    const py::gil_scoped_release release;
    capped_least_squares<T>(gram, right, out, lipschitz, tol, steps);
  });
}

}  // namespace

void register_nmf_divergence(py::module_& m) {
  using namespace py::literals;
  py::class_<Rows>(m, "NmfRows")
      .def_static("dense", &dense_rows, "X"_a, "scale"_a)
      .def_static("compressed", &compressed_rows, "indptr"_a, "indices"_a, "data"_a, "weights"_a, "inner"_a, "scale"_a,
                  "missing"_a);
  m.def("nmf_terms", &terms, "rows"_a, "U"_a, "Y"_a, "k"_a, "beta"_a, "numerator"_a, "denominator"_a);
  m.def("nmf_kl_descent", &descend, "rows"_a, "U"_a, "Y"_a, "k"_a, "l1"_a, "l2"_a, "sweeps"_a);
  m.def("nmf_masked", &masked, "rows"_a, "U"_a, "Y"_a, "k"_a, "l1"_a, "l2"_a, "sweeps"_a, "tol"_a, "by_count"_a);
  m.def("project_columns", &project, "X"_a, "scale"_a, "u"_a, "squares"_a);
  m.def("column_squares", &squares_of, "X"_a, "scale"_a, "squares"_a);
  m.def("capped_least_squares", &capped, "G"_a, "B"_a, "H"_a, "k"_a, "lipschitz"_a, "tol"_a, "steps"_a);
}

}  // namespace corange::bindings
