"""Calls that cannot fit in memory are refused before work starts."""

import re

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import LinearOperator

import corange as cr


def never(X):
    raise AssertionError("work has started")


HUGE = LinearOperator((2**45, 2**45), matvec=never, rmatvec=never, matmat=never, rmatmat=never, dtype=float)
SPARSE = scipy.sparse.eye_array(3_000_000, format="csr")


@pytest.mark.parametrize("decompose", [cr.svd, cr.eigh])
@pytest.mark.parametrize("rank", [10, 10**6])
def test_operators_whose_vectors_do_not_fit(decompose, rank):
    with pytest.raises(MemoryError, match=rf"{decompose.__name__} .*rank = {rank} needs at least .* GB"):
        decompose(HUGE, rank)


@pytest.mark.parametrize("rank", [2_000_000, 3_000_000])
def test_sparse_matrices_with_too_large_a_rank(rank):
    with pytest.raises(MemoryError, match="ask for a smaller rank") as caught:
        cr.svd(SPARSE, rank)
    wanted, available = (float(x) for x in re.findall(r"([\d.e+]+) GB", str(caught.value)))
    # U and Vt alone take this much
    assert wanted * 1e9 >= 2 * 8 * SPARSE.shape[0] * rank > available * 1e9


def test_a_rank_beyond_both_limits_is_clipped_first():
    with (
        pytest.warns(UserWarning, match="3000000 is used"),
        pytest.raises(MemoryError, match="rank = 3000000"),
    ):
        cr.svd(SPARSE, 10**9)


def test_a_small_rank_of_a_large_matrix_is_not_refused():
    diagonal = scipy.sparse.diags_array(1 / np.arange(1.0, 200_001), format="csr")
    np.testing.assert_allclose(cr.svd(diagonal, 2, random_state=0).s, [1, 1 / 2], rtol=1e-5)


def test_a_rank_whose_direct_method_does_not_fit_is_refused_though_its_vectors_would():
    with pytest.raises(MemoryError) as caught:
        cr.svd(SPARSE, 2_000_000)
    available = 1e9 * float(re.findall(r"([\d.e+]+) GB", str(caught.value))[1])
    order = int((available / (10 * 8)) ** 0.5)  # U and Vt of half the rank would take a fifth of it
    with pytest.raises(MemoryError, match=f"rank = {order // 2} needs at least"):
        cr.svd(scipy.sparse.eye_array(order, format="csr"), order // 2)
