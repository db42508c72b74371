// Dense linear algebra on matrices that fit in cache, in double: what is solved once a step. Eigenproblems, SVDs and products use
// all threads.
//
// A header like all others; but these few functions are most of what Eigen costs in compile time. With CORANGE_COMPILED defined
// only their declarations are seen, and one source file of the project includes small_impl.hpp.
#pragma once

#include <vector>

#include "corange/core/types.hpp"
#include "corange/linalg/small_types.hpp"

#ifdef CORANGE_COMPILED
#define CORANGE_INLINE
#else
#define CORANGE_INLINE inline
#endif

namespace corange {

/// Throws NumericalError on NaN.
CORANGE_INLINE SmallEigen symmetric_eigen(const SmallMatrix& t);

/// Square or tall R = U diag(s) V', s descending.
struct SmallSvd {
  SmallMatrix U;
  SmallVector s;
  SmallMatrix V;
};
/// Throws NumericalError on NaN.
CORANGE_INLINE SmallSvd small_svd(const SmallMatrix& r);

/// a^-1 of a square matrix, by LU with partial pivoting; throws NumericalError where it is not finite.
CORANGE_INLINE SmallMatrix small_inverse(const SmallMatrix& a);

/// a * b and a' * b.
CORANGE_INLINE SmallMatrix multiply(const SmallMatrix& a, const SmallMatrix& b);
CORANGE_INLINE SmallMatrix multiply_adjoint(const SmallMatrix& a, const SmallMatrix& b);
/// a * diag(d).
CORANGE_INLINE SmallMatrix scale_columns(const SmallMatrix& a, const SmallVector& d);
/// Columns of a in the given order.
CORANGE_INLINE SmallMatrix select_columns(const SmallMatrix& a, const std::vector<Index>& order);
CORANGE_INLINE SmallVector column_norms(const SmallMatrix& a);

/// Cholesky factorization of a Gram matrix after scaling its diagonal to one: G = R'R.
struct GramFactor {
  SmallMatrix r;  // upper triangular
  SmallMatrix inverse;  // R^-1
  double pivot = 0;  // smallest diagonal of the scaled factor in (0, 1]; 0: not positive definite
};
CORANGE_INLINE GramFactor factor_gram(const SmallMatrix& g);

/// Upper triangular R with a'a = R'R, by Householder QR; a has at least as many rows as columns.
CORANGE_INLINE SmallMatrix triangular_factor(const SmallMatrix& a);
/// r^-1 b and r^-T b for upper triangular r.
CORANGE_INLINE SmallMatrix solve_upper(const SmallMatrix& r, const SmallMatrix& b);
CORANGE_INLINE SmallMatrix solve_upper_adjoint(const SmallMatrix& r, const SmallMatrix& b);

/// Columns chosen by a Cholesky factorization of G, scaled to unit diagonal, with diagonal pivoting, while pivots exceed `least`.
CORANGE_INLINE std::vector<Index> independent_columns(const SmallMatrix& g, double least);

}  // namespace corange

#ifndef CORANGE_COMPILED
#include "corange/linalg/small_impl.hpp"
#endif
