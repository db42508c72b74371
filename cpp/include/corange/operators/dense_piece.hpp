// A piece of a dense matrix as products see it,
//
//   B(i, j) = (scale a(i, j) - scale row_shift_i - scale col_shift_j) row_scale_i col_scale_j        (Affine; each part optional)
//
// copied, in another precision if need be, into a row-major block that stays in cache.
// Sources stored by rows are read a row at a time; others, such as those stored by columns, in squares of 16 x 16 that are read
// along columns, down the piece, and turned in L1; lines below are asked for beforehand.
// Cost: one pass over the piece.
#pragma once

#include "corange/operators/linear_operator.hpp"

namespace corange {

template <class S>
struct DensePiece {
  StridedView<S> a;
  Affine affine;
  double scale = 1;

  bool plain() const { return affine.identity() && scale == 1; }

  DensePiece part(Index row, Index rows, Index col, Index cols) const {
    const Affine below = affine.middle_rows(row);
    return {{a.data + row * a.row_stride + col * a.col_stride, rows, cols, a.row_stride, a.col_stride},
            below.transposed().middle_rows(col).transposed(),
            scale};
  }

  double shifted(S value, Index i, Index j) const {
    double x = static_cast<double>(value) * scale;
    if (affine.row_shift) x -= affine.row_shift[i] * scale;
    if (affine.col_shift) x -= affine.col_shift[j] * scale;
    if (affine.row_scale) x *= affine.row_scale[i];
    if (affine.col_scale) x *= affine.col_scale[j];
    return x;
  }

  template <class T>
  void copy_to(BlockView<T> out) const {
    if (a.col_stride == 1)
      copy_rows(out);
    else if (affine.identity())
      copy_squares<S>(out);
    else
      copy_squares<double>(out);
  }

 private:
  static constexpr Index kSide = 16, kLine = 64 / sizeof(S);

  template <class T>
  void copy_rows(BlockView<T> out) const {
    for (Index i = 0; i < a.rows; ++i)
      if (affine.identity())
        scale_row(&a(i, 0), a.cols, static_cast<S>(scale), out.row(i));
      else
        shift_row(&a(i, 0), i, out.row(i));
  }

  template <class T>
  [[gnu::noinline]] static void scale_row(const S* row, Index cols, S factor, T* out) {
    for (Index j = 0; j < cols; ++j) out[j] = static_cast<T>(row[j] * factor);
  }

  /// Never inlined: the loop becomes sixteen, by which shifts and scales there are.
  template <class T>
  [[gnu::noinline]] void shift_row(const S* row, Index i, T* out) const {
    for (Index j = 0; j < a.cols; ++j) out[j] = static_cast<T>(shifted(row[j], i, j));
  }

  template <class V, class T>
  void copy_squares(BlockView<T> out) const {
    for (Index j = 0; j < a.cols; j += kSide)
      for (Index i = 0; i < a.rows; i += kSide) {
        const Index rows = std::min(kSide, a.rows - i), cols = std::min(kSide, a.cols - j);
        if (rows == kSide && cols == kSide)
          copy_square<V>(i, kSide, j, kSide, out);
        else
          copy_square<V>(i, rows, j, cols, out);
      }
  }

  template <class V, class T>
  [[gnu::always_inline]] void copy_square(Index row, Index rows, Index col, Index cols, BlockView<T> out) const {
    V square[kSide][kSide];
    for (Index j = 0; j < cols; ++j) {
      const S* column = &a(row, col + j);
      for (Index i = 0; i < kSide; i += kLine) __builtin_prefetch(column + (2 * kSide + i) * a.row_stride);
      if constexpr (std::is_same_v<V, double>)
        shift_column(column, row, rows, col + j, square[j]);
      else
        load_column(column, rows, square[j]);
    }
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < cols; ++j) out(row + i, col + j) = static_cast<T>(square[j][i]);
  }

  template <class V>
  [[gnu::always_inline]] void load_column(const S* column, Index rows, V* out) const {
    const S factor = static_cast<S>(scale);
    if (a.row_stride == 1)
      for (Index i = 0; i < rows; ++i) out[i] = column[i] * factor;
    else
      for (Index i = 0; i < rows; ++i) out[i] = column[i * a.row_stride] * factor;
  }

  /// Never inlined, as shift_row.
  [[gnu::noinline]] void shift_column(const S* column, Index row, Index rows, Index j, double* out) const {
    for (Index i = 0; i < rows; ++i) out[i] = shifted(column[i * a.row_stride], row + i, j);
  }
};

}  // namespace corange
