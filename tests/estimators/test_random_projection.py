"""Random projections: what scikit-learn's classes promise, and that distances are kept."""

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.random_projection as reference
from sklearn.exceptions import DataDimensionalityWarning

import corange as cr

CLASSES = [cr.GaussianRandomProjection, cr.SparseRandomProjection, cr.FastJL]
every_class = pytest.mark.parametrize("cls", CLASSES)
X = np.random.default_rng(0).standard_normal((30, 500))


def components(model):
    return model.components_.toarray() if sp.issparse(model.components_) else model.components_


@every_class
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("make", [np.asarray, np.asfortranarray, sp.csr_array, sp.csc_matrix])
def test_transform_is_the_product_with_the_components(cls, dtype, make):
    A = make(X.astype(dtype))
    model = cls(40, random_state=0).fit(A)
    scores = model.transform(A)
    scores = scores.toarray() if sp.issparse(scores) else scores
    assert scores.dtype == components(model).dtype == dtype
    np.testing.assert_allclose(scores, X @ components(model).T, atol=3e3 * np.finfo(dtype).eps)
    assert components(model).shape == (40, 500)
    assert list(model.get_feature_names_out()[:1]) == [cls.__name__.lower() + "0"]


@every_class
def test_distances_are_kept(cls):
    scores = cls(450, random_state=1).fit_transform(X)
    pairs = np.triu_indices(30, 1)
    ratio = [
        np.sum((scores[i] - scores[j]) ** 2) / np.sum((X[i] - X[j]) ** 2) for i, j in zip(*pairs, strict=True)
    ]
    assert np.abs(np.array(ratio) - 1).max() < 6 * np.sqrt(2 / 450)


@every_class
def test_auto_is_scikit_learns_number(cls):
    A = np.random.default_rng(1).standard_normal((10, 3000))
    assert cls(eps=0.3, random_state=0).fit(A).n_components_ == reference.johnson_lindenstrauss_min_dim(
        10, eps=0.3
    )
    with pytest.raises(ValueError, match="target dimension"):
        cls(eps=0.01).fit(A)


@every_class
@pytest.mark.parametrize("keep", [False, True])
def test_inverse_transform_projects_back(cls, keep):
    model = cls(40, compute_inverse_components=keep, random_state=0).fit(X)
    scores = np.asarray(model.transform(X))
    np.testing.assert_allclose(model.transform(model.inverse_transform(scores)), scores, atol=1e-10)
    assert hasattr(model, "inverse_components_") == keep


def test_output_of_sparse_data():
    A = sp.random_array((50, 400), density=0.02, rng=0, format="csr")
    assert sp.issparse(cr.SparseRandomProjection(20, random_state=0).fit_transform(A))
    dense = cr.SparseRandomProjection(20, dense_output=True, random_state=0).fit_transform(A)
    assert isinstance(dense, np.ndarray)
    assert cr.SparseRandomProjection(20).fit(A).density_ == pytest.approx(1 / 20)
    assert np.all(cr.SparseRandomProjection(20, density=1.0).fit(A).components_.toarray() != 0)


def test_min_dim_equals_scikit_learns():
    samples, eps = [1, 10, 10**6], [0.1, 0.5, 0.99]
    ours = cr.johnson_lindenstrauss_min_dim(samples, eps=eps)
    assert np.array_equal(ours, reference.johnson_lindenstrauss_min_dim(samples, eps=eps))
    for bad in ({"n_samples": 0}, {"n_samples": 5, "eps": 1.0}, {"n_samples": 5, "eps": 0.0}):
        with pytest.raises(ValueError, match="must be"):
            cr.johnson_lindenstrauss_min_dim(**bad)


@every_class
def test_illegal_arguments(cls):
    for arguments, error in [
        ({"n_components": 0}, ValueError),
        ({"n_components": 2.5}, TypeError),
        ({"n_components": "all"}, TypeError),
        ({"n_components": 2, "eps": 0}, ValueError),
        ({"n_components": 2, "compute_inverse_components": 1}, TypeError),
    ]:
        with pytest.raises(error):
            cls(**arguments).fit(X)
    with pytest.warns(DataDimensionalityWarning):
        cls(600, random_state=0).fit(X)
    if cls is not cr.GaussianRandomProjection:
        with pytest.raises(ValueError, match="density"):
            cls(2, density=1.5).fit(X)
