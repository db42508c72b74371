"""Updates of truncated SVDs: equality with the direct computation, inverses, scales, orthogonality."""

import numpy as np
import pytest
import scipy.sparse as sp

import corange as cr
from corange._updating import EvolvingSVD
from corange._updating._blocks import as_block

EXACT = ("zha-simon", "extended", "auto")
REDUCED = ("vecharynski-saad", "yamazaki", "extended-gkl", "extended-rpi")


def sparse(rng, m, n, nnz, scale=1.0):
    """Rows with `nnz` entries each."""
    indices = np.argsort(rng.random((m, n)), axis=1)[:, :nnz]
    data = scale * rng.standard_normal(m * nnz)
    return sp.csr_array((data, indices.ravel(), np.arange(0, m * nnz + 1, nnz)), shape=(m, n))


def start(rng, m=120, n=90, k=8, scale=1.0):
    A = scale * (rng.standard_normal((m, k)) / np.arange(1, k + 1)) @ rng.standard_normal((k, n))
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    return EvolvingSVD(U[:, :k], s[:k], Vt[:k].T, rank=k)


def dense_of(state):
    return (state.left.whole() * state.s) @ state.right.whole().T


def truncated(A, k):
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    return (U[:, :k] * s[:k]) @ Vt[:k]


def orthogonality(X):
    return np.abs(X.T @ X - np.eye(X.shape[1])).max()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_hundred_mixed_updates_equal_the_direct_computation(scale):
    """Zha and Simon's update is the truncated SVD of the kept matrix with its change."""
    rng = np.random.default_rng(0)
    state = start(rng, scale=scale)
    state.method = "extended"
    expected = dense_of(state)
    for step in range(100):
        m, n = expected.shape
        if step % 3 == 0:
            E = sparse(rng, 3, n, 4, scale)
            state.append_rows(as_block(E, "E"))
            expected = np.vstack([expected, E.toarray()])
        elif step % 3 == 1:
            E = sparse(rng, 2, m, 5, scale)
            state.append_columns(as_block(E, "E"))
            expected = np.hstack([expected, E.toarray().T])
        else:
            D, E = sparse(rng, 2, m, 3), sparse(rng, 2, n, 3, scale)
            state.add_product(as_block(D, "D"), as_block(E, "E"))
            expected = expected + D.toarray().T @ E.toarray()
        expected = truncated(expected, 8)
    assert np.abs(dense_of(state) - expected).max() <= 1e-11 * np.linalg.norm(expected, 2)
    s = np.linalg.svd(expected, compute_uv=False)[:8]
    np.testing.assert_allclose(state.s, s, rtol=0, atol=1e-11 * s[0])
    assert orthogonality(state.left.whole()) < 1e-12
    assert orthogonality(state.right.whole()) < 1e-12
