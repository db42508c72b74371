"""Separable nonnegative factorization as a scikit-learn transformer."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from corange import _core
from corange._operators import as_stored
from corange._report import NMFReport
from corange._rows import adjoint_product
from corange._separable import SEPARABLE_METHODS, separate
from corange._validation import check_choice, check_integer, check_rank
from corange.estimators._nonnegative import NonnegativeTransformer, nonnegative_problem

__all__ = ["SeparableNMF"]

Array = npt.NDArray[Any]


class SeparableNMF(NonnegativeTransformer):
    """Nonnegative factorization whose components are samples: archetypes, pure pixels, anchor documents.

    Parameters
    ----------
    n_components : int, default=2
        Samples to choose; more than X has rows or columns is clipped with a warning.
    method : {"spa", "snpa"}, default="spa"
        As for `corange.separable_nmf`.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        The samples chosen.
    sample_indices_ : ndarray of shape (n_components,)
        Their positions in X.
    n_components_ : int
        Number of components; fewer than asked for when they explain X to rounding.
    reconstruction_err_ : float
        Frobenius norm of what is not explained.
    report_ : NMFReport
        How it was computed.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, when X had names that are all strings.

    See Also
    --------
    corange.separable_nmf : The function behind it, which chooses columns: algorithm, cost and sources.

    Examples
    --------
    >>> import numpy as np
    >>> from corange import SeparableNMF
    >>> X = np.array([[4.0, 0.0], [1.0, 1.0], [0.0, 3.0]])
    >>> model = SeparableNMF(n_components=2).fit(X)
    >>> model.sample_indices_
    array([0, 2])
    >>> model.transform([[2.0, 3.0]]).round(6)
    array([[0.5, 1. ]])
    """

    def __init__(self, n_components: int = 2, *, method: str = "spa") -> None:
        self.n_components = n_components
        self.method = method

    def fit_transform(self, X: Any, y: object = None) -> Array:
        """Choose the components and return the weights of X.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
        y : Ignored

        Returns
        -------
        ndarray of shape (n_samples, n_components)

        Raises
        ------
        TypeError, ValueError
            As `corange.separable_nmf`.
        """
        check_integer("n_components", self.n_components, low=1)
        method = check_choice("method", self.method, SEPARABLE_METHODS)
        X = self._validated(X, reset=True)
        problem = nonnegative_problem(X)
        rank = check_rank(self.n_components, problem.matrix.shape, name="n_components", stacklevel=3)
        stored = as_stored(X, argument_name="X", check_finite=False).transpose()
        result = separate(stored, rank, method, problem.matrix.description)
        self.components_ = np.ascontiguousarray(result.W.T)
        self.sample_indices_, self.n_components_ = result.columns, result.rank
        self.report_: NMFReport = result.report
        self.reconstruction_err_ = self.report_.error * self.report_.norm_fro
        return np.ascontiguousarray(result.H.T)

    def transform(self, X: Any) -> Array:
        """Return the weights of the components in rows, exact nonnegative least squares.

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
            As `fit`; or X has another number of features.
        """
        check_is_fitted(self)
        X = self._validated(X, reset=False)
        matrix = nonnegative_problem(X).matrix
        exponent = int(np.frexp(self.components_.max(initial=0.0))[1])
        right = np.ascontiguousarray(np.ldexp(self.components_, -exponent).T, dtype=matrix.dtype)
        cross = np.empty((matrix.shape[0], right.shape[1]), matrix.dtype)
        matrix.operator.apply(right, cross)
        gram = adjoint_product(right, right).astype(np.float64)
        weights = np.zeros(cross.shape)
        _core.nnls(gram, np.ldexp(cross, -exponent).astype(np.float64), weights)
        return weights.astype(matrix.dtype)
