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

  /// The pieces of A with their rows and columns scaled, and the shifts as outer products.
  bool visit(EntryVisitor& visitor) const override {
    Scaled scaled(visitor, affine_);
    if (!a_->visit(scaled)) return false;
    const auto factor = [](const double* scale, Index i) { return scale ? scale[i] : 1.0; };
    const auto column = [](const std::vector<double>& v) {
      return StridedView<double>{v.data(), static_cast<Index>(v.size()), 1, 1, 1};
    };
    const auto vector = [&](Index size, const auto& entry) {
      std::vector<double> v(static_cast<std::size_t>(size));
      for (Index i = 0; i < size; ++i) v[static_cast<std::size_t>(i)] = entry(i);
      return v;
    };
    const Affine& f = affine_;
    if (f.col_shift) {
      const auto left = vector(rows(), [&](Index i) { return factor(f.row_scale, i); });
      const auto right = vector(cols(), [&](Index j) { return -scale_ * f.col_shift[j] * factor(f.col_scale, j); });
      visitor.outer(0, 0, column(left), column(right));
    }
    if (f.row_shift) {
      const auto left = vector(rows(), [&](Index i) { return -scale_ * f.row_shift[i] * factor(f.row_scale, i); });
      const auto right = vector(cols(), [&](Index j) { return factor(f.col_scale, j); });
      visitor.outer(0, 0, column(left), column(right));
    }
    return true;
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
    parallel_for(tiles.count(), x.rows * x.cols, [&](Index t) {
      for (Index i = tiles.begin(t); i < tiles.begin(t) + tiles.size(t); ++i)
        for (Index j = 0; j < x.cols; ++j) partial(j, t) += static_cast<double>(x(i, j)) * (weights ? weights[i] : 1.0);
    });
    SmallVector sum = SmallVector::Zero(x.cols);
    for (Index t = 0; t < tiles.count(); ++t) sum += partial.col(t);
    return sum;
  }

  /// Shows pieces with rows and columns multiplied by the scales.
  class Scaled final : public EntryVisitor {
   public:
    Scaled(EntryVisitor& visitor, const Affine& affine) : visitor_(visitor), row_(affine.row_scale), col_(affine.col_scale) {}

    void dense(Index row, Index col, StridedView<double> piece) override {
      if (plain()) return visitor_.dense(row, col, piece);
      Block<double> copy(uninitialized, piece.rows, piece.cols);
      for_rows(piece.rows, [&](Index i) {
        for (Index j = 0; j < piece.cols; ++j) copy(i, j) = piece(i, j) * factor(row + i, col + j);
      });
      visitor_.dense(row, col, {copy.data(), piece.rows, piece.cols, copy.ld(), 1});
    }
    void sparse_rows(Index row, const Compressed& piece) override {
      if (plain()) return visitor_.sparse_rows(row, piece);
      visitor_.sparse_rows(row, scaled(piece, [&](Index o, Index i) { return factor(row + o, i); }));
    }
    void sparse_columns(Index col, const Compressed& piece) override {
      if (plain()) return visitor_.sparse_columns(col, piece);
      visitor_.sparse_columns(col, scaled(piece, [&](Index o, Index i) { return factor(i, col + o); }));
    }
    void outer(Index row, Index col, StridedView<double> left, StridedView<double> right) override {
      Block<double> u(left.rows, 1), v(right.rows, 1);
      for (Index i = 0; i < left.rows; ++i) u(i, 0) = left(i, 0) * (row_ ? row_[row + i] : 1);
      for (Index j = 0; j < right.rows; ++j) v(j, 0) = right(j, 0) * (col_ ? col_[col + j] : 1);
      visitor_.outer(row, col, {u.data(), left.rows, 1, u.ld(), 1}, {v.data(), right.rows, 1, v.ld(), 1});
    }

   private:
    bool plain() const { return !row_ && !col_; }
    double factor(Index i, Index j) const { return (row_ ? row_[i] : 1) * (col_ ? col_[j] : 1); }

    /// The same structure with values in memory of this visitor; factor(outer index, inner index).
    template <class Factor>
    Compressed scaled(const Compressed& piece, const Factor& factor) {
      values_.resize(static_cast<std::size_t>(piece.indptr[piece.outer]));
      for_rows(piece.outer, [&](Index o) {
        for (Index p = piece.indptr[o], stop = piece.indptr[o + 1]; p < stop; ++p)
          values_[static_cast<std::size_t>(p)] = piece.data[p] * factor(o, piece.indices[p]);
      });
      Compressed copy = piece;
      copy.data = values_.data();
      return copy;
    }

    EntryVisitor& visitor_;
    const double *row_, *col_;
    std::vector<double> values_;
  };

  std::shared_ptr<const LinearOperator> a_;
  Affine affine_;
  double scale_;
};

}  // namespace corange
