"""Losses beyond Frobenius, and missing entries: gradients, monotone objectives, KKT, closed forms, bits."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

import corange as cr
from corange import _core
from corange._nmf._entries import entries_of, padded

BETAS = (-0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0)


def divergence(X, Z, beta):
    """The beta-divergence by its definition."""
    if beta == 1:
        return float((scipy.special.xlogy(X, X) - scipy.special.xlogy(X, Z) - X + Z).sum())
    if beta == 0:
        return float((X / Z - np.log(X / Z) - 1).sum())
    return float(((X**beta + (beta - 1) * Z**beta - beta * X * Z ** (beta - 1)) / (beta * (beta - 1))).sum())


def counts(m=60, n=40, k=3, seed=0):
    """Poisson counts around a product of factors."""
    rng = np.random.default_rng(seed)
    return rng.poisson(3 * rng.random((m, k)) @ rng.random((k, n))).astype(float)


def factors(m, n, k, seed=1):
    rng = np.random.default_rng(seed)
    return 0.1 + rng.random((m, k)), 0.1 + rng.random((k, n))


def parts(X, W, H, beta):
    """Divergence and gradient's parts from the core, in the user's units."""
    entries = entries_of(X, exponent=0)
    U, Y = padded(W), padded(H.T)
    above, below = np.empty_like(U), np.empty_like(U)
    value = _core.nmf_terms(entries.rows, U, Y, W.shape[1], beta, above, below)
    return value, above[:, : W.shape[1]], below[:, : W.shape[1]]


@pytest.mark.parametrize("beta", BETAS)
@settings(max_examples=15, deadline=None)
@given(m=st.integers(1, 9), n=st.integers(1, 9), k=st.integers(1, 20), seed=st.integers(0, 99))
def test_divergence_and_gradient_are_those_of_the_definition(beta, m, n, k, seed):
    X = 0.2 + np.random.default_rng(seed).random((m, n))
    W, H = factors(m, n, k, seed)
    value, above, below = parts(X, W, H, beta)
    Z = W @ H
    assert value == pytest.approx(divergence(X, Z, beta), rel=1e-10, abs=1e-10)
    gradient = (Z ** (beta - 1) - X * Z ** (beta - 2)) @ H.T
    assert np.allclose(below - above, gradient, rtol=1e-9, atol=1e-9)
    step = 1e-6
    direction = np.random.default_rng(seed + 1).standard_normal(W.shape)
    ends = [divergence(X, (W + s * direction) @ H, beta) for s in (step, -step)]
    slope = (ends[0] - ends[1]) / (2 * step)
    assert slope == pytest.approx(float((gradient * direction).sum()), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("beta", [0.5, 1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("make", [scipy.sparse.csr_array, scipy.sparse.csc_array])
def test_sparse_is_dense(beta, make):
    X = counts()
    W, H = factors(*X.shape, 4)
    for dense, sparse in zip(parts(X, W, H, beta), parts(make(X), W, H, beta), strict=True):
        assert np.allclose(dense, sparse, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("loss", "solver"),
    [
        ("kullback-leibler", "cd"),
        ("kullback-leibler", "mu"),
        (0.0, "mu"),
        (0.5, "mu"),
        (1.5, "mu"),
        (3.0, "mu"),
    ],
)
@pytest.mark.parametrize("penalty", [0.0, 0.3])
def test_the_objective_never_grows(loss, solver, penalty):
    X = counts() + (loss == 0.0)
    result = cr.nmf(
        X,
        4,
        loss=loss,
        solver=solver,
        l1=(penalty, penalty),
        l2=(penalty, 0.0),
        max_iter=60,
        tol=0,
        random_state=0,
    )
    values = np.array([record.objective for record in result.report.history])
    assert (np.diff(values) <= 1e-11 * values[:-1]).all()
    beta = result.report.beta
    W, H = result
    total = divergence(X, W @ H, beta) + penalty * (W.sum() + H.sum()) + 0.5 * penalty * (W**2).sum()
    assert result.report.objective == pytest.approx(total, rel=1e-9)
    assert values[-1] == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("solver", ["cd", "mu"])
@pytest.mark.parametrize("sparse", [False, True])
def test_kullback_leibler_of_rank_one_is_the_product_of_the_sums(solver, sparse):
    X = counts()
    A = scipy.sparse.csr_array(X) if sparse else X
    W, H = cr.nmf(A, 1, loss="kullback-leibler", solver=solver, random_state=0)
    assert np.allclose(W @ H, np.outer(X.sum(axis=1), X.sum(axis=0)) / X.sum(), rtol=1e-12)


@pytest.mark.parametrize("shape", [(300, 100), (3000, 400)])
def test_descent_knows_the_loss_where_a_fit_falls_to_zero(shape):
    X = scipy.sparse.random_array(shape, density=0.02, rng=5, format="csr")
    options = {"loss": "kullback-leibler", "init": "random", "tol": 0, "random_state": 1}
    for iterations in (1, 2, 3):
        report = cr.nmf(X, 4, max_iter=iterations, **options).report
        assert report.history[-1].objective == pytest.approx(report.objective, rel=1e-9)


def test_descent_meets_the_kkt_conditions():
    X = counts()
    W, H = cr.nmf(X, 3, loss="kullback-leibler", tol=0, max_iter=3000, random_state=0)
    for A, U, V in ((X, W, H), (X.T, H.T, W.T)):
        gradient = V.sum(axis=1) - (A / np.maximum(U @ V, 1e-300)) @ V.T
        assert gradient.min() >= -1e-5
        assert np.abs(np.minimum(U, gradient)).max() <= 1e-4


def test_descent_is_ahead_of_multiplicative_updates_from_the_same_start():
    X = scipy.sparse.csr_array(counts(300, 200, 8))
    W, H = factors(300, 200, 8)
    ours, theirs = (
        cr.nmf(X, 8, loss="kullback-leibler", solver=s, W=W, H=H, tol=0, max_iter=30) for s in ("cd", "mu")
    )
    assert ours.report.objective < theirs.report.objective


def test_exact_factors_are_a_fixed_point():
    W, H = factors(30, 20, 3)
    for solver in ("cd", "mu"):
        again = cr.nmf(W @ H, 3, loss="kullback-leibler", solver=solver, W=W, H=H, max_iter=5, tol=0)
        assert np.allclose(again.reconstruct(), W @ H, rtol=1e-9)


@pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler"])
def test_a_full_mask_is_no_mask(loss):
    X = counts()
    W, H = factors(*X.shape, 3)
    options = {"loss": loss, "W": W, "H": H, "tol": 0, "max_iter": 2000, "random_state": 0}
    full = cr.nmf(X, 3, mask=np.ones(X.shape, bool), **options)
    plain = cr.nmf(X, 3, **options)
    assert full.report.objective == pytest.approx(plain.report.objective, rel=2e-3)
    assert full.report.objective == pytest.approx(
        divergence(X, full.reconstruct(), full.report.beta), rel=1e-9
    )


@pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler"])
def test_held_out_entries_of_planted_factors_are_recovered(loss):
    rng = np.random.default_rng(0)
    W, H = rng.random((120, 4)), rng.random((4, 90))
    X, mask = W @ H, rng.random((120, 90)) < 0.4
    result = cr.nmf(X, 4, loss=loss, mask=mask, init="random", tol=0, max_iter=1500, random_state=0)
    off = (result.reconstruct() - X)[~mask]
    assert np.linalg.norm(off) <= 0.03 * np.linalg.norm(X[~mask])


@pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler"])
def test_all_ways_to_say_what_is_missing_agree(loss):
    X = counts()
    mask = np.random.default_rng(3).random(X.shape) < 0.7
    holes = np.where(mask, X, np.nan)
    rows, columns = np.nonzero(mask)
    stored = scipy.sparse.csr_array((X[mask], columns, np.r_[0, np.cumsum(mask.sum(axis=1))]), shape=X.shape)
    pattern = scipy.sparse.csr_array((np.ones(rows.size), (rows, columns)), shape=X.shape)
    options = {"loss": loss, "tol": 0, "max_iter": 10, "random_state": 0}
    expected = cr.nmf(X, 3, mask=mask, **options)
    for A, how in ((holes, "nan"), (stored, "stored"), (X, pattern), (scipy.sparse.csr_array(X), mask)):
        other = cr.nmf(A, 3, mask=how, **options)
        assert np.array_equal(expected.W, other.W)
        assert np.array_equal(expected.H, other.H)


@pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler"])
def test_what_is_masked_has_no_influence(loss):
    X = counts()
    mask = np.random.default_rng(3).random(X.shape) < 0.7
    options = {"loss": loss, "mask": mask, "tol": 0, "max_iter": 10, "random_state": 0}
    first, second = cr.nmf(X, 3, **options), cr.nmf(np.where(mask, X, 77.0), 3, **options)
    assert np.array_equal(first.W, second.W)


@pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler"])
@pytest.mark.parametrize("masked", [False, True])
def test_a_weight_of_two_is_the_row_twice(loss, masked):
    X = counts()
    W, H = factors(*X.shape, 3)
    weights = np.ones(60)
    weights[:5] = 2
    twice = np.r_[X, X[:5]]
    options = {"loss": loss, "H": H, "tol": 0, "max_iter": 300}
    mask = (lambda A: np.ones(A.shape, bool)) if masked else (lambda A: None)
    first = cr.nmf(X, 3, W=W, sample_weight=weights, mask=mask(X), **options)
    second = cr.nmf(twice, 3, W=np.r_[W, W[:5]], mask=mask(twice), **options)
    assert first.report.objective == pytest.approx(second.report.objective, rel=1e-6)


@pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler"])
def test_same_bits_on_any_number_of_threads(loss):
    X = scipy.sparse.csr_array(counts(400, 300, 5))
    results = []
    for threads in (1, 2, 3, 7):
        with threadpool_limits(threads, user_api="openmp"):
            results.append(cr.nmf(X, 5, loss=loss, mask="stored", max_iter=5, tol=0, random_state=0))
            results.append(cr.nmf(X, 5, loss=loss, max_iter=5, tol=0, random_state=0))
    for first, other in zip(results[:2] * 3, results[2:], strict=True):
        assert np.array_equal(first.W, other.W)
        assert np.array_equal(first.H, other.H)


@pytest.mark.parametrize("solver", ["cd", "mu"])
@pytest.mark.parametrize("exponent", [-996, -300, 300, 996])
def test_any_scale_gives_the_same_factors(solver, exponent):
    X = counts()
    base = cr.nmf(
        X, 3, loss="kullback-leibler", solver=solver, init="random", max_iter=20, tol=0, random_state=0
    )
    other = cr.nmf(
        np.ldexp(X, exponent),
        3,
        loss="kullback-leibler",
        solver=solver,
        init="random",
        max_iter=20,
        tol=0,
        random_state=0,
    )
    assert np.allclose(np.ldexp(base.W, exponent // 2), other.W, rtol=1e-6, atol=0)


@pytest.mark.parametrize("solver", ["cd", "mu"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nasty_inputs(solver, dtype):
    X = counts().astype(dtype)
    X[3], X[:, 5] = 0, 0
    X[:, 7] = X[:, 8]
    sparse = scipy.sparse.csr_array(X)
    explicit = sparse.copy()
    explicit.data[::3] = 0
    pruned = explicit.copy()
    pruned.eliminate_zeros()
    options = {"loss": "kullback-leibler", "solver": solver, "random_state": 0, "max_iter": 300}
    for A in (X, sparse, explicit, np.zeros_like(X), X[:1], X[:, :1]):
        W, H = cr.nmf(A, min(4, *A.shape), **options | {"tol": 0})
        assert np.isfinite(W).all()
        assert np.isfinite(H).all()
        assert W.dtype == dtype
    W, H = cr.nmf(sparse, 4, **options | {"tol": 0})
    assert (W @ H)[3].max() <= 1e-6
    assert (W @ H)[:, 5].max() <= 1e-6
    pair = [cr.nmf(A, 3, **options | {"tol": 0, "max_iter": 20}).report.objective for A in (explicit, pruned)]
    assert pair[0] == pytest.approx(pair[1], rel=1e-4 if dtype == np.float32 else 1e-9)


def test_bad_input_is_refused_with_words():
    X = counts()
    with pytest.raises(ValueError, match="Itakura"):
        cr.nmf(X, 2, loss="itakura-saito")
    with pytest.raises(ValueError, match="Itakura"):
        cr.nmf(scipy.sparse.csr_array(X), 2, loss="itakura-saito")
    with pytest.raises(ValueError, match="mask must have the shape"):
        cr.nmf(X, 2, mask=np.ones((2, 2), bool))
    with pytest.raises(TypeError, match="boolean"):
        cr.nmf(X, 2, mask=np.ones(X.shape))
    with pytest.raises(ValueError, match="'stored'"):
        cr.nmf(X, 2, mask="elsewhere")
    with pytest.raises(ValueError, match="does not know the loss"):
        cr.nmf(X, 2, mask=X > 0, loss=0.5)


@pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler"])
def test_exact_data_converge_though_their_objective_falls_for_ever(loss):
    rng = np.random.default_rng(0)
    X = rng.random((60, 2)) @ rng.random((2, 50))
    result = cr.nmf(X, 2, loss=loss, mask=np.ones(X.shape, bool), tol=1e-3, max_iter=3000, random_state=0)
    assert result.report.stopped == "converged"


def test_unsorted_data_are_not_sorted_behind_the_users_back():
    X = scipy.sparse.csr_array(counts())
    X.indices[: X.indptr[1]] = X.indices[: X.indptr[1]][::-1].copy()
    X.data[: X.indptr[1]] = X.data[: X.indptr[1]][::-1].copy()
    X.has_sorted_indices = False
    X.has_canonical_format = False
    before = X.indices.copy(), X.data.copy()
    cr.nmf(X, 2, mask="stored", tol=0, max_iter=2, random_state=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, (X.indices, X.data), strict=True))


@pytest.mark.parametrize(
    "options",
    [
        {"loss": "kullback-leibler"},
        {"loss": "kullback-leibler", "solver": "mu"},
        {"solver": "mu"},
        {"loss": 1.5},
        {"loss": "itakura-saito"},
    ],
)
@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_array])
def test_components_that_are_dead_start_again(options, kind):
    rng = np.random.default_rng(0)
    X = rng.random((60, 4)) @ rng.random((4, 30))
    W, H = rng.random((60, 4)), rng.random((4, 30))
    W[:, 2] = H[2] = H[1] = 0
    settings = {"max_iter": 1000, "tol": 0, **options}
    result = cr.nmf(kind(X), 4, W=W, H=H, **settings)
    assert result.report.reseeded == 2
    assert result.W.any(axis=0).all()
    assert result.H.any(axis=1).all()
    assert result.report.objective < 0.05 * cr.nmf(kind(X), 2, random_state=0, **settings).report.objective
    objectives = [entry.objective for entry in result.report.history]
    assert (np.diff(objectives) <= 1e-12 * objectives[0]).all()


def test_rank_above_that_of_the_matrix_leaves_components_dead_that_explain_nothing():
    X = np.outer(np.arange(1.0, 9.0), np.arange(1.0, 6.0))
    W, H = np.ones((8, 2)), np.ones((2, 5))
    W[:, 0], H[0], H[1] = X[:, 0], X[0], 0
    result = cr.nmf(X, 2, loss="kullback-leibler", W=W, H=H)
    assert result.report.reseeded == 0
    np.testing.assert_allclose(result.W @ result.H, X, rtol=1e-10)


class Rows:
    """Data on disk."""

    def __init__(self, A):
        self._A, self.shape, self.dtype, self.reads = A, A.shape, A.dtype, []

    def __getitem__(self, key):
        self.reads.append(key.stop - key.start)
        return self._A[key]


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr("corange._sources.BLOCK_BYTES", 70 * 30 * 8)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler", "itakura-saito", 0.5, 1.5, 3.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_blocks_of_rows_take_the_steps_of_the_whole(loss, weighted):
    if weighted and loss == "itakura-saito":
        pytest.skip("weights need a beta above 0")
    rng = np.random.default_rng(0)
    X, W, H = rng.random((400, 30)) + 0.01, rng.random((400, 4)), rng.random((4, 30))
    settings = {"loss": loss, "solver": "mu", "W": W, "H": H, "max_iter": 10, "tol": 0, "l1": (1e-3, 1e-2)}
    settings["sample_weight"] = rng.random(400) + 0.1 if weighted else None
    source = Rows(X)
    whole, blocked = cr.nmf(X, 4, **settings), cr.nmf(source, 4, **settings)
    assert max(source.reads) == 70
    np.testing.assert_allclose(blocked.W, whole.W, rtol=1e-10)
    np.testing.assert_allclose(blocked.H, whole.H, rtol=1e-10)
    assert blocked.report.objective == pytest.approx(whole.report.objective, rel=1e-10)
    if not weighted:
        assert blocked.report.error == pytest.approx(whole.report.error, rel=1e-10, nan_ok=True)
    assert blocked.report.passes == 11  # one an iteration, and one for the objective


@pytest.mark.usefixtures("small_blocks")
def test_blocks_of_rows_stop_and_refuse_as_the_whole():
    rng = np.random.default_rng(1)
    X = rng.poisson(10 * rng.random((300, 3)) @ rng.random((3, 30))).astype(float)
    result = cr.nmf(Rows(X), 3, loss="kullback-leibler", max_iter=5000, tol=1e-3, random_state=0)
    assert result.report.converged
    objectives = [entry.objective for entry in result.report.history]
    assert (np.diff(objectives) <= 1e-9 * objectives[0]).all()
    assert result.report.objective <= objectives[-1]
    stopped = cr.nmf(Rows(X), 3, loss=1.5, callback=lambda info: info.iteration == 3)
    assert (stopped.report.stopped, stopped.report.iterations) == ("callback", 3)
    with pytest.raises(TypeError, match="take solver='mu'"):
        cr.nmf(Rows(X), 3, loss="kullback-leibler", solver="cd")
    with pytest.raises(ValueError, match="positive entries only"):
        cr.nmf(Rows(X), 3, loss="itakura-saito")
