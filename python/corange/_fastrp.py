"""Node embeddings by very sparse random projection: the kernel of the estimator `FastRP`."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from corange._operators import Matrix
from corange.sketching._very_sparse import STRIP, VerySparse

__all__ = ["embed_nodes"]

Array = npt.NDArray[Any]
Doubles = npt.NDArray[np.float64]


def embed_nodes(
    graph: Matrix, weights: Doubles, columns: int, *, beta: float, density: float, normalize: bool, seed: int
) -> Array:
    """Compute ``sum_i weights[i - 1] * M**i @ L @ R``, for the transitions M of a random walk on a graph.

    M is the adjacency divided by the sums of its rows; L is diagonal, (sum of column j / sum of all) ** beta;
    R is very sparse with columns scaled to an expected inner product of the identity. With `normalize` every
    row of every ``M**i @ L @ R`` has length one, or is zero.

    Parameters
    ----------
    graph : Matrix
        Nonnegative and square.
    weights : ndarray of shape (q,)
    columns : int
    beta : float
    density : float
        Probability of an entry of R to differ from zero.
    normalize : bool
    seed : int

    Returns
    -------
    ndarray of shape (n, columns)
        In the precision of the graph.

    Notes
    -----
    2 * columns flops a stored entry for each of the q powers, a few columns at a time. Memory: the result,
    one more such array a nonzero weight with `normalize`, and four blocks of 32 columns.
    """
    n, dtype = graph.shape[0], graph.dtype
    outgoing, incoming = degrees(graph)
    scale, inverse = importance(incoming, beta), reciprocal(outgoing).astype(dtype)[:, np.newaxis]
    powers = np.flatnonzero(weights) + 1
    parts = [np.zeros((n, columns), dtype) for _ in (powers if normalize else powers[:1])]
    R = VerySparse(columns, n, s=1.0 / density, random_state=seed)
    for first in range(0, columns, STRIP):  # rows of two cache lines in float32
        chosen = slice(first, min(first + STRIP, columns))
        current = projection_columns(R, first, dtype, scale)
        following = np.empty_like(current)
        for power in range(1, int(powers[-1]) + 1):
            graph.operator.apply(current, following)
            following *= inverse
            current, following = following, current
            if weights[power - 1]:
                part = parts[int(np.searchsorted(powers, power)) if normalize else 0]
                part[:, chosen] += current if normalize else current * dtype.type(weights[power - 1])
    if not normalize:
        return parts[0]
    for part, weight in zip(parts, weights[powers - 1], strict=True):
        lengths = np.sqrt(np.einsum("ij,ij->i", part, part, dtype=np.float64))
        part *= (weight * reciprocal(lengths)).astype(dtype)[:, np.newaxis]
    for part in parts[1:]:
        parts[0] += part
    return parts[0]


def degrees(graph: Matrix) -> tuple[Doubles, Doubles]:
    """Add up the rows and the columns, in double precision."""
    (m, n), operator = graph.shape, graph.operator
    outgoing, incoming = np.empty((m, 1)), np.empty((n, 1))
    operator.apply(np.ones((n, 1)), outgoing)
    operator.apply_adjoint(np.ones((m, 1)), incoming)
    return outgoing[:, 0], incoming[:, 0]


def importance(incoming: Doubles, beta: float) -> Doubles:
    """Return ``(degree / sum of degrees) ** beta``; 0 for nodes that no edge leads to."""
    share = incoming * reciprocal(np.array([incoming.sum()]))
    scale: Doubles = np.zeros_like(share)
    np.power(share, beta, out=scale, where=share > 0.0)
    return scale


def reciprocal(values: Doubles) -> Doubles:
    """Return 1 / value, and 0 for 0."""
    inverse: Doubles = np.zeros_like(values)
    np.divide(1.0, values, out=inverse, where=values > 0.0)
    return inverse


def projection_columns(R: VerySparse, first: int, dtype: np.dtype[Any], scale: Doubles) -> Array:
    """Make a dense block of the columns of R.T that are drawn together, from `first` on; its rows scaled."""
    rows, columns, signs = R.strip(first)
    block = np.zeros((R.shape[1], min(STRIP, R.size - first)), dtype)
    block[columns, rows] = signs * (scale * math.sqrt(R.s / R.size))[columns]
    return block
