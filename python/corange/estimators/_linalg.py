"""Bases as scikit-learn wants them, and passes that need no more memory than a block."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from corange import _core
from corange._sources import RowSource

__all__ = ["centered_blocks", "complete", "orient"]

Array = npt.NDArray[Any]

# Numbers in a block of rows that are looked at together.
_BLOCK_SIZE = 2**20


def orient(V: Array) -> Array:
    """Make the largest entry of each column positive, in place, and return the signs that did it.

    This is the rule of scikit-learn's decompositions. It looks at the right singular vectors alone: weighting
    or repeating rows does not turn components around. Among entries within a hair of the largest, where
    rounding would decide, the first one counts.
    """
    magnitude = np.abs(V)
    hair = 4 * np.finfo(V.dtype).eps ** (2 / 3)
    decisive = np.argmax(magnitude >= (1 - hair) * magnitude.max(axis=0), axis=0)
    signs = np.where(V[decisive, np.arange(V.shape[1])] < 0, -1, 1).astype(V.dtype)
    V *= signs
    return signs


def complete(V: Array, size: int) -> Array:
    """Add orthonormal columns until there are `size`; they depend on nothing but the span of those given."""
    n, given = V.shape
    columns = np.empty((n, size), V.dtype)
    columns[:, :given] = V
    added = np.empty((n, size - given), V.dtype)
    _core.random_block("normal", seed=0, stream=0, row0=0, col0=0, out=added)
    columns[:, given:] = added
    basis = np.empty_like(columns)
    _core.orthonormalize(columns, basis)
    return basis


def centered_blocks(X: Any, mean: Array) -> Iterator[tuple[slice, Array]]:
    """Go through data that `as_matrix` accepted: dense blocks of rows, minus the mean, in doubles."""
    if not hasattr(X, "__getitem__"):
        raise TypeError(f"X must have rows that can be looked at, got {type(X).__name__}.")
    rows = X.tocsr() if hasattr(X, "tocsr") else X
    height = max(1, _BLOCK_SIZE // mean.size)
    source = RowSource(rows, "X", np.dtype(np.float64), height)
    for start in range(0, X.shape[0], height):
        stop = min(start + height, X.shape[0])
        yield slice(start, stop), source.read(start, stop) - mean
