"""Single passes: Nystrom, generalized Nystrom and StreamingSVD against their bounds, in any pieces.

Statistical tests use fixed seeds; the failure probabilities that they state are those of new seeds.
"""

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import aslinearoperator
from threadpoolctl import threadpool_limits

import corange as cr
from corange.sketching import StreamingSVD
from corange.testing import assert_orthonormal, matrix_with_spectrum

SPECTRA = {
    "slow": np.arange(1, 61) ** -1.0,
    "fast": 0.6 ** np.arange(60),
    "step": np.r_[np.ones(8), np.full(52, 1e-3)],
}


def tall(spectrum, dtype=np.float64):
    return matrix_with_spectrum(spectrum, (120, 60), dtype=dtype, random_state=0)


def semidefinite(spectrum, n=80, seed=0):
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0][:, : len(spectrum)]
    return (Q * spectrum) @ Q.T


def tail(spectrum, k):
    return np.sqrt((spectrum[k:] ** 2).sum())


# ---- Nystrom


@pytest.mark.parametrize("name", SPECTRA)
def test_nystrom_lies_between_zero_and_the_matrix_and_meets_its_bound(name):
    spectrum = SPECTRA[name]
    K = semidefinite(spectrum)
    errors = []
    for seed in range(30):
        result = cr.nystrom(K, 20, oversample=0, random_state=seed)
        gap = np.linalg.eigvalsh(K - result.reconstruct())
        assert gap[0] >= -1e-13
        errors.append(gap.sum())
    bound = min((1 + r / (20 - r - 1)) * spectrum[r:].sum() for r in range(19))
    assert np.mean(errors) <= bound  # the mean is far below: the bound is for the worst matrix


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("make", [np.asarray, scipy.sparse.csr_array, aslinearoperator])
def test_nystrom_of_a_low_rank_matrix_is_exact(make, dtype):
    K = semidefinite([3.0, 2.0, 1.0]).astype(dtype)
    result = cr.nystrom(make(K), 5, random_state=0)
    eps = np.finfo(dtype).eps
    assert result.w.dtype == result.V.dtype == dtype
    assert_orthonormal(result.V)
    np.testing.assert_allclose(result.w, [3, 2, 1, 0, 0], atol=100 * eps)
    assert np.linalg.norm(K - result.reconstruct()) <= 200 * eps
    assert result.report.passes == 1


def test_nystrom_gives_the_same_bits_on_any_number_of_threads_and_scales_exactly():
    K = semidefinite(SPECTRA["slow"], n=700)
    results = []
    for threads in (1, 2, 5):
        with threadpool_limits(threads, user_api="openmp"):
            results.append(cr.nystrom(np.ldexp(K, 40 * threads), 10, random_state=0))
    for threads, (w, V) in zip((1, 2, 5), results, strict=True):
        np.testing.assert_array_equal(w, np.ldexp(results[0].w, 40 * threads - 40))
        np.testing.assert_array_equal(V, results[0].V)


def test_nystrom_refuses_what_is_not_semidefinite_or_square():
    with pytest.raises(np.linalg.LinAlgError, match="K must be positive semidefinite"):
        cr.nystrom(np.diag([1.0, -1.0, 0.5]), 2)
    with pytest.raises(ValueError, match=r"K must be square, got shape \(2, 3\)"):
        cr.nystrom(np.ones((2, 3)), 1)
    with pytest.warns(UserWarning, match="rank=9 is more than"):
        assert cr.nystrom(np.eye(4), 9).rank == 4
    assert not cr.nystrom(np.zeros((6, 6)), 2).w.any()


# ---- generalized Nystrom


@pytest.mark.parametrize("name", SPECTRA)
def test_generalized_nystrom_meets_its_bound(name):
    spectrum = SPECTRA[name]
    A = tall(spectrum)
    errors = [
        np.linalg.norm(A - cr.generalized_nystrom(A, 20, oversample=0, random_state=seed).reconstruct())
        for seed in range(30)
    ]
    factors = [np.sqrt(1 + 20 / 9) * np.sqrt(1 + k / (19 - k)) * tail(spectrum, k) for k in range(19)]
    assert np.mean(errors) <= min(factors)
    hmt = [
        np.linalg.norm(A - cr.qb(A, 20, oversample=0, power=0, random_state=s).reconstruct())
        for s in range(30)
    ]
    assert np.mean(errors) <= 3 * np.mean(hmt)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_tiny_singular_values_do_not_blow_up(dtype):
    A = tall(np.logspace(0, -20, 60), dtype)
    result = cr.generalized_nystrom(A, 55, oversample=5, random_state=0)
    assert np.linalg.norm(A - result.reconstruct()) <= 1000 * np.finfo(dtype).eps
    assert_orthonormal(result.U)
    assert_orthonormal(result.Vt.T)


class CountedRows:
    def __init__(self, A):
        self.A, self.shape, self.dtype, self.chunks, self.read = A, A.shape, A.dtype, (7, A.shape[1]), 0

    def __getitem__(self, key):
        self.read += len(range(*key.indices(self.shape[0])))
        return self.A[key]


@pytest.mark.parametrize("error", [0.3, 1e-2, 1e-5])
@pytest.mark.parametrize("make", [np.asarray, scipy.sparse.csr_array, aslinearoperator, CountedRows])
def test_as_small_a_rank_as_an_error_asks_for(make, error):
    """The estimate is at most what was asked for, the true error is below its bound, and the rank is near."""
    spectrum = 0.93 ** np.arange(200)
    A = matrix_with_spectrum(spectrum, (260, 220), random_state=1)
    result = cr.generalized_nystrom(make(A), error=error, random_state=0)
    assert result.report.error <= error
    assert np.linalg.norm(A - result.reconstruct()) <= result.report.error_bound * np.linalg.norm(A)
    needed = next(k for k in range(200) if tail(spectrum, k) <= error * np.linalg.norm(spectrum))
    assert result.s.size <= needed + 10 + needed // 10


@pytest.mark.parametrize("make", [np.asarray, scipy.sparse.csr_array, aslinearoperator])
@pytest.mark.parametrize("error", [0.3, 1e-2, 1e-5])
def test_as_few_eigenpairs_as_an_error_asks_for(make, error):
    spectrum = 0.93 ** np.arange(200)
    K = semidefinite(spectrum, n=220)
    result = cr.nystrom(make(K), error=error, random_state=0)
    assert result.report.error <= error
    assert np.linalg.norm(K - result.reconstruct()) <= result.report.error_bound * np.linalg.norm(K)
    needed = next(k for k in range(200) if tail(spectrum, k) <= error * np.linalg.norm(spectrum))
    assert result.w.size <= needed + 10 + needed // 10


def test_errors_at_the_edge_of_single_looks():
    flat = np.linalg.qr(np.random.default_rng(0).standard_normal((150, 150)))[0]
    result = cr.generalized_nystrom(flat, error=1e-6, random_state=0)
    assert result.s.size == 150
    assert result.report.passes == 6  # 64, 128 and 150 columns
    assert cr.generalized_nystrom(np.zeros((9, 8)), error=0.1, random_state=0).s.max() == 0.0
    with pytest.warns(cr.ConvergenceWarning, match="more than was asked for"):
        cr.generalized_nystrom(flat.astype(np.float32), error=1e-9, random_state=0)
    with threadpool_limits(1, user_api="openmp"):
        alone = cr.generalized_nystrom(flat, error=0.5, random_state=0)
    assert np.array_equal(alone.U, cr.generalized_nystrom(flat, error=0.5, random_state=0).U)


def test_rows_are_read_once(monkeypatch):
    monkeypatch.setattr("corange._sources.BLOCK_BYTES", 60 * 8 * 14)
    A = tall(SPECTRA["fast"])
    rows = CountedRows(A)
    result = cr.generalized_nystrom(rows, 10, random_state=0)
    assert (rows.read, result.report.passes) == (120, 1)
    expected = cr.generalized_nystrom(A, 10, random_state=0)
    np.testing.assert_allclose(result.reconstruct(), expected.reconstruct(), atol=1e-10)


@pytest.mark.parametrize(
    "make", [scipy.sparse.csr_array, scipy.sparse.csc_array, aslinearoperator, np.asfortranarray]
)
def test_any_matrix_gives_the_same_approximation(make):
    A = tall(SPECTRA["fast"])
    expected = cr.generalized_nystrom(A, 10, random_state=0)
    found = cr.generalized_nystrom(make(A), 10, random_state=0)
    np.testing.assert_allclose(found.reconstruct(), expected.reconstruct(), atol=1e-10)


# ---- StreamingSVD


def stream(A, rank=6, seed=0, **options):
    return StreamingSVD(A.shape, rank, dtype=A.dtype, random_state=seed, **options)


def sketches(one):
    return one._range, one._corange, one._core, one._probe


def assert_same_sketch(first, second, factor=1e-13):
    for mine, theirs in zip(sketches(first), sketches(second), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=factor * np.abs(mine).max())


def by_rows(A, sizes=(50, 1, 69)):
    one, start = stream(A), 0
    for size in sizes:
        one.partial_fit(A[start : start + size], row=start)
        start += size
    return one


def by_columns(A):
    one = stream(A)
    for start in (40, 0, 17):
        one.partial_fit(
            scipy.sparse.csc_array(A[:, start : start + {40: 20, 0: 17, 17: 23}[start]]), column=start
        )
    return one


def by_blocks(A):
    one = stream(A)
    for i in (60, 0):
        for j in (0, 31):
            one.partial_fit(np.asfortranarray(A[i : i + 60, j : j + 31]), row=i, column=j)
    return one


def by_updates(A):
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    return stream(A).update(U[:, :5] * s[:5], Vt[:5]).update(U[:, 5:] * s[5:], scipy.sparse.csr_array(Vt[5:]))


def by_merging(A):
    first, second = stream(A).partial_fit(2.0 * A[:70]), stream(A).partial_fit(A[70:], row=70)
    return first.merge(second).partial_fit(-A[:70])


@pytest.mark.parametrize("arrive", [by_rows, by_columns, by_blocks, by_updates, by_merging])
def test_however_the_matrix_arrives_the_sketch_is_the_same(arrive):
    A = tall(SPECTRA["slow"])
    whole, pieces = stream(A).partial_fit(A), arrive(A)
    assert_same_sketch(whole, pieces)
    np.testing.assert_allclose(pieces.result().reconstruct(), whole.result().reconstruct(), atol=1e-11)


def test_the_range_sketch_has_the_same_bits_however_rows_are_cut():
    A = tall(SPECTRA["slow"])
    np.testing.assert_array_equal(by_rows(A)._range, by_rows(A, (13, 100, 7))._range)


def test_same_bits_on_any_number_of_threads():
    A = np.random.default_rng(0).standard_normal((3000, 200))
    results = []
    for threads in (1, 2, 5):
        with threadpool_limits(threads, user_api="openmp"):
            results.append(stream(A).partial_fit(A).result())
    for other in results[1:]:
        assert all(np.array_equal(x, y) for x, y in zip(results[0], other, strict=True))


@pytest.mark.parametrize("name", SPECTRA)
def test_streaming_svd_meets_its_bound(name):
    spectrum = SPECTRA[name]
    A = tall(spectrum)
    s, t = 16, 33
    errors = [
        np.linalg.norm(
            A - stream(A, rank=s, seed=seed, size=s, core_size=t).partial_fit(A).result().reconstruct()
        )
        ** 2
        for seed in range(30)
    ]
    squares = [(s + k - 1) / (s - k - 1) * tail(spectrum, k) ** 2 for k in range(s - 1)]
    assert np.mean(errors) <= (t - 1) / (t - s - 1) * min(squares)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_low_rank_stream_is_recovered(dtype):
    A = matrix_with_spectrum([5.0, 3.0, 1.0], (200, 90), dtype=dtype, random_state=1)
    result = stream(A, rank=4).partial_fit(A).result()
    eps = np.finfo(dtype).eps
    assert result.U.dtype == result.s.dtype == result.Vt.dtype == dtype
    np.testing.assert_allclose(result.s, [5, 3, 1, 0], atol=1000 * eps)
    assert np.linalg.norm(A - result.reconstruct()) <= 1000 * eps
    assert_orthonormal(result.U)
    assert_orthonormal(result.Vt.T)
    both = np.concatenate([result.U, result.Vt.T])
    assert (both.max(axis=0) >= np.abs(both).max(axis=0) * (1 - 1e-3)).all()


def test_nothing_has_arrived():
    result = StreamingSVD((30, 20), 3, random_state=0).result()
    assert not result.s.any()
    assert result.report.error == 0.0


# ---- reports


def approximate(method, A, seed):
    if method == "StreamingSVD":
        return stream(A, seed=seed).partial_fit(A).result()
    if method == "nystrom":
        return cr.nystrom(A, 6, random_state=seed)
    return cr.generalized_nystrom(A, 6, random_state=seed)


@pytest.mark.parametrize("method", ["StreamingSVD", "generalized_nystrom", "nystrom"])
def test_estimated_errors_are_unbiased_in_the_square_and_their_bounds_hold(method):
    A = semidefinite(SPECTRA["slow"]) if method == "nystrom" else tall(SPECTRA["slow"])
    squares, held, seeds = [], 0, 100
    for seed in range(seeds):
        result = approximate(method, A, seed)
        report, error = result.report, np.linalg.norm(A - result.reconstruct())
        absolute = np.linalg.norm(A) if method != "StreamingSVD" else np.nan
        held += error / np.linalg.norm(A) <= report.error_bound
        squares.append((report.error * absolute / error) ** 2)
        assert error / np.linalg.norm(A) == pytest.approx(report.error, rel=0.9)
    assert held >= 0.95 * seeds - 4.5 * np.sqrt(seeds * 0.05 * 0.95)
    if (
        method != "StreamingSVD"
    ):  # its norm is estimated too; 10 probes spread squares by at most sqrt(2 / 10)
        assert abs(np.mean(squares) - 1) <= 4.5 * np.sqrt(0.2 / seeds)  # fails once in 10**5


def test_the_probe_of_a_stream_is_unbiased():
    A = tall(SPECTRA["slow"])
    ratios = []
    for seed in range(100):
        one = stream(A, seed=seed).partial_fit(A)
        result = one.result()
        tests = one._row_tests(0, 120)[0][:, one.size :]
        missing = one._probe - result.reconstruct().T @ tests
        ratios.append((missing**2).sum() / 10 / np.linalg.norm(A - result.reconstruct()) ** 2)
    assert abs(np.mean(ratios) - 1) <= 4.5 * np.sqrt(0.2 / 100)  # fails once in 10**5


@pytest.mark.parametrize("method", ["StreamingSVD", "generalized_nystrom", "nystrom"])
def test_results_are_saved_and_printed(method, tmp_path):
    result = approximate(method, semidefinite(SPECTRA["fast"]), 0)
    result.save(tmp_path / "result.npz")
    read = cr.load(tmp_path / "result.npz")
    np.testing.assert_array_equal(read.reconstruct(), result.reconstruct())
    assert str(read.report).startswith(f"{method} of rank 6 of a 80 x 80")


# ---- refusals


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda one: one.partial_fit(np.ones((121, 60))),
            ValueError,
            "X must have at most 120 rows, got 121",
        ),
        (
            lambda one: one.partial_fit(np.ones((5, 60)), row=116),
            ValueError,
            "row must be an integer from 0 to 115",
        ),
        (lambda one: one.partial_fit(np.ones((5, 6)), column=-1), ValueError, "column must be"),
        (lambda one: one.partial_fit(np.full((5, 60), np.nan)), ValueError, "X must be finite"),
        (
            lambda one: one.update(np.ones((120, 2)), np.ones((3, 60))),
            ValueError,
            "left and right must have shapes",
        ),
        (
            lambda one: one.merge(StreamingSVD((120, 60), 6, random_state=1)),
            ValueError,
            "same seed, got 0 and 1",
        ),
        (lambda one: one.merge(one.result()), TypeError, "must be a StreamingSVD"),
        (lambda one: StreamingSVD((5, 5), 6), ValueError, "rank must be an integer from 1 to 5"),
        (lambda one: StreamingSVD(5, 6), TypeError, "shape must be two integers"),
        (lambda one: StreamingSVD((50, 50), 6, size=5), ValueError, "size must be an integer of at least 6"),
        (
            lambda one: StreamingSVD((50, 50), 6, core_size=26),
            ValueError,
            "core_size must be an integer of at least 27",
        ),
        (lambda one: StreamingSVD((50, 50), 6, dtype=int), ValueError, "dtype must be float32 or float64"),
        (lambda one: StreamingSVD((50, 50), 6, dtype="x"), TypeError, "dtype must be float32 or float64"),
    ],
)
def test_bad_arguments_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(StreamingSVD((120, 60), 6, random_state=0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_stream_goes_on_from_a_file_with_the_same_bits(tmp_path, dtype):
    A = np.random.default_rng(0).standard_normal((90, 40)).astype(dtype)
    make = cr.sketching.StreamingSVD((90, 40), 5, core_size=60, dtype=dtype, random_state=2**64 - 1)
    stream = make.partial_fit(A[:50])
    stream.save(tmp_path / "stream.npz")
    loaded = cr.load(tmp_path / "stream.npz")
    assert repr(loaded) == repr(stream)
    results = [s.partial_fit(A[50:], row=50).result() for s in (stream, loaded)]
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))
    other = cr.sketching.StreamingSVD((90, 40), 5, core_size=60, dtype=dtype, random_state=2**64 - 1)
    assert loaded.merge(other.partial_fit(A)).updates == 3
