"""Subsampled randomized cosine transform, for lengths that are no power of two."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft

from corange import _core
from corange._operators import Stored
from corange._random import RandomState, Stream
from corange._validation import check_integer
from corange.sketching._base import Sketch, draw
from corange.sketching._mixed import dense_chunks, random_order

__all__ = ["SRFT"]

Array = npt.NDArray[Any]

_CHUNK = 1 << 20  # entries that are transformed at a time


class SRFT(Sketch):
    """Subsampled randomized Fourier transform, in its real form: signs, cosine transform, random rows of it.

    Parameters
    ----------
    size : int
        Rows of S, at most n. ``2 r`` to ``4 r`` embed a subspace of dimension r.
    n : int
        Columns of S: any length, and no padding.
    random_state : int, Generator, RandomState or None, default=None
        Seed.

    Raises
    ------
    TypeError, ValueError
        An argument is not an integer or out of range; on use, A does not fit or is not finite.

    Notes
    -----
    About ``2.5 n log2 n`` flops a column of A by `scipy.fft.dct`, and one pass; `SRHT` is several times
    faster. With ``size = n`` S is orthogonal. A block ``S[:, i:j]`` costs as much as all of S.

    References
    ----------
    .. [1] F. Woolfe, E. Liberty, V. Rokhlin and M. Tygert, "A fast randomized algorithm for the approximation
       of matrices", Appl. Comput. Harmon. Anal. 25, 2008, doi:10.1016/j.acha.2007.12.002.

    Examples
    --------
    >>> import numpy as np
    >>> from corange.sketching import SRFT
    >>> S = SRFT(15, 15, random_state=0).toarray()
    >>> np.allclose(S.T @ S, np.eye(15))
    True
    """

    _reads_all = True

    def __init__(self, size: int, n: int, *, random_state: RandomState = None) -> None:
        super().__init__(size, n, random_state)
        check_integer("size", size, low=1, high=self.length)

    def _apply(self, A: Stored) -> Array:
        signs, places, columns = self._parts(A.dtype)
        out = np.empty((A.shape[1], self.size), A.dtype)
        step = max(1, _CHUNK // self.length)
        for first, samples in dense_chunks(A.transpose()):
            for i in range(0, len(samples), step):
                part = samples[i : i + step]
                work = np.zeros((len(part), self.length), A.dtype)
                np.multiply(part, signs[columns], out=work[:, columns])
                work = scipy.fft.dct(work, norm="ortho", overwrite_x=True, workers=_workers())
                out[first + i : first + i + len(part)] = work[:, places]
        out *= A.dtype.type(math.sqrt(self.length / self.size))
        return out.T

    def _apply_transposed(self, Y: Array) -> Array:
        signs, places, columns = self._parts(Y.dtype)
        work = np.zeros((Y.shape[1], self.length), Y.dtype)
        work[:, places] = Y.T * Y.dtype.type(math.sqrt(self.length / self.size))
        work = scipy.fft.idct(work, norm="ortho", overwrite_x=True, workers=_workers())
        work *= signs
        return np.asarray(work[:, columns].T)

    def _parts(self, dtype: Any) -> tuple[Array, Array, slice]:
        """Signs, rows of the transform that are kept, and the columns of this block."""
        signs = draw("sign", self.seed, Stream.FOURIER_SIGNS, 0, (1, self.length), dtype)[0]
        places = random_order(self.seed, self.length)[: self.size]
        return signs, places, slice(self.start, self.start + self.shape[1])


def _workers() -> int:
    return _core.build_info()["max_threads"]
