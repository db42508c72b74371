"""CUR decomposition: columns and rows of the matrix, and a small core between them."""

import math
import time
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse

from corange._adaptive import Choice, chosen, missing, wanted
from corange._factor_core import Span, pseudo_inverse, span_of
from corange._interpolative import shortfall
from corange._operators import Matrix
from corange._random import RandomState
from corange._results import CURResult
from corange._rows import adjoint_product, frobenius_norm
from corange._select import Options, choose, pivots_of, selection_options
from corange._single_pass import PROBES, multiply, single_pass_report
from corange._source import Source
from corange._sparse import as_dense
from corange._validation import (
    check_boolean,
    check_choice,
    check_optional_integer,
    check_rank,
    shown,
    warn_unless_converged,
)

__all__ = ["cur"]

Array = npt.NDArray[Any]

# Rows for each column of a cross core: a square one may be nearly singular.
_CROSS_ROWS = 1.2
# Times that more columns and rows are taken when the error is larger than its estimate.
_TRIES = 8


def cur(
    A: Any,
    rank: int | None = None,
    *,
    error: float | None = None,
    method: str = "qr",
    core: Literal["projection", "cross"] = "projection",
    rows: int | None = None,
    weights: npt.ArrayLike | None = None,
    oversample: int | None = None,
    power: int = 0,
    exact: bool = False,
    random_state: RandomState = None,
    check_finite: bool = True,
) -> CURResult:
    """Approximate a matrix by some of its columns and rows: ``A ~ C @ U @ R``.

    Parameters
    ----------
    A : matrix of shape (m, n)
        Whatever `corange.svd` accepts.
    rank : int, optional
        Columns in C, at least 1. More than min(m, n) is clipped with a warning. Give either this or `error`.
    error : float, optional
        Instead of a rank: as many columns and rows as bring ``||A - C U R||_F / ||A||_F`` down to this,
        0 < error < 1; somewhat more than necessary.
    method : str, default="qr"
        How columns and rows are chosen, see `select_columns`. With "qr", a projection core and as many rows
        as columns, rows are the pivots of an orthonormal basis of C: no sketch, and a smaller error than from
        rows chosen by themselves.
    core : {"projection", "cross"}, default="projection"
        "projection" is the best U there is, ``C^+ A R^+``. "cross" is ``A[rows][:, columns]^+``, which sees
        nothing of A but the chosen columns and rows: no further pass, and an error up to a few times larger.
    rows : int, optional
        Rows in R; by default as many as columns, and 1.2 times as many for a cross core, whose
        pseudo-inverse may explode when it is square.
    weights : array-like that broadcasts to (m, n), optional
        Choose columns and rows of ``A * weights``, elementwise; C and R are those of A all the same. Shape
        (n,) weighs columns, (m, 1) rows, (m, n) entries. With ``weights = np.sign(W) * norms``, norms those
        of activations, weights of a neural network are chosen by ``|W| * norms`` [3]_. For data in memory;
        takes memory for a copy of A.
    oversample, power, exact
        As in `select_columns`.
    random_state : None, int, Generator or RandomState, default=None
        The same integer always gives the same bits, on any number of threads.
    check_finite : bool, default=True
        Refuse NaN and infinity.

    Returns
    -------
    CURResult
        Unpacks into C (m, c), U (c, r) and R (r, n), with `rows`, `columns`, `coefficients`, `report`,
        `reconstruct`, `project` and `save`. C and R are sparse if A is. Fewer than asked for when they span
        the rest.

    Raises
    ------
    TypeError, ValueError
        As `corange.svd` and `select_columns`; weights have another shape.

    Warns
    -----
    ConvergenceWarning
        When `error` is out of reach.

    See Also
    --------
    corange.interpolative : Columns alone, with bounded coefficients.
    corange.svd : The best approximation of each rank, not made of columns.

    Notes
    -----
    With ``C = Q_C T_C`` and ``R' = Q_R T_R``, the core is ``T_C^+ (Q_C' A Q_R) T_R'^+`` [1]_: one pass of 2
    * rank flops per stored entry beyond those of the choice, made in single precision where the error is
    large enough not to notice, and O((m + n) rank**2) for the rest. Dependent columns are left out of the
    pseudo-inverses at 10 eps. Memory for about 3 * rank * (m + n) numbers. The error of a projection core is
    at most the root of the sum of squares of those of C and of R alone [2]_, each of which is near that of
    pivoted QR. The error in the report is exact for data in memory and a projection core; else it is
    estimated from 10 random vectors, in one more pass.

    References
    ----------
    .. [1] G. Stewart (1999). Four algorithms for the efficient computation of truncated pivoted QR
       approximations to a sparse matrix. Numer. Math. 83. doi:10.1007/s002110050451.
    .. [2] D. Sorensen, M. Embree (2016). A DEIM induced CUR factorization. SIAM J. Sci. Comput. 38(3).
       doi:10.1137/140978430.
    .. [3] S. Park, Y. Nakatsukasa (2025). CURing large models: compression via CUR decomposition.
       arXiv:2501.04211.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> A = cr.testing.matrix_with_spectrum([8.0, 4.0, 2.0, 1.0], shape=(100, 60), random_state=0)
    >>> C, U, R = result = cr.cur(A, 4, random_state=0)
    >>> np.allclose(C @ U @ R, A), np.array_equal(C, A[:, result.columns])
    (True, True)
    """
    options = selection_options(method, oversample, power, None, exact, random_state)
    error = wanted(rank, error, method)
    check_choice("core", core, ("projection", "cross"))
    check_optional_integer("rows", rows, low=1)
    check_boolean("check_finite", check_finite)
    source = Source(A, check_finite=check_finite)
    if rank is not None:
        rank = check_rank(rank, source.shape)
        if rows is None:
            rows = min(math.ceil(_CROSS_ROWS * rank), *source.shape) if core == "cross" else rank
        rows = check_rank(rows, source.shape, name="rows")
    chooser = source if weights is None else Source(_weighted(A, source.matrix, weights), check_finite=True)
    # The squares of what columns miss and of what rows miss add up.
    share = None if error is None else error / math.sqrt(2.0)
    found: dict[int, Choice] = {}  # by axis, what was chosen last
    result = _cur(source, chooser, (rows, rank), share, method, core, options, found)
    for _ in range(_TRIES):
        if (
            error is None
            or share is None
            or result.report.error <= error
            or min(result.U.shape) == min(source.shape)
        ):
            break
        share *= 0.95 * error / result.report.error
        result = _cur(source, chooser, (rows, rank), share, method, core, options, found)
    warn_unless_converged(shortfall(result.report, error))
    return result


def _weighted(A: Any, matrix: Matrix, weights: npt.ArrayLike) -> Any:
    """Multiply entries of data in memory with weights."""
    if not matrix.in_memory:
        raise TypeError(f"weights need a matrix in memory, an array or a sparse one, got {type(A).__name__}.")
    factors = np.asarray(weights)
    if factors.dtype.kind not in "biuf":
        raise TypeError(f"weights must be real numbers, got {shown(weights)}.")
    try:
        fits = np.broadcast_shapes(factors.shape, matrix.shape) == matrix.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"weights must broadcast to the shape {matrix.shape} of A, got {factors.shape}.")
    if not np.isfinite(factors).all():
        raise ValueError("weights must be finite, got NaN or infinity among them.")
    factors = factors.astype(matrix.dtype)
    if scipy.sparse.issparse(A):
        return scipy.sparse.csr_array(A).multiply(np.broadcast_to(factors, matrix.shape)).tocsr()
    return np.asarray(A) * factors


class _Parts(NamedTuple):
    """What a core makes of columns and rows."""

    U: Array
    coefficients: Array
    captured: float | None
    passes: int


def _cur(
    source: Source,
    chooser: Source,
    counts: tuple[int | None, int | None],
    share: float | None,
    method: str,
    core: str,
    options: Options,
    before: dict[int, Choice],
) -> CURResult:
    started = time.perf_counter()

    def lines(axis: int) -> Array:
        before[axis] = chosen(chooser, axis, counts[axis], share, method, options, before.get(axis))
        return before[axis].indices

    columns = lines(1)
    C = source.take(1, columns)
    one_sketch = core == "projection" and method == "qr" and counts[0] == counts[1]
    if core == "cross":
        rows = _crossing(C, lines(0), options)
        R = source.take(0, rows)
        parts = _cross(C, R, rows, columns)
    else:
        left = span_of(C)
        if one_sketch:
            rows = _spanning(left if chooser is source else span_of(chooser.take(1, columns)))
        else:
            rows = lines(0)
        R = source.take(0, rows)
        parts = _projected(source, left, R, single=before[1].allows_single(source))
    found, is_exact = missing(source, source.norm, parts.captured, (C, parts.coefficients), options.seed)
    m, n = source.shape
    size = max(rows.size, columns.size)
    report = single_pass_report(
        "cur",
        source.matrix.description,
        f"{columns.size} columns and {rows.size} rows by {method!r}, {core} core",
        columns.size,
        found,
        norm=source.norm,
        passes=2 - one_sketch + parts.passes + (not is_exact),
        products=(2 - one_sketch) * options.size(size)
        + parts.passes * columns.size
        + (0 if is_exact else PROBES),
        size=size,
        seconds=time.perf_counter() - started,
        peak_bytes=3 * size * (m + n) * source.dtype.itemsize,
        exact=is_exact,
    )
    return CURResult(
        C, parts.U, R, report=report, rows=rows, columns=columns, coefficients=parts.coefficients
    )


def _spanning(columns: Span) -> Array:
    """Rows where columns are well determined: pivots of an orthonormal basis of these."""
    return pivots_of(columns.Q.T, columns.Q.shape[1], 0.0)[0]


def _projected(source: Source, left: Span, R: Any, *, single: bool) -> _Parts:
    """Core between orthonormal bases: Q_C' A Q_R, by the product with the smaller basis."""
    right = span_of(R.T)
    inner = _inner(source, left, right, single)
    X = multiply(left.inverse, inner)
    refined = X + multiply(left.inverse, inner - multiply(left.T, X))
    U = multiply(refined, right.inverse.T)
    coefficients = np.ascontiguousarray(multiply(right.Q, refined.T).T)
    return _Parts(U.astype(source.dtype), coefficients, frobenius_norm(inner), 1)


def _inner(source: Source, left: Span, right: Span, single: bool) -> Array:
    """Q_C' A Q_R in double."""
    if left.Q.shape[1] <= right.Q.shape[1]:
        product = source.product(1, left.Q, single=single)
        return np.asarray(adjoint_product(product, right.Q), dtype=np.float64)
    product = source.product(0, right.Q, single=single)
    return np.asarray(adjoint_product(left.Q, product), dtype=np.float64)


def _crossing(C: Any, candidates: Array, options: Options) -> Array:
    """Put rows that C is well determined by before others: entries where rows and columns meet decide all."""
    count = min(C.shape[1], candidates.size)
    first = choose(Source(C, check_finite=False), 0, count, "qr", options)
    rest = candidates[~np.isin(candidates, first)]
    return np.concatenate([first, rest[: candidates.size - first.size]])


def _cross(C: Any, R: Any, rows: Array, columns: Array) -> _Parts:
    """Pseudo-inverse of the entries where rows and columns meet."""
    inverse = pseudo_inverse(as_dense(R[:, columns]), C.dtype)
    across = adjoint_product(R, np.ascontiguousarray(inverse.left, dtype=C.dtype))
    scaled = (inverse.right / inverse.values).T
    coefficients = np.ascontiguousarray(multiply(as_dense(across), scaled).T)
    return _Parts(inverse.matrix.astype(C.dtype), coefficients, None, 0)
