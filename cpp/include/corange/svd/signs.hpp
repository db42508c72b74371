// The sign convention: the entry of largest magnitude is positive.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "corange/linalg/blocks.hpp"

namespace corange::detail {

/// Largest magnitude in each column, and the sign of the first entry within a hair of it: rounding must not decide between equals.
struct ColumnExtremes {
  SmallVector largest, sign;
};

template <class D>
ColumnExtremes column_extremes(BlockView<const D> x) {
  const Tiling tiles = tiling(x.rows);
  SmallMatrix partial(x.cols, tiles.count());
  parallel_for(tiles.count(), x.rows * x.cols, [&](Index t) {
    std::vector<D> most(static_cast<std::size_t>(x.cols), D(0));
    for (Index i = tiles.begin(t); i < tiles.begin(t) + tiles.size(t); ++i)
      for (Index j = 0; j < x.cols; ++j)
        most[static_cast<std::size_t>(j)] = std::max(most[static_cast<std::size_t>(j)], std::abs(x(i, j)));
    std::copy(most.begin(), most.end(), partial.data() + t * x.cols);
  });
  ColumnExtremes e{partial.rowwise().maxCoeff(), SmallVector::Zero(x.cols)};
  const SmallVector close = e.largest * (1 - 64 * std::sqrt(static_cast<double>(std::numeric_limits<D>::epsilon())));
  for (Index t = 0; t < tiles.count(); ++t)
    for (Index j = 0; j < x.cols; ++j)
      for (Index i = tiles.begin(t); e.sign(j) == 0 && partial(j, t) >= close(j) && i < tiles.begin(t) + tiles.size(t); ++i)
        if (std::abs(static_cast<double>(x(i, j))) >= close(j)) e.sign(j) = x(i, j) < 0 ? -1 : 1;
  return e;
}

/// y = x diag(d), d of signs.
template <class D>
void flip_columns(BlockView<const D> x, const SmallVector& d, BlockView<D> y) {
  const Tiling tiles = tiling(x.rows);
  const double* sign = d.data();
  parallel_for(tiles.count(), x.rows * x.cols, [&](Index t) {
    for (Index i = tiles.begin(t); i < tiles.begin(t) + tiles.size(t); ++i)
      for (Index j = 0; j < x.cols; ++j) y(i, j) = x(i, j) * static_cast<D>(sign[j]);
  });
}

}  // namespace corange::detail
