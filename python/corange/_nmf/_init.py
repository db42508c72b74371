"""Where a nonnegative factorization starts."""

from typing import Any

import numpy as np
import numpy.typing as npt

from corange._operators import Matrix
from corange._single_pass import normal_rows
from corange._svd import decompose, svd_options

__all__ = ["INITS", "start"]

Array = npt.NDArray[Any]

INITS = ("auto", "nndsvd", "nndsvda", "nndsvdar", "random")

# Residuals of singular triplets relative to the largest singular value: starts differ no more than by that.
_SVD_TOL = 1e-3
_W, _H, _FILL_W, _FILL_H = 2**64 - 21, 2**64 - 22, 2**64 - 23, 2**64 - 24  # streams of random numbers


def start(matrix: Matrix, rank: int, init: str, seed: int) -> tuple[Array, Array]:
    """Make W of shape (m, rank) and H transposed, of shape (n, rank)."""
    if init == "random":
        return _random(matrix, rank, seed)
    W, Ht = _from_svd(matrix, rank, seed)
    if init == "nndsvd" and rank <= min(matrix.shape):
        return W, Ht
    fill_in = _fill(matrix)
    for factor, stream in ((W, _FILL_W), (Ht, _FILL_H)):
        if init == "nndsvdar":
            small = normal_rows(seed, stream, 0, *factor.shape, factor.dtype)
            np.abs(small, out=small)
            small *= factor.dtype.type(fill_in / 100.0)
            np.copyto(factor, small, where=factor == 0)
        elif init == "nndsvda":
            factor[factor == 0] = fill_in
        else:  # components that the matrix cannot have get something to start from
            factor[:, min(matrix.shape) :] = fill_in
    return W, Ht


def _fill(matrix: Matrix) -> float:
    """Mean of X, as in the paper, for entries up to 1; for others in proportion, as factors are, to their root."""
    scan = matrix.operator.scan()
    largest = 0.0 if scan is None else float(scan["max_abs"])
    mean = float(np.mean(matrix.operator.column_means()))
    return mean / np.sqrt(largest) if largest > 0.0 else mean


def _from_svd(matrix: Matrix, rank: int, seed: int) -> tuple[Array, Array]:
    """Nonnegative parts of singular vectors (Boutsidis, Gallopoulos 2008): for each pair the larger part."""
    m, n = matrix.shape
    W, Ht = np.zeros((m, rank), matrix.dtype), np.zeros((n, rank), matrix.dtype)
    options = svd_options(tol=_SVD_TOL, random_state=seed)
    U, s, Vt = decompose(matrix, min(rank, m, n), check_finite=False, **options)
    for j in range(s.size):
        u, v = U[:, j], Vt[j]
        if j == 0:
            parts = [(np.abs(u), np.abs(v))]
        else:
            parts = [(np.maximum(u, 0), np.maximum(v, 0)), (np.maximum(-u, 0), np.maximum(-v, 0))]
        sizes = [(np.linalg.norm(left), np.linalg.norm(right)) for left, right in parts]
        best = int(np.argmax([a * b for a, b in sizes]))
        (left, right), (a, b) = parts[best], sizes[best]
        if a * b > 0 and s[j] > 0:
            scale = np.sqrt(s[j]) * np.sqrt(a * b)
            W[:, j] = left * (scale / a)
            Ht[:, j] = right * (scale / b)
    return W, Ht


def _random(matrix: Matrix, rank: int, seed: int) -> tuple[Array, Array]:
    """Half-normal numbers, scaled so that no multiple of W H is closer to the matrix."""
    (m, n), dtype = matrix.shape, matrix.dtype
    W, Ht = (np.abs(normal_rows(seed, s, 0, size, rank, dtype)) for s, size in ((_W, m), (_H, n)))
    scan = matrix.operator.scan()
    largest = 0.0 if scan is None else scan["max_abs"]
    if largest == 0.0:
        return W, Ht
    product = np.empty((m, rank), dtype)
    matrix.operator.apply(Ht, product)
    exponent = int(np.frexp(largest)[1]) // 2 * 2
    product = np.ldexp(product, -exponent)
    cross = float(np.einsum("ij,ij->", W, product, dtype=np.float64))
    grams = [np.einsum("ij,il->jl", Y, Y, dtype=np.float64) for Y in (W, Ht)]
    scale = np.ldexp(np.sqrt(max(cross, 0.0) / float((grams[0] * grams[1]).sum())), exponent // 2)
    W *= dtype.type(scale)
    Ht *= dtype.type(scale)
    return W, Ht
