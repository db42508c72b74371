"""Generalized Nystrom: a low-rank approximation from two products that do not depend on each other."""

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from corange._estimate import known_norm, measured_error
from corange._factor_core import pseudo_inverse
from corange._look import Look, by_error, rank_or_error
from corange._operators import Matrix, as_matrix, as_operator
from corange._random import RandomState, Stream, random_key
from corange._results import SVDResult
from corange._rows import Rows, adjoint_product
from corange._single_pass import (
    CONFIDENCE,
    PROBES,
    basis,
    multiply,
    normal_rows,
    paired_signs,
    single_pass_report,
)
from corange._small import svd
from corange._validation import check_boolean, check_integer, check_rank, shown

__all__ = ["generalized_nystrom"]

Array = npt.NDArray[Any]


def generalized_nystrom(
    A: Any,
    rank: int | None = None,
    *,
    error: float | None = None,
    oversample: int | None = None,
    random_state: RandomState = None,
    check_finite: bool = True,
) -> SVDResult:
    """Approximate a matrix from two products that do not depend on each other: one look at the data.

    Parameters
    ----------
    A : matrix of shape (m, n)
        Whatever `corange.svd` accepts. Data that are read by rows are read once.
    rank : int, optional
        Triplets to return, at least 1. More than min(m, n) is clipped with a warning. Give either this or
        `error`.
    error : float, optional
        Instead of a rank: as few triplets as bring the estimate of ``||A - approximation||_F / ||A||_F`` down
        to this, 0 < error < 1, found by sketches of 64, 128, ... columns with a look at the data each.
    oversample : int, optional
        Columns of the sketch beyond the rank, 10 by default; the sketch of the rows is larger by half.
    random_state : None, int, Generator or RandomState, default=None
        The same integer always gives the same bits, on any number of threads.
    check_finite : bool, default=True
        Refuse NaN and infinity.

    Returns
    -------
    SVDResult
        Unpacks into U (m, rank), s (rank,) and Vt (rank, n), the SVD of the approximation, with `report`,
        `reconstruct`, `project` and `save`.

    Raises
    ------
    TypeError, ValueError
        As `corange.svd`.

    Warns
    -----
    ConvergenceWarning
        When `error` is out of reach.

    See Also
    --------
    corange.svd : Converged triplets, in more passes.
    corange.sketching.StreamingSVD : For data that come in pieces.

    Notes
    -----
    ``(A X) (Y' A X)^+ (Y' A)`` with Gaussian X of r = rank + oversample and Y of 1.5 r columns [1]_, where
    singular values of ``Y' A X`` below 10 eps of the largest are left out for stability; then truncated to
    the rank. One product with A and one with its transpose, 5 r + 20 flops per stored entry in all, and
    O((m + n) r**2) for the rest; memory for 3 * r * (m + n) numbers. The expected error before truncation
    is at most ``sqrt(1 + r / (r / 2 - 1)) * sqrt(1 + k / (r - k - 1))`` times the best one of each rank k
    below r - 1. The error in the report comes from 10 more random vectors in the second product.

    References
    ----------
    .. [1] Y. Nakatsukasa (2020). Fast and stable randomized low-rank matrix approximation. arXiv:2009.11392.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> A = cr.testing.matrix_with_spectrum(0.5 ** np.arange(40), (300, 200), random_state=0)
    >>> result = cr.generalized_nystrom(A, 10, random_state=0)
    >>> bool(np.linalg.norm(A - result.reconstruct()) < 1.2 * 0.5**10 / np.sqrt(0.75))
    True
    """
    error = rank_or_error(rank, error)
    if error is not None and oversample is not None:
        raise ValueError(f"oversample has no meaning with error, got oversample={shown(oversample)}.")
    oversample = check_integer("oversample", 10 if oversample is None else oversample, low=0)
    seed = random_key(random_state)
    check_boolean("check_finite", check_finite)
    matrix = as_matrix(A, check_finite=check_finite)
    by_rows = Rows(A, "A", check_finite=check_finite) if matrix.kind == "rows" else None
    if error is not None:
        return by_error(
            lambda size: _generalized_look(matrix, by_rows, size, seed),
            lambda found: found.s,
            min(matrix.shape),
            error,
        )
    assert rank is not None
    rank = check_rank(rank, matrix.shape)
    return _generalized_look(matrix, by_rows, min(*matrix.shape, rank + oversample), seed)(rank, 0, 0)


def _generalized_look(matrix: Matrix, by_rows: Rows | None, size: int, seed: int) -> Look[SVDResult]:
    """Look at A once; the function returned makes a result of any rank of what was seen."""
    started = time.perf_counter()
    (m, n), dtype = matrix.shape, matrix.dtype
    tall = min(m, size + (size + 1) // 2)
    X = normal_rows(seed, Stream.GENERALIZED_COLUMNS, 0, n, size, dtype)
    Y = normal_rows(seed, Stream.GENERALIZED_ROWS, 0, m, tall + PROBES, dtype)
    left, right = _products(matrix, X, Y) if by_rows is None else _products_by_rows(by_rows, X, Y)
    triplets = _assemble(left, np.ascontiguousarray(right[:, :tall]), adjoint_product(Y, left)[:tall])
    probes, seen = Y[:, tall:], right[:, tall:].astype(np.float64)
    norm = known_norm(matrix)

    def truncated(rank: int, passes: int, products: int) -> SVDResult:
        U, s, V = _leading(triplets, rank, dtype)
        missing = seen - multiply(V, s[:, np.newaxis] * adjoint_product(U, probes))
        report = single_pass_report(
            "generalized_nystrom",
            matrix.description,
            f"generalized Nystrom, {dtype}, {size} columns and {tall} rows",
            rank,
            measured_error(seen, missing, confidence=CONFIDENCE, relative=True, norm=norm),
            norm=norm,
            passes=passes + (2 if by_rows is None else 1),
            products=products + size + tall + PROBES,
            size=size,
            seconds=time.perf_counter() - started,
            peak_bytes=(m + n) * (2 * size + 2 * tall + 2 * PROBES) * dtype.itemsize,
        )
        return SVDResult(U, s, V.T, report=report)

    return truncated


def _products(matrix: Matrix, X: Array, Y: Array) -> tuple[Array, Array]:
    """Compute A X and A' Y."""
    (m, n), dtype = matrix.shape, matrix.dtype
    left, right = np.empty((m, X.shape[1]), dtype), np.empty((n, Y.shape[1]), dtype)
    matrix.operator.apply(X, left)
    matrix.operator.apply_adjoint(Y, right)
    return left, right


def _products_by_rows(rows: Rows, X: Array, Y: Array) -> tuple[Array, Array]:
    """Compute both while every block of rows is read once."""
    left = np.empty((rows.shape[0], X.shape[1]), rows.dtype)
    right = np.zeros((rows.shape[1], Y.shape[1]), rows.dtype)
    for start, block in rows.blocks():
        here = slice(start, start + block.shape[0])
        operator = as_operator(block, check_finite=False)
        operator.apply(X, left[here])
        part = np.empty_like(right)
        operator.apply_adjoint(Y[here], part)
        right += part
    return left, right


def _assemble(left: Array, right: Array, core: Array) -> tuple[tuple[Array, Array], Array, Array, Array]:
    """Turn A X, A' Y and Y' A X into bases and the SVD of the approximation in them, in double precision."""
    bases = basis(left), basis(right)
    small = [adjoint_product(Q, Z).astype(np.float64) for Q, Z in zip(bases, (left, right), strict=True)]
    inverse = pseudo_inverse(core, left.dtype)
    outer = multiply(small[0], inverse.right) / inverse.values, multiply(small[1], inverse.left)
    return bases, *svd(multiply(outer[0], outer[1].T))


def _leading(
    triplets: tuple[tuple[Array, Array], Array, Array, Array], rank: int, dtype: np.dtype[Any]
) -> tuple[Array, Array, Array]:
    """Leave the bases with as many triplets."""
    bases, inner, s, outer = triplets
    U, V = multiply(bases[0], inner[:, :rank]), multiply(bases[1], outer[:rank].T)
    signs = paired_signs(U, V)
    return U * signs, s[:rank].astype(dtype), V * signs
