"""Kernel matrices from some of their columns, feature maps, and search from anchor scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench import data
from bench.harness import Bar, CaseReport, Contender, Row, median, time_interleaved
from bench.session import Case, Session

_TIMES_NUMPY = 5.0
_OVER_GREEDY = 1.3
_TIMES_SKLEARN = 3.0


def cloud(n: int, d: int = 10) -> np.ndarray:
    """Points of a normal distribution: no cluster, no structure, nothing to find."""
    return np.random.default_rng(0).standard_normal((n, d))


def clusters(n: int, d: int = 10, count: int = 60) -> np.ndarray:
    """Points in clusters of which the largest has half of them and most have few."""
    rng = np.random.default_rng(0)
    centers = 4.0 * rng.standard_normal((count, d))
    weights = np.arange(1, count + 1) ** -1.5
    return centers[rng.choice(count, n, p=weights / weights.sum())] + 0.5 * rng.standard_normal((n, d))


def _column(X: np.ndarray, s: int, gamma: float) -> np.ndarray:
    return np.exp(-gamma * ((X - X[s]) ** 2).sum(axis=1))


def numpy_rpcholesky(X: np.ndarray, seed: int, k: int, gamma: float, greedy: bool = False) -> np.ndarray:
    """One pivot at a time; the factor is stored by columns, which is twice as fast as by rows.

    Returns the diagonal of what is left.
    """
    rng, n = np.random.default_rng(seed), len(X)
    left, factor = np.ones(n), np.empty((k, n))
    for i in range(k):
        s = int(np.argmax(left)) if greedy else int(rng.choice(n, p=left / left.sum()))
        g = _column(X, s, gamma) - factor[:i, s] @ factor[:i]
        factor[i] = g / np.sqrt(g[s])
        left = np.maximum(left - factor[i] ** 2, 0.0)
    return left


def corange_rpcholesky(X: np.ndarray, seed: int, k: int, gamma: float) -> Any:
    """Blocks of pivots with rejection."""
    import corange

    kernel = corange.KernelMatrix(X, gamma=gamma)
    return corange.nystrom(kernel, k, landmarks="rpcholesky", random_state=seed)


def rpcholesky(session: Session) -> CaseReport:
    """Time against NumPy's, error against greedy pivoting, on the normal cloud and on clusters."""
    n, k = session.size(100_000, 2000), session.size(500, 40)
    rows, bars = [], []
    for group, make, gamma in (("cloud", cloud, 0.05), ("clusters", clusters, 0.02)):
        X = make(n)
        inputs = {"float64": X, "float32": X.astype(np.float32)}
        settings = {"k": k, "gamma": gamma}
        contenders = [
            Contender("corange", corange_rpcholesky, "float64", settings),
            Contender("corange, float32", corange_rpcholesky, "float32", settings),
            Contender("numpy", numpy_rpcholesky, "float64", settings),
        ]
        found = _timed(session, contenders, inputs, group)
        greedy = float(numpy_rpcholesky(X, 0, k, gamma, greedy=True).mean())
        errors = {"numpy": float(numpy_rpcholesky(X, 0, k, gamma).mean())}
        for contender in contenders[:2]:
            errors[contender.name] = contender.run(inputs, 0).report.error
        for row in found:
            row.errors = {"trace": errors[row.name]}
        rows += [*found, Row("numpy, greedy", "not timed", group=group, errors={"trace": greedy})]
        bars += [
            Bar(f"{group}: numpy over corange", _TIMES_NUMPY, _speed(found, "numpy"), at_least=True),
            Bar(f"{group}: trace error over greedy's", _OVER_GREEDY, errors["corange"] / greedy),
        ]
    notes = ["trace: trace of what the approximation misses, relative to that of the kernel matrix."]
    return CaseReport({"points": n, "d": 10, "k": k}, rows, bars, reference="numpy", notes=notes)


def sklearn_features(X: np.ndarray, seed: int, k: int, gamma: float) -> np.ndarray:
    """scikit-learn's feature map of the training points."""
    from sklearn.kernel_approximation import Nystroem

    return np.asarray(Nystroem(gamma=gamma, n_components=k, random_state=seed).fit_transform(X))


def corange_features(X: np.ndarray, seed: int, k: int, gamma: float, landmarks: str) -> np.ndarray:
    """Ours, with any choice of landmarks."""
    from corange import Nystroem

    model = Nystroem(gamma=gamma, n_components=k, random_state=seed, landmarks=landmarks)
    return np.asarray(model.fit_transform(X))


def _trace_error(features: np.ndarray) -> float:
    return 1.0 - float(np.einsum("ij,ij->", features, features, dtype=np.float64)) / len(features)


def _enough(X: np.ndarray, k: int, gamma: float, error: float) -> int:
    """As few random pivots as have this error, and a twentieth more."""
    factor = corange_rpcholesky(X, 0, k, gamma).F
    missed = 1.0 - np.cumsum(np.einsum("ij,ij->j", factor, factor)) / len(X)
    return min(k, int(1.05 * (missed > error).sum()) + 1)


def _enough_means(X: np.ndarray, k: int, gamma: float, error: float) -> int:
    """As few means of clusters as have this error, in steps of a fiftieth of k."""
    low, high = 10, 50
    while low < high:
        middle = (low + high) // 2
        found = _trace_error(corange_features(X, 0, middle * k // 50, gamma, "kmeans"))
        low, high = (low, middle) if found <= error else (middle + 1, high)
    return high * k // 50


def _sources(session: Session) -> np.ndarray:
    """Directions of Python's sources in the space of their 20 leading singular vectors."""
    import corange

    make = data.few_python_sources if session.quick else data.python_sources
    matrix = session.once("python_sources", make)
    U, s, _ = corange.svd(matrix, 20, random_state=0)
    points = U * s
    return points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)


def _digits(_: Session) -> np.ndarray:
    from sklearn.datasets import load_digits

    return load_digits().data / 16.0


def nystroem(session: Session) -> CaseReport:
    """Feature maps with the error that scikit-learn has: as many landmarks, and as few as do."""
    n, most = session.size(100_000, 2000), session.size(500, 40)
    groups: tuple[tuple[str, Callable[[Session], np.ndarray], float], ...] = (
        ("clusters", lambda _: clusters(n), 0.02),
        ("digits", _digits, 0.05),
        ("python sources", _sources, 1.0),
        ("cloud", lambda _: cloud(n), 0.05),
    )
    rows, bars = [], []
    for group, make, gamma in groups:
        X = make(session)
        k = min(most, len(X) // 6)
        inputs = {"float64": X, "float32": X.astype(np.float32)}
        same = {"k": k, "gamma": gamma}
        error = _trace_error(sklearn_features(X, 0, **same))
        pivots = {"k": _enough(X, k, gamma, error), "gamma": gamma, "landmarks": "rpcholesky"}
        means = {"k": _enough_means(X, k, gamma, error), "gamma": gamma, "landmarks": "kmeans"}
        contenders = [
            Contender("corange", corange_features, "float64", same | {"landmarks": "uniform"}),
            Contender("corange, rpcholesky", corange_features, "float64", pivots),
            Contender("corange, kmeans", corange_features, "float64", means),
            Contender("scikit-learn", sklearn_features, "float64", same),
            Contender("corange, kmeans, float32", corange_features, "float32", means),
            Contender("scikit-learn, float32", sklearn_features, "float32", same),
        ]
        found = _timed(session, contenders, inputs, group)
        for row, contender in zip(found, contenders, strict=True):
            row.errors = {"trace": _trace_error(contender.run(inputs, 0))}
        rows += found
        ours = [row.name for row in found[:3] if row.errors["trace"] <= error]
        best = max(_speed(found, "scikit-learn", name) or 0.0 for name in ours) if ours else None
        text = f"{group}: scikit-learn over corange, error no larger"
        bars.append(Bar(text, _TIMES_SKLEARN, best, at_least=True))
    notes = [
        (
            "The landmarks of rpcholesky and kmeans are as few as have scikit-learn's error, which a search "
            "beforehand finds; a contender whose error is larger after all does not count for the bar."
        )
    ]
    return CaseReport({"points": n, "k": most}, rows, bars, reference="scikit-learn", notes=notes)


def scores_of(queries: int, n: int) -> np.ndarray:
    """Scores that are nonlinear in vectors of queries and items, and noisy."""
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((queries, 60)), rng.standard_normal((n, 60))
    scores = np.tanh((left * 0.93 ** np.arange(60)) @ right.T / 2.0)
    return scores + 0.02 * rng.standard_normal((queries, n))


def anncur(session: Session) -> CaseReport:
    """Recall of the 10 best at several budgets, against scoring as many random items."""
    import corange

    n, anchors, held = session.size(20_000, 1000), session.size(200, 40), 50
    queries = session.size(400, 80)
    scores = scores_of(queries + held, n)
    index = corange.CURIndex(scores[:queries], anchors, random_state=0)
    rows, bars = [], []
    for budget in (anchors + anchors // 2, 2 * anchors, 5 * anchors):
        group = f"{budget} scores of {n} items"
        ours = _recall(
            scores[queries:], lambda row, b=budget: index.search(lambda i: row[i], 10, budget=b)[0]
        )
        rng = np.random.default_rng(0)
        chance = _recall(scores[queries:], lambda row, b=budget: _random_best(row, rng, b))  # noqa: B023
        rows.append(Row("corange", f"{anchors} anchors", group=group, errors={"recall": ours}))
        rows.append(Row("random items", "", group=group, errors={"recall": chance}))
        bars.append(
            Bar(f"{group}: recall over that of random items", 1.0, ours / max(chance, 1e-3), at_least=True)
        )
    return CaseReport({"anchor queries": queries, "items": n}, rows, bars, reference="random items")


def _random_best(row: np.ndarray, rng: np.random.Generator, budget: int) -> np.ndarray:
    seen = rng.choice(row.size, budget, replace=False)
    return seen[np.argsort(-row[seen])[:10]]


def _recall(scores: np.ndarray, search: Callable[[np.ndarray], np.ndarray]) -> float:
    hits = sum(np.intersect1d(search(row), np.argsort(-row)[:10]).size for row in scores)
    return hits / (10.0 * len(scores))


def _timed(session: Session, contenders: list[Contender], inputs: dict[str, Any], group: str) -> list[Row]:
    repeats = min(3, session.repeats)
    times = time_interleaved(contenders, inputs, repeats, session.seeds, settle=session.settle)
    rows = []
    for contender in contenders:
        row = Row(contender.name, contender.describe(), group=group, times=times[contender.name])
        row.seconds = median(row.times)
        rows.append(row)
    return rows


def _speed(rows: list[Row], theirs: str, ours: str = "corange") -> float | None:
    seconds = {row.name: row.seconds for row in rows}
    mine, other = seconds[ours], seconds[theirs]
    return other / mine if mine and other else None


CASES: tuple[Case, ...] = (
    Case("rpcholesky", "Gaussian kernel of 100000 points in 10 dimensions, 500 random pivots", rpcholesky),
    Case("nystroem", "features of a Gaussian kernel, 100000 points, at the error of 500 landmarks", nystroem),
    Case("anncur", "the 10 best of 20000 items from few scores", anncur),
)
