"""The SVD of a matrix that changed, whose factors are multiplied out when somebody reads them whole."""

import time
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from corange import _core
from corange._results import SVDResult
from corange._results._storage import File
from corange._single_pass import multiply
from corange._updating._basis import ExtendedBasis
from corange._updating._evolving import EvolvingSVD

__all__ = ["UpdatedSVD"]

Array = npt.NDArray[Any]


class UpdatedSVD(SVDResult):
    """What `corange.update_svd` and `corange.downdate_svd` return: an `SVDResult` whose factors can wait.

    Each factor is a product of a tall and a small matrix. `U` and `Vt` are multiplied out when they are first
    read, 2 k**2 flops a row; until then `left_vectors`, `right_vectors` and `reconstruct` read the rows and
    columns asked for alone, and further updates go on from the products.

    Signs are those that hardly change from update to update: of what a triplet has of the former ones, the
    largest part is positive.
    """

    _state: EvolvingSVD

    def __init__(self, state: EvolvingSVD, *, started: float, task: str) -> None:
        m, n = state.shape
        values = np.zeros(min(state.rank, m, n))
        values[: state.s.size] = state.s[: values.size]
        report = state.report(values, m, time.perf_counter() - started, task)
        attributes = {"_state": state, "s": values.astype(state.right.dtype), "report": report, "mean": None}
        for name, value in attributes.items():  # frozen, as its base
            object.__setattr__(self, name, value)

    @cached_property
    def U(self) -> Array:  # noqa: N802
        """Left singular vectors, (m, rank)."""
        return self._whole(self._state.left_basis())

    @cached_property
    def Vt(self) -> Array:  # noqa: N802
        """Right singular vectors, (rank, n)."""
        return self._whole(self._state.right).T

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the matrix that is approximated."""
        return self._state.shape

    @property
    def rank(self) -> int:
        """Number of triplets."""
        return int(self.s.size)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Precision of the factors."""
        return self.s.dtype

    def left_vectors(self, rows: Any) -> Array:
        """Read some rows of `U`, each in O(k**2) flops.

        Parameters
        ----------
        rows : int, slice, integer array or boolean mask

        Returns
        -------
        ndarray of shape (n_rows, rank), or (rank,) for one row
        """
        return self._part(self._state.left_basis(), rows)

    def right_vectors(self, columns: Any) -> Array:
        """Read the entries of `Vt` that belong to some columns, as rows: ``Vt[:, columns].T``.

        Parameters
        ----------
        columns : int, slice, integer array or boolean mask

        Returns
        -------
        ndarray of shape (n_columns, rank), or (rank,) for one column
        """
        return self._part(self._state.right, columns)

    def reconstruct(self, rows: Any = slice(None), columns: Any = slice(None)) -> Array:
        """Form the approximation, or a part of it, as a dense array.

        Parameters
        ----------
        rows, columns : int, slice, integer array or boolean mask, default=all
            The rows and columns wanted; no others are read.

        Returns
        -------
        ndarray of shape (len(rows), len(columns))
        """
        left, right = np.atleast_2d(self.left_vectors(rows)), np.atleast_2d(self.right_vectors(columns))
        return multiply(left * self.s, right.T)

    def save(self, path: File) -> None:
        """Write the result with its report to an .npz file; `corange.load` reads it as an `SVDResult`."""
        SVDResult(self.U, self.s, self.Vt, report=self.report).save(path)

    def _part(self, basis: ExtendedBasis, places: Any) -> Array:
        one = isinstance(places, (int, np.integer))
        if basis.shape[1] < self.rank:  # of lower rank: whole columns are made up
            whole: Array = self._whole(basis)[places]
            return whole
        found = basis.take([places] if one else places)[:, : self.rank].astype(self.dtype, copy=False)
        return found[0] if one else found

    def _whole(self, basis: ExtendedBasis) -> Array:
        basis.flush()
        return _with_columns(basis.tall, self.rank)


def _with_columns(X: Array, wanted: int) -> Array:
    """Take the first columns, or add orthonormal ones to a matrix of lower rank."""
    if X.shape[1] >= wanted:
        return np.ascontiguousarray(X[:, :wanted])
    columns = np.zeros((X.shape[0], wanted), X.dtype)
    columns[:, : X.shape[1]] = X
    filled = np.empty_like(columns)
    _core.orthonormalize(columns, filled)
    filled[:, : X.shape[1]] = X
    return filled
