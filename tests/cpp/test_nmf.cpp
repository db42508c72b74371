#include "corange/nmf/frobenius.hpp"

#include "corange/operators/dense.hpp"
#include "corange/operators/sparse.hpp"
#include "matrices.hpp"

using namespace corange;
using namespace matrices;

namespace {

/// |Gaussian|, rows x cols.
template <class T>
Block<T> positive(Index rows, Index cols, std::uint64_t stream) {
  Block<T> a(rows, cols);
  fill_normal(RandomKey{7, stream}, Index{0}, Index{0}, rows, cols, a.data(), a.ld());
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < cols; ++j) a(i, j) = std::abs(a(i, j));
  return a;
}

/// 1/2 y'G y - f'y, summed over rows.
template <class T>
double value(const SmallMatrix& g, const Block<T>& f, const Block<T>& y) {
  double total = 0;
  for (Index i = 0; i < y.rows(); ++i)
    for (Index j = 0; j < y.cols(); ++j) {
      double gy = 0;
      for (Index l = 0; l < y.cols(); ++l) gy += g(j, l) * static_cast<double>(y(i, l));
      total += static_cast<double>(y(i, j)) * (0.5 * gy - static_cast<double>(f(i, j)));
    }
  return total;
}

}  // namespace

TEST("nmf: tiles are transposed there and back") {
  const Block<float> x = positive<float>(37, 21, 1);
  Block<float> t(padded<float>(21), 128), y(37, 21);
  detail::transpose_in(x.data(), x.ld(), 37, padded<float>(21), t.data(), 128);
  for (Index i = 0; i < 37; ++i)
    for (Index j = 0; j < 21; ++j) CHECK(t(j, i) == x(i, j));
  for (Index i = 37; i < 128; ++i) CHECK(t(3, i) == 0);
  detail::transpose_out(t.data(), 128, 37, padded<float>(21), y.data(), y.ld());
  for (Index i = 0; i < 37; ++i)
    for (Index j = 0; j < 21; ++j) CHECK(y(i, j) == x(i, j));
}

TEST("nmf: every way to improve a factor lowers the value, and the exact one is lowest") {
  const Block<double> z = positive<double>(60, 9, 1), f = positive<double>(150, 9, 2);
  const SmallMatrix g = gram<double>(z.view());
  Block<double> hals(150, 9), admm(150, 9), exact(150, 9), dual(150, 9);
  double last = 0;
  for (int round = 0; round < 4; ++round) {
    hals_half_step<double>(g, f.view(), hals.view(), {}, 1);
    CHECK(value(g, f, hals) < last);
    last = value(g, f, hals);
  }
  for (int round = 0; round < 20; ++round) admm_half_step<double>(g, f.view(), admm.view(), dual.view(), {}, round == 0);
  nnls_half_step<double>(g, f.view(), exact.view(), {});
  const double least = value(g, f, exact);
  CHECK(least <= last);
  CHECK(least <= value(g, f, admm));
  CHECK(value(g, f, admm) < 0.99 * least);  // both are negative
  const HalfStep again = nnls_half_step<double>(g, f.view(), exact.view(), {});
  CHECK(std::sqrt(again.gradient) < 1e-9);
  CHECK(std::abs(value(g, f, exact) - least) <= 1e-12 * std::abs(least));
}

TEST("nmf: the residual entry by entry is that of the difference, dense and sparse") {
  const Block<double> a = positive<double>(50, 40, 1), w = positive<double>(50, 3, 2), h = positive<double>(40, 3, 3);
  double expected = 0;
  for (Index i = 0; i < 50; ++i)
    for (Index j = 0; j < 40; ++j) {
      double x = a(i, j);
      for (Index l = 0; l < 3; ++l) x -= w(i, l) * h(j, l);
      expected += x * x;
    }
  const DenseOperator<double> dense({a.data(), 50, 40, a.ld(), 1});
  CHECK(std::abs(*residual_squares<double>(dense, w.view(), h.view()) - expected) <= 1e-12 * expected);
}

TEST("nmf: momentum of zero is none") {
  Block<double> y = positive<double>(20, 4, 1), last = positive<double>(20, 4, 2);
  const Block<double> before = positive<double>(20, 4, 1);
  extrapolate<double>(y.view(), last.view(), 0.0, {});
  for (Index i = 0; i < 20; ++i)
    for (Index j = 0; j < 4; ++j) {
      CHECK(y(i, j) == before(i, j));
      CHECK(last(i, j) == before(i, j));
    }
}
