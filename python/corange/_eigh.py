"""Some eigenpairs of a symmetric matrix."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from corange import _core
from corange._operators import Matrix, as_matrix, looked_at_by_core
from corange._random import RandomState, Stream
from corange._report import Iteration, report_from_core
from corange._results import EighResult
from corange._svd import shortfall, svd_options
from corange._validation import (
    check_boolean,
    check_choice,
    check_integer,
    check_rank,
    warn_unless_converged,
)

__all__ = ["eigh"]

Array = npt.NDArray[Any]


def eigh(
    A: Any,
    rank: int,
    *,
    which: Literal["LM", "LA", "SA"] = "LM",
    tol: float = 1e-3,
    block_size: int | None = None,
    max_passes: int | None = None,
    random_state: RandomState = None,
    check_finite: bool = True,
    callback: Callable[[Iteration], object] | None = None,
) -> EighResult:
    """Compute some eigenvalues and eigenvectors of a symmetric matrix: ``A @ V ~ V * w``.

    Parameters
    ----------
    A : symmetric matrix of shape (n, n)
        Whatever `corange.svd` accepts; an operator needs no product with its transpose. Arrays and sparse
        matrices are tested for symmetry by a random probe; of others it is taken on trust.
    rank : int
        Number of pairs, at least 1. More than n is clipped with a warning.
    which : {"LM", "LA", "SA"}, default="LM"
        Which end of the spectrum: largest magnitude, largest (algebraically) or smallest. Eigenvalues come
        back in that order: by falling magnitude, falling, rising.
    tol : float, default=1e-3
        Largest residual of each pair, ``||A v - w v||``, relative to the largest magnitude of an
        eigenvalue seen, wanted or not, 0 < tol < 1. Eigenvalues that stand apart are good to about tol**2.
    block_size : int, optional
        Columns multiplied at a time; chosen from the kind of matrix by default.
    max_passes : int, optional
        Passes over the matrix after which to stop, converged or not; blocks are made wide enough for it. The
        default, a thousand and more, only guards against data that never converge.
    random_state : None, int, Generator or RandomState, default=None
        The same integer always gives the same bits, on any number of threads.
    check_finite : bool, default=True
        Refuse NaN and infinity before work starts; costs one pass over data in memory.
    callback : callable, optional
        Called with an `Iteration` after each iteration; returning True stops.

    Returns
    -------
    EighResult
        Unpacks into w (rank,) and V (n, rank), with `report`, `reconstruct`, `project` and `save`.

    Raises
    ------
    TypeError
        Complex, masked or non-numeric data, or an argument of the wrong type.
    ValueError
        A is not square, not symmetric, empty, not finite; an argument is out of range.
    numpy.linalg.LinAlgError
        The computation broke down.
    MemoryError
        Factors of this rank would not fit in the machine's memory; said before work starts, with both sizes.

    Warns
    -----
    ConvergenceWarning
        When `max_passes` came before `tol`.

    Notes
    -----
    Randomized block Lanczos iteration with full reorthogonalization and thick restart [1]_. A
    pass costs 2 * block_size flops per stored entry; working memory is n * basis numbers. Eigenvalues
    inside the spectrum are not found, and the smallest are found slowly when they are clustered.

    References
    ----------
    .. [1] K. Wu, H. Simon (2000). Thick-restart Lanczos method for large symmetric eigenvalue problems.
       SIAM J. Matrix Anal. Appl. 22(2). doi:10.1137/S0895479898334605.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> w, V = cr.eigh(np.diag([1.0, -4.0, 2.0, 3.0]), 2)
    >>> w
    array([-4.,  3.])
    """
    check_integer("rank", rank, low=1)
    end = check_choice("which", which, ("LM", "LA", "SA"))
    options = svd_options(
        tol=tol, block_size=block_size, max_passes=max_passes, random_state=random_state, callback=callback
    )
    del options["oversample"]
    check_boolean("check_finite", check_finite)
    matrix = as_matrix(A, check_finite=check_finite, symmetric=True, look_now=False)
    _refuse_asymmetric(matrix, options["seed"])
    pairs: list[Array] = []

    def allocate(size: int) -> tuple[Array, Array]:
        pairs[:] = np.empty(size, matrix.dtype), np.empty((matrix.shape[0], size), matrix.dtype)
        return pairs[0], pairs[1]

    rank = check_rank(rank, matrix.shape)
    with looked_at_by_core(matrix, check_finite=check_finite):
        raw = _core.eigh(
            matrix.operator,
            rank=rank,
            which=end,
            check_finite=check_finite,
            allocate=allocate,
            **options,
        )
    w, V = pairs
    report = report_from_core(raw, task="eigh", matrix=matrix.description, values=w)
    warn_unless_converged(shortfall(report))
    return EighResult(w, V, report=report)


def _refuse_asymmetric(matrix: Matrix, seed: int) -> None:
    """Compare A X with A' X for two random columns: two passes over data that is in memory."""
    m, n = matrix.shape
    if m != n:
        raise ValueError(f"A must be square, got shape ({m}, {n}); corange.svd takes any shape.")
    if not matrix.in_memory:
        return
    probe = np.empty((n, 2))
    _core.random_block("sign", seed, stream=Stream.EIGH_SYMMETRY, row0=0, col0=0, out=probe)
    forward, adjoint = np.empty_like(probe), np.empty_like(probe)
    matrix.operator.apply(probe, forward)
    matrix.operator.apply_adjoint(probe, adjoint)
    size = max(np.abs(forward).max(), np.abs(adjoint).max())
    if not np.isfinite(size):
        return  # the core says which entry it is
    difference = np.abs(forward - adjoint).max()
    # Rounding while a symmetric matrix was being formed leaves far less than this.
    if difference > np.sqrt(np.finfo(matrix.dtype).eps) * size:
        raise ValueError(
            f"A must be symmetric, but A @ x and A.T @ x differ by {difference / size:.2g} (relative) for a "
            "random x. Symmetrize it, (A + A.T) / 2, or use corange.svd."
        )
