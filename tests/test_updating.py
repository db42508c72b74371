"""Updates of truncated SVDs: equality with the direct computation, inverses, scales, orthogonality."""

import numpy as np
import pytest
import scipy.sparse as sp

import corange as cr
from corange._updating import EvolvingSVD
from corange._updating._blocks import as_block
from updating_problems import exact, low_rank, orthogonality, sparse

EXACT = ("zha-simon", "extended", "auto")
REDUCED = ("vecharynski-saad", "yamazaki", "extended-gkl", "extended-rpi")


def start(rng, m=120, n=90, k=8, scale=1.0):
    A = scale * (rng.standard_normal((m, k)) / np.arange(1, k + 1)) @ rng.standard_normal((k, n))
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    return EvolvingSVD(U[:, :k], s[:k], Vt[:k].T, rank=k)


def dense_of(state):
    return (state.left.whole() * state.s) @ state.right.whole().T


def truncated(A, k):
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    return (U[:, :k] * s[:k]) @ Vt[:k]


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_hundred_mixed_updates_equal_the_direct_computation(scale):
    """Zha and Simon's update is the truncated SVD of the kept matrix with its change."""
    rng = np.random.default_rng(0)
    state = start(rng, scale=scale)
    state.method = "extended"
    expected = dense_of(state)
    for step in range(100):
        m, n = expected.shape
        if step % 3 == 0:
            E = sparse(rng, 3, n, 4, scale)
            state.append_rows(as_block(E, "E"))
            expected = np.vstack([expected, E.toarray()])
        elif step % 3 == 1:
            E = sparse(rng, 2, m, 5, scale)
            state.append_columns(as_block(E, "E"))
            expected = np.hstack([expected, E.toarray().T])
        else:
            D, E = sparse(rng, 2, m, 3), sparse(rng, 2, n, 3, scale)
            state.add_product(as_block(D, "D"), as_block(E, "E"))
            expected = expected + D.toarray().T @ E.toarray()
        expected = truncated(expected, 8)
    assert np.abs(dense_of(state) - expected).max() <= 1e-11 * np.linalg.norm(expected, 2)
    s = np.linalg.svd(expected, compute_uv=False)[:8]
    np.testing.assert_allclose(state.s, s, rtol=0, atol=1e-11 * s[0])
    assert orthogonality(state.left.whole()) < 1e-12
    assert orthogonality(state.right.whole()) < 1e-12


def assert_svd_of(result, A, k, tol=1e-10):
    """Right values, orthonormal factors, and the matrix itself where it has that rank."""
    s = np.linalg.svd(A, compute_uv=False)[:k]
    np.testing.assert_allclose(result.s, s, rtol=0, atol=tol * s[0])
    assert np.abs(result.reconstruct() - truncated(A, k)).max() <= 10 * tol * s[0]
    assert orthogonality(result.U) < 1e-12
    assert orthogonality(result.Vt.T) < 1e-12


class TestUpdate:
    @pytest.mark.parametrize("method", [*EXACT, "brand"])
    @pytest.mark.parametrize("make", [np.asarray, sp.csr_array, sp.csc_array], ids=["dense", "csr", "csc"])
    def test_exact_methods_on_every_kind_of_change(self, method, make):
        rng = np.random.default_rng(1)
        A = low_rank(rng)
        first = exact(A, 12 - 6)
        E, F = sparse(rng, 3, 50, 4).toarray(), sparse(rng, 3, 60, 4).toarray()
        options = {"method": method, "rank": 12}
        assert_svd_of(cr.update_svd(first, rows=make(E), **options), np.vstack([A, E]), 12)
        assert_svd_of(cr.update_svd(first, columns=make(F.T), **options), np.hstack([A, F.T]), 12)
        changed = cr.update_svd(first, lowrank=(make(F.T), make(E.T)), **options)
        assert_svd_of(changed, A + F.T @ E, 12)

    @pytest.mark.parametrize("method", REDUCED)
    def test_reduction_to_all_directions_is_exact(self, method):
        rng = np.random.default_rng(2)
        A, E = low_rank(rng), sparse(rng, 5, 50, 4)
        result = cr.update_svd(exact(A, 6), rows=E, method=method, size=5, rank=11, random_state=0)
        assert_svd_of(result, np.vstack([A, E.toarray()]), 11)

    @pytest.mark.parametrize("method", REDUCED)
    def test_reduction_books_what_it_leaves_out(self, method):
        """The energy of appended rows is that of the kept values and what was cut off, exactly."""
        rng = np.random.default_rng(3)
        A, E = low_rank(rng), sparse(rng, 30, 50, 4)
        result = cr.update_svd(exact(A, 6), rows=E, method=method, size=8, random_state=0)
        total = np.linalg.norm(A) ** 2 + np.linalg.norm(E.toarray()) ** 2
        kept = np.sum(result.s**2)
        assert abs(kept + result.report.drift.lost_square - total) <= 1e-9 * total
        truth = np.vstack([A, E.toarray()])
        error = np.linalg.norm(truth - result.reconstruct())
        assert error <= result.report.drift.lost * (1 + 1e-9)
        s = np.linalg.svd(truth, compute_uv=False)[:6]
        assert (s >= result.s * (1 - 1e-9)).all()
        assert (s <= result.s * (1 + result.report.drift.bounds(result.s)) * (1 + 1e-9)).all()

    @pytest.mark.parametrize("make", [np.asarray, sp.csr_array])
    def test_large_batches_find_what_is_altogether_new(self, make):
        """Old triplets say nothing about rows in other columns: random directions have to find them."""
        rng = np.random.default_rng(21)
        first = exact(np.pad(low_rank(rng, n=30), ((0, 0), (0, 30))), 6)
        E = np.pad(low_rank(rng, m=400, n=30, k=9), ((0, 0), (30, 0)))
        E += 1e-4 * np.linalg.norm(E, 2) * rng.standard_normal(E.shape) / 20
        result = cr.update_svd(first, rows=make(E), rank=20, random_state=0)
        truth = np.linalg.svd(np.vstack([first.reconstruct(), E]), compute_uv=False)
        np.testing.assert_allclose(result.s[:15], truth[:15], rtol=1e-3)

    def test_large_batches_start_from_what_is_known(self):
        """One product each way from old triplets beats the power method from random directions."""
        rng = np.random.default_rng(22)
        G = rng.standard_normal((1000, 300)) / np.arange(1, 301) ** 0.4
        first = cr.svd(G[:500], 20, tol=1e-9, random_state=0)
        truth = np.linalg.svd(np.vstack([first.reconstruct(), G[500:]]), compute_uv=False)[:20]
        off = {}
        for method, rounds in (("auto", 0), ("yamazaki", 0), ("yamazaki", 1)):
            result = cr.update_svd(first, rows=G[500:], method=method, rounds=rounds, random_state=0, size=16)
            assert (result.s <= truth * (1 + 1e-12)).all()
            off[method, rounds] = np.sum(truth**2 - result.s**2)
        assert off["auto", 0] < off["yamazaki", 0]

    def test_entries_are_added_and_twice_means_twice(self):
        rng = np.random.default_rng(4)
        A = low_rank(rng)
        i, j, values = [3, 3, 10, 3, -1], [4, 7, 0, 4, 2], [1.0, -2.0, 0.5, 3.0, 2.0]
        changed = A.copy()
        np.add.at(changed, (i, j), values)
        assert_svd_of(cr.update_svd(exact(A, 6), entries=(i, j, values), rank=12), changed, 12)

    @pytest.mark.parametrize("shape", [(500, 300), (300, 500)])
    @pytest.mark.parametrize("dtype", [np.float64, np.float32])
    def test_many_entries_at_once(self, shape, dtype):
        rng = np.random.default_rng(0)
        A = cr.testing.matrix_with_spectrum(0.7 ** np.arange(60), shape, random_state=0).astype(dtype)
        first = cr.svd(A, 20, random_state=0)
        i, j = rng.integers(0, shape[0], 2000), rng.integers(0, shape[1], 2000)
        values = 1e-3 * rng.standard_normal(2000)
        result = cr.update_svd(first, entries=(i, j, values), random_state=0)
        kept = first.reconstruct().astype(np.float64)
        np.add.at(kept, (i, j), values)
        s = np.linalg.svd(kept, compute_uv=False)
        # residuals are held to a thousandth of the smallest value kept, and values are no further off
        np.testing.assert_allclose(result.s, s[:20], rtol=0, atol=1e-3 * s[19])
        assert result.U.dtype == result.s.dtype == dtype
        true = A.astype(np.float64)
        np.add.at(true, (i, j), values)
        off = np.abs(np.linalg.svd(true, compute_uv=False)[:20] - result.s)
        drift = result.report.drift
        assert (off <= drift.spread + 1e-6 * s[0]).all()
        exact = np.sqrt(np.square(s[20:]).sum())
        assert drift.lost - first.report.error * first.report.norm_fro == pytest.approx(exact, rel=1e-2)

    def test_merging_two_results_is_appending_rows(self):
        rng = np.random.default_rng(5)
        A, B = low_rank(rng), low_rank(rng, m=40)
        result = cr.update_svd(exact(A, 6), rows=exact(B, 6), rank=12)
        assert_svd_of(result, np.vstack([A, B]), 12)

    @pytest.mark.parametrize("side", ["rows", "columns"])
    def test_removing_is_the_inverse_of_appending(self, side):
        rng = np.random.default_rng(6)
        A = low_rank(rng)
        E = sparse(rng, 4, 50, 5).toarray() if side == "rows" else sparse(rng, 4, 60, 5).toarray().T
        more = cr.update_svd(exact(A, 6), **{side: E}, rank=10)
        axis = 0 if side == "rows" else 1
        size = A.shape[axis]
        less = cr.downdate_svd(more, **{side: np.arange(size, size + 4)})
        np.testing.assert_allclose(less.s[:6], exact(A, 6).s, rtol=1e-10)
        assert less.s[6:].max() < 1e-10 * less.s[0]
        assert np.abs(less.reconstruct() - A).max() < 1e-9

    @pytest.mark.parametrize("side", ["rows", "columns"])
    def test_removing_gives_the_smaller_matrix(self, side):
        rng = np.random.default_rng(7)
        A = low_rank(rng)
        A[5] += 1e3 * rng.standard_normal(50)  # a row that makes a direction of its own
        axis = 0 if side == "rows" else 1
        result = cr.downdate_svd(exact(A, 7), **{side: [5, 8, -1]})
        assert_svd_of(result, np.delete(A, [5, 8, -1], axis=axis), 7, tol=1e-9)

    @pytest.mark.parametrize("method", ["auto", "extended", "extended-gkl", "extended-rpi", "yamazaki"])
    def test_empty_and_duplicate_rows(self, method):
        rng = np.random.default_rng(8)
        A, E = low_rank(rng), sparse(rng, 3, 50, 4).toarray()
        E[1] = 0
        E = np.vstack([E, E, A[:1]])
        first = cr.update_svd(
            exact(A, 6), rows=sp.csr_array(E), method=method, size=7, rank=8, random_state=0
        )
        again = cr.update_svd(first, rows=sp.csr_array(E), method=method, size=7, random_state=0)
        assert_svd_of(again, np.vstack([A, E, E]), 8, tol=1e-7)
        zero = cr.update_svd(first, rows=sp.csr_array((4, 50)), method=method, random_state=0)
        np.testing.assert_allclose(zero.s, first.s, rtol=1e-13)

    @pytest.mark.parametrize("method", [*EXACT, *REDUCED])
    def test_scaling_scales_the_values_alone(self, method):
        rng = np.random.default_rng(9)
        A, E = low_rank(rng), sparse(rng, 20, 50, 4)

        def updated(c):
            first = exact(A, 6)
            scaled = cr.SVDResult(first.U, first.s * c, first.Vt, report=first.report)
            return cr.update_svd(scaled, rows=E * c, method=method, size=8, random_state=0)

        base = updated(1.0)
        for exponent in (-60, 60):
            other = updated(2.0**exponent)
            assert np.array_equal(other.s, np.ldexp(base.s, exponent))
            assert np.array_equal(other.U, base.U)

    def test_a_new_direction_that_pushes_out_an_old_one(self):
        """The old rows lose a direction altogether: the small factor would be singular."""
        first = cr.svd(np.diag([4.0, 3.0, 2.0, 0.0, 0.0, 0.0]), 3, tol=1e-9, random_state=0)
        row = sp.csr_array(([5.0], ([0], [4])), shape=(1, 6))
        result = cr.update_svd(first, rows=row, method="extended")
        np.testing.assert_allclose(result.s, [5.0, 4.0, 3.0], rtol=1e-13)
        assert orthogonality(result.U) < 1e-14

    def test_results_and_data_are_not_changed(self):
        rng = np.random.default_rng(10)
        first, E = exact(low_rank(rng), 6), sparse(rng, 3, 50, 4)
        before = [x.copy() for x in (*first, E.data, E.indices)]
        cr.update_svd(first, rows=E)
        cr.downdate_svd(first, rows=[0])
        assert all(np.array_equal(a, b) for a, b in zip(before, (*first, E.data, E.indices), strict=True))

    def test_single_precision_stays(self):
        rng = np.random.default_rng(11)
        A, E = low_rank(rng).astype(np.float32), sparse(rng, 3, 50, 4).astype(np.float32)
        result = cr.update_svd(cr.svd(A, 6, random_state=0), rows=E)
        assert {x.dtype for x in result} == {np.dtype(np.float32)}
        assert orthogonality(result.U.astype(float)) < 1e-5

    def test_the_report_survives_saving(self, tmp_path):
        rng = np.random.default_rng(12)
        result = cr.update_svd(exact(low_rank(rng), 6), rows=sparse(rng, 9, 50, 4))
        result.save(tmp_path / "r.npz")
        assert cr.load(tmp_path / "r.npz").report.drift == result.report.drift
        assert "drift" in str(result.report)


class TestRefusals:
    first = cr.svd(np.diag(np.arange(1.0, 9.0)), 3, random_state=0)

    @pytest.mark.parametrize(
        ("options", "error", "words"),
        [
            ({}, ValueError, "exactly one"),
            ({"rows": np.ones((1, 8)), "columns": np.ones((8, 1))}, ValueError, "exactly one"),
            ({"rows": np.ones((1, 7))}, ValueError, "rows must have 8 columns, got 7"),
            ({"columns": np.ones((7, 1))}, ValueError, "columns must have 8 rows, got 7"),
            ({"rows": np.full((1, 8), np.nan)}, ValueError, "rows must be finite"),
            ({"lowrank": np.ones((8, 1))}, TypeError, "lowrank must be a pair"),
            ({"lowrank": (np.ones((8, 1)), np.ones((8, 2)))}, ValueError, "lowrank"),
            ({"entries": ([8], [0], [1.0])}, ValueError, r"entries\[0\]"),
            ({"entries": ([0.5], [0], [1.0])}, TypeError, r"entries\[0\]"),
            ({"entries": ([0], [0], [np.inf])}, ValueError, "finite"),
            ({"rows": np.ones((1, 8)), "method": "best"}, ValueError, "method"),
            ({"rows": np.ones((1, 8)), "rank": 0}, ValueError, "rank"),
        ],
    )
    def test_bad_updates(self, options, error, words):
        with pytest.raises(error, match=words):
            cr.update_svd(self.first, **options)

    def test_bad_results_and_places(self):
        with pytest.raises(TypeError, match="result must be an SVDResult"):
            cr.update_svd(np.eye(3), rows=np.ones((1, 3)))
        centered = cr.svd(np.eye(5), 2, center=True, random_state=0)
        with pytest.raises(ValueError, match="centered"):
            cr.update_svd(centered, rows=np.ones((1, 5)))
        with pytest.raises(ValueError, match="rows must name some"):
            cr.downdate_svd(self.first, rows=np.arange(8))
        with pytest.raises(ValueError, match="rows must be from"):
            cr.downdate_svd(self.first, rows=[8])


def test_refresh_changes_nothing():
    rng = np.random.default_rng(13)
    state = start(rng)
    for _ in range(20):
        state.append_rows(as_block(sparse(rng, 3, 90, 4), "E"))
    before = dense_of(state)
    state.refresh()
    assert np.abs(dense_of(state) - before).max() <= 1e-12 * state.s[0]


def test_endurance():
    """Thousands of small updates of every kind leave the bases orthonormal and nothing NaN."""
    rng = np.random.default_rng(14)
    state = start(rng, m=60, n=40, k=5)
    state.method = "extended"
    for step in range(3000):
        if step % 3 == 0:
            state.append_rows(as_block(sparse(rng, 1, state.right.shape[0], 3), "E"))
        elif step % 3 == 1:
            state.remove_rows(np.array([step % state.left.shape[0]]))
        else:
            D, E = (sparse(rng, 1, side.shape[0], 2) for side in (state.left, state.right))
            state.add_product(as_block(D, "D"), as_block(E, "E"))
    assert np.isfinite(state.s).all()
    assert orthogonality(state.left.whole()) < 1e-9
    assert orthogonality(state.right.whole()) < 1e-9


def test_removing_until_fewer_rows_than_triplets_are_left():
    rng = np.random.default_rng(15)
    A = low_rank(rng)
    result = cr.downdate_svd(exact(A, 6), rows=np.arange(2, 60))
    assert_svd_of(result, A[:2], 2)
