"""scikit-learn's own checks of its contract for estimators, without exceptions."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from corange import (
    PCA,
    FastJL,
    FastRP,
    GaussianRandomProjection,
    MaskedNMF,
    MiniBatchNMF,
    SeparableNMF,
    SketchedLinearRegression,
    SketchedRidge,
    SparseRandomProjection,
    TruncatedSVD,
)

ESTIMATORS = [
    MaskedNMF(n_components=2),
    MiniBatchNMF(n_components=2, max_iter=20, fresh_restarts=True),
    MiniBatchNMF(n_components=2, beta_loss="kullback-leibler", fresh_restarts=True, max_iter=5),
    SeparableNMF(),
    SeparableNMF(method="snpa"),
    FastRP(),
    FastRP(n_components=3, normalize=False),
    PCA(),
    PCA(n_components=2),
    PCA(n_components=2, svd_solver="randomized", whiten=True),
    PCA(n_components=0.7),
    SketchedLinearRegression(),
    SketchedLinearRegression(fit_intercept=False, method="sketch"),
    SketchedRidge(),
    TruncatedSVD(),
    TruncatedSVD(n_components=1, algorithm="arpack"),
    TruncatedSVD(n_components=0.7),
    GaussianRandomProjection(n_components=2),
    SparseRandomProjection(n_components=2),
    FastJL(n_components=2),
]


@pytest.mark.filterwarnings("default")  # the checks count and filter warnings themselves
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_check(estimator, check):
    check(estimator)
