// Products of tall blocks: the vocabulary in which the algorithms are written. All run over fixed row tiles on all threads.
//
//   adjoint_product(V, Z)       C = V' Z        accumulated in double over pieces of 128 rows, combined in tile order
//   gram(Z)                     G = Z' Z        half of that
//   subtract_product(V, C, Z)   Z -= V C
//   product(V, C, Y)            Y = V C         (Y may be the leading columns of V: rows are finished one tile at a time)
//   squared_column_norms(Z), squared_residual_norms(Y, V, d)   of Z, and of Y - V diag(d)
#pragma once

#include <vector>

#include "corange/core/parallel.hpp"
#include "corange/linalg/panel.hpp"
#include "corange/linalg/small.hpp"

namespace corange {

namespace detail {
inline constexpr Index kSumRows = 128;     // rows summed in T before the sum moves to double
inline constexpr Index kPartialEntries = 1 << 20;  // of partial sums, at least four of which are kept however large they are
inline constexpr Index kPieceEntries = 1 << 16;    // of C in one task: small enough for tasks to be many and to answer Ctrl-C

/// sum = or += V' Z over at most kSumRows rows; `piece` is scratch for sums in single precision.
template <class T>
void add_adjoint_product(BlockView<const T> v, BlockView<const T> z, BlockView<T> piece, BlockView<double> sum, bool first) {
  if constexpr (std::is_same_v<T, double>)
    return panel_product<double, Next::inner>(transposed(v), z, sum, first ? Store::set : Store::add);
  panel_product<T, Next::inner>(transposed(v), z, piece, Store::set);
  for (Index i = 0; i < piece.rows; ++i)
    for (Index j = 0; j < piece.cols; ++j) sum(i, j) = static_cast<double>(piece(i, j)) + (first ? 0.0 : sum(i, j));
}

/// V' Z; of a symmetric one only what lies in panels of columns on and above the diagonal is computed, and mirrored.
template <class T>
SmallMatrix sum_of_products(BlockView<const T> v, BlockView<const T> z, bool symmetric) {
  const Index k = v.cols, b = z.cols, ld = padded<double>(b), size = k * ld;
  const Tiling tiles = tiling(v.rows, std::clamp<Index>(kPartialEntries / std::max<Index>(size, 1), 4, 32), kSumRows);
  const Tiling panels{b, symmetric ? 64 : std::max<Index>(kPieceEntries / std::max<Index>(k, 1) / 64, 1) * 64};
  if (tiles.count() * size == 0) return SmallMatrix::Zero(k, b);
  Block<double> partial(uninitialized, tiles.count() * k, b);
  parallel_for(tiles.count() * panels.count(), v.rows * size, [&](Index task) {
    const Index t = task / panels.count(), panel = task % panels.count(), col = panels.begin(panel), cols = panels.size(panel),
                above = symmetric ? col + cols : k;
    Block<T> piece(uninitialized, std::is_same_v<T, double> ? 0 : above, cols);
    const BlockView<double> sum{partial.data() + t * size + col, above, cols, ld};
    const Tiling sums{tiles.size(t), kSumRows};
    for (Index s = 0; s < sums.count(); ++s) {
      check_interrupt();
      const Index row = tiles.begin(t) + sums.begin(s), rows = sums.size(s);
      add_adjoint_product<T>({v.row(row), rows, above, v.ld}, {z.row(row) + col, rows, cols, z.ld}, piece.view(), sum, s == 0);
    }
  });
  SmallMatrix c(k, b);
  const Tiling rows = tiling(k, 64, 16);
  parallel_for(rows.count(), tiles.count() * size, [&](Index s) {
    for (Index i = rows.begin(s); i < rows.begin(s) + rows.size(s); ++i)
      for (Index j = symmetric ? i : 0; j < b; ++j) {
        double sum = partial(i, j);
        for (Index t = 1; t < tiles.count(); ++t) sum += partial(t * k + i, j);
        c(i, j) = sum;
      }
  });
  if (symmetric) c.template triangularView<Eigen::StrictlyLower>() = c.transpose();
  return c;
}

}  // namespace detail

/// C = V' Z, K x b.
template <class T>
SmallMatrix adjoint_product(BlockView<const T> v, BlockView<const T> z) {
  return detail::sum_of_products<T>(v, z, false);
}

/// G = Z' Z.
template <class T>
SmallMatrix gram(BlockView<const T> z) {
  return detail::sum_of_products<T>(z, z, true);
}

/// A small matrix as a block, so that kernels can take it as their right operand.
template <class T>
Block<T> to_block(const SmallMatrix& c) {
  Block<T> block(c.rows(), c.cols());
  for (Index i = 0; i < c.rows(); ++i)
    for (Index j = 0; j < c.cols(); ++j) block(i, j) = static_cast<T>(c(i, j));
  return block;
}

/// Z -= V C.
template <class T>
void subtract_product(BlockView<const T> v, const SmallMatrix& c, BlockView<T> z) {
  if (v.cols == 0) return;
  const Block<T> coefficients = to_block<T>(c);
  const Tiling tiles = tiling(v.rows);
  parallel_for(tiles.count(), v.rows * v.cols * z.cols, [&](Index t) {
    const Index row = tiles.begin(t), rows = tiles.size(t);
    panel_product<T>(strided(v.middle_rows(row, rows)), coefficients.view(), z.middle_rows(row, rows), Store::subtract);
  });
}

/// What products know of a small right operand: of an upper triangular one, half need not be computed.
enum class Shape { full, upper };

/// Y = V C; Y may share V's memory, and beyond its columns no more is touched than the last line of a row that ends there.
template <class T>
void product(BlockView<const T> v, const SmallMatrix& c, BlockView<T> y, Shape shape = Shape::full) {
  const Block<T> coefficients = to_block<T>(c);
  const Tiling tiles = tiling(v.rows, 64, 64), panels{y.cols, shape == Shape::upper ? 64 : std::max<Index>(y.cols, 1)};
  const bool in_place = panel_in_place<T>(v.cols, y.width()) && (y.width() == y.cols || y.width() == y.ld);
  parallel_for(tiles.count(), v.rows * v.cols * y.cols, [&](Index t) {
    const Index row = tiles.begin(t), rows = tiles.size(t);
    if (in_place)
      return panel_product<T>(strided(v.middle_rows(row, rows)), coefficients.view(), y.middle_rows(row, rows), Store::set);
    Block<T> result(uninitialized, rows, y.cols);
    for (Index p = 0; p < panels.count(); ++p) {
      const Index col = panels.begin(p), cols = panels.size(p), inner = shape == Shape::upper ? col + cols : v.cols;
      panel_product<T>({v.row(row), rows, inner, v.ld, 1}, {coefficients.data() + col, inner, cols, coefficients.ld()},
                       {result.data() + col, rows, cols, result.ld()}, Store::set);
    }
    for (Index i = 0; i < rows; ++i) std::copy_n(result.view().row(i), y.cols, y.row(row + i));
  });
}

/// dst = src, other precision or padding.
template <class S, class D>
void convert(BlockView<S> src, BlockView<D> dst) {
  const Tiling tiles = tiling(dst.rows);
  parallel_for(tiles.count(), dst.rows * dst.cols, [&](Index t) {
    copy_block(src.middle_rows(tiles.begin(t), tiles.size(t)), dst.middle_rows(tiles.begin(t), tiles.size(t)));
  });
}

namespace detail {

/// The sum over i of entry(i, j)^2 for each column j.
template <class Entry>
SmallVector sums_of_squares(Index rows, Index cols, const Entry& entry) {
  const Tiling tiles = tiling(rows);
  std::vector<double> partial(static_cast<std::size_t>(cols * tiles.count()), 0.0);
  parallel_for(tiles.count(), rows * cols, [&](Index t) {
    double* sum = partial.data() + t * cols;
    for (Index i = tiles.begin(t); i < tiles.begin(t) + tiles.size(t); ++i)
      for (Index j = 0; j < cols; ++j) {
        const double x = entry(i, j);
        sum[j] += x * x;
      }
  });
  SmallVector total = SmallVector::Zero(cols);
  for (Index t = 0; t < tiles.count(); ++t)
    for (Index j = 0; j < cols; ++j) total(j) += partial[static_cast<std::size_t>(t * cols + j)];
  return total;
}

}  // namespace detail

template <class T>
SmallVector squared_column_norms(BlockView<const T> z) {
  return detail::sums_of_squares(z.rows, z.cols, [&](Index i, Index j) { return static_cast<double>(z(i, j)); });
}

/// Squared norms of the columns of Y - V diag(d).
template <class T>
SmallVector squared_residual_norms(BlockView<const T> y, BlockView<const T> v, const SmallVector& d) {
  const double* factor = d.data();
  return detail::sums_of_squares(
      y.rows, y.cols, [&](Index i, Index j) { return static_cast<double>(y(i, j)) - factor[j] * static_cast<double>(v(i, j)); });
}

/// Y -= V diag(d).
template <class T>
void subtract_scaled(BlockView<const T> v, const SmallVector& d, BlockView<T> y) {
  const Tiling tiles = tiling(v.rows);
  parallel_for(tiles.count(), v.rows * v.cols, [&](Index t) {
    for (Index i = tiles.begin(t); i < tiles.begin(t) + tiles.size(t); ++i)
      for (Index j = 0; j < v.cols; ++j) y(i, j) -= static_cast<T>(d(j) * static_cast<double>(v(i, j)));
  });
}

}  // namespace corange
