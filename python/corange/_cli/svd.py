"""``corange svd``: factor the matrix in a file."""

import argparse
from pathlib import Path

from corange._cli.inputs import open_matrix
from corange._cli.progress import ProgressLine
from corange._report import readable_bytes
from corange._results import SVDResult
from corange._svd import svd

__all__ = ["run"]


def run(options: argparse.Namespace) -> None:
    """Factor, report, save."""
    out = output_path(options.out, options.input)
    matrix = open_matrix(options.input)
    with ProgressLine(options.rank, options.tol, shown=options.progress) as progress:
        result = svd(
            matrix,
            options.rank,
            error=options.error,
            tol=options.tol,
            center=options.center,
            max_passes=options.max_passes,
            random_state=options.seed,
            callback=progress,
        )
    print(result.report)
    print(f"  {'values':<10} {leading_values(result)}")
    if out is not None:
        result.save(out)
        print(
            f"\nwrote {out} ({readable_bytes(out.stat().st_size)}); read it with corange.load({str(out)!r})"
        )


def output_path(out: Path | None, source: Path) -> Path | None:
    """Find out before a long computation whether its result can be written."""
    if out is None:
        return None
    if out.suffix != ".npz":
        out = out.with_name(out.name + ".npz")
    if not out.parent.is_dir():
        raise ValueError(f"--out: there is no folder {str(out.parent)!r}.")
    if out.exists() and source.exists() and out.samefile(source):
        raise ValueError(f"--out: {out} is the input.")
    return out


def leading_values(result: SVDResult, most: int = 6) -> str:
    """Write the first singular values, and the last."""
    shown = [f"{value:.6g}" for value in result.s[:most]]
    if result.rank > most:
        shown += ["...", f"{result.s[-1]:.6g}"]
    return " ".join(shown)
