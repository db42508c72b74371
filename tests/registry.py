"""Every public function and estimator that takes a matrix, as the reliability tests see it.

A new family joins by adding its entries here: `test_reliability.py` then holds it to everything promised.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

import corange as cr

Arrays = tuple[np.ndarray, ...]


def _rank(A: Any) -> int:
    """Four, or what the matrix has; bad matrices are for the function to judge."""
    shape = np.shape(A)
    return min(4, *shape) if len(shape) == 2 and 0 not in shape else 1


@dataclasses.dataclass(frozen=True)
class Entry:
    """How to call something on a matrix, and what scaling the matrix by c does to the arrays it returns.

    `run(A, seed)` returns arrays; array i is multiplied by c ** powers[i] when A is.
    """

    name: str
    run: Callable[[Any, int], Arrays]
    powers: tuple[int, ...]
    square: bool = False
    accepts: frozenset[str] = frozenset({"dense", "sparse", "operator", "rows"})
    minimum: tuple[int, int] = (1, 1)

    def __str__(self) -> str:
        return self.name


def _svd(A: Any, seed: int) -> Arrays:
    return tuple(cr.svd(A, _rank(A), random_state=seed))


def _svd_tight(A: Any, seed: int) -> Arrays:
    return tuple(cr.svd(A, _rank(A), tol=1e-9, random_state=seed))


def _svd_error(A: Any, seed: int) -> Arrays:
    return tuple(cr.svd(A, error=0.5, random_state=seed))


def _eigh(A: Any, seed: int) -> Arrays:
    return tuple(cr.eigh(A, _rank(A), random_state=seed))


def _qb(A: Any, seed: int) -> Arrays:
    return tuple(cr.qb(A, _rank(A), random_state=seed))


def _range_finder(A: Any, seed: int) -> Arrays:
    return (cr.range_finder(A, _rank(A), random_state=seed),)


def _estimate_norm(A: Any, seed: int) -> Arrays:
    return (np.array(float(cr.estimate_norm(A, random_state=seed))),)


def _truncated_svd(A: Any, seed: int) -> Arrays:
    model = cr.TruncatedSVD(_rank(A), random_state=seed)
    scores = model.fit_transform(A)
    return scores, model.components_, model.singular_values_


def _pca(A: Any, seed: int) -> Arrays:
    model = cr.PCA(_rank(A), random_state=seed, svd_solver="randomized")
    scores = model.fit_transform(A)
    return scores, model.components_, model.singular_values_, model.mean_


def _targets(A: Any) -> np.ndarray:
    """Two right-hand sides; bad matrices are for the function to judge."""
    rows = (*np.shape(A), 1)[0]
    return np.cos(np.arange(2.0 * rows)).reshape(rows, 2)


def _lstsq(A: Any, seed: int) -> Arrays:
    return (cr.lstsq(A, _targets(A), random_state=seed).x,)


def _lstsq_sketch(A: Any, seed: int) -> Arrays:
    return (cr.lstsq(A, _targets(A), method="sketch", random_state=seed).x,)


def _linear_regression(A: Any, seed: int) -> Arrays:
    return (cr.SketchedLinearRegression(random_state=seed).fit(A, _targets(A)).coef_,)


_IN_MEMORY = frozenset({"dense", "sparse"})

ENTRIES = [
    Entry("svd", _svd, (0, 1, 0)),
    Entry("svd(tol=1e-9)", _svd_tight, (0, 1, 0)),
    Entry("svd(error=0.5)", _svd_error, (0, 1, 0)),
    Entry("eigh", _eigh, (1, 0), square=True),
    Entry("qb", _qb, (0, 1)),
    Entry("range_finder", _range_finder, (0,)),
    Entry("estimate_norm", _estimate_norm, (1,)),
    Entry("lstsq", _lstsq, (-1,)),
    Entry("lstsq(method='sketch')", _lstsq_sketch, (-1,)),
    Entry("SketchedLinearRegression", _linear_regression, (-1,), accepts=_IN_MEMORY, minimum=(2, 1)),
    Entry("TruncatedSVD", _truncated_svd, (1, 0, 1), accepts=_IN_MEMORY, minimum=(1, 2)),
    Entry("PCA", _pca, (1, 0, 1, 1), accepts=_IN_MEMORY, minimum=(2, 1)),
]
