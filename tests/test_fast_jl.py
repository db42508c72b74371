"""The sparse step of FastJL: its variance by formula, its densities by their rules."""

import math

import numpy as np
import pytest

import corange as cr
from corange import sketching


def test_variance_of_fast_jl_for_a_fixed_mixed_vector():
    """Var ||S x||^2 = (2 + 3 (1/q - 1) sum z^4) / size for z = H D x; here z has two equal entries.

    With q = 1/4 a row's square y^2 has moments 1, 7.5, 105, 2310 (y is normal given how many of its two
    entries there are), and the mean of 16 a kurtosis of 5.7. The variance of 40000 then has a relative
    deviation of 1.1 %: 5 % is 4.6 of them, which fails once in 250000.
    """
    q, size, repeats = 0.25, 16, 5000
    norms = []
    for seed in range(8):  # rows are independent: so many sketches on top of each other
        S = sketching.FastJL(size * repeats, 64, density=q, random_state=seed)
        rows = S._rows(np.dtype(float))[:, :2].sum(axis=1) * math.sqrt(repeats * 64 / 2)
        norms.append((np.asarray(rows).reshape(repeats, size) ** 2).sum(axis=1))
    norms = np.concatenate(norms)
    wanted = (2 + 3 * (1 / q - 1) * 0.5) / size
    assert abs(np.var(norms) / wanted - 1) < 0.05
    assert abs(norms.mean() - 1) < 4.6 * math.sqrt(wanted / norms.size)


def test_fast_jl_densities_follow_their_rules():
    log = math.log(1000)
    classical = sketching.FastJL(2**20, 1024, density="classical", points=1000)
    new = sketching.FastJL(2**20, 1024, points=1000)
    assert classical.density == pytest.approx(log**2 / 1024)
    assert new.density == pytest.approx(3 * log / 1024)
    assert sketching.FastJL(2**20, 1024, constant=2.0, points=1000).density == pytest.approx(2 * log / 1024)
    few = sketching.FastJL(128, 1024, points=1000)  # eps is 1/2: three times the new rule would be more
    assert few.density == classical.density
    eps = 0.1
    size = int(cr.johnson_lindenstrauss_min_dim(10**15, eps=eps))
    wide = sketching.FastJL(size, 2**16, points=10**15, constant=1.0)
    log = math.log(10**15)
    assert wide.density == pytest.approx(eps * log**2 / math.log(1 / eps) / 2**16, rel=1e-3)
    assert sketching.FastJL(8, 2).density == 1.0


@pytest.mark.parametrize("density", [1e-7, 1e-4, 0.1, 1.0])
def test_a_sparse_matrix_without_entries_is_foreseen(density):
    found = []
    for seed in range(30):
        S = sketching.FastJL(8, 64, density=density, random_state=seed)
        assert S._reads_all == (S._rows(np.dtype(float)).nnz > 0)
        found.append(S._reads_all)
    assert all(found) == (density >= 0.1)


def test_far_too_sparse_a_sketch_fails_on_spikes():
    # A vector that mixing turns into a spike is lost by a P that is fifty times too sparse.
    sound = sketching.FastJL(256, 1024, random_state=0)
    thin = sketching.FastJL(256, 1024, density=sound.density / 50, random_state=0)
    spikes = np.linalg.norm(thin._rows(np.dtype(float)).toarray(), axis=0) * 32
    assert (spikes == 0).mean() > 0.1
    assert (np.linalg.norm(sound._rows(np.dtype(float)).toarray(), axis=0) == 0).mean() < 0.01
