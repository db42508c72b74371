"""Factors made of a matrix's own columns and rows."""

import dataclasses
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse

from corange._operators import as_operator
from corange._report import Report
from corange._results._base import Array, LowRankResult, check_length
from corange._rows import product as multiply

__all__ = ["CURResult", "IDResult", "TwoSidedIDResult"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class CURResult(LowRankResult):
    """Columns, core and rows, ``C, U, R = result``: the matrix is close to ``C @ U @ R``.

    Attributes
    ----------
    C : ndarray or sparse array of shape (m, c)
        Columns of the matrix, ``A[:, columns]``, sparse if A is.
    U : ndarray of shape (c, r)
        What is between them.
    R : ndarray or sparse array of shape (r, n)
        Rows of the matrix, ``A[rows]``, sparse if A is.
    rows, columns : ndarray of int64
        Which they are.
    coefficients : ndarray of shape (c, n)
        ``U @ R``, computed without the rounding that multiplying it out has when U is ill conditioned; all
        methods use it.
    report : Report
        How it was computed and how accurate it is.

    Examples
    --------
    >>> import numpy as np, corange as cr
    >>> A = np.outer([1.0, 2.0, 3.0], [1.0, 1.0])
    >>> result = cr.cur(A, 1, random_state=0)
    >>> result
    CURResult(rank=1, shape=(3, 2), float64, converged)
    >>> np.allclose(result.reconstruct(), A)
    True
    """

    C: Any
    U: Array
    R: Any
    rows: Array = dataclasses.field(kw_only=True)
    columns: Array = dataclasses.field(kw_only=True)
    coefficients: Array = dataclasses.field(kw_only=True)
    factor_names: ClassVar[tuple[str, ...]] = ("C", "U", "R")

    @property
    def product(self) -> tuple[Any, ...]:
        """``(C, U @ R)``."""
        return (self.C, self.coefficients)

    def project(self, X: Any) -> Array:
        """Take the chosen columns of X: the coordinates from which ``coefficients`` rebuild it.

        Parameters
        ----------
        X : matrix of shape (p, n)
            Rows of the same kind as those that were decomposed: an array, a sparse matrix or a list.

        Returns
        -------
        ndarray or sparse array of shape (p, c)
        """
        as_operator(X, argument_name="X", check_finite=False)
        X = X if scipy.sparse.issparse(X) else np.asarray(X)
        check_length("columns", X.shape[1], self.shape[1])
        chosen: Array = X[:, self.columns]
        return chosen

    def _to_arrays(self) -> dict[str, Any]:
        whole = {"U": self.U, "coefficients": self.coefficients, "rows": self.rows, "columns": self.columns}
        return whole | _packed("C", self.C) | _packed("R", self.R)

    @classmethod
    def _rebuilt(cls, arrays: Any, report: Report) -> Self:
        C, R = _unpacked("C", arrays), _unpacked("R", arrays)
        named = {name: arrays[name] for name in ("rows", "columns", "coefficients")}
        return cls(C, arrays["U"], R, report=report, **named)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class IDResult(LowRankResult):
    """Columns or rows with the coefficients of all others, ``indices, coefficients = result``.

    Attributes
    ----------
    indices : ndarray of int64
        The columns (axis 1) or rows (axis 0) that were kept.
    coefficients : ndarray of shape (k, n), or (m, k) for rows
        A is close to ``A[:, indices] @ coefficients``, or ``coefficients @ A[indices]``. Those of the kept
        columns are an identity.
    skeleton : ndarray or sparse array
        ``A[:, indices]`` or ``A[indices]``.
    axis : int
        1 for columns, 0 for rows.
    report : Report
        How it was computed and how accurate it is.
    """

    indices: Array
    coefficients: Array
    skeleton: Any = dataclasses.field(kw_only=True)
    axis: int = dataclasses.field(kw_only=True)
    factor_names: ClassVar[tuple[str, ...]] = ("indices", "coefficients")

    @property
    def product(self) -> tuple[Any, ...]:
        """``(skeleton, coefficients)``, or ``(coefficients, skeleton)`` for rows."""
        both = (self.skeleton, self.coefficients)
        return both if self.axis == 1 else both[::-1]

    @property
    def max_coefficient(self) -> float:
        """The largest magnitude of a coefficient: how much errors in kept columns are amplified."""
        return float(np.abs(self.coefficients).max(initial=0.0))

    def _to_arrays(self) -> dict[str, Any]:
        return {
            "indices": self.indices,
            "coefficients": self.coefficients,
            "axis": np.array(self.axis),
        } | _packed("skeleton", self.skeleton)

    @classmethod
    def _rebuilt(cls, arrays: Any, report: Report) -> Self:
        skeleton, axis = _unpacked("skeleton", arrays), int(arrays["axis"])
        return cls(arrays["indices"], arrays["coefficients"], report=report, skeleton=skeleton, axis=axis)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class TwoSidedIDResult(LowRankResult):
    """Entries in chosen rows and columns with coefficients on both sides, ``P, S, W = result``.

    Attributes
    ----------
    P : ndarray of shape (m, k)
        Coefficients of all rows; ``P[rows]`` is the identity.
    S : ndarray of shape (k, k)
        ``A[rows][:, columns]``.
    W : ndarray of shape (k, n)
        Coefficients of all columns; ``W[:, columns]`` is the identity.
    rows, columns : ndarray of int64
        Which were kept.
    report : Report
        How it was computed and how accurate it is.
    """

    P: Array
    S: Array
    W: Array
    rows: Array = dataclasses.field(kw_only=True)
    columns: Array = dataclasses.field(kw_only=True)
    factor_names: ClassVar[tuple[str, ...]] = ("P", "S", "W")

    @property
    def product(self) -> tuple[Array, ...]:
        """``(P, S @ W)``."""
        return (self.P, multiply(self.S, self.W))

    @property
    def max_coefficient(self) -> float:
        """The largest magnitude of a coefficient on either side."""
        return float(max(np.abs(self.P).max(initial=0.0), np.abs(self.W).max(initial=0.0)))

    def _to_arrays(self) -> dict[str, Any]:
        return super()._to_arrays() | {"rows": self.rows, "columns": self.columns}

    @classmethod
    def _rebuilt(cls, arrays: Any, report: Report) -> Self:
        factors = (arrays[name] for name in cls.factor_names)
        return cls(*factors, report=report, rows=arrays["rows"], columns=arrays["columns"])


def _packed(name: str, X: Any) -> dict[str, Any]:
    """Arrays of a factor that may be sparse."""
    if not scipy.sparse.issparse(X):
        return {name: X}
    sparse = scipy.sparse.csr_array(X)
    parts = {part: getattr(sparse, part) for part in ("data", "indices", "indptr")}
    return {f"{name}_{part}": array for part, array in parts.items()} | {f"{name}_shape": np.array(X.shape)}


def _unpacked(name: str, arrays: Any) -> Any:
    if name in arrays:
        return arrays[name]
    parts = tuple(arrays[f"{name}_{part}"] for part in ("data", "indices", "indptr"))
    return scipy.sparse.csr_array(parts, shape=tuple(arrays[f"{name}_shape"]))
