"""What functions and estimators refuse, in which words, and how they end where nobody looks for NaN."""

import contextlib
import inspect
import re
import signal

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn
from scipy.sparse.linalg import aslinearoperator

import corange as cr
from corange import estimators
from registry import ENTRIES, Rows, admissible

every = pytest.mark.parametrize("entry", ENTRIES, ids=str)
ESTIMATORS = [entry for entry in ENTRIES if entry.function in estimators.__all__]


def public(entry):
    """The function or class that an entry is about."""
    module, _, name = entry.function.rpartition(".")
    return getattr(getattr(cr, module) if module else cr, name)


# ---- malformed


def broken_csr(what):
    A = scipy.sparse.csr_array(np.eye(6))
    if what == "index too large":
        A.indices[2] = 6
    elif what == "negative index":
        A.indices[2] = -1
    elif what == "indptr decreases":
        A.indptr[3] = 1
    elif what == "indptr too long":
        A.indptr[-1] = 60
    elif what == "indptr starts late":
        A.indptr[0] = 1
    return A


@every
@pytest.mark.parametrize(
    "what", ["index too large", "negative index", "indptr decreases", "indptr too long", "indptr starts late"]
)
def test_malformed_sparse_matrices_are_refused_and_do_not_crash(entry, what):
    if "sparse" not in entry.accepts:
        pytest.skip("refuses all that are sparse")
    with pytest.raises(ValueError, match=r"malformed|index pointer"):
        entry.run(broken_csr(what), 0)


# ---- other things than matrices of numbers


def with_entry(value):
    A = np.ones((6, 6))
    A[2, 3] = A[3, 2] = value
    return A


# By kind: the matrix, the error, and what of it the message tells.
BAD = {
    "NaN": (with_entry(np.nan), ValueError, "NaN"),
    "infinity": (with_entry(np.inf), ValueError, "infini"),
    "sparse NaN": (scipy.sparse.csr_array(with_entry(np.nan)), ValueError, "NaN"),
    "complex": (np.ones((6, 6), complex), (TypeError, ValueError), "complex|Complex"),
    "masked": (np.ma.masked_array(np.ones((6, 6)), np.eye(6, dtype=bool)), TypeError, "masked array"),
    "strings": (np.full((6, 6), "1.0"), (TypeError, ValueError), "<U3|strings"),
    "objects": (np.full((6, 6), object()), (TypeError, ValueError), "object"),
    "one dimension": (np.ones(6), ValueError, r"\(6,\)|1D array"),
    "three dimensions": (np.ones((2, 3, 4)), ValueError, r"\(2, 3, 4\)|dim 3"),
    "empty": (np.ones((0, 6)), ValueError, r"\(0, 6\)"),
}

# Of these scikit-learn speaks, which names neither the argument nor the estimator.
UNNAMED = (
    "Complex data not supported",
    "arrays of bytes/strings",
    "must be a string or a real number, not 'object'",
    "Expected 2D array, got 1D array",
)


def names(entry):
    """What a message may call the matrix by."""
    argument = rf"\b{entry.argument}\b"
    return "|".join([argument, entry.function, *UNNAMED]) if entry in ESTIMATORS else argument


@every
@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_refused_by_name_and_with_what_is_bad(entry, what):
    A, error, bad = BAD[what]
    if what in entry.legal:
        entry.run(A, 0)
        return
    if scipy.sparse.issparse(A) and "sparse" not in entry.accepts:
        pytest.skip("refuses all that are sparse")
    with pytest.raises(error, match=bad) as caught:
        entry.run(A, 0)
    assert re.search(names(entry), str(caught.value))


@every
@pytest.mark.parametrize("what", ["NaN", "infinity", "sparse NaN"])
def test_all_say_in_the_same_words_where_numbers_are_not_finite(entry, what):
    A = BAD[what][0]
    if what in entry.legal or (scipy.sparse.issparse(A) and "sparse" not in entry.accepts):
        pytest.skip("legal, or refuses all that are sparse")
    with pytest.raises(ValueError, match=r"NaN|infini") as caught:
        entry.run(A, 0)
    message, name = str(caught.value), entry.argument
    if entry in ESTIMATORS and message.startswith("Input X contains"):
        pytest.skip("scikit-learn looks first")
    told = (
        f"{name} must be finite, but 2 of its entries are NaN or infinite, the first at {name}[2, 3]. Replace"
    )
    assert message.startswith(told)
    if entry.function != "downdate_svd":  # whose matrix is decomposed by another function
        assert ("check_finite=False" in message) == (
            "check_finite" in inspect.signature(public(entry)).parameters
        )


@every
@pytest.mark.parametrize("kind", ["sparse", "rows", "operator"])
def test_kinds_of_matrices_that_are_not_taken_are_refused(entry, kind):
    if kind in entry.accepts or kind in entry.legal:
        pytest.skip("taken")
    A = admissible(entry, with_entry(2.0))
    other = {"sparse": scipy.sparse.csr_array, "rows": Rows, "operator": aslinearoperator}[kind](A)
    with pytest.raises(
        (TypeError, ValueError), match=r"csr_array|Rows|Operator|an operator|entries can be seen|in memory"
    ):
        entry.run(other, 0)


# ---- nobody looks for NaN


@pytest.fixture
def no_hang():
    """Twenty seconds for what takes some hundredths of one."""

    def fail(*_):
        pytest.fail("hangs")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


AS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "csr": scipy.sparse.csr_array,
    "csc": scipy.sparse.csc_array,
    "rows": Rows,
    "operator": aslinearoperator,
}


@pytest.mark.usefixtures("no_hang")
@pytest.mark.parametrize("kind", AS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("wanted", [{"rank": 3}, {"rank": 60}, {"error": 0.3}], ids=str)
def test_an_svd_of_what_is_not_finite_breaks_down_if_nobody_looks(kind, dtype, bad, wanted):
    A = np.random.default_rng(0).standard_normal((200, 60)).astype(dtype)
    A[np.abs(A) < 1] = 0
    A[3, 4] = bad
    for B in (A, A.T):
        for tol in (1e-3, 1e-9):
            with pytest.raises(np.linalg.LinAlgError, match="NaN or infinity"):
                cr.svd(AS[kind](B), **wanted, tol=tol, random_state=0, check_finite=False)


@pytest.mark.usefixtures("no_hang")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("entry", ESTIMATORS, ids=str)
@pytest.mark.parametrize("what", ["NaN", "infinity", "sparse NaN"])
def test_estimators_end_when_scikit_learn_is_told_not_to_look(entry, what):
    refused = contextlib.suppress(ValueError)  # LinAlgError is one
    with sklearn.config_context(assume_finite=True), refused:
        entry.run(BAD[what][0], 0)


# ---- data frames


@every
@pytest.mark.parametrize("dtype", ["Float64", "Int64"])
def test_nullable_data_frames_are_taken_unless_something_is_missing(entry, dtype):
    A = np.random.default_rng(0).integers(1, 9, (12, 8)).astype(float)
    A = admissible(entry, A[:8] + A[:8].T if entry.square else A)
    frame = pd.DataFrame(A).astype(dtype)
    for first, second in zip(entry.run(A, 1), entry.run(frame, 1), strict=True):
        assert first.dtype == second.dtype
        assert np.abs(first - second).max() <= max(entry.rounding, 1e-10) * np.abs(first).max()
    frame.iloc[2, 3] = pd.NA
    if "NA" in entry.legal:
        entry.run(frame, 1)
        return
    with pytest.raises(ValueError, match="NaN") as caught:
        entry.run(frame, 1)
    assert re.search(names(entry), str(caught.value))
