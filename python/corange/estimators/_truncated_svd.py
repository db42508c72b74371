"""Truncated SVD as a scikit-learn transformer."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from corange._operators import Matrix
from corange._random import RandomState
from corange._report import Iteration
from corange._validation import check_choice, check_integer, check_rank
from corange.estimators._base import SpectralTransformer, check_components, is_fraction
from corange.estimators._linalg import centered_blocks, orient

__all__ = ["TruncatedSVD"]

Array = npt.NDArray[Any]


class TruncatedSVD(SpectralTransformer):
    """Dimensionality reduction by truncated SVD (latent semantic analysis), without centering.

    A drop-in replacement for :class:`sklearn.decomposition.TruncatedSVD` on top of `corange.svd`: same
    arguments, attributes and methods, any matrix that `corange.svd` accepts, and an accuracy that is measured
    instead of a number of iterations that is hoped to suffice.

    Parameters
    ----------
    n_components : int or float, default=2
        Number of components, at most the number of features. A float between 0 and 1 asks for as many as
        hold this part of the energy, the sum of squares of X (not in scikit-learn). 100 is usual for latent
        semantic analysis. No more than there are samples are returned, with a warning.
    algorithm : {"randomized", "arpack"}, default="randomized"
        How accurate ``tol=0`` is: "randomized" stops at residuals of 1e-3 and gives singular values to
        about 1e-6, "arpack" is as accurate as the precision of X allows. Both run the method of
        `corange.svd`.
    n_iter : int, default=5
        Accepted for compatibility; without effect, since the iteration goes on until `tol` is reached.
    n_oversamples : int, default=10
        Accepted for compatibility; without effect, since the size of the basis follows from `n_components`.
    power_iteration_normalizer : {"auto", "QR", "LU", "none"}, default="auto"
        Accepted for compatibility; without effect, since the basis is always kept orthonormal.
    random_state : int, RandomState, Generator or None, default=None
        The same integer always gives the same bits, on any number of threads. None draws from NumPy's
        global generator, as in scikit-learn.
    tol : float, default=0.0
        Largest residual of each component relative to the largest singular value, for both algorithms. 0
        takes the default of `algorithm`; more than 0.5 is taken as 0.5.
    max_passes : int or None, default=None
        Passes over X after which to stop, converged or not (not in scikit-learn). None is generous.
    callback : callable or None, default=None
        Called with an `Iteration` after each iteration; returning True stops (not in scikit-learn).
        ``callback=print`` shows the progress.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Right singular vectors. The entry of largest magnitude in each is positive.
    explained_variance_ : ndarray of shape (n_components,)
        Variance of the training samples along each component.
    explained_variance_ratio_ : ndarray of shape (n_components,)
        The same relative to the variance of all features. X is not centered, so these need not descend.
    singular_values_ : ndarray of shape (n_components,)
        Singular values of X, descending.
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
    corange.PCA : The same of centered data.

    Notes
    -----
    On top of `corange.svd` this makes one pass to look for NaN (not with
    ``sklearn.set_config(assume_finite=True)``) and one for the means of the features, which
    `explained_variance_ratio_` needs. For a LinearOperator the ratios rest on an estimate of its norm.

    Examples
    --------
    >>> import scipy.sparse
    >>> from corange import TruncatedSVD
    >>> X = scipy.sparse.random_array((100, 50), density=0.1, rng=0, format="csr")
    >>> svd = TruncatedSVD(n_components=5, random_state=0)
    >>> svd.fit_transform(X).shape
    (100, 5)
    >>> svd.converged_
    True

    As many components as hold half of the energy:

    >>> half = TruncatedSVD(n_components=0.5, random_state=0).fit(X)
    >>> bool((half.singular_values_**2).sum() >= 0.5 * (X.data**2).sum())
    True
    """

    explained_variance_: Array
    explained_variance_ratio_: Array

    def __init__(
        self,
        n_components: float = 2,
        *,
        algorithm: Literal["randomized", "arpack"] = "randomized",
        n_iter: int = 5,
        n_oversamples: int = 10,
        power_iteration_normalizer: Literal["auto", "QR", "LU", "none"] = "auto",
        random_state: RandomState = None,
        tol: float = 0.0,
        max_passes: int | None = None,
        callback: Callable[[Iteration], object] | None = None,
    ) -> None:
        self.n_components = n_components
        self.algorithm = algorithm
        self.n_iter = n_iter
        self.n_oversamples = n_oversamples
        self.power_iteration_normalizer = power_iteration_normalizer
        self.random_state = random_state
        self.tol = tol
        self.max_passes = max_passes
        self.callback = callback

    def fit(self, X: Any, y: object = None) -> "TruncatedSVD":
        """Find the components of X.

        Parameters
        ----------
        X : matrix of shape (n_samples, n_features)
            Anything `corange.svd` accepts; never copied when its precision is float32 or float64.
        y : Ignored

        Returns
        -------
        TruncatedSVD
            The fitted estimator itself.

        Raises
        ------
        TypeError, ValueError
            As `corange.svd`; `n_components` is more than the number of features, or an argument is illegal.
        """
        self._fit(X)
        return self

    def fit_transform(self, X: Any, y: object = None) -> Array:
        """Find the components of X and return its coordinates along them.

        Parameters
        ----------
        X : matrix of shape (n_samples, n_features)
        y : Ignored

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            ``X @ components_.T``.

        Raises
        ------
        TypeError, ValueError
            As `fit`.
        """
        return self._fit(X)

    def transform(self, X: Any) -> Array:
        """Return the coordinates of rows along the components: ``X @ components_.T``, in one pass.

        Parameters
        ----------
        X : matrix of shape (n_rows, n_features)
            Rows of the same kind as those seen in `fit`.

        Returns
        -------
        ndarray of shape (n_rows, n_components)

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        TypeError, ValueError
            As `fit`; or X has another number of features.
        """
        return self._project(self._validated(X, reset=False))

    def inverse_transform(self, X: Any) -> Array:
        """Map coordinates back: ``X @ components_``, a dense array.

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
        return self._unproject(X)

    def _fit(self, X: Any) -> Array:
        options = self._checked_arguments()
        X = self._validated(X, reset=True)
        matrix = self._matrix(X)
        rank, error = self._size(matrix.shape)
        result = self._decompose(matrix, rank, error, options)
        result.U[:] *= orient(result.Vt.T)
        self.components_, self.singular_values_ = result.Vt, result.s
        scores = self._scores(X, result)
        self._measure_variance(X, matrix, scores)
        return scores

    def _checked_arguments(self) -> dict[str, Any]:
        """Check what does not depend on X."""
        algorithm = check_choice("algorithm", self.algorithm, ("randomized", "arpack"))
        check_integer("n_iter", self.n_iter, low=0)
        self._check_shared_arguments()
        check_components(self.n_components, low=1)
        return self._options(exact=algorithm == "arpack")

    def _size(self, shape: tuple[int, int]) -> tuple[int | None, float | None]:
        """Rank, or relative error of the smallest one that holds the energy asked for."""
        if is_fraction(self.n_components):
            return None, float(np.sqrt(1.0 - self.n_components))
        if self.n_components > shape[1]:
            raise ValueError(f"n_components={self.n_components} must be at most n_features={shape[1]}.")
        return check_rank(self.n_components, shape, name="n_components", stacklevel=5), None

    def _measure_variance(self, X: Any, matrix: Matrix, scores: Array) -> None:
        """Set the explained variances, in units of the largest singular value so that squares fit."""
        unit = np.float64(self.singular_values_[0]) or np.float64(1.0)
        variance = np.var(scores / unit, axis=0, dtype=np.float64)
        total = self._total_variance(X, matrix, unit)
        ratio = variance / max(total, variance.sum()) if total else np.zeros_like(variance)
        with np.errstate(over="ignore"):
            self.explained_variance_ = ((np.sqrt(variance) * unit) ** 2).astype(scores.dtype)
        self.explained_variance_ratio_ = ratio.astype(scores.dtype)

    def _total_variance(self, X: Any, matrix: Matrix, unit: np.float64) -> float:
        """Sum of the variances of all features, divided by the square of `unit`."""
        samples = matrix.shape[0]
        means = np.asarray(matrix.operator.column_means())
        mean_square = (self.report_.norm_fro / unit) ** 2 / samples
        total = mean_square - ((means / unit) ** 2).sum()
        if total > 1e-6 * mean_square or mean_square == 0 or matrix.kind == "products":
            return max(float(total), 0.0)
        # Large means drown the difference in rounding: look at the centered entries.
        total = sum(((rows / unit) ** 2).sum() for _, rows in centered_blocks(X, means)) / samples
        return float(total) if total > (4 * np.finfo(np.float64).eps) ** 2 * mean_square else 0.0
