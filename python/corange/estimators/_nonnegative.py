"""What transformers with nonnegative components share."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from corange._nmf import INITS
from corange._nmf._problem import Problem, make_problem
from corange._operators import working_dtype
from corange._random import random_key
from corange._rows import product
from corange._validation import check_choice, check_integer, check_nonnegative, check_number
from corange.estimators._base import REMEDY, looks_for_nan

__all__ = ["NonnegativeTransformer", "Penalized", "nonnegative_problem"]

Array = npt.NDArray[Any]


def nonnegative_problem(X: Any, weights: npt.NDArray[np.float64] | None = None) -> Problem:
    """Check validated data for signs, and for NaN where scikit-learn is set to look for it."""
    return make_problem(X, weights=weights, check_finite=looks_for_nan(), remedy=REMEDY)


class NonnegativeTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Base of estimators whose rows of `components_` are added with nonnegative weights."""

    components_: Array

    def fit(self, X: Any, y: object = None, **params: Any) -> Self:
        """Find the components of X.

        Parameters
        ----------
        X : matrix of shape (n_samples, n_features)
            Nonnegative.
        y : Ignored
        **params : dict
            What `fit_transform` takes besides.

        Returns
        -------
        object
            The fitted estimator itself.

        Raises
        ------
        TypeError, ValueError
            As `fit_transform`.
        """
        self.fit_transform(X, **params)
        return self

    def inverse_transform(self, X: Any) -> Array:
        """Map weights back: ``X @ components_``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_components)

        Returns
        -------
        ndarray of shape (n_rows, n_features)

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        """
        check_is_fitted(self)
        if hasattr(X, "toarray"):
            X = X.toarray()
        weights = np.asarray(X, dtype=np.result_type(np.asarray(X).dtype, self.components_.dtype))
        return product(weights, self.components_)

    def _validated(self, X: Any, *, reset: bool) -> Any:
        """Check X as scikit-learn does, and convert it to float32 or float64."""
        if isinstance(X, np.ma.MaskedArray):
            make_problem(X)  # which refuses it; scikit-learn would drop the mask
        X = validate_data(self, X, accept_sparse=("csr", "csc"), dtype="numeric", reset=reset)
        return X.astype(working_dtype(X.dtype, "X"), copy=False)

    @property
    def _n_features_out(self) -> int:
        """Number of columns of what `transform` returns; for `get_feature_names_out`."""
        return int(self.components_.shape[0])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class Penalized(NonnegativeTransformer):
    """Base of those among them that have scikit-learn's arguments."""

    n_components: Any
    init: str | None
    tol: float
    max_iter: int
    random_state: Any
    alpha_W: float  # noqa: N815
    alpha_H: Any  # noqa: N815
    l1_ratio: float

    def _check_shared_arguments(self) -> None:
        if self.init is not None:
            check_choice("init", self.init, (*INITS, "custom"))
        check_number("l1_ratio", self.l1_ratio, low=0.0, high=1.0)
        check_nonnegative("tol", self.tol)
        check_integer("max_iter", self.max_iter, low=1)
        check_nonnegative("alpha_W", self.alpha_W)
        if self.alpha_H != "same":
            check_nonnegative("alpha_H", self.alpha_H)
        if self.n_components not in (None, "auto"):
            check_integer("n_components", self.n_components, low=1)

    def _rank(self, n_features: int, H: Any) -> int:
        """Find the number of components: that of H where it is given and wanted, or of the features."""
        if self.n_components == "auto" and H is not None:
            return int(np.shape(H)[0])
        return n_features if self.n_components in (None, "auto") else int(self.n_components)

    def _absolute_penalties(
        self, shape: tuple[float, int]
    ) -> tuple[tuple[float, float], tuple[float, float]]:
        """Compute l1 and l2 of W and of H, which grow with the data as in scikit-learn."""
        m, n = shape
        alpha = self.alpha_W if self.alpha_H == "same" else self.alpha_H
        w, h, ratio = float(self.alpha_W) * n, float(alpha) * m, float(self.l1_ratio)
        return (w * ratio, h * ratio), (w * (1.0 - ratio), h * (1.0 - ratio))

    def _key(self) -> int:
        """Make a key; None draws from NumPy's global generator, so that numpy.random.seed has its effect."""
        return random_key(check_random_state(None) if self.random_state is None else self.random_state)
