// Definitions of small.hpp.
#pragma once

#include <Eigen/Cholesky>
#include <Eigen/Dense>
#include <Eigen/Eigenvalues>

#include <algorithm>
#include <cmath>

#include "corange/core/errors.hpp"
#include "corange/core/parallel.hpp"
#include "corange/linalg/bidiagonal.hpp"
#include "corange/linalg/reduction.hpp"
#include "corange/linalg/small.hpp"
#include "corange/linalg/tridiagonal.hpp"

namespace corange {

namespace detail {

inline constexpr Index kQuick = 200'000'000;  // multiplications; they take a tenth of a second at most

/// fn(a...), or where that is not quick, fn of copies while Ctrl-C is answered.
template <class Fn, class... Matrices>
auto answering(double flops, const Fn& fn, const Matrices&... a) {
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

/// rows x cols, made of columns(begin, count), which takes `inner` multiplications an entry.
template <class Columns>
SmallMatrix by_strips(Index rows, Index cols, Index inner, const Columns& columns) {
  SmallMatrix out(rows, cols);
  const Tiling strips{cols, std::clamp<Index>(kQuick / std::max<Index>(rows * inner, 1), 8, 64)};
  parallel_for(strips.count(), rows * cols * inner,
               [&](Index s) { out.middleCols(strips.begin(s), strips.size(s)) = columns(strips.begin(s), strips.size(s)); });
  return out;
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

CORANGE_INLINE SmallMatrix small_inverse(const SmallMatrix& a) {
  const auto invert = [](const SmallMatrix& x) -> SmallMatrix { return Eigen::PartialPivLU<SmallMatrix>(x).inverse(); };
  SmallMatrix inverse = detail::answering(2 * detail::cube(a), invert, a);
  if (!inverse.allFinite()) throw NumericalError("a small matrix is singular");
  return inverse;
}

CORANGE_INLINE SmallMatrix multiply(const SmallMatrix& a, const SmallMatrix& b) {
  return detail::by_strips(a.rows(), b.cols(), a.cols(),
                           [&](Index begin, Index count) -> SmallMatrix { return a * b.middleCols(begin, count); });
}
CORANGE_INLINE SmallMatrix multiply_adjoint(const SmallMatrix& a, const SmallMatrix& b) {
  return detail::by_strips(a.cols(), b.cols(), a.rows(),
                           [&](Index begin, Index count) -> SmallMatrix { return a.transpose() * b.middleCols(begin, count); });
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

/// Upper triangular U with g = U'U; empty where there is none.
inline SmallMatrix cholesky_at_once(const SmallMatrix& g) {
  const Eigen::LLT<SmallMatrix> llt(g);
  return llt.info() == Eigen::Success ? SmallMatrix(llt.matrixU()) : SmallMatrix();
}

/// u^-1, whose columns vanish below their diagonal.
inline SmallMatrix upper_inverse(const SmallMatrix& u) {
  return by_strips(u.rows(), u.cols(), u.cols() / 3, [&](Index begin, Index count) {
    const Index end = begin + count;
    SmallMatrix columns = SmallMatrix::Zero(u.rows(), count);
    columns.middleRows(begin, count).setIdentity();
    u.topLeftCorner(end, end).triangularView<Eigen::Upper>().solveInPlace(columns.topRows(end));
    return columns;
  });
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
  const SmallVector d = detail::inverse_norms(g);
  if (d.size() == 0 || !(d.minCoeff() > 0)) return {};
  const SmallMatrix unit = d.asDiagonal() * g * d.asDiagonal();
  const SmallMatrix u = detail::answering(detail::cube(g) / 3, detail::cholesky_at_once, unit);
  if (u.size() == 0 || !(u.diagonal().minCoeff() > 0)) return {};
  return {u * d.cwiseInverse().asDiagonal(), d.asDiagonal() * detail::upper_inverse(u), u.diagonal().minCoeff()};
}

CORANGE_INLINE std::vector<Index> independent_columns(const SmallMatrix& g, double least) {
  return detail::answering(
      2 * detail::cube(g), [least](const SmallMatrix& a) { return detail::independent_columns_at_once(a, least); }, g);
}

}  // namespace corange
