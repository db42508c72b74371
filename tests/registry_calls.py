"""How the reliability tests call each public function and estimator on a matrix; `registry.py` is the table.

A call takes a matrix and a seed and returns arrays. What it needs besides the matrix it makes of its shape,
or of the matrix itself if that is legal: bad matrices are for the function under test to judge.
"""

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse

import corange as cr

Arrays = tuple[np.ndarray, ...]


def _rank(A: Any) -> int:
    """Four, or what the matrix has; bad matrices are for the function to judge."""
    shape = np.shape(A)
    return min(4, *shape) if len(shape) == 2 and 0 not in shape else 1


def svd(A: Any, seed: int) -> Arrays:
    return tuple(cr.svd(A, _rank(A), random_state=seed))


def svd_tight(A: Any, seed: int) -> Arrays:
    return tuple(cr.svd(A, _rank(A), tol=1e-9, random_state=seed))


def svd_error(A: Any, seed: int) -> Arrays:
    return tuple(cr.svd(A, error=0.5, random_state=seed))


def eigh(A: Any, seed: int) -> Arrays:
    return tuple(cr.eigh(A, _rank(A), random_state=seed))


def qb(A: Any, seed: int) -> Arrays:
    return tuple(cr.qb(A, _rank(A), random_state=seed))


def range_finder(A: Any, seed: int) -> Arrays:
    return (cr.range_finder(A, _rank(A), random_state=seed),)


def estimate_norm(A: Any, seed: int) -> Arrays:
    return (np.array(float(cr.estimate_norm(A, random_state=seed))),)


def estimate_error(A: Any, seed: int) -> Arrays:
    factors = _computed(A, lambda B: cr.qb(B, _rank(B), random_state=0))
    return (np.array(cr.estimate_error(A, factors, relative=False, random_state=seed)[:3]),)


def truncated_svd(A: Any, seed: int) -> Arrays:
    model = cr.TruncatedSVD(_rank(A), random_state=seed)
    scores = model.fit_transform(A)
    return scores, model.components_, model.singular_values_


def pca(A: Any, seed: int) -> Arrays:
    model = cr.PCA(_rank(A), random_state=seed, svd_solver="randomized")
    scores = model.fit_transform(A)
    return scores, model.components_, model.singular_values_, model.mean_


def incremental(A: Any, seed: int) -> Arrays:
    model = cr.IncrementalSVD(_rank(A), center=True, random_state=seed).fit(A)
    return model.components_, model.singular_values_, model.mean_


def update(change: str) -> Callable[[Any, int], Arrays]:
    """A matrix appended to an SVD in proportion to it, so that scaling the matrix scales all."""

    def run(A: Any, seed: int) -> Arrays:
        first = _computed(A, lambda B: cr.svd(B, _rank(B), random_state=seed))
        return tuple(cr.update_svd(first, **{change: A}, random_state=seed))

    return run


def downdate_svd(A: Any, seed: int) -> Arrays:
    """The SVD without the first row: what is removed is known by its place alone."""
    return tuple(cr.downdate_svd(cr.svd(A, _rank(A), random_state=seed), rows=[0]))


def matmul_sketch(A: Any, seed: int) -> Arrays:
    rows = np.shape(A)[0] if np.ndim(A) or hasattr(A, "shape") else 1
    B = np.random.default_rng(1).standard_normal((max(rows, 1), 3), dtype=np.float32)
    product, error = cr.matmul_sketch(A, B, 40, random_state=seed)
    return product, np.array(error)


def nystrom(A: Any, seed: int) -> Arrays:
    return tuple(cr.nystrom(A, _rank(A), random_state=seed))


def fastrp(A: Any, seed: int) -> Arrays:
    return (cr.FastRP(5, random_state=seed).fit_transform(A),)


def generalized_nystrom(A: Any, seed: int) -> Arrays:
    return tuple(cr.generalized_nystrom(A, _rank(A), random_state=seed))


def streaming_svd(A: Any, seed: int) -> Arrays:
    shape = np.shape(A) if len(np.shape(A)) == 2 else (1, 1)
    stream = cr.sketching.StreamingSVD(
        tuple(max(side, 1) for side in shape), _rank(A), dtype=_precision(A), random_state=seed
    )
    return tuple(stream.partial_fit(A).result())


def frequent_directions(A: Any, seed: int) -> Arrays:
    sketch, bound = cr.sketching.FrequentDirections(8).partial_fit(A).result()
    return sketch, np.array(bound)


def coordinated_sample(A: Any, seed: int) -> Arrays:
    sample = cr.sketching.CoordinatedSample(A, 8, random_state=seed)
    return _dense(sample.values), sample.norms, sample.probabilities


def _precision(A: Any) -> type:
    """Single precision for single and half, as the functions choose by themselves."""
    dtype = np.dtype(getattr(A, "dtype", float))
    return np.float32 if dtype.kind == "f" and dtype.itemsize <= 4 else np.float64


def _width(A: Any) -> int:
    """Four, or what the matrix has of columns."""
    shape = np.shape(A)
    return min(4, shape[1]) if len(shape) == 2 and 0 not in shape else 1


def sketch(kind: str, axis: int = 1) -> Callable[[Any, int], Arrays]:
    def run(A: Any, seed: int) -> Arrays:
        size = _width(A) if axis else _rank(A)
        return (cr.sketch(A, size, kind=kind, axis=axis, random_state=seed),)

    return run


def sketch_operator(name: str) -> Callable[[Any, int], Arrays]:
    """An operator of `corange.sketching` that compresses the rows."""

    def run(A: Any, seed: int) -> Arrays:
        size, rows = _rank(A), max(1, (*np.shape(A), 1)[0])
        options = {"nnz": min(4, size)} if name == "SparseSign" else {}
        return (getattr(cr.sketching, name)(size, rows, **options, random_state=seed) @ A,)

    return run


def fwht(A: Any, seed: int) -> Arrays:
    """The transform of a power of two of leading columns."""
    if isinstance(A, np.ndarray) and A.ndim == 2 and A.shape[1]:
        A = A[:, : 1 << (A.shape[1].bit_length() - 1)]
    return (cr.fwht(A),)


def projection(A: Any, seed: int) -> Arrays:
    return (cr.GaussianRandomProjection(_width(A), random_state=seed).fit_transform(A),)


def sparse_projection(A: Any, seed: int) -> Arrays:
    model = cr.SparseRandomProjection(_width(A), dense_output=True, random_state=seed)
    return (model.fit_transform(A),)


def fast_projection(A: Any, seed: int) -> Arrays:
    return (cr.FastJL(_width(A), random_state=seed).fit_transform(A),)


def _gamma(A: Any) -> float:
    """Makes a kernel of distances relative to the size of the data, so that scaling them changes nothing."""
    entries = np.asarray(A.data if hasattr(A, "indptr") else A)
    with contextlib.suppress(TypeError, ValueError):  # numbers of a data frame may be objects
        entries = entries.astype(float) if entries.dtype.kind == "O" else entries
    if entries.dtype.kind not in "biuf":
        return 1.0
    size = float(np.abs(entries).sum(dtype=np.float64)) / max(1, np.shape(A)[0])
    return 1.0 / size if 0.0 < size < np.inf else 1.0


def nystroem(A: Any, seed: int) -> Arrays:
    options = {"gamma": _gamma(A), "landmarks": "rpcholesky", "random_state": seed}
    model = cr.Nystroem("laplacian", n_components=_rank(A), **options)
    features = model.fit_transform(A)
    return features, _dense(model.components_)


def kernel_matrix(A: Any, seed: int) -> Arrays:
    K = cr.KernelMatrix(A, "laplacian", gamma=_gamma(A))
    return K @ _targets(A), K.columns([0])


def _computed(A: Any, compute: Callable[[Any], Any]) -> Any:
    """What is computed from the matrix; from zeros of its shape where that is refused."""
    with contextlib.suppress(TypeError, ValueError):
        return compute(A)
    return compute(np.zeros([max(1, side) for side in (*np.shape(A), 1, 1)[:2]]))


def _dense(A: Any) -> np.ndarray:
    return A if isinstance(A, np.ndarray) else A.toarray()


def _targets(A: Any) -> np.ndarray:
    """Two right-hand sides; bad matrices are for the function to judge."""
    rows = (*np.shape(A), 1)[0]
    return np.cos(np.arange(2.0 * rows)).reshape(rows, 2)


def lstsq(A: Any, seed: int) -> Arrays:
    return (cr.lstsq(A, _targets(A), random_state=seed).x,)


def lstsq_sketch(A: Any, seed: int) -> Arrays:
    return (cr.lstsq(A, _targets(A), method="sketch", random_state=seed).x,)


def lstsq_approximate(sketch: str) -> Callable[[Any, int], Arrays]:
    """Sketch and solve, which tall matrices can; others are for the default method."""

    def run(A: Any, seed: int) -> Arrays:
        shape = np.shape(A)
        wide = len(shape) == 2 and shape[0] < shape[1]
        options = {} if wide else {"method": "sketch-and-solve", "sketch": sketch}
        return (cr.lstsq(A, _targets(A), **options, random_state=seed).x,)

    return run


def ridge(A: Any, seed: int) -> Arrays:
    """Without a penalty, so that x scales exactly; another one would have to be scaled too."""
    return (cr.ridge(A, _targets(A), 0.0, random_state=seed).x,)


def ridge_regression(A: Any, seed: int) -> Arrays:
    return (cr.SketchedRidge(0.0, random_state=seed).fit(A, _targets(A)).coef_,)


def linear_regression(A: Any, seed: int) -> Arrays:
    return (cr.SketchedLinearRegression(random_state=seed).fit(A, _targets(A)).coef_,)


def separable(method: str) -> Callable[[Any, int], Arrays]:
    def run(A: Any, seed: int) -> Arrays:
        result = cr.separable_nmf(A, _rank(A), method=method)
        return (*result, result.columns.astype(result.H.dtype))

    return run


def separable_estimator(A: Any, seed: int) -> Arrays:
    model = cr.SeparableNMF(_rank(A))
    return model.fit_transform(A), model.components_


def kl(A: Any, seed: int) -> Arrays:
    options = {"loss": "kullback-leibler", "tol": 0, "max_iter": 5, "init": "random", "random_state": seed}
    return (cr.nmf(A, _rank(A), **options).reconstruct(),)


def masked(A: Any, seed: int) -> Arrays:
    if (
        isinstance(A, np.ndarray)
        and A.dtype == float
        and A.ndim == 2
        and not isinstance(A, np.ma.MaskedArray)
    ):
        A = scipy.sparse.csr_array(A)  # NaN in an array is legal here
    model = cr.MaskedNMF(_rank(A), tol=0, max_iter=5, random_state=seed).fit(A)
    return (model.row_factors_ @ model.components_,)


def minibatch(A: Any, seed: int) -> Arrays:
    model = cr.MiniBatchNMF(_rank(A), tol=0, max_iter=2, init="random", random_state=seed)
    return (model.fit_transform(A) @ model.components_,)


def cur(method: str, core: str) -> Callable[[Any, int], Arrays]:
    def run(A: Any, seed: int) -> Arrays:
        result = cr.cur(A, _rank(A), method=method, core=core, random_state=seed)
        return result.coefficients, result.U, result.reconstruct()

    return run


def interpolative(axis: int | None) -> Callable[[Any, int], Arrays]:
    def run(A: Any, seed: int) -> Arrays:
        result = cr.interpolative(A, _rank(A), axis=axis, random_state=seed)
        factors = result.factors[1:] if axis is not None else (result.P, result.W)
        return (*factors, result.reconstruct())

    return run


def select(axis: int, method: str) -> Callable[[Any, int], Arrays]:
    """Which are chosen."""

    def run(A: Any, seed: int) -> Arrays:
        choose = cr.select_columns if axis == 1 else cr.select_rows
        return (choose(A, _rank(A), method=method, random_state=seed).astype(_precision(A)),)

    return run


def cur_index(A: Any, seed: int) -> Arrays:
    index = cr.CURIndex(A, _width(A), random_state=seed)
    return index.items, index.predict(np.ones(index.anchors.size))


def cur_estimator(A: Any, seed: int) -> Arrays:
    model = cr.CUR(_width(A), random_state=seed).fit(A)
    return (model.components_,)


def column_selector(A: Any, seed: int) -> Arrays:
    """Which columns are kept; they are handed on as they come."""
    return (cr.ColumnSelector(_width(A), random_state=seed).fit(A).get_support().astype(_precision(A)),)


def nmf(solver: str) -> Callable[[Any, int], Arrays]:
    # Singular vectors of noise, where NNDSVD starts, are not determined by it: a rounding error moves them.
    return lambda A, seed: tuple(
        cr.nmf(A, _rank(A), solver=solver, init="random", tol=0.0, max_iter=6, random_state=seed)
    )


def nmf_starts(A: Any, seed: int) -> Arrays:
    return tuple(cr.nmf(A, _rank(A), starts=3, init="random", tol=0.0, max_iter=4, random_state=seed))


def nmf_estimator(A: Any, seed: int) -> Arrays:
    model = cr.NMF(_rank(A), init="random", tol=0.0, max_iter=6, random_state=seed)
    return model.fit_transform(A), model.components_
