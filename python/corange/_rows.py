"""Rows of a matrix that can be looked at: their norms in one pass, copies of some of them, and products."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from corange import _core
from corange._operators import as_matrix, as_numbers, as_operator, check_shape
from corange._sources import MappedRows, RowSource, has_rows, memory_map, rows_per_block
from corange._sparse import compressed

__all__ = ["Rows", "adjoint_product", "column_norms", "frobenius_norm", "largest_norm", "product"]

Array = npt.NDArray[Any]

# Numbers looked at together when the matrix is in memory: they stay in cache.
_CACHED = 2**17


class Rows:
    """The rows of a checked matrix; nothing of it is copied but the rows that are asked for.

    Parameters
    ----------
    A : matrix of shape (m, n)
        Dense, sparse, or with row slicing; an operator that only multiplies is refused.
    name : str
        What messages call it.
    check_finite : bool
        Refuse NaN and infinity.
    """

    def __init__(self, A: Any, name: str, *, check_finite: bool) -> None:
        if scipy.sparse.issparse(A):
            check_shape(A.shape, name)
            A = compressed(A, name)
            if not scipy.sparse.issparse(A):  # unusual index types, brought to int64
                make = scipy.sparse.csr_array if A.format == "csr" else scipy.sparse.csc_array
                A = make((A.data, A.indices, A.indptr), shape=A.shape)
        matrix = as_matrix(A, argument_name=name, check_finite=check_finite)
        if matrix.kind == "products":
            raise TypeError(
                f"{name} must have rows that can be looked at (an array, a sparse matrix, or row slicing), "
                f"got {type(A).__name__}."
            )
        self.shape, self.dtype = matrix.shape, matrix.dtype
        self.is_sparse = scipy.sparse.issparse(A)
        self._name, self._check_finite = name, check_finite
        self._A = A
        if not self.is_sparse:
            source = A if has_rows(A) else as_numbers(A, name)
            mapped = memory_map(source) if matrix.kind == "rows" else None
            if mapped is not None:
                self._source: RowSource = MappedRows(source, name, self.dtype, mapped)
            else:
                height = max(1, _CACHED // self.shape[1])
                if matrix.kind == "rows":
                    height = rows_per_block(self.shape, self.dtype, getattr(A, "chunks", None))
                self._source = RowSource(source, name, self.dtype, height)

    def norms(self) -> npt.NDArray[np.float64]:
        """Euclidean norms of all rows, in one pass; squares neither overflow nor vanish."""
        if self.is_sparse:
            return self._sparse_norms()
        norms = np.empty(self.shape[0])
        for start, block in self.blocks():
            norms[start : start + block.shape[0]] = _dense_norms(block)
        return norms

    def blocks(self) -> Iterator[tuple[int, Array]]:
        """Go through the rows of a dense matrix: positions and blocks."""
        m, height = self.shape[0], self._source.block_rows
        for start in range(0, m, height):
            block = self._source.read(start, min(start + height, m))
            if self._check_finite and not np.isfinite(block).all():
                bad = start + int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
                raise ValueError(f"{self._name} must be finite, but row {bad} has NaN or infinite entries.")
            yield start, block

    def take(self, rows: npt.NDArray[np.int64]) -> Any:
        """Copy some rows, in ascending order: an array, or a CSR array of a sparse matrix."""
        if self.is_sparse:
            taken = scipy.sparse.csr_array(self._A[rows], dtype=self.dtype)
            taken.sum_duplicates()
            return taken
        taken = np.empty((rows.size, self.shape[1]), self.dtype)
        height = self._source.block_rows
        for start in np.unique(rows // height) * height:
            inside = slice(*np.searchsorted(rows, (start, start + height)))
            first, last = rows[inside][0], rows[inside][-1] + 1
            taken[inside] = self._source.read(int(first), int(last))[rows[inside] - first]
        return taken

    def read(self, start: int, stop: int) -> Array:
        """Rows from start to stop as a dense array, converted from sparse ones."""
        if not self.is_sparse:
            return self._source.read(start, stop)
        if self._A.format != "csr":
            self._A = scipy.sparse.csr_array(self._A)
        dense: Array = np.asarray(self._A[start:stop].toarray(), dtype=self.dtype)
        return dense

    def _sparse_norms(self) -> npt.NDArray[np.float64]:
        """Add up squares slice by slice, with entries that are stored twice added first."""
        A, by_rows = self._A, self._A.format == "csr"
        exponent = _exponent(A.data)
        squares = np.zeros(self.shape[0])
        starts = np.searchsorted(A.indptr, np.arange(0, A.indptr[-1] + _CACHED, _CACHED), side="right") - 1
        for start, stop in pairwise(starts):
            if start == stop:
                continue
            block = A[start:stop] if by_rows else A[:, start:stop]
            block.sum_duplicates()
            values = np.square(np.ldexp(block.data.astype(np.float64), -exponent))
            owners = np.repeat(np.arange(start, stop), np.diff(block.indptr)) if by_rows else block.indices
            squares += np.bincount(owners, weights=values, minlength=squares.size)
        return np.ldexp(np.sqrt(squares), exponent)


def column_norms(rows: Rows) -> npt.NDArray[np.float64]:
    """Euclidean norms of all columns of a matrix that is read by rows, in one pass."""
    norms = np.zeros(rows.shape[1])
    for _, block in rows.blocks():
        norms = np.hypot(norms, _dense_norms(block.T))
    return norms


def _dense_norms(block: Array) -> npt.NDArray[np.float64]:
    """Norms of the rows of a block, each scaled by a power of two, which rounds nothing."""
    exponents = np.frexp(np.abs(block).max(axis=1))[1][:, np.newaxis]
    scaled = np.ldexp(block.astype(np.float64, copy=False), -exponents)
    norms: npt.NDArray[np.float64] = np.ldexp(np.sqrt(np.einsum("ij,ij->i", scaled, scaled)), exponents[:, 0])
    return norms


def _exponent(values: Array) -> int:
    """Binary exponent of the largest magnitude."""
    return int(np.frexp(max(values.max(initial=0), -values.min(initial=0)))[1])


def largest_norm(norms: npt.NDArray[np.float64]) -> float:
    """Find what to divide by before squaring: the largest norm, or 1 of zero rows."""
    return float(norms.max(initial=0.0)) or 1.0


def frobenius_norm(values: Any) -> float:
    """Root of the sum of squares of an array or a sparse matrix, scaled so that squares stay in range."""
    entries = np.asarray(values.data if scipy.sparse.issparse(values) else values, dtype=np.float64).ravel()
    if not entries.size:
        return 0.0
    with np.errstate(over="ignore", under="ignore"):
        plain = float(np.square(entries).sum())
    if 1e-250 < plain < np.inf:
        return float(np.sqrt(plain))
    exponent = _exponent(entries)
    return float(np.ldexp(np.sqrt(np.square(np.ldexp(entries, -exponent)).sum()), exponent))


def _trusted_operator(A: Any) -> Any:
    """Make an operator of what needs no checks, which for plain arrays take longer than a small product."""
    if type(A) is np.ndarray and A.dtype in (np.float32, np.float64) and A.flags.aligned and A.size:
        return _core.DenseOperator(A)
    return as_operator(A, check_finite=False)


def product(A: Array, B: Array) -> Array:
    """Multiply dense matrices in the core, which gives the same bits on any number of threads."""
    dtype = np.result_type(A, B)
    result = np.zeros((A.shape[0], B.shape[1]), dtype)
    if A.size and B.size:
        operator = _trusted_operator(A.astype(dtype, copy=False))
        operator.apply(np.ascontiguousarray(B, dtype=dtype), result)
    return result


def adjoint_product(A: Any, B: Any) -> Any:
    """Compute ``A.T @ B`` in the core, for dense or sparse A and B; sparse if both are."""
    if scipy.sparse.issparse(A) and scipy.sparse.issparse(B):
        return scipy.sparse.csr_array(A.T @ B)
    if scipy.sparse.issparse(B):
        return np.ascontiguousarray(adjoint_product(B, A).T)
    dtype = np.result_type(A.dtype, B.dtype)
    product = np.zeros((A.shape[1], B.shape[1]), dtype)
    if min(*A.shape, *B.shape):
        operator = _trusted_operator(A)
        operator.apply_adjoint(np.ascontiguousarray(B, dtype=dtype), product)
    return product
