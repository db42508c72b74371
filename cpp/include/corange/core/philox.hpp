// Random numbers as a pure function of (seed, stream, i, j): Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random
// numbers: as easy as 1, 2, 3", SC 2011, doi:10.1145/2063384.2063405.
//
// A block of a random matrix can be made anywhere, in any order and by any number of threads, and is always the same block of
// the same matrix, bit for bit, also on processors with other vector widths (variates.hpp).
//
// Counter and key. Entry (i, j) is word j % 4 of the counter of row i and group g = j / 4 of four columns, so the four words of a
// counter are all used however narrow a block is. From (seed, stream) one call of Philox makes the key k0, k1 and two masks
// m2, m3; the counter is (g low, g high ^ m2, i low, i high ^ m3). For a fixed key Philox is a bijection of counters and (seed,
// stream) -> (k0, k1, m2, m3) is one too; hence no two streams share a counter while i < 2^32 and j < 2^34, and beyond that with a
// probability of 2^-64 a pair of streams. Any i, j >= 0 is legal. double variates take their low words from the same counter with
// the top bit of `g high` flipped, which no other stream uses but with a probability of 2^-127.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "corange/core/errors.hpp"
#include "corange/core/types.hpp"
#include "corange/core/variates.hpp"

namespace corange {

/// Which random matrix: independent ones for different seeds and for different streams of a seed.
struct RandomKey {
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;
};

namespace detail {

inline constexpr std::uint32_t kPhiloxM0 = 0xD2511F53, kPhiloxM1 = 0xCD9E8D57;
inline constexpr std::uint32_t kPhiloxW0 = 0x9E3779B9, kPhiloxW1 = 0xBB67AE85;

}  // namespace detail

/// Ten rounds of Philox on one counter; the definition that the vectorized version is tested against.
inline std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{detail::kPhiloxM0} * counter[0];
    const std::uint64_t p1 = std::uint64_t{detail::kPhiloxM1} * counter[2];
    counter = {static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(p1),
               static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key = {key[0] + detail::kPhiloxW0, key[1] + detail::kPhiloxW1};
  }
  return counter;
}

namespace detail {

/// Key and masks of a stream.
struct PhiloxStream {
  std::array<std::uint32_t, 2> key;
  std::uint64_t group_mask, row_mask;

  explicit PhiloxStream(RandomKey k) {
    const auto half = [](std::uint64_t x, int shift) { return static_cast<std::uint32_t>(x >> shift); };
    const auto mixed =
        philox4x32({half(k.seed, 0), half(k.seed, 32), half(k.stream, 0), half(k.stream, 32)}, {0x243F6A88, 0x85A308D3});
    key = {mixed[0], mixed[1]};
    group_mask = std::uint64_t{mixed[2]} << 32;
    row_mask = std::uint64_t{mixed[3]} << 32;
  }
};

/// Counters and, after the rounds, random words; one a 64-bit lane, in its low half.
struct PhiloxLanes {
  lanes::U64 c[4];

  /// The high halves collect garbage on the way, which the multiplication ignores.
  void run(std::array<std::uint32_t, 2> key) {
    for (int round = 0; round < 10; ++round) {
      const lanes::U64 p0 = lanes::times_low32(c[0], kPhiloxM0), p1 = lanes::times_low32(c[2], kPhiloxM1);
      c[0] = (p1 >> 32) ^ c[1] ^ std::uint64_t{key[0]};
      c[1] = p1;
      c[2] = (p0 >> 32) ^ c[3] ^ std::uint64_t{key[1]};
      c[3] = p0;
      key = {key[0] + kPhiloxW0, key[1] + kPhiloxW1};
    }
    for (lanes::U64& word : c) word &= 0xffffffffu;
  }
};

/// Walks the counters of a block, row by row and group by group, one 64-bit lane each.
class CounterLanes {
 public:
  /// Lane k starts at counter first + k * stride; `row0`, `group0` belong to counter 0; `groups` a row.
  CounterLanes(const PhiloxStream& stream, Index row0, Index group0, Index groups, int first, int stride)
      : stream_(stream), group0_(group0), groups_(groups) {
    constexpr int kLanes = lanes::kCount<lanes::U64>;
    for (int k = 0; k < kLanes; ++k) {
      const Index t = first + k * stride;
      group_[k] = t % groups;
      row_[k] = static_cast<std::uint64_t>(row0) + static_cast<std::uint64_t>(t / groups);
    }
    group_step_ = Index{kLanes} * stride % groups;
    row_step_ = static_cast<std::uint64_t>(Index{kLanes} * stride / groups);
  }

  /// Random words of the counters here; `low` for the low words of double variates.
  PhiloxLanes words(bool low) const {
    const lanes::U64 group = lanes::bits<lanes::U64>(group_ + group0_);
    const std::uint64_t mask = stream_.group_mask ^ (std::uint64_t{low} << 63);
    PhiloxLanes lanes{{group, (group ^ mask) >> 32, row_, (row_ ^ stream_.row_mask) >> 32}};
    lanes.run(stream_.key);
    return lanes;
  }

  void advance() {
    group_ += group_step_;
    const lanes::I64 wrapped = group_ >= groups_;  // -1 where true
    group_ -= wrapped & groups_;
    row_ += row_step_ - lanes::bits<lanes::U64>(wrapped);
  }

 private:
  PhiloxStream stream_;
  Index group0_, groups_, group_step_;
  std::uint64_t row_step_;
  lanes::I64 group_{};
  lanes::U64 row_{};  // unsigned: lanes beyond the block may wrap
};

/// Successive variates of a block: `step` writes those of kCounters counters, four each.
template <class T>
class VariateSource;

template <>
class VariateSource<float> {
 public:
  static constexpr int kCounters = lanes::kCount<lanes::U32>;

  VariateSource(const PhiloxStream& stream, Index row0, Index group0, Index groups)
      : even_(stream, row0, group0, groups, 0, 2), odd_(stream, row0, group0, groups, 1, 2) {}

  template <class Distribution>
  void step(float* out) {
    const PhiloxLanes even = even_.words(false), odd = odd_.words(false);
    variates::WordsF32 words;
    for (int k = 0; k < 4; ++k) words.w[k] = lanes::bits<lanes::U32>(even.c[k] | (odd.c[k] << 32));
    lanes::store_quads(out, Distribution::draw(words).v);
    even_.advance();
    odd_.advance();
  }

 private:
  CounterLanes even_, odd_;
};

template <>
class VariateSource<double> {
 public:
  static constexpr int kCounters = lanes::kCount<lanes::U64>;

  VariateSource(const PhiloxStream& stream, Index row0, Index group0, Index groups)
      : counters_(stream, row0, group0, groups, 0, 1) {}

  template <class Distribution>
  void step(double* out) {
    const PhiloxLanes high = counters_.words(false), low = counters_.words(true);
    variates::WordsF64 words;
    for (int k = 0; k < 4; ++k) {
      words.high[k] = high.c[k];
      words.low[k] = low.c[k];
    }
    lanes::store_quads(out, Distribution::draw(words).v);
    counters_.advance();
  }

 private:
  CounterLanes counters_;
};

inline void check_block(Index row0, Index col0, Index rows, Index cols, Index ld) {
  const auto refuse = [](const char* name, Index value, const std::string& legal) {
    throw InvalidArgument(std::string(name) + " = " + std::to_string(value) + " is illegal: must be " + legal);
  };
  constexpr Index kMax = INT64_MAX;
  if (row0 < 0) refuse("row0", row0, "at least 0");
  if (col0 < 0) refuse("col0", col0, "at least 0");
  if (rows < 0 || rows > kMax - row0) refuse("rows", rows, "at least 0, and row0 + rows below 2**63");
  if (cols < 0 || cols > kMax - col0) refuse("cols", cols, "at least 0, and col0 + cols below 2**63");
  if (ld < cols) refuse("ld", ld, "at least cols = " + std::to_string(cols));
}

template <class Distribution, class T>
void fill_block(RandomKey key, Index row0, Index col0, Index rows, Index cols, T* out, Index ld) {
  check_block(row0, col0, rows, cols, ld);
  if (rows == 0 || cols == 0) return;
  using Source = VariateSource<T>;
  constexpr Index kBatch = 16 * Source::kCounters;  // counters whose variates stay in the first-level cache
  const Index group0 = col0 / 4, groups = (col0 + cols - 1) / 4 - group0 + 1;
  Source source(PhiloxStream(key), row0, group0, groups);
  alignas(kAlignment) T buffer[4 * kBatch];
  Index row = 0, group = 0;  // of the next counter, relative to the block
  while (row < rows) {
    const Index left = (rows - row > kBatch ? kBatch : (rows - row) * groups - group);
    const Index batch = std::min(kBatch, left);
    for (Index t = 0; t < batch; t += Source::kCounters) source.template step<Distribution>(buffer + 4 * t);
    for (Index t = 0; t < batch;) {
      const Index run = std::min(groups - group, batch - t);  // counters of this row
      const Index first = std::max(4 * (group0 + group), col0) - col0;
      const Index last = std::min(4 * (group0 + group + run) - col0, cols);
      const T* from = buffer + 4 * t + (first + col0 - 4 * (group0 + group));
      std::copy(from, from + (last - first), out + row * ld + first);
      t += run;
      group += run;
      if (group == groups) {
        group = 0;
        ++row;
      }
    }
  }
}

}  // namespace detail

/// out[i * ld + j] = uniform variate in [0, 1) of entry (row0 + i, col0 + j), for i < rows and j < cols; serial.
template <class T>
void fill_uniform(RandomKey key, Index row0, Index col0, Index rows, Index cols, T* out, Index ld) {
  detail::fill_block<variates::Uniform>(key, row0, col0, rows, cols, out, ld);
}

/// The same with standard normal variates.
template <class T>
void fill_normal(RandomKey key, Index row0, Index col0, Index rows, Index cols, T* out, Index ld) {
  detail::fill_block<variates::Normal>(key, row0, col0, rows, cols, out, ld);
}

/// The same with random signs, +1 and -1.
template <class T>
void fill_sign(RandomKey key, Index row0, Index col0, Index rows, Index cols, T* out, Index ld) {
  detail::fill_block<variates::Sign>(key, row0, col0, rows, cols, out, ld);
}

}  // namespace corange
