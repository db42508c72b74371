"""Nystrom approximations of positive semidefinite matrices, in one look or from some of their columns."""

import time
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from corange._estimate import known_norm, measured_error
from corange._from_landmarks import from_landmarks
from corange._look import Look, by_error, rank_or_error
from corange._operators import Matrix, as_matrix
from corange._random import RandomState, Stream, random_key
from corange._results import EighResult, NystromResult
from corange._rows import adjoint_product
from corange._single_pass import (
    CONFIDENCE,
    PROBES,
    basis,
    multiply,
    normal_rows,
    paired_signs,
    single_pass_report,
)
from corange._small import eigh, svd
from corange._validation import check_boolean, check_optional_integer, check_rank, shown

__all__ = ["nystrom"]

Array = npt.NDArray[Any]


@overload
def nystrom(
    K: Any,
    rank: int | None = None,
    *,
    landmarks: None = None,
    error: float | None = None,
    oversample: int | None = None,
    random_state: RandomState = None,
    check_finite: bool = True,
) -> EighResult: ...
@overload
def nystrom(
    K: Any,
    rank: int | None = None,
    *,
    landmarks: str | npt.ArrayLike,
    error: float | None = None,
    oversample: None = None,
    random_state: RandomState = None,
    check_finite: bool = True,
) -> NystromResult: ...
def nystrom(
    K: Any,
    rank: int | None = None,
    *,
    landmarks: str | npt.ArrayLike | None = None,
    error: float | None = None,
    oversample: int | None = None,
    random_state: RandomState = None,
    check_finite: bool = True,
) -> EighResult | NystromResult:
    """Approximate a symmetric positive semidefinite matrix, in one pass or from a few of its columns.

    Parameters
    ----------
    K : symmetric positive semidefinite matrix of shape (n, n)
        Whatever `corange.svd` accepts, such as a kernel or covariance matrix, or a `corange.KernelMatrix`
        of points, which is never formed. Symmetry is not checked.
    rank : int, optional
        Eigenpairs or landmarks, at least 1. More than n is clipped with a warning. Left out when `landmarks`
        are indices, and without landmarks when there is an `error`.
    landmarks : {"rpcholesky", "leverage", "uniform"} or array-like of int, optional
        Approximate from these columns alone, instead of from products with all of K. "rpcholesky" looks for
        them one after the other, with probability proportional to the diagonal of what is left: the method of
        choice. "leverage" draws them by approximate ridge leverage scores, "uniform" all alike. Indices are
        used as they are.
    error : float, optional
        For "rpcholesky": stop as soon as the trace of what is left is at most this part of the trace of K.
        Without `landmarks`, instead of a rank: as few eigenpairs as bring the estimate of ``||K -
        approximation||_F / ||K||_F`` down to this, 0 < error < 1, found by sketches of 64, 128, ... columns
        in a pass each.
    oversample : int, optional
        Columns of the sketch beyond the rank, without `landmarks`. By default as many as the rank, at least
        10.
    random_state : None, int, Generator or RandomState, default=None
        The same integer always gives the same bits, on any number of threads.
    check_finite : bool, default=True
        Refuse NaN and infinity before work starts.

    Returns
    -------
    EighResult
        Without `landmarks`. Unpacks into the eigenvalues w (rank,), descending, and the eigenvectors V
        (n, rank) of the approximation, with `report`, `reconstruct`, `project` and `save`.
    NystromResult
        With `landmarks`. Unpacks into F (n, r) with K close to ``F @ F.T``, and the r landmarks in the order
        they were chosen; they differ, and are fewer than `rank` where K has a lower numerical rank. `eigh()`
        turns it into eigenpairs, `project` extends it to new points.

    Raises
    ------
    TypeError, ValueError
        As `corange.svd`; K is not square, or landmarks are wanted of an operator that only multiplies.
    numpy.linalg.LinAlgError
        K has a negative eigenvalue, as far as the sketch or the columns can tell.

    Warns
    -----
    ConvergenceWarning
        When `error` is out of reach.

    See Also
    --------
    corange.eigh : Converged eigenpairs, in more passes.
    corange.generalized_nystrom : For any matrix.
    corange.Nystroem : As a scikit-learn transformer.

    Notes
    -----
    Without landmarks: ``(K O) (O' K O)^+ (K O)'`` with an orthonormal random O of l = rank + oversample
    columns [1]_, truncated to the rank. Directions in which ``O' K O`` is rounding are left out instead of
    shifted. One pass of 2 * (l + 10) flops per stored entry, 10 of them for the error in the report, and
    O(n l**2) for the rest; memory for 4 * n * l numbers. The approximation lies between 0 and K, and before
    truncation the expected error in the trace norm is at most ``1 + r / (l - r - 1)`` times that of the best
    approximation of each rank r below l - 1.

    With landmarks S: ``K[:, S] K[S, S]^-1 K[S, :]`` as a partial Cholesky factorization, from n * rank
    entries of K and its diagonal, in n * rank**2 flops; memory for n * (rank + 128) numbers. The error in the
    report is exact: K minus the approximation is positive semidefinite, so its trace norm is the sum of a
    diagonal that is known. Randomly pivoted Cholesky [2]_, in blocks with rejection [3]_, has an expected
    error of at most 1 + e times the best one of rank r as soon as rank is ``r / e + r * log(1 / (e * eta))``,
    where eta is the best relative error. Ridge leverage scores [4]_ come from as many uniform landmarks.

    References
    ----------
    .. [1] J. Tropp, A. Yurtsever, M. Udell, V. Cevher (2017). Fixed-rank approximation of a
       positive-semidefinite matrix from streaming data. NIPS. arXiv:1706.05736.
    .. [2] Y. Chen, E. Epperly, J. Tropp, R. Webber (2025). Randomly pivoted Cholesky: Practical approximation
       of a kernel matrix with few entry evaluations. Comm. Pure Appl. Math. 78. arXiv:2207.06503.
    .. [3] E. Epperly, J. Tropp, R. Webber (2024). Embrace rejection: Kernel matrix approximation by
       accelerated randomly pivoted Cholesky. arXiv:2410.03969.
    .. [4] C. Musco, C. Musco (2017). Recursive sampling for the Nystrom method. NIPS. arXiv:1605.07583.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> points = np.linspace(0.0, 1.0, 200)
    >>> K = np.exp(-((points[:, np.newaxis] - points) ** 2))
    >>> result = cr.nystrom(K, 8, random_state=0)
    >>> bool(np.abs(K - result.reconstruct()).max() < 1e-8)
    True
    >>> kernel = cr.KernelMatrix(points[:, np.newaxis], gamma=1.0)
    >>> F, landmarks = cr.nystrom(kernel, 8, landmarks="rpcholesky", random_state=0)
    >>> bool(np.abs(K - F @ F.T).max() < 1e-6)
    True
    """
    seed = random_key(random_state)
    check_boolean("check_finite", check_finite)
    if landmarks is not None:
        if oversample is not None:
            raise ValueError(f"oversample has no meaning with landmarks, got oversample={shown(oversample)}.")
        return from_landmarks(K, rank, landmarks, error, seed, check_finite)
    error = rank_or_error(rank, error)
    if error is not None and oversample is not None:
        raise ValueError(f"oversample has no meaning with error, got oversample={shown(oversample)}.")
    oversample = check_optional_integer("oversample", oversample, low=0)
    matrix = as_matrix(K, argument_name="K", check_finite=check_finite, symmetric=True)
    n = matrix.shape[0]
    if matrix.shape != (n, n):
        raise ValueError(f"K must be square, got shape {matrix.shape}.")
    if error is not None:
        return by_error(lambda size: _nystrom_look(matrix, size, seed), lambda found: found.w, n, error)
    assert rank is not None
    rank = check_rank(rank, matrix.shape)
    size = min(n, rank + (max(rank, 10) if oversample is None else oversample))
    return _nystrom_look(matrix, size, seed)(rank, 0, 0)


def _nystrom_look(matrix: Matrix, size: int, seed: int) -> Look[EighResult]:
    """Look at K once; the function returned makes a result of any rank of what was seen."""
    started = time.perf_counter()
    n, dtype = matrix.shape[0], matrix.dtype
    right = np.empty((n, size + PROBES), dtype)
    right[:, :size] = basis(normal_rows(seed, Stream.NYSTROM_TEST, 0, n, size, dtype))
    right[:, size:] = normal_rows(seed, Stream.NYSTROM_PROBES, 0, n, PROBES, dtype)
    images = np.empty_like(right)
    matrix.operator.apply(right, images)
    Y = np.ascontiguousarray(images[:, :size])
    root = _inverse_root(adjoint_product(np.ascontiguousarray(right[:, :size]), Y))
    Q = basis(Y)
    U, values, _ = svd(multiply(adjoint_product(Q, Y).astype(np.float64), root))
    values[np.count_nonzero(root.any(axis=0)) :] = 0.0
    probes, seen = right[:, size:], images[:, size:].astype(np.float64)
    norm = known_norm(matrix)

    def truncated(rank: int, passes: int, products: int) -> EighResult:
        w = np.zeros(rank)
        w[: min(rank, values.size)] = values[:rank] ** 2
        V = multiply(Q, U[:, :rank])
        V *= paired_signs(V, V)
        missing = seen - multiply(V, w[:, np.newaxis] * adjoint_product(V, probes))
        report = single_pass_report(
            "nystrom",
            matrix.description,
            f"Nystrom, {dtype}, {size} columns",
            rank,
            measured_error(seen, missing, confidence=CONFIDENCE, relative=True, norm=norm),
            norm=norm,
            passes=passes + 1,
            products=products + size + PROBES,
            size=size,
            seconds=time.perf_counter() - started,
            peak_bytes=4 * n * (size + PROBES) * dtype.itemsize,
        )
        return EighResult(w.astype(dtype), V, report=report)

    return truncated


def _inverse_root(H: Array) -> Array:
    """Invert a root of the small matrix O' K O on what is not rounding; nothing may be clearly negative."""
    exact = (H.astype(np.float64) + H.T) / 2.0
    h, W = eigh(exact)
    rounding = float(np.finfo(H.dtype).eps) * h.size * float(np.abs(h).max())
    if h[0] < -100.0 * rounding:
        raise np.linalg.LinAlgError(
            f"K must be positive semidefinite, but a compression of it has the eigenvalue {h[0]:.3g} beside "
            f"{h[-1]:.3g}; use corange.eigh or corange.generalized_nystrom."
        )
    keep = h > rounding
    W[:, keep] /= np.sqrt(h[keep])
    W[:, ~keep] = 0.0
    return W
