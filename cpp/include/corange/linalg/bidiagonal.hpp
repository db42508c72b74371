// The singular value decomposition of a square upper bidiagonal matrix, by divide and conquer.
//
//   B = U diag(s) V', s ascending
//
//   1. Take rows out of B so that what is left are pieces of one row or none, each k x (k + 1) but the last, which is square.
//   2. Join neighbours B_1 = U_1 [S_1 0] V_1', B_2 = U_2 [S_2 0] V_2' and the row between, (alpha, beta) where they meet:
//      diag(U_1, 1, U_2) M diag(V_1, V_2)', M diagonal but for its first row z = alpha times the last row of V_1 and beta times the
//      first of V_2. Of the two null vectors, one takes part after a rotation; the other is that of the whole.
//   3. Where an entry of z, a value or a gap between two is rounding, the triplet is known ("deflation", coupled.hpp). The others by
//      the secular equation (secular.hpp), and U and V by products.
//
// Cost: up to 8/3 n^3 flops in products, less with every deflation. Memory: 8 n^2 numbers. Values are good to rounding of the largest.
// Reference: Gu & Eisenstat 1995 (DOI 10.1137/S0895479892242232).
#pragma once

#include <cmath>
#include <vector>

#include "corange/core/parallel.hpp"
#include "corange/linalg/coupled.hpp"
#include "corange/linalg/secular.hpp"

namespace corange::detail {

/// B = U [diag(s) 0] V', s ascending, U and V square: one more column than rows, or as many.
struct BidiagonalPart {
  SmallVector s;
  SmallMatrix U, V;
};

/// Steps 2 and 3.
class BidiagonalJoint {
 public:
  BidiagonalJoint(const BidiagonalPart& first, const BidiagonalPart& second, double alpha, double beta)
      : above_(first.s.size()), d_(above_ + 1 + second.s.size()), z_(d_.size()) {
    const Index below = second.s.size(), n = d_.size(), columns = above_ + 1 + second.V.cols();
    d_ << 0, first.s, second.s;
    u_ = SmallMatrix::Zero(n, n);
    u_(above_, 0) = 1;
    u_.block(0, 1, above_, above_) = first.U;
    u_.bottomRightCorner(below, below) = second.U;
    v_ = SmallMatrix::Zero(columns, columns);
    v_.topLeftCorner(above_ + 1, 1) = first.V.rightCols(1);
    v_.block(0, 1, above_ + 1, above_) = first.V.leftCols(above_);
    v_.bottomRightCorner(second.V.rows(), second.V.cols()) = second.V;
    z_(0) = alpha * first.V(above_, above_);
    z_.segment(1, above_) = alpha * first.V.row(above_).head(above_).transpose();
    if (below > 0) z_.tail(below) = beta * second.V.row(0).head(below).transpose();
    if (columns > n) share_null_vector(beta * second.V(0, below));
    constexpr double kFloor = 1e-60;  // far below rounding of the whole, and its square divided by its square is safe
    tolerance_ = std::max(8 * kUnitRoundoff * std::max({d_.maxCoeff(), std::abs(alpha), std::abs(beta)}), kFloor);
  }

  BidiagonalPart solve() {
    deflate();
    const Index n = d_.size(), k = static_cast<Index>(live_.size());
    SecularEquation<Poles::squares> equation(pick(d_, live_), pick(z_, live_), 1);
    equation.solve();
    SmallVector w(n);
    w << equation.roots(), pick(d_, settled_);
    const Places order = ascending(w), place = inverse(order);
    BidiagonalPart joined{pick(w, order), SmallMatrix(n, n), SmallMatrix(v_.rows(), v_.cols())};
    for (Index j = k; j < n; ++j) {
      joined.U.col(at(place, j)) = u_.col(at(settled_, j - k));
      joined.V.col(at(place, j)) = v_.col(at(settled_, j - k));
    }
    joined.V.rightCols(v_.cols() - n) = v_.rightCols(v_.cols() - n);
    const Index cut = above_ + 1;
    multiply_live(u_, cut, live_, place, [&](Index begin, Index count) { return equation.left_vectors(begin, count); }, joined.U);
    multiply_live(
        v_, cut, live_, place, [&](Index begin, Index count) { return equation.right_vectors(begin, count); }, joined.V);
    return joined;
  }

 private:
  /// Turns the null vectors of both pieces so that z has no entry at the last.
  void share_null_vector(double entry) {
    const double norm = std::hypot(z_(0), entry);
    if (norm == 0) return;
    rotate_columns(v_, 0, v_.cols() - 1, z_(0) / norm, entry / norm);
    z_(0) = norm;
  }

  /// The first column, of value 0, is always live.
  void deflate() {
    if (std::abs(z_(0)) <= tolerance_) z_(0) = tolerance_;
    live_.push_back(0);
    for (const Index j : ascending(d_)) {
      if (j == 0) continue;
      if (std::abs(z_(j)) <= tolerance_) {
        settled_.push_back(j);
      } else if (d_(j) <= tolerance_) {
        vanish(j);
      } else {
        if (live_.size() > 1 && merge(live_.back(), j)) settled_.push_back(live_.back()), live_.pop_back();
        live_.push_back(j);
      }
    }
  }

  /// Of value 0, as the first: z_j goes into z_1.
  void vanish(Index j) {
    const double norm = std::hypot(z_(0), z_(j)), c = z_(0) / norm;
    rotate_columns(v_, 0, j, c, z_(j) / norm);
    z_(0) = norm;
    d_(j) *= std::abs(c);
    settled_.push_back(j);
  }

  bool merge(Index i, Index j) {
    double c = 0, s = 0;
    if (!uncouple(d_, z_, i, j, tolerance_, c, s)) return false;
    rotate_columns(u_, i, j, c, s);
    rotate_columns(v_, i, j, c, s);
    return true;
  }

  Index above_;  // rows of the first piece
  SmallVector d_, z_;
  SmallMatrix u_, v_;
  double tolerance_ = 0;
  Places live_, settled_;  // ascending in d
};

inline BidiagonalPart no_row(Index columns) {
  return {SmallVector(0), SmallMatrix(0, 0), SmallMatrix::Identity(columns, columns)};
}

/// (diagonal, beside), with a column beside or none.
inline BidiagonalPart one_row(double diagonal, const SmallVector& beside) {
  const double length = std::hypot(diagonal, beside.norm());
  BidiagonalPart part{SmallVector::Constant(1, length), SmallMatrix::Identity(1, 1),
                      SmallMatrix::Identity(1 + beside.size(), 1 + beside.size())};
  if (length == 0) return part;
  part.V(0, 0) = diagonal / length;
  if (beside.size() == 1) {
    part.V(1, 0) = beside(0) / length;
    part.V.col(1) << -part.V(1, 0), part.V(0, 0);
  }
  return part;
}

/// The largest entry must be about 1.
inline BidiagonalPart bidiagonal_svd(const SmallVector& diagonal, const SmallVector& beside) {
  const Index n = diagonal.size();
  Index count = 1;
  while (n + 1 >= 2 * count) count *= 2;
  // Between pieces p and p + 1 lies row begin(p + 1) - 1.
  const auto begin = [&](Index p) { return p * (n + 1) / count; };
  const auto joint = [&](Index p) { return begin(p + 1) - 1; };
  std::vector<BidiagonalPart> pieces(static_cast<std::size_t>(count));
  for (Index p = 0; p < count; ++p) {
    const Index row = begin(p), more = p + 1 < count ? 1 : 0;
    pieces[static_cast<std::size_t>(p)] =
        joint(p) == row ? no_row(more)
                        : one_row(diagonal(row), more == 1 ? SmallVector::Constant(1, beside(row)) : SmallVector());
  }
  for (; count > 1; count /= 2) {
    std::vector<BidiagonalPart> joined(static_cast<std::size_t>(count / 2));
    parallel_for(count / 2, 2 * n * n * n / count, [&](Index p) {
      const auto first = static_cast<std::size_t>(2 * p);
      const Index row = joint(2 * p);
      joined[static_cast<std::size_t>(p)] =
          BidiagonalJoint(pieces[first], pieces[first + 1], diagonal(row), row + 1 < n ? beside(row) : 0).solve();
    });
    pieces = std::move(joined);
  }
  return std::move(pieces[0]);
}

}  // namespace corange::detail
