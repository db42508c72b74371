"""Which solver serves which loss: another one joins by a line here."""

from corange._nmf._frobenius import solve_frobenius
from corange._nmf._problem import Solver

__all__ = ["SOLVERS", "kind_of"]

# (kind of loss, solver as the user names it) -> function; see `kind_of` and `Solver`.
SOLVERS: dict[tuple[str, str], Solver] = {
    ("frobenius", "auto"): solve_frobenius,
    ("frobenius", "hals"): solve_frobenius,
    ("frobenius", "bpp"): solve_frobenius,
    ("frobenius", "admm"): solve_frobenius,
}


def kind_of(beta: float, *, masked: bool) -> str:
    """Name the kind of loss: "frobenius", "kullback-leibler" or "beta", with "masked " before it."""
    kind = {2.0: "frobenius", 1.0: "kullback-leibler"}.get(beta, "beta")
    return f"masked {kind}" if masked else kind
