"""Approximations of any rank from one look at a matrix, and as small a rank as reaches an error."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from corange._interpolative import shortfall
from corange._results import EighResult, SVDResult
from corange._validation import (
    check_optional_integer,
    check_proportion,
    check_rank_or_error,
    warn_unless_converged,
)

__all__ = ["Look", "by_error", "rank_or_error"]

Array = npt.NDArray[Any]
Result = TypeVar("Result", EighResult, SVDResult)
# What was seen: makes a result of a rank; passes and products that went before count in its report.
Look = Callable[[int, int, int], Result]

# Columns of the first sketch when the rank is not known.
_FIRST = 64


def rank_or_error(rank: object, error: object) -> float | None:
    """Check that one of them is given, and what is given."""
    check_rank_or_error(rank, error)
    check_optional_integer("rank", rank, low=1)
    return None if error is None else check_proportion("error", error)


def by_error(
    look: Callable[[int], Look[Result]], spectrum: Callable[[Result], Array], most: int, error: float
) -> Result:
    """Sketches twice as large each time until one reaches the error; then as small a rank as does."""
    size, passes, products = min(_FIRST, most), 0, 0
    while True:
        truncated = look(size)
        full = truncated(size, passes, products)
        if full.report.error <= error or size == most:
            break
        passes, products = full.report.passes, full.report.products
        size = min(2 * size, most)
    values = np.asarray(spectrum(full), dtype=np.float64)
    squares = np.square(values / max(values[0], np.finfo(float).tiny))
    tails = np.sqrt(np.append(np.cumsum(squares[::-1])[::-1], 0.0) / max(squares.sum(), 1e-300))
    rank = max(1, int(np.argmax(np.hypot(tails, min(full.report.error, error)) <= error)))
    result = full if full.report.error > error else truncated(rank, passes, products)
    while result.report.error > error and rank < size:
        rank = min(size, rank + 1 + rank // 20)
        result = truncated(rank, passes, products)
    warn_unless_converged(shortfall(result.report, error))
    return result
