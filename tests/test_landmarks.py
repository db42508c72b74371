"""Nystrom approximations from landmarks: exactness, errors, distributions, choices, bits, bad input."""

import io

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator
from threadpoolctl import threadpool_limits

import corange as cr

CHOICES = ("rpcholesky", "leverage", "uniform")
choices = pytest.mark.parametrize("landmarks", CHOICES)


def low_rank(n, rank, seed=0):
    G = np.random.default_rng(seed).standard_normal((n, rank))
    return G @ G.T


def blobs(n, seed=0):
    """Points of which nearly all lie in one cluster, and a few in many far ones."""
    rng = np.random.default_rng(seed)
    centers = 20.0 * rng.standard_normal((20, 3))
    which = np.where(np.arange(n) < n - 200, 0, 1 + np.arange(n) % 19)
    return centers[which] + 0.3 * rng.standard_normal((n, 3))


def greedy_trace(K, k):
    """Trace of what greedy diagonal pivoting leaves."""
    left = K.copy()
    for _ in range(k):
        s = int(np.argmax(np.diag(left)))
        left -= np.outer(left[:, s], left[s]) / left[s, s]
    return float(np.trace(left))


class Rows:
    """Rows that are read when asked for, and nothing else."""

    def __init__(self, A):
        self._A, self.shape, self.dtype = A, A.shape, A.dtype

    def __getitem__(self, key):
        return self._A[key]


# ---- what the factor is


@choices
@given(n=st.integers(1, 60), rank=st.integers(1, 20), wanted=st.integers(1, 70), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
@pytest.mark.filterwarnings("ignore:rank=")
def test_exact_from_as_many_landmarks_as_the_rank_and_never_more(landmarks, n, rank, wanted, seed):
    K = low_rank(n, min(n, rank), seed)
    F, chosen = result = cr.nystrom(K, wanted, landmarks=landmarks, random_state=seed)
    assert F.shape == (n, chosen.size)
    assert chosen.size <= min(n, rank, wanted)
    assert np.unique(chosen).size == chosen.size
    size = np.abs(K).max()
    assert np.abs(F[chosen] - np.tril(F[chosen])).max(initial=0.0) <= 1e-6 * np.sqrt(size)
    assert np.abs(K[:, chosen] - F @ F[chosen].T).max(initial=0.0) <= 1e-10 * size
    if wanted >= rank:
        assert np.abs(K - F @ F.T).max() <= 1e-9 * size
        assert result.report.error <= 1e-9


@pytest.mark.parametrize(
    ("n", "rank", "seed"), [(11, 5, 13), (11, 8, 2), (17, 9, 50), (23, 17, 97), (29, 6, 17), (35, 7, 50)]
)
def test_rounding_is_no_pivot_where_columns_have_large_coefficients_in_the_pivots(n, rank, seed):
    """Random pivots, unlike the largest, do not bound them: rounding grows by their squares."""
    chosen = cr.nystrom(
        low_rank(n, rank, seed), rank + 3, landmarks="rpcholesky", random_state=seed
    ).landmarks
    assert chosen.size == rank


@choices
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_error_is_the_relative_trace_of_what_is_left(landmarks, dtype):
    X = np.random.default_rng(1).standard_normal((600, 4)).astype(dtype)
    kernel = cr.KernelMatrix(X, gamma=0.2)
    F, _ = result = cr.nystrom(kernel, 40, landmarks=landmarks, random_state=0)
    assert F.dtype == dtype
    K = kernel.columns(np.arange(600)).astype(np.float64)
    left = K - F.astype(np.float64) @ F.T
    assert result.report.error == pytest.approx(np.trace(left) / np.trace(K), rel=1e-4)
    assert (result.report.error_norm, result.report.error_kind) == ("trace", "exact")
    assert "in the trace norm, exact" in str(result.report)
    assert np.linalg.eigvalsh(left)[0] >= -500 * np.finfo(dtype).eps * np.linalg.norm(K, 2)
    best = np.linalg.eigvalsh(K)[:-40].sum() / 600
    assert best * 0.999 <= result.report.error


def test_the_smallest_number_of_pivots_that_reaches_an_error():
    X = np.random.default_rng(2).standard_normal((900, 3))
    K = cr.KernelMatrix(X, gamma=0.3)
    result = cr.nystrom(K, 400, landmarks="rpcholesky", error=0.01, random_state=3)
    k = result.rank
    assert result.report.error <= 0.01
    left = 900.0 - (result.F[:, : k - 1].astype(float) ** 2).sum()
    assert left / 900.0 > 0.01
    assert result.report.error == pytest.approx(1.0 - (result.F**2).sum() / 900.0, rel=1e-9)


def test_pivots_have_the_distribution_of_one_draw_at_a_time():
    """Pairs of first and second pivot, against their probabilities; each within 5 standard deviations."""
    K = low_rank(5, 4, seed=7) + np.diag([0.1, 2.0, 0.5, 0.0, 1.0])
    trials, counts = 4000, np.zeros((5, 5))
    with threadpool_limits(1):
        for seed in range(trials):
            first, second = cr.nystrom(K, 2, landmarks="rpcholesky", random_state=seed).landmarks
            counts[first, second] += 1
    for i in range(5):
        left = np.diag(K) - K[:, i] ** 2 / K[i, i]
        left[i] = 0.0
        expected = K[i, i] / np.trace(K) * left / left.sum()
        deviation = np.sqrt(trials * expected * (1.0 - expected))
        assert (np.abs(counts[i] - trials * expected) <= 5.0 * deviation + 1e-9).all()


# ---- how good the choice is


def test_random_pivots_are_good_where_greedy_ones_and_uniform_ones_fail():
    """Outliers by the dozen mislead greedy pivoting; small clusters are missed by uniform landmarks."""
    rng = np.random.default_rng(4)
    scattered = np.concatenate([0.05 * rng.standard_normal((900, 2)), 60.0 * rng.standard_normal((60, 2))])
    K = cr.KernelMatrix(scattered, gamma=0.5)
    dense = K.columns(np.arange(960))
    best = np.linalg.eigvalsh(dense)[:-20].sum()
    found = [cr.nystrom(K, 20, landmarks="rpcholesky", random_state=s).report.error * 960 for s in range(10)]
    assert np.mean(found) <= 1.3 * best
    dense[:900, :900] *= 1.0 - 1e-9  # the tie between all diagonals goes to the outliers
    assert greedy_trace(dense, 20) >= 5.0 * np.mean(found)

    K = cr.KernelMatrix(blobs(3000), gamma=0.5)
    errors = {
        name: np.mean([cr.nystrom(K, 60, landmarks=name, random_state=s).report.error for s in range(5)])
        for name in CHOICES
    }
    assert errors["rpcholesky"] <= 0.5 * errors["uniform"]
    assert errors["leverage"] <= 0.7 * errors["uniform"]


def test_within_a_factor_of_greedy_pivoting_on_evenly_spread_points():
    X = np.random.default_rng(5).standard_normal((1500, 10))
    kernel = cr.KernelMatrix(X, gamma=0.05)
    greedy = greedy_trace(kernel.columns(np.arange(1500)), 150)
    assert cr.nystrom(kernel, 150, landmarks="rpcholesky", random_state=0).report.error * 1500 <= 1.3 * greedy


def test_leverage_finds_a_direction_that_only_one_point_has():
    K = np.ones((500, 500)) + 1e-6 * low_rank(500, 3)
    K[77, :] = K[:, 77] = 0.0
    K[77, 77] = 0.5
    hits = sum(77 in cr.nystrom(K, 5, landmarks="leverage", random_state=s).landmarks for s in range(20))
    assert hits >= 18


# ---- every kind of matrix, same bits


def test_every_kind_of_matrix_gives_the_same():
    rng = np.random.default_rng(6)
    S = scipy.sparse.random_array((300, 300), density=0.02, rng=rng, format="csr")
    K = scipy.sparse.csr_array(S @ S.T + 0.1 * scipy.sparse.eye_array(300))
    K = scipy.sparse.csr_array((K + K.T) / 2)
    dense = K.toarray()
    by_indices = cr.KernelMatrix(np.arange(300), lambda P, Q: dense[np.ix_(P, Q)])
    kinds = [K, scipy.sparse.csc_array(K), dense, np.asfortranarray(dense), Rows(dense), by_indices]
    for landmarks in CHOICES:
        expected = cr.nystrom(dense.tolist(), 30, landmarks=landmarks, random_state=1)
        for other in kinds:
            found = cr.nystrom(other, 30, landmarks=landmarks, random_state=1)
            assert np.array_equal(found.landmarks, expected.landmarks)
            assert np.array_equal(found.F, expected.F)


@choices
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_bits_on_any_number_of_threads(landmarks, dtype):
    K = cr.KernelMatrix(np.random.default_rng(7).standard_normal((3000, 5)).astype(dtype), gamma=0.1)
    results = []
    for threads in (1, 2, 3, 7):
        with threadpool_limits(threads, user_api="openmp"):
            results.append(cr.nystrom(K, 90, landmarks=landmarks, random_state=8))
    assert all(np.array_equal(results[0].F, other.F) for other in results[1:])


@choices
@pytest.mark.parametrize(("dtype", "exponents"), [(np.float64, (300, -300, 40)), (np.float32, (60, -60, 10))])
def test_scaling_by_powers_of_four_scales_the_factor_exactly(landmarks, dtype, exponents):
    K = low_rank(200, 60).astype(dtype)
    expected = cr.nystrom(K, 30, landmarks=landmarks, random_state=2)
    for exponent in exponents:
        found = cr.nystrom(np.ldexp(K, exponent), 30, landmarks=landmarks, random_state=2)
        assert np.array_equal(found.landmarks, expected.landmarks)
        assert np.array_equal(found.F, np.ldexp(expected.F, exponent // 2))


@choices
def test_matrices_at_the_edge(landmarks):
    for K in (
        np.zeros((40, 40)),
        np.eye(40),
        np.array([[2.5]]),
        np.diag(np.r_[0.0, np.logspace(0, -14, 30)]),
    ):
        for dtype in (np.float32, np.float64):
            F, chosen = result = cr.nystrom(
                K.astype(dtype), min(5, len(K)), landmarks=landmarks, random_state=0
            )
            assert np.isfinite(F).all()
            assert np.isfinite(result.report.error)
            assert np.diag(K)[chosen].all()
            assert result.eigh().V.shape == F.shape


def test_input_is_not_modified_and_need_not_be_writable():
    K = low_rank(100, 10)
    K.setflags(write=False)
    before = K.tobytes()
    cr.nystrom(K, 5, landmarks="rpcholesky", random_state=0)
    assert K.tobytes() == before


def test_columns_are_selected_as_landmarks_are():
    K = cr.KernelMatrix(np.random.default_rng(3).standard_normal((400, 3)), gamma=0.1)
    expected = cr.nystrom(K, 20, landmarks="rpcholesky", random_state=3).landmarks
    entries = K.columns(np.arange(400))
    for matrix in (K, entries, scipy.sparse.csr_array(entries), Rows(entries)):
        for select in (cr.select_columns, cr.select_rows):
            assert np.array_equal(select(matrix, 20, method="rpcholesky", random_state=3), expected)
    with pytest.raises(ValueError, match="A must be square"):
        cr.select_columns(np.ones((3, 4)), 2, method="rpcholesky")
    with pytest.raises(TypeError, match="only multiplies"):
        cr.select_columns(aslinearoperator(entries), 2, method="rpcholesky")


# ---- the result


def test_new_points_are_projected_to_rows_of_the_factor():
    X = np.random.default_rng(8).standard_normal((500, 3))
    K = cr.KernelMatrix(X, gamma=0.05)
    result = cr.nystrom(K, 60, landmarks="rpcholesky", random_state=0)
    assert np.abs(result.project(K.columns(result.landmarks)) - result.F).max() < 1e-8
    new = np.random.default_rng(9).standard_normal((50, 3))
    rows = result.project(K.between(new, result.landmarks))
    assert np.abs(rows @ result.F.T - K.between(new, np.arange(500))).max() < 0.02
    with pytest.raises(ValueError, match="X must have a column for each of 60 landmarks"):
        result.project(np.ones((2, 5)))


def test_eigenpairs_of_the_approximation():
    result = cr.nystrom(low_rank(300, 80), 20, landmarks="rpcholesky", random_state=0)
    w, V = result.eigh()
    assert np.abs(V.T @ V - np.eye(20)).max() < 1e-13
    assert np.abs((V * w) @ V.T - result.reconstruct()).max() < 1e-11 * w[0]
    assert (np.diff(w) <= 0).all()


def test_saved_and_loaded():
    result = cr.nystrom(low_rank(50, 8), 8, landmarks="uniform", random_state=0)
    file = io.BytesIO()
    result.save(file)
    file.seek(0)
    again = cr.load(file)
    assert isinstance(again, cr.NystromResult)
    assert np.array_equal(again.F, result.F)
    assert np.array_equal(again.landmarks, result.landmarks)
    assert again.report == result.report or str(again.report) == str(result.report)


def test_given_landmarks_are_used_and_dependent_ones_left_out():
    K = low_rank(60, 5)
    K[:, 11] = K[:, 10]
    K[11, :] = K[10, :]
    assert sorted(cr.nystrom(K, landmarks=[3, 10, 40]).landmarks) == [3, 10, 40]
    assert cr.nystrom(K, landmarks=[3, 10, 11]).rank == 2


# ---- bad input


INDEFINITE = np.diag([3.0, 2.0, 1.0, 1.0])
INDEFINITE[2, 3] = INDEFINITE[3, 2] = 1.5


@pytest.mark.parametrize(
    ("K", "options", "error", "message"),
    [
        (np.ones((3, 4)), {}, ValueError, "K must be square"),
        (np.diag([1.0, np.nan, 1.0]), {}, ValueError, "K must be finite"),
        (np.diag([1.0, -1.0, 1.0]), {}, np.linalg.LinAlgError, r"K\[1, 1\] is -1"),
        (INDEFINITE, {"rank": 4}, np.linalg.LinAlgError, "K must be positive semidefinite"),
        (np.eye(4), {"landmarks": "best"}, ValueError, "landmarks must be one of 'rpcholesky'"),
        (np.eye(4), {"landmarks": [0, 4], "rank": None}, ValueError, "landmarks must be from 0 to 3, got 4"),
        (np.eye(4), {"landmarks": [1, 1], "rank": None}, ValueError, "landmarks must differ"),
        (np.eye(4), {"landmarks": [0.5], "rank": None}, TypeError, "landmarks must be integers"),
        (np.eye(4), {"landmarks": [[0]], "rank": None}, ValueError, "landmarks must be one or more indices"),
        (np.eye(4), {"landmarks": [0]}, ValueError, "rank is the number of landmarks"),
        (np.eye(4), {"rank": None}, TypeError, "rank must be an integer"),
        (np.eye(4), {"rank": 0}, ValueError, "rank must be an integer of at least 1"),
        (np.eye(4), {"oversample": 3}, ValueError, "oversample has no meaning"),
        (np.eye(4), {"error": 1.5}, ValueError, "error must be between 0 and 1"),
        (np.eye(4), {"error": 0.1, "landmarks": "uniform"}, ValueError, "error needs landmarks='rpcholesky'"),
        (np.eye(4), {"error": 0.1, "landmarks": None}, ValueError, "rank and error exclude each other"),
        (scipy.sparse.linalg.aslinearoperator(np.eye(4)), {}, TypeError, "entries that can be looked at"),
    ],
)
def test_bad_arguments_are_refused(K, options, error, message):
    with pytest.raises(error, match=message):
        cr.nystrom(K, **({"rank": 2, "landmarks": "rpcholesky", "random_state": 0} | options))


def test_more_landmarks_than_rows_are_clipped_with_a_warning():
    with pytest.warns(UserWarning, match="rank=9"):
        assert cr.nystrom(np.eye(4), 9, landmarks="rpcholesky", random_state=0).rank == 4
