// What divide and conquer asks for where two halves meet: D + rho z z', or a diagonal matrix whose first row is z.
//
//   values    D + rho z z' = Q diag(w) Q'                              1 + rho sum z_i^2 / (d_i - w) = 0
//   squares   e_1 z' + D = P diag(w) Q',  d_1 = 0, rho = 1             1 + sum z_i^2 / (d_i^2 - w^2) = 0
//
//   1. One root lies between any two poles: rational interpolation within a bracket, as distance from the nearer pole.
//   2. The z that has exactly these roots, and its vectors, which are orthogonal to rounding: Q = (z_i / (d_i - w_j)), columns of
//      length one. Of squares, Q = (z_i / (d_i^2 - w_j^2)) and P = (d_i z_i / (d_i^2 - w_j^2)) with -1 in the first row.
//
// Cost: about 40 k^2 flops, and k^2 divisions for Q. Memory: k^2 numbers.
// References: Bunch, Nielsen & Sorensen 1978 (DOI 10.1007/BF01396012, roots); Gu & Eisenstat 1995 (DOI 10.1137/S0895479892241287
// and 10.1137/S0895479892242232, step 2).
#pragma once

#include <cmath>
#include <limits>
#include <utility>

#include "corange/core/parallel.hpp"
#include "corange/linalg/small_types.hpp"

namespace corange::detail {

inline constexpr double kUnitRoundoff = std::numeric_limits<double>::epsilon() / 2;

enum class Poles { values, squares };

/// d ascending, nonnegative if squared; all distinct, all z_i nonzero.
template <Poles Kind>
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
  SmallMatrix right_vectors(Index begin, Index count) const {
    SmallMatrix q(d_.size(), count);
    for (Index j = 0; j < count; ++j) q.col(j) = (z_.array() / gaps_.col(begin + j).array()).matrix().normalized();
    return q;
  }

  /// Those of P.
  SmallMatrix left_vectors(Index begin, Index count) const {
    SmallMatrix p(d_.size(), count);
    for (Index j = 0; j < count; ++j) {
      p.col(j) = d_.array() * z_.array() / gaps_.col(begin + j).array();
      p(0, j) = -1;
      p.col(j).normalize();
    }
    return p;
  }

 private:
  /// f and its parts: poles up to j (psi < 0) and beyond (phi > 0), with derivatives.
  struct Value {
    double f, psi_slope, phi_slope, rounding;
  };

  /// Of the poles of d from that of d_j.
  template <class Entries>
  Eigen::ArrayXd distances(const Entries& d, Index j) const {
    if constexpr (Kind == Poles::values) return d.array() - d_(j);
    return (d.array() - d_(j)) * (d.array() + d_(j));
  }

  double root(Index pole, double tau) const {
    const double d = d_(pole);
    if constexpr (Kind == Poles::values) return d + tau;
    return d + tau / (d + std::sqrt(d * d + tau));
  }

  /// At pole + tau; `gap` becomes its distances from all poles.
  Value evaluate(Index j, const Eigen::ArrayXd& shifted, double tau, Eigen::Ref<SmallVector> gap) const {
    gap = shifted - tau;
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
    const bool last = j == d_.size() - 1;
    auto gap = gaps_.col(j);
    Eigen::ArrayXd shifted = distances(d_, j);
    const double width = last ? rho_ * z_.squaredNorm() : shifted(j + 1);
    double low = 0, high = last ? 2 * width : width, tau = width / 2;
    Value v = evaluate(j, shifted, tau, gap);
    if (!last && v.f < 0) {  // the upper pole is nearer
      shifted = distances(d_, j + 1);
      low = -width, high = 0, tau = -width / 2;
      v = evaluate(j, shifted, tau, gap);
    }
    constexpr int kMost = 200;  // bisection alone needs fewer
    for (int i = 0; i < kMost && std::abs(v.f) > v.rounding; ++i) {
      (v.f < 0 ? low : high) = tau;
      double next = tau + (last ? gap(j) * (v.f / (v.f - v.psi_slope * gap(j))) : step(v, gap(j), gap(j + 1)));
      if (!(next > low && next < high)) next = low + (high - low) / 2;
      if (next == tau || next == low || next == high) break;
      tau = next;
      v = evaluate(j, shifted, tau, gap);
    }
    roots_(j) = root(low < 0 ? j + 1 : j, tau);
  }

  /// rho z_i^2 = prod_j (w_j - d_i) / prod_{j != i} (d_j - d_i).
  void renew_z(Index begin, Index count) {
    const auto d = d_.segment(begin, count);
    Eigen::ArrayXd squares = Eigen::ArrayXd::Ones(count);
    for (Index j = 0; j < d_.size(); ++j) {
      Eigen::ArrayXd distance = distances(d, j);
      if (j >= begin && j < begin + count) distance(j - begin) = -1;
      squares *= gaps_.col(j).segment(begin, count).array() / distance;
    }
    for (Index i = 0; i < count; ++i) z_(begin + i) = std::copysign(std::sqrt(squares(i)), z_(begin + i));
  }

  SmallVector d_, z_;
  double rho_;
  SmallVector roots_;
  SmallMatrix gaps_;  // of poles and roots
};

}  // namespace corange::detail
