"""Real data that is always at hand: no download, no copy in this package."""

import dataclasses
import re
import sysconfig
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse

from corange._validation import check_choice, check_integer

__all__ = ["TextData", "python_sources"]

_TOKEN = re.compile("[A-Za-z]{3,}")
_CHUNK_LINES = 40
_FEWEST_DOCUMENTS = 3
_LARGEST_SHARE = 0.5


@dataclasses.dataclass(frozen=True, repr=False)
class TextData:
    """A document-term matrix with the names of its rows and columns.

    Attributes
    ----------
    data : scipy.sparse.csr_array of shape (n_documents, n_words), float64
        Weights or counts; the indices in each row ascend.
    vocabulary : ndarray of str, shape (n_words,)
        The word of each column, in alphabetical order.
    documents : ndarray of str, shape (n_documents,)
        The name of each row: file and lines.
    """

    data: Any
    vocabulary: npt.NDArray[np.str_]
    documents: npt.NDArray[np.str_]

    def __repr__(self) -> str:
        m, n = self.data.shape
        return f"TextData({m} documents x {n} words, {self.data.nnz} stored entries)"


def python_sources(
    kind: Literal["tfidf", "counts"] = "tfidf",
    *,
    folder: str | Path | None = None,
    chunk_lines: int = _CHUNK_LINES,
) -> TextData:
    """Turn the Python standard library's own sources into a document-term matrix.

    The .py files of the running interpreter's standard library (site-packages aside) are cut into chunks of
    40 lines, each a document. Words are runs of three letters or more, in lower case; those in fewer than 3
    documents or in more than half of them are dropped. That makes about 22,000 documents, 17,000 words and
    a million entries; the exact numbers depend on the Python version.

    Parameters
    ----------
    kind : {"tfidf", "counts"}, default="tfidf"
        Weights: ``tf * (log((1 + n) / (1 + df)) + 1)`` with rows of norm 1, equal to scikit-learn's
        ``TfidfVectorizer(token_pattern=r"[A-Za-z]{3,}", min_df=3, max_df=0.5)``, or plain counts.
    folder : str or path, optional
        Read the .py files below this folder instead.
    chunk_lines : int, default=40
        Lines a document.

    Returns
    -------
    TextData
        With ``data`` (CSR), ``vocabulary`` and ``documents``.

    Raises
    ------
    ValueError
        An unknown `kind`, or a folder in which no word is common enough.

    Notes
    -----
    Reads some 30 MB and takes a few seconds.

    Examples
    --------
    >>> from pathlib import Path
    >>> import corange as cr
    >>> import json
    >>> text = cr.datasets.python_sources("counts", folder=Path(json.__file__).parent)
    >>> "decoder" in text.vocabulary
    True
    """
    kind = check_choice("kind", kind, ("tfidf", "counts"))
    chunk_lines = check_integer("chunk_lines", chunk_lines, low=1)
    root = Path(sysconfig.get_path("stdlib") if folder is None else folder)
    counts, words, documents = _count_words(root, chunk_lines)
    counts, words = _prune(counts, words)
    if not words.size:
        raise ValueError(f"folder must hold .py files with words in common, got {str(root)!r}.")
    if kind == "tfidf":
        _weigh(counts)
    return TextData(counts, words, documents)


def _chunks(root: Path, chunk_lines: int) -> Iterator[tuple[str, str]]:
    """Names and texts of all documents, in the order of the file names."""
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if not {"site-packages", "dist-packages"}.isdisjoint(relative.parts):
            continue
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        for start in range(0, len(lines), chunk_lines):
            part = lines[start : start + chunk_lines]
            yield f"{relative.as_posix()}:{start + 1}-{start + len(part)}", "\n".join(part)


def _count_words(root: Path, chunk_lines: int) -> tuple[Any, npt.NDArray[np.str_], npt.NDArray[np.str_]]:
    """Count every word in every document; columns in order of first appearance."""
    columns: dict[str, int] = {}
    names: list[str] = []
    indptr, indices, counts = array("i", [0]), array("i"), array("d")
    for name, text in _chunks(root, chunk_lines):
        names.append(name)
        for word, count in Counter(_TOKEN.findall(text.lower())).items():
            indices.append(columns.setdefault(word, len(columns)))
            counts.append(count)
        indptr.append(len(indices))
    matrix = scipy.sparse.csr_array(
        (np.asarray(counts), np.asarray(indices), np.asarray(indptr)),
        shape=(len(names), len(columns)),
    )
    return matrix, np.array(list(columns), dtype=np.str_), np.array(names, dtype=np.str_)


def _prune(counts: Any, words: npt.NDArray[np.str_]) -> tuple[Any, npt.NDArray[np.str_]]:
    """Drop words that are too rare or too common; sort the others."""
    appearances = np.bincount(counts.indices, minlength=words.size)
    kept = np.flatnonzero(
        (appearances >= _FEWEST_DOCUMENTS) & (appearances <= _LARGEST_SHARE * counts.shape[0])
    )
    kept = kept[np.argsort(words[kept])]
    pruned = counts[:, kept].tocsr()
    pruned.sort_indices()
    return pruned, words[kept]


def _weigh(counts: Any) -> None:
    """Turn counts into TF-IDF weights with rows of norm 1, in place."""
    n = counts.shape[0]
    appearances = np.bincount(counts.indices, minlength=counts.shape[1])
    counts.data *= (np.log((1 + n) / (1 + appearances)) + 1)[counts.indices]
    rows = np.repeat(np.arange(n), np.diff(counts.indptr))
    norms = np.sqrt(np.bincount(rows, weights=counts.data**2, minlength=n))
    counts.data /= norms[rows]
