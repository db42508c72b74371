"""One line for all sketches."""

from typing import Any

import numpy.typing as npt

from corange._operators import REMEDY, as_matrix
from corange._random import RandomState, random_key
from corange._validation import check_choice, check_integer
from corange.sketching._base import Sketch
from corange.sketching._dense import Gaussian, Rademacher
from corange.sketching._fourier import SRFT
from corange.sketching._mixed import SRHT, FastJL
from corange.sketching._sampling import RowSampling, in_memory
from corange.sketching._sign import CountSketch, SparseSign
from corange.sketching._very_sparse import VerySparse

__all__ = ["KINDS", "sketch"]

_CLASSES: dict[str, type[Sketch]] = {
    "gaussian": Gaussian,
    "rademacher": Rademacher,
    "sparse-sign": SparseSign,
    "countsketch": CountSketch,
    "very-sparse": VerySparse,
    "srht": SRHT,
    "srft": SRFT,
    "fastjl": FastJL,
    "uniform": RowSampling,
}
KINDS = (*_CLASSES, "squared-length", "leverage")


def sketch(
    A: Any,
    size: int,
    *,
    kind: str = "sparse-sign",
    axis: int = 0,
    random_state: RandomState = None,
    check_finite: bool = True,
) -> npt.NDArray[Any]:
    """Compress the rows or the columns of a matrix by a random embedding.

    Parameters
    ----------
    A : matrix of shape (m, n)
        Anything `corange.svd` accepts. Data in memory are never copied or made dense.
    size : int
        Rows (or columns) of the result.
    kind : str, default="sparse-sign"
        "gaussian", "rademacher", "sparse-sign", "countsketch", "very-sparse", "srht", "srft", "fastjl",
        "uniform", "squared-length" or "leverage" (the last two for data in memory): see `corange.sketching`
        for the operators, and the guide for which one to take.
    axis : {0, 1}, default=0
        0 compresses the rows, ``S @ A``; 1 the columns, ``A @ S.T``.
    random_state : int, Generator, RandomState or None, default=None
        Seed: the same integer always gives the same bits, on any number of threads.
    check_finite : bool, default=True
        Refuse NaN and infinity.

    Returns
    -------
    ndarray of shape (size, n) or (m, size)
        Of the precision of A.

    Raises
    ------
    TypeError, ValueError
        A is not a real, finite matrix, or an argument is illegal.

    See Also
    --------
    corange.sketching : The operators themselves, for use more than once and for blocks of A.

    Notes
    -----
    One pass over A (two for "squared-length" and "leverage"); cost and sources are with each operator.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> A = np.random.default_rng(0).standard_normal((5000, 10))
    >>> B = cr.sketch(A, 400, random_state=0)
    >>> bool(abs(np.linalg.norm(B) / np.linalg.norm(A) - 1) < 0.1)
    True
    """
    check_choice("kind", kind, KINDS)
    check_integer("axis", axis, low=0, high=1)
    check_integer("size", size, low=1)
    if kind in ("squared-length", "leverage"):
        data = in_memory(A, check_finite=check_finite, remedy=REMEDY)
        rows = data if axis == 0 else data.transpose()
        S: Sketch = RowSampling._of(rows, size, kind, random_key(random_state))
    else:
        n = as_matrix(A, check_finite=False).shape[axis]
        options = {"nnz": min(8, size)} if kind == "sparse-sign" else {}
        S = _CLASSES[kind](size, n, random_state=random_state, **options)
    apply = S._left if axis == 0 else S._right
    return apply(A, check_finite=check_finite, remedy=REMEDY)
