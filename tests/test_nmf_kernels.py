"""What a nonnegative factorization is made of: sweeps, and exact nonnegative least squares."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from corange import _core

# ---- nonnegative least squares


@given(rows=st.integers(1, 40), k=st.integers(1, 20), extra=st.integers(0, 15), seed=st.integers(0, 2**20))
@settings(max_examples=60, deadline=None)
def test_block_pivoting_equals_scipy_column_by_column(rows, k, extra, seed):
    rng = np.random.default_rng(seed)
    C, B = rng.standard_normal((k + extra, k)), rng.standard_normal((k + extra, rows))
    Y = rng.random((rows, k)) * (rng.random((rows, k)) < 0.5)  # any start
    F = np.ascontiguousarray((C.T @ B).T)
    _core.nnls(C.T @ C, F, Y)
    Z = Y @ (C.T @ C) - F
    size = np.abs(F).max()
    assert (Y >= 0).all()
    condition = np.linalg.cond(C)
    assert Z.min() >= -1e-12 * size * condition
    assert np.abs(Y * Z).max() <= 1e-12 * size * condition * (1 + np.abs(Y).max())
    for y, b in zip(Y, B.T, strict=True):
        best = nnls(C, b)[0]
        ours, theirs = np.linalg.norm(C @ y - b), np.linalg.norm(C @ best - b)
        # From C'C, y is off by eps cond^2 along its weakest direction, which C shortens by its condition.
        rounding = k * np.finfo(float).eps * condition * np.linalg.norm(C) * np.linalg.norm(best)
        assert ours <= theirs * (1 + 1e-9) + rounding + 1e-12
        if condition < 1e4:
            assert np.allclose(y, best, atol=1e-9 * condition * (1 + np.abs(best).max()))


@pytest.mark.parametrize("kind", ["duplicate columns", "zero columns", "all alike"])
def test_block_pivoting_of_singular_problems_is_optimal(kind):
    rng = np.random.default_rng(1)
    C = np.abs(rng.standard_normal((30, 8)))
    if kind == "duplicate columns":
        C[:, 3] = C[:, 1]
        C[:, 6] = 2 * C[:, 1]
    elif kind == "zero columns":
        C[:, [0, 5]] = 0
    else:
        C = np.outer(C[:, 0], np.arange(1.0, 9.0))
    B = rng.standard_normal((30, 50))
    F, Y = np.ascontiguousarray((C.T @ B).T), np.zeros((50, 8))
    _core.nnls(C.T @ C, F, Y)
    assert np.isfinite(Y).all()
    for y, b in zip(Y, B.T, strict=True):
        assert np.linalg.norm(C @ y - b) <= np.linalg.norm(C @ nnls(C, b)[0] - b) * (1 + 1e-7)


@given(
    rows=st.integers(1, 150),
    k=st.integers(1, 30),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**20),
)
@settings(max_examples=40, deadline=None)
def test_a_sweep_is_coordinate_descent_over_the_columns(rows, k, dtype, seed):
    rng = np.random.default_rng(seed)
    C = rng.standard_normal((k + 5, k))
    G, F = C.T @ C, rng.standard_normal((rows, k)).astype(dtype)
    Y = (rng.random((rows, k)) * (rng.random((rows, k)) < 0.5)).astype(dtype)
    expected = Y.astype(np.float64)
    for j in range(k):
        step = (F[:, j] - expected @ G[:, j]) / G[j, j]
        expected[:, j] = np.maximum(0, expected[:, j] + step)
    _core.hals(G, F, Y, 1)
    assert np.abs(Y - expected).max() <= 500 * k * np.finfo(dtype).eps * (1 + np.abs(expected).max())
