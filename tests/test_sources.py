"""Matrices known by their products or their rows, and shifts of all kinds of matrices."""

import mmap
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

import corange as cr
from corange import _sources
from corange._operators import as_matrix, as_operator, as_stored
from operators_reference import DENSE, RNG, M, N, assert_stands_for, products


class Products:
    """An operator by its products alone, as other libraries have them."""

    def __init__(self, A, adjoint=True, dtype=None):
        self._A = A
        self.shape = A.shape
        self.dtype = dtype or A.dtype
        if adjoint:
            self.T = Products(A.T, adjoint=False, dtype=dtype)

    def __matmul__(self, X):
        return self._A @ X


class TestProducts:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("wrap", [aslinearoperator, Products])
    def test_operators(self, wrap, dtype):
        A = DENSE.astype(dtype)
        matrix = as_matrix(wrap(A))
        assert (matrix.kind, matrix.dtype) == ("products", dtype)
        assert_stands_for(matrix.operator, A, dtype)

    def test_compositions_and_transposes(self):
        A = aslinearoperator(DENSE)
        assert_stands_for(as_operator(2 * A.T @ A), 2 * DENSE.T @ DENSE)

    def test_integer_and_unknown_types_are_computed_in_double(self):
        assert as_matrix(aslinearoperator(np.ones((3, 2), dtype=np.int64))).dtype == np.float64
        operator = Products(DENSE)
        operator.dtype = None
        assert as_matrix(operator).dtype == np.float64

    def test_vector_products_are_enough(self):
        A = LinearOperator(DENSE.shape, matvec=lambda x: DENSE @ x, rmatvec=lambda x: DENSE.T @ x)
        assert_stands_for(as_operator(A), DENSE)

    @pytest.mark.parametrize(
        "A",
        [
            LinearOperator(DENSE.shape, matvec=lambda x: DENSE @ x, dtype=float),
            Products(DENSE, adjoint=False),
        ],
    )
    def test_a_missing_transpose_is_refused_at_once(self, A):
        with pytest.raises(TypeError, match="but not with its transpose"):
            as_operator(A)

    def test_a_symmetric_operator_needs_no_transpose(self):
        S = DENSE.T @ DENSE
        A = LinearOperator(S.shape, matvec=lambda x: S @ x, dtype=float)
        assert_stands_for(as_operator(A, symmetric=True), S)

    def test_complex(self):
        with pytest.raises(TypeError, match="A must be real"):
            as_operator(aslinearoperator(DENSE.astype(complex)))

    @pytest.mark.parametrize(
        ("wrong", "error", "message"),
        [
            (lambda Y: Y[:-1], ValueError, r"must have shape \(13, 4\), got \(12, 4\)"),
            (lambda Y: Y[:, 0], ValueError, r"must have shape \(13, 4\), got \(13,\)"),
            (lambda Y: Y + 1j, TypeError, "must hold real numbers, got dtype complex128"),
            (lambda Y: Y.astype(str), TypeError, "must hold real numbers"),
            (lambda Y: Y * np.nan, ValueError, "contains NaN or infinity although X is finite"),
            (lambda Y: None, (TypeError, ValueError), "must"),
        ],
    )
    def test_wrong_products_are_named(self, wrong, error, message):
        class Wrong(Products):
            def __matmul__(self, X):
                return wrong(DENSE @ X)

        with pytest.raises(error, match=message):
            products(as_operator(Wrong(DENSE)))

    def test_exceptions_of_the_user_pass_through(self):
        class DiskError(Exception):
            pass

        class Failing(Products):
            def __matmul__(self, X):
                raise DiskError("disk gone")

        with pytest.raises(DiskError, match="disk gone"):
            products(as_operator(Failing(DENSE)))


class Rows:
    """A data set on disk: shape, dtype, slices of rows."""

    def __init__(self, A, chunks=None):
        self._A, self.shape, self.dtype, self.chunks = A, A.shape, A.dtype, chunks
        self.reads = []

    def __getitem__(self, key):
        self.reads.append(key)
        return self._A[key]


class TestRows:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, ">f8"])
    def test_data_sets_are_read_by_rows(self, dtype):
        A = (10 * DENSE).astype(dtype)
        matrix = as_matrix(Rows(A))
        assert matrix.kind == "rows"
        assert_stands_for(matrix.operator, A, np.float32 if dtype is np.float32 else np.float64)

    def test_blocks_in_order_and_within_bounds(self, monkeypatch):
        monkeypatch.setattr(_sources, "BLOCK_BYTES", 4 * N * 8)
        rows = Rows(DENSE)
        operator = as_operator(rows)
        X, Y = np.ones((N, 1)), np.empty((M, 1))
        operator.apply(X, Y)
        assert [(key.start, key.stop) for key in rows.reads] == [(0, 4), (4, 8), (8, 12), (12, 13)]

    @pytest.mark.parametrize(
        ("chunks", "expected"), [((5, 7), 10), (((5, 5, 3), (7,)), 10), ((20, 7), 11), (None, 11)]
    )
    def test_blocks_are_whole_chunks(self, monkeypatch, chunks, expected):
        monkeypatch.setattr(_sources, "BLOCK_BYTES", 11 * N * 8)
        assert _sources.rows_per_block((M, N), np.dtype(float), chunks) == expected

    def test_huge_rows_are_read_one_at_a_time(self):
        assert _sources.rows_per_block((5, 10**10), np.dtype(float), None) == 1

    @pytest.mark.parametrize(
        ("wrong", "error", "message"),
        [
            (lambda A: A[:, :-1], ValueError, r"A\[0:13\] must have shape \(13, 7\), got \(13, 6\)"),
            (lambda A: A[:0], ValueError, r"must have shape \(13, 7\), got \(0, 7\)"),
            (lambda A: A + 1j, TypeError, "must hold real numbers"),
            (lambda A: np.ma.masked_array(A, A > 1), TypeError, "has masked entries"),
        ],
    )
    def test_wrong_blocks_are_named(self, wrong, error, message):
        class Wrong(Rows):
            def __getitem__(self, key):
                return wrong(self._A[key])

        with pytest.raises(error, match=message):
            products(as_operator(Wrong(DENSE)))

    def test_masked_arrays_without_a_mask_are_fine(self):
        class Clean(Rows):
            def __getitem__(self, key):
                return np.ma.masked_array(self._A[key])

        assert_stands_for(as_operator(Clean(DENSE)), DENSE)

    def test_sparse_blocks_become_dense_one_at_a_time(self):
        class Sparse(Rows):
            def __getitem__(self, key):
                return scipy.sparse.csr_array(self._A[key])

        assert_stands_for(as_operator(Sparse(DENSE)), DENSE)

    def test_bad_entries_are_refused_while_reading(self):
        A = DENSE.copy()
        A[5, 3] = np.nan
        with pytest.raises(ValueError, match="row 5, column 3"):
            products(as_operator(Rows(A)))
        products(as_operator(Rows(A), check_finite=False))

    def test_errors_of_the_reader_pass_through(self):
        class Gone(Rows):
            def __getitem__(self, key):
                raise OSError("the file was removed")

        with pytest.raises(OSError, match="the file was removed"):
            products(as_operator(Gone(DENSE)))


class TestMemoryMaps:
    @pytest.fixture
    def path(self, tmp_path):
        np.save(tmp_path / "a.npy", DENSE)
        return tmp_path / "a.npy"

    @pytest.mark.parametrize("mode", ["r", "c", "r+"])
    def test_small_files_are_dense(self, path, mode):
        matrix = as_matrix(np.load(path, mmap_mode=mode))
        assert matrix.kind == "dense"
        assert_stands_for(matrix.operator, DENSE)

    @pytest.mark.parametrize("mode", ["r", "c", "r+"])
    @pytest.mark.parametrize(
        "view", [lambda A: A, lambda A: A[2:, 1:], lambda A: A[::-1], lambda A: np.asarray(A)[3:]]
    )
    def test_large_files_are_streamed(self, path, mode, view, monkeypatch):
        monkeypatch.setattr(_sources, "STREAMED_BYTES", 100)
        monkeypatch.setattr(_sources, "BLOCK_BYTES", 4 * N * 8)
        A = view(np.load(path, mmap_mode=mode))
        matrix = as_matrix(A)
        assert matrix.kind == "rows"
        assert "memory-mapped" in matrix.description
        assert_stands_for(matrix.operator, view(DENSE))

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("view", [lambda A: A, lambda A: A.T, lambda A: A[2:, ::2], lambda A: A[:, ::-1]])
    def test_files_stored_by_columns_are_read_by_columns(self, tmp_path, view, dtype, monkeypatch):
        monkeypatch.setattr(_sources, "STREAMED_BYTES", 100)
        monkeypatch.setattr(_sources, "BLOCK_BYTES", 4 * M * 8)
        np.save(tmp_path / "a.npy", np.asfortranarray(DENSE.astype(dtype)))
        A = view(np.load(tmp_path / "a.npy", mmap_mode="r"))
        by_columns = abs(A.strides[0]) < abs(A.strides[1])
        mean, scale = RNG.standard_normal(A.shape[1]), RNG.uniform(1, 2, A.shape[0])
        matrix = as_matrix(A, mean=mean, row_scale=scale)
        assert matrix.kind == "rows"
        assert ("columns at a time" in matrix.description) == by_columns
        expected = scale[:, np.newaxis] * (np.asarray(A, dtype=np.float64) - mean)
        assert_stands_for(matrix.operator, expected, dtype)
        centered = as_matrix(A, center=True)
        np.testing.assert_allclose(centered.mean, np.asarray(A).mean(axis=0), rtol=1e-5, atol=1e-6)
        stored = as_stored(A)
        read, height = stored.arrays
        np.testing.assert_array_equal(
            np.vstack([read(i, min(i + height, len(A))) for i in range(0, len(A), height)]), A
        )

    @pytest.mark.parametrize("center", [False, True])
    def test_nan_in_a_file_stored_by_columns_is_refused_by_place(self, tmp_path, center, monkeypatch):
        monkeypatch.setattr(_sources, "STREAMED_BYTES", 100)
        A = np.asfortranarray(DENSE)
        A[5, 3] = np.nan
        np.save(tmp_path / "a.npy", A)
        with pytest.raises(ValueError, match="row 5, column 3"):
            cr.svd(np.load(tmp_path / "a.npy", mmap_mode="r"), 2, center=center)

    @pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
    @pytest.mark.parametrize("shape", [(4000, 4000), (400, 40000), (40000, 400)])
    @pytest.mark.parametrize("order", ["C", "F"])
    def test_a_mapped_file_is_never_in_memory_whole(self, tmp_path, shape, order):
        A = np.memmap(tmp_path / "a", np.float32, "w+", shape=shape, order=order)
        A[:] = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        A.flush()
        program = textwrap.dedent(f"""
            import re, sys, numpy as np, corange as cr
            from corange import _sources
            from corange._operators import as_stored
            _sources.STREAMED_BYTES, _sources.BLOCK_BYTES = 2**24, 2**22
            file = "/proc/self/status"
            status = lambda key: int(re.search(key + r":\\s+(\\d+)", open(file).read())[1]) / 1024
            small = np.ones((300, 200))
            cr.svd(small, 5)
            A = np.memmap({str(tmp_path / "a")!r}, np.float32, "r", shape={shape}, order={order!r})
            before = status("VmRSS")
            cr.svd(A, 5, tol=0.5, max_passes=4, random_state=0)
            read, height = as_stored(A).arrays
            starts = range(0, len(A), height)
            assert sum(float(np.abs(read(i, min(i + height, len(A)))).sum()) for i in starts) > 0
            print(status("VmHWM") - before)
        """)
        grown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        # the file has 61 MB; blocks of 4 MB, what lies around them, and factors and basis of some 10 MB
        assert float(grown.stdout) < 32

    def test_changes_to_a_private_copy_survive(self, path, monkeypatch):
        monkeypatch.setattr(_sources, "STREAMED_BYTES", 100)
        monkeypatch.setattr(_sources, "BLOCK_BYTES", 4 * N * 8)
        A = np.load(path, mmap_mode="c")
        A[3] = 1.0
        expected = DENSE.copy()
        expected[3] = 1.0
        assert_stands_for(as_operator(A), expected)
        np.testing.assert_array_equal(A[3], 1.0)

    @pytest.mark.parametrize("streamed", [False, True])
    def test_a_file_that_became_too_short_is_refused(self, tmp_path, monkeypatch, streamed):
        A = np.ones((40, mmap.PAGESIZE // 8))
        np.save(tmp_path / "a.npy", A)
        mapped = np.load(tmp_path / "a.npy", mmap_mode="r+")
        if streamed:
            monkeypatch.setattr(_sources, "STREAMED_BYTES", 100)
        with (tmp_path / "a.npy").open("r+b") as file:
            file.truncate(8 * mmap.PAGESIZE)
        with pytest.raises(ValueError, match=r"A is mapped from a file that had \d+ bytes and has \d+ now"):
            as_operator(mapped)

    def test_a_file_cut_short_while_it_is_read(self, tmp_path, monkeypatch):
        monkeypatch.setattr(_sources, "STREAMED_BYTES", 100)
        A = np.ones((40, mmap.PAGESIZE // 8))
        np.save(tmp_path / "a.npy", A)
        operator = as_operator(np.load(tmp_path / "a.npy", mmap_mode="r"))
        products(operator)
        with (tmp_path / "a.npy").open("r+b") as file:
            file.truncate(8 * mmap.PAGESIZE)
        with pytest.raises(ValueError, match="A is mapped from a file"):
            products(operator)

    def test_a_removed_file_is_still_there_for_who_has_it_open(self, path, monkeypatch):
        monkeypatch.setattr(_sources, "STREAMED_BYTES", 100)
        A = np.load(path, mmap_mode="r")
        path.unlink()
        assert_stands_for(as_operator(A), DENSE)

    def test_plain_arrays_are_not_taken_for_maps(self):
        assert _sources.memory_map(DENSE) is None
        assert _sources.memory_map(np.frombuffer(bytearray(80), dtype=float)) is None


KINDS = {
    "dense": lambda A: A,
    "csr": scipy.sparse.csr_array,
    "csc": scipy.sparse.csc_array,
    "rows": Rows,
    "products": Products,
    "scipy operator": aslinearoperator,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
class TestShifts:
    def test_centering(self, kind, dtype):
        A = DENSE.astype(dtype) + 3
        matrix = as_matrix(KINDS[kind](A), center=True)
        np.testing.assert_allclose(matrix.mean, A.mean(axis=0), rtol=100 * np.finfo(dtype).eps)
        assert matrix.mean.dtype == np.float64
        assert_stands_for(matrix.operator, A - matrix.mean, dtype)

    def test_weighted_means_and_row_factors(self, kind, dtype):
        A, weights = DENSE.astype(dtype), RNG.uniform(0.5, 2.0, M)
        matrix = as_matrix(KINDS[kind](A), center=True, weights=weights, row_scale=np.sqrt(weights))
        mean = np.average(A, axis=0, weights=weights)
        np.testing.assert_allclose(matrix.mean, mean, atol=100 * np.finfo(dtype).eps)
        assert_stands_for(matrix.operator, np.sqrt(weights)[:, np.newaxis] * (A - mean), dtype)

    def test_given_means(self, kind, dtype):
        A = DENSE.astype(dtype)
        matrix = as_matrix(KINDS[kind](A), mean=np.arange(N, dtype=dtype))
        assert_stands_for(matrix.operator, A - np.arange(N), dtype)
