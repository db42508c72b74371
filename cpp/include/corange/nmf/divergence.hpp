// Beta-divergences of X from U Y', and the two parts of their gradient with respect to U, which multiplicative updates divide:
//
//   d(x, z) = x log(x / z) - x + z  (beta 1, Kullback-Leibler),  x / z - log(x / z) - 1  (0, Itakura-Saito),
//             (x^beta + (beta - 1) z^beta - beta x z^(beta-1)) / (beta (beta - 1))  otherwise;  (x - z)^2 / 2 for beta 2
//   numerator = (X * Z^(beta-2)) Y,  denominator = Z^(beta-1) Y,  Z = U Y' (powers and * by entry);  gradient = den - num
//
//   1. Sparse X, beta 1: Z at the stored entries alone, dot products of rows of U with rows of Y, and the quotients go straight
//      into the sum; the denominator is the sum of the rows of Y. No Z and no stored-entries-by-k array ever exist.
//   2. Sparse X, beta 2: the numerator is X Y; the denominator is U (Y'Y).
//   3. All else: tiles of rows of X and Z of half a megabyte, three products by the panel kernel.
//
// Cost: 4 k flops a stored entry (1), 2 k (2), 6 m n k (3). Memory: one tile a thread.
// Fevotte, Idier (2011). Algorithms for nonnegative matrix factorization with the beta-divergence. doi:10.1162/NECO_a_00168.
#pragma once

#include <cmath>
#include <limits>

#include "corange/linalg/blocks.hpp"
#include "corange/linalg/panel.hpp"
#include "corange/nmf/rows.hpp"

namespace corange {

/// Quotients are taken by at least this: entries of a scaled X are about one, and its square must exist.
template <class T>
constexpr T nmf_floor() {
  return std::is_same_v<T, float> ? T(1e-18) : T(1e-100);
}

/// Where the two parts go; null data: only the divergence is wanted.
template <class T>
struct BetaTerms {
  BlockView<T> numerator, denominator;
};

namespace detail {

/// One entry's divergence; x, z >= 0.
inline double beta_divergence(double x, double z, double beta) {
  constexpr double kFloor = 1e-300;
  z = std::max(z, kFloor);
  if (beta == 2) return 0.5 * (x - z) * (x - z);
  if (beta == 1) return x > 0 ? x * std::log(x / z) - x + z : z;
  if (beta == 0) return x / z - std::log(x / z) - 1;
  if (x == 0) return std::pow(z, beta) / beta;  // beta > 0: the caller has seen to it
  return (std::pow(x, beta) + (beta - 1) * std::pow(z, beta) - beta * x * std::pow(z, beta - 1)) / (beta * (beta - 1));
}

template <class T>
T power(T z, double exponent) {
  if (exponent == 0) return T(1);
  if (exponent == -1) return T(1) / z;
  if (exponent == -2) return T(1) / (z * z);
  if (exponent == 1) return z;
  if (exponent == 0.5) return std::sqrt(z);
  if (exponent == -0.5) return T(1) / std::sqrt(z);
  return std::pow(z, static_cast<T>(exponent));
}

/// Stored entries of one row: the quotients x / z, weighted, and what they add to the divergence.
template <class T>
struct StoredQuotients {
  std::vector<T> quotients;

  double find(const NmfRow<T>& row, const T* u, BlockView<const T> y, bool measure) {
    quotients.resize(static_cast<std::size_t>(row.count));
    double sum = 0;
    for (Index p = 0; p < row.count; ++p) {
      const T z = std::max(dot(u, y.row(row.indices[p]), y.width()), nmf_floor<T>());
      const T weight = row.weights ? row.weights[p] : T(1);
      quotients[static_cast<std::size_t>(p)] = weight * row.x[p] / z;
      if (measure && row.x[p] > 0)
        sum += static_cast<double>(weight * row.x[p]) * (std::log(static_cast<double>(row.x[p] / z)) - 1);
    }
    return sum;
  }
};

template <class T>
class BetaKernel {
 public:
  BetaKernel(const NmfRows<T>& x, BlockView<const T> u, BlockView<const T> y, double beta, BetaTerms<T> out)
      : x_(x), u_(u), y_(y), beta_(beta), out_(out) {}

  double run() {
    if (!x_.dense() && beta_ == 1) return stored_kl();
    if (beta_ == 2 && out_.numerator.data) gram_ = to_block<T>(gram<T>(y_));
    if (!x_.dense() && beta_ == 2 && out_.numerator.data) return stored_squares();
    transposed_ = Block<T>(y_.cols, y_.rows);
    for (Index j = 0; j < y_.rows; ++j)
      for (Index a = 0; a < y_.cols; ++a) transposed_(a, j) = y_(j, a);
    const Index height = std::clamp<Index>((1 << 19) / (static_cast<Index>(sizeof(T)) * std::max<Index>(x_.cols(), 1)), 4, 64);
    return sum_over(Tiling{x_.rows(), height},
                    [&](Index t) { return tile(t * height, std::min(height, x_.rows() - t * height)); });
  }

 private:
  bool wanted() const { return out_.numerator.data != nullptr; }

  double stored_kl() {
    const std::vector<T> sums = x_.missing() ? std::vector<T>{} : column_sums(y_);
    const Tiling tiles = x_.tiles();
    return sum_over(tiles, [&](Index t) {
      NmfScratch<T> scratch;
      StoredQuotients<T> stored;
      std::vector<T> own(static_cast<std::size_t>(y_.width()));
      double sum = 0;
      for (Index i = tiles.begin(t); i < tiles.begin(t) + tiles.size(t); ++i) {
        const NmfRow<T> row = x_.row(i, scratch);
        sum += stored.find(row, u_.row(i), y_, true);
        const T* linear = x_.missing() ? seen_sums(row, own) : sums.data();
        sum += static_cast<double>(dot(u_.row(i), linear, y_.width()));
        if (!wanted()) continue;
        std::copy_n(linear, y_.width(), out_.denominator.row(i));
        add_rows(row, stored.quotients.data(), out_.numerator.row(i));
      }
      return sum;
    });
  }

  /// Weighted sum of the rows of Y that belong to the entries of a row.
  const T* seen_sums(const NmfRow<T>& row, std::vector<T>& sums) const {
    std::fill(sums.begin(), sums.end(), T(0));
    for (Index p = 0; p < row.count; ++p)
      axpy(row.weights ? row.weights[p] : T(1), y_.row(row.indices[p]), sums.data(), y_.width());
    return sums.data();
  }

  void add_rows(const NmfRow<T>& row, const T* factors, T* out) const {
    std::fill_n(out, y_.width(), T(0));
    for (Index p = 0; p < row.count; ++p) axpy(factors[p], y_.row(row.indices[p]), out, y_.width());
  }

  double stored_squares() {
    const Tiling tiles = x_.tiles();
    return sum_over(tiles, [&](Index t) {
      NmfScratch<T> scratch;
      double sum = 0;
      for (Index i = tiles.begin(t); i < tiles.begin(t) + tiles.size(t); ++i) {
        const NmfRow<T> row = x_.row(i, scratch);
        T *num = out_.numerator.row(i), *den = out_.denominator.row(i);
        add_rows(row, row.x, num);
        times_gram(i, 1, out_.denominator.middle_rows(i, 1));
        double squares = 0;
        for (Index p = 0; p < row.count; ++p) squares += static_cast<double>(row.x[p]) * static_cast<double>(row.x[p]);
        sum += 0.5 * squares - static_cast<double>(dot<T>(u_.row(i), num, y_.width())) +
               0.5 * static_cast<double>(dot<T>(u_.row(i), den, y_.width()));
      }
      return sum;
    });
  }

  void times_gram(Index row, Index count, BlockView<T> out) const {
    panel_product<T>(strided(u_.middle_rows(row, count)), BlockView<const T>(gram_.view()), out, Store::set);
  }

  /// Rows row .. row + count - 1 of X as a dense tile.
  void fill(Index row, Index count, BlockView<T> tile) const {
    NmfScratch<T> scratch;
    for (Index i = 0; i < count; ++i) {
      const NmfRow<T> source = x_.row(row + i, scratch);
      std::fill_n(tile.row(i), tile.width(), T(0));
      for (Index p = 0; p < source.count; ++p) tile(i, source.indices ? source.indices[p] : p) += source.x[p];
    }
  }

  double tile(Index row, Index count) const {
    Block<T> x(uninitialized, count, x_.cols()), z(uninitialized, count, x_.cols());
    fill(row, count, x.view());
    const StridedView<T> u = strided(u_.middle_rows(row, count));
    panel_product<T>(u, BlockView<const T>(transposed_.view()), z.view(), Store::set);
    double sum = 0;
    for (Index i = 0; i < count; ++i)
      for (Index j = 0; j < x_.cols(); ++j)
        sum += beta_divergence(static_cast<double>(x(i, j)), static_cast<double>(z(i, j)), beta_);
    if (!wanted()) return sum;
    const BlockView<T> num = out_.numerator.middle_rows(row, count), den = out_.denominator.middle_rows(row, count);
    if (beta_ == 2) {
      panel_product<T>(strided(x.view()), y_, num, Store::set);
      times_gram(row, count, den);
      return sum;
    }
    for (Index i = 0; i < count; ++i)
      for (Index j = 0; j < x_.cols(); ++j) {
        const T value = std::max(z(i, j), nmf_floor<T>());
        z(i, j) = power(value, beta_ - 1);
        x(i, j) *= beta_ == 1 ? T(1) / value : power(value, beta_ - 2);
      }
    panel_product<T>(strided(x.view()), y_, num, Store::set);
    panel_product<T>(strided(z.view()), y_, den, Store::set);
    return sum;
  }

  const NmfRows<T>& x_;
  BlockView<const T> u_, y_;
  double beta_;
  BetaTerms<T> out_;
  Block<T> gram_, transposed_;
};

}  // namespace detail

/// The divergence of X from U Y', and its gradient's two parts where `out` has room for them.
template <class T>
double beta_terms(const NmfRows<T>& x, BlockView<const T> u, BlockView<const T> y, double beta, BetaTerms<T> out) {
  return detail::BetaKernel<T>(x, u, y, beta, out).run();
}

}  // namespace corange
