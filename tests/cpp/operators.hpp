// What every operator must do, checked against the matrix it stands for.
#pragma once

#include "check.hpp"
#include "corange/operators/linear_operator.hpp"
#include "matrices.hpp"

namespace operators {

using namespace matrices;

/// A X, A' X and A'(A X) in precision T are those of `a`; `size` holds the magnitudes that went into each entry of a (|a| if a is
/// stored as it is). `rounding` is how often an entry is rounded on its way into a product.
template <class T>
void check_products(const LinearOperator& op, const Exact& a, const Exact& size, Index b, double rounding) {
  const auto x = random_block<T>(a.cols, b, 21), w = random_block<T>(a.rows, b, 22);
  const Exact xe = exact(x.view()), we = exact(w.view());
  const double bound = rounding + 2 * std::sqrt(static_cast<double>(std::max(a.rows, a.cols)));
  Block<T> y(a.rows, b), z(a.cols, b), zn(a.cols, b), yn(a.rows, b);
  op.apply(BlockView<const T>(x.view()), y.view());
  op.apply_adjoint(BlockView<const T>(w.view()), z.view());
  op.apply_normal(BlockView<const T>(x.view()), zn.view(), yn.view());
  const Exact at = transpose(a), size_t = transpose(size), ax = multiply(a, xe), size_ax = multiply(size, absolute(xe));
  CHECK(worst_error<T>(y.view(), ax, size_ax) < bound);
  CHECK(worst_error<T>(yn.view(), ax, size_ax) < bound);
  CHECK(worst_error<T>(z.view(), multiply(at, we), multiply(size_t, absolute(we))) < bound);
  CHECK(worst_error<T>(zn.view(), multiply(at, ax), multiply(size_t, size_ax)) < 2 * bound);
  CHECK(padding_is_zero(y) && padding_is_zero(z) && padding_is_zero(zn) && padding_is_zero(yn));
}

/// multiply on arrays by columns, and into every other entry of another, gives the bits of apply and apply_adjoint, and touches
/// nothing else.
template <class T>
void check_arrays(const LinearOperator& op, Index b) {
  for (const bool adjoint : {false, true}) {
    const Index in = adjoint ? op.rows() : op.cols(), out = adjoint ? op.cols() : op.rows(), stride = 2 * b + 3;
    const auto x = random_block<T>(in, b, 29);
    Block<T> y(out, b);
    adjoint ? op.apply_adjoint(x.view(), y.view()) : op.apply(x.view(), y.view());
    std::vector<T> by_columns(static_cast<std::size_t>(in * b) + 1), spread(static_cast<std::size_t>(out * stride) + 1, T(7));
    for (Index i = 0; i < in; ++i)
      for (Index j = 0; j < b; ++j) by_columns[static_cast<std::size_t>(j * in + i)] = x(i, j);
    op.multiply({by_columns.data(), in, b, 1, in}, {spread.data(), out, b, stride, 2}, adjoint);
    bool same = true, untouched = spread.back() == T(7);
    for (Index i = 0; i < out; ++i)
      for (Index j = 0; j < stride; ++j) {
        const T found = spread[static_cast<std::size_t>(i * stride + j)];
        j % 2 == 0 && j < 2 * b ? same &= found == y(i, j / 2) : untouched &= found == T(7);
      }
    CHECK(same && untouched);
  }
}

/// <A x, w> = <x, A'w>, up to rounding of the products.
template <class T>
void check_dot(const LinearOperator& op, const Exact& size) {
  const auto x = random_block<T>(op.cols(), 1, 23), w = random_block<T>(op.rows(), 1, 24);
  Block<T> y(op.rows(), 1), z(op.cols(), 1);
  op.apply(BlockView<const T>(x.view()), y.view());
  op.apply_adjoint(BlockView<const T>(w.view()), z.view());
  long double left = 0, right = 0, scale = 0;
  for (Index i = 0; i < op.rows(); ++i) left += static_cast<long double>(y(i, 0)) * w(i, 0);
  for (Index j = 0; j < op.cols(); ++j) right += static_cast<long double>(z(j, 0)) * x(j, 0);
  for (Index i = 0; i < op.rows(); ++i)
    for (Index j = 0; j < op.cols(); ++j) scale += std::abs(w(i, 0) * size(i, j) * x(j, 0));
  CHECK_CLOSE(left, right, 100 * std::numeric_limits<T>::epsilon() * scale);
}

/// All of the above for A, A', 2^k A and 2^k A'.
inline void check_operator(const LinearOperator& op, const Exact& a, const Exact& size, double rounding = 8) {
  CHECK(op.rows() == a.rows && op.cols() == a.cols);
  for (const bool transposed : {false, true})
    for (const int exponent : {0, -20, 40}) {  // 40 is too far from one to move to X
      const auto view = op.view(transposed, std::ldexp(1.0, exponent));
      Exact e = transposed ? transpose(a) : a, s = transposed ? transpose(size) : size;
      for (long double& v : e.data) v = std::ldexp(v, exponent);
      for (long double& v : s.data) v = std::ldexp(v, exponent);
      CHECK(view->rows() == e.rows && view->cols() == e.cols);
      CHECK(view->storage() == op.storage() && view->single_precision() == op.single_precision());
      for (const Index b : {1, 19}) {
        check_products<float>(*view, e, s, b, rounding);
        check_products<double>(*view, e, s, b, rounding);
        check_arrays<float>(*view, b);
        check_arrays<double>(*view, b);
      }
      check_dot<float>(*view, s);
      check_dot<double>(*view, s);
      const auto back = view->view(transposed, std::ldexp(1.0, -exponent));
      check_products<double>(*back, a, size, 2, rounding);
    }
}

inline void check_operator(const LinearOperator& op, const Exact& a) { check_operator(op, a, absolute(a)); }

/// All products are the same bits on 1, 2, 3 and 7 threads.
inline void check_threads(const LinearOperator& op) {
  const auto x = random_block<float>(op.cols(), 9, 25), w = random_block<float>(op.rows(), 9, 26);
  CHECK(same_on_all_threads([&] {
    Block<float> y(op.rows(), 9);
    op.apply(BlockView<const float>(x.view()), y.view());
    return y;
  }));
  CHECK(same_on_all_threads([&] {
    Block<float> z(op.cols(), 9);
    op.apply_adjoint(BlockView<const float>(w.view()), z.view());
    return z;
  }));
  CHECK(same_on_all_threads([&] {
    Block<float> z(op.cols(), 9), y(op.rows(), 9);
    op.apply_normal(BlockView<const float>(x.view()), z.view(), y.view());
    return z;
  }));
}

/// Both operators return the same bits.
inline bool same_products(const LinearOperator& p, const LinearOperator& q) {
  const auto x = random_block<double>(p.cols(), 5, 27), w = random_block<double>(p.rows(), 5, 28);
  bool same = true;
  const auto compare = [&](Index rows, auto&& call) {
    Block<double> y(rows, 5), z(rows, 5);
    call(p, y.view());
    call(q, z.view());
    same = same && same_bits(y.view(), z.view());
  };
  compare(p.rows(), [&](const LinearOperator& a, BlockView<double> y) { a.apply(BlockView<const double>(x.view()), y); });
  compare(p.cols(), [&](const LinearOperator& a, BlockView<double> z) { a.apply_adjoint(BlockView<const double>(w.view()), z); });
  compare(p.cols(), [&](const LinearOperator& a, BlockView<double> z) {
    Block<double> y(a.rows(), 5);
    a.apply_normal(BlockView<const double>(x.view()), z, y.view());
  });
  return same;
}

/// scan() counts, finds and measures what is there.
inline void check_scan(const LinearOperator& op, const Exact& a) {
  const Scan s = op.scan();
  long double largest = 0, sum = 0;
  for (const long double x : a.data) {
    largest = std::max(largest, std::abs(x));
    sum += x * x;
  }
  CHECK(s.known && s.bad == 0);
  CHECK(s.max_abs == static_cast<double>(largest));
  CHECK_CLOSE(std::ldexp(static_cast<long double>(s.sum_squares), 2 * s.exponent) / (sum > 0 ? sum : 1), sum > 0 ? 1.0 : 0.0,
              1e-12);
}

/// Shifts and scales for Affine, and what they make of a matrix.
struct Shifts {
  std::vector<double> row_shift, col_shift, row_scale, col_scale;

  Shifts(Index rows, Index cols)
      : row_shift(numbers(rows, 1)), col_shift(numbers(cols, 2)), row_scale(numbers(rows, 3)), col_scale(numbers(cols, 4)) {}

  /// Bits of `which`: 1 row_shift, 2 col_shift, 4 row_scale, 8 col_scale.
  Affine affine(int which) const {
    return {which & 1 ? row_shift.data() : nullptr, which & 2 ? col_shift.data() : nullptr,
            which & 4 ? row_scale.data() : nullptr, which & 8 ? col_scale.data() : nullptr};
  }

  Exact apply(int which, const Exact& a, bool magnitude) const {
    Exact e = a;
    for (Index i = 0; i < a.rows; ++i)
      for (Index j = 0; j < a.cols; ++j) {
        const auto r = static_cast<std::size_t>(i), c = static_cast<std::size_t>(j);
        const long double shift[] = {which & 1 ? row_shift[r] : 0.0L, which & 2 ? col_shift[c] : 0.0L};
        long double& x = e(i, j);
        x = magnitude ? std::abs(x) + std::abs(shift[0]) + std::abs(shift[1]) : x - shift[0] - shift[1];
        const long double scale = (which & 4 ? row_scale[r] : 1.0L) * (which & 8 ? col_scale[c] : 1.0L);
        x *= magnitude ? std::abs(scale) : scale;
      }
    return e;
  }

 private:
  static std::vector<double> numbers(Index n, std::uint64_t stream) {
    std::vector<double> v(static_cast<std::size_t>(n));
    fill_normal<double>(RandomKey{31, stream}, 0, 0, 1, n, v.data(), n);
    return v;
  }
};

}  // namespace operators
