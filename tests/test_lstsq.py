"""Least squares and ridge: backward stable, of least norm, for any kind of matrix and right-hand side."""

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator

import corange as cr
from lstsq_problems import Rows, problem

EPS = np.finfo(np.float64).eps
METHODS = ("auto", "sketch")


def backward_error(A, b, x):
    """Karlson-Walden estimate by the singular value decomposition, residual in long double."""
    wide = A.astype(np.longdouble)
    U, s, _ = np.linalg.svd(A, full_matrices=False)
    r = b.astype(np.longdouble) - wide @ x.astype(np.longdouble)
    theta = np.linalg.norm(A) / np.linalg.norm(b)
    factor = theta / np.sqrt(1 + theta**2 * (x @ x))
    omega = factor * np.linalg.norm(r.astype(np.float64))
    weighted = s * (U.astype(np.longdouble).T @ r).astype(np.float64) / np.hypot(s, omega)
    return factor * np.linalg.norm(weighted) / np.linalg.norm(A)


def householder(A, b):
    Q, R = np.linalg.qr(A)
    return scipy.linalg.solve_triangular(R, Q.T @ b)


# ---- accuracy


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("condition", [1e1, 1e6, 1e9, 1e12, 1e14])
@pytest.mark.parametrize("residual", [1e-8, 1e-4, 1.0])
def test_backward_error_is_that_of_householder_qr(method, condition, residual):
    A, b = problem(2000, 40, condition, residual)
    result = cr.lstsq(A, b, method=method, random_state=0)
    assert result.report.converged
    assert backward_error(A, b, result.x) <= 10 * max(backward_error(A, b, householder(A, b)), EPS / 4)


def test_tall_matrices_beyond_what_is_factored_whole_take_the_sketch():
    A, b = problem(3000, 40, 1e12, 1e-4)
    report = cr.lstsq(A, b, random_state=0).report
    assert report.sketch_size == 160
    assert "sketched Cholesky" in report.method
    assert cr.lstsq(*problem(3000, 40, 1e3, 1e-4)).report.sketch_size == 0


@pytest.mark.parametrize("condition", [1e3, 1e12])
def test_sparse_matrices_are_solved_by_iteration_in_steps_that_do_not_depend_on_the_condition(condition):
    A = scipy.sparse.random_array((6000, 60), density=0.1, rng=0, format="csr")
    scaled = A @ scipy.sparse.diags_array(np.geomspace(1, 1 / condition, 60))
    mixed = (scaled @ scipy.sparse.random_array((60, 60), density=0.2, rng=1)).tocsr()
    mixed += 0.1 * scaled
    b = np.cos(np.arange(6000.0))
    for given_as in (mixed.tocsr(), mixed.tocsc()):
        result = cr.lstsq(given_as, b, random_state=0)
        assert result.report.converged
        assert result.report.iterations <= 60
        dense = mixed.toarray()
        best = np.linalg.norm(b - dense @ np.linalg.lstsq(dense, b, rcond=None)[0])
        assert np.linalg.norm(b - mixed @ result.x) <= best * (1 + 1e-10)


def test_the_reported_backward_error_is_the_true_one():
    for condition in (1e2, 1e6, 1e12):
        A, b = problem(1000, 30, condition, 1e-2)
        for tol in (1e-4, 1e-8):
            result = cr.lstsq(A, b, tol=tol, method="sketch", random_state=0)
            true = backward_error(A, b, result.x)
            assert true <= tol * 1.5
            assert true <= 1.5 * result.report.backward_errors[0] + EPS
            rounding = 30 * EPS * np.linalg.norm(A) * np.linalg.norm(result.x)
            assert abs(result.report.residual_norms[0] - np.linalg.norm(b - A @ result.x)) <= rounding


def test_condition_estimate_and_rank():
    for condition in (1e2, 1e5, 1e10):
        report = cr.lstsq(*problem(800, 30, condition, 1.0), random_state=0).report
        assert condition / 3 <= report.condition <= 3 * condition
        assert report.rank == 30


def test_a_condition_number_well_within_the_default_rcond_keeps_the_triangular_factor():
    A, b = problem(3000, 200, 1e12, 1e-3)
    report = cr.lstsq(A, b, random_state=0).report
    assert report.rank == 200
    assert report.method == "sketched Cholesky QR, refined"
    assert report.converged


@settings(max_examples=40, deadline=None)
@given(
    m=st.integers(1, 60),
    n=st.integers(1, 40),
    rank=st.integers(1, 40),
    targets=st.sampled_from([None, 1, 3]),
    method=st.sampled_from(METHODS),
    seed=st.integers(0, 99),
)
def test_any_shape_and_rank_gives_the_pseudo_inverse_solution(m, n, rank, targets, method, seed):
    rng = np.random.default_rng(seed)
    rank = min(rank, m, n)
    left = np.linalg.qr(rng.standard_normal((m, rank)))[0]
    right = np.linalg.qr(rng.standard_normal((n, rank)))[0]
    A = (left * rng.uniform(0.1, 1, rank)) @ right.T
    b = rng.standard_normal((m, targets) if targets else m)
    result = cr.lstsq(A, b, method=method, random_state=seed)
    expected = right @ (np.linalg.pinv(left.T @ A @ right) @ (left.T @ b))
    assert result.x.shape == expected.shape
    assert result.report.rank == rank
    assert np.abs(result.x - expected).max() <= 1e-11 * max(1, np.abs(expected).max())


def test_large_rank_deficient_and_wide_matrices():
    rng = np.random.default_rng(0)
    factors = rng.standard_normal((1500, 20)), rng.standard_normal((20, 60))
    for A in (factors[0] @ factors[1], (factors[0] @ factors[1]).T):
        b = rng.standard_normal(A.shape[0])
        expected = np.linalg.lstsq(A, b, rcond=1e-10)[0]
        for form in (A, scipy.sparse.csr_array(A)):
            result = cr.lstsq(form, b, random_state=0)
            assert result.report.rank == 20
            assert np.linalg.norm(result.x - expected) <= 1e-11 * np.linalg.norm(expected)
    A = rng.standard_normal((60, 4000))
    x = cr.lstsq(A, np.ones(60), random_state=0).x
    assert np.linalg.norm(A @ x - 1) <= 1e-13 * np.linalg.norm(A) * np.linalg.norm(x)
    assert np.allclose(x, np.linalg.lstsq(A, np.ones(60), rcond=None)[0], rtol=0, atol=1e-13)


@pytest.mark.parametrize("method", METHODS)
def test_rcond_cuts_singular_values_without_a_gap(method):
    A, b = problem(900, 30, 1e6, 1.0)
    expected = np.linalg.lstsq(A, b, rcond=1.3e-3)[0]
    result = cr.lstsq(A, b, rcond=1.3e-3, method=method, random_state=0)
    assert result.report.rank == np.linalg.matrix_rank(A, rtol=1.3e-3)
    assert np.linalg.norm(result.x - expected) <= 1e-9 * np.linalg.norm(expected)


# ---- kinds of matrices and right-hand sides


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("transpose", [False, True])
def test_every_kind_of_matrix_gives_the_same_solution(method, transpose):
    A, b = problem(700, 25, 1e4, 1e-2)
    if transpose:
        A, b = np.ascontiguousarray(A.T), b[:25]
    expected = np.linalg.lstsq(A, b, rcond=None)[0]
    wide = np.zeros((A.shape[0], 3 * A.shape[1]))
    wide[:, ::3] = A
    kinds = [
        A,
        np.asfortranarray(A),
        wide[:, ::3],
        A[::-1, ::-1].copy()[::-1, ::-1],
        Rows(A),
        aslinearoperator(A),
    ]
    for kind in [*kinds, scipy.sparse.csr_array(A), scipy.sparse.csc_array(A), A.tolist()]:
        result = cr.lstsq(kind, b, method=method, random_state=0)
        assert result.report.converged
        assert np.linalg.norm(result.x - expected) <= 1e-9 * np.linalg.norm(expected)


def test_a_memory_mapped_file_is_solved_in_a_few_passes(tmp_path):
    A, b = problem(4000, 50, 1e5, 1e-2)
    np.save(tmp_path / "A.npy", A)
    result = cr.lstsq(np.load(tmp_path / "A.npy", mmap_mode="r"), b, random_state=0)
    assert result.report.passes <= 8
    assert backward_error(A, b, result.x) <= 4 * EPS


def test_many_targets_are_those_one_by_one():
    A, b = problem(1200, 30, 1e5, 1e-2, targets=5)
    together = cr.lstsq(A, b, random_state=0)
    assert together.x.shape == (30, 5)
    assert together.report.residual_norms.shape == (5,)
    for j in range(5):
        assert backward_error(A, b[:, j], together.x[:, j]) <= 4 * EPS
    assert cr.lstsq(A, b[:, :1], random_state=0).x.shape == (30, 1)
    for kind in (scipy.sparse.csr_array(A), scipy.sparse.csc_array(A), Rows(A)):
        found = cr.lstsq(kind, b, random_state=0)
        assert found.report.backward_errors.shape == (5,)
        for j in range(5):
            assert backward_error(A, b[:, j], found.x[:, j]) <= 4 * EPS


def test_float32_stays_float32_and_is_as_good_as_its_rounding():
    A, b = problem(1500, 30, 1e4, 1e-3)
    A = A.astype(np.float32)
    x = cr.lstsq(A, b.astype(np.float32), random_state=0).x
    assert x.dtype == np.float32
    assert (
        backward_error(A.astype(np.float64), b.astype(np.float32).astype(np.float64), x.astype(np.float64))
        <= 2e-7
    )


@pytest.mark.parametrize("exponent", [-990, -300, 300, 990])
def test_scales_to_the_edge_of_the_range(exponent):
    A, b = problem(600, 20, 1e3, 1e-1)
    expected = cr.lstsq(A, b, random_state=0).x
    assert np.array_equal(cr.lstsq(np.ldexp(A, exponent), np.ldexp(b, exponent), random_state=0).x, expected)
    assert np.array_equal(np.ldexp(cr.lstsq(A, np.ldexp(b, exponent), random_state=0).x, -exponent), expected)


def test_zero_and_tiny_problems():
    assert not cr.lstsq(np.zeros((6, 3)), np.ones(6)).x.any()
    assert cr.lstsq(np.zeros((6, 3)), np.ones(6)).report.rank == 0
    assert not cr.lstsq(np.eye(6, 3), np.zeros(6)).x.any()
    assert cr.lstsq([[2.0]], [4.0]).x[0] == 2
    assert np.allclose(cr.lstsq([[3.0, 4.0]], [25.0]).x, [3, 4], rtol=1e-14)
    assert np.allclose(cr.lstsq([[3.0], [4.0]], [3.0, 4.0]).x, [1], rtol=1e-14)
    A = np.random.default_rng(0).standard_normal((300, 5))
    A[:, 2] = 0
    for method in METHODS:
        result = cr.lstsq(A, A @ np.ones(5), method=method, random_state=0)
        assert np.allclose(result.x, [1, 1, 0, 1, 1], atol=1e-13)
        assert result.report.rank == 4


# ---- ridge


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(1500, 40), (40, 1500), (50, 50)])
@pytest.mark.parametrize("alpha", [1e-6, 1.0, 1e4])
def test_ridge_solves_the_augmented_problem(method, shape, alpha):
    rng = np.random.default_rng(1)
    A, b = rng.standard_normal(shape), rng.standard_normal((shape[0], 2))
    augmented = np.vstack([A, np.sqrt(alpha) * np.eye(shape[1])])
    expected = np.linalg.lstsq(augmented, np.vstack([b, np.zeros((shape[1], 2))]), rcond=None)[0]
    for form in (A, scipy.sparse.csr_array(A), aslinearoperator(A)):
        result = cr.ridge(form, b, alpha, method=method, random_state=0)
        assert result.report.converged
        assert np.linalg.norm(result.x - expected) <= 1e-9 * np.linalg.norm(expected)


def test_ridge_of_a_rank_deficient_matrix_and_without_penalty():
    rng = np.random.default_rng(0)
    A, b = rng.standard_normal((400, 5)) @ rng.standard_normal((5, 30)), rng.standard_normal(400)
    expected = np.linalg.solve(A.T @ A + 0.5 * np.eye(30), A.T @ b)
    assert np.allclose(cr.ridge(A, b, 0.5, random_state=0).x, expected, atol=1e-10)
    assert np.array_equal(cr.ridge(A, b, 0, random_state=0).x, cr.lstsq(A, b, random_state=0).x)
    assert not cr.ridge(np.zeros((5, 2)), np.ones(5), 1.0).x.any()


# ---- reports, callbacks, files, arguments


def test_the_report_prints_and_the_result_is_saved(tmp_path):
    A, b = problem(500, 10, 1e2, 1.0)
    result = cr.lstsq(A, b, random_state=0)
    text = str(result.report)
    for word in ("lstsq with a 500 x 10 dense matrix", "converged", "rank 10", "backward"):
        assert word in text
    result.save(tmp_path / "x.npz")
    loaded = cr.load(tmp_path / "x.npz")
    assert np.array_equal(loaded.x, result.x)
    assert str(loaded.report) == text
    (x,) = result
    assert x is result.x
    assert repr(result) == "LstsqResult(shape=(10,), float64, converged)"


def test_a_callback_sees_errors_and_can_stop():
    A, b = problem(800, 20, 1e6, 1e-3)
    seen = []
    result = cr.lstsq(A, b, method="sketch", random_state=0, callback=lambda info: seen.append(info.error))
    assert seen == sorted(seen, reverse=True)
    stopped = cr.lstsq(A, b, random_state=0, callback=lambda info: True)
    assert (stopped.report.stopped, stopped.report.converged) == ("callback", False)
    assert not stopped.x.any()
    assert result.report.converged


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"b": np.ones(4)}, ValueError, r"b must have shape \(5,\) or \(5, k\).*\(4,\)"),
        ({"b": np.ones((5, 0))}, ValueError, "at least one right-hand side"),
        ({"b": np.ones((5, 1, 1))}, ValueError, "b must have shape"),
        ({"b": [1, 2, np.nan, 4, 5]}, ValueError, r"b\[2\] is nan"),
        ({"b": np.ones(5, complex)}, TypeError, "b must be real"),
        ({"b": np.ma.masked_array(np.ones(5), np.eye(5)[0])}, TypeError, "masked"),
        ({"method": "qr"}, ValueError, "method must be one of 'auto'"),
        ({"tol": 0.0}, ValueError, "tol must be between 0 and 1"),
        ({"rcond": 1.0}, ValueError, "rcond must be between 0 and 1"),
        ({"sketch": "srft"}, ValueError, "sketch must be one of 'auto', 'srht', 'gaussian'"),
        ({"sketch_size": 0}, ValueError, "sketch_size must be an integer of at least 1"),
        ({"sketch_size": 1, "method": "sketch-and-solve"}, ValueError, "at least the number of columns"),
        (
            {"A": np.ones((2, 5)), "b": [1, 2], "method": "sketch-and-solve"},
            ValueError,
            "as many rows as columns",
        ),
        (
            {"A": np.diag([1.0, np.nan, 1, 1, 1])},
            ValueError,
            r"1 of its entries is NaN or infinite, the first at A\[1, 1\]",
        ),
        ({"callback": 3}, TypeError, "callback must be callable"),
        ({"check_finite": 1}, TypeError, "check_finite must be True or False"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, words):
    given = {"A": np.eye(5)[:, :3], "b": np.ones(5), **arguments}
    with pytest.raises(error, match=words):
        cr.lstsq(**given)
    if "rcond" not in arguments:
        with pytest.raises(error, match=words):
            cr.ridge(**given, alpha=1.0)


def test_a_negative_penalty_is_refused():
    with pytest.raises(ValueError, match="alpha must be a finite number of at least 0"):
        cr.ridge(np.eye(3), np.ones(3), -1.0)
