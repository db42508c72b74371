"""Which solver serves which loss: another one joins by a line here."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from corange._nmf._compressed import solve_compressed
from corange._nmf._divergence import solve_descent, solve_masked, solve_multiplicative
from corange._nmf._frobenius import solve_frobenius
from corange._nmf._problem import Options, Problem, Solver

__all__ = ["SOLVERS", "Solver", "kind_of"]

Array = npt.NDArray[Any]


def one_by_one(solve: Callable[[Problem, Array, Array, Options], dict[str, Any]]) -> Solver:
    """Let a solver of one start do several, and keep the best end."""

    def solve_all(
        problem: Problem, starts: list[tuple[Array, Array]], options: Options
    ) -> tuple[int, dict[str, Any]]:
        ends = []
        for W, Ht in starts:
            ends.append(solve(problem, W, Ht, options))
            if ends[-1]["stopped"] == "callback":
                break
        objectives = [end["objective"] for end in ends]
        best = int(np.argmin(objectives))
        return best, ends[best] | {"starts": objectives if len(starts) > 1 else []}

    return solve_all


# (kind of loss, solver as the user names it) -> function; see `kind_of` and `Solver`.
SOLVERS: dict[tuple[str, str], Solver] = {
    ("frobenius", "auto"): solve_frobenius,
    ("frobenius", "hals"): solve_frobenius,
    ("frobenius", "bpp"): solve_frobenius,
    ("frobenius", "admm"): solve_frobenius,
    ("frobenius", "compressed"): solve_compressed,
    ("frobenius", "mu"): one_by_one(solve_multiplicative),
    ("kullback-leibler", "auto"): one_by_one(solve_descent),
    ("kullback-leibler", "cd"): one_by_one(solve_descent),
    ("kullback-leibler", "mu"): one_by_one(solve_multiplicative),
    ("beta", "auto"): one_by_one(solve_multiplicative),
    ("beta", "mu"): one_by_one(solve_multiplicative),
    ("masked frobenius", "auto"): one_by_one(solve_masked),
    ("masked kullback-leibler", "auto"): one_by_one(solve_descent),
    ("masked kullback-leibler", "cd"): one_by_one(solve_descent),
    ("masked kullback-leibler", "mu"): one_by_one(solve_multiplicative),
}


def kind_of(beta: float, *, masked: bool) -> str:
    """Name the kind of loss: "frobenius", "kullback-leibler" or "beta", with "masked " before it."""
    kind = {2.0: "frobenius", 1.0: "kullback-leibler"}.get(beta, "beta")
    return f"masked {kind}" if masked else kind
