"""``corange sketch``: compress the matrix in a file."""

import argparse
import time

import numpy as np

from corange._cli.inputs import open_matrix
from corange._report import readable_bytes
from corange.sketching import sketch

__all__ = ["run"]


def run(options: argparse.Namespace) -> None:
    """Sketch and save."""
    out = options.out if options.out.suffix == ".npy" else options.out.with_name(options.out.name + ".npy")
    if not out.parent.is_dir():
        raise ValueError(f"--out: there is no folder {str(out.parent)!r}.")
    if out.exists() and options.input.exists() and out.samefile(options.input):
        raise ValueError(f"--out: {out} is the input.")
    matrix = open_matrix(options.input)
    start = time.perf_counter()
    result = sketch(matrix, options.size, kind=options.kind, axis=options.axis, random_state=options.seed)
    seconds = time.perf_counter() - start
    np.save(out, result)
    m, n = matrix.shape
    rows, columns = result.shape
    print(f"{options.kind} sketch of {m} x {n}: {rows} x {columns}, {result.dtype}, {seconds:.2f} s")
    print(f"wrote {out} ({readable_bytes(out.stat().st_size)}); read it with numpy.load({str(out)!r})")
