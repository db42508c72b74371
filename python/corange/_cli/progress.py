"""A progress line on stderr."""

import math
import sys
import time
from typing import TextIO

from corange._report import Iteration

__all__ = ["ProgressLine"]

_WIDTH = 24
_SECONDS_BETWEEN = 0.1


class ProgressLine:
    """A callback that shows how far an iteration has come; a context that tidies up afterwards.

    On a terminal one line is rewritten; elsewhere each update is a line of its own.

    Parameters
    ----------
    wanted : int or None
        Triplets wanted, when that is known beforehand.
    tol : float
        The tolerance to reach.
    shown : bool or None
        None shows it when the stream is a terminal.
    stream : file, default=sys.stderr
        Where to write.
    """

    def __init__(
        self, wanted: int | None, tol: float, *, shown: bool | None = None, stream: TextIO | None = None
    ) -> None:
        self._wanted, self._tol = wanted, tol
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._shown = self._terminal if shown is None else shown
        self._last = 0.0

    def __enter__(self) -> "ProgressLine":
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown and self._terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def __call__(self, info: Iteration) -> None:
        """Show the state of an iteration, ten times a second at most."""
        now = time.monotonic()
        if not self._shown or now - self._last < _SECONDS_BETWEEN:
            return
        self._last = now
        line = self.line(info)
        self._stream.write(f"\r\x1b[K{line}" if self._terminal else f"{line}\n")
        self._stream.flush()

    def line(self, info: Iteration) -> str:
        """Describe an iteration in one line."""
        state = f"iteration {info.iteration}, basis {info.basis}"
        if not math.isnan(info.residual):
            state += f", residual {info.residual:.1e} -> {self._tol:.0e}"
        if self._wanted is None:
            return f"{state}, {info.elapsed:.1f} s"
        filled = round(_WIDTH * min(info.converged / self._wanted, 1.0))
        bar = "#" * filled + "." * (_WIDTH - filled)
        return f"[{bar}] {info.converged}/{self._wanted} converged, {state}, {info.elapsed:.1f} s"
