"""Choice of features in scikit-learn code: supports, names, pipelines, and features rebuilt from others."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import corange as cr

NAMES = ["height", "weight", "height in inches", "age", "twice the age"]


def measurements(seed=0):
    """Five named features, of which three tell everything."""
    height, weight, age = np.random.default_rng(seed).uniform([[1.0], [3.0], [2.0]], 4.0, (3, 60))
    return pd.DataFrame(np.column_stack([height, weight, 0.4 * height, age, 2.0 * age]), columns=NAMES)


@pytest.mark.parametrize("make", [cr.ColumnSelector, cr.CUR])
@pytest.mark.parametrize("method", ["qr", "lu", "deim", "qdeim", "leverage", "squared-length", "farthest"])
def test_supports_agree_with_what_is_kept(make, method):
    frame = measurements()
    model = make(3, method=method, random_state=0).fit(frame)
    support = model.get_support()
    kept = model.get_support(indices=True)
    assert support.dtype == bool
    assert np.array_equal(np.flatnonzero(support), kept)
    assert 1 <= kept.size <= 3
    assert model.get_feature_names_out().tolist() == [NAMES[i] for i in kept]
    np.testing.assert_array_equal(model.transform(frame), frame.to_numpy()[:, kept])
    chosen = model.indices_ if make is cr.ColumnSelector else model.columns_
    assert sorted(chosen) == kept.tolist()


@pytest.mark.parametrize("make", [cr.ColumnSelector, cr.CUR])
def test_names_survive_when_pandas_is_asked_for(make):
    frame = measurements()
    kept = make(3, random_state=0).set_output(transform="pandas").fit_transform(frame)
    pd.testing.assert_frame_equal(kept, frame[list(kept.columns)])


def test_no_more_features_than_tell_everything_and_all_are_rebuilt():
    frame = measurements()
    model = cr.CUR(5, random_state=0).fit(frame)
    assert model.columns_.size == 3
    np.testing.assert_allclose(model.inverse_transform(model.transform(frame)), frame, rtol=1e-10)
    assert model.report_.error < 1e-10


def test_rows_that_were_not_seen_are_rebuilt_from_the_features_kept():
    seen, new = measurements(0), measurements(1)
    model = cr.CUR(3, random_state=0).fit(seen)
    np.testing.assert_allclose(model.inverse_transform(model.transform(new)), new, rtol=1e-10)


def test_a_pipeline_of_chosen_pixels_classifies_digits():
    X, y = load_digits(return_X_y=True)
    train, test = slice(0, 1200), slice(1200, None)
    classifier = LogisticRegression(max_iter=500)
    pipeline = make_pipeline(cr.ColumnSelector(24, random_state=0), classifier).fit(X[train] / 16, y[train])
    assert pipeline[:-1].get_feature_names_out().size == 24
    whole = clone(classifier).fit(X[train] / 16, y[train]).score(X[test] / 16, y[test])
    assert pipeline.score(X[test] / 16, y[test]) >= whole - 0.1


@pytest.mark.parametrize("make", [cr.ColumnSelector, cr.CUR])
def test_sparse_data_stay_sparse(make):
    X = scipy.sparse.random_array((80, 40), density=0.2, rng=0, format="csr")
    model = make(10, random_state=0).fit(X)
    kept = model.transform(X)
    assert scipy.sparse.issparse(kept)
    np.testing.assert_array_equal(kept.toarray(), X.toarray()[:, model.get_support()])


def test_what_does_not_fit_is_refused():
    model = cr.CUR(3, random_state=0).fit(measurements())
    with pytest.raises(ValueError, match=r"a column for each of 3 components, got shape \(2, 4\)"):
        model.inverse_transform(np.ones((2, 4)))
    with pytest.raises(ValueError, match="n_components must be an integer of at least 1, got 0"):
        cr.CUR(0).fit(measurements())
