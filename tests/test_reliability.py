"""What functions and estimators promise for any matrix: bits, threads, forks, scales, types, extremes."""

import os
import signal
import threading
import time

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import aslinearoperator
from threadpoolctl import threadpool_limits

import corange as cr
from registry import ENTRIES, Rows, admissible, same

THREADS = (1, 2, 3, 7)
every = pytest.mark.parametrize("entry", ENTRIES, ids=str)


def matrix(entry, rows=1500, cols=200, dtype=np.float64):
    """A dense matrix of slowly falling singular values, large enough that loops have many tasks."""
    rng = np.random.default_rng(3)
    if entry.square:
        G = rng.standard_normal((cols, 60))
        return np.ascontiguousarray(admissible(entry, (G / np.arange(1, 61)) @ G.T), dtype=dtype)
    A = (rng.standard_normal((rows, 60)) / np.arange(1, 61)) @ rng.standard_normal((60, cols))
    A += 0.01 * rng.standard_normal((rows, cols))
    return np.ascontiguousarray(admissible(entry, A), dtype=dtype)


def sparse_matrix(entry, rows=3000, cols=400):
    if entry.name == "Nystroem":  # whose kernel of sparse rows is scikit-learn's work, and slow
        rows = 500
    A = scipy.sparse.random_array((rows, cols), density=0.02, rng=5, format="csr")
    A.data -= 0.2
    return scipy.sparse.csr_array(admissible(entry, A[:cols] + A[:cols].T if entry.square else A))


def needs(entry, kind):
    if kind not in entry.accepts:
        pytest.skip(f"takes no matrices that are {kind}; test_bad_input.py sees them refused")


def apart(first, second):
    """The largest difference of two answers, relative to the largest entry of each array."""
    return max(np.abs(a - b).max() / (np.abs(a).max() or 1.0) for a, b in zip(first, second, strict=True))


def backwards(A):
    """The same matrix, the entries of each row stored from right to left."""
    B = A.copy()
    for start, stop in zip(B.indptr[:-1], B.indptr[1:], strict=True):
        B.indices[start:stop] = A.indices[start:stop][::-1]
        B.data[start:stop] = A.data[start:stop][::-1]
    B.has_sorted_indices = False
    return B


def rows_of(A):
    return np.repeat(np.arange(A.shape[0]), np.diff(A.indptr))


def from_entries(A, rows, columns, values):
    """A matrix that stores just these, duplicates and zeros too."""
    order = np.lexsort((columns, rows))
    indptr = np.r_[0, np.cumsum(np.bincount(rows, minlength=A.shape[0]))].astype(A.indptr.dtype)
    B = scipy.sparse.csr_array(A.shape)
    B.data, B.indices, B.indptr = values[order], columns[order].astype(A.indices.dtype), indptr
    return B


def doubled(A):
    """The same matrix, each entry stored as two halves."""
    return from_entries(A, np.tile(rows_of(A), 2), np.tile(A.indices, 2), np.tile(A.data / 2, 2))


def with_zeros(A):
    """The same matrix, some of its zeros stored."""
    rows, columns = np.arange(0, A.shape[0], 3), np.arange(0, A.shape[0], 3) * 7 % A.shape[1]
    empty = np.asarray(A[rows, columns]).ravel() == 0
    rows, columns = np.r_[rows_of(A), rows[empty]], np.r_[A.indices, columns[empty]]
    return from_entries(A, rows, columns, np.r_[A.data, np.zeros(empty.sum())])


# ---- bits


@every
@pytest.mark.parametrize("make", [matrix, sparse_matrix], ids=["dense", "sparse"])
def test_same_bits_on_any_number_of_threads(entry, make):
    needs(entry, "dense" if make is matrix else "sparse")
    A = make(entry)
    results = []
    for threads in THREADS:
        with threadpool_limits(threads, user_api="openmp"):
            results.append(entry.run(A, 11))
    assert all(same(results[0], other) for other in results[1:])


@every
def test_same_bits_from_views_copies_and_read_only_memory(entry):
    A = matrix(entry)
    wide = np.empty((A.shape[0], 2 * A.shape[1]))
    wide[:, ::2] = A
    flipped = np.ascontiguousarray(A[::-1, ::-1])
    frozen = A.copy()
    frozen.setflags(write=False)
    expected = entry.run(A, 1)
    for other in (A.copy(), wide[:, ::2], flipped[::-1, ::-1], frozen, A.astype(">f8")):
        assert same(expected, entry.run(other, 1))
    tall = np.empty((2 * A.shape[0], A.shape[1]), order="F")
    tall[::2] = A
    assert same(entry.run(np.asfortranarray(A), 1), entry.run(tall[::2], 1))
    assert same(entry.run(np.asfortranarray(A), 1), entry.run(A.T.copy().T, 1))


@every
def test_same_bits_from_arrays_of_stride_zero(entry):
    if entry.square:
        pytest.skip("takes symmetric matrices")
    A = matrix(entry, 80, 50)
    for view in (np.broadcast_to(A[:1], A.shape), np.broadcast_to(A[:, :1], A.shape)):
        assert 0 in view.strides
        assert same(entry.run(view.copy(), 1), entry.run(view, 1))


@every
def test_same_bits_from_either_width_of_indices(entry):
    needs(entry, "sparse")
    A = sparse_matrix(entry)
    wide = A.copy()
    wide.indices, wide.indptr = A.indices.astype(np.int64), A.indptr.astype(np.int64)
    assert wide.indices.dtype == np.int64
    mixed = A.copy()
    mixed.indptr = wide.indptr
    expected = entry.run(A, 1)
    for other in (wide, mixed, scipy.sparse.csr_matrix(A)):
        assert same(expected, entry.run(other, 1))


@every
@pytest.mark.parametrize(
    ("make", "store"),
    [
        (matrix, np.asfortranarray),
        (sparse_matrix, scipy.sparse.csc_array),
        (sparse_matrix, backwards),
        (sparse_matrix, doubled),
        (sparse_matrix, with_zeros),
    ],
    ids=["column-major", "CSC", "unsorted", "duplicates", "stored zeros"],
)
def test_other_ways_to_store_a_matrix_agree_to_rounding(entry, make, store):
    needs(entry, "dense" if make is matrix else "sparse")
    if store is with_zeros and entry.name == "MaskedNMF":
        pytest.skip("a zero that is stored is known, one that is not is missing")
    A = make(entry)
    B = store(A)
    assert abs(A - B).max() == 0
    assert apart(entry.run(A, 1), entry.run(B, 1)) <= entry.rounding


@every
def test_two_threads_at_once_get_what_each_gets_alone(entry):
    A = matrix(entry)
    alone, together = [entry.run(A, seed) for seed in (1, 2)], [None, None]

    def work(i):
        together[i] = entry.run(A, i + 1)

    workers = [threading.Thread(target=work, args=(i,)) for i in (0, 1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert same(alone[0], together[0])
    assert same(alone[1], together[1])


@every
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_after_a_parallel_region_does_not_hang(entry):
    A = matrix(entry)
    expected = entry.run(A, 4)
    child = os.fork()
    if child == 0:
        os._exit(0 if same(expected, entry.run(A, 4)) else 1)
    deadline = time.monotonic() + 60
    while (status := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    if status[0] == 0:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        pytest.fail("the child hangs")
    assert os.waitstatus_to_exitcode(status[1]) == 0


# ---- scales and types


@every
@pytest.mark.parametrize(("dtype", "exponents"), [(np.float64, (300, -300, 40)), (np.float32, (96, -96, 10))])
def test_scaling_by_powers_of_two_scales_the_answer_exactly(entry, dtype, exponents):
    A = matrix(entry, dtype=dtype)
    expected = entry.run(A, 2)
    for exponent in exponents:
        for base, scaled, power in zip(
            expected, entry.run(np.ldexp(A, exponent), 2), entry.powers, strict=True
        ):
            assert np.array_equal(np.ldexp(base, int(power * exponent)), scaled)


@pytest.mark.parametrize("exponent", [-1000, 900])
def test_extreme_powers_of_two_change_no_bit_of_the_norm(exponent):
    for seed in range(20):
        A = np.random.default_rng(seed).standard_normal((37, 53))
        one, other = (cr.svd(B, 2, tol=0.5, random_state=0).report for B in (A, np.ldexp(A, exponent)))
        assert other.norm_fro == np.ldexp(one.norm_fro, exponent)


@every
def test_so_does_scaling_a_sparse_matrix(entry):
    needs(entry, "sparse")
    A = sparse_matrix(entry)
    scaled = A.copy()
    scaled.data = np.ldexp(A.data, -300)
    for base, tiny, power in zip(entry.run(A, 2), entry.run(scaled, 2), entry.powers, strict=True):
        assert np.array_equal(np.ldexp(base, int(-300 * power)), tiny)


@every
@pytest.mark.parametrize(
    ("given", "returned"),
    [("f4", "f4"), ("f8", "f8"), ("f2", "f4"), ("i4", "f8"), ("?", "f8"), ("u1", "f8")],
)
def test_precision_in_is_precision_out(entry, given, returned):
    A = np.random.default_rng(0).integers(0, 2, (40, 30)).astype(given)
    if entry.square:
        A = np.maximum(A[:30], A[:30].T)
    if entry.domain == "definite":
        A = np.eye(30, dtype=given)
    returned = "f8" if entry.always_double else returned
    assert {str(x.dtype.str[1:]) for x in entry.run(A, 0)} <= {returned, "f8"}
    assert entry.run(A, 0)[0].dtype == np.dtype(returned)


@every
@pytest.mark.parametrize("kind", ["dense", "sparse", "unsorted"])
def test_the_input_is_never_modified(entry, kind):
    needs(entry, "dense" if kind == "dense" else "sparse")
    A = matrix(entry) if kind == "dense" else sparse_matrix(entry)
    A = backwards(A) if kind == "unsorted" else A
    parts = (A,) if kind == "dense" else (A.data, A.indices, A.indptr)
    before = [part.tobytes() for part in parts]
    entry.run(A, 0)
    assert before == [part.tobytes() for part in parts]


# ---- nasty but legal


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_matrices_at_the_edge(entry, dtype):
    rng = np.random.default_rng(0)
    thin = np.outer(rng.standard_normal(50), rng.standard_normal(50))
    square = {
        "zero": np.zeros((50, 50)),
        "identity": np.eye(50),
        "rank one": thin + thin.T if entry.square else thin,
        "one by one": np.array([[2.5]]),
        "zero row and column": np.diag(np.r_[0.0, np.arange(1.0, 40)]),
        "graded": np.diag(np.logspace(0, -14, 40)),
    }
    flat = {"one row": rng.standard_normal((1, 30)), "one column": rng.standard_normal((30, 1))}
    for name, A in (square if entry.square else square | flat).items():
        if A.shape[0] < entry.minimum[0] or A.shape[1] < entry.minimum[1]:
            continue
        if entry.name == "PCA" and np.ptp(A, axis=0).max() == 0:
            continue
        for array in entry.run(admissible(entry, A).astype(dtype), 0):
            assert np.isfinite(array).all(), name


@every
@pytest.mark.parametrize("kind", ["rows", "operator"])
def test_rows_and_operators_give_what_the_array_gives(entry, kind):
    needs(entry, kind)
    A = matrix(entry)
    other = Rows(A) if kind == "rows" else aslinearoperator(A)
    for first, second in zip(entry.run(A, 1), entry.run(other, 1), strict=True):
        if entry.certain_rank or kind == "rows":
            assert first.shape == second.shape
        else:
            assert all(a <= b <= a + 2 for a, b in zip(first.shape, second.shape, strict=True))
        assert abs(np.abs(first).max() - np.abs(second).max()) <= 2e-2 * np.abs(first).max()
