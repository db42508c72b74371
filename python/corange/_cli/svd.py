"""``corange svd``: factor the matrix in a file."""

import argparse

from corange._cli.inputs import open_matrix
from corange._cli.output import checked_path, save_result
from corange._cli.progress import SVDProgress
from corange._results import SVDResult
from corange._svd import svd

__all__ = ["run"]


def run(options: argparse.Namespace) -> None:
    """Factor, report, save."""
    out = options.out and checked_path(options.out, options.input)
    matrix = open_matrix(options.input)
    with SVDProgress(options.rank, options.tol, shown=options.progress) as progress:
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
    save_result(result, out)


def leading_values(result: SVDResult, most: int = 6) -> str:
    """Write the first singular values, and the last."""
    shown = [f"{value:.6g}" for value in result.s[:most]]
    if result.rank > most:
        shown += ["...", f"{result.s[-1]:.6g}"]
    return " ".join(shown)
