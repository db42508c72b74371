"""What transformers with nonnegative components share."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from corange._nmf._problem import make_problem
from corange._operators import working_dtype

__all__ = ["NonnegativeTransformer"]

Array = npt.NDArray[Any]


class NonnegativeTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Base of estimators whose rows of `components_` are added with nonnegative weights."""

    components_: Array

    def inverse_transform(self, X: npt.ArrayLike) -> Array:
        """Map weights back: ``X @ components_``.

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
        """
        check_is_fitted(self)
        product: Array = np.asarray(X) @ self.components_
        return product

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
