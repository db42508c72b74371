"""scikit-learn's own checks of its contract for estimators, without exceptions."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from corange import PCA, SketchedLinearRegression, SketchedRidge, TruncatedSVD

ESTIMATORS = [
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
]


@pytest.mark.filterwarnings("default")  # the checks count and filter warnings themselves
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_check(estimator, check):
    check(estimator)
