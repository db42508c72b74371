// Exchanges that bound interpolation coefficients: W (k x n) with W(:, J) = I becomes W'(:, J') = I with |W'| <= limit.
//
//   1. (i, j) = where |W| is largest; stop if that is at most `limit`.
//   2. J_i = j; W(i, :) /= W(i, j); W(s, :) -= W(s, j) W(i, :) for the other rows s.
//
// W' spans the same rows as W, and the volume of the chosen columns grows by |W(i, j)| each time, so that it ends.
// Cost: 2 k n flops an exchange. References: Gu and Eisenstat 1996 (doi:10.1137/0917055); Goreinov, Oseledets, Savostyanov,
// Tyrtyshnikov and Zamarashkin 2010 (doi:10.1142/9789812836021_0015).
#pragma once

#include <cmath>

#include "corange/core/errors.hpp"
#include "corange/cur/column_tiles.hpp"

namespace corange {

namespace detail {

struct Entry {
  Largest value;
  Index row = 0;
};

/// Step 1.
template <class T>
Entry largest_entry(BlockView<const T> w, Tiling tiles) {
  std::vector<Entry> found(static_cast<std::size_t>(tiles.count()));
  parallel_for(tiles.count(), [&](Index t) {
    Entry most;
    for (Index i = 0; i < w.rows; ++i)
      for (Index j = tiles.begin(t); j < tiles.begin(t) + tiles.size(t); ++j) {
        const double x = std::abs(static_cast<double>(w(i, j)));
        if (std::isnan(x)) throw NumericalError("bound_coefficients met NaN");
        if (x > most.value.value) most = {{x, j}, i};
      }
    found[static_cast<std::size_t>(t)] = most;
  });
  Entry most;
  for (const Entry& entry : found)
    if (entry.value.value > most.value.value) most = entry;
  return most;
}

/// Step 2: column `col` of W becomes the unit vector i.
template <class T>
void exchange(BlockView<T> w, Tiling tiles, Index i, Index col) {
  std::vector<T> factors(static_cast<std::size_t>(w.rows));
  for (Index s = 0; s < w.rows; ++s) factors[static_cast<std::size_t>(s)] = w(s, col);
  parallel_for(tiles.count(), [&](Index t) {
    T* row = w.row(i);
    const Index begin = tiles.begin(t), end = begin + tiles.size(t);
    for (Index j = begin; j < end; ++j) row[j] /= factors[static_cast<std::size_t>(i)];
    for (Index s = 0; s < w.rows; ++s) {
      if (s == i) continue;
      const T factor = factors[static_cast<std::size_t>(s)];
      for (Index j = begin; j < end; ++j) w(s, j) -= factor * row[j];
    }
    if (col < begin || col >= end) return;
    for (Index s = 0; s < w.rows; ++s) w(s, col) = s == i ? T(1) : T(0);
  });
}

}  // namespace detail

/// Returns how many exchanges were made, at most `most`.
template <class T>
Index bound_coefficients(BlockView<T> w, std::vector<Index>& chosen, double limit, Index most) {
  if (!(limit >= 1) || static_cast<Index>(chosen.size()) != w.rows)
    throw InvalidArgument("bound_coefficients: limit must be at least 1, and W have a row for each chosen column");
  const Tiling tiles = tiling(w.cols, 64, 64);
  for (Index exchanges = 0;; ++exchanges) {
    const detail::Entry next = detail::largest_entry<T>(w, tiles);
    if (next.value.value <= limit || exchanges == most) return exchanges;
    detail::exchange<T>(w, tiles, next.row, next.value.index);
    chosen[static_cast<std::size_t>(next.row)] = next.value.index;
  }
}

}  // namespace corange
