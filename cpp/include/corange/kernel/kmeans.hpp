// Steps of Lloyd's algorithm: centers move to the means of the points that are nearest to them.
//
//   1. The nearest center of each point, the first of several.
//   2. Means, in double and in the order of the points; a center that is nearest to none stays.
//
// Points are read `steps` times. Cost of a step: 3 m n d flops for m points and n centers. The sum of squared distances never
// grows, and the kernel between points and their centers bounds the error of the Nystrom approximation from the centers: K.
// Zhang, I. Tsang, J. Kwok (2008), Improved Nystrom low-rank approximation and error analysis, ICML.
#pragma once

#include <vector>

#include "corange/kernel/pairwise.hpp"

namespace corange {

/// Position of the center nearest to each row of x.
template <class T>
std::vector<Index> nearest_centers(StridedView<T> x, StridedView<T> centers) {
  const Block<T> columns = points_as_columns(centers);
  const Tiling tiles = detail::worthwhile_tiles(x.rows, centers.rows * (x.cols + 2));
  std::vector<Index> nearest(static_cast<std::size_t>(x.rows));
  parallel_for(tiles.count(), [&](Index t) {
    constexpr Index kRows = 64;
    Block<T> tile(uninitialized, kRows, centers.rows);
    for (Index i = tiles.begin(t); i < tiles.begin(t) + tiles.size(t); i += kRows) {
      check_interrupt();
      const Index rows = std::min(kRows, tiles.begin(t) + tiles.size(t) - i);
      detail::distances<T, KernelKind::rbf>(x.middle_rows(i, rows), columns.view(), tile.view().middle_rows(0, rows));
      for (Index r = 0; r < rows; ++r) {
        const T* row = tile.view().row(r);
        nearest[static_cast<std::size_t>(i + r)] = std::min_element(row, row + centers.rows) - row;
      }
    }
  });
  return nearest;
}

/// centers (rows `x.cols` apart) after some steps.
template <class T>
void move_to_means(StridedView<T> x, T* centers, Index count, Index steps) {
  const Index d = x.cols;
  for (Index step = 0; step < steps; ++step) {
    const std::vector<Index> nearest = nearest_centers<T>(x, {centers, count, d, d, 1});
    Block<double> sums(count, d);
    std::vector<Index> members(static_cast<std::size_t>(count), 0);
    for (Index i = 0; i < x.rows; ++i) {
      const Index c = nearest[static_cast<std::size_t>(i)];
      ++members[static_cast<std::size_t>(c)];
      for (Index p = 0; p < d; ++p) sums(c, p) += static_cast<double>(x(i, p));
    }
    for (Index c = 0; c < count; ++c)
      if (const Index size = members[static_cast<std::size_t>(c)]; size > 0)
        for (Index p = 0; p < d; ++p) centers[c * d + p] = static_cast<T>(sums(c, p) / static_cast<double>(size));
  }
}

}  // namespace corange
