"""Feature maps of kernels from a subset of the points."""

import warnings
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.metrics.pairwise import KERNEL_PARAMS, PAIRWISE_KERNEL_FUNCTIONS, pairwise_kernels
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from corange import _core
from corange._entries import Entries, as_entries
from corange._from_landmarks import LANDMARKS, factor
from corange._kernel import KERNELS, KernelMatrix, kernel_values
from corange._landmarks import PartialCholesky
from corange._operators import as_operator, working_dtype
from corange._random import RandomState, random_key
from corange._rows import product
from corange._sparse import of_one_width
from corange._validation import (
    check_choice,
    check_indices,
    check_integer,
    check_nonnegative,
    check_number,
    shown,
)
from corange.estimators._nystroem_parts import canonical, inverse_factor, inverse_root, mean_points

__all__ = ["Nystroem"]

Array = npt.NDArray[Any]


class Nystroem(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Feature map of a kernel, from its values with some of the training points, the landmarks.

    A drop-in replacement for :class:`sklearn.kernel_approximation.Nystroem` that can also look for good
    landmarks, takes landmarks as they are, and accepts precomputed kernels with any number of components.

    Parameters
    ----------
    kernel : str or callable, default="rbf"
        A name that :func:`sklearn.metrics.pairwise.pairwise_kernels` knows, a function of two points, or
        "precomputed": X is then the kernel matrix of the training points, and in `transform` that between new
        points and the training points. "rbf", "laplacian", "polynomial" and "linear" of dense points are
        evaluated by corange, all else by scikit-learn.
    gamma, coef0, degree : float, optional
        Of the kernel; scikit-learn's defaults.
    kernel_params : dict, optional
        More of them, also for a function.
    n_components : int, default=100
        Number of landmarks and of features. Fewer are made where "rpcholesky", "leverage" or "kmeans" find
        that the kernel matrix has a lower numerical rank, and as many as there are `landmarks` given as an
        array.
    random_state : int, RandomState, Generator or None, default=None
        The same integer always gives the same bits, on any number of threads.
    n_jobs : int, optional
        For kernels that scikit-learn evaluates.
    landmarks : {"uniform", "kmeans", "rpcholesky", "leverage"} or array, default="uniform"
        "uniform" draws the same training points as scikit-learn with the same seed. "rpcholesky", randomly
        pivoted Cholesky, needs far fewer landmarks for the same error when points form clusters or have
        outliers; its n * n_components**2 flops in `fit` are all that `fit_transform` takes. "leverage" draws
        by approximate ridge leverage scores. "kmeans" makes landmarks that are no training points: means of
        clusters, by a few steps of Lloyd's algorithm on a sample [1]_; it suits kernels of distances, where
        points have no structure too, and takes dense points. One-dimensional integers are positions of
        training points; a matrix holds the landmarks themselves, one a row.

    Attributes
    ----------
    components_ : ndarray or sparse matrix of shape (n_components, n_features)
        The landmarks; rows of X for a precomputed kernel.
    component_indices_ : ndarray of shape (n_components,)
        Their positions among the training points; not set when they are given as points or means.
    normalization_ : ndarray of shape (n_components, n_components)
        Inverse square root of the kernel matrix of the landmarks; its eigenvalues that are rounding count as
        zero. After "rpcholesky", "leverage" and "kmeans" the inverse of its Cholesky factor: other features
        with the same inner products, for half the work.
    trace_error_ : float
        After "rpcholesky": trace of the kernel matrix minus that of its approximation, relative to the
        former. It is exact. nan otherwise.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, when X had names that are all strings.

    Raises
    ------
    numpy.linalg.LinAlgError
        In `fit`: a kernel that is not positive semidefinite, where landmarks are looked for.

    See Also
    --------
    corange.nystrom : The approximation itself, with a report.

    Notes
    -----
    The inner products of the features approximate the kernel: ``transform(X) @ transform(Y).T`` is
    ``K(X, S) K(S, S)^+ K(S, Y)``. `transform` evaluates n * n_components entries of the kernel and takes
    2 * n * n_components**2 flops, half of them with the inverse of a Cholesky factor; nothing of
    that size is stored but the result. Sources: see `corange.nystrom`.

    References
    ----------
    .. [1] K. Zhang, I. Tsang, J. Kwok (2008). Improved Nystrom low-rank approximation and error analysis.
       ICML. doi:10.1145/1390156.1390311.

    Examples
    --------
    >>> import numpy as np
    >>> from corange import Nystroem
    >>> X = np.random.default_rng(0).standard_normal((200, 3))
    >>> model = Nystroem(gamma=0.1, n_components=60, landmarks="rpcholesky", random_state=0)
    >>> features = model.fit_transform(X)
    >>> K = np.exp(-0.1 * ((X[:, np.newaxis] - X) ** 2).sum(axis=-1))
    >>> bool(np.abs(features @ features.T - K).max() < 0.02)
    True
    >>> model.trace_error_ < 0.002
    True
    """

    components_: Any
    component_indices_: npt.NDArray[np.int64]
    normalization_: Array
    trace_error_: float

    def __init__(
        self,
        kernel: Any = "rbf",
        *,
        gamma: float | None = None,
        coef0: float | None = None,
        degree: float | None = None,
        kernel_params: dict[str, Any] | None = None,
        n_components: int = 100,
        random_state: RandomState = None,
        n_jobs: int | None = None,
        landmarks: Any = "uniform",
    ) -> None:
        self.kernel = kernel
        self.gamma = gamma
        self.coef0 = coef0
        self.degree = degree
        self.kernel_params = kernel_params
        self.n_components = n_components
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.landmarks = landmarks

    def fit(self, X: Any, y: object = None) -> Self:
        """Choose landmarks and compute the normalization.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training points, or their kernel matrix.
        y : Ignored

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            An argument is illegal, or X is not finite.

        Warns
        -----
        UserWarning
            When more components than samples are asked for.
        """
        self._fit(X)
        return self

    def fit_transform(self, X: Any, y: object = None, **fit_params: Any) -> Array:
        """Do both; where landmarks are looked for the features are found with them, at no further cost.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training points, or their kernel matrix.
        y : Ignored
        **fit_params : dict
            Ignored.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
        """
        found = self._fit(X)
        if found is None:
            return self.transform(X)
        return np.ascontiguousarray(found.F[:, : found.count])

    def _fit(self, X: Any) -> PartialCholesky | None:
        """Fit, and return the factorization of the kernel matrix that landmarks were chosen by, if any."""
        parameters = self._parameters()
        X = self._validated(X, reset=True)
        if self.kernel == "precomputed" and X.shape[0] != X.shape[1]:
            raise ValueError(f"X must be square for a precomputed kernel, got shape {X.shape}.")
        self.trace_error_ = np.nan
        self.__dict__.pop("component_indices_", None)
        if isinstance(self.landmarks, str) and self.landmarks == "kmeans":
            self._fit_means(X, parameters)
            return None
        places, found = self._places(X, parameters)
        if places is None:
            self.components_ = self._given_points(X)
        else:
            self.components_, self.component_indices_ = X[places], places
        dtype = working_dtype(X.dtype, "X")
        if found is not None and places is not None:
            triangle = np.tril(found.F[places, : found.count]).astype(np.float64)
            inverse = _core.inverse_triangle(triangle)
            self.normalization_ = inverse.astype(found.F.dtype if callable(self.kernel) else dtype)
            return found
        if self.kernel == "precomputed" and places is not None:
            block = as_entries(X, "X", check_finite=False).block(places, places)
        else:
            # In double, so that small eigenvalues of the kernel between landmarks are more than rounding.
            points = self.components_ if callable(self.kernel) else self.components_.astype(np.float64)
            block = self._values(points, points, parameters)
        self.normalization_ = inverse_root(np.asarray(block), dtype)
        return None

    def _fit_means(self, X: Any, parameters: dict[str, Any]) -> None:
        if self.kernel == "precomputed" or scipy.sparse.issparse(X):
            what = "sparse points" if self.kernel != "precomputed" else "a precomputed kernel"
            raise ValueError(f"landmarks='kmeans' needs dense points to take means of, got {what}.")
        points = mean_points(X, self._drawn(X.shape[0]), self._size(X.shape[0]))
        exact = points.astype(np.float64)
        block = self._values(exact, exact, parameters)
        self.normalization_, kept = inverse_factor(block, points.dtype)
        self.components_ = points[kept]

    def transform(self, X: Any) -> Array:
        """Map points to features.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Points; for a precomputed kernel its values between them and the training points.

        Returns
        -------
        ndarray of shape (n_rows, n_components)

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            X is not finite or has another number of features.
        """
        check_is_fitted(self)
        parameters = self._parameters()
        X = self._validated(X, reset=False)
        if self.kernel == "precomputed":
            values = X[:, self.component_indices_]
            values = values.toarray() if scipy.sparse.issparse(values) else values
            return product(values, self.normalization_.T.astype(values.dtype, copy=False))
        if not self._ours(X, self.components_):
            values = np.asarray(self._values(X, self.components_, parameters))
            return product(
                values.astype(working_dtype(values.dtype, "kernel"), copy=False), self.normalization_.T
            )
        features = np.empty((X.shape[0], self._n_features_out), np.result_type(X, self.normalization_))
        points, landmarks, mixing = (
            np.asarray(part, dtype=features.dtype) for part in (X, self.components_, self.normalization_.T)
        )
        _core.kernel_features(*self._named(parameters, X.shape[1]), points, landmarks, mixing, features)
        return features

    def _parameters(self) -> dict[str, Any]:
        """Check arguments; parameters of the kernel that it has and that were given."""
        known = (*PAIRWISE_KERNEL_FUNCTIONS, "precomputed")
        if not callable(self.kernel):
            check_choice("kernel", self.kernel, known)
        check_integer("n_components", self.n_components, low=1)
        if self.gamma is not None:
            check_nonnegative("gamma", self.gamma)
        if self.degree is not None:
            check_number("degree", self.degree, low=1.0, high=np.inf)
        if self.kernel_params is not None and not isinstance(self.kernel_params, dict):
            raise TypeError(f"kernel_params must be a dict or None, got {shown(self.kernel_params)}.")
        parameters = dict(self.kernel_params or {})
        given = {name: getattr(self, name) for name in ("gamma", "coef0", "degree")}
        given = {name: value for name, value in given.items() if value is not None}
        if callable(self.kernel) or self.kernel == "precomputed":
            if given:
                raise ValueError(
                    "gamma, coef0 and degree have no meaning for a callable or precomputed kernel, got "
                    f"{', '.join(given)}; use kernel_params."
                )
            return parameters
        return {
            name: value for name, value in (parameters | given).items() if name in KERNEL_PARAMS[self.kernel]
        }

    def _validated(self, X: Any, *, reset: bool) -> Any:
        if isinstance(X, np.ma.MaskedArray) or scipy.sparse.issparse(X):
            # scikit-learn would drop the mask, and trusts the structure of a sparse matrix.
            as_operator(X, argument_name="X", check_finite=False)
        X = of_one_width(validate_data(self, X, accept_sparse="csr", reset=reset))
        if callable(self.kernel):
            return X
        return X.astype(working_dtype(X.dtype, "X"), copy=False)

    def _places(
        self, X: Any, parameters: dict[str, Any]
    ) -> tuple[npt.NDArray[np.int64] | None, PartialCholesky | None]:
        """Positions of the landmarks, unless given as points; the factorization that found them, if any."""
        n = X.shape[0]
        if not isinstance(self.landmarks, str):
            if np.ndim(self.landmarks) == 2 or scipy.sparse.issparse(self.landmarks):
                return None, None
            return check_indices("landmarks", self.landmarks, n), None
        how = check_choice("landmarks", self.landmarks, (*LANDMARKS, "kmeans"))
        size = self._size(n)
        if how == "uniform":
            return self._drawn(n)[:size].astype(np.int64), None
        found = factor(self._entries(X, parameters), how, size, random_key(self._state()))
        if not found.count:
            raise np.linalg.LinAlgError("the kernel matrix of X is zero: there are no landmarks to choose.")
        if how == "rpcholesky":
            self.trace_error_ = found.error
        return np.array(found.pivots, dtype=np.int64), found

    def _size(self, n: int) -> int:
        if self.n_components > n:
            warnings.warn(
                f"n_components={self.n_components} is more than n_samples={n}; {n} are used.", stacklevel=5
            )
        return min(self.n_components, n)

    def _state(self) -> Any:
        # As in scikit-learn None is NumPy's global generator, so that numpy.random.seed has its effect.
        return check_random_state(None) if self.random_state is None else self.random_state

    def _drawn(self, n: int) -> Array:
        """All points in the order that scikit-learn draws them in."""
        state = self._state()
        draw = state if isinstance(state, np.random.Generator) else check_random_state(state)
        return np.asarray(draw.permutation(n))

    def _entries(self, X: Any, parameters: dict[str, Any]) -> Entries:
        """Make the kernel matrix of the training points something whose entries can be looked at."""
        if self.kernel == "precomputed":
            return as_entries(X, "X", check_finite=False)
        if self._ours(X, X):
            name, *values = self._named(parameters, X.shape[1])
            options = dict(zip(("gamma", "coef0", "degree"), values, strict=True))
            return KernelMatrix(X, name, **options, check_finite=False)
        return KernelMatrix(X, lambda P, Q: self._values(P, Q, parameters))

    def _given_points(self, X: Any) -> Any:
        if self.kernel == "precomputed":
            raise ValueError("landmarks must be a name or indices for a precomputed kernel, got a matrix.")
        points = check_array(self.landmarks, accept_sparse="csr", dtype="numeric", input_name="landmarks")
        if points.shape[1] != X.shape[1]:
            raise ValueError(
                f"landmarks must have the {X.shape[1]} features that X has, got shape {points.shape}."
            )
        return points if callable(self.kernel) else points.astype(X.dtype, copy=False)

    def _ours(self, X: Any, Y: Any) -> bool:
        """Whether the core evaluates the kernel between these."""
        named = not callable(self.kernel) and self.kernel in (*KERNELS, "poly")
        return named and not scipy.sparse.issparse(X) and not scipy.sparse.issparse(Y)

    def _named(self, parameters: dict[str, Any], n_features: int) -> tuple[str, float, float, float]:
        """Name and parameters as the core takes them."""
        name = "polynomial" if self.kernel == "poly" else self.kernel
        gamma = parameters.get("gamma")
        gamma = 1.0 / n_features if gamma is None else float(gamma)
        return name, gamma, float(parameters.get("coef0", 1.0)), float(parameters.get("degree", 3.0))

    def _values(self, X: Any, Y: Any, parameters: dict[str, Any]) -> Array:
        """Kernel between two sets of points."""
        if self._ours(X, Y):
            name, *values = self._named(parameters, X.shape[1])
            return kernel_values(name, X, Y, *values)
        X, Y = canonical(X), canonical(Y)
        values = pairwise_kernels(X, Y, metric=self.kernel, n_jobs=self.n_jobs, **parameters)
        return np.asarray(values)

    @property
    def _n_features_out(self) -> int:
        return int(self.normalization_.shape[0])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.pairwise = not callable(self.kernel) and self.kernel == "precomputed"
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
