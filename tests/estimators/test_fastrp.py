"""Embeddings by random projection: the formula, groups that are found, bits, and nodes without edges."""

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import aslinearoperator
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from corange import FastRP
from corange.sketching import VerySparse

RNG = np.random.default_rng(0)
DIRECTED = scipy.sparse.random_array((300, 300), density=0.03, rng=1, format="csr")
DIRECTED.data[:] = RNG.integers(1, 4, DIRECTED.nnz)
GRAPH = scipy.sparse.csr_array(DIRECTED + DIRECTED.T)


def projection(n, columns, density=1 / 3, seed=0):
    return VerySparse(columns, n, s=1 / density, random_state=seed).toarray().T


def formula(A, R, weights, beta, normalize):
    """The definition, dense."""
    out, into = A.sum(axis=1), A.sum(axis=0)
    M = np.divide(A, out[:, None], out=np.zeros_like(A), where=out[:, None] > 0)
    L = np.array([(degree / into.sum()) ** beta if degree else 0.0 for degree in into])
    total = np.zeros(R.shape)
    for power, weight in enumerate(weights, 1):
        part = np.linalg.matrix_power(M, power) @ (L[:, None] * R)
        if normalize:
            lengths = np.linalg.norm(part, axis=1, keepdims=True)
            part = np.divide(part, lengths, out=np.zeros_like(part), where=lengths > 0)
        total += weight * part
    return total


@pytest.mark.parametrize("graph", [GRAPH, DIRECTED], ids=["undirected", "directed"])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(
    ("weights", "beta"), [((0, 0, 1, 1), -0.5), ((1,), 0.0), ((0.5, 0, -2, 0, 0.1), -0.9), ((0, 1), 1.0)]
)
def test_the_embedding_is_the_formula_for_the_same_projection(graph, normalize, weights, beta):
    model = FastRP(40, weights=weights, beta=beta, normalize=normalize, random_state=0)
    expected = formula(graph.toarray(), projection(300, 40), weights, beta, normalize)
    for make in (
        scipy.sparse.csr_array,
        scipy.sparse.csc_array,
        scipy.sparse.coo_matrix,
        lambda A: A.toarray(),
    ):
        found = model.fit_transform(make(graph))
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12 * np.abs(expected).max())


def block_model(groups, size, inside, outside, seed):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(groups), size)
    chances = np.where(labels[:, None] == labels, inside, outside)
    upper = np.triu(rng.random(chances.shape) < chances, 1)
    return scipy.sparse.csr_array((upper | upper.T).astype(np.float32)), labels


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_groups_of_a_stochastic_block_model_are_told_apart(normalize, seed):
    graph, labels = block_model(2, 500, 0.05, 0.005, seed)
    rows = FastRP(64, normalize=normalize, random_state=seed).fit_transform(graph)
    rows = rows / rows.std()
    train = np.random.default_rng(seed).permutation(1000)[:100]
    test = np.setdiff1d(np.arange(1000), train)
    classifier = LogisticRegression(max_iter=1000).fit(rows[train], labels[train])
    assert classifier.score(rows[test], labels[test]) > 0.95


@pytest.mark.parametrize("beta", [-1.0, -0.5, 0.0, 1.0])
@pytest.mark.parametrize("normalize", [True, False])
def test_isolated_nodes_have_zero_rows_and_change_no_others(beta, normalize):
    alone = np.array([0, 7, 299])
    graph = GRAPH.toarray()
    graph[alone], graph[:, alone] = 0.0, 0.0
    rows = FastRP(20, beta=beta, normalize=normalize, random_state=0).fit_transform(graph)
    assert np.isfinite(rows).all()
    assert not rows[alone].any()
    assert (np.abs(np.delete(rows, alone, axis=0)).max(axis=1) > 0).all()
    assert not FastRP(5, beta=beta, normalize=normalize).fit_transform(np.zeros((4, 4))).any()


def test_nodes_that_only_receive_have_zero_rows_and_those_that_only_send_have_not():
    star = np.zeros((5, 5))
    star[1:, 0] = 1.0
    rows = FastRP(30, weights=(1.0,), random_state=0).fit_transform(star)
    assert not rows[0].any()
    assert rows[1:].any()
    np.testing.assert_array_equal(rows[1:], rows[[1, 1, 1, 1]])


def test_same_bits_on_any_number_of_threads_and_from_either_width_of_indices():
    graph = scipy.sparse.random_array((5000, 5000), density=2e-3, rng=2, format="csr")
    wide = graph.copy()
    wide.indices, wide.indptr = graph.indices.astype(np.int64), graph.indptr.astype(np.int64)
    found = []
    for threads, given in ((1, graph), (2, graph), (7, wide)):
        with threadpool_limits(threads, user_api="openmp"):
            found.append(FastRP(40, random_state=3).fit_transform(given))
    assert all(np.array_equal(found[0], other) for other in found[1:])


def test_columns_do_not_depend_on_how_many_are_computed_but_for_their_scale():
    wide, narrow = (FastRP(c, normalize=False, random_state=0).fit_transform(GRAPH) for c in (90, 10))
    np.testing.assert_allclose(wide[:, :10] * 3.0, narrow, rtol=1e-12, atol=1e-15)


def test_weights_of_edges_count_by_their_proportions_only():
    rows = [FastRP(10, random_state=0).fit_transform(graph) for graph in (GRAPH, 2.0**40 * GRAPH)]
    np.testing.assert_array_equal(*rows)


@pytest.mark.parametrize(("given", "returned"), [("f4", "f4"), ("f8", "f8"), ("i4", "f8"), ("?", "f8")])
@pytest.mark.parametrize("make", [np.asarray, scipy.sparse.csr_array])
def test_precision_in_is_precision_out(given, returned, make):
    graph = make((GRAPH.toarray() > 0).astype(given))
    before = graph.copy()
    rows = FastRP(10, random_state=0).fit_transform(graph)
    assert rows.dtype == np.dtype(returned)
    assert (before != graph).sum() == 0


def test_the_fitted_estimator():
    model = FastRP(6, random_state=np.random.default_rng(0)).fit(GRAPH)
    assert model.embedding_.shape == (300, 6)
    assert model.n_features_in_ == 300
    assert list(model.get_feature_names_out()[:2]) == ["fastrp0", "fastrp1"]


@pytest.mark.parametrize(
    ("arguments", "graph", "error", "message"),
    [
        ({}, np.ones((3, 4)), ValueError, "X must be square"),
        (
            {},
            np.array([[0.0, -1.0], [1.0, 0.0]]),
            ValueError,
            "Negative values",
        ),
        ({}, scipy.sparse.csr_array([[0.0, -1.0], [1.0, 0.0]]), ValueError, "Negative values"),
        ({}, np.array([[0.0, np.nan], [1.0, 0.0]]), ValueError, "X must be finite"),
        ({"weights": ()}, np.eye(2), ValueError, "not all zero"),
        ({"weights": (0, 0)}, np.eye(2), ValueError, "not all zero"),
        ({"weights": (1, np.inf)}, np.eye(2), ValueError, "finite numbers"),
        ({"weights": "1"}, np.eye(2), TypeError, "weights must be a sequence"),
        ({"beta": -2}, np.eye(2), ValueError, "beta must be from -1 to 1, got -2"),
        ({"beta": None}, np.eye(2), TypeError, "beta must be a number"),
        ({"density": 0.0}, np.eye(2), ValueError, "density must be from 1e-06 to 1"),
        ({"n_components": 0}, np.eye(2), ValueError, "n_components must be an integer of at least 1"),
        ({"normalize": 1}, np.eye(2), TypeError, "normalize must be True or False"),
    ],
)
def test_bad_input_is_refused(arguments, graph, error, message):
    with pytest.raises(error, match=message):
        FastRP(**arguments).fit(graph)


def test_operators_are_refused():
    with pytest.raises((TypeError, ValueError)):
        FastRP().fit(aslinearoperator(np.eye(3)))
