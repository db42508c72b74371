"""Matrices that stay on the Python side: known by their rows (files, datasets) or only by their products.

The core calls these back with the GIL held. Whatever comes from user code is checked here, and exceptions
that user code raises pass through unchanged.
"""

import contextlib
import mmap
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "MappedRows",
    "MemoryMap",
    "ProductSource",
    "RowSource",
    "has_products",
    "has_rows",
    "memory_map",
    "rows_per_block",
    "stored_by_columns",
    "worth_streaming",
]

Array = npt.NDArray[Any]

# One block of rows: large enough that reading dominates the calls, small beside any machine's memory.
BLOCK_BYTES = 64 * 2**20
# Mapped files beyond this are read block by block, so that their pages never pile up in this process.
STREAMED_BYTES = 2**30
# What the operating system brings in around one byte of a file that is needed.
_PAGES_AT_ONCE = 2**17


def has_rows(A: Any) -> bool:
    """Tell data to be read by slices of rows (h5py, zarr, Dask, netCDF) from arrays and operators."""
    if _in_memory(A) or not hasattr(A, "__getitem__") or not _has_shape_and_dtype(A):
        return False
    return getattr(A, "chunks", None) is not None or not hasattr(A, "__matmul__")


def has_products(A: Any, *, symmetric: bool = False) -> bool:
    """Tell an operator; refuse one that cannot multiply with its transpose, unless it is symmetric."""
    if _in_memory(A) or not hasattr(A, "shape"):
        return False
    if not (hasattr(A, "matmat") or hasattr(A, "__matmul__")):
        return False
    if not symmetric and not _has_adjoint(A):
        raise TypeError(
            f"{type(A).__name__} can multiply (A @ X) but not with its transpose, which is needed too. "
            "Give a LinearOperator rmatvec or rmatmat, or another object .T or rmatmat."
        )
    return True


def _in_memory(A: Any) -> bool:
    """Tell what numpy.asarray turns into an array at no cost worth speaking of."""
    markers = ("__array_interface__", "__array_struct__", "__dlpack__", "to_numpy")
    return isinstance(A, (list, tuple, memoryview)) or any(hasattr(A, marker) for marker in markers)


def _has_shape_and_dtype(A: Any) -> bool:
    if not hasattr(A, "shape") or getattr(A, "dtype", None) is None:
        return False
    try:
        np.dtype(A.dtype)
    except TypeError:
        return False
    return True


def _has_adjoint(A: Any) -> bool:
    """Find out without a product. A LinearOperator always has rmatmat: look at what that would call."""
    if not (hasattr(A, "matmat") and hasattr(A, "rmatmat")):
        return hasattr(A, "rmatmat") or hasattr(A, "T")
    given = [getattr(A, f"_CustomLinearOperator__{part}_impl", True) for part in ("rmatvec", "rmatmat")]
    if given == [None, None]:
        return False
    from scipy.sparse.linalg import LinearOperator

    parts = ("_rmatvec", "_rmatmat", "_adjoint")
    return not isinstance(A, LinearOperator) or any(
        getattr(type(A), part) is not getattr(LinearOperator, part) for part in parts
    )


class ProductSource:
    """A matrix known by its products with blocks: each product is checked before the core sees it.

    Parameters
    ----------
    A : object
        With ``matmat`` or ``@``, and ``rmatmat`` or ``.T @``.
    name : str
        What messages call it.
    shape, dtype : (int, int), dtype
        Of the matrix; blocks are passed in this precision and products converted to it.
    check_finite : bool
        Refuse products that contain NaN or infinity.
    symmetric : bool
        Never use the transpose.
    """

    def __init__(
        self,
        A: Any,
        name: str,
        shape: tuple[int, int],
        dtype: np.dtype[Any],
        *,
        check_finite: bool,
        symmetric: bool = False,
    ) -> None:
        self._name, self.shape, self.dtype = name, shape, dtype
        self._check_finite = check_finite
        self._forward: Callable[[Array], Any] = A.matmat if hasattr(A, "matmat") else A.__matmul__
        self._adjoint: Callable[[Array], Any]
        if symmetric:
            self._adjoint = self._forward
        else:
            self._adjoint = A.rmatmat if hasattr(A, "rmatmat") else A.T.__matmul__

    def matmat(self, X: Array) -> Array:
        """Multiply A with a block of columns."""
        return self._checked(self._forward, X, self.shape[0], "A @ X")

    def rmatmat(self, X: Array) -> Array:
        """Multiply the transpose of A with a block of columns."""
        return self._checked(self._adjoint, X, self.shape[1], "A.T @ X")

    def _checked(self, multiply: Callable[[Array], Any], X: Array, rows: int, what: str) -> Array:
        product = np.asarray(multiply(X))
        wanted = (rows, X.shape[1])
        if product.ndim == 1 and wanted == (product.size, 1):
            product = product[:, np.newaxis]
        if product.shape != wanted:
            raise ValueError(
                f"{self._name} has shape {self.shape}, so {what} with X of shape {X.shape} must have shape "
                f"{wanted}, got {product.shape}."
            )
        if product.dtype.kind not in "biuf":
            raise TypeError(f"{self._name}: {what} must hold real numbers, got dtype {product.dtype}.")
        if self._check_finite and not np.isfinite(product).all():
            raise ValueError(f"{self._name}: {what} contains NaN or infinity although X is finite.")
        return np.ascontiguousarray(product, dtype=self.dtype)


class RowSource:
    """A matrix read by slices of rows; each block is checked before the core sees it.

    Parameters
    ----------
    A : object
        With row slicing: ``A[start:stop]`` gives an array of shape (stop - start, n).
    name : str
        What messages call it.
    dtype : dtype
        Blocks are converted to it.
    block_rows : int
        Rows to read at a time.
    """

    def __init__(self, A: Any, name: str, dtype: np.dtype[Any], block_rows: int) -> None:
        self._A, self._name, self.dtype, self.block_rows = A, name, dtype, block_rows

    def read(self, start: int, stop: int) -> Array:
        """Rows from start to stop as a C-contiguous array."""
        block = self._A[start:stop]
        where = f"{self._name}[{start}:{stop}]"
        if np.ma.is_masked(block):
            raise TypeError(
                f"{where} has masked entries, which a factorization cannot honour; fill them first."
            )
        block = np.asarray(block.toarray() if hasattr(block, "toarray") else block)
        wanted = (stop - start, int(self._A.shape[1]))
        if block.shape != wanted:
            raise ValueError(f"{where} must have shape {wanted}, got {block.shape}.")
        if block.dtype.kind not in "biuf":
            raise TypeError(f"{where} must hold real numbers, got dtype {block.dtype}.")
        return np.ascontiguousarray(block, dtype=self.dtype)


class MemoryMap:
    """The file behind an array, guarded against a file that is shorter than the array.

    Reading mapped memory beyond the end of its file kills the process, so the file's size is looked up first.
    """

    def __init__(self, mapped: mmap.mmap, array: np.memmap[Any, Any]) -> None:
        self._mapped = mapped
        start = array.offset - array.offset % mmap.ALLOCATIONGRANULARITY
        self._file_bytes = start + len(mapped)
        # Pages of a copy-on-write mapping may hold changes that exist nowhere else.
        self._may_drop = array.mode != "c" and hasattr(mmap, "MADV_DONTNEED")
        self._address = np.frombuffer(mapped, dtype=np.uint8).ctypes.data

    def refuse_truncated(self, name: str) -> None:
        """Raise ValueError when the file has become too short."""
        with contextlib.suppress(OSError):  # a mapping whose file cannot be looked at is used as it is
            size = self._mapped.size()
            if size < self._file_bytes:
                raise ValueError(
                    f"{name} is mapped from a file that had {self._file_bytes} bytes and has {size} now."
                )

    def drop_pages(self) -> None:
        """Let go of what was read, so that memory in use stays at one block."""
        if self._may_drop:
            self._mapped.madvise(mmap.MADV_DONTNEED)

    def fetch(self, rows: Array) -> None:
        """Have the operating system read ahead while the block before is being worked on."""
        if not hasattr(mmap, "MADV_WILLNEED") or not rows.size or not rows.flags.c_contiguous:
            return
        start = rows.ctypes.data - self._address
        first = start - start % mmap.PAGESIZE
        self._mapped.madvise(mmap.MADV_WILLNEED, first, min(start + rows.nbytes, len(self._mapped)) - first)


class MappedRows(RowSource):
    """Rows of a memory-mapped file: used in place, read ahead, and let go of afterwards."""

    def __init__(self, A: Array, name: str, dtype: np.dtype[Any], mapped: MemoryMap) -> None:
        m, n = A.shape
        width = max(n, abs(A.strides[0]) // A.itemsize)  # rows of a view may lie far apart
        super().__init__(A, name, dtype, rows_per_block((m, width), dtype, None))
        self._mapped = mapped

    def read(self, start: int, stop: int) -> Array:
        """Rows from start to stop as a C-contiguous array, a view of the file where that is possible."""
        self._mapped.drop_pages()
        self._mapped.refuse_truncated(self._name)
        if stored_by_columns(self._A):
            return self._gathered(start, stop)
        self._mapped.fetch(self._A[stop : stop + self.block_rows])
        return super().read(start, stop)

    def _gathered(self, start: int, stop: int) -> Array:
        """Read some columns at a time: a short piece of each brings what lies around it into memory."""
        n = self._A.shape[1]
        rows = np.empty((stop - start, n), self.dtype)
        width = max(1, BLOCK_BYTES // ((stop - start) * self._A.itemsize + _PAGES_AT_ONCE))
        for first in range(0, n, width):
            rows[:, first : first + width] = self._A[start:stop, first : first + width]
            self._mapped.drop_pages()
        return rows


def stored_by_columns(A: Array) -> bool:
    """Whether neighbours in a column are closer than those in a row."""
    return abs(A.strides[0]) < abs(A.strides[1])


def memory_map(A: Array) -> MemoryMap | None:
    """Find the memory-mapped file that an array is a view of, if any."""
    base: Any = A
    described: Any = None
    while isinstance(base, np.ndarray):
        described = base if isinstance(base, np.memmap) else described
        base = base.base
    if described is None or not isinstance(base, mmap.mmap):
        return None
    return MemoryMap(base, described)


def worth_streaming(A: Array) -> bool:
    """Whether a mapped file is too large to be treated as if it were in memory."""
    return A.nbytes > min(STREAMED_BYTES, physical_memory() // 8)


def rows_per_block(shape: tuple[int, ...], dtype: np.dtype[Any], chunks: Any) -> int:
    """How many rows to read at a time: about 64 MB, in whole chunks of a chunked data set."""
    m, n = shape
    rows = max(1, BLOCK_BYTES // (n * dtype.itemsize))
    height = chunks[0] if chunks else 1
    height = int(height[0] if isinstance(height, tuple) else height)  # Dask lists every chunk
    if height <= rows:
        rows -= rows % height
    return min(rows, m)


def physical_memory() -> int:
    """Bytes of memory in this machine; a cautious guess where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 4 * 2**30
