"""Any matrix becomes an operator of the core: checked first, and used in place wherever its layout allows."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse

from corange import _core
from corange._sources import (
    MappedRows,
    ProductSource,
    RowSource,
    has_products,
    has_rows,
    memory_map,
    rows_per_block,
    stored_by_columns,
    worth_streaming,
)
from corange._sparse import compressed
from corange._validation import shown

__all__ = [
    "REMEDY",
    "Matrix",
    "Stored",
    "as_matrix",
    "as_numbers",
    "as_operator",
    "as_stored",
    "looked_at_by_core",
    "refuse_if_spoilt",
    "refuse_masked",
]

Array = npt.NDArray[Any]

# How users opt out of the look for NaN and infinity, as messages say it.
REMEDY = "pass check_finite=False"
_ACCEPTED = (
    "a NumPy array, a SciPy sparse array or matrix, a LinearOperator, a list of lists, a DataFrame, or an "
    "object with shape and dtype and either row slicing or products (@ and .T)"
)


@dataclasses.dataclass(frozen=True)
class Matrix:
    """A matrix ready for the core, with what results and reports say of it.

    Attributes
    ----------
    operator : corange._core operator
        What the algorithms multiply with.
    mean : ndarray of shape (n,) or None
        Column means that the operator subtracts.
    description : str
        Shape, kind and precision in words.
    kind : {"dense", "sparse", "rows", "products"}
        How it is held: in memory, or known only by its rows or its products.
    """

    operator: Any
    mean: npt.NDArray[np.float64] | None
    description: str
    kind: str

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        m, n = self.operator.shape
        return int(m), int(n)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Precision of the computation and of its results, float32 or float64."""
        dtype: np.dtype[Any] = np.dtype(self.operator.dtype)
        return dtype

    @property
    def in_memory(self) -> bool:
        """Whether passes over it are cheap and its entries were checked already."""
        return self.kind in ("dense", "sparse")


def as_operator(A: Any, **options: Any) -> Any:
    """Make an operator of the core; the options are those of `as_matrix`."""
    return as_matrix(A, **options).operator


def as_matrix(
    A: Any,
    *,
    argument_name: str = "A",
    center: bool = False,
    mean: npt.ArrayLike | None = None,
    weights: npt.NDArray[np.float64] | None = None,
    row_scale: npt.NDArray[np.float64] | None = None,
    check_finite: bool = True,
    symmetric: bool = False,
    look_now: bool = True,
    remedy: str | None = REMEDY,
) -> Matrix:
    """Check a matrix and make an operator of the core that stands for ``diag(row_scale) @ (A - mean)``.

    Parameters
    ----------
    A : matrix of shape (m, n)
        NumPy array, SciPy sparse, LinearOperator, list of lists, DataFrame, memory-mapped file, or any
        object with `shape` and `dtype` and either row slicing or products. Arrays of float32 and float64
        with any strides and CSR and CSC matrices are used in place; float16 becomes float32, and integers,
        bools, longdouble and numeric objects become float64 (integers beyond 2**53 are rounded).
    argument_name : str, default="A"
        What messages call it.
    center : bool, default=False
        Subtract the column means, without forming the difference: one more pass.
    mean : array-like of shape (n,), optional
        Subtract these instead.
    weights : ndarray of shape (m,), optional
        Weights of the rows for the means of `center`.
    row_scale : ndarray of shape (m,), optional
        Factors of the rows, applied after the means are subtracted.
    check_finite : bool, default=True
        Refuse NaN and infinity: one pass over data in memory; other data are checked while they are used.
    symmetric : bool, default=False
        The caller promises that A is symmetric, so that products with A.T are not needed.
    look_now : bool, default=True
        False leaves it to the algorithm to refuse NaN and infinity in data in memory.
    remedy : str, optional
        How the caller lets its users opt out of `check_finite`, for the message; None if it does not.

    Returns
    -------
    Matrix

    Raises
    ------
    TypeError
        Complex, masked or non-numeric data, or something that is not a matrix.
    ValueError
        Not two-dimensional, empty, not finite, or a sparse structure that contradicts itself.
    """
    source = _source(A, argument_name, check_finite=check_finite, symmetric=symmetric)
    if check_finite and look_now and source.kind in ("dense", "sparse"):
        _refuse_nonfinite(source.build(), argument_name, remedy)
    means = None if mean is None else np.ascontiguousarray(mean, dtype=np.float64)
    if center:
        means = np.asarray(source.build().column_means(weights))
    operator = source.build(mean=means, row_scale=row_scale)
    m, n = operator.shape
    return Matrix(operator, means, f"{m} x {n} {source.description}", source.kind)


class _Source(NamedTuple):
    """How to construct an operator, once it is known what to subtract from it."""

    build: Callable[..., Any]
    description: str
    kind: str


def _source(A: Any, name: str, *, check_finite: bool, symmetric: bool, any_order: bool = True) -> _Source:
    """Find out what kind of matrix this is. The order matters: an h5py dataset could become an array too.

    With `any_order` files that are stored by columns are read so; else all by rows.
    """
    refuse_masked(A, name)
    if isinstance(A, np.ndarray):
        return _from_array(A, name, check_finite=check_finite, any_order=any_order)
    if scipy.sparse.issparse(A):
        return _from_sparse(A, name)
    if has_rows(A):
        return _from_rows(A, name, check_finite=check_finite)
    if has_products(A, symmetric=symmetric):
        return _from_products(A, name, check_finite=check_finite, symmetric=symmetric)
    return _from_array(_converted(A, name), name, check_finite=check_finite, any_order=any_order)


def refuse_masked(A: Any, name: str) -> None:
    """Refuse a masked array: NumPy would drop the mask in silence."""
    if isinstance(A, np.ma.MaskedArray):
        raise TypeError(
            f"{name} is a masked array, whose mask a factorization cannot honour. Fill it first, for example "
            f"with {name}.filled(0)."
        )


def check_shape(shape: Any, name: str) -> tuple[int, int]:
    """Refuse anything that is not two-dimensional, or is empty."""
    sides = tuple(int(side) for side in shape)
    if len(sides) == 1:
        hint = f"; use {name}[np.newaxis, :] for one row or {name}[:, np.newaxis] for one column"
    else:
        hint = ""
    if len(sides) != 2:
        raise ValueError(f"{name} must have two dimensions, got shape {sides}{hint}.")
    if 0 in sides:
        raise ValueError(f"{name} must have at least one row and one column, got shape {sides}.")
    return sides[0], sides[1]


def working_dtype(dtype: Any, name: str) -> np.dtype[Any]:
    """Decide the precision: float32 for float32 and float16, float64 for every other real number."""
    given = np.dtype(np.float64) if dtype is None else np.dtype(dtype)
    if given.kind == "c":
        raise TypeError(
            f"{name} must be real, got {given}: complex matrices are not supported. "
            f"Decompose {name}.real and {name}.imag, or the real matrix [[Re, -Im], [Im, Re]]."
        )
    if given.kind not in "biuf":
        raise TypeError(f"{name} must hold numbers, got dtype {given}.")
    return np.dtype(np.float32) if given.kind == "f" and given.itemsize <= 4 else np.dtype(np.float64)


def _refuse_nonfinite(operator: Any, name: str, remedy: str | None) -> None:
    scan = operator.scan()
    if scan is None or scan["finite"]:
        return
    i, j = scan["first_bad"]
    instead = "" if remedy is None else f", or {remedy} to compute with them regardless"
    are = "is" if scan["bad_count"] == 1 else "are"
    raise ValueError(
        f"{name} must be finite, but {scan['bad_count']} of its entries {are} NaN or infinite, the first at "
        f"{name}[{i}, {j}]. Replace them{instead}."
    )


@contextlib.contextmanager
def looked_at_by_core(matrix: Matrix, *, check_finite: bool) -> Iterator[None]:
    """Leave it to the core to find NaN and infinity on its way, and word its refusal as all others are."""
    try:
        yield
    except ValueError:
        if check_finite and matrix.in_memory:
            _refuse_nonfinite(matrix.operator, "A", REMEDY)
        raise


def _converted(A: Any, name: str) -> Array:
    """Make an array of a list of lists, a DataFrame, or another library's array in memory."""
    if A is None or isinstance(A, (str, bytes, dict, set)) or callable(A):
        raise TypeError(f"{name} must be {_ACCEPTED}, got {shown(A)}.")
    try:
        array = np.asarray(A)
    except (ValueError, TypeError) as error:
        raise type(error)(f"{name} cannot be made a matrix ({error}); it must be {_ACCEPTED}.") from error
    if array.ndim == 0 and array.dtype.kind == "O":
        raise TypeError(f"{name} must be {_ACCEPTED}, got {shown(A)}.")
    return array


def _from_array(A: Array, name: str, *, check_finite: bool, any_order: bool) -> _Source:
    shape = check_shape(A.shape, name)
    plain = as_numbers(A, name)
    dtype = working_dtype(plain.dtype, name)
    mapped = memory_map(plain)
    if mapped is not None:
        mapped.refuse_truncated(name)
        if worth_streaming(plain):
            by_columns = any_order and stored_by_columns(plain)
            rows = MappedRows(plain.T if by_columns else plain, name, dtype, mapped)
            return _by_rows(rows, shape, "memory-mapped matrix", check_finite, by_columns)
    if plain.dtype != dtype or not plain.dtype.isnative or not plain.flags.aligned:
        with np.errstate(over="ignore"):  # a longdouble out of range becomes inf, which is refused by name
            plain = np.array(plain, dtype=dtype)
    return _Source(partial(_core.DenseOperator, plain), f"dense matrix, {dtype}", "dense")


def as_numbers(A: Any, name: str) -> Array:
    """Convert numeric objects; missing ones become NaN, to be counted and refused with a position."""
    plain: Array = np.asarray(A)  # np.matrix and np.memmap answer to indexing in their own ways
    if plain.dtype.kind != "O":
        return plain
    values = np.empty(plain.shape, dtype=np.float64)
    for index, value in np.ndenumerate(plain):
        missing = value is None or type(value).__name__ == "NAType"
        if not missing and not isinstance(value, (Real, Decimal, np.bool_)):
            place = ", ".join(map(str, index))
            raise TypeError(f"{name} must hold real numbers, but {name}[{place}] is {shown(value)}.")
        try:
            values[index] = np.nan if missing else float(value)
        except OverflowError:
            values[index] = np.inf
    return values


def _from_rows(A: Any, name: str, *, check_finite: bool) -> _Source:
    shape = check_shape(A.shape, name)
    dtype = working_dtype(A.dtype, name)
    rows = RowSource(A, name, dtype, rows_per_block(shape, dtype, getattr(A, "chunks", None)))
    return _by_rows(rows, shape, f"row-blocked {type(A).__name__}", check_finite)


def _by_rows(
    rows: RowSource, shape: tuple[int, int], what: str, check_finite: bool, by_columns: bool = False
) -> _Source:
    build = partial(
        _core.RowBlockedOperator,
        *(rows.read, shape, rows.dtype, rows.block_rows),
        check_finite=check_finite,
        by_columns=by_columns,
    )
    lines = "columns" if by_columns else "rows"
    return _Source(build, f"{what}, {rows.dtype}, read {rows.block_rows} {lines} at a time", "rows")


def _from_products(A: Any, name: str, *, check_finite: bool, symmetric: bool) -> _Source:
    shape = check_shape(A.shape, name)
    dtype = working_dtype(getattr(A, "dtype", None), name)
    source = ProductSource(A, name, shape, dtype, check_finite=check_finite, symmetric=symmetric)
    build = partial(_core.CallbackOperator, source.matmat, source.rmatmat, shape, dtype)
    return _Source(build, f"{type(A).__name__}, {dtype}", "products")


def _from_sparse(A: Any, name: str) -> _Source:
    check_shape(A.shape, name)
    dtype = working_dtype(A.dtype, name)
    matrix = compressed(A, name)
    data = np.asarray(matrix.data)
    if data.dtype != dtype or not data.dtype.isnative or not data.flags.c_contiguous:
        data = np.ascontiguousarray(data, dtype=dtype)
    factory = _core.CsrOperator if matrix.format == "csr" else _core.CscOperator
    build = partial(factory, matrix.indptr, matrix.indices, data, matrix.shape)
    what = f"sparse {matrix.format.upper()} matrix, {dtype}, {data.size:,} stored entries"
    return _Source(build, what, "sparse")


class Stored(NamedTuple):
    """A matrix as its own arrays, for kernels that look at entries; `kind` "products" has none.

    `arrays` is (array,) for "dense", (indptr, indices, data) for "csr" and "csc", and (read, block_rows) for
    "rows". `flipped` tells that the operator is the one of the transpose.
    """

    kind: str
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    arrays: tuple[Any, ...]
    operator: Any
    flipped: bool = False

    def transpose(self) -> "Stored":
        """Return the transpose, sharing all memory; of matrices in memory alone."""
        kind = {"dense": "dense", "csr": "csc", "csc": "csr"}[self.kind]
        arrays = (self.arrays[0].T,) if kind == "dense" else self.arrays
        return self._replace(kind=kind, shape=self.shape[::-1], arrays=arrays, flipped=not self.flipped)

    def product(self, X: Array) -> Array:
        """Multiply a C-contiguous block: ``A @ X``."""
        out = np.empty((self.shape[0], X.shape[1]), self.dtype)
        (self.operator.apply_adjoint if self.flipped else self.operator.apply)(X, out)
        return out


def refuse_if_spoilt(result: Array, operator: Any, name: str, remedy: str | None = REMEDY) -> None:
    """Look for NaN and infinity in a matrix, if there are any in what was computed from all its entries."""
    with np.errstate(over="ignore", invalid="ignore"):
        sound = np.isfinite(np.add.reduce(result, axis=None))
    if not sound:  # finite numbers that overflow are the user's affair
        _refuse_nonfinite(operator, name, remedy)


def as_stored(
    A: Any,
    *,
    argument_name: str = "A",
    check_finite: bool = True,
    look_now: bool = True,
    remedy: str | None = REMEDY,
) -> Stored:
    """Check a matrix as `as_matrix` does, and lay open where its entries are.

    Parameters and errors are those of `as_matrix`.
    """
    source = _source(A, argument_name, check_finite=check_finite, symmetric=False, any_order=False)
    operator = source.build()
    if check_finite and look_now and source.kind in ("dense", "sparse"):
        _refuse_nonfinite(operator, argument_name, remedy)
    m, n = operator.shape
    arguments = source.build.args if isinstance(source.build, partial) else ()
    kind, arrays = source.kind, tuple(arguments)
    if kind == "sparse":
        kind, arrays = ("csr" if source.build.func is _core.CsrOperator else "csc"), arrays[:3]  # type: ignore[attr-defined]
    elif kind == "rows":
        arrays = (arrays[0], arrays[3])
    return Stored(kind, (int(m), int(n)), np.dtype(operator.dtype), arrays, operator)
