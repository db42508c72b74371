"""Nonnegative factorization in a basis of the range: as good as without, and errors are true."""

import numpy as np
import pytest
import scipy.sparse
from threadpoolctl import threadpool_limits

import corange as cr


def decaying(m=300, n=80, k=30, seed=0):
    """Nonnegative factors whose components become smaller and smaller, and noise."""
    rng = np.random.default_rng(seed)
    W = rng.random((m, k)) * (rng.random((m, k)) < 0.4) / np.arange(1, k + 1)
    X = W @ (rng.random((k, n)) * (rng.random((k, n)) < 0.4))
    return X + 0.01 * X.mean() * rng.random((m, n))


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_as_good_as_on_the_matrix_itself(wide, dtype):
    X = decaying().astype(dtype)
    X = np.ascontiguousarray(X.T) if wide else X
    options = {"tol": 1e-5, "max_iter": 2000, "random_state": 0}
    plain = cr.nmf(X, 8, solver="hals", init="nndsvda", **options)
    W, H = small = cr.nmf(X, 8, solver="compressed", init="nndsvda", **options)
    assert W.dtype == H.dtype == dtype
    assert W.min() >= 0
    assert H.min() >= 0
    assert small.report.error <= 1.01 * plain.report.error
    true = np.linalg.norm(X - W.astype(np.float64) @ H) / np.linalg.norm(X)
    assert small.report.error == pytest.approx(true, rel=1e-4)
    assert small.report.objective == pytest.approx(0.5 * np.linalg.norm(X - W @ H) ** 2, rel=1e-3)
    assert small.report.passes == 7
    assert np.allclose(small.project(X), W, atol=1e-4 if dtype == np.float32 else 1e-10)


def test_all_dimensions_are_no_compression():
    X = decaying(90, 24, 10)
    options = {"init": "nndsvda", "tol": 0, "max_iter": 20, "random_state": 0, "l1": (0.01, 0.01)}
    plain = cr.nmf(X, 6, solver="hals", **options)  # 6 and 20 more are all there are
    small = cr.nmf(X, 6, solver="compressed", **options)
    assert small.report.objective == pytest.approx(plain.report.objective, rel=1e-3)
    longer = options | {"max_iter": 1500}
    ends = [cr.nmf(X, 6, solver=s, **longer).report.objective for s in ("hals", "compressed")]
    assert ends[1] == pytest.approx(ends[0], rel=1e-4)


@pytest.mark.parametrize("sparse", [False, True])
def test_a_weight_of_two_is_the_same_row_twice(sparse):
    X = decaying()
    rng = np.random.default_rng(1)
    weights = rng.integers(1, 3, X.shape[0])
    rows = np.repeat(np.arange(X.shape[0]), weights)
    start = {"W": rng.random((X.shape[0], 5)), "H": rng.random((5, X.shape[1]))}
    options = {"solver": "compressed", "tol": 1e-7, "max_iter": 2000, "l2": (0.1, 0.2), "random_state": 0}
    make = scipy.sparse.csr_array if sparse else np.asarray
    first = cr.nmf(make(X), 5, sample_weight=weights, **start, **options)
    second = cr.nmf(make(X[rows]), 5, W=start["W"][rows], H=start["H"], **options)
    assert first.report.objective == pytest.approx(second.report.objective, rel=1e-5)


@pytest.mark.parametrize("exponent", [-996, 990])
def test_scale_does_not_matter(exponent):
    X = decaying()
    options = {"solver": "compressed", "tol": 0, "max_iter": 20, "random_state": 0}
    first, second = (cr.nmf(A, 5, **options) for A in (X, np.ldexp(X, exponent)))
    assert second.report.error == pytest.approx(first.report.error, rel=1e-6)


def test_same_bits_on_any_number_of_threads_and_several_starts():
    X, results = decaying(), []
    for threads in (1, 3):
        with threadpool_limits(threads, user_api="openmp"):
            results.append(
                cr.nmf(X, 5, solver="compressed", starts=3, tol=0, max_iter=12, random_state=0, init="random")
            )
    assert np.array_equal(results[0].W, results[1].W)
    assert np.array_equal(results[0].H, results[1].H)
    assert len(results[0].report.starts) == 3


def test_a_factor_that_is_held_and_losses_without_compression():
    X = decaying()
    H = cr.nmf(X, 4, random_state=0).H
    exact, small = (cr.nmf(X, 4, solver=s, H=H, hold="H") for s in ("hals", "compressed"))
    assert np.array_equal(exact.W, small.W)
    with pytest.raises(ValueError, match="does not know the loss"):
        cr.nmf(X, 4, solver="compressed", loss="kullback-leibler")
