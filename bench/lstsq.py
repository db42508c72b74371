"""Least squares against SciPy's LAPACK drivers: time, and the backward error beside Householder QR's."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from bench.harness import Bar, CaseReport, Contender, Row, attempt, median, ratio, time_interleaved
from bench.session import Case, Session

_OURS = "corange"
_NORMAL = "normal equations"
_QR = "householder qr"
_LAPACK = ("gelsd", "gelsy")


def corange(task: dict[str, Any], seed: int, method: str = "auto") -> np.ndarray:
    """``corange.lstsq``."""
    import corange as cr

    return cr.lstsq(task["A"], task["b"], method=method, random_state=seed).x


def scipy_lstsq(task: dict[str, Any], seed: int, driver: str) -> np.ndarray:
    """``scipy.linalg.lstsq``."""
    return scipy.linalg.lstsq(task["A"], task["b"], lapack_driver=driver)[0]


def householder_qr(task: dict[str, Any], seed: int) -> np.ndarray:
    """QR factorization by LAPACK, Q formed."""
    q, r = scipy.linalg.qr(task["A"], mode="economic", check_finite=False)
    return scipy.linalg.solve_triangular(r, q.T @ task["b"])


def normal_equations(task: dict[str, Any], seed: int) -> np.ndarray:
    """Solve as a hand would in NumPy; loses the square of the condition number."""
    A = task["A"]
    return scipy.linalg.solve(A.T @ A, A.T @ task["b"], assume_a="pos")


def make(rows: int, columns: int, condition: float) -> dict[str, Any]:
    """Singular values from 1 to 1 / condition, a solution along all of them, a residual of 1e-3."""
    rng = np.random.default_rng(0)
    u = np.linalg.qr(rng.standard_normal((rows, columns)))[0]
    v = np.linalg.qr(rng.standard_normal((columns, columns)))[0]
    A = (u * np.geomspace(1, 1 / condition, columns)) @ v.T
    r = rng.standard_normal(rows)
    b = A @ rng.standard_normal(columns) + 1e-3 * r / np.linalg.norm(r)
    return {"A": A, "b": b, "svd": np.linalg.svd(A, full_matrices=False)[:2]}


def backward_error(task: dict[str, Any], x: np.ndarray) -> float:
    """Karlson and Walden's estimate, by the singular value decomposition; residual in long double."""
    A, b, (u, s) = task["A"], task["b"], task["svd"]
    r, wide = np.empty(b.size, dtype=np.longdouble), x.astype(np.longdouble)
    for start in range(0, b.size, 4096):
        rows = slice(start, start + 4096)
        r[rows] = b[rows] - A[rows].astype(np.longdouble) @ wide
    norm = np.linalg.norm(A)
    theta = norm / np.linalg.norm(b)
    factor = theta / np.sqrt(1 + theta**2 * (x @ x))
    omega = factor * np.linalg.norm(r.astype(np.float64))
    return float(factor * np.linalg.norm(s * (u.T @ r.astype(np.float64)) / np.hypot(s, omega)) / norm)


def _against_lapack(rows: int, columns: int, condition: float, times: float | None) -> Any:
    def run(session: Session) -> CaseReport:
        m, n = session.size(rows, 2000), session.size(columns, 20)
        task = make(m, n, condition)
        contenders = [
            Contender(_OURS, corange, "task"),
            Contender(f"{_OURS}, sketch", corange, "task", {"method": "sketch"}),
            *(Contender(driver, scipy_lstsq, "task", {"driver": driver}) for driver in _LAPACK),
            Contender(_QR, householder_qr, "task"),
            Contender(_NORMAL, normal_equations, "task"),
        ]
        found = _hold(session, contenders, task)
        by_name = {row.name: row for row in found}
        ours = by_name[_OURS]
        bars = [
            Bar(f"speed over {driver}", times, _inverse(ratio(ours, by_name[driver])), at_least=True)
            for driver in _LAPACK
            if times is not None
        ]
        errors = [by_name[name].errors.get("backward") for name in (_OURS, _QR)]
        worse = errors[0] / errors[1] if errors[0] is not None and errors[1] else None
        bars.append(Bar("backward error over Householder QR's", 10, worse))
        facts = {"shape": [m, n], "condition": condition, "threads": session.threads}
        return CaseReport(facts, found, bars, reference=_LAPACK[0])

    return run


def _hold(session: Session, contenders: list[Contender], task: dict[str, Any]) -> list[Row]:
    inputs, rows, able = {"task": task}, [], []
    for contender in contenders:
        row, x = attempt(contender, inputs, session.seeds[0])
        rows.append(row)
        if x is not None:
            row.errors = {"backward": backward_error(task, x)}
            able.append(contender)
    times = time_interleaved(able, inputs, session.repeats, session.seeds, session.settle)
    for row in rows:
        row.times = times.get(row.name, [])
        row.seconds = median(row.times)
    return rows


def _inverse(value: float | None) -> float | None:
    return None if value is None else 1 / value


CASES: tuple[Case, ...] = (
    Case("few-columns", "dense 200000 x 200, condition 1e6", _against_lapack(200_000, 200, 1e6, 4.0)),
    Case("many-columns", "dense 100000 x 1000, condition 1e6", _against_lapack(100_000, 1000, 1e6, 2.5)),
    Case("ill-conditioned", "dense 200000 x 200, condition 1e12", _against_lapack(200_000, 200, 1e12, None)),
)
