"""Very sparse random signs."""

import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse

from corange._random import RandomState, Stream
from corange._validation import check_choice, check_nonnegative, shown
from corange.sketching._base import draw
from corange.sketching._mixed import SparseRows, bernoulli

__all__ = ["STRIP", "VerySparse"]

Places = npt.NDArray[np.int64]
Signs = npt.NDArray[np.float32]

STRIP, _TILE = 32, 4096  # rows and columns that are drawn together


class VerySparse(SparseRows):
    """Entries ``+-sqrt(s / size)`` with probability ``1 / s``, else 0 (Achlioptas; Li, Hastie and Church).

    Parameters
    ----------
    size : int
        Rows of S.
    n : int
        Columns of S.
    s : float, "sqrt" or "achlioptas", default="sqrt"
        One entry in s is not zero. "sqrt" is the square root of n, "achlioptas" 3. With large s, data whose
        weight sits in few entries need more rows.
    random_state : int, Generator, RandomState or None, default=None
        Seed.

    Raises
    ------
    TypeError, ValueError
        An argument is of the wrong kind or out of range; on use, A does not fit or is not finite.

    Notes
    -----
    ``2 size nnz(A) / s`` flops and one pass over A. Columns of S have the same bits in every block.

    References
    ----------
    .. [1] P. Li, T. Hastie and K. Church, "Very sparse random projections", KDD 2006,
       doi:10.1145/1150402.1150436.

    Examples
    --------
    >>> import numpy as np
    >>> from corange.sketching import VerySparse
    >>> S = VerySparse(100, 400, s="achlioptas", random_state=0)
    >>> bool(abs(np.mean(S.toarray() != 0) - 1 / 3) < 0.02)
    True
    """

    _mixed = False

    def __init__(
        self,
        size: int,
        n: int,
        *,
        s: float | Literal["sqrt", "achlioptas"] = "sqrt",
        random_state: RandomState = None,
    ) -> None:
        super().__init__(size, n, random_state)
        if isinstance(s, str):
            check_choice("s", s, ("sqrt", "achlioptas"))
        elif check_nonnegative("s", s) < 1:
            raise ValueError(f"s must be at least 1, got {shown(s)}.")
        self.s = {"sqrt": math.sqrt(self.length), "achlioptas": 3.0}[s] if isinstance(s, str) else float(s)

    def _rows(self, dtype: Any) -> Any:
        parts = [self.strip(first) for first in range(0, self.size, STRIP)]
        rows = np.concatenate([part[0] + i * STRIP for i, part in enumerate(parts)])
        columns, signs = (np.concatenate([part[k] for part in parts]) for k in (1, 2))
        data = signs.astype(dtype) * dtype.type(math.sqrt(self.s / self.size))
        return scipy.sparse.csr_array((data, (rows, columns)), shape=self.shape)

    def strip(self, first: int) -> tuple[Places, Places, Signs]:
        """Return rows after `first`, columns and signs of what is not zero in some rows.

        Parameters
        ----------
        first : int
            A multiple of `STRIP`; the strip is so many rows, or ends with the last row.

        Returns
        -------
        rows, columns, signs : ndarray of shape (nnz,)

        Notes
        -----
        Every `STRIP` rows and `_TILE` columns have random numbers of their own, so that neither the size of
        the sketch nor a cut changes an entry, but for the scale.
        """
        start, stop = self.start, self.start + self.shape[1]
        rows, columns, signs = [], [], []
        for tile in range(start // _TILE, (stop - 1) // _TILE + 1):
            counter = (first // STRIP << 32) + tile
            places = bernoulli(self.seed, counter, _TILE * STRIP, 1 / self.s)
            column, row = places // STRIP + (tile * _TILE - start), places % STRIP
            kept = (column >= 0) & (column < self.shape[1]) & (row < self.size - first)
            rows.append(row[kept])
            columns.append(column[kept])
            signs.append(
                draw("sign", self.seed, Stream.VERY_SPARSE_SIGNS, counter, (1, len(places)), np.float32)[0][
                    kept
                ]
            )
        return np.concatenate(rows), np.concatenate(columns), np.concatenate(signs)
