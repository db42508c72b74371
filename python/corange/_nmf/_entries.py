"""Entries of a matrix and factors as the core's row-wise updates take them."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from corange import _core
from corange._operators import as_stored, working_dtype

__all__ = [
    "Entries",
    "balance",
    "entries_of",
    "entropy",
    "in_units",
    "observed",
    "padded",
    "relative_loss",
    "total",
    "unit_exponent",
]

Array = npt.NDArray[Any]

_PIECE = 2**18  # entries looked at together


@dataclasses.dataclass(frozen=True)
class Entries:
    """The rows of a matrix and those of its transpose, in units in which the largest entry is about one.

    Attributes
    ----------
    rows, columns : corange._core.NmfRows
    values : ndarray
        The stored entries, in the user's units.
    exponent : int
        Even; the units are ``2.0**exponent``.
    """

    rows: Any
    columns: Any
    values: Array
    exponent: int


def unit_exponent(values: Array) -> int:
    """Even binary exponent of the largest entry, 0 of a zero matrix."""
    largest = float(np.max(values, initial=0.0))
    return int(np.frexp(largest)[1]) // 2 * 2 if largest > 0.0 else 0


def entries_of(
    X: Any, *, missing: bool = False, weights: Array | None = None, exponent: int | None = None
) -> Entries:
    """Lay open a checked matrix in memory; a sparse one is copied once, to have its columns together too.

    With `missing`, unstored entries are unknown, and `weights` are those of the rows. `exponent` replaces the
    units by those of other entries.
    """
    stored = as_stored(X, argument_name="X", check_finite=False)
    if stored.kind == "rows":
        raise TypeError(
            "X must be in memory for missing entries and for solver='cd' of this loss; read it first, or "
            "take solver='mu'."
        )
    if stored.kind == "dense":
        array = stored.arrays[0]
        exponent = unit_exponent(array) if exponent is None else exponent
        scale = 2.0**-exponent
        return Entries(
            _core.NmfRows.dense(array, scale), _core.NmfRows.dense(array.T, scale), array, exponent
        )
    indptr, indices, data = stored.arrays
    make = scipy.sparse.csr_array if stored.kind == "csr" else scipy.sparse.csc_array
    A = make((data, indices, indptr), shape=stored.shape)
    if not A.has_canonical_format:
        A = A.copy()
        A.sum_duplicates()
    exponent = unit_exponent(A.data) if exponent is None else exponent
    by_row, by_column = (A, A.T.tocsr()) if stored.kind == "csr" else (A.tocsr(), A.T)
    own = None if weights is None else np.repeat(weights.astype(A.dtype), np.diff(by_row.indptr))
    across = None if weights is None else weights.astype(A.dtype)[by_column.indices]
    rows, columns = (_compressed(B, exponent, w, missing) for B, w in ((by_row, own), (by_column, across)))
    return Entries(rows, columns, A.data, exponent)


def _compressed(A: Any, exponent: int, weights: Array | None, missing: bool) -> Any:
    indptr = np.ascontiguousarray(A.indptr, dtype=np.int64)
    return _core.NmfRows.compressed(indptr, A.indices, A.data, weights, A.shape[1], 2.0**-exponent, missing)


def observed(X: Any, mask: Any) -> Any:
    """Collect the entries that count as a CSR array whose stored zeros are zeros, not holes."""
    for name, A in (("X", X), ("mask", mask)):
        if scipy.sparse.issparse(A):  # SciPy trusts structures that it has not made
            as_stored(A, argument_name=name, check_finite=False)
    if isinstance(mask, str):
        if mask == "stored" and scipy.sparse.issparse(X):
            found = scipy.sparse.csr_array(X)
            if not found.has_canonical_format:
                found = found.copy()  # else X's own arrays would be sorted
                found.sum_duplicates()
            return scipy.sparse.csr_array((_real(found.data), found.indices, found.indptr), shape=found.shape)
        if mask == "nan" and not scipy.sparse.issparse(X):
            return _picked(np.asarray(X), ~np.isnan(np.asarray(X, dtype=np.float64)))
        raise ValueError(
            f"mask={mask!r} must be 'stored' (sparse X: unstored entries are missing), 'nan' (array X: NaN "
            "is missing) or an array."
        )
    if tuple(np.shape(mask)) != tuple(np.shape(X)):
        raise ValueError(f"mask must have the shape of X, {np.shape(X)}, got {np.shape(mask)}.")
    if scipy.sparse.issparse(mask):
        pattern = scipy.sparse.csr_array(mask)
        rows = np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))
        values = (
            scipy.sparse.csr_array(X)[rows, pattern.indices]
            if scipy.sparse.issparse(X)
            else np.asarray(X)[rows, pattern.indices]
        )
        values = np.asarray(values.todense() if scipy.sparse.issparse(values) else values).ravel()
        return scipy.sparse.csr_array((_real(values), pattern.indices, pattern.indptr), shape=pattern.shape)
    given = np.asarray(mask)
    if given.dtype != bool:
        raise TypeError(f"mask must be a boolean array or a sparse pattern, got dtype {given.dtype}.")
    dense = X.toarray() if scipy.sparse.issparse(X) else np.asarray(X)
    return _picked(dense, given)


def _picked(X: Array, mask: npt.NDArray[np.bool_]) -> Any:
    if X.ndim != 2:
        raise ValueError(f"X must have two dimensions, got shape {X.shape}.")
    indptr = np.r_[0, np.cumsum(mask.sum(axis=1))]
    return scipy.sparse.csr_array((_real(X[mask]), np.nonzero(mask)[1], indptr), shape=X.shape)


def _real(values: Array) -> Array:
    return values.astype(working_dtype(values.dtype, "X"), copy=False)


def padded(factor: Array, exponent: int = 0) -> Array:
    """Copy a factor to rows of whole cache lines, multiplied with ``2.0**exponent``."""
    lane = 64 // factor.dtype.itemsize
    out = np.zeros((factor.shape[0], -(-factor.shape[1] // lane) * lane), factor.dtype)
    np.ldexp(factor, exponent, out=out[:, : factor.shape[1]])
    return out


def balance(W: Array, Ht: Array) -> None:
    """Give columns of both factors equal norms, by powers of two, which round nothing."""
    sizes = [np.sqrt(np.square(Y, dtype=np.float64).sum(axis=0)) for Y in (W, Ht)]
    good = (sizes[0] > 0.0) & (sizes[1] > 0.0)
    ratio = np.ones(W.shape[1])
    np.divide(sizes[1], sizes[0], out=ratio, where=good)
    shift = np.rint(0.5 * np.log2(ratio)).astype(int)
    W[:] = np.ldexp(W, shift)
    Ht[:] = np.ldexp(Ht, -shift)


def in_units(value: float, exponent: float) -> float:
    """Multiply with ``2.0**exponent``; infinite or zero where that is out of range."""
    with np.errstate(over="ignore", under="ignore"):
        return float(value * np.exp2(exponent)) if value else 0.0


def total(values: Array, exponent: int, function: Callable[[Array], Array]) -> float:
    """Sum a function of entries in units of ``2.0**exponent``, a piece at a time: no second array as long."""
    height = max(1, _PIECE // (values.shape[1] if values.ndim == 2 else 1))
    pieces = (values[start : start + height] for start in range(0, values.shape[0], height))
    return float(
        np.sum([float(function(np.ldexp(piece.astype(np.float64), -exponent)).sum()) for piece in pieces])
    )


def entropy(x: Array) -> Array:
    """Compute x log x - x, 0 at 0."""
    logs = np.zeros_like(x)
    np.log(x, out=logs, where=x > 0.0)
    return x * (logs - 1.0)


def relative_loss(
    loss: float, beta: float, *, squares: float, mass: float, constant: float, count: int
) -> float:
    """Error over norm for Frobenius; loss over that of the best constant for Kullback-Leibler; else nan.

    Of the entries that count: sums of squares, of entries and of `entropy`, and how many there are.
    """
    if beta == 2.0:
        return float(np.sqrt(2.0 * max(loss, 0.0) / squares)) if squares else 0.0
    if beta != 1.0 or not mass:
        return float("nan")
    worst = constant + mass * (1.0 - np.log(mass / count))
    return float(loss / worst) if worst > 0.0 else 0.0
