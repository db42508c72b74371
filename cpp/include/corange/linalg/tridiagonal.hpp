// All eigenpairs of a symmetric tridiagonal matrix, by divide and conquer.
//
//   T = Q diag(w) Q', w ascending
//
//   1. Cut T in 2^h pieces: T = diag(T_1 - .., T_2 - ..) + sum |e| v v', a rank one change at each cut. Pieces of up to 32 rows are
//      solved by implicit QL.
//   2. Join neighbours: diag(Q_1, Q_2) (D + rho z z') diag(Q_1, Q_2)'. Where an entry of z or a gap in D is rounding, the
//      eigenpair is known ("deflation", coupled.hpp).
//   3. The others by the secular equation (secular.hpp), and Q u by products.
//
// Cost: up to 4/3 n^3 flops in products, less with every deflation, where QL takes about 3 n^3 in rotations. Memory: 4 n^2 numbers.
// References: Cuppen 1981 (DOI 10.1007/BF01396757); Gu & Eisenstat 1995 (DOI 10.1137/S0895479892241287).
#pragma once

#include <Eigen/Eigenvalues>

#include <cmath>
#include <vector>

#include "corange/core/errors.hpp"
#include "corange/core/parallel.hpp"
#include "corange/linalg/coupled.hpp"
#include "corange/linalg/secular.hpp"

namespace corange::detail {

/// diag(Q_1, Q_2) (D + rho z z') diag(Q_1, Q_2)', step 2.
class TridiagonalJoint {
 public:
  TridiagonalJoint(const SmallEigen& first, const SmallEigen& second, double coupling) : rows_(first.values.size()) {
    const Index n = rows_ + second.values.size();
    d_.resize(n), z_.resize(n);
    q_ = SmallMatrix::Zero(n, n);
    d_ << first.values, second.values;
    q_.topLeftCorner(rows_, rows_) = first.vectors;
    q_.bottomRightCorner(n - rows_, n - rows_) = second.vectors;
    z_ << first.vectors.row(rows_ - 1).transpose(), std::copysign(1.0, coupling) * second.vectors.row(0).transpose();
    z_ /= std::sqrt(2.0);
    rho_ = 2 * std::abs(coupling);
  }

  SmallEigen solve() {
    deflate();
    const Index n = d_.size(), k = static_cast<Index>(live_.size());
    SecularEquation<Poles::values> equation(pick(d_, live_), pick(z_, live_), rho_);
    equation.solve();
    SmallVector w(n);
    w << equation.roots(), pick(d_, settled_);
    const Places order = ascending(w), place = inverse(order);
    SmallEigen joined{pick(w, order), SmallMatrix(n, n)};
    for (Index j = k; j < n; ++j) joined.vectors.col(at(place, j)) = q_.col(at(settled_, j - k));
    multiply_live(
        q_, rows_, live_, place, [&](Index begin, Index count) { return equation.right_vectors(begin, count); }, joined.vectors);
    return joined;
  }

 private:
  void deflate() {
    const double tolerance = 8 * kUnitRoundoff * std::max(d_.cwiseAbs().maxCoeff(), z_.cwiseAbs().maxCoeff());
    for (const Index j : ascending(d_)) {
      if (rho_ * std::abs(z_(j)) <= tolerance) {
        settled_.push_back(j);
      } else {
        if (!live_.empty() && merge(live_.back(), j, tolerance)) settled_.push_back(live_.back()), live_.pop_back();
        live_.push_back(j);
      }
    }
  }

  bool merge(Index i, Index j, double tolerance) {
    double c = 0, s = 0;
    if (!uncouple(d_, z_, i, j, tolerance, c, s)) return false;
    rotate_columns(q_, i, j, c, s);
    return true;
  }

  Index rows_;  // of the first piece
  SmallVector d_, z_;
  double rho_ = 0;
  SmallMatrix q_;
  Places live_, settled_;  // ascending in d
};

inline SmallEigen solve_by_ql(const SmallVector& diagonal, const SmallVector& beside) {
  Eigen::SelfAdjointEigenSolver<SmallMatrix> solver;
  solver.computeFromTridiagonal(diagonal, beside);
  if (solver.info() != Eigen::Success)
    throw NumericalError("a projected eigenproblem did not converge: the input holds NaN or infinity");
  return {solver.eigenvalues(), solver.eigenvectors()};
}

/// Entries must be finite, and of a size whose squares neither over- nor underflow.
inline SmallEigen tridiagonal_eigen(SmallVector diagonal, const SmallVector& beside) {
  constexpr Index kPiece = 32;
  const Index n = diagonal.size();
  Index count = 1;
  while (n > kPiece * count) count *= 2;
  const auto begin = [&](Index p) { return p * n / count; };
  for (Index p = 1; p < count; ++p) {
    const double coupling = std::abs(beside(begin(p) - 1));
    diagonal(begin(p) - 1) -= coupling;
    diagonal(begin(p)) -= coupling;
  }
  std::vector<SmallEigen> pieces(static_cast<std::size_t>(count));
  parallel_for(count, 8 * kPiece * kPiece * n, [&](Index p) {
    const Index rows = begin(p + 1) - begin(p);
    pieces[static_cast<std::size_t>(p)] = solve_by_ql(diagonal.segment(begin(p), rows), beside.segment(begin(p), rows - 1));
  });
  for (; count > 1; count /= 2) {
    std::vector<SmallEigen> joined(static_cast<std::size_t>(count / 2));
    parallel_for(count / 2, n * n * n / count, [&](Index p) {
      const auto first = static_cast<std::size_t>(2 * p);
      joined[static_cast<std::size_t>(p)] =
          TridiagonalJoint(pieces[first], pieces[first + 1], beside(begin(2 * p + 1) - 1)).solve();
    });
    pieces = std::move(joined);
  }
  return std::move(pieces[0]);
}

}  // namespace corange::detail
