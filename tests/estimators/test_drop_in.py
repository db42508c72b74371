"""TruncatedSVD and PCA take the place of scikit-learn's: values accepted, attributes and methods there."""

import inspect

import numpy as np
import pytest
import sklearn.decomposition
from numpy.testing import assert_array_equal
from sklearn.utils._param_validation import Interval, StrOptions, generate_valid_param

import corange as cr

PAIRS = [(cr.TruncatedSVD, sklearn.decomposition.TruncatedSVD), (cr.PCA, sklearn.decomposition.PCA)]
BASE = {"n_components": 3, "random_state": 0}


def legal_values(constraint):
    """Values that scikit-learn's own declaration of a parameter allows."""
    if isinstance(constraint, StrOptions):
        return sorted(constraint.options)
    if isinstance(constraint, Interval):
        return [generate_valid_param(constraint)]
    return {
        "boolean": [True, False, np.True_],
        "random_state": [None, 3, np.random.RandomState(3)],
        None: [None],
    }[constraint]


def declared(theirs):
    """Each parameter with each kind of value that scikit-learn declares legal."""
    for name, constraints in theirs._parameter_constraints.items():
        for constraint in constraints:
            for value in legal_values(constraint):
                yield name, value


CASES = [(*pair, name, value) for pair in PAIRS for name, value in declared(pair[1])]


@pytest.mark.parametrize(("ours", "theirs", "name", "value"), CASES)
def test_every_legal_value_is_accepted(ours, theirs, name, value, breast_cancer):
    X = breast_cancer[:60]
    options = BASE | {name: value}
    if name == "n_components" and isinstance(value, (float, str)):
        options["svd_solver"] = "full"  # theirs asks for it
    one, two = ours(**options).fit(X), theirs(**options).fit(X)
    assert one.components_.shape == two.components_.shape
    exact = np.linalg.svd(X - X.mean(axis=0) if ours is cr.PCA else X, compute_uv=False)
    k = one.singular_values_.size
    np.testing.assert_allclose(one.singular_values_, exact[:k], atol=1e-5 * exact[0])


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_attribute_and_method_is_there(ours, theirs, dtype, breast_cancer):
    X = breast_cancer.astype(dtype)
    one, two = ours(**BASE).fit(X), theirs(**BASE).fit(X)
    for name, value in vars(two).items():
        if name.endswith("_") and not name.startswith("_"):
            mine = getattr(one, name)
            assert np.shape(mine) == np.shape(value), name
            assert np.asarray(mine).dtype.kind == np.asarray(value).dtype.kind, name
    for name, method in inspect.getmembers(theirs, inspect.isfunction):
        if not name.startswith("_"):
            theirs_take = [p for p in inspect.signature(method).parameters if p != "self"]
            ours_take = [p for p in inspect.signature(getattr(ours, name)).parameters if p != "self"]
            assert ours_take[: len(theirs_take)] == theirs_take, name


class FailingRows:
    """A data set whose file goes away while it is read."""

    def __init__(self, A):
        self._A, self.shape, self.dtype, self.chunks = A, A.shape, A.dtype, (100, A.shape[1])
        self.reads = 0

    def __getitem__(self, key):
        self.reads += 1
        if self.reads > 2:
            raise OSError("the disk is gone")
        return self._A[key]


@pytest.mark.parametrize("ours", [pair[0] for pair in PAIRS])
def test_a_fit_that_failed_leaves_the_estimator_usable(ours, breast_cancer, monkeypatch):
    monkeypatch.setattr("corange._sources.BLOCK_BYTES", 100 * breast_cancer[0].nbytes)
    model, fresh = ours(**BASE).fit(breast_cancer), ours(**BASE).fit(breast_cancer)
    with pytest.raises(OSError, match="the disk is gone"):
        model.fit(FailingRows(breast_cancer))
    model.fit(breast_cancer)
    assert_array_equal(model.components_, fresh.components_)
    assert_array_equal(model.transform(breast_cancer), fresh.transform(breast_cancer))
