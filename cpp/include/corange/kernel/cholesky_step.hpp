// One block step of a partial Cholesky factorization K = F F' of a positive semidefinite matrix.
//
//   G <- (K(:, S) - F F(S, :)') L^-T,    F <- [F G],    d <- d - diag(G G')
//
//   1. For tiles of rows: the residual of the new columns, from the columns F has so far.
//   2. Times L^-T, where L is the Cholesky factor of the residual's rows S. The inverse does no harm: L is graded by columns,
//      which its inverse undoes.
//   3. The diagonal of what is left, in double: where it falls to its floor it is rounding, and becomes 0.
//
// F is read once. Cost: 2 n b (k + b) flops for b new columns beside k.
#pragma once

#include <algorithm>
#include <vector>

#include "corange/kernel/pairwise.hpp"
#include "corange/kernel/pivoted_cholesky.hpp"

namespace corange {

template <class T>
struct CholeskyStep {
  StridedView<T> columns;      // K(:, S), n x b
  BlockView<const T> pivots;   // F(S, :)', k x b, padded
  StridedView<double> triangle;  // L, b x b lower triangular
  T* factor = nullptr;         // F, rows `ld` apart; columns k .. k + b are written
  Index ld = 0;
  double* diagonal = nullptr;      // of what is left of K
  const double* floors = nullptr;  // below which that is rounding
};

namespace detail {

/// L^-T of a lower triangular L.
template <class T>
Block<T> inverse_adjoint(StridedView<double> l) {
  const Block<double> inverse = inverse_triangle(l);
  Block<T> adjoint(l.rows, l.rows);
  for (Index i = 0; i < l.rows; ++i)
    for (Index j = 0; j <= i; ++j) adjoint(j, i) = static_cast<T>(inverse(i, j));
  return adjoint;
}

}  // namespace detail

/// block -= part part' for a small block, in order and in one thread.
inline void subtract_outer(StridedView<double> part, BlockView<double> block) {
  const Block<double> right = points_as_columns(part);
  panel_product<double>(part, right.view(), block, Store::subtract);
}

/// Returns the lowest diagonal entry, in units of its floor, before step 3: clearly negative if K is indefinite.
template <class T>
double cholesky_step(const CholeskyStep<T>& s) {
  const Index n = s.columns.rows, b = s.columns.cols, k = s.pivots.rows;
  const Tiling tiles = detail::worthwhile_tiles(n, b * (k + b));
  const Block<T> inverse = detail::inverse_adjoint<T>(s.triangle);
  std::vector<double> lowest(static_cast<std::size_t>(tiles.count()), 0.0);
  parallel_for(tiles.count(), [&](Index t) {
    constexpr Index kRows = 64;
    Block<T> residual(kRows, b), scaled(kRows, b);
    for (Index i = tiles.begin(t); i < tiles.begin(t) + tiles.size(t); i += kRows) {
      check_interrupt();
      const Index rows = std::min(kRows, tiles.begin(t) + tiles.size(t) - i);
      const BlockView<T> g = residual.view().middle_rows(0, rows), f = scaled.view().middle_rows(0, rows);
      for (Index r = 0; r < rows; ++r)
        for (Index j = 0; j < b; ++j) g(r, j) = s.columns(i + r, j);
      if (k > 0) panel_product<T>({s.factor + i * s.ld, rows, k, s.ld, 1}, s.pivots, g, Store::subtract);
      panel_product<T>({g.data, rows, b, g.ld, 1}, inverse.view(), f, Store::set);
      for (Index r = 0; r < rows; ++r) {
        std::copy_n(f.row(r), b, s.factor + (i + r) * s.ld + k);
        double& left = s.diagonal[i + r];
        for (Index j = 0; j < b; ++j) left -= static_cast<double>(f(r, j)) * static_cast<double>(f(r, j));
        if (left < 0) lowest[static_cast<std::size_t>(t)] = std::min(lowest[static_cast<std::size_t>(t)], left / s.floors[i + r]);
        if (!(left > s.floors[i + r])) left = 0;
      }
    }
  });
  return lowest.empty() ? 0 : *std::min_element(lowest.begin(), lowest.end());
}

}  // namespace corange
