"""``corange cur``: columns and rows of the matrix in a file."""

import argparse

import numpy as np
import numpy.typing as npt

from corange._cli.inputs import open_matrix
from corange._cli.output import checked_path, save_result
from corange._cur import cur

__all__ = ["run"]

_MOST = 12


def run(options: argparse.Namespace) -> None:
    """Decompose, report, save."""
    out = options.out and checked_path(options.out, options.input)
    result = cur(
        open_matrix(options.input),
        options.rank,
        error=options.error,
        method=options.method,
        core=options.core,
        rows=options.rows,
        random_state=options.seed,
    )
    print(result.report)
    print(f"  {'columns':<10} {_listed(result.columns)}")
    print(f"  {'rows':<10} {_listed(result.rows)}")
    save_result(result, out)


def _listed(indices: npt.NDArray[np.int64]) -> str:
    """Write the first indices, in the order of choice."""
    numbers = [str(i) for i in indices]
    return " ".join(numbers[:_MOST] + (["..."] if len(numbers) > _MOST else []))
