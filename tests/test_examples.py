"""The examples: what they show holds on small data, and each of them runs."""

import importlib
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.special

EXAMPLES = Path(__file__).parents[1] / "examples"
if not EXAMPLES.is_dir():
    pytest.skip("the examples are not part of this tree", allow_module_level=True)


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module


def runs(name, *arguments):
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


# ---- bands of a hyperspectral image


@pytest.mark.parametrize("rank", [1, 4, 6])
def test_a_cube_of_low_rank_is_rebuilt_from_as_many_bands(example, rank):
    bands = example("hyperspectral_bands")
    X = bands.synthetic_cube(30, 40, 60, rank, noise=0.0)
    chosen, E = bands.bands_and_coefficients(X, rank)
    assert np.unique(chosen).size == rank
    assert np.abs(X - X[:, chosen] @ E).max() < 1e-10 * np.abs(X).max()


def test_chosen_bands_are_better_conditioned_than_random_ones(example):
    bands = example("hyperspectral_bands")
    X = bands.synthetic_cube(30, 40, 60, 6, noise=1e-4)
    chosen, _ = bands.bands_and_coefficients(X, 6)
    V = np.linalg.svd(X, full_matrices=False)[2][:6].T
    rng = np.random.default_rng(0)
    others = [np.linalg.cond(V[rng.choice(60, 6, replace=False)]) for _ in range(100)]
    assert np.linalg.cond(V[chosen]) < np.quantile(others, 0.05)


def test_the_bands_example_runs():
    assert "relative error" in runs("hyperspectral_bands.py")


# ---- pruning


def test_a_pruned_network_of_redundant_units_does_the_same(example):
    prune_layer = example("prune_layer")
    network = prune_layer.redundant_network(8, 90, 15, 4)
    samples, new = np.random.default_rng(2).standard_normal((2, 400, 8))
    smaller, _ = prune_layer.prune(network, samples, 15)
    assert smaller.W1.shape == (8, 15)
    assert np.abs(smaller(new) - network(new)).max() < 1e-10 * np.abs(network(new)).max()
    for units in (12, 8):
        smaller, bound = prune_layer.prune(network, samples, units)
        error = np.linalg.norm(smaller(samples) - network(samples))
        assert 0.0 < error <= bound * (1 + 1e-9)


def test_the_pruning_example_runs():
    assert "60 of 400 units" in runs("prune_layer.py")


# ---- a transformer in NumPy


def test_safetensors_and_vocabulary_are_read(example, tmp_path):
    minilm = example("minilm")
    weights = minilm.random_model(0)
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.writestr("model.safetensors", minilm.save_safetensors(weights))
        archive.writestr("tokenizer.json", json.dumps({"model": {"vocab": {"a": 1}}}))
    found, vocabulary = minilm.read_model(tmp_path / "model.zip")
    assert vocabulary == {"a": 1}
    assert found.keys() == weights.keys()
    assert all(np.array_equal(found[name], weights[name].astype(np.float32)) for name in weights)


def test_words_are_cut_into_the_longest_pieces(example):
    minilm = example("minilm")
    words = ["[CLS]", "[SEP]", "[UNK]", "un", "##believ", "##able", "##a", ",", "cafe"]
    vocabulary = {word: place for place, word in enumerate(words)}
    found = [words[place] for place in minilm.tokens("Unbelievable, café xyz", vocabulary)]
    assert found == ["[CLS]", "un", "##believ", "##able", ",", "cafe", "[UNK]", "[SEP]"]


def test_activations_are_what_the_matrices_multiply(example):
    """Without its own attention scores and means a layer is linear in what was recorded."""
    minilm = example("minilm")
    weights, rng = minilm.random_model(1), np.random.default_rng(0)
    sentence = rng.integers(0, 50, 12)
    seen = minilm.activations(weights, [sentence, sentence[:5]])
    assert len(seen) == 6 * minilm.LAYERS
    assert all(X.shape == (17, weights[name].shape[1]) for name, X in seen.items())
    name = "encoder.layer.0."
    middle = seen[f"{name}intermediate.dense.weight"]
    inner = middle @ weights[f"{name}intermediate.dense.weight"].T
    half = 0.5 * (1.0 + scipy.special.erf(inner / np.sqrt(2.0)))
    assert np.allclose(seen[f"{name}output.dense.weight"], inner * half)
    assert np.isclose(np.linalg.norm(minilm.sentence_vector(weights, sentence)), 1.0)


# ---- CURing


def test_the_arithmetic_of_the_paper(example):
    """Rank 256 on Q, K and Gate of ten layers of Llama-3.1-8B: 8.03 billion become 7.32."""
    curing = example("curing")
    shapes = [(4096, 4096), (1024, 4096), (14336, 4096)]
    assert [curing.curing_rank(*shape) for shape in shapes] == [256, 256, 256]
    assert 10 * curing.saved(shapes) == 713_687_040
    assert round((8_030_261_248 - 713_687_040) / 1e9, 2) == 7.32


@pytest.mark.parametrize(("shape", "rank"), [((384, 384), 128), ((1536, 384), 256), ((3, 3), 1), ((2, 2), 0)])
def test_the_rank_is_the_largest_power_of_two_that_saves(example, shape, rank):
    curing = example("curing")
    assert curing.curing_rank(*shape) == rank
    size = shape[0] * shape[1]
    assert rank == 0 or curing.parameters(*shape, rank) < size
    assert rank == 256 or curing.parameters(*shape, max(1, 2 * rank)) >= size


def test_factors_come_from_the_weights_and_are_exact_at_their_rank(example):
    curing = example("curing")
    rng = np.random.default_rng(3)
    W = rng.standard_normal((60, 8)) @ rng.standard_normal((8, 40))
    result = curing.curing(W, 10.0 ** rng.uniform(-1, 1, 40), 8)
    assert np.array_equal(result.C, W[:, result.columns])
    assert np.array_equal(result.R, W[result.rows])
    assert np.abs(result.reconstruct() - W).max() < 1e-10 * np.abs(W).max()


def test_weights_pay_where_activations_differ_by_a_hundred(example):
    """The error that activations see is well below that of a choice that ignores them."""
    curing = example("curing")
    rng = np.random.default_rng(4)
    ratios = []
    for _ in range(5):
        W = rng.standard_normal((90, 70))
        found = curing.compare(W, 10.0 ** rng.uniform(-1, 1, 70), 16)
        ratios.append(found.curing / found.plain)
    assert max(ratios) < 1.0
    assert np.mean(ratios) < 0.9


def test_the_weighted_core_is_the_best_for_the_weighted_error(example):
    curing = example("curing")
    rng = np.random.default_rng(5)
    W, norms = rng.standard_normal((60, 40)), 10.0 ** rng.uniform(-1, 1, 40)
    columns, rows = rng.permutation(40)[:12], rng.permutation(60)[:15]
    factors, error = curing.weighted(W, norms, columns, rows)
    assert np.array_equal(factors.C, W[:, columns])
    assert np.array_equal(factors.R, W[rows])
    best = np.linalg.pinv(factors.C) @ (W * norms) @ np.linalg.pinv(factors.R * norms)
    assert np.abs(factors.U - best).max() < 1e-10 * np.abs(best).max()
    left = np.linalg.norm((W - factors.reconstruct()) * norms) / np.linalg.norm(W * norms)
    assert left == pytest.approx(error, rel=1e-9)


def test_lines_that_capture_most_are_found_one_after_the_other(example):
    """Each adds at least as much as any other would, by the definition; none is taken twice."""
    curing = example("curing")
    rng = np.random.default_rng(7)
    lines, target = rng.standard_normal((30, 25)), rng.standard_normal((30, 11))
    lines[:, 3] = lines[:, 4] + lines[:, 5]
    chosen = curing.capturing(lines, target, 25)
    assert len(set(chosen)) == len(chosen) == 24  # one of three that are dependent is left out

    def captured(columns):
        return np.linalg.norm(np.linalg.qr(lines[:, columns]).Q.T @ target) ** 2

    for k in range(12):
        others = [captured([*chosen[:k], j]) for j in range(25) if j not in chosen[:k]]
        assert captured(chosen[: k + 1]) == pytest.approx(max(others), rel=1e-9)


def test_lines_are_dropped_that_are_missed_least(example):
    curing = example("curing")
    rng = np.random.default_rng(8)
    lines, target = rng.standard_normal((30, 25)), rng.standard_normal((30, 11))

    def captured(columns):
        return np.linalg.norm(np.linalg.qr(lines[:, columns]).Q.T @ target) ** 2

    kept = rng.permutation(25)[:12]
    for count in (11, 8, 7):
        expected = kept
        while expected.size > count:
            expected = max((np.delete(expected, j) for j in range(expected.size)), key=captured)
        kept = curing.missed_most(lines, target, kept, count)
        assert np.array_equal(kept, expected)


@pytest.mark.parametrize("shape", [(50, 50), (160, 40), (40, 160)])
def test_refined_factors_are_better_with_no_more_numbers(example, shape):
    curing = example("curing")
    rng = np.random.default_rng(6)
    W, norms = rng.standard_normal(shape), 10.0 ** rng.uniform(-1, 1, shape[1])
    factors = curing.refined(W, norms, 16)
    assert sum(one.size for one in factors) <= curing.parameters(*shape, 16)
    found = curing.compare(W, norms, 16)
    assert found.refined < found.curing < found.plain


def test_the_curing_example_runs():
    assert "root mean square of all: CURing" in runs("curing.py", "3")


# ---- dependencies of packages


PACKAGES = """Package: one
Section: contrib/python
Depends: two (>= 1.0) | other, three:any, virtual
Recommends: four
Description: none
 Depends: nothing

Package: two
Section: libs
Pre-Depends: three, two

Package: three

Package: alone
Depends: virtual
"""


def test_dependencies_are_read_and_nodes_without_any_are_left_out(example):
    packages = example("package_dependencies")
    found = list(packages.debian(PACKAGES))
    assert [(node.name, node.section) for node in found[:3]] == [
        ("one", "python"),
        ("two", "libs"),
        ("three", ""),
    ]
    assert [node.needs for node in found[:3]] == [{"two", "three", "virtual", "four"}, {"three"}, set()]
    folder = Path(packages.ast.__file__).parent
    events = folder / "asyncio" / "base_events.py"
    assert {"asyncio.events", "collections"} <= set(packages.imports(events, "asyncio"))
    nodes, edges = packages.graph(found)
    assert [node.name for node in nodes] == ["one", "two", "three"]
    np.testing.assert_array_equal(edges.toarray(), 1.0 - np.eye(3))


def test_where_no_packages_are_known_modules_take_their_place(example, monkeypatch, tmp_path, capsys):
    packages = example("package_dependencies")
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(packages, "STATUS", tmp_path / "status")
    packages.main(["asyncio.streams", "no such module"])
    printed = capsys.readouterr().out
    assert "modules of the standard library" in printed
    assert printed.split("asyncio.streams: ")[1].partition("\n")[0].count("asyncio.") >= 4
    right, largest = map(int, re.findall(r"(\d+)%", printed))
    assert right > 2 * largest


# ---- what arrives piece by piece


def test_updates_predict_edges_that_were_not_shown(example, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(example("package_dependencies"), "STATUS", tmp_path / "status")
    example("growing_graph").main(16)
    printed = capsys.readouterr().out
    before, after, refit = (float(x) for x in re.findall(r": (0\.\d+)", printed))
    assert 0.5 < before < after
    assert after == pytest.approx(refit, abs=0.03)


def test_topics_follow_a_stream_of_modules(example, capsys):
    folder = Path(json.__file__).parent.parent / "asyncio"
    example("growing_topics").main(str(folder))
    printed = capsys.readouterr().out
    assert printed.count("% new)") == 10
    assert float(re.search(r"off by ([\d.]+)%", printed)[1]) < 10
    assert int(re.search(r"agree to (\d+)%", printed)[1]) > 80
