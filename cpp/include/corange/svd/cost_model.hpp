// How wide and how long: block size and basis length by where the matrix is.
//
//   sparse, in memory   products with few columns are cheap and Krylov degree is what converges: one cache line a row
//   dense, in memory    wide enough that A'(A X) is bound by arithmetic and not by reading A
//   on disk             passes are what costs: blocks of twice the rank, so that two steps make a basis of 4 k
//   callback            nobody knows what a product costs: wider than for sparse data where many triplets are wanted
#pragma once

#include "corange/operators/linear_operator.hpp"
#include "corange/svd/report.hpp"

namespace corange {

struct KrylovPlan {
  bool direct = false;  // the whole space is the basis
  Index block = 0;
  Index max_basis = 0;
};

inline KrylovPlan plan_krylov(const LinearOperator& a, const SvdOptions& options, Index rank, std::size_t scalar_bytes) {
  const Index n = std::min(a.rows(), a.cols());
  const Index lane = static_cast<Index>(kAlignment / scalar_bytes);
  Index block = lane;
  if (a.storage() == Storage::dense) block = 2 * lane;
  if (a.storage() == Storage::disk) block = padded<float>(2 * rank + 10);
  if (a.storage() == Storage::callback) block = padded<double>(std::max<Index>(rank / 4, lane));
  block = std::min(options.block_size.value_or(block), n);
  const Index extra = options.oversample.value_or(std::max(5 * rank, 6 * block));
  const Index longest = std::min(n, rank + std::max(extra, 2 * block));
  return {n <= 64 || 5 * rank >= 2 * n, block, longest};
}

/// The same, with blocks wide enough that a basis of `rank` vectors is complete after `steps` steps, all that max_passes allows.
inline KrylovPlan plan_krylov(const LinearOperator& a, const SvdOptions& options, Index rank, std::size_t scalar_bytes,
                              Index steps) {
  const KrylovPlan plan = plan_krylov(a, options, rank, scalar_bytes);
  if (steps >= (rank + plan.block - 1) / plan.block) return plan;
  SvdOptions wider = options;
  wider.block_size = std::max(plan.block, (rank + std::max<Index>(steps, 1) - 1) / std::max<Index>(steps, 1));
  return plan_krylov(a, wider, rank, scalar_bytes);
}

/// Tolerance below which residuals measured in T are rounding errors of the measurement.
template <class T>
constexpr double attainable(double tol) {
  return std::max(tol, 16 * static_cast<double>(std::numeric_limits<T>::epsilon()));
}

/// Passes that are allowed when nobody says: more than any matrix needs that converges at all.
inline Index default_passes(const KrylovPlan& plan) { return 1000 + 100 * plan.max_basis / plan.block; }

}  // namespace corange
