"""CUR: own columns and rows, the best core, stable, sparse where the matrix is, and an error that is true."""

import io
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from scipy.sparse.linalg import aslinearoperator

import corange as cr
from corange._factor_core import pseudo_inverse, span_of
from corange._source import Source
from corange.testing import matrix_with_spectrum

FAST = matrix_with_spectrum(0.8 ** np.arange(60), (120, 90), random_state=0)
SPARSE = scipy.sparse.random_array((150, 100), density=0.1, rng=0, format="csr")


def dense(A):
    return A.toarray() if scipy.sparse.issparse(A) else np.asarray(A)


def relative_error(A, approximation):
    return np.linalg.norm(dense(A) - approximation) / np.linalg.norm(dense(A))


@pytest.mark.parametrize(
    "A",
    [FAST, np.asfortranarray(FAST), FAST.T, FAST.astype(np.float32), SPARSE, SPARSE.tocsc(), SPARSE.tocoo()],
)
@pytest.mark.parametrize("method", ["qr", "leverage", "deim"])
def test_own_columns_and_rows_and_the_best_core(A, method):
    C, U, R = result = cr.cur(A, 12, rows=15, method=method, random_state=0)
    rows, columns = result.rows, result.columns
    assert scipy.sparse.issparse(C) == scipy.sparse.issparse(R) == scipy.sparse.issparse(A)
    assert np.array_equal(dense(C), dense(A)[:, columns])
    assert np.array_equal(dense(R), dense(A)[rows])
    assert C.dtype == U.dtype == R.dtype == A.dtype
    assert U.shape == (columns.size, rows.size)
    D = dense(A).astype(float)
    best = np.linalg.pinv(D[:, columns]) @ D @ np.linalg.pinv(D[rows])
    eps = np.finfo(A.dtype).eps
    least = relative_error(D, D[:, columns] @ best @ D[rows])
    assert relative_error(D, result.reconstruct()) <= least * (1 + 1e-6) + 100 * eps
    np.testing.assert_allclose(dense(C @ U @ R), result.reconstruct(), atol=1e3 * eps * np.linalg.norm(D))
    assert result.report.error == pytest.approx(relative_error(D, result.reconstruct()), rel=1e-3)


@pytest.mark.parametrize("A", [FAST, FAST.astype(np.float32), SPARSE], ids=["fast", "single", "sparse"])
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_are_those_that_determine_the_columns(A, weighted):
    """A basis Q of the columns is told by its chosen rows: the inverse of Q[rows] is small."""
    weights = np.linspace(1.0, 3.0, A.shape[0])[:, np.newaxis] if weighted else None
    result = cr.cur(A, 12, weights=weights, random_state=0)
    C = dense(result.C).astype(float) * (1.0 if weights is None else weights)
    Q = np.linalg.qr(C)[0]
    expected = scipy.linalg.qr(Q.T, mode="r", pivoting=True)[1][:12]
    if A.dtype == np.float64:
        assert np.array_equal(np.sort(result.rows), np.sort(expected))
    growth = np.linalg.norm(np.linalg.inv(Q[result.rows]), 2)
    assert growth <= 1.01 * np.linalg.norm(np.linalg.inv(Q[expected]), 2)


def test_error_where_singular_values_are_nearly_equal():
    """Rows chosen by themselves would leave 1.56 times the best error here."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((1200, 75)) @ rng.standard_normal((75, 900))
    A += 1e-6 * rng.standard_normal(A.shape)
    values = np.linalg.svd(A, compute_uv=False)
    best = np.linalg.norm(values[50:]) / np.linalg.norm(values)
    assert all(cr.cur(A, 50, random_state=seed).report.error <= 1.525 * best for seed in range(3))


@pytest.mark.parametrize("core", ["projection", "cross"])
def test_a_matrix_of_that_rank_is_recovered(core):
    for condition in (1.0, 1e6, 1e11):
        A = matrix_with_spectrum(np.geomspace(1, 1 / condition, 8), (100, 80), random_state=0)
        result = cr.cur(A, 8, core=core, random_state=0)
        assert relative_error(A, result.reconstruct()) <= 1e-12
        # rank and more columns than that: the dependent ones are left out
        assert relative_error(A, cr.cur(A, 20, core=core, random_state=0).reconstruct()) <= 1e-12


@pytest.mark.parametrize("A", [scipy.linalg.hilbert(100), FAST, FAST.T], ids=["hilbert", "tall", "wide"])
def test_the_bound_of_deim_holds(A):
    """Sorensen and Embree: ||A - C U R|| <= (1 / s_min(V[columns]) + 1 / s_min(U[rows])) s_(k+1)."""
    U, values, Vt = np.linalg.svd(A)
    for k in (2, 5, 8):
        result = cr.cur(A, k, method="deim", exact=True, random_state=0)
        growth = sum(
            np.linalg.norm(np.linalg.inv(vectors[chosen, :k]), 2)
            for vectors, chosen in ((Vt.T, result.columns), (U, result.rows))
        )
        error = np.linalg.norm(A - result.reconstruct(), 2)
        assert values[k] * (1 - 1e-6) <= error <= growth * values[k] * (1 + 1e-6)
        assert growth <= 2 * np.sqrt(k * max(A.shape) / 3) * 2**k


@pytest.mark.parametrize("make", ["interpolative", "cur"])
def test_errors_in_reports_are_exact_or_hold_with_their_confidence(make):
    """Estimated where the matrix can only multiply; a bound of 95 % fails 13 times in 100 once in 1000."""
    A = matrix_with_spectrum(np.arange(1, 31) ** -1.0, (50, 40), random_state=1)
    held, ratios = 0, []
    for seed in range(100):
        result = getattr(cr, make)(aslinearoperator(A), 6, random_state=seed)
        report, error = result.report, relative_error(A, result.reconstruct())
        assert (report.error_kind, report.error_confidence) == ("estimated", 0.95)
        held += error <= report.error_bound
        ratios.append((report.error / error) ** 2)
    assert held >= 87
    assert abs(np.mean(ratios) - 1) <= 0.35  # the norm is estimated too
    report = getattr(cr, make)(A, 6, random_state=0).report
    assert (report.error_kind, report.error_confidence) == ("exact", 1.0)
    assert report.error_bound == report.error


def test_the_stable_form_where_multiplying_out_loses_digits():
    A = scipy.linalg.hilbert(100)
    values = np.linalg.svd(A, compute_uv=False)
    for k in (6, 10, 13):
        result = cr.cur(A, k, method="qdeim", exact=True, random_state=0)
        assert np.linalg.norm(A - result.reconstruct(), 2) <= 100 * values[k] + 1e-14


def test_columns_that_depend_on_each_other_are_harmless():
    A = np.tile(FAST, (1, 2))
    for core in ("projection", "cross"):
        result = cr.cur(A, 20, method="leverage", core=core, random_state=0)
        assert np.isfinite(result.coefficients).all()
        assert relative_error(A, result.reconstruct()) <= 0.2
    C = np.tile(FAST[:, :3], (1, 2))
    span = span_of(C)
    assert span.Q.shape == (120, 3)
    np.testing.assert_allclose(span.Q @ span.T, C, atol=1e-14)
    coordinates = FAST.T @ span.Q
    X = span.coefficients(coordinates).T
    np.testing.assert_allclose(C @ X, span.Q @ coordinates.T, atol=1e-13)


@pytest.mark.parametrize("method", ["qr", "lu", "deim", "qdeim"])
def test_errors_near_the_best(method):
    rng = np.random.default_rng(0)
    A = rng.standard_normal((400, 45)) @ rng.standard_normal((45, 300)) + 1e-6 * rng.standard_normal(
        (400, 300)
    )
    values = np.linalg.svd(A, compute_uv=False)
    best = np.linalg.norm(values[30:]) / np.linalg.norm(values)
    result = cr.cur(A, 30, method=method, random_state=0)
    reached = relative_error(A, result.reconstruct())
    parts = [
        relative_error(M, Q @ (Q.T @ M))
        for M, Q in ((A, np.linalg.qr(result.C)[0]), (A.T, np.linalg.qr(result.R.T)[0]))
    ]
    assert reached <= np.hypot(*parts)
    assert max(parts) <= 1.35 * best
    cross = cr.cur(A, 30, method=method, core="cross", random_state=0)
    assert cross.rows.size == 36
    assert relative_error(A, cross.reconstruct()) <= 3 * best
    assert cross.report.error_bound >= relative_error(A, cross.reconstruct())
    np.testing.assert_allclose(cross.U, np.linalg.pinv(A[np.ix_(cross.rows, cross.columns)]), atol=1e-8)


@pytest.mark.parametrize("wrap", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize("error", [0.3, 1e-3])
def test_as_much_as_an_error_asks_for(wrap, error):
    result = cr.cur(wrap(FAST), error=error, random_state=0)
    assert relative_error(FAST, result.reconstruct()) <= error * (1 + 1e-6)
    tails = np.sqrt(np.cumsum((0.8 ** np.arange(60))[::-1] ** 2)[::-1])
    assert max(result.U.shape) <= 1.4 * np.sum(tails > error * tails[0]) + 4


@pytest.mark.parametrize("error", [0.3, 0.03, 1e-4])
@pytest.mark.parametrize("core", ["projection", "cross"])
def test_errors_near_full_rank_take_no_sketch_twice(monkeypatch, error, core):
    """Sparse data without a low rank: nearly all columns are needed, and an estimate falls short of them."""
    sizes = []
    sketch = Source.sketch

    def counted(self, axis, size, *options):
        sizes.append((self.shape, axis, size))
        return sketch(self, axis, size, *options)

    monkeypatch.setattr(Source, "sketch", counted)
    A = scipy.sparse.random_array((300, 200), density=0.05, rng=0, format="csr")
    result = cr.cur(A, error=error, core=core, random_state=0)
    assert relative_error(A, result.reconstruct()) <= error * (1 + 1e-6)
    of_matrix = [key for key in sizes if key[0] == A.shape]
    assert len(of_matrix) == len(set(of_matrix))


def test_an_error_out_of_reach_is_told():
    with pytest.warns(cr.ConvergenceWarning, match="relative error"):
        cr.cur(
            np.random.default_rng(0).standard_normal((30, 20)).astype(np.float32), error=1e-8, random_state=0
        )


class TestWeights:
    def test_choice_follows_weights_and_factors_do_not(self):
        rng = np.random.default_rng(0)
        A = rng.standard_normal((60, 40))
        heavy = np.ones(40)
        heavy[[3, 17, 30]] = 1e3
        for given in (heavy, heavy[np.newaxis], np.broadcast_to(heavy, (60, 40))):
            result = cr.cur(A, 3, weights=given, random_state=0)
            assert set(result.columns) == {3, 17, 30}
            assert np.array_equal(result.C, A[:, result.columns])
        rows = np.ones((60, 1))
        rows[[5, 6]] = 1e3
        assert set(cr.cur(scipy.sparse.csr_array(A), 2, weights=rows, random_state=0).rows) == {5, 6}
        magnitudes = np.sign(A) * heavy
        expected = cr.select_columns(np.abs(A) * heavy, 3, method="qdeim", exact=True, random_state=0)
        result = cr.cur(A, 3, weights=magnitudes, method="qdeim", exact=True, random_state=0)
        assert np.array_equal(result.columns, expected)

    @pytest.mark.parametrize(
        ("weights", "error", "message"),
        [
            (np.ones(7), ValueError, "broadcast"),
            (np.ones((2, 120, 90)), ValueError, "broadcast"),
            ("heavy", TypeError, "real numbers"),
            (np.full(90, np.nan), ValueError, "finite"),
        ],
    )
    def test_refusals(self, weights, error, message):
        with pytest.raises(error, match=message):
            cr.cur(FAST, 3, weights=weights)

    def test_operators_have_no_entries_to_weigh(self):
        with pytest.raises(TypeError, match="in memory"):
            cr.cur(aslinearoperator(FAST), 3, weights=np.ones(90))


@pytest.mark.parametrize("A", [FAST, SPARSE])
def test_saved_loaded_multiplied_and_projected(A):
    result = cr.cur(A, 6, random_state=0)
    file = io.BytesIO()
    result.save(file)
    file.seek(0)
    again = cr.load(file)
    assert np.array_equal(again.reconstruct(), result.reconstruct())
    assert np.array_equal(again.rows, result.rows)
    x = np.arange(float(A.shape[1]))
    np.testing.assert_allclose(result @ x, result.reconstruct() @ x, atol=1e-9)
    assert np.array_equal(dense(result.project(A[:5])), dense(A)[:5][:, result.columns])
    with pytest.raises(ValueError, match="X must have"):
        result.project(np.ones((2, 3)))
    estimate = cr.estimate_error(A, result, random_state=0)
    assert estimate.lower <= result.report.error <= estimate.upper


def test_all_instances_of_the_projector_view_agree_on_a_matrix_of_low_rank():
    """F (Y' F)^+ ... : SVD bases, chosen columns and rows, sketches, and the pseudo-inverse itself."""
    rng = np.random.default_rng(0)
    A = matrix_with_spectrum(np.geomspace(1, 1e-3, 10), (90, 70), random_state=0)
    U, _, Vt = cr.svd(A, 10, tol=1e-12, random_state=0)
    C, R = cr.cur(A, 10, random_state=0)[::2]
    X, Y = rng.standard_normal((70, 10)), rng.standard_normal((90, 15))
    approximations = [
        cr.cur(A, 10, core=core, random_state=0).reconstruct() for core in ("projection", "cross")
    ]
    approximations.append(cr.generalized_nystrom(A, 10, random_state=0).reconstruct())
    for F, H in ((U, Vt), (C, R), (A @ X, Y.T @ A), (U, R)):
        left, right = span_of(F), span_of(np.ascontiguousarray(H.T))
        approximations.append(left.Q @ (left.Q.T @ A @ right.Q) @ right.Q.T)
    oblique = (A @ X) @ pseudo_inverse(Y.T @ A @ X, np.float64).matrix @ Y.T
    np.testing.assert_allclose(oblique @ oblique, oblique, atol=1e-8)
    approximations.append(oblique @ A)
    inverse = pseudo_inverse(A, np.float64).matrix
    np.testing.assert_allclose(inverse, np.linalg.pinv(A, rcond=1e-12), atol=1e-9)
    approximations.append(A @ inverse @ A)
    for approximation in approximations:
        np.testing.assert_allclose(approximation, A, atol=1e-10)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("method", ["qr", "leverage"])
def test_sparse_matrices_are_never_densified(method):
    code = f"""
        import numpy as np, scipy.sparse, corange as cr
        def status(key):
            with open("/proc/self/status") as lines:
                return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))
        A = scipy.sparse.random_array((30000, 20000), density=1e-3, rng=0, format="csr")
        cr.cur(A[:200], 2, random_state=0)
        before = status("VmRSS")
        cr.cur(A, 20, method="{method}", random_state=0)
        print((status("VmHWM") - before) / (8 * 20 * sum(A.shape)))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    # in units of (m + n) * rank numbers; dense, A alone would be 600 of them
    assert float(done.stdout) <= 12


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("method", ["qr", "leverage"])
def test_memory_for_the_python_sources(method):
    """TF-IDF of the standard library, rank 50: what is allocated is a few times (m + n) * rank numbers."""
    code = f"""
        import corange as cr
        def status(key):
            with open("/proc/self/status") as lines:
                return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))
        A = cr.datasets.python_sources().data
        cr.cur(A[:300], 2, random_state=0)
        with open("/proc/self/clear_refs", "w") as peak:
            peak.write("5")  # the peak so far is that of reading the text
        before = status("VmRSS")
        cr.cur(A, 50, method="{method}", random_state=0)
        m, n = A.shape
        print((status("VmHWM") - before) / (8 * m * n), (status("VmHWM") - before) / (8 * 50 * (m + n)))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    of_dense, of_factors = map(float, done.stdout.split())
    assert of_dense <= 0.1
    assert of_factors <= 12


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({}, ValueError, "either rank or error"),
        ({"rank": 2, "core": "best"}, ValueError, "core must be"),
        ({"rank": 2, "rows": 0}, ValueError, "rows must be"),
        ({"rank": 2, "method": "best"}, ValueError, "method must be"),
        ({"rank": 2, "exact": 1}, TypeError, "exact must be"),
    ],
)
def test_refusals(options, kind, message):
    with pytest.raises(kind, match=message):
        cr.cur(FAST, **options)
