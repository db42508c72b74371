"""Rows appended by projection, with the old ones at hand: bounds from both sides, exactness, refusals."""

import numpy as np
import pytest
import scipy.sparse as sp

import corange as cr
from updating_problems import exact, orthogonality

FIRST = cr.svd(np.diag(np.arange(1.0, 9.0)), 3, random_state=0)


class TestProjection:
    """Rows appended with the old ones at hand: Rayleigh and Ritz on the old left vectors and a few more."""

    @pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
    @pytest.mark.parametrize("rounds", [0, 1, 3])
    def test_values_are_those_of_the_projected_matrix(self, kind, rounds):
        """Between those of ``diag(U U', I) A``, which U alone would give, and those of A."""
        rng = np.random.default_rng(30)
        A = rng.standard_normal((150, 80)) / np.arange(1, 81) ** 0.3
        B, E = A[:100], A[100:]
        first = exact(B, 10)
        options = {"method": "projection", "size": 8, "rounds": rounds, "random_state": 0}
        result = cr.update_svd(first, rows=kind(E), data=kind(B), **options)
        truth = np.linalg.svd(A, compute_uv=False)[:10]
        alone = np.linalg.svd(np.vstack([first.U.T @ B, E]), compute_uv=False)[:10]
        slack = 1e-7 * truth[0]  # residuals of 1e-4 leave the square in the values
        assert (result.s <= truth + slack).all()
        assert (result.s >= alone - slack).all()
        assert np.sum(truth - result.s) < np.sum(truth - alone)
        assert max(orthogonality(result.U), orthogonality(result.Vt.T)) < 1e-12
        left = np.linalg.norm(A - result.reconstruct())
        assert result.report.drift.lost == pytest.approx(left, rel=1e-6)

    def test_with_room_for_all_of_the_old_space_it_is_exact(self):
        rng = np.random.default_rng(31)
        A = rng.standard_normal((60, 40)) / np.arange(1, 41) ** 0.3
        options = {"method": "projection", "size": 40, "random_state": 0}
        result = cr.update_svd(exact(A[:30], 10), rows=A[30:], data=A[:30], **options)
        np.testing.assert_allclose(result.s, np.linalg.svd(A, compute_uv=False)[:10], rtol=1e-7)

    def test_errors_do_not_add_up(self):
        """Ten batches one after the other leave less than the exact update of what was kept."""
        rng = np.random.default_rng(32)
        A = rng.standard_normal((600, 120)) / np.arange(1, 121) ** 0.3
        truth = np.linalg.svd(A, compute_uv=False)[:8]
        off = {}
        for method in ("auto", "projection"):
            result = exact(A[:100], 8)
            for begin in range(100, 600, 50):
                data = {"data": A[:begin]} if method == "projection" else {}
                batch = A[begin : begin + 50]
                result = cr.update_svd(result, rows=batch, method=method, random_state=0, **data)
            off[method] = np.max(truth / result.s - 1)
        assert off["projection"] < off["auto"] / 3

    def test_single_precision_stays(self):
        rng = np.random.default_rng(33)
        A = rng.standard_normal((150, 80)).astype(np.float32)
        first = cr.svd(A[:100], 5, random_state=0)
        result = cr.update_svd(first, rows=A[100:], data=A[:100], method="projection", random_state=0)
        assert {x.dtype for x in result} == {np.dtype(np.float32)}

    @pytest.mark.parametrize("exponent", [-60, 60])
    def test_scaling_scales_the_values_alone(self, exponent):
        """Squares of such numbers are out of the range of single precision."""
        rng = np.random.default_rng(34)
        A = rng.standard_normal((150, 80)).astype(np.float32)
        found = []
        for B in (A, np.ldexp(A, exponent)):
            first = cr.svd(B[:100], 5, random_state=0)
            result = cr.update_svd(first, rows=B[100:], data=B[:100], method="projection", random_state=0)
            found.append(result.s)
        np.testing.assert_allclose(np.ldexp(found[1], -exponent), found[0], rtol=1e-5)

    @pytest.mark.parametrize(
        "options",
        [
            {"method": "projection"},
            {"data": np.ones((8, 8))},
            {"method": "projection", "data": np.ones((7, 8))},
            {"method": "projection", "data": np.ones((8, 9))},
        ],
    )
    def test_refusals(self, options):
        with pytest.raises(ValueError, match="data must"):
            cr.update_svd(FIRST, rows=np.ones((1, 8)), **options)
        with pytest.raises(ValueError, match="data must"):
            cr.update_svd(FIRST, columns=np.ones((8, 1)), data=np.eye(8), method="projection")
