"""Choice of columns and rows: against slow references, distinct, no more than the rank, for any matrix."""

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator

import corange as cr
from corange import _core
from corange._select import METHODS, pivots_of
from corange._source import Source
from corange.testing import matrix_with_spectrum

SLOW = matrix_with_spectrum(0.8 ** np.arange(60), (120, 90), random_state=0)
every = pytest.mark.parametrize("method", [name for name in METHODS if name != "rpcholesky"])


class Rows:
    """Rows that are read when asked for."""

    def __init__(self, A):
        self._A, self.shape, self.dtype = A, A.shape, A.dtype

    def __getitem__(self, key):
        return self._A[key]


def projection_error(A, J):
    Q = np.linalg.qr(A[:, J])[0]
    return np.linalg.norm(A - Q @ (Q.T @ A))


def core_qr(Y, k, rcond=1e-13):
    R = np.empty((k, Y.shape[1]), Y.dtype)
    pivots, remainders = _core.pivoted_qr(Y, k, rcond, R)
    return pivots, remainders, R


class TestKernels:
    @given(st.integers(1, 40), st.integers(1, 200), st.integers(0, 10**6), st.sampled_from([0.0, 3.0, 7.0]))
    @example(5, 129, 1, 7.0)
    @settings(max_examples=60, deadline=None)
    def test_pivots_are_those_of_lapack(self, rows, n, seed, decades):
        rng = np.random.default_rng(seed)
        Y = np.logspace(0, -decades, rows)[:, np.newaxis] * rng.standard_normal((rows, n))
        k = min(rows, n)
        pivots, remainders, R = core_qr(Y, k, 0.0)
        expected = scipy.linalg.qr(Y, mode="r", pivoting=True)
        assert np.array_equal(pivots, expected[1][:k])
        diagonal = np.abs(R[np.arange(k), pivots])
        np.testing.assert_allclose(diagonal, np.abs(np.diag(expected[0]))[:k], rtol=1e-6)
        tails = [np.linalg.norm(expected[0][t:]) ** 2 for t in range(k + 1)]
        # lengths of columns out of the running are not measured anew: they keep the rounding of the first
        rounding = 2 * np.finfo(float).eps * tails[0]
        np.testing.assert_allclose(remainders[:-1], tails[:-1], rtol=1e-6, atol=rounding)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_r_is_the_matrix_in_the_basis_of_its_pivots(self, dtype):
        Y = np.random.default_rng(0).standard_normal((30, 300)).astype(dtype)
        pivots, remainders, R = core_qr(Y, 20)
        eps = np.finfo(dtype).eps
        gram = Y[:, pivots].T.astype(float) @ Y
        assert np.abs(R[:, pivots].T.astype(float) @ R - gram).max() <= 100 * eps * np.abs(gram).max()
        assert np.abs(np.tril(R[:, pivots], -1)).max() <= 30 * eps * np.abs(R).max()
        assert remainders[-1] == pytest.approx(projection_error(Y.astype(float), pivots) ** 2, rel=1e-3)

    def test_lengths_lost_by_cancellation_are_measured_anew(self):
        """Columns that hardly differ from a long one: the differences decide after the first step."""
        rng = np.random.default_rng(1)
        Y = 1e3 * rng.standard_normal((20, 1)) + 1e-6 * rng.standard_normal((20, 50))
        pivots = core_qr(Y, 10)[0]
        assert np.array_equal(pivots, scipy.linalg.qr(Y, mode="r", pivoting=True)[1][:10])

    @pytest.mark.parametrize("decades", [1.0, 6.0, 14.0])
    @pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
    def test_single_precision_finds_pivots_as_good_where_it_is_used(self, decades, scale):
        rng = np.random.default_rng(3)
        Y = np.logspace(0, -decades, 30)[:, np.newaxis] * rng.standard_normal((30, 200))
        pivots, remainders = pivots_of(Y * scale, 20, 1e-13)
        exact, reference, _ = core_qr(Y, 20)
        assert projection_error(Y, pivots) <= (1 + 1e-6) * projection_error(Y, exact)
        shares = remainders / remainders[0], reference / reference[0]
        np.testing.assert_allclose(*shares, rtol=1e-2, atol=1e-12)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_columns_are_taken_from_arrays_of_any_strides(self, dtype):
        A = np.random.default_rng(4).standard_normal((70, 50)).astype(dtype)
        columns = np.array([49, 0, 7, 7, 30])
        for view in (A, np.asfortranarray(A), A[::-2, ::3][:, ::-1], A[:1], A[:, :1]):
            taken = np.empty((view.shape[0], columns.size), dtype)
            _core.take_columns(view, columns % view.shape[1], taken)
            assert np.array_equal(taken, view[:, columns % view.shape[1]])
        for bad in (-1, 50):
            with pytest.raises(ValueError, match="out of range"):
                _core.take_columns(A, np.array([0, bad]), np.empty((70, 2), dtype))

    def test_a_rough_basis_loses_the_square_of_the_condition(self):
        rng = np.random.default_rng(5)
        for condition in (1.0, 1e3, 1e12):
            X = (
                rng.standard_normal((300, 20))
                * np.logspace(0, 1, 20)
                @ np.linalg.qr(rng.standard_normal((20, 20)))[0]
            )
            X[:, 1] = X[:, 0] + X[:, 1] / condition
            for rough in (False, True):
                Q = np.empty_like(X)
                R = _core.orthonormal_factor(X, Q, rough)
                np.testing.assert_allclose(Q @ R, X, atol=1e-12)
                loss = np.abs(Q.T @ Q - np.eye(20)).max()
                # where one step is hopeless, all of them are made
                assert loss <= (1e-14 * (20 * condition) ** 2 if rough and condition < 1e6 else 1e-13)

    def test_stops_at_the_numerical_rank_and_refuses_nan(self):
        rng = np.random.default_rng(2)
        Y = rng.standard_normal((30, 7)) @ rng.standard_normal((7, 100))
        assert core_qr(Y, 20)[0].size == 7
        assert _core.pivoted_lu(Y, 20, 1e-12).size == 7
        Y[3, 4] = np.nan
        for call in (lambda: core_qr(Y, 5), lambda: _core.pivoted_lu(Y, 5, 1e-12)):
            with pytest.raises(np.linalg.LinAlgError, match="NaN"):
                call()

    def test_elimination_of_singular_vectors_is_deim(self):
        V = np.linalg.qr(np.random.default_rng(3).standard_normal((200, 15)))[0]
        expected = [np.abs(V[:, 0]).argmax()]
        for j in range(1, 15):
            c = np.linalg.solve(V[expected, :j], V[expected, j])
            residual = V[:, j] - V[:, :j] @ c
            assert np.abs(residual[expected]).max() <= 1e-12
            expected.append(np.abs(residual).argmax())
        assert np.array_equal(_core.pivoted_lu(np.ascontiguousarray(V.T), 15, 1e-14), expected)
        flipped = V * np.where(np.arange(15) % 2, -1, 1)
        assert np.array_equal(_core.pivoted_lu(flipped.T, 15, 1e-14), expected)

    def test_farthest_points(self):
        Y = np.random.default_rng(4).standard_normal((5, 80))
        expected = [np.square(Y - Y.mean(axis=1, keepdims=True)).sum(axis=0).argmax()]
        for _ in range(9):
            gaps = np.square(Y[:, :, np.newaxis] - Y[:, np.newaxis, expected]).sum(axis=0).min(axis=1)
            expected.append(gaps.argmax())
        assert np.array_equal(_core.farthest_columns(Y, 10, 0.0), expected)

    @pytest.mark.parametrize("limit", [1.05, 2.0])
    def test_exchanges_bound_coefficients_and_keep_the_row_space(self, limit):
        V = np.random.default_rng(5).standard_normal((12, 100))
        W = np.linalg.solve(V[:, :12], V)
        chosen = _core.bound_coefficients(W, np.arange(12), limit, 10000)
        assert np.unique(chosen).size == 12
        assert np.abs(W).max() <= limit
        np.testing.assert_allclose(W, np.linalg.solve(V[:, chosen], V), atol=1e-10)


@every
def test_distinct_columns_for_every_kind_of_matrix(method):
    kinds = [
        SLOW,
        np.asfortranarray(SLOW),
        scipy.sparse.csr_array(SLOW),
        scipy.sparse.csc_matrix(SLOW),
        Rows(SLOW),
    ]
    if method != "squared-length":
        kinds.append(aslinearoperator(SLOW))
    best = np.sqrt(np.sum(0.8 ** (2 * np.arange(15, 60))))
    for A in kinds:
        J = cr.select_columns(A, 15, method=method, random_state=0)
        rows = cr.select_rows(A, 15, method=method, random_state=0)
        assert J.dtype == rows.dtype == np.int64
        assert np.unique(J).size == np.unique(rows).size == 15
        # Columns drawn by lot are worse than the best subspace by a factor of sqrt(k + 1) or so.
        assert projection_error(SLOW, J) <= 6 * best
        assert projection_error(SLOW.T, rows) <= 6 * best


@every
def test_rows_are_columns_of_the_transpose(method):
    if method in ("leverage", "squared-length"):
        pytest.skip("rows and columns are drawn from streams of their own")
    if method in ("deim", "qdeim", "leverage-largest"):
        columns = cr.select_columns(SLOW.T, 10, method=method, exact=True, random_state=0)
        assert np.array_equal(columns, cr.select_rows(SLOW, 10, method=method, exact=True, random_state=0))
        return
    quality = [
        projection_error(SLOW.T, J)
        for J in (
            cr.select_columns(np.ascontiguousarray(SLOW.T), 10, method=method, random_state=0),
            cr.select_rows(SLOW, 10, method=method, random_state=0),
        )
    ]
    assert max(quality) <= 2 * min(quality)


@every
@pytest.mark.parametrize("rank", [1, 3])
def test_no_more_columns_than_the_rank_and_duplicates_chosen_once(method, rank):
    rng = np.random.default_rng(0)
    A = rng.standard_normal((40, rank)) @ rng.standard_normal((rank, 6))
    A = np.tile(A, (1, 5))
    J = cr.select_columns(A, 20, method=method, random_state=0)
    assert J.size <= rank + (method == "farthest")
    assert np.unique(J % 6).size == J.size
    if method not in ("leverage", "leverage-largest"):  # their vectors end with the rank
        assert J.size >= rank
    assert projection_error(A, J) <= 1e-12 * np.linalg.norm(A)


@every
def test_a_zero_matrix_and_a_single_entry(method):
    assert cr.select_columns(np.zeros((5, 4)), 2, method=method, random_state=0).tolist() == [0]
    single = np.zeros((5, 4))
    single[3, 2] = 7.0
    assert cr.select_columns(single, 1, method=method, random_state=0).tolist() == [2]
    assert cr.select_rows(single, 1, method=method, random_state=0).tolist() == [3]


def test_sketched_pivots_are_nearly_as_good_as_those_of_the_matrix():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((600, 75)) @ rng.standard_normal((75, 500)) + 1e-6 * rng.standard_normal(
        (600, 500)
    )
    full = scipy.linalg.qr(A, mode="r", pivoting=True)[1][:50]
    errors = [projection_error(A, cr.select_columns(A, 50, random_state=seed)) for seed in range(5)]
    assert np.mean(errors) <= 1.02 * projection_error(A, full)


@pytest.mark.parametrize("decades", [1.0, 12.0])
@pytest.mark.parametrize("scale", [1e-290, 1e-30, 1.0, 1e100, 1e302])
def test_columns_are_as_good_at_any_scale(decades, scale):
    """Sketches in single precision where that is enough: not for small pivots, nor out of its range."""
    A = matrix_with_spectrum(np.logspace(0, -decades, 40), (400, 200), random_state=1)
    columns = cr.select_columns(A * scale, 30, random_state=2)
    reference = scipy.linalg.qr(A, mode="r", pivoting=True)[1][:30]
    assert projection_error(A, columns) <= 3 * projection_error(A, reference)
    result = cr.interpolative(A * scale, 30, random_state=2)
    error = np.linalg.norm(A - result.skeleton / scale @ result.coefficients) / np.linalg.norm(A)
    assert error <= 3 * projection_error(A, reference) / np.linalg.norm(A)
    assert result.report.error == pytest.approx(error, rel=0.5 if decades > 6 else 1e-4)


def test_power_steps_help_where_singular_values_fall_slowly():
    A = matrix_with_spectrum(np.arange(1, 201) ** -0.5, (300, 200), random_state=1)
    errors = [
        np.mean([projection_error(A, cr.select_columns(A, 10, power=p, random_state=s)) for s in range(5)])
        for p in (0, 2)
    ]
    assert errors[1] <= errors[0]


def test_a_tiny_but_unique_column_has_leverage():
    A = np.zeros((50, 20))
    A[:40] = np.outer(np.ones(40), np.ones(20))
    A[45, 7] = 1e-3
    J = cr.select_columns(A, 2, method="leverage-largest", exact=True, random_state=0)
    assert 7 in J
    assert 7 in cr.select_columns(A, 2, method="qr", random_state=0)


def test_approximate_leverage_scores_are_near_the_exact_ones():
    A = matrix_with_spectrum(
        np.r_[np.linspace(2.0, 1.0, 8), 0.1 * 0.9 ** np.arange(40)], (90, 300), random_state=4
    )
    exact = np.square(np.linalg.svd(A)[2][:8]).sum(axis=0)
    for data in (A, scipy.sparse.csr_array(A), aslinearoperator(A)):
        source = Source(data, check_finite=True)
        scores = np.square(source.vectors(1, 8, 0, exact=False)).sum(axis=0)
        assert scores.sum() == pytest.approx(8)
        assert np.all((scores <= 1.5 * exact) & (exact <= 1.5 * scores))


def test_columns_are_drawn_by_squared_length():
    norms = np.array([1.0, 2.0, 3.0, 4.0])
    A = np.diag(norms)
    drawn = [cr.select_columns(A, 1, method="squared-length", random_state=seed)[0] for seed in range(2000)]
    counts, expected = np.bincount(drawn, minlength=4), 2000 * norms**2 / 30
    # chi-square with 3 degrees of freedom exceeds 21.1 with probability 1e-4
    assert np.sum((counts - expected) ** 2 / expected) < 21.1


def test_refusals():
    with pytest.raises(TypeError, match="squared-length"):
        cr.select_columns(aslinearoperator(SLOW), 3, method="squared-length")
    with pytest.raises(ValueError, match="method must be one of 'qr'"):
        cr.select_columns(SLOW, 3, method="magic")
    with pytest.raises(ValueError, match="k must be"):
        cr.select_columns(SLOW, 0)
    with pytest.warns(UserWarning, match="k=200 is more than"):
        assert cr.select_columns(SLOW, 200, random_state=0).size <= 90
    bad = SLOW.copy()
    bad[4, 5] = np.nan
    with pytest.raises(ValueError, match=r"A\[4, 5\]"):
        cr.select_columns(bad, 3)
