// Fast Walsh-Hadamard transforms:  y = scale * H x  along one axis of an array of any strides, H_ij = (-1)^popcount(i & j).
//
//   1. Levels run from distance n / 2 down to 1, always in this order, so results do not depend on layout or threads.
//   2. A pass does three or four levels: 8 or 16 vectors at equal distance are loaded, combined in registers and stored. After a
//      pass its blocks are finished one by one, so that all further passes find them in L2 and then in L1.
//   3. The last kernel holds 8 or 16 adjacent vectors: it does the levels between them and those within a vector (a permutation
//      and a multiply-add by +-1 each), and scales.
//   4. Contiguous transforms run in place, while the next one is prefetched. Others are done in a buffer: a few lines of adjacent
//      ones at once where these lie side by side (axis 0 of a row-major array), one by one otherwise.
//
// Cost: n log2 n additions a transform; about one pass over memory while a transform fits in L2.
// Fino and Algazi, "Unified matrix treatment of the fast Walsh-Hadamard transform", IEEE Trans. Comput. 25 (1976),
// doi:10.1109/TC.1976.1674569; blocking as in FFHT of Andoni et al., "Practical and optimal LSH for angular distance", NIPS 2015.
#pragma once

#include <bit>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "corange/core/parallel.hpp"
#include "corange/linalg/simd.hpp"

namespace corange {

/// Where the entries of an array lie, seen along one axis: `n` entries `stride` apart, `inner` such transforms `inner_stride`
/// apart, and these again for every index of the outer dimensions. The source and the target differ in strides only.
struct AxisLayout {
  struct Side {
    Index stride = 1, inner_stride = 0;
    std::vector<Index> outer_strides;
  };
  Index n = 1, inner = 1;
  std::vector<Index> outer;
  Side from, to;

  Index outer_count() const {
    Index count = 1;
    for (const Index size : outer) count *= size;
    return count;
  }
  /// Offset of the outer index with number `o`.
  Index offset(const Side& side, Index o) const {
    Index sum = 0;
    for (std::size_t d = outer.size(); d-- > 0; o /= outer[d]) sum += o % outer[d] * side.outer_strides[d];
    return sum;
  }
};

namespace hadamard {

inline constexpr int kRadix = simd::kRegisters == 32 ? 16 : 8;

/// Vectors at distances 1, 2, ... of each other: all levels between them, the most distant first. Unrolled by templates, since
/// compilers keep the vectors in memory where they do not unroll every loop over them.
template <int R, int Half = R / 2, class V>
[[gnu::always_inline]] inline void combine(V (&v)[R]) {
  if constexpr (Half > 0) {
    const auto butterfly = [&](int i) __attribute__((always_inline)) {
      const V a = v[i], b = v[i + Half];
      v[i] = a + b;
      v[i + Half] = a - b;
    };
    [&]<int... P>(std::integer_sequence<int, P...>) __attribute__((always_inline)) {
      (butterfly(P / Half * 2 * Half + P % Half), ...);
    }(std::make_integer_sequence<int, R / 2>{});
    combine<R, Half / 2>(v);
  }
}

/// Lane i with lane i ^ Distance.
template <int Distance, class T>
inline simd::Vector<T> swapped(simd::Vector<T> x) {
  return [&]<int... K>(std::integer_sequence<int, K...>) {
#if defined(__clang__)
    return __builtin_shufflevector(x, x, (K ^ Distance)...);
#else
    using Lane = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
    return __builtin_shuffle(x, simd::Vector<Lane>{(K ^ Distance)...});
#endif
  }(std::make_integer_sequence<int, simd::kLanes<T>>{});
}

/// The levels within a vector.
template <class T, int Distance = simd::kLanes<T> / 2>
inline simd::Vector<T> combine_lanes(simd::Vector<T> x) {
  if constexpr (Distance == 0) {
    return x;
  } else {
    const simd::Vector<T> sign = [&]<int... K>(std::integer_sequence<int, K...>) {
      return simd::Vector<T>{static_cast<T>(K & Distance ? -1 : 1)...};
    }(std::make_integer_sequence<int, simd::kLanes<T>>{});
    return combine_lanes<T, Distance / 2>(swapped<Distance, T>(x) + sign * x);
  }
}

/// log2(R) levels of a block of R * distance entries, prefetching as many entries from `next`, unless that is null.
template <int R, class T>
void pass(T* x, Index distance, const T* next) {
  constexpr int kLanes = simd::kLanes<T>;
  for (Index i = 0; i < distance; i += kLanes) {
    simd::Vector<T> v[R];
    for (int k = 0; k < R; ++k) v[k] = simd::load(x + k * distance + i);
    if (next)
      for (int k = 0; k < R; ++k) __builtin_prefetch(next + (i / kLanes * R + k) * kLanes);
    combine<R>(v);
    for (int k = 0; k < R; ++k) simd::store<T>(x + k * distance + i, v[k]);
  }
}

/// All levels of count blocks of R vectors each, and the scale.
template <int R, class T>
void finish(T* x, Index count, T scale) {
  constexpr int kLanes = simd::kLanes<T>;
  for (Index i = 0; i < count; ++i, x += R * kLanes) {
    simd::Vector<T> v[R];
    for (int k = 0; k < R; ++k) v[k] = simd::load(x + k * kLanes);
    combine<R>(v);
    for (int k = 0; k < R; ++k) simd::store<T>(x + k * kLanes, combine_lanes<T>(v[k]) * scale);
  }
}

/// Calls f.template operator()<R>() for R = 2, 4, ... , kRadix.
template <class F>
inline void with_radix(Index radix, F&& f) {
  switch (radix) {
    case 2:
      return f.template operator()<2>();
    case 4:
      return f.template operator()<4>();
    case 8:
      return f.template operator()<8>();
    default:
      return f.template operator()<kRadix>();
  }
}

/// The radix of the next pass over a block of which the levels down to blocks of `last` entries are missing: as few passes as may be,
/// of about equal size; narrow ones over distances at which all lines fall into two sets of L1.
template <class T>
Index next_radix(Index length, Index last) {
  const Index widest = length / kRadix * static_cast<Index>(sizeof(T)) > (1 << 11) ? 8 : kRadix;
  const auto levels = std::bit_width(static_cast<std::size_t>(length / last)) - 1;
  const auto most = std::bit_width(static_cast<std::size_t>(widest)) - 1, passes = (levels + most - 1) / most;
  return Index{1} << (levels + passes - 1) / passes;
}

/// The levels of a block of `length` entries from distance length / 2 down to `last`, at least a vector.
template <class T>
void levels(T* x, Index length, Index last, const T* next) {
  if (length <= last) return;
  const Index radix = next_radix<T>(length, last), block = length / radix;
  with_radix(radix, [&]<int R>() { pass<R>(x, block, next); });
  if (block > last)
    for (Index k = 0; k < radix; ++k) levels<T>(x + k * block, block, last, nullptr);
}

/// One contiguous transform, in place.
template <class T>
void transform(T* x, Index n, T scale, const T* next = nullptr) {
  constexpr Index kLanes = simd::kLanes<T>, kLast = kRadix * kLanes;
  constexpr Index kInCache = (Index{1} << 15) / static_cast<Index>(sizeof(T));
  if (n < kLanes) {
    for (Index half = n / 2; half > 0; half /= 2)
      for (Index i = 0; i < n; ++i)
        if ((i & half) == 0) {
          const T a = x[i], b = x[i + half];
          x[i] = a + b;
          x[i + half] = a - b;
        }
    for (Index i = 0; i < n; ++i) x[i] *= scale;
  } else if (n <= kLast) {
    if (n == kLanes) return finish<1>(x, 1, scale);
    with_radix(n / kLanes, [&]<int R>() { finish<R>(x, 1, scale); });
  } else if (n <= kInCache) {
    levels<T>(x, n, kLast, next);
    finish<kRadix>(x, n / kLast, scale);
  } else {
    check_interrupt();
    const Index radix = next_radix<T>(n, kLast), block = n / radix;
    with_radix(radix, [&]<int R>() { pass<R>(x, block, static_cast<const T*>(nullptr)); });
    for (Index k = 0; k < radix; ++k) transform<T>(x + k * block, block, scale);
  }
}

/// The first log2(R) levels of `count` transforms that lie side by side, from where they are to the rows of the buffer. The rows that
/// come next are asked for ahead: they lie too far apart for the processor to see the pattern.
template <int R, class T>
void gather_pass(const AxisLayout& a, const T* from, Index count, Block<T>& buffer) {
  constexpr Index kLanes = simd::kLanes<T>, kLine = static_cast<Index>(kAlignment / sizeof(T)), kAhead = 32 / R;
  const Index block = a.n / R, width = buffer.ld(), stride = a.from.stride;
  for (Index i = 0; i < block; ++i) {
    if (i + kAhead < block)
      for (int k = 0; k < R; ++k)
        for (Index j = 0; j < count; j += kLine) __builtin_prefetch(from + (k * block + i + kAhead) * stride + j);
    for (Index j = 0; j < width; j += kLanes) {
      const std::size_t bytes = sizeof(T) * static_cast<std::size_t>(std::clamp<Index>(count - j, 0, kLanes));
      simd::Vector<T> v[R] = {};
      for (int k = 0; k < R; ++k) {
        const T* row = from + (k * block + i) * stride + j;
        if (bytes == sizeof(simd::Vector<T>))
          __builtin_memcpy(&v[k], row, sizeof(simd::Vector<T>));
        else
          __builtin_memcpy(&v[k], row, bytes);
      }
      combine<R>(v);
      for (int k = 0; k < R; ++k) simd::store<T>(buffer.data() + (k * block + i) * width + j, v[k]);
    }
  }
}

/// Transforms t0, t0 + 1, ... that lie side by side, through a buffer with a row for each of their entries.
template <class T>
void transform_beside(const AxisLayout& a, const T* from, T* to, Index count, Block<T>& buffer, T scale) {
  const Index radix = std::min<Index>(a.n, 8), block = a.n / radix, width = buffer.ld();
  with_radix(radix, [&]<int R>() { gather_pass<R>(a, from, count, buffer); });
  for (Index k = 0; k < radix; ++k) {
    T* rows = buffer.data() + k * block * width;
    levels<T>(rows, block * width, width, nullptr);
    for (Index i = 0; i < block; ++i) {
      T* target = to + (k * block + i) * a.to.stride;
      for (Index j = 0; j < count; ++j) target[j] = rows[i * width + j] * scale;
    }
  }
}

template <class T>
void transform_one(const AxisLayout& a, const T* from, T* to, std::vector<T>& buffer, T scale, const T* next) {
  if (a.to.stride == 1) {
    if (from != to)
      for (Index i = 0; i < a.n; ++i) to[i] = from[i * a.from.stride];
    return transform<T>(to, a.n, scale, next);
  }
  buffer.resize(static_cast<std::size_t>(a.n));
  for (Index i = 0; i < a.n; ++i) buffer[static_cast<std::size_t>(i)] = from[i * a.from.stride];
  transform<T>(buffer.data(), a.n, scale);
  for (Index i = 0; i < a.n; ++i) to[i * a.to.stride] = buffer[static_cast<std::size_t>(i)];
}

}  // namespace hadamard

template <class T>
void fwht(const AxisLayout& a, const T* from, T* to, T scale);

namespace hadamard {

/// Entries of transforms side by side of which a tile has pieces of rows long enough to be read at the speed of memory.
inline constexpr Index kLongestBeside = 2048;

/// The levels between blocks of the rows, then those within a block: twice over memory, in long pieces of rows each time.
template <class T>
void in_two_steps(const AxisLayout& a, const T* from, T* to, T scale) {
  Index count = 2;
  while (count * count < a.n) count *= 2;
  const Index length = a.n / count;
  AxisLayout between = a, within = a;
  between.n = count, within.n = length;
  within.from = within.to;
  between.from.stride *= length, between.to.stride *= length;
  between.outer.push_back(length), within.outer.push_back(count);
  between.from.outer_strides.push_back(a.from.stride), between.to.outer_strides.push_back(a.to.stride);
  within.from.outer_strides.push_back(between.to.stride), within.to.outer_strides.push_back(between.to.stride);
  fwht<T>(between, from, to, T(1));
  fwht<T>(within, to, to, scale);
}

}  // namespace hadamard

/// to = scale * H from, along an axis; `to` may be `from` if their strides agree, and else must not overlap it.
template <class T>
void fwht(const AxisLayout& a, const T* from, T* to, T scale) {
  if (a.n < 1 || (a.n & (a.n - 1)) != 0)
    throw InvalidArgument("the length of the axis, " + std::to_string(a.n) + ", must be a power of two");
  constexpr Index kLine = static_cast<Index>(kAlignment / sizeof(T));
  const bool beside = a.from.inner_stride == 1 && a.to.inner_stride == 1 && a.inner >= kLine && a.n > 1;
  if (beside && a.n > hadamard::kLongestBeside) return hadamard::in_two_steps<T>(a, from, to, scale);
  // Several lines of each row where they fit in L2; or a few transforms that keep a thread busy for a while.
  const Index bytes = static_cast<Index>(sizeof(T)) * a.n;
  const Index tile =
      beside ? std::clamp<Index>((1 << 19) / (bytes * kLine), 1, 8) * kLine : std::clamp<Index>((1 << 18) / bytes, 1, 4096);
  const Tiling tiles{a.inner, tile};
  // A task does tiles one after another: next to each other in memory, and in the same buffer.
  const Index count = a.outer_count() * tiles.count();
  const Tiling tasks = tiling(count, 64, 1);
  parallel_for(tasks.count(), [&](Index task) {
    Block<T> lines;
    if (beside) lines = Block<T>(uninitialized, a.n, std::min(tile, a.inner));
    std::vector<T> buffer;
    for (Index g = tasks.begin(task); g < tasks.begin(task) + tasks.size(task); ++g) {
      check_interrupt();
      const Index o = g / tiles.count(), t = g % tiles.count(), size = tiles.size(t);
      const T* source = from + a.offset(a.from, o) + tiles.begin(t) * a.from.inner_stride;
      T* target = to + a.offset(a.to, o) + tiles.begin(t) * a.to.inner_stride;
      if (beside) {
        hadamard::transform_beside<T>(a, source, target, size, lines, scale);
        continue;
      }
      for (Index j = 0; j < size; ++j, source += a.from.inner_stride, target += a.to.inner_stride) {
        const T* next = a.from.stride == 1 && j + 1 < size ? source + a.from.inner_stride : nullptr;
        hadamard::transform_one<T>(a, source, target, buffer, scale, next);
      }
    }
  });
}

}  // namespace corange
