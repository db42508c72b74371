"""The middle of A ~ F G H when its outer factors are known: one routine for CUR and generalized Nystrom.

With F = Q T and H = Z' P' in orthonormal bases, the best core is ``F^+ A H^+``: the approximation is then ``P_F A
P_H``, A between two orthogonal projectors. Where A is known only by F = A X, H = Y' A and K = Y' A X, the core
``K^+`` stands in for it: an oblique projector instead of an orthogonal one (and K = A(I, J) makes it CUR). See G.
Karpowicz (2022), A theory of meta-factorization, arXiv:2111.14385.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from corange._rows import adjoint_product
from corange._single_pass import basis, multiply
from corange._source import as_dense

__all__ = ["PseudoInverse", "Span", "pseudo_inverse", "span_of"]

Array = npt.NDArray[Any]

# Where the columns of a factor are counted as dependent, in units of eps.
_ROUNDING = 10.0


class PseudoInverse(NamedTuple):
    """The truncated pseudo-inverse ``right @ diag(1 / values) @ left.T`` of a small matrix."""

    left: Array
    values: Array
    right: Array

    @property
    def matrix(self) -> Array:
        """The pseudo-inverse, multiplied out."""
        inverse: Array = (self.right / self.values) @ self.left.T
        return inverse


def pseudo_inverse(K: Array, precision: Any) -> PseudoInverse:
    """Invert what of a small matrix is not rounding of the given precision, in double; of zero a single zero."""
    P, values, Qt = np.linalg.svd(K.astype(np.float64), full_matrices=False)
    keep = values > _ROUNDING * float(np.finfo(precision).eps) * values[0]
    if not keep[0]:
        keep[0], values[0] = True, np.inf
    return PseudoInverse(P[:, keep], values[keep], Qt[keep].T)


class Span(NamedTuple):
    """The space of the columns of F: ``F = Q @ T`` to rounding, with the pseudo-inverse of T.

    `Q` has as many columns as F has independent ones.
    """

    Q: Array
    T: Array
    inverse: Array

    def coefficients(self, coordinates: Array) -> Array:
        """Solve ``F X = Q coordinates.T`` for X.T, with one step of refinement against a large condition."""
        X = multiply(coordinates, self.inverse.T)
        missing = coordinates - multiply(X, self.T.T)
        refined: Array = X + multiply(missing, self.inverse.T)
        return refined


def span_of(F: Any) -> Span:
    """Find the space of a few columns, dense or sparse."""
    columns = as_dense(F)
    Q = basis(columns)
    T = adjoint_product(Q, columns).astype(np.float64)
    inverse = pseudo_inverse(T, columns.dtype)
    if inverse.values.size < Q.shape[1]:  # columns that depend on others leave directions that are not theirs
        Q, T = multiply(Q, inverse.left), inverse.left.T @ T
        inverse = PseudoInverse(np.eye(inverse.values.size), inverse.values, inverse.right)
    return Span(Q, T, inverse.matrix)
