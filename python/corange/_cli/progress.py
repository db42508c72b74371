"""Progress lines on stderr."""

import abc
import math
import sys
import time
from typing import Any, Self, TextIO

from corange._report import Iteration, NMFIteration

__all__ = ["NMFProgress", "SVDProgress"]

_WIDTH = 24
_SECONDS_BETWEEN = 0.1


class ProgressLine(abc.ABC):
    """A callback that shows how far an iteration has come; a context that tidies up afterwards.

    On a terminal one line is rewritten; elsewhere each update is a line of its own.

    Parameters
    ----------
    shown : bool or None
        None shows it when the stream is a terminal.
    stream : file, default=sys.stderr
        Where to write.
    """

    def __init__(self, *, shown: bool | None = None, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._shown = self._terminal if shown is None else shown
        self._last = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown and self._terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def __call__(self, info: Any) -> None:
        """Show the state of an iteration, ten times a second at most."""
        now = time.monotonic()
        if not self._shown or now - self._last < _SECONDS_BETWEEN:
            return
        self._last = now
        line = self.line(info)
        self._stream.write(f"\r\x1b[K{line}" if self._terminal else f"{line}\n")
        self._stream.flush()

    @abc.abstractmethod
    def line(self, info: Any) -> str:
        """Describe an iteration in one line."""


class SVDProgress(ProgressLine):
    """How many triplets have converged.

    Parameters
    ----------
    wanted : int or None
        Triplets wanted, when that is known beforehand.
    tol : float
        The tolerance to reach.
    **where : bool, file
        See `ProgressLine`.
    """

    def __init__(self, wanted: int | None, tol: float, **where: Any) -> None:
        super().__init__(**where)
        self._wanted, self._tol = wanted, tol

    def line(self, info: Iteration) -> str:
        """Describe an iteration in one line."""
        state = f"iteration {info.iteration}, basis {info.basis}"
        if not math.isnan(info.residual):
            state += f", residual {info.residual:.1e} -> {self._tol:.0e}"
        if self._wanted is None:
            return f"{state}, {info.elapsed:.1f} s"
        bar = _bar(info.converged / self._wanted)
        return f"{bar} {info.converged}/{self._wanted} converged, {state}, {info.elapsed:.1f} s"


class NMFProgress(ProgressLine):
    """How many of the iterations are done, and the objective.

    Parameters
    ----------
    most : int
        Iterations after which it stops.
    **where : bool, file
        See `ProgressLine`.
    """

    def __init__(self, most: int, **where: Any) -> None:
        super().__init__(**where)
        self._most = most

    def line(self, info: NMFIteration) -> str:
        """Describe an iteration in one line."""
        return (
            f"{_bar(info.iteration / self._most)} iteration {info.iteration} of at most {self._most}, "
            f"objective {info.objective:.6g}, gradient {info.gradient:.1e}, {info.elapsed:.1f} s"
        )


def _bar(done: float) -> str:
    """Draw a share of one."""
    filled = round(_WIDTH * min(done, 1.0))
    return f"[{'#' * filled}{'.' * (_WIDTH - filled)}]"
