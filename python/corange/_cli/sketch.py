"""``corange sketch``: compress the matrix in a file."""

import argparse
import time

import numpy as np

from corange._cli.inputs import open_matrix
from corange._cli.output import checked_path, written
from corange.sketching import sketch

__all__ = ["run"]


def run(options: argparse.Namespace) -> None:
    """Sketch and save."""
    out = checked_path(options.out, options.input, ".npy")
    matrix = open_matrix(options.input)
    start = time.perf_counter()
    result = sketch(matrix, options.size, kind=options.kind, axis=options.axis, random_state=options.seed)
    seconds = time.perf_counter() - start
    np.save(out, result)
    m, n = matrix.shape
    rows, columns = result.shape
    print(f"{options.kind} sketch of {m} x {n}: {rows} x {columns}, {result.dtype}, {seconds:.2f} s")
    print(f"{written(out)}; read it with numpy.load({str(out)!r})")
