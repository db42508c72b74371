"""Least squares and ridge regression of any matrix, by sketched preconditioners and refinement."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from corange import _core
from corange._operators import Matrix, as_matrix, looked_at_by_core, working_dtype
from corange._random import RandomState, random_key
from corange._report import LstsqIteration, LstsqReport
from corange._results import LstsqResult
from corange._validation import (
    check_boolean,
    check_callback,
    check_choice,
    check_nonnegative,
    check_optional_integer,
    check_proportion,
    shown,
    warn_unless_converged,
)

__all__ = ["LSTSQ_METHODS", "lstsq", "ridge", "shortfall", "solve_least_squares"]

Array = npt.NDArray[Any]

LSTSQ_METHODS = ("auto", "gram", "sketch", "sketch-and-solve")
_DENSE_SKETCHES = ("auto", "srht", "gaussian")
_SPARSE_SKETCHES = ("sparse-sign", "countsketch", "very-sparse", "row-sampling")


def lstsq(
    A: Any,
    b: npt.ArrayLike,
    *,
    method: str = "auto",
    tol: float | None = None,
    rcond: float | None = None,
    sketch: str = "auto",
    sketch_size: int | None = None,
    random_state: RandomState = None,
    check_finite: bool = True,
    callback: Callable[[LstsqIteration], object] | None = None,
) -> LstsqResult:
    """Solve a least-squares problem: the x of least norm that minimizes ``||A @ x - b||``.

    Parameters
    ----------
    A : matrix of shape (m, n)
        Whatever `corange.svd` accepts, tall or wide, of any rank.
    b : array-like of shape (m,) or (m, k)
        Right-hand sides; all are solved at once.
    method : {"auto", "gram", "sketch", "sketch-and-solve"}, default="auto"
        How the preconditioner is made. "gram": a Cholesky factor of A'A, if A has dense rows and its
        condition number turns out to be below about 5e6, else as "sketch". "sketch": a sparse random
        embedding, for any condition number. "auto" weighs their cost; both are backward stable.
        "sketch-and-solve" solves the sketched problem instead: an approximation (see Notes).
    tol : float, optional
        Backward error relative to ||A||_F at which to stop, 0 < tol < 1: x then solves a problem with A
        changed by that much. The default goes on until rounding forbids more, about 1e-16.
    rcond : float, optional
        Singular values below `rcond` times the largest count as zero, 0 < rcond < 1. The default is
        4 * sqrt(min(m, n)) times the rounding unit of A's precision.
    sketch : {"auto", "srht", "gaussian"}, default="auto"
        Embedding of "sketch-and-solve": a subsampled randomized Hadamard transform, for matrices whose
        entries can be seen, a Gaussian one, or whichever costs less. Sparse ones are refused: see Notes.
    sketch_size : int, optional
        Rows of that embedding, at least n; default ``max(8 * n, n + 20)``, at most m.
    random_state : None, int, Generator or RandomState, default=None
        The same integer always gives the same bits, on any number of threads.
    check_finite : bool, default=True
        Refuse NaN and infinity in A before work starts.
    callback : callable, optional
        Called with an `LstsqIteration` (iteration, error, elapsed) after each round of refinement; returning
        True stops.

    Returns
    -------
    LstsqResult
        `x` of shape (n,) or (n, k), in the precision of A, and a `report`: residual norms, estimated backward
        errors, iterations, passes, condition estimate, numerical rank, method. Unpacks as ``(x,)``.

    Raises
    ------
    TypeError
        Complex, masked or non-numeric data, or an argument of the wrong type.
    ValueError
        A is empty, not two-dimensional or not finite, b does not fit it, an argument is out of range, or a
        sparse embedding was asked for where only dense ones keep their promise.
    numpy.linalg.LinAlgError
        The computation broke down.

    Warns
    -----
    ConvergenceWarning
        When the backward error stayed above `tol` and above what rounding explains.

    See Also
    --------
    corange.ridge : The same with a penalty on the norm of x.
    corange.SketchedLinearRegression : As a scikit-learn estimator.

    Notes
    -----
    A preconditioner R with A R^-1 close to orthonormal comes from a Cholesky factor of A'A, from a sketch of
    A [1]_, or from a sketch and a Cholesky QR of A R^-1 [2]_. The residual is then computed anew and
    corrected until the estimated backward error [3]_ is that of a Householder QR factorization: two rounds at
    least, since one is not backward stable [4]_. Without full rank the singular value decomposition of the
    sketch takes the place of R.

    Cost for dense A: m n^2 flops, or about 3 m n^2 where the condition number is large, in matrix products,
    and some passes over A; many columns and sparse A: a sketch of 12 n rows, and about 40 passes. Working
    memory: a few dozen n^2 numbers and 3 (m + n) numbers a right-hand side, in double precision.

    "sketch-and-solve" costs m n log2(sketch_size) additions and one pass over A by "srht" (zeros that pad m
    to a power of two cost next to nothing, so a Fourier transform would do the same, more slowly),
    2 * sketch_size * nnz(A) flops and a pass for each 64 MB of S by "gaussian". It returns x' with
    ``||A x' - b||`` within (1 + n / (sketch_size - n)) ** 0.5 or so of the least one. With a dense embedding
    no entry of x' is far off [5]_: ``max |x' - x|`` is about ``||A x - b|| * ||pinv(A)|| /
    sqrt(sketch_size)``. Sparse embeddings cannot promise this: a few colliding rows spoil single entries by
    as much as the whole error.

    References
    ----------
    .. [1] V. Rokhlin, M. Tygert (2008). A fast randomized algorithm for overdetermined linear least-squares
       regression. PNAS 105(36). doi:10.1073/pnas.0804869105.
    .. [2] O. Balabanov (2022). Randomized Cholesky QR factorizations. arXiv:2210.09953.
    .. [3] R. Karlson, B. Walden (1997). Estimation of optimal backward perturbation bounds for the linear
       least squares problem. BIT 37(4). doi:10.1007/BF02510356.
    .. [4] E. Epperly, M. Meier, Y. Nakatsukasa (2024). Fast randomized least-squares solvers can be just as
       accurate and stable as classical direct solvers. arXiv:2406.03468.
    .. [5] E. Price, Z. Song, D. Woodruff (2017). Fast regression with an l-infinity guarantee.
       arXiv:1705.10723.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> A = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    >>> cr.lstsq(A, [1.0, 3.0, 5.0]).x.round(6)
    array([1., 2.])

    The least-norm solution where many fit, and what the report says:

    >>> result = cr.lstsq(np.ones((3, 2)), [2.0, 2.0, 2.0], random_state=0)
    >>> result.x.round(6), result.report.rank
    (array([1., 1.]), 1)
    """
    return _checked(
        "lstsq", A, b, 0.0, method, tol, rcond, sketch, sketch_size, random_state, check_finite, callback
    )


def ridge(
    A: Any,
    b: npt.ArrayLike,
    alpha: float,
    *,
    method: str = "auto",
    tol: float | None = None,
    sketch: str = "auto",
    sketch_size: int | None = None,
    random_state: RandomState = None,
    check_finite: bool = True,
    callback: Callable[[LstsqIteration], object] | None = None,
) -> LstsqResult:
    """Solve a ridge regression: the x that minimizes ``||A @ x - b||**2 + alpha * ||x||**2``.

    Parameters
    ----------
    A : matrix of shape (m, n)
        Whatever `corange.svd` accepts, tall or wide, of any rank.
    b : array-like of shape (m,) or (m, k)
        Right-hand sides; all are solved at once.
    alpha : float
        Weight of the penalty, at least 0; 0 is `corange.lstsq`.
    method, tol, sketch, sketch_size, random_state, check_finite, callback
        As for `corange.lstsq`; condition number and backward error are those of A on top of
        ``sqrt(alpha)`` times the identity.

    Returns
    -------
    LstsqResult
        `x` of shape (n,) or (n, k), in the precision of A, and a `report`. The residual norms in it are
        ``||A @ x - b||``, without the penalty.

    Raises
    ------
    TypeError, ValueError, numpy.linalg.LinAlgError
        As `corange.lstsq`; `alpha` is negative, or out of range beside the entries of A.

    Warns
    -----
    ConvergenceWarning
        As `corange.lstsq`.

    Notes
    -----
    The method and the cost are those of `corange.lstsq` [1]_: the penalty is n more rows of A, which are
    neither formed nor sketched. A wide A is solved through ``x = A' w``, in the smaller dimension [2]_.

    References
    ----------
    .. [1] E. Epperly, M. Meier, Y. Nakatsukasa (2024). Fast randomized least-squares solvers can be just as
       accurate and stable as classical direct solvers. arXiv:2406.03468.
    .. [2] C. Saunders, A. Gammerman, V. Vovk (1998). Ridge regression learning algorithm in dual variables.
       ICML.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> cr.ridge(np.eye(2), [2.0, 4.0], alpha=1.0).x
    array([1., 2.])
    """
    alpha = check_nonnegative("alpha", alpha)
    return _checked(
        "ridge", A, b, alpha, method, tol, None, sketch, sketch_size, random_state, check_finite, callback
    )


def _checked(
    task: str,
    A: Any,
    b: npt.ArrayLike,
    alpha: float,
    method: str,
    tol: float | None,
    rcond: float | None,
    sketch: str,
    sketch_size: int | None,
    random_state: RandomState,
    check_finite: bool,
    callback: Callable[[LstsqIteration], object] | None,
) -> LstsqResult:
    """Check the arguments, solve, and warn."""
    method, sketch = check_choice("method", method, LSTSQ_METHODS), _checked_sketch(sketch)
    tol = 0.0 if tol is None else check_proportion("tol", tol)
    rcond = None if rcond is None else check_proportion("rcond", rcond)
    sketch_size = check_optional_integer("sketch_size", sketch_size, low=1)
    seed = random_key(random_state)
    check_boolean("check_finite", check_finite)
    callback = check_callback("callback", callback)
    matrix = as_matrix(A, check_finite=check_finite, look_now=False)
    targets = as_targets(b, matrix.shape[0])
    options = {
        "method": method,
        "tol": tol,
        "rcond": rcond,
        "sketch": sketch,
        "size": sketch_size,
        "seed": seed,
    }
    result = solve_least_squares(
        matrix, targets, alpha, task=task, check_finite=check_finite, callback=callback, **options
    )
    warn_unless_converged(shortfall(result.report), stacklevel=4)
    return result


def solve_least_squares(
    matrix: Matrix,
    b: Array,
    alpha: float,
    *,
    task: str = "lstsq",
    callback: Callable[[LstsqIteration], object] | None = None,
    **options: Any,
) -> LstsqResult:
    """Run the core on a checked matrix and checked options; the body of `lstsq` and `ridge`."""
    columns = b[:, np.newaxis] if b.ndim == 1 else b
    x = np.empty((matrix.shape[1], columns.shape[1]))
    tell = None if callback is None else lambda info: bool(callback(LstsqIteration(**info)))
    with looked_at_by_core(matrix, check_finite=options["check_finite"]):
        raw = _core.lstsq(matrix.operator, columns, x, alpha=alpha, callback=tell, **options)
    report = LstsqReport(task=task, matrix=matrix.description, alpha=alpha, **raw)
    x = x.astype(matrix.dtype, copy=False)
    return LstsqResult(x[:, 0] if b.ndim == 1 else x, report=report)


def as_targets(b: npt.ArrayLike, rows: int) -> npt.NDArray[np.float64]:
    """Check right-hand sides and convert them to doubles."""
    if isinstance(b, np.ma.MaskedArray):
        raise TypeError("b must not be masked; fill in or drop what is missing.")
    given = np.asarray(b)
    working_dtype(given.dtype, "b")
    if given.ndim not in (1, 2) or given.shape[0] != rows:
        raise ValueError(
            f"b must have shape ({rows},) or ({rows}, k), one row for each row of A, got shape {given.shape}."
        )
    if given.size == 0:
        raise ValueError(f"b must hold at least one right-hand side, got shape {given.shape}.")
    targets = np.asarray(given, dtype=np.float64)
    finite = np.isfinite(targets)
    if not finite.all():
        place = ", ".join(str(i) for i in np.argwhere(~finite)[0])
        raise ValueError(f"b must be finite, but b[{place}] is {targets[~finite][0]}.")
    return targets


def _checked_sketch(sketch: object) -> str:
    """Refuse sparse embeddings with a reason, unknown ones by name."""
    if isinstance(sketch, str) and sketch.lower() in _SPARSE_SKETCHES:
        raise ValueError(
            f"sketch={shown(sketch)} is sparse: colliding rows spoil single entries of x by as much as the "
            "whole error, so that no bound on the error of an entry holds. Take sketch='srht' or "
            "sketch='gaussian', or method='auto', which uses a sparse embedding as a preconditioner only, "
            "accurate to rounding."
        )
    return check_choice("sketch", sketch, _DENSE_SKETCHES)


def shortfall(report: LstsqReport) -> str | None:
    """Say what did not converge; None when there is nothing to warn of, as after a callback stopped it."""
    if report.converged or report.stopped == "callback":
        return None
    return (
        f"{report.task} stopped after {report.refinements} rounds of refinement with a backward error of "
        f"about {report.backward_errors.max(initial=0.0):.2g}, above tol={report.tol:.2g}; "
        "result.report has the details."
    )
