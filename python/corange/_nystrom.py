"""Low-rank approximations in one look at the matrix: Nystrom and generalized Nystrom."""

import time
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from corange._estimate import known_norm, measured_error
from corange._factor_core import pseudo_inverse
from corange._from_landmarks import from_landmarks
from corange._operators import Matrix, as_matrix, as_operator
from corange._random import RandomState, random_key
from corange._results import EighResult, NystromResult, SVDResult
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
from corange._validation import (
    check_boolean,
    check_integer,
    check_optional_integer,
    check_rank,
    shown,
)

__all__ = ["generalized_nystrom", "nystrom"]

Array = npt.NDArray[Any]

# Streams of the test matrices of columns and of rows.
_COLUMNS, _ROWS = 2**64 - 6, 2**64 - 7


@overload
def nystrom(
    K: Any,
    rank: int,
    *,
    landmarks: None = None,
    error: None = None,
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
    rank : int
        Eigenpairs or landmarks, at least 1. More than n is clipped with a warning. Left out when `landmarks`
        are indices.
    landmarks : {"rpcholesky", "leverage", "uniform"} or array-like of int, optional
        Approximate from these columns alone, instead of from products with all of K. "rpcholesky" looks for
        them one after the other, with probability proportional to the diagonal of what is left: the method of
        choice. "leverage" draws them by approximate ridge leverage scores, "uniform" all alike. Indices are
        used as they are.
    error : float, optional
        For "rpcholesky": stop as soon as the trace of what is left is at most this part of the trace of K.
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
    if error is not None:
        raise ValueError(f"error needs landmarks='rpcholesky', got error={shown(error)} without landmarks.")
    rank = check_integer("rank", rank, low=1)
    oversample = check_optional_integer("oversample", oversample, low=0)
    matrix = as_matrix(K, argument_name="K", check_finite=check_finite, symmetric=True)
    n = matrix.shape[0]
    if matrix.shape != (n, n):
        raise ValueError(f"K must be square, got shape {matrix.shape}.")
    rank = check_rank(rank, matrix.shape)
    size = min(n, rank + (max(rank, 10) if oversample is None else oversample))
    return _nystrom(matrix, rank, size, seed)


def _nystrom(matrix: Matrix, rank: int, size: int, seed: int) -> EighResult:
    started = time.perf_counter()
    n, dtype = matrix.shape[0], matrix.dtype
    right = np.empty((n, size + PROBES), dtype)
    right[:, :size] = basis(normal_rows(seed, _COLUMNS, 0, n, size, dtype))
    right[:, size:] = normal_rows(seed, _ROWS, 0, n, PROBES, dtype)
    images = np.empty_like(right)
    matrix.operator.apply(right, images)
    Y = np.ascontiguousarray(images[:, :size])
    h, W = _significant(adjoint_product(np.ascontiguousarray(right[:, :size]), Y))
    Q = basis(Y)
    factor = adjoint_product(Q, Y).astype(np.float64) @ (W / np.sqrt(h))
    U, s, _ = np.linalg.svd(factor)
    w = np.zeros(rank)
    w[: min(rank, s.size)] = s[:rank] ** 2
    V = multiply(Q, U[:, :rank])
    V *= paired_signs(V, V)
    probes, seen = right[:, size:], images[:, size:].astype(np.float64)
    missing = seen - multiply(V, w[:, np.newaxis] * adjoint_product(V, probes))
    norm = known_norm(matrix)
    error = measured_error(seen, missing, confidence=CONFIDENCE, relative=True, norm=norm)
    report = single_pass_report(
        "nystrom",
        matrix.description,
        f"Nystrom, {dtype}, {size} columns",
        rank,
        error,
        norm=norm,
        passes=1,
        products=size + PROBES,
        size=size,
        seconds=time.perf_counter() - started,
        peak_bytes=4 * n * (size + PROBES) * dtype.itemsize,
    )
    return EighResult(w.astype(dtype), V, report=report)


def _significant(H: Array) -> tuple[Array, Array]:
    """Eigenpairs of the small matrix O' K O that are not rounding; none may be clearly negative."""
    exact = (H.astype(np.float64) + H.T) / 2.0
    h, W = np.linalg.eigh(exact)
    rounding = float(np.finfo(H.dtype).eps) * h.size * float(np.abs(h).max())
    if h[0] < -100.0 * rounding:
        raise np.linalg.LinAlgError(
            f"K must be positive semidefinite, but a compression of it has the eigenvalue {h[0]:.3g} beside "
            f"{h[-1]:.3g}; use corange.eigh or corange.generalized_nystrom."
        )
    keep = h > rounding
    return h[keep], W[:, keep]


def generalized_nystrom(
    A: Any,
    rank: int,
    *,
    oversample: int = 10,
    random_state: RandomState = None,
    check_finite: bool = True,
) -> SVDResult:
    """Approximate a matrix from two products that do not depend on each other: one look at the data.

    Parameters
    ----------
    A : matrix of shape (m, n)
        Whatever `corange.svd` accepts. Data that are read by rows are read once.
    rank : int
        Triplets to return, at least 1. More than min(m, n) is clipped with a warning.
    oversample : int, default=10
        Columns of the sketch beyond the rank; the sketch of the rows is larger by half.
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
    check_integer("rank", rank, low=1)
    oversample = check_integer("oversample", oversample, low=0)
    seed = random_key(random_state)
    check_boolean("check_finite", check_finite)
    matrix = as_matrix(A, check_finite=check_finite)
    rank = check_rank(rank, matrix.shape)
    started = time.perf_counter()
    (m, n), dtype = matrix.shape, matrix.dtype
    size = min(m, n, rank + oversample)
    tall = min(m, size + (size + 1) // 2)
    X = normal_rows(seed, _COLUMNS, 0, n, size, dtype)
    Y = normal_rows(seed, _ROWS, 0, m, tall + PROBES, dtype)
    by_rows = Rows(A, "A", check_finite=check_finite) if matrix.kind == "rows" else None
    left, right = _products(matrix, X, Y) if by_rows is None else _products_by_rows(by_rows, X, Y)
    U, s, V = _assemble(left, np.ascontiguousarray(right[:, :tall]), adjoint_product(Y, left)[:tall], rank)
    probes, seen = Y[:, tall:], right[:, tall:].astype(np.float64)
    missing = seen - multiply(V, s[:, np.newaxis] * adjoint_product(U, probes))
    norm = known_norm(matrix)
    error = measured_error(seen, missing, confidence=CONFIDENCE, relative=True, norm=norm)
    report = single_pass_report(
        "generalized_nystrom",
        matrix.description,
        f"generalized Nystrom, {dtype}, {size} columns and {tall} rows",
        rank,
        error,
        norm=norm,
        passes=2 if by_rows is None else 1,
        products=size + tall + PROBES,
        size=size,
        seconds=time.perf_counter() - started,
        peak_bytes=(m + n) * (2 * size + 2 * tall + 2 * PROBES) * dtype.itemsize,
    )
    return SVDResult(U, s, V.T, report=report)


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


def _assemble(left: Array, right: Array, core: Array, rank: int) -> tuple[Array, Array, Array]:
    """Turn A X, A' Y and Y' A X into the SVD of the approximation; small matrices in double precision."""
    bases = basis(left), basis(right)
    small = [adjoint_product(Q, Z).astype(np.float64) for Q, Z in zip(bases, (left, right), strict=True)]
    inverse = pseudo_inverse(core, left.dtype)
    factor = ((small[0] @ inverse.right) / inverse.values) @ (inverse.left.T @ small[1].T)
    inner, s, outer = np.linalg.svd(factor, full_matrices=False)
    U, V = multiply(bases[0], inner[:, :rank]), multiply(bases[1], outer[:rank].T)
    signs = paired_signs(U, V)
    return U * signs, s[:rank].astype(left.dtype), V * signs
