"""Search under an expensive score, by a CUR decomposition of scores that were computed beforehand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from corange._landmarks import uniform_landmarks
from corange._operators import Matrix, as_matrix
from corange._random import RandomState, Stream, random_key
from corange._results._storage import File, save_arrays
from corange._rows import adjoint_product, frobenius_norm, product
from corange._single_pass import multiply, normal_rows
from corange._small import svd
from corange._validation import (
    check_boolean,
    check_indices,
    check_integer,
    check_optional_integer,
    shown,
)

__all__ = ["CURIndex"]

Array = npt.NDArray[Any]

# Anchor queries for each direction of the anchor scores that is inverted.
_SURPLUS = 1.5


class CURIndex:
    """Items to be searched by a score that is expensive, such as a cross-encoder's, with few calls of it.

    Some queries, the anchor queries, are scored against all items beforehand. A new query is scored against a
    few items only, the anchors; what these scores have in common with those of the anchor queries predicts
    all others, the most promising of which are then scored exactly.

    Parameters
    ----------
    scores : matrix of shape (q, n)
        Scores of q anchor queries with all n items: whatever `corange.svd` accepts. It is not kept.
    anchors : int or array-like of int, optional
        How many anchor items to draw, uniformly, or which items. 2 / 3 of q by default, n at most. Each new
        query costs as many calls of the score.
    rank : int, optional
        Directions of the scores between anchor queries and anchors that are used. By default as many as are
        safe: all of them up to ``q / 1.5``, or if scores turn out to be of low rank exactly, else the leading
        ``q / 1.5``. A nearly square block of noisy scores has small singular values that are noise, and
        inverting them would ruin the predictions.
    random_state : None, int, Generator or RandomState, default=None
        For drawing anchors. The same integer always gives the same bits, on any number of threads.
    check_finite : bool, default=True
        Refuse NaN and infinity in `scores`.

    Attributes
    ----------
    anchors : ndarray of shape (a,), int64
        The anchor items.
    items : ndarray of shape (n, a)
        What the scores of a query with the anchors are multiplied by to predict those with all items.
    rank : int
        Directions used.

    Raises
    ------
    TypeError, ValueError
        An argument is illegal.

    See Also
    --------
    corange.svd : If queries and items have vectors, and scores are inner products.

    Notes
    -----
    The method is ANNCUR [1]_: with R the scores of the anchor queries and J the anchors, ``R[:, J]^+ R`` of
    shape (a, n) is computed once, in 2 * q * a * n flops and two products with R, and stored in a * n
    numbers. A query costs 2 * a * n flops and `budget` calls of the score. Where all scores are of rank r,
    predictions are exact if R and the anchors have that rank: r anchors and 1.5 r anchor queries will nearly
    always do, and r + 1 anchor queries too unless all scores are noisy.

    References
    ----------
    .. [1] N. Yadav, N. Monath, R. Angell, M. Zaheer, A. McCallum (2022). Efficient nearest neighbor search
       for cross-encoder models using matrix factorization. EMNLP. arXiv:2210.12579.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> rng = np.random.default_rng(0)
    >>> items = rng.standard_normal((5000, 8))
    >>> expensive = lambda query: lambda places: items[places] @ query
    >>> anchor_queries = rng.standard_normal((30, 8))
    >>> index = cr.CURIndex(anchor_queries @ items.T, anchors=10, random_state=0)
    >>> query = rng.standard_normal(8)
    >>> found, scores = index.search(expensive(query), 3, budget=20)
    >>> bool((found == np.argsort(-(items @ query))[:3]).all())
    True
    """

    anchors: npt.NDArray[np.int64]
    items: Array
    rank: int

    def __init__(
        self,
        scores: Any,
        anchors: int | npt.ArrayLike | None = None,
        *,
        rank: int | None = None,
        random_state: RandomState = None,
        check_finite: bool = True,
    ) -> None:
        check_boolean("check_finite", check_finite)
        wanted = check_optional_integer("rank", rank, low=1)
        seed = random_key(random_state)
        matrix = as_matrix(scores, argument_name="scores", check_finite=check_finite)
        queries, n = matrix.shape
        if anchors is None:
            anchors = min(n, max(1, int(queries / _SURPLUS)))
        if np.ndim(anchors) == 0:
            count = check_integer("anchors", anchors, low=1, high=n)
            self.anchors = np.sort(uniform_landmarks(n, count, seed))
        else:
            self.anchors = check_indices("anchors", anchors, n)
        self.rank, inverse = _safe_inverse(matrix, self.anchors, wanted, seed)
        self.items = np.empty((n, self.anchors.size), matrix.dtype)
        matrix.operator.apply_adjoint(np.ascontiguousarray(inverse.T, dtype=matrix.dtype), self.items)

    @property
    def n_items(self) -> int:
        """Number of items."""
        return int(self.items.shape[0])

    def predict(self, anchor_scores: npt.ArrayLike) -> Array:
        """Predict the scores of all items from those of the anchors.

        Parameters
        ----------
        anchor_scores : array-like of shape (a,) or (p, a)
            Scores of one query, or of p queries, with `anchors` in their order.

        Returns
        -------
        ndarray of shape (n,) or (p, n)

        Raises
        ------
        ValueError
            There is not one score for each anchor.
        """
        given = np.asarray(anchor_scores, dtype=self.items.dtype)
        if given.ndim not in (1, 2) or given.shape[-1] != self.anchors.size:
            raise ValueError(
                f"anchor_scores must have a score for each of {self.anchors.size} anchors, got shape "
                f"{given.shape}."
            )
        predicted = multiply(self.items, np.atleast_2d(given).T).T
        return predicted if given.ndim == 2 else predicted[0]

    def search(
        self, score: Callable[[npt.NDArray[np.int64]], npt.ArrayLike], k: int, *, budget: int
    ) -> tuple[npt.NDArray[np.int64], Array]:
        """Find the items with the highest scores for a query.

        Parameters
        ----------
        score : callable
            ``score(places)`` returns the exact scores of the query with the items at these places. It is
            called twice: with the anchors, and with the best of the others.
        k : int
            Items wanted.
        budget : int
            Scores to compute in all, at least as many as there are anchors and at least k; more than n items
            are clipped.

        Returns
        -------
        places : ndarray of shape (k,), int64
            The best of the items that were scored, best first; equal ones in the order of their places.
        scores : ndarray of shape (k,)
            Their exact scores.

        Raises
        ------
        TypeError, ValueError
            An argument is illegal; `score` returns another number of scores, or some that are not finite.
        """
        k = check_integer("k", k, low=1, high=self.n_items)
        budget = check_integer("budget", budget, low=max(k, self.anchors.size))
        if not callable(score):
            raise TypeError(f"score must be callable, got {shown(score)}.")
        known = _scored(score, self.anchors)
        predicted = self.predict(known)
        predicted[self.anchors] = -np.inf
        others = _best(predicted, min(budget, self.n_items) - self.anchors.size)
        places = np.concatenate([self.anchors, others])
        exact = np.concatenate([known, _scored(score, others)]) if others.size else known
        order = np.lexsort((places, -exact))[:k]
        return places[order], exact[order]

    def save(self, path: File) -> None:
        """Write the index to an .npz file that holds no pickles; `corange.load` reads it.

        Parameters
        ----------
        path : str, path or binary file
            The ending .npz is added to a name without it, as `numpy.savez` does.
        """
        save_arrays(path, "CURIndex", anchors=self.anchors, items=self.items, rank=np.array(self.rank))

    @classmethod
    def _from_arrays(cls, arrays: Any) -> "CURIndex":
        index = cls.__new__(cls)
        index.anchors, index.items, index.rank = arrays["anchors"], arrays["items"], int(arrays["rank"])
        return index

    def __repr__(self) -> str:
        return (
            f"CURIndex(n_items={self.n_items}, anchors={self.anchors.size}, rank={self.rank}, "
            f"{self.items.dtype})"
        )


def _safe_inverse(matrix: Matrix, anchors: Array, wanted: int | None, seed: int) -> tuple[int, Array]:
    """Pseudo-inverse of the columns at the anchors, without directions that are noise; and its rank."""
    (queries, n), dtype = matrix.shape, matrix.dtype
    units = np.zeros((n, anchors.size), dtype)
    units[anchors, np.arange(anchors.size)] = 1.0
    columns = np.empty((queries, anchors.size), dtype)
    matrix.operator.apply(units, columns)
    U, s, Vt = svd(columns)
    rank = int((s > 10.0 * max(columns.shape) * float(np.finfo(dtype).eps) * s[0]).sum())
    if wanted is not None:
        rank = min(rank, wanted)
    elif rank * _SURPLUS > queries and not _spans(matrix, U[:, :rank], seed):
        rank = max(1, int(queries / _SURPLUS))
    return rank, product(Vt[:rank].T / s[:rank], U[:, :rank].T)


def _spans(matrix: Matrix, basis: Array, seed: int) -> bool:
    """Whether an orthonormal basis spans the range of the matrix, which must not be all there is."""
    (queries, n), dtype = matrix.shape, matrix.dtype
    if basis.shape[1] >= queries:
        return False
    image = np.empty((queries, 4), dtype)
    matrix.operator.apply(normal_rows(seed, Stream.CUR_INDEX_PROBES, 0, n, 4, dtype), image)
    seen = image.astype(np.float64)
    missing = frobenius_norm(seen - product(basis, adjoint_product(basis, seen)))
    return bool(missing <= 100.0 * queries * np.finfo(dtype).eps * frobenius_norm(seen))


def _scored(score: Callable[[npt.NDArray[np.int64]], npt.ArrayLike], places: npt.NDArray[np.int64]) -> Array:
    """Ask for exact scores, and look at what comes back."""
    values = np.asarray(score(places), dtype=np.float64)
    if values.shape != places.shape:
        raise ValueError(
            f"score must return {places.size} scores for as many items, got shape {values.shape}."
        )
    if not np.isfinite(values).all():
        raise ValueError("score must return finite numbers, but some are NaN or infinite.")
    return values


def _best(values: Array, count: int) -> npt.NDArray[np.int64]:
    """Places of the largest values, in ascending order of places."""
    if count <= 0:
        return np.empty(0, np.int64)
    return np.sort(np.argpartition(-values, count - 1)[:count]).astype(np.int64)
