"""Sketches against SciPy and scikit-learn, and the Walsh-Hadamard transform against copying memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from scipy.sparse import issparse

from bench import data, fastrp, normals, products_sketch, sketch_kinds
from bench.harness import Bar, CaseReport, Contender, Row, attempt, median, ratio, time_interleaved
from bench.session import Case, Session

_POINTS = 60  # samples whose distances are compared
_MORE_REPEATS = 11  # these are short
_DRAWS = 10  # of a sketch, where its distortion is compared to a percent


def copy(task: dict[str, Any], seed: int) -> np.ndarray:
    """Copy an array, each thread its share of the rows: what moving the same bytes costs."""
    source, target, pool = task["X"], task["target"], task["pool"]
    bounds = np.linspace(0, len(source), task["threads"] + 1).astype(int)
    shares = [slice(*pair) for pair in itertools.pairwise(bounds)]
    list(pool.map(lambda share: np.copyto(target[share], source[share]), shares))
    return target


def transform(task: dict[str, Any], seed: int) -> np.ndarray:
    """Transform in place."""
    import corange as cr

    return cr.fwht(task["X"], out=task["X"])


def transform_often(task: dict[str, Any], seed: int) -> np.ndarray:
    """Transform the same array again and again."""
    for _ in range(task["calls"]):
        transform(task, seed)
    return task["X"]


def project(X: Any, seed: int, package: str, name: str, size: int) -> np.ndarray:
    """Fit a random projection and apply it."""
    import sklearn.random_projection

    import corange as cr

    home: Any = cr if package == "corange" else sklearn.random_projection
    return getattr(home, name)(size, random_state=seed).fit_transform(X)


def sketch_rows(A: np.ndarray, seed: int, kind: str, size: int) -> np.ndarray:
    """Compress rows by corange."""
    import corange as cr

    return cr.sketch(A, size, kind=kind, random_state=seed)


def clarkson_woodruff(A: np.ndarray, seed: int, size: int) -> np.ndarray:
    """Compress rows by SciPy."""
    from scipy.linalg import clarkson_woodruff_transform

    return clarkson_woodruff_transform(A, size, rng=np.random.default_rng(seed))


def fwht_batch(session: Session) -> CaseReport:
    """Many transforms along contiguous rows."""
    shape = session.size(20_000, 200), session.size(4096, 256)
    X = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    with ThreadPoolExecutor(session.threads) as pool:
        task = {"X": X, "target": np.zeros_like(X), "pool": pool, "threads": session.threads}
        contenders = [Contender("corange", transform, "task"), Contender("copy", copy, "task")]
        rows = _race(session, contenders, {"task": task})
    for row in rows:
        _rate(row, 2 * X.nbytes)
    speed = _ratio(rows, "copy", "corange")
    bar = Bar("speed over that of copying the same bytes", 0.85, speed, at_least=True)
    return CaseReport({"shape": list(shape), "threads": session.threads}, rows, [bar], "copy")


def fwht_single(session: Session) -> CaseReport:
    """Time every length on one thread, on vectors that stay in cache, as other libraries time theirs.

    As many of them as make 512 KB are transformed together, or one that is longer, and often.
    """
    from threadpoolctl import threadpool_limits

    rows, bars = [], []
    for log in range(10, session.size(21, 12)):
        X = np.ones((1 << max(session.size(17, 12) - log, 0), 1 << log), np.float32)
        calls = max(1, (1 << session.size(27, 14)) // X.size)
        with threadpool_limits(1):
            task = {"X": X, "calls": calls}
            found = _race(session, [Contender("corange", transform_often, "task")], {"task": task})[0]
        found.group = f"length 2^{log}"
        _rate(found, 2 * X.nbytes * calls)
        rows.append(found)
        bars.append(Bar(f"GB/s at length 2^{log}, one thread", 12.0, found.gbytes_per_second, at_least=True))
    return CaseReport({"dtype": "float32"}, rows, bars)


def fast_jl(session: Session) -> CaseReport:
    """Random projection of dense data."""
    shape, size = (session.size(20_000, 300), session.size(4096, 512)), session.size(512, 64)
    X = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    judge = _distortion(X)
    theirs = ("GaussianRandomProjection", "SparseRandomProjection")
    names = [("corange", "FastJL"), *(("sklearn", name) for name in theirs)]
    rows = _race(session, _projections(names, size), {"X": X}, judge)
    bars = [
        Bar(
            f"speed over scikit-learn's {name}",
            limit,
            _ratio(rows, f"sklearn {name}", "corange FastJL"),
            True,
        )
        for name, limit in zip(theirs, (4.0, 6.0), strict=True)
    ]
    return CaseReport({"shape": list(shape), "size": size}, rows, bars, "sklearn GaussianRandomProjection")


def sparse_step(task: dict[str, Any], seed: int, density: str) -> np.ndarray:
    """Multiply data that are mixed already with the sparse matrix of a FastJL."""
    from corange import _core

    P, X = task[density], task["mixed"]
    out = np.empty((X.shape[0], P.shape[0]), X.dtype)
    _core.sparse_rows_apply(P.indptr, P.indices, P.data, P.shape[1], None, X, 0, out)
    return out


def sparser(session: Session) -> CaseReport:
    """Time the sparse step for 10**5 points and eps = 0.1 on some of them: it takes as long for each."""
    import corange as cr

    points, eps = 100_000, 0.1
    shape = session.size(2000, 100), session.size(16_384, 1024)
    size = session.size(int(cr.johnson_lindenstrauss_min_dim(points, eps=eps)), 200)
    X = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    # The variance of a squared norm, 2 / size for a dense matrix, grows by 3 (1/q - 1) sum z**4 / size: by a
    # third with the factor 1, and by a tenth with 3, the default.
    densities: dict[str, dict[str, Any]] = {
        "new": {},
        "new, factor 1": {"constant": 1.0},
        "classical": {"density": "classical"},
    }
    sketches = {
        name: cr.sketching.FastJL(size, shape[1], points=points, random_state=0, **options)
        for name, options in densities.items()
    }
    task: dict[str, Any] = {name: S._rows(X.dtype) for name, S in sketches.items()}
    task["mixed"] = cr.fwht(X * sketches["classical"]._signs(X.dtype), norm="none")
    rows = _race(
        session,
        [Contender(name, sparse_step, "task", {"density": name}) for name in sketches],
        {"task": task},
    )
    for row in rows:
        row.errors = {"distortion": _norm_distortion(X, size, {"points": points, **densities[row.name]})}
    new, old = _row(rows, "new"), _row(rows, "classical")
    worse = new.errors["distortion"] / old.errors["distortion"] if new and old and old.errors else None
    bars = [
        Bar("speed over that with the classical density", 2.0, _ratio(rows, "classical", "new"), True),
        Bar("distortion over that with the classical density", 1.05, worse),
    ]
    facts = {"shape": list(shape), "size": size, "points": points, "eps": eps}
    facts |= {f"density, {name}": S.density for name, S in sketches.items()}
    return CaseReport(facts, rows, bars, "classical")


def _norm_distortion(X: np.ndarray, size: int, options: dict[str, Any]) -> float:
    """Root mean square of the relative change of squared norms; over draws, as one tells a few percent."""
    import corange as cr

    before = np.sum(X.astype(float) ** 2, axis=1)
    squares = []
    for seed in range(_DRAWS):
        Y = X @ cr.sketching.FastJL(size, X.shape[1], random_state=seed, **options).T
        squares.append(np.mean((np.sum(Y.astype(float) ** 2, axis=1) / before - 1) ** 2))
    return float(np.sqrt(np.mean(squares)))


def sparse_sign(session: Session) -> CaseReport:
    """Tall dense data to few rows."""
    shape, size = (session.size(200_000, 2000), session.size(200, 20)), session.size(2000, 100)
    A = np.random.default_rng(0).standard_normal(shape)
    theirs = Contender("scipy", clarkson_woodruff, "A", {"size": size})
    kinds = ("countsketch", "sparse-sign")
    ours = [Contender(f"corange {kind}", sketch_rows, "A", {"kind": kind, "size": size}) for kind in kinds]
    rows = _race(session, [*ours, theirs], {"A": A}, _distortion(A.T, columns=True))
    bars = [
        Bar(f"time of {kind} over SciPy's CountSketch", limit, _ratio(rows, f"corange {kind}", "scipy"))
        for kind, limit in zip(kinds, (1.0, 4.0), strict=True)
    ]
    return CaseReport({"shape": list(shape), "size": size}, rows, bars, "scipy")


def gaussian(session: Session) -> CaseReport:
    """Project the Python sources to 100 columns."""
    whole = session.once("python_sources", data.python_sources)
    X, size = whole[: session.size(whole.shape[0], 800)], session.size(100, 20)
    names = [(package, "GaussianRandomProjection") for package in ("corange", "sklearn")]
    rows = _race(session, _projections(names, size), {"X": X}, _distortion(X))
    pair = (f"{package} {name}" for package, name in reversed(names))
    bar = Bar("speed over scikit-learn's", 3.0, _ratio(rows, *pair), at_least=True)
    return CaseReport({"shape": list(X.shape), "size": size}, rows, [bar], "sklearn GaussianRandomProjection")


def _projections(names: Sequence[tuple[str, str]], size: int) -> list[Contender]:
    return [
        Contender(f"{package} {name}", project, "X", {"package": package, "name": name, "size": size})
        for package, name in names
    ]


def _distortion(X: Any, columns: bool = False) -> Callable[[np.ndarray], float]:
    """Root mean square of the relative change of squared distances between some samples."""

    def squares(rows: Any) -> np.ndarray:
        some = rows[:_POINTS].toarray() if issparse(rows) else np.asarray(rows[:_POINTS])
        first, second = np.triu_indices(len(some), 1)
        return np.sum((some[first].astype(float) - some[second]) ** 2, axis=1)

    before = squares(X)
    kept = before > 0
    return lambda Y: float(np.sqrt(np.mean((squares(Y.T if columns else Y)[kept] / before[kept] - 1) ** 2)))


def _race(
    session: Session,
    contenders: Sequence[Contender],
    inputs: dict[str, Any],
    judge: Callable[[np.ndarray], float] | None = None,
) -> list[Row]:
    """Run each once, judge what it returns, and time all in turns."""
    rows, able = {}, []
    for contender in contenders:
        row, answer = attempt(contender, inputs, 0)
        rows[contender.name] = row
        if answer is not None:
            able.append(contender)
            row.errors = {"distortion": judge(answer)} if judge else {}
    repeats = session.size(max(session.repeats, _MORE_REPEATS), 2)
    for name, times in time_interleaved(able, inputs, repeats, settle=session.settle).items():
        rows[name].times, rows[name].seconds = times, median(times)
    return list(rows.values())


def _row(rows: Sequence[Row], name: str) -> Row | None:
    return next((row for row in rows if row.name == name), None)


def _ratio(rows: Sequence[Row], theirs: str, ours: str) -> float | None:
    """Time of theirs over time of ours."""
    return ratio(_row(rows, theirs), _row(rows, ours))


def _rate(row: Row, traffic: int) -> None:
    row.gbytes_per_second = 1e-9 * traffic / row.seconds if row.seconds else None


CASES: tuple[Case, ...] = (
    Case("fwht-batch", "Walsh-Hadamard transforms, 20000 of length 4096, float32", fwht_batch),
    Case("fwht-single", "Walsh-Hadamard transforms of lengths 2^10 to 2^20, one thread", fwht_single),
    Case("fast-jl", "random projection 20000 x 4096 to 512 columns, float32", fast_jl),
    Case(
        "sparser", "sparse step of FastJL for 10^5 points, eps = 0.1, against the classical density", sparser
    ),
    Case("sparse-sign", "200000 x 200 to 2000 rows", sparse_sign),
    Case("gaussian", "random projection of the Python sources to 100 columns", gaussian),
    *normals.CASES,
    *sketch_kinds.CASES,
    *products_sketch.CASES,
    *fastrp.CASES,
)
