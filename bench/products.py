"""A matrix times a block, and its transpose: the kernels under every algorithm, on sparse and dense data."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from bench import data
from bench.contest import sparse_bytes
from bench.harness import Bar, CaseReport, Contender, Row, median, ratio, time_interleaved
from bench.session import Session

_OURS, _SCIPY, _STORED, _NUMPY = "corange", "scipy", "scipy, Aᵀ stored by rows", "numpy"
_WIDTHS = (16, 60)
_DENSE_WIDTHS = (16, 128)
# these are short, and five runs of them tell little
_MORE_REPEATS = 11
_LIMIT = 1 / 3
# what rounding may do to a sum of a few hundred products, relative to the largest result
_AGREEMENT = {"float64": 1e-13, "float32": 1e-5}


def plain_product(task: dict[str, Any], seed: int, adjoint: bool) -> np.ndarray:
    """Compute ``A @ X`` or ``A.T @ X`` as written with SciPy or NumPy."""
    return task["matrix"].T @ task["right"] if adjoint else task["matrix"] @ task["right"]


def scipy_transposed(task: dict[str, Any], seed: int) -> np.ndarray:
    """``A.T @ X`` with the transpose stored by rows beforehand: the best SciPy can do."""
    return task["transpose"] @ task["right"]


def corange_product(task: dict[str, Any], seed: int, adjoint: bool) -> np.ndarray:
    """Compute the same by an operator made beforehand, as the peer's matrix was; the result is new memory."""
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
        stored = [Contender(_STORED, scipy_transposed, "task")]
        for width in _WIDTHS:
            rows += _one_shape(session, task, False, width, [_peer(_SCIPY, False)])
        for width in _WIDTHS:
            rows += _one_shape(session, task, True, width, [_peer(_SCIPY, True), *stored])
    facts = {"shape": list(shape), "nonzeros": matrix.nnz, "threads": session.threads}
    notes = [
        "GB/s counts each array once: A, the right-hand side, the result.",
        f"{_STORED}: the transpose was made beforehand, at no charge.",
    ]
    report = CaseReport(facts, rows, [], reference=_SCIPY, notes=notes)
    report.bars = _bars(report, _SCIPY, _LIMIT)
    return report


def run_dense(session: Session) -> CaseReport:
    """Products with tall, long and wide dense matrices, stored by rows and by columns, beside NumPy's."""
    shapes = {"tall": (131_072, 200), "long": (20_000, 2000), "wide": (2000, 20_000)}
    rows: list[Row] = []
    for name, (m, n) in shapes.items():
        shape = session.size(m, m // 50), session.size(n, n // 10)
        matrix = np.random.default_rng(0).standard_normal(shape)
        for dtype, order in product(("float64", "float32"), "CF"):
            typed = np.asarray(matrix, dtype=dtype, order=order)
            task = {"matrix": typed, "operator": _operator(typed)}
            label = f"{name}, by {'rows' if order == 'C' else 'columns'}: "
            for adjoint, width in product((False, True), _DENSE_WIDTHS):
                rows += _one_shape(session, task, adjoint, width, [_peer(_NUMPY, adjoint)], label)
    facts = {"shapes": list(shapes.values()), "threads": session.threads}
    report = CaseReport(facts, rows, [], reference=_NUMPY)
    report.bars = _bars(report, _NUMPY, 1.0)
    return report


def _peer(name: str, adjoint: bool) -> Contender:
    return Contender(name, plain_product, "task", {"adjoint": adjoint})


def _operator(matrix: Any) -> Any:
    """Wrap the arrays of a matrix for corange; ``None`` where it is not installed."""
    try:
        from corange._core import CsrOperator, DenseOperator
    except ImportError:
        return None
    if isinstance(matrix, np.ndarray):
        return DenseOperator(matrix)
    return CsrOperator(matrix.indptr, matrix.indices, matrix.data, matrix.shape)


def _one_shape(
    session: Session, task: dict[str, Any], adjoint: bool, width: int, peers: list[Contender], label: str = ""
) -> list[Row]:
    matrix = task["matrix"]
    rng = np.random.default_rng(width)
    inner = matrix.shape[0 if adjoint else 1]
    right = rng.standard_normal((inner, width)).astype(matrix.dtype)
    inputs = {"task": {**task, "right": right}}
    contenders = [Contender(_OURS, corange_product, "task", {"adjoint": adjoint}), *peers]
    expected = contenders[1].run(inputs, 0)
    rows = {contender.name: _checked(contender, inputs, expected) for contender in contenders}
    able = [contender for contender in contenders if rows[contender.name].errors]
    repeats = session.size(max(session.repeats, _MORE_REPEATS), 2)
    stored = matrix.nbytes if isinstance(matrix, np.ndarray) else sparse_bytes(matrix)
    traffic = stored + right.nbytes + expected.nbytes
    entries = matrix.size if isinstance(matrix, np.ndarray) else matrix.nnz
    for name, seconds in time_interleaved(able, inputs, repeats, settle=session.settle).items():
        _fill(session, rows[name], seconds, 2 * entries * width, traffic)
    for row in rows.values():
        row.group = f"{label}{'AᵀX' if adjoint else 'AX'}, {width} columns, {matrix.dtype}"
    return list(rows.values())


def _checked(contender: Contender, inputs: dict[str, Any], expected: np.ndarray) -> Row:
    """Compare the result with the peer's, so that only the right answer is timed."""
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


def _bars(report: CaseReport, peer: str, limit: float) -> list[Bar]:
    groups = dict.fromkeys(row.group for row in report.rows if "float64" in row.group)
    return [
        Bar(f"{one}: time over {peer}'s", limit, ratio(report.row(_OURS, one), report.row(peer, one)))
        for one in groups
    ]
