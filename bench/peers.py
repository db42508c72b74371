"""Every contender for the truncated SVD, corange among them, as ``function(A, rank, seed, ...)``.

Settings follow what is fastest for the peer, checked on the matrices of this benchmark; where two
settings race, the tuning step tries both (``bench.tuning``).
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
from scipy.sparse.linalg import LinearOperator, aslinearoperator, svds

from bench.answers import SVDAnswer, descending


def available(module: str) -> bool:
    """Whether an optional peer is installed."""
    with contextlib.suppress(ImportError, ValueError):
        return importlib.util.find_spec(module) is not None
    return False


def corange(A: Any, rank: int, seed: int, **settings: Any) -> SVDAnswer:
    """``corange.svd``; its report gives passes and products."""
    import corange as cr

    result = cr.svd(A, rank, random_state=seed, **settings)
    report = result.report
    # The basis is found in single precision where the tolerance allows; the images of the final right
    # vectors are always computed in the precision of the matrix.
    lowered = "float32" in report.method and result.s.dtype == np.float64
    single = report.products - result.rank if lowered else 0
    facts = (report.products, report.passes, report.max_basis, single, report.method)
    return SVDAnswer(result.U, result.s, result.Vt, *facts)


def scipy_svds(A: Any, rank: int, seed: int, solver: str, tol: float, **settings: Any) -> SVDAnswer:
    """``scipy.sparse.linalg.svds`` with its ``arpack``, ``propack`` or ``lobpcg`` solver."""
    rng = np.random.default_rng(seed)
    return descending(*svds(A, k=rank, solver=solver, tol=tol, rng=rng, **settings))


def primme(A: Any, rank: int, seed: int, tol: float, **settings: Any) -> SVDAnswer:
    """``primme.svds``; chooses its own start, so the seed changes nothing."""
    import primme as package

    u, s, vt, stats = package.svds(A, rank, tol=tol, return_stats=True, **settings)
    return SVDAnswer(u, s, vt, products=int(stats["numMatvecs"]))


def randomized_svd(A: Any, rank: int, seed: int, **settings: Any) -> SVDAnswer:
    """``sklearn.utils.extmath.randomized_svd``, by default with its own defaults."""
    from sklearn.utils.extmath import randomized_svd as function

    u, s, vt = function(A, rank, random_state=seed, **settings)
    # its default: 7 power iterations below a tenth of the small side, 4 above
    automatic = 7 if rank < 0.1 * min(A.shape) else 4
    iterations = settings.get("n_iter", automatic)
    width = rank + settings.get("n_oversamples", 10)
    return SVDAnswer(u, s, vt, products=width * (2 * iterations + 2), passes=2 * iterations + 2)


def truncated_svd(A: Any, rank: int, seed: int, **settings: Any) -> SVDAnswer:
    """``sklearn.decomposition.TruncatedSVD``, left vectors from its ``fit_transform``."""
    from sklearn.decomposition import TruncatedSVD

    model = TruncatedSVD(rank, random_state=seed, **settings)
    scores = model.fit_transform(A)
    s = model.singular_values_
    return SVDAnswer(scores / s, s, model.components_)


def pca(A: Any, rank: int, seed: int, svd_solver: str, **settings: Any) -> SVDAnswer:
    """``sklearn.decomposition.PCA``: the SVD of the centered matrix."""
    from sklearn.decomposition import PCA

    model = PCA(rank, svd_solver=svd_solver, random_state=seed, **settings)
    scores = model.fit_transform(A)
    s = model.singular_values_
    return SVDAnswer(scores / s, s, model.components_)


def fbpca(A: Any, rank: int, seed: int, raw: bool = True, **settings: Any) -> SVDAnswer:
    """``fbpca.pca``; draws from NumPy's global generator."""
    import fbpca as package

    np.random.seed(seed)  # noqa: NPY002  (the only seed it takes)
    u, s, vt = package.pca(A, rank, raw=raw, **settings)
    iterations = settings.get("n_iter", 2)
    return SVDAnswer(u, s, vt, products=(rank + 2) * (2 * iterations + 2), passes=2 * iterations + 2)


def torch_lowrank(A: Any, rank: int, seed: int, q: int, niter: int) -> SVDAnswer:
    """``torch.svd_lowrank`` of a dense array, which it shares memory with."""
    import torch

    torch.manual_seed(seed)
    u, s, v = torch.svd_lowrank(torch.from_numpy(A), q=q, niter=niter)
    u, s, vt = u[:, :rank].numpy(), s[:rank].numpy(), v[:, :rank].T.numpy()
    return SVDAnswer(u, s, vt, products=q * (2 * niter + 2), passes=2 * niter + 2)


def gram_eigh(A: np.ndarray, rank: int, seed: int) -> SVDAnswer:
    """Gram matrix and its leading eigenvectors by LAPACK: what a hand would write in NumPy."""
    n = A.shape[1]
    w, v = scipy.linalg.eigh(A.T @ A, subset_by_index=(n - rank, n - 1), overwrite_a=True)
    s = np.sqrt(w[::-1])
    v = v[:, ::-1]
    return SVDAnswer((A @ v) / s, s, v.T, products=n + rank, passes=2)


class _Counting(LinearOperator):
    """A matrix that counts the columns multiplied with it."""

    def __init__(self, matrix: Any) -> None:
        self._inner = aslinearoperator(matrix)
        self.columns = 0
        super().__init__(self._inner.dtype, self._inner.shape)

    def _matvec(self, x: np.ndarray) -> np.ndarray:
        self.columns += 1
        return self._inner.matvec(x)

    def _rmatvec(self, x: np.ndarray) -> np.ndarray:
        self.columns += 1
        return self._inner.rmatvec(x)

    def _matmat(self, x: np.ndarray) -> np.ndarray:
        self.columns += x.shape[1]
        return self._inner.matmat(x)

    def _rmatmat(self, x: np.ndarray) -> np.ndarray:
        self.columns += x.shape[1]
        return self._inner.rmatmat(x)


def count_products(function: Callable[..., Any], A: Any, **settings: Any) -> int | None:
    """Columns multiplied in one run, for SciPy's solvers, which do not tell."""
    if function is not scipy_svds:
        return None
    counting = _Counting(A)
    function(counting, **settings)
    return counting.columns
