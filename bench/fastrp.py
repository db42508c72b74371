"""Node embeddings: a random graph of a million nodes, and groups of nodes that are told apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from bench import data, memory
from bench.harness import Bar, CaseReport, Contender, Row, median, time_interleaved
from bench.session import Case, Session

_SECONDS = 60.0
_BYTES = 4e9
_ACCURACY = 0.95
_COLUMNS = 128
_LABELLED = 0.1  # part of the nodes that the classifier is shown


def corange(matrix: sp.csr_matrix, seed: int, columns: int) -> np.ndarray:
    """Embed with the defaults."""
    import corange

    return corange.FastRP(columns, random_state=seed).fit_transform(_square(matrix))


def scipy_products(matrix: sp.csr_matrix, seed: int, columns: int) -> np.ndarray:
    """Compute the same as written with scikit-learn and SciPy."""
    from sklearn.preprocessing import normalize
    from sklearn.random_projection import SparseRandomProjection

    matrix = _square(matrix)
    degrees = np.asarray(matrix.sum(axis=1)).ravel()
    inverse = np.divide(1, degrees, out=np.zeros_like(degrees), where=degrees > 0)
    importance = np.sqrt(inverse * degrees.sum())
    walk = sp.diags(inverse) @ matrix
    projection = SparseRandomProjection(columns, density=1 / 3, random_state=seed).fit(matrix).components_.T
    block = np.asarray((sp.diags(importance) @ projection).toarray(), dtype=matrix.dtype)
    total = np.zeros_like(block)
    for weight in (0.0, 0.0, 1.0, 1.0):
        block = walk @ block
        if weight:
            total += weight * normalize(block)
    return total


def _square(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """Crop the matrix that warms up a fresh process, which is no graph."""
    side = min(matrix.shape)
    return matrix if matrix.shape == (side, side) else abs(matrix[:side, :side])


def large(session: Session) -> CaseReport:
    """Time and peak memory on a graph of 10**6 nodes with 10**7 stored edges, in single precision."""
    nodes = session.size(1_000_000, 2000)

    def make() -> sp.csr_matrix:
        graph = data.uniform_sparse(nodes, nodes, 10).astype(np.float32)
        np.abs(graph.data, out=graph.data)
        return graph

    graph = session.once("random graph", make)
    inputs = {"csr": graph}
    settings = {"columns": _COLUMNS}
    contenders = [
        Contender("corange", corange, "csr", settings),
        Contender("scipy and scikit-learn", scipy_products, "csr", settings),
    ]
    times = time_interleaved(contenders, inputs, session.size(3, 1), settle=session.settle)
    rows = []
    path = data.store(graph, session.folder, "graph") if session.memory else None
    for contender in contenders:
        row = Row(contender.name, contender.describe(), times=times[contender.name])
        row.seconds = median(row.times)
        if path is not None:
            row.peak_extra_bytes = memory.measure(contender, path, session.seeds[0]).get("total")
        rows.append(row)
    if path is not None:
        path.unlink()
    ours = rows[0]
    bars = [
        Bar("seconds", _SECONDS, ours.seconds),
        Bar("peak bytes of the process, graph and libraries included", _BYTES, ours.peak_extra_bytes),
    ]
    facts = {"shape": [nodes, nodes], "nonzeros": graph.nnz, "columns": _COLUMNS, "threads": session.threads}
    return CaseReport(facts, rows, bars, reference=contenders[1].name)


def groups(session: Session) -> CaseReport:
    """Accuracy of a linear classifier of the groups of a stochastic block model, over seeds."""
    size = session.size(500, 200)
    rows = []
    for columns in (32, _COLUMNS):
        found = [_accuracy(size, columns, seed) for seed in session.seeds]
        rows.append(Row(f"corange, {columns} columns", "", errors={"wrong": 1 - min(found)}))
    bar = Bar("nodes classified rightly", _ACCURACY, 1 - rows[-1].errors["wrong"], at_least=True)
    facts = {"groups": 2, "nodes": 2 * size, "inside": 0.05, "outside": 0.005, "labelled": _LABELLED}
    return CaseReport(facts, rows, [bar], reference=rows[0].name)


def _accuracy(size: int, columns: int, seed: int) -> float:
    from sklearn.linear_model import LogisticRegression

    graph, labels = _block_model(size, seed)
    embedding = corange(graph, seed, columns)
    shown = np.random.default_rng(seed).random(labels.size) < _LABELLED
    classifier = LogisticRegression(max_iter=1000).fit(embedding[shown], labels[shown])
    return float(classifier.score(embedding[~shown], labels[~shown]))


def _block_model(size: int, seed: int) -> tuple[Any, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], size)
    chances = np.where(labels[:, np.newaxis] == labels, 0.05, 0.005)
    upper = np.triu(rng.random(chances.shape) < chances, 1)
    return sp.csr_matrix((upper | upper.T).astype(np.float32)), labels


CASES: tuple[Case, ...] = (
    Case("fastrp", "node embeddings, 10^6 nodes, 10^7 edges, 128 dimensions", large),
    Case("fastrp-groups", "groups of a stochastic block model from node embeddings", groups),
)
