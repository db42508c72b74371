"""What the cases of one run share: how often, how big, where files go, what the machine can do."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.harness import SETTLE_SECONDS, CaseReport


@dataclass
class Session:
    """One run of the benchmark.

    Attributes
    ----------
    folder : Path
        Temporary; removed at the end of the run.
    repeats : int
        Timed runs of every contender; the median counts.
    threads : int
        Threads everybody may use.
    quick : bool
        Tiny sizes: shows that everything works, and measures nothing worth reading.
    memory : bool
        Measure peak memory too (one fresh process a contender).
    ceilings : dict
        From :func:`bench.ceilings.measure`.
    seeds : tuple of int
        Accuracy must hold with each of them.
    """

    folder: Path
    repeats: int = 5
    threads: int = 2
    quick: bool = False
    memory: bool = True
    ceilings: dict[str, float] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0, 1, 2)
    _made: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.quick:
            self.seeds = self.seeds[:1]

    @property
    def settle(self) -> float:
        """Seconds to wait before each timed run."""
        return 0.0 if self.quick else SETTLE_SECONDS

    def size(self, full: int, quick: int) -> int:
        """Choose a dimension: the real one, or the small one of a quick run."""
        return quick if self.quick else full

    def once(self, key: str, make: Callable[[], Any]) -> Any:
        """``make()``, the first time; the same object to every later case that asks."""
        if key not in self._made:
            start = time.perf_counter()
            self.log(f"making {key} ...")
            self._made[key] = make()
            self.log(f"made {key} in {time.perf_counter() - start:.1f} s")
        return self._made[key]

    @staticmethod
    def log(message: str) -> None:
        """Progress, kept apart from the results."""
        print(f"  {message}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Case:
    """One entry of a family's list: a name for the command line, and the work."""

    name: str
    title: str
    run: Callable[[Session], CaseReport]

    def report(self, session: Session) -> CaseReport:
        """Run the case; should it break, say so and let the others go on."""
        try:
            found = self.run(session)
        except Exception as error:
            traceback.print_exc()
            found = CaseReport({}, [], [], notes=[f"FAILED: {type(error).__name__}: {error}"])
        return replace(found, name=self.name, title=self.title)
