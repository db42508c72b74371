"""``corange nmf``: nonnegative factors of the matrix in a file."""

import argparse
import sys
import time
from typing import TextIO

from corange._cli.inputs import open_matrix
from corange._cli.svd import output_path
from corange._nmf import nmf
from corange._report import NMFIteration, readable_bytes

__all__ = ["run"]

_WIDTH = 24
_SECONDS_BETWEEN = 0.1


def run(options: argparse.Namespace) -> None:
    """Factor, report, save."""
    out = output_path(options.out, options.input)
    matrix = open_matrix(options.input)
    bar = IterationBar(options.max_iter, shown=options.progress)
    try:
        result = nmf(
            matrix,
            options.rank,
            loss=options.loss,
            solver=options.solver,
            init=options.init,
            starts=options.starts,
            tol=options.tol,
            max_iter=options.max_iter,
            random_state=options.seed,
            callback=bar,
        )
    finally:
        bar.clear()
    print(result.report)
    if out is not None:
        result.save(out)
        print(
            f"\nwrote {out} ({readable_bytes(out.stat().st_size)}); read it with corange.load({str(out)!r})"
        )


class IterationBar:
    """A callback that shows how many of the iterations are done, and the objective.

    Parameters
    ----------
    most : int
        Iterations after which it stops.
    shown : bool or None
        None shows it when the stream is a terminal.
    stream : file, default=sys.stderr
        Where to write.
    """

    def __init__(self, most: int, *, shown: bool | None = None, stream: TextIO | None = None) -> None:
        self._most = most
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._shown = self._terminal if shown is None else shown
        self._last = 0.0

    def __call__(self, info: NMFIteration) -> None:
        """Show the state of an iteration, ten times a second at most."""
        now = time.monotonic()
        if not self._shown or now - self._last < _SECONDS_BETWEEN:
            return
        self._last = now
        filled = round(_WIDTH * min(info.iteration / self._most, 1.0))
        bar = "#" * filled + "." * (_WIDTH - filled)
        line = (
            f"[{bar}] iteration {info.iteration} of at most {self._most}, objective {info.objective:.6g}, "
            f"gradient {info.gradient:.1e}, {info.elapsed:.1f} s"
        )
        self._stream.write(f"\r\x1b[K{line}" if self._terminal else f"{line}\n")
        self._stream.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._shown and self._terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
