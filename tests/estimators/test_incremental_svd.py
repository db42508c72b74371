"""IncrementalSVD: what it keeps is the decomposition of all rows, whatever the batches and interruptions."""

import contextlib
import os
import signal
import time

import numpy as np
import pytest
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

import corange as cr


def low_rank(m=300, n=40, rank=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n)) + 3.0 * rng.standard_normal(n)


def stream(model, X, size):
    for begin in range(0, X.shape[0], size):
        model.partial_fit(X[begin : begin + size])
    return model


def assert_svd(model, A, k, rtol=1e-10):
    """The leading triplets of A: values, and the subspace they span as a projector."""
    _, s, Vt = np.linalg.svd(A, full_matrices=False)
    np.testing.assert_allclose(model.singular_values_, s[:k], rtol=rtol)
    V = model.components_
    assert np.abs(V.T @ V - Vt[:k].T @ Vt[:k]).max() < 1e-8
    assert np.abs(V @ V.T - np.eye(k)).max() < 1e-12


@pytest.mark.parametrize("size", [1, 7, 150, 300])
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array, sp.csc_array])
def test_a_stream_is_the_decomposition_of_all_rows(size, center, kind):
    A = low_rank()
    model = stream(cr.IncrementalSVD(4, center=center), kind(A) if size > 1 else A, size)
    mean = A.mean(axis=0)
    assert_svd(model, A - mean if center else A, 4)
    np.testing.assert_allclose(model.mean_, mean, rtol=1e-12, atol=1e-12)
    assert model.n_samples_seen_ == 300
    # a difference of squares: half the digits are its own rounding
    assert model.report_.drift.lost <= 1e-7 * model.singular_values_[0]


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("size", [700, 350, 180])
def test_large_batches_are_as_good_as_the_buffer(size, kind, center):
    """More rows than a piece are decomposed at first, and reduced to a few directions later."""
    A = low_rank(700) + 0.01 * np.random.default_rng(1).standard_normal((700, 40))
    model = stream(cr.IncrementalSVD(4, center=center, random_state=0), kind(A), size)
    exact = np.linalg.svd(A - A.mean(axis=0) if center else A, compute_uv=False)
    np.testing.assert_allclose(model.singular_values_, exact[:4], rtol=1e-6)
    total = np.square(exact).sum()
    lost = model.report_.drift.lost_square
    assert lost >= np.square(exact[14:]).sum() * (1 - 1e-9)  # no basis of rank 14 keeps more
    assert lost <= 1.1 * np.square(exact[14:]).sum()
    ratio = np.square(exact[:4]) / total if center else model.explained_variance_ratio_
    np.testing.assert_allclose(model.explained_variance_ratio_, ratio, rtol=1e-5)


@pytest.mark.parametrize("center", [False, True])
def test_variances_are_those_of_the_batch_estimators(center):
    A = low_rank() + np.random.default_rng(1).standard_normal((300, 40))
    model = stream(cr.IncrementalSVD(4, center=center, buffer=36), A, 50)
    batch = cr.PCA(4, svd_solver="full") if center else cr.TruncatedSVD(4, algorithm="arpack")
    batch.fit(A)
    for name in ("explained_variance_", "explained_variance_ratio_", "components_"):
        np.testing.assert_allclose(getattr(model, name), getattr(batch, name), rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(model.transform(A), batch.transform(A), rtol=1e-7, atol=1e-7)


def test_truncated_energy_is_booked_and_a_buffer_helps():
    A = np.random.default_rng(2).standard_normal((400, 60))
    truth = np.linalg.svd(A, compute_uv=False)[:3]
    off = []
    for buffer in (0, 20):
        model = stream(cr.IncrementalSVD(3, buffer=buffer), A, 20)
        assert (model.singular_values_ <= truth * (1 + 1e-12)).all()
        assert (truth**2 - model.singular_values_**2 <= model.report_.drift.gap * (1 + 1e-12)).all()
        off.append(np.abs(model.singular_values_ / truth - 1).max())
    assert off[1] < off[0] / 2


@pytest.mark.parametrize("center", [False, True])
def test_forgetting_weights_rows_by_powers(center):
    A, f = low_rank(), 0.8
    model = stream(cr.IncrementalSVD(4, center=center, forget=f), A, 30)
    age = 9 - np.arange(300) // 30
    weights = f ** (2.0 * age)
    mean = weights @ A / weights.sum()
    np.testing.assert_allclose(model.mean_, mean, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(model.weight_, weights.sum())
    assert_svd(model, f ** age[:, np.newaxis] * (A - mean if center else A), 4)


@pytest.mark.parametrize("center", [False, True])
def test_new_features_were_zero_before(center):
    A = low_rank()
    A[:120, 30:] = 0
    model = cr.IncrementalSVD(4, center=center, buffer=20).fit(A[:120, :30])
    stream(model.add_features(10), A[120:], 60)
    assert_svd(model, A - A.mean(axis=0) if center else A, 4)


@pytest.mark.parametrize("sparse", [False, True])
def test_same_bits_on_any_number_of_threads(sparse):
    A = sp.random_array((900, 500), density=0.05, rng=3, format="csr")
    A = A if sparse else A.toarray()
    found = []
    for threads in (1, 2, 3):
        with threadpool_limits(threads, user_api="openmp"):
            found.append(
                stream(cr.IncrementalSVD(8, center=True, random_state=0), A, 200).components_.tobytes()
            )
    assert len(set(found)) == 1


def test_bad_batches_change_nothing():
    A = low_rank()
    model = cr.IncrementalSVD(3).fit(A)
    before = model.components_.tobytes()
    for bad in (np.full((1, 40), np.nan), np.ones((1, 39)), np.ones((0, 40))):
        with pytest.raises(ValueError, match=r"X|sample|feature"):
            model.partial_fit(bad)
    assert model.components_.tobytes() == before
    assert model.n_samples_seen_ == 300
    for options, word in (({"n_components": 41}, "n_features"), ({"forget": 0.0}, "forget")):
        with pytest.raises(ValueError, match=word):
            cr.IncrementalSVD(**options).fit(A)


# ---- checkpoints

BATCHES = [sp.random_array((20, 300), density=0.05, rng=seed, format="csr") for seed in range(60)]


def resume(path, center=False):
    """Go on from the checkpoint, or from nothing, to the end of the stream."""
    model = (
        cr.load(path) if path.exists() else cr.IncrementalSVD(6, center=center, forget=0.99, random_state=0)
    )
    for batch in BATCHES[getattr(model, "n_samples_seen_", 0) // 20 :]:
        model.partial_fit(batch).save(path)
    return model


def bits(model):
    names = ("components_", "singular_values_", "mean_", "explained_variance_ratio_")
    return [getattr(model, name).tobytes() for name in names]


def kill_and_resume(path, times, seed):
    """Fork, stream, kill with SIGKILL; the children's progress survives in the checkpoint alone."""
    rng, kills = np.random.default_rng(seed), 0
    for _ in range(times):
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                resume(path)
            os._exit(0)
        time.sleep(rng.uniform(0.002, 0.1))
        os.kill(child, signal.SIGKILL)
        kills += os.WIFSIGNALED(os.waitpid(child, 0)[1])
        if path.exists() and cr.load(path).n_samples_seen_ == 20 * len(BATCHES):
            path.unlink()
    return kills


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("times", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_at_random_moments_the_stream_ends_with_the_same_bits(tmp_path, times):
    expected = resume(tmp_path / "whole.npz")
    assert kill_and_resume(tmp_path / "killed.npz", times, seed=times) > 0
    assert bits(resume(tmp_path / "killed.npz")) == bits(expected)


@pytest.mark.parametrize("center", [False, True])
def test_a_checkpoint_after_every_batch_changes_no_bit(tmp_path, center):
    straight = cr.IncrementalSVD(6, center=center, forget=0.99, random_state=0)
    reloaded = straight
    for i, batch in enumerate(BATCHES):
        straight.partial_fit(batch)
        if i == 0:
            reloaded.save(tmp_path / "c")
        reloaded = cr.load(tmp_path / "c.npz") if i == 0 else reloaded.partial_fit(batch)
        reloaded.save(tmp_path / "c")
        reloaded = cr.load(tmp_path / "c.npz")
    assert bits(straight) == bits(reloaded)
    assert [path.name for path in tmp_path.iterdir()] == ["c.npz"]


def test_a_save_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "c.npz"
    model = cr.IncrementalSVD(2).fit(low_rank())
    model.save(path)
    before = path.read_bytes()

    def fail(_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        model.partial_fit(low_rank(seed=1)).save(path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


class TestLeftVectors:
    """Rows of U, each read for itself."""

    @pytest.mark.parametrize("size", [1, 45, 150, 300])
    @pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
    def test_with_the_values_they_are_the_coordinates_of_the_rows(self, kind, size):
        A = low_rank()
        model = stream(cr.IncrementalSVD(4, keep_left=True, random_state=0), kind(A) if size > 1 else A, size)
        U = model.left_vectors()
        assert U.shape == (300, 4)
        assert np.abs(U.T @ U - np.eye(4)).max() < 1e-12
        np.testing.assert_allclose(
            U * model.singular_values_, model.transform(A), atol=1e-9 * model.singular_values_[0]
        )
        for rows in ([3, -1], 7, slice(5, 9)):
            np.testing.assert_allclose(model.left_vectors(rows), U[rows], rtol=0, atol=1e-15)

    def test_forgetting_weighs_the_rows(self):
        A = low_rank()
        model = stream(cr.IncrementalSVD(4, keep_left=True, forget=0.9), A, 100)
        weights = np.repeat(0.9 ** np.arange(2, -1, -1), 100)[:, np.newaxis]
        found = model.left_vectors() * model.singular_values_
        np.testing.assert_allclose(found, weights * model.transform(A), atol=1e-9 * model.singular_values_[0])

    def test_a_checkpoint_keeps_them(self, tmp_path):
        A = low_rank()
        model = stream(cr.IncrementalSVD(4, keep_left=True), A[:200], 50)
        model.save(tmp_path / "model.npz")
        other = cr.load(tmp_path / "model.npz")
        np.testing.assert_array_equal(other.left_vectors(), model.left_vectors())
        for one in (model, other):
            one.partial_fit(A[200:])
        np.testing.assert_array_equal(other.left_vectors(), model.left_vectors())

    def test_fewer_rows_than_components(self):
        model = cr.IncrementalSVD(5, keep_left=True).partial_fit(low_rank()[:3])
        assert model.left_vectors().shape == (3, 5)
        assert not model.left_vectors()[:, 3:].any()

    def test_refusals(self):
        A = low_rank()
        with pytest.raises(ValueError, match="keep_left=False"):
            cr.IncrementalSVD(4).fit(A).left_vectors()
        with pytest.raises(ValueError, match="keep_left=True needs center=False"):
            cr.IncrementalSVD(4, keep_left=True, center=True).fit(A)
        with pytest.raises(IndexError):
            cr.IncrementalSVD(4, keep_left=True).fit(A).left_vectors(300)


def test_directions_of_large_batches_can_be_chosen_and_survive_a_checkpoint(tmp_path):
    A = np.random.default_rng(0).standard_normal((900, 60)) / np.arange(1, 61) ** 0.5
    lost = []
    for size in (5, 30):
        model = stream(cr.IncrementalSVD(10, size=size, random_state=0), A[:600], 300)
        model.save(tmp_path / "model.npz")
        other = cr.load(tmp_path / "model.npz")
        for one in (model, other):
            one.partial_fit(A[600:])
        np.testing.assert_array_equal(model.components_, other.components_)
        lost.append(model.report_.drift.lost)
    assert lost[1] < lost[0]
