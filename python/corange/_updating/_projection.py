"""New rows when the old ones are at hand: the best approximation from the old left vectors and a few more."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from corange._operators import Matrix, as_matrix
from corange._random import Stream
from corange._results import SVDResult
from corange._rows import frobenius_norm
from corange._single_pass import basis as orthonormal
from corange._single_pass import multiply, normal_rows
from corange._svd import decompose, svd_options
from corange._updating._basis import adjoint
from corange._updating._blocks import Block

__all__ = ["Projected", "project_rows"]

Array = npt.NDArray[Any]

# Shift beyond the largest square of a singular value, relative to it.
_SHIFT = 1.01
_TOL = 1e-4


class Projected(NamedTuple):
    """Triplets of ``Z Z' A``, and the norm of what they leave of A: nan if B does not tell its own."""

    U: Array
    s: Array
    V: Array
    lost: float


class _Stacked:
    """The matrix ``[W; E]`` by its products: a dense block above rows of any kind."""

    def __init__(self, W: Array, rows: Matrix) -> None:
        self._W, self._rows, self.dtype = W, rows, W.dtype
        self.shape = (W.shape[0] + rows.shape[0], W.shape[1])

    def matmat(self, X: Array) -> Array:
        """Multiply with a block."""
        return np.vstack([multiply(self._W, X), _image(self._rows, X)])

    def rmatmat(self, Y: Array) -> Array:
        """Multiply the transpose with a block."""
        top = self._W.shape[0]
        result: Array = adjoint(self._W, Y[:top]).astype(self.dtype, copy=False)
        result += _adjoint_image(self._rows, Y[top:])
        return result


def project_rows(
    result: SVDResult, data: Matrix, rows: Block, *, rank: int, size: int, rounds: int, seed: int
) -> Projected:
    """Decompose ``Z Z' [B; E]`` for old rows B and new ones E, with ``Z = diag([U X], I)`` [1]_.

    1. ``Y = (I - U U') B orth(E' P)`` for a random P of `size` columns: what E has in common with B beyond U.
    2. X holds the solutions of ``(1.01 s[0]**2 I - B B') X = Y`` after `rounds` steps of conjugate gradients,
       orthonormal and orthogonal to U; products are divided by s[0], so that no square overflows.
    3. The SVD of ``Z' A = [[U X]' B; E]`` is ``F S V'``, and the left vectors are ``Z F``.

    The right vectors need no product with A: ``A' Z F = V S``. Takes k + (2 + 2 rounds) size columns times B.

    References
    ----------
    .. [1] V. Kalantzis, G. Kollias, S. Ubaru, A. Nikolakopoulos, L. Horesh, K. Clarkson (2021). Projection
       techniques to update the truncated SVD of evolving matrices with applications. ICML.
       arXiv:2010.06392.
    """
    left = np.ascontiguousarray(result.U)
    size = min(size, rows.shape[0], left.shape[0] - left.shape[1])
    if size > 0:
        P = normal_rows(seed, Stream.UPDATE_PROJECTION, 0, rows.shape[0], size, left.dtype)
        unit = left.dtype.type(result.s[0] or 1.0)
        Y = _image(data, orthonormal(_adjoint_image(rows.matrix, P))).astype(left.dtype, copy=False) / unit
        X = _solved(data, unit, _outside(left, Y), rounds)
        left = np.hstack([left, orthonormal(_outside(left, orthonormal(_outside(left, X))))])
    stacked = _Stacked(np.ascontiguousarray(_adjoint_image(data, left).T), rows.matrix)
    options = svd_options(tol=_TOL, random_state=seed)
    found = decompose(
        as_matrix(stacked, check_finite=False), min(rank, *stacked.shape), check_finite=False, **options
    )
    top = left.shape[1]
    new = np.vstack([multiply(left, found.U[:top]), found.U[top:]])
    scan = data.operator.scan()
    total = np.nan if scan is None else scan["norm_fro"] ** 2 + rows.energy()
    lost = float(np.sqrt(np.maximum(total - frobenius_norm(found.s) ** 2, 0.0)))
    return Projected(new, found.s, found.Vt.T, lost)


def _solved(data: Matrix, unit: Any, Y: Array, rounds: int) -> Array:
    """Take conjugate gradients for each column: ``(c I - B B' / unit**2) X = Y``, X = 0 at first."""
    X, R, D = np.zeros_like(Y), Y.copy(), Y
    squares = np.square(R).sum(axis=0)
    for _ in range(rounds):
        image = _SHIFT * D - _image(data, _adjoint_image(data, D) / unit).astype(D.dtype, copy=False) / unit
        step = _ratio(squares, (D * image).sum(axis=0))
        X, R = X + step * D, R - step * image
        before, squares = squares, np.square(R).sum(axis=0)
        D = R + _ratio(squares, before) * D
    return X if rounds else Y


def _ratio(a: Array, b: Array) -> Array:
    """Divide; columns that have vanished stay where they are."""
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


def _outside(U: Array, X: Array) -> Array:
    """Subtract the part of X in the span of orthonormal columns."""
    return X - multiply(U, adjoint(U, X).astype(U.dtype, copy=False))


def _image(A: Matrix, X: Array) -> Array:
    out = np.empty((A.shape[0], X.shape[1]), A.dtype)
    A.operator.apply(np.ascontiguousarray(X, dtype=A.dtype), out)
    return out


def _adjoint_image(A: Matrix, X: Array) -> Array:
    out = np.empty((A.shape[1], X.shape[1]), A.dtype)
    A.operator.apply_adjoint(np.ascontiguousarray(X, dtype=A.dtype), out)
    return out
