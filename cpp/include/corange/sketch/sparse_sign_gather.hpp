// Sparse signs times a dense matrix where a tile of its rows has several for each row of the result: these are added up in registers,
// so that the result is read and written once a tile, not once an entry of S.
//
//   1. SortedSigns: the entries of S that meet a tile of rows, by row of the result and then by row of the tile.
//   2. gather: for each row of the result and a few vectors of columns, its rows of the tile are added in that order.
//
// The order of every sum is that of the rows of the matrix, as when they are added one by one.
#pragma once

#include "corange/linalg/simd.hpp"
#include "corange/sketch/sparse_sign_columns.hpp"

namespace corange::detail {

/// Rows of A that are packed and added together. They do not leave L2.
inline constexpr Index kGatherRows = 256;

/// Whether a row of out gets two rows of a tile, on average, each long enough to be worth sorting for.
inline bool gathers(const SparseSign& s, Index rows, Index cols) {
  return cols >= 64 && std::min(rows, kGatherRows) * s.nnz >= 2 * s.size;
}

/// Entries of S for a tile of rows: those of row r of out are codes starts[r] to starts[r + 1], each twice the row of the tile, plus 1
/// if the sign is negative.
class SortedSigns {
 public:
  SortedSigns() = default;
  SortedSigns(const SparseSignColumns& columns, const SparseSign& s, Index first, Index count)
      : starts_(static_cast<std::size_t>(s.size + 1)), codes_(static_cast<std::size_t>(count * s.nnz)) {
    for (Index i = first; i < first + count; ++i)
      for (Index t = 0; t < s.nnz; ++t) ++start(SparseSignColumns::row(columns[i][t]) + 1);
    for (Index r = 0; r < s.size; ++r) start(r + 1) += start(r);
    std::vector<std::uint32_t> next = starts_;
    for (Index i = first; i < first + count; ++i)
      for (Index t = 0; t < s.nnz; ++t) {
        const SparseSignColumns::Code code = columns[i][t];
        codes_[next[SparseSignColumns::row(code)]++] = static_cast<std::uint32_t>(i - first) << 1 | (code & 1);
      }
  }

  const std::uint32_t* begin(Index r) const { return codes_.data() + starts_[static_cast<std::size_t>(r)]; }
  const std::uint32_t* end(Index r) const { return begin(r + 1); }

 private:
  std::uint32_t& start(Index r) { return starts_[static_cast<std::size_t>(r)]; }

  std::vector<std::uint32_t> starts_, codes_;
};

/// The entries of S for each tile of a panel of so many rows and columns; none where rows are better added one by one.
inline std::vector<SortedSigns> sorted_signs(const SparseSignColumns& columns, const SparseSign& s, Index rows, Index cols) {
  if (!gathers(s, rows, cols)) return {};
  const Tiling tiles{rows, kGatherRows};
  std::vector<SortedSigns> sorted(static_cast<std::size_t>(tiles.count()));
  parallel_for(tiles.count(), rows * s.nnz,
               [&](Index t) { sorted[static_cast<std::size_t>(t)] = SortedSigns(columns, s, tiles.begin(t), tiles.size(t)); });
  return sorted;
}

/// NV vectors of columns of out[row : row + out.rows, :] += S tile; the tile is multiplied with the scale of S already.
template <int NV, class T>
void gather_columns(const SortedSigns& signs, BlockView<const T> tile, Index row, BlockView<T> out, Index col) {
  constexpr int kLanes = simd::kLanes<T>;
  for (Index r = 0; r < out.rows; ++r) {
    const std::uint32_t *code = signs.begin(row + r), *end = signs.end(row + r);
    if (code == end) continue;
    T* to = out.row(r) + col;
    simd::Vector<T> sum[NV];
    for (int v = 0; v < NV; ++v) sum[v] = simd::load(to + v * kLanes);
    for (; code != end; ++code) {
      const T* from = tile.row(*code >> 1) + col;
      const T sign = SparseSignColumns::sign<T>(*code);
      for (int v = 0; v < NV; ++v) sum[v] += sign * simd::load(from + v * kLanes);
    }
    for (int v = 0; v < NV; ++v) simd::store<T>(to + v * kLanes, sum[v]);
  }
}

template <class T>
void gather(const SortedSigns& signs, BlockView<const T> tile, Index row, BlockView<T> out) {
  constexpr int kVectors = 8, kLanes = simd::kLanes<T>;
  Index col = 0;
  for (; col + kVectors * kLanes <= out.width(); col += kVectors * kLanes) gather_columns<kVectors>(signs, tile, row, out, col);
  for (; col < out.width(); col += kLanes) gather_columns<1>(signs, tile, row, out, col);
}

}  // namespace corange::detail
