"""Nonnegative factorization of ratings: a table most of whose entries are unknown."""

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from corange._nmf import shortfall, solve_nmf
from corange._nmf._checks import check_loss
from corange._nmf._entries import observed
from corange._nmf._problem import Options, make_problem
from corange._random import RandomState, random_key
from corange._report import NMFReport
from corange._validation import check_integer, check_nonnegative
from corange.estimators._base import ConvergenceWarning

__all__ = ["MaskedNMF"]

Array = npt.NDArray[Any]


class MaskedNMF(BaseEstimator):  # type: ignore[misc]
    """Predict the unknown entries of a nonnegative table, such as ratings of films by people.

    Parameters
    ----------
    n_components : int, default=10
        Number of components. More fit the known entries better, and beyond some point the unknown ones worse.
    loss : {"frobenius", "kullback-leibler"}, default="frobenius"
        What to minimize over the known entries.
    alpha : float, default=0.0
        Penalty: ``alpha / 2`` times the squares of both factors, in units of the known entries.
    tol : float, default=1e-4
        As for `corange.nmf`.
    max_iter : int, default=100
        Iterations at most.
    random_state : int, RandomState, Generator or None, default=None
        The same integer always gives the same bits, on any number of threads.

    Attributes
    ----------
    row_factors_ : ndarray of shape (n_rows, n_components)
        Weights of the components in each row.
    components_ : ndarray of shape (n_components, n_features)
        Components, one a row.
    mean_ : float
        Mean of the known entries, predicted where a row or a column has none.
    n_features_in_ : int
        Number of columns seen in `fit`.
    report_ : NMFReport
        How it was computed.

    See Also
    --------
    corange.nmf : The function behind it, with ``mask=``.

    Notes
    -----
    Entries that a sparse matrix does not store are unknown, and stored zeros are zeros; in an array NaN is
    unknown. An iteration costs about ``4 * n_components**2`` flops a known entry.

    Examples
    --------
    >>> import numpy as np
    >>> from corange import MaskedNMF
    >>> X = np.outer([1.0, 2.0, 3.0], [1.0, 2.0, 2.0, 1.0])
    >>> X[1, 2] = np.nan
    >>> model = MaskedNMF(n_components=1, random_state=0).fit(X)
    >>> model.predict_entries([1], [2]).round(3)
    array([4.])
    """

    components_: Array
    row_factors_: Array

    def __init__(
        self,
        n_components: int = 10,
        *,
        loss: str = "frobenius",
        alpha: float = 0.0,
        tol: float = 1e-4,
        max_iter: int = 100,
        random_state: RandomState = None,
    ) -> None:
        self.n_components = n_components
        self.loss = loss
        self.alpha = alpha
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(self, X: Any, y: object = None) -> "MaskedNMF":
        """Fit the factors to the known entries.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_rows, n_features)
            Nonnegative where known.
        y : Ignored

        Returns
        -------
        MaskedNMF
            The fitted estimator itself.

        Raises
        ------
        TypeError, ValueError
            As `corange.nmf`.
        """
        rank = check_integer("n_components", self.n_components, low=1)
        alpha = check_nonnegative("alpha", self.alpha)
        state = check_random_state(None) if self.random_state is None else self.random_state
        options = Options(
            beta=check_loss(self.loss),
            l2=(alpha, alpha),
            tol=check_nonnegative("tol", self.tol),
            max_iter=check_integer("max_iter", self.max_iter, low=1),
            seed=random_key(state),
        )
        problem = make_problem(self._known(X, reset=True), mask="stored", remedy=None)
        result = solve_nmf(problem, rank, options, init="random")
        message = shortfall(result.report)
        if message is not None:
            warnings.warn(message.replace("result.report", "report_"), ConvergenceWarning, stacklevel=2)
        known = problem.X
        self.row_factors_, self.components_ = result.W, np.ascontiguousarray(result.H)
        self.report_: NMFReport = result.report
        self.mean_ = float(known.data.mean(dtype=np.float64)) if known.nnz else 0.0
        self._seen = np.diff(known.indptr) > 0, np.bincount(known.indices, minlength=known.shape[1]) > 0
        return self

    def predict_entries(self, rows: npt.ArrayLike, columns: npt.ArrayLike) -> Array:
        """Predict entries at some positions.

        Parameters
        ----------
        rows, columns : array-like of int, of equal shape (n_entries,)

        Returns
        -------
        ndarray of shape (n_entries,)

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        IndexError, ValueError
            A position is outside the table, or there are not as many rows as columns.
        """
        check_is_fitted(self)
        i, j = np.asarray(rows, dtype=np.int64), np.asarray(columns, dtype=np.int64)
        if i.shape != j.shape or i.ndim != 1:
            raise ValueError(f"rows and columns must be vectors of one length, got {i.shape} and {j.shape}.")
        values = np.empty(i.size, self.components_.dtype)
        for start in range(0, i.size, 2**16):
            here = slice(start, start + 2**16)
            values[here] = np.einsum("ij,ji->i", self.row_factors_[i[here]], self.components_[:, j[here]])
        values[~(self._seen[0][i] & self._seen[1][j])] = self.mean_
        return values

    def score_entries(self, X: Any) -> float:
        """Root of the mean squared error over the known entries of another table of the same shape.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_rows, n_features)
            Entries that were held out.

        Returns
        -------
        float

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            X has another shape, or nothing is known in it.
        """
        check_is_fitted(self)
        known = observed(self._known(X, reset=False), "stored")
        if known.shape != (self.row_factors_.shape[0], self.components_.shape[1]) or known.nnz == 0:
            raise ValueError(
                f"X must have the shape of the table and known entries, got shape {known.shape}."
            )
        rows = np.repeat(np.arange(known.shape[0]), np.diff(known.indptr))
        off = known.data.astype(np.float64) - self.predict_entries(rows, known.indices)
        return float(np.sqrt(np.mean(off**2)))

    def _known(self, X: Any, *, reset: bool) -> Any:
        """Check as scikit-learn does, NaN allowed; known entries as a sparse array."""
        if isinstance(X, np.ma.MaskedArray):
            make_problem(X)
        X = validate_data(
            self,
            X,
            accept_sparse=("csr", "csc"),
            dtype="numeric",
            ensure_all_finite="allow-nan",
            reset=reset,
        )
        if scipy.sparse.issparse(X):
            return X
        return observed(X, "nan")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.input_tags.positive_only = True
        return tags
