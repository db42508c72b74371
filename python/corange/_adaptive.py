"""As many columns as an error asks for, and the error that was reached."""

from typing import Any

import numpy as np
import numpy.typing as npt

from corange._estimate import Estimate, error_estimate
from corange._select import Options, choose, pivoted, pivots_of_sketch
from corange._single_pass import CONFIDENCE, PROBES
from corange._source import Source
from corange._validation import check_optional_integer, check_proportion, check_rank_or_error

__all__ = ["Choice", "chosen", "missing", "wanted"]

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]

# Columns of the first sketch when the rank is not known: half of it is how far its estimates can be trusted.
_FIRST = 64
# Below this relative error squared norms no longer tell the difference between a matrix and its projection.
_FLOOR = {np.dtype(np.float64): 1e-6, np.dtype(np.float32): 1e-2}
# Above this one single precision is enough for coefficients: they are off by 1e-5 of the error that is there.
_SINGLE = 0.03


class Choice:
    """Columns (or rows) that were chosen, and the relative error expected of them, nan if nothing tells.

    `errors` are those expected of the first 0, 1, ... of `pivots`, more of which were found than are chosen.
    """

    def __init__(
        self, indices: Indices, expected: float, pivots: Indices | None = None, errors: Array | None = None
    ) -> None:
        self.indices = indices if indices.size else np.zeros(1, np.int64)
        self.expected = expected
        self.pivots, self.errors = pivots, errors

    def reaching(self, error: float) -> "Choice | None":
        """As many of the same pivots as another error asks for; None if they do not reach it."""
        if self.pivots is None or self.errors is None or self.errors[-1] > error:
            return None
        enough = int(np.argmax(self.errors <= error))
        return Choice(self.pivots[: max(enough, 1)], float(self.errors[enough]), self.pivots, self.errors)

    def of_size(self, count: int) -> "Choice | None":
        """Take the first of the same pivots; None if there are not as many."""
        if self.pivots is None or self.errors is None or self.pivots.size < count:
            return None
        return Choice(self.pivots[:count], float(self.errors[count]), self.pivots, self.errors)

    def allows_single(self, source: Source) -> bool:
        """Whether coefficients in single precision are as good, and come sooner."""
        return source.matrix.kind == "dense" and source.dtype == np.float64 and self.expected > _SINGLE


def wanted(rank: Any, error: Any, method: str) -> float | None:
    """Check rank and error, of which one is given; return the error."""
    check_rank_or_error(rank, error)
    check_optional_integer("rank", rank, low=1)
    if error is None:
        return None
    if method != "qr":
        raise ValueError(f"error needs method='qr', whose sketch tells the error, got method={method!r}.")
    return check_proportion("error", error)


def chosen(
    source: Source,
    axis: int,
    rank: int | None,
    error: float | None,
    method: str,
    options: Options,
    before: Choice | None = None,
) -> Choice:
    """Choose that many columns (or rows), or as many as bring the expected error down, some chosen before."""
    if error is not None:
        again = None if before is None else before.reaching(error)
        return _by_error(source, axis, error, options) if again is None else again
    assert rank is not None
    if method != "qr":
        return Choice(choose(source, axis, rank, method, options), np.nan)
    return _by_sketch(source, axis, rank, options.size(rank), options)


def _by_sketch(source: Source, axis: int, rank: int, size: int, options: Options) -> Choice:
    pivots, remainders = pivots_of_sketch(source, axis, rank, size, options)
    return Choice(pivots, float(_expected(remainders, source, axis, size)[-1]))


def _expected(remainders: Array, source: Source, axis: int, size: int) -> Array:
    """Relative errors after 0, 1, ... columns; t of them leave less of a sketch, by a part t / size."""
    if remainders[0] == 0:
        return np.zeros(1)
    kept = np.ones(remainders.size)
    if not source.sketch_is_whole(axis, size):
        kept -= np.arange(remainders.size) / size
    errors: Array = np.sqrt(remainders / remainders[0] / np.maximum(kept, 1e-300))
    return errors


def _by_error(source: Source, axis: int, error: float, options: Options) -> Choice:
    size, limit = _FIRST, min(source.shape[1 - axis], 2 * min(source.shape))
    while True:
        size = min(size, limit)
        Y = source.sketch(axis, size, options.seed, options.power)
        pivots, remainders = pivoted(Y, size if size == limit else size // 2, source.rcond)
        errors = _expected(remainders, source, axis, size)
        if size < limit and errors[-1] > error and pivots.size == size // 2:
            size *= 2
            continue
        every = Choice(pivots, float(errors[-1]), pivots, errors)
        return every.reaching(error) or every


def missing(
    source: Source, norm: float | None, captured: float | None, factors: tuple[Any, ...], seed: int
) -> tuple[Estimate, bool]:
    """Find the relative error of an approximation, and whether it is exact.

    `captured` is the norm of a projection of the matrix, when the approximation is one.
    """
    if norm == 0.0:
        return Estimate(0.0, 0.0, 0.0, 1.0), True
    if norm is not None and captured is not None:
        part = captured / norm
        error = float(np.sqrt(max((1.0 - part) * (1.0 + part), 0.0)))
        if error > _FLOOR[source.dtype]:
            return Estimate(error, error, error, 1.0), True
    probed = error_estimate(
        source.matrix.operator, factors, PROBES, confidence=CONFIDENCE, relative=True, seed=seed, norm=norm
    )
    return probed, False
