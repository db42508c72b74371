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

template <class T>
void copy_in(StridedView<T> src, BlockView<T> dst) {
  if (src.col_stride == 1) {
    for (Index i = 0; i < src.rows; ++i) std::copy_n(src.data + i * src.row_stride, src.cols, dst.row(i));
    return;
  }
  for_each_entry(src.rows, src.cols, src.row_stride != 1, [&](Index i, Index j) { dst(i, j) = src(i, j); });
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
