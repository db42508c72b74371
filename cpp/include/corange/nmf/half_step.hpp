// What every way to improve one factor while the other is fixed has in common.
//
//   min over Y >= 0 of   1/2 || X - Y Z' ||^2 + l1 |Y| + l2/2 || Y ||^2
//
// With G = Z'Z and F = X Z this is a problem of its own for each row of Y, and X itself is not needed:
//
//   min over y >= 0 of   1/2 y'(G + l2 I) y - (f - l1)'y
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "corange/linalg/blocks.hpp"

namespace corange {

/// Absolute penalties of a factor; the l1 penalty of row i is l1 * row_l1[i] where that is given.
struct NmfPenalty {
  double l1 = 0, l2 = 0;
  const double* row_l1 = nullptr;

  bool none() const { return l1 == 0 && l2 == 0; }
  double l1_of(Index row) const { return row_l1 ? l1 * row_l1[row] : l1; }
};

/// A component whose squared norm is below this, beside data of about 1, is dead: dividing by it would overflow.
template <class T>
inline constexpr double kNoComponent =
    static_cast<double>(std::numeric_limits<T>::min()) / static_cast<double>(std::numeric_limits<T>::epsilon());

/// Sums that half a step leaves behind; F is that of X Z, without penalties.
struct HalfStep {
  double gradient = 0;  // squared norm of the projected gradient, of each entry as it was met
  double cross = 0;     // <Y, F> of the new Y
  double linear = 0;    // sum of l1 penalties of the new Y

  HalfStep& operator+=(const HalfStep& other) {
    gradient += other.gradient;
    cross += other.cross;
    linear += other.linear;
    return *this;
  }
};

/// Runs fn(first row, rows) over fixed tiles on all threads and adds up what it returns in order.
template <class Sum, class Fn>
Sum sum_over_rows(Tiling tiles, const Fn& fn) {
  std::vector<Sum> sums(static_cast<std::size_t>(tiles.count()));
  parallel_for(tiles.count(), [&](Index t) { sums[static_cast<std::size_t>(t)] = fn(tiles.begin(t), tiles.size(t)); });
  Sum total{};
  for (const Sum& sum : sums) total += sum;
  return total;
}

}  // namespace corange
