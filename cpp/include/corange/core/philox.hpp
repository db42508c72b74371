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
//
// Speed. A vector of counters (eight with AVX-512) takes 20 multiplications, 20 shifts and 20 exclusive ors of three for four words
// each, and within a row 14 of them less. Box-Muller takes another 55 instructions for 32 normals in float, 90 for 16 in double, and
// processors that start two instructions in all a cycle on 512 bits (Zen 4) so need 63 cycles for 32 normals in float, 78 for 16 in
// double: at 3.6 GHz at most 1.8 and 0.75 a nanosecond and thread, whatever memory takes, of which 1.6 and 0.64 are reached.
// `python -m bench sketch --case normals` measures the share of the speed at which two threads fill memory: 39 % with float normals
// and 30 % with double ones, 65 to 98 % with uniforms and signs. Who makes blocks in cache and multiplies with them at once writes
// no memory.
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

/// Key, keys of all rounds and masks of a stream.
struct PhiloxStream {
  std::array<std::uint32_t, 2> key;
  std::uint64_t keys[10][2];
  std::uint64_t group_mask, row_mask;

  explicit PhiloxStream(RandomKey k) {
    const auto half = [](std::uint64_t x, int shift) { return static_cast<std::uint32_t>(x >> shift); };
    const auto mixed =
        philox4x32({half(k.seed, 0), half(k.seed, 32), half(k.stream, 0), half(k.stream, 32)}, {0x243F6A88, 0x85A308D3});
    key = {mixed[0], mixed[1]};
    for (std::uint32_t round = 0; round < 10; ++round) {
      keys[round][0] = key[0] + round * kPhiloxW0;
      keys[round][1] = key[1] + round * kPhiloxW1;
    }
    group_mask = std::uint64_t{mixed[2]} << 32;
    row_mask = std::uint64_t{mixed[3]} << 32;
  }
};

/// Counters and, after the rounds, random words; one a 64-bit lane, in its low half. The high halves hold garbage.
struct PhiloxLanes {
  lanes::U64 c[4];

  void round(const std::uint64_t (&key)[2]) {
    const lanes::U64 p0 = lanes::times_low32(c[0], kPhiloxM0), p1 = lanes::times_low32(c[2], kPhiloxM1);
    c[0] = lanes::xor3(p1 >> 32, c[1], lanes::U64{} + key[0]);
    c[1] = p1;
    c[2] = lanes::xor3(p0 >> 32, c[3], lanes::U64{} + key[1]);
    c[3] = p0;
  }

  lanes::U64 word(int k) const { return c[k] & 0xffffffffu; }
};

/// The rounds from `first` on, on several vectors of counters in step: one multiplies while the others wait for their products.
template <int N>
inline void run_rounds(PhiloxLanes (&lanes)[N], const PhiloxStream& stream, int first) {
  for (int round = first; round < 10; ++round)
    for (PhiloxLanes& each : lanes) each.round(stream.keys[round]);
}

/// The first two rounds of counters that differ in the low word of their group only: what no lane changes is computed once.
class RowRounds {
 public:
  static constexpr int kRounds = 2;

  RowRounds(const PhiloxStream& stream, std::uint64_t row, std::uint64_t group) {
    const std::uint64_t p1 = kPhiloxM1 * (row & 0xffffffffu);
    const std::uint64_t p0 = kPhiloxM0 * ((p1 >> 32) ^ ((group ^ stream.group_mask) >> 32) ^ stream.keys[0][0]);
    first_ = ((row ^ stream.row_mask) >> 32) ^ stream.keys[0][1];
    second_[0] = (p1 & 0xffffffffu) ^ stream.keys[1][0];
    second_[1] = (p0 >> 32) ^ stream.keys[1][1];
    last_ = p0;
  }

  PhiloxLanes operator()(lanes::U64 group_low) const {
    const lanes::U64 p0 = lanes::times_low32(group_low, kPhiloxM0);
    const lanes::U64 p1 = lanes::times_low32((p0 >> 32) ^ first_, kPhiloxM1);
    return {{(p1 >> 32) ^ second_[0], p1, p0 ^ second_[1], lanes::U64{} + last_}};
  }

 private:
  std::uint64_t first_, second_[2], last_;
};

/// The counters of a block in the order of its entries: group by group, row by row.
class CounterBlock {
 public:
  /// Lane k is `offset(k)` counters after the one asked for; a row has `groups` of them.
  template <class Offset>
  CounterBlock(const PhiloxStream& stream, Index groups, Offset offset)
      : group_mask_(stream.group_mask >> 32), row_mask_(stream.row_mask >> 32), groups_(groups) {
    const int wrap = static_cast<int>(std::min<Index>(groups, INT32_MAX));  // int divides faster
    for (int k = 0; k < lanes::kCount<lanes::U64>; ++k) {
      const int after = offset(k), row = after / wrap;
      offsets_[k] = static_cast<std::uint64_t>(after);
      rows_[k] = row;
      groups_after_[k] = after - row * wrap;
    }
  }

  /// Counters from (row, group0 + group) on, 0 <= group < groups, for those of high words. Lanes beyond the block may wrap.
  PhiloxLanes at(std::uint64_t row, std::uint64_t group0, Index group) const {
    const lanes::I64 next = groups_after_ + group;
    const lanes::I64 wrapped = next >= groups_;  // -1 where true
    const lanes::U64 g = lanes::bits<lanes::U64>(next - (wrapped & groups_)) + group0;
    const lanes::U64 i = lanes::bits<lanes::U64>(rows_ - wrapped) + row;
    return {{g, (g >> 32) ^ group_mask_, i, (i >> 32) ^ row_mask_}};
  }

  /// Groups from `group` on, all of one row.
  lanes::U64 groups_from(std::uint64_t group) const { return offsets_ + group; }

 private:
  std::uint64_t group_mask_, row_mask_;
  Index groups_;
  lanes::U64 offsets_{};
  lanes::I64 rows_{}, groups_after_{};
};

/// Variates of a block: `draw` writes those of kCounters successive counters, four each; with OneRow all of them in the same row
/// and with the same high word of the group.
template <class T>
class VariateSource;

template <>
class VariateSource<float> {
 public:
  static constexpr int kHalf = lanes::kCount<lanes::U32>, kCounters = 2 * kHalf;

  VariateSource(const PhiloxStream& stream, Index groups)
      : stream_(stream), counters_{of(groups, 0, 0), of(groups, 0, 1), of(groups, kHalf, 0), of(groups, kHalf, 1)} {}

  template <class Distribution, bool OneRow>
  [[gnu::always_inline]] void draw(std::uint64_t row, std::uint64_t group0, Index group, float* out) const {
    PhiloxLanes c[4];
    if constexpr (OneRow) {
      const std::uint64_t first = group0 + static_cast<std::uint64_t>(group);
      const RowRounds rounds(stream_, row, first);
      for (int n = 0; n < 4; ++n) c[n] = rounds(counters_[n].groups_from(first));
    } else {
      for (int n = 0; n < 4; ++n) c[n] = counters_[n].at(row, group0, group);
    }
    run_rounds(c, stream_, OneRow ? RowRounds::kRounds : 0);
    variates::WordsF32 words;
    for (int k = 0; k < 4; ++k)
      words.w[k] = lanes::bits<variates::U32>(variates::U64{c[0].word(k) | (c[1].c[k] << 32), c[2].word(k) | (c[3].c[k] << 32)});
    lanes::store_quads(out, Distribution::draw(words).v);
  }

 private:
  CounterBlock of(Index groups, int first, int odd) const {
    return {stream_, groups, [=](int k) { return first + lanes::quad_of_lane<lanes::F32>(2 * k + odd); }};
  }

  PhiloxStream stream_;
  CounterBlock counters_[4];  // of the even and the odd lanes of either half
};

template <>
class VariateSource<double> {
 public:
  static constexpr int kHalf = lanes::kCount<lanes::U64>, kCounters = 2 * kHalf;

  VariateSource(const PhiloxStream& stream, Index groups) : stream_(stream), counters_{of(groups, 0), of(groups, kHalf)} {}

  template <class Distribution, bool OneRow>
  [[gnu::always_inline]] void draw(std::uint64_t row, std::uint64_t group0, Index group, double* out) const {
    constexpr std::uint64_t kLow = std::uint64_t{1} << 63;  // of a group: low words
    PhiloxLanes c[4];
    if constexpr (OneRow) {
      const std::uint64_t first = group0 + static_cast<std::uint64_t>(group);
      const RowRounds high(stream_, row, first), low(stream_, row, first ^ kLow);
      for (int n = 0; n < 2; ++n) {
        c[n] = high(counters_[n].groups_from(first));
        c[n + 2] = low(counters_[n].groups_from(first));
      }
    } else {
      for (int n = 0; n < 2; ++n) {
        c[n] = c[n + 2] = counters_[n].at(row, group0, group);
        c[n + 2].c[1] ^= kLow >> 32;
      }
    }
    run_rounds(c, stream_, OneRow ? RowRounds::kRounds : 0);
    variates::WordsF64 words;
    for (int k = 0; k < 4; ++k) {
      words.high[k] = {c[0].word(k), c[1].word(k)};
      words.low[k] = {c[2].word(k), c[3].word(k)};
    }
    lanes::store_quads(out, Distribution::draw(words).v);
  }

 private:
  CounterBlock of(Index groups, int first) const {
    return {stream_, groups, [=](int k) { return first + lanes::quad_of_lane<lanes::F64>(k); }};
  }

  PhiloxStream stream_;
  CounterBlock counters_[2];
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

/// Where the counters of a block go: counter `group` of `row` holds columns 4 group - skipped .. 4 group - skipped + 3 of it.
template <class T>
struct BlockTarget {
  T* out;
  Index ld, cols, groups, skipped;

  /// Copies the variates of `count` counters from (row, group) on; returns where the next one goes.
  void copy(const T* from, Index& row, Index& group, Index count) const {
    while (count > 0) {
      const Index run = std::min(groups - group, count);  // counters of this row
      const Index first = 4 * group - skipped, last = std::min(first + 4 * run, cols);
      const Index start = std::max(first, Index{0});
      std::copy(from + (start - first), from + (last - first), out + row * ld + start);
      from += 4 * run;
      count -= run;
      group += run;
      if (group == groups) {
        group = 0;
        ++row;
      }
    }
  }
};

/// Step by step, straight into the block where all of a step lies in one row.
template <class Distribution, class T>
void fill_block(RandomKey key, Index row0, Index col0, Index rows, Index cols, T* out, Index ld) {
  check_block(row0, col0, rows, cols, ld);
  if (rows == 0 || cols == 0) return;
  using Source = VariateSource<T>;
  constexpr Index kStep = Source::kCounters;
  const Index group0 = col0 / 4, groups = (col0 + cols - 1) / 4 - group0 + 1;
  const auto first_group = static_cast<std::uint64_t>(group0);
  const BlockTarget<T> target{out, ld, cols, groups, col0 - 4 * group0};
  const bool one_high_word = group0 >> 32 == (group0 + groups - 1) >> 32;
  const Source source(PhiloxStream(key), groups);
  alignas(kAlignment) T buffer[4 * kStep];
  Index row = 0, group = 0;  // of the next counter, relative to the block
  while (row < rows) {
    const auto counter_row = static_cast<std::uint64_t>(row0 + row);
    const Index first = 4 * group - target.skipped;
    if (first >= 0 && first + 4 * kStep <= cols && one_high_word) {
      source.template draw<Distribution, true>(counter_row, first_group, group, out + row * ld + first);
      if ((group += kStep) == groups) {
        group = 0;
        ++row;
      }
    } else {
      source.template draw<Distribution, false>(counter_row, first_group, group, buffer);
      const Index left = rows - row > kStep ? kStep : (rows - row) * groups - group;
      target.copy(buffer, row, group, std::min(kStep, left));
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
