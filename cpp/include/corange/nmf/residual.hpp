// || X - W H' ||^2 entry by entry, for when the difference of large sums has no digits left.
//
// A tile of C = H W_t' is formed in double, X is subtracted where it is stored, and what remains is squared and added up.
// Cost: 2 m n k flops, whatever X is; memory: 16 columns of X a thread.
#pragma once

#include <optional>

#include "corange/operators/linear_operator.hpp"

namespace corange {

namespace detail {

inline constexpr Index kResidualSlices = 16;

class ResidualVisitor final : public EntryVisitor {
 public:
  ResidualVisitor(BlockView<const double> w, BlockView<const double> h) : w_(w), h_(h) {}
  /// Nothing if pieces lay one above the other: then the squares of their residuals do not add up.
  std::optional<double> sum_squares() const { return overlapping_ ? std::nullopt : std::optional(total_); }

  void dense(Index row, Index, StridedView<double> piece) override {
    add(w_, h_, row, piece.rows, [&](Index i, Index c, BlockView<double> tile) {
      for (Index j = 0; j < piece.cols; ++j) tile(j, c) -= piece(i, j);
    });
  }
  void sparse_rows(Index row, const Compressed& piece) override { sparse(w_, h_, row, piece); }
  void sparse_columns(Index col, const Compressed& piece) override { sparse(h_, w_, col, piece); }
  void outer(Index, Index, StridedView<double>, StridedView<double>) override { overlapping_ = true; }

 private:
  void sparse(BlockView<const double> outer, BlockView<const double> inner, Index first, const Compressed& piece) {
    add(outer, inner, first, piece.outer, [&](Index o, Index c, BlockView<double> tile) {
      for (Index p = piece.indptr[o], stop = piece.indptr[o + 1]; p < stop; ++p)
        tile(piece.indices[p], c) -= piece.data[p] * piece.scale;
    });
  }

  /// Slices first, first + 1, ... of `outer`; subtract(slice of the piece, column of the tile, tile).
  template <class Subtract>
  void add(BlockView<const double> outer, BlockView<const double> inner, Index first, Index count, const Subtract& subtract) {
    const Tiling tiles{count, kResidualSlices};
    std::vector<double> sums(static_cast<std::size_t>(tiles.count()), 0.0);
    parallel_for(tiles.count(), [&](Index t) {
      Block<double> right(outer.cols, kResidualSlices), tile(uninitialized, inner.rows, kResidualSlices);
      for (Index c = 0; c < tiles.size(t); ++c)
        for (Index j = 0; j < outer.cols; ++j) right(j, c) = outer(first + tiles.begin(t) + c, j);
      panel_product<double>(strided(inner), right.view(), tile.view(), Store::set);
      for (Index c = 0; c < tiles.size(t); ++c) subtract(tiles.begin(t) + c, c, tile.view());
      double& sum = sums[static_cast<std::size_t>(t)];
      for (Index i = 0; i < tile.rows(); ++i)
        for (Index c = 0; c < tiles.size(t); ++c) sum += tile(i, c) * tile(i, c);
    });
    for (const double sum : sums) total_ += sum;
  }

  BlockView<const double> w_, h_;
  double total_ = 0;
  bool overlapping_ = false;
};

}  // namespace detail

/// Nothing if the entries of X cannot be seen.
template <class T>
std::optional<double> residual_squares(const LinearOperator& x, BlockView<const T> w, BlockView<const T> h) {
  const auto run = [&](BlockView<const double> wd, BlockView<const double> hd) -> std::optional<double> {
    detail::ResidualVisitor visitor(wd, hd);
    if (!x.visit(visitor)) return std::nullopt;
    return visitor.sum_squares();
  };
  if constexpr (std::is_same_v<T, double>) {
    return run(w, h);
  } else {
    Block<double> wd(w.rows, w.cols), hd(h.rows, h.cols);
    convert(w, wd.view());
    convert(h, hd.view());
    return run(wd.view(), hd.view());
  }
}

}  // namespace corange
