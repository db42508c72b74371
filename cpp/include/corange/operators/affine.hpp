// Shifts and scales any operator without forming anything: D_r (A - 1 c' - r 1') D_c with c column shifts and r row shifts.
//
//   apply    X1 = D_c X;  Y = A X1 - 1 (c' X1) - r (1' X1);  Y = D_r Y        (apply_adjoint: the same with roles exchanged)
//
// Centering a sparse matrix is c = its column means. The corrections are computed in double. Cost: O((m + n) b) on top of A's.
#pragma once

#include <optional>

#include "corange/operators/linear_operator.hpp"

namespace corange {

class AffineOperator final : public OperatorOf<AffineOperator> {
 public:
  AffineOperator(std::shared_ptr<const LinearOperator> a, Affine affine, double scale = 1)
      : a_(std::move(a)), affine_(affine), scale_(scale) {}

  Index rows() const override { return a_->rows(); }
  Index cols() const override { return a_->cols(); }
  Storage storage() const override { return a_->storage(); }
  double entries() const override { return a_->entries(); }
  bool single_precision() const override { return a_->single_precision(); }

  std::unique_ptr<LinearOperator> view(bool transpose, double scale) const override {
    return std::make_unique<AffineOperator>(a_->view(transpose, scale), transpose ? affine_.transposed() : affine_,
                                            scale_ * scale);
  }

  /// Bad entries and magnitude of A itself; the sum of squares is that of the shifted matrix, or unknown:
  ///   ||A - 1 c'||^2 = ||A||^2 - 2 1'(A c) + m ||c||^2.
  Scan scan() const override {
    Scan s = a_->scan();
    if (!s.known || s.bad > 0 || affine_.identity()) return s;
    const double raw = s.sum_squares;
    if (!affine_.row_shift && !affine_.row_scale && !affine_.col_scale)
      s.sum_squares = std::max(centered_squares(s), 0.0);
    else
      s.known = false;
    if (s.sum_squares < 1e-6 * raw) s.known = false;  // the difference has lost too many digits
    return s;
  }

  template <class T>
  void product(BlockView<const T> x, BlockView<T> y) const {
    transform<T>(affine_, x, y, [&](BlockView<const T> in) { a_->apply(in, y); });
  }
  template <class T>
  void adjoint(BlockView<const T> x, BlockView<T> y) const {
    transform<T>(affine_.transposed(), x, y, [&](BlockView<const T> in) { a_->apply_adjoint(in, y); });
  }

 private:
  double centered_squares(const Scan& raw) const {
    Block<double> c(cols(), 1), y(rows(), 1);
    double squares = 0, cross = 0;
    for (Index j = 0; j < cols(); ++j) {
      c(j, 0) = std::ldexp(affine_.col_shift[j], -raw.exponent);
      squares += c(j, 0) * c(j, 0);
    }
    a_->apply(BlockView<const double>(c.view()), y.view());
    for (Index i = 0; i < rows(); ++i) cross += std::ldexp(y(i, 0), -raw.exponent);
    return raw.sum_squares - 2 * cross + static_cast<double>(rows()) * squares;
  }

  template <class T, class Multiply>
  void transform(const Affine& f, BlockView<const T> x, BlockView<T> y, const Multiply& multiply) const {
    Block<T> scaled;
    if (f.col_scale) {
      scaled = Block<T>(x.rows, x.cols);
      for_rows(x.rows, [&](Index i) {
        for (Index j = 0; j < x.cols; ++j) scaled(i, j) = static_cast<T>(static_cast<double>(x(i, j)) * f.col_scale[i]);
      });
      x = scaled.view();
    }
    const SmallVector from_cols = f.col_shift ? weighted_column_sums<T>(x, f.col_shift) : SmallVector();
    const SmallVector from_rows = f.row_shift ? weighted_column_sums<T>(x, nullptr) : SmallVector();
    multiply(x);
    for_rows(y.rows, [&](Index i) {
      for (Index j = 0; j < y.cols; ++j) {
        double value = static_cast<double>(y(i, j));
        if (f.col_shift) value -= scale_ * from_cols(j);
        if (f.row_shift) value -= scale_ * f.row_shift[i] * from_rows(j);
        if (f.row_scale) value *= f.row_scale[i];
        y(i, j) = static_cast<T>(value);
      }
    });
  }

  template <class Fn>
  static void for_rows(Index rows, const Fn& fn) {
    const Tiling tiles = tiling(rows);
    parallel_for(tiles.count(), [&](Index t) {
      for (Index i = tiles.begin(t); i < tiles.begin(t) + tiles.size(t); ++i) fn(i);
    });
  }

  /// w' X, or 1' X without weights.
  template <class T>
  static SmallVector weighted_column_sums(BlockView<const T> x, const double* weights) {
    const Tiling tiles = tiling(x.rows);
    SmallMatrix partial = SmallMatrix::Zero(x.cols, tiles.count());
    parallel_for(tiles.count(), [&](Index t) {
      for (Index i = tiles.begin(t); i < tiles.begin(t) + tiles.size(t); ++i)
        for (Index j = 0; j < x.cols; ++j) partial(j, t) += static_cast<double>(x(i, j)) * (weights ? weights[i] : 1.0);
    });
    SmallVector sum = SmallVector::Zero(x.cols);
    for (Index t = 0; t < tiles.count(); ++t) sum += partial.col(t);
    return sum;
  }

  std::shared_ptr<const LinearOperator> a_;
  Affine affine_;
  double scale_;
};

}  // namespace corange
