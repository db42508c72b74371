// A piece of a dense matrix as products see it,
//
//   B(i, j) = (scale a(i, j) - scale row_shift_i - scale col_shift_j) row_scale_i col_scale_j        (Affine; each part optional)
//
// copied, in another precision if need be, into a row-major block that stays in cache.
// Sources stored by rows are read a row at a time, others, such as those stored by columns, in squares that are turned in L1.
// Cost: one pass over the piece.
#pragma once

#include "corange/linalg/strided.hpp"
#include "corange/operators/linear_operator.hpp"

namespace corange {

template <class S>
struct DensePiece {
  StridedView<S> a;
  Affine affine;
  double scale = 1;

  bool plain() const { return affine.identity() && scale == 1; }

  /// Whether the scale may as well be that of the other factor: a power of two so near to one that nothing gets too small for it.
  bool scale_moves() const {
    const int exponent = std::ilogb(scale);
    return affine.identity() && scale != 1 && std::abs(exponent) <= 32 && std::ldexp(1.0, exponent) == scale;
  }

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
    const S factor = static_cast<S>(scale);
    if (affine.identity()) return detail::copy_converted(a, out, [factor](S x) { return x * factor; });
    if (a.col_stride == 1) {
      for (Index i = 0; i < a.rows; ++i) shift_row(&a(i, 0), i, out.row(i));
      return;
    }
    const auto load = [&](Index row, Index rows, Index j, double* line) { shift_column(row, rows, j, line); };
    detail::copy_turned<double>(BlockView<T>{out.data, a.rows, a.cols, out.ld}, load);
  }

 private:
  /// Neither is inlined: the loop becomes sixteen, by which shifts and scales there are.
  template <class T>
  [[gnu::noinline]] void shift_row(const S* row, Index i, T* out) const {
    for (Index j = 0; j < a.cols; ++j) out[j] = static_cast<T>(shifted(row[j], i, j));
  }

  [[gnu::noinline]] void shift_column(Index row, Index rows, Index j, double* out) const {
    Index i = row;
    detail::load_column(a, row, rows, j, out, [&](S x) { return shifted(x, i++, j); });
  }
};

}  // namespace corange
