#include "corange/sketch/srht.hpp"

#include <bit>

#include "check.hpp"
#include "compressed.hpp"
#include "corange/operators/affine.hpp"
#include "corange/operators/dense.hpp"
#include "corange/operators/sparse.hpp"
#include "operators.hpp"

using namespace corange;
using namespace operators;

namespace {

Block<double> applied(const Srht& s, const LinearOperator& a) {
  Block<double> out(s.size(), a.cols());
  SrhtVisitor visitor(s, out.view());
  CHECK(a.visit(visitor));
  return out;
}

/// S itself, a column at a time.
Block<double> explicit_sketch(const Srht& s) {
  Block<double> identity(s.rows(), s.rows());
  for (Index i = 0; i < s.rows(); ++i) identity(i, i) = 1;
  return applied(s, DenseOperator<double>(strided(identity.view())));
}

bool close(const Block<double>& a, const Block<double>& b, double bound) {
  double worst = 0;
  for (Index i = 0; i < a.rows(); ++i)
    for (Index j = 0; j < a.cols(); ++j) worst = std::max(worst, std::abs(a(i, j) - b(i, j)));
  return a.rows() == b.rows() && a.cols() == b.cols() && worst <= bound;
}

Block<double> product(const Block<double>& a, const Block<double>& b) {
  Block<double> c(a.rows(), b.cols());
  for (Index i = 0; i < a.rows(); ++i)
    for (Index k = 0; k < a.cols(); ++k)
      for (Index j = 0; j < b.cols(); ++j) c(i, j) += a(i, k) * b(k, j);
  return c;
}

}  // namespace

TEST("srht: rows are distinct rows of the Hadamard matrix with signs, and orthonormal if there are all") {
  for (const Index size : {Index{5}, Index{64}}) {
    const Block<double> s = explicit_sketch(Srht(size, 64, {3, 4}));
    for (Index i = 0; i < size; ++i)
      for (Index k = 0; k <= i; ++k) {
        double dot = 0;
        for (Index j = 0; j < 64; ++j) {
          CHECK(std::abs(std::abs(s(i, j)) - 1 / std::sqrt(static_cast<double>(size))) < 1e-15);
          dot += s(i, j) * s(k, j);
        }
        CHECK(std::abs(dot - (i == k ? 64.0 / static_cast<double>(size) : 0.0)) < 1e-13);
      }
  }
}

TEST("srht: several blocks give one long transform") {
  // 5000 rows stand on zeros up to 8192: four blocks of 2048, the last of which is empty and the third short.
  const Index rows = 5000, size = 700;
  const Srht s(size, rows, {1, 2});
  CHECK(s.block() == 2048);
  auto a = random_block<double>(rows, 3, 5);
  const Block<double> sketch = applied(s, DenseOperator<double>(strided(a.view())));
  // Rows of S are Walsh functions h times signs d, and h(i) h(j) h(i ^ j) h(0) = 1: within a block, and across blocks.
  for (const Index far : {Index{1}, Index{2048}, Index{4096}}) {
    Block<double> units(rows, 4);
    units(far, 0) = units(18, 1) = units(far ^ 18, 2) = units(0, 3) = 1;
    const Block<double> h = applied(s, DenseOperator<double>(strided(units.view())));
    double sum = 0;
    for (Index i = 0; i < size; ++i) sum += h(i, 0) * h(i, 1) * h(i, 2) * h(i, 3);
    CHECK(std::abs(std::abs(sum * static_cast<double>(size)) - 1) < 1e-12);  // 1 / size^2 each, all of one sign
  }
  // Norms are kept: E || S a ||^2 = || a ||^2 with a relative spread of about sqrt(2 / size).
  for (Index j = 0; j < 3; ++j) {
    double before = 0, after = 0;
    for (Index i = 0; i < rows; ++i) before += a(i, j) * a(i, j);
    for (Index i = 0; i < size; ++i) after += sketch(i, j) * sketch(i, j);
    CHECK(std::abs(after / before - 1) < 6 * std::sqrt(2.0 / static_cast<double>(size)));
  }
}

TEST("srht: pieces of rows, dense, sparse and shifted matrices have the sketch of the dense whole") {
  const Index rows = 4500, cols = 37;
  const auto a = random_compressed<double, std::int32_t, std::int64_t>(rows, cols, 0.05, Order::unsorted, 1);
  const auto op = std::make_shared<SparseOperator<double, std::int64_t>>(a.view(), a.stored(), true);
  const Shifts shifts(rows, cols);
  const Srht s(100, rows, {7, 7}), t(16, cols, {7, 8});
  for (int which = 0; which < 16; ++which) {
    const AffineOperator shifted(op, shifts.affine(which));
    const Exact e = shifts.apply(which, a.dense(), false);
    Block<double> dense(rows, cols), flipped(cols, rows);
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < cols; ++j) flipped(j, i) = dense(i, j) = static_cast<double>(e(i, j));
    CHECK(close(applied(s, shifted), applied(s, DenseOperator<double>(strided(dense.view()))), 1e-10));
    CHECK(close(applied(t, *shifted.view(true, 1)), applied(t, DenseOperator<double>(strided(flipped.view()))), 1e-10));
    Block<double> sum(100, cols);
    for (Index begin = 0; begin < rows; begin += 1000)
      s.add(begin, strided(dense.view().middle_rows(begin, std::min<Index>(1000, rows - begin))), sum.view());
    CHECK(close(sum, applied(s, shifted), 1e-10));
  }
}

TEST("srht: the matrix of a small sketch times A") {
  const Srht s(30, 100, {5, 5});
  auto a = random_block<double>(100, 20, 9);
  CHECK(close(applied(s, DenseOperator<double>(strided(a.view()))), product(explicit_sketch(s), a), 1e-12));
  CHECK_THROWS(Srht(129, 100, {1, 1}), InvalidArgument);
  CHECK_THROWS(Srht(0, 100, {1, 1}), InvalidArgument);
}
