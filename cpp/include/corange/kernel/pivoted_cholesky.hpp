// Cholesky factorization with pivoting of a small positive semidefinite matrix, and inverses of triangles.
//
//   A(order, order) = L L' + what is left,    the diagonal of which is at most tol
//
//   1. The largest diagonal entry of what is left is the next pivot, the first of several.
//   2. Its column of L from the columns before it, for rows that are no pivots yet; d <- d - l^2.
//
// In one thread and without BLAS, whose threads would still be spinning when ours begin. Cost: n r^2 - 2 r^3 / 3 flops.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "corange/core/types.hpp"
#include "corange/linalg/simd.hpp"

namespace corange {

struct PivotedCholesky {
  Block<double> l;  // n x n: rows in their own order, not that of the pivots; zero where not computed
  std::vector<Index> order;   // the pivots
  std::vector<Index> others;  // rows that are none, ascending
};

inline PivotedCholesky pivoted_cholesky(StridedView<double> a, double tol) {
  constexpr Index kLanes = simd::kLanes<double>;
  PivotedCholesky found{Block<double>(a.rows, a.rows), {}, {}};
  std::vector<double> left(static_cast<std::size_t>(a.rows));
  std::vector<Index>& others = found.others;
  others.resize(left.size());
  std::iota(others.begin(), others.end(), Index{0});
  for (Index i = 0; i < a.rows; ++i) left[static_cast<std::size_t>(i)] = a(i, i);
  const auto smaller = [&](Index i, Index j) { return left[static_cast<std::size_t>(i)] < left[static_cast<std::size_t>(j)]; };
  while (!others.empty()) {
    const auto place = std::max_element(others.begin(), others.end(), smaller);
    const Index pivot = *place, j = static_cast<Index>(found.order.size());
    if (!(left[static_cast<std::size_t>(pivot)] > tol)) break;
    others.erase(place);
    found.order.push_back(pivot);
    const double* row = found.l.view().row(pivot);
    const double root = std::sqrt(left[static_cast<std::size_t>(pivot)]);
    for (const Index i : others) {
      simd::Vector<double> sums = {};
      for (Index p = 0; p < j; p += kLanes) sums += simd::load(found.l.view().row(i) + p) * simd::load(row + p);
      double sum = 0;
      for (Index lane = 0; lane < kLanes; ++lane) sum += sums[lane];
      const double entry = (a(i, pivot) - sum) / root;
      found.l(i, j) = entry;
      left[static_cast<std::size_t>(i)] -= entry * entry;
    }
    found.l(pivot, j) = root;
  }
  return found;
}

/// Inverse of a lower triangular matrix.
inline Block<double> inverse_triangle(StridedView<double> l) {
  constexpr Index kLanes = simd::kLanes<double>;
  Block<double> inverse(l.rows, l.rows);
  for (Index i = 0; i < l.rows; ++i) {
    double* row = inverse.view().row(i);
    for (Index p = 0; p < i; ++p)
      for (Index j = 0; j <= p; j += kLanes)
        simd::store<double>(row + j, simd::load(row + j) - l(i, p) * simd::load(inverse.view().row(p) + j));
    row[i] = 1;
    for (Index j = 0; j <= i; ++j) row[j] /= l(i, i);
  }
  return inverse;
}

}  // namespace corange
