// Many starts of one factorization, of which the best end is kept.
//
//   1. Starts iterate in groups (frobenius.hpp). What a group multiplies X with lies side by side, so that one pass over X serves
//      all of it. Where X is read from disk the group is everybody; else it is as many as the cache has room for, and the next
//      group follows when it has ended.
//   2. A start is given up when it cannot catch up any more: when it would still be behind the best one so far if it fell once
//      more by what it has fallen by since half its iterations. Objectives fall ever more slowly, so that this is generous.
//   3. For the best one W is solved for exactly.
//
// Cost an iteration: that of one start times the starts that are left, without most of the reading of X. Memory: the callers'
// factors, and for a group two times those and two blocks as wide.
// Reference: Biernacki, Celeux, Govaert 2003, short runs from many starts before a long one (DOI 10.1016/S0167-9473(02)00163-9).
#pragma once

#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include "corange/nmf/frobenius.hpp"

namespace corange {

namespace detail {

inline constexpr Index kStartColumns = 40;  // of a group in memory, if one start has not more
inline constexpr Index kStartIterations = 10;  // before the first one is given up

/// Copies a few numbers, in pieces whose sizes the compiler knows: a call of memcpy takes longer than the copying.
template <class T>
void copy_few(const T* src, Index count, T* dst) {
  constexpr Index kPiece = static_cast<Index>(kAlignment / sizeof(T));
  for (; count >= kPiece; count -= kPiece, src += kPiece, dst += kPiece) std::memcpy(dst, src, kAlignment);
  if (count & (kPiece / 2)) std::memcpy(dst, src, kAlignment / 2), src += kPiece / 2, dst += kPiece / 2;
  if (count & (kPiece / 4)) std::memcpy(dst, src, kAlignment / 4), src += kPiece / 4, dst += kPiece / 4;
  for (count &= kPiece / 4 - 1; count > 0; --count) *dst++ = *src++;
}

/// dst(:, to + j) = src(:, from + j) for j < count.
template <class T>
void copy_columns(BlockView<const T> src, Index from, BlockView<T> dst, Index to, Index count) {
  const Tiling tiles = tiling(src.rows);
  parallel_for(tiles.count(), [&](Index t) {
    for (Index i = tiles.begin(t); i < tiles.begin(t) + tiles.size(t); ++i) copy_few(src.row(i) + from, count, dst.row(i) + to);
  });
}

}  // namespace detail

/// One call of nmf_starts().
template <class T>
class NmfStarts {
 public:
  using Factors = std::pair<detail::FactorView<T>, detail::FactorView<T>>;

  NmfStarts(const LinearOperator& x, std::vector<Factors> factors, const NmfOptions& options)
      : x_(x), factors_(std::move(factors)), options_(options), each_(options), scan_(x.scan()) {
    if (factors_.empty() || options.hold_w || options.hold_h) throw InvalidArgument("nmf: starts need both factors to be free");
    each_.callback = nullptr;
    rank_ = factors_[0].first.cols;
    for (const Factors& f : factors_)
      if (f.first.cols != rank_) throw InvalidArgument("nmf: all starts must have one rank");
    const bool memory = x.storage() == Storage::dense || x.storage() == Storage::sparse;
    together_ = memory ? std::max<Index>(1, detail::kStartColumns / rank_) : count();
    together_ = std::min(together_, count());
  }

  /// Which start ended best, and how.
  std::pair<Index, NmfReport> run() {
    const Index longer = std::max(x_.rows(), x_.cols());
    right_ = Block<T>(longer, together_ * rank_), products_ = Block<T>(longer, together_ * rank_),
    target_ = Block<T>(longer, rank_);
    for (Index first = 0; first < count() && !stopped_; first += together_) race(first, std::min(together_, count() - first));
    NmfReport report = best_->finish();
    report.passes += others_.passes, report.products += others_.products;
    report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
    report.starts = std::move(ends_);
    return {leader_, std::move(report)};
  }

 private:
  using Driver = NmfDriver<T>;

  Index count() const { return static_cast<Index>(factors_.size()); }

  /// A group from its starts to their ends; the best of it stays if it is the best so far.
  void race(Index first, Index size) {
    group_.clear();
    for (Index s = first; s < first + size; ++s) {
      const auto& [w, h] = factors_[static_cast<std::size_t>(s)];
      group_.push_back(std::make_unique<Driver>(x_, scan_, w, h, each_));
      group_.back()->begin();
    }
    for (Index i = 1; i <= options_.max_iterations && collect(); ++i) {
      half(true, i);
      half(false, i);
      tell();
      give_up(i);
    }
    for (Index s = 0; s < size; ++s) {
      std::unique_ptr<Driver> start = std::move(group_[static_cast<std::size_t>(s)]);
      ends_.push_back(start->in_units(start->best()));
      if (!best_ || start->best() < best_->best()) std::swap(start, best_), leader_ = first + s;
      if (start) retire(*start);
    }
  }

  /// Counts what was done for a start that is not the best.
  void retire(const Driver& start) { others_.passes += start.data().passes(), others_.products += start.data().products(); }

  bool collect() {
    running_.clear();
    for (auto& start : group_)
      if (start->running()) running_.push_back(start.get());
    return !running_.empty();
  }

  /// Half an iteration of every start that runs.
  void half(bool for_w, Index iteration) {
    const CountingOperator& x = running_[0]->data();
    const Index width = static_cast<Index>(running_.size()) * rank_, rows = for_w ? x.rows() : x.cols();
    const auto part = [width](Block<T>& b, Index height) { return BlockView<T>{b.data(), height, width, padded<T>(width)}; };
    const BlockView<T> right = part(right_, for_w ? x.cols() : x.rows()), products = part(products_, rows);
    for (std::size_t s = 0; s < running_.size(); ++s)
      detail::copy_columns<T>(running_[s]->right(for_w), 0, right, static_cast<Index>(s) * rank_, rank_);
    for_w ? x.apply(BlockView<const T>(right), products) : x.apply_adjoint(BlockView<const T>(right), products);
    const BlockView<T> f = target_.view().middle_rows(0, rows);
    for (std::size_t s = 0; s < running_.size(); ++s) {
      detail::copy_columns<T>(products, static_cast<Index>(s) * rank_, f, 0, rank_);
      for_w ? running_[s]->improve_w(f, iteration) : running_[s]->improve_h(f, iteration);
    }
  }

  /// The best start so far.
  const Driver& leader() const {
    const Driver* best = best_.get();
    for (const auto& start : group_)
      if (!best || start->best() < best->best()) best = start.get();
    return *best;
  }

  /// The callback sees the best start, and stops all of them.
  void tell() {
    ++iterations_;
    if (!options_.callback) return;
    const Driver& best = leader();
    NmfProgress progress = best.report().history.back();
    progress.iteration = iterations_;
    progress.objective = best.in_units(progress.objective);
    stopped_ = options_.callback(progress);
    for (Driver* start : running_)
      if (stopped_) start->stop("callback");
  }

  void give_up(Index iteration) {
    if (iteration < detail::kStartIterations) return;
    const double best = leader().best();
    for (Driver* start : running_) {
      const auto& history = start->report().history;
      const double fallen = history[history.size() / 2].objective - start->best();
      if (start->best() - fallen > best && start->running()) start->stop("behind");
    }
  }

  const LinearOperator& x_;
  std::vector<Factors> factors_;
  NmfOptions options_, each_;
  Scan scan_;
  Index rank_ = 0, together_ = 1, leader_ = 0, iterations_ = 0;
  bool stopped_ = false;
  std::vector<std::unique_ptr<Driver>> group_;
  std::vector<Driver*> running_;
  std::unique_ptr<Driver> best_;
  std::vector<double> ends_;
  NmfReport others_;
  Block<T> right_, products_, target_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

/// Factors X from several starts, into each of them; the factors of the start that is returned are the result.
template <class T>
std::pair<Index, NmfReport> nmf_starts(const LinearOperator& x, std::vector<typename NmfStarts<T>::Factors> factors,
                                       const NmfOptions& options) {
  return NmfStarts<T>(x, std::move(factors), options).run();
}

}  // namespace corange
