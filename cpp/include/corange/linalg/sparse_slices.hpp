// The loops over entries that sparse products are made of: slices of a CSR or CSC matrix, some vectors of columns at a time.
//
//   gather_row       sum = sum over entries of a slice of value X[index, :]
//   scatter_entries  Y[index, :] += value x
//   normal_rows      both, slice by slice
//
// Slices are short, so what is done once a slice counts: values are converted across slices, the loops are inlined where they are
// used, and prefetching has loops of its own. (Text of 46 entries a row, width 16: 1.4 times as fast as without.)
#pragma once

#include <type_traits>

#include "corange/linalg/scatter_plan.hpp"
#include "corange/linalg/simd.hpp"

namespace corange::detail {

/// Slices [begin, end).
struct Outers {
  Index begin = 0, end = 0;
};

/// Entries are met in runs of at most this many.
inline constexpr Index kRun = 256;

/// Entries as T, scaled. They are converted many at a time, whatever slices they belong to: conversions that end with a slice would
/// end where no processor foresees it, and one by one as often as not.
template <class T, class S>
class EntryValues {
 public:
  template <class I>
  explicit EntryValues(const CompressedView<S, I>& a) : data_(a.data), count_(a.nonzeros()), scale_(static_cast<S>(a.scale)) {
    if constexpr (std::is_same_v<S, T>)
      if (scale_ == 1) values_ = a.data, end_ = count_;
  }
  EntryValues(const EntryValues&) = delete;
  EntryValues& operator=(const EntryValues&) = delete;

  /// Those from `start` on, kRun at most.
  [[gnu::always_inline]] const T* at(Index start, Index count) {
    if (start < begin_ || start + count > end_) convert(start);
    return values_ + (start - begin_);
  }

 private:
  [[gnu::noinline]] void convert(Index start) {
    begin_ = start;
    end_ = std::min(count_, start + 2 * kRun);
    for (Index p = begin_; p < end_; ++p) converted_[p - begin_] = static_cast<T>(data_[p] * scale_);
    values_ = converted_;
  }

  const S* data_;
  Index count_;
  S scale_;
  const T* values_ = nullptr;  // of entries begin_ .. end_ - 1
  Index begin_ = 0, end_ = 0;
  T converted_[2 * kRun];
};

/// One sum a row would wait for itself: narrow rows are summed in this many, entry p in sum p % kSums.
template <int NV>
inline constexpr int kSums = NV >= 4 ? 1 : 4 / NV;

/// Rows met at random, of a block that does not fit in half of L2, are asked for this many entries before they are used: their
/// addresses follow no pattern, a core waits for few lines at once, and what other steps left in cache is not these rows. (8 KB of
/// rows, as L1 holds beside the others'. Where all of it is in L2 indeed, asking costs a tenth; where not, it saves a third.)
template <class T, int NV>
inline constexpr Index kAhead = std::max<Index>(16, 8192 / (NV * simd::kLanes<T> * static_cast<Index>(sizeof(T))));
inline constexpr Index kNearBytes = 1 << 19;

template <class T>
bool prefetching(Index rows, Index ld) {
  return rows * ld * static_cast<Index>(sizeof(T)) > kNearBytes;
}

/// Always inlined, here and below: GCC takes a function that does nothing but prefetch for one without effect, and drops its calls.
template <class T, int NV>
[[gnu::always_inline]] inline void prefetch_row(const T* row) {
  constexpr Index kLine = static_cast<Index>(kAlignment / sizeof(T));
  for (Index j = 0; j < NV * simd::kLanes<T>; j += kLine) __builtin_prefetch(row + j, 0, 3);
}

/// sum = entries start .. stop - 1 of A times X, for the NV vectors of columns that x points to. Indices before entry `known` may
/// be looked at, for rows that come next.
template <class T, int NV, class S, class I>
[[gnu::always_inline]] inline void gather_row(const CompressedView<S, I>& a, EntryValues<T, S>& values, Index start, Index stop,
                                              Index known, const T* x, Index ldx, simd::Vector<T> (&sum)[NV]) {
  constexpr int kLanes = simd::kLanes<T>, kParts = kSums<NV>;
  simd::Vector<T> acc[kParts][NV] = {};
  for (; start < stop; start += kRun) {
    const Index count = std::min(kRun, stop - start);
    const T* value = values.at(start, count);
    const I* indices = a.indices + start;
    const auto add = [&](int part, Index p) __attribute__((always_inline)) {
      const T* row = x + static_cast<Index>(indices[p]) * ldx;
      for (int v = 0; v < NV; ++v) acc[part][v] += value[p] * simd::load(row + v * kLanes);
    };
    Index p = 0;
    for (const Index until = std::min(count, known - start - kAhead<T, NV>); p + kParts <= until; p += kParts)
      for (int part = 0; part < kParts; ++part) {
        prefetch_row<T, NV>(x + static_cast<Index>(indices[p + part + kAhead<T, NV>]) * ldx);
        add(part, p + part);
      }
    for (; p + kParts <= count; p += kParts)
      for (int part = 0; part < kParts; ++part) add(part, p + part);
    for (; p < count; ++p) add(0, p);
  }
  for (int part = 1; part < kParts; ++part)
    for (int v = 0; v < NV; ++v) acc[0][v] += acc[part][v];
  for (int v = 0; v < NV; ++v) sum[v] = acc[0][v];
}

/// Rows o of slices to rows o - outers.begin of y.
template <class T, int NV, class S, class I>
void gather_rows(const CompressedView<S, I>& a, Outers outers, const T* x, Index ldx, T* y, Index ldy) {
  const Index known = prefetching<T>(a.inner, ldx) ? a.indptr[outers.end] : 0;
  EntryValues<T, S> values(a);
  for (Index o = outers.begin; o < outers.end; ++o) {
    simd::Vector<T> sum[NV];
    gather_row<T, NV>(a, values, a.indptr[o], a.indptr[o + 1], known, x, ldx, sum);
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

/// Entries start .. stop - 1; indices before entry `known` may be looked at.
template <class T, int NV, class S, class I>
[[gnu::always_inline]] inline void scatter_entries(const CompressedView<S, I>& a, EntryValues<T, S>& values, Index start,
                                                   Index stop, Index known, const simd::Vector<T> (&x)[NV], T* y, Index ldy) {
  constexpr int kLanes = simd::kLanes<T>;
  for (; start < stop; start += kRun) {
    const Index count = std::min(kRun, stop - start);
    const T* value = values.at(start, count);
    const I* indices = a.indices + start;
    const auto add = [&](Index p) __attribute__((always_inline)) {
      T* row = y + static_cast<Index>(indices[p]) * ldy;
      for (int v = 0; v < NV; ++v) simd::store<T>(row + v * kLanes, simd::load(row + v * kLanes) + value[p] * x[v]);
    };
    Index p = 0;
    for (const Index until = std::min(count, known - start - kAhead<T, NV>); p < until; ++p) {
      prefetch_row<T, NV>(y + static_cast<Index>(indices[p + kAhead<T, NV>]) * ldy);
      add(p);
    }
    for (; p < count; ++p) add(p);
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
  const bool ahead = prefetching<T>(plan.bound(range + 1) - plan.bound(range), ldy), once = streams(a);
  EntryValues<T, S> values(a);
  for (Index o = outers.begin; o < outers.end; ++o) {
    if (o % 4096 == 0) check_interrupt();
    const Index start = a.indptr[o], length = a.indptr[o + 1] - start;
    const Index from = start + plan.offset(o, range, length), to = start + plan.offset(o, range + 1, length);
    if (once) prefetch_entries(a, from + kStreamAhead, to - from);
    simd::Vector<T> xo[NV];
    for (int v = 0; v < NV; ++v) xo[v] = simd::load(x + (o - outers.begin) * ldx + v * kLanes);
    if (plan.order()) {
      scatter_picked<T, NV>(a.data + start, a.indices + start, plan.order() + from, to - from, static_cast<S>(a.scale), xo, y,
                            ldy);
    } else {
      const Index known = plan.ranges() > 1 ? to : a.indptr[outers.end];
      scatter_entries<T, NV>(a, values, from, to, ahead ? known : 0, xo, y, ldy);
    }
  }
}

/// Rows of Y = A X, and each scattered into z while its slice is at hand.
template <class T, int NV, class S, class I>
void normal_rows(const CompressedView<S, I>& a, Outers outers, const T* x, Index ldx, T* y, Index ldy, T* z, Index ldz) {
  const Index known = prefetching<T>(a.inner, ldz) ? a.indptr[outers.end] : 0;
  const bool once = streams(a);
  EntryValues<T, S> values(a);
  for (Index o = outers.begin; o < outers.end; ++o) {
    if (o % 4096 == 0) check_interrupt();
    const Index start = a.indptr[o], stop = a.indptr[o + 1];
    if (once) prefetch_entries(a, start + kStreamAhead, stop - start);
    simd::Vector<T> sum[NV];
    gather_row<T, NV>(a, values, start, stop, known, x, ldx, sum);
    for (int v = 0; v < NV; ++v) simd::store(y + o * ldy + v * simd::kLanes<T>, sum[v]);
    scatter_entries<T, NV>(a, values, start, stop, known, sum, z, ldz);
  }
}

}  // namespace corange::detail
