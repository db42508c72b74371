// Gaussian elimination of a short, wide matrix Y (l x n) row by row, with the pivot the largest entry of each row.
//
//   1. r_i = y_i - sum_{s < i} d_s r_s, with d such that r_i vanishes in the columns chosen before.
//   2. p_i = the column of the largest |r_i|; a row is passed over if that is at most `rcond` times the largest pivot.
//
// Of the rows of an orthonormal V' this is DEIM, the columns where interpolation in span(V) is stable; of the rows of a sketch
// it is randomized LU. Cost: n k^2 flops, half of them multiplications. References: Sorensen and Embree 2016
// (doi:10.1137/140978430); Dong and Martinsson 2023 (arXiv:2104.05877).
#pragma once

#include <cmath>

#include "corange/core/errors.hpp"
#include "corange/cur/column_tiles.hpp"

namespace corange {

template <class T>
std::vector<Index> pivoted_lu(StridedView<T> y, Index rank, double rcond) {
  if (rank < 0 || rank > std::min(y.rows, y.cols))
    throw InvalidArgument("pivoted LU: rank = " + std::to_string(rank) + " must lie in 0 .. min(l, n)");
  ColumnTiles<T> r(rank, y.cols);
  std::vector<Index> chosen;
  std::vector<Largest> found(static_cast<std::size_t>(Tiling{y.cols, ColumnTiles<T>::kWidth}.count()));
  double largest = 0;
  for (Index i = 0; i < y.rows && static_cast<Index>(chosen.size()) < rank; ++i) {
    const auto count = static_cast<Index>(chosen.size());
    std::vector<T> d(chosen.size());  // step 1: a lower triangular system in the chosen columns
    for (Index s = 0; s < count; ++s) {
      const Index p = chosen[static_cast<std::size_t>(s)];
      double x = static_cast<double>(y(i, p));
      for (Index u = 0; u < s; ++u) x -= static_cast<double>(d[static_cast<std::size_t>(u)]) * static_cast<double>(r(u, p));
      d[static_cast<std::size_t>(s)] = static_cast<T>(x / static_cast<double>(r(s, p)));
    }
    r.for_tiles([&](Index tile, Index col, Index cols) {
      alignas(kAlignment) T sum[ColumnTiles<T>::kWidth];
      r.combine(tile, d.data(), count, sum);
      for (const Index p : chosen)  // exactly zero, so that none is chosen twice
        if (p >= col && p < col + cols) sum[p - col] = y(i, p);
      Largest most;
      for (Index j = 0; j < cols; ++j) {
        const T value = y(i, col + j) - sum[j];
        r.tile(tile)(count, j) = value;
        most.see(std::abs(static_cast<double>(value)), col + j);
        if (std::isnan(value)) most = {std::numeric_limits<double>::infinity(), col + j};
      }
      found[static_cast<std::size_t>(tile)] = most;
    });
    const Largest next = largest_of(found);
    if (std::isinf(next.value)) throw NumericalError("pivoted LU met NaN or infinity");
    if (next.value <= rcond * largest || next.value == 0) continue;
    largest = std::max(largest, next.value);
    chosen.push_back(next.index);
  }
  return chosen;
}

}  // namespace corange
