"""The report of a nonnegative factorization."""

import dataclasses
import json
from typing import Any, NamedTuple

from corange._report._text import counted

__all__ = ["NMFIteration", "NMFReport"]


class NMFIteration(NamedTuple):
    """What the callback of `corange.nmf` is given after each iteration, and a report's history is made of.

    Attributes
    ----------
    iteration : int
        Number of the iteration, from 1.
    objective : float
        What is minimized, penalties included, at the best factors so far.
    gradient : float
        Norm of the projected gradient relative to that of the first iteration; nan where it is not known.
    elapsed : float
        Seconds since the iteration began.
    """

    iteration: int
    objective: float
    gradient: float
    elapsed: float


@dataclasses.dataclass(frozen=True)
class NMFReport:
    """How a nonnegative factorization was computed, and how well it fits.

    Printing a report gives a readable summary; the attributes hold the numbers.

    Attributes
    ----------
    task : str
        The function that made the result, such as ``"nmf"``.
    matrix : str
        The matrix as corange saw it: shape, kind, precision.
    method : str
        Algorithm, and what it switched to.
    rank : int
        Number of components.
    beta : float
        Of the beta-divergence that was minimized: 2 is Frobenius, 1 is Kullback-Leibler.
    init : str
        How the search started.
    l1, l2 : (float, float)
        Absolute penalties of W and of H.
    tol : float
        Tolerance that was asked for.
    converged : bool
        Whether it was met; an exact solution of a convex problem (one factor held) always is.
    stopped : str
        ``"converged"``, ``"max_iterations"``, ``"callback"`` or ``"completed"``.
    iterations : int
        Times that both factors were improved.
    passes : int
        Passes over the matrix; those of the start are not counted.
    products : int
        Columns that were multiplied with the matrix or with its transpose.
    objective : float
        What was minimized, penalties included; for Frobenius ``0.5 * ||X - W H||**2`` and penalties.
    error : float
        Frobenius: ``||X - W H|| / ||X||``, 0 for a zero matrix. Other losses: the divergence relative to
        that of the best constant, or nan.
    norm_fro : float
        Frobenius norm of X.
    gradient : float
        Norm of the projected gradient at the end, relative to the first iteration's.
    reseeded : int
        Components that had died and were started again.
    seconds : float
        Time spent computing.
    history : tuple of NMFIteration
        One record an iteration.
    starts : tuple of float
        Objectives that several starts came to, those included that were given up; empty for one start.
    """

    task: str
    matrix: str
    method: str
    rank: int
    beta: float
    init: str
    l1: tuple[float, float]
    l2: tuple[float, float]
    tol: float
    converged: bool
    stopped: str
    iterations: int
    passes: int
    products: int
    objective: float
    error: float
    norm_fro: float
    gradient: float
    reseeded: int
    seconds: float
    history: tuple[NMFIteration, ...]
    starts: tuple[float, ...] = ()

    def __str__(self) -> str:
        state = "converged" if self.converged else f"NOT converged: {self.stopped}"
        work = (
            f"{counted(self.passes, 'pass', 'passes')} over X, {self.products} products, {self.seconds:.3g} s"
        )
        lines = [
            f"{self.task} of a {self.matrix}",
            f"  status     {state}, {counted(self.iterations, 'iteration')}",
            f"  method     {self.method}, from {self.init}",
            f"  work       {work}",
            f"  objective  {self.objective:.6g}, relative error {self.error:.6g}",
        ]
        if self.reseeded:
            lines.append(f"  components {counted(self.reseeded, 'start')} again of components that had died")
        return "\n".join(lines)

    def to_json(self) -> str:
        """Everything, as JSON (numbers that are nan included)."""
        return json.dumps({f.name: getattr(self, f.name) for f in dataclasses.fields(self)})

    @classmethod
    def from_json(cls, text: str) -> "NMFReport":
        """Rebuild a report from `to_json`."""
        fields: dict[str, Any] = json.loads(text)
        for name in ("l1", "l2", "starts"):
            fields[name] = tuple(fields.get(name, ()))
        fields["history"] = tuple(NMFIteration(*row) for row in fields["history"])
        return cls(**fields)
