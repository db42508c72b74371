"""Small decompositions by the core, as good as LAPACK's."""

import numpy as np
import pytest

from corange import _core
from corange._small import eigh, svd
from corange.testing import assert_orthonormal

EPS = np.finfo(float).eps
rng = np.random.default_rng(0)


def rotated(values, m, n):
    left, right = (np.linalg.qr(rng.standard_normal((side, len(values))))[0] for side in (m, n))
    return (left * values) @ right.T


HARD = {
    "graded": np.logspace(0, -15, 60),
    "clustered": 1 - 1e-14 * np.arange(60.0),
    "low rank": np.r_[np.ones(20), np.zeros(40)],
    "repeated": np.ones(60),
}


@pytest.mark.parametrize("shape", [(60, 60), (90, 60), (60, 90), (1, 7), (7, 1), (1, 1)], ids=str)
@pytest.mark.parametrize("scale", [1.0, 1e-300, 1e300])
@pytest.mark.parametrize("values", HARD.values(), ids=HARD.keys())
def test_svd_is_good_to_rounding_of_the_largest_value(shape, scale, values):
    k = min(shape)
    A = rotated(values[:k], *shape) * scale
    U, s, Vt = svd(A)
    assert (U.shape, s.shape, Vt.shape) == ((shape[0], k), (k,), (k, shape[1]))
    assert np.abs(s / scale - values[:k]).max() <= 20 * EPS
    assert (np.diff(s) <= 0).all()
    assert np.abs((U * (s / scale)) @ Vt - A / scale).max() <= 20 * EPS
    assert_orthonormal(U, factor=10)
    assert_orthonormal(Vt.T, factor=10)


@pytest.mark.parametrize("shape", [(5, 5), (7, 5), (5, 7), (5, 0), (0, 5), (0, 0)], ids=str)
def test_svd_of_nothing(shape):
    U, s, Vt = svd(np.zeros(shape, np.float32))
    assert U.dtype == s.dtype == Vt.dtype == np.float64
    assert not s.any()
    assert np.array_equal(U.T @ U, np.eye(min(shape)))
    assert np.array_equal(Vt @ Vt.T, np.eye(min(shape)))


@pytest.mark.parametrize("scale", [1.0, 1e-300, 1e300])
@pytest.mark.parametrize("values", HARD.values(), ids=HARD.keys())
def test_eigh_is_good_to_rounding_of_the_largest_value(scale, values):
    Q = np.linalg.qr(rng.standard_normal((60, 60)))[0]
    A = (Q * (values * scale)) @ Q.T
    A = (A + A.T) / 2
    w, V = eigh(A)
    assert np.abs(w / scale - np.sort(values)).max() <= 20 * EPS
    assert np.abs((V * (w / scale)) @ V.T - A / scale).max() <= 30 * EPS
    assert_orthonormal(V, factor=10)


@pytest.mark.parametrize("size", [3, 80])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_an_error(size, bad):
    A = np.eye(size)
    A[-1, -1] = bad
    for solve in (svd, eigh):
        with pytest.raises(np.linalg.LinAlgError):
            solve(A)


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
def test_inverses(scale):
    A = rotated(np.logspace(0, -3, 60), 60, 60)
    assert np.abs(_core.small_inverse(A * scale) @ (A * scale) - np.eye(60)).max() <= 1e-11


def test_singular_matrices_have_none():
    for A in (np.zeros((3, 3)), np.ones((3, 3)), np.full((3, 3), np.nan)):
        with pytest.raises(np.linalg.LinAlgError):
            _core.small_inverse(A)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="as many rows"):
        _core.small_svd(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="square"):
        _core.small_inverse(np.zeros((3, 2)))
