// Definitions of small.hpp.
#pragma once

#include <Eigen/Cholesky>
#include <Eigen/Dense>
#include <Eigen/Eigenvalues>

#include <cmath>

#include "corange/core/errors.hpp"
#include "corange/core/parallel.hpp"
#include "corange/linalg/bidiagonal.hpp"
#include "corange/linalg/reduction.hpp"
#include "corange/linalg/small.hpp"
#include "corange/linalg/tridiagonal.hpp"

namespace corange {

namespace detail {

/// fn(a...), or where that takes longer than about a tenth of a second, fn of copies while Ctrl-C is answered.
template <class Fn, class... Matrices>
auto answering(double flops, const Fn& fn, const Matrices&... a) {
  constexpr double kQuick = 2e8;
  if (flops <= kQuick) return fn(a...);
  return interruptible([fn, a...] { return fn(a...); });
}

inline double cube(const SmallMatrix& a) { return std::pow(static_cast<double>(a.cols()), 3); }

/// Largest magnitude; throws on NaN and infinity.
inline double finite_scale(const SmallMatrix& a) {
  const double scale = a.size() > 0 ? a.cwiseAbs().maxCoeff<Eigen::PropagateNaN>() : 0;
  if (!std::isfinite(scale)) throw NumericalError("a projected problem cannot be solved: the input holds NaN or infinity");
  return scale;
}

inline SmallEigen eigen_by_parts(const SmallMatrix& a) {
  const Tridiagonalization reduced(a);
  SmallEigen eigen = tridiagonal_eigen(reduced.diagonal, reduced.beside);
  reduced.reflectors.apply(eigen.vectors);
  return eigen;
}

}  // namespace detail

CORANGE_INLINE SmallEigen symmetric_eigen(const SmallMatrix& t) {
  constexpr Index kAtOnce = 48;
  const double scale = detail::finite_scale(t);
  if (t.cols() > kAtOnce && scale > 0) {
    SmallEigen eigen = detail::eigen_by_parts(t / scale);
    eigen.values *= scale;
    return eigen;
  }
  const Eigen::SelfAdjointEigenSolver<SmallMatrix> solver(t);
  if (solver.info() != Eigen::Success) throw NumericalError("a projected eigenproblem did not converge");
  return {solver.eigenvalues(), solver.eigenvectors()};
}

CORANGE_INLINE SmallSvd small_svd(const SmallMatrix& r) {
  const Index m = r.rows(), n = r.cols();
  const double scale = detail::finite_scale(r);
  if (scale == 0) return {SmallMatrix::Identity(m, n), SmallVector::Zero(n), SmallMatrix::Identity(n, n)};
  const detail::Bidiagonalization reduced(r / scale);
  const detail::BidiagonalPart part = detail::bidiagonal_svd(reduced.diagonal, reduced.beside);
  SmallSvd svd{SmallMatrix::Zero(m, n), part.s.reverse() * scale, part.V.rowwise().reverse()};
  svd.U.topRows(n) = part.U.rowwise().reverse();
  reduced.left.apply(svd.U);
  reduced.right.apply(svd.V);
  return svd;
}

CORANGE_INLINE SmallMatrix multiply(const SmallMatrix& a, const SmallMatrix& b) {
  const double flops = static_cast<double>(a.rows() * a.cols()) * static_cast<double>(b.cols());
  return detail::answering(flops, [](const SmallMatrix& x, const SmallMatrix& y) -> SmallMatrix { return x * y; }, a, b);
}
CORANGE_INLINE SmallMatrix multiply_adjoint(const SmallMatrix& a, const SmallMatrix& b) {
  const double flops = static_cast<double>(a.rows() * a.cols()) * static_cast<double>(b.cols());
  return detail::answering(
      flops, [](const SmallMatrix& x, const SmallMatrix& y) -> SmallMatrix { return x.transpose() * y; }, a, b);
}
CORANGE_INLINE SmallMatrix triangular_factor(const SmallMatrix& a) {
  const auto factor = [](const SmallMatrix& x) -> SmallMatrix {
    const Eigen::HouseholderQR<SmallMatrix> qr(x);
    return qr.matrixQR().topRows(x.cols()).triangularView<Eigen::Upper>();
  };
  return detail::answering(2 * static_cast<double>(a.rows()) * static_cast<double>(a.cols() * a.cols()), factor, a);
}

CORANGE_INLINE SmallMatrix solve_upper(const SmallMatrix& r, const SmallMatrix& b) {
  const auto solve = [](const SmallMatrix& u, const SmallMatrix& y) -> SmallMatrix {
    return u.triangularView<Eigen::Upper>().solve(y);
  };
  return detail::answering(static_cast<double>(r.size()) * static_cast<double>(b.cols()), solve, r, b);
}
CORANGE_INLINE SmallMatrix solve_upper_adjoint(const SmallMatrix& r, const SmallMatrix& b) {
  const auto solve = [](const SmallMatrix& u, const SmallMatrix& y) -> SmallMatrix {
    return u.triangularView<Eigen::Upper>().transpose().solve(y);
  };
  return detail::answering(static_cast<double>(r.size()) * static_cast<double>(b.cols()), solve, r, b);
}

CORANGE_INLINE SmallMatrix scale_columns(const SmallMatrix& a, const SmallVector& d) { return a * d.asDiagonal(); }

CORANGE_INLINE SmallMatrix select_columns(const SmallMatrix& a, const std::vector<Index>& order) {
  SmallMatrix selected(a.rows(), static_cast<Index>(order.size()));
  for (Index j = 0; j < selected.cols(); ++j) selected.col(j) = a.col(order[static_cast<std::size_t>(j)]);
  return selected;
}

CORANGE_INLINE SmallVector column_norms(const SmallMatrix& a) {
  SmallVector norms(a.cols());
  for (Index j = 0; j < a.cols(); ++j) norms(j) = a.col(j).norm();
  return norms;
}

namespace detail {

/// 1 / sqrt(diagonal), 0 for vanishing columns.
CORANGE_INLINE SmallVector inverse_norms(const SmallMatrix& g) {
  SmallVector d(g.cols());
  for (Index j = 0; j < g.cols(); ++j) d(j) = g(j, j) > 0 ? 1 / std::sqrt(g(j, j)) : 0;
  return d;
}

inline GramFactor factor_gram_at_once(const SmallMatrix& g) {
  const SmallVector d = inverse_norms(g);
  GramFactor f;
  if (d.size() == 0 || !(d.minCoeff() > 0)) return f;
  const Eigen::LLT<SmallMatrix> llt(d.asDiagonal() * g * d.asDiagonal());
  if (llt.info() != Eigen::Success) return f;
  const SmallMatrix u = llt.matrixU();
  f.pivot = u.diagonal().minCoeff();
  if (!(f.pivot > 0)) return {};
  f.inverse = d.asDiagonal() * u.triangularView<Eigen::Upper>().solve(SmallMatrix::Identity(u.rows(), u.cols())).eval();
  f.r = u * d.cwiseInverse().asDiagonal();
  return f;
}

inline std::vector<Index> independent_columns_at_once(const SmallMatrix& g, double least) {
  const SmallVector d = inverse_norms(g);
  const SmallMatrix unit = d.asDiagonal() * g * d.asDiagonal();
  std::vector<Index> chosen;
  SmallVector left = unit.diagonal();
  SmallMatrix l(g.rows(), g.cols());
  for (Index j = 0; j < g.cols(); ++j) {
    Index pivot = 0;
    if (!(left.maxCoeff(&pivot) > least * least)) break;
    l.col(j) = (unit.col(pivot) - l.leftCols(j) * l.row(pivot).head(j).transpose()) / std::sqrt(left(pivot));
    left -= l.col(j).cwiseAbs2();
    left(pivot) = 0;
    chosen.push_back(pivot);
  }
  return chosen;
}

}  // namespace detail

CORANGE_INLINE GramFactor factor_gram(const SmallMatrix& g) {
  return detail::answering(2 * detail::cube(g), detail::factor_gram_at_once, g);
}

CORANGE_INLINE std::vector<Index> independent_columns(const SmallMatrix& g, double least) {
  return detail::answering(
      2 * detail::cube(g), [least](const SmallMatrix& a) { return detail::independent_columns_at_once(a, least); }, g);
}

}  // namespace corange
