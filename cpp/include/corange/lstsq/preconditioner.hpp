// A small matrix N with (B N)'(B N) + alpha N'N close to the identity, for a tall B of any condition number and any rank.
//
//   Gram     R = chol(B'B + alpha I): one pass of m n^2 flops; N = R^-1. Within n eps cond^2 of the identity: for cond <= 1e7.
//   sketch   R = triangular factor of [S B; sqrt(alpha) I], S a sparse sign embedding: cond(B N) is about
//            (1 + sqrt(n / d)) / (1 - sqrt(n / d)) for d rows of S, whatever cond(B) is.
//   sketched Cholesky QR   R = chol((B R1^-1)'(B R1^-1)) R1 with R1 from the sketch: one more pass of 2 m n^2 flops; within
//            n eps cond of the identity.
//   Where R is singular to rcond: N = V_k / s_k of the singular value decomposition of the sketch.
//
// References: Fukaya et al. 2020, shifted Cholesky QR (DOI 10.1137/18M1218212); Balabanov 2022, randomized Cholesky QR
// (arXiv:2210.09953); Meng, Saunders, Mahoney 2014, LSRN (DOI 10.1137/120866580).
#pragma once

#include <cmath>

#include "corange/linalg/gram.hpp"
#include "corange/linalg/orthonormalize.hpp"
#include "corange/operators/linear_operator.hpp"
#include "corange/sketch/sparse_sign.hpp"

namespace corange {

/// N, as the inverse of an upper triangular R or as a matrix with k columns.
struct Preconditioner {
  SmallMatrix r;        // upper triangular, n x n; empty if the rank is not full
  SmallMatrix basis;    // n x k, orthonormal, and
  SmallVector values;   // k singular values: N = basis / values
  double condition = 1; // of R, estimated
  bool tight = false;   // B N is orthonormal to a few digits

  bool full() const { return r.size() > 0; }
  Index rank() const { return full() ? r.cols() : values.size(); }

  /// N y.
  SmallMatrix apply(const SmallMatrix& y) const {
    if (full()) return solve_upper(r, y);
    return multiply(basis, values.cwiseInverse().asDiagonal() * y);
  }
  /// N' g.
  SmallMatrix apply_adjoint(const SmallMatrix& g) const {
    if (full()) return solve_upper_adjoint(r, g);
    return values.cwiseInverse().asDiagonal() * multiply_adjoint(basis, g);
  }
};

namespace detail {

inline constexpr double kEps = std::numeric_limits<double>::epsilon();

/// Largest and smallest singular value of upper triangular R, by a few steps of power and inverse iteration from both sides.
inline double triangular_condition(const SmallMatrix& r) {
  const Index n = r.cols();
  SmallMatrix x(n, 2);
  for (Index i = 0; i < n; ++i) x(i, 0) = x(i, 1) = 1 + 0.5 * std::sin(static_cast<double>(7 * i + 1));
  double largest = 0, smallest = 0;
  SmallMatrix u = x.col(0) / x.col(0).norm(), v = u;
  for (int step = 0; step < 12; ++step) {
    u = multiply_adjoint(r, multiply(r, u));
    largest = std::sqrt(u.norm());
    if (!(largest > 0)) return std::numeric_limits<double>::infinity();
    u /= u.norm();
    v = solve_upper(r, solve_upper_adjoint(r, v));
    const double norm = v.norm();
    if (!std::isfinite(norm)) return std::numeric_limits<double>::infinity();
    smallest = 1 / std::sqrt(norm);
    v /= norm;
  }
  return largest / smallest;
}

/// Adds up the Gram matrix of B N of the pieces of a dense B.
class GramVisitor final : public EntryVisitor {
 public:
  GramVisitor(BlockView<const double> right, SmallMatrix& g) : right_(right), g_(g) {}
  void dense(Index row, Index, StridedView<double> piece) override {
    // Columns that come one piece after another would need all pairs of pieces.
    if (piece.cols != g_.cols()) throw InvalidArgument("the Gram matrix needs whole rows");
    static_cast<void>(row);
    add_gram(piece, right_, g_);
  }
  void sparse_rows(Index, const Compressed&) override { throw InvalidArgument("the Gram matrix needs dense rows"); }
  void sparse_columns(Index, const Compressed&) override { throw InvalidArgument("the Gram matrix needs dense rows"); }
  void outer(Index, Index, StridedView<double>, StridedView<double>) override {
    throw InvalidArgument("the Gram matrix needs dense rows");
  }

 private:
  BlockView<const double> right_;
  SmallMatrix& g_;
};

/// Adds up S B of the pieces of B.
class SketchVisitor final : public EntryVisitor {
 public:
  SketchVisitor(const SparseSign& s, BlockView<double> out) : s_(s), out_(out) {}
  void dense(Index row, Index col, StridedView<double> piece) override {
    if (piece.cols == out_.cols) return sparse_sign_apply<double>(s_, piece, out_, row);
    Block<double> part(out_.rows, piece.cols);
    sparse_sign_apply<double>(s_, piece, part.view(), row);
    for (Index i = 0; i < part.rows(); ++i)
      for (Index j = 0; j < part.cols(); ++j) out_(i, col + j) += part(i, j);
  }
  void sparse_rows(Index row, const Compressed& piece) override { sparse_sign_apply_rows<double>(s_, piece, out_, row); }
  void sparse_columns(Index col, const Compressed& piece) override {
    Block<double> part(out_.rows, piece.outer);
    sparse_sign_apply_columns<double>(s_, piece, part.view());
    for (Index i = 0; i < part.rows(); ++i)
      for (Index j = 0; j < part.cols(); ++j) out_(i, col + j) += part(i, j);
  }
  void outer(Index row, Index col, StridedView<double> left, StridedView<double> right) override {
    Block<double> part(out_.rows, 1);
    sparse_sign_apply<double>(s_, left, part.view(), row);
    for (Index i = 0; i < part.rows(); ++i)
      for (Index j = 0; j < right.rows; ++j) out_(i, col + j) += part(i, 0) * right(j, 0);
  }

 private:
  SparseSign s_;
  BlockView<double> out_;
};

/// out = S b with Gaussian S, E[S'S] = I, through products with b': for matrices of which nothing else is known, and for
/// sketches that must be dense. Passes: size / width, with blocks of at most 64 MB.
inline void gaussian_sketch(const LinearOperator& b, RandomKey key, BlockView<double> out) {
  constexpr Index kEntries = 1 << 23;
  const Index width = std::clamp<Index>(kEntries / std::max<Index>(b.rows(), 1) / 8 * 8, 8, padded<double>(out.rows));
  const double scale = 1 / std::sqrt(static_cast<double>(out.rows));
  for (Index first = 0; first < out.rows; first += width) {
    const Index count = std::min(width, out.rows - first);
    Block<double> s(b.rows(), count), y(b.cols(), count);
    const Tiling tiles = tiling(b.rows());
    parallel_for(tiles.count(), 8 * b.rows() * count, [&](Index t) {
      fill_normal(key, tiles.begin(t), first, tiles.size(t), count, s.view().row(tiles.begin(t)), s.ld());
    });
    b.apply_adjoint(BlockView<const double>(s.view()), y.view());
    for (Index i = 0; i < count; ++i)
      for (Index j = 0; j < b.cols(); ++j) out(first + i, j) = y(j, i) * scale;
  }
}

}  // namespace detail

/// How preconditioners are made; one call each.
class PreconditionerMaker {
 public:
  /// alpha and rcond as in LstsqOptions; singular values below `rounding` times the largest may be rounding errors.
  PreconditionerMaker(const LinearOperator& b, double alpha, double rcond, double rounding, RandomKey key)
      : b_(b), n_(b.cols()), alpha_(alpha), rcond_(rcond), rounding_(rounding), key_(key) {}

  /// Fails (rank 0) if B is too ill conditioned.
  Preconditioner from_gram() const {
    const SmallMatrix g = gram({});
    Preconditioner p;
    const GramFactor f = factor_gram(g);
    if (!(f.pivot > 0)) return p;
    // Columns of very different length do no harm to Cholesky, only to the condition number.
    const double scaled = detail::triangular_condition(scale_columns(f.r, column_norms(f.r).cwiseInverse()));
    if (!(scaled * scaled * detail::kEps < kDistortion)) return p;
    p.r = f.r;
    p.condition = detail::triangular_condition(f.r);
    if (!(p.condition * rcond_ < kSafelyFull)) p = truncated(f.r, rcond_);
    p.tight = true;
    return p;
  }

  /// `size` rows of sketch; more than B has: B itself. Counts as tight only if it is.
  Preconditioner from_sketch(Index size) const {
    const bool whole = size >= b_.rows();
    const Index rows = whole ? b_.rows() : size, ridge = alpha_ > 0 ? n_ : 0, short_by = std::max<Index>(n_ - rows - ridge, 0);
    Block<double> y(rows + ridge + short_by, n_);
    const BlockView<double> top = y.view().middle_rows(0, rows);
    whole ? copy_entries(top) : sketch(top);
    for (Index j = 0; j < ridge; ++j) y(rows + j, j) = std::sqrt(alpha_);
    Preconditioner p = from_block(y.view(), whole ? rcond_ : std::min(rcond_, rounding_));
    p.tight = whole && p.condition < kSquareable;
    return whole ? p : decided(p);
  }

  /// One more Cholesky QR on top of one from a sketch; returns it unchanged if that gains nothing.
  Preconditioner tightened(const Preconditioner& p) const {
    const SmallMatrix inverse = solve_upper(p.r, SmallMatrix::Identity(n_, n_));
    SmallMatrix g = gram(to_block<double>(inverse).view());
    if (alpha_ > 0) g += alpha_ * multiply_adjoint(inverse, inverse);
    const GramFactor f = factor_gram(g);
    if (!(f.pivot > 0.05)) return p;
    Preconditioner q;
    q.r = multiply(f.r, p.r).triangularView<Eigen::Upper>();
    q.condition = detail::triangular_condition(q.r);
    q.tight = q.condition < kSquareable;
    return q;
  }

  /// A sketch gives singular values to a factor and spaces to an angle. Unless those that rcond keeps end at the cliff of rounding,
  /// this measures B on the sketch's vectors, with 4 flops an entry and vector, and decides anew.
  Preconditioner decided(const Preconditioner& sketched) const {
    // The condition number of all of B is right to a factor of 6: three from the sketch, two from its estimate.
    const double safe = sketched.full() ? kSafelyFull : kSafelyFull * kSafelyFull;
    if (sketched.rank() == 0 || sketched.condition * rcond_ < safe) return sketched;
    const Index k = sketched.rank();
    const SmallMatrix z = sketched.apply(SmallMatrix::Identity(k, k));
    const GramFactor f = factor_gram(projected_gram(z));
    if (!(f.pivot > 0)) return sketched;
    SmallMatrix square = SmallMatrix::Zero(n_, n_);
    square.topRows(k) = multiply(f.r, sketched.full() ? sketched.r : sketched.values.asDiagonal() * sketched.basis.transpose());
    Preconditioner p = truncated(square, rcond_);
    p.tight = p.condition < kSquareable;
    return p;
  }

 private:
  static constexpr double kDistortion = 1e-2;   // of B N from orthonormal that is still called tight
  static constexpr double kSquareable = 1e8;    // eps condition^2 = 1: beyond, the errors of N itself show in refinement
  static constexpr double kSafelyFull = 0.1;  // condition * rcond below which the rank is full, whatever the estimate is worth

  SmallMatrix gram(BlockView<const double> right) const {
    SmallMatrix g = SmallMatrix::Zero(n_, n_);
    detail::GramVisitor visitor(right, g);
    b_.visit(visitor);
    if (right.rows == 0) g.diagonal().array() += alpha_;
    return g;
  }

  /// (B z)'(B z) + alpha z'z.
  SmallMatrix projected_gram(const SmallMatrix& z) const {
    constexpr Index kWidth = 64;
    SmallMatrix g(z.cols(), z.cols());
    for (Index first = 0; first < z.cols(); first += kWidth) {
      const Index count = std::min(kWidth, z.cols() - first);
      const Block<double> x = to_block<double>(z.middleCols(first, count));
      Block<double> bx(b_.rows(), count), image(n_, count);
      b_.apply_normal(x.view(), image.view(), bx.view());
      SmallMatrix part(n_, count);
      for (Index i = 0; i < n_; ++i)
        for (Index j = 0; j < count; ++j) part(i, j) = image(i, j) + alpha_ * x(i, j);
      g.middleCols(first, count) = multiply_adjoint(z, part);
    }
    return 0.5 * (g + g.transpose());
  }

  void sketch(BlockView<double> out) const {
    const SparseSign s{out.rows, std::min<Index>(8, out.rows), key_};
    detail::SketchVisitor visitor(s, out);
    if (!b_.visit(visitor)) detail::gaussian_sketch(b_, key_, out);
  }

  void copy_entries(BlockView<double> out) const {
    constexpr Index kWidth = 256;
    for (Index first = 0; first < n_; first += kWidth) {
      const Index count = std::min(kWidth, n_ - first);
      Block<double> unit(n_, count), y(b_.rows(), count);
      for (Index j = 0; j < count; ++j) unit(first + j, j) = 1;
      b_.apply(BlockView<const double>(unit.view()), y.view());
      for (Index i = 0; i < out.rows; ++i)
        for (Index j = 0; j < count; ++j) out(i, first + j) = y(i, j);
    }
  }

  Preconditioner from_block(BlockView<double> y, double cutoff) const {
    Preconditioner p;
    const OrthonormalFactor f = orthonormalize<double>(y, {key_.seed, key_.stream + 1});
    SmallMatrix r = triangular_factor(f.R);
    const double condition = f.dependent.empty() ? detail::triangular_condition(r) : std::numeric_limits<double>::infinity();
    if (!(condition * cutoff < kSafelyFull)) return truncated(r, cutoff);
    p.r = std::move(r);
    p.condition = condition;
    return p;
  }

  /// The singular values of R above `cutoff` times the largest.
  static Preconditioner truncated(const SmallMatrix& r, double cutoff) {
    const SmallSvd svd = small_svd(r);
    Index k = 0;
    while (k < svd.s.size() && svd.s(k) > cutoff * svd.s(0)) ++k;
    Preconditioner p;
    p.basis = svd.V.leftCols(k);
    p.values = svd.s.head(k);
    p.condition = k > 0 ? svd.s(0) / svd.s(k - 1) : 1;
    return p;
  }

  const LinearOperator& b_;
  Index n_;
  double alpha_, rcond_, rounding_;
  RandomKey key_;
};

}  // namespace corange
