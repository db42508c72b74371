"""The report of a low-rank result: what was done, how well it went, and how that is known."""

import dataclasses
import json
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from corange._report._text import counted, readable_bytes

__all__ = ["Iteration", "Report", "iterations", "report_from_core"]


class Iteration(NamedTuple):
    """What a callback is given after each iteration, and what a report's history is made of.

    Attributes
    ----------
    iteration : int
        Number of the iteration, from 1.
    basis : int
        Vectors in the basis so far.
    converged : int
        Wanted triplets (or pairs) that have met the tolerance.
    residual : float
        Largest residual among the wanted ones, relative to the largest singular value (eigenvalue), when it
        was last looked at; nan before that.
    elapsed : float
        Seconds since the call began.
    """

    iteration: int
    basis: int
    converged: int
    residual: float
    elapsed: float


@dataclasses.dataclass(frozen=True)
class Report:
    """How a result was computed, whether it converged, and how accurate it is.

    Printing a report gives a readable summary; the attributes hold the numbers.

    Attributes
    ----------
    task : str
        The function that made the result, such as ``"svd"``.
    matrix : str
        The matrix as corange saw it: shape, kind, precision.
    method : str
        Algorithm, precision, block size and basis size.
    rank : int
        Number of triplets (or pairs, or basis vectors) returned.
    tol : float
        Relative residual that was asked for, or 16 eps of the precision where that is more: smaller ones are
        lost in rounding. nan for a method without one.
    converged : bool
        Whether everything returned meets `tol`.
    stopped : str
        Why the iteration ended: ``"converged"``, ``"max_passes"``, ``"callback"``, ``"exact"`` (a direct
        method was cheaper), ``"stalled"`` (residuals stopped falling before they met `tol`, because of
        rounding or an operator that never answers the same twice) or ``"completed"`` (a fixed number of
        passes).
    passes : int
        Passes over the matrix; a product A'(AX) done in one reading of A counts once.
    products : int
        Columns that were multiplied with A or with its transpose.
    iterations, restarts : int
        Blocks added to the basis, and times it was compressed.
    block_size, max_basis : int
        Columns multiplied at a time, and the most vectors the basis may hold.
    seconds : float
        Time spent computing.
    residuals : ndarray of shape (rank,)
        Residual of each triplet, ||A' u - s v||, or of each pair, ||A v - w v||; absolute, to be compared
        with `scale`.
    scale : float
        The unit of `tol`: the largest singular value, or the largest magnitude of an eigenvalue that was
        seen, wanted or not.
    norm_fro : float
        Frobenius norm of the matrix, nan when nothing had to know it.
    error : float
        ||A - approximation|| / ||A|| in the norm of `error_norm`, nan when unknown.
    error_kind : str
        ``"exact"`` (from norms that are known) or ``"estimated"`` (from random probes).
    error_bound : float
        The relative error is at most this, with probability `error_confidence`.
    error_confidence : float
        Probability that `error_bound` holds; 1 when it is exact.
    history : tuple of Iteration
        One entry an iteration.
    peak_bytes : int
        Working memory at its largest, without the matrix.
    error_norm : str
        ``"Frobenius"``; ``"trace"`` where a positive semidefinite matrix is approximated from some columns.
    """

    task: str
    matrix: str
    method: str
    rank: int
    tol: float
    converged: bool
    stopped: str
    passes: int
    products: int
    iterations: int
    restarts: int
    block_size: int
    max_basis: int
    seconds: float
    residuals: npt.NDArray[np.float64]
    scale: float
    norm_fro: float
    error: float
    error_kind: str
    error_bound: float
    error_confidence: float
    history: tuple[Iteration, ...]
    peak_bytes: int
    error_norm: str = "Frobenius"

    @property
    def relative_residuals(self) -> npt.NDArray[np.float64]:
        """The residuals divided by `scale`: what `tol` bounds."""
        return self.residuals / self.scale if self.scale > 0 else np.zeros_like(self.residuals)

    def __str__(self) -> str:
        lines = [f"{self.task} of rank {self.rank} of a {self.matrix}"]
        lines += [f"  {label:<10} {text}" for label, text in self._summary() if text]
        return "\n".join(lines)

    def _summary(self) -> list[tuple[str, str]]:
        """Labels and texts of the printed summary; an empty text is left out."""
        return [
            ("status", self._status()),
            ("method", self.method),
            ("work", self._work()),
            ("residuals", self._residuals()),
            ("error", self._error()),
        ]

    def _status(self) -> str:
        reasons = {
            "converged": "converged",
            "exact": "computed directly",
            "max_passes": "NOT converged: stopped at the largest number of passes",
            "callback": "NOT converged: stopped by the callback",
            "stalled": "NOT converged: the residuals stopped falling",
        }
        text = reasons.get(self.stopped, self.stopped)
        if self.stopped == "callback" and self.converged:
            text = "converged; stopped by the callback"
        if self.iterations:
            text += f", {counted(self.iterations, 'iteration')}, {counted(self.restarts, 'restart')}"
        return text

    def _work(self) -> str:
        return (
            f"{counted(self.passes, 'pass', 'passes')} over A, {counted(self.products, 'product column')}, "
            f"{self.seconds:.3g} s, {readable_bytes(self.peak_bytes)} of working memory"
        )

    def _residuals(self) -> str:
        if not self.residuals.size:
            return ""
        text = f"at most {self.relative_residuals.max():.2g} of the largest value"
        return text if np.isnan(self.tol) else f"{text}; asked for: {self.tol:.2g}"

    def _error(self) -> str:
        if np.isnan(self.error):
            return ""
        which = f"in the {self.error_norm} norm, {self.error_kind}"
        text = f"||A - approximation|| / ||A|| = {self.error:.4g} {which}"
        if self.error_kind == "exact" or np.isnan(self.error_bound):
            return text
        return f"{text}; at most {self.error_bound:.4g} with probability {self.error_confidence:g}"

    def to_json(self) -> str:
        """Everything but the arrays, as JSON (numbers that are nan or infinite included)."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        del fields["residuals"], fields["history"]
        return json.dumps(fields, default=dataclasses.asdict)

    @classmethod
    def from_json(cls, text: str, residuals: npt.NDArray[np.float64], history: npt.ArrayLike) -> "Report":
        """Rebuild a report from `to_json` and its arrays."""
        return cls(residuals=residuals, history=iterations(np.asarray(history)), **json.loads(text))


def report_from_core(raw: dict[str, Any], *, task: str, matrix: str, values: npt.NDArray[Any]) -> Report:
    """Make a report of what the core returns, the description of the matrix, and the values found."""
    fields = dict(raw)
    residuals = np.asarray(fields.pop("residuals"), dtype=np.float64)
    history = iterations(fields.pop("history"))
    return Report(
        task=task,
        matrix=matrix,
        rank=residuals.size,
        residuals=residuals,
        scale=float(fields.pop("scale", np.abs(values).max(initial=0.0))),
        history=history,
        **fields,
    )


def iterations(rows: Any) -> tuple[Iteration, ...]:
    """Turn rows of five numbers into records with whole numbers where numbers are counts."""
    return tuple(Iteration(int(i), int(b), int(c), float(r), float(t)) for i, b, c, r, t in rows)
