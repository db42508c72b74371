"""A truncated SVD of rows that arrive in batches, as a scikit-learn transformer."""

import os
import time
from itertools import pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from corange._random import RandomState, random_key
from corange._report import UpdateReport
from corange._results._storage import save_arrays
from corange._svd import decompose, svd_options
from corange._updating import EvolvingSVD, first_drift
from corange._updating._blocks import Block, as_block
from corange._validation import check_boolean, check_integer, check_number, check_optional_integer
from corange.estimators._base import DEFAULT_TOL, REMEDY, SpectralTransformer, looks_for_nan
from corange.estimators._stream_state import stream_attributes, stream_from_arrays, stream_to_arrays

__all__ = ["IncrementalSVD"]

Array = npt.NDArray[Any]

# Triplets to carry beyond those shown, at least.
_BUFFER = 10
# Rows that are taken together: as many, or so many times the triplets.
_PIECE, _PIECE_TIMES = 128, 16
# Attributes that are made of the state when somebody reads them.
_SHOWN = frozenset(
    ("components_", "singular_values_", "explained_variance_", "explained_variance_ratio_", "report_")
)


class IncrementalSVD(SpectralTransformer):
    """Truncated SVD, or PCA, of rows that arrive in batches of any size and are not kept.

    Parameters
    ----------
    n_components : int, default=2
        Number of components, at most that of the features.
    center : bool, default=False
        Subtract the mean of all rows seen, which is kept exactly: a PCA. Nothing sparse becomes dense.
    buffer : int, optional
        Triplets carried beyond `n_components`, which make the components more accurate; as many again by
        default, at least 10.
    forget : float, default=1.0
        What each call of `partial_fit` multiplies all former rows with (minus the mean): a row that came t
        calls ago has weight ``forget**(2 * t)`` in squares. Above 0; 1 keeps all.
    keep_left : bool, default=False
        Keep left singular vectors too, for `left_vectors`: as many numbers a row seen as triplets are
        carried. Not with `center`, where `transform` of the rows is what to use.
    size : int, optional
        Directions that a piece of many rows is reduced to, see the notes; two thirds of the triplets carried
        by default, at least 16. Fewer are faster and less accurate.
    random_state : None, int, Generator or RandomState, default=None
        For large batches, see the notes. It is read by the first batch; the same integer always gives the
        same bits.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Right singular vectors, one a row.
    singular_values_ : ndarray of shape (n_components,)
        Of the rows seen, weighted, centered if asked for; zeros while there are fewer rows than components.
    explained_variance_, explained_variance_ratio_ : ndarray of shape (n_components,)
        Variances along the components (divided by the weight of the rows minus 1 with `center`, as in
        `corange.PCA`, else by the weight, as in `corange.TruncatedSVD`), and as parts of the whole.
    mean_ : ndarray of shape (n_features,)
        Weighted mean of the rows seen, in double precision; subtracted only with `center`.
    n_samples_seen_ : int
        Rows seen.
    weight_ : float
        Sum of their weights: the same while nothing is forgotten.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, when X had names that are all strings.
    report_ : UpdateReport
        With ``report_.drift``, which bounds the distance from the true decomposition.

    See Also
    --------
    corange.update_svd : Keeps the left factor too, and takes changes of other kinds.
    corange.PCA : All rows at once.

    Notes
    -----
    Batches are taken in equal pieces of at most 16 k rows (or 128) when k triplets are carried. A piece of
    at most k + 32 rows (or 128) is an exact update of what was kept, which costs about 4 n (k + s)**2 flops
    for s rows. One of more rows is reduced to 2 k / 3 directions, by one step of subspace iteration from
    the triplets so far and a random block: about 8 n k**2 flops. Sparse rows without `center` cost this
    with the columns that have entries in the place of n. A first batch of more than one piece is decomposed
    by `corange.svd`. Scatter about the mean of all rows is that of the m new rows about their mean b, that
    of the n old ones and ``n m / (n + m) d d'`` with ``d = b - mean`` [1]_: of new rows minus ``b - sqrt(n
    / (n + m)) d``. Attributes are computed when they are read.

    References
    ----------
    .. [1] D. Ross, J. Lim, R. Lin, M. Yang (2008). Incremental learning for robust visual tracking. Int. J.
       of Computer Vision 77. doi:10.1007/s11263-007-0075-7.

    Examples
    --------
    >>> import scipy.sparse
    >>> from corange import IncrementalSVD
    >>> X = scipy.sparse.random_array((1000, 200), density=0.05, rng=0, format="csr")
    >>> model = IncrementalSVD(5, center=True)
    >>> for start in range(0, 1000, 100):
    ...     _ = model.partial_fit(X[start : start + 100])
    >>> model.transform(X[:3]).shape
    (3, 5)
    """

    explained_variance_: Array
    explained_variance_ratio_: Array
    mean_: npt.NDArray[np.float64]
    n_samples_seen_: int
    weight_: float
    report_: UpdateReport

    def __init__(
        self,
        n_components: int = 2,
        *,
        center: bool = False,
        buffer: int | None = None,
        forget: float = 1.0,
        keep_left: bool = False,
        size: int | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.n_components = n_components
        self.center = center
        self.buffer = buffer
        self.forget = forget
        self.keep_left = keep_left
        self.size = size
        self.random_state = random_state

    def __getattr__(self, name: str) -> Any:
        if name in _SHOWN and "_state" in vars(self):
            return self._shown()[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def fit(self, X: Any, y: object = None) -> Self:
        """Forget everything, and decompose X.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
        y : Ignored

        Returns
        -------
        IncrementalSVD
            The fitted estimator itself.

        Raises
        ------
        TypeError, ValueError
            X is no finite matrix of numbers, or an argument is illegal.
        """
        return self._learn(X, first=True)

    def partial_fit(self, X: Any, y: object = None) -> Self:
        """Append rows to what was seen.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_rows, n_features)
            One row or more.
        y : Ignored

        Returns
        -------
        IncrementalSVD
            The estimator itself; nothing has changed if an error is raised.

        Raises
        ------
        TypeError, ValueError
            As `fit`; or X has another number of features.
        """
        return self._learn(X, first=not hasattr(self, "_state"))

    def transform(self, X: Any) -> Array:
        """Return the coordinates of rows along the components, minus the mean with `center`.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows, n_components)

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        TypeError, ValueError
            As `partial_fit`.
        """
        check_is_fitted(self)
        return self._project(self._validated(X, reset=False), self.mean_ if self.center else None)

    def inverse_transform(self, X: Any) -> Array:
        """Map coordinates back: ``X @ components_``, plus the mean with `center`; a dense array.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_components)

        Returns
        -------
        ndarray of shape (n_rows, n_features)

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            X is not finite, or has another number of columns.
        """
        rows = self._unproject(X)
        return rows + self.mean_.astype(rows.dtype) if self.center else rows

    def left_vectors(self, rows: Any = None) -> Array:
        """Read rows of the left singular vectors, which belong to the rows seen in their order.

        Parameters
        ----------
        rows : int, slice or sequence of int, optional
            Which ones; all by default. Each costs O(k**2) flops, whatever the number of rows seen, besides
            the components, which the first call after an update computes, as reading them does.

        Returns
        -------
        ndarray of shape (n_rows, n_components)
            With ``* singular_values_`` the coordinates of the rows along the components, of which later rows
            change both; one row alone is given as a vector.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        IndexError
            There is no such row.
        ValueError
            They were not kept.
        """
        check_is_fitted(self)
        left = self._state.left
        if left is None:
            raise ValueError("keep_left=False: left vectors are kept only with keep_left=True.")
        signs, k = self._shown()["signs"], int(self.n_components)
        one = isinstance(rows, (int, np.integer))
        found = left.take([rows] if one else slice(None) if rows is None else rows)[:, :k]
        columns = np.zeros((found.shape[0], k), left.dtype)
        columns[:, : found.shape[1]] = found
        columns *= signs
        return columns[0] if one else columns

    def add_features(self, count: int) -> Self:
        """Make room for new features at the end, which all rows so far had zeros in.

        Parameters
        ----------
        count : int
            How many, at least 1. Names of features are forgotten.

        Returns
        -------
        IncrementalSVD
            The estimator itself.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        TypeError, ValueError
            `count` is no positive integer.
        """
        check_is_fitted(self)
        count = check_integer("count", count, low=1)
        self._state.right.grow(count)
        self.mean_ = np.concatenate([self.mean_, np.zeros(count)])
        self.n_features_in_ += count
        self.__dict__.pop("feature_names_in_", None)
        self._state.shown = None
        return self

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint, from which `corange.load` makes an estimator that goes on with the same bits.

        Parameters
        ----------
        path : str or path
            An .npz file without pickles, replaced in one step: whenever the process is killed, the file is
            the old one or the new one. The ending is added to a name without it.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        OSError
            When it cannot be written.
        """
        check_is_fitted(self)
        save_arrays(path, "IncrementalSVD", **stream_to_arrays(self))

    def _learn(self, X: Any, *, first: bool) -> Self:
        started = time.perf_counter()
        self._check_arguments()
        X = self._validated(X, reset=first)
        block = as_block(X, "X", check_finite=looks_for_nan(), remedy=REMEDY)
        if not block.in_memory:
            raise TypeError(f"X must be an array or a sparse matrix, got {type(X).__name__}.")
        rank = self._rank()
        step = max(_PIECE, _PIECE_TIMES * rank)
        begin = 0
        if first and self._start(block, rank, step):
            begin = block.shape[0]
        elif not first:
            self._state.rank, self._state.size = rank, self.size
            self._state.scale(float(self.forget))
            self.weight_ *= float(self.forget) ** 2
        m = block.shape[0]
        edges = np.linspace(begin, m, 1 + -(-(m - begin) // step)).astype(int)
        for start, stop in pairwise(edges):
            self._append(block.part(slice(start, stop)))
        self._state.shown, self._state.seconds = None, time.perf_counter() - started
        return self

    def _start(self, block: Block, rank: int, step: int) -> bool:
        """Begin with the SVD of the first batch, or if it is small without rows; tell whether they are in."""
        m, n = block.shape
        if self.n_components > n:
            raise ValueError(f"n_components={self.n_components} must be at most n_features={n}.")
        key = random_key(self.random_state)
        self.mean_, self.weight_, self.n_samples_seen_ = np.zeros(n), 0.0, 0
        if m <= step:  # singular value 0, along any vector
            nothing = np.eye(n, 1, dtype=block.matrix.dtype)
            U = np.empty((0, 1), nothing.dtype) if self.keep_left else None
            self._state = EvolvingSVD(U, np.zeros(1), nothing, rank=rank, size=self.size, seed=key)
            return False
        self.mean_ = np.asarray(block.matrix.operator.column_means(), dtype=np.float64)
        matrix = block.centered(self.mean_).matrix if self.center else block.matrix
        first = decompose(matrix, rank, check_finite=False, **svd_options(tol=DEFAULT_TOL, random_state=key))
        drift = first_drift(first)
        U = first.U if self.keep_left else None
        self._state = EvolvingSVD(U, first.s, first.Vt.T, rank=rank, size=self.size, seed=key, drift=drift)
        self.weight_, self.n_samples_seen_ = float(m), m
        return True

    def _append(self, part: Block) -> None:
        m, old = part.shape[0], self.weight_
        mean = np.asarray(part.matrix.operator.column_means(), dtype=np.float64)
        shift = mean - self.mean_
        if self.center:  # by what gives them the scatter about the new mean, and the former rows theirs
            part = part.centered(mean - np.sqrt(old / (old + m)) * shift)
        self._state.append_rows(part)
        self.mean_ = self.mean_ + shift * (m / (old + m))
        self.weight_ = old + m
        self.n_samples_seen_ += m

    def _shown(self) -> dict[str, Any]:
        """Make the attributes, once for every state."""
        if self._state.shown is None:
            self._state.shown = stream_attributes(self)
        return self._state.shown

    def _rank(self) -> int:
        """Triplets to carry."""
        wanted = int(self.n_components)
        spare = max(wanted, _BUFFER) if self.buffer is None else int(self.buffer)
        return min(wanted + spare, int(self.n_features_in_))

    def _check_arguments(self) -> None:
        check_integer("n_components", self.n_components, low=1)
        check_boolean("center", self.center)
        check_optional_integer("buffer", self.buffer, low=0)
        check_boolean("keep_left", self.keep_left)
        check_optional_integer("size", self.size, low=1)
        if self.keep_left and self.center:
            raise ValueError("keep_left=True needs center=False; with a mean use transform.")
        check_number("forget", self.forget, low=np.finfo(float).tiny, high=1.0)

    @classmethod
    def _from_arrays(cls, arrays: Any) -> Self:
        model: Self = stream_from_arrays(cls, arrays)
        return model
