"""Estimated products: unbiased, as accurate as the theory says, honest about it, exact when all is kept.

Statistical tests use fixed seeds, so they pass or fail for good; the failure probabilities that they state
are those of a new choice of seeds.
"""

import io

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import corange as cr
from corange.sketching import CoordinatedSample
from corange.sketching._coordinated import _threshold, row_numbers

RNG = np.random.default_rng(0)
LENGTHS = RNG.lognormal(0.0, 1.0, (1000, 1))
A = RNG.standard_normal((1000, 6)) * LENGTHS
B = 0.5 * A[:, :4] + RNG.standard_normal((1000, 4)) * LENGTHS
EXACT = A.T @ B
WHOLE = np.linalg.norm(A) * np.linalg.norm(B)
SAMPLES = ("coordinated-priority", "coordinated-threshold", "row-sampling")
METHODS = (*SAMPLES, "gaussian", "countsketch")
SPARSE = scipy.sparse.random_array((900, 40), density=0.1, rng=1, format="csr")


def dense(product):
    return product.toarray() if scipy.sparse.issparse(product) else product


@pytest.fixture(scope="module", params=METHODS)
def runs(request):
    """Many estimates by one method."""
    size, seeds = 60, 400
    return (
        request.param,
        size,
        [cr.matmul_sketch(A, B, size, method=request.param, random_state=s) for s in range(seeds)],
    )


def test_estimates_are_unbiased(runs):
    _, _, results = runs
    errors = np.array([result.product - EXACT for result in results])
    spread = errors.std(axis=0, ddof=1) / np.sqrt(len(results))
    # 24 entries and 5 methods, each within 4.5 standard deviations of zero: fails once in 1000.
    assert (np.abs(errors.mean(axis=0)) <= 4.5 * spread).all()


def test_the_mean_squared_error_meets_the_bound(runs):
    method, size, results = runs
    squares = np.array([np.linalg.norm(result.product - EXACT) ** 2 for result in results]) / WHOLE**2
    bound = {"coordinated-priority": 2 / (size - 1), "coordinated-threshold": 2 / size}
    if method in bound:
        assert squares.mean() <= bound[method]  # three times as much as measured
        assert results[0].error_bound == pytest.approx(np.sqrt(bound[method]) * WHOLE)
        return
    products = np.linalg.norm(A, axis=1) * np.linalg.norm(B, axis=1)
    variances = {
        "row-sampling": products.sum() ** 2 - np.linalg.norm(EXACT) ** 2,
        "gaussian": WHOLE**2 + np.linalg.norm(EXACT) ** 2,
        "countsketch": WHOLE**2 + np.linalg.norm(EXACT) ** 2 - 2 * (products**2).sum(),
    }
    variance = variances[method] / size / WHOLE**2
    assert results[0].error_bound >= np.sqrt(variance) * WHOLE
    # Within 4 standard deviations of the mean: each fails once in 15000.
    assert abs(squares.mean() - variance) <= 4 * squares.std() / np.sqrt(squares.size)


def test_estimated_errors_are_unbiased_in_the_square(runs):
    _, _, results = runs
    differences = np.array(
        [result.error**2 - np.linalg.norm(result.product - EXACT) ** 2 for result in results]
    )
    assert abs(differences.mean()) <= 4.5 * differences.std() / np.sqrt(differences.size)  # once in 10**5


def test_the_variance_of_threshold_sampling_is_the_formula():
    squares = []
    for seed in range(300):
        result = cr.matmul_sketch(A, B, 60, method="coordinated-threshold", random_state=seed)
        squares.append(np.linalg.norm(result.product - EXACT) ** 2)
    lengths = [np.linalg.norm(M, axis=1) ** 2 for M in (A, B)]
    chances = np.min([np.minimum(_threshold(w, 60) * w, 1) for w in lengths], axis=0)
    variance = (lengths[0] * lengths[1] * (1 / chances - 1)).sum()
    assert abs(np.mean(squares) - variance) <= 4.5 * np.std(squares) / np.sqrt(300)  # once in 10**5


def independent_estimate(seed):
    """What is left of the method when both samples have seeds of their own."""
    first, second = (
        CoordinatedSample(A, 60, random_state=seed),
        CoordinatedSample(B, 60, random_state=~seed + 2**64),
    )
    _, i, j = np.intersect1d(first.rows, second.rows, return_indices=True)
    chances = first.probabilities[i] * second.probabilities[j]
    return (first.values[i] / chances[:, np.newaxis]).T @ second.values[j]


def test_regression_from_a_sample_is_nearly_as_good_as_from_all_rows():
    """The excess of k rows for d coefficients is of the order d / k, rows uneven and y mostly noise."""
    rng = np.random.default_rng(5)
    X = rng.standard_normal((5000, 8)) * rng.lognormal(0.0, 0.5, (5000, 1))
    y = X @ rng.standard_normal(8) + 3.0 * rng.standard_normal(5000)
    best = np.linalg.norm(y - X @ np.linalg.lstsq(X, y)[0]) ** 2
    excess = []
    for seed in range(100):
        sample = CoordinatedSample(np.column_stack([X, y]), 400, random_state=seed)
        G = sample @ sample
        excess.append(np.linalg.norm(y - X @ np.linalg.solve(G[:8, :8], G[:8, 8])) ** 2 / best - 1)
    assert 0 < np.mean(excess) < 2 * 8 / 400
    assert max(excess) < 6 * 8 / 400


def test_samples_with_seeds_of_their_own_lose_the_benefit():
    together = [cr.matmul_sketch(A, B, 60, random_state=seed).product for seed in range(100)]
    apart = [independent_estimate(seed) for seed in range(100)]
    errors = [np.mean([np.linalg.norm(W - EXACT) ** 2 for W in estimates]) for estimates in (together, apart)]
    assert errors[1] > 2 * errors[0]


# ---- samples


def test_threshold_samples_have_the_size_asked_for_on_average():
    uneven = np.diag(10.0 ** -np.arange(0.0, 8.0, 0.02))  # the largest rows are certain
    sizes = [
        CoordinatedSample(uneven, 50, method="threshold", random_state=seed).rows.size for seed in range(200)
    ]
    # A sum of independent indicators has variance below its mean; 4.5 standard deviations: once in 10**5.
    assert abs(np.mean(sizes) - 50) <= 4.5 * np.sqrt(50 / 200)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(1e-3, 1e3), min_size=3, max_size=60), st.data())
def test_the_threshold_makes_probabilities_add_up_to_the_size(weights, data):
    size = data.draw(st.integers(1, len(weights) - 1))
    weights = np.array(weights)
    assert np.minimum(_threshold(weights, size) * weights, 1).sum() == pytest.approx(size, rel=1e-10)


def test_priority_samples_have_exactly_the_size_and_keep_the_smallest_ranks():
    sample = CoordinatedSample(A, 60, random_state=3)
    ranks = row_numbers(1000, 3) / np.linalg.norm(A, axis=1) ** 2
    assert set(sample.rows) == set(np.argsort(ranks)[:60])
    weights = np.linalg.norm(A[sample.rows], axis=1) ** 2
    np.testing.assert_allclose(sample.probabilities, np.minimum(np.sort(ranks)[60] * weights, 1), rtol=1e-12)
    np.testing.assert_array_equal(sample.values, A[sample.rows])


@pytest.mark.parametrize("method", ["priority", "threshold"])
@pytest.mark.parametrize("make", [np.asarray, scipy.sparse.csr_array])
def test_complete_samples_give_the_exact_product_and_zero_rows_are_never_kept(method, make):
    left, right = A[:80].copy(), B[:80].copy()
    left[::2] = 0.0
    first, second = (CoordinatedSample(make(M), 80, method=method, random_state=0) for M in (left, right))
    assert (first.rows % 2 == 1).all()
    result = first.combine(second)
    np.testing.assert_allclose(dense(result.product), left.T @ right, rtol=1e-12, atol=1e-12)
    assert (result.error, result.error_bound, result.shared) == (0.0, 0.0, 40)
    empty = CoordinatedSample(make(np.zeros((80, 2))), 80, method=method, random_state=0)
    assert not dense(empty @ second).any()


def test_when_nothing_is_shared_the_bound_is_the_error():
    left, right = A[:100].copy(), B[:100].copy()
    left[50:], right[:50] = 0.0, 0.0
    result = cr.matmul_sketch(left, right, 10, random_state=0)
    assert result.shared == 0
    assert result.error == result.error_bound > 0


@pytest.mark.parametrize("matrix", [A, SPARSE, A.astype(np.float32)], ids=["dense", "sparse", "float32"])
@pytest.mark.parametrize("method", ["priority", "threshold"])
def test_samples_survive_a_file(matrix, method, tmp_path):
    sample = CoordinatedSample(matrix, 30, method=method, random_state=5)
    sample.save(tmp_path / "sample.npz")
    read = cr.load(tmp_path / "sample.npz")
    assert repr(read) == repr(sample)
    assert read.values.dtype == matrix.dtype
    for first, second in ((sample @ sample, read @ sample), (sample @ sample, read @ read)):
        np.testing.assert_array_equal(dense(first), dense(second))
    assert read.combine(read).error == sample.combine(sample).error
    buffer = io.BytesIO()
    read.save(buffer)
    buffer.seek(0)
    assert repr(cr.load(buffer)) == repr(sample)


@pytest.mark.parametrize("method", ["priority", "threshold"])
def test_samples_made_apart_and_combined_from_files_give_the_bits_of_one_call(method, tmp_path):
    for name, matrix in (("A", A), ("B", B)):
        CoordinatedSample(matrix, 40, method=method, random_state=7).save(tmp_path / f"{name}.npz")
    found = cr.load(tmp_path / "A.npz").combine(cr.load(tmp_path / "B.npz"))
    expected = cr.matmul_sketch(A, B, 40, method=f"coordinated-{method}", random_state=7)
    np.testing.assert_array_equal(found.product, expected.product)
    assert (found.error, found.error_bound) == (expected.error, expected.error_bound)


# ---- any matrix


class Readable:
    """Rows that are read when asked for."""

    def __init__(self, matrix):
        self.matrix, self.shape, self.dtype, self.chunks = (
            matrix,
            matrix.shape,
            matrix.dtype,
            (7, matrix.shape[1]),
        )

    def __getitem__(self, rows):
        return self.matrix[rows]


@pytest.mark.parametrize("method", METHODS)
def test_every_container_gives_the_same_estimate(method):
    D = SPARSE.toarray()
    expected = cr.matmul_sketch(D, D, 50, method=method, random_state=1)
    assert isinstance(expected.product, np.ndarray)
    containers = [
        np.asfortranarray(D),
        D[::-1][::-1],
        D.tolist(),
        Readable(D),
        SPARSE,
        SPARSE.tocsc(),
        SPARSE.tocoo(),
    ]
    for other in containers:
        result = cr.matmul_sketch(other, D, 50, method=method, random_state=1)
        np.testing.assert_allclose(dense(result.product), expected.product, rtol=1e-10, atol=1e-10)
        assert result.error == pytest.approx(expected.error, rel=1e-6)
    both = cr.matmul_sketch(SPARSE, SPARSE.tocsc(), 50, method=method, random_state=1)
    assert scipy.sparse.issparse(both.product) == (method in SAMPLES)
    np.testing.assert_allclose(dense(both.product), expected.product, rtol=1e-10, atol=1e-10)
    mixed = cr.matmul_sketch(D, SPARSE, 50, method=method, random_state=1)
    np.testing.assert_allclose(mixed.product, expected.product, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("make", [np.asarray, scipy.sparse.csr_array, scipy.sparse.csc_array])
def test_extreme_scales_change_nothing_but_the_scale(make):
    plain = cr.matmul_sketch(make(A), make(B), 50, random_state=2)
    scaled = cr.matmul_sketch(make(np.ldexp(A, 600)), make(np.ldexp(B, -550)), 50, random_state=2)
    np.testing.assert_array_equal(dense(scaled.product), np.ldexp(dense(plain.product), 50))
    assert (scaled.error, scaled.error_bound) == (plain.error * 2.0**50, plain.error_bound * 2.0**50)


@pytest.mark.parametrize("method", METHODS)
def test_precision_in_is_precision_out(method):
    for first, second, expected in (("f4", "f4", "f4"), ("f4", "f8", "f8"), ("i8", "f4", "f8")):
        for make in (np.asarray, scipy.sparse.csr_array):
            left, right = make(np.rint(A).astype(first)), make(np.rint(B).astype(second))
            assert cr.matmul_sketch(left, right, 20, method=method).product.dtype == np.dtype(expected)


def test_zero_matrices():
    for method in METHODS:
        result = cr.matmul_sketch(np.zeros((20, 3)), np.ones((20, 2)), 5, method=method)
        assert not result.product.any()
        assert result.error == 0.0


def test_the_result_unpacks_and_describes_itself():
    result = cr.matmul_sketch(A, B, 20, random_state=0)
    product, error = result
    assert product is result.product
    assert error == result.error
    assert len(result) == 2
    assert repr(result).startswith("ProductResult(6 x 4, error about")


# ---- refusals


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"A": A[:9]}, ValueError, "as many rows, got 9 and 1000"),
        ({"size": 1}, ValueError, "size must be an integer of at least 2, got 1"),
        ({"size": 2.0}, TypeError, "size must be"),
        ({"method": "exact"}, ValueError, "method must be one of 'coordinated-priority'"),
        (
            {"B": scipy.sparse.linalg.aslinearoperator(B)},
            TypeError,
            "B must have rows that can be looked at",
        ),
        ({"B": B * np.nan}, ValueError, "B must be finite"),
        ({"B": Readable(B * np.inf)}, ValueError, "B must be finite, but row 0"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        cr.matmul_sketch(**({"A": A, "B": B, "size": 10} | arguments))


def test_samples_that_do_not_fit_are_refused():
    sample = CoordinatedSample(A, 10, random_state=0)
    with pytest.raises(ValueError, match="same seed, got 0 and 1"):
        sample.combine(CoordinatedSample(B, 10, random_state=1))
    with pytest.raises(ValueError, match="same method, got 'priority' and 'threshold'"):
        sample.combine(CoordinatedSample(B, 10, method="threshold", random_state=0))
    with pytest.raises(ValueError, match="with 1000 rows, as this one, got 999"):
        sample.combine(CoordinatedSample(B[1:], 10, random_state=0))
    with pytest.raises(TypeError, match="must be a CoordinatedSample, got ndarray"):
        sample @ A
