"""What is legal, and what the messages say about what is not."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from corange import _validation as validation


class TestCheckInteger:
    @pytest.mark.parametrize("value", [3, np.int8(3), np.int64(3), np.uint16(3)])
    def test_integers_of_any_width_become_int(self, value):
        checked = validation.check_integer("rank", value, low=1)
        assert checked == 3
        assert type(checked) is int

    @pytest.mark.parametrize("value", [True, np.True_, 3.0, np.float64(3), "3", None, [3], np.array([3])])
    def test_other_types_are_refused_by_name_and_value(self, value):
        with pytest.raises(TypeError, match=r"rank must be an integer of at least 1, got .*"):
            validation.check_integer("rank", value, low=1)

    @pytest.mark.parametrize("value", [0, -1, 11, np.int64(-5)])
    def test_the_range_is_named(self, value):
        with pytest.raises(ValueError, match=rf"size must be an integer from 1 to 10, got .*{int(value)}"):
            validation.check_integer("size", value, low=1, high=10)

    def test_optional_passes_none_only(self):
        assert validation.check_optional_integer("block_size", None, low=1) is None
        assert validation.check_optional_integer("block_size", 4, low=1) == 4
        with pytest.raises(ValueError, match="block_size"):
            validation.check_optional_integer("block_size", 0, low=1)


class TestCheckProportion:
    @pytest.mark.parametrize("value", [0.5, np.float32(0.5), Fraction(1, 2)])
    def test_real_numbers_become_float(self, value):
        checked = validation.check_proportion("tol", value)
        assert checked == 0.5
        assert type(checked) is float

    @pytest.mark.parametrize("value", [0, 1, 0.0, 1.0, -0.1, 2, math.nan, math.inf, -math.inf])
    def test_outside_is_refused(self, value):
        with pytest.raises(ValueError, match=r"tol must be between 0 and 1 \(exclusive\), got"):
            validation.check_proportion("tol", value)

    @pytest.mark.parametrize("value", [True, None, "0.5", 0.5j, [0.5], Decimal("0.5")])
    def test_other_types_are_refused(self, value):
        with pytest.raises(TypeError, match="tol must be a number between 0 and 1"):
            validation.check_proportion("tol", value)


class TestCheckNonnegative:
    @pytest.mark.parametrize("value", [0, 1, 0.5, np.float32(0.5), Fraction(1, 2), 1e300])
    def test_real_numbers_become_float(self, value):
        checked = validation.check_nonnegative("tol", value)
        assert checked == float(value)
        assert type(checked) is float

    @pytest.mark.parametrize("value", [-1, -1e-300, math.nan, math.inf])
    def test_outside_is_refused(self, value):
        with pytest.raises(ValueError, match=r"tol must be a finite number of at least 0, got .*"):
            validation.check_nonnegative("tol", value)

    @pytest.mark.parametrize("value", [True, None, "0", 1j, [0.0]])
    def test_other_types_are_refused(self, value):
        with pytest.raises(TypeError, match="tol must be a number"):
            validation.check_nonnegative("tol", value)


class TestCheckWeights:
    @pytest.mark.parametrize("value", [[1, 0, 2], (1.0, 0.0, 2.0), np.array([1, 0, 2], dtype=np.float32)])
    def test_becomes_a_contiguous_array_of_doubles(self, value):
        checked = validation.check_weights("sample_weight", value, 3)
        assert checked.dtype == np.float64
        assert checked.flags.c_contiguous
        np.testing.assert_array_equal(checked, [1.0, 0.0, 2.0])

    def test_a_number_is_the_weight_of_each_row(self):
        np.testing.assert_array_equal(validation.check_weights("w", 2, 3), [2.0, 2.0, 2.0])

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ([1.0, 2.0], r"one weight for each of 3 rows, got shape \(2,\)"),
            (np.ones((3, 2)), r"one weight for each of 3 rows, got shape \(3, 2\)"),
            ([1.0, -2.0, -1.0], r"at least 0, but w\[1\] is -2 \(2 such\)"),
            ([1.0, 2.0, math.nan], r"finite .*, but w\[2\] is nan \(1 such\)"),
            ([math.inf, 2.0, 3.0], r"finite .*, but w\[0\] is inf \(1 such\)"),
            ([0.0, 0.0, 0.0], "at least one positive weight"),
        ],
    )
    def test_illegal_weights(self, value, message):
        with pytest.raises(ValueError, match=message):
            validation.check_weights("w", value, 3)


class TestCheckRank:
    @pytest.mark.parametrize(("rank", "expected"), [(1, 1), (4, 4), (np.int32(6), 6)])
    def test_up_to_the_smaller_side(self, rank, expected):
        assert validation.check_rank(rank, (6, 9)) == expected

    @pytest.mark.parametrize("shape", [(6, 9), (9, 6)])
    def test_more_is_clipped_with_a_warning_at_the_caller(self, shape):
        with pytest.warns(UserWarning, match="rank=7 is more than a .* matrix can have; 6 is used") as caught:
            assert validation.check_rank(7, shape, stacklevel=2) == 6
        assert caught[0].filename == __file__

    @pytest.mark.parametrize(("rank", "error"), [(0, ValueError), (-3, ValueError), (2.0, TypeError)])
    def test_illegal_ranks(self, rank, error):
        with pytest.raises(error, match="rank must be an integer of at least 1"):
            validation.check_rank(rank, (6, 9))

    def test_exactly_one_of_rank_and_error(self):
        validation.check_rank_or_error(3, None)
        validation.check_rank_or_error(None, 0.1)
        with pytest.raises(ValueError, match="either rank or error is needed"):
            validation.check_rank_or_error(None, None)
        with pytest.raises(ValueError, match=r"exclude each other, got rank=3 and error=0\.1"):
            validation.check_rank_or_error(3, 0.1)


class TestOtherChecks:
    def test_choice(self):
        assert validation.check_choice("which", "LA", ("LM", "LA")) == "LA"
        with pytest.raises(ValueError, match="which must be one of 'LM', 'LA', got 'la'"):
            validation.check_choice("which", "la", ("LM", "LA"))
        with pytest.raises(TypeError, match="which must be one of 'LM', 'LA', got 3"):
            validation.check_choice("which", 3, ("LM", "LA"))

    def test_boolean(self):
        assert validation.check_boolean("center", np.True_) is True
        for value in (1, None, "yes", np.array([True])):
            with pytest.raises(TypeError, match="center must be True or False, got"):
                validation.check_boolean("center", value)

    def test_callback(self):
        assert validation.check_callback("callback", None) is None
        assert validation.check_callback("callback", print) is print
        with pytest.raises(TypeError, match="callback must be callable or None, got 3"):
            validation.check_callback("callback", 3)

    def test_long_values_are_shortened_in_messages(self):
        with pytest.raises(TypeError) as caught:
            validation.check_integer("rank", np.arange(1000.0), low=1)
        assert len(str(caught.value)) < 150
        assert "ndarray" in str(caught.value)
