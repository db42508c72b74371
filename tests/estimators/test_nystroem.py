"""Nystroem beside scikit-learn's, and what only it can do."""

import numpy as np
import pytest
import scipy.sparse
import sklearn.kernel_approximation
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

import corange as cr

PARAMETERS = [
    {"kernel": "rbf", "gamma": 0.002},
    {"kernel": "laplacian"},
    {"kernel": "polynomial", "degree": 2, "coef0": 0.5},
    {"kernel": "poly", "gamma": 0.01, "degree": 2.5},
    {"kernel": "linear"},
    {"kernel": "cosine"},
    {"kernel": "sigmoid", "gamma": 1e-4},
    {"kernel": "chi2", "gamma": 0.1},
    {"kernel": "rbf", "kernel_params": {"gamma": 0.003}},
    {"kernel": lambda x, y, power: float(x @ y) ** power, "kernel_params": {"power": 2}},
]


@pytest.fixture(scope="module")
def images(digits):
    return digits[:300] / 4.0


@pytest.mark.parametrize("parameters", PARAMETERS, ids=lambda p: str(p["kernel"])[:10])
@pytest.mark.parametrize("sparse", [False, True])
def test_the_same_as_scikit_learn_with_the_same_seed(images, parameters, sparse):
    if sparse and (callable(parameters["kernel"]) or parameters["kernel"] == "chi2"):
        pytest.skip("scikit-learn takes no sparse data for this kernel")
    X = scipy.sparse.csr_matrix(images) if sparse else images
    theirs = sklearn.kernel_approximation.Nystroem(**parameters, n_components=40, random_state=3).fit(X)
    ours = cr.Nystroem(**parameters, n_components=40, random_state=3).fit(X)
    assert np.array_equal(ours.component_indices_, theirs.component_indices_)
    assert abs(ours.components_ - theirs.components_).max() == 0
    assert ours.normalization_.shape == theirs.normalization_.shape
    assert list(ours.get_feature_names_out()) == list(theirs.get_feature_names_out())
    expected, found = theirs.transform(X), ours.transform(X)
    size = np.abs(expected @ expected.T).max()
    assert np.abs(found @ found.T - expected @ expected.T).max() <= 1e-7 * size
    if parameters["kernel"] in (
        "rbf",
        "laplacian",
        "chi2",
    ):  # well conditioned: the features themselves agree
        assert np.abs(found - expected).max() <= 1e-9 * np.abs(expected).max()


@pytest.mark.parametrize("landmarks", ["uniform", "rpcholesky", "leverage"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_features_reproduce_the_kernel_of_the_landmarks(images, landmarks, dtype):
    X = images.astype(dtype)
    model = cr.Nystroem(gamma=0.002, n_components=60, landmarks=landmarks, random_state=0)
    features = model.fit_transform(X)
    assert features.dtype == model.normalization_.dtype == dtype
    chosen = model.component_indices_
    K = pairwise_kernels(images, metric="rbf", gamma=0.002)
    assert np.array_equal(model.components_, X[chosen])
    tolerance = 1e-10 if dtype == np.float64 else 1e-3
    assert np.abs(features @ features[chosen].T - K[:, chosen]).max() < tolerance
    with threadpool_limits(1, user_api="openmp"):
        assert np.array_equal(model.fit_transform(X), features)


@pytest.mark.parametrize("landmarks", ["rpcholesky", "leverage"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kernel", ["rbf", "precomputed", "cosine"])
def test_features_found_with_the_landmarks_are_those_of_transform(images, landmarks, dtype, kernel):
    X = images.astype(dtype)
    X = pairwise_kernels(X, metric="rbf", gamma=0.002) if kernel == "precomputed" else X
    gamma = 0.002 if kernel == "rbf" else None
    model = cr.Nystroem(kernel, gamma=gamma, n_components=40, landmarks=landmarks, random_state=0)
    features = model.fit_transform(X)
    again = model.fit(X).transform(X)
    assert features.dtype == again.dtype == dtype
    assert np.abs(features - again).max() <= (1e-10 if dtype == np.float64 else 1e-3) * np.abs(again).max()


def trace_error(features):
    return 1.0 - (features.astype(np.float64) ** 2).sum() / len(features)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_means_reproduce_their_kernel_and_miss_less_than_points_do(dtype):
    X = np.random.default_rng(0).standard_normal((4000, 6)).astype(dtype)
    options = {"gamma": 0.08, "n_components": 120, "random_state": 0}
    model = cr.Nystroem(landmarks="kmeans", **options)
    features = model.fit_transform(X)
    assert features.dtype == model.components_.dtype == model.normalization_.dtype == dtype
    assert not hasattr(model, "component_indices_")
    means = model.components_.astype(np.float64)
    at_means = model.transform(model.components_).astype(np.float64)
    K = pairwise_kernels(means, metric="rbf", gamma=0.08)
    assert np.abs(at_means @ at_means.T - K).max() < (1e-10 if dtype == np.float64 else 1e-3)
    points = cr.Nystroem(**options).fit(X)
    assert trace_error(features) < 0.85 * trace_error(points.transform(X))
    with threadpool_limits(1, user_api="openmp"):
        assert np.array_equal(model.fit_transform(X), features)
    assert not hasattr(points.set_params(landmarks="kmeans").fit(X), "component_indices_")


@pytest.mark.parametrize("kernel", ["laplacian", "cosine", "linear"])
def test_means_serve_any_kernel_of_dense_points(images, kernel):
    model = cr.Nystroem(kernel, n_components=80, landmarks="kmeans", random_state=0)
    features = model.fit_transform(images)
    means = model.components_
    to_means = pairwise_kernels(images, means, metric=kernel)
    assert np.allclose(features @ model.transform(means).T, to_means, atol=1e-8 * np.abs(to_means).max())
    K = pairwise_kernels(images, metric=kernel)
    assert np.linalg.eigvalsh(K - features @ features.T)[0] > -1e-8 * np.abs(K).max()


def test_means_of_equal_points_count_once():
    X = np.repeat(np.arange(5.0), 20)[:, np.newaxis]
    model = cr.Nystroem(n_components=30, gamma=1.0, landmarks="kmeans", random_state=0)
    features = model.fit_transform(X)
    assert model.components_.shape == (5, 1)
    assert np.allclose(features @ features.T, pairwise_kernels(X, metric="rbf", gamma=1.0))


@pytest.mark.parametrize(
    ("parameters", "X", "error", "message"),
    [
        ({}, scipy.sparse.eye_array(9).tocsr(), ValueError, "landmarks='kmeans' needs dense points"),
        ({"kernel": "precomputed"}, np.eye(9), ValueError, "means of, got a precomputed"),
        ({"kernel": "linear"}, np.zeros((9, 2)), np.linalg.LinAlgError, "the landmarks is zero"),
        (
            {"kernel": "sigmoid", "gamma": 0.1, "coef0": -1.0},
            np.arange(18.0).reshape(9, 2),
            np.linalg.LinAlgError,
            "K must be positive semidefinite",
        ),
    ],
)
def test_means_need_points_and_a_kernel_that_is_one(parameters, X, error, message):
    with pytest.raises(error, match=message):
        cr.Nystroem(n_components=5, landmarks="kmeans", **parameters).fit(X)


def test_trace_error_is_that_of_the_kernel_matrix(images):
    model = cr.Nystroem(gamma=0.002, n_components=50, landmarks="rpcholesky", random_state=1)
    features = model.fit_transform(images)
    assert model.trace_error_ == pytest.approx(1.0 - (features**2).sum() / 300.0, rel=1e-9)
    assert np.isnan(cr.Nystroem(gamma=0.002, n_components=50).fit(images).trace_error_)


def test_fewer_landmarks_for_the_same_error_on_clusters():
    rng = np.random.default_rng(0)
    centers = 10.0 * rng.standard_normal((40, 5))
    X = centers[np.minimum(rng.geometric(0.15, 3000), 40) - 1] + 0.3 * rng.standard_normal((3000, 5))
    many = cr.Nystroem(gamma=0.1, n_components=240, random_state=0).fit_transform(X)
    few = cr.Nystroem(gamma=0.1, n_components=120, landmarks="rpcholesky", random_state=0).fit_transform(X)
    assert (few**2).sum() >= (many**2).sum()


def test_as_many_components_as_the_kernel_has_rank():
    X = np.repeat(np.arange(5.0), 20)[:, np.newaxis]
    model = cr.Nystroem(n_components=30, gamma=1.0, landmarks="rpcholesky", random_state=0).fit(X)
    assert model.components_.shape == (5, 1)
    assert model.transform(X).shape == (100, 5)
    assert model.get_feature_names_out().size == 5
    assert model.trace_error_ == 0.0


@pytest.mark.parametrize("landmarks", ["uniform", "rpcholesky", "leverage", [5, 2, 9]])
@pytest.mark.parametrize("make", [np.asarray, scipy.sparse.csr_array])
def test_precomputed_kernels_give_what_points_give(images, landmarks, make):
    K = pairwise_kernels(images, metric="rbf", gamma=0.002)
    new = pairwise_kernels(images[:7] + 0.1, images, metric="rbf", gamma=0.002)
    options = {"n_components": 30, "landmarks": landmarks, "random_state": 0}
    by_points = cr.Nystroem(gamma=0.002, **options).fit(images)
    by_kernel = cr.Nystroem("precomputed", **options).fit(make(K))
    assert np.array_equal(by_points.component_indices_, by_kernel.component_indices_)
    assert by_kernel.components_.shape == (by_points.components_.shape[0], 300)
    expected = by_points.transform(images[:7] + 0.1)
    assert np.abs(by_kernel.transform(make(new)) - expected).max() < 1e-7


def test_landmarks_as_indices_and_as_points(images):
    by_index = cr.Nystroem(gamma=0.002, landmarks=np.array([4, 200, 31])).fit(images)
    assert np.array_equal(by_index.component_indices_, [4, 200, 31])
    for points in (images[[4, 200, 31]], images[[4, 200, 31]].tolist()):
        by_point = cr.Nystroem(gamma=0.002, landmarks=points).fit(images)
        assert not hasattr(by_point, "component_indices_")
        assert np.array_equal(by_point.transform(images), by_index.transform(images))


def test_in_pipelines_and_searches(digits):
    from sklearn.datasets import load_digits

    y = load_digits().target[:300]
    X = digits[:300] / 16.0
    pipeline = make_pipeline(cr.Nystroem(random_state=0, n_components=60), LinearSVC())
    grid = {"nystroem__gamma": [0.05, 0.2], "nystroem__landmarks": ["uniform", "rpcholesky"]}
    assert GridSearchCV(pipeline, grid, cv=3).fit(X, y).best_score_ > 0.9
    K = pairwise_kernels(X, metric="rbf", gamma=0.2)
    precomputed = make_pipeline(cr.Nystroem("precomputed", random_state=0, n_components=60), LinearSVC())
    search = GridSearchCV(precomputed, {"linearsvc__C": [0.1, 1.0]}, cv=3)
    assert search.fit(K, y).best_score_ > 0.9  # rows and columns are split alike


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"kernel": "gaussian"}, ValueError, "kernel must be one of"),
        ({"gamma": -1.0}, ValueError, "gamma must be"),
        ({"degree": 0.0, "kernel": "poly"}, ValueError, "degree must be"),
        ({"n_components": 0}, ValueError, "n_components must be an integer of at least 1"),
        ({"kernel": "precomputed", "gamma": 1.0}, ValueError, "gamma, coef0 and degree"),
        ({"kernel": "precomputed"}, ValueError, "X must be square"),
        ({"kernel_params": 3}, TypeError, "kernel_params must be a dict"),
        ({"landmarks": "best"}, ValueError, "landmarks must be one of"),
        ({"landmarks": [0, 300]}, ValueError, "landmarks must be from 0 to 299"),
        ({"landmarks": np.ones((3, 2))}, ValueError, "landmarks must have the 64 features"),
        (
            {"kernel": "sigmoid", "gamma": 0.0, "landmarks": "rpcholesky", "coef0": -1.0},
            np.linalg.LinAlgError,
            "K must be positive semidefinite",
        ),
    ],
)
def test_bad_arguments_are_refused(images, parameters, error, message):
    with pytest.raises(error, match=message):
        cr.Nystroem(**({"n_components": 5} | parameters)).fit(images)


def test_precomputed_kernels_have_no_landmarks_but_their_own():
    with pytest.raises(ValueError, match="landmarks must be a name or indices"):
        cr.Nystroem("precomputed", landmarks=np.eye(4)).fit(np.eye(4))


def test_more_components_than_samples_warn(images):
    with pytest.warns(UserWarning, match="n_components=9 is more than n_samples=4"):
        cr.Nystroem(n_components=9).fit(images[:4])
