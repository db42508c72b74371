"""Contenders, interleaved timing, and the records a case leaves behind.

Nothing here knows what is being computed: a contender is a function of an input and a seed.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

# A thread pool goes on spinning for some milliseconds after its last task. The pause lets it fall
# asleep, so that no contender computes against the busy threads of the one before it.
SETTLE_SECONDS = 0.1
# Who needs longer than this for one run is timed once: a ratio of that size needs no median.
SLOW_SECONDS = 60.0
_LONGEST_NOTE = 200


@dataclass(frozen=True)
class Contender:
    """One way to do the job: a function, the input format it is given, and its settings.

    Parameters
    ----------
    name : str
        Name in tables; unique within a case.
    function : callable
        ``function(data, seed=..., **settings)``; defined at the top of a module, so that a fresh
        process can import it by name.
    input : str
        Which of the case's input objects it gets (for example ``"csr"`` or ``"csc"``).
    settings : mapping
        Keyword arguments; must survive JSON.
    """

    name: str
    function: Callable[..., Any]
    input: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def run(self, inputs: Mapping[str, Any], seed: int) -> Any:
        """Do the job once and return the answer."""
        return self.function(inputs[self.input], seed=seed, **self.settings)

    def describe(self) -> str:
        """Write the settings as a reader would: ``csc, tol=0.01``."""
        shown = [f"{k}={v}" for k, v in self.settings.items() if k != "rank" and v is not None]
        return ", ".join([self.input, *shown])


@dataclass
class Row:
    """What one contender did in one case. ``None`` means not measured."""

    name: str
    settings: str
    status: str = "compared"  # compared | inaccurate | failed | missing
    group: str = ""  # rows are compared within their group
    seconds: float | None = None
    times: list[float] = field(default_factory=list)
    errors: dict[str, float] = field(default_factory=dict)
    products: int | None = None
    passes: int | None = None
    peak_extra_bytes: int | None = None
    gflops: float | None = None
    ceiling_fraction: float | None = None
    gbytes_per_second: float | None = None
    note: str = ""


@dataclass
class Bar:
    """A promise about a measured figure: at most ``limit`` (or at least, if ``at_least``)."""

    text: str
    limit: float
    measured: float | None
    at_least: bool = False
    note: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether the promise holds; ``None`` if there is no measurement."""
        if self.measured is None:
            return None
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


@dataclass
class CaseReport:
    """The outcome of a case: what was measured, on what, and which bars it meets."""

    data: dict[str, Any]
    rows: list[Row]
    bars: list[Bar]
    reference: str | None = None  # the row that ratios are taken to, next to corange's
    gate: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    name: str = ""
    title: str = ""

    def row(self, name: str | None, group: str = "") -> Row | None:
        """Look up the row of that name in a group; ``None`` if it did not take part."""
        return next((row for row in self.rows if (row.name, row.group) == (name, group)), None)

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, with the verdict of every bar."""
        record = asdict(self)
        for entry, bar in zip(record["bars"], self.bars, strict=True):
            entry["passed"] = bar.passed
        return record


def attempt(contender: Contender, inputs: Mapping[str, Any], seed: int) -> tuple[Row, Any]:
    """Run once; a contender that is not installed or breaks down becomes a row that says so.

    Returns
    -------
    tuple of Row and object
        The answer is ``None`` if there is none.
    """
    row = Row(contender.name, contender.describe())
    try:
        return row, contender.run(inputs, seed)
    except ImportError as error:
        row.status, row.note = "missing", str(error)
    except Exception as error:  # a peer may raise anything
        row.status, row.note = "failed", f"{type(error).__name__}: {error}"[:_LONGEST_NOTE]
    return row, None


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of one call, with the garbage collector off, and its result."""
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter()
        result = call()
        return time.perf_counter() - start, result
    finally:
        gc.enable()


def time_interleaved(
    contenders: Sequence[Contender],
    inputs: Mapping[str, Any],
    repeats: int,
    seeds: Sequence[int] = (0,),
    settle: float = SETTLE_SECONDS,
) -> dict[str, list[float]]:
    """Time contenders in turns, A B C A B C ..., after one warm-up run of each.

    Turns spread a slow minute of the machine over everybody, where one block of runs each would
    give it to one.

    Parameters
    ----------
    contenders : sequence of Contender
        Names must differ.
    inputs : mapping
        Input objects by format; the same objects for all.
    repeats : int
        Timed runs of each.
    seeds : sequence of int
        Used in turn, so that the median is not one lucky start.
    settle : float
        Seconds to wait before each run.

    Returns
    -------
    dict of str to list of float
        Seconds of every timed run by contender name.
    """
    times: dict[str, list[float]] = {}
    for contender in contenders:
        warm_up, _ = timed(lambda c=contender: c.run(inputs, seeds[0]))
        times[contender.name] = [warm_up] if warm_up > SLOW_SECONDS else []
    quick = [c for c in contenders if not times[c.name]]
    for turn in range(repeats):
        for contender in quick:
            time.sleep(settle)
            seed = seeds[turn % len(seeds)]
            seconds, _ = timed(lambda c=contender, s=seed: c.run(inputs, s))
            times[contender.name].append(seconds)
    return times


def median(values: Sequence[float]) -> float | None:
    """Median, or ``None`` of nothing."""
    return statistics.median(values) if values else None


def ratio(row: Row | None, other: Row | None) -> float | None:
    """Time of ``row`` over time of ``other``, where both may be compared."""
    for one in (row, other):
        if one is None or one.seconds is None or one.status != "compared":
            return None
    return row.seconds / other.seconds  # type: ignore[union-attr,operator]
