"""Minka's estimate of how many principal components are signal."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

__all__ = ["minka_dimension"]

Array = npt.NDArray[Any]

_EPS = 1e-15


def minka_dimension(variances: Array, n_samples: float) -> int:
    """Choose the number of components of largest evidence: equation (30) of the reference [1]_.

    Parameters
    ----------
    variances : ndarray of shape (d,)
        All eigenvalues of the covariance matrix, descending.
    n_samples : float
        Number of samples they were computed from.

    Returns
    -------
    int
        From 1 to d - 1, or 1 when d is 1.

    Notes
    -----
    The Laplace approximation contains the product over pairs i <= k, i < j of ``(l_i - l_j) * (1/v_j -
    1/v_i)``, where v is l up to k and the mean of the rest beyond. Split at j = k, its logarithm consists of
    running sums, so that all k together take O(d**2) operations and memory.

    References
    ----------
    .. [1] T. Minka (2000). Automatic choice of dimensionality for PCA. NIPS 13.

    Examples
    --------
    >>> import numpy as np
    >>> minka_dimension(np.array([9.0, 4.0, 1.2, 1.0, 0.8]), 100)
    2
    """
    d = variances.size
    if d == 1 or variances[0] <= 0:
        return 1
    # The evidence of all k shifts alike when the variances are scaled.
    spectrum = np.maximum(variances.astype(np.float64) / variances[0], 0.0)
    k = np.arange(1, d)
    signal = spectrum[:-1]
    noise = np.maximum((spectrum.sum() - np.cumsum(signal)) / (d - k), _EPS)
    pairs = d * k - k * (k + 1) / 2
    logs = np.log(np.maximum(signal, _EPS))  # what is below is refused at the end
    sum_logs = np.cumsum(logs)

    half = (d - k + 1) / 2
    uniform = -k * np.log(2.0) + np.cumsum(gammaln(half) - half * np.log(np.pi))
    likelihood = -n_samples / 2 * (sum_logs + (d - k) * np.log(noise))
    gaussian = np.log(2 * np.pi) * (pairs + k) / 2
    curvature = _log_curvature(spectrum, noise, logs, sum_logs) + pairs * np.log(n_samples)
    evidence = uniform + likelihood + gaussian - curvature / 2 - k * np.log(n_samples) / 2
    evidence[signal < _EPS] = -np.inf
    return int(k[np.argmax(evidence)])


def _log_curvature(spectrum: Array, noise: Array, logs: Array, sum_logs: Array) -> Array:
    """Sum of the logarithms of ``(l_i - l_j) * (1/v_j - 1/v_i)`` over i <= k, i < j, for each k."""
    d = spectrum.size
    k = np.arange(1, d)
    gaps = np.triu(np.log(np.maximum(spectrum[:, np.newaxis] - spectrum, _EPS)), 1)
    all_gaps = np.cumsum(gaps.sum(axis=1))[:-1]  # i <= k, any j
    inner_gaps = np.cumsum(gaps.sum(axis=0))[:-1]  # i < j <= k
    above_noise = np.tri(d - 1) * np.log(np.maximum(spectrum[:-1] - noise[:, np.newaxis], _EPS))
    inner = inner_gaps - (k - 1) * sum_logs
    outer = above_noise.sum(axis=1) - sum_logs - k * np.log(noise)
    total: Array = all_gaps + inner + (d - k) * outer
    return total
