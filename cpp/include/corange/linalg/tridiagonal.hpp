// All eigenpairs of a symmetric tridiagonal matrix, by divide and conquer.
//
//   T = Q diag(w) Q', w ascending
//
//   1. Cut T in 2^h pieces: T = diag(T_1 - .., T_2 - ..) + sum |e| v v', a rank one change at each cut. Pieces of up to 32 rows are
//      solved by implicit QL.
//   2. Join neighbours: diag(Q_1, Q_2) (D + rho z z') diag(Q_1, Q_2)'. Where an entry of z or a gap in D is rounding, the
//      eigenpair is known ("deflation").
//   3. The others are roots of 1 + rho sum z_i^2 / (d_i - w) = 0, one between any two d_i: rational interpolation within a bracket,
//      as distance from the nearer d_i.
//   4. The z that has exactly these roots gives eigenvectors orthogonal to rounding: u_j = (z_i / (d_i - w_j))_i; Q u, by products.
//
// Cost: up to 4/3 n^3 flops in products, less with every deflation, where QL takes about 3 n^3 in rotations. Memory: 4 n^2 numbers.
// References: Cuppen 1981 (DOI 10.1007/BF01396757); Bunch, Nielsen & Sorensen 1978 (DOI 10.1007/BF01396012, roots); Gu & Eisenstat
// 1995 (DOI 10.1137/S0895479892241287, step 4).
#pragma once

#include <Eigen/Eigenvalues>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "corange/core/errors.hpp"
#include "corange/core/parallel.hpp"
#include "corange/linalg/small_types.hpp"

namespace corange::detail {

inline constexpr double kUnitRoundoff = std::numeric_limits<double>::epsilon() / 2;

/// w and Q of D + rho z z', D ascending, rho > 0, all d_i distinct and all z_i nonzero. Steps 3 and 4.
class SecularEquation {
 public:
  SecularEquation(SmallVector d, SmallVector z, double rho)
      : d_(std::move(d)), z_(std::move(z)), rho_(rho), roots_(d_.size()), gaps_(d_.size(), d_.size()) {}

  void solve() {
    const Index k = d_.size();
    const Tiling tiles = tiling(k, 64, 8);
    parallel_for(tiles.count(), 40 * k * k, [&](Index t) {
      for (Index j = tiles.begin(t); j < tiles.begin(t) + tiles.size(t); ++j) find_root(j);
    });
    parallel_for(tiles.count(), 4 * k * k, [&](Index t) { renew_z(tiles.begin(t), tiles.size(t)); });
  }

  const SmallVector& roots() const { return roots_; }

  /// Columns [begin, begin + count) of Q.
  SmallMatrix vectors(Index begin, Index count) const {
    SmallMatrix q(d_.size(), count);
    for (Index j = 0; j < count; ++j) q.col(j) = (z_.array() / gaps_.col(begin + j).array()).matrix().normalized();
    return q;
  }

 private:
  /// f and its parts: poles up to j (psi < 0) and beyond (phi > 0), with derivatives.
  struct Value {
    double f, psi_slope, phi_slope, rounding;
  };

  /// At origin + tau; `gap` becomes d - origin - tau.
  Value evaluate(Index j, const SmallVector& shifted, double tau, Eigen::Ref<SmallVector> gap) const {
    gap = shifted.array() - tau;
    const Eigen::ArrayXd terms = rho_ * z_.array().square() / gap.array(), slopes = terms / gap.array();
    const Index left = j + 1, right = d_.size() - left;
    const double psi = terms.head(left).sum(), phi = terms.tail(right).sum();
    const Value v{1 + psi + phi, slopes.head(left).sum(), slopes.tail(right).sum(), 0};
    return {v.f, v.psi_slope, v.phi_slope, 8 * kUnitRoundoff * (1 + phi - psi + std::abs(tau) * (v.psi_slope + v.phi_slope))};
  }

  /// Where c + a / (left - x) + b / (right - x) vanishes, which has the value and the slopes of f at x = 0.
  static double step(const Value& v, double left, double right) {
    const double c = v.f - v.psi_slope * left - v.phi_slope * right;
    const double sum = c * (left + right) + v.psi_slope * left * left + v.phi_slope * right * right;
    const double product = left * right * v.f;
    const double root = std::sqrt(std::abs(sum * sum - 4 * product * c));
    return sum <= 0 ? (sum - root) / (2 * c) : 2 * product / (sum + root);
  }

  void find_root(Index j) {
    const Index k = d_.size();
    const bool last = j == k - 1;
    const double width = last ? rho_ * z_.squaredNorm() : d_(j + 1) - d_(j);
    auto gap = gaps_.col(j);
    SmallVector shifted = d_.array() - d_(j);
    double low = 0, high = last ? 2 * width : width, tau = width / 2;
    Value v = evaluate(j, shifted, tau, gap);
    if (!last && v.f < 0) {  // the upper pole is nearer
      shifted = d_.array() - d_(j + 1);
      low = -width, high = 0, tau = -width / 2;
      v = evaluate(j, shifted, tau, gap);
    }
    constexpr int kMost = 100;  // bisection alone needs fewer
    for (int i = 0; i < kMost && std::abs(v.f) > v.rounding; ++i) {
      (v.f < 0 ? low : high) = tau;
      double next = tau + (last ? gap(j) * (v.f / (v.f - v.psi_slope * gap(j))) : step(v, gap(j), gap(j + 1)));
      if (!(next > low && next < high)) next = low + (high - low) / 2;
      if (next == tau || next == low || next == high) break;
      tau = next;
      v = evaluate(j, shifted, tau, gap);
    }
    roots_(j) = (low < 0 ? d_(j + 1) : d_(j)) + tau;
  }

  /// z_i^2 = prod_j (w_j - d_i) / prod_{j != i} (d_j - d_i), to a factor that all share.
  void renew_z(Index begin, Index count) {
    const auto d = d_.segment(begin, count).array();
    Eigen::ArrayXd squares = Eigen::ArrayXd::Ones(count);
    for (Index j = 0; j < d_.size(); ++j) {
      Eigen::ArrayXd distance = d - d_(j);
      if (j >= begin && j < begin + count) distance(j - begin) = -1;
      squares *= gaps_.col(j).segment(begin, count).array() / distance;
    }
    for (Index i = 0; i < count; ++i) z_(begin + i) = std::copysign(std::sqrt(squares(i)), z_(begin + i));
  }

  SmallVector d_, z_;
  double rho_;
  SmallVector roots_;
  SmallMatrix gaps_;  // d_i - w_j
};

/// diag(Q_1, Q_2) (D + rho z z') diag(Q_1, Q_2)', step 2.
class Joint {
 public:
  Joint(const SmallEigen& first, const SmallEigen& second, double coupling) : rows_(first.values.size()) {
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
    SecularEquation equation(pick(d_), pick(z_), rho_);
    equation.solve();
    SmallVector w(n);
    w.head(k) = equation.roots();
    w.tail(n - k) = pick(d_, settled_);
    std::vector<Index> order(static_cast<std::size_t>(n)), place(order.size());
    std::iota(order.begin(), order.end(), Index{0});
    std::stable_sort(order.begin(), order.end(), [&](Index i, Index j) { return w(i) < w(j); });
    SmallEigen joined{SmallVector(n), SmallMatrix(n, n)};
    for (Index j = 0; j < n; ++j) {
      joined.values(j) = w(order[static_cast<std::size_t>(j)]);
      place[static_cast<std::size_t>(order[static_cast<std::size_t>(j)])] = j;
    }
    for (Index j = k; j < n; ++j) joined.vectors.col(at(place, j)) = q_.col(at(settled_, j - k));
    multiply_live(equation, place, joined.vectors);
    return joined;
  }

 private:
  static Index at(const std::vector<Index>& list, Index i) { return list[static_cast<std::size_t>(i)]; }

  static SmallVector pick(const SmallVector& x, const std::vector<Index>& list) {
    SmallVector picked(static_cast<Index>(list.size()));
    for (Index i = 0; i < picked.size(); ++i) picked(i) = x(at(list, i));
    return picked;
  }
  SmallVector pick(const SmallVector& x) const { return pick(x, live_); }

  /// Splits the columns in `live_`, which D + rho z z' couples, and `settled_`: ascending in d.
  void deflate() {
    std::vector<Index> order(static_cast<std::size_t>(d_.size()));
    std::iota(order.begin(), order.end(), Index{0});
    std::stable_sort(order.begin(), order.end(), [&](Index i, Index j) { return d_(i) < d_(j); });
    const double tolerance = 8 * kUnitRoundoff * std::max(d_.cwiseAbs().maxCoeff(), z_.cwiseAbs().maxCoeff());
    for (const Index j : order) {
      if (rho_ * std::abs(z_(j)) <= tolerance) {
        settled_.push_back(j);
      } else {
        if (!live_.empty() && merge(live_.back(), j, tolerance)) settled_.push_back(live_.back()), live_.pop_back();
        live_.push_back(j);
      }
    }
  }

  /// Where d_i and d_j are so near that a rotation makes z_i vanish and couples them by rounding only, does that.
  bool merge(Index i, Index j, double tolerance) {
    const double norm = std::hypot(z_(i), z_(j)), c = z_(j) / norm, s = -z_(i) / norm;
    if (std::abs((d_(j) - d_(i)) * c * s) > tolerance) return false;
    z_(i) = 0, z_(j) = norm;
    const SmallVector column = c * q_.col(i) + s * q_.col(j);
    q_.col(j) = c * q_.col(j) - s * q_.col(i);
    q_.col(i) = column;
    const double low = d_(i) * c * c + d_(j) * s * s;
    d_(j) = d_(i) * s * s + d_(j) * c * c;
    d_(i) = low;
    return true;
  }

  /// Columns of Q that are zero above or below the cut take no part in that half of the product.
  void multiply_live(const SecularEquation& equation, const std::vector<Index>& place, SmallMatrix& out) const {
    std::vector<Index> upper, lower;
    for (Index i = 0; i < static_cast<Index>(live_.size()); ++i) {
      if (!q_.col(at(live_, i)).head(rows_).isZero(0)) upper.push_back(i);
      if (!q_.col(at(live_, i)).tail(q_.rows() - rows_).isZero(0)) lower.push_back(i);
    }
    const SmallMatrix top = half(upper, 0, rows_), bottom = half(lower, rows_, q_.rows() - rows_);
    const Tiling strips{static_cast<Index>(live_.size()), 32};
    parallel_for(strips.count(), strips.n * strips.n * q_.rows(), [&](Index s) {
      const SmallMatrix u = equation.vectors(strips.begin(s), strips.size(s));
      SmallMatrix product(q_.rows(), u.cols());
      product.topRows(rows_).noalias() = top * rows_of(u, upper);
      product.bottomRows(q_.rows() - rows_).noalias() = bottom * rows_of(u, lower);
      for (Index j = 0; j < u.cols(); ++j) out.col(at(place, strips.begin(s) + j)) = product.col(j);
    });
  }

  static SmallMatrix rows_of(const SmallMatrix& u, const std::vector<Index>& list) {
    SmallMatrix picked(static_cast<Index>(list.size()), u.cols());
    for (Index j = 0; j < u.cols(); ++j)
      for (Index i = 0; i < picked.rows(); ++i) picked(i, j) = u(at(list, i), j);
    return picked;
  }

  SmallMatrix half(const std::vector<Index>& list, Index begin, Index rows) const {
    SmallMatrix picked(rows, static_cast<Index>(list.size()));
    for (Index j = 0; j < picked.cols(); ++j) picked.col(j) = q_.col(at(live_, at(list, j))).segment(begin, rows);
    return picked;
  }

  Index rows_;  // of the first piece
  SmallVector d_, z_;
  double rho_ = 0;
  SmallMatrix q_;
  std::vector<Index> live_, settled_;
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
      joined[static_cast<std::size_t>(p)] = Joint(pieces[first], pieces[first + 1], beside(begin(2 * p + 1) - 1)).solve();
    });
    pieces = std::move(joined);
  }
  return std::move(pieces[0]);
}

}  // namespace corange::detail
