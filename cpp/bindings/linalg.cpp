// Random blocks, orthonormalization and range finding.
#include "corange/linalg/orthonormalize.hpp"

#include <pybind11/stl.h>

#include "operator.hpp"

namespace corange::bindings {
namespace {

template <class T>
void fill_random(const std::string& kind, RandomKey key, Index row0, Index col0, const py::array& out) {
  T* data = writable<T>(out, out.shape(0), out.shape(1), "out");
  const Index rows = out.shape(0), cols = out.shape(1);
  const auto fill = kind == "uniform" ? &fill_uniform<T> : kind == "normal" ? &fill_normal<T> : &fill_sign<T>;
  const py::gil_scoped_release release;
  const Tiling tiles = tiling(rows);
  parallel_for(tiles.count(),
               [&](Index t) { fill(key, row0 + tiles.begin(t), col0, tiles.size(t), cols, data + tiles.begin(t) * cols, cols); });
}

void random_block(const std::string& kind, std::uint64_t seed, std::uint64_t stream, Index row0, Index col0,
                  const py::array& out) {
  if (kind != "uniform" && kind != "normal" && kind != "sign")
    throw py::value_error("kind must be 'uniform', 'normal' or 'sign'");
  if (out.ndim() != 2) throw py::value_error("out must have two dimensions");
  if (py::isinstance<py::array_t<float>>(out))
    fill_random<float>(kind, {seed, stream}, row0, col0, out);
  else
    fill_random<double>(kind, {seed, stream}, row0, col0, out);
}

/// out = orthonormal basis of the columns of x; `rough`: one Cholesky QR where that is possible.
template <class T>
OrthonormalFactor basis_of(const py::array& x, const py::array& out, bool rough) {
  if (!py::isinstance<py::array_t<T, py::array::c_style>>(x) || x.ndim() != 2)
    throw py::value_error("X must be a C-contiguous matrix");
  const Index rows = x.shape(0), cols = x.shape(1);
  const BlockView<const T> source{static_cast<const T*>(x.data()), rows, cols, cols};
  const BlockView<T> target{writable<T>(out, rows, cols, "out"), rows, cols, cols};
  const py::gil_scoped_release release;
  Block<T> q(overwritten, rows, cols);
  convert(source, q.view());
  OrthonormalFactor factor;
  if (!rough || !orthonormalize_roughly<T>(q.view(), factor.R)) factor = orthonormalize<T>(q.view(), {0, 0});
  convert(q.view(), target);
  return factor;
}

OrthonormalFactor basis_of_any(const py::array& x, const py::array& out, bool rough = false) {
  return py::isinstance<py::array_t<float>>(x) ? basis_of<float>(x, out, rough) : basis_of<double>(x, out, rough);
}

/// Returns how many columns are not random fill.
Index orthonormalize_array(const py::array& x, const py::array& out) {
  return static_cast<Index>(x.shape(1)) - static_cast<Index>(basis_of_any(x, out).dependent.size());
}

SmallMatrix small_matrix(const py::array& x) {
  if (!py::isinstance<py::array_t<double, py::array::c_style>>(x) || x.ndim() != 2)
    throw py::value_error("X must be a C-contiguous matrix of doubles");
  using Rows = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  return Eigen::Map<const Rows>(static_cast<const double*>(x.data()), x.shape(0), x.shape(1));
}

py::array_t<double> to_array(const SmallMatrix& x) {
  py::array_t<double> result({x.rows(), x.cols()});
  auto entries = result.mutable_unchecked<2>();
  for (Index i = 0; i < x.rows(); ++i)
    for (Index j = 0; j < x.cols(); ++j) entries(i, j) = x(i, j);
  return result;
}

py::array_t<double> to_array(const SmallVector& x) { return py::array_t<double>(x.size(), x.data()); }

/// Ascending eigenvalues and the eigenvectors of a symmetric matrix.
py::tuple small_eigh_array(const py::array& x) {
  const SmallMatrix a = small_matrix(x);
  SmallEigen found;
  {
    const py::gil_scoped_release release;
    found = symmetric_eigen(a);
  }
  return py::make_tuple(to_array(found.values), to_array(found.vectors));
}

/// U, s descending and V of a square or tall matrix.
py::tuple small_svd_array(const py::array& x) {
  const SmallMatrix a = small_matrix(x);
  if (a.rows() < a.cols()) throw py::value_error("X must have at least as many rows as columns");
  SmallSvd found;
  {
    const py::gil_scoped_release release;
    found = small_svd(a);
  }
  return py::make_tuple(to_array(found.U), to_array(found.s), to_array(found.V));
}

py::array_t<double> small_inverse_array(const py::array& x) {
  SmallMatrix a = small_matrix(x);
  if (a.rows() != a.cols()) throw py::value_error("X must be square");
  {
    const py::gil_scoped_release release;
    a = small_inverse(a);
  }
  return to_array(a);
}

/// Returns R with x = out R.
py::array_t<double> orthonormal_factor(const py::array& x, const py::array& out, bool rough) {
  return to_array(basis_of_any(x, out, rough).R);
}

/// Q = orth((A A')^power A Omega), orthonormalized after every product.
template <class T>
void range_of(const LinearOperator& a, Index power, std::uint64_t seed, BlockView<T> out) {
  Block<T> x(overwritten, a.cols(), out.cols), y(overwritten, a.rows(), out.cols);
  detail::fill_random_columns<T>(x.view(), {seed, 1});
  a.apply(BlockView<const T>(x.view()), y.view());
  for (Index p = 0; p < power; ++p) {
    orthonormalize<T>(y.view(), {seed, 2});
    a.apply_adjoint(BlockView<const T>(y.view()), x.view());
    orthonormalize<T>(x.view(), {seed, 3});
    a.apply(BlockView<const T>(x.view()), y.view());
  }
  orthonormalize<T>(y.view(), {seed, 4});
  convert(y.view(), out);
}

void range_finder(const Operator& a, Index power, std::uint64_t seed, const py::array& out) {
  const Index rows = a.core->rows(), size = out.ndim() == 2 ? out.shape(1) : 0;
  if (size < 1 || size > std::min(rows, a.core->cols())) throw py::value_error("size must lie in 1 .. min(m, n)");
  const auto run = [&]<class T>(T) {
    const BlockView<T> target{writable<T>(out, rows, size, "out"), rows, size, size};
    const py::gil_scoped_release release;
    range_of<T>(*a.core, power, seed, target);
  };
  a.core->single_precision() ? run(float{}) : run(double{});
}

}  // namespace

void register_linalg(py::module_& m) {
  using namespace py::literals;
  m.def("philox4x32", &philox4x32, "counter"_a, "key"_a);
  m.def("random_block", &random_block, "kind"_a, "seed"_a, "stream"_a, "row0"_a, "col0"_a, "out"_a);
  m.def("orthonormalize", &orthonormalize_array, "X"_a, "out"_a);
  m.def("orthonormal_factor", &orthonormal_factor, "X"_a, "out"_a, "rough"_a = false);
  m.def("small_eigh", &small_eigh_array, "X"_a);
  m.def("small_svd", &small_svd_array, "X"_a);
  m.def("small_inverse", &small_inverse_array, "X"_a);
  m.def("range_finder", &range_finder, "op"_a, "power"_a, "seed"_a, "out"_a);
}

}  // namespace corange::bindings
