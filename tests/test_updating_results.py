"""Results of updates: read in parts or whole, they and what follows from them are the same."""

import pickle

import numpy as np

import corange as cr
from updating_problems import exact, low_rank, orthogonality, sparse


class TestWaitingFactors:
    """Results hold products of a tall and a small matrix until somebody reads U or Vt whole."""

    def chain(self, rng, steps=5):
        A = low_rank(rng)
        result = exact(A, 6)
        for _ in range(steps):
            E = sparse(rng, 3, A.shape[1], 4)
            result = cr.update_svd(result, rows=E, method="extended")
            A = np.vstack([A, E.toarray()])
        return result, A

    def test_rows_are_read_without_the_whole(self):
        result, _ = self.chain(np.random.default_rng(40))
        rows, columns = [3, -1, 70], np.arange(50) % 7 == 0
        left, right = result.left_vectors(rows), result.right_vectors(columns)
        part, one = result.reconstruct(rows, columns), result.left_vectors(5)
        assert (result.shape, result.rank, result.dtype) == ((75, 50), 6, np.float64)
        assert not {"U", "Vt"} & set(vars(result))
        assert result.report.condition > 1
        assert result.report.flushes == 0
        for found, expected in (
            (left, result.U[rows]),
            (right, result.Vt[:, columns].T),
            (one, result.U[5]),
            (part, (result.U[rows] * result.s) @ result.Vt[:, columns]),
        ):
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14 * result.s[0])
        assert orthogonality(result.U) < 1e-13

    def test_updates_do_not_depend_on_what_was_read(self):
        results = []
        for read in (False, True):
            rng = np.random.default_rng(41)
            result, A = self.chain(rng)
            if read:
                assert result.U.shape == (75, 6)
            E = sparse(rng, 3, A.shape[1], 4)
            later = cr.update_svd(result, rows=E, method="extended")
            again = cr.update_svd(result, rows=E, method="extended")
            np.testing.assert_array_equal(later.U, again.U)  # the first of the two has changed nothing
            results.append(later.reconstruct())
        np.testing.assert_allclose(*results, rtol=0, atol=1e-13 * np.abs(results[0]).max())

    def test_triplets_keep_their_signs(self):
        rng = np.random.default_rng(42)
        A = low_rank(rng)
        result = first = exact(A, 6)
        for _ in range(20):
            result = cr.update_svd(result, rows=1e-3 * sparse(rng, 3, 50, 4))
        assert (np.sum(result.Vt * first.Vt, axis=1) > 0.99).all()

    def test_of_lower_rank_than_asked_for(self):
        rng = np.random.default_rng(43)
        result = cr.update_svd(exact(low_rank(rng), 6), rows=sparse(rng, 2, 50, 4), rank=12)
        assert result.rank == 12
        np.testing.assert_array_equal(result.left_vectors([0, 5]), result.U[[0, 5]])
        assert orthogonality(result.U) < 1e-12

    def test_saved_and_pickled(self, tmp_path):
        result, _ = self.chain(np.random.default_rng(44))
        result.save(tmp_path / "r.npz")
        for other in (cr.load(tmp_path / "r.npz"), pickle.loads(pickle.dumps(result))):
            for mine, theirs in zip(result, other, strict=True):
                np.testing.assert_array_equal(mine, theirs)
