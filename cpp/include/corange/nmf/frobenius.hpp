// Nonnegative factorization of any operator in the Frobenius norm, by alternating over the factors.
//
//   min over W, H >= 0 of   1/2 || X - W H' ||^2 + l1_W |W| + l2_W/2 || W ||^2 + the same of H        X m x n, W m x k, H n x k
//
//   1. Look at X; scale it, and the factors where the search starts, by powers of two.
//   2. W from F = X Hy and G = Hy'Hy, H from X'Wy and Wy'Wy: by sweeps of coordinate descent (hals.hpp), a few steps of ADMM
//      (admm.hpp), or exactly (nnls.hpp).
//   3. Wy = max(0, W + beta (W - last W)), Hy alike: beta grows while the objective falls. When it rises, H goes back to the
//      last accepted one and beta shrinks; H is therefore always the best seen so far.
//   4. Components that have died start again from the row of X that is explained least.
//   5. Stop by the projected gradient relative to its start, or when the objective stands still.
//   6. W once more, exactly, for the last H.
//
// Cost an iteration: two products with X of k columns and 2 (m + n) k^2 flops a sweep. The objective costs nothing: it is
// 1/2 (|| X ||^2 - 2 <H, F> + <W'W, H'H>), and when that has lost its digits it is computed anew (residual.hpp).
// Memory: the caller's factors and (m + n) k + max(m, n) k numbers, and (m + n) k for the duals of ADMM.
// References: Gillis, Glineur 2012 (DOI 10.1162/NECO_a_00256); Ang, Gillis 2019, extrapolation (DOI 10.1162/neco_a_01157).
#pragma once

#include <chrono>

#include "corange/nmf/admm.hpp"
#include "corange/nmf/extrapolation.hpp"
#include "corange/nmf/hals.hpp"
#include "corange/nmf/nnls.hpp"
#include "corange/nmf/options.hpp"
#include "corange/nmf/residual.hpp"
#include "corange/operators/counting.hpp"

namespace corange {

namespace detail {

/// Row-major rows x k without padding, as the caller holds its factors.
template <class T>
struct FactorView {
  T* data = nullptr;
  Index rows = 0, cols = 0;
};

/// An iteration of ADMM that lowers the objective by less than this part of it is followed by exact ones.
inline constexpr double kSlowPart = 0.08;
/// Relative decrease over so many iterations, in units of tol, that is standing still.
inline constexpr Index kStandstill = 10;
inline constexpr double kStandstillPart = 0.01;

}  // namespace detail

/// One call of nmf().
template <class T>
class NmfDriver {
 public:
  /// `scan` is that of x.
  NmfDriver(const LinearOperator& x, const Scan& scan, detail::FactorView<T> w, detail::FactorView<T> h,
            const NmfOptions& options)
      : options_(options), out_w_(w), out_h_(h), start_(std::chrono::steady_clock::now()) {
    if (w.rows != x.rows() || h.rows != x.cols() || w.cols != h.cols || w.cols < 1)
      throw InvalidArgument("nmf: W must be m x k and H n x k for an m x n matrix");
    if (!scan.known && !options.sum_squares) throw InvalidArgument("nmf: the norm of X must be known");
    exponent_ = scan.max_abs > 0 ? (scan.exponent >= 0 ? scan.exponent : scan.exponent - 1) / 2 : 0;
    squares_ = options.sum_squares ? std::ldexp(*options.sum_squares, -4 * exponent_)
                                   : std::ldexp(scan.sum_squares, 2 * (scan.exponent - 2 * exponent_));
    x_ = std::make_unique<CountingOperator>(x.view(false, std::ldexp(1.0, -2 * exponent_)));
    for (NmfPenalty* p : {&options_.w, &options_.h})
      p->l1 = std::ldexp(p->l1, -3 * exponent_), p->l2 = std::ldexp(p->l2, -2 * exponent_);
    w_ = take(w), h_ = take(h);
    gram_w_ = gram<T>(w_.next.view()), gram_h_ = gram<T>(h_.next.view());
    report_.norm_fro = std::ldexp(std::sqrt(squares_), 2 * exponent_);
  }

  NmfReport run() {
    if (options_.hold_w || options_.hold_h) {
      one_factor();
      return deliver();
    }
    begin();
    for (Index i = 1; running() && i <= options_.max_iterations; ++i) {
      improve_w(multiply_data(true), i);
      improve_h(multiply_data(false), i);
    }
    return finish();
  }

  // ---- the steps of run(), for many starts that share their products (starts.hpp)

  /// Before the first iteration.
  void begin() {
    if (squares_ == 0) return nothing();
    choose();
    for (Factor* f : {&w_, &h_}) convert(BlockView<const T>(f->next.view()), f->last);
  }
  bool running() const { return report_.stopped.empty(); }
  const CountingOperator& data() const { return *x_; }
  /// What X or X' is multiplied with next.
  BlockView<const T> right(bool for_w) const { return for_w ? h_.next.view() : w_.next.view(); }
  /// The objective of the best factors so far, in units of the scaled data; and in the user's.
  double best() const { return best_; }
  double in_units(double objective) const { return std::ldexp(objective, 4 * exponent_); }
  const NmfReport& report() const { return report_; }
  /// No more iterations, and why.
  void stop(const std::string& reason) { report_.stopped = reason; }

  /// The first half of an iteration, F = X H.
  void improve_w(BlockView<const T> f, Index iteration) {
    w_sums_ = half_step(true, iteration, f);
    w_sums_.linear = extrapolate<T>(w_.next.view(), w_.last, momentum_.beta(), options_.w);
    gram_w_ = gram<T>(w_.next.view());
  }

  /// The second half, F = X'W, and what follows from the new objective.
  void improve_h(BlockView<const T> f, Index iteration) {
    const HalfStep h = half_step(false, iteration, f);
    gram_h_ = gram<T>(h_.next.view());
    const double objective = objective_of(h.cross, w_sums_.linear + h.linear);
    const double gradient = std::sqrt(w_sums_.gradient + h.gradient);
    if (iteration == 1) first_gradient_ = gradient;
    if (iteration > 1 && objective > best_ + rounding() * squares_) return step_back(iteration, gradient);
    const bool slow = best_ - objective < detail::kSlowPart * objective;
    best_ = std::min(best_, objective);
    record(iteration, objective, gradient);
    extrapolate<T>(h_.next.view(), h_.last, momentum_.beta(), options_.h);
    momentum_.accepted();
    if (slow) leave_admm();
    if (momentum_.beta() > 0) gram_h_ = gram<T>(h_.next.view());
    revive();
  }

  /// After the last iteration: the best H, W for it, and the report.
  NmfReport finish() {
    if (running()) report_.stopped = "max_iterations";
    if (squares_ > 0) {
      convert(BlockView<const T>(h_.last), h_.next.view());
      balance();
      conclude(solve_exactly(true));
      report_.converged = report_.stopped == "converged";
    }
    return deliver();
  }

 private:
  NmfReport deliver() {
    report_.passes = x_->passes();
    report_.products = x_->products();
    report_.objective = in_units(report_.objective);
    report_.seconds = elapsed();
    for (NmfProgress& p : report_.history) p.objective = in_units(p.objective);
    give(w_, out_w_), give(h_, out_h_);
    return std::move(report_);
  }

  /// A factor: the point that steps start from, the last one that was accepted, in the caller's memory, and the dual.
  struct Factor {
    Block<T> next;
    BlockView<T> last;
    Block<T> dual;
  };

  Factor take(detail::FactorView<T> f) const {
    Factor factor;
    factor.next = Block<T>(f.rows, f.cols);
    factor.last = {f.data, f.rows, f.cols, f.cols};  // not padded: for loops over single entries alone
    const T scale = static_cast<T>(std::ldexp(1.0, -exponent_));
    for (Index i = 0; i < f.rows; ++i)
      for (Index j = 0; j < f.cols; ++j) factor.next(i, j) = f.data[i * f.cols + j] * scale;
    return factor;
  }
  void give(const Factor& factor, detail::FactorView<T> f) const {
    const T scale = static_cast<T>(std::ldexp(1.0, exponent_));
    for (Index i = 0; i < f.rows; ++i)
      for (Index j = 0; j < f.cols; ++j) f.data[i * f.cols + j] = factor.next(i, j) * scale;
  }
  double elapsed() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

  void nothing() {
    w_.next.set_zero(), h_.next.set_zero();
    report_.method = "X is zero", report_.stopped = "converged", report_.converged = true, best_ = 0;
  }

  /// The convex problem that is left when one factor is held.
  void one_factor() {
    report_.method = "exact nonnegative least squares";
    report_.stopped = "completed", report_.converged = true;
    if (options_.hold_w && options_.hold_h) {
      const HalfStep s = [&] {
        BlockView<T> f = rows_of_product(w_);
        x_->apply(BlockView<const T>(h_.next.view()), f);
        HalfStep sums;
        for (Index i = 0; i < f.rows; ++i)
          for (Index j = 0; j < f.cols; ++j) sums.cross += static_cast<double>(f(i, j)) * static_cast<double>(w_.next(i, j));
        return sums;
      }();
      conclude(s.cross);
    } else {
      conclude(solve_exactly(options_.hold_h));
    }
  }

  BlockView<T> rows_of_product(const Factor& factor) {
    if (product_.rows() == 0) product_ = Block<T>(std::max(w_.next.rows(), h_.next.rows()), w_.next.cols());
    return product_.view().middle_rows(0, factor.next.rows());
  }

  /// F = X H or X'W.
  BlockView<T> multiply_data(bool for_w) {
    const BlockView<T> f = rows_of_product(for_w ? w_ : h_);
    for_w ? x_->apply(BlockView<const T>(h_.next.view()), f) : x_->apply_adjoint(BlockView<const T>(w_.next.view()), f);
    return f;
  }

  /// W for this H, or H for this W; returns <Y, F>.
  double solve_exactly(bool for_w) {
    Factor& y = for_w ? w_ : h_;
    const BlockView<T> f = multiply_data(for_w);
    const HalfStep s = nnls_half_step<T>(for_w ? gram_h_ : gram_w_, f, y.next.view(), for_w ? options_.w : options_.h);
    (for_w ? gram_w_ : gram_h_) = gram<T>(y.next.view());
    return s.cross;
  }

  HalfStep half_step(bool for_w, Index iteration, BlockView<const T> f) {
    Factor& y = for_w ? w_ : h_;
    const SmallMatrix& g = for_w ? gram_h_ : gram_w_;
    const NmfPenalty& penalty = for_w ? options_.w : options_.h;
    if (solver_ == NmfSolver::bpp) return nnls_half_step<T>(g, f, y.next.view(), penalty);
    if (solver_ == NmfSolver::admm) return admm_half_step<T>(g, f, y.next.view(), y.dual.view(), penalty, iteration == 1);
    return hals_half_step<T>(g, f, y.next.view(), penalty, sweeps(for_w));
  }

  /// 1 + half of what a product costs in units of a sweep; two for sparse data, where that is about right, and where explicit
  /// zeros and entries stored twice must not matter.
  Index sweeps(bool for_w) const {
    if (x_->storage() == Storage::sparse) return 2;
    const double k = static_cast<double>(w_.next.cols());
    const double mine = static_cast<double>((for_w ? w_ : h_).next.rows()),
                 other = static_cast<double>((for_w ? h_ : w_).next.rows());
    return 1 + static_cast<Index>(0.5 * (1 + (x_->entries() + other * k) / (mine * k + mine)));
  }

  void choose() {
    solver_ = options_.solver;
    momentum_ = Momentum(options_.extrapolate && solver_ != NmfSolver::admm);
    report_.method = solver_ == NmfSolver::hals  ? "accelerated HALS"
                     : solver_ == NmfSolver::bpp ? "block principal pivoting"
                                                 : "ADMM";
    if (momentum_.beta() > 0) report_.method += ", extrapolated";
    if (solver_ != NmfSolver::admm) return;
    for (Factor* f : {&w_, &h_}) f->dual = Block<T>(f->next.rows(), f->next.cols());
  }

  /// The objective rose: from the last accepted H, with less momentum; ADMM has done what it can.
  void step_back(Index iteration, double gradient) {
    convert(BlockView<const T>(w_.last), w_.next.view());
    convert(BlockView<const T>(h_.last), h_.next.view());
    gram_h_ = gram<T>(h_.next.view());
    momentum_.rejected();
    leave_admm();
    record(iteration, best_, gradient);
  }

  /// What is left to do needs exact steps, and momentum.
  void leave_admm() {
    if (solver_ != NmfSolver::admm) return;
    solver_ = NmfSolver::bpp;
    momentum_ = Momentum(options_.extrapolate);
    report_.method += ", then block principal pivoting";
    for (Factor* f : {&w_, &h_}) f->dual = Block<T>();
  }

  double objective_of(double cross, double linear) {
    double squares = squares_ - 2 * cross + (gram_w_.cwiseProduct(gram_h_)).sum();
    if (squares < 100 * rounding() * squares_)
      squares = residual_squares<T>(*x_, w_.next.view(), h_.next.view()).value_or(std::max(squares, 0.0));
    report_.error = squares_ > 0 ? std::sqrt(std::max(squares, 0.0) / squares_) : 0.0;
    return 0.5 * squares + linear + 0.5 * options_.w.l2 * gram_w_.trace() + 0.5 * options_.h.l2 * gram_h_.trace();
  }
  static constexpr double rounding() { return 2 * static_cast<double>(std::numeric_limits<T>::epsilon()); }

  void record(Index iteration, double objective, double gradient) {
    report_.iterations = iteration;
    report_.gradient = first_gradient_ > 0 ? gradient / first_gradient_ : 0.0;
    report_.history.push_back({iteration, objective, report_.gradient, elapsed()});
    NmfProgress progress = report_.history.back();
    progress.objective = in_units(objective);
    if (options_.callback && options_.callback(progress)) {
      report_.stopped = "callback";
    } else if (options_.tol > 0 && (report_.gradient <= options_.tol || stands_still())) {
      report_.stopped = "converged";
    }
  }

  bool stands_still() const {
    const auto& history = report_.history;
    if (static_cast<Index>(history.size()) <= detail::kStandstill) return false;
    const double now = history.back().objective, before = history[history.size() - 1 - detail::kStandstill].objective;
    return before - now <= detail::kStandstillPart * options_.tol * now;
  }

  /// A component that has died starts again: H_j from the row of X that is explained least, W_j from zero. One at a time: what
  /// the first one explains, the next need not.
  void revive() {
    if (!options_.w.none() || !options_.h.none() || report_.reseeded >= 3 * gram_w_.cols()) return;
    for (Index j = 0; j < gram_w_.cols(); ++j) {
      if (gram_w_(j, j) > kNoComponent<T> && gram_h_(j, j) > kNoComponent<T>) continue;
      const std::optional<Index> row = least_explained();
      if (row) reseed(j, *row);
      return;
    }
  }

  /// The row with the largest sum of X - W H', if that is more than rounding.
  std::optional<Index> least_explained() {
    Block<T> ones(h_.next.rows(), 1), sums(w_.next.rows(), 1);
    for (Index i = 0; i < ones.rows(); ++i) ones(i, 0) = 1;
    x_->apply(BlockView<const T>(ones.view()), sums.view());
    const SmallMatrix totals = adjoint_product<T>(h_.next.view(), BlockView<const T>(ones.view()));
    double whole = 0, most = 0;
    for (Index i = 0; i < sums.rows(); ++i) whole = std::max(whole, static_cast<double>(sums(i, 0)));
    subtract_product<T>(w_.next.view(), totals, sums.view());
    Index row = 0;
    for (Index i = 0; i < sums.rows(); ++i)
      if (static_cast<double>(sums(i, 0)) > most) most = static_cast<double>(sums(i, 0)), row = i;
    if (most <= 1e3 * rounding() * whole) return std::nullopt;
    return row;
  }

  void reseed(Index j, Index row) {
    Block<T> unit(w_.next.rows(), 1), rest(h_.next.rows(), 1);
    unit(row, 0) = 1;
    x_->apply_adjoint(BlockView<const T>(unit.view()), rest.view());
    SmallMatrix weights(w_.next.cols(), 1);
    for (Index l = 0; l < w_.next.cols(); ++l) weights(l, 0) = static_cast<double>(w_.next(row, l));
    subtract_product<T>(h_.next.view(), weights, rest.view());
    for (Index i = 0; i < rest.rows(); ++i) h_.next(i, j) = h_.last(i, j) = std::max(T(0), rest(i, 0));
    for (Index i = 0; i < unit.rows(); ++i) w_.next(i, j) = w_.last(i, j) = T(0);
    gram_h_ = gram<T>(h_.next.view());
    ++report_.reseeded;
  }

  /// Columns of W and H of about equal norms, by powers of two; penalties tell the two apart, so not with them.
  void balance() {
    gram_h_ = gram<T>(h_.next.view()), gram_w_ = gram<T>(w_.next.view());
    if (!options_.w.none() || !options_.h.none()) return;
    for (Index j = 0; j < gram_w_.cols(); ++j) {
      if (!(gram_w_(j, j) > 0 && gram_h_(j, j) > 0)) continue;
      const int shift = static_cast<int>(std::lround(0.25 * std::log2(gram_w_(j, j) / gram_h_(j, j))));
      const T up = static_cast<T>(std::ldexp(1.0, shift)), down = static_cast<T>(std::ldexp(1.0, -shift));
      for (Index i = 0; i < h_.next.rows(); ++i) h_.next(i, j) *= up;
      for (Index i = 0; i < w_.next.rows(); ++i) w_.next(i, j) *= down;
    }
    gram_h_ = gram<T>(h_.next.view());
  }

  void conclude(double cross) {
    const double linear = penalty_sum<T>(w_.next.view(), options_.w) + penalty_sum<T>(h_.next.view(), options_.h);
    report_.objective = objective_of(cross, linear);
  }

  NmfOptions options_;
  detail::FactorView<T> out_w_, out_h_;
  std::chrono::steady_clock::time_point start_;
  int exponent_ = 0;  // factors are scaled by 2^-exponent, X by its square
  double squares_ = 0, best_ = std::numeric_limits<double>::infinity(), first_gradient_ = 0;
  std::unique_ptr<CountingOperator> x_;
  Factor w_, h_;
  Block<T> product_;
  SmallMatrix gram_w_, gram_h_;
  NmfSolver solver_ = NmfSolver::hals;
  Momentum momentum_{false};
  HalfStep w_sums_;  // of the first half of an iteration
  NmfReport report_;
};

/// Factors X, from W and H and into them.
template <class T>
NmfReport nmf(const LinearOperator& x, detail::FactorView<T> w, detail::FactorView<T> h, const NmfOptions& options) {
  return NmfDriver<T>(x, x.scan(), w, h, options).run();
}

}  // namespace corange
