"""Peak memory of one run, measured by the kernel in a fresh process.

``measure`` starts ``python -m bench.memory``, which loads the input, runs a small warm-up (so that
libraries and their buffers are in memory already), resets the high-water mark of its resident
memory and does the job once.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import data
from bench.harness import Contender

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


def measure(contender: Contender, path: Path, seed: int = 0) -> dict[str, Any]:
    """Peak memory of a contender on a stored input.

    Parameters
    ----------
    contender : Contender
        Its function is imported by name in the new process.
    path : Path
        Written by :func:`bench.data.store`; an ``.npy`` file larger than a gigabyte is mapped.

    Returns
    -------
    dict
        ``extra``: high-water mark of resident memory above what was resident before the job;
        ``total``: the high-water mark itself, interpreter and libraries included; ``seconds``;
        ``passes``, ``basis`` and ``detail`` as the answer has them. Empty where the kernel does not
        offer the counters; only ``error`` if the process failed.
    """
    if not _RESET.exists():
        return {}
    task = {
        "module": contender.function.__module__,
        "function": contender.function.__qualname__,
        "settings": dict(contender.settings),
        "path": str(path),
        "seed": seed,
    }
    command = [sys.executable, "-m", "bench.memory", json.dumps(task)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return {"error": done.stderr.strip().splitlines()[-1] if done.stderr else "no output"}
    return json.loads(done.stdout.splitlines()[-1])


def run_task(task: Mapping[str, Any]) -> dict[str, Any]:
    """Do the job described by ``task`` in this process and report its memory."""
    function = getattr(importlib.import_module(task["module"]), task["function"])
    matrix = data.load(Path(task["path"]))
    # whatever the warm-up stumbles over on its tiny matrix does not concern the measurement
    with contextlib.suppress(Exception):
        function(data.miniature(matrix), seed=task["seed"], **task["settings"])
    _release_freed_memory()
    _RESET.write_text("5")
    before = _status("VmRSS")
    start = time.perf_counter()
    answer = function(matrix, seed=task["seed"], **task["settings"])
    seconds = time.perf_counter() - start
    peak = _status("VmHWM")
    facts = {name: getattr(answer, name, None) for name in ("passes", "basis", "detail")}
    return {"extra": peak - before, "total": peak, "seconds": seconds, **facts}


def _status(field: str) -> int:
    """Bytes of one counter of this process."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"{_STATUS} has no {field}")


def _release_freed_memory() -> None:
    """Give freed memory back, or it would hide as much of the job's own."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


if __name__ == "__main__":
    print(json.dumps(run_task(json.loads(sys.argv[1]))))
