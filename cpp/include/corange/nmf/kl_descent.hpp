// Kullback-Leibler factor update by coordinate descent: rows of U for fixed Y, each row for itself.
//
//   minimize over u >= 0   f(u) = (c + l1)'u + l2 u'u / 2 - sum_p x_p log z_p,   z = Y u at the entries,   c = column sums of Y
//
//   1. Gather the rows of Y that belong to the entries, as columns, so that all loops run along entries in vectors.
//   2. For each coordinate, with R = sum x y / z, S = sum x y^2 / z^2 and C = c + l1 + l2 u:
//          u <- max(0, u - (C - R) / (S C / R + l2)),   z changed along.
//      For l2 = 0 this is Newton's method for 1 / R(u) = 1 / C. 1 / R is increasing and concave, a sum of harmonic kind, and almost
//      straight: exact in one step where one entry dominates. Where Newton's method for R(u) = C creeps up from the left, this
//      strides; a step to the right never passes the minimum of its coordinate.
//   3. A step to the left may pass it. So f is compared before and after the sweep, and a row for which it grew takes the
//      multiplicative step from where it was, which cannot grow.
//
// Cost: about 8 k flops and k divisions an entry and sweep. Memory: k + 4 numbers for each entry of one row, a thread.
// Hsieh, Dhillon (2011). Fast coordinate descent methods with variable selection for nonnegative matrix factorization.
// doi:10.1145/2020408.2020577 (the coordinates, without the reciprocal and the safeguard).
#pragma once

#include <cmath>
#include <numbers>

#include "corange/nmf/divergence.hpp"

namespace corange {

struct KlDescent {
  double l1 = 0, l2 = 0;
  Index sweeps = 1;
};

namespace detail {

/// Natural logarithm of positive normal numbers to 1e-15, lane by lane: 2 atanh(f / (2 + f)) of the mantissa, and the exponent.
inline simd::Vector<double> log_lanes(simd::Vector<double> x) {
  using Bits = simd::Vector<std::uint64_t>;
  constexpr std::uint64_t kRootHalf = 0x3fe6a09e667f3bcd, kOneBits = 0x3ff0000000000000, kMagic = 0x4330000000000000;
  Bits u;
  __builtin_memcpy(&u, &x, sizeof u);
  const Bits exponent = (u - kRootHalf + kOneBits) >> 52;  // biased by 1023
  const Bits mantissa = u - ((exponent << 52) - kOneBits), shifted = exponent | kMagic;
  simd::Vector<double> m, e;
  __builtin_memcpy(&m, &mantissa, sizeof m);
  __builtin_memcpy(&e, &shifted, sizeof e);
  e -= 0x1p52 + 1023;
  const simd::Vector<double> s = (m - 1.0) / (m + 1.0), z = s * s;
  simd::Vector<double> series = z * (1.0 / 21) + 1.0 / 19;
  for (int odd = 17; odd >= 1; odd -= 2) series = series * z + 1.0 / odd;
  return e * std::numbers::ln2 + 2.0 * s * series;
}

/// Sum of x log z, in double.
template <class T>
double weighted_logs(const T* x, const T* z, Index count) {
  constexpr int kLanes = simd::kLanes<double>;
  simd::Vector<double> sum{};
  for (Index p = 0; p < count; p += kLanes) {
    simd::Vector<double> a, b;
    for (int l = 0; l < kLanes; ++l) a[l] = static_cast<double>(x[p + l]), b[l] = static_cast<double>(z[p + l]);
    sum += a * log_lanes(b);
  }
  return horizontal_sum<double>(sum);
}

/// Coordinate descent in one row; arrays along entries are padded: x = 0, y = 0, z = 1 there.
template <class T>
class KlRow {
 public:
  explicit KlRow(Index k) : k_(k), linear_(static_cast<std::size_t>(padded<T>(k))) {}

  /// Fetches the entries of a row and z = Y u; `sums` null: c is summed over these entries alone.
  void load(const NmfRow<T>& row, BlockView<const T> y, const T* sums, const T* u) {
    reserve(row.count);
    for (Index p = 0; p < row.count; ++p) x_[p] = row.weights ? row.weights[p] * row.x[p] : row.x[p];
    std::fill(x_ + row.count, x_ + count_, T(0));
    gather(row, y);
    for (Index a = 0; a < k_; ++a) linear_[static_cast<std::size_t>(a)] = sums ? sums[a] : seen(row, a);
    fill_products(u);
  }

  /// Sweeps over the coordinates of u; the value of f without penalties afterwards.
  double descend(T* u, const KlDescent& options) {
    before_.assign(u, u + k_);
    const double start = value(u) + penalty(u, options);
    for (Index s = 0; s < options.sweeps; ++s)
      for (Index a = 0; a < k_; ++a) coordinate(a, u[a], options);
    fill_products(u);  // where z has fallen to zero, changing it along left a rounding error, whose logarithm is no loss
    const double end = value(u);
    if (end + penalty(u, options) <= start + 1e-12 * std::abs(start)) return end;
    std::copy(before_.begin(), before_.end(), u);
    multiplicative_step(u, options);
    return value(u);
  }

 private:
  void reserve(Index count) {
    count_ = (count + kStep - 1) / kStep * kStep;
    if (capacity_ < count_) {
      capacity_ = std::max(count_, 2 * capacity_);
      memory_ = Block<T>(uninitialized, k_ + 2, capacity_);
    }
    x_ = memory_.view().row(k_);
    z_ = memory_.view().row(k_ + 1);
  }

  T* column(Index a) { return memory_.view().row(a); }

  void gather(const NmfRow<T>& row, BlockView<const T> y) {
    for (Index p = 0; p < row.count; ++p) {
      const T* source = y.row(row.indices ? row.indices[p] : p);
      for (Index a = 0; a < k_; ++a) column(a)[p] = source[a];
    }
    for (Index a = 0; a < k_; ++a) std::fill(column(a) + row.count, column(a) + count_, T(0));
    count_used_ = row.count;
  }

  T seen(const NmfRow<T>& row, Index a) {
    const T* y = column(a);
    T sum = 0;
    for (Index p = 0; p < row.count; ++p) sum += row.weights ? row.weights[p] * y[p] : y[p];
    return sum;
  }

  void fill_products(const T* u) {
    std::fill(z_, z_ + count_, T(0));
    for (Index a = 0; a < k_; ++a)
      if (u[a] != T(0)) axpy(u[a], column(a), z_, count_);
    for (Index p = 0; p < count_used_; ++p) z_[p] = std::max(z_[p], nmf_floor<T>());
    std::fill(z_ + count_used_, z_ + count_, T(1));
  }

  double value(const T* u) const {
    double sum = 0;
    for (Index a = 0; a < k_; ++a) sum += static_cast<double>(linear_[static_cast<std::size_t>(a)]) * static_cast<double>(u[a]);
    return sum - weighted_logs(x_, z_, count_);
  }

  double penalty(const T* u, const KlDescent& options) const {
    double sum = 0;
    for (Index a = 0; a < k_; ++a) {
      const auto v = static_cast<double>(u[a]);
      sum += v * (options.l1 + 0.5 * options.l2 * v);
    }
    return sum;
  }

  void coordinate(Index a, T& u, const KlDescent& options) {
    const T slope = linear_[static_cast<std::size_t>(a)] + static_cast<T>(options.l1) + static_cast<T>(options.l2) * u;
    const T* y = column(a);
    simd::Vector<T> ratio{}, square{};
    for (Index p = 0; p < count_; p += kLanes) {
      const simd::Vector<T> t = simd::load(y + p) / simd::load(z_ + p), xt = simd::load(x_ + p) * t;
      ratio += xt;
      square += xt * t;
    }
    const T r = horizontal_sum<T>(ratio), s = horizontal_sum<T>(square);
    if (r <= T(0) || s <= T(0)) {
      if (slope > T(0)) u = 0;  // no entry speaks for it, and z does not depend on it where x is not zero
      return;
    }
    const T step = (r - slope) / (s * (slope / r) + static_cast<T>(options.l2));
    const T next = std::max(T(0), u + step), change = next - u;
    if (!std::isfinite(next) || change == T(0)) return;
    u = next;
    const auto floor = simd::Vector<T>{} + nmf_floor<T>();
    constexpr T kRounding = 8 * std::numeric_limits<T>::epsilon();
    for (Index p = 0; p < count_; p += kLanes) {
      const simd::Vector<T> before = simd::load(z_ + p), z = before + change * simd::load(y + p);
      simd::store<T>(z_ + p, z > kRounding * before ? z : floor);  // less is what cancellation has left of zero
    }
  }

  void multiplicative_step(T* u, const KlDescent& options) {
    fill_products(u);
    for (Index a = 0; a < k_; ++a) {
      simd::Vector<T> ratio{};
      for (Index p = 0; p < count_; p += kLanes) ratio += simd::load(x_ + p) * simd::load(column(a) + p) / simd::load(z_ + p);
      const T slope = linear_[static_cast<std::size_t>(a)] + static_cast<T>(options.l1) + static_cast<T>(options.l2) * u[a];
      if (slope > T(0)) u[a] *= horizontal_sum<T>(ratio) / slope;
    }
    fill_products(u);
  }

  static constexpr int kLanes = simd::kLanes<T>;
  static constexpr Index kStep = static_cast<Index>(kAlignment / sizeof(T));

  Index k_, count_ = 0, count_used_ = 0, capacity_ = 0;
  Block<T> memory_;
  T *x_ = nullptr, *z_ = nullptr;
  std::vector<T> linear_, before_;
};

}  // namespace detail

/// One update of all rows of U; the divergence of X from U Y' afterwards, without the sum of x log x - x.
template <class T>
double kl_descent(const NmfRows<T>& x, BlockView<T> u, BlockView<const T> y, const KlDescent& options) {
  const std::vector<T> sums = x.missing() ? std::vector<T>{} : detail::column_sums(y);
  const Tiling tiles = x.tiles();
  return detail::sum_over(tiles, [&](Index t) {
    NmfScratch<T> scratch;
    detail::KlRow<T> kernel(y.cols);
    double sum = 0;
    for (Index i = tiles.begin(t); i < tiles.begin(t) + tiles.size(t); ++i) {
      check_interrupt();
      kernel.load(x.row(i, scratch), y, x.missing() ? nullptr : sums.data(), u.row(i));
      sum += kernel.descend(u.row(i), options);
    }
    return sum;
  });
}

}  // namespace corange
