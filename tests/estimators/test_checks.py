"""scikit-learn's own checks of its contract for estimators, without exceptions."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from corange import (
    CUR,
    NMF,
    PCA,
    ColumnSelector,
    FastJL,
    FastRP,
    GaussianRandomProjection,
    IncrementalSVD,
    MaskedNMF,
    MiniBatchNMF,
    Nystroem,
    SeparableNMF,
    SketchedLinearRegression,
    SketchedRidge,
    SparseRandomProjection,
    TruncatedSVD,
)

ESTIMATORS = [
    ColumnSelector(),
    ColumnSelector(n_features_to_select=2, method="leverage"),
    CUR(),
    CUR(n_components=1, core="cross", method="qdeim"),
    IncrementalSVD(),
    IncrementalSVD(n_components=1, center=True, buffer=1, forget=0.9),
    IncrementalSVD(n_components=2, keep_left=True),
    MaskedNMF(n_components=2),
    MiniBatchNMF(n_components=2, max_iter=20, fresh_restarts=True),
    MiniBatchNMF(n_components=2, beta_loss="kullback-leibler", fresh_restarts=True, max_iter=5),
    SeparableNMF(),
    SeparableNMF(method="snpa"),
    FastRP(),
    FastRP(n_components=3, normalize=False),
    Nystroem(),
    Nystroem(n_components=3, landmarks="rpcholesky"),
    Nystroem(n_components=3, kernel="polynomial", landmarks="leverage"),
    Nystroem(n_components=3, kernel="cosine"),
    NMF(),
    NMF(n_components=2),
    NMF(n_components=2, solver="bpp", init="random", alpha_W=0.01),
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
