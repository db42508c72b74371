"""What estimators with singular vectors as components share."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn
import sklearn.exceptions
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from corange import _exceptions
from corange._operators import Matrix, as_matrix
from corange._random import RandomState
from corange._report import Iteration, Report
from corange._results import SVDResult
from corange._rows import product
from corange._sources import has_products, has_rows
from corange._svd import decompose, shortfall, svd_options
from corange._validation import check_choice, check_integer, check_nonnegative, check_proportion

__all__ = [
    "REMEDY",
    "ConvergenceWarning",
    "SpectralTransformer",
    "check_components",
    "is_fraction",
    "looks_for_nan",
]

Array = npt.NDArray[Any]

# How users opt out of the look for NaN, as messages say it.
REMEDY = "call sklearn.set_config(assume_finite=True)"

# Residuals relative to the largest singular value, which is good to their square: 1e-6 and all its digits.
DEFAULT_TOL = 1e-3
EXACT_TOL = 1e-12
LOOSEST_TOL = 0.5

NORMALIZERS = ("auto", "QR", "LU", "none")


class ConvergenceWarning(_exceptions.ConvergenceWarning, sklearn.exceptions.ConvergenceWarning):  # type: ignore[misc]
    """Caught by filters for corange's warning of this name and by those for scikit-learn's."""


class SpectralTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Base of estimators that project on singular vectors, rows of `components_`."""

    n_components: Any
    n_oversamples: int
    power_iteration_normalizer: str
    random_state: RandomState
    tol: float
    max_passes: int | None
    callback: Callable[[Iteration], object] | None

    components_: Array
    singular_values_: Array
    report_: Report
    converged_: bool

    def _validated(self, X: Any, *, reset: bool, min_samples: int = 1) -> Any:
        """Check and convert X as scikit-learn does, but leave alone what may be larger than memory.

        Nothing is read here, not even to look for NaN: `_matrix` sees to that. What is known only by its
        rows or by its products passes through unchanged, and so do masked arrays, which `_matrix` refuses
        (scikit-learn would drop the mask).
        """
        if isinstance(X, np.ma.MaskedArray) or has_rows(X) or has_products(X):
            return validate_data(self, X, reset=reset, skip_check_array=True)
        return validate_data(
            self,
            X,
            reset=reset,
            accept_sparse=True,
            dtype="numeric",
            ensure_all_finite=False,
            ensure_min_samples=min_samples,
        )

    def _matrix(self, X: Any, **options: Any) -> Matrix:
        """Make an operator of validated data; the options are those of `as_matrix`."""
        return as_matrix(
            X,
            argument_name="X",
            check_finite=looks_for_nan(),
            remedy=REMEDY,
            **options,
        )

    def _check_shared_arguments(self) -> None:
        """Check arguments that more than one estimator has; some have no effect, but must be legal."""
        check_nonnegative("tol", self.tol)
        check_integer("n_oversamples", self.n_oversamples, low=1)
        check_choice("power_iteration_normalizer", self.power_iteration_normalizer, NORMALIZERS)

    def _options(self, *, exact: bool) -> dict[str, Any]:
        """Turn arguments into options of `decompose`; a `tol` of 0 leaves the accuracy to corange."""
        tol = float(self.tol) or (EXACT_TOL if exact else DEFAULT_TOL)
        # As in scikit-learn None is NumPy's global generator, so that numpy.random.seed has its effect.
        state = check_random_state(None) if self.random_state is None else self.random_state
        return svd_options(
            tol=min(tol, LOOSEST_TOL),
            max_passes=self.max_passes,
            random_state=state,
            callback=self.callback,
        )

    def _decompose(
        self, matrix: Matrix, rank: int | None, error: float | None, options: dict[str, Any]
    ) -> SVDResult:
        """Decompose, and set the attributes that tell how it went."""
        result = decompose(matrix, rank, error=error, check_finite=looks_for_nan(), **options)
        message = shortfall(result.report)
        if message is not None:
            text = message.replace("result.report", "report_")
            warnings.warn(f"{type(self).__name__}: {text}", ConvergenceWarning, stacklevel=4)
        self.report_, self.converged_ = result.report, result.report.converged
        return result

    def _scores(self, X: Any, result: SVDResult, mean: Array | None = None) -> Array:
        """Coordinates of the rows that were decomposed, the same that `transform` gives, up to rounding."""
        m, n = result.shape
        if m < n:  # the core makes A'u = s v exact for wide matrices, and A v = s u only as exact as tol
            return self._project(X, mean)
        scores = result.U[:, : self._n_features_out]
        scores *= self.singular_values_
        return scores

    def _project(self, X: Any, mean: Array | None = None) -> Array:
        """Coordinates of the rows of validated data: (X - mean) @ components_.T, in one pass."""
        check_is_fitted(self)
        matrix = self._matrix(X, mean=mean)
        scores = np.empty(
            (matrix.shape[0], self._n_features_out), np.result_type(matrix.dtype, self.components_)
        )
        matrix.operator.apply(np.ascontiguousarray(self.components_.T, dtype=scores.dtype), scores)
        return scores

    def _unproject(self, X: Any, scale: Array | None = None) -> Array:
        """Map coordinates, each multiplied by its scale, back to the space of the features."""
        check_is_fitted(self)
        X = check_array(X, input_name="X", dtype=[np.float64, np.float32], ensure_min_features=0)
        if X.shape[1] != self._n_features_out:
            raise ValueError(
                f"X must have a column for each of {self._n_features_out} components, got shape {X.shape}."
            )
        return product(X if scale is None else X * scale.astype(X.dtype, copy=False), self.components_)

    @property
    def _n_features_out(self) -> int:
        """Number of columns of what `transform` returns; for `get_feature_names_out`."""
        return int(self.components_.shape[0])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def is_fraction(n_components: object) -> bool:
    """Tell a part of the variance from a number of components."""
    return isinstance(n_components, (float, np.floating))


def check_components(n_components: object, *, low: int) -> None:
    """Check for a number of components, at least `low`, or a part of the variance."""
    if is_fraction(n_components):
        check_proportion("n_components", n_components)
    else:
        check_integer("n_components", n_components, low=low)


def looks_for_nan() -> bool:
    """Whether data are to be checked: scikit-learn's own switch."""
    return not sklearn.get_config()["assume_finite"]
