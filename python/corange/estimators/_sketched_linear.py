"""Linear and ridge regression as scikit-learn estimators, on sketched least squares."""

import warnings
from abc import abstractmethod
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from corange._lstsq import LSTSQ_METHODS, shortfall, solve_least_squares
from corange._operators import Matrix, as_matrix
from corange._random import RandomState, random_key
from corange._report import LstsqReport
from corange._validation import (
    check_boolean,
    check_choice,
    check_nonnegative,
    check_proportion,
    check_weights,
)
from corange.estimators._base import REMEDY, ConvergenceWarning, looks_for_nan

__all__ = ["SketchedLinearRegression", "SketchedRidge"]

Array = npt.NDArray[Any]


class _SketchedRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """What both share: means and weights around `solve_least_squares`."""

    fit_intercept: bool
    method: str
    tol: float | None
    random_state: RandomState

    coef_: Array
    intercept_: Any
    rank_: int
    report_: LstsqReport

    @abstractmethod
    def _problem(self) -> tuple[float, float | None]:
        """Check and return the penalty, and the singular values that count as zero."""

    def fit(self, X: Any, y: Any, sample_weight: npt.ArrayLike | None = None) -> Self:
        """Fit the coefficients.

        Parameters
        ----------
        X : matrix of shape (n_samples, n_features)
            Dense or sparse; never copied when its precision is float32 or float64.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        sample_weight : float or array-like of shape (n_samples,), optional
            Weight of each sample in the sum of squares, at least 0.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            As `corange.lstsq` or `corange.ridge`; a weight is negative, or all are zero.
        """
        alpha, rcond = self._problem()
        check_boolean("fit_intercept", self.fit_intercept)
        state = check_random_state(None) if self.random_state is None else self.random_state
        options: dict[str, Any] = {
            "method": check_choice("method", self.method, LSTSQ_METHODS),
            "tol": 0.0 if self.tol is None else check_proportion("tol", self.tol),
            "rcond": rcond,
            "seed": random_key(state),
        }
        self._refuse_masked(X)
        X, y = validate_data(
            self, X, y, accept_sparse=True, multi_output=True, y_numeric=True, ensure_all_finite=False
        )
        weights = None if sample_weight is None else check_weights("sample_weight", sample_weight, X.shape[0])
        roots = None if weights is None else np.sqrt(weights / weights.max())
        if weights is not None:
            alpha = alpha / float(weights.max())
        matrix = self._matrix(X, center=self.fit_intercept, weights=weights, row_scale=roots)
        y = np.asarray(y, dtype=np.float64)
        y_mean = np.average(y, axis=0, weights=weights) if self.fit_intercept else np.zeros(y.shape[1:])
        targets = y - y_mean if roots is None else ((y - y_mean).T * roots).T
        result = solve_least_squares(
            matrix,
            targets,
            alpha,
            task=type(self).__name__,
            check_finite=looks_for_nan(),
            sketch="auto",
            size=None,
            **options,
        )
        message = shortfall(result.report)
        if message is not None:
            warnings.warn(message.replace("result.report", "report_"), ConvergenceWarning, stacklevel=2)
        self.coef_ = np.ascontiguousarray(result.x.T)
        self.rank_, self.report_ = result.report.rank, result.report
        if self.fit_intercept:
            offset = y_mean - (self.coef_.astype(np.float64) * np.asarray(matrix.mean)).sum(axis=-1)
            self.intercept_ = (
                offset.astype(self.coef_.dtype) if y.ndim == 2 else self.coef_.dtype.type(offset)
            )
        else:
            self.intercept_ = 0.0
        return self

    def predict(self, X: Any) -> Array:
        """Predict the targets of rows: ``X @ coef_.T + intercept_``, in one pass.

        Parameters
        ----------
        X : matrix of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_targets)

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        TypeError, ValueError
            X is not finite, or has another number of features.
        """
        check_is_fitted(self)
        self._refuse_masked(X)
        X = validate_data(self, X, reset=False, accept_sparse=True, ensure_all_finite=False)
        matrix = self._matrix(X)
        coefficients = np.atleast_2d(self.coef_)
        dtype = np.result_type(matrix.dtype, coefficients)
        product = np.empty((matrix.shape[0], coefficients.shape[0]), dtype)
        matrix.operator.apply(np.ascontiguousarray(coefficients.T, dtype=dtype), product)
        product += np.asarray(self.intercept_, dtype=dtype)
        return product[:, 0] if self.coef_.ndim == 1 else product

    def _refuse_masked(self, X: Any) -> None:
        """Have masked arrays refused before scikit-learn drops the mask."""
        if isinstance(X, np.ma.MaskedArray):
            self._matrix(X)

    @staticmethod
    def _matrix(X: Any, **options: Any) -> Matrix:
        return as_matrix(X, argument_name="X", check_finite=looks_for_nan(), remedy=REMEDY, **options)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class SketchedLinearRegression(_SketchedRegressor):
    """Ordinary least squares by sketched preconditioners: as accurate as LAPACK, several times faster.

    Works where :class:`sklearn.linear_model.LinearRegression` does, with the same fitted attributes, on top
    of `corange.lstsq`.

    Parameters
    ----------
    fit_intercept : bool, default=True
        Whether to fit an intercept; X is then centered implicitly, sparse X too.
    method : {"auto", "gram", "sketch", "sketch-and-solve"}, default="auto"
        As for `corange.lstsq`; leave it unless an approximation is enough.
    tol : float or None, default=None
        Backward error to stop at, relative to the norm of X; None goes on to rounding level.
    rcond : float or None, default=None
        Singular values below `rcond` times the largest count as zero; None counts those that rounding hides.
    random_state : int, RandomState, Generator or None, default=None
        The same integer always gives the same bits, on any number of threads. None draws from NumPy's global
        generator, as in scikit-learn.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Coefficients, those of least norm where X leaves a choice; in the precision of X.
    intercept_ : float or ndarray of shape (n_targets,)
        Intercepts; 0.0 without `fit_intercept`.
    rank_ : int
        Numerical rank of X, centered if there is an intercept.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, when X had names that are all strings.
    report_ : LstsqReport
        Residual norms, estimated backward errors, condition estimate, passes, method.

    See Also
    --------
    corange.lstsq : The function behind it: algorithm, accuracy and cost.
    corange.SketchedRidge : The same with a penalty.

    Notes
    -----
    Cost and sources are those of `corange.lstsq`; centering takes one more pass. The refinement
    is that of Epperly, Meier and Nakatsukasa, arXiv:2406.03468.

    Examples
    --------
    >>> import numpy as np
    >>> from corange import SketchedLinearRegression
    >>> X = np.array([[0.0], [1.0], [2.0]])
    >>> model = SketchedLinearRegression().fit(X, [1.0, 3.0, 5.0])
    >>> model.coef_.round(6), round(float(model.intercept_), 6)
    (array([2.]), 1.0)
    """

    def __init__(
        self,
        *,
        fit_intercept: bool = True,
        method: str = "auto",
        tol: float | None = None,
        rcond: float | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.fit_intercept = fit_intercept
        self.method = method
        self.tol = tol
        self.rcond = rcond
        self.random_state = random_state

    def _problem(self) -> tuple[float, float | None]:
        return 0.0, None if self.rcond is None else check_proportion("rcond", self.rcond)


class SketchedRidge(_SketchedRegressor):
    """Ridge regression by sketched preconditioners.

    Works where :class:`sklearn.linear_model.Ridge` does, with the same fitted attributes, on top of
    `corange.ridge`.

    Parameters
    ----------
    alpha : float, default=1.0
        Weight of the penalty ``alpha * ||coef_||**2``, at least 0; the intercept is not penalized.
    fit_intercept : bool, default=True
        Whether to fit an intercept; X is then centered implicitly, sparse X too.
    method : {"auto", "gram", "sketch", "sketch-and-solve"}, default="auto"
        As for `corange.lstsq`; leave it unless an approximation is enough.
    tol : float or None, default=None
        Backward error to stop at, relative to the norm of X; None goes on to rounding level.
    random_state : int, RandomState, Generator or None, default=None
        The same integer always gives the same bits, on any number of threads. None draws from NumPy's global
        generator, as in scikit-learn.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Coefficients, in the precision of X.
    intercept_ : float or ndarray of shape (n_targets,)
        Intercepts; 0.0 without `fit_intercept`.
    rank_ : int
        Numerical rank of X on top of a multiple of the identity.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, when X had names that are all strings.
    report_ : LstsqReport
        Residual norms, estimated backward errors, condition estimate, passes, method.

    See Also
    --------
    corange.ridge : The function behind it: algorithm, accuracy and cost.

    Notes
    -----
    Cost and sources are those of `corange.ridge`; centering takes one more pass.

    Examples
    --------
    >>> import numpy as np
    >>> from corange import SketchedRidge
    >>> SketchedRidge(alpha=1.0, fit_intercept=False).fit(np.eye(2), [2.0, 4.0]).coef_
    array([1., 2.])
    """

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        fit_intercept: bool = True,
        method: str = "auto",
        tol: float | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.method = method
        self.tol = tol
        self.random_state = random_state

    def _problem(self) -> tuple[float, float | None]:
        return check_nonnegative("alpha", self.alpha), None
