// The operators that Python can make, and products with them.
#include "operator.hpp"

#include <pybind11/stl.h>

#include "corange/operators/affine.hpp"
#include "corange/operators/callback.hpp"
#include "corange/operators/product.hpp"

namespace corange::bindings {

Affine affine_of(const py::object& mean, const py::object& row_scale, Index rows, Index cols, std::vector<py::object>& keep) {
  const auto vector = [&keep](const py::object& object, Index size, const char* name) -> const double* {
    if (object.is_none()) return nullptr;
    const auto a = exactly<double>(py::cast<py::array>(object), name);
    if (a.ndim() != 1 || a.size() != size || (size > 1 && a.strides(0) != a.itemsize()))
      throw py::value_error(std::string(name) + " must be a contiguous vector of length " + std::to_string(size));
    keep.push_back(a);
    return a.data();
  };
  Affine affine;
  affine.col_shift = vector(mean, cols, "mean");
  affine.row_scale = vector(row_scale, rows, "row_scale");
  return affine;
}

namespace {

struct DenseOp : Operator {
  DenseOp(py::array a, const py::object& mean, const py::object& row_scale) {
    if (a.ndim() != 2) throw py::value_error("A must have two dimensions");
    raw = make_dense(a, {});
    core = make_dense(a, affine_of(mean, row_scale, a.shape(0), a.shape(1), keep));
    keep.push_back(std::move(a));
  }
};

struct CompressedOp : Operator {
  CompressedOp(py::array indptr, py::array indices, py::array data, std::pair<Index, Index> shape, const py::object& mean,
               const py::object& row_scale, bool by_rows) {
    core = raw = make_sparse(indptr, indices, data, shape.first, shape.second, by_rows);
    const Affine affine = affine_of(mean, row_scale, shape.first, shape.second, keep);
    if (!affine.identity()) core = std::make_shared<AffineOperator>(raw, affine);
    for (py::array* a : {&indptr, &indices, &data}) keep.push_back(std::move(*a));
  }
};
struct CsrOp : CompressedOp {
  CsrOp(py::array p, py::array i, py::array d, std::pair<Index, Index> s, const py::object& mean, const py::object& scale)
      : CompressedOp(std::move(p), std::move(i), std::move(d), s, mean, scale, true) {}
};
struct CscOp : CompressedOp {
  CscOp(py::array p, py::array i, py::array d, std::pair<Index, Index> s, const py::object& mean, const py::object& scale)
      : CompressedOp(std::move(p), std::move(i), std::move(d), s, mean, scale, false) {}
};

struct RowBlockedOp : Operator {
  RowBlockedOp(const py::function& read, std::pair<Index, Index> shape, const py::dtype& dtype, Index block_rows,
               const py::object& mean, const py::object& row_scale, bool check_finite, bool by_columns) {
    const Affine affine = affine_of(mean, row_scale, shape.first, shape.second, keep);
    keep.push_back(read);
    raw = make_row_blocked(read, shape, dtype, block_rows, check_finite, by_columns, {});
    core = make_row_blocked(read, shape, dtype, block_rows, check_finite, by_columns, affine);
  }
};

/// Calls matmat(X) with the GIL; X is a fresh array that the user may keep.
template <class S>
typename CallbackOperator<S>::Multiply multiplier(py::function matmat, Index in, Index out, const char* name) {
  return [matmat = shared_callable(std::move(matmat)), in, out, name](const S* x, S* y, Index b) {
    const py::gil_scoped_acquire gil;
    const py::array_t<S> argument({in, b}, x);
    const auto result = py::array_t<S, py::array::c_style | py::array::forcecast>::ensure((*matmat)(argument));
    if (!result) throw py::error_already_set();
    if (result.ndim() != 2 || result.shape(0) != out || result.shape(1) != b)
      throw InvalidArgument(std::string("the operator's ") + name + " must return shape (" + std::to_string(out) + ", " +
                            std::to_string(b) + ")");
    std::copy_n(result.data(), out * b, y);
  };
}

struct CallbackOp : Operator {
  CallbackOp(const py::function& matmat, const py::function& rmatmat, std::pair<Index, Index> shape, const py::dtype& dtype,
             const py::object& mean, const py::object& row_scale) {
    const auto make = [&]<class S>(S) {
      raw = std::make_shared<CallbackOperator<S>>(shape.first, shape.second,
                                                  multiplier<S>(matmat, shape.second, shape.first, "matmat"),
                                                  multiplier<S>(rmatmat, shape.first, shape.second, "rmatmat"));
    };
    if (dtype.is(py::dtype::of<float>()))
      make(float{});
    else if (dtype.is(py::dtype::of<double>()))
      make(double{});
    else
      throw py::type_error("dtype must be float32 or float64");
    const Affine affine = affine_of(mean, row_scale, shape.first, shape.second, keep);
    core = affine.identity() ? raw : std::make_shared<AffineOperator>(raw, affine);
    keep.push_back(matmat);
    keep.push_back(rmatmat);
  }
};

/// left times right in place of a matrix with entries of the size of those of `like`; left has orthonormal columns.
struct ProductOp : Operator {
  ProductOp(py::array left, py::array right, const Operator& like) {
    const auto l = make_dense(left, {}), r = make_dense(right, {});
    Scan scan = r->scan();
    const Scan whole = like.raw->scan();
    if (whole.known) {
      scan.sum_squares = std::ldexp(scan.sum_squares, 2 * (scan.exponent - whole.exponent));
      scan.exponent = whole.exponent, scan.max_abs = whole.max_abs;
    }
    core = raw = std::make_shared<ProductOperator>(l->view(false, 1), r->view(false, 1), scan);
    for (py::array* a : {&left, &right}) keep.push_back(std::move(*a));
  }
};

/// rows x cols, any strides that are multiples of the entries.
template <class T>
StridedView<T> strided_array(const py::array& x, Index rows, const char* name) {
  constexpr auto kSize = static_cast<py::ssize_t>(sizeof(T));
  if (!py::isinstance<py::array_t<T>>(x) || x.ndim() != 2 || x.shape(0) != rows || x.strides(0) % kSize != 0 ||
      x.strides(1) % kSize != 0)
    throw py::value_error(std::string(name) + " must have " + std::to_string(rows) + " rows and the dtype of Y");
  return {static_cast<const T*>(x.data()), rows, x.shape(1), x.strides(0) / kSize, x.strides(1) / kSize};
}

template <class T>
void multiply(const Operator& self, const py::array& x, const py::array& y, bool adjoint) {
  const LinearOperator& a = *self.core;
  const StridedView<T> source = strided_array<T>(x, adjoint ? a.rows() : a.cols(), "X");
  const StridedView<T> target = strided_array<T>(y, adjoint ? a.cols() : a.rows(), "Y");
  if (target.cols != source.cols || !y.writeable())
    throw py::value_error("Y must be writable and have as many columns as X, which has " + std::to_string(source.cols));
  const py::gil_scoped_release release;
  a.multiply(source, {const_cast<T*>(target.data), target.rows, target.cols, target.row_stride, target.col_stride}, adjoint);
}

template <class T>
void multiply_normal(const Operator& self, const py::array& x, const py::array& z) {
  const LinearOperator& a = *self.core;
  const StridedView<T> source = strided_array<T>(x, a.cols(), "X");
  const Index b = source.cols;
  T* target = writable<T>(z, a.cols(), b, "Z");
  const py::gil_scoped_release release;
  const Block<T> in = packed(source);
  Block<T> middle(overwritten, a.rows(), b), out(overwritten, a.cols(), b);
  a.apply_normal(in.view(), out.view(), middle.view());
  unpack<T>(out.view(), {target, a.cols(), b, b, 1});
}

template <bool adjoint>
void apply(const Operator& self, const py::array& x, const py::array& y) {
  py::isinstance<py::array_t<float>>(y) ? multiply<float>(self, x, y, adjoint) : multiply<double>(self, x, y, adjoint);
}

void apply_normal(const Operator& self, const py::array& x, const py::array& z) {
  py::isinstance<py::array_t<float>>(z) ? multiply_normal<float>(self, x, z) : multiply_normal<double>(self, x, z);
}

py::object scan(const Operator& self, bool shifted) {
  using namespace py::literals;
  Scan s;
  {
    const py::gil_scoped_release release;
    s = (shifted ? self.core : self.raw)->scan();
  }
  if (!s.known) return py::none();
  const py::object first = s.bad > 0 ? py::object(py::make_tuple(s.bad_row, s.bad_col)) : py::none();
  return py::dict("finite"_a = s.bad == 0, "first_bad"_a = first, "bad_count"_a = s.bad, "max_abs"_a = s.max_abs,
                  "norm_fro"_a = std::ldexp(std::sqrt(s.sum_squares), s.exponent));
}

/// The same matrix times 2^-exponent, which shares its memory.
Operator scaled(const Operator& self, int exponent) {
  Operator view;
  view.core = view.raw = self.core->view(false, std::ldexp(1.0, -exponent));
  view.keep = self.keep;
  return view;
}

/// A'w / sum(w) of the raw data, w = 1 by default.
py::array_t<double> column_means(const Operator& self, const py::object& weights) {
  const LinearOperator& a = *self.raw;
  std::vector<py::object> keep;
  const double* w = affine_of(py::none(), weights, a.rows(), a.cols(), keep).row_scale;
  py::array_t<double> means(a.cols());
  double* out = means.mutable_data();
  const py::gil_scoped_release release;
  Block<double> x(a.rows(), 1), y(a.cols(), 1);
  double total = 0;
  for (Index i = 0; i < a.rows(); ++i) total += x(i, 0) = w ? w[i] : 1.0;
  for (Index i = 0; i < a.rows(); ++i) x(i, 0) /= total;
  a.apply_adjoint(BlockView<const double>(x.view()), y.view());
  for (Index j = 0; j < a.cols(); ++j) out[j] = y(j, 0);
  return means;
}

}  // namespace

void register_operators(py::module_& m) {
  using namespace py::literals;
  py::class_<Operator>(m, "Operator")
      .def_property_readonly("shape", [](const Operator& o) { return std::pair(o.core->rows(), o.core->cols()); })
      .def_property_readonly("dtype", &Operator::dtype)
      .def("apply", &apply<false>, "X"_a, "Y"_a)
      .def("apply_adjoint", &apply<true>, "X"_a, "Y"_a)
      .def("apply_normal", &apply_normal, "X"_a, "Z"_a)
      .def("scaled", &scaled, "exponent"_a)
      .def("scan", &scan, "shifted"_a = false)
      .def("column_means", &column_means, "weights"_a = py::none());
  py::class_<DenseOp, Operator>(m, "DenseOperator")
      .def(py::init<py::array, py::object, py::object>(), "a"_a, "mean"_a = py::none(), "row_scale"_a = py::none());
  py::class_<CsrOp, Operator>(m, "CsrOperator")
      .def(py::init<py::array, py::array, py::array, std::pair<Index, Index>, py::object, py::object>(), "indptr"_a, "indices"_a,
           "data"_a, "shape"_a, "mean"_a = py::none(), "row_scale"_a = py::none());
  py::class_<CscOp, Operator>(m, "CscOperator")
      .def(py::init<py::array, py::array, py::array, std::pair<Index, Index>, py::object, py::object>(), "indptr"_a, "indices"_a,
           "data"_a, "shape"_a, "mean"_a = py::none(), "row_scale"_a = py::none());
  py::class_<RowBlockedOp, Operator>(m, "RowBlockedOperator")
      .def(py::init<py::function, std::pair<Index, Index>, py::dtype, Index, py::object, py::object, bool, bool>(), "read"_a,
           "shape"_a, "dtype"_a, "block_rows"_a, "mean"_a = py::none(), "row_scale"_a = py::none(), "check_finite"_a = true,
           "by_columns"_a = false);
  py::class_<CallbackOp, Operator>(m, "CallbackOperator")
      .def(py::init<py::function, py::function, std::pair<Index, Index>, py::dtype, py::object, py::object>(), "matmat"_a,
           "rmatmat"_a, "shape"_a, "dtype"_a, "mean"_a = py::none(), "row_scale"_a = py::none());
  py::class_<ProductOp, Operator>(m, "ProductOperator")
      .def(py::init<py::array, py::array, const Operator&>(), "left"_a, "right"_a, "like"_a);
}

}  // namespace corange::bindings
