"""Factors of a matrix: singular triplets, eigenpairs, a basis with coordinates."""

import dataclasses
from typing import Any, ClassVar

import numpy as np

from corange._operators import as_operator
from corange._results._base import Array, LowRankResult, check_length, projected

__all__ = ["EighResult", "QBResult", "SVDResult"]


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
        operator = as_operator(X, argument_name="X", mean=self.mean, remedy=None)
        coordinates = np.empty((operator.shape[1], self.rank), dtype=self.dtype)
        check_length("rows", operator.shape[0], self.shape[0])
        operator.apply_adjoint(np.ascontiguousarray(self.Q), coordinates)
        return coordinates.T
