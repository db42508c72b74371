"""Sketch operators: exact properties exactly, statistical ones within six standard errors, at fixed seeds."""

import copy
import math
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, aslinearoperator
from threadpoolctl import threadpool_limits

import corange as cr
from corange import sketching

MAKERS = {
    "Gaussian": sketching.Gaussian,
    "Rademacher": sketching.Rademacher,
    "SparseSign": lambda size, n, **o: sketching.SparseSign(size, n, nnz=min(4, size), **o),
    "CountSketch": sketching.CountSketch,
    "VerySparse": lambda size, n, **o: sketching.VerySparse(size, n, s="achlioptas", **o),
    "SRHT": sketching.SRHT,
    "SRFT": sketching.SRFT,
    "FastJL": sketching.FastJL,
    "FastJL(q)": lambda size, n, **o: sketching.FastJL(size, n, density=0.2, **o),
    "RowSampling": sketching.RowSampling,
}
every_sketch = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def layouts(A):
    wide = np.zeros((2 * A.shape[0], 3 * A.shape[1]), A.dtype)
    wide[::-2, ::3] = A
    return [A, np.asfortranarray(A), wide[::-2, ::3], sp.csr_array(A), sp.csc_matrix(A), sp.coo_array(A)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("size", "n"), [(1, 1), (20, 70), (16, 64)])
@every_sketch
def test_products_equal_the_matrix_for_every_kind_of_input(make, size, n, dtype):
    A = np.random.default_rng(n).standard_normal((n, 33)).astype(dtype)
    A[np.abs(A) < 0.5] = 0
    S = make(size, n, random_state=3)
    wanted = S.toarray() @ A.astype(float)
    tol = 40 * np.finfo(dtype).eps * np.abs(S.toarray()).sum(1).max() * np.abs(A).max()
    for M in layouts(A):
        for result in (S @ M, (M.T @ S.T).T):
            assert result.dtype == dtype
            np.testing.assert_allclose(result, wanted, rtol=0, atol=tol)
    np.testing.assert_allclose(S @ A[:, 0], wanted[:, 0], atol=tol)
    np.testing.assert_allclose(A[:, 0] @ S.T, wanted[:, 0], atol=tol)
    np.testing.assert_allclose(S._left(aslinearoperator(A)), wanted, atol=tol)
    Y = np.random.default_rng(1).standard_normal((size, 5))
    np.testing.assert_allclose(S.T @ Y, S.toarray().T @ Y, atol=1e-12)


@every_sketch
def test_a_block_is_that_block_of_the_whole(make):
    S, A = make(40, 3000, random_state=5), np.random.default_rng(0).standard_normal((3000, 3))
    whole, block = S.toarray(), S[:, 900:2500]
    assert block.shape == (40, 1600)
    assert np.array_equal(block.toarray(), whole[:, 900:2500])
    assert np.array_equal(block[:, 100:200].toarray(), whole[:, 1000:1100])
    total = sum(S[:, i : i + 700] @ A[i : i + 700] for i in range(0, 3000, 700))
    np.testing.assert_allclose(total, S @ A, atol=1e-11)
    with pytest.raises(TypeError, match=r"S\[:, i:j\]"):
        S[3]
    with pytest.raises(ValueError, match="at least one column"):
        S[:, 5:5]


@every_sketch
def test_a_block_applies_to_every_kind_of_input_as_in_the_whole(make):
    """Rows of A outside the block are zero for the whole, so that both are the same product."""
    S, A = make(24, 500, random_state=5), np.random.default_rng(0).standard_normal((130, 9))
    A[np.abs(A) < 0.5] = 0
    padded = np.zeros((500, 9))
    padded[210:340] = A
    wanted, block = S.toarray() @ padded, S[:, 210:340]
    for part, whole in zip(layouts(A), layouts(padded), strict=True):
        for result in (block @ part, (part.T @ block.T).T, S @ whole, (whole.T @ S.T).T):
            np.testing.assert_allclose(result, wanted, rtol=0, atol=1e-12 * np.abs(S.toarray()).sum(1).max())
        if isinstance(S, sketching.SparseSign):  # one order of every sum
            assert np.array_equal(block @ part, S @ whole)


@every_sketch
def test_same_seed_same_bits_on_any_number_of_threads(make):
    A = np.random.default_rng(0).standard_normal((2100, 70))
    results = []
    for threads in (1, 2, 3, 7):
        with threadpool_limits(threads):
            S = make(32, 2100, random_state=9)
            results.append((S @ A, A.T @ S.T, S @ sp.csr_array(A), S.toarray()))
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))
    for again in (copy.copy(S), pickle.loads(pickle.dumps(S)), make(32, 2100, random_state=S.seed)):
        assert np.array_equal(again.toarray(), S.toarray())
    assert not np.array_equal(make(32, 2100, random_state=10).toarray(), S.toarray())


@every_sketch
def test_linear(make):
    S, rng = make(16, 128, random_state=1), np.random.default_rng(2)
    A, B = rng.standard_normal((2, 128, 7))
    np.testing.assert_allclose(S @ (2 * A - 3 * B), 2 * (S @ A) - 3 * (S @ B), atol=1e-12)


@every_sketch
def test_the_gram_matrix_is_the_identity_on_average(make):
    """210 entries of 10 kinds, each within 6 standard errors: new seeds would fail once in 10**5."""
    grams = []
    for seed in range(400):
        S = make(12, 20, random_state=seed).toarray()
        grams.append(S.T @ S)
    assert np.all(np.abs(np.mean(grams, axis=0) - np.eye(20)) <= 6 * np.std(grams, axis=0) / 20 + 1e-12)


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "RowSampling"])
def test_distances_and_subspaces_are_kept(name):
    # 500 rows, 45 pairs, dimension 10: 0.4 is six standard deviations of a squared norm.
    rng = np.random.default_rng(4)
    points = np.vstack([rng.standard_normal((5, 1000)), np.eye(1000)[:5]])
    S = MAKERS[name](500, 1000, random_state=6)
    pairs = points[:, None] - points[None]
    ratio = np.linalg.norm(pairs @ S.toarray().T, axis=2) ** 2 / np.maximum(
        np.linalg.norm(pairs, axis=2) ** 2, 1e-9
    )
    off = ratio[~np.eye(10, dtype=bool)]
    assert np.abs(off - 1).max() < 0.4
    Q = np.linalg.qr(rng.standard_normal((1000, 10)))[0]
    singular = np.linalg.svd(S @ Q, compute_uv=False)
    assert singular.max() < 1.4
    assert singular.min() > 0.6


@pytest.mark.parametrize(("make", "n"), [(sketching.SRHT, 64), (sketching.SRFT, 60), (sketching.SRFT, 1)])
def test_transforms_of_full_size_are_orthogonal(make, n):
    S = make(n, n, random_state=0).toarray()
    np.testing.assert_allclose(S.T @ S, np.eye(n), atol=1e-13)


@pytest.mark.parametrize("n", [70, 64])
def test_sparse_sign_sums_dense_and_sparse_to_the_same_bits(n):
    A = np.random.default_rng(0).standard_normal((n, 20))
    S = sketching.SparseSign(30, n, random_state=0)
    results = [S @ M for M in (A, np.asfortranarray(A), sp.csr_array(A), sp.csc_array(A))]
    assert all(np.array_equal(results[0], other) for other in results[1:])
    assert np.all((S.toarray() != 0).sum(axis=0) == 8)


def test_number_of_entries_of_random_patterns():
    S = sketching.VerySparse(100, 5000, s=20.0, random_state=0)
    for pattern, total, q in [
        (S.toarray() != 0, 500_000, 1 / 20),
        (
            sketching.FastJL(256, 1024, density=0.03, random_state=0)._rows(np.dtype(float)).toarray() != 0,
            2**18,
            0.03,
        ),
    ]:
        assert abs(pattern.sum() - total * q) < 6 * math.sqrt(total * q)
        rows = pattern.sum(axis=1)
        expected = rows.sum() / len(rows)
        freedom = len(rows) - 1
        assert np.sum((rows - expected) ** 2) / expected < freedom + 6 * math.sqrt(2 * freedom)
    assert set(np.unique(np.abs(S.toarray()))) == {0.0, math.sqrt(20 / 100)}


def uniform(counts):
    """Chi-square within 6 standard deviations of its mean, which fails about once in 10**6."""
    expected, freedom = counts.sum() / counts.size, counts.size - 1
    assert np.sum((counts - expected) ** 2) / expected < freedom + 6 * math.sqrt(2 * freedom)


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: sketching.CountSketch(50, 20_000, random_state=seed),
        lambda seed: sketching.SparseSign(50, 5000, nnz=4, random_state=seed),
        lambda seed: sketching.VerySparse(50, 20_000, s=50.0, random_state=seed),
        lambda seed: sketching.VerySparse(50, 20_000, s=3.0, random_state=seed),
    ],
    ids=["CountSketch", "SparseSign", "VerySparse", "Achlioptas"],
)
def test_places_and_signs_of_sparse_entries_are_uniform(make):
    S = make(3).toarray()
    uniform(np.concatenate([(S > 0).sum(axis=1), (S < 0).sum(axis=1)]))
    for part in np.split(S, 4, axis=1):  # the same row is as likely early as late
        uniform((part != 0).sum(axis=1))
    # Pairs of neighbouring columns: which row, given the row before.
    before, after = S[:, :-1] != 0, S[:, 1:] != 0
    uniform((before.astype(float) @ after.T.astype(float)).ravel())
    uniform(np.add.reduceat((S != 0).sum(axis=0), np.arange(0, S.shape[1], 200)))


@pytest.mark.parametrize("kind", ["SRHT", "SRFT", "RowSampling"])
def test_rows_are_chosen_uniformly(kind):
    counts = np.zeros(16)
    for seed in range(1500):
        S = getattr(sketching, kind)(4, 16, random_state=seed)
        places = {
            "SRHT": lambda S: S._rows(np.dtype(float)).indices,
            "SRFT": lambda S: S._parts(np.dtype(float))[1],
            "RowSampling": lambda S: S.indices,
        }[kind](S)
        assert kind == "RowSampling" or np.unique(places).size == 4
        counts += np.bincount(places, minlength=16)
    uniform(counts)


def test_very_sparse_entries_have_their_probabilities():
    R = sketching.VerySparse(50, 2000, s=5.0, random_state=0).toarray()
    np.testing.assert_allclose(np.unique(R), [-math.sqrt(0.1), 0.0, math.sqrt(0.1)])
    for sign in (-1, 1):  # within 4.5 standard deviations of 10000: fails once in 10**5
        assert abs((np.sign(R) == sign).sum() - 10000) <= 4.5 * math.sqrt(10000 * 0.9)
    # A wider sketch has the same entries, but for their scale.
    wide = sketching.VerySparse(90, 2000, s=5.0, random_state=0).toarray()
    np.testing.assert_array_equal(np.sign(wide[:50]), np.sign(R))


def test_row_sampling_follows_its_probabilities():
    weights = np.array([1.0, 2, 3, 4])
    S = sketching.RowSampling(10_000, 4, probabilities=weights, random_state=0)
    counts = np.bincount(S.indices, minlength=4)
    assert np.sum((counts - 1000 * weights) ** 2 / (1000 * weights)) < 3 + 6 * math.sqrt(6) + 20
    A = np.zeros((50, 2))
    A[:, 0], A[7, 1] = 1, 1
    for M in (A, sp.csr_array(A), sp.csc_array(A)):
        leverage = sketching.RowSampling.of(M, 200, random_state=0)
        assert np.mean(leverage.indices == 7) > 0.3
        squared = sketching.RowSampling.of(M, 2000, "squared-length", random_state=0)
        assert abs(np.mean(squared.indices == 7) - 2 / 51) < 6 * math.sqrt(0.04 / 2000)


@pytest.mark.parametrize("make", [sketching.SRFT, sketching.SRHT])
def test_sparse_data_in_many_pieces(make, monkeypatch):
    monkeypatch.setattr("corange.sketching._mixed._CHUNK", 1)
    monkeypatch.setattr("corange.sketching._fourier._CHUNK", 1500)
    A = sp.random_array((90, 200), density=0.1, rng=0, format="csc")
    S = make(20, 90, random_state=0)
    np.testing.assert_allclose(S @ A, S.toarray() @ A.toarray(), atol=1e-12)


@pytest.mark.parametrize("make", [sketching.Gaussian, sketching.Rademacher])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dense_sketches_are_made_in_tiles(make, dtype, monkeypatch):
    rng = np.random.default_rng(0)
    A, Y = rng.standard_normal((700, 50)).astype(dtype), rng.standard_normal((100, 9)).astype(dtype)
    S = make(100, 700, random_state=0)[:, 100:650]
    kinds = (A[100:650], np.asfortranarray(A[100:650]), sp.csr_array(A[100:650]), sp.csc_array(A[100:650]))
    entries, drawn = S.toarray().astype(float), []
    monkeypatch.setattr("corange.sketching._base.TILE", 1000)
    monkeypatch.setattr("corange.sketching._dense.TILE", 1000)

    def draw(*arguments, **options):
        drawn.append(arguments[4])
        return sketching._base.draw(*arguments, **options)

    monkeypatch.setattr("corange.sketching._dense.draw", draw)
    tol = 40 * np.finfo(dtype).eps
    for M in kinds:
        np.testing.assert_allclose(S @ M, entries @ A[100:650], atol=tol * 10)
    assert set(drawn) == {(550, 32), (550, 4)}
    drawn.clear()
    np.testing.assert_allclose(S.T @ Y, entries.T @ Y, atol=tol * 10)
    assert set(drawn) == {(10, 100)}


@every_sketch
def test_an_operator_is_shown_some_rows_of_a_sketch_at_a_time(make, monkeypatch):
    A, widths = np.random.default_rng(0).standard_normal((300, 70)), []

    def product(M):
        return lambda X: widths.append(X.shape[1]) or M @ X

    def operator(M):
        products = {
            "matvec": product(M),
            "rmatvec": product(M.T),
            "matmat": product(M),
            "rmatmat": product(M.T),
        }
        return LinearOperator(M.shape, dtype=M.dtype, **products)

    monkeypatch.setattr("corange.sketching._base.TILE", 40 * 300)
    S = make(100, 300, random_state=2)
    np.testing.assert_allclose(S._left(operator(A)), S @ A, atol=1e-11)
    np.testing.assert_allclose(S._right(operator(A.T)), A.T @ S.T, atol=1e-11)
    assert max(widths) <= 40


@pytest.mark.parametrize("kind", cr.sketching._sketch.KINDS)
def test_one_line(kind):
    A = np.random.default_rng(0).standard_normal((90, 12))
    rows = cr.sketch(A, 30, kind=kind, random_state=0)
    assert rows.shape == (30, 12)
    assert np.array_equal(cr.sketch(A.T, 30, kind=kind, axis=1, random_state=0), rows.T)
    assert np.array_equal(cr.sketch(A, 30, kind=kind, random_state=0), rows)


@pytest.mark.parametrize("axis", [0, 1])
def test_leverage_is_that_of_what_is_independent(axis):
    rng = np.random.default_rng(0)
    A = rng.standard_normal((300, 6)) @ rng.standard_normal((6, 9))  # rank 6
    A[7] *= 1000  # nearly all of the leverage that one row can have
    for M in (A, sp.csr_array(A), A * 1e-200):
        S = sketching.RowSampling.of(M, 600, random_state=axis)
        assert 0.1 < np.mean(S.indices == 7) < 0.25  # a sixth, and a factor
    assert not cr.sketch(np.zeros((9, 5)), 3, kind="leverage", axis=axis, random_state=0).any()
    assert not cr.sketch(np.zeros((9, 5)), 3, kind="squared-length", axis=axis, random_state=0).any()


def test_rows_from_a_source_are_read_in_blocks():
    class Rows:
        shape, dtype = (5000, 40), np.dtype(float)
        data = np.random.default_rng(0).standard_normal((5000, 40))

        def __getitem__(self, rows):
            return self.data[rows]

    for kind in ("gaussian", "sparse-sign", "srht"):
        np.testing.assert_allclose(
            cr.sketch(Rows(), 50, kind=kind, random_state=0),
            cr.sketch(Rows.data, 50, kind=kind, random_state=0),
            atol=1e-11,
        )
        np.testing.assert_allclose(
            cr.sketch(Rows(), 10, kind=kind, axis=1, random_state=0),
            cr.sketch(Rows.data, 10, kind=kind, axis=1, random_state=0),
            atol=1e-11,
        )


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: sketching.Gaussian(0, 5), ValueError, "size"),
        (lambda: sketching.Gaussian(2.0, 5), TypeError, "size"),
        (lambda: sketching.Gaussian(2, 0), ValueError, "n must"),
        (lambda: sketching.SparseSign(4, 5, nnz=5), ValueError, "nnz"),
        (lambda: sketching.SparseSign(4, 5), ValueError, "nnz"),
        (lambda: sketching.SRHT(9, 5), ValueError, "size"),
        (lambda: sketching.SRFT(6, 5), ValueError, "size"),
        (lambda: sketching.VerySparse(6, 5, s=0.5), ValueError, "s must"),
        (lambda: sketching.VerySparse(6, 5, s="dense"), ValueError, "s must"),
        (lambda: sketching.FastJL(6, 5, density=2.0), ValueError, "density"),
        (lambda: sketching.FastJL(6, 5, constant=0), ValueError, "constant"),
        (lambda: sketching.RowSampling(6, 5, probabilities=[1, 2]), ValueError, "probabilities"),
        (lambda: sketching.RowSampling.of(np.ones((3, 2)), 2, "norm"), ValueError, "method"),
        (lambda: sketching.Gaussian(6, 5) @ np.ones((4, 3)), ValueError, "5 rows"),
        (lambda: np.ones((3, 4)) @ sketching.Gaussian(6, 5).T, ValueError, "5 columns"),
        (lambda: sketching.Gaussian(6, 2) @ np.array([[np.nan], [1]]), ValueError, "finite"),
        (lambda: sketching.Gaussian(6, 2) @ np.ma.masked_array([1.0, 2.0], [0, 1]), TypeError, "masked"),
        (lambda: np.ma.masked_array([1.0, 2.0], [0, 1]) @ sketching.Gaussian(6, 2).T, TypeError, "masked"),
        (lambda: cr.sketch(np.ones((5, 5)), 2, kind="magic"), ValueError, "kind"),
        (lambda: cr.sketch(np.ones((5, 5)), 2, axis=2), ValueError, "axis"),
        (lambda: cr.sketch(np.ones((5, 5)), 0), ValueError, "size"),
    ],
)
def test_illegal_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
