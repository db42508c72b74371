"""Results as a table to read and as JSON to keep."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.harness import Bar, CaseReport, Row, ratio

_OURS = "corange"
_MISSING = "-"
_IDLE_LOAD = 0.5
_DRIFT = 0.1


def print_machine(machine: dict[str, Any], ceilings: dict[str, float]) -> None:
    """Conditions of the run, first thing."""
    print(
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}"
    )
    print(", ".join(f"{name} {version}" for name, version in machine["versions"].items()))
    for pool in machine["blas"]:
        kernel = f"{pool['architecture']} kernel, " if pool["architecture"] else ""
        name = f"{pool['library']}: {pool['internal_api']} {pool['version'] or ''}"
        print(f"  {name}, {kernel}{pool['num_threads']} threads")
    if machine["removed_settings"] != "none":
        print(f"  removed from the environment: {machine['removed_settings']}")
    load = machine["load_average"][0]
    if load > _IDLE_LOAD:
        print(f"  WARNING: load average {load:.1f} before the run; others are computing here")
    print("ceilings: " + ", ".join(f"{name} {_ceiling(name, value)}" for name, value in ceilings.items()))


def print_drift(before: dict[str, float], after: dict[str, float]) -> None:
    """Warn if the machine did not stay as fast as it was."""
    moved = {name: after[name] / value - 1 for name, value in before.items()}
    moved = {name: change for name, change in moved.items() if abs(change) > _DRIFT}
    if moved:
        changes = ", ".join(f"{name} {change:+.0%}" for name, change in moved.items())
        print(f"\nWARNING: ceilings moved during the run: {changes}; the machine was not quiet")


def print_summary(reports: Sequence[CaseReport], judged: bool = True) -> None:
    """All bars, last thing."""
    print("\n=== bars")
    for report in reports:
        for bar in report.bars:
            print(f"  {report.name:16} {describe_bar(bar, judged)}")


def print_case(report: CaseReport, judged: bool = True) -> None:
    """One case: its table, then its bars."""
    print(f"\n=== {report.name}: {report.title}")
    print("    " + ", ".join(f"{k} {v}" for k, v in report.data.items()))
    if report.gate:
        print("    accuracy wanted: " + ", ".join(f"{k} <= {v:.1e}" for k, v in report.gate.items()))
    if report.rows:
        _print_table(report)
    for note in report.notes:
        print(f"    {note}")
    for bar in report.bars:
        print("    " + describe_bar(bar, judged))


def describe_bar(bar: Bar, judged: bool = True) -> str:
    """``PASS  time over SciPy's: 0.21 (at most 0.33)``."""
    verdict = {True: "PASS", False: "MISS", None: "NOT MEASURED"}[bar.passed]
    if not judged and bar.passed is not None:
        verdict = "NOT JUDGED (quick)"
    measured = _MISSING if bar.measured is None else f"{bar.measured:.3g}"
    side = "at least" if bar.at_least else "at most"
    return f"{verdict:<5} {bar.text}: {measured} ({side} {bar.limit:.3g})"


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write the whole run; what is not finite becomes null, which every reader of JSON takes."""
    path.write_text(json.dumps(_finite(record), indent=1, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print_table(report: CaseReport) -> None:
    grid = [[cell(row) for row in report.rows] for _, cell in _columns(report)]
    heads = [title for title, _ in _columns(report)]
    kept = [i for i, cells in enumerate(grid) if any(cell != _MISSING for cell in cells)]
    widths = [max(len(heads[i]), *map(len, grid[i])) for i in kept]
    print(_line([heads[i] for i in kept], widths))
    for number, row in enumerate(report.rows):
        print(_line([grid[i][number] for i in kept], widths) + "  " + _remark(row))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """One line: the first column flush left, figures flush right."""
    padded = [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)]
    return "  " + "  ".join([cells[0].ljust(widths[0]), *padded[1:]])


def _columns(report: CaseReport) -> Sequence[tuple[str, Callable[[Row], str]]]:
    def to_reference(row: Row) -> str:
        return _number(ratio(row, report.row(report.reference, row.group)), ".2f")

    def ours_to(row: Row) -> str:
        return _number(ratio(report.row(_OURS, row.group), row), ".2f")

    names = dict.fromkeys(name for row in report.rows for name in row.errors)
    errors = [(name, _error_cell(name)) for name in names]
    return [
        ("", lambda row: f"{row.group}: {row.name}" if row.group else row.name),
        ("seconds", lambda row: _number(row.seconds, ".4f")),
        ("range", lambda row: f"{min(row.times):.3f}-{max(row.times):.3f}" if row.times else _MISSING),
        ("/ref", to_reference),
        ("ours/it", ours_to),
        *errors,
        ("products", lambda row: _number(row.products, "d")),
        ("passes", lambda row: _number(row.passes, "d")),
        ("extra MB", lambda row: _number(row.peak_extra_bytes, ".1f", 1e-6)),
        ("GFLOP/s", lambda row: _number(row.gflops, ".1f")),
        ("GB/s", lambda row: _number(row.gbytes_per_second, ".1f")),
        ("of ceiling", lambda row: _number(row.ceiling_fraction, ".0%")),
    ]


def _error_cell(name: str) -> Callable[[Row], str]:
    return lambda row: _number(row.errors.get(name), ".1e")


def _remark(row: Row) -> str:
    parts = [row.status if row.status != "compared" else "", row.settings, row.note]
    return "; ".join(part for part in parts if part)


def _number(value: float | int | None, form: str, scale: float | None = None) -> str:
    if value is None:
        return _MISSING
    return format(value if scale is None else value * scale, form)


def _ceiling(name: str, value: float) -> str:
    return f"{value:.0f} GFLOP/s" if name.startswith("gemm") else f"{value:.1f} GB/s"
