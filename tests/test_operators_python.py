"""Any matrix becomes an operator: what is accepted, in place or converted, and how the rest is refused."""

import decimal
import fractions

import numpy as np
import pytest
import scipy.sparse

from corange._operators import as_matrix, as_operator
from operators_reference import DENSE, SPARSE, assert_stands_for, misaligned, products


class TestDense:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize(
        "view",
        [
            lambda A: A,
            np.asfortranarray,
            lambda A: A.T,
            lambda A: A[::-1, ::2],
            lambda A: A[1:, 2:-1],
            lambda A: np.broadcast_to(A[:1], A.shape),
            lambda A: np.broadcast_to(A[:, :1], A.shape),
            lambda A: A[:1],
            lambda A: A[:, :1],
            lambda A: A[:1, :1],
        ],
    )
    def test_any_strides_are_used_in_place(self, dtype, view):
        base = DENSE.astype(dtype)
        A = view(base)
        matrix = as_matrix(A)
        assert matrix.dtype == dtype
        assert_stands_for(matrix.operator, A, dtype)
        if A.flags.writeable and not A.flags.owndata:
            A[...] = 0
            assert matrix.operator.scan()["max_abs"] == 0  # it looks at the user's memory

    def test_read_only(self):
        A = DENSE.copy()
        A.flags.writeable = False
        assert_stands_for(as_operator(A), A)

    @pytest.mark.parametrize(
        ("dtype", "becomes"),
        [
            (np.float16, np.float32),
            (np.longdouble, np.float64),
            (">f8", np.float64),
            (">f4", np.float32),
            (np.int8, np.float64),
            (np.int64, np.float64),
            (np.uint64, np.float64),
            (bool, np.float64),
            (">i4", np.float64),
        ],
    )
    def test_other_numbers_are_converted(self, dtype, becomes):
        A = (10 * np.abs(DENSE)).astype(dtype)
        matrix = as_matrix(A)
        assert matrix.dtype == becomes
        assert_stands_for(matrix.operator, A, becomes)

    def test_uint64_is_rounded_not_wrapped(self):
        A = np.full((2, 2), 2**64 - 1, dtype=np.uint64)
        assert as_operator(A).scan()["max_abs"] == 2.0**64

    def test_misaligned_data_are_copied(self):
        assert_stands_for(as_operator(misaligned(DENSE)), DENSE)

    @pytest.mark.parametrize(
        "convert",
        [
            lambda A: A.tolist(),
            lambda A: [tuple(row) for row in A],
            lambda A: A.view(np.matrix),
            lambda A: A.astype(object),
            memoryview,
        ],
    )
    def test_other_containers(self, convert):
        assert_stands_for(as_operator(convert(DENSE)), DENSE)

    def test_numeric_objects(self):
        A = np.array(
            [[fractions.Fraction(1, 4), decimal.Decimal("0.5")], [np.float32(2), True]], dtype=object
        )
        assert_stands_for(as_operator(A), [[0.25, 0.5], [2, 1]])

    def test_input_is_not_modified(self):
        for A in (DENSE.copy(), DENSE.astype(np.int32), DENSE.astype(object)):
            before = A.copy()
            products(as_operator(A))
            np.testing.assert_array_equal(A, before)


class TestRefusedArrays:
    @pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
    def test_complex(self, dtype):
        with pytest.raises(TypeError, match=r"A must be real, got complex\d+"):
            as_operator(DENSE.astype(dtype))

    @pytest.mark.parametrize(
        "A",
        [
            np.array([["1", "2"], ["3", "4"]]),
            np.array([[b"1", b"2"]]),
            np.array([["2020-01-01"]], dtype="datetime64[D]"),
            np.zeros((2, 2), dtype=[("a", float)]),
        ],
    )
    def test_not_numbers(self, A):
        with pytest.raises(TypeError, match="A must hold numbers, got dtype"):
            as_operator(A)

    @pytest.mark.parametrize("bad", ["3", 1j, [1], {}])
    def test_objects_that_are_not_real_numbers(self, bad):
        A = np.ones((3, 2), dtype=object)
        A[1, 0] = bad
        with pytest.raises(TypeError, match=r"A must hold real numbers, but A\[1, 0\] is"):
            as_operator(A)

    @pytest.mark.parametrize("A", [np.ma.masked_array(DENSE, DENSE > 1), np.ma.masked_array(DENSE)])
    def test_masked_arrays_whether_or_not_anything_is_masked(self, A):
        with pytest.raises(TypeError, match="A is a masked array"):
            as_operator(A)

    @pytest.mark.parametrize(
        ("A", "hint"),
        [
            (np.float64(3), ""),
            (np.ones(5), r"A\[np\.newaxis, :\]"),
            (np.ones((2, 3, 4)), ""),
            ([1, 2], "newaxis"),
        ],
    )
    def test_wrong_number_of_dimensions(self, A, hint):
        with pytest.raises(ValueError, match=rf"A must have two dimensions, got shape .*{hint}"):
            as_operator(A)

    @pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
    def test_empty(self, shape):
        for A in (np.empty(shape), scipy.sparse.csr_array(shape)):
            with pytest.raises(ValueError, match=r"A must have at least one row and one column, got shape"):
                as_operator(A)

    @pytest.mark.parametrize("A", [None, "matrix", b"matrix", {}, {1}, object(), print, 3])
    def test_not_a_matrix(self, A):
        with pytest.raises((TypeError, ValueError), match="A must"):
            as_operator(A)

    def test_ragged_lists(self):
        with pytest.raises(ValueError, match="A cannot be made a matrix"):
            as_operator([[1, 2], [3]])

    def test_the_argument_is_called_what_the_caller_calls_it(self):
        with pytest.raises(ValueError, match=r"^X must have two dimensions"):
            as_operator(np.ones(3), argument_name="X")


class TestFinite:
    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("convert", [np.asarray, np.asfortranarray, np.float32, scipy.sparse.csr_array,
                                         scipy.sparse.csc_matrix, scipy.sparse.coo_array])  # fmt: skip
    def test_the_count_and_the_first_place_are_named(self, bad, convert):
        A = np.where(DENSE > 0, DENSE, 0.0)
        A[4, 2] = A[4, 6] = A[9, 0] = bad
        with pytest.raises(
            ValueError, match=r"A must be finite, but 3 of its entries .* at A\[(4, 2|9, 0)\]"
        ):
            as_operator(convert(A))
        as_operator(convert(A), check_finite=False)

    def test_missing_objects_count_as_nan(self):
        A = np.ones((3, 2), dtype=object)
        A[2, 1] = None
        with pytest.raises(ValueError, match=r"A must be finite, but 1 of its entries .* at A\[2, 1\]"):
            as_operator(A)

    def test_what_overflows_in_conversion_is_refused(self):
        with pytest.raises(ValueError, match="A must be finite"):
            as_operator(np.full((2, 2), np.finfo(np.longdouble).max))
        with pytest.raises(ValueError, match="A must be finite"):
            as_operator(np.array([[10**400, 1]], dtype=object))


class TestSparse:
    @pytest.mark.parametrize("kind", ["array", "matrix"])
    @pytest.mark.parametrize("format", ["csr", "csc", "coo", "bsr", "dia", "lil", "dok"])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, bool])
    def test_every_format(self, kind, format, dtype):
        A = getattr(scipy.sparse, f"{format}_{kind}")(SPARSE.toarray().astype(dtype))
        becomes = np.float32 if dtype is np.float32 else np.float64
        matrix = as_matrix(A)
        assert matrix.dtype == becomes
        assert_stands_for(matrix.operator, A.toarray(), becomes)

    @pytest.mark.parametrize("format", ["csr", "csc"])
    @pytest.mark.parametrize(
        "widths",
        [
            ("int32", "int32"),
            ("int64", "int64"),
            ("int64", "int32"),
            ("int32", "int64"),
            (">i4", "int32"),
            ("int16", "uint8"),
        ],
    )
    def test_every_index_width(self, format, widths):
        A = SPARSE.asformat(format, copy=True)
        expected = A.toarray()
        A.indptr, A.indices = A.indptr.astype(widths[0]), A.indices.astype(widths[1])
        assert_stands_for(as_operator(A), expected)

    def test_csr_and_csc_are_used_in_place(self):
        for A in (SPARSE.copy(), SPARSE.tocsc()):
            operator = as_operator(A)
            A.data[:] = 0
            assert operator.scan()["max_abs"] == 0

    def test_unsorted_and_duplicate_entries_mean_what_scipy_means_and_stay_as_they_are(self):
        indptr, indices = np.array([0, 4, 5]), np.array([3, 0, 3, 1, 2])
        data = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
        A = scipy.sparse.csr_array((data, indices, indptr), shape=(2, 5))
        assert_stands_for(as_operator(A), A.toarray())
        np.testing.assert_array_equal(A.indices, [3, 0, 3, 1, 2])
        np.testing.assert_array_equal(A.data, [1, 2, 4, 8, 16])

    def test_explicit_zeros_and_read_only_arrays(self):
        A = SPARSE.copy()
        A.data[::2] = 0
        for part in (A.data, A.indices, A.indptr):
            part.flags.writeable = False
        assert_stands_for(as_operator(A), A.toarray())

    def test_virtual_shapes_beyond_two_billion(self):
        A = scipy.sparse.csr_array(([2.0, 3.0], [1, 2**33], [0, 1, 2]), shape=(2, 2**34))
        assert as_operator(A).shape == (2, 2**34)

    def test_complex_and_one_dimensional(self):
        with pytest.raises(TypeError, match="A must be real"):
            as_operator(SPARSE.astype(complex))
        with pytest.raises(ValueError, match="A must have two dimensions"):
            as_operator(scipy.sparse.coo_array(np.ones(4)))

    @pytest.mark.parametrize("format", ["csr", "csc"])
    @pytest.mark.parametrize(
        "damage",
        [
            lambda A: A.indices.__setitem__(3, 10**6),
            lambda A: A.indices.__setitem__(3, -1),
            lambda A: A.indptr.__setitem__(2, A.indptr[1] - 1),
            lambda A: A.indptr.__setitem__(2, 10**6),
            lambda A: A.indptr.__setitem__(-1, A.indices.size + 1),
            lambda A: A.indptr.__setitem__(0, 1),
            lambda A: A.indptr.__setitem__(0, -5),
            lambda A: setattr(A, "indptr", A.indptr[:-1]),
            lambda A: setattr(A, "indices", A.indices[:-2]),
            lambda A: setattr(A, "data", A.data[:-2]),
        ],
    )
    def test_a_broken_structure_is_refused_before_anything_is_read_through_it(self, format, damage):
        A = SPARSE.asformat(format, copy=True)
        damage(A)
        with pytest.raises(ValueError, match="malformed"):
            as_operator(A)

    @pytest.mark.parametrize("place", [-1, 10**6])
    @pytest.mark.parametrize("part", ["row", "col"])
    def test_broken_coordinates(self, place, part):
        A = SPARSE.tocoo(copy=True)
        getattr(A, part)[2] = place
        with pytest.raises(ValueError, match=r"A is a COO matrix whose (row|column) indices"):
            as_operator(A)

    @pytest.mark.parametrize(
        "damage",
        [
            lambda A: A.indices.__setitem__(0, 10**6),
            lambda A: A.indices.__setitem__(0, -1),
            lambda A: A.indptr.__setitem__(1, 10**6),
            lambda A: A.indptr.__setitem__(-1, 10**6),
        ],
    )
    def test_broken_blocks(self, damage):
        A = scipy.sparse.bsr_array(np.kron(np.eye(4), np.ones((2, 3))), blocksize=(2, 3))
        damage(A)
        with pytest.raises(ValueError, match="A is a BSR matrix"):
            as_operator(A)


class TestProducts:
    """`apply` and `apply_adjoint` read and write the caller's arrays where they are."""

    VIEWS = (
        lambda X: X,
        np.asfortranarray,
        lambda X: np.repeat(X, 2, axis=1)[:, ::2],
        lambda X: np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1],
    )

    @pytest.mark.parametrize("read", VIEWS)
    @pytest.mark.parametrize("write", VIEWS)
    @pytest.mark.parametrize("A", [DENSE, SPARSE.tocsr(), SPARSE.tocsc()], ids=["dense", "csr", "csc"])
    @pytest.mark.parametrize("columns", [1, 16, 60])
    def test_arrays_of_any_strides(self, A, read, write, columns):
        for adjoint in (False, True):
            B = A.T if adjoint else A
            X = read(np.random.default_rng(0).standard_normal((B.shape[1], columns)))
            Y = write(np.full((B.shape[0], columns), np.nan))
            operator = as_operator(A)
            (operator.apply_adjoint if adjoint else operator.apply)(X, Y)
            np.testing.assert_allclose(Y, B @ X, rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize(
        ("X", "Y"),
        [
            (np.ones((DENSE.shape[1] + 1, 3)), np.ones((DENSE.shape[0], 3))),
            (np.ones((DENSE.shape[1], 3)), np.ones((DENSE.shape[0], 4))),
            (np.ones((DENSE.shape[1], 3), np.float32), np.ones((DENSE.shape[0], 3))),
            (np.ones((DENSE.shape[1], 3)), np.broadcast_to(1.0, (DENSE.shape[0], 3))),
        ],
    )
    def test_arrays_that_do_not_fit_are_refused(self, X, Y):
        with pytest.raises(ValueError, match=r"rows|writable"):
            as_operator(DENSE).apply(X, Y)
