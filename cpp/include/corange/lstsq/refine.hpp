// Least squares with a preconditioner N for a tall B (B = A, or A' if A is wide), as a backward stable iteration.
//
//   B = A:   min || A x - b ||^2 + alpha || x ||^2             B = A':  x = A' w with (A A' + alpha I) w = b: the least norm
//   1. r = b - A x, g = A' r - alpha x,  c = N' g              1. r = b - A x - alpha w,  c = N' r
//   2. solve N'(A'A + alpha I) N y = c                         2. solve N'(A A' + alpha I) N y = c
//   3. x += N y; from 1 until the backward error is small      3. w += N y, x += A' N y
//
// 2 is y = c where B N is orthonormal to a few digits, else conjugate gradients; either converges at a rate that does not depend
// on cond(A). One round of 1 to 3 is not backward stable, a second one is: then y is small, and so are the errors made with it.
// Backward error, as estimated after each round (Karlson and Walden 1997; R from N = R^-1, theta = ||A|| / ||b||):
//
//   theta / sqrt(1 + theta^2 ||x||^2) * || (R'R + omega^2 I)^(-1/2) g ||,   omega^2 = theta^2 ||r||^2 / (1 + theta^2 ||x||^2)
//
// Cost: one pass over A a round and one a step of 2, 4 flops an entry and right-hand side each; memory 2 blocks m x targets.
// Reference: Epperly, Meier, Nakatsukasa 2024, "Fast randomized least-squares solvers can be just as accurate and stable as
// classical direct solvers" (arXiv:2406.03468).
#pragma once

#include <chrono>

#include "corange/lstsq/preconditioner.hpp"
#include "corange/lstsq/report.hpp"

namespace corange {

namespace detail {

inline SmallMatrix from_block(BlockView<const double> x) {
  SmallMatrix a(x.rows, x.cols);
  for (Index j = 0; j < x.cols; ++j)
    for (Index i = 0; i < x.rows; ++i) a(i, j) = x(i, j);
  return a;
}

inline SmallVector long_norms(BlockView<const double> x) { return squared_column_norms<double>(x).cwiseSqrt(); }

/// y = c solved to `accuracy` by conjugate gradients on N'(B'B + alpha I) N, column by column of c in one block; counts steps.
class InnerSolver {
 public:
  InnerSolver(const LinearOperator& b, const Preconditioner& n, double alpha) : b_(b), n_(n), alpha_(alpha) {}

  SmallMatrix solve(const SmallMatrix& c, double accuracy, Index most, Index& steps) const {
    SmallMatrix y = SmallMatrix::Zero(c.rows(), c.cols()), r = c, p = c;
    SmallVector rho = r.colwise().squaredNorm();
    const SmallVector enough = rho * (accuracy * accuracy);
    for (Index step = 0; step < most && (rho.array() > enough.array()).any(); ++step, ++steps) {
      const SmallMatrix q = normal(p);
      for (Index j = 0; j < c.cols(); ++j) {
        const double curvature = p.col(j).dot(q.col(j));
        if (!(curvature > 0) || rho(j) <= enough(j)) continue;
        const double a = rho(j) / curvature;
        y.col(j) += a * p.col(j);
        r.col(j) -= a * q.col(j);
        const double next = r.col(j).squaredNorm();
        p.col(j) = r.col(j) + (next / rho(j)) * p.col(j);
        rho(j) = next;
      }
    }
    return y;
  }

 private:
  SmallMatrix normal(const SmallMatrix& p) const {
    const SmallMatrix x = n_.apply(p);
    const Block<double> xb = to_block<double>(x);
    Block<double> bx(uninitialized, b_.rows(), p.cols()), image(b_.cols(), p.cols());
    b_.apply_normal(xb.view(), image.view(), bx.view());
    return n_.apply_adjoint(from_block(image.view()) + alpha_ * x);
  }

  const LinearOperator& b_;
  const Preconditioner& n_;
  double alpha_;
};

/// The formula above for every column; an upper bound where columns share the smallest omega, or N has no R.
inline SmallVector karlson_walden(const Preconditioner& n, const SmallMatrix& g, const SmallVector& omega) {
  const double least = omega.minCoeff();
  if (!n.full()) {
    const SmallVector weight = (n.values.array().square() + least * least).sqrt().inverse();
    return column_norms(weight.asDiagonal() * multiply_adjoint(n.basis, g));
  }
  const Index k = n.r.cols();
  SmallMatrix stacked(2 * k, k);
  stacked << n.r, least * SmallMatrix::Identity(k, k);
  const SmallMatrix r = triangular_factor(stacked);
  return column_norms(solve_upper_adjoint(r, g));
}

}  // namespace detail

/// One call's right-hand sides and iterates.
class Refinement {
 public:
  /// b: one row for each row of A.  tol: relative backward error.
  Refinement(const LinearOperator& tall, bool wide, const Preconditioner& n, double norm, const LstsqOptions& options, double tol,
             BlockView<const double> b)
      : tall_(tall),
        wide_(wide),
        n_(n),
        norm_(norm),
        options_(options),
        tol_(tol),
        b_(b),
        x_(wide ? tall.rows() : tall.cols(), b.cols),
        w_(SmallMatrix::Zero(tall.cols(), b.cols)),
        r_(b.rows, b.cols),
        g_(tall.cols(), b.cols),
        b_norms_(detail::long_norms(b)) {}

  void run(LstsqReport& report) {
    const auto start = std::chrono::steady_clock::now();
    double last_error = std::numeric_limits<double>::infinity(), last_left = last_error;
    Index idle = 0;
    tight_ = n_.tight;
    for (report.stopped = "max_iterations"; report.refinements < kMostRounds; ++report.refinements) {
      const SmallMatrix c = residual();
      errors_ = backward_errors(c);
      const double error = errors_.maxCoeff();
      if (error <= tol_ || error == 0) {
        report.stopped = "converged";
        break;
      }
      const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      if (options_.callback && options_.callback({report.iterations, error, elapsed})) {
        report.stopped = "callback";
        break;
      }
      // The backward error of early rounds is small because x is too large; what is left of c shows the progress then.
      const double left = column_norms(c).cwiseQuotient(b_norms_.cwiseMax(1e-300)).maxCoeff();
      const bool better = error < 0.5 * last_error || left < 0.5 * last_left;
      idle = better ? 0 : idle + 1;
      if (report.refinements > 1 && idle > patience(error)) {
        report.stopped = "stalled";
        break;
      }
      if (report.refinements > 1 && left > kSlow * last_left) tight_ = false;
      last_error = error;
      last_left = left;
      update(c, report);
    }
    report.converged = errors_.maxCoeff() <= std::max(tol_, kStable);
    if (report.converged && report.stopped == "stalled") report.stopped = "converged";
    report.residual_norms = residual_norms_;
    report.backward_errors = errors_;
  }

  const Block<double>& x() const { return x_; }

 private:
  /// Rounds without progress before the rest is called rounding. Next to the goal there is little to gain; far from it y = c may
  /// have come to rest too early, and another round goes through the inner solver; near 1 / eps progress comes unevenly.
  static Index patience(double error) { return error > 2 * detail::kEps ? 2 : 0; }

  static constexpr Index kMostRounds = 40;
  static constexpr Index kMostSteps = 200;
  static constexpr double kInner = 1e-10;  // the least residual of step 2 worth its price: another round is near
  static constexpr double kSlow = 0.05;  // a round that gains less needs an inner solver
  static constexpr double kStable = 32 * detail::kEps;  // what rounding may leave of the backward error

  /// Step 1: r, g and c.
  SmallMatrix residual() {
    convert(b_, r_.view());
    if (!wide_) {
      tall_.apply_gradient(x_.view(), g_.view(), r_.view());
      SmallMatrix g = detail::from_block(g_.view());
      if (options_.alpha > 0) g -= options_.alpha * detail::from_block(x_.view());
      gradient_ = g;
    } else {
      tall_.apply_adjoint(x_.view(), g_.view());
      gradient_ = detail::from_block(r_.view()) - detail::from_block(g_.view());
    }
    residual_norms_ = wide_ ? column_norms(gradient_) : detail::long_norms(r_.view());
    if (wide_ && options_.alpha > 0) gradient_ -= options_.alpha * w_;
    if (!residual_norms_.allFinite()) throw NumericalError("lstsq met NaN or infinity");
    return n_.apply_adjoint(gradient_);
  }

  SmallVector backward_errors(const SmallMatrix& c) {
    const SmallVector x_norms = detail::long_norms(x_.view());
    SmallVector found = SmallVector::Zero(c.cols());
    if (wide_) {
      // What a perturbation of A has to make up for: the part of r that A's range holds.
      const SmallMatrix part = n_.full() ? gradient_ : multiply_adjoint(n_.basis, gradient_);
      const SmallVector sizes = column_norms(part);
      for (Index j = 0; j < c.cols(); ++j)
        if (sizes(j) > 0) found(j) = sizes(j) / (norm_ * x_norms(j) + b_norms_(j));
      unstructured_ = std::max(found.maxCoeff(), 1e-300);
      return found;
    }
    SmallVector factor(c.cols()), omega(c.cols());
    for (Index j = 0; j < c.cols(); ++j) {
      if (b_norms_(j) == 0) {
        factor(j) = 0, omega(j) = 1;
        continue;
      }
      const double theta = norm_ / b_norms_(j), shrink = std::hypot(1, theta * x_norms(j));
      const double r = std::hypot(residual_norms_(j), std::sqrt(options_.alpha) * x_norms(j));
      factor(j) = theta / shrink / norm_;
      omega(j) = theta / shrink * r;
    }
    const SmallVector above = factor.cwiseProduct(column_norms(c));  // the estimate for omega = 0
    unstructured_ = above.maxCoeff();
    if (unstructured_ <= tol_) return above;
    // Far from the goal the cheap bounds tell enough: the estimate lies between them up to a factor of the condition number.
    const SmallVector below = factor.cwiseProduct(column_norms(gradient_)).cwiseQuotient(omega.cwiseMax(1e-300));
    if (above.cwiseMin(below).maxCoeff() > kFar * std::max(tol_, detail::kEps)) return above.cwiseMin(below);
    return factor.cwiseProduct(detail::karlson_walden(n_, gradient_, omega));
  }
  static constexpr double kFar = 1e6;

  /// Steps 2 and 3.
  void update(const SmallMatrix& c, LstsqReport& report) {
    SmallMatrix y = c;
    if (!tight_) {
      // What is left of c counts in full, whatever its direction: so much may be left.
      const double needed = 0.1 * std::max(tol_, detail::kEps) / unstructured_;
      const detail::InnerSolver inner(tall_, n_, options_.alpha);
      const double attainable = std::clamp(4 * detail::kEps * n_.condition, kInner, 0.1);
      y = inner.solve(c, std::clamp(needed, attainable, 0.1), kMostSteps, report.iterations);
    }
    ++report.iterations;
    const SmallMatrix step = n_.apply(y);
    if (!wide_) {
      for (Index i = 0; i < x_.rows(); ++i)
        for (Index j = 0; j < x_.cols(); ++j) x_(i, j) += step(i, j);
      return;
    }
    w_ += step;
    const Block<double> block = to_block<double>(step);
    Block<double> change(uninitialized, x_.rows(), x_.cols());
    tall_.apply(block.view(), change.view());
    subtract_scaled<double>(change.view(), -SmallVector::Ones(x_.cols()), x_.view());
  }

  const LinearOperator& tall_;
  bool wide_;
  const Preconditioner& n_;
  double norm_;
  const LstsqOptions& options_;
  double tol_;
  BlockView<const double> b_;
  Block<double> x_;
  SmallMatrix w_, gradient_;
  Block<double> r_, g_;
  SmallVector b_norms_, residual_norms_, errors_;
  bool tight_ = false;
  double unstructured_ = 0;  // backward error if no direction of c were easier to make up for than another
};

}  // namespace corange
