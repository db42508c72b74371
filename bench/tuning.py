"""The loosest setting at which a contender is accurate enough, found for every contender alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench import accuracy
from bench.harness import Contender, Row, attempt, median, time_interleaved

# Seven tolerances a decade, loosest first.
_MANTISSAS = ("5", "4", "3", "2.5", "2", "1.5", "1")
TOLERANCES = tuple(float(f"{mantissa}e-{decade}") for decade in range(1, 11) for mantissa in _MANTISSAS)
_RACE_REPEATS = 3

Judge = Callable[[Any], dict[str, float]]


@dataclass(frozen=True)
class Candidate:
    """A contender before its settings are known.

    Parameters
    ----------
    name, function
        As in :class:`~bench.harness.Contender`.
    settings : mapping
        Fixed keyword arguments.
    knob : str or None
        The setting searched, from the first of ``values`` to the last; ``None`` if there is
        nothing to search.
    values : sequence
        Loosest first.
    variants : sequence of mapping
        Further settings that race each other.
    inputs : sequence of str
        Input formats that race each other.
    """

    name: str
    function: Callable[..., Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    knob: str | None = "tol"
    values: Sequence[Any] = TOLERANCES
    variants: Sequence[Mapping[str, Any]] = ({},)
    inputs: Sequence[str] = ("csr",)

    def contender(self, variant: Mapping[str, Any], value: Any, form: str) -> Contender:
        """One concrete contender."""
        searched = {} if self.knob is None else {self.knob: value}
        return Contender(self.name, self.function, form, {**self.settings, **variant, **searched})


@dataclass(frozen=True)
class Tuned:
    """What the search found: the contender, its worst errors over the seeds, and whether they pass."""

    contender: Contender
    errors: dict[str, float]
    accurate: bool


class ContenderFailedError(Exception):
    """A contender did not return an answer; ``row`` says why."""

    def __init__(self, row: Row) -> None:
        super().__init__(f"{row.name}: {row.note}")
        self.row = row


def tune(
    candidate: Candidate,
    inputs: Mapping[str, Any],
    judge: Judge,
    gate: Mapping[str, float],
    seeds: Sequence[int],
) -> Tuned:
    """Loosest value that passes the gate with every seed; then the fastest variant and format.

    Parameters
    ----------
    judge : callable
        Errors of an answer.
    gate : mapping
        Limits by error name; an empty gate lets the first value pass.

    Returns
    -------
    Tuned
        With the tightest value tried and ``accurate=False`` if nothing passes.

    Raises
    ------
    ContenderFailedError
        If a run does not return an answer.
    """
    found = [_loosest(candidate, v, inputs, judge, gate, seeds) for v in candidate.variants]
    passing = [one for one in found if one.accurate]
    if not passing:
        return min(found, key=lambda one: one.errors.get("sigma", 0.0))
    entrants = {
        f"{number}-{form}": (one, Contender(f"{number}-{form}", c.function, form, c.settings))
        for number, one in enumerate(passing)
        for c in [one.contender]
        for form in candidate.inputs
    }
    winner = next(iter(entrants))
    if len(entrants) > 1:
        racers = [racer for _, racer in entrants.values()]
        times = time_interleaved(racers, inputs, _RACE_REPEATS, seeds)
        winner = min(times, key=lambda name: median(times[name]) or 0.0)
    one, racer = entrants[winner]
    contender = Contender(candidate.name, racer.function, racer.input, racer.settings)
    return Tuned(contender, one.errors, accurate=True)


def errors_over_seeds(
    contender: Contender, inputs: Mapping[str, Any], judge: Judge, seeds: Sequence[int]
) -> list[dict[str, float]]:
    """Errors of one answer a seed."""
    return [judge(contender.run(inputs, seed)) for seed in seeds]


def _loosest(
    candidate: Candidate,
    variant: Mapping[str, Any],
    inputs: Mapping[str, Any],
    judge: Judge,
    gate: Mapping[str, float],
    seeds: Sequence[int],
) -> Tuned:
    tuned = None
    for value in candidate.values if candidate.knob else (None,):
        contender = candidate.contender(variant, value, candidate.inputs[0])
        errors: list[dict[str, float]] = []
        for seed in seeds:
            row, answer = attempt(contender, inputs, seed)
            if answer is None:
                raise ContenderFailedError(row)
            errors.append(judge(answer))
            if not accuracy.within(errors[-1], gate):
                break
        tuned = Tuned(contender, accuracy.worst(errors), accuracy.within(errors[-1], gate))
        if tuned.accurate:
            break
    if tuned is None:
        raise ValueError(f"{candidate.name}: no values to search")
    return tuned
