"""``corange info``: what is in a file."""

import argparse
import zipfile
from pathlib import Path
from typing import Any

import scipy.sparse

from corange._cli.inputs import open_matrix
from corange._operators import as_matrix
from corange._report import readable_bytes
from corange._results import is_saved_result, load

__all__ = ["run"]


def run(options: argparse.Namespace) -> None:
    """Print what is known about a matrix, or the report of a result."""
    path: Path = options.input
    if zipfile.is_zipfile(path) and is_saved_result(path):
        result = load(path)
        print(result, result.report, sep="\n")
        return
    A = open_matrix(path)
    facts = describe(A)
    facts["file"] = f"{path} ({readable_bytes(path.stat().st_size)})"
    for label, text in facts.items():
        print(f"{label:<14} {text}")


def describe(A: Any) -> dict[str, str]:
    """Collect facts about a matrix in one pass over it."""
    matrix = as_matrix(A, check_finite=False)
    m, n = matrix.shape
    scan = matrix.operator.scan()
    facts = {"matrix": matrix.description, "stored as": f"{A.dtype}"}
    if scipy.sparse.issparse(A):
        facts["stored as"] = f"{A.dtype}, {A.format.upper()}"
        facts["density"] = f"{A.nnz / (m * n):.3g}, {A.nnz / m:.3g} entries a row"
    facts["not finite"] = f"{scan['bad_count']} entries"
    if scan["first_bad"] is not None:
        facts["not finite"] += ", the first at [{}, {}]".format(*scan["first_bad"])
    facts["largest entry"] = f"{scan['max_abs']:.6g} in magnitude"
    facts["norm"] = f"{scan['norm_fro']:.6g} (Frobenius)"
    return facts
