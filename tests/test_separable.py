"""Separable factorization: planted columns are found, under noise, permutations and cancellation."""

import io

import numpy as np
import pytest
import scipy.sparse
from threadpoolctl import threadpool_limits

import corange as cr
from corange import _core

both = pytest.mark.parametrize("method", ["spa", "snpa"])


def planted(m=30, n=200, k=5, noise=0.0, seed=0):
    """Pure columns at known places among their mixtures."""
    rng = np.random.default_rng(seed)
    W, H = rng.random((m, k)), rng.dirichlet(np.ones(k), n).T
    places = rng.permutation(n)[:k]
    H[:, places] = np.eye(k)
    X = W @ H + noise * rng.standard_normal((m, n))
    return np.maximum(X, 0), set(places.tolist())


@both
@pytest.mark.parametrize(
    "make", [np.asarray, np.asfortranarray, scipy.sparse.csr_array, scipy.sparse.csc_array]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_planted_columns_are_found_exactly(method, make, dtype):
    X, places = planted()
    result = cr.separable_nmf(make(X.astype(dtype)), 5, method=method)
    assert set(result.columns.tolist()) == places
    assert np.array_equal(result.W, X.astype(dtype)[:, result.columns])
    assert result.H.dtype == dtype
    assert np.abs(X - result.reconstruct()).max() <= 1e3 * np.finfo(dtype).eps
    assert result.report.error <= 1e2 * np.sqrt(np.finfo(dtype).eps)


@both
def test_noise_below_the_bound_moves_nothing_and_the_error_follows_it(method):
    clean, places = planted()
    for noise in (1e-8, 1e-5, 1e-3):
        X, _ = planted(noise=noise)
        result = cr.separable_nmf(X, 5, method=method)
        assert set(result.columns.tolist()) == places
        assert np.linalg.norm(X - result.reconstruct()) <= 20 * noise * np.sqrt(X.size)
    assert clean.shape == X.shape


@both
def test_permuted_columns_give_permuted_answers(method):
    X, _ = planted(noise=1e-3)
    order = np.random.default_rng(1).permutation(X.shape[1])
    first, second = cr.separable_nmf(X, 5, method=method), cr.separable_nmf(X[:, order], 5, method=method)
    assert np.array_equal(first.columns, order[second.columns])


@both
def test_duplicates_are_chosen_once(method):
    X, places = planted()
    doubled = np.c_[X, X]
    chosen = cr.separable_nmf(doubled, 5, method=method).columns
    assert {int(j) % X.shape[1] for j in chosen} == places
    assert len({int(j) % X.shape[1] for j in chosen}) == 5


def test_more_columns_than_the_rank_are_not_invented():
    X, places = planted()
    result = cr.separable_nmf(X, 8)
    assert set(result.columns.tolist()) == places


def test_the_weights_are_nonnegative_least_squares():
    from scipy.optimize import nnls

    X, _ = planted(noise=0.05)
    W, H = cr.separable_nmf(X, 5)
    expected = np.array([nnls(W, x)[0] for x in X.T]).T
    assert np.allclose(H, expected, atol=1e-9)


def test_columns_are_found_when_downdated_norms_cancel():
    """The last two differ by 1e-6 of columns that are a million times longer in a common direction."""
    rng = np.random.default_rng(0)
    base = rng.random(50)
    X = np.outer(base, np.ones(40)) + 1e-7 * rng.random((50, 3)) @ rng.dirichlet(np.full(3, 0.3), 40).T
    chosen = cr.separable_nmf(X, 3).columns
    Q, R = X.copy(), []
    for _ in range(3):  # the same by carrying the projections out
        j = int((Q**2).sum(axis=0).argmax())
        R.append(j)
        u = Q[:, j] / np.linalg.norm(Q[:, j])
        Q -= np.outer(u, u @ Q)
        Q -= np.outer(u, u @ Q)
    assert chosen.tolist() == R


def test_snpa_takes_dependent_columns_where_spa_cannot():
    """Four corners of a square in the plane of sums one: three dimensions, four extreme columns."""
    corners = np.array([[1, 1, 0], [1, -1, 0], [-1, 1, 0], [-1, -1, 0]]).T * 0.2 + np.array(
        [[1.0], [1.0], [1.0]]
    )
    weights = np.random.default_rng(0).dirichlet(np.ones(4), 30).T
    X = np.repeat(np.c_[corners, corners @ weights], 4, axis=0) + np.arange(12)[:, np.newaxis] * 0.01
    assert set(cr.separable_nmf(X, 4, method="snpa").columns.tolist()) == {0, 1, 2, 3}


def test_capped_least_squares_meets_its_conditions():
    from corange._nmf._entries import padded

    rng = np.random.default_rng(0)
    W, X = rng.random((20, 4)), rng.random((20, 50))
    G, B = W.T @ W, X.T @ W
    H = np.zeros((50, 8))
    _core.capped_least_squares(padded(G), padded(B), H, 4, float(np.linalg.eigvalsh(G)[-1]), 1e-12, 20000)
    H = H[:, :4]
    gradient = H @ G - B
    assert H.min() >= 0
    assert H.sum(axis=1).max() <= 1 + 1e-12
    # no vertex of the feasible set lies downhill: Frank and Wolfe's gap vanishes
    gap = (gradient * H).sum(axis=1) - np.minimum(gradient.min(axis=1), 0)
    assert gap.max() <= 1e-9


@both
def test_bits_scales_and_saving(method):
    X, _ = planted(noise=1e-3)
    results = []
    for threads in (1, 2, 7):
        with threadpool_limits(threads, user_api="openmp"):
            results.append(cr.separable_nmf(X, 5, method=method))
    assert all(np.array_equal(results[0].H, other.H) for other in results[1:])
    for exponent in (-900, 900):
        other = cr.separable_nmf(np.ldexp(X, exponent), 5, method=method)
        assert np.array_equal(other.columns, results[0].columns)
        assert np.array_equal(other.H, results[0].H)
    file = io.BytesIO()
    results[0].save(file)
    file.seek(0)
    again = cr.load(file)
    assert np.array_equal(again.columns, results[0].columns)
    assert type(again) is cr.SeparableNMFResult
