"""fwht: against the matrix, for every layout; exact properties."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

import corange as cr

SHAPES = [
    ((8,), 0),
    ((3, 16), 1),
    ((16, 3), 0),
    ((2, 4, 5), 1),
    ((4, 70, 3), 0),
    ((2, 3, 2, 32), -1),
    ((1, 5), 0),
]


def reference(X, axis):
    n = X.shape[axis]
    return np.moveaxis(np.tensordot(scipy.linalg.hadamard(n), X.astype(float), (1, axis)), 0, axis)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_equals_the_matrix(shape, axis, dtype):
    X = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    Y = cr.fwht(X, axis, norm="none")
    assert Y.dtype == dtype
    np.testing.assert_allclose(Y, reference(X, axis), atol=20 * np.finfo(dtype).eps * X.shape[axis])


@given(data=st.data(), order=st.permutations(range(3)), axis=st.integers(-3, 2))
@settings(max_examples=40, deadline=None)
def test_any_strides_give_the_same_bits(data, order, axis):
    sides = data.draw(st.tuples(*[st.sampled_from([1, 2, 4, 32])] * 3))
    X = data.draw(hnp.arrays(np.float64, sides, elements=st.floats(-8, 8, width=16)))
    wide = np.zeros([2 * side for side in np.array(sides)[list(order)]])
    view = wide[::-2, ::2, ::2].transpose(np.argsort(order))
    view[...] = X
    Y = cr.fwht(X, axis)
    assert np.array_equal(cr.fwht(view, axis), Y)
    assert cr.fwht(view, axis, out=view) is view
    assert np.array_equal(view, Y)


def test_twice_is_the_identity_and_norms_are_kept():
    X = np.random.default_rng(1).standard_normal((5, 1 << 15))
    Y = cr.fwht(X)
    np.testing.assert_allclose(np.linalg.norm(Y, axis=1), np.linalg.norm(X, axis=1), rtol=1e-14)
    np.testing.assert_allclose(cr.fwht(Y), X, atol=1e-14 * np.abs(X).max() * 15)


def test_source_is_left_alone_and_integers_become_doubles():
    X = np.arange(8)
    X.flags.writeable = False
    assert cr.fwht(X, norm="none").dtype == np.float64
    assert np.array_equal(X, np.arange(8))
    assert cr.fwht(np.zeros((0, 4))).shape == (0, 4)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"X": np.ones(6)}, ValueError, "power of two"),
        ({"X": np.ones((4, 0))}, ValueError, "power of two"),
        ({"X": 1.0}, ValueError, "at least one dimension"),
        ({"X": np.ones(4, complex)}, TypeError, "complex"),
        ({"X": np.ones(4), "axis": 1}, ValueError, "axis"),
        ({"X": np.ones(4), "norm": "max"}, ValueError, "norm"),
        ({"X": np.ones(4), "out": np.ones(8)}, ValueError, "out"),
        ({"X": np.ones(4), "out": np.ones(4, np.float32)}, ValueError, "float32"),
        ({"X": np.ones(4), "out": [1.0] * 4}, TypeError, "out"),
    ],
)
def test_illegal_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        cr.fwht(**arguments)


def test_out_may_not_overlap_or_be_read_only():
    X = np.ones(12)
    with pytest.raises(ValueError, match="overlap"):
        cr.fwht(X[:8], out=X[4:])
    frozen = np.ones(4)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        cr.fwht(np.ones(4), out=frozen)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(4096, 40), (8192, 17), (3, 4096, 35), (1024, 100)])
def test_long_columns_side_by_side_have_the_bits_of_rows(shape, dtype):
    X = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    wanted = cr.fwht(np.ascontiguousarray(np.moveaxis(X, -2, -1)))
    Y = cr.fwht(X, axis=-2)
    assert np.array_equal(np.moveaxis(Y, -2, -1), wanted)
    assert cr.fwht(X, axis=-2, out=X) is X
    assert np.array_equal(X, Y)


def test_masked_arrays_are_refused():
    X = np.ma.masked_array(np.ones(4), mask=[False, True, False, False])
    with pytest.raises(TypeError, match="X is a masked array"):
        cr.fwht(X)
    with pytest.raises(TypeError, match="out is a masked array"):
        cr.fwht(np.ones(4), out=X)
