"""Sparse times dense, and its transpose: the kernels under every sparse algorithm."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from bench import data
from bench.contest import sparse_bytes
from bench.harness import Bar, CaseReport, Contender, Row, median, ratio, time_interleaved
from bench.session import Session

_OURS, _SCIPY, _STORED = "corange", "scipy", "scipy, Aᵀ stored by rows"
_WIDTHS = (16, 60)
# these are short, and five runs of them tell little
_MORE_REPEATS = 11
_LIMIT = 1 / 3
# what rounding may do to a sum of a few hundred products, relative to the largest result
_AGREEMENT = {"float64": 1e-13, "float32": 1e-5}


def scipy_product(task: dict[str, Any], seed: int, adjoint: bool) -> np.ndarray:
    """Compute ``A @ X`` or ``A.T @ X`` as written with SciPy."""
    return task["matrix"].T @ task["right"] if adjoint else task["matrix"] @ task["right"]


def scipy_transposed(task: dict[str, Any], seed: int) -> np.ndarray:
    """``A.T @ X`` with the transpose stored by rows beforehand: the best SciPy can do."""
    return task["transpose"] @ task["right"]


def corange_product(task: dict[str, Any], seed: int, adjoint: bool) -> np.ndarray:
    """Compute the same by an operator made beforehand, as SciPy's matrix was; the result is new memory."""
    operator, right = task["operator"], task["right"]
    result = np.empty((operator.shape[1 if adjoint else 0], right.shape[1]), dtype=right.dtype)
    (operator.apply_adjoint if adjoint else operator.apply)(right, result)
    return result


def run(session: Session) -> CaseReport:
    """SpMM and transposed SpMM on 16 and 60 columns, float64 and float32."""
    shape = session.size(200_000, 4000), session.size(50_000, 1000)
    matrix = session.once("uniform sparse matrix", lambda: data.uniform_sparse(*shape, 50))
    rows: list[Row] = []
    for dtype in ("float64", "float32"):
        typed = matrix.astype(dtype)
        task = {"matrix": typed, "transpose": typed.T.tocsr(), "operator": _operator(typed)}
        for adjoint in (False, True):
            for width in _WIDTHS:
                rows += _one_shape(session, task, adjoint, width)
    facts = {"shape": list(shape), "nonzeros": matrix.nnz, "threads": session.threads}
    notes = [
        "GB/s counts each array once: A, the right-hand side, the result.",
        f"{_STORED}: the transpose was made beforehand, at no charge.",
    ]
    report = CaseReport(facts, rows, [], reference=_SCIPY, notes=notes)
    report.bars = _bars(report)
    return report


def _operator(matrix: sp.csr_matrix) -> Any:
    """Wrap the arrays of a matrix for corange; ``None`` where it is not installed."""
    try:
        from corange._core import CsrOperator
    except ImportError:
        return None
    return CsrOperator(matrix.indptr, matrix.indices, matrix.data, matrix.shape)


def _one_shape(session: Session, task: dict[str, Any], adjoint: bool, width: int) -> list[Row]:
    matrix = task["matrix"]
    rng = np.random.default_rng(width)
    inner = matrix.shape[0 if adjoint else 1]
    right = rng.standard_normal((inner, width)).astype(matrix.dtype)
    inputs = {"task": {**task, "right": right}}
    contenders = [
        Contender(_OURS, corange_product, "task", {"adjoint": adjoint}),
        Contender(_SCIPY, scipy_product, "task", {"adjoint": adjoint}),
    ]
    if adjoint:
        contenders.append(Contender(_STORED, scipy_transposed, "task"))
    expected = contenders[1].run(inputs, 0)
    rows = {contender.name: _checked(contender, inputs, expected) for contender in contenders}
    able = [contender for contender in contenders if rows[contender.name].errors]
    repeats = session.size(max(session.repeats, _MORE_REPEATS), 2)
    traffic = sparse_bytes(matrix) + right.nbytes + expected.nbytes
    for name, seconds in time_interleaved(able, inputs, repeats, settle=session.settle).items():
        _fill(session, rows[name], seconds, 2 * matrix.nnz * width, traffic)
    for row in rows.values():
        row.group = f"{'AᵀX' if adjoint else 'AX'}, {width} columns, {matrix.dtype}"
    return list(rows.values())


def _checked(contender: Contender, inputs: dict[str, Any], expected: np.ndarray) -> Row:
    """Compare the result with SciPy's, so that only the right answer is timed."""
    row = Row(contender.name, "")
    if contender.name == _OURS and inputs["task"]["operator"] is None:
        return Row(contender.name, "", status="missing")
    result = contender.run(inputs, 0)
    difference = float(np.max(np.abs(result - expected)) / np.max(np.abs(expected)))
    row.errors = {"difference": difference}
    if not difference <= _AGREEMENT[str(expected.dtype)]:
        row.status = "inaccurate"
    return row


def _fill(session: Session, row: Row, times: list[float], flops: int, traffic: int) -> None:
    row.times, row.seconds = times, median(times)
    if row.seconds:
        row.gflops = 1e-9 * flops / row.seconds
        row.gbytes_per_second = 1e-9 * traffic / row.seconds
        bandwidth = max(session.ceilings[name] for name in ("copy", "triad", "read"))
        row.ceiling_fraction = row.gbytes_per_second / bandwidth


def _bars(report: CaseReport) -> list[Bar]:
    groups = dict.fromkeys(row.group for row in report.rows if "float64" in row.group)
    return [
        Bar(f"{one}: time over SciPy's", _LIMIT, ratio(report.row(_OURS, one), report.row(_SCIPY, one)))
        for one in groups
    ]
