"""Signs, and bases that are filled up."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import corange as cr
from corange._rows import product
from corange.estimators._linalg import complete, orient


class TestOrient:
    def test_largest_entries_become_positive(self):
        V = np.array([[0.5, -0.1, 0.0], [-0.9, 0.3, 1.0], [0.1, 0.2, -0.5]])
        expected = V * [-1, 1, 1]
        assert_array_equal(orient(V), [-1, 1, 1])
        assert_array_equal(V, expected)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_of_equal_ones_the_first_counts(self, dtype):
        eps = np.finfo(dtype).eps
        for hair in (1 - eps, 1, 1 + eps):
            V = np.array([[-0.1], [-0.5], [0.5 * hair]], dtype=dtype)
            orient(V)
            assert V[1, 0] > 0


class TestComplete:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize(("given", "size"), [(0, 5), (3, 4), (3, 20), (20, 20)])
    def test_keeps_what_is_there_and_adds_the_rest(self, given, size, dtype):
        V = np.linalg.qr(np.random.default_rng(0).standard_normal((20, given)))[0].astype(dtype)
        basis = complete(V, size)
        cr.testing.assert_orthonormal(basis)
        assert basis.dtype == dtype
        assert_allclose(basis[:, :given], V, atol=10 * np.finfo(dtype).eps)

    def test_depends_on_the_span_alone(self):
        rng = np.random.default_rng(0)
        V = np.linalg.qr(rng.standard_normal((30, 12)))[0]
        turned = V @ np.linalg.qr(rng.standard_normal((12, 12)))[0]
        assert_allclose(complete(V, 30)[:, 12:], complete(turned, 30)[:, 12:], atol=1e-11)


class TestProduct:
    @pytest.mark.parametrize("dtypes", [("f4", "f4"), ("f4", "f8"), ("f8", "f8")])
    def test_is_the_product(self, dtypes):
        rng = np.random.default_rng(0)
        A, B = rng.standard_normal((7, 4)).astype(dtypes[0]), rng.standard_normal((4, 9)).astype(dtypes[1])
        result = product(A, B)
        assert result.dtype == np.result_type(A, B)
        assert_allclose(result, A @ B, atol=1e-5)
        assert_allclose(product(A.T[::-1], A), A.T[::-1] @ A, atol=1e-5)

    def test_of_nothing(self):
        assert_array_equal(product(np.ones((3, 0)), np.ones((0, 2))), np.zeros((3, 2)))
