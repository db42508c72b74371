"""A hyperspectral image from a few of its bands (HIR-Diff, Pang et al., CVPR 2024, arXiv:2402.15865).

An image of many spectral bands has nearly low rank: X, a row a pixel and a column a band, is close to A E'
with as many columns as there are materials. HIR-Diff restores an image by restoring a few bands of it, so
it must know which bands and how all others follow from them:

    V       the leading right singular vectors of X (bands x rank)
    p       pivots of a QR factorization of V', the bands that are least alike
    E'      V[p]^-T V', so that X = X[:, p] E' for X of that rank

Run: python hyperspectral_bands.py
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

import corange as cr


def bands_and_coefficients(X: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Find `rank` bands, and E that gives all from them: X is close to X[:, bands] @ E."""
    V = cr.svd(X, rank, tol=1e-8, random_state=0).Vt.T.astype(np.float64)
    pivots = scipy.linalg.qr(V.T, mode="r", pivoting=True)[1][:rank]
    return pivots, np.linalg.solve(V[pivots].T, V.T)


def synthetic_cube(
    height: int, width: int, bands: int, materials: int, noise: float, seed: int = 0
) -> np.ndarray:
    """Mix smooth spectra of a few materials in smooth amounts, and add noise: pixels x bands."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    centers, wavelengths = rng.random((materials, 2)), np.linspace(0.0, 1.0, bands)
    abundances = [np.exp(-8.0 * ((y - b) ** 2 + (x - a) ** 2)).ravel() for a, b in centers]
    peaks, widths = rng.random(materials), rng.uniform(0.05, 0.2, materials)
    spectra = np.exp(-(((wavelengths - peaks[:, np.newaxis]) / widths[:, np.newaxis]) ** 2)) + 0.05
    return np.stack(abundances, axis=1) @ spectra + noise * rng.standard_normal((height * width, bands))


def main() -> None:
    """Rebuild a noisy cube from five bands, well and badly chosen."""
    X = synthetic_cube(100, 80, 120, 5, noise=1e-3)
    bands, E = bands_and_coefficients(X, 5)
    error = np.linalg.norm(X - X[:, bands] @ E) / np.linalg.norm(X)
    print(f"bands {sorted(map(int, bands))} of 120: relative error {error:.2e}")
    V = cr.svd(X, 5, random_state=0).Vt.T
    rng = np.random.default_rng(1)
    others = [np.linalg.cond(V[rng.choice(120, 5, replace=False)]) for _ in range(200)]
    print(f"condition number of V at these bands {np.linalg.cond(V[bands]):.1f}")
    print(f"condition number of V at random bands {np.median(others):.1f}")


if __name__ == "__main__":
    main()
