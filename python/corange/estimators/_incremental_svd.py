"""A truncated SVD of rows that arrive in batches, as a scikit-learn transformer."""

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from corange._report import Drift, UpdateReport
from corange._results._storage import save_arrays
from corange._updating import EvolvingSVD
from corange._updating._basis import ExtendedBasis
from corange._updating._blocks import Block, as_block
from corange._validation import check_boolean, check_integer, check_number, check_optional_integer
from corange.estimators._base import SpectralTransformer, looks_for_nan
from corange.estimators._linalg import complete, orient

__all__ = ["IncrementalSVD"]

Array = npt.NDArray[Any]

# Triplets to carry beyond those shown, at least.
_BUFFER = 10
# Rows that are taken together, or as many as there are triplets: an exact update is cubic in both.
_PIECE = 128


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
    Every piece of s rows (at most 128, or as many as triplets, k) is an exact update of what was kept, which
    costs about 4 n (k + s)**2 flops, or with the columns that have entries in the place of n for sparse rows
    without `center`. The mean b of m new rows and the mean of n old ones differ by what one more row holds,
    ``sqrt(n m / (n + m)) (mean - b)`` [1]_. Nothing is random.

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

    def __init__(
        self, n_components: int = 2, *, center: bool = False, buffer: int | None = None, forget: float = 1.0
    ) -> None:
        self.n_components = n_components
        self.center = center
        self.buffer = buffer
        self.forget = forget

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
        self._publish()
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
        target = Path(path)
        if target.suffix != ".npz":
            target = target.with_name(target.name + ".npz")
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=target.name, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                save_arrays(file, "IncrementalSVD", **self._to_arrays())
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)

    def _learn(self, X: Any, *, first: bool) -> Self:
        started = time.perf_counter()
        self._check_arguments()
        X = self._validated(X, reset=first)
        block = as_block(X, "X", check_finite=looks_for_nan())
        if not block.in_memory:
            raise TypeError(f"X must be an array or a sparse matrix, got {type(X).__name__}.")
        if first:
            self._start(block)
        rank = self._rank()
        self._state.rank = rank
        self._state.scale(float(self.forget))
        self.weight_ *= float(self.forget) ** 2
        step = max(_PIECE, rank)
        for begin in range(0, block.shape[0], step):
            self._append(block.part(slice(begin, min(begin + step, block.shape[0]))))
        self._publish(started)
        return self

    def _start(self, block: Block) -> None:
        """Begin without rows: singular value 0, along any vector."""
        n = block.shape[1]
        if self.n_components > n:
            raise ValueError(f"n_components={self.n_components} must be at most n_features={n}.")
        self._state = EvolvingSVD(None, np.zeros(1), np.eye(n, 1, dtype=block.matrix.dtype), rank=1)
        self.mean_, self.weight_, self.n_samples_seen_ = np.zeros(n), 0.0, 0

    def _append(self, part: Block) -> None:
        m, old = part.shape[0], self.weight_
        mean = np.asarray(part.matrix.operator.column_means(), dtype=np.float64)
        shift = mean - self.mean_
        if not self.center:
            self._state.append_rows(part)
        else:
            if m > 1:
                self._state.append_rows(part.centered(mean))
            if old > 0:
                between = np.sqrt(old / (old + m) * m) * shift
                self._state.append_rows(as_block(between[np.newaxis], "X", check_finite=False))
        self.mean_ = self.mean_ + shift * (m / (old + m))
        self.weight_ = old + m
        self.n_samples_seen_ += m

    def _publish(self, started: float | None = None) -> None:
        """Set the fitted attributes; squares in units of the largest singular value."""
        state, k = self._state, int(self.n_components)
        V, s = state.right.whole()[:, :k], np.zeros(k)
        s[: state.s[:k].size] = state.s[:k]
        V = complete(V, k) if V.shape[1] < k else V.copy()
        orient(V)
        unit = float(s[0]) or 1.0
        total = float(np.square(state.s / unit).sum()) + state.drift.lost_square / unit / unit
        squares, weight = np.square(s / unit), self.weight_
        if self.center:
            freedom = max(weight - 1.0, np.finfo(float).tiny) if weight > 1.0 else weight
        else:
            freedom = weight
            squares = np.maximum(squares - weight * np.square((self.mean_ / unit) @ V), 0.0)
            total = max(total - weight * float(np.square(self.mean_ / unit).sum()), float(squares.sum()))
        self.components_, self.singular_values_ = V.T, s.astype(V.dtype)
        with np.errstate(over="ignore"):
            self.explained_variance_ = (np.square(np.sqrt(squares / freedom) * unit)).astype(V.dtype)
        self.explained_variance_ratio_ = (squares / (total or 1.0)).astype(V.dtype)
        self.report_: UpdateReport = state.report(s, self.n_samples_seen_, started, "IncrementalSVD")

    def _rank(self) -> int:
        """Triplets to carry."""
        wanted = int(self.n_components)
        spare = max(wanted, _BUFFER) if self.buffer is None else int(self.buffer)
        return min(wanted + spare, int(self.n_features_in_))

    def _check_arguments(self) -> None:
        check_integer("n_components", self.n_components, low=1)
        check_boolean("center", self.center)
        check_optional_integer("buffer", self.buffer, low=0)
        check_number("forget", self.forget, low=np.finfo(float).tiny, high=1.0)

    def _to_arrays(self) -> dict[str, Any]:
        state = self._state
        counts = (state.updates, state.since_refresh, state.right.flushes, state.rank, self.n_samples_seen_)
        drift = state.drift
        arrays = {
            "parameters": np.array(json.dumps(self.get_params(), default=float)),
            "tall": state.right.tall,
            "inner": state.right.inner,
            "s": state.s,
            "mean": self.mean_,
            "weight": np.array(self.weight_),
            "counts": np.array(counts, dtype=np.int64),
            "drift": np.array([drift.lost, drift.lost_square, drift.spread, drift.gap]),
            "direction": np.array(drift.direction),
        }
        if hasattr(self, "feature_names_in_"):
            arrays["names"] = self.feature_names_in_.astype(str)
        return arrays

    @classmethod
    def _from_arrays(cls, arrays: Any) -> Self:
        parameters = json.loads(str(arrays["parameters"]))
        if parameters["buffer"] is not None:
            parameters["buffer"] = int(parameters["buffer"])
        model = cls(**parameters | {"n_components": int(parameters["n_components"])})
        updates, since_refresh, flushes, rank, seen = map(int, arrays["counts"])
        lost, lost_square, spread, gap = map(float, arrays["drift"])
        drift = Drift(lost, lost_square, spread, gap, str(arrays["direction"]))
        state = EvolvingSVD(None, arrays["s"], arrays["tall"], rank=rank, drift=drift)
        state.right = ExtendedBasis(arrays["tall"], arrays["inner"])
        state.right.flushes, state.updates, state.since_refresh = flushes, updates, since_refresh
        model._state, model.mean_ = state, arrays["mean"]
        model.weight_, model.n_samples_seen_ = float(arrays["weight"]), seen
        model.n_features_in_ = model.mean_.size
        if "names" in arrays:
            model.feature_names_in_ = arrays["names"].astype(object)
        model._publish()
        return model


def _sync_folder(folder: Path) -> None:
    """Make a rename last; where folders cannot be opened there is nothing to do."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
