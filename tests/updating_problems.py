"""Small matrices whose SVDs change, and what to compare with."""

import numpy as np
import scipy.sparse as sp

import corange as cr


def sparse(rng, m, n, nnz, scale=1.0):
    """Rows with `nnz` entries each."""
    indices = np.argsort(rng.random((m, n)), axis=1)[:, :nnz]
    data = scale * rng.standard_normal(m * nnz)
    return sp.csr_array((data, indices.ravel(), np.arange(0, m * nnz + 1, nnz)), shape=(m, n))


def orthogonality(X):
    return np.abs(X.T @ X - np.eye(X.shape[1])).max()


def exact(A, k):
    s = np.linalg.svd(A, compute_uv=False)
    full = cr.svd(A, k, tol=1e-9, random_state=0)
    assert np.allclose(full.s, s[:k], rtol=1e-8)
    return full


def low_rank(rng, m=60, n=50, k=6):
    return (rng.standard_normal((m, k)) * 0.7 ** np.arange(k)) @ rng.standard_normal((k, n))
