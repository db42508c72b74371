"""Search by anchor scores: exactness, recall, the guard, kinds of input, storage, bad input."""

import io

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

import corange as cr


def noisy_scores(queries, n, rank, noise, seed=0):
    """Scores that are nonlinear in vectors, as those of a cross-encoder are, with falling weights."""
    rng = np.random.default_rng(seed)
    left, right = rng.standard_normal((queries, rank)), rng.standard_normal((n, rank))
    weights = 0.9 ** np.arange(rank)
    return np.tanh((left * weights) @ right.T / 2.0) + noise * rng.standard_normal((queries, n))


def recall(index, scores, k, budget):
    hits = 0
    for row in scores:
        found, _ = index.search(lambda places, row=row: row[places], k, budget=budget)
        hits += np.intersect1d(found, np.argsort(-row)[:k]).size
    return hits / (k * len(scores))


@given(
    rank=st.integers(1, 8),
    more_anchors=st.integers(0, 10),
    more_queries=st.integers(1, 20),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None)
def test_exact_for_scores_of_low_rank(rank, more_anchors, more_queries, seed):
    rng = np.random.default_rng(seed)
    items = rng.standard_normal((200, rank))
    queries = rng.standard_normal((rank + more_queries, rank))
    index = cr.CURIndex(queries @ items.T, rank + more_anchors, random_state=seed)
    assert index.rank == rank
    query = rng.standard_normal(rank)
    truth = items @ query
    condition = np.linalg.cond(items[index.anchors]) * np.linalg.cond(queries)
    assert (
        np.abs(index.predict(truth[index.anchors]) - truth).max() <= 1e-12 * condition * np.abs(truth).max()
    )
    if condition < 1e6:
        found, scores = index.search(lambda places: truth[places], 5, budget=index.anchors.size + 5)
        assert np.array_equal(found, np.argsort(-truth)[:5])
        assert np.array_equal(scores, truth[found])


def test_recall_rises_with_the_budget_and_beats_random_choice():
    scores = noisy_scores(260, 2000, 40, 0.02)
    index = cr.CURIndex(scores[:200], 80, random_state=0)
    budgets = (80, 100, 150, 200, 400, 800, 2000)
    found = [recall(index, scores[200:], 10, budget) for budget in budgets]
    assert found == sorted(found)
    for value, budget in zip(found[1:-1], budgets[1:-1], strict=True):
        assert value > 2.0 * budget / 2000 or value > 0.95
    assert found[-1] == 1.0


@pytest.mark.parametrize("anchors", [50, 55, 60, 65, 70])
def test_as_many_anchors_as_queries_do_no_harm(anchors):
    """Without the guard the error at 60 anchors is many times the one at 40."""
    scores = noisy_scores(160, 1500, 30, 0.05, seed=1)

    def error(count, **options):
        index = cr.CURIndex(scores[:60], count, random_state=3, **options)
        return np.linalg.norm(index.predict(scores[60:, index.anchors]) - scores[60:])

    assert error(anchors) <= 1.25 * error(40)
    assert error(60, rank=60) > 4.0 * error(40)


def test_every_kind_of_matrix_gives_the_same():
    scores = noisy_scores(30, 400, 6, 0.1).astype(np.float32)
    expected = cr.CURIndex(scores, 15, random_state=2)
    assert expected.items.dtype == np.float32
    for other in (np.asfortranarray(scores), scipy.sparse.csr_array(scores), scipy.sparse.csc_array(scores)):
        found = cr.CURIndex(other, 15, random_state=2)
        assert np.array_equal(found.anchors, expected.anchors)
        assert np.abs(found.items - expected.items).max() <= 1e-4 * np.abs(expected.items).max()
    with threadpool_limits(1, user_api="openmp"):
        assert np.array_equal(cr.CURIndex(scores, 15, random_state=2).items, expected.items)


def test_anchors_may_be_given_and_are_never_scored_twice():
    scores = noisy_scores(20, 100, 5, 0.1)
    index = cr.CURIndex(scores, [7, 3, 50, 51])
    assert index.anchors.tolist() == [7, 3, 50, 51]
    asked = []

    def score(places):
        asked.extend(places)
        return scores[0, places]

    found, values = index.search(score, 4, budget=30)
    assert len(asked) == len(set(asked)) == 30
    assert (np.diff(values) <= 0).all()
    assert np.array_equal(values, scores[0, found])
    assert set(asked) >= {3, 7, 50, 51}


def test_default_number_of_anchors_leaves_a_surplus_of_queries():
    index = cr.CURIndex(noisy_scores(30, 400, 6, 0.1), random_state=0)
    assert index.anchors.size == index.rank == 20
    assert repr(index) == "CURIndex(n_items=400, anchors=20, rank=20, float64)"


def test_scores_of_zero_are_no_obstacle():
    index = cr.CURIndex(np.zeros((5, 30)), 4, random_state=0)
    assert index.rank == 0
    found, values = index.search(lambda places: np.zeros(places.size), 3, budget=10)
    assert found.size == 3
    assert not values.any()


def test_saved_and_loaded():
    index = cr.CURIndex(noisy_scores(20, 100, 5, 0.1), 10, random_state=0)
    file = io.BytesIO()
    index.save(file)
    file.seek(0)
    again = cr.load(file)
    assert repr(again) == repr(index)
    given = np.arange(20.0).reshape(2, 10)
    assert np.array_equal(again.predict(given), index.predict(given))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"scores": np.full((3, 4), np.nan)}, ValueError, "scores must be finite"),
        ({"anchors": 0}, ValueError, "anchors must be an integer from 1 to 8, got 0"),
        ({"anchors": 9}, ValueError, "anchors must be an integer from 1 to 8, got 9"),
        ({"anchors": [1, 1]}, ValueError, "anchors must differ"),
        ({"anchors": 2.5}, TypeError, "anchors must be an integer"),
        ({"rank": 0}, ValueError, "rank must be an integer of at least 1"),
    ],
)
def test_bad_arguments_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        cr.CURIndex(**({"scores": np.ones((6, 8))} | options))


@pytest.mark.parametrize(
    ("score", "options", "error", "message"),
    [
        (len, {"k": 0}, ValueError, "k must be an integer from 1 to 8"),
        (len, {"budget": 2}, ValueError, "budget must be an integer of at least 3"),
        (3, {}, TypeError, "score must be callable"),
        (lambda places: np.ones(2), {}, ValueError, "score must return 3 scores"),
        (lambda places: np.full(places.size, np.nan), {}, ValueError, "score must return finite"),
    ],
)
def test_bad_searches_are_refused(score, options, error, message):
    index = cr.CURIndex(np.random.default_rng(0).standard_normal((6, 8)), 3, random_state=0)
    with pytest.raises(error, match=message):
        index.search(score, **({"k": 2, "budget": 5} | options))
    with pytest.raises(ValueError, match="anchor_scores must have a score for each of 3"):
        index.predict(np.ones(4))
