"""The report of a least-squares solution."""

import dataclasses
import json
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from corange._report._text import counted

__all__ = ["LstsqIteration", "LstsqReport"]


class LstsqIteration(NamedTuple):
    """What the callback of `corange.lstsq` is given after each round of refinement.

    Attributes
    ----------
    iteration : int
        Steps so far, of refinement and of the inner solver.
    error : float
        Estimated backward error relative to ||A||_F, the largest of all right-hand sides.
    elapsed : float
        Seconds since refinement began.
    """

    iteration: int
    error: float
    elapsed: float


@dataclasses.dataclass(frozen=True)
class LstsqReport:
    """How a least-squares problem was solved, and how accurate the answer is.

    Printing a report gives a readable summary; the attributes hold the numbers.

    Attributes
    ----------
    task : str
        ``"lstsq"`` or ``"ridge"``.
    matrix : str
        The matrix as corange saw it: shape, kind, precision.
    method : str
        How the preconditioner was made, or ``"sketch and solve, "`` and the embedding.
    alpha : float
        Weight of the penalty.
    tol : float
        Backward error that was asked for, relative to ||A||_F.
    converged : bool
        Whether the backward errors meet `tol`, or what rounding leaves.
    stopped : str
        ``"converged"``, ``"stalled"``, ``"callback"``, ``"max_iterations"``, or ``"completed"`` for
        sketch-and-solve.
    rank : int
        Numerical rank of A (with a penalty: of A on top of a multiple of the identity).
    condition : float
        Estimated condition number, of the part of A that counts as nonzero.
    residual_norms : ndarray of shape (k,)
        ``||A x - b||`` for each right-hand side.
    backward_errors : ndarray of shape (k,)
        Estimates of the smallest change of A, relative to ||A||_F, that makes x exact; nan for
        sketch-and-solve.
    iterations : int
        Steps of refinement and of the inner solver.
    refinements : int
        Times the residual was computed anew and corrected.
    sketch_size : int
        Rows of the sketch, 0 without one.
    passes : int
        Passes over the matrix, without the look at its entries before.
    products : int
        Columns that were multiplied with A or with its transpose; Gram matrices and sketches not counted.
    norm_fro : float
        Frobenius norm of A.
    seconds : float
        Time spent computing.
    """

    task: str
    matrix: str
    method: str
    alpha: float
    tol: float
    converged: bool
    stopped: str
    rank: int
    condition: float
    residual_norms: npt.NDArray[np.float64]
    backward_errors: npt.NDArray[np.float64]
    iterations: int
    refinements: int
    sketch_size: int
    passes: int
    products: int
    norm_fro: float
    seconds: float

    def __str__(self) -> str:
        state = "converged" if self.converged else f"NOT converged: {self.stopped}"
        work = f"{counted(self.passes, 'pass', 'passes')} over A, {counted(self.iterations, 'step')}"
        lines = [
            f"{self.task} with a {self.matrix}",
            f"  status     {state}, {counted(self.refinements, 'refinement')}",
            f"  method     {self.method}",
            f"  work       {work}, {self.seconds:.3g} s",
            f"  matrix     rank {self.rank}, condition number about {self.condition:.2g}",
            f"  residual   at most {self.residual_norms.max(initial=0.0):.4g}",
        ]
        if not np.isnan(self.backward_errors).any():
            lines.append(
                f"  error      backward, about {self.backward_errors.max(initial=0.0):.2g} of the norm of A"
            )
        return "\n".join(lines)

    def to_json(self) -> str:
        """Everything, as JSON (numbers that are nan included)."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        arrays = ("residual_norms", "backward_errors")
        return json.dumps(fields | {name: fields[name].tolist() for name in arrays})

    @classmethod
    def from_json(cls, text: str) -> "LstsqReport":
        """Rebuild a report from `to_json`."""
        fields = json.loads(text)
        for name in ("residual_norms", "backward_errors"):
            fields[name] = np.array(fields[name], dtype=np.float64)
        return cls(**fields)
