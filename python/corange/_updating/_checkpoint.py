"""The state of an updated SVD as arrays, from which it goes on with the same bits."""

from typing import Any

import numpy as np

from corange._report import Drift
from corange._updating._basis import ExtendedBasis
from corange._updating._evolving import EvolvingSVD

__all__ = ["from_arrays", "to_arrays"]


def to_arrays(state: EvolvingSVD) -> dict[str, Any]:
    """Take apart the state of a stream."""
    drift, left = state.drift, state.left
    kept = {} if left is None else {"left_tall": left.tall, "left_inner": left.inner}
    return kept | {
        "tall": state.right.tall,
        "inner": state.right.inner,
        "s": state.s,
        "seed": np.array(state.seed, dtype=np.uint64),
        "counts": np.array((state.updates, state.since_refresh, state.right.flushes, state.rank), np.int64),
        "drift": np.array([drift.lost, drift.lost_square, drift.spread, drift.gap]),
        "direction": np.array(drift.direction),
    }


def from_arrays(arrays: Any) -> EvolvingSVD:
    """Put a state together again."""
    updates, since_refresh, flushes, rank = map(int, arrays["counts"])
    lost, lost_square, spread, gap = map(float, arrays["drift"])
    state = EvolvingSVD(
        None,
        arrays["s"],
        arrays["tall"],
        rank=rank,
        seed=int(arrays["seed"]),
        drift=Drift(lost, lost_square, spread, gap, str(arrays["direction"])),
    )
    state.right = ExtendedBasis(arrays["tall"], arrays["inner"])
    if "left_tall" in arrays:
        state.left = ExtendedBasis(arrays["left_tall"], arrays["left_inner"])
    state.right.flushes, state.updates, state.since_refresh = flushes, updates, since_refresh
    return state
