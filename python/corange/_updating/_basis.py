"""Orthonormal columns stored as a product of a tall and a small matrix, so that few rows change at a time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from corange import _core
from corange._rows import adjoint_product, frobenius_norm
from corange._single_pass import basis as orthonormal
from corange._single_pass import multiply

__all__ = ["ExtendedBasis"]

Array = npt.NDArray[Any]
Doubles = npt.NDArray[np.float64]

# Frobenius condition number, divided by the size, of the small factor above which it is multiplied out:
# rows are stored as products with its inverse, which loses so many times the rounding unit.
_ILL_CONDITIONED = 1e3


class ExtendedBasis:
    """Orthonormal columns ``tall @ inner``: rotating all of them changes `inner` alone.

    Parameters
    ----------
    columns : ndarray of shape (n, k)
        Orthonormal columns to begin with; copied unless `inner` is given.
    inner : ndarray of shape (k, k), optional
        The small factor of a basis that was saved.

    Attributes
    ----------
    inner : ndarray of shape (k, k), float64
        The small factor, invertible and in general not orthogonal.
    flushes : int
        Times that it was multiplied out.
    condition : float
        Its condition number in the Frobenius norm over its size, 1 for the identity; beyond 1000 it is
        multiplied out.
    """

    def __init__(self, columns: Array, inner: Doubles | None = None) -> None:
        self._rows = columns.shape[0]
        self._buffer = np.array(columns, order="C", copy=True)
        self.inner = np.eye(columns.shape[1]) if inner is None else np.array(inner)
        self.flushes = 0
        self.condition = 1.0 if inner is None else _invert(self.inner)[1]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self._rows, self.inner.shape[1]

    @property
    def tall(self) -> Array:
        """The tall factor, a view."""
        return self._buffer[: self._rows]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Precision of the tall factor."""
        return self._buffer.dtype

    def copy(self) -> "ExtendedBasis":
        """Copy both factors."""
        other = ExtendedBasis(self.tall, self.inner)
        other.flushes, other.condition = self.flushes, self.condition
        return other

    def take(self, rows: Any) -> Doubles:
        """Compute some rows of the product, in double precision: O(k**2) flops each."""
        return multiply(self.tall[rows].astype(np.float64, copy=False), self.inner)

    def whole(self) -> Array:
        """All rows of the product, a new array: O(n k**2) flops."""
        return multiply(self.tall, self.inner)

    def leading(self, count: int) -> Array:
        """Take the leading columns of the product, a new array: O(n k count) flops."""
        return multiply(self.tall, self.inner[:, :count])

    def flush(self) -> None:
        """Multiply out: the columns stay what they are, `inner` becomes the identity."""
        if not self.is_flat:
            self._replace(self.whole())

    @property
    def is_flat(self) -> bool:
        """Whether `inner` is the identity."""
        return bool(np.array_equal(self.inner, np.eye(*self.inner.shape)))

    def rotate(self, mix: Doubles) -> None:
        """Multiply the columns with a matrix of shape (k, new k)."""
        self.change(np.empty(0, np.int64), [], mix)

    def change(
        self, places: npt.NDArray[np.int64], parts: Sequence[tuple[Doubles, Doubles]], mix: Doubles
    ) -> None:
        """Multiply the columns with `mix`, and put the sum of some products in some places."""
        inner = multiply(self.inner, mix)
        inverse = self._mixed(inner)
        if parts:
            first, *others = (multiply(A, B if inverse is None else multiply(B, inverse)) for A, B in parts)
            for other in others:
                first += other
            self._buffer[places] = first

    def extend(self, mix: Doubles, rows: Array) -> None:
        """Multiply the columns with `mix`, and append rows."""
        inner = multiply(self.inner, mix)
        inverse = self._mixed(inner)
        if inverse is not None:
            rows = multiply(rows.astype(np.float64, copy=False), inverse)
        self._append(rows)

    def become(self, columns: Array) -> None:
        """Take other columns in the place of all."""
        self._replace(np.ascontiguousarray(columns, dtype=self.dtype))

    def grow(self, rows: int) -> None:
        """Append rows of zeros."""
        self._append(np.zeros((rows, self.inner.shape[0])))

    def delete(self, places: npt.NDArray[np.int64]) -> None:
        """Forget rows; the columns are no longer orthonormal."""
        self._buffer = np.delete(self.tall, places, axis=0)
        self._rows = self._buffer.shape[0]

    def orthonormalize(self) -> Doubles:
        """Make the columns orthonormal again, no more than rows, and return R with old = new @ R."""
        old = self.whole()
        new = orthonormal(old)
        self._replace(new)
        return adjoint(new, old)

    def _append(self, rows: Array) -> None:
        needed = self._rows + rows.shape[0]
        if needed > self._buffer.shape[0]:
            larger = np.empty((max(needed, self._rows + self._rows // 2), self._buffer.shape[1]), self.dtype)
            larger[: self._rows] = self.tall
            self._buffer = larger
        self._buffer[self._rows : needed] = rows
        self._rows = needed

    def _mixed(self, inner: Doubles) -> Doubles | None:
        """Take another small factor, and return its inverse; multiply out where that is not safe."""
        inverse, condition = _invert(inner)
        if condition > _ILL_CONDITIONED:
            self._replace(multiply(self.tall, inner))
            return None
        self.inner, self.condition = inner, condition
        return inverse

    def _replace(self, columns: Array) -> None:
        self._buffer, self.inner, self.condition = columns, np.eye(columns.shape[1]), 1.0
        self.flushes += 1


def _invert(matrix: Doubles) -> tuple[Doubles, float]:
    """Invert a small matrix; its condition is infinite when it is singular or not square."""
    size = matrix.shape[0]
    if matrix.shape != (size, size):
        return matrix, np.inf
    try:
        inverse = _core.small_inverse(np.ascontiguousarray(matrix))
    except np.linalg.LinAlgError:
        return matrix, np.inf
    return inverse, frobenius_norm(matrix) * frobenius_norm(inverse) / max(size, 1)


def adjoint(A: Array, B: Array) -> Doubles:
    """Compute ``A.T @ B`` in the core, in double precision at the end."""
    return np.asarray(adjoint_product(A, B.astype(A.dtype, copy=False)), dtype=np.float64)
