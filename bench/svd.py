"""The truncated SVD against its peers: every case, with the bar it has to meet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench import accuracy, data, disk, entrants, footprint, peers, products, startup
from bench.contest import Contest
from bench.harness import Bar, CaseReport, Row, ratio
from bench.session import Case, Session
from bench.tuning import Candidate, errors_over_seeds

_ACCURATE = {"sigma": 1e-6, "vector": 1e-5}
# nobody is asked for more than this
_ROUNDING = 1e-12
_GATED = ("sigma", "vector", "excess")
_SPARSE_FORMATS = ("csr", "csc")


def rank_of(session: Session) -> int:
    """Triplets computed by the cases of this file."""
    return session.size(50, 6)


def sparse_inputs(session: Session, dtype: str = "float64") -> dict[str, Any]:
    """Make the Python-sources matrix, by rows and by columns."""
    whole = session.once("python_sources", data.python_sources)
    csr = whole[: session.size(whole.shape[0], 800)].astype(dtype)
    return {"csr": csr, "csc": csr.tocsc()}


def sparse_reference(session: Session) -> accuracy.SVDReference:
    """Its converged singular values."""
    csr, rank = sparse_inputs(session)["csr"], rank_of(session)
    return session.once("sparse reference", lambda: accuracy.sparse_reference(csr, rank))


def dense_input(session: Session) -> np.ndarray:
    """Singular values 1/i up to 300, random vectors, noise of 1e-5 an entry."""
    rows, columns = session.size(20_000, 600), session.size(2000, 150)
    decaying = session.size(300, 50)
    return session.once("dense matrix", lambda: data.decaying_dense(rows, columns, decaying, 1e-5))


def dense_reference(session: Session) -> accuracy.SVDReference:
    """Its singular values by LAPACK."""
    matrix = dense_input(session)
    return session.once("dense reference", lambda: accuracy.dense_reference(matrix))


def sparse_accurate(session: Session) -> CaseReport:
    """High accuracy on the sparse matrix, against the Krylov solvers."""
    rank, inputs = rank_of(session), sparse_inputs(session)
    judge = sparse_reference(session).errors
    contest = Contest(inputs, judge, _ACCURATE, count=peers.count_products)
    deep = entrants.power_iterations(rank, (15, 30, 60, 120))[:1]
    others = [*entrants.krylov(rank, race=True), entrants.lobpcg(rank), *deep]
    candidates = [*entrants.corange(rank), *others]
    rows = contest.hold(session, _offer_sparse(candidates))
    fastest = _fastest(rows, entrants.KRYLOV)
    name = fastest.name if fastest else None
    return CaseReport(_facts(session, inputs["csr"]), rows, [krylov_bar(rows)], name, _ACCURATE)


def krylov_bar(rows: Sequence[Row]) -> Bar:
    """Against the fastest of the three Krylov solvers; without a verdict unless all three were compared."""
    able = {row.name for row in _able(rows, entrants.KRYLOV)}
    absent = [name for name in entrants.KRYLOV if name not in able]
    fastest = _fastest(rows, entrants.KRYLOV)
    which = f"without {', '.join(absent)}" if absent or fastest is None else fastest.name
    measured = None if absent or fastest is None else _against(rows, fastest.name)
    return Bar(f"time over the fastest of arpack, propack, PRIMME ({which})", 0.45, measured)


def sparse_default(session: Session) -> CaseReport:
    """Accuracy of scikit-learn's default on the sparse matrix."""
    return _sparse_as_sklearn(session, "float64", 1 / 6)


def sparse_float32(session: Session) -> CaseReport:
    """Accuracy of its default in single precision, scikit-learn in single precision too."""
    return _sparse_as_sklearn(session, "float32", 1 / 8)


def dense_default(session: Session) -> CaseReport:
    """Accuracy of scikit-learn's default on the dense matrix."""
    return _dense(session, entrants.randomized_svd(rank_of(session)), 1 / 4)


def dense_fbpca(session: Session) -> CaseReport:
    """Accuracy of fbpca's default on the dense matrix."""
    return _dense(session, entrants.fbpca(rank_of(session)), 1 / 2)


def dense_pca(session: Session) -> CaseReport:
    """Principal components of the dense matrix plus column means, by scikit-learn's solvers and fbpca."""
    rank = rank_of(session)
    rng = np.random.default_rng(1)
    matrix = dense_input(session) + 1e-3 * rng.standard_normal(dense_input(session).shape[1])
    judge = accuracy.dense_reference(matrix, center=True).errors
    theirs, *others = entrants.given(
        [entrants.pca(rank, solver) for solver in ("randomized", "covariance_eigh", "arpack")], "dense"
    )
    gate = _errors_of(session, theirs, {"dense": matrix}, judge)
    contest = Contest({"dense": matrix}, judge, gate, (theirs.name,), peers.count_products)
    others += entrants.power_iterations(rank, raw=False)[1:]
    candidates = [*entrants.corange(rank, center=True), theirs, *others]
    rows = contest.hold(session, entrants.given(candidates, "dense"))
    return CaseReport(_facts(session, matrix), rows, [], theirs.name, gate)


def _sparse_as_sklearn(session: Session, dtype: str, limit: float) -> CaseReport:
    rank, inputs = rank_of(session), sparse_inputs(session, dtype)
    judge = sparse_reference(session).errors
    theirs = _offer_sparse([entrants.randomized_svd(rank)])[0]
    gate = _errors_of(session, theirs, inputs, judge)
    contest = Contest(inputs, judge, gate, exempt=(theirs.name,), count=peers.count_products)
    others = [*entrants.truncated_svd(rank), *entrants.krylov(rank), *entrants.power_iterations(rank)]
    rows = contest.hold(session, _offer_sparse([*entrants.corange(rank), theirs, *others]))
    bar = Bar(f"time over randomized_svd's default, {dtype}", limit, _against(rows, theirs.name))
    return CaseReport(_facts(session, inputs["csr"]), rows, [bar], theirs.name, gate)


def _dense(session: Session, theirs: Candidate, limit: float) -> CaseReport:
    rank, inputs = rank_of(session), {"dense": dense_input(session)}
    judge = dense_reference(session).errors
    theirs = entrants.given([theirs], "dense")[0]
    gate = _errors_of(session, theirs, inputs, judge)
    contest = Contest(inputs, judge, gate, (theirs.name,), peers.count_products)
    others = [*entrants.power_iterations(rank), *entrants.dense_only(rank), *entrants.krylov(rank)]
    rows = contest.hold(session, entrants.given([*entrants.corange(rank), theirs, *others], "dense"))
    share = next(row.ceiling_fraction for row in rows if row.name == entrants.OURS)
    bars = [
        Bar(f"time over {theirs.name}'s default", limit, _against(rows, theirs.name)),
        Bar("products, share of the GEMM ceiling", 0.6, share, at_least=True),
    ]
    return CaseReport(_facts(session, inputs["dense"]), rows, bars, theirs.name, gate)


def _offer_sparse(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Both formats to everyone but us, who take the one the data comes in."""
    mine = [one for one in candidates if one.function is peers.corange]
    peers_only = [one for one in candidates if one.function is not peers.corange]
    return [*entrants.given(mine, "csr"), *entrants.given(peers_only, *_SPARSE_FORMATS)]


def _errors_of(session: Session, candidate: Candidate, inputs: Any, judge: Any) -> dict[str, float]:
    """Accuracy a peer's own answer sets as the gate: the median of its errors over the seeds."""
    contender = candidate.contender({}, None, candidate.inputs[0])
    errors = accuracy.middle(errors_over_seeds(contender, inputs, judge, session.seeds))
    return {name: max(errors[name], _ROUNDING) for name in _GATED}


def _fastest(rows: Sequence[Row], names: Sequence[str]) -> Row | None:
    return min(_able(rows, names), key=lambda row: row.seconds or 0.0, default=None)


def _able(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    """Those of these names that were accurate enough to be compared."""
    return [row for row in rows if row.name in names and row.status == "compared" and row.seconds]


def _against(rows: Sequence[Row], name: str) -> float | None:
    """Our time over that of the row of this name."""
    by_name = {row.name: row for row in rows}
    return ratio(by_name.get(entrants.OURS), by_name.get(name))


def _facts(session: Session, matrix: Any) -> dict[str, Any]:
    facts = {"shape": list(matrix.shape), "dtype": str(matrix.dtype), "rank": rank_of(session)}
    if hasattr(matrix, "nnz"):
        facts["nonzeros"] = int(matrix.nnz)
    return facts


CASES: tuple[Case, ...] = (
    Case("sparse-accurate", "Python sources, k=50, sigma to 1e-6, vectors to 1e-5", sparse_accurate),
    Case("sparse-default", "Python sources, k=50, as accurate as randomized_svd", sparse_default),
    Case("sparse-float32", "Python sources, float32, k=50, as accurate as randomized_svd", sparse_float32),
    Case("dense-default", "dense 20000 x 2000, k=50, as accurate as randomized_svd", dense_default),
    Case("dense-fbpca", "dense 20000 x 2000, k=50, as accurate as fbpca", dense_fbpca),
    Case("dense-pca", "principal components of the dense matrix, k=50", dense_pca),
    Case("products", "sparse products, 200000 x 50000, 50 nonzeros a row, against SciPy", products.run),
    Case(
        "dense-products",
        "dense products, three shapes by rows and by columns, against NumPy",
        products.run_dense,
    ),
    Case("disk", "memory-mapped float32 file of 4 GB, k=20, tol=1e-2", disk.run),
    Case("memory", "peak extra memory of sparse factorizations", footprint.run),
    Case("import", "import corange, beyond numpy and scipy.sparse", startup.run),
)
