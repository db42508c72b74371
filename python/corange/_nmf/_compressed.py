"""Nonnegative factorization of a matrix in a basis of its range: iterations need the matrix no more."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from corange import _core
from corange._nmf._frobenius import solve_frobenius
from corange._nmf._problem import Options, Problem
from corange._operators import Matrix
from corange._rows import frobenius_norm

__all__ = ["solve_compressed"]

Array = npt.NDArray[Any]

_SPARE = 20  # columns of the basis beyond the rank
_POWER = 2  # steps of subspace iteration


def solve_compressed(
    problem: Problem, starts: list[tuple[Array, Array]], options: Options
) -> tuple[int, dict[str, Any]]:
    """Factor ``Q (Q'X)`` instead of X, then find the best W for X itself, and its true error."""
    plain = dataclasses.replace(options, solver="auto")
    if options.hold != (False, False):  # one pass as it is
        return solve_frobenius(problem, starts, plain)
    size = min(starts[0][0].shape[1] + _SPARE, *problem.matrix.shape)
    best, raw = solve_frobenius(_compress(problem, size, options.seed), starts, plain)
    exact = dataclasses.replace(plain, hold=(False, True), callback=None)
    last = solve_frobenius(problem, [starts[best]], exact)[1]
    return best, raw | {
        "method": f"{raw['method']}, in {size} dimensions",
        "objective": last["objective"],
        "error": last["error"],
        "norm_fro": last["norm_fro"],
        "seconds": raw["seconds"] + last["seconds"],
        "passes": 2 * _POWER + 2 + last["passes"],
        "products": (2 * _POWER + 2) * size + last["products"],
    }


def _compress(problem: Problem, size: int, seed: int) -> Problem:
    """Project the columns of the matrix on a basis that nearly spans them."""
    matrix = problem.matrix
    m, n = matrix.shape
    Q = np.empty((m, size), matrix.dtype)
    _core.range_finder(matrix.operator, power=_POWER, seed=seed, out=Q)
    coordinates = np.empty((n, size), matrix.dtype)
    matrix.operator.apply_adjoint(Q, coordinates)
    operator = _core.ProductOperator(Q, coordinates.T, matrix.operator)
    small = Matrix(operator, matrix.mean, matrix.description, "dense")
    squares = None if problem.weights is None else frobenius_norm(coordinates) ** 2
    return dataclasses.replace(problem, matrix=small, squares=squares)
