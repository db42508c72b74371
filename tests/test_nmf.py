"""Nonnegative factorization: optimality, monotony, starts, penalties, weights, scales, nasty input, peers."""

import io

import numpy as np
import pytest
import scipy.sparse
import sklearn.decomposition
from scipy.optimize import nnls
from sklearn.decomposition import non_negative_factorization
from threadpoolctl import threadpool_limits

import corange as cr

SOLVERS = ("hals", "bpp", "admm")


def product_of_uniform(m=200, n=80, k=6, noise=0.01, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.random((m, k)) @ rng.random((k, n))
    return np.maximum(X + noise * X.mean() * rng.standard_normal((m, n)), 0)


def sparse_topics(m=400, n=250, k=8, seed=0):
    rng = np.random.default_rng(seed)
    W = rng.random((m, k)) * (rng.random((m, k)) < 0.3)
    H = rng.random((k, n)) * (rng.random((k, n)) < 0.2)
    X = W @ H * (rng.random((m, n)) < 0.4)
    return scipy.sparse.csr_array(X)


def relative_error(X, W, H):
    X = X.toarray() if scipy.sparse.issparse(X) else X
    return np.linalg.norm(X - W @ H) / np.linalg.norm(X)


def violation(Y, gradient):
    """Norm of the projected gradient."""
    return np.linalg.norm(np.where(Y > 0, gradient, np.minimum(gradient, 0)))


# ---- the factorization


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("make", [product_of_uniform, sparse_topics])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_converges_to_a_stationary_point(solver, make, dtype):
    X = make().astype(dtype)
    W, H = result = cr.nmf(X, 6, solver=solver, tol=1e-5, max_iter=3000, random_state=0)
    assert W.dtype == H.dtype == dtype
    assert result.report.converged
    assert (W >= 0).all()
    assert (H >= 0).all()
    X, W, H = (Y.astype(np.float64) for Y in (X, W, H))
    scale = np.linalg.norm(W) * np.linalg.norm(H)
    gap = violation(W, W @ (H @ H.T) - X @ H.T) / (scale * np.linalg.norm(H))
    assert gap <= 50 * np.finfo(dtype).eps  # W is exact
    assert violation(H, (W.T @ W) @ H - (X.T @ W).T) / (scale * np.linalg.norm(W)) <= 1e-3
    norm = scipy.sparse.linalg.norm(X) if scipy.sparse.issparse(X) else np.linalg.norm(X)
    assert result.report.error == pytest.approx(relative_error(X, W, H), abs=1e-5)
    assert result.report.objective == pytest.approx(0.5 * (result.report.error * norm) ** 2, rel=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("make", [product_of_uniform, sparse_topics])
def test_the_objective_never_rises(solver, make):
    X = make()
    report = cr.nmf(X, 7, solver=solver, tol=0, max_iter=60, random_state=1).report
    values = np.array([record.objective for record in report.history])
    assert values.size == 60
    assert (np.diff(values) <= 1e-12 * report.norm_fro**2).all()
    assert report.objective <= values[-1] + 1e-12 * report.norm_fro**2


@pytest.mark.filterwarnings("ignore:Maximum number of iterations 1000")
@pytest.mark.parametrize("seed", range(3))
def test_scikit_learn_cannot_improve_what_is_found(seed):
    """The problem is not convex: from one start both may end in different minima, in either order."""
    X = sparse_topics(seed=seed)
    rng = np.random.default_rng(seed)
    W, H = rng.random((X.shape[0], 5)), rng.random((5, X.shape[1]))
    options = {"n_components": 5, "init": "custom", "max_iter": 1000, "tol": 1e-10}
    ours = cr.nmf(X, 5, W=W, H=H, solver="hals", max_iter=2000, tol=1e-9)
    W1, H1, _ = non_negative_factorization(X, ours.W.copy(), ours.H.copy(), **options)
    assert relative_error(X, ours.W, ours.H) <= relative_error(X, W1, H1) + 1e-6
    theirs = non_negative_factorization(X, W, H, **options)[:2]
    again = cr.nmf(X, 5, W=theirs[0], H=theirs[1], solver="hals", max_iter=2000, tol=1e-9)
    assert relative_error(X, again.W, again.H) <= relative_error(X, *theirs) + 1e-9


def test_sparse_dense_and_rows_agree():
    X = sparse_topics()
    rng = np.random.default_rng(0)
    start = {"W": rng.random((400, 4)), "H": rng.random((4, 250))}
    results = [
        cr.nmf(A, 4, solver="bpp", max_iter=10, tol=0, **start)  # sweeps of HALS depend on the entries stored
        for A in (X, X.tocsc(), X.toarray(), np.asfortranarray(X.toarray()))
    ]
    for other in results[1:]:
        assert np.abs(other.W - results[0].W).max() <= 1e-9
        assert np.abs(other.H - results[0].H).max() <= 1e-9


def test_same_bits_on_any_number_of_threads_where_components_are_dropped_and_switched():
    for X, rank in ((sparse_topics(), 9), (product_of_uniform(), 6)):
        results = []
        for threads in (1, 2, 5):
            with threadpool_limits(threads, user_api="openmp"):
                results.append(cr.nmf(X, rank, tol=0, max_iter=25, random_state=3))
        for other in results[1:]:
            assert np.array_equal(other.W, results[0].W)
            assert np.array_equal(other.H, results[0].H)


def test_exact_data_are_fitted_to_the_last_digits():
    rng = np.random.default_rng(0)
    X = rng.random((50, 3)) @ rng.random((3, 40))
    result = cr.nmf(X, 3, solver="hals", tol=1e-12, max_iter=5000, random_state=0)
    true = relative_error(X, *result)
    assert true < 1e-7
    assert result.report.error == pytest.approx(true, rel=1e-2, abs=1e-15)  # summed entry by entry


def test_no_component_is_lost():
    rng = np.random.default_rng(2)
    X = np.kron(np.eye(6), np.ones((20, 15))) * (1 + 0.1 * rng.random((120, 90)))
    W0, H0 = np.kron(np.eye(6), np.ones((20, 1))), np.kron(np.eye(6), np.ones((1, 15)))
    W0[:, 2:] = 0  # two components are right, four are dead
    H0[2:] = 0
    W, H = result = cr.nmf(X, 6, W=W0, H=H0, solver="hals", max_iter=500, tol=1e-6)
    assert result.report.reseeded >= 4
    assert (np.linalg.norm(W, axis=0) > 0).all()
    assert relative_error(X, W, H) < 0.05


# ---- starts, one factor held, projection


def test_svd_starts_are_what_the_paper_says():
    X = product_of_uniform()
    from corange._nmf._init import start
    from corange._nmf._problem import make_problem

    matrix = make_problem(X).matrix
    W, Ht = start(matrix, 4, "nndsvd", 0)
    U, s, Vt = np.linalg.svd(X)
    for j in range(4):
        for sign in (1, -1):  # whatever the signs of the pair are
            u, v = sign * U[:, j], sign * Vt[j]
            pairs = [(np.maximum(u, 0), np.maximum(v, 0)), (np.maximum(-u, 0), np.maximum(-v, 0))]
            best = max(pairs, key=lambda p: np.linalg.norm(p[0]) * np.linalg.norm(p[1]))
            expected = s[j] * np.outer(*best)
            assert np.abs(np.outer(W[:, j], Ht[:, j]) - expected).max() <= 5e-3 * s[j]
    filled = start(matrix, 4, "nndsvda", 0)[0]
    assert (filled > 0).all()
    assert np.array_equal(filled[W > 0], W[W > 0])
    small = start(matrix, 4, "nndsvdar", 0)[0]
    assert (small > 0).all()
    assert small[W == 0].max() < 0.1 * filled[W == 0].max()


def test_a_random_start_is_of_the_best_size():
    from corange._nmf._init import start
    from corange._nmf._problem import make_problem

    X = sparse_topics().toarray()
    W, Ht = start(make_problem(X).matrix, 5, "random", 0)
    product = W @ Ht.T
    assert (X * product).sum() == pytest.approx((product**2).sum())


def test_a_factor_that_is_held_stays_and_the_other_is_optimal():
    X = sparse_topics()
    W, H = cr.nmf(X, 5, random_state=0)
    found = cr.nmf(X, 5, H=H, hold="H")
    assert np.array_equal(found.H, H)
    assert found.report.converged
    for x, w in zip(X.toarray()[:50], found.W[:50], strict=True):
        assert np.allclose(w, nnls(H.T, x)[0], atol=1e-10)
    other = cr.nmf(X, 5, W=W, hold="W")
    assert np.array_equal(other.W, W)
    for x, h in zip(X.toarray().T[:50], other.H.T[:50], strict=True):
        assert np.allclose(h, nnls(W, x)[0], atol=1e-10)


@pytest.mark.parametrize("penalties", [{}, {"l1": (0.05, 0.1), "l2": (0.2, 0.0)}])
def test_projection_of_the_same_rows_gives_the_same_weights(penalties):
    X = sparse_topics()
    result = cr.nmf(X, 5, random_state=0, **penalties)
    assert np.allclose(result.project(X), result.W, atol=1e-10)
    assert np.allclose(result.project(X.toarray()[:7]), result.W[:7], atol=1e-10)


# ---- penalties and weights


@pytest.mark.parametrize("solver", SOLVERS)
def test_penalties_are_in_the_objective_and_in_the_gradient(solver):
    X = product_of_uniform(noise=0.2)
    l1, l2 = (0.3, 0.2), (0.5, 0.1)
    W, H = result = cr.nmf(X, 5, solver=solver, l1=l1, l2=l2, tol=1e-6, max_iter=3000, random_state=0)
    value = 0.5 * np.linalg.norm(X - W @ H) ** 2 + l1[0] * W.sum() + l1[1] * H.sum()
    value += 0.5 * (l2[0] * (W**2).sum() + l2[1] * (H**2).sum())
    assert result.report.objective == pytest.approx(value, rel=1e-10)
    size = np.linalg.norm(X) * np.linalg.norm(H)
    assert violation(W, W @ H @ H.T - X @ H.T + l1[0] + l2[0] * W) <= 1e-10 * size
    assert violation(H, W.T @ (W @ H - X) + l1[1] + l2[1] * H) <= 1e-3 * size
    plain = cr.nmf(X, 5, solver=solver, tol=1e-6, max_iter=3000, random_state=0)
    assert W.sum() + H.sum() < plain.W.sum() + plain.H.sum()


@pytest.mark.parametrize("make", [product_of_uniform, sparse_topics])
def test_a_weight_of_two_is_the_same_row_twice(make):
    X = make()
    rng = np.random.default_rng(0)
    weights = rng.integers(0, 3, X.shape[0])
    rows = np.repeat(np.arange(X.shape[0]), weights)
    start = {"W": rng.random((X.shape[0], 4)), "H": rng.random((4, X.shape[1]))}
    options = {"solver": "bpp", "l1": (0.02, 0.05), "l2": (0.1, 0.0), "max_iter": 8, "tol": 0}
    first = cr.nmf(X, 4, sample_weight=weights, **start, **options)
    second = cr.nmf(X[rows], 4, W=start["W"][rows], H=start["H"], **options)
    assert np.abs(first.H - second.H).max() <= 1e-8 * np.abs(first.H).max()
    assert np.abs(first.W[rows] - second.W).max() <= 1e-8 * np.abs(first.W).max()
    assert first.report.objective == pytest.approx(second.report.objective, rel=1e-9)


# ---- scales and nasty input, beside what scikit-learn makes of them


@pytest.mark.parametrize("exponent", [-996, -40, 20, 990])
def test_scale_changes_nothing_where_scikit_learn_gives_up(exponent):
    X = product_of_uniform()
    expected = cr.nmf(X, 4, random_state=0, max_iter=50, tol=0)
    scaled = cr.nmf(np.ldexp(X, exponent), 4, random_state=0, max_iter=50, tol=0)
    assert np.array_equal(np.ldexp(expected.W, exponent // 2), scaled.W)
    assert scaled.report.error == expected.report.error


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("scale", [1e6, 1e-300, 1e300])
def test_scikit_learn_does_depend_on_scale(scale):
    """Keeps the comparison in the guide honest: when this fails, scikit-learn has improved."""
    X = product_of_uniform(noise=0.3)
    expected = cr.nmf(X, 4, random_state=0).report.error
    try:
        model = sklearn.decomposition.NMF(4, init="nndsvda", random_state=0)
        W = model.fit_transform(X * scale)
        theirs = np.linalg.norm(X - (W / scale) @ model.components_) / np.linalg.norm(X)
    except ValueError:
        theirs = np.inf
    ours = cr.nmf(X * scale, 4, random_state=0).report.error
    assert ours == pytest.approx(expected, rel=1e-3)
    assert not theirs < ours * 1.001


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nasty_matrices_give_finite_factors(solver, dtype):
    rng = np.random.default_rng(0)
    base = rng.random((30, 20))
    cases = {
        "zero": np.zeros((30, 20)),
        "zero rows and columns": base * (np.arange(30) % 3 > 0)[:, None] * (np.arange(20) % 4 > 0),
        "duplicate columns": np.repeat(base[:, :5], 4, axis=1),
        "rank one": np.outer(base[:, 0], base[0]),
        "one entry": np.eye(30, 20) * (np.arange(30) == 3)[:, None],
        "constant": np.full((30, 20), 3.0),
        "one row": base[:1],
        "one column": base[:, :1],
        "huge beside tiny": base * np.logspace(0, -30, 20),
    }
    for name, X in cases.items():
        for A in (X.astype(dtype), scipy.sparse.csr_array(X.astype(dtype))):
            for rank in (1, 7, 25):
                W, H = result = cr.nmf(A, rank, solver=solver, max_iter=30, tol=0, random_state=0)
                assert np.isfinite(W).all(), (name, rank)
                assert np.isfinite(H).all(), (name, rank)
                assert np.isfinite(result.report.error), (name, rank)
                assert result.report.error <= 1.0 + 1e-6, (name, rank)
    W, H = cr.nmf(cases["zero"], 3)
    assert not W.any()
    assert not H.any()
    zeroed = cr.nmf(cases["zero rows and columns"], 5, random_state=0)
    assert not zeroed.W[::3].any()


def test_bad_input_is_refused_with_a_reason():
    X = np.ones((6, 5))
    bad = X.copy()
    bad[2, 3] = -0.5
    with pytest.raises(ValueError, match=r"X must be nonnegative, but its least entry is -0\.5"):
        cr.nmf(bad, 2)
    with pytest.raises(ValueError, match="nonnegative"):
        cr.nmf(scipy.sparse.csc_array(bad), 2)
    with pytest.raises(TypeError, match="entries that can be looked at"):
        cr.nmf(scipy.sparse.linalg.aslinearoperator(X), 2)
    for options, words in (
        ({"rank": 0}, "rank must be"),
        ({"solver": "newton"}, "solver must be one of"),
        ({"init": "zeros"}, "init must be one of"),
        ({"loss": "hinge"}, "loss must be one of"),
        ({"l1": (-1, 0)}, r"l1\[0\] must be"),
        ({"W": np.ones((6, 3))}, r"W must have shape \(6, 2\)"),
        ({"H": -np.ones((2, 5))}, "H must be nonnegative"),
        ({"W": np.full((6, 2), np.nan)}, "W must be finite"),
        ({"hold": "H"}, "hold='H' needs H"),
        ({"max_iter": 0}, "max_iter must be"),
        ({"tol": -1}, "tol must be"),
        ({"sample_weight": np.ones(4)}, "sample_weight must hold"),
    ):
        arguments = {"rank": 2} | options
        with pytest.raises(ValueError, match=words):
            cr.nmf(X, **arguments)
    with pytest.raises(TypeError, match="l2 must be two numbers"):
        cr.nmf(X, 2, l2=1.0)


# ---- report, callback, storage


def test_callback_sees_every_iteration_and_can_stop():
    seen = []
    X = product_of_uniform()
    result = cr.nmf(X, 3, tol=0, max_iter=12, callback=seen.append, random_state=0)
    assert [info.iteration for info in seen] == list(range(1, 13))
    assert tuple(record.objective for record in result.report.history) == tuple(i.objective for i in seen)
    stopped = cr.nmf(X, 3, tol=0, callback=lambda info: info.iteration == 4, random_state=0)
    assert (stopped.report.iterations, stopped.report.stopped) == (4, "callback")


def test_stopping_early_warns():
    X = product_of_uniform()
    with pytest.warns(cr.ConvergenceWarning, match="max_iter=2"):
        cr.nmf(X, 3, max_iter=2, random_state=0)


def test_results_are_saved_with_their_reports():
    result = cr.nmf(sparse_topics(), 4, l1=(0.1, 0), random_state=0)
    file = io.BytesIO()
    result.save(file)
    file.seek(0)
    again = cr.load(file)
    assert np.array_equal(again.W, result.W)
    assert np.array_equal(again.H, result.H)
    assert again.report == result.report
    assert "nmf of a 400 x 250 sparse CSR matrix" in str(result.report)
