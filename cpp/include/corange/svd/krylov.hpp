// The loop around a Krylov engine: expand, look, restart, until the wanted triplets have converged.
#pragma once

#include <chrono>

#include "corange/eigh/block_lanczos.hpp"
#include "corange/operators/counting.hpp"
#include "corange/svd/golub_kahan.hpp"
#include "corange/svd/report.hpp"

namespace corange {

/// Block Lanczos on A'A with the interface of GolubKahan: the left basis A V stays implicit.
template <class T>
class NormalLanczos {
 public:
  NormalLanczos(const LinearOperator& a, Block<T> start, Index max_basis, RandomKey key, double tol)
      : tol_(tol),
        y_(overwritten, a.rows(), start.cols()),
        lanczos_(multiply(a), std::move(start), max_basis, Which::largest, key) {}

  Index count() const { return lanczos_.count(); }
  Index capacity() const { return lanczos_.capacity(); }
  Index next_width() const { return lanczos_.next_width(); }
  bool exhausted() const { return lanczos_.exhausted(); }
  bool full() const { return lanczos_.full(); }
  std::size_t bytes() const { return lanczos_.bytes() + y_.bytes(); }
  void expand() { lanczos_.expand(); }
  void grow(Index max_basis) { lanczos_.grow(max_basis); }

  /// Residual of A'A divided by s_i; below tol * s_1 the division would only amplify rounding (the triplet is then converged
  /// when the leading ones are), so s_i counts as at least that.
  RitzTriplets ritz() const {
    RitzPairs pairs = lanczos_.ritz();
    RitzTriplets t{pairs.values.cwiseMax(0).cwiseSqrt(), SmallMatrix(), std::move(pairs.vectors), std::move(pairs.residuals)};
    const double floor = tol_ * t.values(0);
    for (Index i = 0; i < t.values.size(); ++i)
      if (t.residuals(i) > 0) t.residuals(i) /= std::max({t.values(i), floor, std::numeric_limits<double>::min()});
    return t;
  }
  /// Residual, relative to s_1, that rounding of A'A leaves in triplet k at best.
  double floor(const RitzTriplets& t, Index k) const {
    const double s = std::max(t.values(std::min(k, t.values.size()) - 1), tol_ * t.values(0));
    return s > 0 ? 8 * static_cast<double>(std::numeric_limits<T>::epsilon()) * t.values(0) / s : 0;
  }
  void restart(const RitzTriplets& t, Index keep) { lanczos_.restart({t.values.cwiseAbs2(), t.right, SmallVector()}, keep); }
  void right_vectors(const RitzTriplets& t, BlockView<T> out) const { lanczos_.vectors(t.right.leftCols(out.cols), out); }

 private:
  auto multiply(const LinearOperator& a) {
    return [&a, this](BlockView<const T> x, BlockView<T> z) {
      a.apply_normal(x, z, BlockView<T>{y_.data(), y_.rows(), x.cols, y_.ld()});
    };
  }

  double tol_;
  Block<T> y_;
  BlockLanczos<T> lanczos_;
};

/// When to solve the projected problem next: its cost grows as K^3, so it is solved where convergence is expected, not always.
class CheckSchedule {
 public:
  /// `always` where a pass over the matrix costs more than any look.
  CheckSchedule(Index block, double tol, bool always) : block_(block), tol_(tol), always_(always) {}

  bool due(Index count) const { return always_ || count >= next_; }

  /// Residuals fall geometrically with the basis, or faster: extrapolate, and look again well before.
  void record(Index count, double residual) {
    Index ahead = 2 * block_;
    if (last_count_ > 0 && count > last_count_ && residual < last_residual_ && residual > tol_) {
      const double rate = std::log(last_residual_ / residual) / static_cast<double>(count - last_count_);
      ahead = static_cast<Index>(0.65 * std::log(residual / tol_) / rate);
    }
    next_ = count + std::clamp<Index>(ahead, block_, 8 * block_);
    last_count_ = count;
    last_residual_ = residual;
  }
  /// After a restart the basis is shorter and the counts start again.
  void restarted(Index count) {
    last_count_ = 0;
    next_ = count + 2 * block_;
  }

 private:
  Index block_;
  double tol_;
  bool always_;
  Index next_ = 0, last_count_ = 0;  // the first look is as soon as there are as many Ritz values as wanted
  double last_residual_ = 0;
};

/// Restarts without progress after which rounding, or a matrix that answers differently each time, must be the reason.
class Patience {
 public:
  void record(double residual) {
    if (!(residual < 0.9 * best_)) return;
    best_ = residual;
    restarts_ = 0;
  }
  void restarted() { ++restarts_; }
  bool lost() const { return restarts_ >= 20; }

 private:
  double best_ = std::numeric_limits<double>::infinity();
  int restarts_ = 0;
};

struct KrylovOutcome {
  RitzTriplets ritz;
  std::string stopped;  // "converged", "exact", "max_passes", "callback" or "stalled": rounding forbids the tolerance
};

/// Shared by all phases of one call: clock, history, limits.
struct KrylovLog {
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  Index iterations = 0, restarts = 0;
  std::vector<Progress> history;
  std::size_t peak_bytes = 0;
  bool passes_are_dear = false;  // the matrix is on disk or computed by the user

  double elapsed() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); }
};

/// What the Ritz triplets say of the `wanted` first of them.
inline void measure(const RitzTriplets& ritz, Index wanted, double tol, Progress& progress) {
  const auto residuals = ritz.residuals.head(std::min(wanted, ritz.residuals.size()));
  const double scale = std::max(ritz.values.cwiseAbs().maxCoeff(), std::numeric_limits<double>::min());
  progress.residual = residuals.maxCoeff() / scale;
  progress.converged = (residuals.array() <= tol * scale).count();
}

/// Keeps the wanted triplets and half of the room for others.
template <class Engine>
void restart(Engine& engine, const RitzTriplets& ritz, Index wanted) {
  const Index room = engine.capacity() - engine.next_width() - wanted;
  engine.restart(ritz, wanted + std::max<Index>(0, room / 2));
}

/// Runs `engine` until `wanted` triplets have residuals below tol * s_1. passes_left(next) tells whether one more step fits.
template <class Engine, class PassesLeft>
KrylovOutcome run_krylov(Engine& engine, Index wanted, double tol, const SvdOptions& options, KrylovLog& log,
                         const PassesLeft& passes_left) {
  CheckSchedule schedule(engine.next_width(), tol, log.passes_are_dear);
  Patience patience;
  Progress progress;
  for (;;) {
    engine.expand();
    log.peak_bytes = std::max(log.peak_bytes, engine.bytes());
    const bool out_of_passes = !passes_left();
    const bool look =
        engine.exhausted() || (engine.count() >= wanted && (schedule.due(engine.count()) || engine.full() || out_of_passes));
    progress.iteration = ++log.iterations;
    progress.basis = engine.count();
    RitzTriplets ritz;
    if (look) {
      ritz = engine.ritz();
      measure(ritz, wanted, tol, progress);
      schedule.record(engine.count(), progress.residual);
      patience.record(progress.residual);
    }
    progress.elapsed = log.elapsed();
    log.history.push_back(progress);
    const bool cancelled = options.callback && options.callback(progress);
    if (!look && (cancelled || out_of_passes)) ritz = engine.ritz();
    if (engine.exhausted()) return {std::move(ritz), "exact"};
    if (look && progress.converged >= wanted) return {std::move(ritz), "converged"};
    if (cancelled) return {std::move(ritz), "callback"};
    if (look && engine.floor(ritz, wanted) > tol) return {std::move(ritz), "stalled"};
    if (out_of_passes) return {std::move(ritz), "max_passes"};
    if (engine.full()) {
      if (patience.lost()) return {std::move(ritz), "stalled"};
      patience.restarted();
      restart(engine, ritz, wanted);
      ++log.restarts;
      schedule.restarted(engine.count());
    }
  }
}

}  // namespace corange
