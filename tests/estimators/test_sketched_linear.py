"""SketchedLinearRegression and SketchedRidge: scikit-learn's answers, weights, intercepts, targets."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.linear_model import LinearRegression, Ridge

import corange as cr

RNG = np.random.default_rng(0)
X = RNG.standard_normal((300, 12)) @ RNG.standard_normal((12, 12)) + 5
Y = X @ RNG.standard_normal((12, 3)) + RNG.standard_normal((300, 3)) + 7
WEIGHTS = RNG.integers(0, 4, 300).astype(float)
PAIRS = [
    (cr.SketchedLinearRegression, LinearRegression, {}),
    (cr.SketchedRidge, Ridge, {"alpha": 3.0}),
]


@pytest.mark.parametrize(("ours", "theirs", "options"), PAIRS)
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weights", [None, WEIGHTS, 2.0])
@pytest.mark.parametrize("sparse", [False, True])
def test_the_answer_is_scikit_learns(ours, theirs, options, intercept, weights, sparse):
    data = scipy.sparse.csr_array(np.where(np.abs(X) > 3, X, 0)) if sparse else X
    for y in (Y, Y[:, 0]):
        model = ours(fit_intercept=intercept, random_state=0, **options).fit(data, y, sample_weight=weights)
        dense = data.toarray() if sparse else X
        other = theirs(fit_intercept=intercept, **options).fit(dense, y, sample_weight=weights)
        assert model.coef_.shape == other.coef_.shape
        assert np.allclose(model.coef_, other.coef_, rtol=1e-9, atol=1e-9)
        assert np.allclose(model.intercept_, other.intercept_, rtol=1e-8, atol=1e-8)
        assert np.allclose(model.predict(data), other.predict(dense), rtol=1e-8, atol=1e-8)
        assert model.score(data, y) == pytest.approx(other.score(dense, y))
        assert model.report_.converged


@pytest.mark.parametrize(("ours", "theirs", "options"), PAIRS)
def test_integer_weights_are_repeated_rows(ours, theirs, options):
    repeated = np.repeat(np.arange(300), WEIGHTS.astype(int))
    weighted = ours(random_state=0, **options).fit(X, Y, sample_weight=WEIGHTS)
    assert np.allclose(
        weighted.coef_, ours(random_state=0, **options).fit(X[repeated], Y[repeated]).coef_, atol=1e-9
    )


def test_rank_and_precision():
    model = cr.SketchedLinearRegression(random_state=0).fit(np.hstack([X, X]).astype(np.float32), Y[:, 0])
    assert model.coef_.dtype == np.float32
    assert model.rank_ == 12
    assert np.allclose(model.coef_[:12], model.coef_[12:], atol=1e-3)
    assert model.predict(np.hstack([X, X]).astype(np.float32)).dtype == np.float32


def test_more_features_than_samples():
    wide = RNG.standard_normal((30, 200))
    model = cr.SketchedLinearRegression(random_state=0).fit(wide, wide[:, 0])
    assert np.allclose(model.predict(wide), wide[:, 0], atol=1e-10)
    assert model.rank_ == 29


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tol": 2.0}, "tol must be between 0 and 1"),
        ({"method": "svd"}, "method must be one of"),
        ({"alpha": -1.0}, "alpha must be a finite number of at least 0"),
    ],
)
def test_illegal_arguments_are_refused_in_fit(options, words):
    with pytest.raises(ValueError, match=words):
        cr.SketchedRidge(**options).fit(X, Y)


def test_illegal_weights_and_nan_are_refused():
    with pytest.raises(ValueError, match="sample_weight must be finite and at least 0"):
        cr.SketchedRidge().fit(X, Y, sample_weight=-WEIGHTS)
    bad = X.copy()
    bad[3, 4] = np.nan
    with pytest.raises(ValueError, match=r"X\[3, 4\]"):
        cr.SketchedLinearRegression().fit(bad, Y)


@pytest.mark.parametrize("weights", [None, np.linspace(1, 2, 4000)])
def test_sparse_data_are_sketched_sparsely_with_intercept_and_weights(weights):
    """A sketch by products would cost products of as many columns as the sketch has rows."""
    data = scipy.sparse.random_array((4000, 40), density=0.1, rng=0, format="csr")
    y = data @ np.arange(40.0) + np.cos(np.arange(4000.0))
    report = cr.SketchedLinearRegression(random_state=0).fit(data, y, sample_weight=weights).report_
    assert report.sketch_size == 480
    assert report.products < 200
    assert report.passes < 100
