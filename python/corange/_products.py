"""Estimates of products of tall matrices from small samples or sketches of them."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from corange import _core
from corange._random import RandomState, Stream, random_key
from corange._results import ProductResult
from corange._rows import Rows, adjoint_product, frobenius_norm, largest_norm
from corange._validation import check_boolean, check_choice, check_integer
from corange.sketching._coordinated import CoordinatedSample
from corange.sketching._dense import Gaussian
from corange.sketching._sign import CountSketch

__all__ = ["matmul_sketch"]

Array = npt.NDArray[Any]

_METHODS = ("coordinated-priority", "coordinated-threshold", "row-sampling", "gaussian", "countsketch")


def matmul_sketch(
    A: Any,
    B: Any,
    size: int,
    *,
    method: str = "coordinated-priority",
    random_state: RandomState = None,
    check_finite: bool = True,
) -> ProductResult:
    """Estimate the product ``A.T @ B`` of two matrices with as many rows, from small stand-ins of both.

    Parameters
    ----------
    A : matrix of shape (m, n)
        NumPy array, SciPy sparse, or anything with row slicing that `corange.svd` accepts.
    B : matrix of shape (m, p)
        Likewise.
    size : int
        Rows of each sample or sketch, at least 2. The error falls with its square root.
    method : str, default="coordinated-priority"
        - "coordinated-priority", "coordinated-threshold": `corange.sketching.CoordinatedSample` of A and of
          B, which could also be made at different places and times. Best for rows with few nonzeros or norms
          that vary.
        - "row-sampling": rows i are drawn with probability proportional to ``||a_i|| * ||b_i||``, the best
          there is for independent draws; needs both matrices at once.
        - "gaussian", "countsketch": ``(S @ A).T @ (S @ B)`` with a `corange.sketching.Gaussian` or
          `corange.sketching.CountSketch` S of `size` rows; for dense rows of even length.
    random_state : None, int, Generator or RandomState, default=None
        The same integer always gives the same bits, on any number of threads.
    check_finite : bool, default=True
        Refuse NaN and infinity before work starts.

    Returns
    -------
    ProductResult
        Unpacks into the estimate, of shape (n, p), and its estimated error in the Frobenius norm. The
        estimate is sparse if A and B are, but for linear sketches.

    Raises
    ------
    TypeError, ValueError
        As `corange.svd`; an operator without rows to look at; numbers of rows differ.

    See Also
    --------
    corange.sketching.CoordinatedSample : Samples to keep and to combine later.

    Notes
    -----
    One pass over each matrix for the norms of its rows and a look at the rows that are taken; 2 * n * p flops
    a row that contributes. All methods are unbiased. The mean of the squared error is at most
    ``2 / (size - 1) * ||A||_F**2 * ||B||_F**2`` for priority sampling, with size in place of size - 1 for
    threshold sampling [1]_, and equals ``((sum_i ||a_i|| ||b_i||)**2 - ||A'B||_F**2) / size`` for row
    sampling [2]_. With N for ``||A||_F**2 * ||B||_F**2`` it equals ``(N + ||A'B||_F**2) / size`` for Gaussian
    sketches and ``(N + ||A'B||_F**2 - 2 * sum_i ||a_i||**2 ||b_i||**2) / size`` for CountSketch, at the cost
    of ``S @ A``. Each `error` is the root of an unbiased estimate of this mean; samples of all rows that
    are not zero give the exact product.

    References
    ----------
    .. [1] M. Daliri, J. Freire, D. Li, C. Musco (2025). Matrix product sketching via coordinated sampling.
       ICLR. arXiv:2501.17836.
    .. [2] P. Drineas, R. Kannan, M. Mahoney (2006). Fast Monte Carlo algorithms for matrices I. SIAM Journal
       on Computing 36(1). doi:10.1137/S0097539704442684.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> rng = np.random.default_rng(0)
    >>> A, B = rng.standard_normal((5000, 4)), rng.standard_normal((5000, 3))
    >>> product, error = cr.matmul_sketch(A, B, 500, random_state=0)
    >>> bool(np.linalg.norm(product - A.T @ B) < 3 * error)
    True
    """
    size = check_integer("size", size, low=2)
    method = check_choice("method", method, _METHODS)
    seed = random_key(random_state)
    check_boolean("check_finite", check_finite)
    left, right = Rows(A, "A", check_finite=check_finite), Rows(B, "B", check_finite=check_finite)
    if left.shape[0] != right.shape[0]:
        raise ValueError(f"A and B must have as many rows, got {left.shape[0]} and {right.shape[0]}.")
    if method == "row-sampling":
        return _row_sampling(left, right, size, seed)
    if method in ("gaussian", "countsketch"):
        family = Gaussian if method == "gaussian" else CountSketch
        sketches = family(size, left.shape[0], random_state=seed)
        return _linear(left.norms(), right.norms(), sketches @ A, sketches @ B, method)
    kind = method.removeprefix("coordinated-")
    first, second = (CoordinatedSample._of_rows(rows, size, kind, seed) for rows in (left, right))
    return first.combine(second)


def _row_sampling(A: Rows, B: Rows, size: int, seed: int) -> ProductResult:
    """Draw rows by the product of their norms; all terms of the mean then have the same norm."""
    lengths = A.norms(), B.norms()
    units = [largest_norm(norms) for norms in lengths]
    weights = (lengths[0] / units[0]) * (lengths[1] / units[1])
    heads = np.cumsum(weights)
    total = float(heads[-1])
    numbers = np.empty((size, 1))
    _core.random_block("uniform", seed, stream=Stream.PRODUCT_ROWS, row0=0, col0=0, out=numbers)
    drawn = np.searchsorted(heads, numbers[:, 0] * total, side="right")
    rows, counts = np.unique(drawn[drawn < weights.size], return_counts=True)
    factors = counts * (total / size) / weights[rows]
    right = B.take(rows)
    scaled = right * factors.astype(right.dtype)[:, np.newaxis]
    product = adjoint_product(A.take(rows), scaled)
    whole = total * units[0] * units[1]
    share = frobenius_norm(product) / whole if whole else 1.0
    error = whole * math.sqrt(max(1.0 - share**2, 0.0) / (size - 1))
    bound = whole / math.sqrt(size)
    return ProductResult(product, error, bound, "optimal row sampling", (rows.size, rows.size), rows.size)


def _linear(first: Array, second: Array, SA: Array, SB: Array, method: str) -> ProductResult:
    """Multiply sketches; norms of the rows tell the variance, together with the norm of the estimate."""
    product = adjoint_product(np.ascontiguousarray(SA), np.ascontiguousarray(SB))
    norms, size = (frobenius_norm(first), frobenius_norm(second)), SA.shape[0]
    whole = norms[0] * norms[1]
    if whole == 0.0:
        return ProductResult(product, 0.0, 0.0, method, (size, size), size)
    together = np.square(first / norms[0] * (second / norms[1])).sum() if method == "countsketch" else 0.0
    share = frobenius_norm(product) / whole
    error = whole * math.sqrt(max(1.0 + share**2 - 2.0 * together, 0.0) / (size + 1))
    bound = whole * math.sqrt(2.0 / size)
    return ProductResult(product, error, bound, f"{method} sketches", (size, size), size)
