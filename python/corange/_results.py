"""Result objects: factors that unpack like a tuple, multiply like their matrix, and carry a report."""

import abc
import dataclasses
import importlib
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from corange._operators import as_operator
from corange._report import LstsqReport, Report

__all__ = ["EighResult", "LowRankResult", "LstsqResult", "QBResult", "SVDResult", "load", "save_arrays"]

Array = npt.NDArray[Any]
File = str | os.PathLike[str] | IO[bytes]

_FORMAT = "corange result 1"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class LowRankResult(abc.ABC):
    """A matrix approximated by left factor times right factor, plus a row of means for centered data.

    This is what all results share; the functions return its subclasses.
    """

    report: Report = dataclasses.field(kw_only=True)
    mean: Array | None = dataclasses.field(default=None, kw_only=True)
    factor_names: ClassVar[tuple[str, ...]] = ()

    @property
    def factors(self) -> tuple[Array, ...]:
        """The arrays this result unpacks into."""
        return tuple(getattr(self, name) for name in self.factor_names)

    @property
    @abc.abstractmethod
    def product(self) -> tuple[Array, ...]:
        """What to multiply for the approximation: (left, right), or (left, diagonal, right)."""

    @property
    def left(self) -> Array:
        """Left factor, of shape (m, rank), the diagonal included: the approximation is ``left @ right``."""
        left, *diagonal, _ = self.product
        return left * diagonal[0] if diagonal else left

    @property
    def right(self) -> Array:
        """Right factor, of shape (rank, n)."""
        return self.product[-1]

    @property
    def rank(self) -> int:
        """Number of columns of the left factor."""
        return int(self.product[0].shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the matrix that is approximated."""
        return (int(self.product[0].shape[0]), int(self.product[-1].shape[1]))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Precision of the factors."""
        return self.product[0].dtype

    def __iter__(self) -> Iterator[Array]:
        return iter(self.factors)

    def __len__(self) -> int:
        return len(self.factor_names)

    def __getitem__(self, index: int | slice) -> Any:
        return self.factors[index]

    def __repr__(self) -> str:
        m, n = self.shape
        state = "converged" if self.report.converged else "not converged"
        centered = ", centered" if self.mean is not None else ""
        return f"{type(self).__name__}(rank={self.rank}, shape=({m}, {n}), {self.dtype}{centered}, {state})"

    def __matmul__(self, X: npt.ArrayLike) -> Array:
        """Multiply the approximation with a vector or a block, without forming it."""
        block = np.asarray(X)
        left, *diagonal, right = self.product
        inner: Array = right @ block
        if diagonal:
            inner = (inner.T * diagonal[0]).T
        product: Array = left @ inner
        return product if self.mean is None else product + self.mean.astype(self.dtype, copy=False) @ block

    def reconstruct(self, rows: Any = slice(None), columns: Any = slice(None)) -> Array:
        """Form the approximation, or a part of it, as a dense array.

        Parameters
        ----------
        rows, columns : slice, integer array or boolean mask, default=all
            The rows and columns wanted. The whole array takes m * n numbers: ask for parts of a large one.

        Returns
        -------
        ndarray of shape (len(rows), len(columns))
            In the precision of the factors; means that were subtracted are added back.

        Examples
        --------
        >>> import numpy as np, corange as cr
        >>> A = np.outer([1.0, 2.0, 3.0], [1.0, 1.0])
        >>> cr.svd(A, 1).reconstruct(rows=[2]).round(6)
        array([[3., 3.]])
        """
        part: Array = np.atleast_2d(self.left[rows]) @ self.right[:, _as_columns(columns)]
        return part if self.mean is None else part + self.mean.astype(self.dtype)[_as_columns(columns)]

    def save(self, path: File) -> None:
        """Write the result with its report to an .npz file that holds no pickles; `corange.load` reads it.

        Parameters
        ----------
        path : str, path or binary file
            The ending .npz is added to a name without it, as `numpy.savez` does.
        """
        arrays: dict[str, Any] = dict(zip(self.factor_names, self.factors, strict=True))
        if self.mean is not None:
            arrays["mean"] = self.mean
        save_arrays(
            path,
            type(self).__name__,
            report=np.array(self.report.to_json()),
            report_residuals=self.report.residuals,
            report_history=np.array(self.report.history, dtype=np.float64).reshape(-1, 5),
            **arrays,
        )

    @classmethod
    def _from_arrays(cls, arrays: Any) -> Self:
        report = Report.from_json(str(arrays["report"]), arrays["report_residuals"], arrays["report_history"])
        factors = (arrays[name] for name in cls.factor_names)
        return cls(*factors, report=report, mean=arrays.get("mean"))


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class SVDResult(LowRankResult):
    """Truncated singular value decomposition, ``U, s, Vt = result``.

    Attributes
    ----------
    U : ndarray of shape (m, rank)
        Left singular vectors, orthonormal columns. Signs: the entry of largest magnitude among each column of
        U and its row of Vt is positive.
    s : ndarray of shape (rank,)
        Singular values, descending.
    Vt : ndarray of shape (rank, n)
        Right singular vectors, orthonormal rows.
    report : Report
        How it was computed and how accurate it is.
    mean : ndarray of shape (n,) or None
        The column means that were subtracted when ``center=True``.

    Examples
    --------
    >>> import numpy as np, corange as cr
    >>> A = np.diag([3.0, 2.0, 1.0])
    >>> result = cr.svd(A, 2)
    >>> U, s, Vt = result
    >>> s
    array([3., 2.])
    >>> result
    SVDResult(rank=2, shape=(3, 3), float64, converged)
    """

    U: Array
    s: Array
    Vt: Array
    factor_names: ClassVar[tuple[str, ...]] = ("U", "s", "Vt")

    @property
    def product(self) -> tuple[Array, ...]:
        """``(U, s, Vt)``."""
        return (self.U, self.s, self.Vt)

    def project(self, X: Any) -> Array:
        """Coordinates of rows in the basis of the right singular vectors: ``(X - mean) @ Vt.T``.

        Parameters
        ----------
        X : matrix of shape (p, n)
            Anything `corange.svd` accepts; rows of the same kind as those that were decomposed.

        Returns
        -------
        ndarray of shape (p, rank)

        Notes
        -----
        One pass over `X`; 2 * rank flops for each of its entries that are stored.

        Examples
        --------
        >>> import numpy as np, corange as cr
        >>> result = cr.svd(np.diag([3.0, 2.0, 1.0]), 2)
        >>> abs(result.project(np.array([[0.0, 5.0, 0.0]])))
        array([[0., 5.]])
        """
        return projected(X, self.Vt.T, self.mean)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class EighResult(LowRankResult):
    """Some eigenvalues and eigenvectors of a symmetric matrix, ``w, V = result``.

    Attributes
    ----------
    w : ndarray of shape (rank,)
        Eigenvalues, in the order that was asked for.
    V : ndarray of shape (n, rank)
        Eigenvectors, orthonormal columns. The entry of largest magnitude in each is positive.
    report : Report
        How it was computed and how accurate it is.
    """

    w: Array
    V: Array
    factor_names: ClassVar[tuple[str, ...]] = ("w", "V")

    @property
    def product(self) -> tuple[Array, ...]:
        """``(V, w, V.T)``."""
        return (self.V, self.w, self.V.T)

    def project(self, X: Any) -> Array:
        """Coordinates of rows in the basis of the eigenvectors: ``X @ V``, of shape (p, rank)."""
        return projected(X, self.V, None)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class QBResult(LowRankResult):
    """An orthonormal basis and the coordinates of a matrix in it, ``Q, B = result``, A close to ``Q @ B``.

    Attributes
    ----------
    Q : ndarray of shape (m, rank)
        Orthonormal columns that nearly span the range of A.
    B : ndarray of shape (rank, n)
        ``Q.T @ A``.
    report : Report
        How it was computed and how accurate it is.
    mean : ndarray of shape (n,) or None
        The column means that were subtracted when ``center=True``.
    """

    Q: Array
    B: Array
    factor_names: ClassVar[tuple[str, ...]] = ("Q", "B")

    @property
    def product(self) -> tuple[Array, ...]:
        """``(Q, B)``."""
        return (self.Q, self.B)

    def project(self, X: Any) -> Array:
        """Coordinates of the columns of X, of shape (m, p), in the basis `Q`: ``Q.T @ (X - mean)``."""
        operator = as_operator(X, argument_name="X", mean=self.mean)
        coordinates = np.empty((operator.shape[1], self.rank), dtype=self.dtype)
        check_length("rows", operator.shape[0], self.shape[0])
        operator.apply_adjoint(np.ascontiguousarray(self.Q), coordinates)
        return coordinates.T


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class LstsqResult:
    """Solution of a least-squares problem, ``(x,) = result``.

    Attributes
    ----------
    x : ndarray of shape (n,) or (n, k)
        One column for each right-hand side, if there was more than a vector of them.
    report : LstsqReport
        How it was computed and how accurate it is.
    """

    x: Array
    report: LstsqReport = dataclasses.field(kw_only=True)

    def __iter__(self) -> Iterator[Array]:
        return iter((self.x,))

    def __repr__(self) -> str:
        state = "converged" if self.report.converged else "not converged"
        return f"LstsqResult(shape={self.x.shape}, {self.x.dtype}, {state})"

    def save(self, path: File) -> None:
        """Write the result with its report to an .npz file without pickles; `corange.load` reads it."""
        save_arrays(path, type(self).__name__, report=np.array(self.report.to_json()), x=self.x)

    @classmethod
    def _from_arrays(cls, arrays: Any) -> Self:
        return cls(arrays["x"], report=LstsqReport.from_json(str(arrays["report"])))


# Each is found when it is needed: samples live in a module of their own.
_KINDS: dict[str, Callable[[], Any]] = {
    "SVDResult": lambda: SVDResult,
    "EighResult": lambda: EighResult,
    "QBResult": lambda: QBResult,
    "LstsqResult": lambda: LstsqResult,
    "CoordinatedSample": lambda: importlib.import_module("corange.sketching").CoordinatedSample,
}


def save_arrays(path: File, kind: str, **arrays: Any) -> None:
    """Write arrays as `load` reads them; `kind` names the class that they make."""
    np.savez(path, format=np.array(_FORMAT), kind=np.array(kind), **arrays)


def load(path: File) -> Any:
    """Read a result or a sample that ``save(path)`` or the command line wrote.

    Parameters
    ----------
    path : str, path or binary file
        Nothing in the file is executed: pickles are refused.

    Returns
    -------
    SVDResult, EighResult, QBResult, LstsqResult or sketching.CoordinatedSample

    Raises
    ------
    ValueError
        When the file is not one of corange's.
    OSError
        When it cannot be read.

    Examples
    --------
    >>> import io, numpy as np, corange as cr
    >>> file = io.BytesIO()
    >>> cr.svd(np.diag([3.0, 2.0, 1.0]), 2).save(file)
    >>> _ = file.seek(0)
    >>> cr.load(file).s
    array([3., 2.])
    """
    if isinstance(path, (str, os.PathLike)):
        with Path(path).open("rb") as file:
            return _read(file, path)
    return _read(path, path)


def _read(file: IO[bytes], name: object) -> Any:
    try:
        arrays = dict(np.load(file, allow_pickle=False))
        marker = str(arrays["format"])
    except (ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{name} is not a result that corange saved.") from error
    if marker != _FORMAT:
        raise ValueError(f"{name} holds {marker!r}; this version of corange reads {_FORMAT!r}.")
    kind = str(arrays["kind"])
    if kind not in _KINDS:
        raise ValueError(f"{name} holds a {kind!r}, which this version of corange does not know.")
    return _KINDS[kind]()._from_arrays(arrays)


def is_saved_result(path: str | os.PathLike[str]) -> bool:
    """Tell a result that was saved from other .npz files."""
    with np.load(path, allow_pickle=False) as archive:
        return "format" in archive and str(archive["format"]).startswith("corange result")


def projected(X: Any, V: Array, mean: Array | None) -> Array:
    """Multiply (X - mean) with an orthonormal basis of its rows, in one pass over X."""
    operator = as_operator(X, argument_name="X", mean=mean)
    check_length("columns", operator.shape[1], V.shape[0])
    scores = np.empty((operator.shape[0], V.shape[1]), dtype=V.dtype)
    operator.apply(np.ascontiguousarray(V), scores)
    return scores


def check_length(what: str, given: int, wanted: int) -> None:
    """Refuse a matrix X that does not have the size of the one that was decomposed."""
    if given != wanted:
        raise ValueError(f"X must have {wanted} {what}, as the matrix that was decomposed had, got {given}.")


def _as_columns(columns: Any) -> Any:
    """Keep a single column as a column."""
    return [columns] if isinstance(columns, (int, np.integer)) else columns
