"""Nonnegative matrix factorization as a scikit-learn transformer."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted, validate_data

from corange._nmf import NMF_SOLVERS, check_loss, find_solver, shortfall, solve_nmf
from corange._nmf._problem import Options, Problem, as_core_callback
from corange._random import RandomState
from corange._report import NMFIteration, NMFReport
from corange._results import NMFResult
from corange._sources import has_rows
from corange._validation import check_callback, check_choice, check_weights, shown
from corange.estimators._base import ConvergenceWarning
from corange.estimators._nonnegative import Penalized, nonnegative_problem

__all__ = ["NMF"]

Array = npt.NDArray[Any]


class NMF(Penalized):
    """Nonnegative matrix factorization, X close to W H with all entries nonnegative.

    A drop-in replacement for :class:`sklearn.decomposition.NMF` on top of `corange.nmf`: same arguments,
    attributes and methods.

    Parameters
    ----------
    n_components : int, None or "auto", default="auto"
        Number of components. "auto" takes it from W or H where those are given, and else, as None, the number
        of features.
    init : {None, "random", "nndsvd", "nndsvda", "nndsvdar", "custom"}, default=None
        How to start; None is the "auto" of `corange.nmf`, and "custom" uses the W and H of `fit_transform`.
    solver : {"cd", "mu", "auto", "hals", "bpp", "admm"}, default="cd"
        "cd" and "auto" let corange choose for the Frobenius loss; the others are those of `corange.nmf`. "mu"
        is for other losses; for the Frobenius loss it is taken as "auto" where there are no multiplicative
        updates, since it is never faster.
    beta_loss : float or {"frobenius", "kullback-leibler", "itakura-saito"}, default="frobenius"
        What to minimize. Others than "frobenius" need ``solver="mu"``.
    tol : float, default=1e-4
        As for `corange.nmf`; 0 runs all iterations.
    max_iter : int, default=200
        Iterations at most.
    random_state : int, RandomState, Generator or None, default=None
        The same integer always gives the same bits, on any number of threads. None draws from NumPy's
        global generator, as in scikit-learn.
    alpha_W : float, default=0.0
        Penalty of W, multiplied with the number of features.
    alpha_H : float or "same", default="same"
        Penalty of H, multiplied with the number of samples; "same" is `alpha_W`.
    l1_ratio : float, default=0.0
        Part of the penalties that is l1; the rest is l2.
    verbose : int, default=0
        Print the objective after each iteration.
    shuffle : bool, default=False
        Accepted for compatibility; without effect: the order of the components makes no difference here.
    callback : callable or None, default=None
        Called with an `NMFIteration` after each iteration; returning True stops (not in scikit-learn).

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        H.
    n_components_ : int
        Number of components.
    reconstruction_err_ : float
        Square root of twice the divergence between X and W H; for "frobenius" the norm of their difference.
    n_iter_ : int
        Iterations.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, when X had names that are all strings.
    report_ : NMFReport
        How it was computed and how well it fits.
    converged_ : bool
        Whether the tolerance was met.

    Warns
    -----
    ConvergenceWarning
        When `max_iter` came before `tol`. The warning is scikit-learn's and corange's at once.

    See Also
    --------
    corange.nmf : The function behind it: algorithm, cost, and what X may be.

    Notes
    -----
    For the Frobenius loss `transform` solves a nonnegative least-squares problem exactly, and `fit_transform`
    returns what `transform` would.

    Examples
    --------
    >>> import scipy.sparse
    >>> from corange import NMF
    >>> X = scipy.sparse.random_array((100, 50), density=0.1, rng=0, format="csr")
    >>> model = NMF(n_components=5, random_state=0)
    >>> W = model.fit_transform(X)
    >>> W.shape, model.components_.shape
    ((100, 5), (5, 50))
    >>> bool(abs(model.transform(X) - W).max() < 1e-12)
    True
    """

    components_: Array
    n_components_: int
    reconstruction_err_: float
    n_iter_: int
    report_: NMFReport
    converged_: bool

    def __init__(
        self,
        n_components: Any = "auto",
        *,
        init: str | None = None,
        solver: str = "cd",
        beta_loss: str | float = "frobenius",
        tol: float = 1e-4,
        max_iter: int = 200,
        random_state: RandomState = None,
        alpha_W: float = 0.0,
        alpha_H: float | str = "same",
        l1_ratio: float = 0.0,
        verbose: int = 0,
        shuffle: bool = False,
        callback: Callable[[NMFIteration], object] | None = None,
    ) -> None:
        self.n_components = n_components
        self.init = init
        self.solver = solver
        self.beta_loss = beta_loss
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state
        self.alpha_W = alpha_W
        self.alpha_H = alpha_H
        self.l1_ratio = l1_ratio
        self.verbose = verbose
        self.shuffle = shuffle
        self.callback = callback

    def fit_transform(
        self,
        X: Any,
        y: object = None,
        W: npt.ArrayLike | None = None,
        H: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> Array:
        """Find the components of X and return their weights in its samples.

        Parameters
        ----------
        X : matrix of shape (n_samples, n_features)
        y : Ignored
        W, H : array-like of shape (n_samples, n_components) and (n_components, n_features), optional
            Where to start, with ``init="custom"``.
        sample_weight : array-like of shape (n_samples,), optional
            A weight of 2 is the same sample twice, of 0 none at all (not in scikit-learn).

        Returns
        -------
        ndarray of shape (n_samples, n_components)

        Raises
        ------
        TypeError, ValueError
            As `corange.nmf`, or an argument is illegal.
        """
        self._check_arguments()
        problem = self._problem(X, reset=True, sample_weight=sample_weight)
        W, H = self._custom(W, H)
        rank = self._rank(problem.matrix.shape[1], H)
        options = self._options(problem.matrix.shape, problem.weights)
        result = solve_nmf(problem, rank, options, init="auto" if W is not None else self._start(), W=W, H=H)
        self._keep(result)
        return result.W

    def transform(self, X: Any) -> Array:
        """Find the weights of the components in other samples.

        Parameters
        ----------
        X : matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_components)
        """
        check_is_fitted(self)
        problem = self._problem(X, reset=False)
        options = self._options(problem.matrix.shape, hold=(False, True))
        W: Array = solve_nmf(problem, self.n_components_, options, init=self._start(), H=self.components_).W
        return W

    def _problem(self, X: Any, *, reset: bool, sample_weight: npt.ArrayLike | None = None) -> Problem:
        """Check X as scikit-learn does, and its signs."""
        if isinstance(X, np.ma.MaskedArray) or has_rows(X):
            X = validate_data(self, X, reset=reset, skip_check_array=True)
        else:
            X = validate_data(
                self, X, reset=reset, accept_sparse=True, dtype="numeric", ensure_all_finite=False
            )
        weights = None
        if sample_weight is not None:
            weights = check_weights("sample_weight", sample_weight, np.shape(X)[0])
        return nonnegative_problem(X, weights)

    def _check_arguments(self) -> None:
        solvers = tuple(dict.fromkeys(("cd", "mu", *NMF_SOLVERS)))
        check_choice("solver", self.solver, solvers)
        self._check_shared_arguments()
        if self.solver == "cd" and check_loss(self.beta_loss) != 2.0:
            raise ValueError(
                f"beta_loss={shown(self.beta_loss)} needs solver='mu' or 'auto', got solver='cd', which is "
                "for the Frobenius loss."
            )

    def _start(self) -> str:
        return "auto" if self.init in (None, "custom") else str(self.init)

    def _custom(self, W: Any, H: Any) -> tuple[Any, Any]:
        """Keep W and H where they are wanted, and say so where they are not."""
        if self.init == "custom":
            if W is None or H is None:
                raise ValueError(f"init='custom' needs W and H, got W={shown(W)} and H={shown(H)}.")
            return np.asarray(W), np.asarray(H)
        if W is not None or H is not None:
            warnings.warn("W and H are used with init='custom' alone.", RuntimeWarning, stacklevel=3)
        return None, None

    def _options(
        self,
        shape: tuple[int, int],
        weights: npt.NDArray[np.float64] | None = None,
        hold: tuple[bool, bool] = (False, False),
    ) -> Options:
        """Turn arguments into options; a sample counts as its weight says for the penalty of H too."""
        m, n = shape
        samples = m if weights is None else float(weights.sum())
        l1, l2 = self._absolute_penalties((samples, n))
        beta = check_loss(self.beta_loss)
        options = Options(
            beta=beta,
            solver="auto" if self.solver == "cd" else self.solver,
            l1=l1,
            l2=l2,
            hold=hold,
            tol=float(self.tol),
            max_iter=int(self.max_iter),
            seed=self._key(),
            callback=as_core_callback(self._callback()),
        )
        return find_solver(options, masked=False, instead="auto" if beta == 2.0 else None)[1]

    def _callback(self) -> Callable[[NMFIteration], object] | None:
        callback = check_callback("callback", self.callback)
        if not self.verbose:
            return callback

        def show(info: NMFIteration) -> object:
            print(f"iteration {info.iteration}, objective {info.objective:.8g}, {info.elapsed:.2f} s")
            return callback is not None and callback(info)

        return show

    def _keep(self, result: NMFResult) -> None:
        """Set the attributes that tell what was found, and how it went."""
        report = result.report
        self.components_ = np.ascontiguousarray(result.H)
        self.n_components_ = result.rank
        self.n_iter_ = report.iterations
        self.report_, self.converged_ = report, report.converged
        if report.beta == 2.0:
            self.reconstruction_err_ = report.error * report.norm_fro
        else:
            penalty = sum(
                l1 * float(Y.sum(dtype=np.float64)) + 0.5 * l2 * float(np.square(Y, dtype=np.float64).sum())
                for l1, l2, Y in zip(report.l1, report.l2, result.factors, strict=True)
            )
            self.reconstruction_err_ = float(np.sqrt(2.0 * max(report.objective - penalty, 0.0)))
        message = shortfall(report)
        if message is not None:
            text = message.replace("result.report", "report_")
            warnings.warn(f"{type(self).__name__}: {text}", ConvergenceWarning, stacklevel=3)
