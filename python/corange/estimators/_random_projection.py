"""Random projections as scikit-learn transformers."""

import math
import warnings
from abc import abstractmethod
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import DataDimensionalityWarning
from sklearn.utils import check_array, check_random_state
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted, validate_data

from corange import _core, sketching
from corange._factor_core import span_of
from corange._operators import as_operator, refuse_if_spoilt, working_dtype
from corange._random import RandomState, random_key
from corange._rows import product
from corange._single_pass import multiply
from corange._sparse import of_one_width
from corange._validation import check_boolean, check_integer, check_proportion
from corange.estimators._base import REMEDY, looks_for_nan
from corange.sketching import johnson_lindenstrauss_min_dim

__all__ = ["GaussianRandomProjection", "RandomProjection", "SparseRandomProjection"]

Array = npt.NDArray[Any]


class RandomProjection(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Base: how many components, validation, and the way back."""

    n_components: Any
    eps: float
    compute_inverse_components: bool
    random_state: RandomState

    n_components_: int
    components_: Any
    inverse_components_: Array

    def fit(self, X: Any, y: object = None) -> Self:
        """Draw the projection; of X only the shape and the precision matter.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        y : Ignored

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            An argument is illegal, X is not finite, or "auto" asks for more components than features.

        Warns
        -----
        sklearn.exceptions.DataDimensionalityWarning
            When more components than features are asked for.
        """
        self._fit(X, look_now=True)
        return self

    def fit_transform(self, X: Any, y: object = None) -> Any:
        """Draw the projection and project rows by it, as `fit` and `transform` do.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        y : Ignored

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            A sparse matrix only as `dense_output` says.

        Raises
        ------
        TypeError, ValueError
            As `fit`.
        """
        return self._project(self._fit(X, look_now=False))

    def _fit(self, X: Any, *, look_now: bool) -> Any:
        """Validate and draw; NaN and infinity are left to the projection unless they are to be found now."""
        check_proportion("eps", self.eps)
        check_boolean("compute_inverse_components", self.compute_inverse_components)
        X = self._validated(X, reset=True)
        if look_now:
            self._refuse_nonfinite(X)
        self.n_components_ = self._size(*X.shape)
        # As in scikit-learn None is NumPy's global generator, so that numpy.random.seed has its effect.
        state = check_random_state(None) if self.random_state is None else self.random_state
        self._draw(X.shape, random_key(state), X.dtype)
        if self.compute_inverse_components:
            self.inverse_components_ = self._inverse()
        return X

    def transform(self, X: Any) -> Any:
        """Project rows: ``X @ components_.T``.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows, n_components)
            A sparse matrix only as `dense_output` says.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            X is not finite or has another number of features.
        """
        check_is_fitted(self)
        return self._project(self._validated(X, reset=False))

    def inverse_transform(self, X: Any) -> Any:
        """Map back by the pseudo-inverse of the components: the rows of least norm that project on X.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_components)

        Returns
        -------
        ndarray of shape (n_rows, n_features)

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            X is not finite or has another number of columns.
        """
        check_is_fitted(self)
        X = check_array(X, dtype=[np.float64, np.float32], accept_sparse=("csr", "csc"))
        inverse = self.inverse_components_ if self.compute_inverse_components else self._inverse()
        return X @ inverse.T if scipy.sparse.issparse(X) else product(X, inverse.T)

    @abstractmethod
    def _draw(self, shape: tuple[int, int], key: int, dtype: Any) -> None:
        """Make the components."""

    @abstractmethod
    def _project(self, X: Any) -> Any:
        """Compute X @ components_.T for validated X."""

    def _inverse(self) -> Array:
        components = self.components_
        if scipy.sparse.issparse(components):
            components = components.toarray()
        span = span_of(components.T)  # C = T'Q', so its pseudo-inverse is Q times that of T'
        return multiply(span.Q, span.inverse.T)

    def _validated(self, X: Any, *, reset: bool) -> Any:
        if isinstance(X, np.ma.MaskedArray) or scipy.sparse.issparse(X):
            # scikit-learn would drop the mask, and trusts the structure of a sparse matrix.
            as_operator(X, argument_name="X", check_finite=False)
        X = validate_data(
            self, X, reset=reset, accept_sparse=["csr", "csc"], dtype="numeric", ensure_all_finite=False
        )
        return of_one_width(X).astype(working_dtype(X.dtype, "X"), copy=False)

    @staticmethod
    def _refuse_nonfinite(X: Any) -> None:
        as_operator(
            X,
            argument_name="X",
            check_finite=looks_for_nan(),
            remedy=REMEDY,
        )

    def _size(self, n_samples: int, n_features: int) -> int:
        if isinstance(self.n_components, str) and self.n_components == "auto":
            size = int(johnson_lindenstrauss_min_dim(n_samples, eps=self.eps))
            if not 0 < size <= n_features:
                raise ValueError(
                    f"eps={self.eps} and n_samples={n_samples} lead to a target dimension of {size}, which "
                    f"must be from 1 to n_features={n_features}."
                )
            return size
        size = check_integer("n_components", self.n_components, low=1)
        if size > n_features:
            warnings.warn(
                f"n_components={size} is more than n_features={n_features}: the projection will not reduce "
                "the dimension.",
                DataDimensionalityWarning,
                stacklevel=3,
            )
        return size

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class GaussianRandomProjection(RandomProjection):
    """Random projection by independent normal numbers of variance ``1 / n_components``.

    A drop-in replacement for :class:`sklearn.random_projection.GaussianRandomProjection`.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        "auto" is `corange.johnson_lindenstrauss_min_dim` of the number of samples and `eps`.
    eps : float, default=0.1
        Distortion that "auto" aims at.
    compute_inverse_components : bool, default=False
        Compute the pseudo-inverse in `fit` and keep it, instead of in each `inverse_transform`.
    random_state : int, RandomState, Generator or None, default=None
        The same integer always gives the same bits, on any number of threads.

    Attributes
    ----------
    n_components_ : int
        Number of components.
    components_ : ndarray of shape (n_components, n_features)
        The projection, in the precision of X.
    inverse_components_ : ndarray of shape (n_features, n_components)
        Its pseudo-inverse, if it was asked for.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, when X had names that are all strings.

    See Also
    --------
    corange.FastJL : Faster for dense data, as accurate.
    corange.sketching.Gaussian : The operator: cost and sources.

    Examples
    --------
    >>> import numpy as np
    >>> from corange import GaussianRandomProjection
    >>> GaussianRandomProjection(20, random_state=0).fit_transform(np.ones((5, 100))).shape
    (5, 20)
    """

    def __init__(
        self,
        n_components: int | Literal["auto"] = "auto",
        *,
        eps: float = 0.1,
        compute_inverse_components: bool = False,
        random_state: RandomState = None,
    ) -> None:
        self.n_components = n_components
        self.eps = eps
        self.compute_inverse_components = compute_inverse_components
        self.random_state = random_state

    def _draw(self, shape: tuple[int, int], key: int, dtype: Any) -> None:
        S = sketching.Gaussian(self.n_components_, shape[1], random_state=key)
        self.components_ = S._entries(dtype).T

    def _project(self, X: Any) -> Array:
        out = np.empty((X.shape[0], self.n_components_), X.dtype)
        block = np.ascontiguousarray(self.components_.T, dtype=X.dtype)
        operator = as_operator(X, argument_name="X", check_finite=False)
        operator.apply(block, out)
        if looks_for_nan():
            refuse_if_spoilt(out, operator, "X", REMEDY)
        return out


class SparseRandomProjection(RandomProjection):
    """Random projection by a sparse matrix of random signs.

    A drop-in replacement for :class:`sklearn.random_projection.SparseRandomProjection`.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        As in `corange.GaussianRandomProjection`.
    density : float or "auto", default="auto"
        Part of the entries that is not zero, at most 1. "auto" is ``1 / sqrt(n_features)``.
    eps : float, default=0.1
        Distortion that "auto" aims at.
    dense_output : bool, default=False
        Return dense arrays for sparse X too.
    compute_inverse_components : bool, default=False
        As in `corange.GaussianRandomProjection`.
    random_state : int, RandomState, Generator or None, default=None
        The same integer always gives the same bits, on any number of threads.

    Attributes
    ----------
    n_components_ : int
        Number of components.
    components_ : sparse CSR matrix of shape (n_components, n_features)
        The projection, in the precision of X.
    density_ : float
        Density of the projection.
    inverse_components_ : ndarray of shape (n_features, n_components)
        Its pseudo-inverse, if it was asked for.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, when X had names that are all strings.

    See Also
    --------
    corange.sketching.VerySparse : The operator: cost and sources.

    Examples
    --------
    >>> import numpy as np
    >>> from corange import SparseRandomProjection
    >>> SparseRandomProjection(20, random_state=0).fit_transform(np.ones((5, 100))).shape
    (5, 20)
    """

    density_: float

    def __init__(
        self,
        n_components: int | Literal["auto"] = "auto",
        *,
        density: float | Literal["auto"] = "auto",
        eps: float = 0.1,
        dense_output: bool = False,
        compute_inverse_components: bool = False,
        random_state: RandomState = None,
    ) -> None:
        self.n_components = n_components
        self.density = density
        self.eps = eps
        self.dense_output = dense_output
        self.compute_inverse_components = compute_inverse_components
        self.random_state = random_state

    def _draw(self, shape: tuple[int, int], key: int, dtype: Any) -> None:
        check_boolean("dense_output", self.dense_output)
        if isinstance(self.density, str) and self.density == "auto":
            self.density_ = 1 / math.sqrt(shape[1])
        else:
            self.density_ = 1.0 if self.density == 1 else check_proportion("density", self.density)
        S = sketching.VerySparse(self.n_components_, shape[1], s=1 / self.density_, random_state=key)
        self.components_ = scipy.sparse.csr_matrix(S._rows(dtype))

    def _project(self, X: Any) -> Any:
        self._refuse_nonfinite(X)
        components = self.components_.astype(X.dtype, copy=False)
        if scipy.sparse.issparse(X):
            return safe_sparse_dot(X, components.T, dense_output=self.dense_output)
        out = np.empty((X.shape[0], self.n_components_), X.dtype)
        _core.sparse_rows_apply(
            components.indptr, components.indices, components.data, X.shape[1], None, X, 0, out
        )
        return out
