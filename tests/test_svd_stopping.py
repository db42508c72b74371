"""When a decomposition ends: in time, with all triplets asked for, and with a report that tells the truth."""

import warnings

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

import corange as cr
from corange.testing import assert_orthonormal, matrix_with_spectrum

NOISE = np.random.default_rng(0).standard_normal((600, 500))
SMOOTH = matrix_with_spectrum(1 / np.arange(1, 101), (300, 100), random_state=0)


def unsteady(A, noise):
    """An operator that never answers the same twice."""
    rng = np.random.default_rng(0)

    def disturbed(product):
        return product + noise * rng.standard_normal(product.shape)

    return LinearOperator(
        A.shape,
        matvec=lambda x: disturbed(A @ x),
        rmatvec=lambda x: disturbed(A.T @ x),
        matmat=lambda X: disturbed(A @ X),
        rmatmat=lambda X: disturbed(A.T @ X),
        dtype=A.dtype,
    )


def as_is(A):
    return A


class TestRank:
    """The result has the rank that was asked for however early it ends, and never claims too much."""

    # The least it takes: a random start, one step, the final measurement; for an operator also its scale and
    # its error.
    @pytest.mark.parametrize(
        ("wrap", "least"), [(as_is, 4), (scipy.sparse.csr_array, 5), (aslinearoperator, 7)]
    )
    @pytest.mark.parametrize("max_passes", [1, 3, 6, 9])
    @pytest.mark.parametrize("block_size", [None, 2])
    def test_with_few_passes(self, wrap, least, max_passes, block_size):
        with pytest.warns(cr.ConvergenceWarning, match="svd stopped after"):
            result = cr.svd(
                wrap(NOISE), 60, tol=1e-6, max_passes=max_passes, block_size=block_size, random_state=0
            )
        assert result.rank == 60
        assert_orthonormal(result.U)
        assert_orthonormal(result.Vt.T)
        assert not result.report.converged
        assert result.report.stopped == "max_passes"
        assert result.report.passes <= max(max_passes, least)

    def test_few_passes_are_made_the_most_of(self):
        A = matrix_with_spectrum(0.9 ** np.arange(200), (400, 300), random_state=0)
        result = cr.svd(A, 60, max_passes=6, block_size=2, tol=0.05, random_state=0)
        assert result.report.converged
        assert result.report.block_size > 2

    def test_when_a_callback_stops_before_there_are_enough_vectors(self):
        result = cr.svd(NOISE, 60, tol=1e-6, block_size=4, random_state=0, callback=lambda info: True)
        assert result.rank == 60
        assert result.report.iterations == 1
        assert (result.report.stopped, result.report.converged) == ("callback", False)
        assert_orthonormal(result.U)
        assert_orthonormal(result.Vt.T)
        truth = np.linalg.norm(NOISE.T @ result.U - result.Vt.T * result.s, axis=0)
        np.testing.assert_allclose(result.report.residuals, truth, rtol=1e-3)

    def test_of_eigenpairs(self):
        A = NOISE[:, :500].T @ NOISE[:, :500]
        stopped = cr.eigh(A, 60, tol=1e-9, block_size=4, random_state=0, callback=lambda info: True)
        assert (stopped.rank, stopped.report.stopped, stopped.report.iterations) == (60, "callback", 1)
        assert_orthonormal(stopped.V)
        with pytest.warns(cr.ConvergenceWarning, match="eigh stopped after"):
            late = cr.eigh(A, 60, tol=1e-9, max_passes=3, random_state=0)
        assert (late.rank, late.report.stopped) == (60, "max_passes")
        assert late.report.passes <= 3


class TestStalling:
    """What cannot converge ends nevertheless, soon and with a warning."""

    @pytest.mark.parametrize(("noise", "tol"), [(1e-2, 1e-3), (1e-6, 1e-9), (1e-10, 1e-12)])
    def test_operators_that_never_answer_the_same_twice(self, noise, tol):
        with pytest.warns(cr.ConvergenceWarning, match=r"residuals above tol=.* Raise tol; result.report"):
            result = cr.svd(unsteady(SMOOTH, noise), 10, tol=tol, random_state=0)
        assert (result.report.stopped, result.report.converged) == ("stalled", False)
        assert "NOT converged: the residuals stopped falling" in str(result.report)
        assert result.report.passes < 1000

    def test_eigenpairs_of_such_operators(self):
        A = SMOOTH.T @ SMOOTH
        with pytest.warns(cr.ConvergenceWarning, match="Raise tol"):
            result = cr.eigh(unsteady(A, 1e-6), 10, tol=1e-9, random_state=0)
        assert (result.report.stopped, result.report.converged) == ("stalled", False)

    def test_noise_far_below_the_tolerance_does_not_matter(self):
        result = cr.svd(unsteady(SMOOTH, 1e-7), 10, tol=1e-3, random_state=0)
        assert result.report.converged
        np.testing.assert_allclose(result.s, 1 / np.arange(1, 11), atol=1e-5)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize(
        "spectrum", [np.ones(60), np.r_[np.linspace(2, 1, 7), np.zeros(53)], 2.0 ** -np.arange(60)]
    )
    @pytest.mark.parametrize("shape", [(300, 120), (120, 300), (200, 200)])
    def test_no_tolerance_is_below_rounding(self, dtype, spectrum, shape):
        A = matrix_with_spectrum(spectrum, shape, dtype=dtype, random_state=1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = cr.svd(A, 20, tol=1e-300, random_state=0)
        assert result.report.converged
        assert result.report.tol == 16 * np.finfo(dtype).eps
        assert result.report.relative_residuals.max() <= result.report.tol


class TestErrorOutOfReach:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_more_than_precision_allows(self, dtype):
        A = np.random.default_rng(0).standard_normal((40, 30)).astype(dtype)
        with pytest.warns(cr.ConvergenceWarning, match="at rank 30 with a relative error of .* rounding"):
            result = cr.svd(A, error=1e-30, random_state=0)
        assert not result.report.converged
        assert result.report.error < 20 * np.finfo(dtype).eps

    def test_more_than_the_passes_allow(self):
        with pytest.warns(cr.ConvergenceWarning):
            result = cr.svd(NOISE, error=0.1, max_passes=4, random_state=0)
        assert (result.report.stopped, result.report.converged) == ("max_passes", False)
        truth = np.linalg.norm(NOISE - result.reconstruct()) / np.linalg.norm(NOISE)
        assert result.report.error == pytest.approx(truth, rel=1e-6)
