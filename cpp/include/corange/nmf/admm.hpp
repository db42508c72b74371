// The alternating direction method of multipliers on one factor: a few steps, each one a product with a small inverse.
//
//   With G and F scaled so that G has unit diagonal, rho = 1 and S = (G + I)^-1, for at most ten times (a hundred the first time):
//     A = S (F + Y + U);   Y = max(0, A - U);   U = U + Y - A
//   until || Y - A || and the change of Y are a tenth of Y and of U. The dual U is kept from one half-step to the next.
//
// Exact where factors are dense and correlated, where coordinate descent crawls: S couples all components at once. Singular G
// is no problem. Cost: 2 rows k^2 flops a step, all in matrix products.
// Reference: Huang, Sidiropoulos, Liavas 2016 (DOI 10.1109/TSP.2016.2576427).
#pragma once

#include "corange/nmf/half_step.hpp"

namespace corange {

namespace detail {

inline constexpr Index kAdmmRows = 96;  // of a tile: its blocks stay in cache from step to step
inline constexpr int kAdmmSteps = 20;
inline constexpr int kAdmmFirstSteps = 100;  // without duals from before

/// G scaled to unit diagonal, and (G + I)^-1.
template <class T>
struct AdmmSystem {
  std::vector<T> scale;  // 1 / sqrt(G_jj), zero where a component is dead
  Block<T> g, inverse;

  AdmmSystem(const SmallMatrix& gram, double l2) : scale(static_cast<std::size_t>(gram.cols()), T(0)) {
    const Index k = gram.cols();
    SmallMatrix scaled = SmallMatrix::Identity(k, k);
    SmallVector d = SmallVector::Zero(k);
    for (Index j = 0; j < k; ++j)
      if (gram(j, j) + l2 > kNoComponent<T>) d(j) = 1 / std::sqrt(gram(j, j) + l2);
    for (Index i = 0; i < k; ++i)
      for (Index j = 0; j < k; ++j)
        if (i != j) scaled(i, j) = gram(i, j) * d(i) * d(j);
    for (Index j = 0; j < k; ++j) scale[static_cast<std::size_t>(j)] = static_cast<T>(d(j));
    g = to_block<T>(scaled);
    const SmallMatrix r = factor_gram(scaled + SmallMatrix::Identity(k, k)).inverse;
    inverse = to_block<T>(multiply(r, r.transpose()));
  }
};

/// A tile of rows in scaled variables.
template <class T>
class AdmmTile {
 public:
  AdmmTile(const AdmmSystem<T>& system, Index k, int steps)
      : s_(system),
        k_(k),
        steps_(steps),
        f_(kAdmmRows, k),
        y_(kAdmmRows, k),
        u_(kAdmmRows, k),
        a_(kAdmmRows, k),
        right_(kAdmmRows, k) {}

  HalfStep run(BlockView<const T> f, BlockView<T> y, BlockView<T> u, const NmfPenalty& penalty, Index first) {
    rows_ = y.rows;
    HalfStep sums;
    for (Index i = 0; i < rows_; ++i) {
      const T l1 = static_cast<T>(penalty.l1_of(first + i));
      for (Index j = 0; j < k_; ++j) {
        const T d = s_.scale[static_cast<std::size_t>(j)];
        f_(i, j) = (f(i, j) - l1) * d;
        y_(i, j) = d > 0 ? y(i, j) / d : T(0);
        u_(i, j) = d > 0 ? u(i, j) / d : T(0);
      }
    }
    sums.gradient = gradient();
    for (int step = 0; step < steps_; ++step)
      if (advance()) break;
    for (Index i = 0; i < rows_; ++i) {
      const double l1 = penalty.l1_of(first + i);
      for (Index j = 0; j < k_; ++j) {
        const T d = s_.scale[static_cast<std::size_t>(j)];
        y(i, j) = y_(i, j) * d;
        u(i, j) = u_(i, j) * d;
        sums.cross += static_cast<double>(y(i, j)) * static_cast<double>(f(i, j));
        sums.linear += static_cast<double>(y(i, j)) * l1;
      }
    }
    return sums;
  }

 private:
  BlockView<T> part(Block<T>& b) { return b.view().middle_rows(0, rows_); }

  /// Squared norm of the projected gradient F - Y G where Y is positive or wants to be, in the user's variables.
  double gradient() {
    panel_product<T>(strided(part(y_)), s_.g.view(), part(a_), Store::set);
    double total = 0;
    for (Index i = 0; i < rows_; ++i)
      for (Index j = 0; j < k_; ++j) {
        const double d = static_cast<double>(s_.scale[static_cast<std::size_t>(j)]);
        const double rest = d > 0 ? static_cast<double>(f_(i, j) - a_(i, j)) / d : 0.0;
        total += y_(i, j) > 0 || rest > 0 ? rest * rest : 0.0;
      }
    return total;
  }

  /// One step; true when it is enough.
  bool advance() {
    for (Index i = 0; i < rows_; ++i)
      for (Index j = 0; j < k_; ++j) right_(i, j) = f_(i, j) + y_(i, j) + u_(i, j);
    panel_product<T>(strided(part(right_)), s_.inverse.view(), part(a_), Store::set);
    T gap = 0, size = 0, change = 0, dual = 0;
    for (Index i = 0; i < rows_; ++i)
      for (Index j = 0; j < k_; ++j) {
        const T before = y_(i, j), after = std::max(T(0), a_(i, j) - u_(i, j)), miss = after - a_(i, j);
        y_(i, j) = after;
        u_(i, j) += miss;
        gap += miss * miss, size += after * after;
        change += (after - before) * (after - before), dual += u_(i, j) * u_(i, j);
      }
    return gap <= T(0.01) * size && change <= T(0.01) * dual;
  }

  const AdmmSystem<T>& s_;
  Index k_, rows_ = 0;
  int steps_;
  Block<T> f_, y_, u_, a_, right_;
};

}  // namespace detail

/// Improves Y and its dual U.
template <class T>
HalfStep admm_half_step(const SmallMatrix& g, BlockView<const T> f, BlockView<T> y, BlockView<T> u, const NmfPenalty& penalty,
                        bool first_time) {
  const detail::AdmmSystem<T> system(g, penalty.l2);
  return sum_over_rows<HalfStep>(tiling(y.rows, 64, detail::kAdmmRows), [&](Index first, Index rows) {
    HalfStep total;
    detail::AdmmTile<T> tile(system, y.cols, first_time ? detail::kAdmmFirstSteps : detail::kAdmmSteps);
    for (Index row = first; row < first + rows; row += detail::kAdmmRows) {
      const Index count = std::min(detail::kAdmmRows, first + rows - row);
      total += tile.run(f.middle_rows(row, count), y.middle_rows(row, count), u.middle_rows(row, count), penalty, row);
    }
    return total;
  });
}

}  // namespace corange
