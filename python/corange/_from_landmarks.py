"""Nystrom approximations from landmarks: arguments, choice, report."""

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from corange._entries import Entries, as_entries
from corange._landmarks import (
    PartialCholesky,
    cholesky_at,
    leverage_landmarks,
    random_pivots,
    uniform_landmarks,
)
from corange._report import Report
from corange._results import NystromResult
from corange._validation import (
    check_choice,
    check_indices,
    check_integer,
    check_proportion,
    check_rank,
    shown,
)

__all__ = ["LANDMARKS", "factor", "from_landmarks"]

Array = npt.NDArray[Any]

LANDMARKS = ("rpcholesky", "leverage", "uniform")

_METHODS = {
    "rpcholesky": "randomly pivoted Cholesky",
    "leverage": "Cholesky at landmarks drawn by ridge leverage scores",
    "uniform": "Cholesky at uniform landmarks",
    "given": "Cholesky at given landmarks",
}


def from_landmarks(
    K: Any,
    rank: object,
    landmarks: str | npt.ArrayLike,
    error: object,
    seed: int,
    check_finite: bool,
) -> NystromResult:
    """Check arguments of `corange.nystrom` with landmarks, and do as they say."""
    if error is not None:
        if not (isinstance(landmarks, str) and landmarks == "rpcholesky"):
            raise ValueError(f"error needs landmarks='rpcholesky', got landmarks={shown(landmarks)}.")
        error = check_proportion("error", error)
    if isinstance(landmarks, str):
        check_choice("landmarks", landmarks, LANDMARKS)
        check_integer("rank", rank, low=1)
    elif rank is not None:
        raise ValueError(
            f"rank is the number of landmarks when they are indices, got rank={shown(rank)} too."
        )
    entries = as_entries(K, "K", check_finite=check_finite)
    if not isinstance(landmarks, str):
        landmarks = check_indices("landmarks", landmarks, entries.shape[0])
    else:
        rank = check_rank(rank, entries.shape, stacklevel=4)
    size = landmarks.size if isinstance(landmarks, np.ndarray) else int(rank)  # type: ignore[call-overload]
    started = time.perf_counter()
    state = factor(entries, landmarks, size, seed, float(error) if isinstance(error, float) else 0.0)
    return _result(entries, state, landmarks, time.perf_counter() - started)


def factor(
    entries: Entries, landmarks: str | npt.NDArray[np.int64], rank: int, seed: int, error: float = 0.0
) -> PartialCholesky:
    """Factor at landmarks that are given, or chosen as their name says."""
    if not isinstance(landmarks, str):
        return cholesky_at(entries, landmarks)
    if landmarks == "rpcholesky":
        return random_pivots(entries, rank, seed, error)
    if landmarks == "leverage":
        return cholesky_at(entries, leverage_landmarks(entries, rank, seed))
    return cholesky_at(entries, uniform_landmarks(entries.shape[0], rank, seed))


def _result(entries: Entries, state: PartialCholesky, landmarks: object, seconds: float) -> NystromResult:
    n, count = entries.shape[0], state.count
    name = landmarks if isinstance(landmarks, str) else "given"
    report = Report(
        task="nystrom",
        matrix=entries.description,
        method=f"{_METHODS[name]}, {entries.dtype}",
        rank=count,
        tol=np.nan,
        converged=True,
        stopped="completed",
        passes=0,
        products=2 * count if name == "leverage" else count,
        iterations=0,
        restarts=0,
        block_size=count,
        max_basis=count,
        seconds=seconds,
        residuals=np.empty(0),
        scale=np.nan,
        norm_fro=np.nan,
        error=state.error,
        error_kind="exact",
        error_bound=state.error,
        error_confidence=1.0,
        history=(),
        peak_bytes=n * (state.F.shape[1] + 128) * entries.dtype.itemsize,
        error_norm="trace",
    )
    F = state.F if count == state.F.shape[1] else np.ascontiguousarray(state.F[:, :count])
    return NystromResult(F, np.array(state.pivots, dtype=np.int64), report=report)
