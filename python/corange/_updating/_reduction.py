"""Directions to add to a basis: all that new rows have beyond it, or the most important ones."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from corange._random import Stream
from corange._rows import frobenius_norm
from corange._single_pass import basis as orthonormal
from corange._single_pass import multiply, normal_rows
from corange._small import svd
from corange._updating._basis import adjoint
from corange._updating._residual import Residual

__all__ = ["Directions", "all_directions", "lanczos_directions", "power_directions", "warm_directions"]

Doubles = npt.NDArray[np.float64]

# Part of the warm directions that starts from old triplets; the others start at random.
_WARM = 0.6
_EPS = float(np.finfo(np.float64).eps)


class Directions(NamedTuple):
    """Residuals of rows as orthonormal directions times coefficients, as far as kept.

    Attributes
    ----------
    Q : ndarray of shape (length, r)
        Orthonormal directions in the coordinates of the residual.
    R : ndarray of shape (r, s)
        Coefficients: the residuals are about ``Q @ R``.
    lost : float
        Frobenius norm of what is not.
    """

    Q: Doubles
    R: Doubles
    lost: float


def all_directions(residual: Residual) -> Directions:
    """Keep everything but rounding: the exact update. Costs 4 * length * s**2 flops."""
    norms = residual.norms()
    norms[norms == 0] = 1.0
    X = residual.apply(np.diag(1 / norms))
    Q = orthonormal(X)
    left, values, right = svd(adjoint(Q, X))
    keep = values > residual.floor
    Q = multiply(Q, left[:, keep])
    cleaned = residual.clean(Q)
    R = (values[keep, np.newaxis] * right[keep] if cleaned is Q else adjoint(cleaned, X)) * norms
    return Directions(cleaned, R, 0.0)


def power_directions(residual: Residual, size: int, rounds: int, seed: int, update: int) -> Directions:
    """Find the range of the residuals by `rounds` of the power method from a random block.

    Each round multiplies `size` columns with the residuals and with their transpose [1]_.

    References
    ----------
    .. [1] I. Yamazaki, S. Tomov, J. Dongarra (2017). Sampling algorithms to update truncated SVD.
       IEEE Big Data. doi:10.1109/BigData.2017.8257997.
    """
    P = _start(residual, size, seed, update)
    Q = orthonormal(residual.apply(P))
    for _ in range(rounds):
        Q = orthonormal(residual.apply(orthonormal(residual.apply_adjoint(Q))))
    return _measured(residual, residual.clean(Q))


def warm_directions(residual: Residual, size: int, rounds: int, seed: int, update: int) -> Directions:
    """Take a step of subspace iteration, from the leading old triplets and a random block for what is new.

    The step ``A'A V = V S**2 + E'C`` for the matrix with its new rows leaves the span of V along the
    residuals times ``C``: so columns of C that belong to the leading triplets tell which directions those
    turn to. Where they vanish, as for rows that have nothing in common with older ones, random columns fill
    their place. Without further rounds this takes one product with the residuals and one with their
    transpose, and is as accurate for the leading triplets as the power method is after several.
    """
    s = residual.shape[1]
    known = min(int(_WARM * size), residual.coordinates.shape[0])
    P = np.empty((s, size))
    P[:, :known] = residual.coordinates[:known].T
    P[:, known:] = _start(residual, size - known, seed, update)
    Q = orthonormal(residual.apply(orthonormal(P)))
    for _ in range(rounds):
        Q = orthonormal(residual.apply(orthonormal(residual.apply_adjoint(Q))))
    return _measured(residual, residual.clean(Q))


def lanczos_directions(residual: Residual, size: int, seed: int, update: int) -> Directions:
    """Run `size` steps of Golub, Kahan and Lanczos with full reorthogonalization [1]_.

    References
    ----------
    .. [1] E. Vecharynski, Y. Saad (2014). Fast updating algorithms for latent semantic indexing.
       SIAM J. Matrix Anal. Appl. 35(3). doi:10.1137/130940268.
    """
    length = residual.shape[0]
    Q, P = np.empty((length, size)), np.empty((residual.shape[1], size))
    p = orthonormal(_start(residual, 1, seed, update))
    scale, steps = 0.0, 0
    for i in range(size):
        q = _orthogonal_part(residual.apply(p), Q[:, :i])
        alpha = frobenius_norm(q)
        scale = max(scale, alpha)
        if alpha <= 64 * _EPS * scale:
            break
        P[:, i : i + 1], Q[:, i : i + 1], steps = p, q / alpha, i + 1
        p = _orthogonal_part(residual.apply_adjoint(Q[:, i : i + 1]), P[:, :steps])
        beta = frobenius_norm(p)
        if beta <= 64 * _EPS * scale:
            break
        p /= beta
    if steps == 0:
        return Directions(np.empty((length, 0)), np.empty((0, residual.shape[1])), 0.0)
    return _measured(residual, residual.clean(np.ascontiguousarray(Q[:, :steps])))


def _start(residual: Residual, size: int, seed: int, update: int) -> Doubles:
    """Random columns; as many as there are rows leave nothing to chance."""
    s = residual.shape[1]
    first = update << 40
    return normal_rows(seed, Stream.UPDATE_STARTS, first, first + s, size, np.dtype(np.float64))


def _measured(residual: Residual, Q: Doubles) -> Directions:
    """Coefficients along orthonormal directions, without those that are rounding, and what they miss."""
    R, energy = residual.apply_adjoint(Q).T, residual.energy()
    total = max(energy - float(np.square(residual.coordinates).sum()), 0.0)
    usual = np.sqrt(energy / max(residual.shape[1], 1))  # norm of a row
    keep = np.linalg.norm(R, axis=1) > residual.floor * usual
    if not keep.all():
        Q, R = np.ascontiguousarray(Q[:, keep]), R[keep]
    return Directions(Q, R, float(np.sqrt(max(total - float(np.square(R).sum()), 0.0))))


def _orthogonal_part(x: Doubles, Q: Doubles) -> Doubles:
    for _ in range(2):
        x = x - multiply(Q, adjoint(Q, x)) if Q.shape[1] else x
    return x
