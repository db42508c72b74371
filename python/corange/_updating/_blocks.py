"""Rows, columns and changes as they arrive: checked, in place, sparse or known by their products."""

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from corange._operators import REMEDY, Matrix, as_matrix
from corange._sparse import compressed

__all__ = ["Block", "as_block"]

# Rows whose difference from the mean stays in cache.
_CACHED = 64


class Block:
    """Rows to append, or one factor of a low-rank change.

    Parameters
    ----------
    matrix : Matrix
        The rows, as the core multiplies with them.
    rows : csr_array, ndarray or None
        The same as stored; None for what is known by its products alone.
    mean : ndarray, optional
        What the matrix is less than the rows that are stored.
    """

    def __init__(self, matrix: Matrix, rows: Any = None, mean: Any = None) -> None:
        self.matrix, self._rows, self._mean = matrix, rows, mean

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.matrix.shape

    @property
    def in_memory(self) -> bool:
        """Whether the rows are stored as they are, and `part` and `centered` are possible."""
        return self._rows is not None and self._mean is None

    @property
    def is_sparse(self) -> bool:
        """Whether `compressed` is possible."""
        return self.in_memory and bool(scipy.sparse.issparse(self._rows))

    def compressed(self) -> Any:
        """Return the rows as a CSR array of doubles; entries that are stored twice are added."""
        rows = scipy.sparse.csr_array(self._rows, dtype=np.float64)
        if not rows.has_canonical_format:
            rows = rows.copy()
            rows.sum_duplicates()
        return rows

    def active(self) -> int:
        """Count the columns that have entries."""
        return int(np.unique(self._rows.indices).size)

    def centered(self, mean: Any) -> "Block":
        """Subtract a row from every row, by products alone: nothing becomes dense."""
        return Block(as_matrix(self._rows, mean=mean, check_finite=False), self._rows, mean)

    def norms(self) -> npt.NDArray[np.float64]:
        """Norms of the rows; of what is known by its products, by as many as it has rows."""
        s = self.shape[0]
        if self._rows is None:
            everything = np.empty((self.shape[1], s), self.matrix.dtype)
            self.matrix.operator.apply_adjoint(np.eye(s, dtype=everything.dtype), everything)
            return np.asarray(np.linalg.norm(everything.astype(np.float64, copy=False), axis=0))
        if not scipy.sparse.issparse(self._rows):
            return np.concatenate([self._norms(slice(i, i + _CACHED)) for i in range(0, s, _CACHED)])
        rows = scipy.sparse.csr_array(self._rows, dtype=np.float64)
        squares = np.asarray(rows.multiply(rows).sum(axis=1)).ravel()
        if self._mean is not None:
            squares += np.square(self._mean).sum() - 2 * (rows @ self._mean)
        return np.asarray(np.sqrt(np.maximum(squares, 0.0)))

    def energy(self) -> float:
        """Sum of the squares of all entries."""
        scan = self.matrix.operator.scan(shifted=True)
        return float(np.square(self.norms()).sum() if scan is None else scan["norm_fro"] ** 2)

    def _norms(self, part: slice) -> npt.NDArray[np.float64]:
        rows = self._rows[part].astype(np.float64, copy=False)
        return np.asarray(np.linalg.norm(rows if self._mean is None else rows - self._mean, axis=1))

    def part(self, rows: slice) -> "Block":
        """Take some of the rows of a matrix in memory."""
        if rows.start == 0 and rows.stop >= self.shape[0]:
            return self
        return as_block(self._rows[rows], "A", check_finite=False)


def as_block(
    A: Any, name: str, *, transpose: bool = False, check_finite: bool = True, remedy: str = REMEDY
) -> Block:
    """Check a matrix, whose rows (or columns, with `transpose`) are to be appended."""
    matrix = as_matrix(A, argument_name=name, check_finite=check_finite, remedy=remedy)
    if matrix.kind not in ("dense", "sparse"):
        if transpose:
            raise TypeError(f"{name} must be an array or a sparse matrix, got {type(A).__name__}.")
        return Block(matrix)
    if matrix.kind == "dense":
        rows = np.asarray(A, dtype=matrix.dtype)
    else:
        rows = compressed(A, name)
        if not scipy.sparse.issparse(rows):
            make = scipy.sparse.csr_array if rows.format == "csr" else scipy.sparse.csc_array
            rows = make((rows.data, rows.indices, rows.indptr), shape=rows.shape)
    if transpose:
        rows = rows.T
        matrix = as_matrix(rows, argument_name=name, check_finite=False)
    return Block(matrix, scipy.sparse.csr_array(rows) if matrix.kind == "sparse" else rows)
