"""Which dependencies come next: a graph grows edge by edge, and its truncated SVD follows.

Of the dependencies between packages (or modules, see package_dependencies.py) six in ten are known at
first, three arrive in batches, and one is never shown. A pair of packages gets the score of the rank-k
matrix at its place; a hidden dependency is predicted well when it scores above pairs that do not depend on
each other. The part of such comparisons that is won (the area under the ROC curve) rises as edges arrive,
by updates of the factors alone. Twice as many triplets are kept as are used: that keeps the updates close
to a refit of everything, which begins from them.

Run: python growing_graph.py [rank]
"""

from __future__ import annotations

import sys
import time

import numpy as np
import scipy.sparse
from package_dependencies import graph, read

import corange as cr

BATCHES = 15


def split(
    edges: scipy.sparse.csr_array, rng: np.random.Generator
) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Edges (pairs of nodes) known at first, those that arrive, and those that are hidden."""
    upper = scipy.sparse.triu(edges, k=1).tocoo()
    pairs = rng.permutation(np.stack([upper.row, upper.col], axis=1).astype(np.int64))
    known, hidden = int(0.6 * len(pairs)), int(0.9 * len(pairs))
    return pairs[:known], np.array_split(pairs[known:hidden], BATCHES), pairs[hidden:]


def both_ways(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entries of the symmetric matrix, as `update_svd` takes them."""
    i, j = np.concatenate([pairs, pairs[:, ::-1]]).T
    return i, j, np.ones(i.size)


def adjacency(pairs: np.ndarray, nodes: int) -> scipy.sparse.csr_array:
    """Make the symmetric matrix of some edges."""
    i, j, ones = both_ways(pairs)
    return scipy.sparse.csr_array((ones, (i, j)), shape=(nodes, nodes))


def unconnected(edges: scipy.sparse.csr_array, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw pairs of different nodes without an edge, each as often as edges end there."""
    ends = np.repeat(np.arange(edges.shape[0]), np.diff(edges.indptr))
    drawn = rng.choice(ends, (4 * count, 2))
    connected = np.asarray(edges[drawn[:, 0], drawn[:, 1]]).ravel() != 0
    return drawn[~connected & (drawn[:, 0] != drawn[:, 1])][:count]


def scores(result: cr.SVDResult, rank: int, pairs: np.ndarray) -> np.ndarray:
    """Compute entries of the matrix of rank `rank`, each from one row of either factor."""
    left, right = result.U[pairs[:, 0], :rank], result.Vt.T[pairs[:, 1], :rank]
    return np.einsum("ik,ik->i", left * result.s[:rank], right)


def area(result: cr.SVDResult, rank: int, hidden: np.ndarray, others: np.ndarray) -> float:
    """Part of the comparisons of a hidden edge with an unconnected pair that the edge wins."""
    edge, other = scores(result, rank, hidden), np.sort(scores(result, rank, others))
    below = np.searchsorted(other, edge, "left") + np.searchsorted(other, edge, "right")
    return float(below.mean() / (2 * len(others)))


def main(rank: int = 32) -> None:
    """Grow the graph, and compare predictions before, after, and by a refit."""
    source, found = read()
    _, edges = graph(found)
    edges = scipy.sparse.csr_array(edges, dtype=np.float64)
    nodes, rng = edges.shape[0], np.random.default_rng(0)
    known, batches, hidden = split(edges, rng)
    others = unconnected(edges, len(hidden), rng)
    print(f"{nodes} {source}, {len(known)} dependencies known, {len(hidden)} hidden")

    result = cr.svd(adjacency(known, nodes), 2 * rank, random_state=0)
    print(f"before: {area(result, rank, hidden, others):.3f} of the comparisons won")
    started = time.perf_counter()
    for batch in batches:
        result = cr.update_svd(result, entries=both_ways(batch), random_state=0)
    seconds = time.perf_counter() - started
    won = area(result, rank, hidden, others)
    print(f"after {len(batches)} batches: {won:.3f}, {seconds / len(batches):.2f} s an update")
    started = time.perf_counter()
    everything = adjacency(np.concatenate([known, *batches]), nodes)
    refit = cr.svd(everything, rank, start=result, random_state=0)
    seconds = time.perf_counter() - started
    off = np.abs(result.s[:rank] / refit.s - 1).max()
    print(f"refit: {area(refit, rank, hidden, others):.3f}, {seconds:.2f} s; updated values off by {off:.1%}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
