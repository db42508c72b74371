"""How many samples rows with weights stand for."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Samples", "count_samples"]


class Samples(NamedTuple):
    """How many samples there are, when rows have weights.

    Attributes
    ----------
    number : int
        Samples that the rows stand for, at least one for each row with a weight.
    freedom : float
        Degrees of freedom of variances.
    """

    number: int
    freedom: float


def count_samples(rows: int, weights: npt.NDArray[Any] | None) -> Samples:
    """Count samples and degrees of freedom; weights say how many samples each row stands for."""
    if weights is None:
        if rows < 2:
            raise ValueError(f"PCA needs at least 2 samples to have variance, got n_samples={rows}.")
        return Samples(rows, rows - 1)
    number = float(weights.sum())
    if number <= 1:
        raise ValueError(
            "sample_weight must sum to more than 1, since it tells how many samples each row stands for, got "
            f"a sum of {number:g}."
        )
    return Samples(max(int(np.count_nonzero(weights)), int(number)), number - 1)
