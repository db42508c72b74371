"""The benchmarks measure what they say: errors against dense LAPACK, turns, gates, memory, JSON."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

ROOT = Path(__file__).resolve().parents[1]
if not (ROOT / "bench").is_dir():
    pytest.skip("the benchmarks are not part of this tree", allow_module_level=True)
sys.path.insert(0, str(ROOT))

from bench import __main__ as families  # noqa: E402
from bench import (  # noqa: E402
    accuracy,
    chart,
    contest,
    data,
    footprint,
    harness,
    memory,
    peers,
    report,
    svd,
    tuning,
    updating,
)
from bench.answers import SVDAnswer  # noqa: E402
from bench.session import Session  # noqa: E402

RANK = 5


@pytest.fixture(scope="module")
def dense():
    """A small matrix with decaying singular values."""
    return data.decaying_dense(200, 60, 30, 1e-4)


@pytest.fixture
def session(tmp_path):
    """A session that measures next to nothing."""
    ceilings = dict.fromkeys(("gemm_float64", "gemm_float32", "copy", "triad", "read"), 1.0)
    return Session(tmp_path, repeats=2, quick=True, memory=False, ceilings=ceilings)


def exact(matrix, rank=RANK):
    """The best approximation, by LAPACK."""
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    return SVDAnswer(u[:, :rank], s[:rank], vt[:rank])


def spoiled(matrix, rank=RANK):
    """A worse one: an orthonormal basis a bit off, and its own singular values."""
    rng = np.random.default_rng(3)
    best = exact(matrix, rank)
    q = np.linalg.qr(best.Vt.T + 0.05 * rng.standard_normal(best.Vt.T.shape))[0]
    u, s, wt = np.linalg.svd(matrix @ q, full_matrices=False)
    return SVDAnswer(u, s, wt @ q.T)


def errors_by_hand(matrix, answer):
    """The three errors by their definitions."""
    s = np.linalg.svd(matrix, compute_uv=False)
    k = answer.s.size
    squares = np.sum((matrix @ answer.Vt.T) ** 2, axis=0)
    off = np.linalg.norm(matrix - (answer.U * answer.s) @ answer.Vt)
    return {
        "sigma": np.max(np.abs(answer.s - s[:k]) / s[:k]),
        "vector": np.max(np.abs(squares - s[:k] ** 2)) / s[k] ** 2,
        "excess": off / np.sqrt(np.sum(s[k:] ** 2)) - 1,
        "ortho": max(abs(one - np.eye(k)).max() for one in (answer.U.T @ answer.U, answer.Vt @ answer.Vt.T)),
    }


class TestAccuracy:
    """Errors are those of the definitions, whatever the reference was computed by."""

    @pytest.mark.parametrize("make", [exact, spoiled])
    def test_errors_equal_their_definitions(self, dense, make):
        answer = make(dense)
        found = accuracy.dense_reference(dense).errors(answer)
        for name, value in errors_by_hand(dense, answer).items():
            assert found[name] == pytest.approx(value, rel=1e-6, abs=1e-12)

    def test_references_agree_with_lapack(self, dense):
        lapack = np.linalg.svd(dense, compute_uv=False)
        references = [
            accuracy.dense_reference(dense),
            accuracy.streamed_reference(dense),
            accuracy.sparse_reference(sp.csr_matrix(dense), RANK),
        ]
        for reference in references:
            np.testing.assert_allclose(reference.values[: RANK + 1], lapack[: RANK + 1], rtol=1e-9)
            assert reference.norm_squared == pytest.approx(np.sum(dense**2), rel=1e-12)

    def test_centered_reference_is_that_of_the_centered_matrix(self, dense):
        shifted = dense + np.linspace(0, 3, dense.shape[1])
        centered = shifted - shifted.mean(axis=0)
        found = accuracy.dense_reference(shifted, center=True).errors(spoiled(centered))
        expected = errors_by_hand(centered, spoiled(centered))
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-12)

    def test_nan_does_not_pass_a_gate(self):
        assert not accuracy.within({"sigma": float("nan")}, {"sigma": 1.0})


class TestPeers:
    """Every contender returns the factors in the common form."""

    @pytest.mark.parametrize(
        ("function", "settings"),
        [
            (peers.scipy_svds, {"solver": "arpack", "tol": 0}),
            (peers.scipy_svds, {"solver": "propack", "tol": 1e-6}),
            (peers.scipy_svds, {"solver": "lobpcg", "tol": 1e-6, "maxiter": 200}),
            (peers.primme, {"tol": 1e-8}),
            (peers.randomized_svd, {"n_iter": 30}),
            (peers.truncated_svd, {"algorithm": "randomized", "n_iter": 30}),
            (peers.truncated_svd, {"algorithm": "arpack"}),
            (peers.fbpca, {"n_iter": 30}),
            (peers.gram_eigh, {}),
            (peers.torch_lowrank, {"q": 15, "niter": 30}),
            (peers.corange, {"tol": 1e-6}),
        ],
    )
    @pytest.mark.filterwarnings("ignore")
    def test_answer_is_the_svd(self, dense, function, settings):
        if function in (peers.primme, peers.fbpca, peers.torch_lowrank):
            module = {"primme": "primme", "fbpca": "fbpca"}.get(function.__name__, "torch")
            pytest.importorskip(module)
        answer = function(dense, RANK, 0, **settings)
        found = accuracy.dense_reference(dense).errors(answer)
        assert accuracy.within(found, {"sigma": 1e-8, "vector": 1e-7, "excess": 1e-8})

    def test_principal_components_are_centered(self, dense):
        shifted = dense + 1.0
        answer = peers.pca(shifted, RANK, 0, svd_solver="full")
        found = accuracy.dense_reference(shifted, center=True).errors(answer)
        assert accuracy.within(found, {"sigma": 1e-10, "vector": 1e-8, "excess": 1e-10})

    def test_products_of_scipy_are_counted(self, dense):
        settings = {"rank": RANK, "seed": 0, "solver": "propack", "tol": 1e-3}
        count = peers.count_products(peers.scipy_svds, dense, **settings)
        assert 2 * RANK <= count < 500
        assert peers.count_products(peers.randomized_svd, dense, rank=RANK, seed=0) is None


class TestHarness:
    """Turns, medians, verdicts."""

    def test_contenders_take_turns_after_a_warm_up(self):
        calls = []

        def job(data, seed, name):
            calls.append((name, seed))

        pair = [harness.Contender(name, job, "none", {"name": name}) for name in "ab"]
        times = harness.time_interleaved(pair, {"none": None}, repeats=3, seeds=(7, 8))
        assert calls[2:] == [("a", 7), ("b", 7), ("a", 8), ("b", 8), ("a", 7), ("b", 7)]
        assert [len(values) for values in times.values()] == [3, 3]

    def test_ratio_needs_two_accurate_rows(self):
        fast, slow = harness.Row("a", "", seconds=1.0), harness.Row("b", "", seconds=4.0)
        assert harness.ratio(fast, slow) == 0.25
        slow.status = "inaccurate"
        assert harness.ratio(fast, slow) is None

    def test_bars(self):
        assert harness.Bar("", 0.5, 0.5).passed is True
        assert harness.Bar("", 0.5, 0.6).passed is False
        assert harness.Bar("", 0.5, 0.6, at_least=True).passed is True
        assert harness.Bar("", 0.5, None).passed is None

    @pytest.mark.parametrize("status", ["missing", "failed", "inaccurate", "not there"])
    def test_the_bar_of_krylov_solvers_needs_all_three(self, status):
        seconds = {"corange": 1.0, "scipy arpack": 5.0, "scipy propack": 4.0, "PRIMME": 8.0}
        rows = [harness.Row(name, "", seconds=value) for name, value in seconds.items()]
        bar = svd.krylov_bar(rows)
        assert (bar.measured, bar.passed) == (0.25, True)
        assert "(scipy propack)" in bar.text
        rows[3].status = status
        bar = svd.krylov_bar(rows[:3] if status == "not there" else rows)
        assert (bar.measured, bar.passed) == (None, None)
        assert report.describe_bar(bar).startswith("NOT MEASURED time over the fastest")
        assert "(without PRIMME)" in bar.text

    def test_tuning_takes_the_loosest_setting_that_passes(self):
        def job(data, seed, digits):
            return 10.0**-digits

        candidate = tuning.Candidate("a", job, knob="digits", values=(1, 3, 5, 7), inputs=("none",))
        judge = lambda answer: {"sigma": answer}  # noqa: E731
        found = tuning.tune(candidate, {"none": None}, judge, {"sigma": 1e-4}, (0, 1))
        assert found.accurate
        assert found.contender.settings == {"digits": 5}
        assert not tuning.tune(candidate, {"none": None}, judge, {"sigma": 1e-9}, (0,)).accurate

    @pytest.mark.filterwarnings("ignore")
    def test_contest_goes_on_without_those_who_fail(self, session, dense):
        def broken(data, seed, tol):
            raise ValueError("no")

        candidates = [
            tuning.Candidate("broken", broken, inputs=("dense",)),
            tuning.Candidate("gram", peers.gram_eigh, {"rank": RANK}, knob=None, inputs=("dense",)),
        ]
        judge = accuracy.dense_reference(dense).errors
        rows = contest.Contest({"dense": dense}, judge, {"sigma": 1e-6}).hold(session, candidates)
        assert [row.status for row in rows] == ["failed", "compared"]
        assert rows[1].seconds > 0
        assert rows[1].gflops > 0


@pytest.mark.parametrize(("method", "entry"), [("float32", 4), ("float64", 8)])
def test_memory_is_judged_by_the_factors_and_one_basis(method, entry):
    """The basis counts once, with the bytes that it has."""
    limit = 2.5 * 8 * 3 * (50 + 20 + 1) + entry * 9 * 20
    weight = {"extra": limit, "basis": 9, "detail": f"block Lanczos on A'A, {method}"}
    bar, _ = footprint._judge("one", sp.random_array((50, 20), rng=0, format="csr"), 3, weight)
    assert (bar.measured, bar.passed) == (1.0, True)
    bar, _ = footprint._judge("one", sp.random_array((50, 20), rng=0, format="csr"), 3, {})
    assert bar.passed is None


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's counters")
def test_memory_of_a_fresh_process(tmp_path, monkeypatch):
    """The Gram matrix method needs its Gram matrix: 8 MB here, and not a hundred."""
    monkeypatch.chdir(ROOT)
    matrix = np.random.default_rng(0).standard_normal((1100, 1000))
    contender = harness.Contender("gram", peers.gram_eigh, "dense", {"rank": 4})
    found = memory.measure(contender, data.store(matrix, tmp_path, "dense"))
    assert 8e6 < found["extra"] < 100e6
    assert found["total"] > found["extra"]
    assert found["passes"] == 2


@pytest.mark.filterwarnings("ignore")  # of the peers
@pytest.mark.parametrize("case", updating.CASES, ids=lambda case: case.name)
def test_cases_of_updating_run(session, case):
    """Every case, with tiny sizes: rows that were measured, errors that are small, and bars to judge."""
    found = case.run(session)
    assert found.bars
    for row in found.rows:
        assert row.seconds > 0
        assert all(0 <= abs(value) < 0.5 for value in row.errors.values())


def test_uniform_sparse_has_distinct_sorted_columns():
    """As many entries a row as promised."""
    matrix = data.uniform_sparse(300, 40, 20)
    assert (np.diff(matrix.indptr) == 20).all()
    assert (np.diff(matrix.indices.reshape(300, 20), axis=1) > 0).all()


def test_decaying_file_is_the_matrix_it_says(tmp_path):
    """Singular values 1/i, up to the sampling of the left vectors."""
    path = tmp_path / "matrix.npy"
    data.write_decaying_file(path, 20_000, 50, 10, 1e-6)
    matrix = np.load(path, mmap_mode="r")
    assert matrix.dtype == np.float32
    s = np.linalg.svd(matrix, compute_uv=False)
    np.testing.assert_allclose(s[:10] * np.arange(1, 11), 1, rtol=0.1)


@pytest.mark.filterwarnings("ignore")  # of iterations that are cut short
@pytest.mark.parametrize(
    ("family", "cases"),
    [
        ("cur", ["interpolative", "dense", "sparse", "curing"]),
        ("kernel", ["rpcholesky", "nystroem", "anncur"]),
        ("nmf", ["text", "dense", "start", "starts", "compressed", "kullback-leibler", "masked"]),
        ("sketch", ["normals"]),
    ],
)
def test_cases_of_other_families_run(session, family, cases):
    """Tiny sizes: rows have times and errors, bars what was measured."""
    known = {case.name: case for case in importlib.import_module(f"bench.{family}").CASES}
    for name in cases:
        report = known[name].report(session)
        assert report.rows
        assert any(row.errors for row in report.rows) or family in ("nmf", "sketch") or name == "sparse"
        assert all(np.isfinite(list(row.errors.values())).all() for row in report.rows)
        absent = "skmatter" if importlib.util.find_spec("skmatter") is None else "nobody"
        bars = [bar for bar in report.bars if absent not in bar.text]
        assert all(bar.measured is not None and bar.measured > 0 for bar in bars)


def test_the_manual_lists_every_case():
    """And nobody has to look into the code to find what can be measured."""
    page = (ROOT / "docs" / "benchmarks.md").read_text()
    for family in families._FAMILIES:
        for case in importlib.import_module(f"bench.{family}").CASES:
            assert f"`{case.name}`" in page


def test_command_line_writes_json_and_chart(tmp_path):
    """Layout of the JSON file, from a run of two small cases; and the chart drawn from it."""
    out = tmp_path / "bench.json"
    command = [sys.executable, "-m", "bench", "svd", "--quick", "--threads", "1", "--repeats", "1"]
    command += ["--no-memory", "--case", "products", "import", "--json", str(out)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    environment = {**clean, "OPENBLAS_CORETYPE": "Haswell"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    record = json.loads(out.read_text())
    assert record["format"] == 1
    assert record["machine"]["removed_settings"] == "OPENBLAS_CORETYPE"
    assert set(record["ceilings"]) == {"gemm_float64", "gemm_float32", "copy", "triad", "read"}
    products, imports = record["cases"]
    assert (products["name"], imports["name"]) == ("products", "import")
    assert {"name", "group", "seconds", "times", "errors", "status"} <= set(products["rows"][0])
    assert len(products["bars"]) == 4
    assert {"text", "limit", "measured", "passed"} <= set(products["bars"][0])
    chart.draw(out, tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")
