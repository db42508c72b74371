"""Interpolative decomposition: some columns, and the coefficients that make all others of them."""

import dataclasses
import time
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from corange import _core
from corange._adaptive import Choice, chosen, missing, wanted
from corange._factor_core import span_of
from corange._random import RandomState
from corange._report import Report
from corange._results import IDResult, TwoSidedIDResult
from corange._rows import frobenius_norm
from corange._select import Options, selection_options
from corange._single_pass import single_pass_report
from corange._source import Source
from corange._sparse import as_dense
from corange._validation import check_boolean, check_number, check_rank, warn_unless_converged

__all__ = ["interpolative"]

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]

# Times that coefficients may be computed anew after columns were exchanged, and exchanges each time.
_ROUNDS, _EXCHANGES = 3, 1000
# Times that more columns are taken when the error is larger than its estimate.
_TRIES = 8


def interpolative(
    A: Any,
    rank: int | None = None,
    *,
    error: float | None = None,
    axis: Literal[0, 1] | None = 1,
    method: str = "qr",
    oversample: int | None = None,
    power: int = 0,
    limit: float = 2.0,
    random_state: RandomState = None,
    check_finite: bool = True,
) -> Any:
    """Write all columns (or rows) of a matrix as combinations of a few of them.

    Parameters
    ----------
    A : matrix of shape (m, n)
        Whatever `corange.svd` accepts.
    rank : int, optional
        Columns to keep, at least 1. More than min(m, n) is clipped with a warning. Give either this or
        `error`.
    error : float, optional
        Instead of a rank: as many columns as bring ``||A - approximation||_F / ||A||_F`` down to this,
        0 < error < 1; few more than necessary.
    axis : {1, 0, None}, default=1
        1 keeps columns, ``A ~ A[:, J] @ W``; 0 keeps rows, ``A ~ W @ A[I]``; None both,
        ``A ~ P @ A[I][:, J] @ W``.
    method : str, default="qr"
        How columns are chosen, see `select_columns`.
    oversample, power
        As in `select_columns`.
    limit : float, default=2.0
        Largest coefficient: columns are exchanged until none is larger. 1.01 to 100; a lower limit is safer
        and costs exchanges.
    random_state : None, int, Generator or RandomState, default=None
        The same integer always gives the same bits, on any number of threads.
    check_finite : bool, default=True
        Refuse NaN and infinity.

    Returns
    -------
    IDResult or TwoSidedIDResult
        Unpacks into `indices` and `coefficients` (rank, n), or (m, rank) for rows; with `skeleton`, the
        columns or rows themselves, `max_coefficient`, `report`, `reconstruct` and `save`. With axis=None: P,
        skeleton and W, with `rows` and `columns`. Fewer columns than asked for when they span the rest.

    Raises
    ------
    TypeError, ValueError
        As `corange.svd` and `select_columns`.

    Warns
    -----
    ConvergenceWarning
        When `error` is out of reach.

    See Also
    --------
    corange.select_columns : The choice alone.
    corange.cur : Columns and rows with a core between them.

    Notes
    -----
    Pivoted QR of a sketch chooses columns J [1]_; then ``W = A[:, J]^+ A`` is the best that these columns
    can do, in one more pass of 2 * m * n * rank flops, with columns in J exactly those of the identity. For
    dense data in double precision whose error is above 0.03, that pass is made in single precision: W is
    then good to about 1e-6, which adds nothing to the error. Coefficients above `limit` are brought down by
    exchanges of columns as in strong rank-revealing QR [2]_. The error in the report is exact for data in
    memory, else it costs a pass.

    References
    ----------
    .. [1] S. Voronin, P.-G. Martinsson (2017). Efficient algorithms for CUR and interpolative matrix
       decompositions. Adv. Comput. Math. 43. arXiv:1412.8447.
    .. [2] M. Gu, S. Eisenstat (1996). Efficient algorithms for computing a strong rank-revealing QR
       factorization. SIAM J. Sci. Comput. 17(4). doi:10.1137/0917055.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> A = np.outer([1.0, 2.0], [1.0, 3.0, 2.0])
    >>> indices, coefficients = cr.interpolative(A, 1, random_state=0)
    >>> np.allclose(A[:, indices] @ coefficients, A)
    True
    """
    options = selection_options(method, oversample, power, None, False, random_state)
    error = wanted(rank, error, method)
    limit = check_number("limit", limit, low=1.01, high=100.0)
    if axis not in (0, 1, None) or isinstance(axis, bool):
        raise ValueError(f"axis must be 1 (columns), 0 (rows) or None (both), got {axis!r}.")
    check_boolean("check_finite", check_finite)
    source = Source(A, check_finite=check_finite)
    if rank is not None:
        rank = check_rank(rank, source.shape)
    result = (
        _two_sided(source, rank, error, method, options, limit)
        if axis is None
        else _one_sided(source, axis, rank, error, method, options, limit)
    )
    warn_unless_converged(shortfall(result.report, error))
    return result


def shortfall(report: Report, error: float | None) -> str | None:
    """Say that an error was not reached."""
    if error is None or report.error <= error * (1 + 1e-9):
        return None
    return (
        f"{report.task} of rank {report.rank} has a relative error of {report.error:.2g}, more than was "
        "asked for; rounding hides the rest."
    )


def _one_sided(
    source: Source,
    axis: int,
    rank: int | None,
    error: float | None,
    method: str,
    options: Options,
    limit: float,
) -> IDResult:
    started = time.perf_counter()
    choice = chosen(source, axis, rank, error, method, options)
    result = _interpolated(source, axis, choice, options, limit, started)
    for _ in range(_TRIES):
        full = result.indices.size < choice.indices.size or choice.indices.size == min(source.shape)
        if error is None or result.report.error <= error or full:
            break
        larger = min(choice.indices.size + 2 + choice.indices.size // 10, *source.shape)
        choice = choice.of_size(larger) or chosen(source, axis, larger, None, method, options)
        result = _interpolated(source, axis, choice, options, limit, started)
    return result


def _interpolated(
    source: Source, axis: int, choice: Choice, options: Options, limit: float, started: float
) -> IDResult:
    """Coefficients for a choice, bounded by exchanges; the last round leaves them as they are then."""
    indices, single = choice.indices, choice.allows_single(source)
    captured: float | None = None
    passes = 0
    for _ in range(_ROUNDS):
        skeleton = source.take(axis, indices)
        span = span_of(skeleton if axis == 1 else skeleton.T, rough=single)
        coordinates = source.product(axis, span.Q, single=single)
        W = np.ascontiguousarray(span.coefficients(coordinates).T)
        W[:, indices] = np.eye(indices.size)
        captured, passes = frobenius_norm(coordinates), passes + 1
        exchanged = _core.bound_coefficients(W, indices, limit, _EXCHANGES)
        if np.array_equal(exchanged, indices):
            break
        indices, captured = exchanged, None
    else:
        skeleton = source.take(axis, indices)
    factors = (skeleton, W) if axis == 1 else (W.T, skeleton)
    error, exact = missing(source, source.norm, captured, factors, options.seed)
    m, n = source.shape
    report = single_pass_report(
        "interpolative",
        source.matrix.description,
        f"{'columns' if axis == 1 else 'rows'}, coefficients at most {np.abs(W).max(initial=0):.3g}",
        indices.size,
        error,
        norm=source.norm,
        passes=1 + passes + (not exact),
        products=options.size(indices.size) + passes * indices.size,
        size=indices.size,
        seconds=time.perf_counter() - started,
        peak_bytes=(2 * m + 2 * n + options.size(indices.size)) * indices.size * source.dtype.itemsize,
        exact=exact,
    )
    return IDResult(indices, W if axis == 1 else W.T, report=report, skeleton=skeleton, axis=axis)


def _two_sided(
    source: Source, rank: int | None, error: float | None, method: str, options: Options, limit: float
) -> TwoSidedIDResult:
    """Columns of the matrix, then as many rows of these columns."""
    started = time.perf_counter()
    by_columns = _one_sided(source, 1, rank, error, method, options, limit)
    C, W = by_columns.skeleton, by_columns.coefficients
    of_rows = options._replace(seed=options.seed ^ 1)
    by_rows = _one_sided(Source(C, check_finite=False), 0, W.shape[0], None, "qr", of_rows, limit)
    P, rows = by_rows.coefficients, by_rows.indices
    skeleton = as_dense(by_rows.skeleton)
    # These rows span all rows of the columns, so that the error is that of the columns.
    done = by_columns.report
    report = dataclasses.replace(
        done,
        method=f"{done.method}; rows of these columns, coefficients at most {np.abs(P).max():.3g}",
        seconds=time.perf_counter() - started,
    )
    return TwoSidedIDResult(P, skeleton, W, report=report, rows=rows, columns=by_columns.indices)
