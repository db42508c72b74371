// Least squares and ridge regression of any operator, of any shape and rank, for many right-hand sides.
//
//   x = argmin || A x - b ||^2 + alpha || x ||^2,  of least norm where that is not unique
//
//   1. Look at A; scale A and each b by powers of two; B = A or A', whichever is tall.
//   2. A preconditioner N (preconditioner.hpp): by a Cholesky factor of B'B where entries are dense and few columns make that
//      cheaper than iterating, and B turns out to be well enough conditioned; else by a sketch, followed by a Cholesky QR of B N
//      where that is cheaper than iterating.
//   3. Refinement with N until the estimated backward error is at rounding level (refine.hpp).
//
// sketch_and_solve instead returns argmin || S A x - S b || for a dense S, a subsampled randomized Hadamard transform or Gaussian:
// one approximation, whose entries all are close.
//
// Cost for dense A: m n^2 flops (condition number below 1e7), 2 m n^2 + 8 m n (beyond), or 8 m n + 144 n^3 + about 40 passes
// (many columns), each plus a few passes; sparse A: 8 nonzeros + 144 n^3 + about 40 passes. Memory: n^2 numbers up to 16 times, or
// 12 n^2 for the sketch, and m + n numbers for each right-hand side, three times.
// References: Epperly, Meier, Nakatsukasa 2024 (arXiv:2406.03468); Rokhlin, Tygert 2008 (DOI 10.1073/pnas.0804869105).
#pragma once

#include "corange/lstsq/refine.hpp"
#include "corange/operators/counting.hpp"
#include "corange/operators/dense.hpp"
#include "corange/sketch/srht.hpp"

namespace corange {

/// One call of lstsq().
class LstsqDriver {
 public:
  LstsqDriver(const LinearOperator& a, const LstsqProblem& problem, const LstsqOptions& options)
      : options_(options),
        problem_(problem),
        m_(a.rows()),
        n_(a.cols()),
        wide_(m_ < n_),
        single_(a.single_precision()),
        storage_(a.storage()),
        start_(std::chrono::steady_clock::now()) {
    if (m_ < 1 || n_ < 1) throw InvalidArgument("lstsq: A must have at least one row and one column");
    if (problem.b.rows != m_) throw InvalidArgument("lstsq: b must have a row for each row of A");
    scan_ = a.scan();
    if (options.check_finite && scan_.bad > 0)
      throw InvalidArgument("A contains " + std::to_string(scan_.bad) + " NaN or infinite entries, first at row " +
                            std::to_string(scan_.bad_row) + ", column " + std::to_string(scan_.bad_col) +
                            "; clean the data, or pass check_finite=False to skip this check");
    exponent_ = scan_.max_abs > 0 ? scan_.exponent : 0;
    const Index looks = a.storage() == Storage::disk ? 1 : 0;
    a_ = std::make_unique<CountingOperator>(a.view(wide_, std::ldexp(1.0, -exponent_)), looks);
    options_.alpha = std::ldexp(options.alpha, -2 * exponent_);
    if (options.alpha > 0 && !(options_.alpha > 0 && std::isfinite(options_.alpha)))
      throw InvalidArgument("alpha is out of range beside entries as large or small as those of A");
    take_targets();
  }

  LstsqReport run() {
    report_.tol = options_.tol > 0 ? options_.tol : 0.5 * detail::kEps;
    if (scan_.known && scan_.max_abs == 0 && options_.alpha == 0)
      zero_matrix();
    else if (options_.method == LstsqMethod::sketch_and_solve)
      sketch_and_solve();
    else
      solve();
    report_.passes = a_->passes();
    report_.products = a_->products();
    report_.norm_fro = std::ldexp(norm_, exponent_);
    for (Index j = 0; j < b_.cols(); ++j) report_.residual_norms(j) = std::ldexp(report_.residual_norms(j), shift(j));
    report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    return std::move(report_);
  }

 private:
  Index shift(Index j) const { return exponents_[static_cast<std::size_t>(j)]; }

  /// b in columns of largest entry about 1.
  void take_targets() {
    const StridedView<double>& b = problem_.b;
    b_ = Block<double>(b.rows, b.cols);
    SmallVector largest = SmallVector::Zero(b.cols);
    for (Index i = 0; i < b.rows; ++i)
      for (Index j = 0; j < b.cols; ++j) {
        if (!std::isfinite(b(i, j))) throw InvalidArgument("b contains NaN or infinity");
        largest(j) = std::max(largest(j), std::abs(b(i, j)));
      }
    for (Index j = 0; j < b.cols; ++j) exponents_.push_back(largest(j) > 0 ? std::ilogb(largest(j)) : 0);
    for (Index i = 0; i < b.rows; ++i)
      for (Index j = 0; j < b.cols; ++j) b_(i, j) = std::ldexp(b(i, j), -static_cast<int>(shift(j)));
  }

  void give_solution(BlockView<const double> x) const {
    for (Index i = 0; i < x.rows; ++i)
      for (Index j = 0; j < x.cols; ++j) problem_.x[i * x.cols + j] = std::ldexp(x(i, j), static_cast<int>(shift(j)) - exponent_);
  }

  void zero_matrix() {
    report_.method = "A is zero";
    report_.stopped = "converged";
    report_.converged = true;
    report_.condition = 1;
    report_.residual_norms = detail::long_norms(b_.view());
    report_.backward_errors = SmallVector::Zero(b_.cols());
    give_solution(Block<double>(n_, b_.cols()).view());
  }

  void solve() {
    const Preconditioner n = preconditioner();
    report_.rank = n.rank();
    report_.condition = n.condition;
    if (n.rank() == 0) return zero_matrix();
    if (!scan_.known) norm_ = n.full() ? n.r.norm() : n.values.norm();
    if (scan_.known) norm_ = std::sqrt(scan_.sum_squares);
    const double norm = std::sqrt(norm_ * norm_ + options_.alpha * static_cast<double>(a_->cols()));
    Refinement refinement(*a_, wide_, n, norm, options_, report_.tol, b_.view());
    refinement.run(report_);
    give_solution(refinement.x().view());
  }

  /// Singular values, relative to the largest, that rounding of A's entries explains.
  double rounding() const {
    const double eps = single_ ? static_cast<double>(std::numeric_limits<float>::epsilon()) : detail::kEps;
    return 4 * eps * std::sqrt(static_cast<double>(std::min(m_, n_)));
  }
  PreconditionerMaker maker(const LinearOperator& b, double alpha, std::uint64_t stream) const {
    return {b, alpha, options_.rcond.value_or(rounding()), rounding(), {options_.seed, stream << 32}};
  }

  Preconditioner preconditioner() {
    const PreconditionerMaker make = maker(*a_, options_.alpha, 1);
    const bool cheap = gram_is_cheap();
    if (cheap && options_.method != LstsqMethod::sketch) {
      Preconditioner p = make.from_gram();
      if (p.rank() > 0) return named(std::move(p), "Cholesky factor of the Gram matrix");
    }
    const Index size = (cheap ? 4 : 12) * a_->cols();
    Preconditioner p = make.from_sketch(size);
    if (size >= a_->rows()) return named(std::move(p), "QR factorization of A");
    report_.sketch_size = size;
    if (!cheap || !p.full()) return named(std::move(p), "sketch, conjugate gradients");
    return named(make.tightened(p), "sketched Cholesky QR");
  }

  Preconditioner named(Preconditioner p, const char* name) {
    report_.method = std::string(name) + ", refined";
    if (!p.full()) report_.method += ", truncated to the numerical rank";
    return p;
  }

  /// Dense rows, and m n^2 flops of a Gram matrix take no longer than the passes it saves. Flops are counted at the speed of
  /// products, passes at that of memory: a pass takes the time of about 120 flops an entry, and some 35 are saved; data on disk
  /// are read as often as memory could be read some ten times.
  bool gram_is_cheap() const {
    if (options_.method == LstsqMethod::gram) return storage_ != Storage::sparse && storage_ != Storage::callback;
    const double columns = static_cast<double>(a_->cols());
    if (storage_ == Storage::dense) return columns <= 4000;
    return storage_ == Storage::disk && !wide_ && columns <= 4000;
  }

  void sketch_and_solve() {
    if (wide_) throw InvalidArgument("sketch-and-solve needs at least as many rows as columns");
    const Index size = std::min(options_.size.value_or(std::max<Index>(8 * n_, n_ + 20)), m_);
    if (size < n_) throw InvalidArgument("size = " + std::to_string(size) + " must be at least the number of columns");
    const Index ridge = options_.alpha > 0 ? n_ : 0, targets = b_.cols();
    Block<double> sa(size + ridge, n_), sb(size + ridge, targets);
    embed(sa.view().middle_rows(0, size), sb.view().middle_rows(0, size));
    for (Index j = 0; j < ridge; ++j) sa(size + j, j) = std::sqrt(options_.alpha);
    report_.stopped = "completed";
    report_.converged = true;
    report_.sketch_size = size;
    const SmallMatrix x = small_solve(sa.view(), sb.view());
    Block<double> solution = to_block<double>(x), g(n_, targets);
    give_solution(solution.view());
    a_->apply_gradient(solution.view(), g.view(), b_.view());
    report_.residual_norms = detail::long_norms(b_.view());
    report_.backward_errors = SmallVector::Constant(targets, std::numeric_limits<double>::quiet_NaN());
    norm_ = scan_.known ? std::sqrt(scan_.sum_squares) : std::numeric_limits<double>::quiet_NaN();
  }

  /// sa = S A and sb = S b for the same S.
  void embed(BlockView<double> sa, BlockView<double> sb) {
    const RandomKey key{options_.seed, std::uint64_t{2} << 32};
    const DenseOperator<double> b({b_.data(), m_, b_.cols(), b_.ld(), 1});
    if (hadamard_is_cheap(sa.rows)) {
      const Srht s(sa.rows, m_, key);
      SrhtVisitor a_visitor(s, sa), b_visitor(s, sb);
      if (a_->visit(a_visitor)) {
        b.visit(b_visitor);
        report_.method = "sketch and solve, subsampled randomized Hadamard transform";
        return;
      }
      if (options_.sketch == DenseSketch::srht)
        throw InvalidArgument("sketch='srht' needs a matrix whose entries can be seen, not one known by its products only");
    }
    detail::gaussian_sketch(*a_, key, sa);
    detail::gaussian_sketch(b, key, sb);
    report_.method = "sketch and solve, Gaussian";
  }

  /// Additions of the transform against flops of a product with a Gaussian S and what its numbers cost, some ten flops each.
  bool hadamard_is_cheap(Index size) const {
    if (options_.sketch != DenseSketch::automatic) return options_.sketch == DenseSketch::srht;
    if (storage_ == Storage::callback) return false;
    const double m = static_cast<double>(m_), n = static_cast<double>(n_), d = static_cast<double>(size);
    return m * n * (std::log2(d) + 4) < d * (2 * a_->entries() + 10 * m);
  }

  /// argmin || sa x - sb || by the same method as for large matrices: the sketch is an operator like any other.
  SmallMatrix small_solve(BlockView<const double> sa, BlockView<const double> sb) {
    const DenseOperator<double> op({sa.data, sa.rows, sa.cols, sa.ld, 1});
    const Preconditioner n = maker(op, 0, 3).from_sketch(sa.rows);
    report_.rank = n.rank();
    report_.condition = n.condition;
    const double norm = std::sqrt(squared_column_norms<double>(sa).sum());
    LstsqOptions options = options_;
    options.alpha = 0;
    options.callback = nullptr;
    LstsqReport unused;
    Refinement refinement(op, false, n, norm, options, 0.5 * detail::kEps, sb);
    refinement.run(unused);
    return detail::from_block(refinement.x().view());
  }

  LstsqOptions options_;
  LstsqProblem problem_;
  Index m_, n_;
  bool wide_, single_;
  Storage storage_;
  std::chrono::steady_clock::time_point start_;
  Scan scan_;
  int exponent_ = 0;
  double norm_ = 0;
  std::unique_ptr<CountingOperator> a_;
  Block<double> b_;
  std::vector<Index> exponents_;
  LstsqReport report_;
};

/// Solves one problem; x has been allocated by the caller.
inline LstsqReport lstsq(const LinearOperator& a, const LstsqProblem& problem, const LstsqOptions& options) {
  return LstsqDriver(a, problem, options).run();
}

}  // namespace corange
