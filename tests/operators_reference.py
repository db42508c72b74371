"""Matrices and slow products that the tests of operators compare with."""

import numpy as np
import scipy.sparse

M, N, B = 13, 7, 4
RNG = np.random.default_rng(0)
DENSE = RNG.standard_normal((M, N))
SPARSE = scipy.sparse.random_array((M, N), density=0.4, rng=1, format="csr")


def products(operator, dtype=np.float64):
    """A @ X and A.T @ Y for fixed X and Y."""
    m, n = operator.shape
    rng = np.random.default_rng(5)
    X, Y = rng.standard_normal((n, B)).astype(dtype), rng.standard_normal((m, B)).astype(dtype)
    AX, AtY = np.empty((m, B), dtype), np.empty((n, B), dtype)
    operator.apply(X, AX)
    operator.apply_adjoint(Y, AtY)
    return X, Y, AX, AtY


def assert_stands_for(operator, A, dtype=np.float64):
    """The operator multiplies like the dense matrix A."""
    A = np.asarray(A, dtype=np.float64)
    X, Y, AX, AtY = products(operator, dtype)
    tolerance = 100 * np.finfo(dtype).eps * max(np.abs(A).max(), 1e-300)
    assert tuple(operator.shape) == A.shape
    np.testing.assert_allclose(AX, A @ X, rtol=0, atol=tolerance * A.shape[1])
    np.testing.assert_allclose(AtY, A.T @ Y, rtol=0, atol=tolerance * A.shape[0])


def misaligned(A):
    buffer = np.empty(A.nbytes + 1, dtype=np.uint8)
    view = buffer[1:].view(A.dtype).reshape(A.shape)
    view[...] = A
    return view
