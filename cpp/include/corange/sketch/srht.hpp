// Subsampled randomized Hadamard transform of any matrix whose entries can be seen:  out = S A,
//
//   S = size^(-1/2) R H D,   S of size x m; A stands on zeros up to the next power of two L >= m
//
// D random signs, H_ij = (-1)^popcount(i & j), R rows of it drawn without replacement, so that E[S'S] = I.
//
//   1. A is cut into blocks of B rows, B a power of two of about `size`: H_L is the Kronecker product of H_(L/B) and H_B.
//   2. Each block is mixed by signs and H_B, as in sparse_rows.hpp: in cache, a line of columns at a time.
//   3. Row (p, q) of H_L A is the sum over blocks t of (-1)^popcount(p & t) times row q of mixed block t: only the rows of R are
//      added up, in the order of the blocks.
//
// So A is read once, in pieces of rows that come in any order, nothing as long as m is transformed, and zeros are left out.
// Cost: m n (log2 B + size / B) additions instead of m n log2 L, one pass over A; memory: B + size lines a thread, 2 size n.
// Tropp, "Improved analysis of the subsampled randomized Hadamard transform", Adv. Adapt. Data Anal. 3 (2011),
// doi:10.1142/S1793536911000787; Ailon and Liberty, "Fast dimension reduction using Rademacher series on dual BCH codes",
// Discrete Comput. Geom. 42 (2009), doi:10.1007/s00454-008-9110-x, for transforms of which few rows are wanted.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>

#include "corange/operators/linear_operator.hpp"
#include "corange/sketch/sparse_rows.hpp"

namespace corange {

/// S, drawn for matrices of `rows` rows.
class Srht {
 public:
  Srht(Index size, Index rows, RandomKey key) : rows_(rows), length_(power_of_two(rows)) {
    if (size < 1 || size > length_)
      throw InvalidArgument("size = " + std::to_string(size) + " must be from 1 to " + std::to_string(length_) +
                            ", the number of rows rounded up to a power of two");
    block_ = std::min(length_, std::max(power_of_two(size), kLeastBlock));
    signs_.resize(static_cast<std::size_t>(length_));
    fill_sign(key, Index{0}, Index{0}, Index{1}, length_, signs_.data(), length_);
    draw_places(size, {key.seed, key.stream + 1});
  }

  Index rows() const { return rows_; }
  Index size() const { return static_cast<Index>(places_.size()); }
  /// Rows that are mixed together.
  Index block() const { return block_; }

  /// out += S[:, row : row + a.rows] a.
  void add(Index row, StridedView<double> a, BlockView<double> out) const {
    if (row < 0 || row + a.rows > rows_) throw InvalidArgument("the rows do not fit the sketch");
    Block<double> part(uninitialized, size(), a.cols);
    for (Index begin = row; begin < row + a.rows;) {
      const Index t = begin / block_, end = std::min((t + 1) * block_, row + a.rows);
      mix(t, begin - t * block_, a.middle_rows(begin - row, end - begin), part.view());
      const Tiling tiles = tiling(size(), 64, 64);
      parallel_for(tiles.count(), [&](Index tile) {
        for (Index i = tiles.begin(tile); i < tiles.begin(tile) + tiles.size(tile); ++i)
          for (Index j = 0; j < a.cols; ++j) out(i, j) += part(i, j);
      });
      begin = end;
    }
  }

  static Index power_of_two(Index n) { return static_cast<Index>(std::bit_ceil(static_cast<std::uint64_t>(n))); }

 private:
  static constexpr Index kLeastBlock = 2048;

  /// The `size` least of random numbers, ties by position: any subset is as likely as another.
  void draw_places(Index size, RandomKey key) {
    std::vector<double> keys(static_cast<std::size_t>(length_));
    fill_uniform(key, Index{0}, Index{0}, Index{1}, length_, keys.data(), length_);
    places_.resize(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) places_[i] = static_cast<Index>(i);
    const auto before = [&](Index i, Index j) {
      const double x = keys[static_cast<std::size_t>(i)], y = keys[static_cast<std::size_t>(j)];
      return x < y || (x == y && i < j);
    };
    if (size < length_) std::nth_element(places_.begin(), places_.begin() + size, places_.end(), before);
    places_.resize(static_cast<std::size_t>(size));
    std::sort(places_.begin(), places_.end());
  }

  /// part = what rows offset, offset + 1, ... of block t, which hold a, add to the result.
  void mix(Index t, Index offset, StridedView<double> a, BlockView<double> part) const {
    const double scale = 1 / std::sqrt(static_cast<double>(size()));
    std::vector<double> values(places_.size());
    std::vector<Index> indices(places_.size()), indptr(places_.size() + 1, 0);
    for (std::size_t i = 0; i < places_.size(); ++i) {
      const Index p = places_[i] / block_;
      values[i] = std::popcount(static_cast<std::uint64_t>(p & t)) % 2 ? -scale : scale;
      indices[i] = places_[i] % block_;
      indptr[i + 1] = static_cast<Index>(i) + 1;
    }
    const CompressedView<double, Index> rows{size(), block_, indptr.data(), indices.data(), values.data()};
    const StridedView<double> samples{a.data, a.cols, a.rows, a.col_stride, a.row_stride};
    sparse_rows_apply(SparseRows<double, Index>{rows, signs_.data() + t * block_}, samples, offset, part.data, Index{1}, part.ld);
  }

  Index rows_, length_, block_;
  std::vector<double> signs_;
  std::vector<Index> places_;
};

/// Adds up S A of the pieces of A; sparse ones are made dense a block at a time.
class SrhtVisitor final : public EntryVisitor {
 public:
  SrhtVisitor(const Srht& s, BlockView<double> out) : s_(s), out_(out) {}

  void dense(Index row, Index col, StridedView<double> piece) override { s_.add(row, piece, columns(col, piece.cols)); }
  void sparse_rows(Index row, const Compressed& piece) override {
    for (Index begin = 0; begin < piece.outer;) {
      // Up to the border of a block, so that none is mixed twice.
      const Index end = std::min(piece.outer, begin + s_.block() - (row + begin) % s_.block());
      Block<double> rows(end - begin, piece.inner);
      for (Index i = begin; i < end; ++i)
        for (Index p = piece.indptr[i], stop = piece.indptr[i + 1]; p < stop; ++p)
          rows(i - begin, piece.indices[p]) += piece.data[p] * piece.scale;
      dense(row + begin, 0, {rows.data(), rows.rows(), rows.cols(), rows.ld(), 1});
      begin = end;
    }
  }
  void sparse_columns(Index col, const Compressed& piece) override {
    constexpr Index kWidth = 32;  // columns that are transformed by one task
    for (Index begin = 0; begin < piece.outer; begin += kWidth) {
      const Index count = std::min(kWidth, piece.outer - begin);
      Block<double> part(piece.inner, count);
      for (Index j = 0; j < count; ++j)
        for (Index p = piece.indptr[begin + j], stop = piece.indptr[begin + j + 1]; p < stop; ++p)
          part(piece.indices[p], j) += piece.data[p] * piece.scale;
      dense(0, col + begin, {part.data(), part.rows(), part.cols(), part.ld(), 1});
    }
  }
  void outer(Index row, Index col, StridedView<double> left, StridedView<double> right) override {
    Block<double> part(out_.rows, 1);
    s_.add(row, left, part.view());
    for (Index i = 0; i < part.rows(); ++i)
      for (Index j = 0; j < right.rows; ++j) out_(i, col + j) += part(i, 0) * right(j, 0);
  }

 private:
  BlockView<double> columns(Index col, Index count) const { return {out_.data + col, out_.rows, count, out_.ld}; }

  const Srht& s_;
  BlockView<double> out_;
};

}  // namespace corange
