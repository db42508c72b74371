"""Products of tall sparse matrices from stand-ins of equal size: samples of rows against linear sketches."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from bench.harness import Bar, CaseReport, Row, median, timed
from bench.session import Case, Session

_OURS = ("corange, priority", "corange, threshold")
_SKETCHES = ("scipy, CountSketch", "numpy, Gaussian (JL)")
_TIMES_BETTER = 5.0
_PER_ROW = 20
_SEEDS = 20
# Numbers that a kept nonzero costs: its value, and half a number for its index.
_INDEXED = 1.5


def inputs(rows: int, columns: int, spread: float) -> tuple[sp.csr_array, sp.csr_array]:
    """Two matrices with 20 nonzeros a row, half of them in the same columns and correlated.

    The logarithms of the lengths of rows have this spread; a row is about as long in both.
    """
    rng = np.random.default_rng(0)
    lengths = rng.lognormal(0.0, spread, (rows, 1))
    same = _PER_ROW // 2
    first = np.argpartition(rng.random((rows, columns)), 2 * _PER_ROW, axis=1)[:, : 2 * _PER_ROW]
    values = rng.standard_normal((rows, _PER_ROW)) * lengths
    noise = rng.standard_normal((rows, _PER_ROW)) * lengths
    noise[:, :same] = values[:, :same] + 0.5 * noise[:, :same]
    second = np.concatenate([first[:, :same], first[:, _PER_ROW : 2 * _PER_ROW - same]], axis=1)
    starts = np.arange(0, rows * _PER_ROW + 1, _PER_ROW)
    shape = (rows, columns)
    A = sp.csr_array((values.ravel(), first[:, :_PER_ROW].ravel(), starts), shape=shape)
    B = sp.csr_array((noise.ravel(), second.ravel(), starts), shape=shape)
    return A, B


def sampled(A: Any, B: Any, numbers: int, seed: int, method: str) -> Any:
    """Combine samples made one after the other, of as many rows as the numbers pay for."""
    import corange

    size = int(numbers / (_INDEXED * _PER_ROW))
    make = corange.sketching.CoordinatedSample
    first, second = (make(M, size, method=method, random_state=seed) for M in (A, B))
    return (first @ second).toarray()


def count_sketch(A: Any, B: Any, numbers: int, seed: int) -> Any:
    """SciPy's CountSketch of both, with the same seed."""
    from scipy.linalg import clarkson_woodruff_transform

    size = numbers // A.shape[1]
    first, second = (clarkson_woodruff_transform(M.tocsc(), size, seed) for M in (A, B))
    return (first.T @ second).toarray()


def gaussian(A: Any, B: Any, numbers: int, seed: int) -> Any:
    """Multiply both with the same Gaussian matrix."""
    size = numbers // A.shape[1]
    S = np.random.default_rng(seed).standard_normal((size, A.shape[0])) / np.sqrt(size)
    return np.asarray(S @ A).T @ np.asarray(S @ B)


def run(session: Session) -> CaseReport:
    """Mean error over seeds, relative to the norms of both matrices, at two sizes and two overlaps."""
    shape = session.size(20_000, 500), session.size(1000, 200)
    rows, bars = [], []
    for lengths, spread in (("even", 0.0), ("uneven", 1.0)):
        A, B = session.once(f"sparse pair, {lengths} rows", lambda: inputs(*shape, spread))  # noqa: B023
        exact = (A.T @ B).toarray()
        for size in (session.size(500, 50), session.size(2000, 200)):
            group = f"{lengths} rows, {size} of them"
            found = _one_size(session, A, B, exact, int(_INDEXED * _PER_ROW * size), group)
            rows += found
            bars.append(_bar(found, group))
    facts = {"shape": list(shape), "nonzeros a row": _PER_ROW, "seeds": _seeds(session)}
    notes = [
        "error: mean over seeds of ||W - A'B||_F / (||A||_F ||B||_F).",
        "Equal size: a nonzero costs 1.5 numbers (a 32-bit index too), a row of a linear sketch its columns.",
        "For rows of even length the ratio is about the square root of columns / 30, by theory.",
    ]
    return CaseReport(facts, rows, bars, reference=_SKETCHES[0], notes=notes)


def _one_size(session: Session, A: Any, B: Any, exact: np.ndarray, numbers: int, group: str) -> list[Row]:
    calls = {
        _OURS[0]: lambda seed: sampled(A, B, numbers, seed, "priority"),
        _OURS[1]: lambda seed: sampled(A, B, numbers, seed, "threshold"),
        _SKETCHES[0]: lambda seed: count_sketch(A, B, numbers, seed),
        _SKETCHES[1]: lambda seed: gaussian(A, B, numbers, seed),
    }
    whole = np.sqrt(A.power(2).sum() * B.power(2).sum())
    rows = []
    for name, call in calls.items():
        row, errors = Row(name, f"{numbers} numbers", group=group), []
        for seed in range(_seeds(session)):
            seconds, product = timed(lambda: call(seed))  # noqa: B023
            row.times.append(seconds)
            errors.append(float(np.linalg.norm(product - exact)) / whole)
        row.seconds, row.errors = median(row.times), {"error": float(np.mean(errors))}
        rows.append(row)
    return rows


def _bar(rows: list[Row], group: str) -> Bar:
    errors = {row.name: row.errors["error"] for row in rows}
    best = min(errors[name] for name in _SKETCHES)
    text = f"{group}: error of the best linear sketch over ours"
    return Bar(text, _TIMES_BETTER, best / errors[_OURS[0]], at_least=True)


def _seeds(session: Session) -> int:
    return session.size(_SEEDS, 3)


CASES: tuple[Case, ...] = (
    Case("products", "A'B from stand-ins of equal size, 20 nonzeros a row, against linear sketches", run),
)
