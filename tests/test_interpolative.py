"""Interpolative decompositions: exact columns, the best coefficients, bounded, and an error that is true."""

import io

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from scipy.sparse.linalg import aslinearoperator

import corange as cr
from corange.testing import matrix_with_spectrum

FAST = matrix_with_spectrum(0.8 ** np.arange(60), (120, 90), random_state=0)
SPARSE = scipy.sparse.random_array((150, 100), density=0.1, rng=0, format="csr")


def dense(A):
    return A.toarray() if scipy.sparse.issparse(A) else np.asarray(A)


def relative_error(A, result):
    return np.linalg.norm(dense(A) - result.reconstruct()) / np.linalg.norm(dense(A))


@pytest.mark.parametrize(
    "A", [FAST, np.asfortranarray(FAST), FAST.astype(np.float32), SPARSE, SPARSE.tocsc()]
)
@pytest.mark.parametrize("axis", [1, 0])
def test_identity_on_the_chosen_and_least_squares_on_the_rest(A, axis):
    indices, W = result = cr.interpolative(A, 12, axis=axis, random_state=0)
    chosen = dense(A)[:, indices] if axis == 1 else dense(A)[indices]
    assert type(result.skeleton) is (type(A) if scipy.sparse.issparse(A) else np.ndarray)
    assert np.array_equal(dense(result.skeleton), chosen)
    assert W.dtype == A.dtype
    kept = W[:, indices] if axis == 1 else W[indices]
    assert np.array_equal(kept, np.eye(12))
    assert result.max_coefficient <= 2.0
    D = dense(A).astype(np.float64)
    best = (
        scipy.linalg.lstsq(chosen.astype(float), D)[0]
        if axis == 1
        else scipy.linalg.lstsq(chosen.T.astype(float), D.T)[0].T
    )
    # A large error lets coefficients be computed in single precision.
    assert np.abs(W - best).max() <= 2e-5
    assert result.report.error == pytest.approx(relative_error(A, result), rel=1e-4)
    assert result.report.error_kind == "exact"


def test_small_errors_are_reached_in_double_precision():
    A = matrix_with_spectrum(np.logspace(0, -12, 40), (100, 80), random_state=0)
    result = cr.interpolative(A, 40, random_state=0)
    assert relative_error(A, result) <= 1e-12
    result = cr.interpolative(A, 30, random_state=0)
    assert relative_error(A, result) <= 50 * 10 ** (-12 * 30 / 39)


@pytest.mark.parametrize("seed", range(3))
def test_error_is_within_a_little_of_full_pivoted_qr(seed):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((600, 75)) @ rng.standard_normal((75, 450)) + 1e-6 * rng.standard_normal(
        (600, 450)
    )
    R = scipy.linalg.qr(A, mode="r", pivoting=True)[0]
    full = np.linalg.norm(R[50:]) / np.linalg.norm(A)
    assert relative_error(A, cr.interpolative(A, 50, random_state=seed)) <= 1.03 * full


@pytest.mark.parametrize("limit", [1.1, 2.0])
def test_coefficients_are_bounded_where_pivoting_alone_fails(limit):
    n, c = 40, 0.35  # Kahan's matrix: pivoted QR keeps the first columns, and its coefficients explode
    s = np.sqrt(1 - c**2)
    A = np.diag(s ** np.arange(n)) @ (np.eye(n) - c * np.triu(np.ones((n, n)), 1))
    A *= 1 - 1e-6 * np.arange(n)
    pivoted = scipy.linalg.qr(A, pivoting=True)
    explosive = np.abs(np.linalg.solve(pivoted[1][:-1, :-1], pivoted[1][:-1, -1])).max()
    assert explosive > 100
    result = cr.interpolative(A, n - 1, limit=limit, random_state=0)
    assert result.max_coefficient <= limit * (1 + 1e-9)
    assert relative_error(A, result) <= 4 * np.linalg.svd(A, compute_uv=False)[-1]


def test_both_sides():
    P, S, W = result = cr.interpolative(FAST, 12, axis=None, random_state=0)
    assert np.array_equal(S, FAST[np.ix_(result.rows, result.columns)])
    assert np.array_equal(P[result.rows], np.eye(12))
    assert np.array_equal(W[:, result.columns], np.eye(12))
    assert result.max_coefficient <= 2.0
    np.testing.assert_allclose(result.reconstruct(), P @ S @ W, atol=1e-14)
    assert (
        relative_error(FAST, result)
        <= relative_error(FAST, cr.interpolative(FAST, 12, random_state=0)) * 1.0001
    )
    assert result.report.error == pytest.approx(relative_error(FAST, result), rel=1e-5)


@pytest.mark.parametrize("wrap", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize("axis", [1, 0, None])
@pytest.mark.parametrize("error", [0.3, 1e-3, 1e-8])
def test_as_many_columns_as_an_error_asks_for(wrap, axis, error):
    result = cr.interpolative(wrap(FAST), error=error, axis=axis, random_state=0)
    assert relative_error(FAST, result) <= error * (1 + 1e-6)
    tails = np.sqrt(np.cumsum((0.8 ** np.arange(60))[::-1] ** 2)[::-1])
    best = int(np.sum(tails > error * tails[0]))
    assert result.rank <= best * 1.25 + 4


def test_operators_and_probed_errors():
    result = cr.interpolative(aslinearoperator(FAST), 12, random_state=0)
    assert np.array_equal(result.skeleton, FAST[:, result.indices])
    assert result.report.error_kind == "estimated"
    assert result.report.error_bound >= relative_error(FAST, result)


def test_fewer_columns_than_asked_for_when_they_span_the_rest():
    A = np.tile(np.random.default_rng(0).standard_normal((30, 4)), (1, 5))
    result = cr.interpolative(A, 10, random_state=0)
    assert result.rank == 4
    assert np.unique(result.indices % 4).size == 4
    assert relative_error(A, result) <= 1e-14
    zero = cr.interpolative(np.zeros((6, 5)), 3, random_state=0)
    assert zero.rank == 1
    assert not zero.reconstruct().any()


@pytest.mark.parametrize("A", [FAST, SPARSE])
@pytest.mark.parametrize("axis", [1, 0, None])
def test_saved_and_loaded(A, axis):
    result = cr.interpolative(A, 5, axis=axis, random_state=0)
    file = io.BytesIO()
    result.save(file)
    file.seek(0)
    again = cr.load(file)
    assert np.array_equal(result.reconstruct(), again.reconstruct())
    assert again.report.method == result.report.method
    part = result.reconstruct(rows=[3, 1], columns=2)
    np.testing.assert_allclose(part, result.reconstruct()[[3, 1]][:, [2]], atol=1e-14)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({}, ValueError, "either rank or error"),
        ({"rank": 2, "axis": 2}, ValueError, "axis must be 1"),
        ({"rank": 2, "limit": 0.5}, ValueError, "limit must be from 1.01"),
        ({"rank": 2.5}, TypeError, "rank must be"),
        ({"error": 0.1, "method": "deim"}, ValueError, "error needs method='qr'"),
        ({"rank": 2, "power": -1}, ValueError, "power must be"),
    ],
)
def test_refusals(options, kind, message):
    with pytest.raises(kind, match=message):
        cr.interpolative(FAST, **options)
