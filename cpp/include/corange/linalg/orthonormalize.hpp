// Orthonormal bases of tall blocks that may be ill conditioned, rank deficient or contain zero columns.
//
//   Z = Q R with Q'Q = I, R b x b (upper triangular where Z is well conditioned, full otherwise), span(Q) containing span(Z).
//
//   1. Cholesky QR of Z with unit columns: G = (Z D)'(Z D) = L L', Q = Z D L^-T; again, unless L is nearly the identity.
//   2. Where L is too ill conditioned for that, pivoted block Gram-Schmidt: the columns that a pivoted Cholesky of G finds
//      safely independent are orthonormalized by 1, the others projected against them (twice) and measured anew; repeat.
//   3. Columns that vanish are replaced by random directions with a zero row in R ("dependent").
//
// Cost: 4 n b^2 flops for step 1 twice, all in products; step 2 adds a round for every factor of about 1/sqrt(eps) in the
// condition number. Loss of orthogonality: O(eps) at any condition number.
// References: Yamamoto, Nakatsukasa, Yanagisawa, Fukaya 2015 (Cholesky QR twice, ETNA 44); Giraud, Langou, Rozloznik 2005
// (twice is enough, DOI 10.1016/j.camwa.2005.08.009).
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "corange/core/philox.hpp"
#include "corange/linalg/blocks.hpp"

namespace corange {

struct OrthonormalFactor {
  SmallMatrix R;                 // b x b
  std::vector<Index> dependent;  // columns of Q that are random: Z has no component there
};

namespace detail {

/// Diagonal of the Cholesky factor of a unit-diagonal Gram matrix below which one more Cholesky QR would not be accurate.
template <class T>
inline const double kWellConditioned = 10 * std::sqrt(static_cast<double>(std::numeric_limits<T>::epsilon()));

/// And above which one Cholesky QR has orthogonality to rounding.
inline constexpr double kNearlyIdentity = 0.9;

/// Z <- Z R^-1 for a factored Gram matrix that is well enough conditioned; else 0 and Z untouched. Returns the pivot.
template <class T>
double cholesky_qr_once(BlockView<T> z, const SmallMatrix& g, SmallMatrix& r) {
  const GramFactor f = factor_gram(g);
  if (!(f.pivot > kWellConditioned<T>)) return 0;
  product<T>(z, f.inverse, z, Shape::upper);
  r = f.r;
  return f.pivot;
}

/// Step 1, given G = Z'Z; false and Z untouched if Z is too ill conditioned.
template <class T>
bool cholesky_qr(BlockView<T> z, const SmallMatrix& g, SmallMatrix& r) {
  const double pivot = cholesky_qr_once<T>(z, g, r);
  if (pivot == 0) return false;
  if (pivot > kNearlyIdentity) return true;
  SmallMatrix again;
  if (cholesky_qr_once<T>(z, gram<T>(z), again) == 0)
    throw NumericalError("Cholesky QR failed on an orthonormal block: the input holds NaN");
  r = multiply(again, r);
  return true;
}

template <class T>
bool cholesky_qr(BlockView<T> z, SmallMatrix& r) {
  return cholesky_qr<T>(z, gram<T>(z), r);
}

template <class T>
Block<T> take_columns(BlockView<const T> z, const std::vector<Index>& columns) {
  Block<T> taken(overwritten, z.rows, static_cast<Index>(columns.size()));
  const Tiling tiles = tiling(z.rows);
  parallel_for(tiles.count(), z.rows * taken.cols(), [&](Index t) {
    for (Index i = tiles.begin(t); i < tiles.begin(t) + tiles.size(t); ++i)
      for (std::size_t j = 0; j < columns.size(); ++j) taken(i, static_cast<Index>(j)) = z(i, columns[j]);
  });
  return taken;
}

/// z -= q (q'z), returns q'z.
template <class T>
SmallMatrix project_out(BlockView<const T> q, BlockView<T> z) {
  const SmallMatrix c = adjoint_product<T>(q, z);
  subtract_product<T>(q, c, z);
  return c;
}

template <class T>
void fill_random_columns(BlockView<T> z, RandomKey key) {
  const Tiling tiles = tiling(z.rows);
  parallel_for(tiles.count(), 8 * z.rows * z.cols, [&](Index t) {
    const Index row = tiles.begin(t);
    fill_normal(key, row, Index{0}, tiles.size(t), z.cols, z.row(row), z.ld);
  });
}

}  // namespace detail

/// Steps 2 and 3 above, as a state: columns of Q found so far and the pieces of R.
template <class T>
class PivotedGramSchmidt {
 public:
  /// `against` is an orthonormal basis that Q must be orthogonal to; column j vanishes when its norm falls below floors(j).
  PivotedGramSchmidt(BlockView<T> z, BlockView<const T> against, SmallVector floors, RandomKey key)
      : z_(z),
        against_(against),
        floors_(std::move(floors)),
        key_(key),
        q_(z.rows, z.cols),
        r_(SmallMatrix::Zero(z.cols, z.cols)) {}

  OrthonormalFactor run() {
    std::vector<Index> pending(static_cast<std::size_t>(z_.cols));
    for (Index j = 0; j < z_.cols; ++j) pending[static_cast<std::size_t>(j)] = j;
    Block<T> work = detail::take_columns<T>(z_, pending);
    while (!pending.empty()) round(pending, work);
    fill_dependent();
    convert(q_.view(), z_);
    return {r_, dependent_};
  }

 private:
  void round(std::vector<Index>& pending, Block<T>& work) {
    const SmallMatrix g = gram<T>(work.view());
    const std::vector<Index> chosen = alive(independent_columns(g, 4 * detail::kWellConditioned<T>), g, pending);
    if (chosen.empty()) return pending.clear();
    append(detail::take_columns<T>(work.view(), chosen), chosen, pending);
    std::vector<Index> rest, rest_pending;
    for (Index j = 0; j < static_cast<Index>(pending.size()); ++j)
      if (std::find(chosen.begin(), chosen.end(), j) == chosen.end())
        rest.push_back(j), rest_pending.push_back(pending[static_cast<std::size_t>(j)]);
    work = detail::take_columns<T>(work.view(), rest);
    pending = std::move(rest_pending);
    if (!pending.empty()) project(work.view(), pending);
  }

  /// The chosen columns whose norm is above their floor; pivoting by unit columns says nothing about size.
  std::vector<Index> alive(std::vector<Index> chosen, const SmallMatrix& g, const std::vector<Index>& pending) const {
    std::erase_if(chosen, [&](Index j) { return std::sqrt(g(j, j)) <= floors_(pending[static_cast<std::size_t>(j)]); });
    return chosen;
  }

  void append(Block<T> columns, const std::vector<Index>& chosen, const std::vector<Index>& pending) {
    SmallMatrix r;
    if (!detail::cholesky_qr<T>(columns.view(), r)) throw NumericalError("orthonormalization met NaN or infinity");
    reorthogonalize(columns.view(), r);
    const Index p = columns.cols();
    for (Index j = 0; j < p; ++j)
      r_.block(count_, pending[static_cast<std::size_t>(chosen[static_cast<std::size_t>(j)])], p, 1) = r.col(j);
    convert(columns.view(), BlockView<T>{q_.data() + count_, q_.rows(), p, q_.ld()});
    count_ += p;
  }

  /// Small columns lost digits when they were projected: once more, now that they have norm one.
  void reorthogonalize(BlockView<T> columns, SmallMatrix& r) {
    for (int pass = 0; pass < 2; ++pass) {
      if (count_ > 0) detail::project_out<T>(found(), columns);
      if (against_.cols > 0) detail::project_out<T>(against_, columns);
      SmallMatrix again;
      if (!detail::cholesky_qr<T>(columns, again)) throw NumericalError("orthonormalization met NaN or infinity");
      r = multiply(again, r);
    }
  }

  void project(BlockView<T> work, const std::vector<Index>& pending) {
    for (int pass = 0; pass < 2; ++pass) {
      const SmallMatrix c = detail::project_out<T>(found(), work);
      for (Index j = 0; j < c.cols(); ++j) r_.block(0, pending[static_cast<std::size_t>(j)], count_, 1) += c.col(j);
      if (against_.cols > 0) detail::project_out<T>(against_, work);
    }
  }

  /// Where few directions are left, random ones are nearly dependent once projected: take the safe ones and draw again.
  void fill_dependent() {
    constexpr std::uint64_t kDraws = 64;  // each finds a direction at least, nearly always all of them
    for (std::uint64_t draw = 0; count_ < z_.cols; ++draw) {
      Block<T> drawn(z_.rows, z_.cols - count_);
      detail::fill_random_columns(drawn.view(), {key_.seed, key_.stream + (draw << 48)});
      for (int pass = 0; pass < 2; ++pass) {
        if (count_ > 0) detail::project_out<T>(found(), drawn.view());
        if (against_.cols > 0) detail::project_out<T>(against_, drawn.view());
      }
      const std::vector<Index> safe = independent_columns(gram<T>(drawn.view()), 4 * detail::kWellConditioned<T>);
      Block<T> columns = detail::take_columns<T>(drawn.view(), safe);
      SmallMatrix r;
      if (safe.empty() || draw == kDraws || !detail::cholesky_qr<T>(columns.view(), r))
        throw NumericalError("orthonormalize: no orthogonal direction is left");
      reorthogonalize(columns.view(), r);
      convert(columns.view(), BlockView<T>{q_.data() + count_, q_.rows(), columns.cols(), q_.ld()});
      for (Index j = 0; j < columns.cols(); ++j) dependent_.push_back(count_++);
    }
  }

  BlockView<const T> found() const { return q_.cols(count_); }

  BlockView<T> z_;
  BlockView<const T> against_;
  SmallVector floors_;
  RandomKey key_;
  Block<T> q_;
  SmallMatrix r_;
  std::vector<Index> dependent_;
  Index count_ = 0;
};

namespace detail {

/// Squared norms between 1 / this and this are safe in T.
template <class T>
inline constexpr double kLargeSquare = std::is_same_v<T, float> ? 1e30 : 1e280;

/// All squared norms, the diagonal of g, are.
template <class T>
bool squares_are_safe(const SmallMatrix& g) {
  return (g.diagonal().array() >= 1 / kLargeSquare<T>).all() && (g.diagonal().array() <= kLargeSquare<T>).all();
}

/// Divides columns by powers of two (returned as exponents) so that their squares stay in T's range; refuses NaN and infinity.
template <class T>
std::vector<int> balance_columns(BlockView<T> z) {
  std::vector<double> largest(static_cast<std::size_t>(z.cols), 0);
  for (Index i = 0; i < z.rows; ++i)
    for (Index j = 0; j < z.cols; ++j) {
      const double x = std::abs(static_cast<double>(z(i, j)));
      if (!std::isfinite(x)) throw NumericalError("orthonormalize: the block contains NaN or infinity");
      largest[static_cast<std::size_t>(j)] = std::max(largest[static_cast<std::size_t>(j)], x);
    }
  std::vector<int> exponents;
  for (const double x : largest) exponents.push_back(x > 0 && std::abs(std::ilogb(x)) > 30 ? std::ilogb(x) : 0);
  for (Index i = 0; i < z.rows; ++i)
    for (Index j = 0; j < z.cols; ++j)
      if (const int e = exponents[static_cast<std::size_t>(j)]; e != 0) z(i, j) = std::ldexp(z(i, j), -e);
  return exponents;
}

/// Steps 1 to 3 for columns whose squared norms, the diagonal of g, are in T's range.
template <class T>
OrthonormalFactor orthonormalize_scaled(BlockView<T> z, const SmallMatrix& g, RandomKey key, BlockView<const T> against,
                                        const SmallVector& floor) {
  const SmallVector norms = g.diagonal().cwiseSqrt();
  const SmallVector floors = (norms * (8 * static_cast<double>(std::numeric_limits<T>::epsilon()))).cwiseMax(floor);
  OrthonormalFactor factor;
  if ((norms.array() > floors.array()).all() && cholesky_qr<T>(z, g, factor.R)) return factor;
  return PivotedGramSchmidt<T>(z, against, floors, key).run();
}

}  // namespace detail

/// Z becomes Q, orthogonal to `against` too if Z is. floor: norm at which a column counts as zero; 0: eps times its own norm.
template <class T>
OrthonormalFactor orthonormalize(BlockView<T> z, RandomKey key, BlockView<const T> against = {}, double floor = 0) {
  if (z.cols == 0) return {SmallMatrix(0, 0), {}};
  if (z.cols + against.cols > z.rows) throw InvalidArgument("orthonormalize: more columns than rows");
  const SmallMatrix g = gram<T>(z);
  SmallVector floors = SmallVector::Constant(z.cols, floor);
  if (detail::squares_are_safe<T>(g)) return detail::orthonormalize_scaled<T>(z, g, key, against, floors);
  const std::vector<int> exponents = detail::balance_columns<T>(z);
  for (Index j = 0; j < z.cols; ++j) floors(j) = std::ldexp(floor, -exponents[static_cast<std::size_t>(j)]);
  OrthonormalFactor factor = detail::orthonormalize_scaled<T>(z, gram<T>(z), key, against, floors);
  for (Index j = 0; j < z.cols; ++j) factor.R.col(j) *= std::ldexp(1.0, exponents[static_cast<std::size_t>(j)]);
  return factor;
}

/// One Cholesky QR: Z becomes Q, orthonormal but for eps times the square of its condition. False and Z untouched where that is large.
template <class T>
bool orthonormalize_roughly(BlockView<T> z, SmallMatrix& r) {
  const SmallMatrix g = gram<T>(z);
  return detail::squares_are_safe<T>(g) && detail::cholesky_qr_once<T>(z, g, r) > 0;
}

}  // namespace corange
