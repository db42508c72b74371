#include "corange/operators/dense.hpp"

#include "check.hpp"
#include "operators.hpp"

using namespace corange;
using namespace operators;

namespace {

/// 0 row-major, 1 column-major, 2 rows and columns reversed, 3 every second row and column, 4 repeated row, 5 repeated entry.
template <class S>
StridedView<S> layout(std::vector<S>& memory, Index m, Index n, int kind, std::uint64_t seed = 1) {
  const Index size = 4 * (m + 1) * (n + 1);
  memory.resize(static_cast<std::size_t>(size));
  fill_normal<S>(RandomKey{seed, 5}, 0, 0, 1, size, memory.data(), size);
  const S* p = memory.data() + 1;  // not aligned
  switch (kind) {
    case 0:
      return {p, m, n, n, 1};
    case 1:
      return {p, m, n, 1, m};
    case 2:
      return {p + m * n - 1, m, n, -n, -1};
    case 3:
      return {p, m, n, 4 * n, 2};
    case 4:
      return {p, m, n, 0, 1};
    default:
      return {p, m, n, 0, 0};
  }
}

template <class S>
void check_layouts(Index m, Index n) {
  for (int kind = 0; kind < 6; ++kind) {
    std::vector<S> memory;
    const auto view = layout(memory, m, n, kind);
    const DenseOperator<S> op(view);
    check_operator(op, exact(view));
    check_scan(op, exact(view));
  }
}

}  // namespace

TEST("dense: equals the matrix for every layout and shape") {
  with_threads(1, [] {
    for (const auto& [m, n] : std::vector<std::pair<Index, Index>>{{1, 1}, {1, 40}, {40, 1}, {37, 23}, {260, 7}, {7, 260}}) {
      check_layouts<float>(m, n);
      check_layouts<double>(m, n);
    }
  });
}

TEST("dense: many tiles, in groups") {
  std::vector<double> memory;
  const auto view = layout(memory, 3001, 12, 1);
  check_operator(DenseOperator<double>(view), exact(view));
}

TEST("dense: few rows, shared by columns") {
  std::vector<double> memory;
  const Shifts shifts(300, 500);
  for (const int kind : {0, 1})
    for (const int which : {0, 5, 15}) {
      const auto view = layout(memory, 300, 500, kind);
      const DenseOperator<double> op(view, shifts.affine(which));
      check_operator(op, shifts.apply(which, exact(view), false), shifts.apply(which, exact(view), true), 12);
      check_threads(op);
    }
}

TEST("dense: several strips of columns, copied or not, in all layouts") {
  std::vector<float> memory;
  const Shifts shifts(121, 2100);
  for (const auto& [m, n] : std::vector<std::pair<Index, Index>>{{25, 2100}, {121, 490}})
    for (const int kind : {0, 1})
      for (const int which : {0, 15}) {
        const auto view = layout(memory, m, n, kind);
        const DenseOperator<float> op(view, shifts.affine(which));
        check_operator(op, shifts.apply(which, exact(view), false), shifts.apply(which, exact(view), true), 12);
      }
}

TEST("dense: a scale by a power of two moves to X, with the same bits, or is exact in copies") {
  const auto user = random_block<double>(300, 700, 8), x = random_block<double>(700, 9, 9);
  const DenseOperator<double> op({user.data(), 300, 700, user.ld(), 1});
  Block<double> plain(300, 9), scaled(300, 9);
  op.apply(BlockView<const double>(x.view()), plain.view());
  for (const int exponent : {-1, 32, -32, 33, 300, -300}) {
    op.view(false, std::ldexp(1.0, exponent))->apply(BlockView<const double>(x.view()), scaled.view());
    bool same = true;
    double gap = 0;
    for (Index i = 0; i < 300; ++i)
      for (Index j = 0; j < 9; ++j) {
        const double back = std::ldexp(scaled(i, j), -exponent);
        same &= back == plain(i, j);
        gap = std::max(gap, std::abs(back - plain(i, j)));
      }
    if (std::abs(exponent) <= 32) CHECK(same);
    CHECK_CLOSE(gap, 0.0, 1e-12);  // copies are cut in other strips
  }
}

TEST("dense: scan by columns is that of rows") {
  std::vector<double> memory(300 * 40, 1.5);
  memory[5 * 300 + 299] = memory[39 * 300 + 2] = std::numeric_limits<double>::infinity();
  const Scan s = DenseOperator<double>({memory.data(), 300, 40, 1, 300}).scan();
  CHECK(s.bad == 2 && s.bad_row == 2 && s.bad_col == 39);
  const std::vector<double> means(40, 1.5);
  memory[5 * 300 + 299] = memory[39 * 300 + 2] = 2.5;
  Affine centered;
  centered.col_shift = means.data();
  const Scan t = DenseOperator<double>({memory.data(), 300, 40, 1, 300}, centered).scan();
  CHECK(t.bad == 0 && t.max_abs == 1 && std::ldexp(t.sum_squares, 2 * t.exponent) == 2);
}

TEST("dense: shifted and scaled in every combination") {
  with_threads(1, [] {
    const Shifts shifts(53, 20);
    std::vector<float> memory;
    for (int which = 1; which < 16; ++which)
      for (const int kind : {0, 1}) {
        const auto view = layout(memory, 53, 20, kind);
        check_operator(DenseOperator<float>(view, shifts.affine(which)), shifts.apply(which, exact(view), false),
                       shifts.apply(which, exact(view), true), 12);
      }
  });
}

TEST("dense: the same bits on 1, 2, 3 and 7 threads") {
  std::vector<float> memory;
  const Shifts shifts(6000, 30);
  for (const int kind : {0, 1, 3})
    for (const int which : {0, 2}) check_threads(DenseOperator<float>(layout(memory, 6000, 30, kind), shifts.affine(which)));
}

TEST("dense: a view returns the bits of its copy") {
  std::vector<double> memory;
  for (const int kind : {1, 2, 3, 4}) {
    const auto view = layout(memory, 900, 70, kind);
    std::vector<double> copy(900 * 70);
    for (Index i = 0; i < 900; ++i)
      for (Index j = 0; j < 70; ++j) copy[static_cast<std::size_t>(i * 70 + j)] = view(i, j);
    CHECK(same_products(DenseOperator<double>(view), DenseOperator<double>({copy.data(), 900, 70, 70, 1})));
  }
}

TEST("dense: scan finds the first bad entry and counts all") {
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), -std::numeric_limits<double>::infinity()}) {
    std::vector<double> memory(500 * 20, 1.5);
    memory[7 * 20 + 3] = memory[450 * 20] = memory[7 * 20 + 19] = bad;
    const Scan s = DenseOperator<double>({memory.data(), 500, 20, 20, 1}).scan();
    CHECK(s.bad == 3 && s.bad_row == 7 && s.bad_col == 3);
    CHECK(s.max_abs == 1.5);
    const Scan t = DenseOperator<double>({memory.data(), 20, 500, 1, 20}).scan();
    CHECK(t.bad == 3 && t.bad_row == 0 && t.bad_col == 450);
  }
}

TEST("dense: scan at the ends of the range") {
  for (const double magnitude : {1e-320, 1e-300, 1e-200, 1e-100, 1.0, 1e100, 1e200, 1e300, 1.7e308}) {
    Exact e(60, 5);
    std::vector<double> memory(60 * 5);
    for (std::size_t p = 0; p < memory.size(); ++p)
      e.data[p] = memory[p] = magnitude * (static_cast<double>(p % 7) / 8 + (p % 7 == 6 ? 0.25 : 0));
    const DenseOperator<double> op({memory.data(), 60, 5, 5, 1});
    check_scan(op, e);
    const Scan s = op.scan();
    CHECK(s.sum_squares > 1e-40 && std::isfinite(s.sum_squares));
  }
  const std::vector<double> zeros(300);
  check_scan(DenseOperator<double>({zeros.data(), 60, 5, 5, 1}), Exact(60, 5));
  std::vector<double> mixed(1000, 1e-170);  // one large entry among those whose squares vanish beside it
  mixed[5] = 1e150;
  Exact e(100, 10);
  std::copy(mixed.begin(), mixed.end(), e.data.begin());
  check_scan(DenseOperator<double>({mixed.data(), 100, 10, 10, 1}), e);
}

TEST("dense: scaling to size one works at the ends of the range") {
  const auto check_size_one = [](auto value) {
    using S = decltype(value);
    std::vector<S> memory(100 * 4, value);
    const DenseOperator<S> op({memory.data(), 100, 4, 4, 1});
    const auto scaled = op.view(false, std::ldexp(1.0, -op.scan().exponent));
    Block<double> x(4, 1), y(100, 1);
    x(0, 0) = 1;
    scaled->apply(BlockView<const double>(x.view()), y.view());
    CHECK(y(99, 0) >= (std::isnormal(value) ? 1 : 1e-17) && y(99, 0) < 2);
  };
  for (const double value : {1e-320, 1e-300, 1e-10, 1e300, 1.7e308}) check_size_one(value);
  for (const float value : {1e-44f, 1e-39f, 1e-30f, 1e38f}) check_size_one(value);
}

TEST("dense: arrays are multiplied by an operator that is named by its own type") {
  std::vector<double> memory;
  const DenseOperator<double> op(layout<double>(memory, 7, 5, 0));
  const auto x = random_block<double>(5, 3, 2);
  Block<double> expected(7, 3), found(7, 3);
  op.apply(x.view(), expected.view());
  op.multiply({x.data(), 5, 3, x.ld(), 1}, StridedOutput<double>{found.data(), 7, 3, found.ld(), 1}, false);
  CHECK(same_bits(expected.view(), found.view()));
}
