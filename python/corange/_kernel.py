"""Kernel matrices whose entries are computed when they are asked for."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import LinearOperator

from corange import _core
from corange._operators import as_stored
from corange._single_pass import multiply
from corange._validation import check_boolean, check_choice, check_nonnegative, check_number, shown

__all__ = ["KERNELS", "KernelMatrix", "kernel_values"]

Array = npt.NDArray[Any]

KERNELS = ("linear", "polynomial", "rbf", "laplacian")

# Entries computed together for a product: 32 MB of them.
_TOGETHER = 2**22
# Points whose mutual entries are computed for the diagonal of a kernel that is a function.
_DIAGONAL = 32


class KernelMatrix(LinearOperator):  # type: ignore[misc]
    """The matrix of a kernel between all pairs of points, never stored.

    It is a symmetric `LinearOperator` that also knows its entries: `corange.nystrom` chooses landmarks in it,
    and `corange.eigh` or `corange.svd` multiply with it.

    Parameters
    ----------
    points : array of shape (n, d)
        A row a point, float32 or float64; other numbers become float64. For a function as `kernel` anything
        with a length that can be indexed by an array of integers: a sparse CSR matrix, or ``np.arange(n)``
        for a function of two arrays of indices. It is used in place, not copied.
    kernel : {"rbf", "laplacian", "polynomial", "linear"} or callable, default="rbf"
        ``exp(-gamma * ||x - y||_2**2)``, ``exp(-gamma * ||x - y||_1)``, ``(gamma * x @ y + coef0)**degree``,
        ``x @ y``; or a function ``kernel(P, Q)`` of p and q of the points that returns their (p, q) entries.
        It must be symmetric and positive semidefinite, which is not checked beforehand.
    gamma : float, optional
        1 / d by default. Units: one over a squared distance for "rbf", one over a distance for "laplacian".
    coef0 : float, default=1.0
    degree : float, default=3.0
        Of "polynomial"; other kernels ignore them.
    diagonal : array-like of shape (n,), optional
        For a function as `kernel`: the entries k(x, x). Without it they are found from blocks of 32 points,
        32 evaluations for each.
    check_finite : bool, default=True
        Refuse points with NaN and infinity.

    Attributes
    ----------
    points, kernel, gamma, coef0, degree
        As above.
    shape : tuple of int
        (n, n).
    dtype : numpy.dtype
        float32 for points of float32, and for a function that returns it; else float64.

    Raises
    ------
    TypeError, ValueError
        An argument is illegal; points are not a finite dense matrix; a function returns another shape.

    See Also
    --------
    corange.nystrom : Low-rank approximation from some of its columns.

    Notes
    -----
    Distances are sums of differences, never ``||x||**2 + ||y||**2 - 2 x @ y``, so close points keep their
    digits, ``k(x, x)`` is exactly 1 and entries are symmetric bit for bit. 3 d flops and an exponential for
    each entry: about a billion entries a second on two cores for d = 10.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> K = cr.KernelMatrix(np.array([[0.0], [1.0], [2.0]]), gamma=0.5)
    >>> K.block([0], [0, 1, 2]).round(4)
    array([[1.    , 0.6065, 0.1353]])
    >>> (K @ np.ones(3)).round(4)
    array([1.7419, 2.2131, 1.7419])
    """

    def __init__(
        self,
        points: Any,
        kernel: str | Callable[[Any, Any], npt.ArrayLike] = "rbf",
        *,
        gamma: float | None = None,
        coef0: float = 1.0,
        degree: float = 3.0,
        diagonal: npt.ArrayLike | None = None,
        check_finite: bool = True,
    ) -> None:
        check_boolean("check_finite", check_finite)
        self.kernel: Any = kernel if callable(kernel) else check_choice("kernel", kernel, KERNELS)
        self.coef0 = check_number("coef0", coef0, low=-np.inf, high=np.inf)
        self.degree = check_number("degree", degree, low=1.0, high=np.inf)
        self._diagonal = None
        if callable(kernel):
            self.points, n = points, points.shape[0] if hasattr(points, "shape") else len(points)
            self.gamma = 1.0 if gamma is None else check_nonnegative("gamma", gamma)
            first = self._function(np.array([0]), np.array([0])) if n else np.empty((0, 0))
            dtype = first.dtype
        else:
            stored = as_stored(points, argument_name="points", check_finite=check_finite)
            if stored.kind != "dense":
                raise TypeError(
                    f"points must be a dense array for the kernel {kernel!r}, got {type(points).__name__}; "
                    "give a function of two sets of points as kernel."
                )
            self.points, dtype = stored.arrays[0], stored.dtype
            n, width = stored.shape
            self.gamma = 1.0 / width if gamma is None else check_nonnegative("gamma", gamma)
        if n < 1:
            raise ValueError("points must have at least one point, got none.")
        super().__init__(dtype, (n, n))
        if diagonal is not None:
            self._diagonal = np.asarray(diagonal, dtype=np.float64)
            if self._diagonal.shape != (n,):
                raise ValueError(f"diagonal must have shape ({n},), got {self._diagonal.shape}.")

    @property
    def description(self) -> str:
        """Size, kernel and precision in words."""
        name = self.kernel if isinstance(self.kernel, str) else getattr(self.kernel, "__name__", "function")
        return f"{self.shape[0]} x {self.shape[0]} {name} kernel, {self.dtype}"

    def diagonal(self) -> npt.NDArray[np.float64]:
        """Entries k(x, x), in double precision.

        Returns
        -------
        ndarray of shape (n,)
        """
        n = self.shape[0]
        if self._diagonal is not None:
            return self._diagonal.copy()
        if self.kernel in ("rbf", "laplacian"):
            return np.ones(n)
        if isinstance(self.kernel, str):
            lengths = np.einsum("ij,ij->i", self.points, self.points, dtype=np.float64)
            if self.kernel == "linear":
                return np.asarray(lengths)
            return np.asarray((self.gamma * lengths + self.coef0) ** self.degree)
        found = np.empty(n)
        for start in range(0, n, _DIAGONAL):
            here = np.arange(start, min(start + _DIAGONAL, n))
            found[here] = self._function(here, here).diagonal()
        return found

    def block(self, rows: npt.ArrayLike, columns: npt.ArrayLike) -> Array:
        """Entries between some points and others.

        Parameters
        ----------
        rows, columns : array-like of int
            Their positions.

        Returns
        -------
        ndarray of shape (len(rows), len(columns))
        """
        first, second = np.asarray(rows, dtype=np.int64), np.asarray(columns, dtype=np.int64)
        if callable(self.kernel):
            return self._function(first, second)
        return self._between(self.points[first], self.points[second])

    def columns(self, indices: npt.ArrayLike) -> Array:
        """Entries of whole columns.

        Parameters
        ----------
        indices : array-like of int
            Positions of the columns.

        Returns
        -------
        ndarray of shape (n, len(indices))
        """
        second = np.asarray(indices, dtype=np.int64)
        if callable(self.kernel):
            return self._function(None, second)
        return self._between(self.points, self.points[second])

    def between(self, points: Any, columns: npt.ArrayLike) -> Array:
        """Entries between new points and some of the points of the matrix.

        Parameters
        ----------
        points : array of shape (p, d)
            New points, of the kind the matrix was made of.
        columns : array-like of int
            Positions of points of the matrix.

        Returns
        -------
        ndarray of shape (p, len(columns))
        """
        second = self.points[np.asarray(columns, dtype=np.int64)]
        if callable(self.kernel):
            return self._evaluated(points, second, (len(points), len(second)))
        stored = as_stored(points, argument_name="points", remedy=None)
        if stored.kind != "dense" or stored.shape[1] != second.shape[1]:
            raise ValueError(
                f"points must be a dense array of {second.shape[1]} columns, got a {stored.kind} one of "
                f"shape {stored.shape}."
            )
        return self._between(stored.arrays[0].astype(self.dtype, copy=False), second)

    def _between(self, X: Array, Y: Array) -> Array:
        return kernel_values(self.kernel, X, Y, self.gamma, self.coef0, self.degree)

    def _function(self, rows: Array | None, columns: Array) -> Array:
        """Ask the user's function for entries; no rows are all rows."""
        first = self.points if rows is None else self.points[rows]
        count = self.shape[0] if rows is None else rows.size
        return self._evaluated(first, self.points[columns], (count, columns.size))

    def _evaluated(self, P: Any, Q: Any, shape: tuple[int, int]) -> Array:
        values = np.asarray(self.kernel(P, Q))
        if values.shape != shape:
            raise ValueError(
                f"kernel must return entries of shape {shape} for {shape[0]} and {shape[1]} points, got "
                f"{values.shape}."
            )
        if values.dtype.kind not in "biuf":
            raise TypeError(f"kernel must return real numbers, got {shown(values.dtype)}.")
        if not np.isfinite(values).all():
            raise ValueError("kernel must return finite numbers, but some are NaN or infinite.")
        return values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)

    def _matmat(self, X: Any) -> Array:
        X = np.ascontiguousarray(X, dtype=self.dtype)
        n = self.shape[0]
        out = np.empty((n, X.shape[1]), self.dtype)
        height = max(1, _TOGETHER // n)
        for start in range(0, n, height):
            here = np.arange(start, min(start + height, n))
            out[here] = multiply(np.ascontiguousarray(self.block(here, np.arange(n)), dtype=self.dtype), X)
        return out

    def _adjoint(self) -> "KernelMatrix":
        return self

    _transpose = _adjoint


def kernel_values(
    kernel: str, X: Array, Y: Array, gamma: float, coef0: float = 1.0, degree: float = 3.0
) -> Array:
    """Evaluate a kernel of `KERNELS` between the rows of two dense matrices of one precision, in the core."""
    out = np.empty((X.shape[0], Y.shape[0]), X.dtype)
    _core.kernel_block(kernel, gamma, coef0, degree, X, Y, out)
    return out
