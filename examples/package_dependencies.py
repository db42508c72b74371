"""Which packages of a system belong together, by who depends on whom (FastRP).

Every package is a node, every dependency an edge, and FastRP (H. Chen, S. F. Sultan, Y. Tian, M. Chen, S.
Skiena, "Fast and accurate network embeddings via very sparse random projection", CIKM 2019,
arXiv:1908.11512) gives each node a row of numbers. Sections of the distribution (python, perl, fonts, ...),
which the embedding has not seen, are then guessed from those of the nearest packages.

Run: python package_dependencies.py [package ...]

Reads what `apt-cache` knows, tens of thousands of packages, or what is installed, on Debian and its
relatives; elsewhere the modules of Python's standard library, by their imports, with the package that a
module belongs to for a section.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse
from sklearn.neighbors import KNeighborsClassifier

import corange as cr

STATUS = Path("/var/lib/dpkg/status")
_NEEDS = re.compile(r"^(?:Pre-)?Depends: (.*)$|^Recommends: (.*)$", re.MULTILINE)


class Node(NamedTuple):
    """What is known of a package or a module."""

    name: str
    section: str
    needs: frozenset[str]


def debian(text: str) -> Iterator[Node]:
    """Read the paragraphs of a list of packages; of alternatives the first counts."""
    for paragraph in text.split("\n\n"):
        name = re.search(r"^Package: (\S+)", paragraph, re.MULTILINE)
        section = re.search(r"^Section: (?:\S+/)?(\S+)", paragraph, re.MULTILINE)
        if name:
            clauses = [clause for found in _NEEDS.findall(paragraph) for clause in "".join(found).split(",")]
            needs = frozenset(re.split(r"[\s|:(]", clause.strip())[0] for clause in clauses)
            yield Node(name[1], section[1] if section else "", needs - {"", name[1]})


def modules(folder: Path) -> Iterator[Node]:
    """Read the imports of the modules below a folder, tests apart."""
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        if not {"site-packages", "test", "tests", "idlelib", "lib2to3", "__main__"} & set(parts):
            name = ".".join(parts).removesuffix(".__init__")
            package = name if path.name == "__init__.py" else name.rpartition(".")[0]
            yield Node(name, parts[0], frozenset(imports(path, package)) - {name})


def imports(path: Path, package: str) -> Iterator[str]:
    """Names that a file imports, and those in which modules they may lie."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = (
                ".".join(package.split(".")[: len(package.split(".")) + 1 - node.level]) if node.level else ""
            )
            module = ".".join(filter(None, (base, node.module)))
            yield from (module, *(f"{module}.{alias.name}" for alias in node.names))


def read() -> tuple[str, list[Node]]:
    """Whatever dependencies this machine knows of: where they are from, and the nodes."""
    if shutil.which("apt-cache"):
        known = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=False).stdout
        if found := list(debian(known)):
            return "packages known to apt", found
    if STATUS.is_file():
        return "installed packages", list(debian(STATUS.read_text("utf-8", "replace")))
    return "modules of the standard library", list(modules(Path(sysconfig.get_path("stdlib"))))


def graph(nodes: Iterable[Node]) -> tuple[list[Node], scipy.sparse.csr_array]:
    """Nodes with a neighbour, one of each name, and who depends on whom, without direction."""
    by_name = {node.name: node for node in nodes}
    number = {name: i for i, name in enumerate(by_name)}
    pairs = [
        (i, number[need]) for i, node in enumerate(by_name.values()) for need in node.needs if need in number
    ]
    rows, columns = np.array(pairs, dtype=np.int32).reshape(-1, 2).T
    ones = np.ones(len(rows), np.float32)
    directed = scipy.sparse.csr_array((ones, (rows, columns)), shape=(len(number),) * 2)
    both = (directed + directed.T).tocsr()
    kept = np.flatnonzero(np.diff(both.indptr))
    listed = list(by_name.values())
    return [listed[i] for i in kept], both[kept][:, kept]


def embed(edges: scipy.sparse.csr_array) -> np.ndarray:
    """Rows of length one; what half of the system needs, such as the C library, counts little."""
    rows = cr.FastRP(n_components=256, weights=(1, 1, 1), beta=-0.9, random_state=0).fit_transform(edges)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(rows.dtype).tiny)


def nearest(rows: np.ndarray, i: int, count: int) -> np.ndarray:
    """Numbers of the most similar nodes."""
    similarity = rows @ rows[i]
    similarity[i] = -np.inf
    return np.argsort(-similarity)[:count]


def sections_guessed(rows: np.ndarray, sections: np.ndarray, most: int = 5000) -> tuple[float, float]:
    """Part of the nodes whose section is that of their nearest ones, and that of the largest section."""
    rng = np.random.default_rng(0)
    order = rng.permutation(len(rows))
    asked, shown = np.split(order, [min(most, len(rows) // 5)])
    model = KNeighborsClassifier(5, weights="distance", algorithm="brute").fit(rows[shown], sections[shown])
    _, counts = np.unique(sections[asked], return_counts=True)
    return float(model.score(rows[asked], sections[asked])), counts.max() / len(asked)


def main(wanted: list[str]) -> None:
    """Show neighbours of some nodes, and how well sections are guessed."""
    source, found = read()
    nodes, edges = graph(found)
    names = [node.name for node in nodes]
    print(f"{len(names)} {source}, {edges.nnz // 2} dependencies")
    rows = embed(edges)
    for name in wanted or [n for n in ("python3-scipy", "perl", "asyncio.streams") if n in names]:
        if name in names:
            print(f"  {name}: {', '.join(names[i] for i in nearest(rows, names.index(name), 6))}")
    right, largest = sections_guessed(rows, np.array([node.section for node in nodes]))
    print(f"sections guessed from five neighbours: {right:.0%} right, the largest section is {largest:.0%}")


if __name__ == "__main__":
    main(sys.argv[1:])
