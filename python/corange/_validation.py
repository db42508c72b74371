"""Argument checks: the only place that decides what is legal, and says what is not.

Every check returns the argument in its plain Python type, or raises an error that names the argument, its
value and what would have been legal: `TypeError` for the wrong kind of thing, `ValueError` for an illegal
value.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from corange._exceptions import ConvergenceWarning

__all__ = [
    "check_boolean",
    "check_callback",
    "check_choice",
    "check_indices",
    "check_integer",
    "check_nonnegative",
    "check_number",
    "check_optional_integer",
    "check_place",
    "check_power_weights",
    "check_precision",
    "check_proportion",
    "check_rank",
    "check_rank_or_error",
    "check_shape_pair",
    "check_weights",
    "warn_unless_converged",
]

_T = TypeVar("_T", bound=str)


def shown(value: object) -> str:
    """Represent a value in an error message: short, with its type when that is not obvious."""
    text = repr(value)
    if len(text) > 60:
        text = text[:57] + "..."
    plain = isinstance(value, (int, float, str, type(None)))
    return text if plain else f"{text} ({type(value).__name__})"


def check_integer(name: str, value: object, *, low: int, high: int | None = None) -> int:
    """Check for an integer in [low, high]; NumPy integers are fine, bools and floats are not."""
    legal = f"an integer of at least {low}" if high is None else f"an integer from {low} to {high}"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be {legal}, got {shown(value)}.")
    number = int(value)
    if number < low or (high is not None and number > high):
        raise ValueError(f"{name} must be {legal}, got {shown(value)}.")
    return number


def check_optional_integer(name: str, value: object, *, low: int, high: int | None = None) -> int | None:
    """Check for None (let corange choose) or an integer in [low, high]."""
    return None if value is None else check_integer(name, value, low=low, high=high)


def check_proportion(name: str, value: object) -> float:
    """Check for a real number strictly between 0 and 1."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number between 0 and 1 (exclusive), got {shown(value)}.")
    number = float(value)
    if not (math.isfinite(number) and 0.0 < number < 1.0):
        raise ValueError(f"{name} must be between 0 and 1 (exclusive), got {shown(value)}.")
    return number


def check_nonnegative(name: str, value: object) -> float:
    """Check for a real number that is finite and at least 0."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number of at least 0, got {shown(value)}.")
    number = float(value)
    if not (math.isfinite(number) and number >= 0.0):
        raise ValueError(f"{name} must be a finite number of at least 0, got {shown(value)}.")
    return number


def check_number(name: str, value: object, *, low: float, high: float) -> float:
    """Check for a real number in [low, high]."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number from {low:g} to {high:g}, got {shown(value)}.")
    number = float(value)
    if not low <= number <= high:
        raise ValueError(f"{name} must be from {low:g} to {high:g}, got {shown(value)}.")
    return number


def check_precision(name: str, value: Any) -> np.dtype[Any]:
    """Check for float32 or float64."""
    try:
        dtype: np.dtype[Any] = np.dtype(value)
    except TypeError as error:
        raise TypeError(f"{name} must be float32 or float64, got {shown(value)}.") from error
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"{name} must be float32 or float64, got {dtype}.")
    return dtype


def check_shape_pair(name: str, value: Any) -> tuple[int, int]:
    """Check for two positive integers."""
    if not isinstance(value, Sequence) or len(value) != 2:
        raise TypeError(f"{name} must be two integers, got {shown(value)}.")
    m, n = (check_integer(f"{name}[{axis}]", side, low=1) for axis, side in enumerate(value))
    return m, n


def check_place(name: str, value: object, length: int, whole: int) -> int:
    """Check for the first position of a piece of that length in a whole."""
    if length > whole:
        raise ValueError(f"X must have at most {whole} {name}s, got {length}.")
    return check_integer(name, value, low=0, high=whole - length)


def check_power_weights(name: str, value: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Check for a sequence of finite numbers that are not all zero, one a power."""
    weights = np.asarray(value)
    if weights.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be a sequence of numbers, got {shown(value)}.")
    weights = weights.astype(np.float64)
    if weights.ndim != 1 or not np.isfinite(weights).all() or not weights.any():
        raise ValueError(f"{name} must be a sequence of finite numbers, not all zero, got {shown(value)}.")
    return weights


def check_weights(name: str, value: npt.ArrayLike, size: int) -> npt.NDArray[np.float64]:
    """Check for one weight a row, finite and nonnegative and not all zero; a number is the weight of each."""
    weights = np.asarray(value, dtype=np.float64)
    if weights.ndim == 0:
        weights = np.full(size, weights)
    if weights.shape != (size,):
        raise ValueError(f"{name} must hold one weight for each of {size} rows, got shape {weights.shape}.")
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0.0)))
    if bad.size:
        raise ValueError(
            f"{name} must be finite and at least 0, but {name}[{bad[0]}] is {weights[bad[0]]:g} "
            f"({bad.size} such)."
        )
    if not weights.any():
        raise ValueError(f"{name} must have at least one positive weight, got only zeros.")
    return np.ascontiguousarray(weights)


def check_indices(name: str, value: npt.ArrayLike, length: int) -> npt.NDArray[np.int64]:
    """Check for different positions from 0 to length - 1, at least one."""
    given = np.asarray(value)
    if given.ndim != 1 or not given.size:
        raise ValueError(f"{name} must be one or more indices in one dimension, got shape {given.shape}.")
    if given.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, got {given.dtype}.")
    indices = given.astype(np.int64)
    bad = indices[(indices < 0) | (indices >= length)]
    if bad.size:
        raise ValueError(f"{name} must be from 0 to {length - 1}, got {bad[0]}.")
    if np.unique(indices).size < indices.size:
        raise ValueError(f"{name} must differ, but some occur more than once.")
    return indices


def check_boolean(name: str, value: object) -> bool:
    """Check for True or False; other things that merely have a truth value are refused."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {shown(value)}.")
    return bool(value)


def check_choice(name: str, value: object, choices: Sequence[_T]) -> _T:
    """Check for one of a few words."""
    legal = ", ".join(map(repr, choices))
    if not isinstance(value, str):
        raise TypeError(f"{name} must be one of {legal}, got {shown(value)}.")
    for choice in choices:
        if choice == value:
            return choice
    raise ValueError(f"{name} must be one of {legal}, got {shown(value)}.")


def check_callback(name: str, value: object) -> Callable[[Any], object] | None:
    """Check for None or something callable."""
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be callable or None, got {shown(value)}.")
    return value


def check_rank_or_error(rank: object, error: object) -> None:
    """Check that exactly one of the two ways to say how much to keep is used."""
    if rank is None and error is None:
        raise ValueError(
            "either rank or error is needed: rank=50 asks for that rank, error=0.1 for as few as bring the "
            "relative Frobenius error down to 0.1; got rank=None and error=None."
        )
    if rank is not None and error is not None:
        raise ValueError(
            f"rank and error exclude each other, got rank={shown(rank)} and error={shown(error)}."
        )


def check_rank(rank: object, shape: tuple[int, int], *, name: str = "rank", stacklevel: int = 3) -> int:
    """Check for a positive integer and clip it, with a warning, to what the matrix can have.

    Parameters
    ----------
    rank : object
        The value to check.
    shape : (int, int)
        Shape of the matrix; its smaller side is the largest rank there is.
    name : str, default="rank"
        Name of the argument in messages.
    stacklevel : int, default=3
        As for `warnings.warn`, counted from here: 2 is the caller, 3 the caller of the caller.
    """
    wanted = check_integer(name, rank, low=1)
    limit = min(shape)
    if wanted <= limit:
        return wanted
    warnings.warn(
        f"{name}={wanted} is more than a {shape[0]} x {shape[1]} matrix can have; {limit} is used.",
        UserWarning,
        stacklevel=stacklevel,
    )
    return limit


def warn_unless_converged(message: str | None, *, stacklevel: int = 3) -> None:
    """Warn with a `ConvergenceWarning` when there is something to say."""
    if message is not None:
        warnings.warn(message, ConvergenceWarning, stacklevel=stacklevel)
