"""Entries of a symmetric positive semidefinite matrix: its diagonal, some of its columns, small blocks."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import scipy.sparse

from corange._kernel import KernelMatrix
from corange._operators import as_stored
from corange._rows import Rows

__all__ = ["Entries", "as_entries"]

Array = npt.NDArray[Any]


class Entries(Protocol):
    """What methods that look at entries want of a symmetric matrix."""

    @property
    def shape(self) -> tuple[int, int]:
        """(n, n)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""

    @property
    def description(self) -> str:
        """Size, kind and precision in words."""

    def diagonal(self) -> npt.NDArray[np.float64]:
        """All diagonal entries."""

    def block(self, rows: Array, columns: Array) -> Array:
        """Entries of some rows and columns."""

    def columns(self, indices: Array) -> Array:
        """Entries of whole columns, (n, len(indices)), with any strides."""


class _Stored:
    """Entries of a matrix in memory, dense or sparse; rows stand for columns where that is quicker."""

    def __init__(self, values: Any, shape: tuple[int, int], dtype: np.dtype[Any], what: str) -> None:
        self._values, self.shape, self.dtype = values, shape, dtype
        self._sparse = scipy.sparse.issparse(values)
        self._by_rows = self._sparse or abs(values.strides[0]) >= abs(values.strides[1])
        self.description = f"{shape[0]} x {shape[1]} {what}, {dtype}"

    def diagonal(self) -> npt.NDArray[np.float64]:
        return np.array(self._values.diagonal(), dtype=np.float64)

    def block(self, rows: Array, columns: Array) -> Array:
        if self._sparse:
            return np.asarray(self._values[rows][:, columns].toarray())
        return np.asarray(self._values[np.ix_(rows, columns)])

    def columns(self, indices: Array) -> Array:
        if self._sparse:
            return np.asarray(self._values[indices].toarray()).T
        columns: Array = self._values[indices].T if self._by_rows else self._values[:, indices]
        return columns


class _ReadByRows:
    """Entries of a symmetric matrix whose rows are read when they are asked for."""

    def __init__(self, rows: Rows, what: str) -> None:
        self._rows, self.shape, self.dtype = rows, rows.shape, rows.dtype
        self.description = f"{self.shape[0]} x {self.shape[1]} {what}, {self.dtype}"

    def diagonal(self) -> npt.NDArray[np.float64]:
        found = np.empty(self.shape[0])
        for start, block in self._rows.blocks():
            found[start : start + block.shape[0]] = block.diagonal(start)
        return found

    def block(self, rows: Array, columns: Array) -> Array:
        return self._taken(rows)[:, columns]

    def columns(self, indices: Array) -> Array:
        return self._taken(indices).T

    def _taken(self, rows: Array) -> Array:
        ordered, places = np.unique(rows, return_inverse=True)
        return np.asarray(self._rows.take(ordered)[places])


def as_entries(K: Any, name: str, *, check_finite: bool) -> Entries:
    """Lay open the entries of a square matrix that is symmetric by the caller's promise.

    Raises
    ------
    TypeError, ValueError
        As `as_matrix`; K is not square, or an operator that only multiplies.
    """
    if isinstance(K, KernelMatrix):
        return K
    stored = as_stored(K, argument_name=name, check_finite=check_finite)
    m, n = stored.shape
    if m != n:
        raise ValueError(f"{name} must be square, got shape {stored.shape}.")
    if stored.kind == "products":
        raise TypeError(
            f"{name} must have entries that can be looked at (an array, a sparse matrix, row slicing or a "
            f"corange.KernelMatrix), got {type(K).__name__}, which only multiplies."
        )
    if stored.kind == "rows":
        return _ReadByRows(Rows(K, name, check_finite=check_finite), f"row-blocked {type(K).__name__}")
    if stored.kind == "dense":
        return _Stored(stored.arrays[0], stored.shape, stored.dtype, "dense matrix")
    indptr, indices, data = stored.arrays
    values = scipy.sparse.csr_array((data, indices, indptr), shape=stored.shape)  # of the transpose, if CSC
    return _Stored(values, stored.shape, stored.dtype, f"sparse {stored.kind.upper()} matrix")
