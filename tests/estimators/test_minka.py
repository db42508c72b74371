"""Minka's estimate: against the formula written out, and where it needs care."""

import math

import numpy as np
import pytest

from corange.estimators._minka import minka_dimension


def evidence(spectrum, k, n_samples):
    """Equation (30) term by term."""
    d = len(spectrum)
    m = d * k - k * (k + 1) / 2
    noise = sum(spectrum[k:]) / (d - k)
    model = [*spectrum[:k], *[noise] * (d - k)]
    uniform = -k * math.log(2)
    for i in range(1, k + 1):
        uniform += math.lgamma((d - i + 1) / 2) - math.log(math.pi) * (d - i + 1) / 2
    curvature = 0.0
    for i in range(k):
        for j in range(i + 1, d):
            curvature += math.log(spectrum[i] - spectrum[j])
            curvature += math.log(1 / model[j] - 1 / model[i]) + math.log(n_samples)
    likelihood = -n_samples / 2 * (sum(map(math.log, spectrum[:k])) + (d - k) * math.log(noise))
    gaussian = (m + k) / 2 * math.log(2 * math.pi)
    return uniform + likelihood + gaussian - curvature / 2 - k / 2 * math.log(n_samples)


@pytest.mark.parametrize("seed", range(20))
def test_has_the_largest_evidence(seed):
    rng = np.random.default_rng(seed)
    d = int(rng.integers(2, 30))
    n_samples = int(rng.integers(d, 300))
    spectrum = np.sort(rng.gamma(1.0, size=d))[::-1] * 10.0 ** rng.integers(-9, 9)
    best = max(range(1, d), key=lambda k: evidence(spectrum, k, n_samples))
    assert minka_dimension(spectrum, n_samples) == best


def test_finds_the_dimension_of_a_signal():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 4)) @ rng.standard_normal((4, 20)) + 0.1 * rng.standard_normal((500, 20))
    assert minka_dimension(np.linalg.eigvalsh(np.cov(X.T))[::-1], 500) == 4


@pytest.mark.parametrize(
    ("spectrum", "legal"),
    [
        ([1.0], {1}),
        ([0.0, 0.0, 0.0], {1}),
        ([1.0, 1.0, 1.0], {1, 2}),
        ([3.0, 0.0, 0.0], {1}),
        ([3.0, 2.0, 0.0, 0.0], {2}),
    ],
)
def test_equal_and_vanishing_variances(spectrum, legal):
    assert minka_dimension(np.array(spectrum), 50) in legal
