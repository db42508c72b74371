"""Multiplicative updates of data that are read block by block: once an iteration, for both factors."""

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from corange import _core
from corange._nmf._entries import (
    Entries,
    balance,
    entries_of,
    entropy,
    in_units,
    padded,
    relative_loss,
    total,
    unit_exponent,
)
from corange._nmf._problem import Options, Problem
from corange._nmf._revive import revive
from corange._rows import Rows

__all__ = ["solve_blocked"]

Array = npt.NDArray[Any]

_WINDOW = 10  # iterations over which the objective must fall


class BlockedUpdates:
    """The steps of `solve_multiplicative`: sums for H are made while W is improved block by block.

    Parameters
    ----------
    problem : Problem
        Whose matrix has rows that are read, without a mask.
    W, Ht : ndarrays of shape (m, rank) and (n, rank)
        Where to start.
    options : Options
    power : float
        Exponent of the quotient of the gradient's parts.
    exponent : int
        Even; the units of the entries are ``2.0**exponent``.
    """

    def __init__(
        self, problem: Problem, W: Array, Ht: Array, options: Options, power: float, exponent: int
    ) -> None:
        self._rows = Rows(problem.X, "X", check_finite=False)
        self._matrix, self._options, self._power, self.exponent = problem.matrix, options, power, exponent
        self._roots = None if problem.weights is None else problem.weights ** (1.0 / options.beta)
        self.rank, half = W.shape[1], exponent // 2
        if self._roots is not None:
            W = W * self._roots[:, np.newaxis].astype(W.dtype)
        self.left, self.right = padded(W, -half), padded(Ht, -half)
        unit = exponent * options.beta
        self._l1 = tuple(in_units(value, half - unit) for value in options.l1)
        self._l2 = tuple(in_units(value, 2 * half - unit) for value in options.l2)
        self.mass = self.squares = self.constant = 0.0
        self.passes = self.reseeded = 0
        plain = self._roots is None and not any((*options.l1, *options.l2, *options.hold))
        self._may_revive = plain

    def iterate(self) -> float:
        """Improve both factors; the objective of those before."""
        if self._may_revive and self.reseeded < 3 * self.rank:
            self.reseeded += revive(self._matrix, self.exponent, self.rank, self.left, self.right)
        above, below, loss = np.zeros_like(self.right), np.zeros_like(self.right), self._penalties()
        hold_left, hold_right = self._options.hold
        for entries, U in self._blocks():
            if not hold_left:
                numerator, denominator, part = self._terms(entries.rows, U, self.right)
                self._step(U, numerator, denominator, 0)
                loss += part
            if not hold_right:
                numerator, denominator, part = self._terms(entries.columns, self.right, U)
                above += numerator
                below += denominator
                loss += part if hold_left else 0.0
        if not hold_right:
            self._step(self.right, above, below, 1)
        return loss

    def objective(self) -> tuple[float, float]:
        """Compute the loss, and the penalties, in one more pass; and what errors are relative to."""
        loss = 0.0
        self.mass = self.squares = self.constant = 0.0
        for entries, U in self._blocks():
            loss += float(
                _core.nmf_terms(entries.rows, U, self.right, self.rank, self._options.beta, None, None)
            )
            values, exponent = entries.values, entries.exponent
            self.squares += total(values, exponent, np.square)
            self.mass += total(values, exponent, np.positive)
            self.constant += total(values, exponent, entropy) if self._options.beta == 1.0 else 0.0
        return loss, self._penalties()

    def unload(self, W: Array, Ht: Array) -> None:
        """Write the factors in the user's units."""
        half = self.exponent // 2
        W[:], Ht[:] = (np.ldexp(Y[:, : self.rank], half) for Y in (self.left, self.right))
        if self._roots is not None:
            W /= np.where(self._roots > 0.0, self._roots, 1.0)[:, np.newaxis].astype(W.dtype)
        elif self._may_revive:
            balance(W, Ht)

    def _blocks(self) -> Any:
        self.passes += 1
        for start, block in self._rows.blocks():
            stop = start + block.shape[0]
            if self._roots is not None:
                block = block * self._roots[start:stop, np.newaxis].astype(block.dtype)
            entries: Entries = entries_of(block, exponent=self.exponent)
            yield entries, self.left[start:stop]

    def _terms(self, rows: Any, U: Array, Y: Array) -> tuple[Array, Array, float]:
        numerator, denominator = np.empty_like(U), np.empty_like(U)
        loss = _core.nmf_terms(rows, U, Y, self.rank, self._options.beta, numerator, denominator)
        return numerator, denominator, float(loss)

    def _step(self, U: Array, numerator: Array, denominator: Array, side: int) -> None:
        denominator += U.dtype.type(self._l1[side]) + U.dtype.type(self._l2[side]) * U
        np.divide(numerator, np.maximum(denominator, np.finfo(U.dtype).tiny), out=numerator)
        U *= numerator if self._power == 1.0 else numerator**self._power

    def _penalties(self) -> float:
        sums = 0.0
        for factor, l1, l2 in zip((self.left, self.right), self._l1, self._l2, strict=True):
            if l1 or l2:
                sums += l1 * float(factor.sum(dtype=np.float64))
                sums += 0.5 * l2 * float(np.square(factor, dtype=np.float64).sum())
        return sums


def solve_blocked(problem: Problem, W: Array, Ht: Array, options: Options, power: float) -> dict[str, Any]:
    """Iterate, in place; the history has the objectives of the factors that iterations began with."""
    started, beta, shape = time.perf_counter(), options.beta, problem.matrix.shape
    exponent = unit_exponent(np.array(problem.matrix.operator.scan()["max_abs"]))
    updates = BlockedUpdates(problem, W, Ht, options, power, exponent)
    unit, history, stopped = exponent * beta, [], "max_iterations"
    for iteration in range(1, options.max_iter + 1):
        value = updates.iterate()
        history.append((iteration, in_units(value, unit), float("nan"), time.perf_counter() - started))
        if options.callback is not None:
            names = ("iteration", "objective", "gradient", "elapsed")
            if options.callback(dict(zip(names, history[-1], strict=True))):
                stopped = "callback"
                break
        before = history[-1 - _WINDOW][1] if iteration > _WINDOW else np.inf
        if options.tol > 0.0 and before - history[-1][1] <= 0.01 * options.tol * abs(history[-1][1]):
            stopped = "converged"
            break
    loss, penalties = updates.objective()
    updates.unload(W, Ht)
    sums = {"squares": updates.squares, "mass": updates.mass, "constant": updates.constant}
    known = problem.weights is None or beta == 2.0
    return {
        "converged": stopped == "converged",
        "stopped": stopped,
        "method": "multiplicative updates, block by block",
        "iterations": len(history),
        "passes": updates.passes,
        "products": 2 * len(history) * updates.rank,
        "objective": in_units(loss + penalties, unit),
        "error": relative_loss(loss, beta, count=shape[0] * shape[1], **sums) if known else float("nan"),
        "norm_fro": float(np.ldexp(np.sqrt(updates.squares), exponent)),
        "gradient": float("nan"),
        "reseeded": updates.reseeded,
        "seconds": time.perf_counter() - started,
        "history": tuple(history),
    }
