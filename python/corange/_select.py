"""Choice of columns or rows that represent a matrix."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from corange import _core
from corange._entries import as_entries
from corange._landmarks import random_pivots
from corange._random import RandomState, Stream, random_key
from corange._source import Source
from corange._validation import (
    check_boolean,
    check_choice,
    check_integer,
    check_optional_integer,
    check_rank,
)

__all__ = [
    "METHODS",
    "Options",
    "choose",
    "pivoted",
    "pivots_of",
    "pivots_of_sketch",
    "select_columns",
    "select_rows",
    "selection_options",
]

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]
Pivots = tuple[Indices, npt.NDArray[np.float64]]

# By axis: what makes a key of its own for the sketches, and the streams of the draws.
_SKETCHES = 2**64 - 21, 2**64 - 22
_DRAWS = Stream.SELECT_ROWS, Stream.SELECT_COLUMNS

# Least pivot, relative to the largest, for which single precision finds the pivots of a sketch.
_PLAIN = 1e-3


class Options(NamedTuple):
    """How to choose, checked."""

    seed: int
    oversample: int | None = None
    power: int = 0
    rank: int | None = None
    exact: bool = False

    def size(self, k: int) -> int:
        """Numbers that a sketch keeps of each column."""
        return k + (max(k // 2, 10) if self.oversample is None else self.oversample)


def select_columns(
    A: Any,
    k: int,
    *,
    method: str = "qr",
    oversample: int | None = None,
    power: int = 0,
    rank: int | None = None,
    exact: bool = False,
    random_state: RandomState = None,
    check_finite: bool = True,
) -> Indices:
    """Choose columns of a matrix that represent all of them.

    Parameters
    ----------
    A : matrix of shape (m, n)
        Whatever `corange.svd` accepts. Sparse data are never made dense.
    k : int
        Columns to choose, at least 1. More than min(m, n) is clipped with a warning.
    method : str, default="qr"
        - "qr": pivoted QR of a sketch, nearly as good as pivoted QR of A itself. Take this one.
        - "lu": LU of a sketch with partial pivoting; cheaper, and a little worse.
        - "deim": discrete empirical interpolation of the k leading singular vectors.
        - "qdeim": pivoted QR of the k leading singular vectors, often the best choice and the dearest.
        - "leverage": drawn by leverage scores, without replacement.
        - "leverage-largest": the largest leverage scores.
        - "squared-length": drawn by squared norms, without replacement; not for operators.
        - "rpcholesky": the landmarks of `corange.nystrom`, of a symmetric positive semidefinite matrix or a
          `corange.KernelMatrix`.
        - "farthest": farthest points, each column the farthest from those before, for an even cover.
    oversample : int, optional
        Numbers beyond k that a sketch keeps of each column, half as many as k (at least 10) by default; for
        "qr", "lu" and "farthest".
    power : int, default=0
        Steps of subspace iteration for the sketch, two passes each. 1 helps where singular values fall
        slowly and the columns must be as good as those of pivoted QR.
    rank : int, optional
        Singular vectors behind leverage scores; k by default.
    exact : bool, default=False
        Compute singular vectors to 9 digits instead of roughly, for "deim", "qdeim" and leverage scores.
    random_state : None, int, Generator or RandomState, default=None
        The same integer always gives the same columns, on any number of threads.
    check_finite : bool, default=True
        Refuse NaN and infinity.

    Returns
    -------
    ndarray of int64
        Distinct indices in the order of choice: k of them, or fewer when the columns chosen already span
        the rest to rounding, ``eps * max(m, n)`` of the largest. One at least, of a zero matrix too.

    Raises
    ------
    TypeError, ValueError
        As `corange.svd`; an argument is out of range, or the method needs entries that cannot be seen.

    See Also
    --------
    corange.interpolative : The columns with the coefficients of all others.
    corange.cur : Columns and rows.

    Notes
    -----
    "qr" and "lu" cost one pass, 8 flops per stored entry for the sketch, and ``2 l n k`` and ``n k**2``
    flops, with l = k + oversample. For "qr" of doubles that is done in single precision first, and again in
    double where pivots fall below 1e-3 of the largest. "deim", "qdeim" and leverage cost a `corange.svd` of
    rank k. Memory: l * n numbers.

    The error of the best approximation in the chosen columns is about that of pivoted QR for "qr" [1]_; at
    most ``sqrt(n k / 3) * 2**k`` times the best one for "deim", in practice near ``sqrt(n k)`` [2]_; and
    ``1 + eps`` times the best one with ``O(k log k / eps**2)`` columns drawn by leverage [3]_.

    References
    ----------
    .. [1] S. Voronin, P.-G. Martinsson (2017). Efficient algorithms for CUR and interpolative matrix
       decompositions. Adv. Comput. Math. 43. arXiv:1412.8447.
    .. [2] D. Sorensen, M. Embree (2016). A DEIM induced CUR factorization. SIAM J. Sci. Comput. 38(3).
       doi:10.1137/140978430.
    .. [3] M. Mahoney, P. Drineas (2009). CUR matrix decompositions for improved data analysis. PNAS 106(3).
       doi:10.1073/pnas.0803205106.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> A = np.array([[1.0, 0.0, 1.0, 0.0], [0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 4.0]])
    >>> cr.select_columns(A, 3, random_state=0)
    array([3, 1, 0])
    """
    options = selection_options(method, oversample, power, rank, exact, random_state)
    return _select(A, 1, k, method, options, check_finite)


def select_rows(
    A: Any,
    k: int,
    *,
    method: str = "qr",
    oversample: int | None = None,
    power: int = 0,
    rank: int | None = None,
    exact: bool = False,
    random_state: RandomState = None,
    check_finite: bool = True,
) -> Indices:
    """Choose rows of a matrix that represent all of them.

    Parameters
    ----------
    A, k, method, oversample, power, rank, exact, random_state, check_finite
        As `select_columns`, with rows in place of columns.

    Returns
    -------
    ndarray of int64
        Distinct indices in the order of choice.

    Raises
    ------
    TypeError, ValueError
        As `select_columns`.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> cr.select_rows(np.diag([1.0, 3.0, 2.0]), 2, random_state=0)
    array([1, 2])
    """
    options = selection_options(method, oversample, power, rank, exact, random_state)
    return _select(A, 0, k, method, options, check_finite)


def selection_options(
    method: object, oversample: object, power: object, rank: object, exact: object, random_state: object
) -> Options:
    """Check the arguments that do not depend on the matrix."""
    check_choice("method", method, tuple(METHODS))
    return Options(
        random_key(random_state),
        check_optional_integer("oversample", oversample, low=0),
        check_integer("power", power, low=0),
        check_optional_integer("rank", rank, low=1),
        check_boolean("exact", exact),
    )


def _select(A: Any, axis: int, k: int, method: str, options: Options, check_finite: bool) -> Indices:
    check_integer("k", k, low=1)
    check_boolean("check_finite", check_finite)
    source = Source(A, check_finite=check_finite)
    k = check_rank(k, source.shape, name="k", stacklevel=4)
    return choose(source, axis, k, method, options)


def choose(source: Source, axis: int, k: int, method: str, options: Options) -> Indices:
    """Choose columns (axis 1) or rows (axis 0) of a checked matrix, at least one."""
    indices = METHODS[method](source, axis, k, options)
    return indices if indices.size else np.zeros(1, np.int64)


def pivoted(Y: Array, k: int, rcond: float) -> Pivots:
    """Pivoted QR of a short, wide matrix: pivots, and squares of what remains, up to a scale."""
    k = min(k, *Y.shape)
    return (np.empty(0, np.int64), np.zeros(1)) if k == 0 else _core.pivoted_qr(Y, k, rcond)


def _pivoted_in_single(Y: Array, k: int) -> Pivots | None:
    """Find the same in single precision; None where pivots are not far above its rounding."""
    if not 0 < k <= min(Y.shape):
        return None
    pivots, remainders = _core.pivoted_qr(Y, k, _PLAIN, single=True)
    return (pivots, remainders) if pivots.size == k else None


def pivots_of(Y: Array, k: int, rcond: float) -> Pivots:
    """Pivots and remainders, in single precision where that is enough."""
    found = _pivoted_in_single(Y, k) if Y.dtype == np.float64 else None
    return pivoted(Y, k, rcond) if found is None else found


def pivots_of_sketch(source: Source, axis: int, k: int, size: int, options: Options) -> Pivots:
    """Pivots of a sketch of so many numbers; the sketch too is in single precision where that is enough."""
    if options.power or not source.sketches_in_single(axis, size):
        return pivots_of(source.sketch(axis, size, options.seed, options.power), k, source.rcond)
    found = _pivoted_in_single(source.sketch(axis, size, options.seed, single=True), k)
    return pivoted(source.sketch(axis, size, options.seed), k, source.rcond) if found is None else found


def _sketch(source: Source, axis: int, k: int, options: Options) -> Array:
    return source.sketch(axis, options.size(k), options.seed ^ _SKETCHES[axis], options.power)


def _by_qr(source: Source, axis: int, k: int, options: Options) -> Indices:
    options = options._replace(seed=options.seed ^ _SKETCHES[axis])
    return pivots_of_sketch(source, axis, k, options.size(k), options)[0]


def _by_lu(source: Source, axis: int, k: int, options: Options) -> Indices:
    Y = _sketch(source, axis, k, options)
    return _core.pivoted_lu(Y, min(k, *Y.shape), source.rcond)


def _by_deim(source: Source, axis: int, k: int, options: Options) -> Indices:
    V = source.vectors(axis, k, options.seed, exact=options.exact)
    return _core.pivoted_lu(V, V.shape[0], source.rcond)


def _by_qdeim(source: Source, axis: int, k: int, options: Options) -> Indices:
    V = source.vectors(axis, k, options.seed, exact=options.exact)
    return pivoted(V, V.shape[0], source.rcond)[0]


def _scored(source: Source, axis: int, k: int, options: Options) -> tuple[Array, npt.NDArray[np.float64]]:
    """Columns to tell dependence by, and leverage scores: squared norms of the columns of V'."""
    V = source.vectors(axis, options.rank or k, options.seed, exact=options.exact)
    Y = _sketch(source, axis, k, options) if options.rank is not None and options.rank < k else V
    scores: npt.NDArray[np.float64] = np.square(V, dtype=np.float64).sum(axis=0)
    return Y, scores


def _by_leverage(source: Source, axis: int, k: int, options: Options) -> Indices:
    Y, scores = _scored(source, axis, k, options)
    return _independent(Y, k, source.rcond, _drawn(scores, options.seed, _DRAWS[axis]))


def _by_largest_leverage(source: Source, axis: int, k: int, options: Options) -> Indices:
    Y, scores = _scored(source, axis, k, options)
    order = np.argsort(-scores, kind="stable")
    return _independent(Y, k, source.rcond, order[scores[order] > 0])


def _by_squared_length(source: Source, axis: int, k: int, options: Options) -> Indices:
    if source.matrix.kind == "products":
        raise TypeError(
            "method='squared-length' needs the norms of columns, which an operator cannot show; use 'qr' or "
            "'leverage'."
        )
    norms = source.norms(axis)
    largest = float(norms.max())
    weights = np.square(norms / largest) if largest > 0 else norms
    Y = _sketch(source, axis, k, options)
    return _independent(Y, k, source.rcond, _drawn(weights, options.seed, _DRAWS[axis]))


def _by_distance(source: Source, axis: int, k: int, options: Options) -> Indices:
    Y = _sketch(source, axis, k, options)
    return _independent(Y, k, source.rcond, _core.farthest_columns(Y, k, source.rcond))


def _drawn(weights: npt.NDArray[np.float64], seed: int, stream: int) -> Indices:
    """Put indices in the order in which they are drawn without replacement, by an exponential race."""
    uniform = np.empty((weights.size, 1))
    _core.random_block("uniform", seed, stream, 0, 0, uniform)
    with np.errstate(divide="ignore"):
        finish = -np.log(uniform[:, 0]) / weights
    order = np.argsort(finish, kind="stable").astype(np.int64)
    return order[weights[order] > 0]


def _independent(Y: Array, k: int, rcond: float, order: Indices) -> Indices:
    """Take the first k of an order; where these are dependent, the best of twice as many, and so on."""
    count = k
    while True:
        candidates = order[:count]
        pivots = pivoted(Y[:, candidates], k, rcond)[0]
        if pivots.size == candidates.size:
            return candidates
        if pivots.size >= k or count >= order.size:
            return candidates[pivots]
        count *= 2


def _by_rpcholesky(source: Source, axis: int, k: int, options: Options) -> Indices:
    entries = as_entries(source.data, "A", check_finite=False)
    return np.array(random_pivots(entries, k, options.seed).pivots, dtype=np.int64)


# Methods by name: each chooses at most k columns (axis 1) or rows (axis 0) of a source.
METHODS: dict[str, Callable[[Source, int, int, Options], Indices]] = {
    "qr": _by_qr,
    "lu": _by_lu,
    "deim": _by_deim,
    "qdeim": _by_qdeim,
    "leverage": _by_leverage,
    "leverage-largest": _by_largest_leverage,
    "squared-length": _by_squared_length,
    "farthest": _by_distance,
    "rpcholesky": _by_rpcholesky,
}
