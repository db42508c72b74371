"""Rows, columns and changes as they arrive: checked, in place, sparse or known by their products."""

from typing import Any

import numpy as np
import scipy.sparse

from corange._operators import Matrix, as_matrix
from corange._sparse import compressed

__all__ = ["Block", "as_block"]


class Block:
    """Rows to append, or one factor of a low-rank change.

    Parameters
    ----------
    matrix : Matrix
        The rows, as the core multiplies with them.
    rows : csr_array, ndarray or None
        The same as stored; None for what is known by its products alone.
    """

    def __init__(self, matrix: Matrix, rows: Any = None) -> None:
        self.matrix, self._rows = matrix, rows

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.matrix.shape

    @property
    def is_sparse(self) -> bool:
        """Whether `compressed` is possible."""
        return bool(scipy.sparse.issparse(self._rows))

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

    def part(self, rows: slice) -> "Block":
        """Take some of the rows of a matrix in memory."""
        if rows.start == 0 and rows.stop >= self.shape[0]:
            return self
        return as_block(self._rows[rows], "A", check_finite=False)


def as_block(A: Any, name: str, *, transpose: bool = False, check_finite: bool = True) -> Block:
    """Check a matrix, whose rows (or columns, with `transpose`) are to be appended."""
    matrix = as_matrix(A, argument_name=name, check_finite=check_finite)
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
