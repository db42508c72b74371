"""What this machine can do at most: matrix products, memory traffic. Measured, never assumed."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from scipy.linalg import blas

from bench.harness import SETTLE_SECONDS

_RUNS = 5


def measure(threads: int, quick: bool = False) -> dict[str, float]:
    """Ceilings of the machine, each the best of five runs.

    Parameters
    ----------
    threads : int
        Threads that stream through memory (products use the threads BLAS has).
    quick : bool
        Small sizes, for a smoke test: the figures then mean nothing.

    Returns
    -------
    dict
        ``gemm_float64`` and ``gemm_float32`` in GFLOP/s (square products by NumPy); ``copy``,
        ``triad`` and ``read`` in GB/s over arrays far larger than the caches (copy: one read, one
        write; triad: ``y += a x``, two reads, one write; read: a maximum).
    """
    order = 256 if quick else 4000
    length = 1 << (16 if quick else 26)
    settle = 0.0 if quick else SETTLE_SECONDS
    found = {f"gemm_{kind}": _gemm(order, kind, settle) for kind in ("float64", "float32")}
    found.update(_streams(length, threads, settle))
    return found


def _gemm(order: int, dtype: str, settle: float) -> float:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((order, order)).astype(dtype)
    out = np.empty_like(a)
    return 2 * order**3 / _best(lambda: np.matmul(a, a, out=out), settle) / 1e9


def _streams(length: int, threads: int, settle: float) -> dict[str, float]:
    """Traffic with one slice of each array a thread (``length`` doubles in all)."""
    x, y = np.ones(length), np.zeros(length)
    edges = np.linspace(0, length, threads + 1).astype(int)
    parts = [slice(int(a), int(b)) for a, b in itertools.pairwise(edges)]
    kernels: dict[str, tuple[int, Callable[[slice], Any]]] = {
        "copy": (2, lambda part: np.copyto(y[part], x[part])),
        "triad": (3, lambda part: blas.daxpy(x[part], y[part], a=0.5)),
        "read": (1, lambda part: float(x[part].max())),
    }
    found = {}
    with ThreadPoolExecutor(threads) as pool:
        for name, (streams, kernel) in kernels.items():
            seconds = _best(lambda k=kernel: list(pool.map(k, parts)), settle)
            found[name] = streams * 8 * length / seconds / 1e9
    return found


def _best(call: Callable[[], Any], settle: float) -> float:
    times = []
    for _ in range(_RUNS + 1):
        time.sleep(settle)
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times[1:])
