"""Nonnegative factors."""

import dataclasses
from typing import Any, ClassVar, Self

import numpy as np

from corange._report import NMFReport
from corange._results._base import Array, LowRankResult
from corange._results._storage import File, save_arrays

__all__ = ["NMFResult", "SeparableNMFResult"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class NMFResult(LowRankResult):
    """Nonnegative factorization, ``W, H = result``, X close to ``W @ H``.

    Attributes
    ----------
    W : ndarray of shape (m, rank)
        Weights of the components in each row of X.
    H : ndarray of shape (rank, n)
        Components, one a row.
    report : NMFReport
        How it was computed and how well it fits.
    """

    report: NMFReport = dataclasses.field(kw_only=True)  # type: ignore[assignment]
    W: Array
    H: Array
    factor_names: ClassVar[tuple[str, ...]] = ("W", "H")

    @property
    def product(self) -> tuple[Array, ...]:
        """``(W, H)``."""
        return (self.W, self.H)

    def project(self, X: Any) -> Array:
        """Find the best weights of the components in other rows, with H, loss and penalties as they are.

        Parameters
        ----------
        X : matrix of shape (p, n)
            Anything `corange.nmf` accepts; rows of the same kind as those that were factored.

        Returns
        -------
        ndarray of shape (p, rank)
            For the Frobenius loss the exact solution of a nonnegative least-squares problem a row; the rows
            that were factored get the rows of `W`.

        Notes
        -----
        One product with `X` and about rank**3 / 3 flops a row at most.

        Examples
        --------
        >>> import numpy as np, corange as cr
        >>> X = np.array([[2.0, 0.0], [0.0, 3.0], [2.0, 3.0]])
        >>> result = cr.nmf(X, 2, random_state=0)
        >>> bool(np.allclose(result.project(X), result.W))
        True
        """
        from corange._nmf import project

        return project(X, self)

    def save(self, path: File) -> None:
        """Write the result with its report to an .npz file without pickles; `corange.load` reads it."""
        save_arrays(path, type(self).__name__, report=np.array(self.report.to_json()), W=self.W, H=self.H)

    @classmethod
    def _from_arrays(cls, arrays: Any) -> Self:
        return cls(arrays["W"], arrays["H"], report=NMFReport.from_json(str(arrays["report"])))


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class SeparableNMFResult(NMFResult):
    """Nonnegative factorization by columns of the matrix itself, ``W, H = result``, W = ``X[:, columns]``.

    Attributes
    ----------
    W : ndarray of shape (m, rank)
        The columns chosen.
    H : ndarray of shape (rank, n)
        Weights of the chosen columns in each column.
    columns : ndarray of shape (rank,)
        Their positions in X, in the order in which they were chosen.
    report : NMFReport
        How it was computed and how well it fits.
    """

    columns: Array

    def save(self, path: File) -> None:
        """Write the result with its report to an .npz file without pickles; `corange.load` reads it."""
        report = np.array(self.report.to_json())
        save_arrays(path, type(self).__name__, report=report, W=self.W, H=self.H, columns=self.columns)

    @classmethod
    def _from_arrays(cls, arrays: Any) -> Self:
        report = NMFReport.from_json(str(arrays["report"]))
        return cls(arrays["W"], arrays["H"], arrays["columns"], report=report)
