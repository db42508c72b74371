// Two halves of a divide and conquer, coupled by a vector z: which of their columns take part, and products with those that do.
//
//   1. Where z_j is rounding, column j is as it was ("settled").
//   2. Where d_i and d_j are nearly equal, a rotation of columns i and j makes z_i vanish, and settles i.
//   3. The others are "live": columns of Q U, with U from the secular equation. Columns of Q are zero above or below the cut, and
//      take no part in that half of the product.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "corange/core/parallel.hpp"
#include "corange/linalg/small_types.hpp"

namespace corange::detail {

using Places = std::vector<Index>;

inline Index at(const Places& list, Index i) { return list[static_cast<std::size_t>(i)]; }

inline SmallVector pick(const SmallVector& x, const Places& list) {
  SmallVector picked(static_cast<Index>(list.size()));
  for (Index i = 0; i < picked.size(); ++i) picked(i) = x(at(list, i));
  return picked;
}

inline Places ascending(const SmallVector& x) {
  Places order(static_cast<std::size_t>(x.size()));
  std::iota(order.begin(), order.end(), Index{0});
  std::stable_sort(order.begin(), order.end(), [&](Index i, Index j) { return x(i) < x(j); });
  return order;
}

/// Where each is found in that order.
inline Places inverse(const Places& order) {
  Places place(order.size());
  for (std::size_t j = 0; j < order.size(); ++j) place[static_cast<std::size_t>(order[j])] = static_cast<Index>(j);
  return place;
}

/// (x_i, x_j) <- (c x_i + s x_j, c x_j - s x_i).
inline void rotate_columns(SmallMatrix& x, Index i, Index j, double c, double s) {
  const SmallVector column = c * x.col(i) + s * x.col(j);
  x.col(j) = c * x.col(j) - s * x.col(i);
  x.col(i) = column;
}

/// Step 2: makes z_i vanish and returns true where that couples d_i and d_j by less than the tolerance. The caller rotates columns
/// by c and s.
inline bool uncouple(SmallVector& d, SmallVector& z, Index i, Index j, double tolerance, double& c, double& s) {
  const double norm = std::hypot(z(i), z(j));
  c = z(j) / norm, s = -z(i) / norm;
  if (std::abs((d(j) - d(i)) * c * s) > tolerance) return false;
  z(i) = 0, z(j) = norm;
  const double low = d(i) * c * c + d(j) * s * s;
  d(j) = d(i) * s * s + d(j) * c * c;
  d(i) = low;
  return true;
}

/// Rows of the matrix, or of a few of its columns, as one that has no gaps.
inline SmallMatrix take_rows(const SmallMatrix& u, const Places& list) {
  SmallMatrix taken(static_cast<Index>(list.size()), u.cols());
  for (Index j = 0; j < u.cols(); ++j)
    for (Index i = 0; i < taken.rows(); ++i) taken(i, j) = u(at(list, i), j);
  return taken;
}

/// Step 3 on rows [begin, begin + rows) of Q: the live columns that do not vanish there.
class LiveRows {
 public:
  LiveRows(const SmallMatrix& q, const Places& live, Index begin, Index rows) {
    for (Index i = 0; i < static_cast<Index>(live.size()); ++i)
      if (!q.col(at(live, i)).segment(begin, rows).isZero(0)) present_.push_back(i);
    part_.resize(rows, static_cast<Index>(present_.size()));
    for (Index j = 0; j < part_.cols(); ++j) part_.col(j) = q.col(at(live, at(present_, j))).segment(begin, rows);
  }

  SmallMatrix times(const SmallMatrix& u) const { return part_ * take_rows(u, present_); }

 private:
  Places present_;
  SmallMatrix part_;
};

/// out.col(place_j) = Q u_j, for the live columns of Q, cut above row `cut`; vectors(begin, count) makes columns of U.
template <class Vectors>
void multiply_live(const SmallMatrix& q, Index cut, const Places& live, const Places& place, const Vectors& vectors,
                   SmallMatrix& out) {
  const LiveRows top(q, live, 0, cut), bottom(q, live, cut, q.rows() - cut);
  const Tiling strips{static_cast<Index>(live.size()), 32};
  parallel_for(strips.count(), strips.n * strips.n * q.rows(), [&](Index s) {
    const SmallMatrix u = vectors(strips.begin(s), strips.size(s)), above = top.times(u), below = bottom.times(u);
    for (Index j = 0; j < u.cols(); ++j) out.col(at(place, strips.begin(s) + j)) << above.col(j), below.col(j);
  });
}

}  // namespace corange::detail
