#include <array>

#include "corange/nmf/kl_descent.hpp"
#include "corange/nmf/least_squares.hpp"
#include "corange/nmf/separable.hpp"
#include "matrices.hpp"

using namespace corange;
using namespace matrices;

namespace {

constexpr Index kRows = 23, kCols = 17, kRank = 3;

/// 0.1 + |Gaussian|.
Block<double> shifted_positive(Index rows, Index cols, std::uint64_t stream) {
  Block<double> a = random_block<double>(rows, cols, stream);
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < cols; ++j) a(i, j) = 0.1 + std::abs(a(i, j));
  return a;
}

/// The same matrix with about every third entry, as rows, dense and compressed.
struct Both {
  Block<double> full = shifted_positive(kRows, kCols, 1);
  std::vector<Index> indptr{0};
  std::vector<std::int32_t> indices;
  std::vector<double> data, weights;

  Both() {
    for (Index i = 0; i < kRows; ++i) {
      for (Index j = 0; j < kCols; ++j)
        if ((7 * i + 3 * j) % 3 == 0) {
          indices.push_back(static_cast<std::int32_t>(j));
          data.push_back(full(i, j));
          weights.push_back(1.0 + static_cast<double>((i + j) % 2));
        } else {
          full(i, j) = 0;
        }
      indptr.push_back(static_cast<Index>(data.size()));
    }
  }
  DenseNmfRows<double> dense(double scale = 1) const { return {{full.data(), kRows, kCols, full.ld(), 1}, scale}; }
  CompressedNmfRows<double, std::int32_t> sparse(double scale = 1, bool missing = false, bool weighted = false) const {
    return {kRows, kCols, indptr.data(), indices.data(), data.data(), weighted ? weights.data() : nullptr, scale, missing};
  }
};

double product(const Block<double>& u, const Block<double>& y, Index i, Index j) {
  double sum = 0;
  for (Index a = 0; a < u.cols(); ++a) sum += u(i, a) * y(j, a);
  return sum;
}

/// sum of w (x - y'u)^2 / 2 over the entries of row i.
double squares(const Both& x, const Block<double>& u, const Block<double>& y, Index i) {
  double sum = 0;
  for (Index p = x.indptr[static_cast<std::size_t>(i)]; p < x.indptr[static_cast<std::size_t>(i + 1)]; ++p) {
    const auto at = static_cast<std::size_t>(p);
    const double off = x.data[at] - product(u, y, i, x.indices[at]);
    sum += 0.5 * x.weights[at] * off * off;
  }
  return sum;
}

}  // namespace

TEST("nmf rows: entries, places and scale, dense, transposed and compressed") {
  const Both x;
  NmfScratch<double> scratch, other;
  const DenseNmfRows<double> across({x.full.data(), kCols, kRows, 1, x.full.ld()}, 0.5);
  for (Index i = 0; i < kRows; ++i) {
    const NmfRow<double> row = x.sparse(0.5).row(i, scratch);
    const DenseNmfRows<double> dense = x.dense();
    const NmfRow<double> whole = dense.row(i, other);
    CHECK(whole.count == kCols && whole.x == x.full.view().row(i));  // in place
    for (Index p = 0; p < row.count; ++p) CHECK(row.x[p] == 0.5 * whole.x[row.indices[p]]);
  }
  for (Index j = 0; j < kCols; ++j) {
    const NmfRow<double> row = across.row(j, scratch);
    for (Index i = 0; i < kRows; ++i) CHECK(row.x[i] == 0.5 * x.full(i, j));
  }
}

TEST("nmf rows: small products") {
  const Block<double> a = shifted_positive(2, 11, 1);
  double sum = 0;
  for (Index j = 0; j < 11; ++j) sum += a(0, j) * a(1, j);
  CHECK_CLOSE(detail::dot(a.view().row(0), a.view().row(1), a.ld()), sum, 1e-13);
  const Block<double> y = shifted_positive(2000, 3, 2);
  const std::vector<double> sums = detail::column_sums(y.view());
  double column = 0;
  for (Index i = 0; i < 2000; ++i) column += y(i, 1);
  CHECK_CLOSE(sums[1], column, 1e-9);
}

TEST("nmf divergence: dense and compressed agree with the definition, for all beta") {
  const Both x;
  const Block<double> u = shifted_positive(kRows, kRank, 3), y = shifted_positive(kCols, kRank, 4);
  for (const double beta : {0.5, 1.0, 1.5, 2.0, 3.0}) {
    double expected = 0;
    for (Index i = 0; i < kRows; ++i)
      for (Index j = 0; j < kCols; ++j) expected += detail::beta_divergence(x.full(i, j), product(u, y, i, j), beta);
    Block<double> above(kRows, kRank), below(kRows, kRank);
    for (const bool dense : {true, false}) {
      const auto d = x.dense();
      const auto s = x.sparse();
      const NmfRows<double>& rows = dense ? static_cast<const NmfRows<double>&>(d) : s;
      const double value = beta_terms<double>(rows, u.view(), y.view(), beta, {above.view(), below.view()});
      CHECK_CLOSE(value, expected, 1e-10 * expected);
      for (Index i = 0; i < kRows; ++i)
        for (Index a = 0; a < kRank; ++a) {
          double gradient = 0;
          for (Index j = 0; j < kCols; ++j) {
            const double z = product(u, y, i, j);
            gradient += (std::pow(z, beta - 1) - x.full(i, j) * std::pow(z, beta - 2)) * y(j, a);
          }
          CHECK_CLOSE(below(i, a) - above(i, a), gradient, 1e-10);
        }
    }
  }
}

TEST("nmf KL: logarithms of all sizes") {
  simd::Vector<double> x;
  for (const double start : {2.3e-308, 1e-100, 0.3, 0.999, 1.0, 1.001, 7.0, 1e300}) {
    for (int l = 0; l < simd::kLanes<double>; ++l) x[l] = start * (1 + 0.1 * l);
    const simd::Vector<double> found = detail::log_lanes(x);
    for (int l = 0; l < simd::kLanes<double>; ++l)
      CHECK_CLOSE(found[l], std::log(x[l]), 4e-15 * (1e-1 + std::abs(std::log(x[l]))));
  }
}

TEST("nmf KL: a descent never raises the divergence, and ends where each row is optimal") {
  const Both x;
  const Block<double> y = shifted_positive(kCols, kRank, 4);
  Block<double> u = shifted_positive(kRows, kRank, 5);
  double last = beta_terms<double>(x.sparse(), u.view(), y.view(), 1.0, {});
  double constant = 0;
  for (const double v : x.data) constant += v * (std::log(v) - 1);
  for (int round = 0; round < 300; ++round) {
    const double value = kl_descent<double>(x.sparse(), u.view(), y.view(), {0, 0, 2}) + constant;
    CHECK(value <= last + 1e-10);
    last = value;
  }
  CHECK_CLOSE(beta_terms<double>(x.sparse(), u.view(), y.view(), 1.0, {}), last, 1e-10);
  Block<double> above(kRows, kRank), below(kRows, kRank);
  beta_terms<double>(x.sparse(), u.view(), y.view(), 1.0, {above.view(), below.view()});
  for (Index i = 0; i < kRows; ++i)
    for (Index a = 0; a < kRank; ++a) CHECK(std::abs(std::min(u(i, a), below(i, a) - above(i, a))) < 1e-6);
}

TEST("nmf least squares: every row is optimal for its own entries and weights") {
  const Both x;
  const Block<double> y = shifted_positive(kCols, kRank, 4);
  Block<double> u = shifted_positive(kRows, kRank, 5);
  const auto rows = x.sparse(1, true, true);
  const double total = MaskedLeastSquares<double>(rows, y.view(), {0, 0, 1e-14, 5000}, false).run(u.view());
  double expected = 0;
  for (Index i = 0; i < kRows; ++i) {
    const double least = squares(x, u, y, i);
    expected += least;
    for (Index a = 0; a < kRank; ++a)
      for (const double step : {1e-3, -1e-3}) {
        const double before = u(i, a);
        u(i, a) = std::max(0.0, before + step);
        CHECK(squares(x, u, y, i) >= least - 1e-12);
        u(i, a) = before;
      }
  }
  CHECK_CLOSE(total, expected, 1e-10 * expected);
}

TEST("nmf least squares: rows without entries become zero") {
  const std::array<Index, 3> indptr{0, 0, 1};
  const std::int32_t column = 1;
  const double entry = 2;
  const CompressedNmfRows<double, std::int32_t> rows(2, 3, indptr.data(), &column, &entry, nullptr, 1, true);
  const Block<double> y = shifted_positive(3, 2, 1);
  Block<double> u = shifted_positive(2, 2, 2);
  MaskedLeastSquares<double>(rows, y.view(), {0, 0, 1e-14, 100}, false).run(u.view());
  CHECK(u(0, 0) == 0 && u(0, 1) == 0);
  CHECK_CLOSE(product(u, y, 1, 1), 2.0, 1e-9);
}

TEST("nmf separable: squares and squared projections of columns, by rows and by columns in memory") {
  const Block<double> x = shifted_positive(kRows, kCols, 1), u = shifted_positive(1, kRows, 2);
  for (const bool by_rows : {true, false}) {
    std::vector<double> turned(static_cast<std::size_t>(kRows * kCols)), found(kCols, 1e9), less;
    for (Index i = 0; i < kRows; ++i)
      for (Index j = 0; j < kCols; ++j) turned[static_cast<std::size_t>(j * kRows + i)] = x(i, j);
    const StridedView<double> view = by_rows ? StridedView<double>{x.data(), kRows, kCols, x.ld(), 1}
                                             : StridedView<double>{turned.data(), kRows, kCols, 1, kRows};
    column_squares<double>(view, 0.5, found.data());
    less = found;
    project_columns<double>(view, 0.5, u.data(), less.data());
    for (Index j = 0; j < kCols; ++j) {
      double sum = 0, along = 0;
      for (Index i = 0; i < kRows; ++i) sum += 0.25 * x(i, j) * x(i, j), along += 0.5 * x(i, j) * u(0, i);
      CHECK_CLOSE(found[static_cast<std::size_t>(j)], sum, 1e-12 * sum);
      CHECK_CLOSE(less[static_cast<std::size_t>(j)], sum - along * along, 1e-11 * (sum + along * along));
    }
  }
}

TEST("nmf separable: a point of the capped simplex that no other beats") {
  const Block<double> z = shifted_positive(12, kRank, 1), right = shifted_positive(40, kRank, 2);
  const SmallMatrix gram_matrix = gram<double>(z.view());
  const Block<double> g = to_block<double>(gram_matrix);
  Block<double> h(40, kRank);
  capped_least_squares<double>(g.view(), right.view(), h.view(), gram_matrix.trace(), 1e-13, 20000);
  const auto value = [&](Index i, const std::array<double, kRank>& v) {
    double total = 0;
    for (std::size_t a = 0; a < kRank; ++a) {
      total -= right(i, static_cast<Index>(a)) * v[a];
      for (std::size_t b = 0; b < kRank; ++b)
        total += 0.5 * v[a] * gram_matrix(static_cast<Index>(a), static_cast<Index>(b)) * v[b];
    }
    return total;
  };
  for (Index i = 0; i < 40; ++i) {
    const std::array<double, kRank> found{h(i, 0), h(i, 1), h(i, 2)};
    CHECK(found[0] >= 0 && found[1] >= 0 && found[2] >= 0 && found[0] + found[1] + found[2] <= 1 + 1e-12);
    for (int a = 0; a <= 10; ++a)
      for (int b = 0; a + b <= 10; ++b)
        for (int c = 0; a + b + c <= 10; ++c) CHECK(value(i, found) <= value(i, {0.1 * a, 0.1 * b, 0.1 * c}) + 1e-9);
  }
}
