"""Every public function and estimator that takes a matrix, as the reliability tests see it.

A new family joins by adding its entries here: `test_reliability.py` then holds it to everything promised.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse

import registry_calls as calls
from registry_calls import Arrays


def admissible(entry: "Entry", A: Any) -> Any:
    """A, or a matrix much like it in the domain of the entry: diagonally dominant, or nonnegative."""
    if entry.domain == "definite":
        dominant = np.abs(A).sum(axis=1)
        return A + (scipy.sparse.diags_array(dominant) if scipy.sparse.issparse(A) else np.diag(dominant))
    return abs(A) if entry.domain == "nonnegative" else A


def same(first: Arrays, second: Arrays) -> bool:
    """Whether types, shapes and bits agree."""
    pairs = list(zip(first, second, strict=True))
    return all(a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b) for a, b in pairs)


class Rows:
    """Rows that are read when asked for, and nothing else."""

    def __init__(self, A: Any) -> None:
        self._A, self.shape, self.dtype = A, A.shape, A.dtype

    def __getitem__(self, key: Any) -> Any:
        return self._A[key]


@dataclasses.dataclass(frozen=True)
class Entry:
    """How to call something on a matrix, and what scaling the matrix by c does to the arrays it returns.

    `name` is the public one, as seen from `corange`, with what tells entries of one function apart in
    brackets. `run(A, seed)` returns arrays; array i is multiplied by c ** powers[i] when A is. Without
    `certain_rank`, the rank is chosen by an error, which for an operator is a bound that holds with high
    probability, not a value. `accepts` are kinds of matrices that are taken; others are refused. `domain` is
    what matrices may hold: "any", "definite" (positive semidefinite) or "nonnegative". `rounding` is how far
    answers for the same matrix stored in other ways may be apart, relative to the largest entry: a few
    roundings, or the residuals at which an iteration stops. `argument` is what messages call the matrix, and
    `legal` what is fine here and bad for others. With `always_double` answers are in double precision
    whatever comes in.
    """

    name: str
    run: Callable[[Any, int], Arrays]
    powers: tuple[float, ...]
    square: bool = False
    accepts: frozenset[str] = frozenset({"dense", "sparse", "operator", "rows"})
    minimum: tuple[int, int] = (1, 1)
    certain_rank: bool = True
    domain: str = "any"
    rounding: float = 1e-11
    argument: str = "A"
    legal: frozenset[str] = frozenset()
    always_double: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def function(self) -> str:
        """Name without brackets."""
        return self.name.partition("(")[0]


_TOL = 1e-3  # the default of what iterates in single precision
_DENSE = frozenset({"dense"})
_IN_MEMORY = frozenset({"dense", "sparse"})
_ENTRIES = frozenset({"dense", "sparse", "rows"})

_estimator = partial(Entry, argument="X", accepts=_IN_MEMORY)
_nmf = partial(Entry, argument="X", accepts=_ENTRIES, domain="nonnegative")
_nonnegative = partial(Entry, argument="X", accepts=_IN_MEMORY, domain="nonnegative")


def _sketch(kind: str) -> Entry:
    return Entry(f"sketch({kind})", calls.sketch(kind), (1,))


def _operator(name: str) -> Entry:
    """Of `corange.sketching`: vectors are fine too, and products with operators are operators."""
    legal = frozenset({"one dimension", "operator"})
    return Entry(f"sketching.{name}", calls.sketch_operator(name), (1,), accepts=_ENTRIES, legal=legal)


ENTRIES = [
    Entry("svd", calls.svd, (0, 1, 0), rounding=_TOL),
    Entry("svd(tol=1e-9)", calls.svd_tight, (0, 1, 0), rounding=1e-9),
    Entry("svd(error=0.5)", calls.svd_error, (0, 1, 0), certain_rank=False, rounding=_TOL),
    Entry("eigh", calls.eigh, (1, 0), square=True, rounding=_TOL),
    Entry("qb", calls.qb, (0, 1)),
    Entry("range_finder", calls.range_finder, (0,)),
    Entry("estimate_norm", calls.estimate_norm, (1,), always_double=True),
    Entry("estimate_error", calls.estimate_error, (1,), always_double=True),
    Entry("matmul_sketch", calls.matmul_sketch, (1, 1), accepts=_ENTRIES),
    Entry("nystrom", calls.nystrom, (1, 0), square=True, domain="definite", argument="K"),
    Entry("generalized_nystrom", calls.generalized_nystrom, (0, 1, 0)),
    Entry("KernelMatrix", calls.kernel_matrix, (0, 0), accepts=_DENSE, argument="points"),
    Entry("sketching.StreamingSVD", calls.streaming_svd, (0, 1, 0), argument="X"),
    Entry("sketching.FrequentDirections", calls.frequent_directions, (1, 2), argument="X", accepts=_ENTRIES),
    Entry("sketching.CoordinatedSample", calls.coordinated_sample, (1, 1, 0), accepts=_ENTRIES),
    Entry("cur", calls.cur("qr", "projection"), (0, -1, 1)),
    Entry("cur(method='leverage')", calls.cur("leverage", "projection"), (0, -1, 1)),
    Entry("cur(method='farthest', core='cross')", calls.cur("farthest", "cross"), (0, -1, 1)),
    Entry("interpolative", calls.interpolative(1), (0, 1)),
    Entry("interpolative(axis=0)", calls.interpolative(0), (0, 1)),
    Entry("interpolative(axis=None)", calls.interpolative(None), (0, 0, 1)),
    Entry("select_columns", calls.select(1, "qr"), (0,)),
    Entry("select_columns(method='lu')", calls.select(1, "lu"), (0,)),
    Entry(
        "select_columns(method='squared-length')", calls.select(1, "squared-length"), (0,), accepts=_ENTRIES
    ),
    Entry("select_rows", calls.select(0, "qr"), (0,)),
    Entry("select_rows(method='qdeim')", calls.select(0, "qdeim"), (0,)),
    Entry("CURIndex", calls.cur_index, (0, 0), argument="scores"),
    _estimator("CUR", calls.cur_estimator, (0,)),
    _estimator("ColumnSelector", calls.column_selector, (0,)),
    Entry("lstsq", calls.lstsq, (-1,)),
    Entry("lstsq(method='sketch')", calls.lstsq_sketch, (-1,)),
    Entry("lstsq(sketch='gaussian')", calls.lstsq_approximate("gaussian"), (-1,)),
    Entry("lstsq(sketch='srht')", calls.lstsq_approximate("srht"), (-1,), accepts=_ENTRIES),
    Entry("ridge", calls.ridge, (-1,)),
    _estimator("SketchedRidge", calls.ridge_regression, (-1,), minimum=(2, 1)),
    _estimator("SketchedLinearRegression", calls.linear_regression, (-1,), minimum=(2, 1)),
    _nmf("nmf", calls.nmf("hals"), (0.5, 0.5)),
    _nmf("nmf(solver='bpp')", calls.nmf("bpp"), (0.5, 0.5)),
    _nmf("nmf(solver='admm')", calls.nmf("admm"), (0.5, 0.5)),
    _nmf("nmf(solver='compressed')", calls.nmf("compressed"), (0.5, 0.5)),
    _nmf("nmf(starts=3)", calls.nmf_starts, (0.5, 0.5)),
    # what is read by rows has a solver of its own
    _nonnegative("nmf(loss='kullback-leibler')", calls.kl, (1,), legal=frozenset({"rows"})),
    _nmf("NMF", calls.nmf_estimator, (0.5, 0.5)),
    _nonnegative("separable_nmf", calls.separable("spa"), (1, 0, 0)),
    _nonnegative("separable_nmf(method='snpa')", calls.separable("snpa"), (1, 0, 0)),
    _nonnegative("SeparableNMF", calls.separable_estimator, (0, 1)),
    _nonnegative("MaskedNMF", calls.masked, (1,), legal=frozenset({"NA"})),
    _nonnegative("MiniBatchNMF", calls.minibatch, (1,)),
    Entry("update_svd(rows)", calls.update("rows"), (0, 1, 0), rounding=_TOL, argument="rows"),
    Entry(
        "update_svd(columns)",
        calls.update("columns"),
        (0, 1, 0),
        accepts=_IN_MEMORY,
        rounding=_TOL,
        argument="columns",
    ),
    Entry("downdate_svd", calls.downdate_svd, (0, 1, 0), minimum=(2, 1), rounding=_TOL),
    Entry("TruncatedSVD", calls.truncated_svd, (1, 0, 1), argument="X", minimum=(1, 2), rounding=_TOL),
    _estimator("IncrementalSVD", calls.incremental, (0, 1, 1), rounding=_TOL),
    Entry("PCA", calls.pca, (1, 0, 1, 1), argument="X", minimum=(2, 1), rounding=_TOL),
    *map(_sketch, ("sparse-sign", "gaussian", "rademacher", "countsketch", "very-sparse")),
    *map(_sketch, ("fastjl", "srht", "srft", "uniform")),
    Entry("sketch(squared-length)", calls.sketch("squared-length"), (1,), accepts=_IN_MEMORY),
    Entry("sketch(leverage)", calls.sketch("leverage", axis=0), (1,), accepts=_IN_MEMORY),
    *map(_operator, ("SparseSign", "CountSketch", "Gaussian", "Rademacher", "VerySparse")),
    *map(_operator, ("FastJL", "SRHT", "SRFT", "RowSampling")),
    Entry(
        "fwht",
        calls.fwht,
        (1,),
        accepts=_DENSE,
        argument="X",
        legal=frozenset({"NaN", "infinity", "NA", "three dimensions", "empty"}),
    ),
    _estimator("FastRP", calls.fastrp, (0,), square=True, domain="nonnegative"),
    _estimator("GaussianRandomProjection", calls.projection, (1,)),
    _estimator("SparseRandomProjection", calls.sparse_projection, (1,)),
    _estimator("FastJL", calls.fast_projection, (1,)),
    _estimator("Nystroem", calls.nystroem, (0, 1)),
]

_RESULT = "what another function returns"
_MEASURED = "a part of a report"
_DRAWING = "draws results"

# Public names that no entry is about, and why.
EXCUSED = {
    **dict.fromkeys(("Drift", "Iteration", "LstsqIteration", "NMFIteration"), _MEASURED),
    **dict.fromkeys(("Report", "LstsqReport", "NMFReport", "UpdateReport", "Estimate"), _RESULT),
    **dict.fromkeys(("CURResult", "EighResult", "IDResult", "LstsqResult", "NMFResult"), _RESULT),
    **dict.fromkeys(("NystromResult", "ProductResult", "QBResult", "SVDResult"), _RESULT),
    **dict.fromkeys(("SeparableNMFResult", "TwoSidedIDResult", "UpdatedSVD"), _RESULT),
    "sketching.Directions": _RESULT,
    "sketching.Sketch": "the base of the sketch operators",
    "ConvergenceWarning": "a warning",
    "johnson_lindenstrauss_min_dim": "takes numbers, no matrix",
    "load": "reads a file",
    "show_config": "takes nothing",
    "datasets.TextData": _RESULT,
    "datasets.python_sources": "makes a matrix of files",
    **dict.fromkeys(("plotting.ConvergenceDisplay", "plotting.ResidualDisplay"), _DRAWING),
    **dict.fromkeys(("plotting.ScreeDisplay", "plotting.SelectionDisplay"), _DRAWING),
    "testing.matrix_with_spectrum": "makes a matrix",
    **dict.fromkeys(("testing.assert_orthonormal", "testing.assert_svd_valid"), "an assertion"),
}
