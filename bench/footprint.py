"""Peak memory of sparse factorizations against the size of what they return."""

from __future__ import annotations

from typing import Any

from bench import data, memory, peers
from bench.contest import sparse_bytes
from bench.harness import Bar, CaseReport, Contender, Row
from bench.session import Session

_LIMIT = 2.5


def run(session: Session) -> CaseReport:
    """Factor the Python sources at rank 50, and a matrix much larger than its factors at rank 10."""
    rows_count, columns = session.size(20_000, 2000), session.size(5000, 500)
    sources = session.once("python_sources", data.python_sources)
    heavy = data.uniform_sparse(rows_count, columns, session.size(500, 50), decay=True)
    rows: list[Row] = []
    bars: list[Bar] = []
    notes: list[str] = []
    for label, matrix, rank in (("python_sources", sources, 50), ("500 a row", heavy, 10)):
        found, bar, note = _one(session, label, matrix, rank)
        rows += found
        bars += bar
        notes.append(note)
    facts = {"shapes": [list(sources.shape), list(heavy.shape)], "dtype": "float64"}
    return CaseReport(facts, rows, bars, notes=notes)


def _one(session: Session, label: str, matrix: Any, rank: int) -> tuple[list[Row], list[Bar], str]:
    contenders = (
        Contender("corange", peers.corange, "csr", {"rank": rank}),
        Contender("scipy propack", peers.scipy_svds, "csr", {"rank": rank, "solver": "propack", "tol": 1e-2}),
        Contender("sklearn randomized_svd", peers.randomized_svd, "csr", {"rank": rank}),
    )
    path = data.store(matrix, session.folder, label.replace(" ", "-"))
    weights = [memory.measure(contender, path) for contender in contenders]
    path.unlink()
    rows = []
    for contender, weight in zip(contenders, weights, strict=True):
        row = Row(contender.name, contender.describe(), group=label, passes=weight.get("passes"))
        row.peak_extra_bytes = weight.get("extra")
        if row.peak_extra_bytes is None:
            row.status, row.note = "failed", weight.get("error", "no memory counters here")
        rows.append(row)
    bar, note = _judge(label, matrix, rank, weights[0])
    return rows, [bar], note


def _judge(label: str, matrix: Any, rank: int, weight: dict[str, Any]) -> tuple[Bar, str]:
    """Set our extra memory against 2.5 times the factors plus the basis once."""
    factors = matrix.dtype.itemsize * rank * (sum(matrix.shape) + 1)
    note = f"{label}: factors {factors / 1e6:.1f} MB, A itself {sparse_bytes(matrix) / 1e6:.1f} MB"
    text = f"{label}: extra memory over ({_LIMIT} x factors + basis)"
    if "extra" not in weight:
        return Bar(text, 1.0, None), note
    extra, basis = weight["extra"], _basis_bytes(matrix, weight)
    note += f", basis {basis / 1e6:.1f} MB; extra over (factors + basis): {extra / (factors + basis):.2f}"
    return Bar(text, 1.0, extra / (_LIMIT * factors + basis)), note


def _basis_bytes(matrix: Any, weight: dict[str, Any]) -> int:
    """Block Lanczos has one basis, on the shorter side; rows are contiguous, so all its room is touched."""
    entry_bytes = 4 if "float32" in weight["detail"] else 8
    return int(entry_bytes * weight["basis"] * min(matrix.shape))
