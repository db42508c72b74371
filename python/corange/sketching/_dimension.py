"""How many dimensions keep distances."""

from typing import Any

import numpy as np
import numpy.typing as npt

from corange._validation import shown

__all__ = ["johnson_lindenstrauss_min_dim"]


def johnson_lindenstrauss_min_dim(n_samples: npt.ArrayLike, *, eps: npt.ArrayLike = 0.1) -> Any:
    """Smallest dimension that keeps all squared distances of so many points within a factor ``1 +- eps``.

    Parameters
    ----------
    n_samples : int or array-like of int
        Number of points, at least 1.
    eps : float or array-like of float, default=0.1
        Largest relative change of a squared distance, between 0 and 1 (exclusive).

    Returns
    -------
    int or ndarray of int
        ``4 log(n_samples) / (eps**2 / 2 - eps**3 / 3)``, rounded down as in scikit-learn. It holds for every
        data set with a probability above ``1 - 1 / n_samples``, and is generous for most.

    Raises
    ------
    ValueError
        An argument is out of range.

    References
    ----------
    .. [1] S. Dasgupta and A. Gupta, "An elementary proof of a theorem of Johnson and Lindenstrauss", Random
       Struct. Algorithms 22, 2003, doi:10.1002/rsa.10073.

    Examples
    --------
    >>> import corange as cr
    >>> int(cr.johnson_lindenstrauss_min_dim(1_000_000, eps=0.5))
    663
    """
    samples, distortion = np.asarray(n_samples), np.asarray(eps, dtype=np.float64)
    if np.any(~((distortion > 0) & (distortion < 1))):
        raise ValueError(f"eps must be between 0 and 1 (exclusive), got {shown(eps)}.")
    if np.any(~(samples >= 1)):
        raise ValueError(f"n_samples must be at least 1, got {shown(n_samples)}.")
    return (4 * np.log(samples) / (distortion**2 / 2 - distortion**3 / 3)).astype(np.int64)
