"""A matrix on disk that is never loaded whole: memory, passes, time."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from bench import accuracy, data, memory, peers
from bench.harness import Bar, CaseReport, Contender, Row, attempt, median, time_interleaved
from bench.session import Session

_RANK, _TOLERANCE = 20, 1e-2
_FREE_BYTES = 6 * 10**9
_MEMORY_LIMIT = 500e6
_PASSES_LIMIT = 4
# tol=1e-2 of the largest singular value is a fifth of the twentieth; its square is what the value is off
_GATE = {"sigma": 4e-2}


def run(session: Session) -> CaseReport:
    """One float32 file of 1,000,000 x 1000, singular values 1/i (rank 100) plus noise."""
    rows, columns = session.size(1_000_000, 20_000), session.size(1000, 200)
    free = shutil.disk_usage(session.folder).free
    if free < _FREE_BYTES and not session.quick:
        note = f"SKIPPED: {free / 1e9:.1f} GB free in {session.folder}, {_FREE_BYTES / 1e9:.0f} GB needed"
        return CaseReport({}, [], _bars(None, {}), notes=[note])
    path = session.folder / "matrix.npy"
    try:
        session.log("writing the file ...")
        data.write_decaying_file(path, rows, columns, rank=100, noise=1e-6)
        return _measure(session, path)
    finally:
        path.unlink(missing_ok=True)


def _measure(session: Session, path: Path) -> CaseReport:
    matrix = np.load(path, mmap_mode="r")
    session.log("computing the reference ...")
    reference = accuracy.streamed_reference(matrix)
    ours = Contender("corange", peers.corange, "mapped", {"rank": _RANK, "tol": _TOLERANCE})
    theirs = Contender("sklearn randomized_svd", peers.randomized_svd, "mapped", {"rank": _RANK})
    weights: dict[str, dict[str, Any]] = {}
    rows = []
    for contender in (ours, theirs):
        session.log(f"{contender.name} ...")
        row, answer = attempt(contender, {"mapped": matrix}, session.seeds[0])
        rows.append(row)
        if answer is not None:
            row.errors = reference.errors(answer)
            row.status = "compared" if accuracy.within(row.errors, _GATE) else "inaccurate"
            row.passes, row.products, row.note = answer.passes, answer.products, answer.detail
            weights[row.name] = memory.measure(contender, path)
            row.peak_extra_bytes = weights[row.name].get("extra")
    able = [c for c, row in zip((ours, theirs), rows, strict=True) if row.status == "compared"]
    times = time_interleaved(able, {"mapped": matrix}, session.repeats, session.seeds, session.settle)
    for row in rows:
        row.times = times.get(row.name, [])
        row.seconds = median(row.times)
        if row.seconds and row.passes:
            row.gbytes_per_second = 1e-9 * matrix.nbytes * row.passes / row.seconds
            row.ceiling_fraction = row.gbytes_per_second / session.ceilings["read"]
    facts = {"shape": list(matrix.shape), "dtype": str(matrix.dtype), "bytes": matrix.nbytes, "rank": _RANK}
    notes = [
        f"{name}: process at its peak {w['total'] / 1e6:.0f} MB"
        for name, w in weights.items()
        if "total" in w
    ]
    notes.append("the file is in the page cache when time is taken; memory counts mapped pages too")
    bars = _bars(rows[0], weights.get(ours.name, {}))
    return CaseReport(facts, rows, bars, theirs.name, _GATE, notes)


def _bars(row: Row | None, weight: dict[str, Any]) -> list[Bar]:
    return [
        Bar("peak memory of the whole process, bytes", _MEMORY_LIMIT, weight.get("total")),
        Bar("passes over the file", _PASSES_LIMIT, row.passes if row else None),
    ]
