"""Eigenpairs of symmetric matrices: either end of the spectrum, any kind of matrix, and refusal of others."""

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

import corange as cr
from corange.testing import assert_orthonormal

RNG = np.random.default_rng(0)
N = 150


def symmetric(eigenvalues):
    Q = np.linalg.qr(RNG.standard_normal((N, N)))[0]
    A = (Q * eigenvalues) @ Q.T
    return (A + A.T) / 2


INDEFINITE = symmetric(np.r_[-(0.8 ** np.arange(75)), 0.9 * 0.85 ** np.arange(75)])
KINDS = {
    "dense": np.asarray,
    "Fortran": np.asfortranarray,
    "csr": scipy.sparse.csr_array,
    "csc": scipy.sparse.csc_array,
    "operator": aslinearoperator,
    "without adjoint": lambda A: LinearOperator(A.shape, matvec=lambda x: A @ x, dtype=A.dtype),
}


def expected(A, rank, which):
    w = np.linalg.eigvalsh(A.astype(np.float64))
    order = {"LM": np.argsort(-np.abs(w)), "LA": np.argsort(-w), "SA": np.argsort(w)}[which]
    return w[order[:rank]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", ["LM", "LA", "SA"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("tol", [1e-3, 1e-5])
def test_either_end_of_the_spectrum_of_every_kind(kind, which, dtype, tol):
    A = INDEFINITE.astype(dtype)
    w, V = result = cr.eigh(KINDS[kind](A), 6, which=which, tol=tol, random_state=0)
    eps = np.finfo(dtype).eps
    assert result.report.converged
    assert w.dtype == V.dtype == dtype
    assert_orthonormal(V)
    np.testing.assert_allclose(w, expected(A, 6, which), atol=20 * tol**2 + 100 * eps)
    residuals = np.linalg.norm(A.astype(np.float64) @ V - V * w.astype(np.float64), axis=0)
    assert residuals.max() <= tol * np.abs(np.linalg.eigvalsh(INDEFINITE)).max() + 100 * eps
    np.testing.assert_allclose(result.report.residuals, residuals, atol=1e-6 + 100 * eps)


@pytest.mark.parametrize("rank", [1, 40, 149, 150])
@pytest.mark.parametrize("which", ["LM", "LA", "SA"])
def test_any_rank(rank, which):
    w, V = cr.eigh(INDEFINITE, rank, which=which, random_state=0)
    assert_orthonormal(V)
    np.testing.assert_allclose(w, expected(INDEFINITE, rank, which), atol=1e-4)


@pytest.mark.parametrize(
    "A",
    [
        np.zeros((70, 70)),
        np.eye(70),
        np.ones((70, 70)),
        np.diag(np.r_[-1.0, np.zeros(69)]),
        [[3.0]],
        [[-2.0]],
    ],
)
@pytest.mark.parametrize("which", ["LM", "LA", "SA"])
def test_degenerate(A, which):
    A = np.asarray(A)
    rank = min(3, A.shape[0])
    w, V = cr.eigh(A, rank, which=which, random_state=0)
    assert_orthonormal(V)
    np.testing.assert_allclose(w, expected(A, rank, which), atol=1e-4)
    np.testing.assert_allclose(A @ V, V * w, atol=1e-2)


def test_reconstruct_and_unpack():
    result = cr.eigh(INDEFINITE, 150, random_state=0)
    np.testing.assert_allclose(result.reconstruct(), INDEFINITE, atol=1e-10)
    assert repr(result).startswith("EighResult(rank=150, shape=(150, 150)")


def test_the_same_seed_gives_the_same_bits():
    one, two = (cr.eigh(INDEFINITE, 5, random_state=7) for _ in range(2))
    np.testing.assert_array_equal(one.V, two.V)


class TestRefused:
    @pytest.mark.parametrize("convert", [np.asarray, scipy.sparse.csr_array, scipy.sparse.csc_array])
    def test_asymmetric_matrices(self, convert):
        A = INDEFINITE.copy()
        A[2, 5] += 1e-3
        with pytest.raises(ValueError, match=r"A must be symmetric, but A @ x and A.T @ x differ by"):
            cr.eigh(convert(A), 3, random_state=0)

    def test_rounding_is_not_asymmetry(self):
        X = RNG.standard_normal((N, 40)).astype(np.float32)
        A = X @ X.T
        A[1, 0] = np.nextafter(A[1, 0], np.inf)
        assert cr.eigh(A, 3).report.converged

    def test_shapes(self):
        with pytest.raises(ValueError, match=r"A must be square, got shape \(3, 4\)"):
            cr.eigh(np.ones((3, 4)), 2)

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"rank": 0}, ValueError, "rank must be an integer of at least 1"),
            ({"rank": 2.0}, TypeError, "rank must be an integer of at least 1"),
            ({"rank": 2, "which": "BE"}, ValueError, "which must be one of 'LM', 'LA', 'SA', got 'BE'"),
            ({"rank": 2, "tol": 2}, ValueError, "tol must be between 0 and 1"),
            ({"rank": 2, "check_finite": 1}, TypeError, "check_finite must be True or False"),
        ],
    )
    def test_bad_arguments(self, options, error, message):
        with pytest.raises(error, match=message):
            cr.eigh(INDEFINITE, **options)

    def test_nan(self):
        A = INDEFINITE.copy()
        A[4, 4] = np.nan
        with pytest.raises(ValueError, match=r"NaN or infini.*(row 4, column 4|\[4, 4\])"):
            cr.eigh(A, 2)

    def test_more_than_there_is_is_clipped_with_a_warning_at_the_caller(self):
        with pytest.warns(
            UserWarning, match="rank=9 is more than a 4 x 4 matrix can have; 4 is used"
        ) as caught:
            assert cr.eigh(np.eye(4), 9).rank == 4
        assert caught[0].filename == __file__


def test_too_few_passes_warn():
    A = symmetric(RNG.standard_normal(N))
    with pytest.warns(cr.ConvergenceWarning, match="eigh stopped after") as caught:
        result = cr.eigh(A, 5, tol=1e-8, max_passes=3, random_state=0)
    assert caught[0].filename == __file__
    assert not result.report.converged
    assert_orthonormal(result.V)
