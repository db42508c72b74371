"""Random numbers of the core against filling memory and against NumPy's, on as many threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from bench.harness import Bar, CaseReport, Contender, Row, median, ratio, time_interleaved
from bench.session import Case, Session

_KINDS = ("normal", "uniform", "sign")


def core(task: dict[str, Any], seed: int, kind: str) -> None:
    """Draw a block of a random matrix by the core, on its threads."""
    from corange import _core

    _core.random_block(kind, seed, 0, 0, 0, task["out"])


def fill(task: dict[str, Any], seed: int) -> None:
    """Write one number everywhere, each thread its share of the rows: what memory takes."""
    _share(task, lambda part, number: part.fill(1.5))


def numpy_normal(task: dict[str, Any], seed: int) -> None:
    """Draw by NumPy's ziggurat from its Philox generator, each thread its share from a key of its own."""

    def draw(part: np.ndarray, number: int) -> None:
        rng = np.random.Generator(np.random.Philox(key=[seed, number]))
        rng.standard_normal(dtype=part.dtype, out=part)

    _share(task, draw)


def _share(task: dict[str, Any], work: Callable[[np.ndarray, int], Any]) -> None:
    parts = np.array_split(task["out"], task["threads"])
    list(task["pool"].map(work, parts, range(len(parts))))


def run(session: Session) -> CaseReport:
    """Time all on warm memory that is far larger than the caches."""
    count, columns = session.size(1 << 28, 1 << 16), 4096  # bytes, and entries a row
    rows, bars = [], []
    with ThreadPoolExecutor(session.threads) as pool:
        for dtype in ("float32", "float64"):
            out = np.ones((count // (columns * np.dtype(dtype).itemsize), columns), dtype)
            task = {"out": out, "pool": pool, "threads": session.threads}
            found = _race(session, dtype, task)
            rows += found.values()
            faster = ratio(found["numpy normal"], found["corange normal"])
            bars.append(Bar(f"speed of {dtype} normals over NumPy's", 1.0, faster, at_least=True))
    return CaseReport({"bytes": count, "threads": session.threads}, rows, bars, "fill")


def _race(session: Session, dtype: str, task: dict[str, Any]) -> dict[str, Row]:
    contenders = [
        Contender("fill", fill, "task"),
        *(Contender(f"corange {kind}", core, "task", {"kind": kind}) for kind in _KINDS),
        Contender("numpy normal", numpy_normal, "task"),
    ]
    repeats = session.size(session.repeats, 2)
    rows = {}
    for name, times in time_interleaved(contenders, {"task": task}, repeats, settle=session.settle).items():
        seconds = median(times)
        speed = 1e-9 * task["out"].nbytes / seconds
        rows[name] = Row(name, "", group=dtype, times=times, seconds=seconds, gbytes_per_second=speed)
        rows[name].ceiling_fraction = rows["fill"].seconds / seconds
    return rows


CASES = (Case("normals", "random numbers against filling memory, float32 and float64", run),)
