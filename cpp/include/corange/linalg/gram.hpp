// G += (A N)'(A N) for a tall dense A of any strides and N upper triangular, or the identity.
//
//   1. Tiles of rows are packed, so that the kernel sees padded rows whatever A's strides are; T = A_t N where N is given.
//   2. G += T'T in strips of columns, of which only the part on and above the diagonal is computed.
//
// Groups of tiles run in parallel; their sums are added in order. Cost: m n^2 flops, and as many again with N: half of what
// products that ignore symmetry and triangles would take. Working memory: one tile a thread and up to 16 partial sums n x n.
#pragma once

#include "corange/linalg/blocks.hpp"

namespace corange {

namespace detail {

inline constexpr Index kGramRows = 256;  // of a tile
inline constexpr Index kGramStrip = 64;  // columns of G computed at once

inline void pack_tile(StridedView<double> a, BlockView<double> out) {
  if (a.col_stride == 1) {
    for (Index i = 0; i < a.rows; ++i) std::copy_n(a.data + i * a.row_stride, a.cols, out.row(i));
    return;
  }
  for (Index start = 0; start < a.cols; start += kGramStrip)
    for (Index i = 0; i < a.rows; ++i)
      for (Index j = start; j < std::min(a.cols, start + kGramStrip); ++j) out(i, j) = a(i, j);
}

/// T = A N, using that N is upper triangular.
inline void multiply_upper(BlockView<const double> a, BlockView<const double> n, BlockView<double> t) {
  for (Index j = 0; j < n.cols; j += kGramStrip) {
    const Index width = std::min(kGramStrip, n.cols - j), inner = std::min(n.rows, j + width);
    panel_product<double>({a.data, a.rows, inner, a.ld, 1}, {n.data + j, inner, width, n.ld}, {t.data + j, a.rows, width, t.ld},
                          Store::set);
  }
}

/// The upper triangle of g += t't, and some of the entries below it.
inline void add_upper_gram(BlockView<const double> t, BlockView<double> g) {
  for (Index j = 0; j < t.cols; j += kGramStrip) {
    const Index width = std::min(kGramStrip, t.cols - j), above = std::min(t.cols, j + width);
    panel_product<double>({t.data, above, t.rows, 1, t.ld}, {t.data + j, t.rows, width, t.ld}, {g.data + j, above, width, g.ld},
                          Store::add);
  }
}

}  // namespace detail

/// g += (a n)'(a n); an empty n is the identity. Full and symmetric on return if it was on entry.
inline void add_gram(StridedView<double> a, BlockView<const double> n, SmallMatrix& g) {
  const Index groups = std::clamp<Index>(Index{1 << 23} / std::max<Index>(a.cols * a.cols, 1), 4, 16);
  const Tiling tiles = tiling(a.rows, groups, detail::kGramRows);
  std::vector<Block<double>> sums(static_cast<std::size_t>(tiles.count()));
  parallel_for(tiles.count(), a.rows * a.cols * a.cols, [&](Index t) {
    Block<double> sum(a.cols, a.cols), packed(detail::kGramRows, a.cols), product(n.rows > 0 ? detail::kGramRows : 0, a.cols);
    for (Index i = 0; i < tiles.size(t); i += detail::kGramRows) {
      check_interrupt();
      const Index rows = std::min(detail::kGramRows, tiles.size(t) - i);
      BlockView<double> tile{packed.data(), rows, a.cols, packed.ld()};
      detail::pack_tile(a.middle_rows(tiles.begin(t) + i, rows), tile);
      if (n.rows > 0) {
        const BlockView<double> result{product.data(), rows, a.cols, product.ld()};
        detail::multiply_upper(tile, n, result);
        tile = result;
      }
      detail::add_upper_gram(tile, sum.view());
    }
    sums[static_cast<std::size_t>(t)] = std::move(sum);
  });
  // Strips of columns, so that rows of a sum are read in order; each strip writes its own mirror image.
  const Tiling strips{a.cols, 64};
  parallel_for(strips.count(), tiles.count() * a.cols * a.cols, [&](Index s) {
    const Index begin = strips.begin(s), end = begin + strips.size(s);
    for (const Block<double>& sum : sums)
      for (Index i = 0; i < end; ++i)
        for (Index j = std::max(i, begin); j < end; ++j) g(i, j) += sum(i, j);
    for (Index i = 0; i < end; ++i)
      for (Index j = std::max(i + 1, begin); j < end; ++j) g(j, i) = g(i, j);
  });
}

}  // namespace corange
