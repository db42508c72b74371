"""Solvers for beta-divergences and for missing entries: one factor after the other, row by row."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from corange import _core
from corange._nmf._blocked import solve_blocked
from corange._nmf._entries import (
    Entries,
    balance,
    entries_of,
    entropy,
    in_units,
    padded,
    relative_loss,
    total,
)
from corange._nmf._problem import Options, Problem
from corange._nmf._revive import revive
from corange._operators import Matrix
from corange._rows import Rows

__all__ = ["multiplicative_power", "refuse_zeros", "solve_descent", "solve_masked", "solve_multiplicative"]

Array = npt.NDArray[Any]

_SWEEPS = 2  # sweeps over the coordinates of a row before the other factor's turn
_INNER, _INNER_TOL = (
    20,
    1e-3,
)  # the same with missing entries, where they cost little beside the Gram matrices
_WINDOW = 10  # iterations over which the objective must fall


@dataclasses.dataclass
class _State:
    """Padded factors in the units of the entries, and what to do with one of them.

    `improve(rows, U, Y, l1, l2)` updates U for fixed Y and returns the loss afterwards, without penalties and
    without `constant`.
    """

    entries: Entries
    beta: float
    rank: int
    left: Array
    right: Array
    l1: tuple[float, float]
    l2: tuple[float, float]
    improve: Callable[[Any, Array, Array, float, float], float]
    constant: float = 0.0
    masked_squares: bool = False
    known: float = 0.0  # the objective, after the last iteration
    reseeded: int = 0

    def penalties(self) -> float:
        """Add up what l1 and l2 contribute to the objective."""
        total = 0.0
        for factor, l1, l2 in zip((self.left, self.right), self.l1, self.l2, strict=True):
            if l1 or l2:
                total += l1 * float(factor.sum(dtype=np.float64)) + 0.5 * l2 * float(
                    np.square(factor, dtype=np.float64).sum()
                )
        return total

    def iterate(self, hold: tuple[bool, bool]) -> float:
        """Improve both factors; the objective."""
        loss = 0.0
        if not hold[0]:
            loss = self.improve(self.entries.rows, self.left, self.right, self.l1[0], self.l2[0])
        if not hold[1]:
            loss = self.improve(self.entries.columns, self.right, self.left, self.l1[1], self.l2[1])
        return loss + self.constant + self.penalties()


def solve_descent(problem: Problem, W: Array, Ht: Array, options: Options) -> dict[str, Any]:
    """Kullback-Leibler by coordinate descent; a mask is honoured. Data in blocks are left to the updates."""
    if problem.matrix.kind == "rows" and options.solver == "auto":
        return solve_multiplicative(problem, W, Ht, options)
    k = W.shape[1]

    def improve(rows: Any, U: Array, Y: Array, l1: float, l2: float) -> float:
        return float(_core.nmf_kl_descent(rows, U, Y, k, l1, l2, _SWEEPS))

    return _solve(problem, W, Ht, options, improve, "coordinate descent")


def solve_multiplicative(problem: Problem, W: Array, Ht: Array, options: Options) -> dict[str, Any]:
    """Multiplicative updates of any beta-divergence; a mask is honoured for Kullback-Leibler."""
    beta, k = options.beta, W.shape[1]
    power = multiplicative_power(beta)
    if beta <= 0.0:
        refuse_zeros(problem.X, beta)
    if problem.matrix.kind == "rows":
        return solve_blocked(problem, W, Ht, options, power)

    def improve(rows: Any, U: Array, Y: Array, l1: float, l2: float) -> float:
        numerator, denominator = np.empty_like(U), np.empty_like(U)
        _core.nmf_terms(rows, U, Y, k, beta, numerator, denominator)
        denominator += U.dtype.type(l1) + U.dtype.type(l2) * U
        tiny = np.finfo(U.dtype).tiny
        np.divide(numerator, np.maximum(denominator, tiny), out=numerator)
        U *= numerator if power == 1.0 else numerator**power
        return 0.0

    return _solve(problem, W, Ht, options, improve, "multiplicative updates")


def multiplicative_power(beta: float) -> float:
    """Exponent of the quotient of the gradient's parts with which no step increases the divergence."""
    return 1.0 / (2.0 - beta) if beta < 1.0 else 1.0 / (beta - 1.0) if beta > 2.0 else 1.0


def solve_masked(problem: Problem, W: Array, Ht: Array, options: Options) -> dict[str, Any]:
    """Least squares over the entries that are known, each row of a factor for itself."""
    k = W.shape[1]

    def improve(rows: Any, U: Array, Y: Array, l1: float, l2: float) -> float:
        return float(_core.nmf_masked(rows, U, Y, k, l1, l2, _INNER, _INNER_TOL, False))

    return _solve(problem, W, Ht, options, improve, "alternating least squares by row")


def _solve(
    problem: Problem, W: Array, Ht: Array, options: Options, improve: Any, method: str
) -> dict[str, Any]:
    started = time.perf_counter()
    entries, roots = _entries(problem, options.beta)
    if roots is not None:
        W *= roots[:, np.newaxis].astype(W.dtype)
    half, unit = entries.exponent // 2, entries.exponent * options.beta
    state = _State(
        entries,
        options.beta,
        W.shape[1],
        padded(W, -half),
        padded(Ht, -half),
        _scaled(options.l1, half - unit),
        _scaled(options.l2, 2 * half - unit),
        improve,
        _constant(entries, problem, options.beta),
        problem.mask is not None and options.beta == 2.0,
    )
    first = _gradient(state, options)
    measured = method == "multiplicative updates"
    may_revive = problem.mask is None and roots is None and not any((*options.l1, *options.l2, *options.hold))
    matrix = problem.matrix if may_revive else None
    history, stopped = _iterate(state, options, started, unit, measured=measured, matrix=matrix)
    last = _gradient(state, options)
    W[:], Ht[:] = (np.ldexp(Y[:, : state.rank], half) for Y in (state.left, state.right))
    if roots is not None:
        W /= np.where(roots > 0.0, roots, 1.0)[:, np.newaxis].astype(W.dtype)
    if not any((*options.l1, *options.l2, *options.hold)) and roots is None:
        balance(W, Ht)
    loss = state.known - state.penalties()
    if not state.masked_squares:
        loss = float(
            _core.nmf_terms(entries.rows, state.left, state.right, state.rank, options.beta, None, None)
        )
    return {
        "converged": stopped == "converged",
        "stopped": stopped,
        "method": method,
        "iterations": len(history),
        "passes": 2 * len(history),
        "products": 2 * len(history) * state.rank,
        "objective": in_units(loss + state.penalties(), unit),
        "error": _relative(loss, entries, problem, options.beta),
        "norm_fro": _norm(entries),
        "gradient": 0.0 if first == 0.0 else last / first,
        "reseeded": state.reseeded,
        "seconds": time.perf_counter() - started,
        "history": tuple(history),
    }


def _entries(problem: Problem, beta: float) -> tuple[Entries, Array | None]:
    """Lay open the matrix; factors of the rows stand for weights where no entry is missing.

    A divergence of degree beta is multiplied with v when a row and its fit are multiplied with v**(1/beta).
    """
    if problem.mask is not None:
        return entries_of(problem.X, missing=True, weights=problem.weights), None
    if problem.weights is None:
        return entries_of(problem.X), None
    if beta <= 0.0:
        raise ValueError(f"sample_weight needs a loss with a beta above 0, got beta={beta:g}.")
    roots = problem.weights ** (1.0 / beta)
    if scipy.sparse.issparse(problem.X):
        return entries_of(
            (scipy.sparse.diags_array(roots) @ problem.X).tocsr().astype(problem.matrix.dtype)
        ), roots
    return entries_of(
        np.asarray(problem.X, dtype=problem.matrix.dtype) * roots[:, np.newaxis].astype(problem.matrix.dtype)
    ), roots


def _iterate(
    state: _State, options: Options, started: float, unit: float, *, measured: bool, matrix: Matrix | None
) -> tuple[list[tuple[int, float, float, float]], str]:
    """Go on until the objective has almost stopped falling.

    `measured`: the objective must be asked for; `matrix`: X, when components that have died may start again.
    """
    history: list[tuple[int, float, float, float]] = []
    size = total(
        state.entries.values, state.entries.exponent, np.square if state.beta == 2.0 else np.positive
    )
    values: list[float] = []
    for iteration in range(1, options.max_iter + 1):
        if matrix is not None and state.reseeded < 3 * state.rank:
            state.reseeded += revive(matrix, state.entries.exponent, state.rank, state.left, state.right)
        value = state.iterate(options.hold)
        if measured:
            value = state.penalties() + float(
                _core.nmf_terms(
                    state.entries.rows, state.left, state.right, state.rank, options.beta, None, None
                )
            )
        values.append(value)
        state.known = value
        history.append((iteration, in_units(value, unit), float("nan"), time.perf_counter() - started))
        if options.callback is not None:
            names = ("iteration", "objective", "gradient", "elapsed")
            if options.callback(dict(zip(names, history[-1], strict=True))):
                return history, "callback"
        before = values[-1 - _WINDOW] if iteration > _WINDOW else np.inf
        exact = value <= options.tol**2 * size  # would fall for ever, towards zero
        if options.tol > 0.0 and (exact or before - value <= 0.01 * options.tol * abs(value)):
            return history, "converged"
    return history, "max_iterations"


def _gradient(state: _State, options: Options) -> float:
    """Norm of the projected gradient of the factors that may change; nan where a mask leaves it unknown."""
    if state.masked_squares:
        return float("nan")
    total = 0.0
    sides = ((state.entries.rows, state.left, state.right), (state.entries.columns, state.right, state.left))
    for (rows, U, Y), held, l1, l2 in zip(sides, options.hold, state.l1, state.l2, strict=True):
        if held:
            continue
        numerator, denominator = np.empty_like(U), np.empty_like(U)
        _core.nmf_terms(rows, U, Y, state.rank, state.beta, numerator, denominator)
        slope = (denominator.astype(np.float64) - numerator + l1 + l2 * U)[:, : state.rank]
        slope = np.where(U[:, : state.rank] > 0, slope, np.minimum(slope, 0.0))
        total += float(np.square(slope).sum())
    return float(np.sqrt(total))


def _scaled(penalties: tuple[float, float], exponent: float) -> tuple[float, float]:
    return in_units(penalties[0], exponent), in_units(penalties[1], exponent)


def _constant(entries: Entries, problem: Problem, beta: float) -> float:
    """Sum of x log x - x, which the descent leaves out."""
    if beta != 1.0:
        return 0.0
    if problem.mask is None or problem.weights is None:
        return total(entries.values, entries.exponent, entropy)
    weights = np.repeat(problem.weights, np.diff(problem.X.indptr))
    return float((weights * entropy(np.ldexp(entries.values.astype(np.float64), -entries.exponent))).sum())


def _relative(loss: float, entries: Entries, problem: Problem, beta: float) -> float:
    """Relative to what the entries that count tell; unknown of other losses, and with weights."""
    if beta == 2.0:
        squares = total(entries.values, entries.exponent, np.square)
        return relative_loss(loss, beta, squares=squares, mass=0.0, constant=0.0, count=0)
    if beta != 1.0 or problem.weights is not None:
        return float("nan")
    shape = problem.matrix.shape
    return relative_loss(
        loss,
        beta,
        squares=0.0,
        mass=total(entries.values, entries.exponent, np.positive),
        constant=_constant(entries, problem, beta),
        count=entries.values.size if problem.mask is not None else shape[0] * shape[1],
    )


def _norm(entries: Entries) -> float:
    squares = total(entries.values, entries.exponent, np.square)
    return float(np.ldexp(np.sqrt(squares), entries.exponent))


def refuse_zeros(X: Any, beta: float) -> None:
    """Say that divergences with beta at most 0 are infinite at zeros."""
    if scipy.sparse.issparse(X):
        zeros = X.nnz < np.prod(X.shape) or X.data.min() == 0
    else:
        zeros = any(np.min(block) == 0 for _, block in Rows(X, "X", check_finite=False).blocks())
    if zeros:
        raise ValueError(
            f"X must have positive entries only for a divergence with beta={beta:g} (0 is Itakura-Saito): "
            "it is infinite at zeros. Add a small number, or take a beta above 0."
        )
