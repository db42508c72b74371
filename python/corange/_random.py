"""Randomness: any `random_state` becomes one 64-bit key for the core's counter-based generator.

Python owns the entropy, the core owns the stream: every random number is a pure function of this key, of a
stream number and of its position, so that results do not depend on threads or on blocking.
"""

import secrets
from numbers import Integral

import numpy as np

from corange._validation import shown

__all__ = ["RandomState", "Stream", "random_key"]

RandomState = int | np.integer | np.random.Generator | np.random.RandomState | None

_LARGEST = 2**64 - 1


class Stream:
    """Numbers of the streams that one key is the root of; a number that changes is other random numbers.

    Methods that are never used on each other's results may share a number. The core takes the small ones.
    """

    # Sketch operators.
    DENSE = 101
    SPARSE_SIGN = 102
    HADAMARD_SIGNS = 103
    PLACES = 104
    FAST_JL_VALUES = 105
    FOURIER_SIGNS = 106
    ROW_SAMPLING = 107
    VERY_SPARSE_SIGNS = 108
    # From the top, so that a method may use sketch operators of the same key.
    EIGH_SYMMETRY = 2**64 - 1
    ESTIMATE_PROBES = 2**64 - 2
    COORDINATED_ROWS = 2**64 - 3
    PRODUCT_ROWS = 2**64 - 4
    NYSTROM_TEST, NYSTROM_PROBES = 2**64 - 6, 2**64 - 7
    GENERALIZED_COLUMNS, GENERALIZED_ROWS = 2**64 - 6, 2**64 - 7
    STREAMING_ROWS, STREAMING_COLUMNS = 2**64 - 8, 2**64 - 9
    UPDATE_STARTS = 2**64 - 10
    UPDATE_PROJECTION = 2**64 - 11
    LANDMARK_PROPOSALS, LANDMARK_UNIFORM, LANDMARK_LEVERAGE = 2**64 - 20, 2**64 - 21, 2**64 - 22
    SELECT_ROWS, SELECT_COLUMNS = 2**64 - 23, 2**64 - 24
    CUR_INDEX_PROBES = 2**64 - 23
    NMF_W, NMF_H, NMF_FILL_W, NMF_FILL_H = 2**64 - 21, 2**64 - 22, 2**64 - 23, 2**64 - 24


def random_key(random_state: object, name: str = "random_state") -> int:
    """Turn a `random_state` into a key from 0 to 2**64 - 1.

    Parameters
    ----------
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
        None draws a key from the operating system. An integer is the key, so the same integer always gives
        the same results. From a generator one number is drawn: repeated calls with one generator differ,
        and repeat when the generator is seeded alike.
    name : str, default="random_state"
        Name of the argument in messages.

    Returns
    -------
    int

    Raises
    ------
    TypeError
        For any other type, including bool and float.
    ValueError
        For an integer outside [0, 2**64 - 1].

    Examples
    --------
    >>> random_key(7)
    7
    """
    if random_state is None:
        return secrets.randbits(64)
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(_LARGEST, dtype=np.uint64, endpoint=True))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**64, dtype=np.uint64))
    if isinstance(random_state, (bool, np.bool_)) or not isinstance(random_state, Integral):
        raise TypeError(
            f"{name} must be None, an integer, a numpy.random.Generator or a numpy.random.RandomState, "
            f"got {shown(random_state)}."
        )
    key = int(random_state)
    if not 0 <= key <= _LARGEST:
        raise ValueError(f"{name} must be an integer from 0 to 2**64 - 1, got {key}.")
    return key
