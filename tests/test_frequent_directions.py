"""Frequent Directions: the bound on every prefix and after merging, exactness, any blocks."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import corange as cr
from corange.sketching import FrequentDirections
from corange.testing import matrix_with_spectrum

A = matrix_with_spectrum(np.arange(1, 41) ** -0.7, (300, 40), random_state=0)
SPARSE = scipy.sparse.random_array((300, 60), density=0.1, rng=1, format="csr")


def assert_bound(rows, directions, taken=None):
    """0 <= A'A - B'B <= bound * I, and bound <= ||A - A_k||**2 / (size + 1 - k) for all k."""
    sketch, bound = directions.result()
    exact = rows.astype(np.float64)
    values = np.linalg.svd(exact, compute_uv=False)
    rounding = 100 * np.finfo(sketch.dtype).eps * values[0] ** 2
    gap = np.linalg.eigvalsh(exact.T @ exact - sketch.astype(np.float64).T @ sketch)
    assert gap[0] >= -rounding
    assert gap[-1] <= bound + rounding
    tails = np.append(np.cumsum(values[::-1] ** 2)[::-1], np.zeros(directions.size + 1))
    for k in range(directions.size + 1):
        assert bound <= tails[k] / (directions.size + 1 - k) + rounding
    assert sketch.shape[0] <= directions.size
    assert directions.norm_fro == pytest.approx(np.linalg.norm(exact), rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("size", [1, 5, 12])
def test_the_bound_holds_on_every_prefix(size, dtype):
    rows, directions = A.astype(dtype), FrequentDirections(size)
    for start in range(0, 300, 29):
        directions.partial_fit(rows[start : start + 29])
        assert_bound(rows[: start + 29], directions)
        assert directions.result().sketch.dtype == dtype
    assert directions.n_rows == 300


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=12), st.integers(1, 20))
def test_the_bits_do_not_depend_on_how_rows_are_cut(heights, size):
    rows = A[: sum(heights)]
    whole, pieces = FrequentDirections(size).partial_fit(rows), FrequentDirections(size)
    start = 0
    for height in heights:
        if start < rows.shape[0]:
            pieces.partial_fit(rows[start : start + height])
        start += height
    for first, second in zip(whole.result(), pieces.result(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_looking_at_the_result_changes_nothing():
    quiet, curious = FrequentDirections(6), FrequentDirections(6)
    for start in range(0, 300, 10):
        quiet.partial_fit(A[start : start + 10])
        curious.partial_fit(A[start : start + 10]).result()
    np.testing.assert_array_equal(quiet.result().sketch, curious.result().sketch)


@pytest.mark.parametrize("parts", [2, 5])
def test_merged_sketches_keep_the_guarantee(parts):
    sketches = [FrequentDirections(8).partial_fit(part) for part in np.array_split(A, parts)]
    before = [sketch.result().sketch for sketch in sketches[1:]]
    merged = sketches[0]
    for other in sketches[1:]:
        merged.merge(other)
    assert_bound(A, merged)
    assert merged.n_rows == 300
    for sketch, untouched in zip(sketches[1:], before, strict=True):
        np.testing.assert_array_equal(sketch.result().sketch, untouched)
    empty = FrequentDirections(8)
    assert_bound(A, empty.merge(merged).merge(FrequentDirections(8)))


@pytest.mark.parametrize("size", [40, 55])
def test_as_many_rows_as_columns_lose_nothing(size):
    sketch, bound = FrequentDirections(size).partial_fit(A).result()
    assert bound <= 1e-13
    np.testing.assert_allclose(sketch.T @ sketch, A.T @ A, atol=1e-13)


def test_a_rank_no_larger_than_the_size_is_kept():
    rows = matrix_with_spectrum([3.0, 2.0, 1.0], (200, 30), random_state=0)
    sketch, bound = FrequentDirections(3).partial_fit(rows).result()
    assert bound <= 1e-13
    np.testing.assert_allclose(sketch.T @ sketch, rows.T @ rows, atol=1e-12)


def test_zero_rows_change_nothing():
    padded = np.zeros((600, 40))
    padded[::2] = A
    directions = FrequentDirections(5).partial_fit(padded)
    assert_bound(padded, directions)
    empty = FrequentDirections(5).partial_fit(np.zeros((50, 7)))
    sketch, bound = empty.result()
    assert (sketch.shape, bound) == ((0, 7), 0.0)


@pytest.mark.parametrize("make", ["csr", "csc", "coo", "lil"])
def test_sparse_blocks(make):
    dense, sparse = FrequentDirections(10), FrequentDirections(10)
    for start in range(0, 300, 75):
        dense.partial_fit(SPARSE[start : start + 75].toarray())
        sparse.partial_fit(SPARSE[start : start + 75].asformat(make))
    np.testing.assert_array_equal(dense.result().sketch, sparse.result().sketch)
    assert_bound(SPARSE.toarray(), sparse)


def test_refusals():
    directions = FrequentDirections(5)
    with pytest.raises(ValueError, match="no rows have been added yet"):
        directions.result()
    directions.partial_fit(A)
    with pytest.raises(ValueError, match="X must have 40 columns, as before, got 39"):
        directions.partial_fit(A[:, 1:])
    with pytest.raises(ValueError, match="X must be finite"):
        directions.partial_fit(A * np.nan)
    with pytest.raises(ValueError, match="same size, got 5 and 6"):
        directions.merge(FrequentDirections(6))
    with pytest.raises(TypeError, match="must be a FrequentDirections"):
        directions.merge(A)
    with pytest.raises(ValueError, match="size must be an integer of at least 1"):
        FrequentDirections(0)
    assert repr(directions) == "FrequentDirections(size=5, 300 rows of 40 columns)"


@pytest.mark.parametrize("rows", [0, 7, 100])
def test_rows_go_on_from_a_file_with_the_same_bits(tmp_path, rows):
    A = np.random.default_rng(0).standard_normal((150, 20)).astype(np.float32)
    sketch = FrequentDirections(6)
    if rows:
        sketch.partial_fit(A[:rows])
    sketch.save(tmp_path / "rows.npz")
    loaded = cr.load(tmp_path / "rows.npz")
    (B, bound), (C, other) = (s.partial_fit(A[rows:]).result() for s in (sketch, loaded))
    assert B.dtype == np.float32
    assert np.array_equal(B, C)
    assert bound == other
    assert (loaded.n_rows, loaded.norm_fro, loaded.shrinkage) == (150, sketch.norm_fro, sketch.shrinkage)
