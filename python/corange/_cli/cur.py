"""``corange cur``: columns and rows of the matrix in a file."""

import argparse

import numpy as np
import numpy.typing as npt

from corange._cli.inputs import open_matrix
from corange._cli.svd import output_path
from corange._cur import cur
from corange._report import readable_bytes

__all__ = ["run"]

_MOST = 12


def run(options: argparse.Namespace) -> None:
    """Decompose, report, save."""
    out = output_path(options.out, options.input)
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
    if out is not None:
        result.save(out)
        print(
            f"\nwrote {out} ({readable_bytes(out.stat().st_size)}); read it with corange.load({str(out)!r})"
        )


def _listed(indices: npt.NDArray[np.int64]) -> str:
    """Write the first indices, in the order of choice."""
    numbers = [str(i) for i in indices]
    return " ".join(numbers[:_MOST] + (["..."] if len(numbers) > _MOST else []))
