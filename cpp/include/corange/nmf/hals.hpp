// Hierarchical alternating least squares: coordinate descent over the columns of a factor, for all rows at once.
//
//   for j = 1 .. k:   Y_j = max(0, Y_j + (F_j - Y G_j) / G_jj)                 F, G: half_step.hpp
//
// Rows do not depend on each other. A tile of them, as many as fill a few vector registers, is transposed into cache, where column
// j of the tile is a row. Four columns are taken at a time, so that a vector of Y is loaded once for four products; what the first
// of them have changed is then taken off the others, so that the order is that of the formula. The accelerated variant sweeps
// over the same tile again, before it leaves the cache, until a sweep changes less than a tenth of what the first one did.
// Cost: 2 rows k^2 flops a sweep.
// References: Cichocki, Zdunek, Amari 2007 (DOI 10.1007/978-3-540-74494-8_22); Gillis, Glineur 2012, accelerated
// (DOI 10.1162/NECO_a_00256).
#pragma once

#include "corange/nmf/half_step.hpp"

namespace corange {

namespace detail {

/// Lanes of a and b picked by `S` bits: the two halves of one step of a transposition.
template <class T, int S, std::size_t... C>
void exchange(simd::Vector<T>& a, simd::Vector<T>& b, std::index_sequence<C...>) {
  constexpr int kLanes = simd::kLanes<T>;
#if defined(__clang__)
  const simd::Vector<T> low = __builtin_shufflevector(a, b, ((C & S) == 0 ? int(C) : int(C) - S + kLanes)...);
  const simd::Vector<T> high = __builtin_shufflevector(a, b, ((C & S) == 0 ? int(C) + S : int(C) + kLanes)...);
#else
  using Lane = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  using Mask = typename simd::VectorOf<Lane>::type;
  const simd::Vector<T> low = __builtin_shuffle(a, b, Mask{((C & S) == 0 ? Lane(C) : Lane(C) - S + kLanes)...});
  const simd::Vector<T> high = __builtin_shuffle(a, b, Mask{((C & S) == 0 ? Lane(C) + S : Lane(C) + kLanes)...});
#endif
  a = low, b = high;
}

/// Transposes a square of as many vectors as a vector has lanes.
template <class T, int S = simd::kLanes<T> / 2>
void transpose_square(simd::Vector<T> (&x)[simd::kLanes<T>]) {
  if constexpr (S > 0) {
    for (int i = 0; i < simd::kLanes<T>; ++i)
      if ((i & S) == 0) exchange<T, S>(x[i], x[i + S], std::make_index_sequence<simd::kLanes<T>>());
    transpose_square<T, S / 2>(x);
  }
}

/// dst(j, i) = src(i, j) for i < rows, j < width; width is a multiple of the lanes; rows beyond the last are zero.
template <class T>
void transpose_in(const T* src, Index ld, Index rows, Index width, T* dst, Index dst_ld) {
  constexpr int kLanes = simd::kLanes<T>;
  for (Index i = 0; i < dst_ld; i += kLanes)
    for (Index j = 0; j < width; j += kLanes) {
      simd::Vector<T> x[kLanes];
      for (int r = 0; r < kLanes; ++r) x[r] = i + r < rows ? simd::load(src + (i + r) * ld + j) : simd::Vector<T>{};
      transpose_square<T>(x);
      for (int r = 0; r < kLanes; ++r) simd::store(dst + (j + r) * dst_ld + i, x[r]);
    }
}

/// dst(i, j) = src(j, i) for i < rows, j < width.
template <class T>
void transpose_out(const T* src, Index src_ld, Index rows, Index width, T* dst, Index ld) {
  constexpr int kLanes = simd::kLanes<T>;
  for (Index i = 0; i < rows; i += kLanes)
    for (Index j = 0; j < width; j += kLanes) {
      simd::Vector<T> x[kLanes];
      for (int r = 0; r < kLanes; ++r) x[r] = simd::load(src + (j + r) * src_ld + i);
      transpose_square<T>(x);
      for (int r = 0; r < kLanes && i + r < rows; ++r) simd::store(dst + (i + r) * ld + j, x[r]);
    }
}

/// What all tiles share: G + l2 I and the reciprocals of its diagonal, zero where a component is dead.
template <class T>
struct HalsGram {
  Block<T> g;
  std::vector<T> inverse;

  HalsGram(const SmallMatrix& gram, double l2) : g(to_block<T>(gram)), inverse(static_cast<std::size_t>(gram.cols()), T(0)) {
    for (Index j = 0; j < gram.cols(); ++j) {
      g(j, j) = static_cast<T>(gram(j, j) + l2);
      if (gram(j, j) + l2 > kNoComponent<T>) inverse[static_cast<std::size_t>(j)] = 1 / g(j, j);
    }
  }
};

/// A tile of rows, columns first.
template <class T>
class HalsTile {
 public:
  using V = simd::Vector<T>;
  static constexpr int kLanes = simd::kLanes<T>, kVectors = 4, kColumns = 4;
  static constexpr Index kRows = kVectors * kLanes;

  explicit HalsTile(Index k) : k_(k), y_(uninitialized, padded<T>(k), kRows), f_(uninitialized, padded<T>(k), kRows) {}

  void load(BlockView<const T> y, BlockView<const T> f) {
    transpose_in(y.data, y.ld, y.rows, y.width(), y_.data(), kRows);
    transpose_in(f.data, f.ld, f.rows, f.width(), f_.data(), kRows);
  }
  void store(BlockView<T> y) const { transpose_out(y_.data(), kRows, y.rows, y.width(), y.data, y.ld); }

  /// One sweep; `l1` holds the penalty of each row. Returns the squared change, and the squared projected gradient.
  std::pair<double, double> sweep(const HalsGram<T>& gram, const T* l1) {
    Sums sums;
    Index j = 0;
    for (; j + kColumns <= k_; j += kColumns) improve<kColumns>(gram, l1, j, sums);
    for (; j < k_; ++j) improve<1>(gram, l1, j, sums);
    return {sum(sums.change), sum(sums.gradient)};
  }

  /// <Y, F> and the l1 penalties.
  HalfStep products(const T* l1) const {
    HalfStep s;
    V cross{}, linear{};
    for (Index j = 0; j < k_; ++j)
      for (int v = 0; v < kVectors; ++v) {
        const V y = simd::load(y_.data() + j * kRows + v * kLanes);
        cross += y * simd::load(f_.data() + j * kRows + v * kLanes);
        linear += y * simd::load(l1 + v * kLanes);
      }
    s.cross = sum(cross), s.linear = sum(linear);
    return s;
  }

 private:
  static double sum(V x) {
    double total = 0;
    for (int i = 0; i < kLanes; ++i) total += static_cast<double>(x[i]);
    return total;
  }

  struct Sums {
    V change{}, gradient{};
  };

  /// Columns j .. j + C - 1, one after the other.
  template <int C>
  void improve(const HalsGram<T>& gram, const T* l1, Index j, Sums& sums) {
    V rest[C][kVectors];
    for (int c = 0; c < C; ++c)
      for (int v = 0; v < kVectors; ++v)
        rest[c][v] = simd::load(f_.data() + (j + c) * kRows + v * kLanes) - simd::load(l1 + v * kLanes);
    subtract_products<C>(gram.g.view(), j, rest);
    for (int c = 0; c < C; ++c) {
      const T inverse = gram.inverse[static_cast<std::size_t>(j + c)];
      for (int v = 0; v < kVectors; ++v) {
        T* place = y_.data() + (j + c) * kRows + v * kLanes;
        const V r = rest[c][v], before = simd::load(place), moved = before + r * inverse;
        const V after = moved > T(0) ? moved : V{}, free = ((before > T(0)) | (r > T(0))) ? r : V{}, change = after - before;
        simd::store(place, after);
        sums.change += change * change;
        sums.gradient += free * free;
        for (int d = c + 1; d < C; ++d) rest[d][v] -= gram.g(j + d, j + c) * change;
      }
    }
  }

  /// rest_c -= Y G_(j + c).
  template <int C>
  void subtract_products(BlockView<const T> g, Index j, V (&rest)[C][kVectors]) const {
    V acc[C][kVectors];
    const T* rows[C];
    for (int c = 0; c < C; ++c) {
      rows[c] = g.row(j + c);
      for (int v = 0; v < kVectors; ++v) acc[c][v] = rest[c][v];
    }
    const T* y = y_.data();
    for (Index l = 0; l < k_; ++l, y += kRows) {
      V loaded[kVectors];
      for (int v = 0; v < kVectors; ++v) loaded[v] = simd::load(y + v * kLanes);
      for (int c = 0; c < C; ++c) {
        const T x = rows[c][l];
        for (int v = 0; v < kVectors; ++v) acc[c][v] -= x * loaded[v];
      }
    }
    for (int c = 0; c < C; ++c)
      for (int v = 0; v < kVectors; ++v) rest[c][v] = acc[c][v];
  }

  Index k_;
  Block<T> y_, f_;
};

}  // namespace detail

/// Improves Y by at most `sweeps` sweeps over its columns, tile by tile. Y and F are padded blocks of k columns.
template <class T>
HalfStep hals_half_step(const SmallMatrix& g, BlockView<const T> f, BlockView<T> y, const NmfPenalty& penalty, Index sweeps) {
  using Tile = detail::HalsTile<T>;
  constexpr double kEnough = 0.01;  // a tenth of the first change, squared
  const detail::HalsGram<T> gram(g, penalty.l2);
  const Tiling tiles{y.rows, Tile::kRows * std::clamp<Index>(y.rows / (64 * Tile::kRows), 1, 16)};
  return sum_over_rows<HalfStep>(tiles, [&](Index first, Index rows) {
    HalfStep total;
    Tile tile(y.cols);
    T l1[Tile::kRows];
    for (Index row = first; row < first + rows; row += Tile::kRows) {
      const Index count = std::min(Tile::kRows, first + rows - row);
      for (Index i = 0; i < Tile::kRows; ++i) l1[i] = i < count ? static_cast<T>(penalty.l1_of(row + i)) : T(0);
      tile.load(y.middle_rows(row, count), f.middle_rows(row, count));
      const auto [first_change, gradient] = tile.sweep(gram, l1);
      for (Index s = 1; s < sweeps; ++s)
        if (tile.sweep(gram, l1).first <= kEnough * first_change) break;
      HalfStep sums = tile.products(l1);
      sums.gradient = gradient;
      total += sums;
      tile.store(y.middle_rows(row, count));
    }
    return total;
  });
}

}  // namespace corange
