// Columns of a sparse sign embedding S: each holds `nnz` entries +-1/sqrt(nnz) in distinct rows, uniformly chosen.
//
// Column j is a function of (seed, stream, j) alone: signs are the bits of the first Philox words of row j, rows come from the next
// words, by Floyd's sampling without replacement and Lemire's multiplication without modulo bias. 4 nnz bytes a column.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "corange/core/parallel.hpp"
#include "corange/core/philox.hpp"

namespace corange {

struct SparseSign {
  Index size = 0, nnz = 8;
  RandomKey key;

  double scale() const { return 1 / std::sqrt(static_cast<double>(nnz)); }
  void check() const {
    constexpr Index kMost = (Index{1} << 31) - 1;
    if (size < 1 || size > kMost) throw InvalidArgument("size = " + std::to_string(size) + " must lie in 1 .. 2**31 - 1");
    if (nnz < 1 || nnz > size) throw InvalidArgument("nnz = " + std::to_string(nnz) + " must lie in 1 .. size");
  }
};

namespace detail {

/// Random words of columns of S, in batches: word k of column j is word k % 4 of the counter of row j and group k / 4.
class ColumnWords {
 public:
  ColumnWords(RandomKey key, Index words)
      : stream_(key), groups_((words + 3) / 4), counters_{from(0), from(kLanes), from(2 * kLanes), from(3 * kLanes)} {}

  /// Draws those of columns [first, first + count).
  void draw(Index first, Index count) {
    constexpr Index kStep = 4 * kLanes;
    first_ = first;
    const Index counters = count * groups_;
    words_.resize(static_cast<std::size_t>(4 * (counters + kStep)));
    for (Index t = 0; t < counters; t += kStep) {
      PhiloxLanes random[4];
      for (int n = 0; n < 4; ++n) random[n] = counters_[n].at(static_cast<std::uint64_t>(first + t / groups_), 0, t % groups_);
      run_rounds(random, stream_, 0);
      std::uint32_t* out = words_.data() + 4 * t;
      for (const PhiloxLanes& each : random)
        for (int lane = 0; lane < kLanes; ++lane)
          for (const lanes::U64& word : each.c) *out++ = static_cast<std::uint32_t>(word[lane]);
    }
  }

  /// Word k of a column that was drawn; those after the batch's, which rejections ask for, are made one by one.
  std::uint32_t operator()(Index column, Index k) const {
    if (k < 4 * groups_) return words_[static_cast<std::size_t>(4 * groups_ * (column - first_) + k)];
    const auto group = static_cast<std::uint64_t>(k / 4), masked = group ^ stream_.group_mask;
    const auto row = static_cast<std::uint64_t>(column), masked_row = row ^ stream_.row_mask;
    return philox4x32({static_cast<std::uint32_t>(group), static_cast<std::uint32_t>(masked >> 32),
                       static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(masked_row >> 32)},
                      stream_.key)[static_cast<std::size_t>(k % 4)];
  }

 private:
  static constexpr int kLanes = lanes::kCount<lanes::U64>;

  CounterBlock from(int first) const {
    return {stream_, groups_, [=](int lane) { return first + lane; }};
  }

  PhiloxStream stream_;
  Index groups_, first_ = 0;
  CounterBlock counters_[4];
  std::vector<std::uint32_t> words_;
};

}  // namespace detail

/// Columns of S: for each its nnz rows and signs.
class SparseSignColumns {
 public:
  using Code = std::uint32_t;  // twice the row, plus 1 if the sign is negative

  explicit SparseSignColumns(const SparseSign& s) : s_(s) { s.check(); }

  /// Draws columns [first, first + count) on all threads, in place of those held before.
  void draw(Index first, Index count) {
    codes_.resize(static_cast<std::size_t>(count * s_.nnz));
    const Tiling tiles = tiling(count, 256, 512);
    parallel_for(tiles.count(), [&](Index t) { fill(first, tiles.begin(t), tiles.size(t)); });
  }

  /// Codes of column j of those held.
  const Code* operator[](Index j) const { return codes_.data() + j * s_.nnz; }
  static Index row(Code code) { return static_cast<Index>(code >> 1); }
  template <class T>
  static T sign(Code code) {
    return static_cast<T>(1 - 2 * static_cast<int>(code & 1));
  }

 private:
  static constexpr Index kBatch = 64;

  void fill(Index first, Index start, Index count) {
    detail::ColumnWords words(s_.key, sign_words() + s_.nnz);
    for (Index b = start; b < start + count; b += kBatch) {
      const Index columns = std::min(kBatch, start + count - b);
      words.draw(first + b, columns);
      for (Index j = b; j < b + columns; ++j) fill_column(words, first + j, codes_.data() + j * s_.nnz);
    }
  }

  Index sign_words() const { return (s_.nnz + 31) / 32; }

  void fill_column(const detail::ColumnWords& words, Index column, Code* codes) const {
    Index next = sign_words();
    for (Index t = 0; t < s_.nnz; ++t) {
      const auto bound = static_cast<std::uint32_t>(s_.size - s_.nnz + t + 1);
      Code row = below(bound, words, column, next);
      for (Index u = 0; u < t; ++u)
        if (codes[u] >> 1 == row) {
          row = bound - 1;
          break;
        }
      codes[t] = row << 1 | (words(column, t / 32) >> (t % 32) & 1);
    }
  }

  /// Uniform in [0, bound), from as many words as that takes.
  static Code below(std::uint32_t bound, const detail::ColumnWords& words, Index column, Index& next) {
    std::uint64_t product = std::uint64_t{bound} * words(column, next++);
    if (static_cast<std::uint32_t>(product) < bound) {
      const std::uint32_t rejected = (0u - bound) % bound;
      while (static_cast<std::uint32_t>(product) < rejected) product = std::uint64_t{bound} * words(column, next++);
    }
    return static_cast<Code>(product >> 32);
  }

  SparseSign s_;
  std::vector<Code> codes_;
};

}  // namespace corange
