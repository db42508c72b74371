"""All kinds of sketches beside each other: distortion and time, the figures of the guide's table."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench import data
from bench.harness import CaseReport, Contender, Row, median, time_interleaved
from bench.session import Case, Session

_KINDS = (
    "Gaussian",
    "Rademacher",
    "SparseSign",
    "CountSketch",
    "VerySparse",
    "SRHT",
    "SRFT",
    "FastJL",
    "RowSampling",
)
_SEEDS = 10


def compress(task: dict[str, Any], seed: int, kind: str) -> np.ndarray:
    """Make the operator and apply it to rows or to columns."""
    from corange import sketching

    A, size = task["A"], task["size"]
    make = getattr(sketching, kind)
    if task["axis"] == 0:
        return make(size, A.shape[0], random_state=seed) @ A
    return A @ make(size, A.shape[1], random_state=seed).T


def distortion(kind: str, Q: np.ndarray, size: int, seeds: int) -> float:
    """Largest distance of a singular value of S Q from 1, for orthonormal columns Q; mean over seeds."""
    found = []
    for seed in range(seeds):
        SQ = compress({"A": Q, "size": size, "axis": 0}, seed, kind)
        found.append(np.abs(np.linalg.svd(SQ, compute_uv=False) - 1).max())
    return float(np.mean(found))


def run(session: Session) -> CaseReport:
    """Distortion of 50 columns with 4096 rows at 200, and times on dense and on sparse data."""
    n, r, size = session.size(4096, 256), session.size(50, 5), session.size(200, 40)
    rng = np.random.default_rng(0)
    subspaces = {"spread out": np.linalg.qr(rng.standard_normal((n, r)))[0], "few rows": np.eye(n, r)}
    dense = rng.standard_normal((session.size(131_072, 2000), session.size(200, 20)))
    sources = session.once("python_sources", data.python_sources)
    tasks = {
        "dense": {"A": dense, "size": session.size(2000, 100), "axis": 0},
        "sparse": {"A": sources[: session.size(sources.shape[0], 300)], "size": 100, "axis": 1},
    }
    rows = [row for group, task in tasks.items() for row in _times(session, group, task)]
    seeds = session.size(_SEEDS, 2)
    for row in rows[: len(_KINDS)]:
        row.errors = {name: distortion(row.name, Q, size, seeds) for name, Q in subspaces.items()}
    facts = {name: [*task["A"].shape, "to", task["size"]] for name, task in tasks.items()}
    notes = [f"errors: distortion of {r} orthonormal columns with {n} rows, sketched to {size}."]
    return CaseReport(facts, rows, [], reference="SparseSign", notes=notes)


def _times(session: Session, group: str, task: dict[str, Any]) -> list[Row]:
    contenders = [Contender(kind, compress, "task", {"kind": kind}) for kind in _KINDS]
    times = time_interleaved(contenders, {"task": task}, session.repeats, settle=session.settle)
    rows = [Row(one.name, one.describe(), group=group, times=times[one.name]) for one in contenders]
    for row in rows:
        row.seconds = median(row.times)
    return rows


CASES: tuple[Case, ...] = (
    Case("kinds", "distortion and time of every kind of sketch, as in the guide", run),
)
