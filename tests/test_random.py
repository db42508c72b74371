"""Every kind of random_state becomes one 64-bit key."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corange._random import random_key

LARGEST = 2**64 - 1


@given(st.integers(0, LARGEST))
def test_an_integer_is_its_own_key(seed):
    assert random_key(seed) == seed


@pytest.mark.parametrize("seed", [np.int32(5), np.uint64(5), np.int64(5)])
def test_numpy_integers_count_as_integers(seed):
    assert random_key(seed) == 5


@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState])
def test_a_generator_gives_a_fresh_key_each_time_and_repeats_when_seeded_alike(make):
    one, other = make(3), make(3)
    keys = [random_key(one) for _ in range(50)]
    assert keys == [random_key(other) for _ in range(50)]
    assert len(set(keys)) == 50
    assert all(0 <= key <= LARGEST for key in keys)
    assert max(keys) > 2**62  # the upper bits are used too


def test_none_draws_from_the_system():
    keys = {random_key(None) for _ in range(20)}
    assert len(keys) == 20


@pytest.mark.parametrize("value", [-1, LARGEST + 1])
def test_integers_out_of_range(value):
    with pytest.raises(ValueError, match=r"random_state must be an integer from 0 to 2\*\*64 - 1"):
        random_key(value)


@pytest.mark.parametrize("value", [True, 1.0, "seed", np.random.SeedSequence(1), np.array([1, 2])])
def test_other_types(value):
    with pytest.raises(TypeError, match="random_state must be None, an integer, a numpy"):
        random_key(value)
