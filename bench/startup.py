"""What ``import corange`` costs a program that uses NumPy and SciPy's sparse matrices anyway."""

from __future__ import annotations

import json
import subprocess
import sys

from bench.harness import Bar, CaseReport, Row, median
from bench.session import Session

_LIMIT_SECONDS = 0.030
_STATEMENTS = {
    "corange": "import corange",
    "corange, compiled core loaded": "import corange; corange.svd",
    "sklearn.utils.extmath": "import sklearn.utils.extmath",
}
_SCRIPT = """
import json, sys, time
import numpy, scipy.sparse
start = time.perf_counter()
{statement}
seconds = time.perf_counter() - start
heavy = [name for name in ("sklearn", "matplotlib", "pandas", "dask") if name in sys.modules]
print(json.dumps([seconds, heavy]))
"""


def run(session: Session) -> CaseReport:
    """Take the median over fresh processes, the files warm; scikit-learn for scale."""
    repeats = 1 if session.quick else max(15, session.repeats)
    rows = {name: Row(name, "") for name in _STATEMENTS}
    notes = []
    for turn in range(repeats + 1):
        for name, statement in _STATEMENTS.items():
            _import_once(rows[name], statement, keep=turn > 0)
    for row in rows.values():
        row.seconds = median(row.times)
    ours = rows["corange"]
    if ours.settings:
        notes.append(f"import corange loads {ours.settings}, which it should not")
    bar = Bar("import corange, seconds", _LIMIT_SECONDS, ours.seconds)
    return CaseReport({"processes": repeats}, list(rows.values()), [bar], notes=notes)


def _import_once(row: Row, statement: str, keep: bool) -> None:
    """Import in a fresh process; the first one only warms the file cache."""
    if row.status != "compared":
        return
    command = [sys.executable, "-c", _SCRIPT.format(statement=statement)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        row.status, row.note = "missing", done.stderr.strip().splitlines()[-1]
        return
    seconds, heavy = json.loads(done.stdout)
    if keep:
        row.times.append(seconds)
    if row.name.startswith("corange"):
        row.settings = ", ".join(heavy)
