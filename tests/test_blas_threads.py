"""Bits do not depend on the threads of NumPy's and SciPy's BLAS either: dense algebra is that of the core."""

import ast
import functools
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from threadpoolctl import threadpool_limits

import corange as cr
from registry import ENTRIES, admissible, same

rng = np.random.default_rng(7)
# Singular values fall slowly, so that 300 columns are all needed.
A = np.ascontiguousarray(
    (rng.standard_normal((700, 640)) / np.arange(1, 641)) @ rng.standard_normal((640, 640))
)
SINGLE = A.astype(np.float32)
LOW_RANK = A[:, :200] @ A[:200]
POINTS = rng.standard_normal((600, 4))
K = A[:640] @ A[:640].T
SPARSE = scipy.sparse.random_array((700, 2000), density=0.02, rng=3, format="csr")


def _arrays(result):
    return tuple(np.asarray(x.toarray() if scipy.sparse.issparse(x) else x) for x in result)


def _result(result):
    """Factors, and all that is made of them."""
    return (
        *_arrays(result),
        result.reconstruct(),
        result @ np.ones((result.shape[1], 3)),
        result @ np.ones(result.shape[1]),
    )


def cur(core):
    return lambda: _result(cr.cur(A, 300, core=core, random_state=0))


def cur_sparse():
    return _result(cr.cur(SPARSE, 300, random_state=0))


def cur_dependent():
    """Of low rank: pseudo-inverses."""
    return _result(cr.cur(LOW_RANK, 260, random_state=0))


def interpolative(axis):
    return lambda: _result(cr.interpolative(A, 300, axis=axis, random_state=0))


def nystrom():
    return _result(cr.nystrom(K, 300, random_state=0))


def landmarks(how):
    def run():
        result = cr.nystrom(K, 300, landmarks=how, random_state=0)
        return (*_result(result), *result.eigh(), result.project(K[:5, result.landmarks]))

    return run


def landmarks_dependent():
    """Pivots that may be rounding are looked at once more."""
    return _result(
        cr.nystrom(cr.KernelMatrix(POINTS[:, :1], gamma=0.1), 300, landmarks="rpcholesky", random_state=0)
    )


def generalized_nystrom():
    return _result(cr.generalized_nystrom(A, 300, random_state=0))


def streaming_svd():
    return _arrays(cr.sketching.StreamingSVD(A.shape, 120, random_state=0).partial_fit(A).result())


def frequent_directions():
    return _arrays(cr.sketching.FrequentDirections(150).partial_fit(A).result())


def cur_index():
    index = cr.CURIndex(A, 300, random_state=0)
    return index.items, index.predict(np.ones(index.anchors.size))


def cur_index_low_rank():
    """The number of directions is found by probes."""
    index = cr.CURIndex(LOW_RANK, 300, random_state=0)
    return index.items, np.array(index.rank)


@functools.cache
def svd(rank=300):
    return cr.svd(A, rank, random_state=0)


def update_svd(method, change):
    def run():
        first = svd(100)
        if change == "lowrank":
            second = cr.update_svd(first, lowrank=(A[:, :90], A.T[:, :90]), method=method, random_state=1)
        else:
            rows = SPARSE[:, :640] if change == "sparse" else A[:250]
            second = cr.update_svd(first, rows=rows, method=method, random_state=1)
        return (*_arrays(second), second.reconstruct(rows=slice(40)), second.left_vectors(slice(3)))

    return run


def update_svd_large():
    second = cr.update_svd(svd(), rows=SPARSE[:60, :640])
    return _arrays(cr.update_svd(second, rows=SPARSE[60:90, :640]))


def downdate_svd(count):
    return lambda: _arrays(cr.downdate_svd(svd(), rows=np.arange(count)))


def incremental_svd(X, **options):
    def run():
        model = cr.IncrementalSVD(100, random_state=0, **options)
        for start in range(0, X.shape[0], 250):
            model.partial_fit(X[start : start + 250])
        return model.components_, model.singular_values_, model.explained_variance_, model.transform(X)

    return run


def wide_incremental_svd():
    """Means of many features."""
    X = scipy.sparse.random_array((300, 12000), density=0.004, rng=4, format="csr")
    return incremental_svd(X, center=True)()


def projection(kind, X, **options):
    def run():
        model = getattr(cr, kind)(300, random_state=0, **options).fit(X)
        rows = np.asarray(model.transform(X[:200]).astype(X.dtype))
        return model.inverse_transform(rows), model.set_params(compute_inverse_components=True).fit(
            X
        ).inverse_components_

    return run


def nystroem(kernel, how):
    def run():
        model = cr.Nystroem(kernel, n_components=300, landmarks=how, random_state=0)
        return model.fit_transform(POINTS), model.normalization_

    return run


def sketch_leverage():
    return (cr.sketch(A, 300, axis=0, kind="leverage", random_state=0),)


def lstsq(method):
    return lambda: (cr.lstsq(A, A[:, :70] + 1.0, method=method, random_state=0).x,)


def regression():
    model = cr.SketchedLinearRegression(random_state=0).fit(A, A[:, :200] ** 2)
    return model.coef_, model.intercept_, model.predict(A)


def nmf(solver):
    return lambda: _result(cr.nmf(np.abs(A), 80, solver=solver, max_iter=3, tol=0.0, random_state=0))


def nmf_kl():
    """Components that die are started again."""
    return _result(
        cr.nmf(np.abs(A), 60, loss="kullback-leibler", solver="mu", max_iter=12, tol=0.0, random_state=0)
    )


def separable(method):
    return lambda: _result(cr.separable_nmf(np.abs(A[:, :250]), 110, method=method))


def pca():
    model = cr.PCA(300, random_state=0).fit(A)
    return (
        model.score_samples(A),
        model.get_covariance(),
        model.get_precision(),
        model.inverse_transform(model.transform(A)),
    )


LARGE = {
    "cur": cur("projection"),
    "cur, cross": cur("cross"),
    "cur, sparse": cur_sparse,
    "cur, dependent": cur_dependent,
    "interpolative": interpolative(1),
    "interpolative, both": interpolative(None),
    "nystrom": nystrom,
    "nystrom, rpcholesky": landmarks("rpcholesky"),
    "nystrom, leverage": landmarks("leverage"),
    "nystrom, dependent": landmarks_dependent,
    "generalized_nystrom": generalized_nystrom,
    "StreamingSVD": streaming_svd,
    "FrequentDirections": frequent_directions,
    "CURIndex": cur_index,
    "CURIndex, low rank": cur_index_low_rank,
    "svd": lambda: _result(svd.__wrapped__()),
    "update_svd, exact": update_svd("auto", "dense"),
    "update_svd, sparse": update_svd("auto", "sparse"),
    "update_svd, zha-simon": update_svd("zha-simon", "dense"),
    "update_svd, vecharynski-saad": update_svd("vecharynski-saad", "dense"),
    "update_svd, lowrank": update_svd("auto", "lowrank"),
    "update_svd, rank 300": update_svd_large,
    "downdate_svd, few": downdate_svd(20),
    "downdate_svd, many": downdate_svd(400),
    "IncrementalSVD": incremental_svd(A),
    "IncrementalSVD, left": incremental_svd(SPARSE, keep_left=True),
    "IncrementalSVD, wide": wide_incremental_svd,
    "GaussianRandomProjection": projection("GaussianRandomProjection", A),
    "GaussianRandomProjection, single": projection("GaussianRandomProjection", SINGLE),
    "SparseRandomProjection": projection("SparseRandomProjection", A, density=0.1),
    "Nystroem": nystroem("rbf", "uniform"),
    "Nystroem, kmeans": nystroem("rbf", "kmeans"),
    "Nystroem, rpcholesky": nystroem("laplacian", "rpcholesky"),
    "sketch, leverage": sketch_leverage,
    "lstsq": lstsq("auto"),
    "lstsq, sketch": lstsq("sketch"),
    "SketchedLinearRegression": regression,
    "nmf": nmf("hals"),
    "nmf, bpp": nmf("bpp"),
    "nmf, kl": nmf_kl,
    "separable_nmf": separable("spa"),
    "separable_nmf, snpa": separable("snpa"),
    "PCA": pca,
}


def on_one_thread_and_more(run):
    results = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            results.append(run())
    return results


@pytest.mark.parametrize("run", LARGE.values(), ids=LARGE.keys())
def test_same_bits_where_blas_would_share_the_work(run):
    assert same(*on_one_thread_and_more(run))


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_same_bits_of_every_function(entry):
    given = K[:200, :200] if entry.square else A[:300, :200]
    X = np.ascontiguousarray(admissible(entry, given))
    assert same(*on_one_thread_and_more(lambda: entry.run(X, 11)))


PACKAGE = Path(cr.__file__).parent
# Where ``@`` multiplies with a sparse matrix, which SciPy does without BLAS, or with a sketch.
SPARSE_PRODUCTS = {
    "_nmf/_divergence.py",
    "_products.py",
    "_results/_base.py",
    "_rows.py",
    "_updating/_blocks.py",
    "_updating/_changed.py",
    "_updating/_residual.py",
    "estimators/_random_projection.py",
    "sketching/_mixed.py",
    "sketching/_sampling.py",
}
BLAS = ("np.linalg.", "scipy.linalg", "np.dot", "np.inner", "np.matmul", "np.tensordot", "np.vdot")


def calls_blas(node, name):
    """Products, factorizations and norms of NumPy and SciPy; norms along an axis are plain sums."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return name not in SPARSE_PRODUCTS
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "np.linalg.norm":
        return not any(keyword.arg == "axis" for keyword in node.keywords)
    if isinstance(node, ast.Import | ast.ImportFrom):
        return "scipy.linalg" in ast.unparse(node)
    dotted = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
    return dotted.startswith(BLAS) and dotted not in ("np.linalg.LinAlgError", "np.linalg.norm")


def test_nothing_calls_blas():
    """But what checks results of others, and the demonstration that compares with them."""
    files = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
    found = [
        f"{name}:{node.lineno}"
        for name, path in files.items()
        if name not in ("testing.py", "_cli/demo.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if calls_blas(node, name)
    ]
    assert not found
