// Sketches with sparse rows, after an optional mixing:  out = X (P H D)'  or  out = X P'  for samples in the rows of X.
//
//   1. A line's worth of samples (16 in float, 8 in double) is transposed into a buffer, one line a feature, times the signs D.
//   2. Butterflies of the Walsh-Hadamard transform H over the lines of the buffer, which is as long as the next power of two.
//   3. Each row of P, in compressed form, gathers its lines; the result is transposed back.
//
// FastJL has a sparse Gaussian P, SRHT a P that picks coordinates, and very sparse projections have no H and D. Scales are in P.
// A sample's result depends on the sample alone, so neither threads nor strides nor neighbours change its bits.
// Cost: d log2 d + 2 nnz(P) a sample, one pass over X; working memory: one line a feature and thread.
// Ailon and Chazelle, "The fast Johnson-Lindenstrauss transform and approximate nearest neighbors", SIAM J. Comput. 39 (2009),
// doi:10.1137/060673096.
#pragma once

#include "corange/core/philox.hpp"
#include "corange/linalg/hadamard.hpp"
#include "corange/linalg/spmm.hpp"

namespace corange {

/// P is k x length and its rows are the outer slices. `signs` has `length` entries, or is null where nothing is mixed.
template <class T, class I>
struct SparseRows {
  CompressedView<T, I> p;
  const T* signs = nullptr;
};

namespace detail {

/// to(j, i) = from(i, j) for a square of as many rows as a vector has lanes.
template <class T>
void transpose_square(const T* from, Index from_ld, T* to, Index to_ld) {
  using V = typename lanes::Of<T>::type;
  constexpr int kLanes = lanes::kCount<V>;
  V v[kLanes], w[kLanes];
  for (int i = 0; i < kLanes; ++i) __builtin_memcpy(&v[i], from + i * from_ld, sizeof(V));
  for (int level = 1; level < kLanes; level *= 2) {
    for (int i = 0; i < kLanes / 2; ++i) {
      w[2 * i] = lanes::interleave<1, kLanes, false>(v[i], v[i + kLanes / 2]);
      w[2 * i + 1] = lanes::interleave<1, kLanes, true>(v[i], v[i + kLanes / 2]);
    }
    for (int i = 0; i < kLanes; ++i) v[i] = w[i];
  }
  for (int i = 0; i < kLanes; ++i) lanes::store(to + i * to_ld, v[i]);
}

/// Line j of the buffer = feature j of the samples.
template <class T>
void pack_samples(StridedView<T> x, BlockView<T> lines) {
  constexpr Index kSquare = lanes::kCount<typename lanes::Of<T>::type>;
  const bool squares = x.col_stride == 1 && x.rows % kSquare == 0;
  const Index whole = squares ? x.cols / kSquare * kSquare : 0;
  for (Index j = 0; j < whole; j += kSquare)
    for (Index i = 0; i < x.rows; i += kSquare)
      transpose_square(x.data + i * x.row_stride + j, x.row_stride, lines.row(j) + i, lines.ld);
  for (Index j = whole; j < x.cols; ++j)
    for (Index i = 0; i < x.rows; ++i) lines(j, i) = x(i, j);
}

/// out(j, i) = (row i of P) times the lines, for sample j.
template <class T, class I>
void gather_lines(const CompressedView<T, I>& p, BlockView<const T> lines, BlockView<T> out) {
  constexpr Index kLine = static_cast<Index>(kAlignment / sizeof(T));
  constexpr int kVectors = static_cast<int>(kLine) / simd::kLanes<T>;
  constexpr Index kSquare = lanes::kCount<typename lanes::Of<T>::type>;
  alignas(kAlignment) T sums[kLine * kLine];
  for (Index row = 0; row < p.outer; row += kLine) {
    const Index rows = std::min(kLine, p.outer - row);
    for (Index i = 0; i < rows; ++i) {
      simd::Vector<T> sum[kVectors] = {};
      for (Index q = p.indptr[row + i], stop = p.indptr[row + i + 1]; q < stop; ++q) {
        const T* line = lines.row(static_cast<Index>(p.indices[q]));
        for (int v = 0; v < kVectors; ++v) sum[v] += p.data[q] * simd::load(line + v * simd::kLanes<T>);
      }
      for (int v = 0; v < kVectors; ++v) simd::store<T>(sums + i * kLine + v * simd::kLanes<T>, sum[v]);
    }
    std::fill(sums + rows * kLine, sums + kLine * kLine, T(0));
    for (Index i = 0; i < kLine; i += kSquare)
      for (Index j = 0; j < kLine; j += kSquare) transpose_square(sums + i * kLine + j, kLine, out.row(j) + row + i, out.ld);
  }
}

}  // namespace detail

/// out[i, :] = P H D x_i, where x_i is row i of `x` placed at features offset, offset + 1, ... and zero elsewhere.
template <class T, class I>
void sparse_rows_apply(const SparseRows<T, I>& s, StridedView<T> x, Index offset, T* out, Index out_row, Index out_col) {
  const Index k = s.p.outer, length = s.p.inner;
  if (offset < 0 || offset + x.cols > length || (s.signs && (length & (length - 1)) != 0))
    throw InvalidArgument("columns " + std::to_string(offset) + " .. " + std::to_string(offset + x.cols) +
                          " do not fit a sketch of length " + std::to_string(length));
  constexpr Index kLine = static_cast<Index>(kAlignment / sizeof(T));
  const Tiling groups{x.rows, 4 * kLine};
  parallel_for(groups.count(), [&](Index g) {
    Block<T> lines(length, kLine), results(uninitialized, kLine, k);
    for (Index i = groups.begin(g); i < groups.begin(g) + groups.size(g); i += kLine) {
      const Index count = std::min(kLine, groups.begin(g) + groups.size(g) - i);
      if (i > groups.begin(g) && (s.signs || count < kLine)) lines.set_zero();
      detail::pack_samples(x.middle_rows(i, count), lines.view().middle_rows(offset, x.cols));
      if (s.signs) {
        for (Index j = offset; j < offset + x.cols; ++j)
          for (Index l = 0; l < kLine; ++l) lines(j, l) *= s.signs[j];
        hadamard::levels<T>(lines.data(), length * kLine, kLine, nullptr);
      }
      detail::gather_lines(s.p, BlockView<const T>(lines.view()), results.view());
      for (Index r = 0; r < count; ++r)
        for (Index j = 0; j < k; ++j) out[(i + r) * out_row + j * out_col] = results(r, j);
    }
  });
}

}  // namespace corange
