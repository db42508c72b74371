// Sparse times block, in place on the user's CSR or CSC arrays.
//
//   gather:   Y[o, :] = sum over entries p of outer o of data[p] X[indices[p], :]     (CSR: A X, CSC: A' X)
//   scatter:  Y[indices[p], :] += data[p] X[o, :]                                     (CSR: A' X, CSC: A X)
//   normal:   Y as gather gives it, and Z what scatter makes of Y, slice by slice     (CSR: A X and A'(A X))
//
// "Outer" is the row of a CSR and the column of a CSC matrix. Duplicate entries add up and their order is free, as in SciPy.
// Gather runs over outer slices in parallel. Scatter sums the two halves of the outer slices apart, where entries are many enough
// to pay for a second Y; beyond two threads, each task owns a range of inner indices besides. All walk their outers in order, so
// that the sums are the same whatever the number of tasks is. Normal does what gather and scatter do, number for number, while a
// slice is in L1: A is read once.
// The operand met row by row, Y of gather and X of scatter, may be an array of any strides: it goes through buffers that stay in
// cache. The other one is met at random and must be a block.
// Cost: 2 nnz width flops; bound by loading rows of X (gather) or updating rows of Y (scatter) from L2. Memory: one more Y.
#pragma once

#include "corange/linalg/scatter_plan.hpp"
#include "corange/linalg/simd.hpp"
#include "corange/linalg/strided.hpp"

namespace corange {

namespace detail {

/// Entries are converted in runs of this many, by vector instructions, before they are broadcast one by one.
inline constexpr Index kRun = 64;

/// Slices [begin, end).
struct Outers {
  Index begin = 0, end = 0;
};

template <class T, class S>
void convert_run(const S* data, Index count, S scale, T* values) {
  for (Index p = 0; p < count; ++p) values[p] = static_cast<T>(data[p] * scale);
}

/// One sum a row would wait for itself: narrow rows are summed in this many, entry p in sum p % kSums.
template <int NV>
inline constexpr int kSums = NV >= 4 ? 1 : 4 / NV;

/// Rows met at random, of a block that does not fit in L2, are asked for this many entries before they are used: from L3 into L2
/// far ahead, into L1 nearer. Their addresses follow no pattern, and a core waits for few lines at once. Where the block fits, or
/// nearly, asking costs more than it saves; and for gather where rows are short: many of them are under way at once anyhow.
struct Ahead {
  Index near, far;
};
inline constexpr Ahead kGatherAhead{6, 24}, kScatterAhead{12, 48};
inline constexpr Index kNearBytes = 5 << 19;
template <class T, int NV>
inline constexpr bool kLongRows = NV * simd::kLanes<T> * sizeof(T) >= 256;

template <class T>
bool prefetching(Index rows, Index ld) {
  return rows * ld * static_cast<Index>(sizeof(T)) > kNearBytes;
}

/// Always inlined, here and below: GCC takes a function that does nothing but prefetch for one without effect, and drops its calls.
template <class T, int NV, int locality>
[[gnu::always_inline]] inline void prefetch_row(const T* row) {
  constexpr Index kLine = static_cast<Index>(kAlignment / sizeof(T));
  for (Index j = 0; j < NV * simd::kLanes<T>; j += kLine) __builtin_prefetch(row + j, 0, locality);
}

/// The rows of y that entries p + far and p + near of `indices` meet, as far as `known` entries go.
template <class T, int NV, class I>
[[gnu::always_inline]] inline void prefetch_rows(const I* indices, Index p, Index known, Ahead ahead, const T* y, Index ldy) {
  if (p + ahead.far < known) prefetch_row<T, NV, 2>(y + static_cast<Index>(indices[p + ahead.far]) * ldy);
  if (p + ahead.near < known) prefetch_row<T, NV, 3>(y + static_cast<Index>(indices[p + ahead.near]) * ldy);
}

/// sum = row o of A X, for the NV vectors of columns that x points to; entries before `last` may be looked at, for rows that come next.
template <class T, int NV, class S, class I>
void gather_row(const CompressedView<S, I>& a, Index o, const T* x, Index ldx, Index last, simd::Vector<T> (&sum)[NV]) {
  constexpr int kLanes = simd::kLanes<T>, kParts = kSums<NV>;
  T values[kRun];
  simd::Vector<T> acc[kParts][NV] = {};
  const auto add = [&](int part, T value, Index index) {
    const T* row = x + index * ldx;
    for (int v = 0; v < NV; ++v) acc[part][v] += value * simd::load(row + v * kLanes);
  };
  const Index stop = a.indptr[o + 1];
  for (Index start = a.indptr[o]; start < stop; start += kRun) {
    const Index count = std::min(kRun, stop - start);
    const I* indices = a.indices + start;
    convert_run(a.data + start, count, static_cast<S>(a.scale), values);
    Index p = 0;
    for (; p + kParts <= count; p += kParts)
      for (int part = 0; part < kParts; ++part) {
        if constexpr (kLongRows<T, NV>) prefetch_rows<T, NV>(indices, p + part, last - start, kGatherAhead, x, ldx);
        add(part, values[p + part], static_cast<Index>(indices[p + part]));
      }
    for (; p < count; ++p) add(0, values[p], static_cast<Index>(indices[p]));
  }
  for (int part = 1; part < kParts; ++part)
    for (int v = 0; v < NV; ++v) acc[0][v] += acc[part][v];
  for (int v = 0; v < NV; ++v) sum[v] = acc[0][v];
}

/// Rows o of slices to rows o - outers.begin of y.
template <class T, int NV, class S, class I>
void gather_rows(const CompressedView<S, I>& a, Outers outers, const T* x, Index ldx, T* y, Index ldy) {
  const Index last = prefetching<T>(a.inner, ldx) ? a.indptr[outers.end] : 0;
  simd::Vector<T> sum[NV];
  for (Index o = outers.begin; o < outers.end; ++o) {
    gather_row<T, NV>(a, o, x, ldx, last, sum);
    for (int v = 0; v < NV; ++v) simd::store(y + (o - outers.begin) * ldy + v * simd::kLanes<T>, sum[v]);
  }
}

/// A matrix larger than L3 is read past it, this many entries ahead: each entry is used once, and would drive out rows of Y.
inline constexpr Index kStreamAhead = 128;
inline constexpr Index kStreamBytes = 32 << 20;

template <class S, class I>
bool streams(const CompressedView<S, I>& a) {
  return a.nonzeros() * static_cast<Index>(sizeof(S) + sizeof(I)) > kStreamBytes;
}

template <class S, class I>
[[gnu::always_inline]] inline void prefetch_entries(const CompressedView<S, I>& a, Index first, Index count) {
  const Index stop = std::min(first + count, a.nonzeros());
  for (Index p = first; p < stop; p += static_cast<Index>(kAlignment / sizeof(S))) __builtin_prefetch(a.data + p, 0, 0);
  for (Index p = first; p < stop; p += static_cast<Index>(kAlignment / sizeof(I))) __builtin_prefetch(a.indices + p, 0, 0);
}

/// The first `known` of `indices` may be looked at, for the rows that come next; `count` of them belong to x.
template <class T, int NV, class S, class I>
void scatter_entries(const S* data, const I* indices, Index count, Index known, S scale, const simd::Vector<T> (&x)[NV], T* y,
                     Index ldy) {
  constexpr int kLanes = simd::kLanes<T>;
  T values[kRun];
  for (Index start = 0; start < count; start += kRun) {
    const Index run = std::min(kRun, count - start);
    convert_run(data + start, run, scale, values);
    for (Index p = 0; p < run; ++p) {
      prefetch_rows<T, NV>(indices, start + p, known, kScatterAhead, y, ldy);
      T* row = y + static_cast<Index>(indices[start + p]) * ldy;
      for (int v = 0; v < NV; ++v) simd::store<T>(row + v * kLanes, simd::load(row + v * kLanes) + values[p] * x[v]);
    }
  }
}

/// As scatter_entries, for entries that `order` picks out of a slice.
template <class T, int NV, class S, class I>
void scatter_picked(const S* data, const I* indices, const ScatterPlan::Position* order, Index count, S scale,
                    const simd::Vector<T> (&x)[NV], T* y, Index ldy) {
  constexpr int kLanes = simd::kLanes<T>;
  for (Index p = 0; p < count; ++p) {
    const T value = static_cast<T>(data[order[p]] * scale);
    T* row = y + static_cast<Index>(indices[order[p]]) * ldy;
    for (int v = 0; v < NV; ++v) simd::store<T>(row + v * kLanes, simd::load(row + v * kLanes) + value * x[v]);
  }
}

/// x points to the row of outers.begin.
template <class T, int NV, class S, class I>
void scatter_range(const CompressedView<S, I>& a, Outers outers, const ScatterPlan& plan, Index range, const T* x, Index ldx,
                   T* y, Index ldy) {
  constexpr int kLanes = simd::kLanes<T>;
  const S scale = static_cast<S>(a.scale);
  const bool ahead = prefetching<T>(plan.bound(range + 1) - plan.bound(range), ldy), once = streams(a);
  for (Index o = outers.begin; o < outers.end; ++o) {
    if (o % 4096 == 0) check_interrupt();
    const Index start = a.indptr[o], length = a.indptr[o + 1] - start;
    const Index from = plan.offset(o, range, length), count = plan.offset(o, range + 1, length) - from;
    if (once) prefetch_entries(a, start + from + kStreamAhead, count);
    const Index known = plan.ranges() > 1 ? count : a.indptr[outers.end] - start;
    simd::Vector<T> xo[NV];
    for (int v = 0; v < NV; ++v) xo[v] = simd::load(x + (o - outers.begin) * ldx + v * kLanes);
    if (plan.order())
      scatter_picked<T, NV>(a.data + start, a.indices + start, plan.order() + start + from, count, scale, xo, y, ldy);
    else
      scatter_entries<T, NV>(a.data + start + from, a.indices + start + from, count, ahead ? known : 0, scale, xo, y, ldy);
  }
}

/// Rows of Y = A X, and each scattered into z while its slice is at hand.
template <class T, int NV, class S, class I>
void normal_rows(const CompressedView<S, I>& a, Outers outers, const T* x, Index ldx, T* y, Index ldy, T* z, Index ldz) {
  constexpr int kLanes = simd::kLanes<T>;
  const Index last = prefetching<T>(a.inner, ldz) ? a.indptr[outers.end] : 0;
  const bool once = streams(a);
  for (Index o = outers.begin; o < outers.end; ++o) {
    if (o % 4096 == 0) check_interrupt();
    const Index start = a.indptr[o], length = a.indptr[o + 1] - start;
    if (once) prefetch_entries(a, start + kStreamAhead, length);
    simd::Vector<T> sum[NV];
    gather_row<T, NV>(a, o, x, ldx, 0, sum);
    for (int v = 0; v < NV; ++v) simd::store(y + o * ldy + v * kLanes, sum[v]);
    scatter_entries<T, NV>(a.data + start, a.indices + start, length, last - start, static_cast<S>(a.scale), sum, z, ldz);
  }
}

/// The outer slice where half of the entries have passed.
template <class S, class I>
Index middle_outer(const CompressedView<S, I>& a) {
  return a.indptr.first_from(a.nonzeros() / 2, a.outer);
}

/// y = x1 + x2, padding too; y may be x1.
template <class T>
void add_blocks(BlockView<const T> x1, BlockView<const T> x2, BlockView<T> y) {
  const Tiling tiles = tiling(y.rows, 64, 64);
  parallel_for(tiles.count(), y.rows * y.width(), [&](Index t) {
    for (Index i = tiles.begin(t); i < tiles.begin(t) + tiles.size(t); ++i)
      for (Index j = 0; j < y.width(); ++j) y(i, j) = x1(i, j) + x2(i, j);
  });
}

/// Calls f.template operator()<NV>(first column) over groups of NV vectors.
template <class T, class F>
void for_vector_groups(Index width, F&& f) {
  constexpr Index kLanes = simd::kLanes<T>;
  constexpr Index kMost = 8;
  for (Index j = 0; j < width;) {
    const Index left = (width - j) / kLanes;
    if (left >= kMost)
      f.template operator()<kMost>(j), j += kMost * kLanes;
    else if (left >= 4)
      f.template operator()<4>(j), j += 4 * kLanes;
    else if (left >= 2)
      f.template operator()<2>(j), j += 2 * kLanes;
    else
      f.template operator()<1>(j), j += kLanes;
  }
}

}  // namespace detail

/// Y = A X for CSR, A' X for CSC.
template <class T, class S, class I>
void spmm_gather(const CompressedView<S, I>& a, BlockView<const T> x, BlockView<T> y) {
  const Tiling tiles = tiling(a.outer, 256, 64);
  parallel_for(tiles.count(), (a.nonzeros() + a.outer) * y.cols, [&](Index t) {
    const Index begin = tiles.begin(t);
    detail::for_vector_groups<T>(y.width(), [&]<int NV>(Index j) {
      detail::gather_rows<T, NV>(a, {begin, begin + tiles.size(t)}, x.data + j, x.ld, y.row(begin) + j, y.ld);
    });
  });
}

/// The same into an array of any strides.
template <class T, class S, class I>
void spmm_gather(const CompressedView<S, I>& a, BlockView<const T> x, StridedOutput<T> y) {
  constexpr Index kRows = 64;
  const Tiling tiles = tiling(a.outer, 256, kRows);
  parallel_for(tiles.count(), (a.nonzeros() + a.outer) * y.cols, [&](Index t) {
    Block<T> buffer(uninitialized, kRows, y.cols);
    for (Index begin = tiles.begin(t), end = begin + tiles.size(t); begin < end; begin += kRows) {
      const Index rows = std::min(kRows, end - begin);
      detail::for_vector_groups<T>(x.width(), [&]<int NV>(Index j) {
        detail::gather_rows<T, NV>(a, {begin, begin + rows}, x.data + j, x.ld, buffer.data() + j, buffer.ld());
      });
      detail::copy_out<T>(buffer.view(), y.middle_rows(begin, rows));
    }
  });
}

namespace detail {

/// Beyond this, columns are summed in narrow blocks of their own: two cache lines of each row of a wide one use few of a cache's sets.
inline constexpr Index kWideBytes = 16 << 20;
inline constexpr Index kNarrowBytes = 128;

template <class T>
Index columns_at_once(Index rows, Index cols) {
  const bool wide = rows * padded<T>(cols) * static_cast<Index>(sizeof(T)) > kWideBytes;
  return wide ? kNarrowBytes / static_cast<Index>(sizeof(T)) : cols;
}

/// Rows of a block, where they are.
template <class T>
struct BlockRows {
  BlockView<const T> x;

  Index at_once() const { return x.rows; }
  BlockView<const T> get(Outers outers, Index column, Index width, Block<T>&) const {
    return {x.row(outers.begin) + column, outers.end - outers.begin, width, x.ld};
  }
};

/// Rows of any array, some at a time in a buffer.
template <class T>
struct ArrayRows {
  StridedView<T> x;

  Index at_once() const { return 128; }
  BlockView<const T> get(Outers outers, Index column, Index width, Block<T>& buffer) const {
    if (buffer.cols() != width) buffer = Block<T>(at_once(), width);
    const Index rows = outers.end - outers.begin, columns = std::min(width, x.cols - column);
    copy_in<T>({&x(outers.begin, column), rows, columns, x.row_stride, x.col_stride}, buffer.view());
    return buffer.view();
  }
};

template <class S, class I>
Outers part_of(const CompressedView<S, I>& a, Index part, Index parts) {
  const Index middle = parts == 2 ? middle_outer(a) : a.outer;
  return part == 0 ? Outers{0, middle} : Outers{middle, a.outer};
}

/// sums[0] (+ sums[1]) = Y; one part of the outer slices each.
template <class T, class S, class I, class Rows>
void scatter_parts(const CompressedView<S, I>& a, const ScatterPlan& plan, const Rows& x, const std::vector<BlockView<T>>& sums) {
  const Index parts = static_cast<Index>(sums.size());
  parallel_for(parts * plan.ranges(), (a.nonzeros() + a.inner) * sums[0].cols, [&](Index task) {
    const Index range = task / parts;
    const BlockView<T> sum = sums[static_cast<std::size_t>(task % parts)];
    const Outers outers = part_of(a, task % parts, parts);
    Block<T> buffer;
    for (Index i = plan.bound(range); i < plan.bound(range + 1); ++i) std::fill_n(sum.row(i), sum.width(), T(0));
    for_vector_groups<T>(sum.width(), [&]<int NV>(Index j) {
      for (Index begin = outers.begin; begin < outers.end; begin += x.at_once()) {
        const Outers some{begin, std::min(outers.end, begin + x.at_once())};
        const BlockView<const T> rows = x.get(some, j, NV * simd::kLanes<T>, buffer);
        scatter_range<T, NV>(a, some, plan, range, rows.data, rows.ld, sum.data + j, sum.ld);
      }
    });
  });
}

}  // namespace detail

/// Y = A' X for CSR, A X for CSC; Y is overwritten. `plan` must have been built for `a`.
template <class T, class S, class I>
void spmm_scatter(const CompressedView<S, I>& a, const ScatterPlan& plan, BlockView<const T> x, BlockView<T> y) {
  if (a.scatter_parts() == 1) return detail::scatter_parts<T>(a, plan, detail::BlockRows<T>{x}, {y});
  const Index most = detail::columns_at_once<T>(y.rows, y.cols);
  const bool apart = most < y.cols;
  Block<T> first(uninitialized, apart ? y.rows : 0, most), second(uninitialized, y.rows, most);
  for (Index j = 0; j < y.cols; j += most) {
    const Index width = std::min(most, y.cols - j);
    const BlockView<T> group{y.data + j, y.rows, width, y.ld}, sum = apart ? first.cols(width) : group;
    const detail::BlockRows<T> rows{{x.data + j, x.rows, width, x.ld}};
    detail::scatter_parts<T>(a, plan, rows, {sum, second.cols(width)});
    detail::add_blocks<T>(sum, second.cols(width), group);
  }
}

/// The same for arrays of any strides.
template <class T, class S, class I>
void spmm_scatter(const CompressedView<S, I>& a, const ScatterPlan& plan, StridedView<T> x, StridedOutput<T> y) {
  const bool two = a.scatter_parts() == 2;
  const Index most = detail::columns_at_once<T>(y.rows, y.cols);
  Block<T> first(uninitialized, y.rows, most), second(uninitialized, two ? y.rows : 0, most);
  for (Index j = 0; j < y.cols; j += most) {
    const Index width = std::min(most, y.cols - j);
    std::vector<BlockView<T>> sums{first.cols(width)};
    if (two) sums.push_back(second.cols(width));
    const detail::ArrayRows<T> rows{{&x.data[j * x.col_stride], x.rows, width, x.row_stride, x.col_stride}};
    detail::scatter_parts<T>(a, plan, rows, sums);
    two ? unpack_sum<T>(sums[0], sums[1], y.middle_cols(j, width)) : unpack<T>(sums[0], y.middle_cols(j, width));
  }
}

/// Whether spmm_normal serves: as many threads as parts, and blocks so narrow that reading A weighs more than what X and Z take
/// from each other in L2.
template <class T>
bool spmm_fuses(const ScatterPlan& plan, BlockView<T> z) {
  return plan.ranges() == 1 && z.width() * static_cast<Index>(sizeof(T)) <= detail::kNarrowBytes;
}

/// Y = A X and Z = A' Y for CSR, with the bits of spmm_gather and spmm_scatter; where spmm_fuses says so.
template <class T, class S, class I>
void spmm_normal(const CompressedView<S, I>& a, BlockView<const T> x, BlockView<T> z, BlockView<T> y) {
  const Index parts = a.scatter_parts();
  Block<T> second(uninitialized, parts == 2 ? z.rows : 0, z.cols);
  parallel_for(parts, (2 * a.nonzeros() + a.outer + a.inner) * x.cols, [&](Index part) {
    const detail::Outers outers = detail::part_of(a, part, parts);
    const BlockView<T> sum = part == 0 ? z : second.view();
    std::fill_n(sum.data, sum.rows * sum.ld, T(0));
    detail::for_vector_groups<T>(z.width(), [&]<int NV>(Index j) {
      detail::normal_rows<T, NV>(a, outers, x.data + j, x.ld, y.data + j, y.ld, sum.data + j, sum.ld);
    });
  });
  if (parts == 2) detail::add_blocks<T>(z, second.view(), z);
}

}  // namespace corange
