// A sketch with independent dense entries, made in cache while it is applied.
//
//   C = c A'S',  entry (i, j) of S' the variate of row offset + i and column j of a random matrix
//
// A task has a panel of columns of S' and a strip of columns of A. It draws a tile of its panel, which stays in L2, multiplies, and
// goes on to the next rows: no entry of S is written to memory. Where such tasks are few, groups of rows are summed apart and
// combined in order.
// Cost: 2 m n size flops, m size variates for each strip of 512 columns, and a pass over A for each panel of 128. Memory: up to
// eight C where size is small, else none.
#pragma once

#include <vector>

#include "corange/core/parallel.hpp"
#include "corange/core/philox.hpp"
#include "corange/linalg/panel.hpp"

namespace corange {

template <class T>
struct VariateSketch {
  using Fill = void (*)(RandomKey key, Index row0, Index col0, Index rows, Index cols, T* out, Index ld);

  Fill fill;  // fill_normal, fill_sign or fill_uniform
  RandomKey key;
  Index size;  // rows of S
  T scale;  // c
};

namespace detail {

/// C = A'S' for a panel of S', whose first column is `col`, and rows offset, offset + 1, ... of it.
template <class T>
void variate_sketch_panel(const VariateSketch<T>& s, StridedView<T> a, Index offset, Index col, BlockView<T> c) {
  const Tiling tiles{a.rows, 192};
  Block<T> drawn(std::min(a.rows, tiles.tile), c.cols);
  for (Index t = 0; t < tiles.count(); ++t) {
    check_interrupt();
    const Index row = tiles.begin(t), rows = tiles.size(t);
    s.fill(s.key, offset + row, col, rows, c.cols, drawn.data(), drawn.ld());
    const StridedView<T> tile = a.middle_rows(row, rows);
    panel_product<T>({tile.data, a.cols, rows, a.col_stride, a.row_stride}, drawn.view().middle_rows(0, rows), c,
                     t == 0 ? Store::set : Store::add);
  }
}

}  // namespace detail

/// `out`, n x size, becomes C.
template <class T>
void variate_sketch_apply(const VariateSketch<T>& s, StridedView<T> a, Index offset, BlockView<T> out) {
  constexpr Index kTasks = 8, kLeastRows = 768;
  const Tiling panels{s.size, 128}, strips{a.cols, 512};
  const Index pieces = panels.count() * strips.count();
  const Tiling groups = tiling(a.rows, (kTasks + pieces - 1) / pieces, kLeastRows);
  std::vector<Block<T>> sums;
  for (Index g = 1; g < groups.count(); ++g) sums.emplace_back(uninitialized, out.rows, out.cols);
  parallel_for(groups.count() * pieces, [&](Index task) {
    const Index g = task / pieces, panel = task % pieces % panels.count(), strip = task % pieces / panels.count();
    const Index row = groups.begin(g), first = strips.begin(strip), count = strips.size(strip), col = panels.begin(panel);
    const BlockView<T> sum = (g == 0 ? out : sums[static_cast<std::size_t>(g - 1)].view()).middle_rows(first, count);
    const StridedView<T> part{a.data + row * a.row_stride + first * a.col_stride, groups.size(g), count, a.row_stride,
                              a.col_stride};
    detail::variate_sketch_panel<T>(s, part, offset + row, col, {sum.data + col, count, panels.size(panel), sum.ld});
  });
  const Tiling rows = tiling(out.rows, 64, 16);
  parallel_for(rows.count(), out.rows * out.cols * groups.count(), [&](Index t) {
    for (Index i = rows.begin(t); i < rows.begin(t) + rows.size(t); ++i)
      for (Index j = 0; j < out.cols; ++j) {
        T total = out(i, j);
        for (const Block<T>& sum : sums) total += sum(i, j);
        out(i, j) = s.scale * total;
      }
  });
}

}  // namespace corange
