"""An orthonormal basis for the range of a matrix, and the matrix in that basis."""

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from corange import _core
from corange._estimate import error_estimate, known_norm
from corange._operators import Matrix, as_matrix, as_operator
from corange._random import RandomState, random_key
from corange._report import Report
from corange._results import QBResult
from corange._svd import decompose, shortfall, svd_options
from corange._validation import (
    check_boolean,
    check_integer,
    check_proportion,
    check_rank,
    check_rank_or_error,
    warn_unless_converged,
)

__all__ = ["qb", "range_finder"]

Array = npt.NDArray[Any]

_PROBES = 10  # columns that measure the error in a report


def range_finder(
    A: Any,
    size: int,
    *,
    power: int = 2,
    center: bool = False,
    random_state: RandomState = None,
    check_finite: bool = True,
) -> Array:
    """Find orthonormal columns that nearly span the range of a matrix.

    Parameters
    ----------
    A : matrix of shape (m, n)
        Whatever `corange.svd` accepts.
    size : int
        Number of columns, at least 1: the rank wanted and about ten more. More than min(m, n) is clipped
        with a warning.
    power : int, default=2
        Steps of subspace iteration. 0 is enough when singular values fall quickly; 2 serves most data.
    center : bool, default=False
        Subtract the mean of each column first, without forming the difference.
    random_state : None, int, Generator or RandomState, default=None
        The same integer always gives the same bits, on any number of threads.
    check_finite : bool, default=True
        Refuse NaN and infinity before work starts.

    Returns
    -------
    ndarray of shape (m, size)
        ``A`` is close to ``Q @ (Q.T @ A)``.

    Raises
    ------
    TypeError, ValueError
        As `corange.svd`.

    Notes
    -----
    Randomized subspace iteration, orthonormalized after every product [1]_: at most ``2 * power
    + 1`` passes of 2 * size flops per stored entry, and working memory for (m + n) * size numbers. The
    expected error is at most ``sqrt(1 + rank / (size - rank - 1))`` times the best one of each rank below
    size - 1, for power=0 already.

    References
    ----------
    .. [1] N. Halko, P.-G. Martinsson, J. Tropp (2011). Finding structure with randomness. SIAM Review 53(2).
       arXiv:0909.4061.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> A = np.outer([1.0, 2.0, 2.0], [3.0, 4.0])
    >>> Q = cr.range_finder(A, 1)
    >>> np.allclose(Q @ (Q.T @ A), A)
    True
    """
    check_integer("size", size, low=1)
    power = check_integer("power", power, low=0)
    seed = random_key(random_state)
    check_boolean("center", center)
    check_boolean("check_finite", check_finite)
    matrix = as_matrix(A, center=center, check_finite=check_finite)
    return _range(matrix, check_rank(size, matrix.shape, name="size"), power, seed)


def qb(
    A: Any,
    rank: int | None = None,
    *,
    error: float | None = None,
    oversample: int = 10,
    power: int = 2,
    center: bool = False,
    random_state: RandomState = None,
    check_finite: bool = True,
) -> QBResult:
    """Factor a matrix into an orthonormal basis and coordinates, ``A ~ Q @ B``, in few passes.

    This is the cheaper relative of `corange.svd`: near-optimal in the Frobenius norm, without converged
    singular vectors.

    Parameters
    ----------
    A : matrix of shape (m, n)
        Whatever `corange.svd` accepts.
    rank : int, optional
        Columns of Q, at least 1. More than min(m, n) is clipped with a warning. Give either this or `error`.
    error : float, optional
        Instead of a rank: the smallest one with ``||A - Q B||_F <= error * ||A||_F``, 0 < error < 1. The
        basis is then the left singular vectors that `corange.svd` finds; `oversample` and `power` play no
        role.
    oversample : int, default=10
        Columns computed beyond the rank, and dropped again.
    power : int, default=2
        Steps of subspace iteration. 0 is enough when singular values fall quickly; 2 serves most data.
    center : bool, default=False
        Subtract the mean of each column first, without forming the difference.
    random_state : None, int, Generator or RandomState, default=None
        The same integer always gives the same bits, on any number of threads.
    check_finite : bool, default=True
        Refuse NaN and infinity before work starts.

    Returns
    -------
    QBResult
        Unpacks into Q (m, rank) with orthonormal columns and B = Q' A (rank, n), with `report`,
        `reconstruct`, `project` and `save`. The columns are sorted by what they contribute.

    Raises
    ------
    TypeError, ValueError
        As `corange.svd`.

    Notes
    -----
    With a rank: randomized subspace iteration [1]_, then the best `rank` directions of its
    basis; at most ``2 * power + 3`` passes, of 2 * (rank + oversample) flops per stored entry, the last for
    the error in the report.

    References
    ----------
    .. [1] N. Halko, P.-G. Martinsson, J. Tropp (2011). Finding structure with randomness. SIAM Review 53(2).
       arXiv:0909.4061.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> A = cr.testing.matrix_with_spectrum([8.0, 4.0, 2.0, 1.0], shape=(100, 60), random_state=0)
    >>> Q, B = cr.qb(A, 4, random_state=0)
    >>> np.allclose(Q @ B, A)
    True
    """
    check_rank_or_error(rank, error)
    oversample = check_integer("oversample", oversample, low=0)
    power = check_integer("power", power, low=0)
    seed = random_key(random_state)
    check_boolean("center", center)
    check_boolean("check_finite", check_finite)
    if error is not None:
        error = check_proportion("error", error)
    else:
        check_integer("rank", rank, low=1)
    matrix = as_matrix(A, center=center, check_finite=check_finite)
    if error is not None:
        return _by_error(matrix, error, seed, check_finite)
    return _by_rank(matrix, check_rank(rank, matrix.shape), oversample, power, seed)


def _range(matrix: Matrix, size: int, power: int, seed: int) -> Array:
    Q = np.empty((matrix.shape[0], size), dtype=matrix.dtype)
    _core.range_finder(matrix.operator, power=power, seed=seed, out=Q)
    return Q


def _by_error(matrix: Matrix, error: float, seed: int, check_finite: bool) -> QBResult:
    """Take the basis from the SVD of the smallest sufficient rank; one more pass makes B exact."""
    options = svd_options(tol=1e-2, random_state=seed)
    found = decompose(matrix, None, error=error, check_finite=check_finite, **options)
    warn_unless_converged(shortfall(found.report), stacklevel=4)
    B = np.empty((matrix.shape[1], found.rank), dtype=matrix.dtype)
    matrix.operator.apply_adjoint(found.U, B)
    return QBResult(found.U, B.T, report=found.report, mean=matrix.mean)


def _by_rank(matrix: Matrix, rank: int, oversample: int, power: int, seed: int) -> QBResult:
    """Find a basis that is a little too large, then keep its best directions: the SVD of A in that basis."""
    started = time.perf_counter()
    m, n = matrix.shape
    size = min(rank + oversample, m, n)
    basis = _range(matrix, size, power, seed)
    coordinates = np.empty((n, size), dtype=matrix.dtype)
    matrix.operator.apply_adjoint(basis, coordinates)
    small = as_matrix(coordinates, check_finite=False)
    directions = decompose(small, rank, check_finite=False, **svd_options(tol=1e-6, random_state=seed)).Vt.T
    Q, B = np.empty((m, rank), dtype=matrix.dtype), np.empty((n, rank), dtype=matrix.dtype)
    as_operator(basis, check_finite=False).apply(directions, Q)
    small.operator.apply(directions, B)
    report = _report(matrix, Q, B, size, power, seed, started)
    return QBResult(Q, B.T, report=report, mean=matrix.mean)


def _report(matrix: Matrix, Q: Array, B: Array, size: int, power: int, seed: int, started: float) -> Report:
    """Describe a fixed number of passes; the error is measured by random probes, in a pass of its own."""
    norm = known_norm(matrix)
    missing = error_estimate(
        matrix.operator, (Q, B.T), _PROBES, confidence=0.95, relative=True, seed=seed, norm=norm
    )
    (m, n), rank, itemsize = matrix.shape, Q.shape[1], matrix.dtype.itemsize
    return Report(
        task="qb",
        matrix=matrix.description,
        method=f"subspace iteration, {matrix.dtype}, {size} columns, power={power}",
        rank=rank,
        tol=np.nan,
        converged=True,
        stopped="completed",
        passes=2 * power + 3,
        products=(2 * power + 2) * size + _PROBES,
        iterations=0,
        restarts=0,
        block_size=size,
        max_basis=size,
        seconds=time.perf_counter() - started,
        residuals=np.empty(0),
        scale=np.nan,
        norm_fro=np.nan if norm is None else norm,
        error=missing.value,
        error_kind="estimated",
        error_bound=min(missing.upper, 1.0),  # a projection never adds
        error_confidence=missing.confidence,
        history=(),
        peak_bytes=(m + n) * (size + rank) * itemsize + (2 * m + n) * _PROBES * 8,
    )
