"""Many starts of a nonnegative factorization: the best end of all, with passes over the matrix shared."""

import numpy as np
import pytest
import scipy.sparse
from threadpoolctl import threadpool_limits

import corange as cr


def topics(m=150, n=100, k=25, seed=0):
    """Sparse factors, of whose product 40% is kept: a problem with many local minima."""
    rng = np.random.default_rng(seed)
    W = rng.random((m, k)) * (rng.random((m, k)) < 0.3)
    H = rng.random((k, n)) * (rng.random((k, n)) < 0.2)
    return scipy.sparse.csr_array(W @ H * (rng.random((m, n)) < 0.4))


class CountedRows:
    """Rows by slicing, and how many were read."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.read = array, array.shape, array.dtype, 0

    def __getitem__(self, rows):
        block = self.array[rows]
        self.read += block.shape[0]
        return block


@pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler"])
@pytest.mark.parametrize("dense", [False, True])
def test_the_best_end_of_separate_runs_is_found(loss, dense):
    X = topics()
    X = X.toarray() if dense else X
    options = {"loss": loss, "init": "random", "tol": 1e-4, "max_iter": 2000}
    apart = [cr.nmf(X, 10, random_state=7 + number, **options).report for number in range(9)]
    ends = [report.objective for report in apart]
    together = cr.nmf(X, 10, random_state=7, starts=9, **options)
    assert max(ends) > 1.001 * min(ends)  # it matters which
    assert together.report.objective == pytest.approx(min(ends), rel=1e-5)
    assert len(together.report.starts) == 9
    assert min(together.report.starts) == pytest.approx(together.report.objective, rel=1e-3)
    off = np.linalg.norm(together.reconstruct() - (X if dense else X.toarray()))
    if loss == "frobenius":
        assert together.report.objective == pytest.approx(0.5 * off**2, rel=1e-9)
        assert together.report.products < sum(report.products for report in apart)  # some were given up


def test_a_pass_serves_all_starts():
    X = CountedRows(topics().toarray())
    options = {"init": "random", "tol": 0, "max_iter": 8, "random_state": 0}
    cr.nmf(X, 4, **options)
    alone, X.read = X.read, 0
    report = cr.nmf(X, 4, starts=10, **options).report
    random_starts = 2 * 10 * X.shape[0]  # each is scaled by one product, and by a look at the entries
    assert X.read <= alone + random_starts
    assert report.products >= 10 * 2 * 8 * 4
    assert report.passes <= 2 * 8 + 2


@pytest.mark.parametrize("solver", ["hals", "bpp", "admm"])
def test_same_bits_on_any_number_of_threads(solver):
    X = topics().toarray() + 0.5
    results = []
    for threads in (1, 2, 5):
        with threadpool_limits(threads, user_api="openmp"):
            results.append(cr.nmf(X, 5, solver=solver, starts=6, tol=0, max_iter=14, random_state=3))
    for other in results[1:]:
        assert np.array_equal(other.W, results[0].W)
        assert np.array_equal(other.H, results[0].H)
        assert other.report.starts == results[0].report.starts


def test_the_first_start_is_the_one_asked_for():
    X = topics()
    alone = cr.nmf(X, 3, init="nndsvda", tol=0, max_iter=5, random_state=0).report
    report = cr.nmf(X, 3, init="nndsvda", tol=0, max_iter=5, random_state=0, starts=4).report
    assert report.starts[0] == pytest.approx(alone.history[-1].objective, rel=1e-9)
    assert report.init == "nndsvda and 3 random starts"
    assert report.objective <= alone.objective * (1 + 1e-9)


def test_penalties_masks_weights_and_zero_matrices():
    X = topics()
    options = {"starts": 3, "tol": 0, "max_iter": 10, "random_state": 0, "init": "random"}
    weights = np.arange(X.shape[0]) % 3
    for more in ({"l1": (0.1, 0.1)}, {"sample_weight": weights}, {"mask": "stored"}):
        together = cr.nmf(X, 3, **options | more).report
        apart = [cr.nmf(X, 3, **options | more | {"starts": 1, "random_state": s}) for s in range(3)]
        assert together.objective == pytest.approx(min(r.report.objective for r in apart), rel=1e-6)
    zero = cr.nmf(np.zeros((6, 5)), 2, starts=3)
    assert not zero.W.any()
    assert zero.report.error == 0


def test_the_callback_sees_the_best_and_stops_all():
    seen = []
    X = topics()

    def watch(info):
        seen.append(info)
        return info.iteration == 7

    report = cr.nmf(X, 4, starts=5, init="random", tol=0, callback=watch, random_state=0).report
    assert [info.iteration for info in seen] == list(range(1, 8))
    objectives = [info.objective for info in seen]
    assert objectives == sorted(objectives, reverse=True)
    assert report.stopped == "callback"


def test_reports_with_starts_are_saved(tmp_path):
    result = cr.nmf(topics(), 3, starts=3, random_state=0)
    result.save(tmp_path / "factors.npz")
    assert cr.load(tmp_path / "factors.npz").report == result.report


def test_starts_that_make_no_sense_are_refused():
    X = np.ones((6, 5))
    with pytest.raises(ValueError, match="starts must be"):
        cr.nmf(X, 2, starts=0)
    with pytest.raises(ValueError, match="starts=2 needs W and H to be left to corange"):
        cr.nmf(X, 2, starts=2, W=np.ones((6, 2)))
