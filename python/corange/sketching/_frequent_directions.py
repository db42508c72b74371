"""Frequent Directions: a small matrix with nearly the covariance of all rows seen, and a proven bound."""

import math
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from corange._results._storage import File, save_arrays
from corange._rows import Rows, adjoint_product, frobenius_norm
from corange._single_pass import basis, multiply
from corange._small import svd
from corange._validation import check_boolean, check_integer

__all__ = ["Directions", "FrequentDirections"]

Array = npt.NDArray[Any]


class Directions(NamedTuple):
    """What `FrequentDirections` has kept, ``sketch, error_bound = result``.

    Attributes
    ----------
    sketch : ndarray of shape (at most size, n)
        B, with orthogonal rows in descending length.
    error_bound : float
        ``0 <= x' (A'A - B'B) x <= error_bound`` for every unit vector x, up to rounding.
    """

    sketch: Array
    error_bound: float


class FrequentDirections:
    """A sketch of the rows of a matrix, one pass, without randomness, and with a bound that is proven.

    Whatever rows have come, in however many blocks, the sketch B of at most `size` rows satisfies
    ``0 <= A'A - B'B <= error_bound * I``, and `error_bound` is known as a number.

    Parameters
    ----------
    size : int
        Rows of the sketch, at least 1. To capture the covariance along k directions, take a few times k.
    check_finite : bool, default=True
        Refuse NaN and infinity.

    Attributes
    ----------
    size : int
        As given.
    n_rows : int
        Rows seen.
    norm_fro : float
        Frobenius norm of all rows seen.
    shrinkage : float
        What has been taken from every direction so far, at most: the bound.

    Raises
    ------
    TypeError, ValueError
        An argument is illegal.

    See Also
    --------
    corange.sketching.StreamingSVD : Pieces of any kind, randomized, with an estimated error.

    Notes
    -----
    Rows fill a buffer of ``2 * size`` rows. When it is full, the squares of its singular values are reduced
    by that of the (size + 1)-th, and what is left above zero is kept [1]_. With d the sum of what was taken,
    ``d <= ||A - A_k||_F**2 / (size + 1 - k)`` for every k up to `size`, A_k the best approximation of rank k:
    an A of rank at most `size` is kept exactly. The sketch does not depend on how rows were cut into blocks,
    bit for bit. O(n * size) flops a row; memory for 2 * size * n numbers and as much again while shrinking.
    Squares must stay in range: singular values below 1e150.

    References
    ----------
    .. [1] M. Ghashami, E. Liberty, J. Phillips, D. Woodruff (2016). Frequent Directions: simple and
       deterministic matrix sketching. SIAM Journal on Computing 45(5). arXiv:1501.01711.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> A = np.random.default_rng(0).standard_normal((1000, 20)) / np.arange(1, 21)
    >>> directions = cr.sketching.FrequentDirections(10)
    >>> for start in range(0, 1000, 100):
    ...     _ = directions.partial_fit(A[start : start + 100])
    >>> B, bound = directions.result()
    >>> bool(np.linalg.norm(A.T @ A - B.T @ B, 2) <= bound)
    True
    """

    def __init__(self, size: int, *, check_finite: bool = True) -> None:
        self.size = check_integer("size", size, low=1)
        self._check_finite = check_boolean("check_finite", check_finite)
        self.n_rows = 0
        self.norm_fro = 0.0
        self.shrinkage = 0.0
        self._buffer: Array | None = None
        self._filled = 0

    def partial_fit(self, X: Any) -> "FrequentDirections":
        """Add rows.

        Parameters
        ----------
        X : matrix of shape (p, n)
            NumPy array, SciPy sparse, or anything with row slicing that `corange.svd` accepts. The first
            block decides the number of columns, and whether the sketch is in float32 or in float64.

        Returns
        -------
        FrequentDirections
            The sketch itself.

        Raises
        ------
        TypeError, ValueError
            As `corange.svd`; the number of columns differs from that of earlier blocks.
        """
        rows = Rows(X, "X", check_finite=self._check_finite)
        count, columns = rows.shape
        buffer = self._room_for(columns, rows.dtype)
        norm = frobenius_norm(rows.norms())
        done = 0
        while done < count:
            if self._filled == buffer.shape[0]:
                self._shrink()
            step = min(buffer.shape[0] - self._filled, count - done)
            buffer[self._filled : self._filled + step] = rows.read(done, done + step)
            self._filled += step
            done += step
        self.n_rows += count
        self.norm_fro = math.hypot(self.norm_fro, norm)
        return self

    def merge(self, other: "FrequentDirections") -> "FrequentDirections":
        """Add the rows that another sketch has seen; the bounds add up, and the guarantee stays the same.

        Parameters
        ----------
        other : FrequentDirections
            Of the same size, of rows with as many columns. It is not changed.

        Returns
        -------
        FrequentDirections
            This sketch.

        Raises
        ------
        TypeError, ValueError
            `other` is no such sketch, or sizes or columns differ.
        """
        if not isinstance(other, FrequentDirections):
            raise TypeError(f"other must be a FrequentDirections, got {type(other).__name__}.")
        if other.size != self.size:
            raise ValueError(f"both sketches must have the same size, got {self.size} and {other.size}.")
        if other._buffer is None:
            return self
        n_rows, norm, taken = (
            self.n_rows + other.n_rows,
            math.hypot(self.norm_fro, other.norm_fro),
            other.shrinkage,
        )
        self.partial_fit(other._buffer[: other._filled])
        self.n_rows, self.norm_fro = n_rows, norm
        self.shrinkage += taken
        return self

    def result(self) -> Directions:
        """Return the sketch of the rows so far and its bound; more rows may be added afterwards.

        Returns
        -------
        Directions
            Unpacks into the sketch (at most `size`, n) and the bound.

        Raises
        ------
        ValueError
            No rows have come yet.
        """
        if self._buffer is None:
            raise ValueError("no rows have been added yet: call partial_fit first.")
        kept, taken = _shrunk(self._buffer[: self._filled], self.size)
        return Directions(kept, self.shrinkage + taken)

    def save(self, path: File) -> None:
        """Write what is kept to an .npz file without pickles, to go on elsewhere: `corange.load` reads it.

        Parameters
        ----------
        path : str, path or binary file
            The ending .npz is added to a name without it, as `numpy.savez` does.
        """
        kept = {} if self._buffer is None else {"buffer": self._buffer[: self._filled]}
        save_arrays(
            path,
            type(self).__name__,
            size=np.array(self.size),
            check_finite=np.array(self._check_finite),
            n_rows=np.array(self.n_rows),
            norm_fro=np.array(self.norm_fro),
            shrinkage=np.array(self.shrinkage),
            **kept,
        )

    @classmethod
    def _from_arrays(cls, arrays: Any) -> Self:
        sketch = cls(int(arrays["size"]), check_finite=bool(arrays["check_finite"]))
        sketch.n_rows, sketch.norm_fro = int(arrays["n_rows"]), float(arrays["norm_fro"])
        sketch.shrinkage = float(arrays["shrinkage"])
        if "buffer" in arrays:
            kept = arrays["buffer"]
            sketch._filled = len(kept)
            sketch._room_for(kept.shape[1], kept.dtype)[: len(kept)] = kept
        return sketch

    def _room_for(self, columns: int, dtype: np.dtype[Any]) -> Array:
        if self._buffer is None:
            self._buffer = np.zeros((2 * self.size, columns), dtype)
        if self._buffer.shape[1] != columns:
            raise ValueError(f"X must have {self._buffer.shape[1]} columns, as before, got {columns}.")
        return self._buffer

    def _shrink(self) -> None:
        assert self._buffer is not None
        kept, taken = _shrunk(self._buffer[: self._filled], self.size)
        self._filled = kept.shape[0]
        self._buffer[: self._filled] = kept
        self.shrinkage += taken

    def __repr__(self) -> str:
        columns = 0 if self._buffer is None else self._buffer.shape[1]
        return f"FrequentDirections(size={self.size}, {self.n_rows} rows of {columns} columns)"


def _shrunk(rows: Array, size: int) -> tuple[Array, float]:
    """Rotate rows to singular vectors, and take the square of the (size + 1)-th value from all squares.

    The SVD is that of a small factor: rows' = Q T with orthonormal Q.
    """
    Q = basis(rows.T)
    _, s, Vt = svd(multiply(rows, Q))
    least = float(s[size]) if s.size > size else 0.0
    lengths = np.sqrt((s[:size] - least) * (s[:size] + least))
    lengths = lengths[lengths > 0.0]
    if not lengths.size:
        return np.zeros((0, rows.shape[1]), rows.dtype), least**2
    directions = adjoint_product(Vt[: lengths.size].T.astype(rows.dtype), np.ascontiguousarray(Q.T))
    return lengths.astype(rows.dtype)[:, np.newaxis] * directions, least**2
