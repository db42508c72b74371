"""Principal component analysis as a scikit-learn transformer."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from corange._random import RandomState
from corange._report import Iteration
from corange._results import SVDResult
from corange._validation import (
    check_boolean,
    check_choice,
    check_integer,
    check_weights,
)
from corange.estimators._base import check_components, is_fraction
from corange.estimators._linalg import complete, orient
from corange.estimators._minka import minka_dimension
from corange.estimators._probabilistic import ProbabilisticModel
from corange.estimators._samples import Samples, count_samples

__all__ = ["PCA"]

Array = npt.NDArray[Any]

SOLVERS = ("auto", "full", "covariance_eigh", "arpack", "randomized")
# Up to this many rows and columns "auto" is exact, as it is in scikit-learn.
SMALL = 500


class PCA(ProbabilisticModel):
    """Principal component analysis: truncated SVD of the centered data.

    A drop-in replacement for :class:`sklearn.decomposition.PCA` on top of `corange.svd`: same arguments,
    attributes and methods. Sparse and memory-mapped data are centered implicitly, never densified or copied,
    with every solver and every kind of `n_components`; rows can have weights.

    Parameters
    ----------
    n_components : int, float, "mle" or None, default=None
        Number of components, from 0 to min(n_samples, n_features). A float between 0 and 1 asks for as many
        as explain this part of the variance. "mle" lets Minka's estimate decide, which needs all
        components and at least as many samples as features. None keeps all, one less for "arpack".
    copy : bool, default=True
        Accepted for compatibility; without effect, since X is never overwritten.
    whiten : bool, default=False
        Divide coordinates by their standard deviations, so that all components have variance 1.
    svd_solver : {"auto", "full", "covariance_eigh", "arpack", "randomized"}, default="auto"
        How accurate ``tol=0`` is: "randomized" stops at residuals of 1e-3 and gives singular values to
        about 1e-6; "full", "covariance_eigh" and "arpack" are as accurate as the precision of X allows;
        "auto" is that, too, for data of up to 500 rows and columns, and like "randomized" beyond. All run
        the method of `corange.svd`, which takes a direct method where that is cheaper.
    tol : float, default=0.0
        Largest residual of each component relative to the largest singular value, for every solver. 0 takes
        the default of `svd_solver`; more than 0.5 is taken as 0.5.
    iterated_power : int or "auto", default="auto"
        Accepted for compatibility; without effect, since the iteration goes on until `tol` is reached.
    n_oversamples : int, default=10
        Accepted for compatibility; without effect, since the size of the basis follows from `n_components`.
    power_iteration_normalizer : {"auto", "QR", "LU", "none"}, default="auto"
        Accepted for compatibility; without effect, since the basis is always kept orthonormal.
    random_state : int, RandomState, Generator or None, default=None
        The same integer always gives the same bits, on any number of threads. None draws from NumPy's
        global generator, as in scikit-learn.
    max_passes : int or None, default=None
        Passes over X after which to stop, converged or not (not in scikit-learn). None is generous.
    callback : callable or None, default=None
        Called with an `Iteration` after each iteration; returning True stops (not in scikit-learn).
        ``callback=print`` shows the progress.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Principal axes, orthonormal, by decreasing variance. The entry of largest magnitude in each is
        positive.
    explained_variance_ : ndarray of shape (n_components,)
        Variances along the components, with n_samples - 1 degrees of freedom.
    explained_variance_ratio_ : ndarray of shape (n_components,)
        The same relative to the variance of all features.
    singular_values_ : ndarray of shape (n_components,)
        Singular values of the centered data.
    mean_ : ndarray of shape (n_features,)
        Mean of each feature, always in double precision.
    n_components_ : int
        Number of components.
    n_samples_ : int
        Number of rows of the training data.
    noise_variance_ : float
        Mean variance along the directions that were left out.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, when X had names that are all strings.
    report_ : Report
        How it was computed and how accurate it is: passes, iterations, residuals, error, seconds.
    converged_ : bool
        Whether every component meets the tolerance.

    Warns
    -----
    ConvergenceWarning
        When `max_passes` came before `tol`. The warning is scikit-learn's and corange's at once.

    See Also
    --------
    corange.svd : The function behind it: algorithm, accuracy, cost and what X may be.
    corange.TruncatedSVD : The same without centering.

    Notes
    -----
    On top of `corange.svd` this makes one pass for the means and one to look for NaN (not with
    ``sklearn.set_config(assume_finite=True)``). For a LinearOperator the ratios and the noise rest on an
    estimate of its norm.

    With ``whiten=True``, `get_covariance` and what follows from it describe the data, as they do without;
    scikit-learn scales the components twice there.

    References
    ----------
    .. [1] M. Tipping, C. Bishop (1999). Probabilistic principal component analysis. J. Royal Statistical
       Society B 61(3). doi:10.1111/1467-9868.00196.

    Examples
    --------
    >>> import scipy.sparse
    >>> from corange import PCA
    >>> X = scipy.sparse.random_array((1000, 200), density=0.05, rng=0, format="csr")
    >>> pca = PCA(n_components=10, random_state=0).fit(X)
    >>> pca.transform(X[:5]).shape
    (5, 10)

    The axes of points near a line:

    >>> import numpy as np
    >>> X = np.array([[-1, -1], [-2, -1], [-3, -2], [1, 1], [2, 1], [3, 2]])
    >>> PCA().fit(X).explained_variance_ratio_.round(4)
    array([0.9924, 0.0076])

    A row of weight 3 counts as three rows:

    >>> PCA().fit(X, sample_weight=[1, 1, 3, 1, 1, 1]).mean_
    array([-0.75, -0.5 ])
    """

    mean_: Array
    explained_variance_: Array
    explained_variance_ratio_: Array
    n_components_: int
    n_samples_: int
    noise_variance_: float

    def __init__(
        self,
        n_components: float | Literal["mle"] | None = None,
        *,
        copy: bool = True,
        whiten: bool = False,
        svd_solver: Literal["auto", "full", "covariance_eigh", "arpack", "randomized"] = "auto",
        tol: float = 0.0,
        iterated_power: int | Literal["auto"] = "auto",
        n_oversamples: int = 10,
        power_iteration_normalizer: Literal["auto", "QR", "LU", "none"] = "auto",
        random_state: RandomState = None,
        max_passes: int | None = None,
        callback: Callable[[Iteration], object] | None = None,
    ) -> None:
        self.n_components = n_components
        self.copy = copy
        self.whiten = whiten
        self.svd_solver = svd_solver
        self.tol = tol
        self.iterated_power = iterated_power
        self.n_oversamples = n_oversamples
        self.power_iteration_normalizer = power_iteration_normalizer
        self.random_state = random_state
        self.max_passes = max_passes
        self.callback = callback

    def fit(self, X: Any, y: object = None, sample_weight: npt.ArrayLike | None = None) -> "PCA":
        """Find the principal components of X.

        Parameters
        ----------
        X : matrix of shape (n_samples, n_features)
            Anything `corange.svd` accepts; never copied when its precision is float32 or float64. At least
            two samples.
        y : Ignored
        sample_weight : array-like of shape (n_samples,), optional
            How many samples each row stands for: whole numbers give what repeating the rows would, zero
            leaves a row out. They must sum to more than 1 (not in scikit-learn).

        Returns
        -------
        PCA
            The fitted estimator itself.

        Raises
        ------
        TypeError, ValueError
            As `corange.svd`; there are fewer than two samples; weights are negative, not finite or of
            another number; or an argument is illegal.
        """
        self._fit(X, sample_weight)
        return self

    def fit_transform(self, X: Any, y: object = None, sample_weight: npt.ArrayLike | None = None) -> Array:
        """Find the principal components of X and return its coordinates along them.

        Parameters
        ----------
        X : matrix of shape (n_samples, n_features)
        y : Ignored
        sample_weight : array-like of shape (n_samples,), optional
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_components)

        Raises
        ------
        TypeError, ValueError
            As `fit`.
        """
        X, result = self._fit(X, sample_weight)
        if sample_weight is None:
            return self._whitened(self._scores(X, result, self.mean_))
        return self._whitened(self._project(X, self.mean_))

    def transform(self, X: Any) -> Array:
        """Return the coordinates of rows along the components: ``(X - mean_) @ components_.T``.

        Parameters
        ----------
        X : matrix of shape (n_rows, n_features)
            Rows of the same kind as those seen in `fit`.

        Returns
        -------
        ndarray of shape (n_rows, n_components)
            Divided by the standard deviations of the components when ``whiten=True``.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        TypeError, ValueError
            As `fit`; or X has another number of features.
        """
        check_is_fitted(self)
        return self._whitened(self._project(self._validated(X, reset=False), self.mean_))

    def inverse_transform(self, X: Any) -> Array:
        """Map coordinates back: ``X @ components_ + mean_``, a dense array.

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
        check_is_fitted(self)
        rows = self._unproject(X, self._deviations() if self.whiten else None)
        rows += self.mean_.astype(rows.dtype, copy=False)
        return rows

    def _fit(self, X: Any, sample_weight: npt.ArrayLike | None) -> tuple[Any, SVDResult]:
        """Fit, and return the data as validated with their decomposition."""
        self._check_arguments()
        X = self._validated(X, reset=True, min_samples=2)
        options = self._options(
            exact=max(X.shape) <= SMALL if self.svd_solver == "auto" else self.svd_solver != "randomized"
        )
        weights = None if sample_weight is None else check_weights("sample_weight", sample_weight, X.shape[0])
        samples = count_samples(X.shape[0], weights)
        size, error = self._size(samples.number, X.shape[1])
        row_scale = None if weights is None else np.sqrt(weights)
        matrix = self._matrix(X, center=True, weights=weights, row_scale=row_scale)
        rank = None if size is None else min(size, *matrix.shape)
        result = self._decompose(matrix, rank, error, options)
        self.mean_, self.n_samples_ = np.asarray(matrix.mean), X.shape[0]
        self._record(result, size or result.rank, samples)
        self._set_components(result)
        return X, result

    def _check_arguments(self) -> None:
        """Check what does not depend on X."""
        check_boolean("copy", self.copy)
        check_boolean("whiten", self.whiten)
        check_choice("svd_solver", self.svd_solver, SOLVERS)
        if self.iterated_power != "auto":
            check_integer("iterated_power", self.iterated_power, low=0)
        self._check_shared_arguments()
        if isinstance(self.n_components, str):
            check_choice("n_components", self.n_components, ("mle",))
        elif self.n_components is not None:
            check_components(self.n_components, low=0)

    def _size(self, n_samples: int, n_features: int) -> tuple[int | None, float | None]:
        """Rank to compute, or relative error of the smallest one that explains the variance asked for."""
        wanted, limit = self.n_components, min(n_samples, n_features)
        if wanted is None:
            return max(1, limit - 1 if self.svd_solver == "arpack" else limit), None
        if isinstance(wanted, str):
            if n_samples < n_features:
                raise ValueError(
                    "n_components='mle' needs at least as many samples as features, got "
                    f"n_samples={n_samples} and n_features={n_features}."
                )
            return limit, None
        if is_fraction(wanted):
            return None, float(np.sqrt(1.0 - wanted))
        if wanted > limit:
            raise ValueError(
                f"n_components={wanted} must be at most min(n_samples, n_features)={limit}, got "
                f"n_samples={n_samples} and n_features={n_features}."
            )
        return max(1, int(wanted)), None

    def _record(self, result: SVDResult, size: int, samples: Samples) -> None:
        """Set the fitted attributes; in units of the largest singular value, so that squares fit."""
        s = np.zeros(size, result.dtype)
        s[: result.rank] = result.s
        unit = np.float64(s[0]) or np.float64(1.0)
        squares = (s / unit).astype(np.float64) ** 2
        total = max(float(result.report.norm_fro / unit) ** 2, squares.sum())
        beyond = total - squares.sum()
        if result.rank == min(result.shape) or beyond < 4 * np.finfo(s.dtype).eps * total:
            beyond = 0.0  # nothing but rounding
        k = self._kept(squares, samples)
        others = max(min(samples.number, result.shape[1]) - k, 1)
        deviation = unit / np.sqrt(samples.freedom)
        with np.errstate(over="ignore"):  # squared last, so that zeros stay zeros
            self.explained_variance_ = ((np.sqrt(squares[:k]) * deviation) ** 2).astype(s.dtype)
            self.noise_variance_ = float((np.sqrt((squares[k:].sum() + beyond) / others) * deviation) ** 2)
        self.explained_variance_ratio_ = (squares[:k] / (total or 1.0)).astype(s.dtype)
        self.n_components_, self.singular_values_ = k, s[:k].copy()

    def _set_components(self, result: SVDResult) -> None:
        """Keep the vectors that carry variance; others, which are arbitrary, follow from those."""
        V, k = result.Vt.T, self.n_components_
        rounding = max(result.shape) * np.finfo(V.dtype).eps * result.s[0]
        certain = min(k, int(np.count_nonzero(result.s > rounding)))
        if certain < k:
            V = complete(V[:, :certain], k)
        elif k < result.rank:
            V = V[:, :k].copy()
        result.U[:, :k] *= orient(V)[: result.rank]
        self.components_ = V.T

    def _kept(self, squares: Array, samples: Samples) -> int:
        """How many of the components that were computed to keep."""
        if isinstance(self.n_components, str):
            return minka_dimension(squares, samples.number)
        return 0 if self.n_components == 0 else squares.size

    def _whitened(self, scores: Array) -> Array:
        if self.whiten:
            scores /= self._deviations().astype(scores.dtype, copy=False)
        return scores

    def _deviations(self) -> Array:
        """Take roots of the variances, and raise those that are only rounding to its size."""
        deviations = np.sqrt(self.explained_variance_)
        largest = deviations.max(initial=0.0) or 1.0
        raised: Array = np.maximum(deviations, np.finfo(deviations.dtype).eps * largest)
        return raised
