"""Nonnegative factorizations by rows: Kullback-Leibler on text, missing entries, separable columns."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from bench import data, memory
from bench.harness import Bar, CaseReport, Contender, Row, timed
from bench.session import Case, Session

_KL_TIMES = 10.0
_PEER_ITERATIONS = 100
_MASKED_SECONDS, _MASKED_MEMORY = 2.0, 3.0
_STREAM_FRACTION = 0.5


def kullback_leibler(session: Session) -> CaseReport:
    """Time to the objective that scikit-learn's multiplicative updates reach in 100 iterations."""
    from sklearn.decomposition import NMF

    import corange as cr

    rank, iterations = session.size(20, 4), session.size(_PEER_ITERATIONS, 10)
    X = session.once("python_sources, counts", lambda: _counts(session))
    W, H = _start(X, rank)
    peer = NMF(rank, beta_loss="kullback-leibler", solver="mu", init="custom", tol=0, max_iter=iterations)
    rows = [Row("scikit-learn", f"mu, {iterations} iterations")]
    rows[0].seconds, left = timed(lambda: peer.fit_transform(X, W=W.copy(), H=H.copy()))
    target = _objective(X, left, peer.components_)
    rows[0].errors = {"objective": target}
    for solver in ("cd", "mu"):
        row = Row("corange" if solver == "cd" else f"corange, {solver}", solver)
        row.seconds, result = timed(lambda: _until(cr, X, rank, solver, W, H, target))  # noqa: B023
        row.errors = {"objective": result.report.objective}
        row.note = f"{result.report.iterations} iterations"
        rows.insert(0 if solver == "cd" else 1, row)
    ratio = rows[-1].seconds / rows[0].seconds
    bar = Bar("times scikit-learn's speed to its objective", _KL_TIMES, ratio, at_least=True)
    return CaseReport({"shape": list(X.shape), "nonzeros": X.nnz, "rank": rank}, rows, [bar], "scikit-learn")


def _until(cr: Any, X: Any, rank: int, solver: str, W: Any, H: Any, target: float) -> Any:
    return cr.nmf(
        X,
        rank,
        loss="kullback-leibler",
        solver=solver,
        W=W,
        H=H,
        tol=0,
        max_iter=1000,
        callback=lambda info: info.objective <= target,
    )


def _counts(session: Session) -> sp.csr_matrix:
    import email

    import corange as cr

    folder = Path(email.__file__).parent if session.quick else None
    options: dict[str, Any] = {} if folder is None else {"folder": folder, "chunk_lines": 20}
    return sp.csr_matrix(cr.datasets.python_sources("counts", **options).data)


def _start(X: Any, rank: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    scale = np.sqrt(X.mean() / rank)
    return tuple(scale * np.abs(rng.standard_normal(s)) for s in ((X.shape[0], rank), (rank, X.shape[1])))


def _objective(X: Any, W: Any, H: Any) -> float:
    A = X.tocoo()
    z = np.concatenate(
        [
            np.einsum("ij,ji->i", W[A.row[s : s + 2**16]], H[:, A.col[s : s + 2**16]])
            for s in range(0, A.nnz, 2**16)
        ]
    )
    x = A.data.astype(float)
    return float((x * np.log(x / z)).sum() - x.sum() + W.sum(axis=0) @ H.sum(axis=1))


def masked(session: Session) -> CaseReport:
    """Seconds of an iteration over 10^7 known entries, and the peak of memory, data included."""
    X = _known_entries(session)
    rank, iterations = session.size(20, 4), 3
    stamps: list[float] = []
    weigh_masked(X, 0, rank, max_iter=iterations, callback=lambda _: stamps.append(time.perf_counter()))
    each = float(np.diff(stamps).mean())
    path = data.store(X, session.folder, "masked")
    weight = memory.measure(Contender("corange", weigh_masked, "csr", {"rank": rank}), path)
    path.unlink()
    row = Row("corange", f"rank {rank}", seconds=each, peak_extra_bytes=weight.get("extra"))
    stored = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes
    used = None if row.peak_extra_bytes is None else 1 + row.peak_extra_bytes / stored
    bars = [
        Bar("seconds an iteration", _MASKED_SECONDS, each),
        Bar("memory over that of the data, themselves included", _MASKED_MEMORY, used),
    ]
    return CaseReport({"shape": list(X.shape), "known": X.nnz, "rank": rank}, [row], bars)


def weigh_masked(X: Any, seed: int, rank: int, max_iter: int = 3, **settings: Any) -> Any:
    """Run a few iterations over the stored entries: memory does not grow with them."""
    import corange as cr

    return cr.nmf(
        X, rank, mask="stored", init="random", tol=0, max_iter=max_iter, random_state=seed, **settings
    )


def _known_entries(session: Session) -> sp.csr_array:
    """Draw a matrix of low rank, of which each row shows as many entries, at random places."""
    m, n, known = session.size(100_000, 300), session.size(10_000, 200), session.size(10_000_000, 5000)
    rank = session.size(20, 4)
    rng = np.random.default_rng(0)
    W, H = rng.random((m, rank)), rng.random((rank, n))
    columns = np.sort(rng.integers(0, n, (m, known // m)), axis=1)
    indptr = np.arange(0, m * (known // m) + 1, known // m)
    rows = np.repeat(np.arange(m), known // m)
    values = np.einsum("ij,ji->i", W[rows], H[:, columns.ravel()])
    X = sp.csr_array((values, columns.ravel().astype(np.int32), indptr), shape=(m, n))
    X.sum_duplicates()
    return X


def separable(session: Session) -> CaseReport:
    """Bandwidth of successive projection, against what the machine can read."""
    import corange as cr

    m, n, rank = 200, session.size(1_000_000, 3000), 10
    X = np.random.default_rng(0).random((m, n), dtype=np.float32)
    from corange._operators import as_stored
    from corange._separable import _Columns, _project

    columns = _Columns(as_stored(X, check_finite=False))
    seconds, (_, passes) = timed(lambda: _project(columns, rank))
    whole, _ = timed(lambda: cr.separable_nmf(X, rank))
    speed = passes * X.nbytes / seconds
    row = Row("corange", "spa, choice of columns", seconds=seconds, gbytes_per_second=speed / 1e9)
    everything = Row("corange, with H and checks", "spa", seconds=whole)
    bar = Bar(
        "part of the read bandwidth", _STREAM_FRACTION, speed / 1e9 / session.ceilings["read"], at_least=True
    )
    return CaseReport({"shape": [m, n], "passes": passes}, [row, everything], [bar])


def movielens(session: Session) -> CaseReport:
    """Held-out error on MovieLens-100K, or ratings made up like it, beside the mean and additive effects."""
    import corange as cr

    X = session.once("ratings", lambda: ratings(session.quick))
    rng = np.random.default_rng(0)
    held = rng.random(X.nnz) < 0.1
    train, test = (sp.csr_array((X.data[s], (X.row[s], X.col[s])), shape=X.shape) for s in (~held, held))
    rows = [Row("mean", "", errors={"rmse": float(np.sqrt(np.mean((test.data - train.data.mean()) ** 2)))})]
    rows.append(Row("effects of users and items", "", errors={"rmse": _effects(train, test)}))
    for rank, alpha in ((5, 5.0), (10, 8.0)):
        model = cr.MaskedNMF(rank, alpha=alpha, max_iter=100, random_state=0)
        row = Row(f"corange, {rank} components", f"alpha={alpha}")
        row.seconds, _ = timed(lambda: model.fit(train))  # noqa: B023
        row.errors = {"rmse": model.score_entries(test)}
        rows.insert(0, row)
    best = min(row.errors["rmse"] for row in rows[:2])
    bar = Bar("held-out error over that of user and item effects", 1.0, best / rows[-1].errors["rmse"])
    return CaseReport({"shape": list(X.shape), "ratings": X.nnz}, rows, [bar], reference="mean")


def ratings(quick: bool) -> sp.coo_array:
    """MovieLens-100K out of the package recbole where it is installed; ratings made up otherwise."""
    found = importlib.util.find_spec("recbole")
    if found is not None and found.origin is not None and not quick:
        path = Path(found.origin).parent / "dataset_example" / "ml-100k" / "ml-100k.inter"
        table = np.loadtxt(path, skiprows=1, usecols=(0, 1, 2))
        users, items = (np.unique(table[:, c], return_inverse=True)[1] for c in (0, 1))
        return sp.coo_array((table[:, 2], (users, items)))
    rng = np.random.default_rng(0)
    m, n, k = 300, 200, 4
    full = 1 + 4 * (rng.dirichlet(np.ones(k), m) @ rng.random((k, n)))
    keep = rng.random((m, n)) < 0.2
    values = np.clip(np.rint(full + 0.3 * rng.standard_normal((m, n))), 1, 5)
    return sp.coo_array((values[keep], np.nonzero(keep)), shape=(m, n))


def _effects(train: Any, test: Any) -> float:
    """Mean plus shrunken effects of users and items, by a few alternations."""
    A, T = train.tocoo(), test.tocoo()
    mean, user, item = A.data.mean(), np.zeros(A.shape[0]), np.zeros(A.shape[1])
    for _ in range(20):
        for mine, other, own, off in ((user, item, A.row, A.col), (item, user, A.col, A.row)):
            sums = np.bincount(own, A.data - mean - other[off], mine.size)
            mine[:] = sums / (np.bincount(own, minlength=mine.size) + 5.0)
    return float(np.sqrt(np.mean((T.data - mean - user[T.row] - item[T.col]) ** 2)))


CASES: tuple[Case, ...] = (
    Case("kullback-leibler", "KL on counts of words, to scikit-learn's objective", kullback_leibler),
    Case("masked", "missing entries, 10^7 known of 10^5 x 10^4", masked),
    Case("separable", "successive projection, 200 x 10^6", separable),
    Case("movielens", "held-out ratings", movielens),
)
