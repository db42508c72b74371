"""The Gaussian model of principal components: against scikit-learn's, and against its definition."""

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.decomposition
from numpy.testing import assert_allclose
from scipy.sparse.linalg import aslinearoperator
from scipy.stats import multivariate_normal

from corange import PCA
from corange.estimators import _linalg


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    return rng.standard_normal((200, 8)) * np.geomspace(10, 0.1, 8) @ rng.standard_normal((8, 8)) + 5.0


class TestAgainstScikitLearn:
    @pytest.mark.parametrize("n_components", [0, 1, 4, 8])
    def test_model_and_likelihood(self, X, n_components):
        theirs = sklearn.decomposition.PCA(n_components, svd_solver="full").fit(X)
        ours = PCA(n_components, svd_solver="full").fit(X)
        for method in ("get_covariance", "get_precision"):
            assert_allclose(getattr(ours, method)(), getattr(theirs, method)(), rtol=1e-7, atol=1e-9)
        assert_allclose(ours.score_samples(X), theirs.score_samples(X), rtol=1e-8)
        assert ours.score(X) == pytest.approx(theirs.score(X))

    def test_whitening_leaves_the_model(self, X):
        """Here scikit-learn differs: it multiplies the components with their deviations once too often."""
        plain, white = (PCA(8, whiten=whiten).fit(X) for whiten in (False, True))
        assert_allclose(white.get_covariance(), np.cov(X.T), atol=1e-9)
        assert_allclose(white.get_precision(), plain.get_precision())
        assert white.score(X) == pytest.approx(plain.score(X))


class TestModel:
    @pytest.mark.parametrize("n_components", [3, 8])
    def test_likelihood_is_that_of_the_normal_distribution(self, X, n_components):
        pca = PCA(n_components).fit(X)
        normal = multivariate_normal(pca.mean_, pca.get_covariance())
        assert_allclose(pca.score_samples(X), normal.logpdf(X), rtol=1e-9)

    @pytest.mark.parametrize("n_components", [0, 3, 8])
    def test_precision_inverts_covariance(self, X, n_components):
        pca = PCA(n_components).fit(X)
        assert_allclose(pca.get_covariance() @ pca.get_precision(), np.eye(8), atol=1e-9)

    def test_blocks_of_rows_do_not_matter(self, X, monkeypatch):
        pca = PCA(3).fit(X)
        whole = pca.score_samples(X)
        monkeypatch.setattr(_linalg, "_BLOCK_SIZE", 8 * 7)
        for make in (
            np.asarray,
            np.asfortranarray,
            np.ndarray.tolist,
            sp.csr_array,
            sp.csc_array,
            sp.coo_array,
        ):
            assert_allclose(pca.score_samples(make(X)), whole, rtol=1e-12)

    def test_points_far_away_are_less_likely(self, X):
        pca = PCA(3).fit(X)
        assert pca.score(X + 100.0) < pca.score(X)


class TestRefusals:
    @pytest.mark.parametrize("n_components", [2, None])
    def test_no_density_without_noise(self, n_components):
        X = np.outer(np.arange(6.0), np.ones(4))
        pca = PCA(n_components).fit(X)
        for use in (pca.get_precision, lambda: pca.score(X)):
            with pytest.raises(np.linalg.LinAlgError, match="covariance of 4 features is singular"):
                use()

    def test_rows_must_be_visible(self, X):
        with pytest.raises(TypeError, match="X must have rows that can be looked at"):
            PCA(3).fit(X).score(aslinearoperator(X))

    def test_entries_must_be_finite(self, X):
        pca = PCA(3).fit(X)
        X[4, 5] = np.nan
        with pytest.raises(ValueError, match=r"first at X\[4, 5\]"):
            pca.score_samples(X)
