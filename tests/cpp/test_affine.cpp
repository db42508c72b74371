#include "corange/operators/affine.hpp"

#include "check.hpp"
#include "compressed.hpp"
#include "corange/operators/dense.hpp"
#include "corange/operators/sparse.hpp"
#include "operators.hpp"

using namespace corange;
using namespace operators;

TEST("affine: shifts and scales a sparse matrix in every combination") {
  with_threads(1, [] {
    const auto a = random_compressed<float, std::int32_t, std::int32_t>(45, 33, 0.2, Order::unsorted, 1);
    const Shifts shifts(45, 33);
    for (int which = 0; which < 16; ++which) {
      const AffineOperator op(std::make_shared<SparseOperator<float, std::int32_t>>(a.view(), a.stored(), true),
                              shifts.affine(which));
      check_operator(op, shifts.apply(which, a.dense(), false), shifts.apply(which, a.dense_absolute(), true), 16);
    }
  });
}

TEST("affine: the pieces that a visitor sees add up to the shifted matrix") {
  class Adder final : public EntryVisitor {
   public:
    explicit Adder(Exact& sum) : sum_(sum) {}
    void dense(Index row, Index col, StridedView<double> p) override {
      for (Index i = 0; i < p.rows; ++i)
        for (Index j = 0; j < p.cols; ++j) sum_(row + i, col + j) += p(i, j);
    }
    void sparse_rows(Index row, const Compressed& p) override {
      for (Index o = 0; o < p.outer; ++o)
        for (Index q = p.indptr[o]; q < p.indptr[o + 1]; ++q) sum_(row + o, p.indices[q]) += p.data[q] * p.scale;
    }
    void sparse_columns(Index col, const Compressed& p) override {
      for (Index o = 0; o < p.outer; ++o)
        for (Index q = p.indptr[o]; q < p.indptr[o + 1]; ++q) sum_(p.indices[q], col + o) += p.data[q] * p.scale;
    }
    void outer(Index row, Index col, StridedView<double> left, StridedView<double> right) override {
      for (Index i = 0; i < left.rows; ++i)
        for (Index j = 0; j < right.rows; ++j) sum_(row + i, col + j) += static_cast<long double>(left(i, 0)) * right(j, 0);
    }

   private:
    Exact& sum_;
  };
  const auto sparse = random_compressed<double, std::int32_t, std::int32_t>(45, 33, 0.2, Order::unsorted, 1);
  const auto dense = random_block<double>(45, 33, 2);
  const Shifts shifts(45, 33), above(45, 33);
  const auto check = [&](std::shared_ptr<const LinearOperator> a, const Exact& entries) {
    for (int which = 0; which < 16; ++which)
      for (const bool transpose : {false, true}) {
        // A shifted matrix that is shifted once more, so that outer products are scaled too.
        const auto once = std::make_shared<AffineOperator>(a, shifts.affine(which));
        const auto op = AffineOperator(once, above.affine(which)).view(transpose, 4);
        Exact wanted = above.apply(which, shifts.apply(which, entries, false), false);
        Exact sum(op->rows(), op->cols());
        Adder adder(sum);
        CHECK(op->visit(adder));
        for (Index i = 0; i < 45; ++i)
          for (Index j = 0; j < 33; ++j)
            CHECK(std::abs(static_cast<double>((transpose ? sum(j, i) : sum(i, j)) - 4 * wanted(i, j))) < 1e-12);
      }
  };
  check(std::make_shared<SparseOperator<double, std::int32_t>>(sparse.view(), sparse.stored(), true), sparse.dense());
  check(std::make_shared<DenseOperator<double>>(strided(dense.view())), exact(dense.view()));
}

TEST("affine: centering keeps digits where the mean is large") {
  // Entries 1000 +- 1: the centered product must be good relative to the matrix, not to the difference.
  const Index m = 400, n = 10;
  auto a = random_block<double>(m, n, 2);
  std::vector<double> mean(static_cast<std::size_t>(n), 0.0);
  for (Index i = 0; i < m; ++i)
    for (Index j = 0; j < n; ++j) mean[static_cast<std::size_t>(j)] += (a(i, j) += 1000) / static_cast<double>(m);
  const Affine centering{nullptr, mean.data(), nullptr, nullptr};
  const auto dense = std::make_shared<DenseOperator<double>>(strided(a.view()));
  Exact centered = exact(a.view()), size = centered;
  for (Index i = 0; i < m; ++i)
    for (Index j = 0; j < n; ++j) {
      centered(i, j) -= mean[static_cast<std::size_t>(j)];
      size(i, j) += mean[static_cast<std::size_t>(j)];
    }
  check_operator(AffineOperator(dense, centering), centered, size);
  // The dense operator subtracts entry by entry, before any sum: relative to the centered matrix itself.
  Exact small = absolute(centered);
  for (long double& x : small.data) x += 1e-10L;
  check_products<double>(DenseOperator<double>(strided(a.view()), centering), centered, small, 7, 5e3);
}

TEST("affine: the sum of squares is that of the shifted matrix, or said to be unknown") {
  const auto a = random_compressed<double, std::int32_t, std::int32_t>(45, 33, 0.2, Order::sorted, 4);
  const Shifts shifts(45, 33);
  std::vector<double> dense(45 * 33);
  for (std::size_t p = 0; p < dense.size(); ++p) dense[p] = static_cast<double>(a.dense().data[p]);
  for (int which = 0; which < 16; ++which) {
    long double squares = 0;
    for (const long double x : shifts.apply(which, a.dense(), false).data) squares += x * x;
    const auto check = [squares](const Scan& s) {
      if (s.known) CHECK_CLOSE(std::ldexp(s.sum_squares, 2 * s.exponent), squares, 1e-12L * squares);
    };
    const AffineOperator sparse(std::make_shared<SparseOperator<double, std::int32_t>>(a.view(), a.stored(), true),
                                shifts.affine(which));
    const Scan s = sparse.scan();
    CHECK(s.known || which > 0);
    check(s);
    const Scan d = DenseOperator<double>({dense.data(), 45, 33, 33, 1}, shifts.affine(which)).scan();
    CHECK(d.known);
    check(d);
  }
}

TEST("affine: the same bits on 1, 2, 3 and 7 threads") {
  const auto a = random_compressed<double, std::int32_t, std::int32_t>(3000, 200, 0.05, Order::sorted, 3);
  const Shifts shifts(3000, 200);
  check_threads(
      AffineOperator(std::make_shared<SparseOperator<double, std::int32_t>>(a.view(), a.stored(), true), shifts.affine(15)));
}
