"""Streams: dense rows against IncrementalPCA, a hundred thousand small updates, kills at random moments."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from bench import data
from bench.harness import Bar, CaseReport, Row, timed
from bench.session import Session

_STATUS = Path("/proc/self/status")


def ratio(rows: dict[str, Row], name: str, other: str) -> float | None:
    """Time of one row over that of another; None where the other was not measured."""
    if other not in rows or not rows[other].seconds:
        return None
    return (rows[name].seconds or 0.0) / rows[other].seconds


def sparse_rows(rng: np.random.Generator, rows: int, columns: int, each: int) -> sp.csr_array:
    """Make rows with some entries each."""
    indices = np.sort(rng.integers(0, columns, (rows, each)), axis=1).ravel()
    pointers = np.arange(0, rows * each + 1, each)
    return sp.csr_array((rng.standard_normal(rows * each), indices, pointers), shape=(rows, columns))


def start(m: int, n: int, rank: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make factors of any matrix of this size."""
    rng = np.random.default_rng(0)
    U, V = (np.linalg.qr(rng.standard_normal((size, rank)))[0] for size in (m, n))
    return U, np.linspace(30, 10, rank), V


def _dense_pieces(rng: np.random.Generator, n: int, pieces: int, count: int, size: int) -> Iterator[Any]:
    """Make a stream of batches, some at a time: few strong directions, noise, and a mean."""
    mix = rng.standard_normal((n // 4, n)) / np.arange(1, n // 4 + 1)[:, np.newaxis] ** 0.7
    for _ in range(pieces):
        yield [
            rng.standard_normal((size, n // 4)) @ mix + 0.1 * rng.standard_normal((size, n)) + 1.0
            for _ in range(count)
        ]


def dense(session: Session) -> CaseReport:
    """Centered, 50 components, against IncrementalPCA.

    Each takes ten batches at a time, after a pause: in turns of one batch they would compute against threads
    of the other's library, and of the one that made the batch, which go on spinning.
    """
    from sklearn.decomposition import IncrementalPCA

    import corange as cr

    n, rank = session.size(1000, 60), session.size(50, 5)
    pieces, count, size = session.size(20, 2), session.size(10, 2), session.size(500, 100)
    models = {
        "corange": cr.IncrementalSVD(rank, center=True, random_state=0),
        "sklearn IncrementalPCA": IncrementalPCA(rank),
    }
    rows = {name: Row(name, f"batches of {size}", seconds=0.0) for name in models}
    scatter, total = np.zeros((n, n)), np.zeros(n)
    for turn, batches in enumerate(_dense_pieces(np.random.default_rng(0), n, pieces, count, size)):
        for X in batches:
            scatter, total = scatter + X.T @ X, total + X.sum(axis=0)
        for name in sorted(models, reverse=bool(turn % 2)):
            time.sleep(session.settle)
            rows[name].seconds += timed(lambda name=name, batches=batches: _feed(models[name], batches))[0]
    m = pieces * count * size
    truth = np.linalg.eigvalsh((scatter - np.outer(total, total) / m) / (m - 1))[-rank:].sum()
    for name, model in models.items():
        rows[name].errors = {"variance": float(1 - model.explained_variance_.sum() / truth)}
    ours, theirs = (row.errors["variance"] for row in rows.values())
    bars = [
        Bar("speed over IncrementalPCA", 5, ratio(rows, "sklearn IncrementalPCA", "corange"), at_least=True),
        Bar("part of the variance explained less", 1e-3, ours - theirs),
    ]
    facts = {"shape": [m, n], "rank": rank, "threads": session.threads}
    return CaseReport(facts, list(rows.values()), bars, reference="sklearn IncrementalPCA")


def _feed(model: Any, batches: list[np.ndarray]) -> None:
    for batch in batches:
        model.partial_fit(batch)


def endurance(session: Session) -> CaseReport:
    """Run small updates of all kinds on a matrix that stays as large as it is."""
    from corange._updating import EvolvingSVD

    count, m, n, rank = session.size(100_000, 300), 300, 200, 8
    state = EvolvingSVD(*start(m, n, rank), rank=rank, method="extended")
    rng = np.random.default_rng(0)
    row = Row("corange extended", f"{count} updates of one row or rank", seconds=0.0)
    memory = []
    for part in np.array_split(np.arange(count), 5):
        row.seconds += timed(lambda part=part: _small_updates(state, part, m, rng))[0] / count
        memory.append(_resident_bytes())
    off = max(_orthogonality(side.whole()) for side in (state.left, state.right))
    row.errors = {"orthogonality": off}
    bars = [
        Bar("loss of orthogonality", 1e-9, off),
        Bar("values not finite", 0, _bad(state)),
        Bar("growth of memory after the first fifth, MB", 4, (memory[-1] - memory[0]) / 2**20),
    ]
    return CaseReport({"updates": count, "rank": rank}, [row], bars)


def _small_updates(state: Any, steps: np.ndarray, m: int, rng: np.random.Generator) -> None:
    """Append a row, remove one, add a product of rank one, in turn."""
    from corange._updating._blocks import as_block

    for step in steps:
        if step % 3 == 0:
            state.append_rows(as_block(sparse_rows(rng, 1, state.right.shape[0], 3), "rows"))
        elif step % 3 == 1:
            state.remove_rows(np.array([step % m]))
        else:
            D, E = (sparse_rows(rng, 1, side.shape[0], 2) for side in (state.left, state.right))
            state.add_product(as_block(D, "D"), as_block(E, "E"))


def _resident_bytes() -> int:
    """Memory of this process; 0 where the kernel does not tell."""
    if not _STATUS.exists():
        return 0
    line = next(text for text in _STATUS.read_text().splitlines() if text.startswith("VmRSS:"))
    return 1024 * int(line.split()[1])


def _bad(state: Any) -> float:
    return float(sum(np.count_nonzero(~np.isfinite(x)) for x in (state.s, state.left.tall, state.right.tall)))


def _orthogonality(X: np.ndarray) -> float:
    return float(np.abs(X.T @ X - np.eye(X.shape[1])).max())


def kills(session: Session) -> CaseReport:
    """Kill a stream that saves a checkpoint after each batch, at random moments; resume, and kill again.

    Each time a stream has come to its end, its factors are compared with those of one that nobody killed, and
    the next stream begins.
    """
    X = session.once("python_sources", data.python_sources)
    X = data.miniature(X) if session.quick else X
    wanted, rank = session.size(50, 1), session.size(64, 5)
    size = -(-X.shape[0] // 40)
    rows, whole, killed = (session.folder / f"{name}.npz" for name in ("rows", "whole", "killed"))
    sp.save_npz(rows, X)
    seconds, _ = timed(lambda: _run_to_the_end(rows, whole, rank, size))
    row = Row("corange", f"batches of {size} rows, {wanted} kills", seconds=seconds)
    rng, count, ends, differ = np.random.default_rng(0), 0, 0, 0
    while count < wanted or killed.exists():
        patience = rng.uniform(0, min(seconds / 4, 2.0)) if count < wanted else None
        if _run_to_the_end(rows, killed, rank, size, patience):
            ends, differ = ends + 1, differ + (not _same_bits(whole, killed))
            killed.unlink()
        else:
            count += 1
    row.note = f"{count} kills, {ends} streams came to their end"
    bars = [
        Bar("kills", wanted, count, at_least=True),
        Bar("streams whose factors differ from those of a stream that was not killed", 0, differ),
    ]
    return CaseReport({"shape": list(X.shape), "rank": rank, "kills": count}, [row], bars)


def stream_to_the_end(rows: str, checkpoint: str, rank: int, size: int) -> None:
    """Go on from a checkpoint, or from nothing, and save one after each batch; for a process of its own."""
    import corange as cr

    X = sp.load_npz(rows)
    path = Path(checkpoint)
    model = cr.load(path) if path.exists() else cr.IncrementalSVD(rank, random_state=0)
    print("ready", flush=True)
    for begin in range(getattr(model, "n_samples_seen_", 0), X.shape[0], size):
        model.partial_fit(X[begin : begin + size]).save(path)


def _run_to_the_end(
    rows: Path, checkpoint: Path, rank: int, size: int, patience: float | None = None
) -> bool:
    """Run it in a process, which is killed so many seconds after it is ready; tell whether it came first."""
    code = (
        "from bench.updating_streams import stream_to_the_end as run; "
        f"run({str(rows)!r}, {str(checkpoint)!r}, {rank}, {size})"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        if patience is not None:
            time.sleep(patience)
            process.kill()
        return process.wait() == 0


def _same_bits(one: Path, other: Path) -> bool:
    """Whether two checkpoints hold the same arrays, to the last bit."""
    with np.load(one) as a, np.load(other) as b:
        return set(a.files) == set(b.files) and all(
            a[name].tobytes() == b[name].tobytes() for name in a.files
        )
