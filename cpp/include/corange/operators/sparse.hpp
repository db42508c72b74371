// A CSR or CSC matrix in the user's arrays: int32 or int64 pointers and indices, any order within a slice, duplicates added.
#pragma once

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include "corange/linalg/spmm.hpp"
#include "corange/operators/linear_operator.hpp"

namespace corange {

template <class S, class I>
class SparseOperator final : public OperatorOf<SparseOperator<S, I>> {
 public:
  /// by_rows: the outer dimension of `a` is rows (CSR); else columns (CSC). Throws InvalidArgument unless the structure is sound.
  SparseOperator(CompressedView<S, I> a, Index stored, bool by_rows) : SparseOperator(a, by_rows, std::make_shared<Plans>()) {
    check_structure(stored);
  }

  Index rows() const override { return by_rows_ ? a_.outer : a_.inner; }
  Index cols() const override { return by_rows_ ? a_.inner : a_.outer; }
  Storage storage() const override { return Storage::sparse; }
  double entries() const override { return static_cast<double>(a_.nonzeros()); }
  bool single_precision() const override { return std::is_same_v<S, float>; }

  std::unique_ptr<LinearOperator> view(bool transpose, double scale) const override {
    CompressedView<S, I> a = a_;
    a.scale *= scale;
    return std::unique_ptr<LinearOperator>(new SparseOperator(a, transpose != by_rows_, plans_));
  }

  Scan scan() const override {
    const Tiling tiles = tiling(a_.outer, 32, 1);
    std::vector<Scan> pieces(static_cast<std::size_t>(tiles.count()));
    parallel_for(tiles.count(), a_.nonzeros() + a_.outer, [&](Index t) {
      const Index begin = tiles.begin(t), end = begin + tiles.size(t);
      pieces[static_cast<std::size_t>(t)] = distinct(begin, end) ? scan_stored(begin, end) : scan_summed(begin, end);
    });
    return joined(pieces);
  }

  /// Slices converted some at a time, so that the visitor meets one type whatever the user's are.
  bool visit(EntryVisitor& visitor) const override {
    constexpr Index kEntries = 1 << 20;
    std::vector<double> data;
    std::vector<Index> indices, indptr;
    for (Index begin = 0, end = 0; begin < a_.outer; begin = end) {
      const Index start = a_.indptr[begin];
      indptr.assign(1, 0);
      for (end = begin; end < a_.outer && (end == begin || a_.indptr[end + 1] - start <= kEntries); ++end)
        indptr.push_back(a_.indptr[end + 1] - start);
      data.resize(static_cast<std::size_t>(indptr.back()));
      indices.resize(data.size());
      for (std::size_t p = 0; p < data.size(); ++p) {
        data[p] = static_cast<double>(a_.data[start + static_cast<Index>(p)]) * a_.scale;
        indices[p] = static_cast<Index>(a_.indices[start + static_cast<Index>(p)]);
      }
      const EntryVisitor::Compressed piece{end - begin, a_.inner, indptr.data(), indices.data(), data.data()};
      by_rows_ ? visitor.sparse_rows(begin, piece) : visitor.sparse_columns(begin, piece);
    }
    return true;
  }

  template <class T>
  void product(BlockView<const T> x, BlockView<T> y) const {
    by_rows_ ? spmm_gather<T>(a_, x, y) : spmm_scatter<T>(a_, *plans_->get(a_), x, y);
  }

  template <class T>
  void adjoint(BlockView<const T> x, BlockView<T> y) const {
    by_rows_ ? spmm_scatter<T>(a_, *plans_->get(a_), x, y) : spmm_gather<T>(a_, x, y);
  }

  using LinearOperator::apply_normal;
  void apply_normal(BlockView<const float> x, BlockView<float> z, BlockView<float> y) const override { normal<float>(x, z, y); }
  void apply_normal(BlockView<const double> x, BlockView<double> z, BlockView<double> y) const override {
    normal<double>(x, z, y);
  }

  void multiply(StridedView<float> x, StridedOutput<float> y, bool adjoint) const override { arrays<float>(x, y, adjoint); }
  void multiply(StridedView<double> x, StridedOutput<double> y, bool adjoint) const override { arrays<double>(x, y, adjoint); }

 private:
  template <class T>
  void normal(BlockView<const T> x, BlockView<T> z, BlockView<T> y) const {
    if (by_rows_ && spmm_fuses(*plans_->get(a_), z)) return spmm_normal<T>(a_, x, z, y);
    product<T>(x, y);
    adjoint<T>(y, z);
  }

  template <class T>
  void arrays(StridedView<T> x, StridedOutput<T> y, bool adjoint) const {
    if (by_rows_ == adjoint) return spmm_scatter<T>(a_, *plans_->get(a_), x, y);
    const Block<T> block = packed(x);
    spmm_gather<T>(a_, block.view(), y);
  }

  /// The scatter plan, shared by all views of a matrix and made anew when the number of threads changes.
  class Plans {
   public:
    std::shared_ptr<const ScatterPlan> get(const CompressedView<S, I>& a) {
      const std::lock_guard lock(mutex_);
      const Index parts = a.scatter_parts(),
                  ranges = std::clamp<Index>((max_threads() + parts - 1) / parts, 1, ScatterPlan::kMaxRanges);
      if (!plan_ || plan_->ranges() != ranges) {
        auto plan = std::make_shared<ScatterPlan>();
        plan->build(a, ranges);
        plan_ = plan;
      }
      return plan_;
    }

   private:
    std::mutex mutex_;
    std::shared_ptr<const ScatterPlan> plan_;
  };

  SparseOperator(CompressedView<S, I> a, bool by_rows, std::shared_ptr<Plans> plans)
      : a_(a), by_rows_(by_rows), plans_(std::move(plans)) {}

  void check_structure(Index stored) const {
    const auto fail = [](const std::string& what) { throw InvalidArgument("the sparse matrix is malformed: " + what); };
    if (a_.indptr[0] != 0) fail("indptr[0] = " + std::to_string(a_.indptr[0]) + ", must be 0");
    for (Index o = 0; o < a_.outer; ++o)
      if (a_.indptr[o + 1] < a_.indptr[o])
        fail("indptr decreases from " + std::to_string(a_.indptr[o]) + " to " + std::to_string(a_.indptr[o + 1]) +
             " at position " + std::to_string(o + 1));
    if (a_.nonzeros() > stored)
      fail("indptr ends at " + std::to_string(a_.nonzeros()) + " but only " + std::to_string(stored) + " entries are stored");
    const Tiling tiles = tiling(a_.nonzeros(), 256, 4096);
    parallel_for(tiles.count(), a_.nonzeros(), [&](Index t) {
      I low = 0, high = 0;
      for (Index p = tiles.begin(t); p < tiles.begin(t) + tiles.size(t); ++p) {
        low = std::min(low, a_.indices[p]);
        high = std::max(high, a_.indices[p]);
      }
      if (low < 0 || static_cast<Index>(high) >= a_.inner)
        fail(std::string(by_rows_ ? "column" : "row") + " index " + std::to_string(low < 0 ? low : high) + " is outside 0 .. " +
             std::to_string(a_.inner - 1));
    });
  }

  static Scan joined(const std::vector<Scan>& pieces) {
    Scan total;
    total.known = true;
    total.exponent = detail::kNoExponent;
    for (const Scan& piece : pieces) join(total, piece);
    return total;
  }

  /// Slices [begin, end) hold no entry twice. Sorted slices tell at a glance; for others each index keeps the last slice it was in.
  bool distinct(Index begin, Index end) const {
    bool sorted = true;
    for (Index o = begin; o < end && sorted; ++o)
      for (Index p = a_.indptr[o] + 1, stop = a_.indptr[o + 1]; p < stop; ++p) sorted &= a_.indices[p] > a_.indices[p - 1];
    if (sorted) return true;
    if (a_.inner > 4 * (a_.indptr[end] - a_.indptr[begin])) return false;  // then sorting is cheaper
    std::vector<Index> last(static_cast<std::size_t>(a_.inner), -1);
    for (Index o = begin; o < end; ++o)
      for (Index p = a_.indptr[o], stop = a_.indptr[o + 1]; p < stop; ++p)
        if (std::exchange(last[static_cast<std::size_t>(a_.indices[p])], o) == o) return false;
    return true;
  }

  Scan scan_stored(Index begin, Index end) const {
    const Index start = a_.indptr[begin];
    return detail::scan_entries(
        a_.indptr[end] - start, [&](Index p) { return a_.data[start + p]; }, [&](Index p) { return position(start + p); });
  }

  /// The same, with entries that are stored more than once counted as their sum.
  Scan scan_summed(Index begin, Index end) const {
    std::vector<Scan> pieces;
    for (Index o = begin; o < end; ++o) {
      std::vector<std::pair<I, Index>> order;
      for (Index p = a_.indptr[o], stop = a_.indptr[o + 1]; p < stop; ++p) order.emplace_back(a_.indices[p], p);
      std::sort(order.begin(), order.end());
      std::vector<S> sums;
      std::vector<Index> places;
      for (std::size_t k = 0; k < order.size(); ++k) {
        const S value = a_.data[order[k].second];
        if (k > 0 && order[k].first == order[k - 1].first)
          sums.back() += value;
        else
          sums.push_back(value), places.push_back(order[k].second);
      }
      pieces.push_back(detail::scan_entries(
          static_cast<Index>(sums.size()), [&](Index k) { return sums[static_cast<std::size_t>(k)]; },
          [&](Index k) { return position(places[static_cast<std::size_t>(k)]); }));
    }
    return joined(pieces);
  }

  std::pair<Index, Index> position(Index p) const {
    const Index outer = a_.indptr.first_from(p + 1, a_.outer + 1) - 1;
    const Index inner = static_cast<Index>(a_.indices[p]);
    return by_rows_ ? std::pair(outer, inner) : std::pair(inner, outer);
  }

  CompressedView<S, I> a_;
  bool by_rows_;
  std::shared_ptr<Plans> plans_;
};

}  // namespace corange
