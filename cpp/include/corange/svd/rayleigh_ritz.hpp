// From a basis of right vectors to singular triplets, with the residuals measured, not estimated.
//
//   given V (n x l, nearly orthonormal):  V = Q_v R_v;  W = A Q_v = Q_w R;  R = P diag(s) Y'
//   U = Q_w P, V = Q_v Y;  A V = U diag(s) exactly;  residual i = ||A'u_i - s_i v_i||
//
// Ritz vectors are orthonormal but for rounding, and their images orthogonal: then R_v and R come from Gram matrices, and the
// orthonormal factors are never formed: U = (A V) (R_v^-1 R^-1 P), V = V (R_v^-1 Y), a product each.
//
// The s_i are the singular values of A restricted to span(V): never above A's own, and their error is of second order in the
// angle between span(V) and the singular subspace. So a basis found in single precision gives values good to nearly double.
// Cost: one pass over a matrix on disk, which reads itself once for A'(A V), else two; 4 (m + n) l^2 flops, or 8
// where V is no better than any basis.
#pragma once

#include "corange/linalg/orthonormalize.hpp"
#include "corange/operators/linear_operator.hpp"

namespace corange {

template <class T>
struct Triplets {
  Block<T> U, V;          // m x l, n x l
  SmallVector s;          // descending
  SmallVector residuals;  // ||A'u_i - s_i v_i||
};

namespace detail {

/// A'U from Z = A'W and W = U diag(s) Y' loses s_1/s_i digits; fine unless the smallest value is this small.
inline constexpr double kFusedResidualRange = 1e-6;

/// ||A'u_i - s_i v_i|| with A'U given.
template <class T>
SmallVector residual_norms(BlockView<const T> au, BlockView<const T> v, const SmallVector& s) {
  return squared_residual_norms<T>(au, v, s).cwiseSqrt();
}

/// A'U for the residuals: from `z` where one pass made it and no digits are lost, else by one more product, in single precision
/// where its rounding is far below tol.
template <class T>
SmallVector measured_residuals(const LinearOperator& a, const Triplets<T>& t, Block<T> z, double tol) {
  const Index l = t.s.size();
  if (z.rows() > 0 && t.s(l - 1) > kFusedResidualRange * t.s(0)) return residual_norms<T>(z.view(), t.V.view(), t.s);
  if constexpr (std::is_same_v<T, double>) {
    if (tol >= 256 * static_cast<double>(std::numeric_limits<float>::epsilon())) {
      Block<float> u(overwritten, t.U.rows(), l), v(overwritten, t.V.rows(), l), au(overwritten, t.V.rows(), l);
      convert(t.U.view(), u.view());
      convert(t.V.view(), v.view());
      a.apply_adjoint(BlockView<const float>(u.view()), au.view());
      return residual_norms<float>(au.view(), v.view(), t.s);
    }
  }
  Block<T> au(overwritten, t.V.rows(), l);
  a.apply_adjoint(BlockView<const T>(t.U.view()), au.view());
  return residual_norms<T>(au.view(), t.V.view(), t.s);
}

/// R and R^-1 for W = Q R, given G = W'W, where one Cholesky QR has orthogonality to rounding; else pivot 0.
template <class T>
GramFactor nearly_orthogonal(const SmallMatrix& g) {
  if (!squares_are_safe<T>(g)) return {};
  GramFactor f = factor_gram(g);
  return f.pivot > kNearlyIdentity ? f : GramFactor{};
}

}  // namespace detail

template <class T>
Triplets<T> rayleigh_ritz(const LinearOperator& a, Block<T> v, RandomKey key, double tol) {
  const Index l = v.cols();
  SmallMatrix right = SmallMatrix::Identity(l, l);  // Q_v = V right
  if (const GramFactor f = detail::nearly_orthogonal<T>(gram<T>(v.view())); f.pivot > 0)
    right = f.inverse;
  else
    orthonormalize<T>(v.view(), key);
  Block<T> w(overwritten, a.rows(), l), z;
  if (a.storage() == Storage::disk && a.fused_normal()) {
    z = Block<T>(overwritten, a.cols(), l);
    a.apply_normal(BlockView<const T>(v.view()), z.view(), w.view());
  } else {
    a.apply(BlockView<const T>(v.view()), w.view());
  }
  GramFactor f = detail::nearly_orthogonal<T>(multiply_adjoint(right, multiply(gram<T>(w.view()), right)));
  const bool formed = f.pivot == 0;  // W becomes Q_w
  if (formed) {
    if (!right.isIdentity(0)) product<T>(w.view(), right, w.view());
    f.r = orthonormalize<T>(w.view(), {key.seed, key.stream + 1}).R;
  }
  const SmallSvd svd = small_svd(f.r);
  const SmallMatrix left = formed ? svd.U : multiply(right, multiply(f.inverse, svd.U));
  right = multiply(right, svd.V);
  Triplets<T> t{std::move(w), std::move(v), svd.s, SmallVector()};
  product<T>(t.U.view(), left, t.U.view());
  product<T>(t.V.view(), right, t.V.view());
  if (z.rows() > 0)
    product<T>(z.view(), scale_columns(right, t.s.cwiseMax(std::numeric_limits<double>::min()).cwiseInverse()), z.view());
  t.residuals = detail::measured_residuals<T>(a, t, std::move(z), tol);
  return t;
}

}  // namespace corange
