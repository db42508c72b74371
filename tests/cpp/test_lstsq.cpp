#include "corange/lstsq/lstsq.hpp"

#include "corange/operators/affine.hpp"
#include "corange/operators/row_blocked.hpp"
#include "corange/operators/sparse.hpp"
#include "matrices.hpp"

using namespace corange;
using namespace matrices;

namespace {

/// rows x cols with columns from 1 to 1 / condition, mixed by a well-conditioned triangle.
Block<double> graded(Index rows, Index cols, double condition) {
  Block<double> a(rows, cols);
  fill_normal(RandomKey{1, 1}, Index{0}, Index{0}, rows, cols, a.data(), a.ld());
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < cols; ++j) {
      a(i, j) *= std::pow(condition, -static_cast<double>(j) / static_cast<double>(std::max<Index>(cols - 1, 1)));
      if (j > 0) a(i, j) += 0.5 * a(i, 0);
    }
  return a;
}

struct Solved {
  SmallVector x;
  LstsqReport report;
};

Solved solve(const LinearOperator& a, const std::vector<double>& b, LstsqOptions options = {}) {
  Solved s;
  s.x = SmallVector::Zero(a.cols());
  s.report = lstsq(a, {{b.data(), a.rows(), 1, 1, 1}, s.x.data()}, options);
  return s;
}

std::vector<double> waves(Index n) {
  std::vector<double> b(static_cast<std::size_t>(n));
  for (Index i = 0; i < n; ++i) b[static_cast<std::size_t>(i)] = std::cos(static_cast<double>(i));
  return b;
}

/// || A'(b - A x) - alpha x || in units of what rounding A and x changes in it, || A || (|| b - A x || + || A || || x ||).
double optimality(const Block<double>& a, const std::vector<double>& b, const SmallVector& x, double alpha = 0) {
  std::vector<long double> g(static_cast<std::size_t>(a.cols()));
  long double norm = 0, residual = 0, gradient = 0;
  for (Index i = 0; i < a.rows(); ++i) {
    long double r = b[static_cast<std::size_t>(i)];
    for (Index j = 0; j < a.cols(); ++j) r -= static_cast<long double>(a(i, j)) * x(j);
    for (Index j = 0; j < a.cols(); ++j) g[static_cast<std::size_t>(j)] += a(i, j) * r, norm += a(i, j) * a(i, j);
    residual += r * r;
  }
  for (Index j = 0; j < a.cols(); ++j) {
    const long double left = g[static_cast<std::size_t>(j)] - static_cast<long double>(alpha) * x(j);
    gradient += left * left;
  }
  const long double size = std::sqrt(norm);
  return static_cast<double>(std::sqrt(gradient) / (size * (std::sqrt(residual) + size * x.norm())));
}

}  // namespace

TEST("lstsq: the gradient vanishes for any method and condition number") {
  for (const double condition : {1e1, 1e6, 1e12})
    for (const LstsqMethod method : {LstsqMethod::automatic, LstsqMethod::gram, LstsqMethod::sketch}) {
      const Block<double> a = graded(1500, 20, condition);
      const std::vector<double> b = waves(1500);
      LstsqOptions options;
      options.method = method;
      const Solved s = solve(DenseOperator<double>(strided(a.view())), b, options);
      CHECK(s.report.converged);
      CHECK(s.report.rank == 20);
      CHECK(optimality(a, b, s.x) <= 1e-15);
    }
}

TEST("lstsq: ridge, and the reported residual norm") {
  const Block<double> a = graded(1500, 20, 1e4);
  const std::vector<double> b = waves(1500);
  for (const double alpha : {1e-3, 10.0}) {
    LstsqOptions options;
    options.alpha = alpha;
    const Solved s = solve(DenseOperator<double>(strided(a.view())), b, options);
    CHECK(optimality(a, b, s.x, alpha) <= 1e-14);
  }
}

TEST("lstsq: sparse matrices by rows and by columns, shown in pieces or only multiplied with") {
  const Block<double> a = graded(900, 12, 1e5);
  const std::vector<double> b = waves(900);
  const DenseOperator<double> dense(strided(a.view()));
  std::vector<double> by_rows, by_columns;
  std::vector<Index> row_pointers{0}, column_pointers{0}, columns, rows;
  for (Index i = 0; i < 900; ++i) {
    for (Index j = 0; j < 12; ++j) by_rows.push_back(a(i, j)), columns.push_back(j);
    row_pointers.push_back(static_cast<Index>(by_rows.size()));
  }
  for (Index j = 0; j < 12; ++j) {
    for (Index i = 0; i < 900; ++i) by_columns.push_back(a(i, j)), rows.push_back(i);
    column_pointers.push_back(static_cast<Index>(by_columns.size()));
  }
  using Sparse = SparseOperator<double, Index>;
  const auto csr = std::make_shared<Sparse>(
      CompressedView<double, Index>{900, 12, row_pointers.data(), columns.data(), by_rows.data()}, 900 * 12, true);
  const Sparse csc({12, 900, column_pointers.data(), rows.data(), by_columns.data()}, 900 * 12, false);
  const SmallVector expected = solve(dense, b).x;
  for (const LinearOperator* op : std::initializer_list<const LinearOperator*>{csr.get(), &csc}) {
    const Solved s = solve(*op, b);
    CHECK(s.report.converged);
    CHECK((s.x - expected).norm() <= 1e-9 * expected.norm());
  }
  const AffineOperator hidden(csr, {});
  const Solved s = solve(hidden, b);
  CHECK(s.report.converged);
  CHECK((s.x - expected).norm() <= 1e-9 * expected.norm());
}

TEST("lstsq: bad input is refused") {
  Block<double> a = graded(30, 3, 1);
  CHECK_THROWS(solve(DenseOperator<double>(strided(a.view())), std::vector<double>(30, NAN)), InvalidArgument);
  a(4, 1) = INFINITY;
  CHECK_THROWS(solve(DenseOperator<double>(strided(a.view())), waves(30)), InvalidArgument);
}

TEST("lstsq: the visitor's pieces add up to the matrix, whatever shows it") {
  const Block<double> a = graded(50, 7, 10);
  class Adder final : public EntryVisitor {
   public:
    explicit Adder(SmallMatrix& sum) : sum_(sum) {}
    void dense(Index row, Index col, StridedView<double> p) override {
      for (Index i = 0; i < p.rows; ++i)
        for (Index j = 0; j < p.cols; ++j) sum_(row + i, col + j) += p(i, j);
    }
    void sparse_rows(Index, const Compressed&) override { CHECK(false); }
    void sparse_columns(Index, const Compressed&) override { CHECK(false); }
    void outer(Index, Index, StridedView<double>, StridedView<double>) override { CHECK(false); }

   private:
    SmallMatrix& sum_;
  };
  const auto read = [&](Index start, Index stop, const RowBlockedOperator<double>::Consumer& consumer) {
    consumer(strided(a.view().middle_rows(start, stop - start)));
  };
  const RowBlockedOperator<double> blocked(read, 50, 7, 16, true);
  for (const bool transpose : {false, true}) {
    SmallMatrix sum = SmallMatrix::Zero(transpose ? 7 : 50, transpose ? 50 : 7);
    Adder adder(sum);
    CHECK(blocked.view(transpose, 2)->visit(adder));
    for (Index i = 0; i < 50; ++i)
      for (Index j = 0; j < 7; ++j) CHECK((transpose ? sum(j, i) : sum(i, j)) == 2 * a(i, j));
  }
}
