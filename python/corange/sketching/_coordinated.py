"""Samples of the rows of matrices that never meet, which agree on what they keep."""

import math
import os
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from corange import _core
from corange._random import RandomState, Stream, random_key
from corange._results import ProductResult, save_arrays
from corange._rows import Rows, adjoint_product, frobenius_norm, largest_norm
from corange._validation import check_boolean, check_choice, check_integer

__all__ = ["CoordinatedSample"]

Array = npt.NDArray[Any]
Doubles = npt.NDArray[np.float64]

_METHODS = ("priority", "threshold")


class CoordinatedSample:
    """A sample of the rows of a matrix, to be multiplied with the sample of another matrix later.

    Every row has a random number that depends on the seed and on its position alone. Rows are kept when that
    number is small for their norm, so samples of two matrices, made anywhere and at any time, tend to keep
    the same rows, and ``A.T @ B`` can be estimated from the samples.

    Parameters
    ----------
    A : matrix of shape (m, n)
        NumPy array, SciPy sparse, or anything with row slicing that `corange.svd` accepts.
    size : int
        Rows to keep, at least 2. The error falls with the square root of the size.
    method : {"priority", "threshold"}, default="priority"
        "priority" keeps exactly `size` rows and usually errs a little less; "threshold" keeps every row
        independently of the others, `size` of them on average.
    random_state : None, int, Generator or RandomState, default=None
        The seed. Samples can be combined when they were made with the same one: pass an integer, or the
        `seed` of the first sample.
    check_finite : bool, default=True
        Refuse NaN and infinity.

    Attributes
    ----------
    rows : ndarray of shape (kept,)
        Positions of the rows that were kept, ascending.
    values : ndarray or csr_array of shape (kept, n)
        The rows themselves, in their precision.
    norms : ndarray of shape (kept,)
        Their Euclidean norms.
    probabilities : ndarray of shape (kept,)
        Probability of each row to be kept, given the numbers of the others.
    shape : (int, int)
        Shape of the matrix.
    norm_fro : float
        Frobenius norm of the matrix.
    seed : int
        What the random numbers of the rows depend on.
    method : str
        As given.
    variance_factor : float
        ``1 / size`` ("threshold") or ``1 / (size - 1)`` ("priority"), or 0 when all rows that are not zero
        were kept: what bounds the error of products.

    Raises
    ------
    TypeError, ValueError
        As `corange.svd`; A is an operator without rows to look at, or an argument is illegal.

    See Also
    --------
    corange.matmul_sketch : Both samples and their product in one call, and other methods.

    Notes
    -----
    One pass for the norms and a look at the rows that are kept: O(stored entries + m) time, m numbers of
    memory. Row i is kept with probability ``min(1, t * norm_i**2)``. For "threshold" t is such that these add
    up to `size` (the plain ``t = size / ||A||_F**2`` would keep fewer); for "priority" it is the next
    smallest of ``number_i / norm_i**2`` after the rows kept. Zero rows are never kept; when no more than
    `size` others are there, all of them are and products are exact. With the rows in both samples, the
    estimate is ``sum_i a_i b_i' / p_i``, p_i the smaller of both probabilities: unbiased, with
    ``E ||estimate - A'B||_F**2 <= (f_A + f_B) * ||A||_F**2 * ||B||_F**2``, f the `variance_factor` [1]_. For
    rows with few nonzeros this needs far fewer numbers than linear sketches.

    References
    ----------
    .. [1] M. Daliri, J. Freire, D. Li, C. Musco (2025). Matrix product sketching via coordinated sampling.
       ICLR. arXiv:2501.17836.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> A, B = np.eye(6, 3), np.ones((6, 2))
    >>> a = cr.sketching.CoordinatedSample(A, 6, random_state=7)
    >>> b = cr.sketching.CoordinatedSample(B, 6, random_state=a.seed)
    >>> product, error = a.combine(b)
    >>> product
    array([[1., 1.],
           [1., 1.],
           [1., 1.]])
    """

    rows: npt.NDArray[np.int64]
    values: Any
    norms: Doubles
    probabilities: Doubles
    shape: tuple[int, int]
    norm_fro: float
    seed: int
    method: str
    variance_factor: float

    def __init__(
        self,
        A: Any,
        size: int,
        *,
        method: str = "priority",
        random_state: RandomState = None,
        check_finite: bool = True,
    ) -> None:
        size = check_integer("size", size, low=2)
        method = check_choice("method", method, _METHODS)
        seed = random_key(random_state)
        check_boolean("check_finite", check_finite)
        self._sample(Rows(A, "A", check_finite=check_finite), size, method, seed)

    @classmethod
    def _of_rows(cls, matrix: Rows, size: int, method: str, seed: int) -> "CoordinatedSample":
        """Sample rows that were checked already."""
        sample = cls.__new__(cls)
        sample._sample(matrix, size, method, seed)
        return sample

    def _sample(self, matrix: Rows, size: int, method: str, seed: int) -> None:
        self.method, self.seed = method, seed
        norms = matrix.norms()
        weights = np.square(norms / largest_norm(norms))
        numbers = row_numbers(norms.size, self.seed)
        self.variance_factor = 1.0 / (size - 1 if self.method == "priority" else size)
        if np.count_nonzero(weights) <= size:
            chances, self.variance_factor = np.minimum(np.ceil(weights), 1.0), 0.0
            kept = np.flatnonzero(weights)
        elif self.method == "priority":
            kept, chances = _priority(numbers, weights, size)
        else:
            chances = np.minimum(_threshold(weights, size) * weights, 1.0)
            kept = np.flatnonzero(numbers < chances)
        self.rows, self.norms, self.probabilities = kept, norms[kept], chances[kept]
        self.values, self.shape = matrix.take(kept), matrix.shape
        self.norm_fro = frobenius_norm(norms)

    def combine(self, other: "CoordinatedSample") -> ProductResult:
        """Estimate ``A.T @ B`` from this sample of A and the sample of B.

        Parameters
        ----------
        other : CoordinatedSample
            Of a matrix with as many rows, made with the same seed and method.

        Returns
        -------
        ProductResult
            Unpacks into the product, of shape (n, p), and its estimated error. The product is sparse if both
            matrices were.

        Raises
        ------
        TypeError
            `other` is not a sample.
        ValueError
            Numbers of rows, seeds or methods differ.

        Notes
        -----
        2 * n * p flops for each row in both samples, fewer if they are sparse. The estimated error is the
        root of an unbiased estimate of its expected square. When no row is in both samples nothing can be
        estimated, and the bound takes its place.
        """
        self._check_fits(other)
        _, mine, theirs = np.intersect1d(self.rows, other.rows, assume_unique=True, return_indices=True)
        chances = np.minimum(self.probabilities[mine], other.probabilities[theirs])
        B = other.values[theirs]
        product = adjoint_product(self.values[mine], B * (1.0 / chances).astype(B.dtype)[:, np.newaxis])
        whole = self.norm_fro * other.norm_fro
        bound = math.sqrt(self.variance_factor + other.variance_factor) * whole
        spread = np.sqrt(1.0 - chances) / chances
        error = frobenius_norm(self.norms[mine] * other.norms[theirs] * spread) if mine.size else bound
        kept = (self.rows.size, other.rows.size)
        return ProductResult(product, error, bound, f"coordinated {self.method} sampling", kept, mine.size)

    def __matmul__(self, other: "CoordinatedSample") -> Any:
        """Estimate ``A.T @ B``: the product alone of `combine`."""
        return self.combine(other).product

    def _check_fits(self, other: object) -> None:
        if not isinstance(other, CoordinatedSample):
            raise TypeError(f"other must be a CoordinatedSample, got {type(other).__name__}.")
        if other.shape[0] != self.shape[0]:
            raise ValueError(
                f"other must be of a matrix with {self.shape[0]} rows, as this one, got {other.shape[0]}."
            )
        for what in ("seed", "method"):
            mine, theirs = getattr(self, what), getattr(other, what)
            if mine != theirs:
                raise ValueError(f"both samples must have the same {what}, got {mine!r} and {theirs!r}.")

    def save(self, path: str | os.PathLike[str] | IO[bytes]) -> None:
        """Write the sample to an .npz file that holds no pickles; `corange.load` reads it.

        Parameters
        ----------
        path : str, path or binary file
            The ending .npz is added to a name without it, as `numpy.savez` does.
        """
        values = {"values": self.values}
        if scipy.sparse.issparse(self.values):
            values = {name: getattr(self.values, name) for name in ("data", "indices", "indptr")}
        save_arrays(
            path,
            type(self).__name__,
            rows=self.rows,
            norms=self.norms,
            probabilities=self.probabilities,
            shape=np.array(self.shape),
            norm_fro=np.array(self.norm_fro),
            seed=np.array(self.seed, dtype=np.uint64),
            method=np.array(self.method),
            variance_factor=np.array(self.variance_factor),
            **values,
        )

    @classmethod
    def _from_arrays(cls, arrays: dict[str, Any]) -> "CoordinatedSample":
        sample = cls.__new__(cls)
        sample.rows, sample.norms = arrays["rows"], arrays["norms"]
        sample.probabilities = arrays["probabilities"]
        m, n = (int(side) for side in arrays["shape"])
        sample.shape, sample.seed, sample.method = (m, n), int(arrays["seed"]), str(arrays["method"])
        sample.norm_fro, sample.variance_factor = float(arrays["norm_fro"]), float(arrays["variance_factor"])
        if "values" in arrays:
            sample.values = arrays["values"]
        else:
            parts = (arrays["data"], arrays["indices"], arrays["indptr"])
            sample.values = scipy.sparse.csr_array(parts, shape=(sample.rows.size, n))
        return sample

    def __repr__(self) -> str:
        m, n = self.shape
        kind = "sparse" if scipy.sparse.issparse(self.values) else "dense"
        return (
            f"CoordinatedSample({self.rows.size} of {m} rows, {n} columns, {kind} {self.values.dtype}, "
            f"{self.method}, seed={self.seed})"
        )


def row_numbers(m: int, seed: int) -> Doubles:
    """Uniform random numbers of the rows, a pure function of seed and position."""
    numbers = np.empty((m, 1))
    _core.random_block("uniform", seed, stream=Stream.COORDINATED_ROWS, row0=0, col0=0, out=numbers)
    return numbers[:, 0]


def _priority(numbers: Doubles, weights: Doubles, size: int) -> tuple[npt.NDArray[np.int64], Doubles]:
    """Keep the rows of smallest rank; the next rank is the threshold that they all met."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ranks = np.where(weights > 0.0, numbers / weights, np.inf)
    order = np.argpartition(ranks, size)
    with np.errstate(invalid="ignore"):
        chances = np.minimum(ranks[order[size]] * weights, 1.0)
    return np.sort(order[:size]), chances


def _threshold(weights: Doubles, size: int) -> float:
    """Solve ``sum(min(1, t * weights)) == size`` for t; there must be more positive weights than that.

    With the c largest weights at probability one, t is (size - c) / (sum of the others); the smallest c that
    contradicts nothing is the right one.
    """
    descending = np.sort(weights)[::-1][: size + 1]
    heads = np.concatenate([[0.0], np.cumsum(descending)])[: size + 1]
    tails = np.maximum(weights.sum() - heads, descending)
    certain = int(np.argmax((size - np.arange(size + 1)) * descending <= tails))
    return (size - certain) / float(tails[certain])
