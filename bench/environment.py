"""The conditions of a run: threads, the BLAS kernel that works, the machine, the versions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from pathlib import Path
from typing import Any

# Settings that make OpenBLAS use another kernel or another blocking than the best it has for the
# processor. Some machines export them; a peer slowed down that way would flatter us.
_BLAS_OVERRIDES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_VERBOSE")
_THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_CLEANED = "CORANGE_BENCH_CLEANED"
_PACKAGES = ("corange", "numpy", "scipy", "scikit-learn", "fbpca", "primme", "torch")


def usable_cores() -> int:
    """Count the processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def restart_with(threads: int) -> None:
    """Replace this process by one with clean BLAS settings and the same threads for everybody.

    Thread counts and kernels are fixed when a library loads, so they must stand in the
    environment of a new process. Does nothing in the process that results.

    Parameters
    ----------
    threads : int
        Threads for OpenMP and BLAS alike.
    """
    if _CLEANED in os.environ:
        return
    environment = {k: v for k, v in os.environ.items() if k not in _BLAS_OVERRIDES}
    environment.update({name: str(threads) for name in _THREAD_SETTINGS})
    removed = [name for name in _BLAS_OVERRIDES if name in os.environ]
    environment[_CLEANED] = ",".join(removed) or "none"
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", "bench", *sys.argv[1:]], environment)


def blas_kernels() -> list[dict[str, Any]]:
    """Thread pools loaded by NumPy, SciPy and scikit-learn: library, kernel, threads."""
    import scipy.linalg  # noqa: F401  (loads SciPy's own BLAS, so that it is listed)
    import threadpoolctl

    keys = ("internal_api", "architecture", "version", "num_threads")
    pools = threadpoolctl.threadpool_info()
    return [
        {"library": Path(pool["filepath"]).parent.name, **{k: pool.get(k) for k in keys}} for pool in pools
    ]


def machine() -> dict[str, Any]:
    """Everything about machine and software that a reader needs to judge the figures."""
    return {
        "processor": _processor_name(),
        "architecture": platform.machine(),
        "cores": usable_cores(),
        "system": platform.system() + " " + platform.release(),
        "python": platform.python_version(),
        "versions": _versions(),
        "threads": {name: os.environ.get(name) for name in _THREAD_SETTINGS},
        "blas": blas_kernels(),
        "removed_settings": os.environ.get(_CLEANED, "none"),
        "load_average": list(os.getloadavg()),
        "corange": _corange_configuration(),
    }


def _processor_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _corange_configuration() -> dict[str, Any] | None:
    try:
        from corange import _core
    except ImportError:
        return None
    return dict(_core.build_info())
