"""The middle of A ~ F G H when its outer factors are known: one routine for CUR and generalized Nystrom.

The best core is ``F^+ A H^+``: A between two orthogonal projectors, taken in orthonormal bases of F and H'.
Where A is known only by F = A X, H = Y' A and K = Y' A X, the core ``K^+`` stands in for it, an oblique
projector; K = A(I, J) makes it CUR. This is the view of M. Karpowicz (2022), A theory of meta-factorization,
arXiv:2111.14385.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from corange import _core
from corange._rows import adjoint_product, frobenius_norm
from corange._single_pass import multiply
from corange._small import svd
from corange._sparse import as_dense

__all__ = ["PseudoInverse", "Span", "pseudo_inverse", "span_of"]

Array = npt.NDArray[Any]

# Where the columns of a factor are counted as dependent, in units of eps.
_ROUNDING = 10.0
# Condition, of triangles in the Frobenius norm and divided by the size, up to which multiplying with inverses
# loses nothing worth a second look, and up to which triangles are inverted as they are.
_WELL_CONDITIONED, _INVERTIBLE = 1e2, 1e3


class PseudoInverse(NamedTuple):
    """The truncated pseudo-inverse ``right @ diag(1 / values) @ left.T`` of a small matrix."""

    left: Array
    values: Array
    right: Array

    @property
    def matrix(self) -> Array:
        """The pseudo-inverse, multiplied out."""
        return multiply(self.right / self.values, self.left.T)


def pseudo_inverse(K: Array, precision: Any) -> PseudoInverse:
    """Invert what of a small matrix is not rounding of the given precision; of zero, a single zero."""
    P, values, Qt = svd(K)
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
    condition: float

    def coefficients(self, coordinates: Array) -> Array:
        """Solve ``F X = Q coordinates.T`` for X.T, with a step of refinement where the condition is large."""
        X = multiply(coordinates, self.inverse.T)
        if self.condition < _WELL_CONDITIONED:
            return X
        missing = coordinates - multiply(X, self.T.T)
        refined: Array = X + multiply(missing, self.inverse.T)
        return refined


def _triangular(Q: Array, T: Array, limit: float) -> Span | None:
    """Invert a well-conditioned triangle without singular values, in a tenth of the time."""
    if T.shape[0] != T.shape[1] or not T.diagonal().all() or np.tril(T, -1).any():
        return None
    inverse = _core.inverse_triangle(T.T).T
    condition = frobenius_norm(T) * frobenius_norm(inverse) / len(T)
    return Span(Q, T, inverse, condition) if condition < limit else None


def span_of(F: Any, *, rough: bool = False) -> Span:
    """Find the space of a few columns, dense or sparse; `rough`: Q is orthonormal to single precision."""
    columns = np.ascontiguousarray(as_dense(F))
    if columns.shape[0] <= columns.shape[1]:
        Q, T = np.eye(columns.shape[0], dtype=columns.dtype), columns.astype(np.float64)
    else:
        Q = np.empty_like(columns)
        T = _core.orthonormal_factor(columns, Q, rough)
    simple = _triangular(Q, T, _INVERTIBLE / (len(T) if rough else 1))
    if simple is not None:
        return simple
    if rough:
        return span_of(columns)
    inverse = pseudo_inverse(T, columns.dtype)
    if inverse.values.size < Q.shape[1]:  # columns that depend on others leave directions that are not theirs
        Q, T = multiply(Q, inverse.left), adjoint_product(inverse.left, T)
        inverse = PseudoInverse(np.eye(inverse.values.size), inverse.values, inverse.right)
    condition = 1.0 if np.isinf(inverse.values[0]) else float(inverse.values[0] / inverse.values[-1])
    return Span(Q, T, inverse.matrix, condition)
