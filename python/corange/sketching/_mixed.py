"""Sketches with sparse rows, with or without mixing by a Walsh-Hadamard transform first."""

import math
from abc import abstractmethod
from collections.abc import Iterator
from numbers import Real
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse

from corange import _core
from corange._fwht import fwht
from corange._operators import Stored
from corange._random import RandomState, Stream
from corange._validation import check_choice, check_integer, check_nonnegative, check_proportion, shown
from corange.sketching._base import Sketch, draw

__all__ = ["SRHT", "FastJL", "SparseRows", "as_scipy", "bernoulli", "dense_chunks", "random_order"]

Array = npt.NDArray[Any]

_CHUNK = 1 << 21  # entries of sparse data that are dense at a time


class SparseRows(Sketch):
    """S = P H D or S = P, with P in compressed form."""

    _mixed = True

    @abstractmethod
    def _rows(self, dtype: Any) -> Any:
        """Return P, a CSR matrix; for a sketch without mixing its columns `start` to the end of the block."""

    def _signs(self, dtype: Any) -> Array | None:
        if not self._mixed:
            return None
        length = 1 << (self.length - 1).bit_length()
        signs: Array = draw("sign", self.seed, Stream.HADAMARD_SIGNS, 0, (1, length), dtype)[0]
        return signs

    def _apply(self, A: Stored) -> Array:
        rows, signs = self._rows(A.dtype), self._signs(A.dtype)
        if A.kind != "dense" and signs is None:
            product: Array = (rows @ as_scipy(A)).toarray()
            return product
        out = np.empty((A.shape[1], self.size), A.dtype)
        start = self.start if self._mixed else 0
        for i, samples in dense_chunks(A.transpose()):
            _core.sparse_rows_apply(
                rows.indptr,
                rows.indices,
                rows.data,
                rows.shape[1],
                signs,
                samples,
                start,
                out[i : i + len(samples)],
            )
        return out.T

    def _apply_transposed(self, Y: Array) -> Array:
        product = np.asarray(self._rows(Y.dtype).T @ Y)
        signs = self._signs(Y.dtype)
        if signs is None:
            return product
        fwht(product, axis=0, norm="none", out=product)
        product *= signs[:, np.newaxis]
        return product[self.start : self.start + self.shape[1]]


class SRHT(SparseRows):
    """Subsampled randomized Hadamard transform: random signs, Walsh-Hadamard transform, random rows of it.

    Parameters
    ----------
    size : int
        Rows of S, at most n rounded up to a power of two. ``2 r`` to ``4 r`` embed a subspace of dimension r.
    n : int
        Columns of S; vectors are padded with zeros to the next power of two.
    random_state : int, Generator, RandomState or None, default=None
        Seed.

    Raises
    ------
    TypeError, ValueError
        An argument is not an integer or out of range; on use, A does not fit or is not finite.

    Notes
    -----
    ``n log2 n`` additions a column of A, however large `size` is, and one pass. Rows are drawn without
    replacement: with ``size = n`` a power of two S is orthogonal. A block ``S[:, i:j]`` costs as much as all
    of S.

    References
    ----------
    .. [1] J. A. Tropp, "Improved analysis of the subsampled randomized Hadamard transform", Adv. Adapt. Data
       Anal. 3, 2011, doi:10.1142/S1793536911000787.

    Examples
    --------
    >>> import numpy as np
    >>> from corange.sketching import SRHT
    >>> S = SRHT(16, 16, random_state=0).toarray()
    >>> np.allclose(S.T @ S, np.eye(16))
    True
    """

    _reads_all = True

    def __init__(self, size: int, n: int, *, random_state: RandomState = None) -> None:
        super().__init__(size, n, random_state)
        check_integer("size", size, low=1, high=1 << (self.length - 1).bit_length())

    def _rows(self, dtype: Any) -> Any:
        length = 1 << (self.length - 1).bit_length()
        places = random_order(self.seed, length)[: self.size]
        data = np.full(self.size, 1 / math.sqrt(self.size), dtype)
        return scipy.sparse.csr_array((data, places, np.arange(self.size + 1)), shape=(self.size, length))


class FastJL(SparseRows):
    """Fast Johnson-Lindenstrauss transform: signs, Walsh-Hadamard transform, sparse Gaussian matrix.

    Parameters
    ----------
    size : int
        Rows of S; see `corange.johnson_lindenstrauss_min_dim`.
    n : int
        Columns of S; vectors are padded with zeros to the next power of two.
    density : {"auto", "classical"} or float, default="auto"
        Part of the sparse matrix that is not zero. "classical" follows the analysis of 2009 [1]_,
        ``log(points)**2 / n``, "auto" that of 2022 [2]_, and is never more than the former:
        ``constant / n * max(eps log(points)**2 / log(1 / eps), log(points))``.
    constant : float, default=3.0
        Factor in "auto", which theory leaves open. With 3, distances vary as little as with the classical
        density; with 1 the sparse matrix has a third of the entries, and they vary by up to 15 % more.
    points : int, default=10000
        How many points keep their distances; with `size` it determines eps.
    random_state : int, Generator, RandomState or None, default=None
        Seed.

    Raises
    ------
    TypeError, ValueError
        An argument is of the wrong kind or out of range; on use, A does not fit or is not finite.

    Notes
    -----
    ``n log2 n + 2 size n density`` flops a column of A and one pass. A block ``S[:, i:j]`` costs as much as
    all of S.

    References
    ----------
    .. [1] N. Ailon and B. Chazelle, "The fast Johnson-Lindenstrauss transform and approximate nearest
       neighbors", SIAM J. Comput. 39, 2009, doi:10.1137/060673096.
    .. [2] O. N. Fandina, M. M. Hogsgaard and K. G. Larsen, "The fast Johnson-Lindenstrauss transform is even
       faster", 2022, arXiv:2204.01800.

    Examples
    --------
    >>> import numpy as np
    >>> from corange.sketching import FastJL
    >>> X = np.ones((5, 300))
    >>> (X @ FastJL(64, 300, random_state=0).T).shape
    (5, 64)
    """

    def __init__(
        self,
        size: int,
        n: int,
        *,
        density: float | Literal["auto", "classical"] = "auto",
        constant: float = 3.0,
        points: int = 10_000,
        random_state: RandomState = None,
    ) -> None:
        super().__init__(size, n, random_state)
        self.points = check_integer("points", points, low=2)
        self.constant = check_nonnegative("constant", constant)
        if self.constant == 0:
            raise ValueError(f"constant must be positive, got {shown(constant)}.")
        self.density = self._density(density)
        # Mixing spreads a bad entry over its whole column: one entry of the sparse matrix sees it.
        self._reads_all = chooses_any(self.seed, 0, self.size << (self.length - 1).bit_length(), self.density)

    def _density(self, density: object) -> float:
        if isinstance(density, Real) and density != 1:
            return check_proportion("density", density)
        if isinstance(density, Real):
            return 1.0
        kind = check_choice("density", density, ("auto", "classical"))
        log = math.log(self.points)
        eps, weight = _distortion(self.size, self.points), log**2
        if kind == "auto":
            weight = min(weight, self.constant * max(eps * log**2 / math.log(1 / eps), log))
        return min(1.0, weight / (1 << (self.length - 1).bit_length()))

    def _rows(self, dtype: Any) -> Any:
        length = 1 << (self.length - 1).bit_length()
        places = bernoulli(self.seed, 0, self.size * length, self.density)
        data = draw("normal", self.seed, Stream.FAST_JL_VALUES, 0, (1, max(len(places), 1)), dtype)[0][
            : len(places)
        ]
        data *= dtype.type(1 / math.sqrt(self.density * self.size * length))
        indptr = np.searchsorted(places, np.arange(self.size + 1) * length)
        return scipy.sparse.csr_array((data, places % length, indptr), shape=(self.size, length))


def _distortion(size: int, points: int) -> float:
    """Solve ``size = 4 log(points) / (eps**2 / 2 - eps**3 / 3)`` for eps, which is at most 1/2."""
    wanted, low, high = 4 * math.log(points) / size, 0.0, 0.5
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if middle**2 / 2 - middle**3 / 3 < wanted else (low, middle)
    return high


def bernoulli(seed: int, row: int, total: int, q: float) -> npt.NDArray[np.int64]:
    """Places below `total` that independent coins of probability q choose, by geometric skips."""
    if q >= 1:
        return np.arange(total)
    count = int(total * q + 6 * math.sqrt(total * q) + 16)
    while True:
        u = draw("uniform", seed, Stream.PLACES, row, (1, count))[0]
        skips = np.minimum(np.log1p(-u) / math.log1p(-q), total).astype(np.int64)
        places = np.cumsum(skips + 1) - 1
        if places[-1] >= total:
            return places[: np.searchsorted(places, total)]
        count *= 2


def chooses_any(seed: int, row: int, total: int, q: float) -> bool:
    """Tell whether `bernoulli` returns any place, without drawing more than the first."""
    u = draw("uniform", seed, Stream.PLACES, row, (1, 1))[0, 0]
    return q >= 1 or math.log1p(-u) / math.log1p(-q) < total


def random_order(seed: int, n: int) -> npt.NDArray[np.int64]:
    """Return a random permutation of 0 .. n - 1."""
    return np.argsort(draw("uniform", seed, Stream.PLACES, 0, (1, n))[0], kind="stable")


def as_scipy(A: Stored) -> Any:
    """Sparse data as a SciPy array, sharing memory."""
    indptr, indices, data = A.arrays
    make = scipy.sparse.csr_array if A.kind == "csr" else scipy.sparse.csc_array
    return make((data, indices, indptr), shape=A.shape)


def dense_chunks(A: Stored) -> Iterator[tuple[int, Array]]:
    """Rows as dense arrays: all at once if they are, else as many at a time as are soon forgotten."""
    if A.kind == "dense":
        yield 0, A.arrays[0]
        return
    rows = as_scipy(A).tocsr()
    step = max(64, _CHUNK // A.shape[1])
    for i in range(0, A.shape[0], step):
        yield i, rows[i : i + step].toarray()
