"""``corange demo``: the topics of Python's standard library, timed beside SciPy and scikit-learn."""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import svds

from corange import _core
from corange._results import SVDResult
from corange._svd import svd
from corange._validation import check_integer
from corange.datasets import TextData, python_sources

__all__ = ["run"]

Array = npt.NDArray[Any]
Method = Callable[[Any, int], tuple[Array, Array]]

_TOPICS = 12
_WORDS = 8
_LEGEND = """\
  times       the first row is 1
  error of s  largest relative error of a singular value
  error of v  largest | ||A v||^2 - s^2 | / s_next^2 of a right vector v, by converged values s"""


class Timing(NamedTuple):
    """How long a method takes, and how good its singular values and vectors are."""

    name: str
    seconds: float
    value_error: float
    vector_error: float


def run(options: argparse.Namespace) -> None:
    """Read, factor, show topics, plot, compare."""
    rank = check_integer("--rank", options.rank, low=1, high=1000)
    repeats = check_integer("--repeats", options.repeats, low=1)
    if not options.out.parent.is_dir():
        raise ValueError(f"--out: there is no folder {str(options.out.parent)!r}.")
    print(f"Reading the standard library of Python {platform.python_version()} ...", flush=True)
    text = python_sources("tfidf")
    m, n = text.data.shape
    print(f"TF-IDF of {m:,} pieces of 40 lines and {n:,} words: {text.data.nnz:,} entries.\n")
    result = svd(text.data, rank, random_state=0)
    print(result.report)
    print("\nTopics: the words that weigh most in the leading right singular vectors")
    for line in topics(text, result):
        print(line)
    print(f"\n{scree_plot(result, options.out)}\n")
    threads = _core.build_info()["max_threads"]
    print(f"The same job elsewhere: medians of {repeats}, in turns, {threads} threads ...", flush=True)
    print(as_table(compare(text.data, rank, repeats)))
    print(_LEGEND)


def topics(text: TextData, result: SVDResult) -> list[str]:
    """Describe each leading topic by the words with the largest weights of its dominant sign."""
    lines = []
    for index, direction in enumerate(result.Vt[:_TOPICS]):
        heaviest = direction if direction.max() >= -direction.min() else -direction
        words = text.vocabulary[np.argsort(-heaviest)[:_WORDS]]
        lines.append(f"  {index + 1:>2}  s = {result.s[index]:<7.4g} {' '.join(words)}")
    return lines


def scree_plot(result: SVDResult, path: Path) -> str:
    """Write the scree plot; without matplotlib, say how to get it."""
    from corange.plotting import ScreeDisplay

    try:
        display = ScreeDisplay.from_result(result)
    except ImportError as error:
        return f"No scree plot: {error}"
    display.ax_.set_title("Singular values of the standard library's TF-IDF matrix")
    display.figure_.savefig(path, dpi=120)
    return f"Wrote the scree plot to {path}."


def methods() -> dict[str, Method]:
    """Name the ways to do the job: each returns singular values and right vectors."""
    from sklearn.utils.extmath import randomized_svd

    return {
        "corange.svd": lambda A, k: svd(A, k, random_state=0)[1:],
        "corange.svd, tol=1e-6": lambda A, k: svd(A, k, tol=1e-6, random_state=0)[1:],
        "SciPy svds": lambda A, k: _descending(svds(A, k)),
        "SciPy svds, propack, tol=1e-2": lambda A, k: _descending(svds(A, k, solver="propack", tol=1e-2)),
        "scikit-learn randomized_svd": lambda A, k: randomized_svd(A, k, random_state=0)[1:],
    }


def _descending(factors: tuple[Array, Array, Array]) -> tuple[Array, Array]:
    """Sort SciPy's triplets, which come in rising order."""
    order = np.argsort(-factors[1])
    return factors[1][order], factors[2][order]


def compare(A: Any, rank: int, repeats: int) -> list[Timing]:
    """Time all methods in turns, so that what disturbs one disturbs all; compare with a reference."""
    reference = _descending(svds(A, rank + 1, tol=1e-10))[0]
    ways = methods()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, tuple[Array, Array]] = {}
    for _ in range(repeats):
        for name, way in ways.items():
            started = time.perf_counter()
            found[name] = way(A, rank)
            seconds[name].append(time.perf_counter() - started)
    return [
        Timing(name, statistics.median(seconds[name]), *accuracy(A, *found[name], reference)) for name in ways
    ]


def accuracy(A: Any, s: Array, Vt: Array, reference: Array) -> tuple[float, float]:
    """Largest relative error of a singular value, and of the energy that a right vector captures."""
    exact = reference[:-1]
    energies = np.square(A @ Vt.T).sum(axis=0)
    vector_error = np.abs(energies - exact**2).max() / reference[-1] ** 2
    return float(np.abs(s / exact - 1.0).max()), float(vector_error)


def as_table(timings: list[Timing]) -> str:
    """Lay out the comparison; the first row is the unit of the ratios."""
    unit = timings[0].seconds
    lines = [f"  {'':<32}{'seconds':>8}{'times':>8}{'error of s':>13}{'error of v':>13}"]
    for row in timings:
        lines.append(
            f"  {row.name:<32}{row.seconds:>8.2f}{row.seconds / unit:>7.1f}x"
            f"{row.value_error:>13.1e}{row.vector_error:>13.1e}"
        )
    return "\n".join(lines)
