"""The Python-sources data set equals what scikit-learn would have made of the same files."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from corange import datasets

PACKAGE = Path(json.__file__).parent.parent / "email"


def chunks(folder, lines):
    texts, names = [], []
    for path in sorted(folder.rglob("*.py")):
        content = path.read_text(encoding="utf-8", errors="replace").splitlines()
        for start in range(0, len(content), lines):
            texts.append("\n".join(content[start : start + lines]))
            names.append(str(path.relative_to(folder)))
    return texts, names


@pytest.mark.parametrize(("kind", "vectorizer"), [("tfidf", TfidfVectorizer), ("counts", CountVectorizer)])
def test_equals_scikit_learn(kind, vectorizer):
    text = datasets.python_sources(kind, folder=PACKAGE)
    documents, names = chunks(PACKAGE, 40)
    reference = vectorizer(token_pattern=r"[A-Za-z]{3,}", min_df=3, max_df=0.5)
    expected = reference.fit_transform(documents)
    assert list(text.vocabulary) == list(reference.get_feature_names_out())
    assert [name.split(":")[0] for name in text.documents] == names
    assert text.data.shape == expected.shape
    assert abs(text.data - expected).max() <= 4 * np.finfo(float).eps * abs(expected).max()


def test_rows_of_tfidf_have_norm_one_and_storage_is_what_the_kernels_like():
    data = datasets.python_sources(folder=PACKAGE).data
    norms = np.sqrt(data.power(2).sum(axis=1))
    np.testing.assert_allclose(norms[norms > 0], 1.0, rtol=1e-14)
    assert data.format == "csr"
    assert data.has_sorted_indices
    assert data.indices.dtype == data.indptr.dtype == np.int32
    assert data.dtype == np.float64


def test_documents_are_named_by_file_and_lines(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.py").write_text("word\n\nword\n" + "a b\n" * 4)
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "c.py").write_text("word\n")
    text = datasets.python_sources("counts", folder=tmp_path, chunk_lines=2)
    lines = ("1-2", "3-4", "5-6", "7-7")
    assert list(text.documents) == [f"{name}.py:{part}" for name in "ab" for part in lines]
    assert list(text.vocabulary) == ["word"]
    assert text.data.sum() == 4


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match="kind must be one of 'tfidf', 'counts', got 'bm25'"):
        datasets.python_sources("bm25")
    with pytest.raises(ValueError, match=r"folder must hold \.py files"):
        datasets.python_sources(folder=tmp_path)


def test_scikit_learn_is_not_imported():
    code = (
        "import sys, corange.datasets as d; from pathlib import Path; import json;"
        "d.python_sources(folder=Path(json.__file__).parent); sys.exit('sklearn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_the_whole_standard_library():
    if len(list(Path(sysconfig.get_path("stdlib")).glob("test/test_*"))) < 300:
        pytest.skip("the library's own tests, a large part of its text, are not installed")
    text = datasets.python_sources()
    m, n = text.data.shape
    # 3.11 to 3.13 have 22,359 to 23,263 documents, 16,684 to 16,713 words and 1.03 to 1.07 million entries.
    assert 19_000 < m < 26_500
    assert 14_200 < n < 19_200
    assert 880_000 < text.data.nnz < 1_220_000
    assert repr(text) == f"TextData({m} documents x {n} words, {text.data.nnz} stored entries)"
