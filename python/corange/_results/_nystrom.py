"""A positive semidefinite matrix approximated from some of its columns."""

import dataclasses
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from corange import _core
from corange._operators import as_matrix, as_operator
from corange._results._base import Array, LowRankResult
from corange._results._low_rank import EighResult
from corange._small import svd

__all__ = ["NystromResult"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class NystromResult(LowRankResult):
    """Nystrom approximation from landmarks, ``F, landmarks = result``, K close to ``F @ F.T``.

    Attributes
    ----------
    F : ndarray of shape (n, r)
        Partial Cholesky factor. Its rows at the landmarks are lower triangular, and K is reproduced exactly
        in the rows and columns of the landmarks.
    landmarks : ndarray of shape (r,), int64
        Rows and columns of K, in the order of the columns of F.
    report : Report
        How it was computed; its error is exact, in the trace norm.

    Examples
    --------
    >>> import numpy as np, corange as cr
    >>> K = np.array([[2.0, 1.0, 1.0], [1.0, 1.0, 0.5], [1.0, 0.5, 0.5]])
    >>> F, landmarks = result = cr.nystrom(K, landmarks=[0, 1])
    >>> bool(np.allclose(F @ F.T, K))
    True
    >>> w, V = result.eigh()
    >>> np.allclose(w, np.linalg.eigvalsh(K)[:0:-1])
    True
    """

    F: Array
    landmarks: npt.NDArray[np.int64]
    factor_names: ClassVar[tuple[str, ...]] = ("F", "landmarks")

    @property
    def product(self) -> tuple[Array, ...]:
        """``(F, F.T)``."""
        return (self.F, self.F.T)

    def project(self, X: Any) -> Array:
        """Rows of F for new points, from their kernel values with the landmarks.

        Parameters
        ----------
        X : matrix of shape (p, r)
            Entries between p new points and the landmarks: ``kernel.between(new, result.landmarks)``.

        Returns
        -------
        ndarray of shape (p, r)
            ``project(X) @ F.T`` approximates the entries between the new points and all old ones; of old
            points it gives their rows of F.

        Notes
        -----
        2 * p * r**2 flops.
        """
        matrix = as_matrix(X, argument_name="X", remedy=None)
        size = self.landmarks.size
        if matrix.shape[1] != size:
            raise ValueError(f"X must have a column for each of {size} landmarks, got shape {matrix.shape}.")
        L = self.F[self.landmarks].astype(np.float64)
        inverse = _core.inverse_triangle(L).T
        rows = np.empty((matrix.shape[0], size), self.dtype)
        matrix.operator.apply(np.ascontiguousarray(inverse, dtype=self.dtype), rows)
        return rows

    def eigh(self) -> EighResult:
        """Eigenpairs of the approximation, in descending order.

        Returns
        -------
        EighResult
            w (r,) and V (n, r) with orthonormal columns. 8 * n * r**2 flops.
        """
        n, rank = self.F.shape
        if rank == 0:
            return EighResult(np.empty(0, self.dtype), np.empty((n, 0), self.dtype), report=self.report)
        Q = np.empty_like(self.F)
        _core.orthonormalize(np.ascontiguousarray(self.F), Q)
        inner = np.empty((rank, rank), self.dtype)
        as_operator(Q, check_finite=False).apply_adjoint(np.ascontiguousarray(self.F), inner)
        U, s, _ = svd(inner)
        V = np.empty_like(Q)
        as_operator(Q, check_finite=False).apply(np.ascontiguousarray(U, dtype=self.dtype), V)
        largest = V[np.abs(V).argmax(axis=0), np.arange(rank)]
        V *= np.where(largest < 0, -1, 1).astype(self.dtype)
        return EighResult((s**2).astype(self.dtype), V, report=self.report)
