"""What a solver of a nonnegative factorization is given."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from corange._nmf._entries import observed
from corange._operators import REMEDY, Matrix, as_matrix, as_stored
from corange._report import NMFIteration
from corange._rows import Rows, frobenius_norm

__all__ = ["Options", "Problem", "Solver", "make_problem"]

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Options:
    """Checked options of a factorization.

    Attributes
    ----------
    beta : float
        Of the beta-divergence.
    solver : str
        As the user asked for it; "auto" leaves it to the solver.
    l1, l2 : (float, float)
        Absolute penalties of W and of H.
    hold : (bool, bool)
        Whether W and H stay as they are.
    tol, max_iter, seed, callback
        As for `corange.nmf`; the callback returns True to stop.
    """

    beta: float = 2.0
    solver: str = "auto"
    l1: tuple[float, float] = (0.0, 0.0)
    l2: tuple[float, float] = (0.0, 0.0)
    hold: tuple[bool, bool] = (False, False)
    tol: float = 1e-4
    max_iter: int = 200
    seed: int = 0
    callback: Callable[[dict[str, Any]], bool] | None = None


@dataclasses.dataclass(frozen=True)
class Problem:
    """A checked, nonnegative matrix with what belongs to its entries.

    Attributes
    ----------
    X : matrix of shape (m, n)
        As the user gave it.
    matrix : Matrix
        The same as an operator of the core; rows multiplied with the roots of `weights`.
    mask : object or None
        Which entries count, for solvers that know of it.
    weights : ndarray of shape (m,) or None
        Weights of the rows.
    check_finite : bool
        Whether NaN and infinity are refused.
    squares : float or None
        Weighted sum of the squares of all entries, where `matrix` is not `X` itself.
    """

    X: Any
    matrix: Matrix
    mask: Any = None
    weights: npt.NDArray[np.float64] | None = None
    check_finite: bool = True
    squares: float | None = None

    @property
    def sum_squares(self) -> float | None:
        """Weighted sum of the squares of all entries; None where the operator knows."""
        if self.weights is None or self.squares is not None:
            return self.squares
        norms = Rows(self.X, "X", check_finite=self.check_finite).norms()
        return frobenius_norm(norms * np.sqrt(self.weights)) ** 2


# A solver improves every start, W of shape (m, rank) and Ht of shape (n, rank), both C-contiguous and in the
# precision of the matrix, in place, and returns which of them ended best and what it knows for the report:
# converged, stopped, method, iterations, passes, products, objective, error, norm_fro, gradient, reseeded,
# seconds, starts (objectives all of them came to, when there are several), and history, tuples as
# `NMFIteration`.
Solver = Callable[[Problem, list[tuple[Array, Array]], Options], tuple[int, dict[str, Any]]]


def make_problem(
    X: Any,
    *,
    mask: Any = None,
    weights: npt.NDArray[np.float64] | None = None,
    check_finite: bool = True,
    remedy: str | None = REMEDY,
) -> Problem:
    """Check a matrix: finite, nonnegative, of visible entries. With a mask, `X` keeps those that count."""
    if mask is not None:
        X = observed(X, mask)
    scale = None if weights is None or mask is not None else np.sqrt(weights)
    matrix = as_matrix(X, argument_name="X", check_finite=check_finite, row_scale=scale, remedy=remedy)
    if matrix.kind == "products":
        raise TypeError(
            f"X must have entries that can be looked at (an array, a sparse matrix, or row slicing), got "
            f"{type(X).__name__}: that they are nonnegative cannot be known of an operator."
        )
    _refuse_negative(X, check_finite=check_finite)
    return Problem(X, matrix, mask, weights, check_finite)


def _refuse_negative(X: Any, *, check_finite: bool) -> None:
    """Look at all entries, once."""
    stored = as_stored(X, argument_name="X", check_finite=check_finite, look_now=False)
    if stored.kind == "rows":
        read, height = stored.arrays
        m = stored.shape[0]
        least = min(float(np.min(read(i, min(i + height, m)))) for i in range(0, m, height))
    else:
        least = float(np.min(stored.arrays[-1], initial=0.0))
    if least < 0.0 and stored.kind in ("csr", "csc"):
        taken = Rows(X, "X", check_finite=check_finite).take(np.arange(stored.shape[0]))
        least = float(taken.data.min(initial=0.0))  # entries that are stored twice have been added
    if least < 0.0:
        raise ValueError(
            f"X must be nonnegative, but its least entry is {least:g}. (Negative values in data passed to "
            "NMF.) Shift or clip the data, or take a factorization without signs, such as corange.svd."
        )


def as_core_callback(
    callback: Callable[[NMFIteration], object] | None,
) -> Callable[[dict[str, Any]], bool] | None:
    """Hand the user's callback a record with attributes instead of the core's dictionary."""
    if callback is None:
        return None
    return lambda info: bool(callback(NMFIteration(**info)))
