// A short, wide matrix in tiles of a few columns, each tile contiguous: how matrices are kept whose columns are chosen one by one.
//
//   combine(c, r)      r_j = sum_i c_i y_ij            one pass over the tiles, for all columns j
//   distance(c, r)     r_j = sum_i (y_ij - c_i)^2
//
// Every sum runs in the order of the rows, whatever the number of threads. Cost of a pass: 2 l n flops and l n numbers read.
#pragma once

#include <cmath>
#include <vector>

#include "corange/linalg/blocks.hpp"

namespace corange {

/// Power of two to divide y by, so that squares of its entries stay in range; 0 where they do.
template <class S>
int balancing_exponent(StridedView<S> y) {
  constexpr bool kDouble = std::is_same_v<S, double>;
  constexpr int kSafe = 60, kMost = kDouble ? 1000 : 120;  // safe in single precision too, to which doubles may be converted
  constexpr Index kLanes = 16;
  const Tiling tasks = tiling(y.rows, 64, 4);
  std::vector<S> largest(static_cast<std::size_t>(tasks.count()), S(0));
  parallel_for(tasks.count(), y.rows * y.cols, [&](Index t) {
    S most[kLanes] = {};
    const auto see = [&most](Index lane, S x) { most[lane] = std::abs(x) > most[lane] ? std::abs(x) : most[lane]; };
    for (Index i = tasks.begin(t); i < tasks.begin(t) + tasks.size(t); ++i) {
      Index j = 0;
      for (; j + kLanes <= y.cols; j += kLanes)
        for (Index lane = 0; lane < kLanes; ++lane) see(lane, y(i, j + lane));
      for (; j < y.cols; ++j) see(0, y(i, j));
    }
    largest[static_cast<std::size_t>(t)] = *std::max_element(most, most + kLanes);
  });
  const S most = largest.empty() ? S(0) : *std::max_element(largest.begin(), largest.end());
  if (most == 0 || !std::isfinite(most) || std::abs(std::ilogb(most)) <= kSafe) return 0;
  return std::clamp(std::ilogb(most), -kMost, kMost);
}

template <class T>
class ColumnTiles {
 public:
  /// Vectors of a tile's row: as many sums are in flight as hide the latency of an addition.
  static constexpr int kVectors = 8;
  static constexpr Index kWidth = kVectors * simd::kLanes<T>;

  ColumnTiles(Index rows, Index cols) : rows_(rows), tiles_{cols, kWidth}, data_(tiles_.count() * rows, kWidth) {}

  /// y / 2^exponent, converted.
  template <class S>
  ColumnTiles(StridedView<S> y, int exponent) : ColumnTiles(y.rows, y.cols) {
    const S scale = std::ldexp(S(1), -exponent);
    for_tiles([&](Index t, Index col, Index cols) {
      BlockView<T> to = tile(t);
      for (Index i = 0; i < rows_; ++i)
        for (Index j = 0; j < cols; ++j) to(i, j) = static_cast<T>(y(i, col + j) * scale);
    });
  }

  Index rows() const { return rows_; }
  Index cols() const { return tiles_.n; }
  T operator()(Index i, Index j) const { return data_(j / kWidth * rows_ + i, j % kWidth); }
  BlockView<T> tile(Index t) { return {data_.data() + t * rows_ * kWidth, rows_, kWidth, kWidth}; }
  BlockView<const T> tile(Index t) const { return {data_.data() + t * rows_ * kWidth, rows_, kWidth, kWidth}; }

  std::vector<T> column(Index j) const {
    std::vector<T> c(static_cast<std::size_t>(rows_));
    for (Index i = 0; i < rows_; ++i) c[static_cast<std::size_t>(i)] = (*this)(i, j);
    return c;
  }

  /// fn(tile, its first column, its columns), in parallel, a few tiles a task.
  template <class Fn>
  void for_tiles(Fn&& fn) const {
    const Tiling tasks = tiling(tiles_.count(), 64, 4);
    parallel_for(tasks.count(), [&](Index task) {
      for (Index t = tasks.begin(task); t < tasks.begin(task) + tasks.size(task); ++t) fn(t, tiles_.begin(t), tiles_.size(t));
    });
  }

  /// sum_i c_i y_ij over the first `rows` rows, for the columns of a tile.
  void combine(Index t, const T* c, Index rows, T* out) const {
    accumulate(t, rows, out, [c](Index i, simd::Vector<T> y, simd::Vector<T> sum) { return sum + c[i] * y; });
  }

  /// sum_i (y_ij - c_i)^2.
  void distance(Index t, const T* c, T* out) const {
    accumulate(t, rows_, out, [c](Index i, simd::Vector<T> y, simd::Vector<T> sum) { return sum + (y - c[i]) * (y - c[i]); });
  }

 private:
  template <class Step>
  void accumulate(Index t, Index rows, T* out, const Step& step) const {
    simd::Vector<T> sums[kVectors] = {};
    const T* from = data_.data() + t * rows_ * kWidth;
    for (Index i = 0; i < rows; ++i, from += kWidth)
      for (int v = 0; v < kVectors; ++v) sums[v] = step(i, simd::load(from + v * simd::kLanes<T>), sums[v]);
    for (int v = 0; v < kVectors; ++v) simd::store<T>(out + v * simd::kLanes<T>, sums[v]);
  }

  Index rows_;
  Tiling tiles_;
  Block<T> data_;
};

/// The largest of values that are found tile by tile; the first of equals, on any number of threads.
struct Largest {
  double value = -1;
  Index index = -1;

  void see(double x, Index j) {
    if (x > value) value = x, index = j;
  }
};

inline Largest largest_of(const std::vector<Largest>& tiles) {
  Largest all;
  for (const Largest& tile : tiles) all.see(tile.value, tile.index);
  return all;
}

}  // namespace corange
