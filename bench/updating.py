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
from bench.updating_streams import dense, endurance, kills, ratio, sparse_rows, start

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
    """Time of all, with the first decomposition; errors of the values in the end, medians of all turns."""
    import corange as cr

    first, batches = _text(session)
    rank = session.size(64, 20)
    truth = cr.svd(sp.vstack([first, *batches], "csr"), rank, tol=1e-6, random_state=0).s
    fast = {"buffer": 8, "size": session.size(16, 8), "keep_left": True}  # IncSVD keeps it too
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
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in jobs}
    for turn in range(session.repeats):
        for name, job in jobs.items():
            if name == "gensim" and turn:
                continue
            np.random.seed(turn)  # noqa: NPY002  IncSVD starts from NumPy's global generator
            seconds, s = timed(job)
            rows[name].times.append(seconds)
            off = np.abs(s[:rank] / truth[: s[:rank].size] - 1)
            found[name].append((float(off[:_LEADING].max()), float(off.max())))
    for name, row in rows.items():
        row.seconds = median(row.times)
        leading, every = zip(*found[name], strict=True)
        row.errors = {"16": median(leading), "all": median(every)}
    bars = [
        Bar(f"largest error of {_LEADING} leading values", 0.02, rows["corange"].errors["16"]),
        Bar(f"largest error of {rank} values", 0.05, rows["corange"].errors["all"]),
        Bar("time over gensim's", 0.2, ratio(rows, "corange", "gensim")),
        Bar("time over IncSVD's", 1.0, ratio(rows, "corange", "IncSVD GKL")),
        Bar("fast setting: time over IncSVD's", 1 / 3, ratio(rows, "corange, fast", "IncSVD GKL")),
        Bar("fast setting: error over IncSVD's", 1.0, _worse(rows, "corange, fast", "IncSVD GKL")),
    ]
    shape = [first.shape[0] + sum(batch.shape[0] for batch in batches), first.shape[1]]
    facts = {"shape": shape, "rank": rank, "batches": len(batches), "threads": session.threads}
    return CaseReport(facts, list(rows.values()), bars, reference="IncSVD GKL")


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


def _batches(rng: np.random.Generator, count: int, columns: int) -> Iterator[sp.csr_array]:
    for _ in range(count):
        yield sparse_rows(rng, 100, columns, 20)


def _large(session: Session) -> CaseReport:
    """Time of one batch; the first factors are any, since only their size matters.

    Much of IncSVD's time here goes into ``np.append``, with which its `add_row` copies all of U every batch.
    """
    from corange._updating import EvolvingSVD
    from corange._updating._blocks import as_block

    m, n, rank = session.size(1_000_000, 600), session.size(100_000, 400), session.size(64, 5)
    rows: dict[str, Row] = {}
    U, s, V = start(m, n, rank)
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
    small = EvolvingSVD(*start(max(m // 10, rank), max(n // 10, rank), rank), rank=rank, method="extended")
    times = [
        timed(lambda E=E: small.append_rows(as_block(E, "rows")))[0]
        for E in _batches(np.random.default_rng(1), 9, small.right.shape[0])
    ]
    flat = (rows["extended"].seconds or 0.0) / median(times[1:])
    bars = [Bar(f"{slow} over {fast}", 10, ratio(rows, slow, fast), at_least=True) for fast, slow in pairs]
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
        matrix = EvolvingMatrix(sparse_rows(np.random.default_rng(2), 200, n, 20).tocsr(), min(rank, 60))
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


CASES: tuple[Case, ...] = (
    Case("text", "python_sources by modules: half, then 10 batches, rank 64", _text_case),
    Case("refit", "refit of python_sources after each of 10 batches", _refit),
    Case("large", "one batch of 100 sparse rows, 10^6 x 10^5, rank 64", _large),
    Case("dense", "dense stream, 100,000 x 1000 in batches of 500, rank 50", dense),
    Case("endurance", "100,000 small updates", endurance),
    Case("kills", "a stream of python_sources killed at 50 random moments, and resumed", kills),
)
