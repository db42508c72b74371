"""Randomness: any `random_state` becomes one 64-bit key for the core's counter-based generator.

Python owns the entropy, the core owns the stream: every random number is a pure function of this key, of a
stream number and of its position, so that results do not depend on threads or on blocking.
"""

import secrets
from numbers import Integral

import numpy as np

from corange._validation import shown

__all__ = ["RandomState", "random_key"]

RandomState = int | np.integer | np.random.Generator | np.random.RandomState | None

_LARGEST = 2**64 - 1


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
