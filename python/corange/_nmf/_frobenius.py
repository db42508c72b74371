"""Solvers for the Frobenius norm: the core does it all."""

from typing import Any

import numpy as np
import numpy.typing as npt

from corange import _core
from corange._nmf._problem import Options, Problem

__all__ = ["solve_frobenius"]

Array = npt.NDArray[Any]


def solve_frobenius(problem: Problem, W: Array, Ht: Array, options: Options) -> dict[str, Any]:
    """Minimize ``0.5 * ||diag(weights)**0.5 (X - W H)||**2`` and penalties, in place.

    Rows are scaled by the roots of their weights, and so is W while the core works; the l1 penalty of a row
    is then in proportion to its root.
    """
    weights = problem.weights
    roots = None if weights is None else np.sqrt(weights)
    if roots is not None:
        W *= roots[:, np.newaxis].astype(W.dtype)
    raw: dict[str, Any] = _core.nmf(
        problem.matrix.operator,
        W,
        Ht,
        solver=options.solver,
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
        W /= np.where(roots > 0.0, roots, 1.0)[:, np.newaxis].astype(W.dtype)
    return raw
