"""Dependencies point one way: estimators, functional API, _core, families, operators, linalg, core."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEADERS = ROOT / "cpp" / "include" / "corange"
PACKAGE = ROOT / "python" / "corange"

# Lowest first; every other folder is a family of algorithms and may use all of these.
LAYERS = ("core", "linalg", "operators", "sketch")

header_files = sorted(HEADERS.glob("*/*.hpp"))
python_files = sorted(PACKAGE.rglob("*.py"))


def rank(folder: str) -> int:
    return LAYERS.index(folder) if folder in LAYERS else len(LAYERS)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports_on_import(path: Path) -> Iterator[str]:
    """Modules imported as soon as the file is: not those in functions or for type checkers alone."""
    pending = list(ast.parse(path.read_text()).body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending.extend(node.orelse)
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.ClassDef):
            pending.extend(child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt))


@pytest.mark.parametrize("path", header_files, ids=name_of)
def test_headers_include_their_own_layer_and_lower_ones(path):
    included = re.findall(r'#include "corange/(\w+)/', path.read_text())
    assert all(rank(folder) <= rank(path.parent.name) for folder in included)


@pytest.mark.parametrize("path", header_files, ids=name_of)
def test_headers_know_nothing_of_python(path):
    assert not re.search(r"#include [<\"](pybind11|Python\.h)", path.read_text())


@pytest.mark.parametrize("path", python_files, ids=name_of)
def test_only_estimators_import_scikit_learn_and_nothing_imports_matplotlib(path):
    forbidden = {"matplotlib", "dask", "torch"}
    if PACKAGE / "estimators" not in path.parents:
        forbidden |= {"sklearn", "corange.estimators"}
    for module in imports_on_import(path):
        assert not any(module == name or module.startswith(name + ".") for name in forbidden), module


@pytest.mark.parametrize("path", sorted((PACKAGE / "_core").glob("*.py")), ids=name_of)
def test_the_loader_knows_nothing_above_it(path):
    ours = [module for module in imports_on_import(path) if module.startswith("corange")]
    assert all(module.startswith("corange._core") for module in ours)


def test_importing_the_package_imports_nothing_else():
    """So it takes no time beyond that of NumPy and SciPy, which the benchmark case ``import`` measures."""
    code = "import sys; old = set(sys.modules); import corange; print(*sorted(set(sys.modules) - old))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = run.stdout.split()
    assert "corange" in ours
    assert {name.split(".")[0] for name in ours} <= {"corange", *sys.stdlib_module_names}
    assert not any(name.startswith("corange.") for name in ours)
