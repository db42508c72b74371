"""Parts of a feature map from landmarks: points that scikit-learn's kernels take, centers, roots."""

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from corange import _core
from corange._landmarks import pivoted_cholesky
from corange._operators import working_dtype
from corange._rows import product
from corange._small import eigh

__all__ = ["canonical", "inverse_factor", "inverse_root", "mean_points"]

Array = npt.NDArray[Any]

# Points for each center, and steps of Lloyd's algorithm: a few percent of the time that features take.
_MEMBERS, _STEPS = 32, 3


def mean_points(X: Array, order: Array, count: int) -> Array:
    """Means of clusters: the first points of an order, moved to means of some more that come first."""
    dtype = working_dtype(X.dtype, "X")
    sample = np.ascontiguousarray(X[order[: _MEMBERS * count]], dtype=dtype)
    centers = sample[:count].copy()
    _core.move_to_means(sample, centers, _STEPS)
    return centers


def inverse_factor(block: Array, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Inverse of the Cholesky factor of a kernel between points, and the points that depend on no others."""
    L, order = pivoted_cholesky(block, dtype)
    if not order.size:
        raise np.linalg.LinAlgError("the kernel matrix of the landmarks is zero.")
    return _core.inverse_triangle(L).astype(dtype, copy=False), order


def canonical(X: Any) -> Any:
    """Put sparse points in order, which scikit-learn's kernels would do in place, with 32-bit indices."""
    if not scipy.sparse.issparse(X):
        return X
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    if X.indices.dtype == np.int64 and max(X.nnz, *X.shape) <= np.iinfo(np.int32).max:
        parts = (X.data, X.indices.astype(np.int32), X.indptr.astype(np.int32))
        X = scipy.sparse.csr_array(parts, shape=X.shape)
    return X


def inverse_root(block: Array, dtype: np.dtype[Any]) -> Array:
    """Inverse square root of a symmetric matrix on what is not rounding, scaled by a power of four first."""
    exact = (block.astype(np.float64) + block.T) / 2.0
    half = int(np.frexp(np.abs(exact).max())[1]) // 2
    h, W = eigh(np.ldexp(exact, -2 * half))
    sizes = np.abs(h)
    noise = h.size * float(np.finfo(working_dtype(block.dtype, "kernel")).eps)
    keep = sizes > max(noise, float(np.finfo(dtype).eps)) * sizes.max()
    weights = np.zeros_like(h)
    weights[keep] = np.sign(h[keep]) / np.sqrt(sizes[keep])
    root: Array = np.ldexp(product(W * weights, W.T), -half).astype(dtype)
    return root
