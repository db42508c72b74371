"""``corange nmf``: nonnegative factors of the matrix in a file."""

import argparse

from corange._cli.inputs import open_matrix
from corange._cli.output import checked_path, save_result
from corange._cli.progress import NMFProgress
from corange._nmf import nmf

__all__ = ["run"]


def run(options: argparse.Namespace) -> None:
    """Factor, report, save."""
    out = options.out and checked_path(options.out, options.input)
    matrix = open_matrix(options.input)
    with NMFProgress(options.max_iter, shown=options.progress) as progress:
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
            callback=progress,
        )
    print(result.report)
    save_result(result, out)
