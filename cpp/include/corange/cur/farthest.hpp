// Farthest points among the columns of Y (l x n): each the one farthest from all that were chosen before.
//
//   1. d_j = ||y_j - mean||^2; p = argmax d.
//   2. d_j = min(d_j, ||y_j - y_p||^2) (after the first: the distance to y_p alone); p = argmax d; stop if that is 0.
//
// Cost: 3 l n flops a point. The largest distance left over is at most twice that of the best choice of as many points:
// Gonzalez 1985 (doi:10.1016/0304-3975(85)90224-5).
#pragma once

#include <cmath>

#include "corange/core/errors.hpp"
#include "corange/cur/column_tiles.hpp"

namespace corange {

template <class T>
std::vector<Index> farthest_columns(StridedView<T> y, Index count, double rcond) {
  const ColumnTiles<T> points(y, balancing_exponent(y));
  std::vector<double> distance(static_cast<std::size_t>(y.cols), std::numeric_limits<double>::infinity());
  std::vector<Largest> found(static_cast<std::size_t>(Tiling{y.cols, ColumnTiles<T>::kWidth}.count()));
  const auto farthest = [&](const std::vector<T>& from, bool first) {
    points.for_tiles([&](Index tile, Index col, Index cols) {
      alignas(kAlignment) T to[ColumnTiles<T>::kWidth];
      points.distance(tile, from.data(), to);
      Largest most;
      for (Index j = 0; j < cols; ++j) {
        double& d = distance[static_cast<std::size_t>(col + j)];
        const double here = first ? static_cast<double>(to[j]) : std::min(d, static_cast<double>(to[j]));
        if (!first) d = here;
        most.see(here, col + j);
        if (std::isnan(here)) most = {std::numeric_limits<double>::infinity(), col + j};
      }
      found[static_cast<std::size_t>(tile)] = most;
    });
    const Largest most = largest_of(found);
    if (std::isinf(most.value)) throw NumericalError("farthest columns met NaN or infinity");
    return most;
  };

  std::vector<T> mean(static_cast<std::size_t>(y.rows));
  for (Index i = 0; i < y.rows; ++i) {
    double sum = 0;
    for (Index j = 0; j < y.cols; ++j) sum += static_cast<double>(points(i, j));
    mean[static_cast<std::size_t>(i)] = static_cast<T>(sum / static_cast<double>(y.cols));
  }
  std::vector<Index> chosen;
  Largest next = farthest(mean, true);
  const double least = rcond * rcond * next.value;
  while (static_cast<Index>(chosen.size()) < count) {
    if (!chosen.empty() && next.value <= least) break;
    chosen.push_back(next.index);
    next = farthest(points.column(next.index), false);
  }
  return chosen;
}

}  // namespace corange
