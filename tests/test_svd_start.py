"""The truncated SVD that begins from an earlier result: fewer products, the same promises."""

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import aslinearoperator

import corange as cr
from corange.testing import assert_svd_valid, matrix_with_spectrum

SLOW = matrix_with_spectrum(np.arange(1, 121) ** -0.5, (300, 150), random_state=0)
FAST = matrix_with_spectrum(0.8 ** np.arange(100), (150, 300), random_state=1)
SPARSE = scipy.sparse.random_array((400, 250), density=0.03, rng=0, format="csr")


class Rows:
    """Data on disk."""

    def __init__(self, A):
        self._A, self.shape, self.dtype = A, A.shape, A.dtype

    def __getitem__(self, key):
        return self._A[key]


class TestStart:
    A = scipy.sparse.random_array((900, 400), density=0.05, rng=3, format="csr")
    B = cr.svd(A[:860], 30, random_state=0)

    @pytest.mark.parametrize("dtype", [np.float64, np.float32])
    @pytest.mark.parametrize("transpose", [False, True])
    def test_fewer_products_to_the_same_tolerance(self, transpose, dtype):
        A, B = self.A.astype(dtype), self.B
        if transpose:
            A, B = A.T.tocsr(), cr.svd(self.A[:860].T.tocsr(), 30, random_state=0)
        cold, warm = cr.svd(A, 30, random_state=0), cr.svd(A, 30, start=B, random_state=0)
        assert warm.report.products < 0.9 * cold.report.products
        assert_svd_valid(A, warm, tol=1e-3)
        np.testing.assert_allclose(warm.s, cold.s, rtol=1e-5)

    def test_what_is_orthogonal_to_all_of_it_is_found(self):
        blocks = [
            matrix_with_spectrum(s * 0.9 ** np.arange(60), (200, 100), random_state=1) for s in (1.0, 5.0)
        ]
        blocks = [scipy.sparse.coo_array(block) for block in blocks]
        first = cr.svd(scipy.sparse.block_diag([blocks[0], 0 * blocks[1]], format="csr"), 10)
        A = scipy.sparse.block_diag(blocks, format="csr")
        result = cr.svd(A, 10, start=first, random_state=0)
        np.testing.assert_allclose(result.s, 5 * 0.9 ** np.arange(10), rtol=1e-5)

    @pytest.mark.parametrize("tol", [1e-2, 1e-9])
    @pytest.mark.parametrize("kind", [np.asarray, Rows, aslinearoperator])
    def test_every_engine_begins_from_it(self, kind, tol):
        result = cr.svd(kind(FAST), 5, tol=tol, start=cr.svd(FAST, 8, random_state=1), random_state=0)
        assert result.report.converged
        np.testing.assert_allclose(result.s, 0.8 ** np.arange(5), rtol=tol**2 + 1e-12)

    def test_more_or_fewer_vectors_than_a_block_has(self):
        for rank in (1, 3, 100):
            result = cr.svd(SLOW, 20, start=cr.svd(SLOW, rank, random_state=0), random_state=0)
            np.testing.assert_allclose(result.s, np.arange(1, 21) ** -0.5, rtol=1e-5)

    @pytest.mark.parametrize("transpose", [False, True])
    def test_vectors_of_the_longer_side_serve_as_well(self, transpose):
        A = SPARSE.T.tocsr()
        A, part = (A.T.tocsr(), A[:220].T.tocsr()) if transpose else (A, A[:220])
        cold = cr.svd(A, 20, random_state=0)
        warm = cr.svd(A, 20, start=cr.svd(part, 20, random_state=0), random_state=0)
        assert warm.report.products < cold.report.products
        np.testing.assert_allclose(warm.s, cold.s, rtol=1e-5)

    def test_a_side_must_fit(self):
        with pytest.raises(
            ValueError, match=r"start must have 300 rows or 150 columns.*got shape \(150, 300\)"
        ):
            cr.svd(SLOW, 3, start=cr.svd(FAST, 3))
