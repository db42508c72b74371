// Arrays of any strides that are written to, and copies between them and blocks.
#pragma once

#include <algorithm>

#include "corange/core/parallel.hpp"

namespace corange {

/// rows x cols that belong to the user, entry (i, j) at data[i * row_stride + j * col_stride], to be written.
template <class T>
struct StridedOutput {
  T* data = nullptr;
  Index rows = 0, cols = 0;
  Index row_stride = 0, col_stride = 0;

  StridedOutput middle_rows(Index start, Index count) const {
    return {data + start * row_stride, count, cols, row_stride, col_stride};
  }
  StridedOutput middle_cols(Index start, Index count) const {
    return {data + start * col_stride, rows, count, row_stride, col_stride};
  }
};

namespace detail {

/// Calls each(row, column) along the direction in which the array lies.
template <class Each>
void for_each_entry(Index rows, Index cols, bool by_rows, const Each& each) {
  if (by_rows) {
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < cols; ++j) each(i, j);
  } else {
    for (Index j = 0; j < cols; ++j)
      for (Index i = 0; i < rows; ++i) each(i, j);
  }
}

/// dst = what load(row, rows, column, V*) reads down columns, where that is how memory lies: in squares, which are turned in L1.
template <class V, class T, class Load>
void copy_turned(BlockView<T> dst, const Load& load) {
  constexpr Index kSide = 16;
  const auto copy = [&](Index row, Index rows, Index col, Index cols) __attribute__((always_inline)) {
    V square[kSide][kSide];
    for (Index j = 0; j < cols; ++j) load(row, rows, col + j, square[j]);
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < cols; ++j) dst(row + i, col + j) = static_cast<T>(square[j][i]);
  };
  for (Index j = 0; j < dst.cols; j += kSide)
    for (Index i = 0; i < dst.rows; i += kSide)
      if (i + kSide <= dst.rows && j + kSide <= dst.cols)
        copy(i, kSide, j, kSide);
      else
        copy(i, std::min(kSide, dst.rows - i), j, std::min(kSide, dst.cols - j));
}

/// out[i] = convert(piece of column j, from row on); lines further down are asked for.
template <class S, class V, class Convert>
void load_column(StridedView<S> a, Index row, Index rows, Index j, V* out, const Convert& convert) {
  constexpr Index kAhead = 32, kLine = 64 / sizeof(S);
  const S* column = &a(row, j);
  for (Index i = 0; i < rows; i += kLine) __builtin_prefetch(column + (kAhead + i) * a.row_stride);
  if (a.row_stride == 1)
    for (Index i = 0; i < rows; ++i) out[i] = convert(column[i]);
  else
    for (Index i = 0; i < rows; ++i) out[i] = convert(column[i * a.row_stride]);
}

/// dst = convert(src), entry by entry.
template <class S, class T, class Convert>
void copy_converted(StridedView<S> src, BlockView<T> dst, const Convert& convert) {
  if (src.col_stride == 1) {
    for (Index i = 0; i < src.rows; ++i) {
      const S* row = &src(i, 0);
      T* out = dst.row(i);
      for (Index j = 0; j < src.cols; ++j) out[j] = static_cast<T>(convert(row[j]));
    }
    return;
  }
  copy_turned<T>(BlockView<T>{dst.data, src.rows, src.cols, dst.ld},
                 [&](Index row, Index rows, Index j, T* out) { load_column(src, row, rows, j, out, convert); });
}

template <class T>
void copy_in(StridedView<T> src, BlockView<T> dst) {
  copy_converted(src, dst, [](T x) { return x; });
}

template <class T>
void copy_out(BlockView<const T> src, StridedOutput<T> dst) {
  if (dst.col_stride == 1) {
    for (Index i = 0; i < dst.rows; ++i) std::copy_n(src.row(i), dst.cols, dst.data + i * dst.row_stride);
    return;
  }
  for_each_entry(dst.rows, dst.cols, dst.row_stride != 1,
                 [&](Index i, Index j) { dst.data[i * dst.row_stride + j * dst.col_stride] = src(i, j); });
}

}  // namespace detail

/// A block of an array, and an array of a block; in parallel.
template <class T>
Block<T> packed(StridedView<T> x) {
  Block<T> block(overwritten, x.rows, x.cols);
  const Tiling tiles = tiling(x.rows, 256, 64);
  parallel_for(tiles.count(), x.rows * x.cols, [&](Index t) {
    const Index row = tiles.begin(t), rows = tiles.size(t);
    detail::copy_in<T>(x.middle_rows(row, rows), block.view().middle_rows(row, rows));
  });
  return block;
}

template <class T>
void unpack(BlockView<const T> x, StridedOutput<T> out) {
  const Tiling tiles = tiling(x.rows, 256, 64);
  parallel_for(tiles.count(), x.rows * x.cols, [&](Index t) {
    const Index row = tiles.begin(t), rows = tiles.size(t);
    detail::copy_out<T>(x.middle_rows(row, rows), out.middle_rows(row, rows));
  });
}

/// out = columns[0], columns[1], ... of a.
template <class T>
void take_columns(StridedView<T> a, const Index* columns, StridedOutput<T> out) {
  constexpr Index kAhead = 2;
  const bool by_rows = std::abs(a.row_stride) >= std::abs(a.col_stride);  // how `a` lies: its lines are asked for ahead
  const Tiling tiles = tiling(a.rows, 256, 16);
  parallel_for(tiles.count(), 16 * a.rows * out.cols, [&](Index t) {
    const StridedView<T> from = a.middle_rows(tiles.begin(t), tiles.size(t));
    const StridedOutput<T> to = out.middle_rows(tiles.begin(t), tiles.size(t));
    detail::for_each_entry(from.rows, to.cols, by_rows, [&](Index i, Index j) {
      if (by_rows && i + kAhead < from.rows)
        __builtin_prefetch(&from.data[(i + kAhead) * from.row_stride + columns[j] * from.col_stride]);
      to.data[i * to.row_stride + j * to.col_stride] = from(i, columns[j]);
    });
  });
}

/// out = x1 + x2, in parallel.
template <class T>
void unpack_sum(BlockView<const T> x1, BlockView<const T> x2, StridedOutput<T> out) {
  const Tiling tiles = tiling(out.rows, 256, 64);
  parallel_for(tiles.count(), out.rows * out.cols, [&](Index t) {
    const Index row = tiles.begin(t), rows = tiles.size(t);
    const StridedOutput<T> y = out.middle_rows(row, rows);
    const BlockView<const T> a = x1.middle_rows(row, rows), b = x2.middle_rows(row, rows);
    if (y.col_stride == 1)
      detail::for_each_entry(rows, y.cols, true, [&](Index i, Index j) { y.data[i * y.row_stride + j] = a(i, j) + b(i, j); });
    else
      detail::for_each_entry(rows, y.cols, y.row_stride != 1,
                             [&](Index i, Index j) { y.data[i * y.row_stride + j * y.col_stride] = a(i, j) + b(i, j); });
  });
}

}  // namespace corange
