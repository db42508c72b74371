"""How good an answer is: errors of a truncated SVD against a converged reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from scipy.sparse.linalg import svds

from bench.answers import SVDAnswer

# Rows of a dense matrix turned into float64 at a time.
_BLOCK_ROWS = 8192
# Triplets beyond the rank that a converged reference carries along: the Lanczos process separates
# the wanted ones from their neighbours better, and s[rank] itself is needed.
_EXTRA_TRIPLETS = 10
_REFERENCE_RESIDUAL = 1e-10


@dataclass(frozen=True)
class SVDReference:
    """Converged leading singular values of a matrix, and its squared Frobenius norm.

    Attributes
    ----------
    matrix : array, memory map or sparse matrix
        The data, in the precision it was given.
    values : ndarray of float64
        At least ``rank + 1`` leading singular values, descending.
    norm_squared : float
        Squared Frobenius norm of the (centered) matrix.
    mean : ndarray or None
        Column means that are subtracted, for principal components.
    """

    matrix: Any
    values: np.ndarray
    norm_squared: float
    mean: np.ndarray | None = None

    def errors(self, answer: SVDAnswer) -> dict[str, float]:
        """Errors of an answer of rank k.

        Returns
        -------
        dict
            ``sigma``: largest relative error of a singular value; ``vector``: largest
            ``| ||A v_i||^2 - s_i^2 | / s_{k+1}^2``; ``excess``: relative Frobenius error above
            that of the best approximation of rank k (``||A - U S V'||_F / ||A - A_k||_F - 1``);
            ``ortho``: largest entry of ``U'U - I`` and ``V'V - I``.
        """
        found = np.asarray(answer.s, dtype=np.float64)
        v = np.asarray(answer.Vt, dtype=np.float64).T
        rank = found.size
        exact, following = self.values[:rank], self.values[rank]
        squares, captured, gram = self._products(answer.U, found, v)
        best = self.norm_squared - float(exact @ exact)
        return {
            "sigma": float(np.max(np.abs(found - exact) / exact)),
            "vector": float(np.max(np.abs(squares - exact**2)) / following**2),
            "excess": float(np.sqrt(max(self.norm_squared - captured, 0.0) / best) - 1.0),
            "ortho": max(float(np.max(np.abs(one - np.eye(rank)))) for one in (gram, v.T @ v)),
        }

    def _products(self, u: Any, s: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
        """Return ``||A v_i||^2`` for every i, ``||A||^2 - ||A - U S V'||^2``, and ``U'U``."""
        squares, cross = np.zeros(s.size), np.zeros(s.size)
        gram = np.zeros((s.size, s.size))
        for start, block in row_blocks(self.matrix):
            product = block @ v
            if self.mean is not None:
                product -= self.mean @ v
            u_block = np.asarray(u[start : start + product.shape[0]], dtype=np.float64)
            squares += np.einsum("ij,ij->j", product, product)
            cross += np.einsum("ij,ij->j", u_block, product)
            gram += u_block.T @ u_block
        approximation = float(np.sum((gram * np.outer(s, s)) * (v.T @ v)))
        return squares, 2.0 * float(cross @ s) - approximation, gram


def row_blocks(matrix: Any) -> Any:
    """Yield ``(first row, block in float64)``: a sparse matrix whole, a dense one in pieces."""
    if sp.issparse(matrix):
        yield 0, matrix.astype(np.float64)
        return
    for start in range(0, matrix.shape[0], _BLOCK_ROWS):
        yield start, np.asarray(matrix[start : start + _BLOCK_ROWS], dtype=np.float64)


def sparse_reference(matrix: Any, rank: int) -> SVDReference:
    """Compute the reference of a sparse matrix: ARPACK to machine precision, residuals verified.

    Raises
    ------
    RuntimeError
        If a triplet that counts has a relative residual above 1e-10.
    """
    matrix = matrix.astype(np.float64)
    u, s, vt = svds(matrix, k=rank + _EXTRA_TRIPLETS, solver="arpack", tol=0, rng=0)
    order = np.argsort(s)[::-1]
    u, s, v = u[:, order], s[order], vt[order].T
    residual = max(
        float(np.linalg.norm(matrix @ v - u * s, axis=0)[: rank + 1].max()),
        float(np.linalg.norm(matrix.T @ u - v * s, axis=0)[: rank + 1].max()),
    )
    if residual > _REFERENCE_RESIDUAL * s[0]:
        raise RuntimeError(f"reference did not converge: relative residual {residual / s[0]:.1e}")
    return SVDReference(matrix, s, float(matrix.multiply(matrix).sum()))


def dense_reference(matrix: np.ndarray, center: bool = False) -> SVDReference:
    """Compute the reference of a dense matrix in memory: QR, then LAPACK's SVD of the triangle."""
    mean = matrix.mean(axis=0, dtype=np.float64) if center else None
    data = np.asarray(matrix, dtype=np.float64)
    centered = data - mean if mean is not None else data
    values = scipy.linalg.svdvals(np.linalg.qr(centered, mode="r"))
    return SVDReference(matrix, values, float(np.sum(values**2)), mean)


def streamed_reference(matrix: Any) -> SVDReference:
    """Compute the reference of a tall matrix on disk: eigenvalues of the Gram matrix, added up in float64.

    Relative errors of the values are about ``1e-16 (s_1 / s_i)^2``.
    """
    gram = np.zeros((matrix.shape[1], matrix.shape[1]))
    for _, block in row_blocks(matrix):
        gram += block.T @ block
    values = np.sqrt(np.maximum(scipy.linalg.eigvalsh(gram)[::-1], 0.0))
    return SVDReference(matrix, values, float(np.trace(gram)))


def within(errors: Mapping[str, float], gate: Mapping[str, float]) -> bool:
    """Whether every error named by the gate is at most its limit (NaN is not)."""
    return all(errors[name] <= limit for name, limit in gate.items())


def worst(errors: list[dict[str, float]]) -> dict[str, float]:
    """Largest of each error over several answers."""
    return {name: max(one[name] for one in errors) for name in errors[0]}


def middle(errors: list[dict[str, float]]) -> dict[str, float]:
    """Median of each error over several answers."""
    return {name: float(np.median([one[name] for one in errors])) for name in errors[0]}
