"""Mini-batch nonnegative factorization as a scikit-learn transformer."""

import math
import warnings
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from corange._nmf._checks import check_factor, check_loss
from corange._nmf._divergence import refuse_zeros
from corange._nmf._entries import in_units, unit_exponent
from corange._nmf._init import start
from corange._nmf._minibatch import OnlineFactors, Penalties, Watch
from corange._random import RandomState
from corange._validation import check_boolean, check_integer, check_number, check_optional_integer
from corange.estimators._base import ConvergenceWarning
from corange.estimators._nonnegative import Penalized, nonnegative_problem

__all__ = ["MiniBatchNMF"]

Array = npt.NDArray[Any]


class MiniBatchNMF(Penalized):
    """Nonnegative matrix factorization from batches of rows, for data that come in pieces.

    A drop-in replacement for :class:`sklearn.decomposition.MiniBatchNMF`: same arguments, attributes and
    methods, on the kernels of `corange.nmf`.

    Parameters
    ----------
    n_components : int, "auto" or None, default="auto"
        Number of components; "auto" takes that of `H` with ``init="custom"``, else, as None, the number of
        features.
    init : {"nndsvda", "nndsvd", "nndsvdar", "random", "custom"} or None, default=None
        Where to start. None is "nndsvda", or "random" with more components than samples or features.
    batch_size : int, default=1024
        Rows of a batch.
    beta_loss : float or {"frobenius", "kullback-leibler", "itakura-saito"}, default="frobenius"
        What to minimize.
    tol : float, default=1e-4
        Stop when a step changes the components by less, relatively. 0 turns that off.
    max_no_improvement : int or None, default=10
        Stop after as many batches in a row that do not lower the smoothed cost.
    max_iter : int, default=200
        Passes over the data at most.
    alpha_W : float, default=0.0
        Penalty of W, multiplied with the number of features.
    alpha_H : float or "same", default="same"
        Penalty of H, multiplied with the rows of a batch; "same" as `alpha_W`.
    l1_ratio : float, default=0.0
        Part of the penalties that is l1; the rest is l2.
    forget_factor : float, default=0.7
        Weight of old batches: after a pass, what was before counts this much.
    fresh_restarts : bool, default=False
        Solve for the weights of each batch anew, instead of one step from where they were.
    fresh_restarts_max_iter : int, default=30
        Steps of such a solution.
    transform_max_iter : int or None, default=None
        Steps of `transform`; None takes `max_iter`.
    random_state : int, RandomState, Generator or None, default=None
        The same integer always gives the same bits, on any number of threads.
    verbose : int, default=0
        Print the cost of every batch.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Components, one a row.
    n_components_ : int
        Number of components.
    reconstruction_err_ : float
        Root of twice the divergence of X from ``W @ components_``.
    n_iter_ : int
        Passes begun.
    n_steps_ : int
        Batches seen.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, when X had names that are all strings.

    Warns
    -----
    ConvergenceWarning
        When `max_iter` came first.

    See Also
    --------
    corange.nmf : The whole matrix at once, in fewer passes.

    Notes
    -----
    A step costs what `corange.nmf` with ``solver="mu"`` costs for the rows of a batch. Steps are those of
    scikit-learn; starts come from other random numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from corange import MiniBatchNMF
    >>> X = np.array([[1, 1], [2, 1], [3, 1.2], [4, 1], [5, 0.8], [6, 1]])
    >>> MiniBatchNMF(n_components=2, random_state=0).fit_transform(X).shape
    (6, 2)
    """

    def __init__(
        self,
        n_components: Any = "auto",
        *,
        init: str | None = None,
        batch_size: int = 1024,
        beta_loss: Any = "frobenius",
        tol: float = 1e-4,
        max_no_improvement: int | None = 10,
        max_iter: int = 200,
        alpha_W: float = 0.0,
        alpha_H: float | Literal["same"] = "same",
        l1_ratio: float = 0.0,
        forget_factor: float = 0.7,
        fresh_restarts: bool = False,
        fresh_restarts_max_iter: int = 30,
        transform_max_iter: int | None = None,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.init = init
        self.batch_size = batch_size
        self.beta_loss = beta_loss
        self.tol = tol
        self.max_no_improvement = max_no_improvement
        self.max_iter = max_iter
        self.alpha_W = alpha_W
        self.alpha_H = alpha_H
        self.l1_ratio = l1_ratio
        self.forget_factor = forget_factor
        self.fresh_restarts = fresh_restarts
        self.fresh_restarts_max_iter = fresh_restarts_max_iter
        self.transform_max_iter = transform_max_iter
        self.random_state = random_state
        self.verbose = verbose

    def fit_transform(
        self, X: Any, y: object = None, W: npt.ArrayLike | None = None, H: npt.ArrayLike | None = None
    ) -> Array:
        """Find the components of X and return its weights.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
        y : Ignored
        W, H : array-like, optional
            Where to start, with ``init="custom"``.

        Returns
        -------
        ndarray of shape (n_samples, n_components)

        Raises
        ------
        TypeError, ValueError
            As `corange.nmf`.
        """
        X = self._validated(X, reset=True)
        self._check_arguments(X)
        left, self._model = self._start(X, W, H)
        U = self._model.load(left)
        self.n_steps_ = self._run(X, U)
        batches = -(-X.shape[0] // min(self.batch_size, X.shape[0]))
        self.n_iter_ = -(-self.n_steps_ // batches)
        if self.fresh_restarts:
            U = self._solve(X)
        loss = max(self._model.loss(self._model.entries(X), U), 0.0)
        self.reconstruction_err_ = in_units(
            float(np.sqrt(2.0 * loss)), self._model.exponent * self._model.beta / 2
        )
        self._publish()
        if self.n_iter_ == self.max_iter and self.tol > 0:
            message = f"MiniBatchNMF stopped after max_iter={self.max_iter} passes. Raise max_iter or tol."
            warnings.warn(message, ConvergenceWarning, stacklevel=2)
        return self._model.unload(U)

    def partial_fit(
        self, X: Any, y: object = None, W: npt.ArrayLike | None = None, H: npt.ArrayLike | None = None
    ) -> "MiniBatchNMF":
        """Improve the components with one more batch.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            The batch.
        y : Ignored
        W, H : array-like, optional
            Where to start, with ``init="custom"``, in the first call.

        Returns
        -------
        MiniBatchNMF
            The estimator itself.

        Raises
        ------
        TypeError, ValueError
            As `fit`; or X has another number of features.
        """
        first = not hasattr(self, "components_")
        X = self._validated(X, reset=first)
        self._check_arguments(X)
        if first:
            _, self._model = self._start(X, W, H)
            self.n_steps_ = 0
        entries, penalties = self._model.entries(X), self._penalties(X.shape)
        U = self._model.constant_weights(X)
        self._model.solve_weights(entries, U, penalties, self.fresh_restarts_max_iter, float(self.tol))
        self._model.improve_components(entries, U, penalties, self._memory(X.shape[0]))
        self.n_steps_ += 1
        self._publish()
        return self

    def transform(self, X: Any) -> Array:
        """Return the weights of the components in rows.

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
        return self._model.unload(self._solve(X))

    def _run(self, X: Any, U: Array) -> int:
        """Go through batches until it has converged; the number of batches."""
        m, size = X.shape[0], min(self.batch_size, X.shape[0])
        watch, steps = Watch(m, float(self.tol), self.max_no_improvement, bool(self.verbose)), 0
        for _ in range(self.max_iter):
            for begin in range(0, m, size):
                batch = slice(begin, min(begin + size, m))
                part = U[batch].copy() if not self.fresh_restarts else self._model.constant_weights(X[batch])
                before = self._model.right.copy()
                cost = self._step(X[batch], part)
                U[batch] = part
                steps += 1
                if watch.converged(steps, batch.stop - begin, cost, before, self._model.right):
                    return steps
        return steps

    def _step(self, batch: Any, U: Array) -> float:
        model, penalties = self._model, self._penalties(batch.shape)
        entries = model.entries(batch)
        if self.fresh_restarts:
            model.solve_weights(entries, U, penalties, self.fresh_restarts_max_iter, float(self.tol))
        else:
            model.improve_weights(entries, U, penalties)
        cost = model.cost(entries, U, penalties)
        model.improve_components(entries, U, penalties, self._forget)
        return cost

    def _solve(self, X: Any) -> Array:
        U = self._model.constant_weights(X)
        steps = self.max_iter if self.transform_max_iter is None else self.transform_max_iter
        self._model.solve_weights(self._model.entries(X), U, self._penalties(X.shape), steps, float(self.tol))
        return U

    def _start(self, X: Any, W: Any, H: Any) -> tuple[Array, OnlineFactors]:
        beta = check_loss(self.beta_loss)
        problem = nonnegative_problem(X)
        if beta <= 0.0:
            refuse_zeros(X, beta)
        (m, n), dtype = X.shape, problem.matrix.dtype
        custom = self.init == "custom"
        if custom and (W is None or H is None):
            raise ValueError("init='custom' needs W and H.")
        rank = self._rank(n, H if custom else None)
        if custom:
            left, right = check_factor("W", W, (m, rank), dtype), check_factor("H", H, (rank, n), dtype).T
        else:
            name = self.init or ("nndsvda" if rank <= min(m, n) else "random")
            left, right = start(problem.matrix, rank, name, self._key())
        exponent = unit_exponent(np.array(problem.matrix.operator.scan()["max_abs"]))
        self._forget = self._memory(m)
        return left, OnlineFactors(right, beta, exponent)

    def _memory(self, rows: int) -> float:
        """Weight of the sums of former batches when one more comes."""
        return math.pow(float(self.forget_factor), min(self.batch_size, rows) / rows)

    def _penalties(self, shape: tuple[int, int]) -> Penalties:
        """Absolute penalties, as scikit-learn scales them for a batch."""
        l1, l2 = self._absolute_penalties(shape)
        return self._model.scaled((l1[0], l2[0], l1[1], l2[1]))

    def _publish(self) -> None:
        self.components_ = self._model.components
        self.n_components_ = self._model.rank

    def _check_arguments(self, X: Any) -> None:
        self._check_shared_arguments()
        check_integer("batch_size", self.batch_size, low=1)
        check_optional_integer("max_no_improvement", self.max_no_improvement, low=1)
        check_number("forget_factor", self.forget_factor, low=0.0, high=1.0)
        check_boolean("fresh_restarts", self.fresh_restarts)
        check_integer("fresh_restarts_max_iter", self.fresh_restarts_max_iter, low=1)
        check_optional_integer("transform_max_iter", self.transform_max_iter, low=1)
        nonnegative_problem(X)
