"""Where a nonnegative factorization starts."""

from typing import Any

import numpy as np
import numpy.typing as npt

from corange._operators import Matrix
from corange._random import Stream
from corange._single_pass import normal_rows
from corange._svd import decompose, svd_options

__all__ = ["INITS", "start"]

Array = npt.NDArray[Any]

INITS = ("auto", "nndsvd", "nndsvda", "nndsvdar", "random")

# Residuals of singular triplets relative to the largest singular value: starts differ no more than by that.
_SVD_TOL = 3e-3
_OVERSAMPLE = 1  # vectors of the basis beyond the rank, relative to it: it would else take most of the memory
_PIECE = 4096  # rows looked at together


def start(matrix: Matrix, rank: int, init: str, seed: int) -> tuple[Array, Array]:
    """Make W of shape (m, rank) and H transposed, of shape (n, rank)."""
    if init == "random":
        return _random(matrix, rank, seed)
    W, Ht = _from_svd(matrix, rank, seed)
    if init == "nndsvd" and rank <= min(matrix.shape):
        return W, Ht
    fill_in = _fill(matrix)
    for factor, stream in ((W, Stream.NMF_FILL_W), (Ht, Stream.NMF_FILL_H)):
        if init == "nndsvdar":
            small = normal_rows(seed, stream, 0, factor.shape[0], rank, factor.dtype)
            np.abs(small, out=small)
            small *= factor.dtype.type(fill_in / 100.0)
            np.copyto(factor, small, where=factor == 0)
        elif init == "nndsvda":
            factor[factor == 0] = fill_in
        else:  # components that the matrix cannot have get something to start from
            factor[:, min(matrix.shape) :] = fill_in
    return W, Ht


def _fill(matrix: Matrix) -> float:
    """Mean of X, as in the paper, for entries up to 1; else in proportion to their root, as factors are."""
    scan = matrix.operator.scan()
    largest = 0.0 if scan is None else float(scan["max_abs"])
    mean = float(np.mean(matrix.operator.column_means()))
    return mean / np.sqrt(largest) if largest > 0.0 else mean


def _from_svd(matrix: Matrix, rank: int, seed: int) -> tuple[Array, Array]:
    """Nonnegative parts of singular vectors (Boutsidis, Gallopoulos 2008): for each pair the larger part."""
    size = min(rank, *matrix.shape)
    options = svd_options(tol=_SVD_TOL, oversample=_OVERSAMPLE * size, random_state=seed)
    U, s, Vt = decompose(matrix, size, check_finite=False, **options)
    V = Vt.T
    whole, positive = [_squares(Y) for Y in (U, V)], [_squares(Y, positive=True) for Y in (U, V)]
    negative = [np.maximum(w - p, 0.0) for w, p in zip(whole, positive, strict=True)]
    flip = negative[0] * negative[1] > positive[0] * positive[1]
    scales = []
    for p, q, w in zip(positive, negative, whole, strict=True):
        squares = np.where(flip, q, p)
        squares[0] = w[0]  # the first pair has one sign, up to rounding
        scales.append(np.sqrt(squares))
    product = np.sqrt(s.astype(np.float64) * scales[0] * scales[1])
    factors = []
    for norms in scales:
        # A pair whose parts vanish gets no component; dead ones start again while the solver works.
        scale = np.divide(product, norms, out=np.zeros(size), where=(product > 0.0) & (norms > 0.0))
        Y, U = U, V  # so that each is freed when its factor is made
        Z = np.zeros((Y.shape[0], rank), matrix.dtype)
        np.multiply(Y, (np.where(flip, -1.0, 1.0) * scale).astype(Y.dtype), out=Z[:, :size])
        np.abs(Z[:, 0], out=Z[:, 0])
        np.maximum(Z, 0, out=Z)
        factors.append(Z)
    return factors[0], factors[1]


def _squares(Y: Array, *, positive: bool = False) -> npt.NDArray[np.float64]:
    """Squared norms of columns, or of their positive parts; a piece at a time, for the memory."""
    squares = np.zeros(Y.shape[1])
    for start in range(0, Y.shape[0], _PIECE):
        piece = Y[start : start + _PIECE]
        part = np.maximum(piece, 0) if positive else piece
        squares += np.einsum("ij,ij->j", part, part, dtype=np.float64)
    return squares


def _random(matrix: Matrix, rank: int, seed: int) -> tuple[Array, Array]:
    """Half-normal numbers, scaled so that no multiple of W H is closer to the matrix."""
    (m, n), dtype = matrix.shape, matrix.dtype
    W, Ht = (normal_rows(seed, s, 0, size, rank, dtype) for s, size in ((Stream.NMF_W, m), (Stream.NMF_H, n)))
    for factor in (W, Ht):
        np.abs(factor, out=factor)
    scan = matrix.operator.scan()
    largest = 0.0 if scan is None else scan["max_abs"]
    if largest == 0.0:
        return W, Ht
    product = np.empty((m, rank), dtype)
    matrix.operator.apply(Ht, product)
    exponent = int(np.frexp(largest)[1]) // 2 * 2
    np.ldexp(product, -exponent, out=product)
    cross = float(np.einsum("ij,ij->", W, product, dtype=np.float64))
    grams = [np.einsum("ij,il->jl", Y, Y, dtype=np.float64) for Y in (W, Ht)]
    scale = np.ldexp(np.sqrt(max(cross, 0.0) / float((grams[0] * grams[1]).sum())), exponent // 2)
    W *= dtype.type(scale)
    Ht *= dtype.type(scale)
    return W, Ht
