"""Which solver serves which loss: another one joins by a line here."""

from corange._nmf._divergence import solve_descent, solve_masked, solve_multiplicative
from corange._nmf._frobenius import solve_frobenius
from corange._nmf._problem import Solver

__all__ = ["SOLVERS", "Solver", "kind_of"]

# (kind of loss, solver as the user names it) -> function; see `kind_of` and `Solver`.
SOLVERS: dict[tuple[str, str], Solver] = {
    ("frobenius", "auto"): solve_frobenius,
    ("frobenius", "hals"): solve_frobenius,
    ("frobenius", "bpp"): solve_frobenius,
    ("frobenius", "admm"): solve_frobenius,
    ("frobenius", "mu"): solve_multiplicative,
    ("kullback-leibler", "auto"): solve_descent,
    ("kullback-leibler", "cd"): solve_descent,
    ("kullback-leibler", "mu"): solve_multiplicative,
    ("beta", "auto"): solve_multiplicative,
    ("beta", "mu"): solve_multiplicative,
    ("masked frobenius", "auto"): solve_masked,
    ("masked kullback-leibler", "auto"): solve_descent,
    ("masked kullback-leibler", "cd"): solve_descent,
    ("masked kullback-leibler", "mu"): solve_multiplicative,
}


def kind_of(beta: float, *, masked: bool) -> str:
    """Name the kind of loss: "frobenius", "kullback-leibler" or "beta", with "masked " before it."""
    kind = {2.0: "frobenius", 1.0: "kullback-leibler"}.get(beta, "beta")
    return f"masked {kind}" if masked else kind
