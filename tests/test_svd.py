"""The truncated SVD as users call it: what it promises for every kind of matrix, and for bad arguments."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator
from threadpoolctl import threadpool_limits

import corange as cr
from corange._report import Iteration
from corange.testing import assert_orthonormal, assert_svd_valid, matrix_with_spectrum

SLOW = matrix_with_spectrum(np.arange(1, 121) ** -0.5, (300, 150), random_state=0)
FAST = matrix_with_spectrum(0.8 ** np.arange(100), (150, 300), random_state=1)
SPARSE = scipy.sparse.random_array((400, 250), density=0.03, rng=0, format="csr")


class Rows:
    """Data on disk, counting how often each row is read."""

    def __init__(self, A):
        self._A, self.shape, self.dtype, self.rows_read = A, A.shape, A.dtype, 0

    def __getitem__(self, key):
        self.rows_read += key.stop - key.start
        return self._A[key]


class Counted:
    """An operator that counts its products."""

    def __init__(self, A):
        self._A, self.shape, self.dtype, self.columns = A, A.shape, A.dtype, []

    def matmat(self, X):
        self.columns.append(X.shape[1])
        return self._A @ X

    def rmatmat(self, X):
        self.columns.append(X.shape[1])
        return self._A.T @ X


KINDS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "csr": scipy.sparse.csr_array,
    "csc": scipy.sparse.csc_array,
    "coo": scipy.sparse.coo_array,
    "rows": Rows,
    "operator": aslinearoperator,
}


def dense(A):
    return A.toarray() if scipy.sparse.issparse(A) else A


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "A", [SLOW, FAST, dense(SPARSE), SLOW.astype(np.float32)], ids=["slow", "fast", "sparse", "f32"]
)
@pytest.mark.parametrize("tol", [1e-2, 1e-3, 1e-6])
def test_every_kind_of_matrix_meets_the_tolerance(kind, A, tol):
    result = cr.svd(KINDS[kind](A), 12, tol=tol, random_state=0)
    eps = np.finfo(A.dtype).eps
    assert result.report.converged
    assert result.U.dtype == result.s.dtype == result.Vt.dtype == A.dtype
    assert_svd_valid(A.astype(np.float64), result, tol=tol)
    exact = np.linalg.svd(A.astype(np.float64), compute_uv=False)[:12]
    np.testing.assert_allclose(result.s, exact, rtol=0, atol=(20 * tol**2 + 50 * eps) * exact[0])


@pytest.mark.parametrize("A", [SLOW, FAST, SPARSE])
def test_residuals_in_the_report_are_those_of_the_factors(A):
    U, s, Vt = result = cr.svd(A, 10, random_state=0)
    truth = np.linalg.norm(A.T @ U - Vt.T * s, axis=0)
    np.testing.assert_allclose(result.report.residuals, truth, atol=1e-6 * s[0])
    assert result.report.scale == s[0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_error_in_the_report_is_the_truth(kind):
    result = cr.svd(KINDS[kind](SLOW), 10, random_state=0)
    truth = np.linalg.norm(SLOW - result.reconstruct()) / np.linalg.norm(SLOW)
    report = result.report
    if report.error_kind == "exact":
        assert report.error == pytest.approx(truth, rel=1e-4)
    else:
        assert report.error == pytest.approx(truth, rel=0.3)
    assert report.norm_fro == pytest.approx(
        np.linalg.norm(SLOW), rel=1e-9 if report.error_kind == "exact" else 0.3
    )


class TestError:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("error", [0.5, 0.1, 1e-3, 1e-5])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_the_smallest_rank_that_reaches_it(self, kind, error, dtype):
        A = FAST.astype(dtype)
        result = cr.svd(KINDS[kind](A), error=error, random_state=0)
        values = np.linalg.svd(A.astype(np.float64), compute_uv=False)
        tails = np.sqrt(np.cumsum(values[::-1] ** 2)[::-1]) / np.linalg.norm(values)
        reached = np.linalg.norm(A - result.reconstruct()) / np.linalg.norm(values)
        best = np.sum(tails > error)
        assert result.report.converged
        assert reached <= error * (1 + 1e-6)
        # of an operator the norm is estimated, and taken as small as it may be
        assert best <= result.rank <= best + (3 if kind == "operator" else 1)

    @pytest.mark.parametrize("error", [1e-9, 1e-11])
    def test_far_below_the_square_root_of_rounding(self, error):
        A = matrix_with_spectrum(0.3 ** np.arange(60), (200, 120), random_state=2)
        result = cr.svd(A, error=error, tol=1e-12, random_state=0)
        reached = np.linalg.norm(A - result.reconstruct()) / np.linalg.norm(A)
        assert reached <= error * (1 + 1e-6)
        best = np.ceil(np.log(error) / np.log(0.3))  # of a geometric spectrum, but for its end
        assert best <= result.rank <= best + 1


class TestCenter:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("A", [SLOW + 3.0, SLOW.astype(np.float32) - 1.0], ids=["f64", "f32"])
    def test_equals_the_svd_of_the_centered_matrix(self, kind, A):
        centered = A.astype(np.float64) - A.mean(axis=0, dtype=np.float64)
        result = cr.svd(KINDS[kind](A), 8, center=True, tol=1e-5, random_state=0)
        eps = np.finfo(A.dtype).eps
        exact = np.linalg.svd(centered, compute_uv=False)[:8]
        np.testing.assert_allclose(result.s, exact, atol=1e3 * eps + 1e-8)
        np.testing.assert_allclose(result.mean, A.mean(axis=0, dtype=np.float64), atol=100 * eps)
        truth = np.linalg.norm(A - result.reconstruct()) / np.linalg.norm(centered)
        assert result.report.error == pytest.approx(
            truth, rel=1e-3 if result.report.error_kind == "exact" else 0.3
        )
        np.testing.assert_allclose(result.project(A), centered @ result.Vt.T, atol=1e4 * eps)

    def test_error_is_relative_to_the_centered_matrix(self):
        A = SLOW + 3.0
        result = cr.svd(A, error=0.3, center=True, random_state=0)
        centered = A - A.mean(axis=0)
        values = np.linalg.svd(centered, compute_uv=False)
        tails = np.sqrt(np.cumsum(values[::-1] ** 2)[::-1]) / np.linalg.norm(centered)
        assert np.sum(tails > 0.3) <= result.rank <= np.sum(tails > 0.3) + 1

    def test_a_constant_matrix_becomes_zero(self):
        result = cr.svd(np.full((20, 10), 7.0), 3, center=True, random_state=0)
        assert result.s.max() <= 1e-12
        assert_orthonormal(result.U)
        assert_orthonormal(result.Vt.T)
        np.testing.assert_allclose(result.reconstruct(), 7.0)


class TestSmallAndDegenerate:
    @pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 3), (65, 64), (5, 200), (200, 5)])
    def test_full_rank_of_any_shape(self, shape):
        A = np.random.default_rng(0).standard_normal(shape)
        result = cr.svd(A, min(shape), random_state=0)
        assert_svd_valid(A, result, tol=1e-12)
        np.testing.assert_allclose(result.reconstruct(), A, atol=1e-12)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize(
        "A", [np.zeros((90, 80)), np.ones((90, 80)), np.eye(90, 80), np.diag(np.r_[1.0, np.zeros(79)])]
    )
    def test_rank_deficient_and_clustered(self, kind, A):
        result = cr.svd(KINDS[kind](A), 6, random_state=0)
        assert result.report.converged
        assert_svd_valid(A, result)
        # However loose the tolerance, repeated values, and zeros beyond the rank, are exact: the basis is in
        # single precision at least, and its error counts squared.
        exact = np.linalg.svd(A, compute_uv=False)[:6]
        rounding = 10 * np.finfo(np.float32).eps ** 2
        np.testing.assert_allclose(result.s, exact, rtol=0, atol=rounding * exact[0])

    @pytest.mark.parametrize("exponent", [-1000, -500, 500, 1000])
    @pytest.mark.parametrize("kind", ["C", "csr", "rows"])
    def test_powers_of_two_change_nothing_but_the_scale(self, exponent, kind):
        scale = 2.0**exponent
        one, other = (cr.svd(KINDS[kind](SLOW * c), 5, random_state=0) for c in (1.0, scale))
        np.testing.assert_array_equal(other.U, one.U)
        np.testing.assert_array_equal(other.Vt, one.Vt)
        np.testing.assert_array_equal(other.s, one.s * scale)
        assert other.report.error == one.report.error

    @given(
        st.tuples(st.integers(1, 40), st.integers(1, 40)),
        st.integers(0, 6),
        st.integers(0, 2**64 - 1),
        st.sampled_from([np.float32, np.float64]),
    )
    @settings(max_examples=60, deadline=None)
    def test_any_small_matrix_of_any_rank(self, shape, rank, seed, dtype):
        rng = np.random.default_rng(seed)
        A = rng.standard_normal((shape[0], rank)) @ rng.standard_normal((rank, shape[1]))
        A = A.astype(dtype)
        k = int(rng.integers(1, min(shape) + 1))
        result = cr.svd(A, k, random_state=seed)
        assert_svd_valid(A.astype(np.float64), result)
        exact = np.linalg.svd(A.astype(np.float64), compute_uv=False)[:k]
        tolerance = (1e-5 + 100 * np.finfo(dtype).eps) * max(exact[0], 1e-300)
        np.testing.assert_allclose(result.s, exact, atol=tolerance)


class TestDeterminism:
    @pytest.mark.parametrize("kind", KINDS)
    def test_the_same_seed_gives_the_same_bits(self, kind):
        one, two = (cr.svd(KINDS[kind](SLOW), 6, random_state=11) for _ in range(2))
        for a, b in zip(one, two, strict=True):
            np.testing.assert_array_equal(a, b)

    @pytest.mark.parametrize("kind", ["Fortran", "csc", "coo", "rows"])
    @pytest.mark.parametrize("tol", [1e-3, 1e-9])
    @pytest.mark.filterwarnings("ignore::corange.ConvergenceWarning")
    def test_any_number_of_threads_gives_the_same_bits(self, kind, tol):
        A = scipy.sparse.random_array((2000, 600), density=0.02, rng=0, format="csr")
        A = KINDS[kind](A if kind in ("csc", "coo") else A.toarray())
        results = []
        for threads in (1, 2, 3, 7):
            with threadpool_limits(threads, user_api="openmp"):
                results.append(cr.svd(A, 3, tol=tol, max_passes=12, random_state=1))
        for other in results[1:]:
            assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))

    def test_copies_views_and_index_widths_do_not_matter(self):
        base = cr.svd(SLOW, 6, random_state=1)
        wide = np.empty((300, 400))
        wide[:, 10:160] = SLOW
        read_only = SLOW.copy()
        read_only.flags.writeable = False
        for view in (wide[:, 10:160], read_only, SLOW.tolist()):
            np.testing.assert_array_equal(cr.svd(view, 6, random_state=1).U, base.U)
        sparse = cr.svd(SPARSE, 6, random_state=1)
        other = SPARSE.copy()
        other.indptr, other.indices = other.indptr.astype(np.int64), other.indices.astype(np.int64)
        np.testing.assert_array_equal(cr.svd(other, 6, random_state=1).U, sparse.U)

    def test_signs_are_those_of_the_transpose(self):
        one, two = cr.svd(SLOW, 6, tol=1e-8, random_state=0), cr.svd(SLOW.T, 6, tol=1e-8, random_state=5)
        np.testing.assert_allclose(one.U, two.Vt.T, atol=1e-6)
        np.testing.assert_allclose(one.Vt.T, two.U, atol=1e-6)

    def test_input_is_not_modified(self):
        for A in (SLOW.copy(), np.asfortranarray(SLOW), SPARSE.copy(), SPARSE.tocsc()):
            before = A.copy()
            cr.svd(A, 5, center=True)
            assert abs(A - before).max() == 0


class TestReport:
    def test_passes_and_products_are_those_of_the_operator(self):
        operator = Counted(SLOW)
        report = cr.svd(operator, 6, random_state=0).report
        assert report.products == sum(operator.columns)
        assert report.passes == len(operator.columns)

    def test_passes_are_readings_of_data_on_disk(self):
        rows = Rows(SLOW)
        report = cr.svd(rows, 6, random_state=0).report
        assert report.passes == rows.rows_read / rows.shape[0]

    def test_few_triplets_of_a_file_at_a_loose_tolerance_take_four_passes(self):
        A = matrix_with_spectrum(1 / np.arange(1, 101), (3000, 400), random_state=0)
        A += 1e-5 * np.random.default_rng(0).standard_normal(A.shape)
        rows = Rows(A.astype(np.float32))
        report = cr.svd(rows, 20, tol=1e-2, random_state=0).report
        assert report.converged
        assert rows.rows_read <= 4 * rows.shape[0]

    @pytest.mark.parametrize("kind", ["C", "csr", "rows"])
    @pytest.mark.parametrize("shape", [(6000, 800), (800, 6000)])
    @pytest.mark.parametrize("tol", [1e-2, 1e-9])
    @pytest.mark.filterwarnings("ignore::corange.ConvergenceWarning")
    def test_working_memory_is_what_the_guide_says(self, kind, shape, tol):
        A = scipy.sparse.random_array(shape, density=0.01, rng=0, format="csr")
        A.data[A.indices < 20] *= 20
        A = KINDS[kind](A if kind == "csr" else A.toarray())
        report = cr.svd(A, 10, tol=tol, max_passes=30, random_state=0).report
        (m, n), k, b, K = shape, 10, report.block_size, report.max_basis
        most = min(m, n) * K + (m + n) * (k + 2 * b) if tol > 1e-8 else (m + n) * (K + 2 * b)
        assert 8 * (m + n) * k <= report.peak_bytes <= 8 * most

    def test_history_leads_to_convergence(self):
        report = cr.svd(SLOW, 10, tol=1e-6, random_state=0).report
        assert [entry.iteration for entry in report.history] == sorted({e.iteration for e in report.history})
        assert report.history[-1].converged == 10
        assert report.history[-1].residual <= 1e-6
        assert np.all(np.diff([entry.elapsed for entry in report.history]) >= 0)
        assert 0 < report.history[-1].elapsed <= report.seconds


class TestStopping:
    NOISE = np.random.default_rng(0).standard_normal((600, 500))

    def test_too_few_passes_warn_at_the_caller_and_tell_in_the_report(self):
        with pytest.warns(
            cr.ConvergenceWarning, match=r"svd stopped after .* residuals above tol=1e-06"
        ) as caught:
            result = cr.svd(self.NOISE, 10, tol=1e-6, max_passes=4, random_state=0)
        assert caught[0].filename == __file__
        assert not result.report.converged
        assert result.report.stopped == "max_passes"
        assert result.report.passes <= 4
        assert_orthonormal(result.U)
        assert_orthonormal(result.Vt.T)

    def test_a_callback_sees_each_iteration_and_may_stop_without_a_warning(self):
        seen = []

        def stop_at_three(info):
            seen.append(info)
            return info.iteration == 3

        result = cr.svd(self.NOISE, 10, tol=1e-6, random_state=0, callback=stop_at_three)
        assert all(isinstance(info, Iteration) for info in seen)
        assert [info.iteration for info in seen] == [1, 2, 3]
        assert result.report.stopped == "callback"
        assert not result.report.converged
        assert_orthonormal(result.U)

    def test_exceptions_of_a_callback_pass_through(self):
        def failing(info):
            raise LookupError("no such line")

        with pytest.raises(LookupError, match="no such line"):
            cr.svd(self.NOISE, 10, random_state=0, callback=failing)
        assert cr.svd(SLOW, 2, random_state=0).report.converged  # usable afterwards


class TestArguments:
    @pytest.mark.parametrize("rank", [1, np.int32(3), 149, 150])
    def test_legal_ranks(self, rank):
        assert cr.svd(SLOW, rank, random_state=0).rank == rank

    def test_more_than_there_is_is_clipped_with_a_warning_at_the_caller(self):
        with pytest.warns(
            UserWarning, match="rank=99 is more than a 6 x 4 matrix can have; 4 is used"
        ) as caught:
            assert cr.svd(np.ones((6, 4)), 99).rank == 4
        assert caught[0].filename == __file__

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({}, ValueError, "either rank or error is needed"),
            ({"rank": 2, "error": 0.1}, ValueError, "exclude each other"),
            ({"rank": 0}, ValueError, "rank must be an integer of at least 1, got 0"),
            ({"rank": True}, TypeError, "rank must be an integer"),
            ({"rank": 2.0}, TypeError, "rank must be an integer"),
            ({"rank": "2"}, TypeError, "rank must be an integer"),
            ({"error": 0.0}, ValueError, "error must be between 0 and 1"),
            ({"error": 1}, ValueError, "error must be between 0 and 1"),
            ({"rank": 2, "tol": 0}, ValueError, "tol must be between 0 and 1"),
            ({"rank": 2, "tol": np.nan}, ValueError, "tol must be between 0 and 1"),
            ({"rank": 2, "center": "yes"}, TypeError, "center must be True or False"),
            ({"rank": 2, "oversample": -1}, ValueError, "oversample must be an integer of at least 0"),
            ({"rank": 2, "block_size": 0}, ValueError, "block_size must be an integer of at least 1"),
            ({"rank": 2, "max_passes": 0}, ValueError, "max_passes must be an integer of at least 1"),
            ({"rank": 2, "random_state": "x"}, TypeError, "random_state must be None, an integer"),
            ({"rank": 2, "check_finite": None}, TypeError, "check_finite must be True or False"),
            ({"rank": 2, "start": np.eye(3)}, TypeError, "start must be an SVDResult or None"),
            ({"rank": 2, "callback": 3}, TypeError, "callback must be callable or None"),
        ],
    )
    def test_bad_ones_are_refused_before_the_data_are_looked_at(self, options, error, message):
        with pytest.raises(error, match=message):
            cr.svd(None, **options)

    @pytest.mark.parametrize(
        "options",
        [
            {"block_size": 1},
            {"block_size": 500},
            {"oversample": 0},
            {"oversample": 1000},
            {"block_size": 3, "oversample": 1},
        ],
    )
    def test_any_block_and_basis_size_converges(self, options):
        assert_svd_valid(SLOW, cr.svd(SLOW, 5, random_state=0, **options))

    @pytest.mark.parametrize("max_passes", [1, 2, 3])
    @pytest.mark.filterwarnings("ignore::corange.ConvergenceWarning")
    def test_very_few_passes_still_give_orthonormal_factors(self, max_passes):
        result = cr.svd(SLOW, 5, max_passes=max_passes, random_state=0)
        assert_orthonormal(result.U)
        assert_orthonormal(result.Vt.T)

    def test_right_vectors_are_a_view_of_a_contiguous_array(self):
        assert cr.svd(SLOW, 3).Vt.T.flags.c_contiguous

    def test_nan_is_refused_by_place(self):
        A = SLOW.copy()
        A[3, 4] = np.nan
        for kind in ("C", "Fortran", "csr", "csc", "rows"):
            with pytest.raises(ValueError, match=r"NaN or infini.*(row 3, column 4|\[3, 4\])"):
                cr.svd(KINDS[kind](A), 3)
