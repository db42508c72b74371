"""Random rows, uniformly or by importance."""

from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse

from corange import _core
from corange._operators import Stored, as_stored
from corange._random import RandomState, Stream, random_key
from corange._rows import frobenius_norm
from corange._validation import check_choice, check_weights
from corange.sketching._base import Sketch, draw
from corange.sketching._mixed import as_scipy
from corange.sketching._sign import SparseSign

__all__ = ["RowSampling"]

Array = npt.NDArray[Any]

_NNZ = 4  # entries in each column of a sketch: for weights as good as eight, and half the work
_STRIP = 64  # columns of a basis that are made at a time


class RowSampling(Sketch):
    """Rows drawn with replacement, each divided by ``sqrt(size * its probability)``.

    Keeps rows as they are, so that sparse rows stay sparse and labels apply. Uniform rows lose whatever sits
    in a few rows alone; probabilities by squared length suit products, those by leverage least squares.

    Parameters
    ----------
    size : int
        Rows drawn.
    n : int
        Columns of S.
    probabilities : array-like of shape (n,), optional
        Nonnegative weights of the rows; uniform by default.
    random_state : int, Generator, RandomState or None, default=None
        Seed.

    Attributes
    ----------
    indices : ndarray of shape (size,)
        The rows drawn.

    Raises
    ------
    TypeError, ValueError
        An argument is of the wrong kind or out of range; on use, A does not fit or is not finite.

    Notes
    -----
    ``O(n)`` to make; each application reads the chosen rows alone. `of` looks at a matrix for its weights.

    References
    ----------
    .. [1] P. Drineas, R. Kannan and M. W. Mahoney, "Fast Monte Carlo algorithms for matrices I", SIAM J.
       Comput. 36, 2006, doi:10.1137/S0097539704442684.

    Examples
    --------
    >>> import numpy as np
    >>> from corange.sketching import RowSampling
    >>> S = RowSampling(2, 4, probabilities=[0, 0, 1, 0], random_state=0)
    >>> S.indices
    array([2, 2])
    """

    def __init__(
        self,
        size: int,
        n: int,
        *,
        probabilities: npt.ArrayLike | None = None,
        random_state: RandomState = None,
    ) -> None:
        super().__init__(size, n, random_state)
        weights = check_weights("probabilities", 1.0 if probabilities is None else probabilities, self.length)
        bounds = np.cumsum(weights / weights.max())
        u = draw("uniform", self.seed, Stream.ROW_SAMPLING, 0, (1, self.size))[0]
        self.indices = np.searchsorted(bounds, u * bounds[-1], side="right")
        self._values = 1 / np.sqrt(self.size * (weights / weights.max())[self.indices] / bounds[-1])

    @classmethod
    def of(
        cls,
        A: Any,
        size: int,
        method: Literal["squared-length", "leverage"] = "leverage",
        *,
        random_state: RandomState = None,
    ) -> Self:
        """Draw rows of A with probabilities that follow from A.

        Parameters
        ----------
        A : matrix of shape (n, d) in memory
            Dense or sparse; for "leverage" with n at least d.
        size : int
            Rows drawn.
        method : {"squared-length", "leverage"}, default="leverage"
            Proportional to the squared norms of the rows, or to their leverage, estimated to within a small
            factor from a sketch with 4 d + 60 rows: ``O(n d**2)`` flops.
        random_state : int, Generator, RandomState or None, default=None
            Seed.

        Returns
        -------
        RowSampling

        Raises
        ------
        TypeError, ValueError
            A is not in memory or not finite, or an argument is illegal.
        """
        check_choice("method", method, ("squared-length", "leverage"))
        return cls._of(in_memory(A, remedy=None), size, method, random_key(random_state))

    @classmethod
    def _of(cls, data: Stored, size: int, method: str, key: int) -> Self:
        """Do so for a checked matrix; of a zero one all rows are alike."""
        if method == "leverage":
            weights = _leverage(data, key)
        else:
            weights = _squares(data.arrays[0]) if data.kind == "dense" else _sparse_squares(data)
        chosen = weights if weights.any() else None
        return cls(size, data.shape[0], probabilities=chosen, random_state=key)

    def _rows(self, dtype: Any) -> Any:
        """Return this block of S, sparse."""
        column = self.indices - self.start
        kept = np.flatnonzero((column >= 0) & (column < self.shape[1]))
        return scipy.sparse.csr_array(
            (self._values[kept].astype(dtype), (kept, column[kept])), shape=self.shape
        )

    def _apply(self, A: Stored) -> Array:
        rows = self._rows(A.dtype)
        if A.kind != "dense":
            product: Array = (rows @ as_scipy(A)).toarray()
            return product
        out = np.zeros((self.size, A.shape[1]), A.dtype)
        places = np.flatnonzero(np.diff(rows.indptr))
        out[places] = A.arrays[0][rows.indices] * rows.data[:, np.newaxis]
        return out

    def _apply_transposed(self, Y: Array) -> Array:
        return np.asarray(self._rows(Y.dtype).T @ Y)


def in_memory(A: Any, *, check_finite: bool = True, remedy: str | None) -> Stored:
    """Check a matrix, all of whose rows are to be looked at."""
    data = as_stored(A, check_finite=check_finite, remedy=remedy)
    if data.kind not in ("dense", "csr", "csc"):
        raise TypeError(f"A must be in memory to look at its rows, got {type(A).__name__}.")
    return data


def _leverage(A: Stored, key: int) -> Array:
    """Squared norms of the rows of ``A @ W``, with W such that the columns of its sketch are orthonormal."""
    n, d = A.shape
    sample = np.ascontiguousarray(SparseSign(4 * d + 60, n, nnz=_NNZ, random_state=key)._apply(A))
    T = _core.orthonormal_factor(sample, np.empty_like(sample))
    exponent = int(np.frexp(np.abs(T).max())[1])
    W = _whitening(np.ldexp(T, -exponent), float(np.finfo(A.dtype).eps) * max(n, d)).astype(A.dtype)
    scaled = A._replace(operator=A.operator.scaled(exponent))
    weights = np.zeros(n)
    for first in range(0, W.shape[1], _STRIP):
        columns = scaled.product(np.ascontiguousarray(W[:, first : first + _STRIP]))
        weights += np.square(columns, dtype=np.float64).sum(axis=1)
    return weights


def _whitening(T: Array, rcond: float) -> Array:
    """Find W of full rank with ``T @ W`` orthonormal, whose columns span what is not rounding."""
    if not np.tril(T, -1).any() and T.diagonal().all():
        inverse = _core.inverse_triangle(T.T).T
        if frobenius_norm(T) * frobenius_norm(inverse) < 1e-3 / rcond:
            return inverse
    R = np.empty_like(T)
    pivots, _ = _core.pivoted_qr(T, len(T), rcond, R)
    W = np.zeros((len(T), pivots.size))
    if pivots.size:
        W[pivots] = _core.inverse_triangle(R[: pivots.size, pivots].T).T
    return W


def _squares(A: Array) -> Array:
    """Squared norms of rows, in units of the largest entry."""
    unit = max(float(A.max(initial=0)), -float(A.min(initial=0))) or 1.0
    return np.array([np.square(row / unit, dtype=np.float64).sum() for row in A])


def _sparse_squares(A: Stored) -> Array:
    matrix = as_scipy(A)
    unit = float(np.abs(matrix.data).max(initial=0)) or 1.0
    squares = type(matrix)(
        (np.square(matrix.data / unit, dtype=np.float64), matrix.indices, matrix.indptr), shape=A.shape
    )
    return np.asarray(squares.sum(axis=1)).ravel()
