// The passes of the successive projection algorithm, and the least squares of its nonnegative relative.
//
//   project_columns:  squares[j] -= (u'x_j)^2 for each column of X, in one pass: the norms of all columns projected on the
//                     complement of u, without projecting them
//   column_squares:   squares[j] = ||x_j||^2
//   capped_least_squares: rows h of H minimize h'G h / 2 - b'h over h >= 0, sum(h) <= 1, by the fast projected gradient method
//
// Columns go in tiles; within one, rows of X are streamed or columns dotted, whichever lies in memory that way. Bound by reading X.
// Gillis, Vavasis (2014). Fast and robust recursive algorithms for separable nonnegative matrix factorization. arXiv:1208.1237.
// Gillis (2014). Successive nonnegative projection algorithm for robust nonnegative blind source separation. arXiv:1310.7529.
#pragma once

#include <cmath>
#include <vector>

#include "corange/linalg/blocks.hpp"
#include "corange/nmf/rows.hpp"

namespace corange {
namespace detail {

/// Four rows at a time, so that the sums are loaded and stored once for four products.
template <class T>
void add_row_products(StridedView<T> x, const T* u, T* sums) {
  Index i = 0;
  const auto row = [&](Index r) { return x.data + r * x.row_stride; };
  for (; i + 4 <= x.rows; i += 4) {
    const T *a = row(i), *b = row(i + 1), *c = row(i + 2), *d = row(i + 3);
    const T ua = u[i], ub = u[i + 1], uc = u[i + 2], ud = u[i + 3];
    for (Index j = 0; j < x.cols; ++j) sums[j] += (ua * a[j] + ub * b[j]) + (uc * c[j] + ud * d[j]);
  }
  for (; i < x.rows; ++i)
    for (Index j = 0; j < x.cols; ++j) sums[j] += u[i] * row(i)[j];
}

/// Squares in double: they are what is compared with each other.
template <class T>
void add_row_squares(StridedView<T> x, double scale, double* sums) {
  for (Index i = 0; i < x.rows; ++i)
    for (Index j = 0; j < x.cols; ++j) {
      const double value = static_cast<double>(x(i, j)) * scale;
      sums[j] += value * value;
    }
}

/// u'x for one column, in sixteen sums.
template <class T>
T column_product(const T* x, Index stride, const T* u, Index rows) {
  constexpr Index kSums = 16;
  T sums[kSums] = {};
  Index i = 0;
  if (stride == 1)
    for (; i + kSums <= rows; i += kSums)
      for (Index l = 0; l < kSums; ++l) sums[l] += u[i + l] * x[i + l];
  T sum = 0;
  for (const T part : sums) sum += part;
  for (; i < rows; ++i) sum += u[i] * x[i * stride];
  return sum;
}

template <class T, class Fn>
void for_column_tiles(StridedView<T> x, const Fn& fn) {
  const Tiling tiles{x.cols, 2048};
  parallel_for(tiles.count(), [&](Index t) {
    const Index start = tiles.begin(t);
    fn(StridedView<T>{x.data + start * x.col_stride, x.rows, tiles.size(t), x.row_stride, x.col_stride}, start);
  });
}

/// Nearest point to v in {h >= 0, sum(h) <= 1}: the excess is taken evenly off the largest.
template <class T>
void project_on_capped_simplex(T* v, Index k, std::vector<T>& sorted) {
  T sum = 0;
  for (Index a = 0; a < k; ++a) sum += v[a] = std::max(v[a], T(0));
  if (sum <= T(1)) return;
  sorted.assign(v, v + k);
  std::sort(sorted.begin(), sorted.end(), std::greater<T>());
  T total = 0, shift = 0;
  for (Index a = 0; a < k; ++a) {
    total += sorted[static_cast<std::size_t>(a)];
    const T candidate = (total - T(1)) / static_cast<T>(a + 1);
    if (sorted[static_cast<std::size_t>(a)] > candidate) shift = candidate;
  }
  for (Index a = 0; a < k; ++a) v[a] = std::max(v[a] - shift, T(0));
}

}  // namespace detail

/// Entries count as scale times what is stored; u is in the precision of X.
template <class T>
void project_columns(StridedView<T> x, double scale, const T* u, double* squares) {
  detail::for_column_tiles(x, [&](StridedView<T> tile, Index start) {
    std::vector<T> sums(static_cast<std::size_t>(tile.cols), T(0));
    if (tile.col_stride == 1)
      detail::add_row_products(tile, u, sums.data());
    else
      for (Index j = 0; j < tile.cols; ++j)
        sums[static_cast<std::size_t>(j)] =
            detail::column_product(tile.data + j * tile.col_stride, tile.row_stride, u, tile.rows);
    for (Index j = 0; j < tile.cols; ++j) {
      const double product = static_cast<double>(sums[static_cast<std::size_t>(j)]) * scale;
      squares[start + j] -= product * product;
    }
  });
}

template <class T>
void column_squares(StridedView<T> x, double scale, double* squares) {
  detail::for_column_tiles(x, [&](StridedView<T> tile, Index start) {
    std::fill_n(squares + start, tile.cols, 0.0);
    if (tile.col_stride == 1)
      detail::add_row_squares(tile, scale, squares + start);
    else
      for (Index j = 0; j < tile.cols; ++j)
        detail::add_row_squares(StridedView<T>{tile.data + j * tile.col_stride, tile.rows, 1, tile.row_stride, 1}, scale,
                                squares + start + j);
  });
}

/// Rows of H from where they are; `lipschitz` is at least the largest eigenvalue of G. Stops a row when a step moves it by less
/// than tol.
template <class T>
void capped_least_squares(BlockView<const T> g, BlockView<const T> b, BlockView<T> h, double lipschitz, double tol, Index steps) {
  const Index k = g.rows;
  const T rate = static_cast<T>(1 / lipschitz);
  const Tiling tiles = tiling(h.rows, 256, 16);
  parallel_for(tiles.count(), [&](Index t) {
    std::vector<T> y(static_cast<std::size_t>(g.ld)), next(static_cast<std::size_t>(g.ld)), sorted;
    for (Index i = tiles.begin(t); i < tiles.begin(t) + tiles.size(t); ++i) {
      check_interrupt();
      T* current = h.row(i);
      std::copy_n(current, k, y.data());
      double momentum = 1;
      for (Index step = 0; step < steps; ++step) {
        for (Index a = 0; a < k; ++a)
          next[static_cast<std::size_t>(a)] =
              y[static_cast<std::size_t>(a)] - rate * (detail::dot(g.row(a), y.data(), g.width()) - b(i, a));
        detail::project_on_capped_simplex(next.data(), k, sorted);
        const double grown = 0.5 * (1 + std::sqrt(1 + 4 * momentum * momentum));
        const T beta = static_cast<T>((momentum - 1) / grown);
        double moved = 0, along = 0;
        for (Index a = 0; a < k; ++a) {
          const auto c = static_cast<std::size_t>(a);
          const T change = next[c] - current[a];
          moved = std::max(moved, std::abs(static_cast<double>(change)));
          along += static_cast<double>((y[c] - next[c]) * change);
          y[c] = next[c] + beta * change;
          current[a] = next[c];
        }
        momentum = grown;
        if (along > 0) momentum = 1, std::copy_n(current, k, y.data());  // restart: the momentum points uphill
        if (moved <= tol) break;
      }
    }
  });
}

}  // namespace corange
