"""Online nonnegative factorization: batches of rows, and sums for the components that forget."""

from typing import Any

import numpy as np
import numpy.typing as npt

from corange import _core
from corange._nmf._divergence import multiplicative_power
from corange._nmf._entries import Entries, entries_of, padded

__all__ = ["OnlineFactors"]

Array = npt.NDArray[Any]
Penalties = tuple[float, float, float, float]  # l1 and l2 of W, l1 and l2 of H, absolute


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

    def constant_weights(self, rows: int, mean: float) -> Array:
        """Weights that are all alike and fit the mean of the entries."""
        value = np.sqrt(np.ldexp(mean, -self.exponent) / self.rank)
        return padded(np.full((rows, self.rank), value, self.right.dtype))

    def scaled(self, penalties: Penalties) -> Penalties:
        """Penalties in the units of the model."""
        half, unit = self.exponent / 2, self.exponent * self.beta
        one, two = 2.0 ** (half - unit), 2.0 ** (2 * half - unit)
        return penalties[0] * one, penalties[1] * two, penalties[2] * one, penalties[3] * two

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
            length = float(np.linalg.norm(U))
            if tol > 0.0 and float(np.linalg.norm(U - before)) <= tol * length:
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
        return total / U.shape[0]

    def _parts(self, rows: Any, U: Array, Y: Array, l1: float, l2: float) -> tuple[Array, Array]:
        above, below = np.empty_like(U), np.empty_like(U)
        _core.nmf_terms(rows, U, Y, self.rank, self.beta, above, below)
        below += U.dtype.type(l1) + U.dtype.type(l2) * U
        return above, np.maximum(below, np.finfo(U.dtype).eps ** 2, out=below)
