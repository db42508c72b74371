"""A truncated SVD as a mutable state: append, change, remove, merge."""

import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from corange._operators import as_matrix
from corange._report import Drift, UpdateReport
from corange._results import SVDResult
from corange._rows import frobenius_norm
from corange._single_pass import multiply, paired_signs
from corange._small import eigh, svd
from corange._updating._basis import ExtendedBasis, adjoint
from corange._updating._blocks import Block
from corange._updating._changed import ChangedMatrix
from corange._updating._reduction import (
    Directions,
    all_directions,
    lanczos_directions,
    power_directions,
    warm_directions,
)
from corange._updating._residual import ActiveResidual, DenseResidual, Residual

__all__ = ["EvolvingSVD", "first_drift"]

Array = npt.NDArray[Any]
Doubles = npt.NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
# Updates after which rounding may have added up, and the bases are orthonormalized again.
_REFRESH = 1000
# Columns of a low-rank change that are handled together.
_PIECE = 64
# Times as many rows as columns from which a Gram matrix pays, and the largest ratio of values that it may
# meet.
_TALL, _ONE_SIZE = 2, 32.0
# Part of the largest value that a difference of squares may leave by rounding alone.
_REDUCED = 1e-6
# Smallest eigenvalue of the Gram matrix of what is left of a basis that may be inverted.
_WORTH_INVERTING = 1e-4


class EvolvingSVD:
    """``U diag(s) V'`` kept current while rows and columns are appended, changed and removed.

    Parameters
    ----------
    U : ndarray of shape (m, k) or None
        None when nobody wants the left factor: then rows can be appended, and nothing else is possible.
    s, V : ndarrays of shapes (k,) and (n, k)
        The SVD to begin with.
    rank : int
        Most triplets to keep.
    method : str
        How to update, as in `corange.update_svd`.
    size, rounds : int
        Directions and rounds of the reduced methods.
    seed : int
        Key of the random starts.
    drift : Drift
        What is known of the error already.
    """

    def __init__(
        self,
        U: Array | None,
        s: Array,
        V: Array,
        *,
        rank: int,
        method: str = "auto",
        size: int | None = None,
        rounds: int = 1,
        seed: int = 0,
        drift: Drift | None = None,
    ) -> None:
        self.left = None if U is None else ExtendedBasis(U)
        self.right = ExtendedBasis(V)
        self.s = np.array(s, dtype=np.float64)
        self.rank, self.method, self.size, self.rounds, self.seed = rank, method, size, rounds, seed
        self.drift = Drift() if drift is None else drift
        self.updates = 0
        self.since_refresh = 0
        self.shown: dict[str, Any] | None = None  # what an estimator made of this state
        self.seconds = 0.0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrix."""
        return self.left_basis().shape[0], self.right.shape[0]

    def left_basis(self) -> ExtendedBasis:
        """Left vectors, if they were kept."""
        if self.left is None:
            raise ValueError("the left factor was not kept")
        return self.left

    def fork(self, **options: Any) -> "EvolvingSVD":
        """Copy, with other options: what happens to one is nothing to the other."""
        other = copy.copy(self)
        other.left, other.right, other.s = self.left_basis().copy(), self.right.copy(), self.s.copy()
        for name, value in options.items():
            setattr(other, name, value)
        return other

    @property
    def flushes(self) -> int:
        """Times that a small factor was multiplied out."""
        return self.right.flushes + (0 if self.left is None else self.left.flushes)

    @property
    def condition(self) -> float:
        """Of the worse of the small factors."""
        return max(self.right.condition, 1.0 if self.left is None else self.left.condition)

    # ---- what changes

    def append_rows(self, rows: Block) -> None:
        """Append rows."""
        self._append(rows, self.right, self.left, "rows")

    def append_columns(self, columns: Block) -> None:
        """Append columns, given as the rows of the transpose."""
        self._append(columns, self.left_basis(), self.right, "columns")

    def add_product(self, D: Block, E: Block) -> None:
        """Add ``D' @ E`` with D of shape (p, m) and E of shape (p, n): a piece at a time, or many at once."""
        if self.method == "auto" and D.is_sparse and E.is_sparse and D.shape[0] > self._few():
            self._add_whole(D, E)
            return
        for start in range(0, D.shape[0], _PIECE):
            part = slice(start, start + _PIECE)
            self._add(D.part(part), E.part(part))

    def merge(self, other: "EvolvingSVD") -> None:
        """Append the rows of a matrix that is known by its SVD."""
        whole = other.right.whole().astype(np.float64, copy=False)
        E = Block(as_matrix(np.ascontiguousarray((whole * other.s).T), check_finite=False))
        self._append(E, self.right, self.left, "rows", outer=other.left_basis())
        self.drift = self.drift.joined(other.drift)

    def remove_rows(self, places: npt.NDArray[np.int64]) -> None:
        """Remove rows."""
        self._remove(places, self.left_basis(), self.right)

    def remove_columns(self, places: npt.NDArray[np.int64]) -> None:
        """Remove columns."""
        self._remove(places, self.right, self.left_basis())

    def scale(self, factor: float) -> None:
        """Multiply the matrix with a number, as forgetting does."""
        self.s *= factor
        self.drift = self.drift.scaled(factor)

    def refresh(self) -> None:
        """Make the bases orthonormal again to the last digit; the product stays what it is."""
        inner = np.diag(self.s)
        if self.left is not None:
            inner = multiply(self.left.orthonormalize(), inner)
        inner = multiply(inner, self.right.orthonormalize().T)
        F, self.s, Gt = svd(inner)
        signs = paired_signs(F, Gt.T)
        if self.left is not None:
            self.left.rotate(F * signs)
        self.right.rotate(Gt.T * signs)
        self.since_refresh = 0

    # ---- what can be asked

    def report(self, s: Doubles, m: int, seconds: float, task: str) -> UpdateReport:
        """Tell of the singular values that are used, and of m rows."""
        n = self.right.shape[0]
        norm = float(np.hypot(frobenius_norm(s), np.sqrt(self.drift.lost_square)))
        unit = norm or 1.0
        return UpdateReport(
            task=task,
            matrix=f"{m} x {n} matrix, {self.right.dtype}, after {self.updates} updates",
            method=self.method,
            rank=s.size,
            tol=np.nan,
            converged=True,
            stopped="completed",
            passes=1,
            products=0,
            iterations=0,
            restarts=0,
            block_size=0,
            max_basis=self.s.size,
            seconds=seconds,
            residuals=np.empty(0),
            scale=float(s.max(initial=0.0)),
            norm_fro=norm,
            error=float(np.sqrt(self.drift.lost_square)) / unit,
            error_kind="estimated",
            error_bound=self.drift.lost / unit,
            error_confidence=1.0,
            history=(),
            peak_bytes=(m + n) * self.s.size * self.right.dtype.itemsize,
            drift=self.drift,
            updates=self.updates,
            flushes=self.flushes,
            condition=self.condition,
            trusted=self.drift.trusted(s),
        )

    # ---- how it is done

    def _append(
        self,
        rows: Block,
        along: ExtendedBasis,
        across: ExtendedBasis | None,
        direction: str,
        outer: ExtendedBasis | None = None,
    ) -> None:
        """Append rows E, or columns with the factors exchanged [1]_: ``M = [S 0; E V R'] = F T G'``."""
        residual, directions = self._directions(rows, along)
        Q, R, lost = directions
        k, s = self.s.size, rows.shape[0]
        M = np.zeros((k + s, k + R.shape[0]))
        M[:k, :k] = np.diag(self.s)
        M[k:, :k], M[k:, k:] = residual.coordinates.T, R.T
        F, G = self._truncate(M, lost, direction)
        residual.join(Q, G[:k], G[k:])
        if across is not None:
            added = F[k:] if outer is None else multiply(outer.whole(), F[k:])
            across.extend(F[:k], added)
        self._count()

    def _add(self, D: Block, E: Block) -> None:
        """Add a product of low rank: ``M = diag(S, 0) + [U'D; R_D] [V'E; R_E]'``."""
        k = self.s.size
        sides = [self._directions(D, self.left_basis(), "exact"), self._directions(E, self.right, "exact")]
        blocks = [np.vstack([residual.coordinates, found.R]) for residual, found in sides]
        M = multiply(blocks[0], blocks[1].T)
        M[np.arange(k), np.arange(k)] += self.s
        rotations = self._truncate(M, 0.0, "mixed")
        for (residual, found), mix in zip(sides, rotations, strict=True):
            residual.join(found.Q, mix[:k], mix[k:])
        self._count()

    def _add_whole(self, D: Block, E: Block) -> None:
        """Decompose ``U diag(S) V' + D'E`` anew, from the triplets so far: many pieces would cost more."""
        changed = ChangedMatrix(self.left_basis(), self.s, self.right, D, E)
        norm = changed.norm()
        found = changed.decomposed(self.rank, (self.seed + self.updates) % 2**64)
        values = found.s.astype(np.float64)
        keep = max(1, int((values > max(changed.shape) * _EPS * values[0]).sum()))
        self.left_basis().become(found.U[:, :keep])
        self.right.become(found.Vt[:keep].T)
        self.s = values[:keep]
        lost = float(np.sqrt(max(norm**2 - float(np.square(self.s).sum()), 0.0)))
        self.drift = self.drift.after(lost, min(lost, float(values[-1])), "mixed")
        self._count()

    def directions(self) -> int:
        """Directions of the reduced methods."""
        return max(2 * self.rank // 3, 16) if self.size is None else self.size

    def replace(self, U: Array, s: Array, V: Array, lost: float) -> None:
        """Take another SVD, found with all data at hand, which leaves so much of them."""
        self.left, self.right = ExtendedBasis(U), ExtendedBasis(V)
        self.s = np.array(s, dtype=np.float64)
        self.drift = Drift().after(lost, lost, "")
        self._count()

    def _few(self) -> int:
        """Rows that are taken as they are; of more the most important directions are found."""
        return max(self.right.shape[1] + 32, 128)

    def _directions(
        self, rows: Block, basis: ExtendedBasis, reduction: str | None = None
    ) -> tuple[Residual, Directions]:
        """Find the directions in which new rows leave a basis, by active coordinates where that is better."""
        sparse, reduction = self._choose(rows, basis, reduction)
        if sparse:
            residual: Residual = ActiveResidual(basis, rows.compressed())
            found = self._reduce(residual, reduction)
            if residual.is_safe(found.Q):
                return residual, found
        residual = DenseResidual(basis, rows)
        return residual, self._reduce(residual, reduction)

    def _choose(self, rows: Block, basis: ExtendedBasis, reduction: str | None) -> tuple[bool, str]:
        """Choose representation and reduction by the method, or by what they cost."""
        n, k = basis.shape
        s = rows.shape[0]
        extended = self.method.startswith("extended") or self.method == "brand"
        sparse = rows.is_sparse and extended
        if self.method == "auto":
            # Active coordinates cost 4 a k (k + s) flops and a decomposition, dense ones 4 n k (k + s).
            sparse = rows.is_sparse and 2 * rows.active() + k < n
        wanted = {
            "auto": "exact" if s <= self._few() else "warm",
            "vecharynski-saad": "lanczos",
            "extended-gkl": "lanczos",
            "yamazaki": "power",
            "extended-rpi": "power",
        }
        return sparse, reduction or wanted.get(self.method, "exact")

    def _reduce(self, residual: Residual, reduction: str) -> Directions:
        s = min(residual.shape)
        size = min(s, self.directions())
        if reduction == "exact":
            return all_directions(residual)
        if reduction == "lanczos":
            return lanczos_directions(residual, size, self.seed, self.updates)
        if reduction == "warm":
            rounds = int(isinstance(residual, DenseResidual))  # products are the smaller part of the work
            return warm_directions(residual, size, rounds, self.seed, self.updates)
        return power_directions(residual, size, self.rounds, self.seed, self.updates)

    def _truncate(self, M: Doubles, lost: float, direction: str) -> tuple[Doubles, Doubles]:
        """Decompose the small matrix, keep what the rank allows, and book what is cut off."""
        F, values, Gt = _small_svd(M, self.rank)
        sound = values > max(M.shape) * _EPS * values[0]
        keep = max(1, min(self.rank, int(sound.sum())))
        self.s = values[:keep]
        cut = values[keep:]
        spectral = float(np.hypot(lost, cut[0] if cut.size else 0.0))
        whole = float(np.hypot(lost, frobenius_norm(cut)))
        # What is left out of new rows before they meet the others is not orthogonal to what is kept of them.
        reduced = lost > _REDUCED * values[0]
        self.drift = self.drift.after(whole, spectral, "mixed" if reduced else direction)
        F, G = F[:, :keep], Gt[:keep].T
        signs = paired_signs(F, G)  # former triplets keep theirs
        return F * signs, G * signs

    def _remove(self, places: npt.NDArray[np.int64], along: ExtendedBasis, across: ExtendedBasis) -> None:
        """Remove rows of one basis; what is left of it is made orthonormal again.

        ``U_r' U_r = I - U_g' U_g = W L W'`` for the rows that are left and those that are gone, so
        ``U_r = (U_r W L^-1/2) (L^1/2 W')``, and the second factor joins the singular values. Where that loses
        digits, the rows that are left are orthonormalized themselves.
        """
        k = self.s.size
        gone = along.take(places)
        values, W = eigh(np.eye(k) - adjoint(gone, gone))
        along.delete(places)
        if values[0] > _WORTH_INVERTING:
            roots = np.sqrt(values)
            along.rotate(W / roots)
            triangle = (W * roots).T
        else:
            triangle = along.orthonormalize()
        F, G = self._truncate(triangle * self.s, 0.0, "mixed")
        along.rotate(F)
        across.rotate(G)
        self._count()

    def _count(self) -> None:
        self.updates += 1
        self.since_refresh += 1
        if self.since_refresh >= _REFRESH:
            self.refresh()


def first_drift(result: SVDResult) -> Drift:
    """Find what a first SVD left out; unknown (nan) unless its report tells the error."""
    lost = result.report.error * result.report.norm_fro
    if np.isnan(lost):
        return Drift(np.nan, np.nan, np.nan, np.nan)
    return Drift().after(lost, min(lost, float(result.s[-1])), "")


def _small_svd(M: Doubles, rank: int) -> tuple[Doubles, Doubles, Doubles]:
    """Decompose a matrix; by its Gram matrix where it is tall and the values to keep are of one size.

    The Gram matrix squares their ratio, which costs as many digits.
    """
    if M.shape[0] >= _TALL * M.shape[1]:
        squares, G = eigh(adjoint(M, M))
        values, G = np.sqrt(np.maximum(squares[::-1], 0.0)), np.ascontiguousarray(G[:, ::-1])
        keep = min(rank, values.size)
        if 0 < values[0] <= _ONE_SIZE * values[keep - 1]:
            F = np.zeros((M.shape[0], values.size))
            F[:, :keep] = multiply(M, G[:, :keep] / values[:keep])
            return F, values, G.T
    return svd(M)
