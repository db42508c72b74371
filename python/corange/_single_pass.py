"""What single-pass methods share: regenerated test matrices, bases, products in the core, reports."""

from typing import Any

import numpy as np
import numpy.typing as npt

from corange import _core
from corange._estimate import Estimate
from corange._report import Report
from corange._rows import product

__all__ = ["CONFIDENCE", "PROBES", "basis", "multiply", "normal_rows", "paired_signs", "single_pass_report"]

Array = npt.NDArray[Any]

PROBES = 10  # random vectors that measure the error in a report
CONFIDENCE = 0.95


def normal_rows(
    seed: int, stream: int, start: int, stop: int, columns: int, dtype: np.dtype[Any]
) -> npt.NDArray[Any]:
    """Regenerate rows of a Gaussian test matrix, whose entries depend on seed, stream and position alone."""
    block = np.empty((stop - start, columns), dtype)
    _core.random_block("normal", seed, stream=stream, row0=start, col0=0, out=block)
    return block


def basis(X: Array) -> Array:
    """Find orthonormal columns that span those of X; the identity when X is not tall."""
    if X.shape[0] <= X.shape[1]:
        return np.eye(X.shape[0], dtype=X.dtype)
    Q = np.empty_like(X, order="C")
    _core.orthonormalize(np.ascontiguousarray(X), Q)
    return Q


def multiply(A: Array, B: Array) -> Array:
    """Multiply dense matrices in the core, in the precision of A."""
    return product(A, B.astype(A.dtype, copy=False))


def paired_signs(U: Array, V: Array) -> Array:
    """Find signs that make the largest entry of each column of U and its column of V positive."""
    largest = np.maximum(U.max(axis=0), V.max(axis=0))
    smallest = np.minimum(U.min(axis=0), V.min(axis=0))
    return np.where(-smallest > largest, -1, 1).astype(U.dtype)


def single_pass_report(
    task: str,
    matrix: str,
    method: str,
    rank: int,
    error: Estimate,
    *,
    norm: float | None,
    passes: int,
    products: int,
    size: int,
    seconds: float,
    peak_bytes: int,
    exact: bool = False,
) -> Report:
    """Describe a computation without iterations, whose relative error is known or estimated."""
    return Report(
        task=task,
        matrix=matrix,
        method=method,
        rank=rank,
        tol=np.nan,
        converged=True,
        stopped="completed",
        passes=passes,
        products=products,
        iterations=0,
        restarts=0,
        block_size=size,
        max_basis=size,
        seconds=seconds,
        residuals=np.empty(0),
        scale=np.nan,
        norm_fro=np.nan if norm is None else norm,
        error=error.value,
        error_kind="exact" if exact else "estimated",
        error_bound=error.upper,
        error_confidence=error.confidence,
        history=(),
        peak_bytes=peak_bytes,
    )
