"""Online nonnegative factorization: batches of rows, and sums for the components that forget."""

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from corange import _core
from corange._nmf._divergence import multiplicative_power
from corange._nmf._entries import Entries, entries_of, in_units, padded
from corange._rows import frobenius_norm

__all__ = ["OnlineFactors", "Watch"]

Array = npt.NDArray[Any]
Penalties = tuple[float, float, float, float]  # l1 and l2 of W, l1 and l2 of H, absolute

_PIECE = 2**17  # entries that are summed together


class OnlineFactors:
    """Components and what is summed for them, in units in which the first entries seen are about one.

    Parameters
    ----------
    Ht : ndarray of shape (n, rank)
        Components to start from, transposed.
    beta : float
        Of the beta-divergence.
    exponent : int
        Even; the units are ``2.0**exponent``.

    Notes
    -----
    A step for the components divides sums of both parts of the gradient over the batches so far, older ones
    weighted down (Lefevre, Bach, Fevotte (2011), doi:10.1109/ASPAA.2011.6082314).
    """

    def __init__(self, Ht: Array, beta: float, exponent: int) -> None:
        self.rank, self.beta, self.exponent = Ht.shape[1], beta, exponent
        self._power = multiplicative_power(beta)
        self.right = padded(Ht, -exponent // 2)
        self._above, self._below = self.right.copy(), np.ones_like(self.right)

    @property
    def components(self) -> Array:
        """H, in the user's units."""
        return np.ascontiguousarray(np.ldexp(self.right[:, : self.rank], self.exponent // 2).T)

    def entries(self, X: Any) -> Entries:
        """Lay open a batch in the units of the model."""
        return entries_of(X, exponent=self.exponent)

    def load(self, W: Array) -> Array:
        """Pad weights, in the units of the model."""
        return padded(W, -self.exponent // 2)

    def unload(self, U: Array) -> Array:
        """Weights in the user's units."""
        return np.ascontiguousarray(np.ldexp(U[:, : self.rank], self.exponent // 2))

    def constant_weights(self, X: Any) -> Array:
        """Weights that are all alike and fit the mean of the entries, summed where nothing overflows."""
        values = X.data if scipy.sparse.issparse(X) else X
        step = max(1, _PIECE * len(values) // max(values.size, 1))
        pieces = (values[start : start + step] for start in range(0, len(values), step))
        total = sum(float(np.ldexp(piece, -self.exponent).sum(dtype=np.float64)) for piece in pieces)
        value = np.sqrt(total / (X.shape[0] * X.shape[1]) / self.rank)
        return padded(np.full((X.shape[0], self.rank), value, self.right.dtype))

    def scaled(self, penalties: Penalties) -> Penalties:
        """Penalties in the units of the model."""
        half, unit = self.exponent / 2, self.exponent * self.beta
        shifts = (half - unit, 2 * half - unit) * 2
        a, b, c, d = (in_units(value, shift) for value, shift in zip(penalties, shifts, strict=True))
        return a, b, c, d

    def improve_weights(self, entries: Entries, U: Array, penalties: Penalties) -> None:
        """Take a multiplicative step for the weights of a batch."""
        above, below = self._parts(entries.rows, U, self.right, *penalties[:2])
        above /= below
        U *= above if self._power == 1.0 else above**self._power

    def solve_weights(self, entries: Entries, U: Array, penalties: Penalties, steps: int, tol: float) -> None:
        """Take steps until they have become short."""
        for _ in range(steps):
            before = U.copy()
            self.improve_weights(entries, U, penalties)
            length = frobenius_norm(U)
            if tol > 0.0 and frobenius_norm(U - before) <= tol * length:
                return

    def improve_components(self, entries: Entries, U: Array, penalties: Penalties, memory: float) -> None:
        """Add a batch to the sums, old ones times `memory`, and divide them."""
        above, below = self._parts(entries.columns, self.right, U, *penalties[2:])
        above *= self.right if self._power == 1.0 else self.right ** (1.0 / self._power)
        self._above *= memory
        self._below *= memory
        self._above += above
        self._below += below
        np.divide(self._above, self._below, out=self.right)
        if self._power != 1.0:
            self.right **= self._power

    def loss(self, entries: Entries, U: Array) -> float:
        """Divergence of a batch, in the units of the model."""
        return float(_core.nmf_terms(entries.rows, U, self.right, self.rank, self.beta, None, None))

    def cost(self, entries: Entries, U: Array, penalties: Penalties) -> float:
        """Loss and penalties of a batch, for each of its rows."""
        total = self.loss(entries, U)
        for factor, l1, l2 in ((U, *penalties[:2]), (self.right, *penalties[2:])):
            total += l1 * float(factor.sum(dtype=np.float64)) + l2 * float(
                np.square(factor, dtype=np.float64).sum()
            )
        return total / float(U.shape[0])

    def _parts(self, rows: Any, U: Array, Y: Array, l1: float, l2: float) -> tuple[Array, Array]:
        above, below = np.empty_like(U), np.empty_like(U)
        _core.nmf_terms(rows, U, Y, self.rank, self.beta, above, below)
        below += U.dtype.type(l1) + U.dtype.type(l2) * U
        return above, np.maximum(below, np.finfo(U.dtype).eps ** 2, out=below)


class Watch:
    """Tells when batches have stopped to help, as scikit-learn does.

    Parameters
    ----------
    rows : int
        Rows of all batches together.
    tol : float
        Relative change of the components that is small enough; 0 for never.
    patience : int or None
        Batches in a row that need not lower the smoothed cost.
    verbose : bool
        Print the cost of every batch.
    """

    def __init__(self, rows: int, tol: float, patience: int | None, verbose: bool) -> None:
        self._rows, self._tol, self._patience, self._verbose = rows, tol, patience, verbose
        self._smooth: float | None = None
        self._least, self._idle = float("inf"), 0

    def converged(self, step: int, size: int, cost: float, before: Array, after: Array) -> bool:
        """Look at the cost of a batch and at the components before and after it."""
        if self._verbose:
            print(f"MiniBatchNMF, batch {step}: mean cost {cost:.6g}")
        if step == 1:
            return False
        alpha = min(size / (self._rows + 1), 1.0)
        self._smooth = cost if self._smooth is None else self._smooth * (1 - alpha) + cost * alpha
        length = frobenius_norm(after)
        if self._tol > 0 and frobenius_norm(after - before) <= self._tol * length:
            return True
        self._idle = 0 if self._smooth < self._least else self._idle + 1
        self._least = min(self._least, self._smooth)
        return self._patience is not None and self._idle >= self._patience
