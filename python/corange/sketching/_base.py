"""What sketch operators share: shapes, blocks of columns, and the kinds of matrices they apply to."""

import copy
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import issparse
from scipy.sparse.linalg import LinearOperator

from corange import _core
from corange._operators import Stored, as_stored, refuse_if_spoilt
from corange._random import RandomState, random_key
from corange._validation import check_integer

__all__ = ["TILE", "Sketch", "draw"]

Array = npt.NDArray[Any]

TILE = 1 << 23  # entries of S that are made at a time, but not fewer
_NARROWEST = 32  # rows of it


class Sketch(LinearOperator):  # type: ignore[misc]
    """Base of the sketch operators: S of shape (size, n), a function of its seed.

    Attributes
    ----------
    shape : tuple of int
        (size, n), or (size, j - i) for a block ``S[:, i:j]``.
    seed : int
        Key of the random numbers; ``random_state=seed`` makes the same operator again.
    """

    # Whether every entry of A has a part in the result, so that NaN and infinity show there.
    _reads_all = False

    def __init__(self, size: int, n: int, random_state: RandomState = None) -> None:
        self.size = check_integer("size", size, low=1)
        self.length = check_integer("n", n, low=1)
        self.seed = random_key(random_state)
        self.start = 0
        super().__init__(np.dtype(np.float64), (self.size, self.length))

    @abstractmethod
    def _apply(self, A: Stored) -> Array:
        """Compute S @ A for A in memory, dense or sparse."""

    @abstractmethod
    def _apply_transposed(self, Y: Array) -> Array:
        """Compute S.T @ Y for a C-contiguous Y of float32 or float64."""

    def __getitem__(self, key: Any) -> Self:
        """Return the block ``S[:, i:j]``."""
        legal = isinstance(key, tuple) and len(key) == 2 and key[0] == slice(None)
        if not legal or not isinstance(key[1], slice) or key[1].step not in (None, 1):
            raise TypeError(f"a sketch can be cut as S[:, i:j] only, got {key!r}.")
        start, stop, _ = key[1].indices(self.shape[1])
        if start >= stop:
            raise ValueError(f"S[:, i:j] must have at least one column of {self.shape[1]}, got {key[1]!r}.")
        block = copy.copy(self)
        block.start, block.shape = self.start + start, (self.size, stop - start)
        return block

    def dot(self, x: Any) -> Any:
        """Compute ``S @ x`` for a vector or a matrix of any kind that `corange.svd` accepts."""
        if isinstance(x, LinearOperator) or np.isscalar(x):
            return super().dot(x)
        if not issparse(x) and np.ndim(x) == 1:
            return self._left(np.asanyarray(x)[:, np.newaxis])[:, 0]
        return self._left(x)

    def toarray(self) -> Array:
        """Return the matrix itself, dense."""
        return np.ascontiguousarray(self._apply_transposed(np.eye(self.size)).T)

    def _matmat(self, X: Any) -> Array:
        return self._left(X)

    def _rmatmat(self, Y: Any) -> Array:
        dtype = np.float32 if np.asarray(Y).dtype == np.float32 else np.float64
        return self._apply_transposed(np.ascontiguousarray(Y, dtype=dtype))

    def _transpose(self) -> "_Transposed":
        return _Transposed(self)

    _adjoint = _transpose

    def _left(self, A: Any, *, check_finite: bool = True, remedy: str | None = None) -> Array:
        """Compute S @ A for any kind of A."""
        data = self._stored(A, check_finite, "A", remedy)
        self._check_fit(data.shape[0], data.shape, "rows")
        if data.kind == "products":
            return self._from_products(data, data.shape[1], data.operator.apply_adjoint).T
        if data.kind != "rows":
            return self._checked(self._apply(data), data, check_finite, "A", remedy)
        read, step = data.arrays
        total = np.zeros((self.size, data.shape[1]), data.dtype)
        for i in range(0, data.shape[0], step):
            j = min(i + step, data.shape[0])
            rows = self._rows_of(read, i, j, check_finite, "A", remedy)
            total += self[:, i:j]._apply(rows)
        return total

    def _right(
        self, A: Any, *, check_finite: bool = True, argument_name: str = "A", remedy: str | None = None
    ) -> Array:
        """Compute A @ S.T for any kind of A."""
        data = self._stored(A, check_finite, argument_name, remedy)
        self._check_fit(data.shape[1], data.shape, "columns")
        if data.kind == "products":
            return self._from_products(data, data.shape[0], data.operator.apply)
        if data.kind != "rows":
            result = self._apply(data.transpose()).T
            return self._checked(result, data, check_finite, argument_name, remedy)
        read, step = data.arrays
        out = np.empty((data.shape[0], self.size), data.dtype)
        for i in range(0, data.shape[0], step):
            j = min(i + step, data.shape[0])
            rows = self._rows_of(read, i, j, check_finite, argument_name, remedy)
            out[i:j] = self._apply(rows.transpose()).T
        return out

    def _stored(self, A: Any, check_finite: bool, name: str, remedy: str | None) -> Stored:
        """Lay A open; NaN and infinity are looked for now, or in the result, which costs less."""
        now = not self._reads_all
        return as_stored(A, argument_name=name, check_finite=check_finite, look_now=now, remedy=remedy)

    @staticmethod
    def _rows_of(
        read: Callable[[int, int], Array], i: int, j: int, check_finite: bool, name: str, remedy: str | None
    ) -> Stored:
        """Lay open rows of what is read by rows."""
        rows = read(i, j)
        return as_stored(rows, argument_name=f"{name}[{i}:{j}]", check_finite=check_finite, remedy=remedy)

    def _checked(
        self, result: Array, data: Stored, check_finite: bool, name: str, remedy: str | None
    ) -> Array:
        if check_finite and self._reads_all:
            refuse_if_spoilt(result, data.operator, name, remedy)
        return result

    def _from_products(self, data: Stored, height: int, multiply: Callable[[Array, Array], None]) -> Array:
        """Multiply S.T by what can only multiply, some rows of S at a time so that S is never whole."""
        out = np.empty((height, self.size), data.dtype)
        for rows in self._strips():
            part = np.empty((height, rows.stop - rows.start), data.dtype)
            multiply(self._rows_transposed(rows, data.dtype), part)
            out[:, rows] = part
        return out

    def _strips(self) -> Iterator[slice]:
        """Rows of S that are made at a time."""
        width = max(_NARROWEST, TILE // self.shape[1])
        for first in range(0, self.size, width):
            yield slice(first, min(first + width, self.size))

    def _rows_transposed(self, rows: slice, dtype: Any) -> Array:
        """Return some rows of S, transposed."""
        chosen = np.zeros((self.size, rows.stop - rows.start), dtype)
        np.fill_diagonal(chosen[rows], 1)
        return np.ascontiguousarray(self._apply_transposed(chosen))

    def _check_fit(self, side: int, shape: tuple[int, int], what: str) -> None:
        if side != self.shape[1]:
            raise ValueError(
                f"A must have {self.shape[1]} {what} to be multiplied by a sketch of shape {self.shape}, got "
                f"shape {shape}."
            )


class _Transposed(LinearOperator):  # type: ignore[misc]
    """S.T, which knows how to be multiplied from the left by matrices of any kind."""

    def __init__(self, sketch: Sketch) -> None:
        self.sketch = sketch
        super().__init__(sketch.dtype, sketch.shape[::-1])

    def __rmatmul__(self, A: Any) -> Any:
        if isinstance(A, LinearOperator):
            return super().__rmatmul__(A)
        if not issparse(A) and np.ndim(A) == 1:
            return self.sketch._right(np.asanyarray(A)[np.newaxis, :])[0]
        return self.sketch._right(A)

    def _matmat(self, Y: Any) -> Array:
        return self.sketch._rmatmat(Y)

    def _rmatmat(self, X: Any) -> Array:
        return self.sketch._left(X)

    def _transpose(self) -> Sketch:
        return self.sketch

    _adjoint = _transpose


def draw(
    kind: str,
    seed: int,
    stream: int,
    row: int,
    shape: tuple[int, int],
    dtype: Any = np.float64,
    *,
    column: int = 0,
) -> Array:
    """Draw the entries from (row, column) on of a random matrix of the given kind."""
    out = np.empty(shape, dtype)
    _core.random_block(kind, seed, stream, row, column, out)
    return out
