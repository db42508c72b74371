"""The command line, run in this process; exit codes, files, messages, and progress."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse

import corange as cr
from corange import _sources
from corange.__main__ import main
from corange._cli import demo
from corange._cli.progress import SVDProgress
from corange._report import Iteration
from corange.datasets import TextData

A = scipy.sparse.random_array((120, 80), density=0.1, rng=0, format="csr")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder, name):
    path = folder / name
    if name.endswith(".npy"):
        np.save(path, A.toarray())
    elif name.endswith(".npz"):
        scipy.sparse.save_npz(path, A)
    else:
        scipy.io.mmwrite(folder / "a.mtx", A)
        if name.endswith(".gz"):
            subprocess.run(["gzip", "-f", str(folder / "a.mtx")], check=True)
    return str(path)


class TestSvd:
    @pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.mtx", "a.mtx.gz"])
    def test_every_format_gives_the_same_singular_values(self, folder, capsys, name):
        assert main(["svd", write(folder, name), "--rank", "5", "--out", "r.npz", "--tol", "1e-6"]) == 0
        out = capsys.readouterr().out
        assert "svd of rank 5 of a 120 x 80" in out
        assert "converged" in out or "computed directly" in out
        assert "wrote r.npz" in out
        exact = np.linalg.svd(A.toarray(), compute_uv=False)[:5]
        np.testing.assert_allclose(cr.load("r.npz").s, exact, rtol=1e-9)

    def test_a_file_larger_than_memory_is_read_by_rows(self, folder, capsys, monkeypatch):
        monkeypatch.setattr(_sources, "STREAMED_BYTES", 100)
        monkeypatch.setattr(_sources, "BLOCK_BYTES", 50 * 80 * 8)
        assert main(["svd", write(folder, "a.npy"), "--rank", "5", "--tol", "1e-6", "--out", "r.npz"]) == 0
        assert "memory-mapped matrix, float64, read 50 rows at a time" in capsys.readouterr().out
        exact = np.linalg.svd(A.toarray(), compute_uv=False)[:5]
        np.testing.assert_allclose(cr.load("r.npz").s, exact, rtol=1e-9)
        assert main(["info", "a.npy"]) == 0
        out = capsys.readouterr().out
        assert "memory-mapped matrix" in out
        assert f"{np.linalg.norm(A.toarray()):.6g} (Frobenius)" in out

    def test_error_instead_of_rank(self, folder, capsys):
        assert main(["svd", write(folder, "a.npz"), "--error", "0.5", "--out", "r"]) == 0
        result = cr.load(folder / "r.npz")
        left = np.linalg.norm(A.toarray() - result.reconstruct()) / np.linalg.norm(A.toarray())
        assert left <= 0.5

    def test_centering(self, folder, capsys):
        assert main(["svd", write(folder, "a.npz"), "--rank", "3", "--center", "--out", "r.npz"]) == 0
        np.testing.assert_allclose(cr.load("r.npz").mean, A.mean(axis=0), rtol=1e-12)

    def test_the_seed_decides_everything(self, folder, capsys):
        path = write(folder, "a.npz")
        for out in ("one.npz", "two.npz"):
            assert main(["svd", path, "--rank", "4", "--out", out, "--seed", "3"]) == 0
        np.testing.assert_array_equal(cr.load("one.npz").U, cr.load("two.npz").U)

    def test_not_converging_is_said_on_stderr(self, folder, capsys):
        rng = np.random.default_rng(0)
        np.save("noise.npy", rng.standard_normal((600, 500)))
        assert main(["svd", "noise.npy", "--rank", "20", "--max-passes", "3", "--tol", "1e-6"]) == 0
        captured = capsys.readouterr()
        assert "corange: warning: svd stopped after" in captured.err
        assert "NOT converged" in captured.out

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["svd", "missing.npy", "--rank", "2"], "missing.npy"),
            (["svd", "a.txt", "--rank", "2"], "must end in .npy"),
            (["svd", "a.npy", "--rank", "0"], "rank must be an integer of at least 1, got 0"),
            (["svd", "a.npy", "--rank", "2", "--tol", "2"], "tol must be between 0 and 1"),
            (["svd", "a.npy", "--rank", "2", "--out", "nowhere/r.npz"], "there is no folder 'nowhere'"),
            (["svd", "a.npz", "--rank", "2", "--out", "a.npz"], "is the input"),
            (["svd", "broken.npz", "--rank", "2"], "is not a matrix that can be read"),
            (["svd", "broken.mtx", "--rank", "2"], "is not a matrix that can be read"),
            (["svd", "pickled.npy", "--rank", "2"], "is not a matrix that can be read"),
            (["svd", "nan.npy", "--rank", "2"], "NaN or infinite"),
            (["svd", "vector.npy", "--rank", "2"], "must have two dimensions"),
        ],
    )
    def test_errors_are_one_line_without_traceback(self, folder, capsys, arguments, message):
        write(folder, "a.npy")
        write(folder, "a.npz")
        (folder / "a.txt").write_text("1 2\n3 4\n")
        (folder / "broken.npz").write_bytes(b"nothing")
        header = "%%MatrixMarket matrix coordinate real general"
        (folder / "broken.mtx").write_text(f"{header}\n2 2 1\n9 9 1.0\n")
        np.save("pickled.npy", np.array([[{}]]), allow_pickle=True)
        np.save("nan.npy", np.full((3, 3), np.nan))
        np.save("vector.npy", np.ones(3))
        assert main(arguments) == 1
        captured = capsys.readouterr()
        assert captured.err.startswith("corange: error: ")
        assert captured.err.count("\n") == 1
        assert message in captured.err
        assert captured.out == ""

    @pytest.mark.parametrize(
        "arguments",
        ["svd", "svd a.npy", "svd a.npy --rank x", "nothing", "svd a.npy --rank 2 --error 0.1"],
    )
    def test_wrong_usage_exits_with_2(self, arguments, capsys):
        with pytest.raises(SystemExit) as caught:
            main(arguments.split())
        assert caught.value.code == 2

    def test_an_interrupt_is_no_traceback(self, folder, capsys, monkeypatch):
        def interrupted(*_, **__):
            raise KeyboardInterrupt

        monkeypatch.setattr("corange._cli.svd.svd", interrupted)
        assert main(["svd", write(folder, "a.npy"), "--rank", "2"]) == 130
        assert capsys.readouterr().err == "corange: interrupted\n"


class TestUpdate:
    def test_rows_and_columns_that_arrive_give_the_svd_of_all(self, folder, capsys):
        for name, part in (("a", A[:80, :70]), ("b", A[80:, :70]), ("c", A[:, 70:])):
            scipy.sparse.save_npz(folder / f"{name}.npz", part)
        assert main(["svd", "a.npz", "--rank", "80", "--tol", "1e-9", "--out", "r.npz"]) == 0
        assert main(["update", "r.npz", "b.npz", "--out", "r.npz"]) == 0
        assert main(["update", "r.npz", "c.npz", "--axis", "1", "--rank", "80", "--out", "r.npz"]) == 0
        out = capsys.readouterr().out
        assert "update_svd of rank 80 of a 120 x 80" in out
        assert "drift" in out
        assert "wrote r.npz" in out
        exact = np.linalg.svd(A.toarray(), compute_uv=False)
        np.testing.assert_allclose(cr.load("r.npz").s, exact, rtol=1e-9)

    def test_another_svd_is_merged(self, folder):
        for name, part in (("a", A[:60]), ("b", A[60:])):
            cr.svd(part, 60, tol=1e-9, random_state=0).save(folder / f"{name}.npz")
        assert main(["update", "a.npz", "b.npz", "--rank", "80", "--out", "c.npz"]) == 0
        exact = np.linalg.svd(A.toarray(), compute_uv=False)
        np.testing.assert_allclose(cr.load("c.npz").s, exact, rtol=1e-9)

    def test_what_is_no_svd_is_refused(self, folder, capsys):
        path = write(folder, "a.npz")
        assert main(["update", path, path]) == 1
        cr.cur(A, 3, random_state=0).save("cur.npz")
        assert main(["update", "cur.npz", path]) == 1
        assert "holds no SVD but CURResult" in capsys.readouterr().err


class TestCur:
    @pytest.mark.parametrize("name", ["a.npy", "a.npz"])
    def test_columns_and_rows_are_printed_and_saved(self, folder, capsys, name):
        assert main(["cur", write(folder, name), "--rank", "5", "--rows", "7", "--out", "r.npz"]) == 0
        out = capsys.readouterr().out
        result = cr.load("r.npz")
        assert "cur of rank 5 of a 120 x 80" in out
        assert f"columns    {' '.join(map(str, result.columns))}\n" in out
        assert f"rows       {' '.join(map(str, result.rows))}\n" in out
        np.testing.assert_array_equal(np.asarray(result.C @ np.eye(5)), A.toarray()[:, result.columns])

    def test_error_and_core(self, folder, capsys):
        assert main(["cur", write(folder, "a.npz"), "--error", "0.5", "--out", "r"]) == 0
        result = cr.load(folder / "r.npz")
        assert np.linalg.norm(A.toarray() - result.reconstruct()) <= 0.5 * np.linalg.norm(A.toarray())
        assert main(["cur", "a.npz", "--rank", "5", "--core", "cross", "--method", "lu"]) == 0
        assert "cross core" in capsys.readouterr().out

    def test_bad_arguments(self, folder, capsys):
        assert main(["cur", write(folder, "a.npz"), "--rank", "5", "--method", "magic"]) != 0
        assert "method must be one of 'qr'" in capsys.readouterr().err


class TestInfo:
    @pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.mtx"])
    def test_facts_about_a_matrix(self, folder, capsys, name):
        assert main(["info", write(folder, name)]) == 0
        out = capsys.readouterr().out
        assert "120 x 80" in out
        assert f"{np.linalg.norm(A.toarray()):.6g} (Frobenius)" in out
        assert f"{A.data.max():.6g} in magnitude" in out
        assert "0 entries" in out
        assert ("density" in out) == (name != "a.npy")

    def test_counts_what_is_not_finite(self, folder, capsys):
        B = np.ones((4, 3))
        B[2, 1] = B[3, 0] = np.nan
        np.save("b.npy", B)
        assert main(["info", "b.npy"]) == 0
        assert "2 entries, the first at [2, 1]" in capsys.readouterr().out

    def test_report_of_a_saved_result(self, folder, capsys):
        cr.svd(A, 3, random_state=0).save("r.npz")
        assert main(["info", "r.npz"]) == 0
        out = capsys.readouterr().out
        assert "SVDResult(rank=3, shape=(120, 80), float64, converged)" in out
        assert "svd of rank 3" in out


class TestNmf:
    def test_writes_the_factors_and_shows_iterations(self, folder, capsys):
        path = write(folder, "a.npz")
        assert main(["nmf", path, "--rank", "3", "--starts", "2", "--out", "w.npz", "--progress"]) == 0
        captured = capsys.readouterr()
        assert "nmf of a 120 x 80" in captured.out
        assert "of at most 200, objective" in captured.err
        result = cr.load("w.npz")
        assert (result.W.shape, result.H.shape) == ((120, 3), (3, 80))
        assert (result.W >= 0).all()

    def test_explains_what_is_wrong(self, folder, capsys):
        np.save("negative.npy", -np.ones((4, 3)))
        assert main(["nmf", "negative.npy", "--rank", "2"]) == 1
        assert "must be nonnegative" in capsys.readouterr().err


class TestInstallation:
    def test_version(self, capsys):
        with pytest.raises(SystemExit) as caught:
            main(["--version"])
        assert caught.value.code == 0
        assert capsys.readouterr().out == f"corange {cr.__version__}\n"

    def test_show_config(self, capsys):
        with pytest.raises(SystemExit) as caught:
            main(["--show-config"])
        assert caught.value.code == 0
        assert "instruction set" in capsys.readouterr().out

    def test_cmake_dir(self, capsys):
        with pytest.raises(SystemExit) as caught:
            main(["--cmake-dir"])
        if caught.value.code == 0:
            assert (Path(capsys.readouterr().out.strip()) / "corangeConfig.cmake").is_file()
        else:
            assert "corangeConfig.cmake" in capsys.readouterr().err

    def test_without_a_command_the_help_is_printed(self, capsys):
        assert main([]) == 0
        assert "usage: corange" in capsys.readouterr().out

    def test_runs_as_a_module(self):
        run = subprocess.run(
            [sys.executable, "-m", "corange", "--version"], capture_output=True, check=True, text=True
        )
        assert run.stdout.startswith("corange ")


class Terminal(io.StringIO):
    def isatty(self):
        return True


class TestProgress:
    INFO = Iteration(iteration=4, basis=32, converged=5, residual=2e-2, elapsed=1.5)

    def test_one_line_is_rewritten_on_a_terminal_and_removed_at_the_end(self):
        stream = Terminal()
        with SVDProgress(10, 1e-3, stream=stream) as progress:
            progress(self.INFO)
        assert "[############............] 5/10 converged" in stream.getvalue()
        assert stream.getvalue().endswith("\r\x1b[K")
        assert "\n" not in stream.getvalue()

    def test_elsewhere_it_is_silent_unless_asked_for(self):
        stream = io.StringIO()
        with SVDProgress(10, 1e-3, stream=stream) as progress:
            progress(self.INFO)
        assert stream.getvalue() == ""
        with SVDProgress(10, 1e-3, shown=True, stream=stream) as progress:
            progress(self.INFO)
        assert stream.getvalue().count("\n") == 1
        assert "\x1b" not in stream.getvalue()

    def test_it_never_stops_the_iteration_and_does_not_flood(self):
        stream = Terminal()
        progress = SVDProgress(10, 1e-3, stream=stream)
        assert not any(progress(self.INFO) for _ in range(1000))
        assert stream.getvalue().count("converged") < 20

    def test_without_a_known_rank(self):
        line = SVDProgress(None, 1e-3, shown=True, stream=io.StringIO()).line(self.INFO)
        assert "basis 32" in line
        assert "[" not in line

    @pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.mtx", "a.mtx.gz"])
    def test_reaches_the_command(self, folder, capsys, name):
        assert main(["svd", write(folder, name), "--rank", "3", "--progress"]) == 0
        assert "converged, iteration" in capsys.readouterr().err


class TestDemo:
    @pytest.fixture
    def text(self, monkeypatch):
        rng = np.random.default_rng(0)
        data = scipy.sparse.random_array((300, 200), density=0.1, rng=1, format="csr")
        words = np.array(["".join(rng.choice(list("abcdefg"), 6)) for _ in range(200)])
        text = TextData(data, words, np.array([f"doc{i}" for i in range(300)]))
        monkeypatch.setattr(demo, "python_sources", lambda kind: text)
        return text

    def test_the_whole_of_it(self, folder, capsys, text):
        assert main(["demo", "--rank", "5", "--repeats", "1", "--out", "scree.png"]) == 0
        out = capsys.readouterr().out
        assert (folder / "scree.png").read_bytes().startswith(b"\x89PNG")
        table = ("corange.svd", "SciPy svds", "scikit-learn randomized_svd", "error of s  largest")
        for part in ("svd of rank 5", "Topics", *table):
            assert part in out

    def test_topics_are_the_heaviest_words_of_the_dominant_sign(self, text):
        result = cr.svd(text.data, 3, random_state=0)
        for line, direction in zip(demo.topics(text, result), result.Vt, strict=True):
            words = line.split()[-demo._WORDS :]
            assert words[0] == text.vocabulary[np.abs(direction).argmax()]

    def test_accuracy_of_an_exact_answer_is_zero(self, text):
        _, s, Vt = np.linalg.svd(text.data.toarray(), full_matrices=False)
        value_error, vector_error = demo.accuracy(text.data, s[:5], Vt[:5], s[:6])
        assert value_error < 1e-12
        assert vector_error < 1e-12
        value_error, _ = demo.accuracy(text.data, s[:5] * 1.01, Vt[:5], s[:6])
        assert value_error == pytest.approx(0.01)

    def test_an_unwritable_plot_is_an_error_before_the_work(self, folder, capsys, text):
        assert main(["demo", "--out", "nowhere/scree.png"]) == 1
        assert "nowhere" in capsys.readouterr().err


def test_the_console_script_is_installed():
    script = Path(sys.executable).with_name("corange")
    if not os.access(script, os.X_OK):
        pytest.skip("corange is not installed as a script")
    run = subprocess.run([script, "--version"], capture_output=True, check=True, text=True)
    assert run.stdout.startswith("corange ")


class TestSketch:
    @pytest.mark.parametrize("axis", [0, 1])
    @pytest.mark.parametrize("name", ["a.npy", "a.npz"])
    @pytest.mark.parametrize(
        "kind",
        [
            "gaussian",
            "rademacher",
            "sparse-sign",
            "countsketch",
            "very-sparse",
            "srht",
            "srft",
            "fastjl",
            "uniform",
            "squared-length",
            "leverage",
        ],
    )
    def test_writes_what_the_function_returns(self, folder, capsys, kind, name, axis):
        arguments = ["--size", "9", "--kind", kind, "--axis", str(axis), "--seed", "3", "--out", "b"]
        assert main(["sketch", write(folder, name), *arguments]) == 0
        expected = cr.sketch(A, 9, kind=kind, axis=axis, random_state=3)
        np.testing.assert_allclose(np.load("b.npy"), expected, atol=1e-12)
        assert f"{kind} sketch of 120 x 80" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--size", "0", "--out", "b.npy"], "size"),
            (["--size", "5", "--kind", "magic", "--out", "b.npy"], "kind"),
            (["--size", "5", "--out", "a.npy"], "is the input"),
            (["--size", "5", "--out", "none/b.npy"], "no folder"),
        ],
    )
    def test_says_what_is_wrong(self, folder, capsys, arguments, message):
        assert main(["sketch", write(folder, "a.npy"), *arguments]) == 1
        assert message in capsys.readouterr().err
