"""Choice of features as scikit-learn estimators: with and without the means to rebuild the others."""

from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from corange._cur import cur
from corange._operators import as_operator
from corange._random import RandomState
from corange._report import Report
from corange._rows import product
from corange._select import select_columns
from corange._validation import check_integer, check_optional_integer
from corange.estimators._base import looks_for_nan

__all__ = ["CUR", "ColumnSelector"]

Array = npt.NDArray[Any]


class _Selector(SelectorMixin, BaseEstimator):  # type: ignore[misc]
    """What both share: data checked as scikit-learn does, and a mask of features."""

    support_: npt.NDArray[np.bool_]

    def _checked(self, X: Any) -> Any:
        if isinstance(X, np.ma.MaskedArray):
            as_operator(X, argument_name="X")  # refuses it: scikit-learn would drop the mask
        return validate_data(self, X, accept_sparse=True, dtype="numeric", ensure_all_finite=looks_for_nan())

    def _seed(self) -> Any:
        # As in scikit-learn None is NumPy's global generator, so that numpy.random.seed has its effect.
        state = self.random_state
        return check_random_state(None) if state is None else state

    def _get_support_mask(self) -> npt.NDArray[np.bool_]:
        check_is_fitted(self)
        return self.support_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class ColumnSelector(_Selector):
    """Keep the features that represent all others, without looking at a target.

    Parameters
    ----------
    n_features_to_select : int, optional
        Features to keep; half of them by default. Fewer are kept when these span the others to rounding.
    method : str, default="qr"
        How they are chosen, see `corange.select_columns`.
    random_state : int, RandomState, Generator or None, default=None
        The same integer always gives the same features, on any number of threads.

    Attributes
    ----------
    indices_ : ndarray of int64
        The features, in the order of choice: the first k of "qr" and "deim" are a choice of k.
    support_ : ndarray of bool of shape (n_features,)
        The mask of these.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, when X had names that are all strings.

    See Also
    --------
    CUR : The same, and `inverse_transform` rebuilds the other features.

    Notes
    -----
    Scale the features first if their units differ: those of large numbers are chosen first. Cost and sources
    are with `corange.select_columns`.

    Examples
    --------
    >>> import numpy as np
    >>> from corange import ColumnSelector
    >>> X = np.array([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0], [0.0, 0.0, 1.0]])
    >>> ColumnSelector(2, random_state=0).fit(X).get_support()
    array([False,  True,  True])
    """

    indices_: npt.NDArray[np.int64]

    def __init__(
        self,
        n_features_to_select: int | None = None,
        *,
        method: str = "qr",
        random_state: RandomState = None,
    ) -> None:
        self.n_features_to_select = n_features_to_select
        self.method = method
        self.random_state = random_state

    def fit(self, X: Any, y: object = None) -> Self:
        """Choose features.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        y : ignored
        """
        wanted = check_optional_integer("n_features_to_select", self.n_features_to_select, low=1)
        X = self._checked(X)
        wanted = max(X.shape[1] // 2, 1) if wanted is None else wanted
        self.indices_ = select_columns(
            X,
            min(wanted, *X.shape),
            method=self.method,
            random_state=self._seed(),
            check_finite=looks_for_nan(),
        )
        self.support_ = np.isin(np.arange(X.shape[1]), self.indices_)
        return self


class CUR(_Selector):
    """CUR decomposition: keep features that represent all others, and rebuild the others from them.

    Parameters
    ----------
    n_components : int, default=2
        Features (and samples) to keep. Fewer are kept when these span the others to rounding.
    method : str, default="qr"
        How they are chosen, see `corange.select_columns`.
    core : {"projection", "cross"}, default="projection"
        See `corange.cur`.
    random_state : int, RandomState, Generator or None, default=None
        The same integer always gives the same features, on any number of threads.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        All features as combinations of those kept, which are in ascending order: ``core @ X[rows_]``.
    support_ : ndarray of bool of shape (n_features,)
        The features that are kept.
    columns_, rows_ : ndarray of int64
        Features, in ascending order, and samples that were chosen.
    report_ : Report
        How it was computed and how accurate it is.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, when X had names that are all strings.

    See Also
    --------
    corange.cur : The function: cost and sources.

    Examples
    --------
    >>> import numpy as np
    >>> from corange import CUR
    >>> X = np.outer([1.0, 2.0, 3.0], [1.0, 4.0, 2.0])
    >>> model = CUR(1, random_state=0).fit(X)
    >>> model.columns_
    array([1])
    >>> np.allclose(model.inverse_transform(model.transform(X)), X)
    True
    """

    components_: Array
    columns_: npt.NDArray[np.int64]
    rows_: npt.NDArray[np.int64]
    report_: Report

    def __init__(
        self,
        n_components: int = 2,
        *,
        method: str = "qr",
        core: Literal["projection", "cross"] = "projection",
        random_state: RandomState = None,
    ) -> None:
        self.n_components = n_components
        self.method = method
        self.core = core
        self.random_state = random_state

    def fit(self, X: Any, y: object = None) -> Self:
        """Choose features and samples.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        y : ignored
        """
        wanted = check_integer("n_components", self.n_components, low=1)
        X = self._checked(X)
        result = cur(
            X,
            min(wanted, *X.shape),
            method=self.method,
            core=self.core,
            random_state=self._seed(),
            check_finite=looks_for_nan(),
        )
        order = np.argsort(result.columns)
        self.columns_, self.rows_ = result.columns[order], result.rows
        self.components_ = result.coefficients[order]
        self.report_ = result.report
        self.support_ = np.isin(np.arange(X.shape[1]), self.columns_)
        return self

    def inverse_transform(self, X: Any) -> Array:
        """Rebuild all features from those kept.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_components)
            What `transform` returned.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        X = check_array(X, input_name="X", accept_sparse=("csr", "csc"), dtype=[np.float64, np.float32])
        if X.shape[1] != self.components_.shape[0]:
            raise ValueError(
                f"X must have a column for each of {len(self.components_)} components, got shape {X.shape}."
            )
        return product(X, self.components_)
