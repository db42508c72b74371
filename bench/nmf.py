"""Nonnegative factorization against scikit-learn: time to an error, starts, the sweep itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp

from bench import data, memory, nmf_rows
from bench.harness import Bar, CaseReport, Contender, Row, median, timed
from bench.nmf_peers import LIMIT, Trace, peers, squared
from bench.session import Case, Session

_OURS, _PEER = "corange", "sklearn cd"


def corange(X: Any, seed: int, rank: int, **settings: Any) -> Any:
    """``corange.nmf``; all but its result is left to the caller."""
    import corange as cr

    return cr.nmf(X, rank, random_state=seed, **settings)


def trace_corange(X: Any, seed: int, rank: int, **settings: Any) -> Trace:
    """Seconds since the call and error after each iteration; the last one is of the result."""
    norm, trace = np.sqrt(squared(X)), []
    start = time.perf_counter()

    def tell(info: Any) -> None:
        trace.append((time.perf_counter() - start, float(np.sqrt(2 * info.objective) / norm)))

    result = corange(X, seed, rank, callback=tell, **settings)
    trace.append((time.perf_counter() - start, result.report.error))
    return trace


def first_time(trace: Trace, target: float) -> float | None:
    """Seconds until the error was no larger than the target."""
    return next((seconds for seconds, error in trace if error <= target), None)


def _row(name: str, settings: str, traces: list[Trace], target: float) -> Row:
    times = [first_time(trace, target) for trace in traces]
    reached = [seconds for seconds in times if seconds is not None]
    row = Row(name, settings, times=reached, errors={"final": max(trace[-1][1] for trace in traces)})
    row.seconds = median(reached) if len(reached) == len(times) else None
    if row.seconds is None:
        row.status, row.note = "inaccurate", f"reached the target in {len(reached)} of {len(times)} runs"
    return row


def _race(
    session: Session, X: Any, rank: int, targets: tuple[float, ...], stop: float, **settings: Any
) -> tuple[dict[float, list[Row]], list[Trace]]:
    """All to each target: rows by target, ours first and then scikit-learn's, and our traces."""
    ours = [
        trace_corange(X, session.seeds[turn % len(session.seeds)], rank, **settings)
        for turn in range(session.repeats)
    ]
    theirs = {name: trace(X, session.seeds[0], rank, stop) for name, trace in peers().items()}
    found = {}
    for target in targets:
        rows = [_row(_OURS, "auto", ours, target)]
        rows += [_row(name, "nndsvda", [trace], target) for name, trace in theirs.items()]
        for row in rows:
            row.group = f"{target:g}"
        found[target] = rows
    return found, ours


def _times(row: Row, other: Row) -> float | None:
    """How many times faster; than one that gave up, at least."""
    slower = other.seconds or (LIMIT if other.status == "inaccurate" else None)
    return None if row.seconds is None or slower is None else slower / row.seconds


def _text(dtype: str, times: float) -> Callable[[Session], CaseReport]:
    def run(session: Session) -> CaseReport:
        X = session.once("python_sources", data.python_sources)
        rank = session.size(50, 5)
        X = sp.csr_matrix(data.miniature(X) if session.quick else X, dtype=dtype)
        targets = (0.9003, 0.9001) if not session.quick else (0.99,)
        found, ours = _race(session, X, rank, targets, targets[-1], tol=1e-4)
        last = found[targets[-1]]
        bars = [
            Bar(f"speed over scikit-learn to {targets[-1]:g}", times, _times(*last[:2]), at_least=True),
            Bar("our final error over the best peer's", 1 + 2e-5, _final(last)),
        ]
        note = f"our error of each run: {', '.join(f'{trace[-1][1]:.6f}' for trace in ours)}"
        facts = {"shape": list(X.shape), "rank": rank, "dtype": dtype, "threads": session.threads}
        rows = [row for group in found.values() for row in group]
        return CaseReport(facts, rows, bars, reference=_PEER, notes=[note])

    return run


def _final(rows: list[Row]) -> float:
    """Our final error, the first, over the best of the others."""
    return rows[0].errors["final"] / min(row.errors["final"] for row in rows[1:])


def product_of_uniform(rows: int, columns: int, rank: int) -> np.ndarray:
    """Uniform factors, multiplied, and 1% noise."""
    rng = np.random.default_rng(0)
    X = rng.random((rows, rank)) @ rng.random((rank, columns))
    size = 0.01 * np.linalg.norm(X) / np.sqrt(X.size)
    return np.maximum(X + size * rng.standard_normal(X.shape), 0)


def _dense(session: Session) -> CaseReport:
    rank = session.size(40, 5)
    X = product_of_uniform(session.size(10_000, 200), session.size(1000, 60), rank)
    targets = (0.015, 0.0113) if not session.quick else (0.05,)
    settings = {"tol": 1e-6, "max_iter": session.size(40, 10)}
    found, _ = _race(session, X, rank, targets, targets[0], **settings)
    peer = found[targets[0]][1]
    bars = [
        Bar(f"speed over scikit-learn to {targets[0]:g}", 25, _times(*found[targets[0]][:2]), at_least=True)
    ]
    if not session.quick:
        text = "speed to 0.0113 over scikit-learn's to 0.015"
        bars.append(Bar(text, 4, _times(found[0.0113][0], peer), at_least=True))
    facts = {"shape": list(X.shape), "rank": rank, "dtype": "float64", "threads": session.threads}
    rows = [row for group in found.values() for row in group]
    return CaseReport(facts, rows, bars, reference=_PEER)


def _start(session: Session) -> CaseReport:
    """NNDSVDa alone."""
    from sklearn.decomposition._nmf import _initialize_nmf

    from corange._nmf._init import start
    from corange._nmf._problem import make_problem

    X = session.once("python_sources", data.python_sources)
    X = sp.csr_matrix(data.miniature(X) if session.quick else X)
    rank = session.size(50, 5)
    jobs = {
        _OURS: lambda seed: start(make_problem(X).matrix, rank, "nndsvda", seed),
        _PEER: lambda seed: _initialize_nmf(X, rank, init="nndsvda", random_state=seed),
    }
    rows = {name: Row(name, "nndsvda") for name in jobs}
    for seed in range(session.repeats):
        for name, job in jobs.items():
            time.sleep(session.settle)
            rows[name].times.append(timed(lambda j=job, s=seed: j(s))[0])
    for row in rows.values():
        row.seconds = median(row.times)
    facts = {"shape": list(X.shape), "rank": rank, "threads": session.threads}
    bars = [Bar("speed over scikit-learn's start", 5, _times(rows[_OURS], rows[_PEER]), at_least=True)]
    return CaseReport(facts, list(rows.values()), bars, reference=_PEER)


def _sweep(session: Session) -> CaseReport:
    """Count flops of the first sweep of HALS, which reads rows from memory, and of one in cache."""
    from corange import _core

    rng = np.random.default_rng(0)
    rows, rank = session.size(100_000, 500), session.size(50, 8)
    found, bars = [], []
    for dtype in ("float64", "float32"):
        Y, F = (rng.random((rows, rank)).astype(dtype) for _ in range(2))
        G = rng.random((rank, rank)) + rank * np.eye(rank)
        times = {
            sweeps: min(
                timed(lambda n=sweeps, f=F, y=Y, g=G @ G.T: _core.hals(g, f, y, n))[0]
                for _ in range(5 * session.repeats)
            )
            for sweeps in (0, 1, 9)  # without one the blocks are copied there and back all the same
        }
        for name, more, less in (("a sweep", 9, 1), ("the first sweep, with its reading", 1, 0)):
            seconds = max(times[more] - times[less], 1e-9) / (more - less)
            rate = 2 * rows * rank**2 / seconds / 1e9
            row = Row(f"{name}, {dtype}", f"{rows} x {rank}", seconds=seconds, gflops=rate)
            row.ceiling_fraction = rate / session.ceilings[f"gemm_{dtype}"]
            found.append(row)
        bars.append(Bar(f"{dtype}: part of the GEMM ceiling", 0.4, found[-2].ceiling_fraction, at_least=True))
    return CaseReport({"rows": rows, "rank": rank, "threads": session.threads}, found, bars)


def _memory(session: Session) -> CaseReport:
    """Peak memory on sparse data, in units of the factors."""
    X = session.once("python_sources", data.python_sources)
    X = data.miniature(X) if session.quick else X
    rank = session.size(50, 5)
    contender = Contender(_OURS, weigh, "csr", {"rank": rank})
    path = data.store(X, session.folder, "nmf")
    weight = memory.measure(contender, path)
    path.unlink()
    row = Row(_OURS, contender.describe(), peak_extra_bytes=weight.get("extra"))
    factors = 8 * rank * sum(X.shape)
    used = None if row.peak_extra_bytes is None else row.peak_extra_bytes / factors
    return CaseReport(
        {"shape": list(X.shape), "rank": rank}, [row], [Bar("extra over (m + n) k numbers", 4, used)]
    )


def weigh(X: Any, seed: int, rank: int) -> Any:
    """Run a few iterations: memory does not grow with them."""
    return corange(X, seed, rank, max_iter=5, tol=0.0)


def _starts(session: Session) -> CaseReport:
    """Many starts together, beside as many separate runs from the same random numbers."""
    X = session.once("python_sources", data.python_sources)
    X = sp.csr_matrix(data.miniature(X) if session.quick else X)
    count, settings = session.size(20, 3), {"rank": session.size(10, 3), "init": "random"}
    rows = [Row(_OURS, f"starts={count}"), Row("separate runs", str(count))]
    for _ in range(3 if session.repeats > 1 else 1):
        seconds, reports = timed(lambda: [corange(X, seed, **settings).report for seed in range(count)])
        rows[1].times.append(seconds)
        rows[1].errors = {"objective": min(report.objective for report in reports)}
        seconds, together = timed(lambda: corange(X, 0, starts=count, **settings))
        rows[0].times.append(seconds)
        rows[0].errors = {"objective": together.report.objective}
    for row in rows:
        row.seconds = median(row.times)
    ends = [row.errors["objective"] for row in rows]
    bars = [
        Bar("time over that of separate runs", 0.5, rows[0].seconds / rows[1].seconds),
        Bar("objective over the best of separate runs", 1 + 1e-6, ends[0] / ends[1]),
    ]
    facts = {"shape": list(X.shape), "rank": settings["rank"], "threads": session.threads}
    return CaseReport(facts, rows, bars, reference="separate runs")


def _compressed(session: Session) -> CaseReport:
    """Iterate on the matrix projected on its range, beside the matrix itself."""
    rank = session.size(20, 4)
    X = product_of_uniform(session.size(20_000, 200), session.size(2000, 60), rank)
    rows = [Row(_OURS, "compressed"), Row("the matrix itself", "auto")]
    for row in rows:
        for seed in range(min(session.repeats, 2)):
            seconds, result = timed(lambda r=row, s=seed: corange(X, s, rank, solver=r.settings))
            row.times.append(seconds)
            row.errors = {"final": max(row.errors.get("final", 0.0), result.report.error)}
        row.seconds = median(row.times)
    bars = [Bar("our final error over that of the matrix itself", 1.01, _final(rows))]
    facts = {"shape": list(X.shape), "rank": rank, "threads": session.threads}
    return CaseReport(facts, rows, bars, reference="the matrix itself")


CASES: tuple[Case, ...] = (
    Case("text", "python_sources TF-IDF, rank 50, float64", _text("float64", 5)),
    Case("text-float32", "python_sources TF-IDF, rank 50, float32", _text("float32", 8)),
    Case("dense", "dense 10000 x 1000, rank 40, uniform factors and noise", _dense),
    Case("start", "NNDSVDa of python_sources, rank 50", _start),
    Case("sweep", "the HALS sweep alone", _sweep),
    Case("starts", "20 starts of python_sources, rank 10", _starts),
    Case("compressed", "dense 20000 x 2000, rank 20, projected on its range", _compressed),
    Case("memory", "peak memory, python_sources, rank 50", _memory),
    *nmf_rows.CASES,
)
