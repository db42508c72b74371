"""Sparse sign embeddings and CountSketch."""

from typing import Any

import numpy as np
import numpy.typing as npt

from corange import _core
from corange._operators import Stored
from corange._random import RandomState, Stream
from corange._validation import check_integer
from corange.sketching._base import Sketch

__all__ = ["CountSketch", "SparseSign"]

Array = npt.NDArray[Any]


class SparseSign(Sketch):
    """Sparse sign embedding: `nnz` entries ``+-1 / sqrt(nnz)`` in each column, at random distinct rows.

    As accurate as `Gaussian` in practice from about ``2 r`` rows on, for r-dimensional subspaces, and costs
    `nnz` additions for each stored entry of A: the usual choice for tall dense and for sparse A.

    Parameters
    ----------
    size : int
        Rows of S, below 2**31.
    n : int
        Columns of S.
    nnz : int, default=8
        Entries a column, at most `size`. 8 is safe, 4 usable, 1 is `CountSketch`.
    random_state : int, Generator, RandomState or None, default=None
        Seed.

    Raises
    ------
    TypeError, ValueError
        An argument is not an integer or out of range; on use, A does not fit or is not finite.

    Notes
    -----
    ``nnz * nnz(A)`` additions and one pass over A. Sums are made in the order of the rows of A, so that dense
    and sorted sparse A give the same bits.

    References
    ----------
    .. [1] M. B. Cohen, "Nearly tight oblivious subspace embeddings by trace inequalities", SODA 2016,
       doi:10.1137/1.9781611974331.ch21.

    Examples
    --------
    >>> import numpy as np
    >>> from corange.sketching import SparseSign
    >>> S = SparseSign(50, 1000, nnz=4, random_state=0)
    >>> bool(np.all((S.toarray() != 0).sum(axis=0) == 4))
    True
    """

    _reads_all = True

    def __init__(self, size: int, n: int, *, nnz: int = 8, random_state: RandomState = None) -> None:
        super().__init__(check_integer("size", size, low=1, high=2**31 - 1), n, random_state)
        self.nnz = check_integer("nnz", nnz, low=1, high=self.size)

    def _core_sketch(self) -> _core.SparseSign:
        return _core.SparseSign(self.size, self.nnz, self.seed, Stream.SPARSE_SIGN)

    def _apply(self, A: Stored) -> Array:
        out = np.empty((self.size, A.shape[1]), A.dtype)
        if A.kind == "dense":
            self._core_sketch().apply_dense(A.arrays[0], self.start, out)
        else:
            inner, by_rows = (A.shape[1], True) if A.kind == "csr" else (A.shape[0], False)
            indptr, indices, data = A.arrays
            self._core_sketch().apply_sparse(indptr, indices, data, inner, by_rows, self.start, out)
        return out

    def _in_single(self, A: Array) -> Array:
        """Compute S @ A in single precision for an array of doubles."""
        out = np.empty((self.size, A.shape[1]), np.float32)
        self._core_sketch().apply_dense(A, self.start, out)
        return out

    def _apply_transposed(self, Y: Array) -> Array:
        out = np.empty((self.shape[1], Y.shape[1]), Y.dtype)
        self._core_sketch().apply_adjoint(Y, self.start, out)
        return out


class CountSketch(SparseSign):
    """One entry +-1 in each column: the cheapest sketch, one addition for each stored entry of A.

    Embeds r-dimensional subspaces with a number of rows that grows like r squared; `SparseSign` needs fewer.

    Parameters
    ----------
    size, n, random_state
        As in `SparseSign`.

    Raises
    ------
    TypeError, ValueError
        As in `SparseSign`.

    Notes
    -----
    ``nnz(A)`` additions and one pass over A.

    References
    ----------
    .. [1] K. L. Clarkson and D. P. Woodruff, "Low-rank approximation and regression in input sparsity time",
       J. ACM 63, 2017, doi:10.1145/3019134.

    Examples
    --------
    >>> import numpy as np
    >>> from corange.sketching import CountSketch
    >>> CountSketch(10, 100, random_state=0).toarray().any(axis=0).all()
    np.True_
    """

    def __init__(self, size: int, n: int, *, random_state: RandomState = None) -> None:
        super().__init__(size, n, nnz=1, random_state=random_state)
