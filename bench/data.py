"""Inputs of the benchmarks, made from fixed seeds; and storing them for fresh processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

_BLOCK_ROWS = 8192
# Files above this size are mapped, not read, as their users would do.
_MAP_ABOVE_BYTES = 1 << 30


def python_sources() -> sp.csr_matrix:
    """TF-IDF matrix of the standard library's own sources, float64, indices of 32 bits."""
    import corange.datasets

    return sp.csr_matrix(corange.datasets.python_sources().data)


def few_python_sources() -> sp.csr_matrix:
    """TF-IDF matrix of the sources of one package, for quick runs."""
    import corange.datasets

    return sp.csr_matrix(corange.datasets.python_sources(folder=Path(json.__file__).parent).data)


def decaying_dense(rows: int, columns: int, rank: int, noise: float) -> np.ndarray:
    """Singular values 1/i for i up to ``rank``, random orthonormal vectors, plus white noise."""
    rng = np.random.default_rng(0)
    left = np.linalg.qr(rng.standard_normal((rows, rank)))[0]
    right = np.linalg.qr(rng.standard_normal((columns, rank)))[0]
    matrix = (left / np.arange(1, rank + 1)) @ right.T
    for start in range(0, rows, _BLOCK_ROWS):
        block = matrix[start : start + _BLOCK_ROWS]
        block += noise * rng.standard_normal(block.shape)
    return matrix


def write_decaying_file(path: Path, rows: int, columns: int, rank: int, noise: float) -> None:
    """Write a float32 ``.npy`` file of such a matrix, block by block.

    The left vectors are Gaussian columns over ``sqrt(rows)``: orthonormal up to sampling error,
    which costs no memory to make.
    """
    rng = np.random.default_rng(0)
    right = np.linalg.qr(rng.standard_normal((columns, rank)))[0]
    scaled = (right / np.arange(1, rank + 1)).T.astype(np.float32) / np.float32(np.sqrt(rows))
    header = {"descr": "<f4", "fortran_order": False, "shape": (rows, columns)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, rows, _BLOCK_ROWS):
            size = min(_BLOCK_ROWS, rows - start)
            block = rng.standard_normal((size, rank), dtype=np.float32) @ scaled
            block += np.float32(noise) * rng.standard_normal((size, columns), dtype=np.float32)
            block.tofile(file)


def uniform_sparse(rows: int, columns: int, per_row: int, decay: bool = False) -> sp.csr_matrix:
    """Exactly ``per_row`` distinct, sorted, uniformly drawn columns a row; normal values.

    Parameters
    ----------
    decay : bool
        Divide column j by j + 1, so that the singular values fall.
    """
    rng = np.random.default_rng(0)
    indices = np.sort(rng.integers(0, columns, (rows, per_row), dtype=np.int32), axis=1)
    while (np.diff(indices, axis=1) == 0).any():
        twice = np.zeros(indices.shape, dtype=bool)
        twice[:, 1:] = np.diff(indices, axis=1) == 0
        indices[twice] = rng.integers(0, columns, np.count_nonzero(twice), dtype=np.int32)
        indices.sort(axis=1)
    values = rng.standard_normal(rows * per_row)
    flat = indices.ravel()
    if decay:
        values /= flat + 1.0
    starts = np.arange(0, rows * per_row + 1, per_row, dtype=np.int32)
    return sp.csr_matrix((values, flat, starts), shape=(rows, columns))


def miniature(matrix: Any) -> Any:
    """Make a small matrix of the same kind, to warm up on."""
    rng = np.random.default_rng(0)
    if sp.issparse(matrix):
        small = sp.random(500, 400, density=0.1, format=matrix.format, rng=rng)
        return small.astype(matrix.dtype)
    return rng.standard_normal((500, 400)).astype(matrix.dtype)


def store(matrix: Any, folder: Path, name: str) -> Path:
    """Write a matrix where :func:`load` finds it, and return the file."""
    if sp.issparse(matrix):
        path = folder / f"{name}.npz"
        sp.save_npz(path, matrix, compressed=False)
    else:
        path = folder / f"{name}.npy"
        np.save(path, matrix)
    return path


def load(path: Path) -> Any:
    """Read a stored matrix; one that does not comfortably fit in memory is mapped."""
    if path.suffix == ".npz":
        return sp.load_npz(path)
    mapped = path.stat().st_size > _MAP_ABOVE_BYTES
    return np.load(path, mmap_mode="r" if mapped else None)
