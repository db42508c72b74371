"""The report of an updated SVD: how far the kept factors can be from the true ones."""

import dataclasses
import json
from typing import Any

import numpy as np
import numpy.typing as npt

from corange._report._low_rank import Report, iterations
from corange._report._text import counted

__all__ = ["Drift", "UpdateReport"]


@dataclasses.dataclass(frozen=True)
class Drift:
    """What was left out while a truncated SVD was kept current, since it was last exact.

    Every update cuts off what does not fit in the rank. The kept factors are the SVD of a matrix that differs
    from the true one by the sum of what was cut off.

    Attributes
    ----------
    lost : float
        Sum of the Frobenius norms of what was cut off: ``||A - U S Vt||_F`` is at most this.
    lost_square : float
        Sum of their squares: of appended rows alone (or columns alone) exactly ``||A||_F**2 - ||s||**2``.
    spread : float
        Sum of their spectral norms: no singular value is off by more.
    gap : float
        Sum of the squares of their spectral norms: of appended rows alone (or columns alone), no square of a
        singular value is off by more.
    direction : {"", "rows", "columns", "mixed"}
        What was appended; "mixed" too when rows were reduced before.
    """

    lost: float = 0.0
    lost_square: float = 0.0
    spread: float = 0.0
    gap: float = 0.0
    direction: str = ""

    def after(self, lost: float, spectral: float, direction: str) -> "Drift":
        """Add what one update cut off."""
        same = self.direction in ("", direction)
        return Drift(
            self.lost + lost,
            self.lost_square + lost**2,
            self.spread + spectral,
            self.gap + spectral**2,
            direction if same else "mixed",
        )

    def joined(self, other: "Drift") -> "Drift":
        """Add what was cut off from rows that are merged."""
        alike = other.direction in ("", "rows")
        return Drift(
            self.lost + other.lost,
            self.lost_square + other.lost_square,
            self.spread + other.spread,
            self.gap + other.gap,
            self.direction if alike else "mixed",
        )

    def scaled(self, factor: float) -> "Drift":
        """Let everything so far count less."""
        square = factor**2
        numbers = (self.lost * factor, self.lost_square * square, self.spread * factor, self.gap * square)
        return Drift(*numbers, self.direction)

    def bounds(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Bound the relative error of each singular value that is kept; infinite where it is zero."""
        s = np.asarray(values, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            general = self.spread / s
            if self.direction in ("rows", "columns"):
                general = np.minimum(general, np.hypot(1.0, np.sqrt(self.gap) / s) - 1.0)
        return np.where(np.isnan(general), 0.0, general)

    def trusted(self, values: npt.NDArray[Any], error: float = 0.05) -> int:
        """Count the leading singular values that are right to a relative error, whatever the data are."""
        within = self.bounds(values) <= error
        return int(within.size if within.all() else within.argmin())

    def energy(self, values: npt.NDArray[Any]) -> float:
        """Part of the squared norm of the true matrix that was cut off."""
        kept = float(np.square(np.asarray(values, dtype=np.float64)).sum())
        total = kept + self.lost_square
        return self.lost_square / total if total > 0 else 0.0


@dataclasses.dataclass(frozen=True)
class UpdateReport(Report):
    """A report of `corange.update_svd` and its relatives.

    Attributes
    ----------
    drift : Drift
        How far the kept factors can be from the true SVD.
    updates : int
        Updates since the first SVD.
    flushes : int
        Times that a small factor was multiplied into a tall one.
    condition : float
        Condition number (Frobenius, over the size) of the worse of the small factors, 1 after a flush: so
        many rounding units are lost when rows are written. It is flushed beyond 1000.
    trusted : int
        Leading singular values that `drift` bounds to 5 %: time to refit when you use more.
    """

    drift: Drift = dataclasses.field(default_factory=Drift)
    updates: int = 0
    flushes: int = 0
    condition: float = 1.0
    trusted: int = 0

    def _summary(self) -> list[tuple[str, str]]:
        text = f"{counted(self.updates, 'update')}; {100 * self.drift.lost_square / self._total():.2g}%"
        lines = [*super()._summary(), ("drift", f"{text} of the squared norm cut off on the way")]
        return [*lines, ("trust", self._advice())]

    def _advice(self) -> str:
        if np.isnan(self.drift.spread):
            return "unknown: the first result did not tell its error"
        if self.trusted == self.rank:
            return "all values within 5% of the truth"
        known = f"{self.trusted} of {self.rank} values within 5% of the truth, whatever the data"
        return f"{known}; if you use more, keep more, or refit: corange.svd(A, rank, start=result)"

    def _total(self) -> float:
        return self.norm_fro**2 or 1.0

    @classmethod
    def from_json(
        cls, text: str, residuals: npt.NDArray[np.float64], history: npt.ArrayLike
    ) -> "UpdateReport":
        """Rebuild a report from `to_json` and its arrays."""
        fields = json.loads(text)
        fields["drift"] = Drift(**fields["drift"])
        return cls(residuals=residuals, history=iterations(np.asarray(history)), **fields)
