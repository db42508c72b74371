// Compressed sparse storage, and how the sums of a scattered product are shared among threads.
#pragma once

#include <algorithm>
#include <vector>

#include "corange/core/parallel.hpp"

namespace corange {

/// Where each outer slice begins, int32 or int64. Read once a slice, so kernels are not compiled once for each.
class SliceStarts {
 public:
  SliceStarts() = default;
  SliceStarts(const std::int32_t* starts) : narrow_(starts) {}
  SliceStarts(const std::int64_t* starts) : wide_(starts) {}

  Index operator[](Index o) const { return wide_ ? wide_[o] : narrow_[o]; }

  /// The first of `count` slices that begins at entry p or later; count if none does.
  Index first_from(Index p, Index count) const {
    return wide_ ? std::lower_bound(wide_, wide_ + count, p) - wide_ : std::lower_bound(narrow_, narrow_ + count, p) - narrow_;
  }

 private:
  const std::int32_t* narrow_ = nullptr;
  const std::int64_t* wide_ = nullptr;
};

/// Compressed storage that belongs to the user; S entries, I indices (int32 or int64). Entries count as `scale` times what is
/// stored (a power of two, so that no square over- or underflows).
template <class S, class I>
struct CompressedView {
  Index outer = 0, inner = 0;
  SliceStarts indptr;
  const I* indices = nullptr;
  const S* data = nullptr;
  double scale = 1;

  Index nonzeros() const { return indptr[outer]; }

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

  template <class S, class I>
  void build(const CompressedView<S, I>& a, Index ranges) {
    ranges_ = std::clamp<Index>(ranges, 1, kMaxRanges);
    order_.reset();
    cuts_.assign(static_cast<std::size_t>(a.outer * (ranges_ - 1)), 0);
    bounds_ = {0, a.inner};
    if (ranges_ == 1) return;
    find_bounds(a);
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
  template <class S, class I, class Fn>
  static void for_slices(const CompressedView<S, I>& a, const Fn& fn) {
    const Tiling tiles = tiling(a.outer);
    parallel_for(tiles.count(), a.nonzeros() + a.outer, [&](Index t) {
      for (Index o = tiles.begin(t); o < tiles.begin(t) + tiles.size(t); ++o) fn(o);
    });
  }

  /// Bounds from a histogram of a sample of the entries.
  template <class S, class I>
  void find_bounds(const CompressedView<S, I>& a) {
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
  template <class S, class I>
  bool cut(const CompressedView<S, I>& a, Index o) {
    Index counts[kMaxRanges] = {};
    Index last = 0;
    bool sorted = true;
    for (Index p = a.indptr[o], stop = a.indptr[o + 1]; p < stop; ++p) {
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
  template <class S, class I>
  void sort_slice(const CompressedView<S, I>& a, Index o) {
    const Index start = a.indptr[o], length = a.indptr[o + 1] - start;
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

}  // namespace corange
