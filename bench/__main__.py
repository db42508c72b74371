"""Command line of the benchmarks: ``python -m bench FAMILY`` and ``python -m bench chart``."""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import environment

if TYPE_CHECKING:  # these load BLAS, which must not happen before its settings are clean
    from bench.harness import CaseReport
    from bench.session import Case

_FAMILIES = ("cur", "kernel", "lstsq", "nmf", "sketch", "svd", "updating")


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run what it says."""
    options = _parser().parse_args(arguments)
    if options.command == "chart":
        from bench import chart

        chart.draw(options.record, options.out)
        return 0
    environment.restart_with(options.threads)
    sys.stdout.reconfigure(line_buffering=True)  # a run is long, and often watched through a file
    return _run_family(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in _FAMILIES:
        family = commands.add_parser(name, help=f"run the {name} cases against their peers")
        family.add_argument("--case", nargs="+", metavar="NAME", help="only these (--list shows them)")
        family.add_argument("--list", action="store_true", help="list the cases and stop")
        family.add_argument("--quick", action="store_true", help="tiny sizes: a smoke test, no verdicts")
        family.add_argument("--repeats", type=_positive, default=5, help="timed runs each (default 5)")
        family.add_argument("--threads", type=_positive, default=min(2, environment.usable_cores()))
        family.add_argument(
            "--no-memory", action="store_true", help="skip the peak memory of every contender"
        )
        family.add_argument("--folder", type=Path, help="for temporary files, 4 GB of them")
        family.add_argument("--json", type=Path, metavar="FILE", help="write everything measured")
    chart = commands.add_parser("chart", help="draw the measured ratios of a JSON file")
    chart.add_argument("record", type=Path, metavar="JSON")
    chart.add_argument("out", type=Path, metavar="OUT.png")
    return parser


def _run_family(options: argparse.Namespace) -> int:
    from bench import report

    # peers warn about iterations they were told to stop at; accuracy is judged here, by numbers
    warnings.filterwarnings("ignore")
    cases = {case.name: case for case in importlib.import_module(f"bench.{options.command}").CASES}
    if options.list:
        for case in cases.values():
            print(f"{case.name:16} {case.title}")
        return 0
    unknown = [name for name in options.case or () if name not in cases]
    if unknown:
        raise SystemExit(f"--case {' '.join(unknown)}: no such case; there are {', '.join(cases)}")
    record, found = _measure(options, [cases[name] for name in options.case or cases])
    if options.json:
        report.write_json(options.json, record)
    report.print_summary(found, judged=not options.quick)
    return 0


def _measure(options: argparse.Namespace, cases: Sequence[Case]) -> tuple[dict[str, Any], list[CaseReport]]:
    """Run the cases and print each; everything measured, for JSON, and the reports."""
    from bench import ceilings, report
    from bench.session import Session

    record = {
        "format": 1,
        "family": options.command,
        "started": time.strftime("%Y-%m-%d %H:%M:%S"),
        "quick": options.quick,
        "repeats": options.repeats,
        "machine": environment.machine(),
    }
    limits = ceilings.measure(options.threads, options.quick)
    report.print_machine(record["machine"], limits)
    found = []
    with tempfile.TemporaryDirectory(prefix="corange-bench-", dir=options.folder) as folder:
        session = Session(
            Path(folder), options.repeats, options.threads, options.quick, not options.no_memory, limits
        )
        for case in cases:
            found.append(case.report(session))
            report.print_case(found[-1], judged=not options.quick)
    after = ceilings.measure(options.threads, options.quick)
    report.print_drift(limits, after)
    record |= {"ceilings": limits, "ceilings_after": after, "cases": [case.to_json() for case in found]}
    return record, found


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


if __name__ == "__main__":
    raise SystemExit(main())
