"""Matrices in files."""

from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import scipy.sparse

__all__ = ["open_matrix"]

_KNOWN = ".npy, .npz (SciPy sparse), .mtx, .mtx.gz or .mtx.bz2"


def open_matrix(path: Path) -> Any:
    """Open a matrix; .npy files are mapped, so that they may be larger than memory.

    Parameters
    ----------
    path : Path
        The ending decides the format.

    Returns
    -------
    ndarray or SciPy sparse matrix

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is not what its name says, or of no known format.
    """
    name = path.name.lower()
    try:
        if name.endswith(".npy"):
            return np.load(path, mmap_mode="r", allow_pickle=False)
        if name.endswith(".npz"):
            return scipy.sparse.load_npz(path)
        if name.endswith((".mtx", ".mtx.gz", ".mtx.bz2")):
            return scipy.io.mmread(path)
    except OSError:
        raise
    except Exception as error:  # readers fail in their own ways on bytes that are something else
        raise ValueError(f"{path} is not a matrix that can be read: {error}") from error
    raise ValueError(f"{path}: the name of a matrix file must end in {_KNOWN}.")
