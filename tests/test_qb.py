"""Bases for the range: orthonormal, near-optimal, exact coordinates, and a report that tells the truth."""

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import aslinearoperator

import corange as cr
from corange.testing import assert_orthonormal, matrix_with_spectrum

SLOW = matrix_with_spectrum(np.arange(1, 81) ** -0.5, (200, 90), random_state=0)
FAST = matrix_with_spectrum(0.5 ** np.arange(60), (90, 200), random_state=1)
SPARSE = scipy.sparse.random_array((300, 120), density=0.05, rng=0, format="csr")


def dense(A):
    return A.toarray() if scipy.sparse.issparse(A) else np.asarray(A)


@pytest.mark.parametrize("A", [SLOW, FAST, SPARSE, SLOW.astype(np.float32), np.asfortranarray(FAST)])
@pytest.mark.parametrize("rank", [1, 7, 40])
def test_basis_is_orthonormal_coordinates_are_exact_and_the_error_is_nearly_the_best(A, rank):
    result = cr.qb(A, rank, random_state=0)
    Q, B = result
    D = dense(A).astype(np.float64)
    assert_orthonormal(Q)
    assert Q.dtype == B.dtype == A.dtype
    assert (Q.shape, B.shape) == ((A.shape[0], rank), (rank, A.shape[1]))
    eps = np.finfo(A.dtype).eps
    np.testing.assert_allclose(B, Q.T.astype(np.float64) @ D, atol=100 * eps * np.linalg.norm(D, 2))
    best = np.sqrt(np.sum(np.linalg.svd(D, compute_uv=False)[rank:] ** 2))
    assert np.linalg.norm(D - Q.astype(np.float64) @ B) <= 1.05 * best + 100 * eps * np.linalg.norm(D)
    assert (np.diff(np.linalg.norm(B, axis=1)) <= 1e-6 * np.linalg.norm(B)).all()


@pytest.mark.parametrize("A", [SLOW, FAST, SPARSE])
@pytest.mark.parametrize("error", [0.5, 0.1, 1e-3])
def test_the_smallest_rank_that_reaches_an_error(A, error):
    D = dense(A)
    result = cr.qb(A, error=error, random_state=0)
    reached = np.linalg.norm(D - result.Q @ result.B) / np.linalg.norm(D)
    assert reached <= error * (1 + 1e-9)
    values = np.linalg.svd(D, compute_uv=False)
    tails = np.sqrt(np.cumsum(values[::-1] ** 2)[::-1]) / np.linalg.norm(D)
    assert result.rank <= np.sum(tails > error) + 1
    np.testing.assert_allclose(result.B, result.Q.T @ D, atol=1e-12)


def test_centered():
    A = SLOW + 3.0
    result = cr.qb(A, 5, center=True, random_state=0)
    centered = A - A.mean(axis=0)
    np.testing.assert_allclose(result.B, result.Q.T @ centered, atol=1e-12)
    np.testing.assert_allclose(result.mean, A.mean(axis=0), rtol=1e-12)
    best = np.sqrt(np.sum(np.linalg.svd(centered, compute_uv=False)[5:] ** 2))
    assert np.linalg.norm(A - result.reconstruct()) <= 1.05 * best


def test_exact_rank_is_recovered_to_rounding():
    A = matrix_with_spectrum([3.0, 2.0, 1.0], (100, 80), random_state=0)
    for rank in (3, 5):
        result = cr.qb(A, rank, power=0, random_state=0)
        assert_orthonormal(result.Q)
        assert np.linalg.norm(A - result.reconstruct()) <= 1e-13


def test_the_report_counts_passes_and_estimates_the_error():
    calls = []

    class Counted:
        shape, dtype = SLOW.shape, SLOW.dtype

        def __matmul__(self, X):
            calls.append(X.shape[1])
            return SLOW @ X

        def rmatmat(self, X):
            calls.append(X.shape[1])
            return SLOW.T @ X

    result = cr.qb(Counted(), 5, power=1, random_state=0)
    assert result.report.passes == len(calls)
    assert result.report.products == sum(calls)
    truth = np.linalg.norm(SLOW - result.reconstruct()) / np.linalg.norm(SLOW)
    assert result.report.error_bound >= truth
    assert result.report.error == pytest.approx(truth, rel=0.5)
    assert "subspace iteration" in str(result.report)


class TestRangeFinder:
    @pytest.mark.parametrize("size", [1, 10, 80])
    @pytest.mark.parametrize("power", [0, 1, 3])
    def test_basis_captures_what_the_theory_says(self, size, power):
        Q = cr.range_finder(SLOW, size, power=power, random_state=0)
        assert Q.shape == (200, size)
        assert_orthonormal(Q)
        values = np.linalg.svd(SLOW, compute_uv=False)
        missed = np.linalg.norm(SLOW - Q @ (Q.T @ SLOW))
        # Halko, Martinsson, Tropp, theorem 10.5, for each rank below size - 1; 2 allows for an unlucky seed.
        for k in range(size - 1):
            assert missed <= 2 * np.sqrt(1 + k / (size - k - 1)) * np.linalg.norm(values[k:])
        assert missed <= np.linalg.norm(SLOW)

    def test_power_helps(self):
        missed = []
        for power in (0, 1, 4):
            Q = cr.range_finder(SLOW, 10, power=power, random_state=0)
            missed.append(np.linalg.norm(SLOW - Q @ (Q.T @ SLOW)))
        assert missed == sorted(missed, reverse=True)

    def test_center(self):
        A = SLOW + 100.0
        Q = cr.range_finder(A, 80, center=True, random_state=0)
        centered = A - A.mean(axis=0)
        np.testing.assert_allclose(Q @ (Q.T @ centered), centered, atol=1e-9)

    @pytest.mark.parametrize("A", [np.zeros((6, 4)), np.ones((6, 4)), np.ones((1, 4)), np.ones((6, 1))])
    def test_degenerate_matrices_still_give_orthonormal_columns(self, A):
        size = min(A.shape)
        Q = cr.range_finder(A, size, random_state=0)
        assert_orthonormal(Q)
        np.testing.assert_allclose(Q @ (Q.T @ A), A, atol=1e-14)


@pytest.mark.parametrize("wrap", [np.asarray, scipy.sparse.csr_array, aslinearoperator])
def test_the_same_seed_gives_the_same_bits(wrap):
    one, two = (cr.qb(wrap(SLOW), 6, random_state=3) for _ in range(2))
    np.testing.assert_array_equal(one.Q, two.Q)
    np.testing.assert_array_equal(one.B, two.B)
    Q1, Q2 = (cr.range_finder(wrap(SLOW), 6, random_state=3) for _ in range(2))
    np.testing.assert_array_equal(Q1, Q2)


def test_too_much_is_clipped_with_a_warning_at_the_caller():
    with pytest.warns(UserWarning, match="rank=9 is more than a 6 x 4 matrix can have; 4 is used") as caught:
        assert cr.qb(np.ones((6, 4)), 9).rank == 4
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="size=9 is more than") as caught:
        assert cr.range_finder(np.ones((6, 4)), 9).shape == (6, 4)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ValueError, "either rank or error is needed"),
        ({"rank": 2, "error": 0.1}, ValueError, "exclude each other"),
        ({"rank": 0}, ValueError, "rank must be"),
        ({"rank": 2.0}, TypeError, "rank must be"),
        ({"error": 1.5}, ValueError, "error must be between"),
        ({"rank": 2, "power": -1}, ValueError, "power must be"),
        ({"rank": 2, "oversample": -1}, ValueError, "oversample must be"),
        ({"rank": 2, "center": 1}, TypeError, "center must be True or False"),
    ],
)
def test_bad_arguments(options, error, message):
    with pytest.raises(error, match=message):
        cr.qb(SLOW, **options)
