"""``corange update``: a saved SVD brought up to date with rows or columns in a file."""

import argparse
import zipfile
from pathlib import Path
from typing import Any

from corange._cli.inputs import open_matrix
from corange._cli.output import checked_path, save_result
from corange._cli.svd import leading_values
from corange._results import SVDResult, is_saved_result, load
from corange._update import update_svd

__all__ = ["run"]


def run(options: argparse.Namespace) -> None:
    """Update, report, save."""
    out = options.out and checked_path(options.out, options.input)
    result = load(options.result)
    if not isinstance(result, SVDResult):
        raise ValueError(f"{options.result} holds no SVD but {type(result).__name__}.")
    change = {("rows", "columns")[options.axis]: _change(options.input)}
    updated = update_svd(
        result, **change, rank=options.rank, method=options.method, random_state=options.seed
    )
    print(updated.report)
    print(f"  {'values':<10} {leading_values(updated)}")
    save_result(updated, out)


def _change(path: Path) -> Any:
    """Open a matrix, or the SVD of rows that are to be merged."""
    if zipfile.is_zipfile(path) and is_saved_result(path):
        return load(path)
    return open_matrix(path)
