"""Sparse input: every SciPy format becomes CSR or CSC, without trusting a structure that was not checked."""

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

Array = npt.NDArray[Any]

__all__ = ["as_dense", "compressed", "of_one_width"]


def compressed(A: Any, name: str) -> Any:
    """Return CSR and CSC matrices as they are, and others converted once to CSR.

    SciPy's conversions trust their input: a coordinate out of range makes them write outside their arrays.
    So coordinates and block structures are checked here first; the core checks CSR and CSC when it is given
    them.
    """
    if A.format in ("csr", "csc"):
        return _with_plain_indices(A)
    if A.format == "coo":
        _check_coordinates(A, name)
    elif A.format == "bsr":
        _check_blocks(A, name)
    return A.tocsr()


def of_one_width(X: Any) -> Any:
    """Return data whose indices and pointers have one type, as kernels of other libraries want it."""
    if getattr(X, "format", None) not in ("csr", "csc") or X.indptr.dtype == X.indices.dtype:
        return X
    return type(X)((X.data, X.indices, X.indptr), shape=X.shape)  # SciPy chooses the type


def as_dense(X: Any) -> Array:
    """Make an array of a few columns or rows, sparse or not."""
    return np.asarray(X.toarray() if scipy.sparse.issparse(X) else X)


class _Compressed:
    """The arrays of a CSR or CSC matrix whose index types the core does not take as they are."""

    def __init__(self, A: Any, indptr: Array, indices: Array) -> None:
        self.format, self.shape, self.data = A.format, A.shape, A.data
        self.indptr, self.indices = indptr, indices


def _with_plain_indices(A: Any) -> Any:
    """Bring unusual index types to int64; int32 and int64 are left in place."""
    indptr, indices = _plain(A.indptr), _plain(A.indices)
    return A if indptr is A.indptr and indices is A.indices else _Compressed(A, indptr, indices)


def _plain(indices: Array) -> Array:
    good = indices.dtype in (np.int32, np.int64) and indices.dtype.isnative and indices.flags.c_contiguous
    return indices if good else np.ascontiguousarray(indices, dtype=np.int64)


def _check_coordinates(A: Any, name: str) -> None:
    for axis, what in enumerate(("row", "column")):
        coordinates = np.asarray(A.row if axis == 0 else A.col)
        if coordinates.size != A.data.size:
            raise ValueError(
                f"{name} is a COO matrix with {coordinates.size} {what} indices for {A.data.size} entries."
            )
        _check_range(coordinates, A.shape[axis], f"{name} is a COO matrix whose {what} indices")


def _check_blocks(A: Any, name: str) -> None:
    height, width = A.data.shape[1:]
    indptr = np.asarray(A.indptr)
    if indptr.size != A.shape[0] // height + 1 or indptr[0] != 0 or np.any(np.diff(indptr) < 0):
        raise ValueError(
            f"{name} is a BSR matrix whose indptr must start at 0, never decrease and have "
            f"{A.shape[0] // height + 1} entries, one more than there are block rows."
        )
    if indptr[-1] > min(A.indices.size, A.data.shape[0]):
        raise ValueError(f"{name} is a BSR matrix whose indptr ends at {indptr[-1]}, after its last block.")
    _check_range(np.asarray(A.indices), A.shape[1] // width, f"{name} is a BSR matrix whose block columns")


def _check_range(indices: Array, size: int, what: str) -> None:
    if indices.size and (indices.min() < 0 or indices.max() >= size):
        bad = indices[(indices < 0) | (indices >= size)][0]
        raise ValueError(f"{what} must be from 0 to {size - 1}, got {bad}.")
