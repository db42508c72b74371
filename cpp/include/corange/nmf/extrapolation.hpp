// Momentum for alternating methods.
//
//   Y <- max(0, Y + beta (Y - last)),  last <- Y as it was;   beta <- min(limit, 1.01 beta) while the objective falls,
//   beta / 1.5 when it rises, with limit <- the beta that was too much, and growing slowly again
//
// Reference: Ang, Gillis 2019 (DOI 10.1162/neco_a_01157).
#pragma once

#include "corange/nmf/half_step.hpp"

namespace corange {

class Momentum {
 public:
  explicit Momentum(bool on) : beta_(on ? 0.5 : 0.0) {}

  double beta() const { return beta_; }
  void accepted() {
    before_ = beta_;
    beta_ = std::min(limit_, 1.01 * beta_);
    limit_ = std::min(1.0, 1.005 * limit_);
  }
  void rejected() {
    limit_ = before_;
    beta_ /= 1.5;
  }

 private:
  double beta_, before_ = 0.5, limit_ = 1;
};

/// Sum of the l1 penalties.
template <class T>
double penalty_sum(BlockView<const T> y, const NmfPenalty& penalty) {
  if (penalty.l1 == 0) return 0;
  double total = 0;
  for (Index i = 0; i < y.rows; ++i) {
    double sum = 0;
    for (Index j = 0; j < y.cols; ++j) sum += static_cast<double>(y(i, j));
    total += penalty.l1_of(i) * sum;
  }
  return total;
}

/// Moves Y on along its last change; returns the l1 penalties of the result.
template <class T>
double extrapolate(BlockView<T> y, BlockView<T> last, double beta, const NmfPenalty& penalty) {
  const Tiling tiles = tiling(y.rows);
  const T b = static_cast<T>(beta);
  parallel_for(tiles.count(), [&](Index t) {
    for (Index i = tiles.begin(t); i < tiles.begin(t) + tiles.size(t); ++i) {
      T *yi = y.row(i), *before = last.row(i);
      for (Index j = 0; j < y.cols; ++j) {
        const T now = yi[j];
        yi[j] = std::max(T(0), now + b * (now - before[j]));
        before[j] = now;
      }
    }
  });
  return penalty_sum<T>(y, penalty);
}

}  // namespace corange
