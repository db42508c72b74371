"""Updates of any kind in any order: exact with room for every triplet, with less within their bounds."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import corange as cr
from corange._updating._residual import ActiveResidual

KINDS = st.sampled_from([np.asarray, np.asfortranarray, scipy.sparse.csr_array, scipy.sparse.csc_matrix])
CHANGES = st.lists(
    st.sampled_from(["rows", "columns", "lowrank", "entries", "merge", "drop rows", "drop columns"]),
    min_size=1,
    max_size=6,
)
METHODS = st.sampled_from(["auto", "zha-simon", "extended", "brand"])


def numbers(rng, shape):
    """Values with zeros, duplicates and empty rows among them."""
    A = np.round(rng.standard_normal(shape), 1) * (rng.random(shape) < 0.5)
    if shape[0] > 1:
        A[0] = A[-1]
    return A


def changed(result, A, change, rng, kind, options):
    """Do the same to the result and to the matrix."""
    m, n = A.shape
    count = int(rng.integers(1, 4))
    if change == "rows":
        E = numbers(rng, (count, n))
        return cr.update_svd(result, rows=kind(E), **options), np.vstack([A, E])
    if change == "columns":
        E = numbers(rng, (m, count))
        return cr.update_svd(result, columns=kind(E), **options), np.hstack([A, E])
    if change == "lowrank":
        D, E = numbers(rng, (m, count)), numbers(rng, (n, count))
        return cr.update_svd(result, lowrank=(kind(D), kind(E)), **options), A + D @ E.T
    if change == "entries":
        i, j, values = rng.integers(0, m, count), rng.integers(0, n, count), rng.standard_normal(count)
        A = A.copy()
        np.add.at(A, (i, j), values)
        return cr.update_svd(result, entries=(i, j, values), **options), A
    if change == "merge":
        E = numbers(rng, (count, n))
        other = cr.svd(E + 1e-3 * rng.standard_normal(E.shape), min(E.shape), tol=1e-12)
        return cr.update_svd(result, rows=other, **options), np.vstack([A, other.reconstruct()])
    side = 0 if change == "drop rows" else 1
    if A.shape[side] < 3:
        return result, A
    gone = rng.choice(A.shape[side], int(rng.integers(1, A.shape[side] - 1)), replace=False)
    name = "rows" if side == 0 else "columns"
    return cr.downdate_svd(result, **{name: gone}), np.delete(A, gone, axis=side)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    changes=CHANGES,
    kind=KINDS,
    method=METHODS,
    seed=st.integers(0, 2**32 - 1),
)
def test_any_changes_with_room_for_every_triplet(shape, changes, kind, method, seed):
    rng = np.random.default_rng(seed)
    A = numbers(rng, shape) + 1e-3 * rng.standard_normal(shape)
    result = cr.svd(A, min(shape), tol=1e-12)
    options = {"rank": 60, "method": method, "random_state": 0}
    for change in changes:
        result, A = changed(result, A, change, rng, kind, options)
    expected = np.linalg.svd(A, compute_uv=False)
    found = np.zeros_like(expected)
    found[: result.s.size] = result.s[: expected.size]
    # residuals below 1e-7 of their row count as rounding (ActiveResidual.floor), once a change
    np.testing.assert_allclose(found, expected, rtol=0, atol=len(changes) * 1e-7 * (1 + expected[0]))
    for X in (result.U, result.Vt.T):
        np.testing.assert_allclose(X.T @ X, np.eye(X.shape[1]), atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(3, 30),
    sizes=st.lists(st.integers(1, 8), min_size=1, max_size=6),
    rank=st.integers(1, 3),
    direction=st.sampled_from(["rows", "columns"]),
    kind=KINDS,
    method=st.sampled_from(["auto", "vecharynski-saad", "yamazaki", "extended-gkl", "extended-rpi"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_bounds_hold_while_rows_or_columns_alone_are_appended(n, sizes, rank, direction, kind, method, seed):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((5, n))
    result = cr.svd(A if direction == "rows" else A.T, rank, tol=1e-9, random_state=0)
    for size in sizes:
        E = numbers(rng, (size, n))
        A = np.vstack([A, E])
        change = {direction: kind(E if direction == "rows" else E.T)}
        result = cr.update_svd(result, method=method, size=2, random_state=0, **change)
    true, drift = np.linalg.svd(A, compute_uv=False)[:rank], result.report.drift
    # a batch may leave out residuals of so small a part of its rows, and moves no value by more
    slack = ActiveResidual.floor * np.sqrt(len(sizes)) * np.linalg.norm(A)
    assert (np.abs(result.s - true) <= drift.spread + slack).all()
    if drift.direction != "mixed":  # batches were not reduced
        assert (result.s <= true + slack).all()
    assert (
        drift.direction == "mixed"
        or (np.square(true) - np.square(result.s) <= drift.gap + 2 * slack * true[0]).all()
    )
    missing = np.linalg.norm(A) ** 2 - np.square(result.s).sum()
    assert drift.lost_square == pytest.approx(missing, abs=1e-12 * np.linalg.norm(A) ** 2)
    trusted = result.report.trusted
    assert (true[:trusted] <= 1.05 * result.s[:trusted] + slack).all()
