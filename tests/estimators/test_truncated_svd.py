"""TruncatedSVD against scikit-learn's, on every kind of data, and where the two differ."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
import sklearn.decomposition
import sklearn.exceptions
from joblib import Parallel, delayed
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

import corange as cr
from corange import TruncatedSVD

ATTRIBUTES = ("components_", "singular_values_", "explained_variance_", "explained_variance_ratio_")


def fitted(X, **options):
    return TruncatedSVD(**{"n_components": 4, "random_state": 0, "algorithm": "arpack"} | options).fit(X)


class TestAgainstScikitLearn:
    def test_exact_results_agree_signs_included(self, data):
        theirs = sklearn.decomposition.TruncatedSVD(5, algorithm="arpack", random_state=0).fit(data)
        ours = fitted(data, n_components=5)
        for name in ATTRIBUTES:
            assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-7, atol=1e-9, err_msg=name)
        assert_allclose(ours.transform(data), theirs.transform(data), rtol=1e-7, atol=1e-7)
        assert_allclose(
            ours.inverse_transform(ours.transform(data)),
            theirs.inverse_transform(theirs.transform(data)),
            rtol=1e-7,
            atol=1e-7,
        )

    def test_default_is_good_to_the_square_of_the_tolerance(self, data):
        """Over the gap to the next value: Kato and Temple's bound by the residual."""
        exact = fitted(data, n_components=9).singular_values_
        default = TruncatedSVD(8, random_state=0).fit(data)
        residuals = default.report_.residuals
        assert default.report_.tol == 1e-3
        assert residuals.max() <= 1e-3 * exact[0]
        gaps = default.singular_values_ - exact[1:]
        assert (gaps > 0).all()
        errors = np.abs(default.singular_values_ - exact[:8])
        assert (errors <= 0.5 * residuals**2 / gaps + 1e-12 * exact[0]).all()

    def test_has_their_signature(self):
        theirs = sklearn.decomposition.TruncatedSVD().get_params()
        ours = TruncatedSVD().get_params()
        assert theirs.items() <= ours.items()
        assert set(ours) - set(theirs) == {"callback", "max_passes"}

    @pytest.mark.parametrize(
        "options",
        [
            {"algorithm": "randomized", "n_iter": 0, "n_oversamples": 1},
            {"algorithm": "arpack", "tol": 1e-4},
            {"power_iteration_normalizer": "LU", "n_iter": 20},
            {"power_iteration_normalizer": "QR", "tol": 5.0},
            {"power_iteration_normalizer": "none", "random_state": np.random.RandomState(3)},
        ],
    )
    def test_accepts_their_values(self, digits, options):
        svd = TruncatedSVD(3, **{"random_state": 0} | options).fit(digits)
        assert_allclose(svd.singular_values_, fitted(digits, n_components=3).singular_values_, rtol=1e-3)

    def test_swapping_the_import_in_a_pipeline(self):
        texts = [
            "spam and eggs",
            "eggs and ham",
            "ham and spam",
            "green tea",
            "black tea",
            "tea and milk",
        ] * 5
        y = np.tile([0, 0, 0, 1, 1, 1], 5)
        probabilities = [
            make_pipeline(TfidfVectorizer(), cls(3, random_state=0), LogisticRegression())
            .fit(texts, y)
            .predict_proba(texts)
            for cls in (TruncatedSVD, sklearn.decomposition.TruncatedSVD)
        ]
        assert_allclose(*probabilities, atol=1e-6)

    @pytest.mark.parametrize("seed", range(3))
    def test_fit_transform_is_fit_and_transform(self, data, seed):
        svd = TruncatedSVD(3, random_state=seed)
        scores = svd.fit_transform(data)
        assert_allclose(scores, svd.transform(data), atol=1e-10 * np.abs(scores).max())


class TestSizes:
    def test_a_part_of_the_energy(self, data):
        energy = fitted(data, n_components=min(data.shape) // 2).singular_values_ ** 2
        total = (data.multiply(data) if sp.issparse(data) else data**2).sum()
        svd = fitted(data, n_components=0.4)
        wanted = 1 + np.searchsorted(np.cumsum(energy) / total, 0.4)
        assert svd.components_.shape[0] == wanted

    def test_as_many_as_features(self, breast_cancer):
        svd = fitted(breast_cancer, n_components=30)
        assert_allclose(svd.inverse_transform(svd.transform(breast_cancer)), breast_cancer, atol=1e-9)
        assert svd.explained_variance_ratio_.sum() == pytest.approx(1.0)

    def test_more_than_features_is_refused(self):
        with pytest.raises(ValueError, match=r"n_components=4 must be at most n_features=3"):
            TruncatedSVD(4).fit(np.ones((10, 3)))

    def test_more_than_samples_is_clipped_with_a_warning_at_the_caller(self):
        with pytest.warns(
            UserWarning, match=r"n_components=4 is more than a 2 x 5 matrix can have"
        ) as caught:
            svd = TruncatedSVD(4).fit(np.arange(10.0).reshape(2, 5))
        assert svd.components_.shape == (2, 5)
        assert caught[0].filename == __file__

    @pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1)])
    def test_single_rows_and_columns(self, shape):
        X = np.full(shape, 2.0)
        svd = fitted(X, n_components=1)
        assert_allclose(svd.singular_values_, np.linalg.norm(X))
        assert_allclose(svd.inverse_transform(svd.transform(X)), X)


class TestData:
    def test_every_container_gives_the_same(self, breast_cancer, in_every_container):
        X = breast_cancer / breast_cancer.std(axis=0)
        expected = fitted(X)
        for name, container in in_every_container(X):
            svd = fitted(container)
            for attribute in ("components_", "singular_values_", "explained_variance_"):
                assert_allclose(
                    getattr(svd, attribute), getattr(expected, attribute), rtol=1e-8, atol=1e-10, err_msg=name
                )
            if name != "LinearOperator":  # whose norm is estimated
                ratio = svd.explained_variance_ratio_
                assert_allclose(ratio, expected.explained_variance_ratio_, rtol=1e-8, err_msg=name)
            assert_allclose(
                svd.transform(container), expected.transform(X), rtol=1e-8, atol=1e-9, err_msg=name
            )

    @pytest.mark.parametrize(
        ("dtype", "expected"), [("f4", "f4"), ("f2", "f4"), (">f8", "f8"), ("i1", "f8"), ("?", "f8")]
    )
    def test_precision(self, digits, dtype, expected):
        X = digits[:300].astype(dtype)
        svd = TruncatedSVD(3, random_state=0)
        scores = svd.fit_transform(X)
        results = [
            scores,
            svd.transform(X),
            svd.inverse_transform(scores),
            *(getattr(svd, name) for name in ATTRIBUTES),
        ]
        assert {result.dtype for result in results} == {np.dtype(expected)}

    def test_sparse_data_stay_sparse(self):
        rng = np.random.default_rng(0)
        places = tuple(rng.integers(10**5, size=(2, 2000)))
        X = sp.csr_array((rng.standard_normal(2000), places), shape=(10**5, 10**5))  # 80 GB if it were dense
        svd = TruncatedSVD(2, random_state=0).fit(X)
        assert svd.converged_
        assert svd.transform(X[:10]).shape == (10, 2)

    def test_input_is_not_changed(self, words):
        X = words.copy()
        X.indices = X.indices[::-1].copy()
        X.data = X.data[::-1].copy()
        X.indptr = X.indptr[-1] - X.indptr[::-1]
        before = [part.copy() for part in (X.data, X.indices, X.indptr)]
        for part in (X.data, X.indices, X.indptr):
            part.flags.writeable = False
        fitted(X).transform(X)
        for part, old in zip((X.data, X.indices, X.indptr), before, strict=True):
            assert_array_equal(part, old)

    def test_a_large_mean_does_not_drown_the_ratios(self):
        X = np.random.default_rng(0).standard_normal((200, 5)) + 1e8
        ratio = fitted(X, n_components=5).explained_variance_ratio_
        assert ratio.sum() == pytest.approx(1.0, rel=1e-6)
        assert_allclose(
            fitted(sp.csr_array(X), n_components=5).explained_variance_ratio_.sum(), 1.0, rtol=1e-6
        )

    @pytest.mark.parametrize("X", [np.zeros((6, 4)), np.ones((6, 4)), sp.csr_array((6, 4))])
    def test_data_without_variance(self, X):
        svd = fitted(X, n_components=2)
        assert_allclose(svd.explained_variance_ratio_, 0.0, atol=1e-12)
        assert_allclose(svd.components_ @ svd.components_.T, np.eye(2), atol=1e-12)

    @pytest.mark.parametrize("exponent", [-1000, -300, 40, 900])
    def test_scales_by_powers_of_two(self, digits, exponent):
        expected, svd = fitted(digits[:200]), fitted(digits[:200] * 2.0**exponent)
        assert_array_equal(svd.components_, expected.components_)
        assert_array_equal(svd.singular_values_, expected.singular_values_ * 2.0**exponent)
        assert_allclose(svd.explained_variance_ratio_, expected.explained_variance_ratio_, rtol=1e-12)


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"n_components": 0}, ValueError, "n_components must be an integer of at least 1, got 0"),
            ({"n_components": 1.5}, ValueError, r"n_components must be between 0 and 1 .*, got 1\.5"),
            ({"n_components": "mle"}, TypeError, "n_components must be an integer .*, got 'mle'"),
            (
                {"algorithm": "lobpcg"},
                ValueError,
                "algorithm must be one of 'randomized', 'arpack', got 'lobpcg'",
            ),
            ({"n_iter": -1}, ValueError, "n_iter must be an integer of at least 0, got -1"),
            ({"n_oversamples": 0}, ValueError, "n_oversamples"),
            ({"power_iteration_normalizer": "svd"}, ValueError, "power_iteration_normalizer"),
            ({"tol": -1.0}, ValueError, "tol must be a finite number of at least 0"),
            ({"random_state": "7"}, TypeError, "random_state"),
            ({"max_passes": 0}, ValueError, "max_passes"),
            ({"callback": 3}, TypeError, "callback"),
        ],
    )
    def test_illegal_arguments(self, options, error, message):
        with pytest.raises(error, match=message):
            TruncatedSVD(**options).fit(np.ones((5, 5)))

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_entries_that_are_not_finite(self, bad):
        X = np.ones((5, 4))
        X[3, 2] = bad
        message = r"X must be finite, but 1 of .* first at X\[3, 2\].*assume_finite=True"
        for container in (X, sp.csr_array(X), sp.csc_array(X)):
            with pytest.raises(ValueError, match=message):
                TruncatedSVD().fit(container)
            with pytest.raises(ValueError, match=message):
                TruncatedSVD().fit(np.ones((5, 4))).transform(container)

    def test_assume_finite_skips_the_look(self, monkeypatch):
        monkeypatch.setattr("corange._operators._refuse_nonfinite", lambda *_: pytest.fail("looked"))
        with sklearn.config_context(assume_finite=True):
            TruncatedSVD().fit(np.eye(4)).transform(np.eye(4))

    def test_masks_are_not_dropped(self):
        X = np.ma.masked_equal(np.eye(5), 0)
        with pytest.raises(TypeError, match="X is a masked array"):
            TruncatedSVD().fit(X)
        with pytest.raises(TypeError, match="X is a masked array"):
            TruncatedSVD().fit(np.eye(5)).transform(X)

    def test_sparse_indices_out_of_range(self):
        X = sp.csr_array(np.eye(5))
        X.indices = X.indices.copy()
        X.indices[2] = 70000
        with pytest.raises(ValueError, match="column index 70000"):
            TruncatedSVD().fit(X)
        with pytest.raises(ValueError, match="column index 70000"):
            TruncatedSVD().fit(np.eye(5)).transform(X)

    def test_other_widths(self, digits):
        svd = fitted(digits)
        with pytest.raises(ValueError, match="has 63 features"):
            svd.transform(digits[:, 1:])
        with pytest.raises(ValueError, match=r"each of 4 components, got shape \(2, 3\)"):
            svd.inverse_transform(np.ones((2, 3)))
        with pytest.raises(ValueError, match="NaN"):
            svd.inverse_transform(np.full((2, 4), np.nan))

    def test_before_fit(self):
        for method in ("transform", "inverse_transform", "get_feature_names_out"):
            with pytest.raises(sklearn.exceptions.NotFittedError):
                getattr(TruncatedSVD(), method)(*([] if method.startswith("get") else [np.ones((2, 2))]))


class TestConvergence:
    noise = np.random.default_rng(0).standard_normal((300, 200))

    @pytest.mark.parametrize("category", [cr.ConvergenceWarning, sklearn.exceptions.ConvergenceWarning])
    def test_warns_as_both_libraries_do(self, category):
        with pytest.warns(
            category, match=r"TruncatedSVD: .* after \d+ passes .*report_ has the details"
        ) as caught:
            svd = fitted(self.noise, max_passes=6)
        assert caught[0].filename == __file__
        assert not svd.converged_
        assert svd.report_.stopped == "max_passes"
        with pytest.warns(category) as caught:
            TruncatedSVD(4, algorithm="arpack", max_passes=6).fit_transform(self.noise)
        assert caught[0].filename in (__file__, sklearn.utils._set_output.__file__)

    def test_a_callback_sees_iterations_and_can_stop(self):
        seen = []
        svd = fitted(self.noise, callback=lambda info: seen.append(info.iteration) or len(seen) == 2)
        assert seen == [1, 2]
        assert svd.report_.stopped == "callback"

    def test_tolerance_is_kept(self):
        svd = TruncatedSVD(4, tol=1e-5, random_state=0).fit(self.noise)
        assert svd.report_.tol == 1e-5
        assert svd.report_.relative_residuals.max() <= 1e-5


class TestHabits:
    def test_none_is_the_global_generator_of_numpy(self):
        X = np.random.default_rng(0).standard_normal((150, 100))
        results = []
        for seed in (1, 1, 2):
            np.random.seed(seed)  # noqa: NPY002
            results.append(TruncatedSVD(5).fit(X).components_)
        assert_array_equal(results[0], results[1])
        assert (results[0] != results[2]).any()

    def test_agrees_with_the_function_for_the_same_seed(self, words):
        svd = TruncatedSVD(5, random_state=3).fit(words)
        result = cr.svd(words, 5, random_state=3)
        assert_array_equal(svd.singular_values_, result.s)
        assert_array_equal(np.abs(svd.components_), np.abs(result.Vt))

    def test_same_bits_on_any_number_of_threads(self, words):
        results = []
        for threads in (1, 2, 3, 7):
            with threadpool_limits(threads, user_api="openmp"):
                svd = TruncatedSVD(6, random_state=0)
                scores = svd.fit_transform(words)
                results.append([scores, svd.transform(words), svd.inverse_transform(scores[:9])])
                results[-1] += [getattr(svd, name) for name in ATTRIBUTES]
        for other in results[1:]:
            for one, two in zip(results[0], other, strict=True):
                assert_array_equal(one, two)

    def test_survives_pickling_and_cloning(self, words):
        svd = TruncatedSVD(3, random_state=0).fit(words)
        copy = pickle.loads(pickle.dumps(svd))
        assert_array_equal(copy.transform(words), svd.transform(words))
        assert str(copy.report_) == str(svd.report_)
        assert clone(svd).get_params() == svd.get_params()
        assert not hasattr(clone(svd), "components_")

    @pytest.mark.parametrize("backend", ["threading", "loky"])
    def test_in_parallel(self, words, backend):
        seeds = range(3)
        fits = Parallel(n_jobs=2, backend=backend, max_nbytes=1000)(
            delayed(TruncatedSVD(3, random_state=seed).fit)(words) for seed in seeds
        )
        for seed, svd in zip(seeds, fits, strict=True):
            assert_array_equal(svd.components_, TruncatedSVD(3, random_state=seed).fit(words).components_)

    def test_feature_names(self, digits):
        svd = fitted(digits)
        assert svd.n_features_in_ == 64
        assert svd.get_feature_names_out().tolist() == [f"truncatedsvd{i}" for i in range(4)]

    def test_data_frames(self, digits):
        pandas = pytest.importorskip("pandas")
        X = pandas.DataFrame(
            digits, columns=[f"pixel{i}" for i in range(64)], index=range(5, 5 + len(digits))
        )
        svd = TruncatedSVD(3, random_state=0).set_output(transform="pandas")
        scores = svd.fit_transform(X)
        assert svd.feature_names_in_[0] == "pixel0"
        assert scores.columns.tolist() == ["truncatedsvd0", "truncatedsvd1", "truncatedsvd2"]
        assert_array_equal(scores.index, X.index)
        with pytest.raises(ValueError, match="feature names"):
            svd.transform(X[X.columns[::-1]])
