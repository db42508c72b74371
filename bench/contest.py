"""A contest: tune every contender to the same accuracy, time all in turns, weigh their memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import scipy.sparse as sp

from bench import data, memory
from bench.harness import Contender, Row, median, time_interleaved
from bench.session import Session
from bench.tuning import Candidate, ContenderFailedError, Judge, Tuned, tune


@dataclass(frozen=True)
class Contest:
    """What is computed and when an answer counts.

    Parameters
    ----------
    inputs : mapping
        The matrix, in each format that contenders may be given.
    judge : callable
        Errors of an answer.
    gate : mapping
        Largest errors allowed, by name.
    exempt : sequence of str
        Contenders the gate was taken from, who need not pass it again.
    count : callable or None
        ``count(function, matrix, seed=..., **settings)`` runs a contender that does not report its
        products once more and counts them, or returns ``None``.
    """

    inputs: Mapping[str, Any]
    judge: Judge
    gate: Mapping[str, float] = field(default_factory=dict)
    exempt: Sequence[str] = ()
    count: Callable[..., int | None] | None = None

    def hold(self, session: Session, candidates: Sequence[Candidate]) -> list[Row]:
        """Run it: one row a candidate, in their order."""
        rows, ready = [], []
        for candidate in candidates:
            row, tuned = self._prepare(session, candidate)
            rows.append(row)
            if tuned is not None:
                ready.append((row, tuned.contender))
        contenders = [contender for _, contender in ready]
        times = time_interleaved(contenders, self.inputs, session.repeats, session.seeds, session.settle)
        for row, contender in ready:
            row.times = times[row.name]
            row.seconds = median(row.times)
            self._describe_work(session, row, contender)
        if session.memory:
            self._weigh(session, ready)
        return rows

    def _prepare(self, session: Session, candidate: Candidate) -> tuple[Row, Tuned | None]:
        """Tune a candidate; a failure becomes its row, and the contest goes on."""
        gate = {} if candidate.name in self.exempt else self.gate
        try:
            tuned = tune(candidate, self.inputs, self.judge, gate, session.seeds)
        except ContenderFailedError as failure:
            session.log(f"{candidate.name}: {failure.row.status}: {failure.row.note}")
            return failure.row, None
        status = "compared" if tuned.accurate else "inaccurate"
        settings = tuned.contender.describe()
        session.log(f"{candidate.name}: {settings}: {status}")
        return Row(candidate.name, settings, status=status, errors=tuned.errors), tuned

    def _describe_work(self, session: Session, row: Row, contender: Contender) -> None:
        """Products and passes, and how near the machine's ceiling they were done."""
        matrix = self.inputs[contender.input]
        answer = contender.run(self.inputs, session.seeds[0])
        row.passes, row.note = answer.passes, answer.detail
        row.products = answer.products
        if row.products is None and self.count is not None:
            seed = session.seeds[0]
            row.products = self.count(contender.function, matrix, seed=seed, **contender.settings)
        if not row.seconds:
            return
        entries = matrix.nnz if sp.issparse(matrix) else matrix.size
        if row.products is not None:
            row.gflops = 2e-9 * entries * row.products / row.seconds
        if sp.issparse(matrix) and row.passes is not None:
            row.gbytes_per_second = 1e-9 * row.passes * sparse_bytes(matrix) / row.seconds
            row.ceiling_fraction = row.gbytes_per_second / session.ceilings["read"]
        elif row.products is not None and not sp.issparse(matrix):
            _set_against_gemm(session, row, matrix, answer.single_products)

    def _weigh(self, session: Session, ready: Sequence[tuple[Row, Contender]]) -> None:
        stored: dict[str, Path] = {}
        for row, contender in ready:
            form = contender.input
            if form not in stored:
                stored[form] = data.store(self.inputs[form], session.folder, form)
            found = memory.measure(contender, stored[form], session.seeds[0])
            row.peak_extra_bytes = found.get("extra")
            if "error" in found:
                row.note += f" (memory not measured: {found['error']})"
        for path in stored.values():
            path.unlink()


def _set_against_gemm(session: Session, row: Row, matrix: Any, single: int) -> None:
    """Set the time that products take at the ceiling of the precision each is done in against that taken."""
    ideal = {"float32": single, str(matrix.dtype): row.products - single}
    seconds = {
        kind: 2e-9 * matrix.size * columns / session.ceilings[f"gemm_{kind}"]
        for kind, columns in ideal.items()
    }
    row.ceiling_fraction = sum(seconds.values()) / row.seconds
    if single:
        parts = ", ".join(
            f"{ideal[kind]} products in {kind} {s / row.seconds:.0%}" for kind, s in seconds.items()
        )
        row.note += f"; of the time at the ceiling: {parts}"


def sparse_bytes(matrix: Any) -> int:
    """Bytes of the three arrays of a CSR or CSC matrix."""
    return matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes
