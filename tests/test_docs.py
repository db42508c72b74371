"""What README and manual say is so, beyond their doctests: links, names, commands, reports, the C++ code."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import scipy.sparse

import corange as cr

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
if not (ROOT / "docs").is_dir():
    pytest.skip("the manual is not part of this tree", allow_module_level=True)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    """Contents of the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def masked(text: str) -> str:
    """Text without what differs from machine to machine: numbers, units, plurals."""
    text = re.sub(r"\d[\d.,]*(e[+-]?\d+)?", "#", text.strip())
    text = re.sub(r"# ([kMG]?B|bytes)\b", "# B", text)
    return re.sub(r"\b(iteration|restart|pass|product column)(e?s)?\b", r"\1", text)


def with_our_commands() -> dict[str, str]:
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", prose):
        assert re.match(r"https?://", target) or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_make_targets_exist(page):
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"(?:`|\$ )make ([\w-]+)", page.read_text())
    assert set(named) <= set(targets)


INSIDE = [ROOT / "CONTRIBUTING.md", ROOT / "docs" / "architecture.md"]


@pytest.mark.parametrize("page", INSIDE, ids=name_of)
def test_files_that_are_named_exist(page):
    folders = [ROOT / name for name in ("cpp", "python", "tests", "bench", "docs", "cmake")]
    paths = ["/" + name_of(path) for folder in folders for path in folder.rglob("*")]
    named = set(re.findall(r"`([\w/.-]*\w\.(?:hpp|cpp|pyi?))`", page.read_text()))
    assert named
    assert all(any(path.endswith("/" + name) for path in paths) for name in named)


def test_the_map_of_the_code_names_what_the_code_holds():
    sources = [*(ROOT / "cpp").rglob("*.[ch]pp"), *(ROOT / "python").rglob("*.py")]
    code = "".join(path.read_text() for path in sources)
    quoted = re.findall(r"`(?:\w+[.:]+)*(\w+)(?:\([^`]*\))?`", INSIDE[1].read_text())
    names = {word for word in quoted if "_" in word.strip("_") or word[0].isupper()}
    assert len(names) > 30
    assert {name for name in names if not re.search(rf"\b{name}\b", code)} <= {"_core_x86_64_v3"}


def test_every_public_name_is_in_the_reference():
    reference = "".join(page.read_text() for page in sorted((ROOT / "docs" / "api").glob("*.md")))
    objects = set(re.findall(r"auto(?:function|class|exception):: corange\.(\w+)", reference))
    modules = set(re.findall(r"currentmodule:: corange\.(\w+)", reference))
    assert objects | modules == set(cr.__all__)
    for module in modules:
        section = reference.split(f"currentmodule:: corange.{module}\n")[1].split("currentmodule")[0]
        assert set(getattr(cr, module).__all__) <= set(re.findall(r"auto(?:function|class):: (\w+)", section))


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "guide" / "svd.md"], ids=name_of)
def test_reports_look_as_printed(page):
    A = scipy.sparse.random_array((1200, 800), density=0.01, rng=0, format="csr")
    printed = masked(str(cr.svd(A, 10, tol=1e-2, random_state=0).report))
    assert printed in [masked(block) for block in blocks(page, "text")]


def test_the_session_on_the_command_line(tmp_path):
    for block in blocks(ROOT / "docs" / "guide" / "cli.md", "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=tmp_path,
                env=with_our_commands(),
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{command}\n{done.stderr}"
            assert not shown.strip() or masked(done.stdout) == masked(shown), command


@pytest.mark.slow
def test_the_cpp_program_of_the_readme(tmp_path):
    (tmp_path / "main.cpp").write_text(blocks(ROOT / "README.md", "cpp")[0])
    project = "cmake_minimum_required(VERSION 3.24)\nproject(example LANGUAGES CXX)\n"
    (tmp_path / "CMakeLists.txt").write_text(project + blocks(ROOT / "README.md", "cmake")[0])
    build = (
        'cmake -S . -B build -Dcorange_DIR="$(python -m corange --cmake-dir)" '
        "-DCMAKE_CXX_FLAGS='-Wall -Wextra -Werror' && cmake --build build && build/example"
    )
    done = subprocess.run(
        ["bash", "-c", build],
        cwd=tmp_path,
        env=with_our_commands(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^s_1 = [\d.]+, converged$", done.stdout, re.MULTILINE)
