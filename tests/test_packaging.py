"""What users get: sdist -> wheel -> a clean environment, and the C++ headers in the wheel used by a program.

One sdist and one wheel, for every instruction set, are built as pip builds them, in isolation, and shared.
"""

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

import corange as cr
from corange._config import show_config
from corange.testing import assert_svd_valid

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command that must succeed, away from the source tree; its output."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("CORANGE_", "PYTHON"))
    }
    result = subprocess.run(
        command,
        cwd=cwd,
        env=inherited | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1500,
        check=False,
    )
    assert result.returncode == 0, f"{' '.join(map(str, command))}\n{result.stdout[-8000:]}"
    return result.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    build = f"from scikit_build_core.build import build_sdist; build_sdist({str(folder)!r})"
    run(sys.executable, "-c", build, cwd=ROOT)
    return next(folder.glob("corange-*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip_wheel = (sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", ".", sdist)
    # three builds: with less optimization, since nobody measures these, they take two thirds of the time
    quick = "--config-settings=cmake.define.CMAKE_CXX_FLAGS_RELEASE=-O1"
    run(*pip_wheel, quick, cwd=folder, CORANGE_ISA_LEVELS="all")
    return next(folder.glob("corange-*.whl"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Path of the Python of a new environment that holds the wheel and what it requires."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", wheel, "cmeel-eigen", cwd=folder)
    return python


def test_sdist_holds_the_sources_and_nothing_else(sdist):
    with tarfile.open(sdist) as archive:
        names = {Path(*Path(name).parts[1:]) for name in archive.getnames()}
    ours = ("git", "ls-files", "--cached", "--others", "--exclude-standard")
    listing = subprocess.run(ours, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    for needed in ("pyproject.toml", "CMakeLists.txt", "LICENSE", "README.md", "python/corange/py.typed"):
        assert Path(needed) in names
    assert {path.relative_to(ROOT) for path in (ROOT / "cpp").rglob("*.[ch]pp")} <= names
    if listing.returncode == 0:
        assert {str(name) for name in names} - {"PKG-INFO"} <= set(listing.stdout.splitlines())


def test_wheel_holds_modules_headers_and_the_cmake_package(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for folder, pattern in (("python", "*.py"), ("python", "*.pyi"), ("cpp/include", "*.hpp")):
        prefix = "" if folder == "python" else "corange/include/"
        wanted = {prefix + str(path.relative_to(ROOT / folder)) for path in (ROOT / folder).rglob(pattern)}
        assert wanted
        assert wanted <= names
    assert "corange/lib/cmake/corange/corangeConfig.cmake" in names
    assert "corange/py.typed" in names
    assert f"corange-{cr.__version__}.dist-info/licenses/LICENSE" in names
    assert {name.split("/")[0] for name in names} == {"corange", f"corange-{cr.__version__}.dist-info"}


def test_wheel_has_an_extension_for_each_instruction_set(wheel):
    with zipfile.ZipFile(wheel) as archive:
        modules = {Path(name).name.split(".")[0] for name in archive.namelist() if name.endswith(".so")}
    native = show_config(mode="dicts")["isa"]
    isas = ("x86_64_v2", "x86_64_v3", "x86_64_v4") if native.startswith("x86_64") else (native,)
    assert modules == {"_cpu", *(f"_core_{isa}" for isa in isas)}


def test_installed_wheel_takes_the_best_instruction_set(environment, tmp_path):
    program = "import corange; print(corange.show_config(mode='dicts')['isa'])"
    best = show_config(mode="dicts")["isas_supported"][0]
    assert run(environment, "-c", program, cwd=tmp_path).strip() == best


# A user's program: random numbers of every kind, and each engine of the SVD, into one file.
EVERY_ENGINE = """
import sys
import numpy as np, scipy.sparse as sp, corange as cr
from corange.sketching import Gaussian, Rademacher, RowSampling, SparseSign, VerySparse
from corange.sketching._base import draw

found = {"isa": cr.show_config(mode="dicts")["isa"]}
for kind in ("normal", "uniform", "sign"):
    for dtype in ("float32", "float64"):
        for column in (0, 2**35 + 3):
            found[f"random {kind} {dtype} {column}"] = draw(kind, 7, 1, 5, (33, 1001), dtype, column=column)
for make in (Gaussian, Rademacher, SparseSign, VerySparse):
    S = make(37, 301, random_state=3)
    found[f"random {make.__name__}"] = S.toarray()
    found[f"random {make.__name__} float32"] = S @ np.eye(301, dtype=np.float32)
found["random places"] = RowSampling(500, 2**20, random_state=3).indices

A = np.load(sys.argv[1])["A"]
forms = {"csr": sp.csr_array, "csc": sp.csc_array, "rows": np.ascontiguousarray, "columns": np.asfortranarray}
cases = {form: make(A) for form, make in forms.items()} | {"corner": A[:40, :30]}
for form, matrix in cases.items():
    for dtype, tol in (("float32", 1e-3), ("float64", 1e-3), ("float64", 1e-6), ("float64", 1e-10)):
        result = cr.svd(matrix.astype(dtype), 12, tol=tol, random_state=0)
        for name, factor in zip(("U", "s", "Vt"), result):
            found[f"{form} {dtype} {tol} {name}"] = factor
        found[f"{form} {dtype} {tol} method"] = result.report.method
np.savez(sys.argv[2], **found)
"""


def test_installed_wheel_computes_the_same_on_every_instruction_set(environment, tmp_path):
    A = sparse_and_decaying(900, 500)
    np.savez(tmp_path / "matrix.npz", A=A)
    answers = {}
    for isa in show_config(mode="dicts")["isas_supported"]:
        command = (environment, "-c", EVERY_ENGINE, "matrix.npz", f"{isa}.npz")
        run(*command, cwd=tmp_path, CORANGE_ISA=isa)
        with np.load(tmp_path / f"{isa}.npz") as stored:
            answers[isa] = dict(stored)
        assert answers[isa]["isa"] == isa
        check_decompositions(A, answers[isa])
    first, *others = answers.values()
    random = [name for name in first if name.startswith("random ")]
    assert len(random) == 21
    for other in others:
        assert other.keys() == first.keys()
        for name in random:
            assert other[name].dtype == first[name].dtype
            assert other[name].tobytes() == first[name].tobytes(), name


def sparse_and_decaying(m: int, n: int) -> np.ndarray:
    """A matrix with few entries, in steps that float32 has too, so that it is the same in both precisions."""
    A = sp.random_array((m, n), density=0.03, rng=5).toarray() / np.arange(1, n + 1) ** 0.5
    return A.astype(np.float32).astype(np.float64)


METHODS = {
    "float32 0.001": "block Lanczos on A'A, float32",
    "float64 0.001": "block Lanczos on A'A, float32",
    "float64 1e-06": "block Lanczos on A'A, float64",
    "float64 1e-10": "block Golub-Kahan-Lanczos, float64",
}


def check_decompositions(A: np.ndarray, answers: dict[str, np.ndarray]) -> None:
    """Residuals, orthogonality, and singular values against NumPy's, of every method."""
    for form in ("csr", "csc", "rows", "columns", "corner"):
        matrix = A[:40, :30] if form == "corner" else A
        exact = np.linalg.svd(matrix, compute_uv=False)[:12]
        for case, method in METHODS.items():
            U, s, Vt = factors = [answers[f"{form} {case} {name}"] for name in ("U", "s", "Vt")]
            dtype, tol = case.split()[0], float(case.split()[1])
            assert U.dtype == s.dtype == Vt.dtype == dtype
            assert_svd_valid(matrix, factors, tol=tol)
            slack = 20 * tol**2 + 50 * np.finfo(dtype).eps
            np.testing.assert_allclose(s, exact, rtol=0, atol=slack * exact[0])
            used = str(answers[f"{form} {case} method"])
            assert used == ("direct: SVD of A" if form == "corner" else method)


@pytest.mark.parametrize("openmp", ["ON", "OFF"])
def test_cpp_program_builds_against_the_wheel(environment, openmp, tmp_path):
    package = run(environment, "-m", "corange", "--cmake-dir", cwd=tmp_path).strip()
    assert Path(package).is_relative_to(environment.parents[1])
    build_and_run_consumer(tmp_path, f"-Dcorange_DIR={package}", f"-DCORANGE_OPENMP={openmp}")


def test_cpp_program_builds_against_an_installation_without_python(tmp_path):
    eigen = metadata.distribution("cmeel-eigen").locate_file("cmeel.prefix")
    run_cmake("-S", ROOT, "-B", "build", f"-DCMAKE_PREFIX_PATH={eigen}", cwd=tmp_path)
    run_cmake("--install", "build", "--prefix", "prefix", cwd=tmp_path)
    assert not list(tmp_path.glob("prefix/**/*.so"))
    build_and_run_consumer(tmp_path, f"-DCMAKE_PREFIX_PATH={tmp_path / 'prefix'};{eigen}")


def build_and_run_consumer(folder: Path, *options: str) -> None:
    run_cmake("-S", ROOT / "tests" / "consumer", "-B", "consumer", *options, cwd=folder)
    run_cmake("--build", "consumer", cwd=folder)
    assert run(folder / "consumer" / "consumer", cwd=folder) == "converged: 30.000000 29.000000 28.000000\n"


def run_cmake(*arguments: str | Path, cwd: Path) -> None:
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run("cmake", *arguments, cwd=cwd, PATH=tools)
