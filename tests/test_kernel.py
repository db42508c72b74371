"""Kernel matrices: entries against their definition, products, functions, bad input."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

import corange as cr
from corange import _core

NAMES = ("rbf", "laplacian", "polynomial", "linear")


def by_definition(kernel, X, Y, gamma, coef0=1.0, degree=3.0):
    """Entries in long double, and the sum of the magnitudes that went into the argument."""
    X, Y = X.astype(np.longdouble), Y.astype(np.longdouble)
    gaps = X[:, np.newaxis] - Y
    if kernel == "rbf":
        argument = gamma * (gaps**2).sum(axis=-1)
        return np.exp(-argument), argument
    if kernel == "laplacian":
        argument = gamma * np.abs(gaps).sum(axis=-1)
        return np.exp(-argument), argument
    inner, sizes = X @ Y.T, np.abs(X) @ np.abs(Y).T
    if kernel == "linear":
        return inner, sizes
    return (gamma * inner + coef0) ** degree, degree * (gamma * sizes + coef0) ** degree


@pytest.mark.parametrize("kernel", NAMES)
@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 40), st.integers(1, 12)),
    seed=st.integers(0, 2**31),
    single=st.booleans(),
    step=st.sampled_from([1, 2, -1]),
)
@settings(max_examples=25, deadline=None)
def test_entries_are_those_of_the_definition(kernel, shape, seed, single, step):
    m, n, d = shape
    dtype = np.float32 if single else np.float64
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, d * 2)).astype(dtype)[:, ::2][::step]
    Y = rng.standard_normal((n, d)).astype(dtype)
    gamma = float(rng.uniform(0.0, 2.0))
    found = np.empty((X.shape[0], n), dtype)
    _core.kernel_block(kernel, gamma, 1.0, 3.0, X, Y, found)
    expected, magnitude = by_definition(kernel, X, Y, gamma)
    eps = np.finfo(dtype).eps
    size = expected * (magnitude + 1) if kernel in ("rbf", "laplacian") else magnitude
    assert (np.abs(found - expected) <= (d + 8) * eps * size + np.finfo(dtype).tiny).all()


def test_exponential_at_its_ends():
    """Far points give zero, not a subnormal or garbage; equal ones exactly one; NaN stays NaN."""
    for dtype, lowest in ((np.float64, 708.0), (np.float32, 87.0)):
        distances = np.array([0.0, lowest - 1, lowest + 2, 1e30, np.inf, np.nan], dtype)
        found = np.empty((6, 1), dtype)
        zero = np.zeros((1, 1), dtype)
        _core.kernel_block("laplacian", 1.0, 1.0, 3.0, distances[:, np.newaxis], zero, found)
        assert found[0, 0] == 1.0
        assert np.isclose(found[1, 0], np.exp(-np.longdouble(distances[1])), rtol=1e-4)
        assert (found[2:5] == 0.0).all()
        assert np.isnan(found[5, 0])


@pytest.mark.parametrize("kernel", ["rbf", "laplacian"])
def test_close_points_far_from_the_origin_keep_their_digits(kernel):
    rng = np.random.default_rng(0)
    X = 1e6 + rng.standard_normal((50, 5))
    K = cr.KernelMatrix(X, kernel, gamma=0.3)
    block = K.columns(np.arange(50))
    assert (np.diag(block) == 1.0).all()
    assert np.array_equal(block, block.T)
    assert np.abs(block - by_definition(kernel, X, X, 0.3)[0]).max() < 1e-14


@pytest.mark.parametrize("kernel", NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_entry_does_not_depend_on_the_block_it_is_computed_in(kernel, dtype):
    X = np.random.default_rng(1).standard_normal((700, 7)).astype(dtype)
    K = cr.KernelMatrix(X, kernel)
    whole = K.columns(np.arange(700))
    rows, columns = np.array([3, 699, 41]), np.array([5, 650])
    assert whole.dtype == K.dtype == dtype
    assert np.array_equal(K.block(rows, columns), whole[np.ix_(rows, columns)])
    assert np.array_equal(K.columns(columns), whole[:, columns])
    assert np.array_equal(K.between(X[rows], columns), whole[np.ix_(rows, columns)])
    assert np.allclose(K.diagonal(), np.diag(whole), rtol=20 * np.finfo(dtype).eps)
    with threadpool_limits(1, user_api="openmp"):
        assert np.array_equal(K.columns(np.arange(700)), whole)


def test_products_and_eigenpairs_are_those_of_the_dense_matrix():
    X = np.random.default_rng(2).standard_normal((400, 3))
    K = cr.KernelMatrix(X, gamma=0.1)
    dense = K.columns(np.arange(400))
    V = np.random.default_rng(3).standard_normal((400, 4))
    assert np.abs(K @ V - dense @ V).max() < 1e-11
    assert np.abs(K.T @ V[:, 0] - dense @ V[:, 0]).max() < 1e-11
    w = np.linalg.eigvalsh(dense)[::-1]
    assert np.allclose(cr.eigh(K, 5, tol=1e-8, random_state=0).w, w[:5], rtol=1e-10)
    assert np.allclose(cr.svd(K, 5, tol=1e-8, random_state=0).s, w[:5], rtol=1e-10)


def test_kernels_may_be_functions_of_points_of_any_kind():
    rng = np.random.default_rng(4)
    dense = rng.standard_normal((90, 6))
    dense[dense < 0.5] = 0.0
    sparse = scipy.sparse.csr_array(dense)
    gram = dense @ dense.T
    by_points = cr.KernelMatrix(sparse, lambda P, Q: (P @ Q.T).toarray())
    by_indices = cr.KernelMatrix(np.arange(90), lambda P, Q: gram[np.ix_(P, Q)], diagonal=np.diag(gram))
    for K in (by_points, by_indices):
        assert K.shape == (90, 90)
        assert np.allclose(K.diagonal(), np.diag(gram))
        assert np.allclose(K.block([1, 2], [3]), gram[1:3, 3:4])
        assert np.allclose(K @ np.ones(90), gram.sum(axis=1))
    assert np.allclose(by_indices.between(np.array([7, 8]), [0, 1]), gram[7:9, :2])


def good(P, Q):
    return np.ones((len(P), len(Q)))


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((np.ones((5, 2)), "gaussian"), {}, ValueError, "kernel must be one of 'linear'"),
        ((np.ones((5, 2)), 3), {}, TypeError, "kernel must be one of"),
        ((np.ones((5, 2)),), {"gamma": -1.0}, ValueError, "gamma must be a finite number of at least 0"),
        ((np.ones((5, 2)), "polynomial"), {"degree": 0.5}, ValueError, "degree must be from 1"),
        ((np.ones((5, 2)), "polynomial"), {"coef0": np.nan}, ValueError, "coef0 must be"),
        ((np.full((5, 2), np.nan),), {}, ValueError, "points must be finite"),
        ((np.ones(5),), {}, ValueError, "points must have two dimensions"),
        ((scipy.sparse.csr_array(np.eye(4)),), {}, TypeError, "points must be a dense array"),
        ((np.arange(5), good), {"diagonal": np.ones(4)}, ValueError, "diagonal must have shape"),
        ((np.arange(0), good), {}, ValueError, "at least one point"),
        ((np.arange(5), lambda P, Q: np.ones(3)), {}, ValueError, "kernel must return entries of shape"),
        ((np.arange(5), lambda P, Q: [[np.nan]]), {}, ValueError, "kernel must return finite"),
        ((np.arange(5), lambda P, Q: [["a"]]), {}, TypeError, "kernel must return real numbers"),
    ],
)
def test_bad_arguments_are_refused(arguments, options, error, message):
    with pytest.raises(error, match=message):
        cr.KernelMatrix(*arguments, **options)


def test_new_points_must_have_as_many_coordinates():
    with pytest.raises(ValueError, match="points must be a dense array of 2 columns"):
        cr.KernelMatrix(np.ones((5, 2))).between(np.ones((3, 4)), [0])
