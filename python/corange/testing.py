"""Helpers for testing code that uses corange: matrices of known spectrum, and what must hold of results."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from corange._random import RandomState, random_key
from corange._validation import check_integer

__all__ = ["assert_orthonormal", "assert_svd_valid", "matrix_with_spectrum"]

Array = npt.NDArray[Any]


def matrix_with_spectrum(
    singular_values: npt.ArrayLike,
    shape: tuple[int, int],
    *,
    dtype: npt.DTypeLike = np.float64,
    random_state: RandomState = None,
) -> Array:
    """Make a dense matrix with the given singular values and random singular vectors.

    Parameters
    ----------
    singular_values : array-like of at most min(shape) nonnegative numbers
        The others are zero.
    shape : (int, int)
        Rows and columns.
    dtype : {float64, float32}, default=float64
        Precision of the matrix, which is computed in double precision.
    random_state : None, int, Generator or RandomState, default=None
        Decides the singular vectors.

    Returns
    -------
    ndarray of the given shape

    Raises
    ------
    ValueError
        More singular values than the shape allows, or a negative one.

    Examples
    --------
    >>> import numpy as np
    >>> from corange.testing import matrix_with_spectrum
    >>> A = matrix_with_spectrum([3.0, 2.0, 1.0], (6, 4), random_state=0)
    >>> np.linalg.svd(A, compute_uv=False).round(12)
    array([3., 2., 1., 0.])
    """
    values = np.asarray(singular_values, dtype=np.float64)
    m = check_integer("shape[0]", shape[0], low=1)
    n = check_integer("shape[1]", shape[1], low=1)
    if values.ndim != 1 or values.size > min(m, n) or (values < 0).any():
        raise ValueError(
            f"singular_values must be at most min(shape) = {min(m, n)} nonnegative numbers, got {values}."
        )
    rng = np.random.default_rng(random_key(random_state))
    U = np.linalg.qr(rng.standard_normal((m, values.size)))[0]
    V = np.linalg.qr(rng.standard_normal((n, values.size)))[0]
    product: Array = (U * values) @ V.T
    return product.astype(dtype)


def assert_orthonormal(Q: npt.ArrayLike, *, name: str = "Q", factor: float = 50.0) -> None:
    """Assert that the columns of a matrix are orthonormal to working precision.

    Parameters
    ----------
    Q : array-like of shape (m, k)
        Columns to check; pass ``Vt.T`` for rows.
    name : str, default="Q"
        Name in the message.
    factor : float, default=50
        Every entry of ``Q.T @ Q`` may differ from the identity by ``factor * eps * sqrt(k)``.

    Raises
    ------
    AssertionError
        When they are not; the message tells by how much.

    Examples
    --------
    >>> import numpy as np
    >>> from corange.testing import assert_orthonormal
    >>> assert_orthonormal(np.eye(5, 3))
    """
    columns = np.asarray(Q)
    k = columns.shape[1]
    exact = columns.astype(np.float64, copy=False)
    off = float(np.abs(exact.T @ exact - np.eye(k)).max(initial=0.0))
    limit = factor * float(np.finfo(columns.dtype).eps) * np.sqrt(max(k, 1))
    assert off <= limit, f"{name} is not orthonormal: max |Q'Q - I| = {off:.3g}, more than {limit:.3g}"


def assert_svd_valid(A: Any, result: Sequence[npt.ArrayLike], *, tol: float = 1e-3) -> None:
    """Assert all that a truncated SVD promises about itself, whatever the true one is.

    Shapes and precision agree, singular values descend and are not negative, both bases are orthonormal,
    the entry of largest magnitude in each pair of vectors is positive, and the residuals of every triplet are
    below the tolerance.

    Parameters
    ----------
    A : ndarray, sparse matrix or LinearOperator of shape (m, n)
        The matrix that was decomposed.
    result : SVDResult or (U, s, Vt)
        What came out.
    tol : float, default=1e-3
        Largest residual relative to s[0] that is accepted.

    Raises
    ------
    AssertionError
        When something does not hold.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> A = np.diag([3.0, 2.0, 1.0])
    >>> cr.testing.assert_svd_valid(A, cr.svd(A, 2))
    """
    U, s, Vt = (np.asarray(factor) for factor in result)
    m, n, k = A.shape[0], A.shape[1], s.size
    shapes = (U.shape, s.shape, Vt.shape)
    assert shapes == ((m, k), (k,), (k, n)), f"shapes {shapes} do not fit A of shape {A.shape}"
    assert U.dtype == s.dtype == Vt.dtype, f"precisions differ: {U.dtype}, {s.dtype}, {Vt.dtype}"
    assert (s >= 0).all(), f"negative singular values: {s}"
    assert (np.diff(s) <= 0).all(), f"singular values do not descend: {s}"
    assert_orthonormal(U, name="U")
    assert_orthonormal(Vt.T, name="Vt.T")
    _assert_signs(U, Vt.T)
    _assert_residuals_small(A, U, s, Vt, tol)


def _assert_signs(U: Array, V: Array) -> None:
    """Check the sign convention; entries within rounding of the largest one are as good."""
    pairs = np.concatenate([U, V])
    near = 1.0 - 100.0 * np.sqrt(np.finfo(pairs.dtype).eps)
    wrong = np.flatnonzero(pairs.max(axis=0) < near * -pairs.min(axis=0))
    assert not wrong.size, f"signs: the largest entries of triplets {wrong} are negative"


def _assert_residuals_small(A: Any, U: Array, s: Array, Vt: Array, tol: float) -> None:
    scale = float(s.max(initial=0.0))
    rounding = 100.0 * float(np.finfo(s.dtype).eps) * np.sqrt(max(A.shape))
    for what, residual in (("A v - s u", A @ Vt.T - U * s), ("A' u - s v", A.T @ U - Vt.T * s)):
        size = float(np.linalg.norm(np.asarray(residual) / (scale or 1.0), axis=0).max(initial=0.0))
        limit = tol + rounding
        assert size <= limit, f"largest ||{what}|| is {size:.3g} of s[0], more than {limit:.3g}"
