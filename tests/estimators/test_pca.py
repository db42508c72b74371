"""PCA against scikit-learn's, weights against repeated rows, and implicit centering of any data."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.decomposition
import sklearn.exceptions
from joblib import Parallel, delayed
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import corange as cr
from corange import PCA

ATTRIBUTES = ("mean_", "components_", "singular_values_", "explained_variance_", "explained_variance_ratio_")
SOLVERS = ("auto", "full", "covariance_eigh", "arpack", "randomized")


def fitted(X, n_components=4, sample_weight=None, **options):
    options = {"random_state": 0, "svd_solver": "full"} | options
    return PCA(n_components, **options).fit(X, sample_weight=sample_weight)


def dense(X):
    return X.toarray() if sp.issparse(X) else X


def assert_same(one, two, names=(*ATTRIBUTES, "n_components_", "noise_variance_")):
    for name in names:
        assert_allclose(getattr(one, name), getattr(two, name), rtol=1e-7, atol=1e-8, err_msg=name)


class TestAgainstScikitLearn:
    @pytest.mark.parametrize("n_components", [1, 5, 0.5, 0.95, 0.9999])
    def test_exact_results_agree_signs_included(self, data, n_components):
        theirs = sklearn.decomposition.PCA(n_components, svd_solver="full").fit(dense(data))
        ours = fitted(data, n_components)
        assert_same(ours, theirs)
        assert ours.n_samples_ == theirs.n_samples_
        scores = theirs.transform(dense(data))
        assert_allclose(ours.transform(data), scores, atol=1e-7)
        assert_allclose(ours.inverse_transform(scores), theirs.inverse_transform(scores), atol=1e-7)

    def test_whitening_agrees(self, data):
        theirs = sklearn.decomposition.PCA(4, whiten=True, svd_solver="full").fit(dense(data))
        ours = fitted(data, whiten=True)
        scores = ours.transform(data)
        assert_allclose(scores, theirs.transform(dense(data)), atol=1e-7)
        assert_allclose(ours.inverse_transform(scores), theirs.inverse_transform(scores), atol=1e-7)
        assert_allclose(np.cov(scores.T), np.eye(4), atol=1e-9)

    def test_all_components(self, digits):
        theirs, ours = sklearn.decomposition.PCA().fit(digits), PCA().fit(digits)
        assert ours.components_.shape == theirs.components_.shape
        assert_allclose(ours.explained_variance_, theirs.explained_variance_, atol=1e-9)
        assert ours.explained_variance_ratio_.sum() == pytest.approx(1.0)
        assert ours.noise_variance_ == 0.0

    @pytest.mark.parametrize("n_components", [0, 3])
    def test_noise(self, breast_cancer, n_components):
        theirs = sklearn.decomposition.PCA(n_components, svd_solver="full").fit(breast_cancer)
        ours = fitted(breast_cancer, n_components)
        assert ours.noise_variance_ == pytest.approx(theirs.noise_variance_)
        assert ours.transform(breast_cancer).shape == (569, n_components)
        assert ours.inverse_transform(np.zeros((2, n_components))).shape == (2, 30)

    def test_minka_picks_as_many(self, digits, breast_cancer):
        for X in (digits[:, digits.std(axis=0) > 0], breast_cancer):
            theirs = sklearn.decomposition.PCA("mle", svd_solver="full").fit(X)
            for container in (X, sp.csr_array(X)):
                assert_same(fitted(container, "mle"), theirs)

    @pytest.mark.parametrize("solver", SOLVERS)
    @pytest.mark.parametrize("make", [np.asarray, sp.csr_array])
    def test_every_solver_takes_every_number_and_kind_of_data(self, breast_cancer, solver, make):
        X = make(breast_cancer)
        expected = fitted(X, 10).singular_values_
        sizes = []
        for n_components in (10, 0.3, "mle", None):
            pca = PCA(n_components, svd_solver=solver, random_state=0).fit(X)
            k = min(10, pca.n_components_)
            assert_allclose(pca.singular_values_[:k], expected[:k], atol=1e-5 * expected[0])
            sizes.append(pca.n_components_)
        assert sizes == [10, 1, 29, 29 if solver == "arpack" else 30]

    def test_auto_is_exact_for_small_data_only(self, breast_cancer, digits):
        assert PCA(3).fit(breast_cancer[:500]).report_.tol == 1e-12
        assert PCA(3).fit(digits).report_.tol == 1e-3
        assert PCA(3, svd_solver="randomized").fit(breast_cancer[:500]).report_.tol == 1e-3
        assert PCA(3, tol=1e-5).fit(breast_cancer[:500]).report_.tol == 1e-5

    def test_default_is_good_to_the_square_of_the_tolerance(self, words):
        exact = fitted(words, 8).singular_values_
        assert_allclose(PCA(8, random_state=0).fit(words).singular_values_, exact, atol=1e-6 * exact[0])

    def test_has_their_signature(self):
        theirs = sklearn.decomposition.PCA().get_params()
        ours = PCA().get_params()
        assert theirs.items() <= ours.items()
        assert set(ours) - set(theirs) == {"callback", "max_passes"}

    def test_swapping_the_import_in_a_pipeline(self, breast_cancer):
        y = (breast_cancer[:, 0] > 14).astype(int)
        grid = {"pca__n_components": [2, 0.8], "pca__whiten": [False, True]}
        scores = []
        for cls in (PCA, sklearn.decomposition.PCA):
            steps = [("scale", StandardScaler()), ("pca", cls()), ("classify", LogisticRegression())]
            search = GridSearchCV(Pipeline(steps), grid, cv=3).fit(breast_cancer, y)
            scores.append(search.cv_results_["mean_test_score"])
        assert_allclose(*scores)

    @pytest.mark.parametrize("options", [{"whiten": True}, {"svd_solver": "randomized"}, {}])
    def test_fit_transform_is_fit_and_transform(self, data, options):
        pca = PCA(3, random_state=0, **options)
        scores = pca.fit_transform(data)
        assert_allclose(scores, pca.transform(data), atol=1e-10 * np.abs(scores).max())


class TestWeights:
    @pytest.fixture(params=["tall", "wide", "square"])
    def problem(self, request):
        rng = np.random.default_rng(0)
        shape = {"tall": (40, 6), "wide": (9, 30), "square": (70, 70)}[request.param]
        return rng.standard_normal(shape) + 3.0, rng.integers(0, 5, size=shape[0])

    @pytest.mark.parametrize("n_components", [2, 0.8, None])
    def test_whole_numbers_repeat_rows(self, problem, n_components):
        X, weights = problem
        repeated = fitted(X.repeat(weights, axis=0), n_components)
        weighted = fitted(X, n_components, sample_weight=weights)
        assert_same(weighted, repeated)
        assert_allclose(weighted.transform(X), repeated.transform(X), atol=1e-9)
        assert_allclose(weighted.get_covariance(), repeated.get_covariance(), atol=1e-8)

    @pytest.mark.parametrize("make", [sp.csr_array, sp.csc_array])
    @pytest.mark.parametrize("n_components", [2, None])
    def test_sparse_rows_too(self, problem, make, n_components):
        X, weights = problem
        repeated = fitted(X.repeat(weights, axis=0), n_components)
        weighted = fitted(make(X), n_components, sample_weight=weights)
        assert_same(weighted, repeated, ATTRIBUTES[:4])
        assert_allclose(weighted.transform(make(X)), repeated.transform(X), atol=1e-9)

    def test_minka_counts_them(self, breast_cancer):
        X = breast_cancer[:150]
        weights = np.random.default_rng(0).integers(0, 4, size=150)
        assert_same(fitted(X, "mle", sample_weight=weights), fitted(X.repeat(weights, axis=0), "mle"))

    def test_their_scale_leaves_the_components(self, problem):
        X, weights = problem
        one, two = (fitted(X, 3, sample_weight=scale * weights) for scale in (1.0, 0.125))
        assert_same(one, two, ("components_", "mean_", "explained_variance_ratio_"))

    def test_ones_change_nothing(self, breast_cancer):
        assert_same(fitted(breast_cancer, sample_weight=np.ones(569)), fitted(breast_cancer))

    def test_fit_transform_returns_all_rows_unweighted(self, problem):
        X, weights = problem
        pca = PCA(2, svd_solver="full")
        scores = pca.fit_transform(X, sample_weight=weights)
        assert_allclose(scores, (X - pca.mean_) @ pca.components_.T, atol=1e-12)

    def test_pass_through_a_pipeline(self, breast_cancer):
        weights = np.random.default_rng(0).random(569)
        pipeline = make_pipeline(PCA(2, svd_solver="full")).fit(breast_cancer, pca__sample_weight=weights)
        assert_same(pipeline[0], fitted(breast_cancer, 2, sample_weight=weights))

    @pytest.mark.parametrize(
        ("weights", "message"),
        [
            (np.ones(4), r"sample_weight must hold one weight for each of 5 rows, got shape \(4,\)"),
            ([1, 2, -1, 1, 1], r"sample_weight must be finite and at least 0, but sample_weight\[2\] is -1"),
            ([1, 2, np.nan, 1, 1], r"sample_weight\[2\] is nan"),
            (np.zeros(5), "at least one positive weight"),
            (np.full(5, 0.125), "sample_weight must sum to more than 1.* got a sum of 0.625"),
        ],
    )
    def test_illegal_weights(self, weights, message):
        with pytest.raises(ValueError, match=message):
            PCA().fit(np.eye(5), sample_weight=weights)


class TestData:
    @pytest.mark.parametrize("weighted", [False, True])
    def test_every_container_gives_the_same(self, breast_cancer, in_every_container, weighted):
        X = breast_cancer[:200] / breast_cancer.std(axis=0)
        weights = np.random.default_rng(0).random(200) if weighted else None
        expected = fitted(X, sample_weight=weights)
        for name, container in in_every_container(X):
            pca = fitted(container, sample_weight=weights)
            for attribute in ATTRIBUTES[:4]:
                wanted = getattr(expected, attribute)
                assert_allclose(getattr(pca, attribute), wanted, rtol=1e-8, atol=1e-10, err_msg=name)
            scores = expected.transform(X)
            assert_allclose(pca.transform(container), scores, rtol=1e-8, atol=1e-9, err_msg=name)

    @pytest.mark.parametrize(("dtype", "expected"), [("f4", "f4"), ("f2", "f4"), ("i1", "f8"), ("?", "f8")])
    @pytest.mark.parametrize("whiten", [False, True])
    def test_precision(self, digits, dtype, expected, whiten):
        X = digits[:300].astype(dtype)
        pca = PCA(3, random_state=0, whiten=whiten)
        scores = pca.fit_transform(X)
        results = [scores, pca.transform(X), pca.inverse_transform(scores), pca.score_samples(X)]
        results += [pca.get_covariance(), pca.get_precision()]
        results += [getattr(pca, name) for name in ATTRIBUTES[1:]]
        assert {result.dtype for result in results} == {np.dtype(expected)}
        assert pca.mean_.dtype == np.float64

    def test_single_precision_is_good_to_single_precision(self, digits):
        one, two = fitted(digits.astype(np.float32), 10), fitted(digits, 10)
        assert_allclose(one.singular_values_, two.singular_values_, rtol=2e-6)
        assert_allclose(one.components_, two.components_, atol=1e-4)

    def test_sparse_data_stay_sparse(self):
        rng = np.random.default_rng(0)
        places = tuple(rng.integers(10**5, size=(2, 2000)))
        X = sp.csr_array((rng.standard_normal(2000), places), shape=(10**5, 10**5))  # 80 GB if it were dense
        pca = PCA(2, random_state=0).fit(X)
        assert pca.converged_
        assert pca.transform(X[:10]).shape == (10, 2)

    def test_a_large_mean(self):
        X = np.random.default_rng(0).standard_normal((300, 20)) * np.linspace(1, 3, 20)
        shift = 1e6 * np.arange(20)
        one, two = fitted(X + shift), fitted(X)
        assert_allclose(one.explained_variance_, two.explained_variance_, rtol=1e-8)
        assert_allclose(one.transform(X + shift), two.transform(X), atol=1e-6)

    def test_rank_deficient_data(self):
        X = np.random.default_rng(0).standard_normal((30, 3)) @ np.ones((3, 10))
        pca = fitted(X, 5)
        assert_allclose(pca.components_ @ pca.components_.T, np.eye(5), atol=1e-12)
        assert_allclose(pca.explained_variance_[1:], 0.0, atol=1e-20)
        assert np.isfinite(PCA(5, whiten=True).fit_transform(X)).all()

    @pytest.mark.parametrize("X", [np.zeros((6, 4)), np.ones((6, 4)), sp.csr_array((6, 4))])
    def test_data_without_variance(self, X):
        pca = fitted(X, 2)
        for name in ("explained_variance_", "noise_variance_"):
            assert_allclose(getattr(pca, name), 0.0, atol=1e-30)
        assert_allclose(pca.components_ @ pca.components_.T, np.eye(2), atol=1e-12)
        assert np.isfinite(pca.explained_variance_ratio_).all()
        assert fitted(X, 0.5).n_components_ == 1

    @pytest.mark.parametrize("exponent", [-1000, -300, 40, 900])
    def test_scales_by_powers_of_two(self, digits, exponent):
        X = digits[:200]
        expected, pca = fitted(X, 0.7), fitted(X * 2.0**exponent, 0.7)
        assert_array_equal(pca.components_, expected.components_)
        assert_array_equal(pca.singular_values_, expected.singular_values_ * 2.0**exponent)
        assert_array_equal(pca.explained_variance_ratio_, expected.explained_variance_ratio_)
        assert fitted(X * 2.0**exponent, "mle").n_components_ == fitted(X, "mle").n_components_

    def test_equal_entries_get_their_signs_whatever_rounding_says(self):
        X = np.random.default_rng(0).standard_normal((50, 2))
        X = (X - X.mean(axis=0)) / X.std(axis=0)  # so that all entries of the components are 1 / sqrt(2)
        for noise in (0.0, 1e-15, -1e-15):
            pca = fitted(X * [1.0 + noise, 1.0 - noise], 2)
            assert (pca.components_[:, 0] > 0).all()


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"n_components": -1}, ValueError, "n_components must be an integer of at least 0, got -1"),
            ({"n_components": 6}, ValueError, r"n_components=6 .* at most min\(n_samples, n_features\)=5"),
            ({"n_components": 1.0}, ValueError, r"n_components must be between 0 and 1 .*, got 1\.0"),
            ({"n_components": "all"}, ValueError, "n_components must be one of 'mle', got 'all'"),
            ({"n_components": [1]}, TypeError, "n_components must be an integer"),
            ({"svd_solver": "lobpcg"}, ValueError, "svd_solver must be one of 'auto', 'full'"),
            ({"whiten": 1}, TypeError, "whiten must be True or False"),
            ({"copy": None}, TypeError, "copy must be True or False"),
            ({"iterated_power": -1}, ValueError, "iterated_power"),
            ({"iterated_power": "many"}, TypeError, "iterated_power"),
            ({"n_oversamples": 0}, ValueError, "n_oversamples"),
            ({"power_iteration_normalizer": "svd"}, ValueError, "power_iteration_normalizer"),
            ({"tol": -1.0}, ValueError, "tol must be a finite number of at least 0"),
            ({"random_state": "7"}, TypeError, "random_state"),
        ],
    )
    def test_illegal_arguments(self, options, error, message):
        with pytest.raises(error, match=message):
            PCA(**options).fit(np.eye(5, 8))

    def test_fewer_samples_than_features_for_minka(self):
        with pytest.raises(
            ValueError, match=r"'mle' needs at least as many samples as features.*=5 and n_features=8"
        ):
            PCA("mle").fit(np.eye(5, 8))

    def test_one_sample_has_no_variance(self, in_every_container):
        for _, container in in_every_container(np.ones((1, 3))):
            with pytest.raises(ValueError, match=r"1 sample|n_samples=1"):
                PCA().fit(container)

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    @pytest.mark.parametrize("make", [np.asarray, sp.csr_array, sp.csc_array])
    def test_entries_that_are_not_finite(self, bad, make):
        X = np.eye(5)
        X[3, 2] = bad
        for use in (PCA().fit, PCA().fit(np.eye(5)).transform):
            with pytest.raises(ValueError, match=r"X must be finite, but 1 of .* first at X\[3, 2\]"):
                use(make(X))

    @pytest.mark.parametrize(
        "method", ["transform", "inverse_transform", "score_samples", "get_covariance", "get_precision"]
    )
    def test_before_fit(self, method):
        with pytest.raises(sklearn.exceptions.NotFittedError):
            getattr(PCA(), method)(*([] if method.startswith("get") else [np.ones((2, 2))]))


class TestHabits:
    def test_warns_when_not_converged(self):
        noise = np.random.default_rng(0).standard_normal((300, 200))
        with pytest.warns(cr.ConvergenceWarning, match=r"PCA: .* after .* passes") as caught:
            pca = PCA(4, svd_solver="full", max_passes=6).fit(noise)
        assert not pca.converged_
        assert issubclass(caught[0].category, sklearn.exceptions.ConvergenceWarning)

    def test_agrees_with_the_function_for_the_same_seed(self, words):
        pca = PCA(5, random_state=3).fit(words)
        result = cr.svd(words, 5, random_state=3, center=True)
        assert_array_equal(pca.singular_values_, result.s)
        assert_array_equal(pca.mean_, result.mean)

    def test_same_bits_on_any_number_of_threads(self, words):
        weights = np.random.default_rng(0).random(words.shape[0])
        results = []
        for threads in (1, 2, 3, 7):
            with threadpool_limits(threads, user_api="openmp"):
                pca = PCA(6, random_state=0, whiten=True)
                scores = pca.fit_transform(words, sample_weight=weights)
                results.append([scores, pca.inverse_transform(scores[:9]), pca.score_samples(words[:50])])
                results[-1] += [getattr(pca, name) for name in (*ATTRIBUTES, "noise_variance_")]
        for other in results[1:]:
            for one, two in zip(results[0], other, strict=True):
                assert_array_equal(one, two)

    def test_survives_pickling_and_cloning(self, words):
        pca = PCA(3, random_state=0).fit(words)
        copy = pickle.loads(pickle.dumps(pca))
        assert_array_equal(copy.transform(words), pca.transform(words))
        assert clone(pca).get_params() == pca.get_params()

    def test_in_parallel(self, words):
        seeds = range(3)
        fits = Parallel(n_jobs=2, backend="threading")(
            delayed(PCA(3, random_state=seed).fit)(words) for seed in seeds
        )
        for seed, pca in zip(seeds, fits, strict=True):
            assert_array_equal(pca.components_, PCA(3, random_state=seed).fit(words).components_)

    def test_names(self, digits):
        assert PCA(2).fit(digits).get_feature_names_out().tolist() == ["pca0", "pca1"]

    def test_data_frames(self, digits):
        pandas = pytest.importorskip("pandas")
        X = pandas.DataFrame(digits, columns=[f"pixel{i}" for i in range(64)])
        scores = PCA(2, random_state=0).set_output(transform="pandas").fit_transform(X)
        assert scores.columns.tolist() == ["pca0", "pca1"]
