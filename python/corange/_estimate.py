"""Norms and approximation errors from random probes, with the confidence they deserve."""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import gammainccinv, gammaincinv

from corange import _core
from corange._operators import Matrix, as_matrix, as_operator
from corange._random import RandomState, Stream, random_key
from corange._results import LowRankResult
from corange._validation import (
    check_boolean,
    check_choice,
    check_integer,
    check_proportion,
    shown,
)

__all__ = ["Estimate", "error_estimate", "estimate_error", "estimate_norm", "measured_error"]

Array = npt.NDArray[Any]


class Estimate(NamedTuple):
    """An estimated quantity with an interval that holds it; ``float(estimate)`` is the value.

    Attributes
    ----------
    value : float
        The estimate.
    lower, upper : float
        The true value is between them,
    confidence : float
        with at least this probability.
    """

    value: float
    lower: float
    upper: float
    confidence: float

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        bounds = f"{self.lower:.4g} to {self.upper:.4g}"
        return f"{self.value:.4g} ({bounds} with probability {self.confidence:g})"


def estimate_norm(
    A: Any,
    kind: str = "2",
    *,
    samples: int = 10,
    power: int = 6,
    confidence: float = 0.95,
    random_state: RandomState = None,
    check_finite: bool = True,
) -> Estimate:
    """Estimate the spectral or the Frobenius norm of a matrix.

    Parameters
    ----------
    A : matrix of shape (m, n)
        Whatever `corange.svd` accepts.
    kind : {"2", "fro"}, default="2"
        Spectral norm (the largest singular value) or Frobenius norm.
    samples : int, default=10
        Random vectors to multiply with. More make the interval narrower.
    power : int, default=6
        Times the vectors are multiplied with A'A, for the spectral norm. 0 is cheapest and crude; the
        interval shrinks with 1 / power.
    confidence : float, default=0.95
        Probability that the interval holds the true norm.
    random_state : None, int, Generator or RandomState, default=None
        The same integer always gives the same estimate.
    check_finite : bool, default=True
        Refuse NaN and infinity first.

    Returns
    -------
    Estimate
        With ``value``, ``lower``, ``upper`` and ``confidence``; ``float()`` gives the value. The Frobenius
        norm of a matrix in memory is exact, with confidence 1; `lower` for the
        spectral norm holds with certainty.

    Raises
    ------
    TypeError, ValueError
        As `corange.svd`.

    Notes
    -----
    The Frobenius norm costs one pass; the spectral norm ``power + 1`` passes, of 4 * samples
    flops per stored entry, and memory for 2 * (m + n) * samples numbers. Its lower bound is a Rayleigh
    quotient. Its upper bound is lemma 4.1 of [1]_ for B = A (A'A)**power: ``||B|| <= a * sqrt(2 / pi) * max
    ||B g||`` over Gaussian vectors g, except with probability ``a ** -samples``.

    References
    ----------
    .. [1] N. Halko, P.-G. Martinsson, J. Tropp (2011). Finding structure with randomness. SIAM Review 53(2).
       arXiv:0909.4061.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> norm = cr.estimate_norm(np.diag([5.0, 1.0, 1.0]), random_state=0)
    >>> bool(norm.lower <= 5.0 * (1 + 1e-12) and norm.upper >= 5.0)
    True
    """
    kind = check_choice("kind", kind, ("2", "fro"))
    samples = check_integer("samples", samples, low=1)
    power = check_integer("power", power, low=0)
    confidence = check_proportion("confidence", confidence)
    seed = random_key(random_state)
    check_boolean("check_finite", check_finite)
    matrix = as_matrix(A, check_finite=check_finite)
    exact = known_norm(matrix) if kind == "fro" else None
    if exact is not None:
        return Estimate(exact, exact, exact, 1.0)
    probes = _normal_block(matrix.shape[1], samples, seed)
    if kind == "2":
        return _spectral_norm(matrix.operator, probes, power, confidence)
    return _frobenius_norm(matrix.operator, probes, confidence)


def _spectral_norm(operator: Any, probes: Array, power: int, confidence: float) -> Estimate:
    """Raise a random block to a power; what is taken out to keep it in range is remembered as a logarithm."""
    taken_out = 0.0
    for _ in range(power):
        probes, logarithm = _normal_product(operator, probes)
        taken_out += logarithm
    image = np.empty((operator.shape[0], probes.shape[1]))
    operator.apply(probes, image)
    lengths = _column_norms(image)
    longest = float(lengths.max())
    if longest == 0.0:
        return Estimate(0.0, 0.0, 0.0, confidence)
    value = float((lengths / _column_norms(probes)).max())
    allowance = (1.0 - confidence) ** (-1.0 / probes.shape[1]) * math.sqrt(2.0 / math.pi)
    upper = math.exp((math.log(allowance * longest) + taken_out) / (2 * power + 1))
    return Estimate(value, value, max(value, upper), confidence)


def _normal_product(operator: Any, X: Array) -> tuple[Array, float]:
    """Multiply with A'A and divide by the largest entry; also return the logarithm of what was divided by."""
    product = np.empty_like(X)
    operator.apply_normal(X, product)
    largest = float(np.abs(product).max())
    if 0.0 < largest < math.inf:
        return product / largest, math.log(largest)
    # Squares of the entries leave the range of floating point: scale between the two products.
    image = np.empty((operator.shape[0], X.shape[1]))
    operator.apply(X, image)
    first = float(np.abs(image).max()) or 1.0
    operator.apply_adjoint(image / first, product)
    second = float(np.abs(product).max()) or 1.0
    return product / second, math.log(first) + math.log(second)


def _frobenius_norm(operator: Any, probes: Array, confidence: float) -> Estimate:
    """Multiply with random vectors; the mean of the squared norms is unbiased."""
    image = np.empty((operator.shape[0], probes.shape[1]))
    operator.apply(probes, image)
    value = _root_mean_square(image)
    low, high = _extreme_factors(probes.shape[1], (1.0 - confidence) / 2.0)
    return Estimate(value, value / high, value / low, confidence)


def known_norm(matrix: Matrix) -> float | None:
    """Frobenius norm by a look at the entries; None if they cannot be seen or are shifted."""
    if not matrix.in_memory or matrix.mean is not None:
        return None
    return float(matrix.operator.scan()["norm_fro"])


def estimate_error(
    A: Any,
    result: Any,
    samples: int = 10,
    *,
    confidence: float = 0.95,
    relative: bool = True,
    random_state: RandomState = None,
    check_finite: bool = True,
) -> Estimate:
    """Estimate the Frobenius norm of what an approximation misses, at any accuracy, in one pass.

    Unlike ``sqrt(||A||**2 - ||s||**2)``, which drowns in rounding below 1e-7, this multiplies the
    difference itself with random vectors. It works for results of any library, and for a result and data it
    was not computed from.

    Parameters
    ----------
    A : matrix of shape (m, n)
        Whatever `corange.svd` accepts.
    result : SVDResult, EighResult, QBResult or tuple of arrays
        The approximation: a result, ``(U, s, Vt)`` for ``U @ diag(s) @ Vt``, or ``(left, right)``.
    samples : int, default=10
        Random vectors; the interval narrows with their square root.
    confidence : float, default=0.95
        Probability that the interval holds the true error.
    relative : bool, default=True
        Divide by the norm of A (of A minus the means for a centered result), estimated by the same vectors.
    random_state : None, int, Generator or RandomState, default=None
        The same integer always gives the same estimate.
    check_finite : bool, default=True
        Refuse NaN and infinity in A first.

    Returns
    -------
    Estimate
        With ``value``, ``lower``, ``upper`` and ``confidence``; ``float()`` gives the value.

    Raises
    ------
    TypeError
        `result` is not an approximation, or as `corange.svd`.
    ValueError
        Shapes differ, or as `corange.svd`.

    Notes
    -----
    The mean of ``||E g||**2`` over Gaussian vectors g is an unbiased estimate of ``||E||_F**2``. The interval
    holds for any matrix: its tails are widest for matrices of rank one [1]_, where they are those of a
    chi-square distribution. With 10 samples and confidence 0.95 it reaches from 0.7 to 1.8 times the value;
    it is wider when the norm of A has to be estimated too, as for centered data and operators. One pass,
    2 * samples flops per stored entry, in double precision.

    References
    ----------
    .. [1] F. Roosta-Khorasani, G. Szekely, U. Ascher (2015). Assessing stochastic algorithms for large scale
       nonlinear least squares problems using extremal probabilities of linear combinations of gamma random
       variables. SIAM/ASA J. Uncertainty Quantification 3(1). arXiv:1404.0122.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> A = np.diag([4.0, 3.0, 2.0, 1.0])
    >>> error = cr.estimate_error(A, cr.svd(A, 3), relative=False, random_state=0)
    >>> error.lower < 1.0 < error.upper
    True
    """
    samples = check_integer("samples", samples, low=1)
    confidence = check_proportion("confidence", confidence)
    check_boolean("relative", relative)
    check_boolean("check_finite", check_finite)
    seed = random_key(random_state)
    factors, mean = _factors(result)
    matrix = as_matrix(A, mean=mean, check_finite=check_finite)
    shape = (factors[0].shape[0], factors[-1].shape[1])
    if matrix.shape != shape:
        raise ValueError(f"A has shape {matrix.shape}, but result approximates a matrix of shape {shape}.")
    return error_estimate(
        matrix.operator,
        factors,
        samples,
        confidence=confidence,
        relative=relative,
        seed=seed,
        norm=known_norm(matrix) if relative else None,
    )


def error_estimate(
    operator: Any,
    factors: tuple[Array, ...],
    samples: int,
    *,
    confidence: float,
    relative: bool,
    seed: int,
    norm: float | None = None,
) -> Estimate:
    """Estimate ``||A - product of factors||_F``, relative to the norm of A, which may be given."""
    m, n = operator.shape
    probes = _normal_block(n, samples, seed)
    image = np.empty((m, samples))
    operator.apply(probes, image)
    difference = image - _multiply(factors, probes)
    return measured_error(image, difference, confidence=confidence, relative=relative, norm=norm)


def measured_error(
    image: Array, difference: Array, *, confidence: float, relative: bool, norm: float | None = None
) -> Estimate:
    """Estimate an error from products of the matrix, and of the difference, with the same random vectors."""
    samples = image.shape[1]
    missing = _root_mean_square(difference)
    if not relative:
        low, high = _extreme_factors(samples, (1.0 - confidence) / 2.0)
        return Estimate(missing, missing / high, missing / low, confidence)
    whole = _root_mean_square(image) if norm is None else norm
    if whole == 0.0:
        return Estimate(0.0, 0.0, 0.0, confidence)
    ratio = missing / whole
    if norm is not None:
        low, high = _extreme_factors(samples, (1.0 - confidence) / 2.0)
        return Estimate(ratio, ratio / high, ratio / low, confidence)
    # Both norms may be off in either direction: each side of each gets its share of the doubt.
    low, high = _extreme_factors(samples, (1.0 - confidence) / 4.0)
    return Estimate(ratio, ratio * low / high, ratio * high / low, confidence)


def _factors(result: Any) -> tuple[tuple[Array, ...], Array | None]:
    """Take an approximation apart: (left, right) or (left, diagonal, right), and the means."""
    if isinstance(result, LowRankResult):
        return result.product, result.mean
    if isinstance(result, tuple) and len(result) in (2, 3):
        arrays = tuple(np.asarray(factor) for factor in result)
        dimensions = [array.ndim for array in arrays]
        inner = arrays[0].shape[-1:] + arrays[-1].shape[:1] + (arrays[1].shape if len(arrays) == 3 else ())
        if dimensions in ([2, 2], [2, 1, 2]) and len(set(inner)) == 1:
            return arrays, None
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise ValueError(f"result must be (U, s, Vt) or (left, right) with matching shapes, got {shapes}.")
    raise TypeError(f"result must be a result of corange or a tuple of arrays, got {shown(result)}.")


def _multiply(factors: tuple[Array, ...], X: Array) -> Array:
    """Multiply a product of factors with a block, in double, the same on any number of threads."""
    left, right = factors[0], factors[-1]
    inner = np.empty((right.shape[0], X.shape[1]))
    as_operator(right, check_finite=False).apply(X, inner)
    if len(factors) == 3:
        inner *= factors[1][:, np.newaxis]
    product = np.empty((left.shape[0], X.shape[1]))
    as_operator(left, check_finite=False).apply(inner, product)
    return product


def _normal_block(rows: int, columns: int, seed: int) -> Array:
    """Draw Gaussian probes from a stream of their own."""
    block = np.empty((rows, columns))
    _core.random_block("normal", seed, stream=Stream.ESTIMATE_PROBES, row0=0, col0=0, out=block)
    return block


def _column_norms(columns: Array) -> Array:
    """Norms of the columns; scaled, since squares of 1e200 overflow."""
    largest = float(np.abs(columns).max())
    if largest == 0.0 or not math.isfinite(largest):
        return np.full(columns.shape[1], largest)
    norms: Array = largest * np.sqrt(np.square(columns / largest).sum(axis=0))
    return norms


def _root_mean_square(columns: Array) -> float:
    """Root of the mean squared norm of the columns."""
    norms = _column_norms(columns)
    largest = float(norms.max())
    if largest == 0.0 or not math.isfinite(largest):
        return largest
    return largest * math.sqrt(float(np.mean(np.square(norms / largest))))


def _extreme_factors(samples: int, doubt: float) -> tuple[float, float]:
    """Find factors between which estimate / truth of a norm lies, except with this doubt on either side.

    The squared ratio is a mean of `samples` weighted sums of chi-squares. Its extreme tails are those of a
    single chi-square, a matrix of rank one: below 1, and above 1 + 1 / samples.
    """
    half = samples / 2.0
    low = min(float(gammaincinv(half, doubt)) / half, 1.0)
    high = max(float(gammainccinv(half, doubt)) / half, 1.0 + 1.0 / samples)
    return math.sqrt(low), math.sqrt(high)
