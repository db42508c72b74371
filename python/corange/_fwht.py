"""Fast Walsh-Hadamard transform."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from corange import _core
from corange._operators import as_numbers, refuse_masked, working_dtype
from corange._validation import check_choice, check_integer, shown

__all__ = ["fwht"]

Array = npt.NDArray[Any]


def fwht(
    X: npt.ArrayLike, axis: int = -1, norm: Literal["ortho", "none"] = "ortho", out: Array | None = None
) -> Array:
    """Multiply along an axis by the Hadamard matrix, ``H[i, j] = (-1)**popcount(i & j)``.

    Parameters
    ----------
    X : array-like of shape (..., n, ...)
        Real numbers with any strides; n must be a power of two. float32 stays float32, other types become
        float64.
    axis : int, default=-1
        Along which to transform.
    norm : {"ortho", "none"}, default="ortho"
        "ortho" divides by the square root of n, so that the transform is orthogonal and its own inverse.
    out : ndarray of the shape of X, optional
        Where to put the result; of the precision of X. ``out=X`` works in place.

    Returns
    -------
    ndarray of the shape of X
        `out`, or a new array.

    Raises
    ------
    TypeError
        X is complex, masked, sparse or not numeric, or `out` is no array.
    ValueError
        n is not a power of two, or `out` does not match X, is read-only, or overlaps it in another layout.

    Notes
    -----
    n log2 n additions for each transform, and about one pass over memory while a transform fits in the
    second-level cache. The bits of a result depend on nothing but the numbers transformed. NaN and infinity
    spread over their own transform only.

    References
    ----------
    .. [1] B. J. Fino and V. R. Algazi, "Unified matrix treatment of the fast Walsh-Hadamard transform", IEEE
       Trans. Comput. 25, 1976, doi:10.1109/TC.1976.1674569.

    Examples
    --------
    >>> import corange as cr
    >>> cr.fwht([1.0, 0.0, 0.0, 1.0], norm="none")
    array([2., 0., 0., 2.])
    """
    check_choice("norm", norm, ("ortho", "none"))
    refuse_masked(X, "X")
    given = np.asarray(X)
    if given.ndim == 0 and given.dtype.kind == "O":
        raise TypeError(f"X must be an array, got {shown(X)}.")
    given = as_numbers(given, "X")
    dtype = working_dtype(given.dtype, "X")
    if given.ndim == 0:
        raise ValueError("X must have at least one dimension, got a number.")
    axis = check_integer("axis", axis, low=-given.ndim, high=given.ndim - 1) % given.ndim
    n = given.shape[axis]
    if n < 1 or n & (n - 1):
        raise ValueError(f"X must have a power of two of entries along axis {axis}, got shape {given.shape}.")
    source = given
    if given.dtype != dtype or not given.dtype.isnative or not given.flags.aligned:
        source = given.astype(dtype)
    target = np.empty_like(source, subok=False) if out is None else _checked(out, source, given)
    scale = 1.0 / float(np.sqrt(n)) if norm == "ortho" else 1.0
    if target.size:
        _core.fwht(source, target, axis, scale)
    return target


def _checked(out: object, source: Array, given: Array) -> Array:
    refuse_masked(out, "out")
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be an array, got {shown(out)}.")
    fits = out.shape == source.shape and out.dtype == source.dtype and out.dtype.isnative
    if not fits or not out.flags.writeable or not out.flags.aligned:
        raise ValueError(
            f"out must be a writable array of shape {source.shape} and dtype {source.dtype}, got shape "
            f"{out.shape} and dtype {out.dtype}{'' if out.flags.writeable else ', read-only'}."
        )
    same = out.ctypes.data == given.ctypes.data and out.strides == given.strides
    if not same and np.shares_memory(out, given):
        raise ValueError("out must be X itself or not overlap it.")
    if any(stride == 0 and side > 1 for stride, side in zip(out.strides, out.shape, strict=True)):
        raise ValueError("out must not repeat entries by strides of 0.")
    return out
