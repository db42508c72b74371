"""Result objects: unpacking, algebra, projection, files, and the report they carry."""

import io
import pickle

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import corange as cr
from corange._report import Iteration, Report, counted, readable_bytes
from corange._results import EighResult, QBResult, SVDResult

RNG = np.random.default_rng(0)


def make_report(**changes):
    fields = {
        "task": "svd",
        "matrix": "9 x 6 dense matrix, float64",
        "method": "block Lanczos",
        "rank": 3,
        "tol": 1e-3,
        "converged": True,
        "stopped": "converged",
        "passes": 7,
        "products": 42,
        "iterations": 5,
        "restarts": 1,
        "block_size": 2,
        "max_basis": 12,
        "seconds": 0.25,
        "residuals": np.array([2e-4, 4e-4, 1e-3]),
        "scale": 2.0,
        "norm_fro": 3.0,
        "error": 0.1,
        "error_kind": "exact",
        "error_bound": 0.1,
        "error_confidence": 1.0,
        "history": (Iteration(1, 2, 0, 0.5, 0.1), Iteration(2, 4, 3, 5e-4, 0.2)),
        "peak_bytes": 12_345_678,
    }
    return Report(**{**fields, **changes})


def make_results(dtype=np.float64):
    """One result of each kind, with and without means."""
    U, V = (np.linalg.qr(RNG.standard_normal((size, 3)))[0].astype(dtype) for size in (9, 6))
    s = np.array([3.0, 2.0, 1.0], dtype=dtype)
    mean = RNG.standard_normal(6)
    report = make_report()
    return [
        SVDResult(U, s, V.T, report=report),
        SVDResult(U, s, V.T, report=report, mean=mean),
        EighResult(s - 2, V, report=report),
        QBResult(U, (V * s).T, report=report),
        QBResult(U, (V * s).T, report=report, mean=mean),
    ]


def dense_of(result):
    """The approximation by its definition."""
    if isinstance(result, SVDResult):
        A = result.U @ np.diag(result.s) @ result.Vt
    elif isinstance(result, EighResult):
        A = result.V @ np.diag(result.w) @ result.V.T
    else:
        A = result.Q @ result.B
    return A if result.mean is None else A + result.mean


@pytest.fixture(params=range(5))
def result(request):
    return make_results()[request.param]


class TestTuple:
    def test_unpacks_and_indexes_like_a_tuple(self, result):
        factors = tuple(result)
        assert len(result) == len(factors) == len(result.factor_names)
        assert result[0] is factors[0]
        assert result[-1] is factors[-1]
        assert result[1:] == factors[1:]
        assert all(getattr(result, n) is f for n, f in zip(result.factor_names, factors, strict=True))

    def test_is_frozen(self, result):
        with pytest.raises(AttributeError):
            result.report = None

    def test_survives_pickling(self, result):
        again = pickle.loads(pickle.dumps(result))
        assert type(again) is type(result)
        np.testing.assert_array_equal(dense_of(again), dense_of(result))

    def test_repr_tells_rank_shape_precision_and_state(self):
        plain, centered = make_results()[:2]
        assert repr(plain) == "SVDResult(rank=3, shape=(9, 6), float64, converged)"
        assert "centered" in repr(centered)
        late = SVDResult(*plain, report=make_report(converged=False))
        assert "not converged" in repr(late)


class TestAlgebra:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_reconstruct_follows_the_definition_and_keeps_the_precision(self, dtype):
        for result in make_results(dtype):
            A = result.reconstruct()
            assert A.dtype == dtype
            np.testing.assert_allclose(A, dense_of(result), atol=20 * np.finfo(dtype).eps)

    def test_parts(self, result):
        A = result.reconstruct()
        np.testing.assert_allclose(result.reconstruct(rows=slice(2, 5)), A[2:5], atol=1e-14)
        np.testing.assert_allclose(result.reconstruct(columns=[4, 0]), A[:, [4, 0]], atol=1e-14)
        np.testing.assert_allclose(
            result.reconstruct([1, 3], slice(None, None, 2)), A[[1, 3], ::2], atol=1e-14
        )
        np.testing.assert_allclose(result.reconstruct(3, 2), A[3:4, 2:3], atol=1e-14)

    def test_multiplies_like_the_matrix(self, result):
        A, n = dense_of(result), result.shape[1]
        for X in (RNG.standard_normal(n), RNG.standard_normal((n, 4))):
            np.testing.assert_allclose(result @ X, A @ X, atol=1e-13)

    @pytest.mark.parametrize(
        ("X", "error", "message"),
        [
            (np.ones(3), ValueError, r"X must have \d+ rows, as the matrix .* had columns, got 3"),
            (np.ones((3, 2)), ValueError, r"X must have \d+ rows"),
            (np.float64(3), ValueError, "X must be a vector or a matrix, got 0 dimensions"),
            (np.ones((3, 2, 2)), ValueError, "X must be a vector or a matrix, got 3 dimensions"),
            (np.ones(3, complex), TypeError, "X must be real"),
            (["a", "b"], TypeError, "X must hold numbers"),
        ],
    )
    def test_refuses_to_multiply_with(self, result, X, error, message):
        with pytest.raises(error, match=message):
            result @ X

    def test_shape_rank_precision(self, result):
        assert result.shape == dense_of(result).shape
        assert result.rank == 3
        assert result.dtype == np.float64
        np.testing.assert_allclose(result.left @ result.right + (0 if result.mean is None else result.mean),
                                   dense_of(result), atol=1e-14)  # fmt: skip


class TestProject:
    @pytest.mark.parametrize("convert", [np.asarray, scipy.sparse.csr_array, scipy.sparse.coo_matrix, list])
    @pytest.mark.parametrize("index", [0, 1])
    def test_rows_in_the_basis_of_right_vectors(self, index, convert):
        result = make_results()[index]
        X = RNG.standard_normal((4, 6))
        expected = (X - (0 if result.mean is None else result.mean)) @ result.Vt.T
        np.testing.assert_allclose(result.project(convert(X)), expected, atol=1e-13)

    def test_of_eigenvectors(self):
        result = make_results()[2]
        X = RNG.standard_normal((4, 6))
        np.testing.assert_allclose(result.project(X), X @ result.V, atol=1e-13)

    @pytest.mark.parametrize("index", [3, 4])
    def test_columns_in_the_basis_of_the_range(self, index):
        result = make_results()[index]
        X = RNG.standard_normal((9, 6))
        expected = result.Q.T @ (X - (0 if result.mean is None else result.mean))
        np.testing.assert_allclose(result.project(X), expected, atol=1e-13)

    def test_wrong_size_is_named(self):
        svd, *_, qb = make_results()
        with pytest.raises(ValueError, match=r"X must have 6 columns, .* got 5"):
            svd.project(np.ones((4, 5)))
        with pytest.raises(ValueError, match=r"X must have 9 rows, .* got 8"):
            qb.project(np.ones((8, 6)))


class TestFiles:
    def test_round_trip(self, result, tmp_path):
        path = tmp_path / "result.npz"
        result.save(path)
        again = cr.load(path)
        assert type(again) is type(result)
        for name in result.factor_names:
            np.testing.assert_array_equal(getattr(again, name), getattr(result, name))
            assert getattr(again, name).dtype == getattr(result, name).dtype
        assert (again.mean is None) == (result.mean is None)
        np.testing.assert_array_equal(again.reconstruct(), result.reconstruct())
        assert str(again.report) == str(result.report)
        assert again.report.history == result.report.history
        np.testing.assert_array_equal(again.report.residuals, result.report.residuals)

    def test_works_with_open_files_and_strings(self, tmp_path):
        result = make_results()[0]
        buffer = io.BytesIO()
        result.save(buffer)
        buffer.seek(0)
        np.testing.assert_array_equal(cr.load(buffer).s, result.s)
        result.save(str(tmp_path / "a"))
        np.testing.assert_array_equal(cr.load(str(tmp_path / "a.npz")).s, result.s)

    def test_unknown_numbers_survive(self, tmp_path):
        result = SVDResult(*make_results()[0], report=make_report(error=np.nan, tol=np.nan, history=()))
        result.save(tmp_path / "a.npz")
        report = cr.load(tmp_path / "a.npz").report
        assert np.isnan(report.error)
        assert np.isnan(report.tol)
        assert report.history == ()

    def test_holds_no_pickles(self, tmp_path):
        make_results()[1].save(tmp_path / "a.npz")
        with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
            assert all(archive[name].dtype.kind in "fU" for name in archive)

    def test_other_files_are_refused(self, tmp_path):
        np.savez(tmp_path / "other.npz", a=np.ones(3))
        np.save(tmp_path / "array.npy", np.ones(3))
        np.savez(tmp_path / "later.npz", format=np.array("corange result 99"))
        (tmp_path / "text.npz").write_text("not a zip")
        (tmp_path / "empty.npz").write_bytes(b"")
        for name in ("other.npz", "array.npy", "text.npz", "empty.npz"):
            with pytest.raises(ValueError, match="is not a result that corange saved"):
                cr.load(tmp_path / name)
        with pytest.raises(ValueError, match="corange result 99"):
            cr.load(tmp_path / "later.npz")
        with pytest.raises(OSError, match="missing"):
            cr.load(tmp_path / "missing.npz")

    def test_a_truncated_file_is_refused(self, tmp_path):
        make_results()[0].save(tmp_path / "a.npz")
        content = (tmp_path / "a.npz").read_bytes()
        (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
        with pytest.raises(ValueError, match="is not a result that corange saved"):
            cr.load(tmp_path / "cut.npz")


class TestReport:
    def test_summary_of_a_converged_one(self):
        text = str(make_report())
        assert text.splitlines()[0] == "svd of rank 3 of a 9 x 6 dense matrix, float64"
        assert "converged, 5 iterations, 1 restart" in text
        assert "7 passes over A, 42 product columns, 0.25 s, 12.3 MB" in text
        assert "at most 0.0005 of the largest value; asked for: 0.001" in text
        assert "= 0.1 in the Frobenius norm, exact" in text

    def test_summary_says_what_is_not_known_or_not_reached(self):
        text = str(
            make_report(
                converged=False,
                stopped="max_passes",
                error_kind="estimated",
                error_bound=0.2,
                error_confidence=0.99,
            )
        )
        assert "NOT converged" in text
        assert "estimated; at most 0.2 with probability 0.99" in text
        assert "Frobenius" not in str(make_report(error=np.nan))

    def test_relative_residuals(self):
        np.testing.assert_allclose(make_report().relative_residuals, [1e-4, 2e-4, 5e-4])
        assert (make_report(scale=0.0, residuals=np.zeros(3)).relative_residuals == 0).all()

    @given(st.floats(0, 1e15))
    @settings(max_examples=50)
    def test_sizes_are_readable(self, size):
        number, unit = readable_bytes(size).split()
        assert float(number) <= 1000
        assert unit in ("bytes", "kB", "MB", "GB", "TB")

    def test_counts_are_grammatical(self):
        assert counted(1, "pass", "passes") == "1 pass"
        assert counted(2, "pass", "passes") == "2 passes"
        assert counted(0, "restart") == "0 restarts"
