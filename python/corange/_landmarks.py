"""Partial Cholesky factorizations of positive semidefinite matrices, and the landmarks they are made of."""

from typing import Any

import numpy as np
import numpy.typing as npt

from corange import _core
from corange._entries import Entries
from corange._random import Stream
from corange._rows import adjoint_product
from corange._single_pass import multiply
from corange._small import eigh

__all__ = [
    "PartialCholesky",
    "cholesky_at",
    "leverage_landmarks",
    "pivoted_cholesky",
    "random_pivots",
    "uniform_landmarks",
]

Array = npt.NDArray[Any]

# Rounding in a diagonal entry of what is left, in units of eps * sqrt(rank) * the entry.
_NOISE = 8.0
# Multiples of these below which pivots are looked at once more.
_DOUBTFUL = 128.0
_LARGEST_BLOCK = 128


class PartialCholesky:
    """K = F F' + what is left, of which the diagonal is known: a state that columns are added to.

    Attributes
    ----------
    F : ndarray of shape (n, capacity)
        The factor; columns beyond `count` are not written yet.
    pivots : list of int
        Rows and columns that F reproduces, in order.
    left : ndarray of shape (n,)
        Diagonal of what is left; entries that are rounding are 0.
    trace : float
        Sum of the diagonal of K.
    doubtful : float
        Multiples of its floor below which a pivot may be rounding.
    """

    def __init__(self, entries: Entries, capacity: int) -> None:
        diagonal = entries.diagonal()
        largest = float(np.abs(diagonal).max())
        eps = float(np.finfo(entries.dtype).eps)
        scale = np.maximum(np.abs(diagonal), eps * largest)
        self.floors = _NOISE * eps * np.sqrt(capacity) * scale
        # Entries below -sqrt(eps) times what they were, here in units of their floors, are no rounding.
        self._lowest = -np.sqrt(eps) / (_NOISE * eps * np.sqrt(capacity))
        # What is forgotten must not look negative when later columns take it away.
        self.doubtful = min(_DOUBTFUL, -0.1 * self._lowest)
        worst = int(np.argmin(diagonal / np.where(scale > 0.0, scale, 1.0)))
        if diagonal[worst] < self._lowest * self.floors[worst]:
            raise np.linalg.LinAlgError(
                f"K must be positive semidefinite, but K[{worst}, {worst}] is {diagonal[worst]:.3g}."
            )
        self.entries = entries
        self.left = np.where(diagonal > self.floors, diagonal, 0.0)
        self.trace = float(self.left.sum())
        self.F = np.empty((diagonal.size, capacity), entries.dtype)
        self.pivots: list[int] = []

    @property
    def count(self) -> int:
        """Columns so far."""
        return len(self.pivots)

    @property
    def error(self) -> float:
        """Trace of what is left, relative to that of K."""
        return float(self.left.sum()) / self.trace if self.trace > 0.0 else 0.0

    def residual_block(self, chosen: Array) -> npt.NDArray[np.float64]:
        """Compute what is left of the entries between some rows and the same columns."""
        block = np.array(self.entries.block(chosen, chosen), dtype=np.float64, order="C")
        if self.count:
            _core.subtract_outer(self.F[chosen, : self.count].astype(np.float64), block)
        return block

    def add(self, chosen: Array, L: npt.NDArray[np.float64]) -> None:
        """Append the columns of F for new pivots, given the Cholesky factor of their residual block."""
        columns = self.entries.columns(chosen)
        dtype = self.F.dtype
        lowest = _core.cholesky_step(
            columns.astype(dtype, copy=False),
            np.ascontiguousarray(self.F[chosen, : self.count].T),
            L,
            self.F,
            self.left[:, np.newaxis],
            self.floors[:, np.newaxis],
        )
        if lowest < self._lowest:
            raise np.linalg.LinAlgError(
                "K must be positive semidefinite, but the diagonal of what is left beside "
                f"{self.count + chosen.size} of its columns has negative entries; use corange.eigh."
            )
        self.pivots.extend(map(int, chosen))
        self.left[chosen] = 0.0

    def is_rounding(self, p: int, value: float) -> bool:
        """Whether what is left of a diagonal entry is no more than rounding of the entries of K made of it.

        It is ``x' K x`` with x = 1 at p and -c at the pivots, where c are the coefficients of column p in
        those of the pivots; random pivots do not bound c.
        """
        chosen = np.array(self.pivots, dtype=np.int64)
        L = self.F[chosen, : self.count].astype(np.float64)
        row = self.F[p, : self.count, np.newaxis].astype(np.float64)
        c = adjoint_product(_core.inverse_triangle(L), row)[:, 0]
        return bool(value <= self.floors[p] + (np.square(c) * self.floors[chosen]).sum())

    def forget(self, p: int) -> None:
        """Count an entry of the diagonal as zero, and all others that are as small beside their floors."""
        ratio = min(float(self.left[p] / self.floors[p]), self.doubtful)
        self.left[self.left <= ratio * self.floors] = 0.0
        self.left[p] = 0.0

    def drop_surplus(self, since: int, error: float) -> None:
        """Take back the last columns, of those from `since` on, that the error can do without."""
        new = self.F[:, since : self.count].astype(np.float64) ** 2
        allowed, total = error * self.trace, float(self.left.sum())
        keep = self.count
        while keep > since + 1 and total + float(new[:, keep - 1 - since].sum()) <= allowed:
            keep -= 1
            total += float(new[:, keep - since].sum())
        self.left += new[:, keep - since :].sum(axis=1)
        del self.pivots[keep:]


def random_pivots(entries: Entries, rank: int, seed: int, error: float = 0.0) -> PartialCholesky:
    """Randomly pivoted partial Cholesky factorization, in blocks with rejection.

    Each pivot is drawn with probability proportional to the diagonal of what is left. A block of pivots is
    drawn from the diagonal as it is before the block; one of them is accepted with the probability that the
    pivots accepted before it leave, which gives the distribution of one draw at a time. Stops at `rank`, at
    the numerical rank, or when the relative trace error is at most `error`.

    References
    ----------
    Chen, Epperly, Tropp, Webber (2025), Comm. Pure Appl. Math. 78, arXiv:2207.06503; Epperly, Tropp, Webber
    (2024), arXiv:2410.03969 (in blocks).
    """
    state = PartialCholesky(entries, rank)
    size = min(_LARGEST_BLOCK, max(16, rank // 4))
    rounds = 0
    while state.count < rank and state.left.any() and state.error > error:
        wanted = rank - state.count
        draws = np.empty((2, min(size, 2 * wanted + 8)))
        _core.random_block(
            "uniform", seed, stream=Stream.LANDMARK_PROPOSALS, row0=2 * rounds, col0=0, out=draws
        )
        rounds += 1
        proposals = _proportional(state.left, draws[0])
        accepted, L = _trusted(state, *_accept(state, proposals, draws[1], wanted))
        before = state.count
        if accepted.size:
            state.add(accepted, L)
        else:  # rounding alone is left of the first proposal, whose turn it was for certain
            state.forget(proposals[0])
        if error > 0.0 and state.error <= error and accepted.size:
            state.drop_surplus(before, error)
    return state


def _trusted(
    state: PartialCholesky, accepted: Array, L: npt.NDArray[np.float64]
) -> tuple[Array, npt.NDArray[np.float64]]:
    """Stop a block of pivots before one that may be rounding; the first of a block is looked at."""
    small = np.square(np.diag(L)) < state.doubtful * state.floors[accepted]
    if not small.any():
        return accepted, L
    keep = int(np.argmax(small))
    if keep == 0 and not state.is_rounding(int(accepted[0]), float(L[0, 0] ** 2)):
        keep = 1
    return accepted[:keep], L[:keep, :keep]


def _proportional(weights: Array, draws: Array) -> Array:
    """Draw positions with probability proportional to their weights."""
    sums = np.cumsum(weights)
    places = np.searchsorted(sums, draws * sums[-1], side="right")
    return np.asarray(np.minimum(places, np.flatnonzero(weights)[-1]))


def _accept(state: PartialCholesky, proposals: Array, draws: Array, wanted: int) -> tuple[Array, Array]:
    """Go through the proposals: which are accepted, and the Cholesky factor of their residual block."""
    left = state.residual_block(proposals)
    weights, floors = state.left[proposals], state.floors[proposals]
    accepted: list[int] = []
    factor: list[Array] = []
    for j in range(proposals.size):
        if left[j, j] <= max(floors[j], draws[j] * weights[j]):
            continue
        column = left[:, j] / np.sqrt(left[j, j])
        left -= np.outer(column, column)
        accepted.append(j)
        factor.append(column)
        if len(accepted) == wanted:
            break
    L = np.tril(np.array(factor).T[accepted]) if accepted else np.empty((0, 0))
    return proposals[accepted], L


def cholesky_at(entries: Entries, landmarks: Array) -> PartialCholesky:
    """Factorization whose pivots are landmarks given beforehand; those that depend on others are left out."""
    state = PartialCholesky(entries, max(1, landmarks.size))
    if not landmarks.size:
        return state
    L, order = pivoted_cholesky(entries.block(landmarks, landmarks), entries.dtype)
    if order.size:
        state.add(landmarks[order], L)
    return state


def pivoted_cholesky(block: Array, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Cholesky factor of a kernel between points, its rows in order, without dependent ones."""
    exact = block.astype(np.float64, copy=False)
    diagonal, eps = np.diag(exact), float(np.finfo(dtype).eps)
    L, order = _core.pivoted_cholesky(exact, _NOISE * eps * np.sqrt(len(exact)) * max(diagonal.max(), 0.0))
    rank = L.shape[1]
    left = diagonal[order[rank:]] - (L[rank:] ** 2).sum(axis=1)
    if (left < -np.sqrt(eps) * np.abs(diagonal).max()).any():
        raise np.linalg.LinAlgError(
            "K must be positive semidefinite, but the diagonal of what is left beside "
            f"{rank} of its columns has negative entries; use corange.eigh."
        )
    return L[:rank], order[:rank]


def uniform_landmarks(n: int, count: int, seed: int) -> Array:
    """Different positions, all subsets equally likely."""
    keys = np.empty((n, 1))
    _core.random_block("uniform", seed, stream=Stream.LANDMARK_UNIFORM, row0=0, col0=0, out=keys)
    order: Array = np.argsort(keys[:, 0], kind="stable")
    return order[:count]


def leverage_landmarks(entries: Entries, count: int, seed: int) -> Array:
    """Different positions, drawn by ridge leverage scores that uniform landmarks estimate.

    References
    ----------
    Musco, Musco (2017), Recursive sampling for the Nystrom method, NIPS, arXiv:1605.07583.
    """
    pilot = cholesky_at(entries, uniform_landmarks(entries.shape[0], count, seed))
    if not pilot.count:
        return np.empty(0, np.int64)
    F = np.ascontiguousarray(pilot.F[:, : pilot.count])
    h, W = eigh(adjoint_product(F, F))
    ridge = max(pilot.error * pilot.trace / count, float(np.finfo(F.dtype).eps) * h[-1])
    projected = multiply(F, W / np.sqrt(np.maximum(h, 0.0) + ridge)).astype(np.float64)
    scores = np.einsum("ij,ij->i", projected, projected) + pilot.left / ridge
    keys = np.empty((scores.size, 1))
    _core.random_block("uniform", seed, stream=Stream.LANDMARK_LEVERAGE, row0=0, col0=0, out=keys)
    waiting = -np.log1p(-keys[:, 0]) / np.where(scores > 0.0, scores, 1.0)
    waiting[scores <= 0.0] = np.inf
    return np.argsort(waiting, kind="stable")[: min(count, int((scores > 0.0).sum()))]
