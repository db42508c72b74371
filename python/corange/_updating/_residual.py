"""What new rows have beyond the span of a basis, without forming it: by active coordinates, or densely."""

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from corange._operators import as_operator
from corange._single_pass import basis as orthonormal
from corange._single_pass import multiply
from corange._small import eigh
from corange._updating._basis import ExtendedBasis, adjoint
from corange._updating._blocks import Block

__all__ = ["ActiveResidual", "DenseResidual", "Residual"]

Array = npt.NDArray[Any]
Doubles = npt.NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
# Largest loss of orthogonality that an update by active coordinates may cause.
_LOSS = 1e-10
# Entries up to which SciPy multiplies sooner than threads are woken.
_FEW = 5000
# How many times fewer the entries must be than columns for sorting them to beat a table of all columns.
_SORTED_SOONER = 32


class ActiveResidual:
    """Residual ``(I - V V') E'`` of sparse rows E, isometric to few coordinates.

    Where all rows of E are zero, a residual is ``-V c``, with c the coordinates of the row in V; there its
    inner products need the Gram matrix of these rows of V alone, ``K = I - V_a' V_a`` with V_a the active
    ones. So with ``K = L L'`` the residual of a row b is isometric to ``[b_a - V_a c; L' c]``, whose length
    is the number of active coordinates plus k. Unlike the difference ``b'b - c'c`` it cannot turn negative.

    Parameters
    ----------
    basis : ExtendedBasis
        V, of shape (n, k).
    rows : csr_array of shape (s, n)
        E, in double precision.
    """

    floor = 1e-7  # smaller residuals, relative to their rows, are rounding: square root of eps and a bit

    def __init__(self, basis: ExtendedBasis, rows: Any) -> None:
        self.basis = basis
        self.active, local = _used(rows.indices, basis.shape[0])
        shape = (rows.shape[0], self.active.size)
        self._rows = scipy.sparse.csr_array((rows.data, local, rows.indptr), shape=shape)
        self._operator = as_operator(self._rows, check_finite=False) if rows.nnz > _FEW else None
        self._known = basis.take(self.active)
        self._images = self._image(self._known)
        self.coordinates = self._images.T
        k = basis.shape[1]
        values, vectors = eigh(np.eye(k) - adjoint(self._known, self._known))
        roots = np.sqrt(np.maximum(values, 2 * _EPS))
        self._root, self._unroot = np.ascontiguousarray((vectors * roots).T), vectors / roots
        self.shape = (self.active.size + k, rows.shape[0])

    def norms(self) -> Doubles:
        """Norms of the rows of E."""
        squares = np.asarray(self._rows.multiply(self._rows).sum(axis=1))
        norms: Doubles = np.sqrt(squares.ravel())
        return norms

    def energy(self) -> float:
        """Sum of the squares of E."""
        return float(np.square(self._rows.data).sum())

    def apply(self, P: Doubles) -> Doubles:
        """Multiply the residuals, as columns, with a block."""
        inner = adjoint(self._images, P)
        result = np.empty((self.shape[0], P.shape[1]))
        split = self.active.size
        if self._operator is not None:
            self._operator.apply_adjoint(np.ascontiguousarray(P), result[:split])
        else:
            result[:split] = self._rows.T @ P
        result[:split] -= multiply(self._known, inner)
        result[split:] = multiply(self._root, inner)
        return result

    def apply_adjoint(self, Y: Doubles) -> Doubles:
        """Multiply the transpose of the residuals with a block."""
        top, bottom = np.ascontiguousarray(Y[: self.active.size]), Y[self.active.size :]
        inner = adjoint(self._root, bottom) - adjoint(self._known, top)
        result: Doubles = self._image(top) + multiply(self._images, inner)
        return result

    def clean(self, Q: Doubles) -> Doubles:
        """Project out the basis once more; here the coordinates are orthogonal to it by construction."""
        return Q

    def is_safe(self, Q: Doubles) -> bool:
        """Whether orthonormal directions stay orthonormal to `_LOSS` when they join the basis."""
        outside = multiply(self._unroot, Q[self.active.size :])
        return bool((np.square(outside).sum(axis=0) * _EPS <= _LOSS).all())

    def join(self, Q: Doubles, old: Doubles, new: Doubles) -> None:
        """Let the basis become ``V @ old + Q @ new``, Q being directions in these coordinates."""
        outside = multiply(self._unroot, Q[self.active.size :])
        parts = [(self._known, old), (Q[: self.active.size], new)]
        self.basis.change(self.active, parts, old - multiply(outside, new))

    def _image(self, X: Doubles) -> Doubles:
        if self._operator is None:
            image: Doubles = self._rows @ X
            return image
        out = np.empty((self._rows.shape[0], X.shape[1]))
        self._operator.apply(np.ascontiguousarray(X), out)
        return out


def _used(indices: npt.NDArray[Any], size: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    """Find which numbers below `size` occur, and their places among those: by sorting where they are few."""
    if indices.size * _SORTED_SOONER < size:
        used, local = np.unique(indices, return_inverse=True)
        return used.astype(np.int64, copy=False), local
    places = np.zeros(size, np.int64)
    places[indices] = 1
    used = np.flatnonzero(places)
    places[used] = np.arange(used.size)
    return used, places[indices]


class DenseResidual:
    """Residual ``(I - V V') E'`` as vectors of full length, for rows E that are known by their products.

    Parameters
    ----------
    basis : ExtendedBasis
        V, of shape (n, k); it is multiplied out.
    rows : Block
        E, of shape (s, n).
    """

    floor = 1e-13

    def __init__(self, basis: ExtendedBasis, rows: Block) -> None:
        basis.flush()
        self.basis, self._block, self._rows = basis, rows, rows.matrix
        self._V = basis.tall.astype(np.float64, copy=False)
        self._images = self._image(self._V)
        self.coordinates = self._images.T
        self.shape = (rows.shape[1], rows.shape[0])

    def norms(self) -> Doubles:
        """Norms of the rows of E."""
        return self._block.norms()

    def energy(self) -> float:
        """Sum of the squares of E."""
        return self._block.energy()

    def apply(self, P: Doubles) -> Doubles:
        """Multiply the residuals, as columns, with a block."""
        out = np.empty((self.shape[0], P.shape[1]), self._rows.dtype)
        self._rows.operator.apply_adjoint(np.ascontiguousarray(P, dtype=self._rows.dtype), out)
        result: Doubles = out.astype(np.float64, copy=False)
        result -= multiply(self._V, adjoint(self._images, P))
        return result

    def apply_adjoint(self, Y: Doubles) -> Doubles:
        """Multiply the transpose of the residuals with a block."""
        result = self._image(Y)
        result -= multiply(self._images, adjoint(self._V, Y))
        return result

    def clean(self, Q: Doubles) -> Doubles:
        """Project out the basis once more, and orthonormalize again.

        Directions that were nothing but rounding become random ones, which are projected too, or left out
        where the basis leaves them no room.
        """
        for _ in range(2):
            inside = multiply(self._V, adjoint(self._V, Q))
            Q = orthonormal(np.subtract(Q, inside, out=inside))
            sound = np.linalg.norm(adjoint(self._V, Q), axis=0) <= _LOSS
            if sound.all():
                return Q
        return np.ascontiguousarray(Q[:, sound])

    def is_safe(self, Q: Doubles) -> bool:
        """Whether orthonormal directions stay orthonormal when they join the basis."""
        return True

    def join(self, Q: Doubles, old: Doubles, new: Doubles) -> None:
        """Let the basis become ``V @ old + Q @ new``."""
        columns = multiply(self._V, old)
        columns += multiply(Q, new)
        self.basis.become(columns)

    def _image(self, X: Doubles) -> Doubles:
        out = np.empty((self._rows.shape[0], X.shape[1]), self._rows.dtype)
        if out.size:
            self._rows.operator.apply(np.ascontiguousarray(X, dtype=self._rows.dtype), out)
        return out.astype(np.float64, copy=False)


Residual = ActiveResidual | DenseResidual
