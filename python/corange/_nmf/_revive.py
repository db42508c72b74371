"""Components that have died, in solvers which multiply: zero stays zero there."""

from typing import Any

import numpy as np
import numpy.typing as npt

from corange._operators import Matrix
from corange._single_pass import multiply

__all__ = ["revive"]

Array = npt.NDArray[Any]

# What other rows, and columns in which the row has nothing beyond its fit, get of a new component: steps that
# multiply never leave zero, and take long from next to nothing.
_START = 0.1


def revive(matrix: Matrix, exponent: int, rank: int, left: Array, right: Array) -> bool:
    """Let one dead component start again, in place, from the row of X that is explained least.

    H_j becomes about what the row has beyond its fit, W_j 1 at that row and less elsewhere. One at a time:
    what the first explains, the next need not.

    Parameters
    ----------
    matrix : Matrix
        X, of shape (m, n).
    exponent : int
        Factors stand for ``2.0**-exponent * X``.
    rank : int
        Components; the factors are padded.
    left, right : ndarrays of shape (m, at least rank) and (n, at least rank)
        W and H transposed.

    Returns
    -------
    bool
        Whether there was one, and a row that is not explained.
    """
    alive = left[:, :rank].any(axis=0) & right[:, :rank].any(axis=0)
    if alive.all():
        return False
    j = int(alive.argmin())
    left[:, j] = right[:, j] = 0
    whole = np.ldexp(_times(matrix, np.ones((matrix.shape[1], 1), matrix.dtype)), -exponent)
    missing = whole - multiply(left[:, :rank], right[:, :rank].sum(axis=0)[:, np.newaxis])[:, 0]
    row = int(missing.argmax())
    if missing[row] <= 1e3 * np.finfo(left.dtype).eps * whole.max():
        return False
    unit = np.zeros((matrix.shape[0], 1), matrix.dtype)
    unit[row] = 1
    entries = np.ldexp(_times(matrix, unit, adjoint=True), -exponent)
    beyond = entries - multiply(right[:, :rank], left[row, :rank, np.newaxis])[:, 0]
    right[:, j] = np.maximum(beyond, _START * beyond.max())
    left[:, j], left[row, j] = _START, 1
    return True


def _times(matrix: Matrix, x: Array, *, adjoint: bool = False) -> Array:
    """Multiply a column with the matrix or its transpose; a vector."""
    product = np.empty((matrix.shape[int(adjoint)], 1), matrix.dtype)
    (matrix.operator.apply_adjoint if adjoint else matrix.operator.apply)(x, product)
    return product[:, 0]
