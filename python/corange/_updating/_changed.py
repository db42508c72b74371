"""A truncated SVD after a change of many ranks: that of ``U diag(s) V' + D'E``, known by its products."""

from typing import Any

import numpy as np
import numpy.typing as npt

from corange._operators import as_matrix
from corange._results import SVDResult
from corange._rows import frobenius_norm
from corange._single_pass import multiply
from corange._svd import decompose, svd_options
from corange._updating._basis import ExtendedBasis, adjoint
from corange._updating._blocks import Block

__all__ = ["ChangedMatrix"]

Array = npt.NDArray[Any]
Doubles = npt.NDArray[np.float64]

# Residuals, relative to the smallest singular value kept, which is about as large as what is cut off; and the
# tightest tolerance, relative to the largest value.
_SMALL, _TIGHTEST = 1e-3, 1e-6


class ChangedMatrix:
    """``U diag(s) V' + D'E`` as an operator: the changed matrix, as far as its former part was kept.

    Parameters
    ----------
    left, right : ExtendedBasis
        U and V, of shapes (m, k) and (n, k); they are multiplied out.
    s : ndarray of shape (k,)
        Singular values.
    D, E : Block
        The factors of the change, of shapes (p, m) and (p, n).
    """

    def __init__(self, left: ExtendedBasis, s: Doubles, right: ExtendedBasis, D: Block, E: Block) -> None:
        left.flush()
        right.flush()
        self._U, self._s, self._V, self._D, self._E = left.tall, s, right.tall, D, E
        self.shape, self.dtype = (left.shape[0], right.shape[0]), left.dtype

    def matmat(self, X: Array) -> Array:
        """Multiply: 2 (m + n) k flops and two for each stored entry of D and E, a column."""
        return self._through(self._U, self._V, self._D, self._E, X)

    def rmatmat(self, X: Array) -> Array:
        """Multiply the transpose."""
        return self._through(self._V, self._U, self._E, self._D, X)

    def _through(self, outer: Array, inner: Array, D: Block, E: Block, X: Array) -> Array:
        kept = multiply(outer, (self._s[:, np.newaxis] * adjoint(inner, X)).astype(self.dtype))
        X = np.ascontiguousarray(X, dtype=E.matrix.dtype)
        image = np.empty((E.shape[0], X.shape[1]), E.matrix.dtype)
        E.matrix.operator.apply(X, image)
        change = np.empty((D.shape[1], X.shape[1]), D.matrix.dtype)
        D.matrix.operator.apply_adjoint(image.astype(D.matrix.dtype, copy=False), change)
        result: Array = kept + change.astype(self.dtype, copy=False)
        return result

    def decomposed(self, rank: int, seed: int) -> SVDResult:
        """Find its leading triplets, from the former ones."""
        tol = max(_SMALL * self._s[-1] / self._s[0], _TIGHTEST) if self._s[0] > 0 else _SMALL
        options = svd_options(tol=tol, random_state=seed)
        m, n = self.shape
        options["start"] = np.ascontiguousarray(self._U if m < n else self._V, dtype=np.float64)
        return decompose(as_matrix(self, check_finite=False), min(rank, m, n), check_finite=False, **options)

    def norm(self) -> float:
        """Frobenius norm, of sparse D and E: ``||U S V'||**2 + 2 tr(V S U'D'E) + tr(D D'E E')``."""
        D, E = self._D.compressed(), self._E.compressed()
        mixed = float(((D @ self._U * self._s) * (E @ self._V)).sum())
        square = frobenius_norm(self._s) ** 2 + 2 * mixed + float((D @ D.T).multiply(E @ E.T).sum())
        return float(np.sqrt(max(square, 0.0)))
