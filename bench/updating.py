"""Updates of a truncated SVD against refits, gensim, IncSVD, scikit-learn, and vectors of full length."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp

from bench import data, peers
from bench.harness import Bar, CaseReport, Row, median, timed
from bench.session import Case, Session

_LEADING = 16
_DIRECTIONS = 10


def _text(session: Session) -> tuple[sp.csr_matrix, list[sp.csr_matrix]]:
    """Take python_sources in the order of its modules: the first half, then ten batches."""
    X = session.once("python_sources", data.python_sources)
    X = data.miniature(X) if session.quick else X
    edges = np.linspace(X.shape[0] // 2, X.shape[0], 11).astype(int)
    return X[: edges[0]], [X[a:b] for a, b in pairwise(edges)]


def stream_corange(first: Any, batches: Any, rank: int, **settings: Any) -> np.ndarray:
    """``IncrementalSVD``, read once at the end."""
    import corange as cr

    model = cr.IncrementalSVD(rank, random_state=0, **settings).fit(first)
    for batch in batches:
        model.partial_fit(batch)
    return model.singular_values_


def stream_gensim(first: Any, batches: Any, rank: int) -> np.ndarray:
    """``LsiModel``, with its defaults but the chunks of the stream."""
    from gensim.matutils import Sparse2Corpus
    from gensim.models import LsiModel

    model = LsiModel(Sparse2Corpus(sp.csc_matrix(first.T)), num_topics=rank, chunksize=first.shape[0])
    for batch in batches:
        model.add_documents(Sparse2Corpus(sp.csc_matrix(batch.T)))
    return model.projection.s


def stream_incsvd(first: Any, batches: Any, rank: int, method: str) -> np.ndarray:
    """Run the code of the authors of the extended decomposition."""
    from IncSVD.EvolvingMatrix import EvolvingMatrix

    options = {"l": _DIRECTIONS} if method == "GKL" else {"l": _DIRECTIONS, "t": 3}
    with contextlib.redirect_stdout(io.StringIO()):
        matrix = EvolvingMatrix(sp.csr_matrix(first), rank, sparse=True, method=method)
        for batch in batches:
            matrix.add_row(sp.csr_matrix(batch), **options)
    return np.sort(np.asarray(matrix.Sigmak))[::-1]


def _text_case(session: Session) -> CaseReport:
    """Time of all, with the first decomposition; errors of the singular values in the end."""
    import corange as cr

    first, batches = _text(session)
    rank = session.size(64, 20)
    truth = cr.svd(sp.vstack([first, *batches], "csr"), rank, tol=1e-6, random_state=0).s
    fast = {"buffer": 8, "size": session.size(12, 8), "keep_left": True}  # IncSVD keeps it too
    jobs: dict[str, Callable[[], np.ndarray]] = {
        "corange": lambda: stream_corange(first, batches, rank),
        "corange, fast": lambda: stream_corange(first, batches, rank, **fast),
    }
    if peers.available("IncSVD"):
        jobs["IncSVD GKL"] = lambda: stream_incsvd(first, batches, rank, "GKL")
        jobs["IncSVD RPI"] = lambda: stream_incsvd(first, batches, rank, "RPI")
    if peers.available("gensim"):
        jobs["gensim"] = lambda: stream_gensim(first, batches, rank)
    rows = {name: Row(name, "") for name in jobs}
    for turn in range(session.repeats):
        for name, job in jobs.items():
            if name == "gensim" and turn:
                continue
            seconds, s = timed(job)
            rows[name].times.append(seconds)
            off = np.abs(s[:rank] / truth[: s[:rank].size] - 1)
            rows[name].errors = {"16": float(off[:_LEADING].max()), "all": float(off.max())}
    for row in rows.values():
        row.seconds = median(row.times)
    bars = [
        Bar(f"largest error of {_LEADING} leading values", 0.02, rows["corange"].errors["16"]),
        Bar(f"largest error of {rank} values", 0.05, rows["corange"].errors["all"]),
        Bar("time over gensim's", 0.2, _ratio(rows, "corange", "gensim")),
        Bar("time over IncSVD's", 1.0, _ratio(rows, "corange", "IncSVD GKL")),
        Bar("fast setting: time over IncSVD's", 1 / 3, _ratio(rows, "corange, fast", "IncSVD GKL")),
        Bar("fast setting: error over IncSVD's", 1.05, _worse(rows, "corange, fast", "IncSVD GKL")),
    ]
    shape = [first.shape[0] + sum(batch.shape[0] for batch in batches), first.shape[1]]
    facts = {"shape": shape, "rank": rank, "batches": len(batches), "threads": session.threads}
    return CaseReport(facts, list(rows.values()), bars, reference="IncSVD GKL")


def _ratio(rows: dict[str, Row], name: str, other: str) -> float | None:
    if other not in rows or not rows[other].seconds:
        return None
    return (rows[name].seconds or 0.0) / rows[other].seconds


def _worse(rows: dict[str, Row], name: str, other: str) -> float | None:
    if other not in rows:
        return None
    return max(rows[name].errors[key] / rows[other].errors[key] for key in ("16", "all"))


def _refit(session: Session) -> CaseReport:
    """Refit with all data at hand at each step: from the vectors of the last one, and from nothing."""
    import corange as cr

    first, batches = _text(session)
    rank = session.size(64, 10)
    parts, worst, last = [first], 0.0, cr.svd(first, rank, random_state=0)
    names = ("corange, warm", "corange, from nothing", "scipy propack")
    warm, cold, theirs = rows = [Row(name, "") for name in names]
    for step, batch in enumerate(batches):
        parts.append(batch)
        A = sp.vstack(parts, "csr")
        jobs = (
            lambda A=A, start=last: cr.svd(A, rank, start=start, random_state=0),
            lambda A=A: cr.svd(A, rank, random_state=0),
            lambda A=A: peers.scipy_svds(A, rank, 0, "propack", 1e-3),
        )
        results = {}
        for turn in range(len(jobs)):  # the first one finds A in no cache
            which = (step + turn) % len(jobs)
            seconds, results[which] = timed(jobs[which])
            rows[which].times.append(seconds)
        last = results[0]
        worst = max(worst, float(np.abs(last.s / results[2].s - 1).max()))
    for row in rows:
        row.seconds = sum(row.times)
    warm.errors = {"sigma": worst}
    bars = [
        Bar("warm refit: time over propack's", 0.25, warm.seconds / theirs.seconds),
        Bar("warm refit: time over that from nothing", 1.0, warm.seconds / cold.seconds),
    ]
    facts = {"rank": rank, "batches": len(batches), "threads": session.threads}
    return CaseReport(facts, rows, bars, reference="scipy propack")


def _sparse_rows(rng: np.random.Generator, rows: int, columns: int, each: int) -> sp.csr_array:
    indices = np.sort(rng.integers(0, columns, (rows, each)), axis=1).ravel()
    pointers = np.arange(0, rows * each + 1, each)
    return sp.csr_array((rng.standard_normal(rows * each), indices, pointers), shape=(rows, columns))


def _batches(rng: np.random.Generator, count: int, columns: int) -> Iterator[sp.csr_array]:
    for _ in range(count):
        yield _sparse_rows(rng, 100, columns, 20)


def _start(m: int, n: int, rank: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    U, V = (np.linalg.qr(rng.standard_normal((size, rank)))[0] for size in (m, n))
    return U, np.linspace(30, 10, rank), V


def _large(session: Session) -> CaseReport:
    """Time of one batch; the first factors are any, since only their size matters."""
    from corange._updating import EvolvingSVD
    from corange._updating._blocks import as_block

    m, n, rank = session.size(1_000_000, 600), session.size(100_000, 400), session.size(64, 5)
    rows: dict[str, Row] = {}
    U, s, V = _start(m, n, rank)
    pairs = (
        ("extended", "zha-simon"),
        ("extended-gkl", "vecharynski-saad"),
        ("extended-rpi", "yamazaki"),
    )
    for method in (name for pair in pairs for name in pair):
        state = EvolvingSVD(U, s, V, rank=rank, method=method, size=_DIRECTIONS)
        fast = method.startswith("extended")
        row = rows[method] = Row("corange " + method, f"size={_DIRECTIONS}")
        for E in _batches(np.random.default_rng(1), 1 + (8 if fast else 2), n):
            row.times.append(timed(lambda E=E, state=state: state.append_rows(as_block(E, "rows")))[0])
        row.seconds = median(row.times[1:])  # the first grows the buffers
        del state
    if peers.available("IncSVD"):
        rows["IncSVD GKL"] = _large_incsvd(U, s, V, n)
    small = EvolvingSVD(*_start(max(m // 10, rank), max(n // 10, rank), rank), rank=rank, method="extended")
    times = [
        timed(lambda E=E: small.append_rows(as_block(E, "rows")))[0]
        for E in _batches(np.random.default_rng(1), 9, small.right.shape[0])
    ]
    flat = (rows["extended"].seconds or 0.0) / median(times[1:])
    bars = [Bar(f"{slow} over {fast}", 10, _ratio(rows, slow, fast), at_least=True) for fast, slow in pairs]
    bars.append(Bar("IncSVD over corange, GKL", 3, _inverse(rows, "IncSVD GKL"), at_least=True))
    bars.append(Bar("time over that with a tenth of the rows and columns", 1.5, flat))
    facts = {"shape": [m, n], "rank": rank, "batch": "100 rows of 20 entries", "threads": session.threads}
    return CaseReport(facts, list(rows.values()), bars, reference="corange zha-simon")


def _inverse(rows: dict[str, Row], peer: str) -> float | None:
    if peer not in rows or not rows[peer].seconds:
        return None
    return rows[peer].seconds / (rows["extended-gkl"].seconds or np.inf)


def _large_incsvd(U: np.ndarray, s: np.ndarray, V: np.ndarray, n: int) -> Row:
    """Give IncSVD the factors that it would compute first."""
    from IncSVD.EvolvingMatrix import EvolvingMatrix

    row = Row("IncSVD GKL", f"l={_DIRECTIONS}")
    rank = s.size
    with contextlib.redirect_stdout(io.StringIO()):
        matrix = EvolvingMatrix(_sparse_rows(np.random.default_rng(2), 200, n, 20).tocsr(), min(rank, 60))
        matrix._k_dim, matrix._m = rank, U.shape[0]
        matrix._method = 2
        matrix._Uk, matrix._sigmak, matrix._Vk = U.copy(), s.copy(), V.copy()
        matrix._Ku, matrix._Kv = np.eye(rank), np.eye(rank)
        matrix._inverted_index = [0] * (max(U.shape[0], n) + 10_000)
        for E in _batches(np.random.default_rng(1), 6, n):
            B = sp.csr_matrix(E)
            row.times.append(timed(lambda B=B: matrix.add_row(B, l=_DIRECTIONS))[0])
    row.seconds = median(row.times[1:])
    return row


def _dense_pieces(rng: np.random.Generator, n: int, pieces: int, count: int, size: int) -> Iterator[Any]:
    """Make a stream of batches, some at a time: few strong directions, noise, and a mean."""
    mix = rng.standard_normal((n // 4, n)) / np.arange(1, n // 4 + 1)[:, np.newaxis] ** 0.7
    for _ in range(pieces):
        yield [
            rng.standard_normal((size, n // 4)) @ mix + 0.1 * rng.standard_normal((size, n)) + 1.0
            for _ in range(count)
        ]


def _dense(session: Session) -> CaseReport:
    """Centered, 50 components, against IncrementalPCA; each takes ten batches at a time.

    Turns of one batch would be played while the other's threads, and those that made the batch, still spin.
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
            rows[name].seconds += timed(lambda name=name, batches=batches: _feed(models[name], batches))[0]
    m = pieces * count * size
    truth = np.linalg.eigvalsh((scatter - np.outer(total, total) / m) / (m - 1))[-rank:].sum()
    for name, model in models.items():
        rows[name].errors = {"variance": float(1 - model.explained_variance_.sum() / truth)}
    ours, theirs = (row.errors["variance"] for row in rows.values())
    bars = [
        Bar("speed over IncrementalPCA", 5, _ratio(rows, "sklearn IncrementalPCA", "corange"), at_least=True),
        Bar("part of the variance explained less", 1e-3, ours - theirs),
    ]
    facts = {"shape": [m, n], "rank": rank, "threads": session.threads}
    return CaseReport(facts, list(rows.values()), bars, reference="sklearn IncrementalPCA")


def _feed(model: Any, batches: list[np.ndarray]) -> None:
    for batch in batches:
        model.partial_fit(batch)


def _endurance(session: Session) -> CaseReport:
    """Run small updates of all kinds on a matrix that stays as large as it is."""
    from corange._updating import EvolvingSVD
    from corange._updating._blocks import as_block

    count, m, n, rank = session.size(100_000, 300), 300, 200, 8
    rng = np.random.default_rng(0)
    U, s, V = _start(m, n, rank)
    state = EvolvingSVD(U, s, V, rank=rank, method="extended")
    row = Row("corange extended", f"{count} updates of one row or rank")

    def run() -> None:
        for step in range(count):
            if step % 3 == 0:
                state.append_rows(as_block(_sparse_rows(rng, 1, n, 3), "rows"))
            elif step % 3 == 1:
                state.remove_rows(np.array([step % m]))
            else:
                D, E = (_sparse_rows(rng, 1, side.shape[0], 2) for side in (state.left, state.right))
                state.add_product(as_block(D, "D"), as_block(E, "E"))

    row.seconds = timed(run)[0] / count
    off = max(_orthogonality(side.whole()) for side in (state.left, state.right))
    row.errors = {"orthogonality": off}
    bars = [Bar("loss of orthogonality", 1e-9, off), Bar("values not finite", 0, _bad(state))]
    return CaseReport({"updates": count, "rank": rank}, [row], bars)


def _bad(state: Any) -> float:
    return float(sum(np.count_nonzero(~np.isfinite(x)) for x in (state.s, state.left.tall, state.right.tall)))


def _orthogonality(X: np.ndarray) -> float:
    return float(np.abs(X.T @ X - np.eye(X.shape[1])).max())


CASES: tuple[Case, ...] = (
    Case("text", "python_sources by modules: half, then 10 batches, rank 64", _text_case),
    Case("refit", "refit of python_sources after each of 10 batches", _refit),
    Case("large", "one batch of 100 sparse rows, 10^6 x 10^5, rank 64", _large),
    Case("dense", "dense stream, 100,000 x 1000 in batches of 500, rank 50", _dense),
    Case("endurance", "100,000 small updates", _endurance),
)
