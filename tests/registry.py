"""Every public function and estimator that takes a matrix, as the reliability tests see it.

A new family joins by adding its entries here: `test_reliability.py` then holds it to everything promised.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse

import corange as cr

Arrays = tuple[np.ndarray, ...]


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


def _rank(A: Any) -> int:
    """Four, or what the matrix has; bad matrices are for the function to judge."""
    shape = np.shape(A)
    return min(4, *shape) if len(shape) == 2 and 0 not in shape else 1


@dataclasses.dataclass(frozen=True)
class Entry:
    """How to call something on a matrix, and what scaling the matrix by c does to the arrays it returns.

    `run(A, seed)` returns arrays; array i is multiplied by c ** powers[i] when A is. Without `certain_rank`,
    the rank is chosen by an error, which for an operator is a bound that holds with high probability, not a
    value. `domain` is what matrices it takes: "any", "definite" (positive semidefinite) or "nonnegative".
    `rounding` is how far answers for the same matrix stored in other ways may be apart, relative to the
    largest entry: a few roundings, or the residuals at which an iteration stops.
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

    def __str__(self) -> str:
        return self.name


def _svd(A: Any, seed: int) -> Arrays:
    return tuple(cr.svd(A, _rank(A), random_state=seed))


def _svd_tight(A: Any, seed: int) -> Arrays:
    return tuple(cr.svd(A, _rank(A), tol=1e-9, random_state=seed))


def _svd_error(A: Any, seed: int) -> Arrays:
    return tuple(cr.svd(A, error=0.5, random_state=seed))


def _eigh(A: Any, seed: int) -> Arrays:
    return tuple(cr.eigh(A, _rank(A), random_state=seed))


def _qb(A: Any, seed: int) -> Arrays:
    return tuple(cr.qb(A, _rank(A), random_state=seed))


def _range_finder(A: Any, seed: int) -> Arrays:
    return (cr.range_finder(A, _rank(A), random_state=seed),)


def _estimate_norm(A: Any, seed: int) -> Arrays:
    return (np.array(float(cr.estimate_norm(A, random_state=seed))),)


def _truncated_svd(A: Any, seed: int) -> Arrays:
    model = cr.TruncatedSVD(_rank(A), random_state=seed)
    scores = model.fit_transform(A)
    return scores, model.components_, model.singular_values_


def _pca(A: Any, seed: int) -> Arrays:
    model = cr.PCA(_rank(A), random_state=seed, svd_solver="randomized")
    scores = model.fit_transform(A)
    return scores, model.components_, model.singular_values_, model.mean_


def _incremental(A: Any, seed: int) -> Arrays:
    model = cr.IncrementalSVD(_rank(A), center=True, random_state=seed).fit(A)
    return model.components_, model.singular_values_, model.mean_


def _update(change: str) -> Callable[[Any, int], Arrays]:
    """A matrix appended to an SVD in proportion to it, so that scaling the matrix scales all."""

    def run(A: Any, seed: int) -> Arrays:
        first = cr.svd(A, _rank(A), random_state=seed)
        return tuple(cr.update_svd(first, **{change: A}, random_state=seed))

    return run


def _matmul_sketch(A: Any, seed: int) -> Arrays:
    rows = np.shape(A)[0] if np.ndim(A) or hasattr(A, "shape") else 1
    B = np.random.default_rng(1).standard_normal((max(rows, 1), 3), dtype=np.float32)
    product, error = cr.matmul_sketch(A, B, 40, random_state=seed)
    return product, np.array(error)


def _nystrom(A: Any, seed: int) -> Arrays:
    return tuple(cr.nystrom(A, _rank(A), random_state=seed))


def _fastrp(A: Any, seed: int) -> Arrays:
    return (cr.FastRP(5, random_state=seed).fit_transform(A),)


def _generalized_nystrom(A: Any, seed: int) -> Arrays:
    return tuple(cr.generalized_nystrom(A, _rank(A), random_state=seed))


def _streaming_svd(A: Any, seed: int) -> Arrays:
    shape = np.shape(A) if len(np.shape(A)) == 2 else (1, 1)
    stream = cr.sketching.StreamingSVD(
        tuple(max(side, 1) for side in shape), _rank(A), dtype=_precision(A), random_state=seed
    )
    return tuple(stream.partial_fit(A).result())


def _frequent_directions(A: Any, seed: int) -> Arrays:
    sketch, bound = cr.sketching.FrequentDirections(8).partial_fit(A).result()
    return sketch, np.array(bound)


def _precision(A: Any) -> type:
    """Single precision for single and half, as the functions choose by themselves."""
    dtype = np.dtype(getattr(A, "dtype", float))
    return np.float32 if dtype.kind == "f" and dtype.itemsize <= 4 else np.float64


def _width(A: Any) -> int:
    """Four, or what the matrix has of columns."""
    shape = np.shape(A)
    return min(4, shape[1]) if len(shape) == 2 and 0 not in shape else 1


def _sketch(kind: str) -> Callable[[Any, int], Arrays]:
    return lambda A, seed: (cr.sketch(A, _width(A), kind=kind, axis=1, random_state=seed),)


def _projection(A: Any, seed: int) -> Arrays:
    return (cr.GaussianRandomProjection(_width(A), random_state=seed).fit_transform(A),)


def _sparse_projection(A: Any, seed: int) -> Arrays:
    model = cr.SparseRandomProjection(_width(A), dense_output=True, random_state=seed)
    return (model.fit_transform(A),)


def _fast_projection(A: Any, seed: int) -> Arrays:
    return (cr.FastJL(_width(A), random_state=seed).fit_transform(A),)


def _nystroem(A: Any, seed: int) -> Arrays:
    """A kernel of distances relative to the size of the data, so that scaling them changes nothing."""
    entries = np.abs(A.data if hasattr(A, "indptr") else A)
    size = float(entries.sum(dtype=np.float64)) / max(1, np.shape(A)[0])
    model = cr.Nystroem(
        "laplacian",
        gamma=1.0 / (size or 1.0),
        n_components=_rank(A),
        landmarks="rpcholesky",
        random_state=seed,
    )
    features = model.fit_transform(A)
    return features, _dense(model.components_)


def _dense(A: Any) -> np.ndarray:
    return A if isinstance(A, np.ndarray) else A.toarray()


def _targets(A: Any) -> np.ndarray:
    """Two right-hand sides; bad matrices are for the function to judge."""
    rows = (*np.shape(A), 1)[0]
    return np.cos(np.arange(2.0 * rows)).reshape(rows, 2)


def _lstsq(A: Any, seed: int) -> Arrays:
    return (cr.lstsq(A, _targets(A), random_state=seed).x,)


def _lstsq_sketch(A: Any, seed: int) -> Arrays:
    return (cr.lstsq(A, _targets(A), method="sketch", random_state=seed).x,)


def _lstsq_approximate(sketch: str) -> Callable[[Any, int], Arrays]:
    """Sketch and solve, which tall matrices can; others are for the default method."""

    def run(A: Any, seed: int) -> Arrays:
        shape = np.shape(A)
        wide = len(shape) == 2 and shape[0] < shape[1]
        options = {} if wide else {"method": "sketch-and-solve", "sketch": sketch}
        return (cr.lstsq(A, _targets(A), **options, random_state=seed).x,)

    return run


def _ridge(A: Any, seed: int) -> Arrays:
    """Without a penalty, so that x scales exactly; another one would have to be scaled too."""
    return (cr.ridge(A, _targets(A), 0.0, random_state=seed).x,)


def _ridge_regression(A: Any, seed: int) -> Arrays:
    return (cr.SketchedRidge(0.0, random_state=seed).fit(A, _targets(A)).coef_,)


def _linear_regression(A: Any, seed: int) -> Arrays:
    return (cr.SketchedLinearRegression(random_state=seed).fit(A, _targets(A)).coef_,)


def _separable(method: str) -> Callable[[Any, int], Arrays]:
    def run(A: Any, seed: int) -> Arrays:
        result = cr.separable_nmf(A, _rank(A), method=method)
        return (*result, result.columns.astype(result.H.dtype))

    return run


def _kl(A: Any, seed: int) -> Arrays:
    options = {"loss": "kullback-leibler", "tol": 0, "max_iter": 5, "init": "random", "random_state": seed}
    return (cr.nmf(A, _rank(A), **options).reconstruct(),)


def _masked(A: Any, seed: int) -> Arrays:
    if (
        isinstance(A, np.ndarray)
        and A.dtype == float
        and A.ndim == 2
        and not isinstance(A, np.ma.MaskedArray)
    ):
        A = scipy.sparse.csr_array(A)  # NaN in an array is legal here
    model = cr.MaskedNMF(_rank(A), tol=0, max_iter=5, random_state=seed).fit(A)
    return (model.row_factors_ @ model.components_,)


def _minibatch(A: Any, seed: int) -> Arrays:
    model = cr.MiniBatchNMF(_rank(A), tol=0, max_iter=2, init="random", random_state=seed)
    return (model.fit_transform(A) @ model.components_,)


def _cur(method: str, core: str) -> Callable[[Any, int], Arrays]:
    def run(A: Any, seed: int) -> Arrays:
        result = cr.cur(A, _rank(A), method=method, core=core, random_state=seed)
        return result.coefficients, result.U, result.reconstruct()

    return run


def _interpolative(axis: int | None) -> Callable[[Any, int], Arrays]:
    def run(A: Any, seed: int) -> Arrays:
        result = cr.interpolative(A, _rank(A), axis=axis, random_state=seed)
        factors = result.factors[1:] if axis is not None else (result.P, result.W)
        return (*factors, result.reconstruct())

    return run


def _cur_estimator(A: Any, seed: int) -> Arrays:
    model = cr.CUR(_width(A), random_state=seed).fit(A)
    return (model.components_,)


def _column_selector(A: Any, seed: int) -> Arrays:
    """Which columns are kept; they are handed on as they come."""
    return (cr.ColumnSelector(_width(A), random_state=seed).fit(A).get_support().astype(_precision(A)),)


def _nmf(solver: str) -> Callable[[Any, int], Arrays]:
    # Singular vectors of noise, where NNDSVD starts, are not determined by it: a rounding error moves them.
    return lambda A, seed: tuple(
        cr.nmf(A, _rank(A), solver=solver, init="random", tol=0.0, max_iter=6, random_state=seed)
    )


def _nmf_starts(A: Any, seed: int) -> Arrays:
    return tuple(cr.nmf(A, _rank(A), starts=3, init="random", tol=0.0, max_iter=4, random_state=seed))


def _nmf_estimator(A: Any, seed: int) -> Arrays:
    model = cr.NMF(_rank(A), init="random", tol=0.0, max_iter=6, random_state=seed)
    return model.fit_transform(A), model.components_


_TOL = 1e-3  # the default of what iterates in single precision
_IN_MEMORY = frozenset({"dense", "sparse"})
_ENTRIES = frozenset({"dense", "sparse", "rows"})

ENTRIES = [
    Entry("svd", _svd, (0, 1, 0), rounding=_TOL),
    Entry("svd(tol=1e-9)", _svd_tight, (0, 1, 0), rounding=1e-9),
    Entry("svd(error=0.5)", _svd_error, (0, 1, 0), certain_rank=False, rounding=_TOL),
    Entry("eigh", _eigh, (1, 0), square=True, rounding=_TOL),
    Entry("qb", _qb, (0, 1)),
    Entry("range_finder", _range_finder, (0,)),
    Entry("estimate_norm", _estimate_norm, (1,)),
    Entry("matmul_sketch", _matmul_sketch, (1, 1), accepts=frozenset({"dense", "sparse", "rows"})),
    Entry("nystrom", _nystrom, (1, 0), square=True, domain="definite"),
    Entry("generalized_nystrom", _generalized_nystrom, (0, 1, 0)),
    Entry("StreamingSVD", _streaming_svd, (0, 1, 0)),
    Entry("FrequentDirections", _frequent_directions, (1, 2), accepts=frozenset({"dense", "sparse", "rows"})),
    Entry("cur", _cur("qr", "projection"), (0, -1, 1)),
    Entry("cur(method='leverage')", _cur("leverage", "projection"), (0, -1, 1)),
    Entry("cur(method='farthest', core='cross')", _cur("farthest", "cross"), (0, -1, 1)),
    Entry("interpolative", _interpolative(1), (0, 1)),
    Entry("interpolative(axis=0)", _interpolative(0), (0, 1)),
    Entry("interpolative(axis=None)", _interpolative(None), (0, 0, 1)),
    Entry("CUR", _cur_estimator, (0,), accepts=_IN_MEMORY),
    Entry("ColumnSelector", _column_selector, (0,), accepts=_IN_MEMORY),
    Entry("lstsq", _lstsq, (-1,)),
    Entry("lstsq(method='sketch')", _lstsq_sketch, (-1,)),
    Entry("lstsq(sketch='gaussian')", _lstsq_approximate("gaussian"), (-1,)),
    Entry("lstsq(sketch='srht')", _lstsq_approximate("srht"), (-1,), accepts=_ENTRIES),
    Entry("ridge", _ridge, (-1,)),
    Entry("SketchedRidge", _ridge_regression, (-1,), accepts=_IN_MEMORY, minimum=(2, 1)),
    Entry("SketchedLinearRegression", _linear_regression, (-1,), accepts=_IN_MEMORY, minimum=(2, 1)),
    Entry("nmf", _nmf("hals"), (0.5, 0.5), accepts=_ENTRIES, domain="nonnegative"),
    Entry("nmf(solver='bpp')", _nmf("bpp"), (0.5, 0.5), accepts=_ENTRIES, domain="nonnegative"),
    Entry("nmf(solver='admm')", _nmf("admm"), (0.5, 0.5), accepts=_ENTRIES, domain="nonnegative"),
    Entry("nmf(solver='compressed')", _nmf("compressed"), (0.5, 0.5), accepts=_ENTRIES, domain="nonnegative"),
    Entry("nmf(starts=3)", _nmf_starts, (0.5, 0.5), accepts=_ENTRIES, domain="nonnegative"),
    Entry("NMF", _nmf_estimator, (0.5, 0.5), accepts=_IN_MEMORY, domain="nonnegative"),
    Entry("update_svd(rows)", _update("rows"), (0, 1, 0), rounding=_TOL),
    Entry("update_svd(columns)", _update("columns"), (0, 1, 0), accepts=_IN_MEMORY, rounding=_TOL),
    Entry("TruncatedSVD", _truncated_svd, (1, 0, 1), accepts=_IN_MEMORY, minimum=(1, 2), rounding=_TOL),
    Entry("IncrementalSVD", _incremental, (0, 1, 1), accepts=_IN_MEMORY, rounding=_TOL),
    Entry("PCA", _pca, (1, 0, 1, 1), accepts=_IN_MEMORY, minimum=(2, 1), rounding=_TOL),
    Entry("separable_nmf", _separable("spa"), (1, 0, 0), accepts=_IN_MEMORY, domain="nonnegative"),
    Entry(
        "separable_nmf(method='snpa')",
        _separable("snpa"),
        (1, 0, 0),
        accepts=_IN_MEMORY,
        domain="nonnegative",
    ),
    Entry("nmf(loss='kullback-leibler')", _kl, (1,), accepts=_IN_MEMORY, domain="nonnegative"),
    Entry("MaskedNMF", _masked, (1,), accepts=_IN_MEMORY, domain="nonnegative"),
    Entry("MiniBatchNMF", _minibatch, (1,), accepts=_IN_MEMORY, domain="nonnegative"),
    Entry("sketch(sparse-sign)", _sketch("sparse-sign"), (1,)),
    Entry("sketch(gaussian)", _sketch("gaussian"), (1,)),
    *(
        Entry(f"sketch({kind})", _sketch(kind), (1,))
        for kind in ("fastjl", "srht", "very-sparse", "countsketch", "rademacher")
    ),
    Entry("FastRP", _fastrp, (0,), square=True, accepts=_IN_MEMORY, domain="nonnegative"),
    Entry("GaussianRandomProjection", _projection, (1,), accepts=_IN_MEMORY),
    Entry("SparseRandomProjection", _sparse_projection, (1,), accepts=_IN_MEMORY),
    Entry("Nystroem", _nystroem, (0, 1), accepts=_IN_MEMORY),
    Entry("FastJL", _fast_projection, (1,), accepts=_IN_MEMORY),
]
