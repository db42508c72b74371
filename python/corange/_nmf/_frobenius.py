"""Solvers for the Frobenius norm: the core does it all."""

from typing import Any

import numpy as np
import numpy.typing as npt

from corange import _core
from corange._nmf._problem import Options, Problem
from corange._rows import frobenius_norm

__all__ = ["correlated", "solve_frobenius"]

Array = npt.NDArray[Any]


# Part of the energy of the rows that their mean holds, from which on components point the same way.
_CORRELATED = 0.75


def correlated(problem: Problem) -> bool:
    """Tell whether dense rows are all much like their mean: coordinate descent crawls there."""
    matrix = problem.matrix
    if matrix.kind == "sparse":
        return False
    scan = matrix.operator.scan()
    if scan is None or scan["norm_fro"] == 0.0:
        return False
    mean = frobenius_norm(np.asarray(matrix.operator.column_means()))
    return bool(mean * np.sqrt(matrix.shape[0]) > np.sqrt(_CORRELATED) * scan["norm_fro"])


def solve_frobenius(
    problem: Problem, starts: list[tuple[Array, Array]], options: Options
) -> tuple[int, dict[str, Any]]:
    """Minimize ``0.5 * ||diag(weights)**0.5 (X - W H)||**2`` and penalties, in place.

    Rows are scaled by the roots of their weights, and so is W while the core works; the l1 penalty of a row
    is then in proportion to its root.
    """
    weights, solver = problem.weights, options.solver
    if solver == "auto":
        solver = "admm" if correlated(problem) else "hals"
    roots = None if weights is None else np.sqrt(weights)
    if roots is not None:
        for W, _ in starts:
            W *= roots[:, np.newaxis].astype(W.dtype)
    best, raw = _core.nmf(
        problem.matrix.operator,
        starts,
        solver=solver,
        l1=options.l1,
        l2=options.l2,
        row_l1=roots,
        hold=options.hold,
        extrapolate=True,
        tol=options.tol,
        max_iter=options.max_iter,
        sum_squares=problem.sum_squares,
        callback=options.callback,
    )
    if roots is not None:
        W = starts[best][0]
        W /= np.where(roots > 0.0, roots, 1.0)[:, np.newaxis].astype(W.dtype)
    return best, raw
