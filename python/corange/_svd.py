"""Truncated singular value decomposition of any matrix."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from corange import _core
from corange._operators import Matrix, as_matrix, looked_at_by_core
from corange._random import RandomState, random_key
from corange._report import Iteration, Report, report_from_core
from corange._results import SVDResult
from corange._validation import (
    check_boolean,
    check_callback,
    check_optional_integer,
    check_proportion,
    check_rank,
    check_rank_or_error,
    shown,
    warn_unless_converged,
)

__all__ = ["decompose", "svd"]

Array = npt.NDArray[Any]


def svd(
    A: Any,
    rank: int | None = None,
    *,
    error: float | None = None,
    tol: float = 1e-3,
    center: bool = False,
    oversample: int | None = None,
    block_size: int | None = None,
    max_passes: int | None = None,
    start: SVDResult | None = None,
    random_state: RandomState = None,
    check_finite: bool = True,
    callback: Callable[[Iteration], object] | None = None,
) -> SVDResult:
    """Compute the leading singular triplets of a matrix: ``A ~ U @ diag(s) @ Vt``.

    Parameters
    ----------
    A : matrix of shape (m, n)
        NumPy array (any strides; memory-mapped files of any size are streamed), SciPy sparse array or
        matrix, list of lists, DataFrame, SciPy LinearOperator, or any object with `shape`, `dtype` and
        either row slicing (h5py, zarr) or products (``A @ X`` and ``A.T @ X``). float32 and float64 data,
        CSR and CSC are used in place; float16 is computed in float32, integers and bools in float64.
    rank : int, optional
        Number of triplets, at least 1. More than min(m, n) is clipped with a warning. Give either this or
        `error`.
    error : float, optional
        Instead of a rank: the smallest one with ``||A - U S Vt||_F <= error * ||A||_F``, 0 < error < 1.
    tol : float, default=1e-3
        Largest residual of each triplet relative to s[0], 0 < tol < 1: ``||A' u - s v|| <= tol * s[0]``.
        Singular values are then good to about tol**2. The default suits dimension reduction; take 1e-6 when
        the vectors themselves matter, 1e-2 when passes over the data are dear.
    center : bool, default=False
        Subtract the mean of each column first, as PCA does, without forming the difference.
    oversample : int, optional
        Vectors in the basis beyond `rank` before it is compressed. The default is chosen from rank and block
        size; more costs memory and saves passes when singular values decay slowly.
    block_size : int, optional
        Columns multiplied at a time. The default weighs the cost of a pass over this kind of matrix: few
        columns for sparse data in memory, more for dense data, many for data on disk.
    max_passes : int, optional
        Passes over the matrix after which to stop, converged or not; blocks are made wide enough for it. The
        default, a thousand and more, only guards against data that never converge.
    start : SVDResult, optional
        The SVD of a matrix that is not far from A, such as A before rows were appended or entries changed,
        or what `corange.update_svd` returns: a search that begins from its vectors takes fewer products, and
        its result is held to the same `tol`. It must have as many rows or columns as A.
    random_state : None, int, Generator or RandomState, default=None
        The same integer always gives the same bits, on any number of threads.
    check_finite : bool, default=True
        Refuse NaN and infinity before work starts; costs one pass over data in memory.
    callback : callable, optional
        Called with an `Iteration` (iteration, basis, converged, residual, elapsed) after each iteration;
        returning True stops.

    Returns
    -------
    SVDResult
        Unpacks into U (m, rank), s (rank,) and Vt (rank, n), with `report`, `reconstruct`, `project` and
        `save`. Singular values descend. Signs: the entry of largest magnitude in each pair u, v is positive.

    Raises
    ------
    TypeError
        Complex, masked or non-numeric data, or an argument of the wrong type.
    ValueError
        A is empty, not two-dimensional, not finite or an inconsistent sparse matrix; an argument is out of
        range.
    numpy.linalg.LinAlgError
        The computation broke down.
    MemoryError
        Factors of this rank would not fit in the machine's memory; said before work starts, with both sizes.

    Warns
    -----
    ConvergenceWarning
        When `max_passes` came before `tol`, or rounding (or an operator that never answers the same twice)
        forbids it, or `error` is out of reach; `result.report` tells how far each triplet is.

    Notes
    -----
    Randomized block Golub-Kahan-Lanczos iteration with full reorthogonalization, thick restart and a
    residual test per triplet [1]_ [2]_ [3]_. The left basis stays implicit (Lanczos on A'A, in single
    precision where that is enough) while `tol` allows, so that results are as good as asked for at the
    lowest price; residuals are measured at the end, in the precision of the result, and the next engine
    takes over if one is too large.

    With n the smaller side and K vectors in the basis, a few times `rank`: products cost 2 flops per stored
    entry for each of ``report.products`` columns, the basis about 4 * n * K**2; memory is n * K + (m + n) *
    (rank + 2 * block_size) numbers. When the rank is close to n a direct method is cheaper, and is used.

    References
    ----------
    .. [1] G. Golub, W. Kahan (1965). Calculating the singular values and pseudo-inverse of a matrix.
       SIAM J. Numer. Anal. 2(2). doi:10.1137/0702016.
    .. [2] J. Baglama, L. Reichel (2005). Augmented implicitly restarted Lanczos bidiagonalization methods.
       SIAM J. Sci. Comput. 27(1). doi:10.1137/04060593X.
    .. [3] C. Musco, C. Musco (2015). Randomized block Krylov methods for stronger and faster approximate
       singular value decomposition. arXiv:1504.05477.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> A = cr.testing.matrix_with_spectrum([8.0, 4.0, 2.0, 1.0], shape=(100, 60), random_state=0)
    >>> U, s, Vt = cr.svd(A, 3, random_state=0)
    >>> s.round(3)
    array([8., 4., 2.])

    The smallest rank that leaves a tenth of the norm:

    >>> result = cr.svd(A, error=0.15, random_state=0)
    >>> result.rank, result.report.error <= 0.15
    (3, True)
    """
    check_rank_or_error(rank, error)
    options = svd_options(
        tol=tol,
        oversample=oversample,
        block_size=block_size,
        max_passes=max_passes,
        random_state=random_state,
        callback=callback,
    )
    if error is not None:
        error = check_proportion("error", error)
    check_boolean("center", center)
    check_boolean("check_finite", check_finite)
    if start is not None and not isinstance(start, SVDResult):
        raise TypeError(f"start must be an SVDResult or None, got {shown(start)}.")
    if rank is not None:
        check_optional_integer("rank", rank, low=1)  # before the data are looked at
    # The core looks at all entries anyway; means must not be taken of NaN before.
    matrix = as_matrix(A, center=center, check_finite=check_finite, look_now=center)
    if rank is not None:
        rank = check_rank(rank, matrix.shape)
    if start is not None:
        options["start"] = start_columns(start, matrix.shape)
    result = decompose(matrix, rank, error=error, check_finite=check_finite, **options)
    warn_unless_converged(shortfall(result.report))
    return result


def svd_options(
    *,
    tol: object,
    oversample: object = None,
    block_size: object = None,
    max_passes: object = None,
    random_state: object = None,
    callback: object = None,
) -> dict[str, Any]:
    """Check the arguments that do not depend on the matrix, and turn them into the core's."""
    return {
        "tol": check_proportion("tol", tol),
        "oversample": check_optional_integer("oversample", oversample, low=0),
        "block_size": check_optional_integer("block_size", block_size, low=1),
        "max_passes": check_optional_integer("max_passes", max_passes, low=1),
        "seed": random_key(random_state),
        "callback": as_core_callback(check_callback("callback", callback)),
    }


def start_columns(start: SVDResult, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Take the vectors of the shorter side, on which the core searches, if they are long enough."""
    m, n = shape
    fits = {"left": start.shape[0] == m, "right": start.shape[1] == n}
    if not any(fits.values()):
        raise ValueError(f"start must have {m} rows or {n} columns, as A has, got shape {start.shape}.")
    right = fits["right"] and (m >= n or not fits["left"])
    return np.ascontiguousarray(start.Vt.T if right else start.U, dtype=np.float64)


def decompose(
    matrix: Matrix, rank: int | None, *, error: float | None = None, check_finite: bool, **options: Any
) -> SVDResult:
    """Run the core's SVD on a checked matrix with checked options; the body of `svd`."""
    m, n = matrix.shape
    factors: list[Array] = []

    def allocate(size: int) -> tuple[Array, Array, Array]:
        U, s, V = (np.empty(shape, matrix.dtype) for shape in ((m, size), (size,), (n, size)))
        factors[:] = (U, s, V)
        return U, s, V

    with looked_at_by_core(matrix, check_finite=check_finite):
        raw = _core.svd(
            matrix.operator,
            rank=rank,
            error=error,
            check_finite=check_finite,
            allocate=allocate,
            **options,
        )
    U, s, V = factors
    report = report_from_core(raw, task="svd", matrix=matrix.description, values=s)
    return SVDResult(U, s, V.T, report=report, mean=matrix.mean)


def as_core_callback(
    callback: Callable[[Iteration], object] | None,
) -> Callable[[dict[str, Any]], bool] | None:
    """Hand the user's callback a record with attributes instead of the core's dictionary."""
    if callback is None:
        return None
    return lambda info: bool(callback(Iteration(**info)))


def shortfall(report: Report) -> str | None:
    """Say what did not converge; None when there is nothing to warn of, as after a callback stopped it."""
    if report.converged or report.stopped == "callback":
        return None
    late = int((report.relative_residuals > report.tol).sum())
    if not late:
        advice = "raise max_passes" if report.stopped == "max_passes" else "rounding hides the rest"
        return (
            f"{report.task} stopped at rank {report.rank} with a relative error of {report.error:.2g}, "
            f"more than was asked for; {advice}."
        )
    advice = "tol" if report.stopped == "stalled" else "max_passes or tol"
    return (
        f"{report.task} stopped after {report.passes} passes with {late} of {report.rank} residuals above "
        f"tol={report.tol:g}; the largest is {report.relative_residuals.max(initial=0.0):.2g} of the largest "
        f"value. Raise {advice}; result.report has the details."
    )
