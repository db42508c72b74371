"""Nonnegative factorization of any matrix whose entries can be seen."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from corange._nmf._checks import check_factor, check_hold, check_loss, check_penalties
from corange._nmf._frobenius import correlated, solve_frobenius
from corange._nmf._init import INITS, start
from corange._nmf._problem import Options, Problem, as_core_callback, make_problem
from corange._nmf._solvers import SOLVERS, Solver, kind_of
from corange._random import RandomState, random_key
from corange._report import NMFIteration, NMFReport
from corange._results import NMFResult, check_length
from corange._validation import (
    check_boolean,
    check_callback,
    check_choice,
    check_integer,
    check_nonnegative,
    check_weights,
    warn_unless_converged,
)

__all__ = [
    "INITS",
    "NMF_SOLVERS",
    "check_loss",
    "find_solver",
    "nmf",
    "project",
    "shortfall",
    "solve_nmf",
]

Array = npt.NDArray[Any]

NMF_SOLVERS = tuple(dict.fromkeys(solver for _, solver in SOLVERS))
_SPARE = 8  # one more component for so many, and
_TRIAL = 6  # iterations after which those that explain least are given up


def nmf(
    X: Any,
    rank: int,
    *,
    loss: str | float = "frobenius",
    solver: str = "auto",
    init: str = "auto",
    l1: tuple[float, float] = (0.0, 0.0),
    l2: tuple[float, float] = (0.0, 0.0),
    mask: Any = None,
    sample_weight: npt.ArrayLike | None = None,
    tol: float = 1e-4,
    max_iter: int = 200,
    W: npt.ArrayLike | None = None,
    H: npt.ArrayLike | None = None,
    hold: str | None = None,
    starts: int = 1,
    random_state: RandomState = None,
    check_finite: bool = True,
    callback: Callable[[NMFIteration], object] | None = None,
) -> NMFResult:
    """Factor a nonnegative matrix into nonnegative factors, ``X`` close to ``W @ H``.

    For the Frobenius loss, minimizes ``0.5 * ||X - W H||**2 + l1[0] * sum(W) + l1[1] * sum(H) +
    0.5 * l2[0] * ||W||**2 + 0.5 * l2[1] * ||H||**2`` over nonnegative W and H.

    Parameters
    ----------
    X : matrix of shape (m, n)
        Nonnegative; whatever `corange.svd` accepts whose entries can be seen: arrays, sparse matrices, files,
        objects with row slicing.
    rank : int
        Number of components, at least 1; may exceed the rank of the matrix.
    loss : {"frobenius", "kullback-leibler", "itakura-saito"} or float, default="frobenius"
        What to minimize; a number is the beta of a beta-divergence: 2, 1 and 0 are the three named ones.
    solver : str, default="auto"
        Frobenius: "hals" sweeps over the components, best where factors are sparse (text, images); "bpp"
        solves for each factor exactly; "admm" takes a few steps to that, best where components are alike.
        "admm" goes on to "bpp" when it becomes slow. "auto" takes "admm" for dense rows that are much alike,
        and else "hals". "compressed" iterates on X projected on a basis of ``rank + 20`` columns that nearly
        spans its range, several times faster for dense X whose smaller side is much larger than that; the
        history has errors of the projection, the final error is the true one.
        Other losses: "cd" descends along coordinates, for Kullback-Leibler and data in memory, where "auto"
        takes it; "mu" multiplies, for any loss. Data with row slicing are then read once an iteration, whose
        entry in the history is the objective of the factors that it began with.
    init : {"auto", "nndsvda", "nndsvd", "nndsvdar", "random"}, default="auto"
        Start from nonnegative parts of singular vectors, with zeros as they are ("nndsvd"), filled with the
        mean of X, or filled with small random numbers; or from random numbers. Multiplicative updates never
        leave a zero: not "nndsvd" for those. "auto" is "random" for dense rows that are much alike, and
        else "nndsvda", for sparse matrices with an eighth more components, of which those that explain
        least are given up after a few iterations. Not used for factors that are given.
    l1, l2 : (float, float), default=(0, 0)
        Penalties of W and H in absolute units, not scaled by the size of X.
    mask : optional
        Which entries count, for losses that allow it.
    sample_weight : array-like of shape (m,), optional
        Weights of the rows, penalties of W included: a weight of 2 is the same row twice.
    tol : float, default=1e-4
        Stop when the projected gradient is this small relative to the first one, or when ten iterations
        lower the objective by less than a hundredth of it, relatively. 0 runs all `max_iter` iterations.
    max_iter : int, default=200
        Iterations, at least 1, each of which improves both factors.
    W, H : array-like of shape (m, rank) and (rank, n), optional
        Where to start. With one of them alone the other starts as `init` says.
    hold : {"W", "H"} or None, default=None
        A factor, which must be given, that is not changed. For the Frobenius loss the other one is then the
        exact solution of a convex problem, in one pass.
    starts : int, default=1
        Starts, of which the best end is kept: the first as `init` says, the others from random numbers. For
        the Frobenius loss they share their passes over X, and one is given up, after ten iterations at
        least, when it would stay behind the best even if it fell once more by what it has fallen by since
        half its iterations.
    random_state : None, int, Generator or RandomState, default=None
        The same integer always gives the same bits, on any number of threads.
    check_finite : bool, default=True
        Refuse NaN and infinity before work starts.
    callback : callable, optional
        Called with an `NMFIteration` (iteration, objective, gradient, elapsed) after each iteration;
        returning True stops.

    Returns
    -------
    NMFResult
        Unpacks into W (m, rank) and H (rank, n), with `report`, `reconstruct`, `project` and `save`. Columns
        of W and rows of H have about equal norms, unless there are penalties.

    Raises
    ------
    TypeError
        Complex, masked or non-numeric data, an operator without entries, or an argument of the wrong type.
    ValueError
        X is empty, not two-dimensional, not finite or has negative entries; W or H do not fit it; an argument
        is out of range, or a solver does not know the loss.

    Warns
    -----
    ConvergenceWarning
        When `max_iter` came before `tol`.

    See Also
    --------
    corange.NMF : As a scikit-learn estimator.
    corange.svd : Without signs: unique, and the smallest error of its rank.

    Notes
    -----
    Coordinate descent [1]_ on products that stay in cache, several sweeps for each pass over X [2]_, and
    extrapolation [3]_; or ADMM [4]_, then block principal pivoting [5]_; compression [6]_ is by a randomized
    range finder, which takes seven passes with the last step. The last step solves for W exactly,
    so that `NMFResult.project` of the same rows gives the same W. Components that die are started again.

    An iteration costs two products with X of `rank` columns and ``2 * (m + n) * rank**2`` flops a sweep; the
    objective comes for free, and is computed entry by entry where rounding would hide it, at relative errors
    below about 2e-7 (float64). Memory: about ``4 * (m + n) * rank`` numbers; "admm" takes half as much again;
    every further start ``3 * (m + n) * rank``.

    References
    ----------
    .. [1] A. Cichocki, R. Zdunek, S. Amari (2007). Hierarchical ALS algorithms for nonnegative matrix and 3D
       tensor factorization. doi:10.1007/978-3-540-74494-8_22.
    .. [2] N. Gillis, F. Glineur (2012). Accelerated multiplicative updates and hierarchical ALS algorithms
       for nonnegative matrix factorization. doi:10.1162/NECO_a_00256.
    .. [3] A. Ang, N. Gillis (2019). Accelerating nonnegative matrix factorization algorithms using
       extrapolation. doi:10.1162/neco_a_01157.
    .. [4] K. Huang, N. Sidiropoulos, A. Liavas (2016). A flexible and efficient algorithmic framework for
       constrained matrix and tensor factorization. doi:10.1109/TSP.2016.2576427.
    .. [5] J. Kim, H. Park (2011). Fast nonnegative matrix factorization: an active-set-like method and
       comparisons. doi:10.1137/110821172.
    .. [6] N. B. Erichson, A. Mendible, S. Wihlborn, J. N. Kutz (2018). Randomized nonnegative matrix
       factorization. doi:10.1016/j.patrec.2018.01.007.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> rng = np.random.default_rng(0)
    >>> X = rng.random((60, 4)) @ rng.random((4, 40))
    >>> W, H = cr.nmf(X, 4, max_iter=500, random_state=0)
    >>> bool(np.linalg.norm(X - W @ H) < 0.01 * np.linalg.norm(X))
    True

    Weights of the same components in other rows:

    >>> W2, _ = cr.nmf(X[:5], 4, H=H, hold="H")
    >>> bool(np.allclose(W2, W[:5]))
    True
    """
    beta = check_loss(loss)
    options = Options(
        beta=beta,
        solver=check_choice("solver", solver, NMF_SOLVERS),
        l1=check_penalties("l1", l1),
        l2=check_penalties("l2", l2),
        tol=check_nonnegative("tol", tol),
        max_iter=check_integer("max_iter", max_iter, low=1),
        seed=random_key(random_state),
        callback=as_core_callback(check_callback("callback", callback)),
        hold=check_hold(hold, W, H),
    )
    init = check_choice("init", init, INITS)
    rank = check_integer("rank", rank, low=1)
    check_boolean("check_finite", check_finite)
    rows = X.shape[0] if hasattr(X, "shape") else len(X)
    weights = None if sample_weight is None else check_weights("sample_weight", sample_weight, rows)
    problem = make_problem(X, mask=mask, weights=weights, check_finite=check_finite)
    starts = check_integer("starts", starts, low=1)
    if starts > 1 and (W is not None or H is not None):
        raise ValueError(
            f"starts={starts} needs W and H to be left to corange; call nmf once for each of yours."
        )
    result = solve_nmf(problem, rank, options, init=init, W=W, H=H, starts=starts)
    warn_unless_converged(shortfall(result.report))
    return result


def solve_nmf(
    problem: Problem,
    rank: int,
    options: Options,
    *,
    init: str = "auto",
    W: npt.ArrayLike | None = None,
    H: npt.ArrayLike | None = None,
    starts: int = 1,
) -> NMFResult:
    """Factor a checked matrix with checked options; the body of `nmf`."""
    matrix = problem.matrix
    solve, options = find_solver(options, masked=problem.mask is not None)
    m, n = matrix.shape
    given = [
        None if Y is None else check_factor(name, Y, shape, matrix.dtype)
        for name, Y, shape in (("W", W, (m, rank)), ("H", H, (rank, n)))
    ]
    if given[0] is not None and given[1] is not None:
        how, left, right = "given factors", given[0].copy(), np.ascontiguousarray(given[1].T)
    else:
        how = init if starts == 1 else f"{init} and {starts - 1} random starts"
        left, right = _complete(problem, rank, init, options, given)
    pairs = [(left, right)]
    for number in range(1, starts):
        pairs.append(start(matrix, rank, "random", (options.seed + number) % 2**64))
    best, raw = solve(problem, pairs, options)
    left, right = pairs[best]
    history = tuple(NMFIteration(*record) for record in raw.pop("history"))
    report = NMFReport(
        task="nmf",
        matrix=matrix.description,
        rank=rank,
        beta=options.beta,
        init=how,
        l1=options.l1,
        l2=options.l2,
        tol=options.tol,
        history=history,
        starts=tuple(raw.pop("starts")),
        **raw,
    )
    return NMFResult(left, right.T, report=report)


def _complete(
    problem: Problem, rank: int, init: str, options: Options, given: list[Array | None]
) -> tuple[Array, Array]:
    """Start what is not given; what is found by an exact step from the other factor needs no start."""
    (m, n), dtype = problem.matrix.shape, problem.matrix.dtype
    W, H = given
    if options.beta == 2.0 and problem.mask is None and options.hold[0] and W is not None:
        return W.copy(), np.zeros((n, rank), dtype)
    if options.beta == 2.0 and problem.mask is None and options.hold[1] and H is not None:
        return np.zeros((m, rank), dtype), np.ascontiguousarray(H.T)
    left, right = begin(problem, rank, init, options)
    return (left if W is None else W.copy()), (right if H is None else np.ascontiguousarray(H.T))


def begin(problem: Problem, rank: int, init: str, options: Options) -> tuple[Array, Array]:
    """Start both factors; "auto" spends a few iterations on which components are worth it."""
    if init != "auto":
        return start(problem.matrix, rank, init, options.seed)
    if rank > min(problem.matrix.shape) or correlated(problem):
        return start(problem.matrix, rank, "random", options.seed)
    spare = min(rank // _SPARE, min(problem.matrix.shape) - rank)
    plain = options.l1 == options.l2 == (0.0, 0.0) and options.beta == 2.0 and problem.mask is None
    if spare == 0 or not plain or problem.matrix.kind != "sparse":
        return start(problem.matrix, rank, "nndsvda", options.seed)
    W, Ht = start(problem.matrix, rank + spare, "nndsvda", options.seed)
    solve_frobenius(problem, [(W, Ht)], dataclasses.replace(options, max_iter=_TRIAL, callback=None))
    energy = np.square(W, dtype=np.float64).sum(axis=0) * np.square(Ht, dtype=np.float64).sum(axis=0)
    kept = np.sort(np.argsort(-energy, kind="stable")[:rank])
    return np.ascontiguousarray(W[:, kept]), np.ascontiguousarray(Ht[:, kept])


def project(X: Any, result: NMFResult) -> Array:
    """Find W for other rows; the body of `NMFResult.project`."""
    report = result.report
    problem = make_problem(X, remedy=None)
    check_length("columns", problem.matrix.shape[1], result.shape[1])
    options = Options(
        beta=report.beta, l1=report.l1, l2=report.l2, hold=(False, True), tol=report.tol or 1e-4
    )
    W: Array = solve_nmf(problem, result.rank, options, H=result.H).W
    return W


def find_solver(options: Options, *, masked: bool, instead: str | None = None) -> tuple[Solver, Options]:
    """Look the solver up, or the one to take instead where there is no such; or say which there are."""
    kind = kind_of(options.beta, masked=masked)
    if (kind, options.solver) not in SOLVERS and instead is not None:
        options = dataclasses.replace(options, solver=instead)
    solver = SOLVERS.get((kind, options.solver))
    if solver is None:
        known = [repr(name) for k, name in SOLVERS if k == kind]
        there = f"it has {', '.join(known)}" if known else "it is not supported"
        raise ValueError(f"solver={options.solver!r} does not know the loss {kind!r}; {there}.")
    return solver, options


def shortfall(report: NMFReport) -> str | None:
    """Say what did not converge; None when there is nothing to warn of, as after a callback stopped it."""
    if report.converged or report.stopped in ("callback", "completed") or report.tol == 0.0:
        return None
    where = "an objective that still falls"
    if report.gradient == report.gradient:  # nan with missing entries, where the objective alone decides
        where = f"a projected gradient of {report.gradient:.2g} of the first one, above tol={report.tol:g}"
    return (
        f"{report.task} stopped after max_iter={report.iterations} iterations with {where}. Raise max_iter "
        "or tol; result.report has the details."
    )
