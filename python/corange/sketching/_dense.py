"""Dense random sketches."""

from typing import Any

import numpy as np
import numpy.typing as npt

from corange import _core
from corange._operators import Stored
from corange._random import Stream
from corange.sketching._base import TILE, Sketch, draw

__all__ = ["Gaussian", "Rademacher"]

Array = npt.NDArray[Any]


class _Dense(Sketch):
    """Independent entries: row j of S.T is row j of the random matrix."""

    _kind: str
    _reads_all = True

    def _entries(self, dtype: Any, rows: slice = slice(None), columns: slice = slice(None)) -> Array:
        """Return S.T, or a block of it."""
        start, stop, _ = rows.indices(self.shape[1])
        first, last, _ = columns.indices(self.size)
        place, shape = self.start + start, (stop - start, last - first)
        entries = draw(self._kind, self.seed, Stream.DENSE, place, shape, dtype, column=first)
        entries *= entries.dtype.type(1 / np.sqrt(self.size))
        return entries

    def _apply(self, A: Stored) -> Array:
        """Multiply with some rows of S at a time, which for dense A are made in cache."""
        out = np.empty((A.shape[1], self.size), A.dtype)
        if A.kind == "dense":
            _core.dense_sketch(
                self._kind, self.seed, Stream.DENSE, 1 / np.sqrt(self.size), A.arrays[0], self.start, out
            )
            return out.T
        flipped = A.transpose()
        for rows in self._strips():
            out[:, rows] = flipped.product(self._rows_transposed(rows, A.dtype))
        return out.T

    def _rows_transposed(self, rows: slice, dtype: Any) -> Array:
        return self._entries(dtype, columns=rows)

    def _apply_transposed(self, Y: Array) -> Array:
        n, height = self.shape[1], max(1, TILE // self.size)
        out = np.empty((n, Y.shape[1]), Y.dtype)
        for start in range(0, n, height):
            rows = slice(start, min(start + height, n))
            _core.DenseOperator(self._entries(Y.dtype, rows)).apply(Y, out[rows])
        return out


class Gaussian(_Dense):
    """Independent normal entries of variance ``1 / size``: the sketch with the best known guarantees.

    Parameters
    ----------
    size : int
        Rows of S. ``2 r`` embeds a subspace of dimension r for solving least squares, and
        ``johnson_lindenstrauss_min_dim`` tells how many keep the distances of points.
    n : int
        Columns of S: the dimension that is compressed.
    random_state : int, Generator, RandomState or None, default=None
        Seed; the same integer is the same operator.

    Raises
    ------
    TypeError, ValueError
        An argument is not an integer or out of range; on use, A does not fit or is not finite.

    Notes
    -----
    ``2 size nnz(A)`` flops. S is made when it is applied: for dense A in cache, 128 rows at a time; for other
    A in memory, 2**23 entries or 32 rows at a time, whichever is more. Each time is a pass over A. Blocks
    ``S[:, i:j]`` have the same bits as in the whole; sums of their products are the same up to the order of
    summation.

    References
    ----------
    .. [1] W. B. Johnson and J. Lindenstrauss, "Extensions of Lipschitz mappings into a Hilbert space",
       Contemp. Math. 26, 1984, doi:10.1090/conm/026/737400.

    Examples
    --------
    >>> import numpy as np
    >>> from corange.sketching import Gaussian
    >>> S = Gaussian(20, 1000, random_state=0)
    >>> (S @ np.ones((1000, 3))).shape
    (20, 3)
    """

    _kind = "normal"


class Rademacher(_Dense):
    """Independent entries ``+-1 / sqrt(size)``: like `Gaussian`, bounded and quicker to draw.

    Parameters
    ----------
    size, n, random_state
        As in `Gaussian`.

    Raises
    ------
    TypeError, ValueError
        As in `Gaussian`.

    Notes
    -----
    Cost and memory are those of `Gaussian`.

    References
    ----------
    .. [1] D. Achlioptas, "Database-friendly random projections", J. Comput. Syst. Sci. 66, 2003,
       doi:10.1016/S0022-0000(03)00025-4.

    Examples
    --------
    >>> import numpy as np
    >>> from corange.sketching import Rademacher
    >>> bool(np.all(np.abs(Rademacher(4, 10, random_state=0).toarray()) == 0.5))
    True
    """

    _kind = "sign"
