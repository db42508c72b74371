"""Checks of arguments that nonnegative factorizations share."""

from typing import Any

import numpy as np
import numpy.typing as npt

from corange._validation import check_choice, check_nonnegative, check_number, shown

__all__ = ["check_factor", "check_hold", "check_loss", "check_penalties"]

Array = npt.NDArray[Any]

_LOSSES = {"frobenius": 2.0, "kullback-leibler": 1.0, "itakura-saito": 0.0}


def check_loss(loss: object) -> float:
    """Turn a loss into the beta of a beta-divergence."""
    if isinstance(loss, str):
        return _LOSSES[check_choice("loss", loss, tuple(_LOSSES))]
    return check_number("loss", loss, low=-100.0, high=100.0)


def check_penalties(name: str, value: Any) -> tuple[float, float]:
    """Check for two numbers of at least 0, of W and of H."""
    if not isinstance(value, (tuple, list, np.ndarray)) or len(value) != 2:
        raise TypeError(f"{name} must be two numbers, for W and for H, got {shown(value)}.")
    return check_nonnegative(f"{name}[0]", value[0]), check_nonnegative(f"{name}[1]", value[1])


def check_hold(hold: object, W: object, H: object) -> tuple[bool, bool]:
    """Check which factor is not to be changed: it must be there."""
    if hold is None:
        return False, False
    check_choice("hold", hold, ("W", "H"))
    if (W if hold == "W" else H) is None:
        raise ValueError(f"hold={hold!r} needs {hold}, got None.")
    return hold == "W", hold == "H"


def check_factor(name: str, value: npt.ArrayLike, shape: tuple[int, int], dtype: np.dtype[Any]) -> Array:
    """Check for a nonnegative, finite factor of the right shape, in the precision of the matrix."""
    factor: Array = np.asarray(value, dtype=dtype)
    if factor.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {factor.shape}.")
    if not np.isfinite(factor).all():
        raise ValueError(f"{name} must be finite, but holds NaN or infinity.")
    if factor.min() < 0:
        raise ValueError(f"{name} must be nonnegative, but its least entry is {factor.min():g}.")
    return factor
