"""What all low-rank results share: they unpack like a tuple, multiply like their matrix, carry a report."""

import abc
import dataclasses
from collections.abc import Iterator
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import issparse

from corange._operators import as_numbers, as_operator, working_dtype
from corange._report import Report, UpdateReport
from corange._results._storage import File, save_arrays
from corange._rows import product as multiply

__all__ = ["Array", "LowRankResult", "check_length", "projected"]

Array = npt.NDArray[Any]


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
        block = as_numbers(X, "X")
        block = block.astype(working_dtype(block.dtype, "X"), copy=False)
        if block.ndim not in (1, 2):
            raise ValueError(f"X must be a vector or a matrix, got {block.ndim} dimensions.")
        check_length("rows", len(block), self.shape[1], "as the matrix that was decomposed had columns")
        columns = block[:, np.newaxis] if block.ndim == 1 else block
        left, *diagonal, right = self.product
        inner = _times(right, columns)
        if diagonal:
            inner *= diagonal[0][:, np.newaxis]
        image = _times(left, inner)
        if self.mean is not None:
            image += multiply(self.mean.astype(self.dtype, copy=False)[np.newaxis], columns)
        return image[:, 0] if block.ndim == 1 else image

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
        left: Any = self.left
        chosen = left.tocsr()[np.atleast_1d(np.arange(left.shape[0])[rows])] if issparse(left) else left[rows]
        chosen = chosen if issparse(chosen) else np.atleast_2d(chosen)
        part = _times(chosen, self.right[:, _as_columns(columns)])
        return part if self.mean is None else part + self.mean.astype(self.dtype)[_as_columns(columns)]

    def save(self, path: File) -> None:
        """Write the result with its report to an .npz file that holds no pickles; `corange.load` reads it.

        Parameters
        ----------
        path : str, path or binary file
            The ending .npz is added to a name without it, as `numpy.savez` does.
        """
        arrays = self._to_arrays()
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

    def _to_arrays(self) -> dict[str, Any]:
        return dict(zip(self.factor_names, self.factors, strict=True))

    @classmethod
    def _from_arrays(cls, arrays: Any) -> Self:
        text = str(arrays["report"])
        kind = UpdateReport if '"drift"' in text else Report
        report = kind.from_json(text, arrays["report_residuals"], arrays["report_history"])
        return cls._rebuilt(arrays, report)

    @classmethod
    def _rebuilt(cls, arrays: Any, report: Report) -> Self:
        factors = (arrays[name] for name in cls.factor_names)
        return cls(*factors, report=report, mean=arrays.get("mean"))


def projected(X: Any, V: Array, mean: Array | None) -> Array:
    """Multiply (X - mean) with an orthonormal basis of its rows, in one pass over X."""
    operator = as_operator(X, argument_name="X", mean=mean, remedy=None)
    check_length("columns", operator.shape[1], V.shape[0])
    scores = np.empty((operator.shape[0], V.shape[1]), dtype=V.dtype)
    operator.apply(np.ascontiguousarray(V), scores)
    return scores


def _times(A: Any, B: Any) -> Array:
    """Multiply factors, one of which may be sparse."""
    if issparse(A) or issparse(B):
        return np.asarray(A @ B)
    return multiply(A, B)


def check_length(
    what: str, given: int, wanted: int, why: str = "as the matrix that was decomposed had"
) -> None:
    """Refuse a matrix X that does not have the size of the one that was decomposed."""
    if given != wanted:
        raise ValueError(f"X must have {wanted} {what}, {why}, got {given}.")


def _as_columns(columns: Any) -> Any:
    """Keep a single column as a column."""
    return [columns] if isinstance(columns, (int, np.integer)) else columns
