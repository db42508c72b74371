"""Topics of a collection of texts that arrives piece by piece: Python's own sources, module by module.

`IncrementalSVD` begins with half of the modules of the standard library in alphabetical order, and meets the
others in batches. After each batch its strongest new topic is shown: the component that the old ones explain
least. In the end the singular values and the topics are compared with those of a decomposition of everything.

Run: python growing_topics.py [folder]
"""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np

import corange as cr

TOPICS = 50


def words(component: np.ndarray, vocabulary: np.ndarray, count: int = 6) -> str:
    """Words with the largest weights, in the direction that has the largest."""
    direction = np.sign(component[np.abs(component).argmax()])
    return " ".join(vocabulary[np.argsort(-direction * component)[:count]])


def newest(before: np.ndarray, after: np.ndarray) -> tuple[int, float]:
    """Component that lies least in the span of the former ones, and which part of it does."""
    inside = np.square(after @ before.T).sum(axis=1)
    return int(inside.argmin()), float(inside.min())


def main(folder: str | None = None) -> None:
    """Follow the stream."""
    sources = cr.datasets.python_sources(folder=folder)
    X, vocabulary = sources.data, sources.vocabulary
    topics = min(TOPICS, min(X.shape) // 4)
    edges = np.linspace(X.shape[0] // 2, X.shape[0], 11).astype(int)
    model = cr.IncrementalSVD(topics, random_state=0).fit(X[: edges[0]])
    print(f"{X.shape[0]} chunks of 40 lines, {X.shape[1]} words, {topics} topics from the first {edges[0]}")
    for start, stop in pairwise(edges):
        before = model.components_
        model.partial_fit(X[start:stop])
        which, inside = newest(before, model.components_)
        modules = f"{sources.documents[start].split(':')[0]} .. {sources.documents[stop - 1].split(':')[0]}"
        print(f"  {modules}: {words(model.components_[which], vocabulary)} ({1 - inside:.0%} new)")
    truth = cr.svd(X, topics, random_state=0)
    off = np.abs(model.singular_values_ / truth.s - 1)
    overlap = np.linalg.norm(model.components_ @ truth.Vt.T) ** 2 / topics
    print(f"singular values off by {off.max():.1%} at most, topics agree to {overlap:.0%}")
    close = int((off <= 0.01).sum())
    print(f"{close} of them by less than 1 %; {model.report_.trusted} were certain to 5 % beforehand")


if __name__ == "__main__":
    main(*sys.argv[1:2])
