"""Small dense problems, solved in the core: the same bits on any number of threads, BLAS's included."""

from typing import Any

import numpy as np
import numpy.typing as npt

from corange import _core

__all__ = ["eigh", "svd"]

Array = npt.NDArray[Any]
Doubles = npt.NDArray[np.float64]


def svd(M: Array) -> tuple[Doubles, Doubles, Doubles]:
    """Decompose a matrix of any shape, ``M = U @ diag(s) @ Vt``, in double precision.

    There are as many triplets as M has rows or columns, whichever are fewer. Values are good to rounding of
    the largest one; U and Vt have orthonormal columns and rows whatever the rank is.

    Raises
    ------
    numpy.linalg.LinAlgError
        M is not finite.
    """
    if M.shape[0] < M.shape[1]:
        V, s, Ut = svd(M.T)
        return Ut.T, s, V.T
    U, s, V = _core.small_svd(np.ascontiguousarray(M, dtype=np.float64))
    return U, s, V.T


def eigh(M: Array) -> tuple[Doubles, Doubles]:
    """Find the eigenvalues of a symmetric matrix, ascending, and its eigenvectors, in double precision.

    Raises
    ------
    numpy.linalg.LinAlgError
        M is not finite.
    """
    return _core.small_eigh(np.ascontiguousarray(M, dtype=np.float64))
