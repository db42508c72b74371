"""Solutions of least-squares problems."""

import dataclasses
from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from corange._report import LstsqReport
from corange._results._base import Array
from corange._results._storage import File, save_arrays

__all__ = ["LstsqResult"]


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
