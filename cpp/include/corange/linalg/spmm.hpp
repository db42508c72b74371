// Sparse times block, in place on the user's CSR or CSC arrays.
//
//   gather:   Y[o, :] = sum over entries p of outer o of data[p] X[indices[p], :]     (CSR: A X, CSC: A' X)
//   scatter:  Y[indices[p], :] += data[p] X[o, :]                                     (CSR: A' X, CSC: A X)
//
// "Outer" is the row of a CSR and the column of a CSC matrix. Duplicate entries add up and their order is free, as in SciPy.
// Gather runs over outer slices in parallel. Scatter sums the two halves of the outer slices apart, where entries are many enough
// to pay for a second Y; beyond two threads, each task owns a range of inner indices besides. All walk their outers in order, so
// that the sums are the same whatever the number of tasks is.
// Cost: 2 nnz width flops; bound by loading rows of X (gather) or updating rows of Y (scatter) from L2. Memory: one more Y.
#pragma once

#include <vector>

#include "corange/core/parallel.hpp"
#include "corange/linalg/simd.hpp"

namespace corange {

/// Compressed storage that belongs to the user; S entries, P pointers, I indices (each int32 or int64). Entries count as
/// `scale` times what is stored (a power of two, so that no square over- or underflows).
template <class S, class P, class I>
struct CompressedView {
  Index outer = 0, inner = 0;
  const P* indptr = nullptr;
  const I* indices = nullptr;
  const S* data = nullptr;
  double scale = 1;

  Index nonzeros() const { return static_cast<Index>(indptr[outer]); }

  /// In how many parts spmm_scatter sums: by the shape alone, for the bits depend on it.
  Index scatter_parts() const { return nonzeros() >= 8 * inner ? 2 : 1; }
};

/// Which entries of each outer slice lie in which range of inner indices; built once, used by every scatter.
///
/// Ranges hold about equally many entries. In a slice sorted by range the entries of one lie together, and `offset` tells where;
/// where some slice is not sorted, four bytes an entry say in which order to take them (`order`), position in the slice.
class ScatterPlan {
 public:
  static constexpr Index kMaxRanges = 16;
  using Position = std::uint32_t;

  template <class S, class P, class I>
  void build(const CompressedView<S, P, I>& a, Index ranges) {
    ranges_ = std::clamp<Index>(ranges, 1, kMaxRanges);
    find_bounds(a);
    order_.reset();
    cuts_.assign(static_cast<std::size_t>(a.outer * (ranges_ - 1)), 0);
    if (ranges_ == 1) return;
    std::atomic<bool> sorted{true};
    for_slices(a, [&](Index o) {
      if (!cut(a, o)) sorted = false;
    });
    if (sorted) return;
    order_.reset(new Position[static_cast<std::size_t>(a.nonzeros())]);  // not initialized: sort_slice writes every entry
    for_slices(a, [&](Index o) { sort_slice(a, o); });
  }

  Index ranges() const { return ranges_; }
  Index bound(Index r) const { return bounds_[static_cast<std::size_t>(r)]; }
  /// Null if every slice is in order; else position in the slice of each entry, range by range.
  const Position* order() const { return order_.get(); }
  /// Where range r starts among the entries of slice o.
  Index offset(Index o, Index r, Index length) const {
    if (r == 0) return 0;
    if (r == ranges_) return length;
    return cuts_[static_cast<std::size_t>(o * (ranges_ - 1) + r - 1)];
  }

 private:
  template <class S, class P, class I, class Fn>
  static void for_slices(const CompressedView<S, P, I>& a, const Fn& fn) {
    const Tiling tiles = tiling(a.outer);
    parallel_for(tiles.count(), a.nonzeros() + a.outer, [&](Index t) {
      for (Index o = tiles.begin(t); o < tiles.begin(t) + tiles.size(t); ++o) fn(o);
    });
  }

  /// Bounds from a histogram of a sample of the entries.
  template <class S, class P, class I>
  void find_bounds(const CompressedView<S, P, I>& a) {
    const Index bin = std::max<Index>(1, a.inner / 4096), step = std::max<Index>(1, a.nonzeros() / 65536);
    std::vector<Index> counts(static_cast<std::size_t>(a.inner / bin + 1), 0);
    Index total = 0;
    for (Index p = 0; p < a.nonzeros(); p += step, ++total)
      ++counts[static_cast<std::size_t>(static_cast<Index>(a.indices[p]) / bin)];
    bounds_.assign(1, 0);
    Index seen = 0;
    for (std::size_t c = 0; c < counts.size(); ++c) {
      seen += counts[c];
      while (static_cast<Index>(bounds_.size()) < ranges_ && seen * ranges_ >= total * static_cast<Index>(bounds_.size()))
        bounds_.push_back(std::min(a.inner, static_cast<Index>(c + 1) * bin));
    }
    bounds_.resize(static_cast<std::size_t>(ranges_), a.inner);
    bounds_.push_back(a.inner);
  }

  template <class I>
  Index range_of(I index) const {
    Index range = 0;
    for (Index r = 1; r < ranges_; ++r) range += static_cast<Index>(index) >= bound(r) ? 1 : 0;
    return range;
  }

  /// Counts the entries of slice o in each range; false if they do not lie in the order of ranges.
  template <class S, class P, class I>
  bool cut(const CompressedView<S, P, I>& a, Index o) {
    Index counts[kMaxRanges] = {};
    Index last = 0;
    bool sorted = true;
    for (Index p = a.indptr[o]; p < static_cast<Index>(a.indptr[o + 1]); ++p) {
      const Index range = range_of(a.indices[p]);
      sorted &= range >= last;
      last = range;
      ++counts[range];
    }
    Index* cuts = cuts_.data() + o * (ranges_ - 1);
    for (Index r = 0, sum = 0; r + 1 < ranges_; ++r) cuts[r] = sum += counts[r];
    return sorted;
  }

  /// A stable counting sort, so that equal indices keep their order and sums their bits.
  template <class S, class P, class I>
  void sort_slice(const CompressedView<S, P, I>& a, Index o) {
    const Index start = a.indptr[o], length = static_cast<Index>(a.indptr[o + 1]) - start;
    Index next[kMaxRanges];
    for (Index r = 0; r < ranges_; ++r) next[r] = offset(o, r, length);
    for (Index p = 0; p < length; ++p)
      order_[static_cast<std::size_t>(start + next[range_of(a.indices[start + p])]++)] = static_cast<Position>(p);
  }

  Index ranges_ = 0;
  std::vector<Index> bounds_;
  std::vector<Index> cuts_;
  std::unique_ptr<Position[]> order_;
};

namespace detail {

/// Entries are converted in runs of this many, by vector instructions, before they are broadcast one by one.
inline constexpr Index kRun = 64;

template <class T, class S>
void convert_run(const S* data, Index count, S scale, T* values) {
  for (Index p = 0; p < count; ++p) values[p] = static_cast<T>(data[p] * scale);
}

/// One sum a row would wait for itself: narrow rows are summed in this many, entry p in sum p % kSums.
template <int NV>
inline constexpr int kSums = NV >= 4 ? 1 : 4 / NV;

template <class T, int NV, class S, class P, class I>
void gather_rows(const CompressedView<S, P, I>& a, const T* x, Index ldx, T* y, Index ldy, Index begin, Index end) {
  constexpr int kLanes = simd::kLanes<T>, kParts = kSums<NV>;
  T values[kRun];
  for (Index o = begin; o < end; ++o) {
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
        for (int part = 0; part < kParts; ++part) add(part, values[p + part], static_cast<Index>(indices[p + part]));
      for (; p < count; ++p) add(0, values[p], static_cast<Index>(indices[p]));
    }
    for (int part = 1; part < kParts; ++part)
      for (int v = 0; v < NV; ++v) acc[0][v] += acc[part][v];
    for (int v = 0; v < NV; ++v) simd::store(y + o * ldy + v * kLanes, acc[0][v]);
  }
}

template <class T, int NV>
void prefetch_row(const T* row) {
  constexpr Index kLine = static_cast<Index>(kAlignment / sizeof(T));
  for (Index j = 0; j < NV * simd::kLanes<T>; j += kLine) __builtin_prefetch(row + j, 1);
}

/// Rows of Y are asked for this many entries before they are updated: their addresses follow no pattern.
inline constexpr Index kAhead = 12;

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
      if (start + p + kAhead < known) prefetch_row<T, NV>(y + static_cast<Index>(indices[start + p + kAhead]) * ldy);
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

/// Slices [begin, end).
struct Outers {
  Index begin = 0, end = 0;
};

template <class T, int NV, class S, class P, class I>
void scatter_range(const CompressedView<S, P, I>& a, Outers outers, const ScatterPlan& plan, Index range, const T* x, Index ldx,
                   T* y, Index ldy) {
  constexpr int kLanes = simd::kLanes<T>;
  const S scale = static_cast<S>(a.scale);
  for (Index o = outers.begin; o < outers.end; ++o) {
    if (o % 4096 == 0) check_interrupt();
    const Index start = a.indptr[o], length = static_cast<Index>(a.indptr[o + 1]) - start;
    const Index from = plan.offset(o, range, length), count = plan.offset(o, range + 1, length) - from;
    simd::Vector<T> xo[NV];
    for (int v = 0; v < NV; ++v) xo[v] = simd::load(x + o * ldx + v * kLanes);
    if (plan.order())
      scatter_picked<T, NV>(a.data + start, a.indices + start, plan.order() + start + from, count, scale, xo, y, ldy);
    else
      scatter_entries<T, NV>(a.data + start + from, a.indices + start + from, count,
                             plan.ranges() > 1 ? count : static_cast<Index>(a.indptr[outers.end]) - start, scale, xo, y, ldy);
  }
}

/// The outer slice where half of the entries have passed.
template <class S, class P, class I>
Index middle_outer(const CompressedView<S, P, I>& a) {
  return std::lower_bound(a.indptr, a.indptr + a.outer, static_cast<P>(a.nonzeros() / 2)) - a.indptr;
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
  constexpr Index kMost = simd::kRegisters == 32 ? 8 : 4;
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
template <class T, class S, class P, class I>
void spmm_gather(const CompressedView<S, P, I>& a, BlockView<const T> x, BlockView<T> y) {
  const Tiling tiles = tiling(a.outer, 256, 64);
  parallel_for(tiles.count(), (a.nonzeros() + a.outer) * y.cols, [&](Index t) {
    const Index begin = tiles.begin(t), end = begin + tiles.size(t);
    detail::for_vector_groups<T>(
        y.width(), [&]<int NV>(Index j) { detail::gather_rows<T, NV>(a, x.data + j, x.ld, y.data + j, y.ld, begin, end); });
  });
}

namespace detail {

/// Beyond this, columns are summed in narrow blocks of their own: two cache lines of each row of a wide one use few of a cache's sets.
inline constexpr Index kWideBytes = 16 << 20;
inline constexpr Index kNarrowBytes = 128;

/// sums[0] (+ sums[1]) = Y; one part of the outer slices each.
template <class T, class S, class P, class I>
void scatter_parts(const CompressedView<S, P, I>& a, const ScatterPlan& plan, BlockView<const T> x,
                   const std::vector<BlockView<T>>& sums) {
  const Index parts = static_cast<Index>(sums.size()), middle = parts == 2 ? middle_outer(a) : a.outer;
  parallel_for(parts * plan.ranges(), (a.nonzeros() + a.inner) * x.cols, [&](Index task) {
    const Index range = task / parts;
    const BlockView<T> sum = sums[static_cast<std::size_t>(task % parts)];
    const Outers outers = task % parts == 0 ? Outers{0, middle} : Outers{middle, a.outer};
    for (Index i = plan.bound(range); i < plan.bound(range + 1); ++i) std::fill_n(sum.row(i), sum.width(), T(0));
    for_vector_groups<T>(sum.width(), [&]<int NV>(Index j) {
      scatter_range<T, NV>(a, outers, plan, range, x.data + j, x.ld, sum.data + j, sum.ld);
    });
  });
}

}  // namespace detail

/// Y = A' X for CSR, A X for CSC; Y is overwritten. `plan` must have been built for `a`.
template <class T, class S, class P, class I>
void spmm_scatter(const CompressedView<S, P, I>& a, const ScatterPlan& plan, BlockView<const T> x, BlockView<T> y) {
  if (a.scatter_parts() == 1) return detail::scatter_parts<T>(a, plan, x, {y});
  const bool wide = y.rows * y.width() * static_cast<Index>(sizeof(T)) > detail::kWideBytes;
  const Index most = wide ? detail::kNarrowBytes / static_cast<Index>(sizeof(T)) : y.cols;
  Block<T> first(uninitialized, wide ? y.rows : 0, most), second(uninitialized, y.rows, most);
  for (Index j = 0; j < y.cols; j += most) {
    const Index width = std::min(most, y.cols - j);
    const BlockView<T> group{y.data + j, y.rows, width, y.ld};
    const BlockView<T> sums[] = {wide ? first.cols(width) : group, second.cols(width)};
    detail::scatter_parts<T>(a, plan, {x.data + j, x.rows, width, x.ld}, {sums[0], sums[1]});
    detail::add_blocks<T>(sums[0], sums[1], group);
  }
}

}  // namespace corange
