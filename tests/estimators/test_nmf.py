"""NMF beside scikit-learn's: arguments, attributes, penalties, projections."""

import inspect

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.decomposition

import corange as cr


def objective(X, W, H, alpha_W, alpha_H, l1_ratio):
    m, n = X.shape
    value = 0.5 * np.linalg.norm(X - W @ H) ** 2
    for alpha, size, Y in ((alpha_W, n, W), (alpha_H, m, H)):
        value += alpha * size * (l1_ratio * Y.sum() + 0.5 * (1 - l1_ratio) * (Y**2).sum())
    return value


def test_every_argument_of_scikit_learn_is_one_of_ours_with_the_same_default():
    ours = inspect.signature(cr.NMF).parameters
    for name, parameter in inspect.signature(sklearn.decomposition.NMF).parameters.items():
        assert ours[name].default == parameter.default
        assert ours[name].kind == parameter.kind


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_attribute_of_scikit_learn_is_one_of_ours(digits):
    options = {"n_components": 4, "init": "nndsvda", "random_state": 0, "max_iter": 30}
    ours, peer = cr.NMF(**options).fit(digits[:200]), sklearn.decomposition.NMF(**options).fit(digits[:200])
    fitted = {name for name in vars(peer) if name.endswith("_") and not name.startswith("_")}
    assert fitted <= set(vars(ours))
    for name in fitted - {"n_iter_"}:
        assert np.shape(getattr(ours, name)) == np.shape(getattr(peer, name))
    W = ours.transform(digits[:200])
    assert ours.reconstruction_err_ == pytest.approx(np.linalg.norm(digits[:200] - W @ ours.components_))
    assert np.allclose(ours.inverse_transform(W), W @ ours.components_)
    assert np.allclose(ours.inverse_transform(sp.csr_array(W)), W @ ours.components_)
    assert list(ours.get_feature_names_out()) == [f"nmf{j}" for j in range(4)]


@pytest.mark.parametrize(
    "penalties",
    [
        {},
        {"alpha_W": 0.01},
        {"alpha_W": 0.01, "alpha_H": 0.002, "l1_ratio": 0.5},
        {"alpha_W": 0.002, "l1_ratio": 1.0},
    ],
)
@pytest.mark.filterwarnings("ignore:Maximum number of iterations")  # scikit-learn's, in one case
def test_penalties_mean_what_they_mean_in_scikit_learn(digits, penalties):
    X = digits[:300] / 16
    rng = np.random.default_rng(0)
    start = {"W": rng.random((300, 6)), "H": rng.random((6, 64))}
    options = {"n_components": 6, "init": "custom", "max_iter": 3000, **penalties}
    ours, peer = cr.NMF(tol=1e-7, **options), sklearn.decomposition.NMF(tol=1e-8, **options)
    weights = ours.fit_transform(X, **start)
    theirs = peer.fit_transform(X, W=start["W"].copy(), H=start["H"].copy())
    alpha_W = penalties.get("alpha_W", 0.0)
    alpha_H = penalties.get("alpha_H", alpha_W)
    rest = (alpha_W, alpha_H, penalties.get("l1_ratio", 0.0))
    best = objective(X, theirs, peer.components_, *rest)
    assert objective(X, weights, ours.components_, *rest) <= best * (1 + 2e-3)
    assert ours.report_.objective == pytest.approx(objective(X, weights, ours.components_, *rest))
    again = ours.transform(X)
    assert np.allclose(again, weights, atol=1e-9)
    # scikit-learn's transform of its own components is the same convex problem, solved less exactly
    model = cr.NMF(**options)
    model.fit(X, **start)
    model.components_ = peer.components_
    exact, close = model.transform(X), peer.transform(X)
    least, near = (objective(X, Y, peer.components_, *rest) for Y in (exact, close))
    assert least <= near * (1 + 1e-9)


@pytest.mark.parametrize("beta_loss", ["frobenius", "kullback-leibler"])
@pytest.mark.parametrize("sparse", [False, True])
def test_a_sample_weight_of_two_is_the_sample_twice(digits, beta_loss, sparse):
    X = digits[:80] / 16
    rng = np.random.default_rng(0)
    weights = rng.integers(0, 3, 80)
    rows = np.repeat(np.arange(80), weights)
    W, H = rng.random((80, 4)), rng.random((4, 64))
    solver = "bpp" if beta_loss == "frobenius" else "mu"
    penalty = {"alpha_W": 1e-3, "alpha_H": 2e-3} if solver == "bpp" else {}
    options = {"beta_loss": beta_loss, "solver": solver, "init": "custom", "tol": 0, "max_iter": 8}
    make = sp.csr_array if sparse else np.asarray
    first, second = (cr.NMF(4, **options, **penalty) for _ in range(2))
    found = first.fit_transform(make(X), W=W, H=H, sample_weight=weights)
    twice = second.fit_transform(make(X[rows]), W=W[rows], H=H)
    fits = found[rows] @ first.components_, twice @ second.components_
    assert np.allclose(*fits, rtol=1e-6, atol=1e-9)
    assert first.reconstruction_err_ == pytest.approx(second.reconstruction_err_, rel=1e-6)
    assert np.array_equal(
        cr.NMF(4, **options).fit(make(X), W=W, H=H, sample_weight=np.ones(80)).components_,
        cr.NMF(4, **options).fit(make(X), W=W, H=H, sample_weight=1.0).components_,
    )
    with pytest.raises(ValueError, match=r"sample_weight\[3\] is -1"):
        cr.NMF(4).fit(X, sample_weight=np.where(np.arange(80) == 3, -1, 1))


def test_solvers_and_losses_that_do_not_go_together_are_refused(digits):
    with pytest.raises(ValueError, match="beta_loss='kullback-leibler' needs solver='mu'"):
        cr.NMF(2, beta_loss="kullback-leibler").fit(digits)
    with pytest.raises(ValueError, match="solver must be one of"):
        cr.NMF(2, solver="newton").fit(digits)
    with pytest.raises(ValueError, match="init='custom' needs W and H"):
        cr.NMF(2, init="custom").fit(digits)
    with pytest.raises(ValueError, match="n_components must be"):
        cr.NMF(0).fit(digits)


def test_a_warning_for_factors_that_are_not_used(digits):
    with pytest.warns(RuntimeWarning, match="init='custom'"):
        cr.NMF(2, random_state=0).fit_transform(digits, W=np.ones((digits.shape[0], 2)))


def test_data_in_every_container_give_the_same(digits, in_every_container):
    X = digits[:60, 10:40]
    rng = np.random.default_rng(0)
    start = {"W": rng.random((60, 3)), "H": rng.random((3, 30))}
    model = cr.NMF(3, init="custom", solver="bpp", max_iter=5, tol=0.0)
    expected = model.fit_transform(X, **start)
    for name, container in in_every_container(X):
        if name == "LinearOperator":
            continue
        found = cr.NMF(3, init="custom", solver="bpp", max_iter=5, tol=0.0).fit_transform(container, **start)
        assert np.allclose(found, expected, atol=1e-8 * np.abs(expected).max()), name


@pytest.mark.parametrize("beta_loss", ["frobenius", "kullback-leibler", "itakura-saito", 1.5])
@pytest.mark.parametrize("fresh_restarts", [False, True])
@pytest.mark.parametrize("penalties", [{}, {"alpha_W": 1e-3, "alpha_H": 1e-4, "l1_ratio": 0.5}])
def test_batches_do_what_scikit_learns_do_from_the_same_start(beta_loss, fresh_restarts, penalties):
    rng = np.random.default_rng(0)
    X = rng.random((300, 20)) * (rng.random(20) + 0.1) + 0.01
    W, H = rng.random((300, 5)) + 0.1, rng.random((5, 20)) + 0.1
    options = {"n_components": 5, "init": "custom", "beta_loss": beta_loss, "batch_size": 64, "max_iter": 7}
    options |= {"tol": 0, "max_no_improvement": None, "fresh_restarts": fresh_restarts, **penalties}
    ours, peer = cr.MiniBatchNMF(**options), sklearn.decomposition.MiniBatchNMF(**options)
    found, theirs = (model.fit_transform(X, W=W.copy(), H=H.copy()) for model in (ours, peer))
    np.testing.assert_allclose(found, theirs, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(ours.components_, peer.components_, rtol=1e-12)
    assert ours.reconstruction_err_ == pytest.approx(peer.reconstruction_err_, rel=1e-12)
    assert ours.n_steps_ == peer.n_steps_


@pytest.mark.filterwarnings("ignore:MiniBatchNMF stopped after max_iter")
@pytest.mark.parametrize(("dtype", "exponent"), [(np.float32, 120), (np.float64, 1016), (np.float64, -990)])
@pytest.mark.parametrize("make", [np.asarray, sp.csr_array])
def test_batches_of_any_scale_give_the_same_factors(dtype, exponent, make):
    """The sum of the entries overflows long before their mean does; powers of two change no digit."""
    rng = np.random.default_rng(0)
    X = (rng.random((500, 4)) @ rng.random((4, 40))).astype(dtype)
    data = {shift: make(np.ldexp(X, shift)) for shift in (0, exponent)}
    for fresh in (False, True):
        found = []
        for shift, Y in data.items():
            model = cr.MiniBatchNMF(4, batch_size=100, max_iter=20, fresh_restarts=fresh, random_state=0)
            factors = [model.fit_transform(Y), model.components_, model.transform(Y)]
            factors.append(model.partial_fit(Y[:100]).components_)
            found.append([np.ldexp(F, -(shift // 2)) for F in factors])
        for one, other in zip(*found, strict=True):
            assert np.isfinite(one).all()
            np.testing.assert_array_equal(one, other)
