"""Truncated SVDs that follow their matrix: rows, columns and entries that come, change and go."""

import time
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from corange._operators import as_matrix
from corange._random import RandomState, random_key
from corange._report import UpdateReport
from corange._results import SVDResult
from corange._updating import EvolvingSVD, UpdatedSVD, first_drift
from corange._updating._blocks import Block, as_block
from corange._updating._projection import project_rows
from corange._validation import check_boolean, check_choice, check_integer, check_optional_integer, shown

__all__ = ["METHODS", "downdate_svd", "update_svd"]

METHODS = (
    "auto",
    "zha-simon",
    "vecharynski-saad",
    "yamazaki",
    "brand",
    "extended",
    "extended-gkl",
    "extended-rpi",
)


def update_svd(
    result: SVDResult,
    *,
    rows: Any = None,
    columns: Any = None,
    lowrank: tuple[Any, Any] | None = None,
    entries: tuple[Any, Any, Any] | None = None,
    rank: int | None = None,
    method: str = "auto",
    size: int | None = None,
    rounds: int = 1,
    data: Any = None,
    random_state: RandomState = None,
    check_finite: bool = True,
) -> UpdatedSVD:
    """Update a truncated SVD when rows or columns are appended to its matrix, or the matrix changes.

    Parameters
    ----------
    result : SVDResult
        The SVD so far, of `corange.svd` without centering or of an earlier update; it is not changed.
    rows : matrix of shape (s, n) or SVDResult, optional
        Rows to append: whatever `corange.svd` accepts, or the SVD of such rows, which is merged. Give exactly
        one of `rows`, `columns`, `lowrank` and `entries`.
    columns : matrix of shape (m, s), optional
        Columns to append; an array or a sparse matrix.
    lowrank : (D, E), optional
        Add ``D @ E.T``, with D of shape (m, p) and E of shape (n, p); arrays or sparse matrices.
    entries : (i, j, values), optional
        Add values to entries (i, j); those given twice are added twice.
    rank : int, optional
        Triplets to keep; as many as `result` has by default. More than that make later updates more
        accurate: keep twice as many as you need when data drift.
    method : str, default="auto"
        ``"zha-simon"`` is exact for the factors that were kept, with vectors of full length.
        ``"vecharynski-saad"`` and ``"yamazaki"`` reduce the new rows to `size` directions beforehand.
        ``"extended"``, ``"extended-gkl"`` and ``"extended-rpi"`` are the same three by the extended
        decomposition, whose cost does not depend on m and n (nor on what the rows have of zeros), apart from
        multiplying out the result. ``"brand"`` takes the exact one a row (or pair) at a time. ``"auto"``
        takes active coordinates of sparse data while they are fewer than n / 2, and for batches larger than
        rank + 32 (at least 128) reduces the rows to `size` directions by one step of subspace iteration from
        the triplets so far and a random block. ``"projection"`` uses the old rows, given as `data`: errors
        of updates then do not add up. To refit with all data see ``start`` of `corange.svd`.
    size : int, optional
        Directions of the reduced methods; two thirds of the rank by default, at least 16.
    rounds : int, default=1
        Rounds of the power method of "yamazaki" and "extended-rpi", and steps of conjugate gradients of
        "projection".
    data : matrix of shape (m, n), optional
        The matrix that `result` belongs to, for "projection": whatever `corange.svd` accepts.
    random_state : None, int, Generator or RandomState, default=None
        For the reduced methods. The same integer always gives the same bits.
    check_finite : bool, default=True
        Refuse NaN and infinity.

    Returns
    -------
    UpdatedSVD
        An `SVDResult` of the changed matrix, with an `UpdateReport`, whose ``drift`` bounds the distance from
        the true SVD. Factors are multiplied out when they are read whole.

    Raises
    ------
    TypeError, ValueError
        As `corange.svd`; shapes do not fit, `result` is centered, or not exactly one change is given.

    See Also
    --------
    corange.downdate_svd : Remove rows or columns.

    Notes
    -----
    Rows E are split into coordinates ``C = V'E'`` and a residual ``Q R = (I - V V') E'``; the SVD of the
    small matrix ``[S 0; C' R']`` rotates the factors [1]_ [2]_. In the extended decomposition [3]_ factors
    are products of a tall and a small matrix, so that a rotation costs O(k**3) and only the rows of V at
    nonzero columns change. Residuals are isometric to vectors of active coordinates (see the guide), which
    unlike differences of inner products never turn negative. For a active columns, s rows and k triplets an
    exact update costs about 4 a (k + s)**2 + 10 (k + s)**3 flops, and multiplying out the result
    2 (m + n) k**2. The projection [4]_ multiplies k + 4 `size` columns with `data`, and decomposes the k +
    `size` rows that this leaves of them, with the new ones.

    References
    ----------
    .. [1] H. Zha, H. Simon (1999). On updating problems in latent semantic indexing. SIAM J. Sci. Comput.
       21(2). doi:10.1137/S1064827597329266.
    .. [2] M. Brand (2006). Fast low-rank modifications of the thin singular value decomposition. Linear
       Algebra and its Applications 415(1). doi:10.1016/j.laa.2005.07.021.
    .. [3] H. Deng, Y. Yang, J. Li, C. Chen, W. Jiang, S. Pu (2024). Fast updating truncated SVD for
       representation learning with sparse matrices. ICLR. arXiv:2401.09703.
    .. [4] V. Kalantzis, G. Kollias, S. Ubaru, A. Nikolakopoulos, L. Horesh, K. Clarkson (2021). Projection
       techniques to update the truncated SVD of evolving matrices with applications. ICML.
       arXiv:2010.06392.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> A = cr.testing.matrix_with_spectrum([8.0, 4.0, 2.0, 1.0], shape=(100, 60), random_state=0)
    >>> first = cr.svd(A[:80], 4, tol=1e-9, random_state=0)
    >>> U, s, Vt = cr.update_svd(first, rows=A[80:])
    >>> s.round(6)
    array([8., 4., 2., 1.])
    """
    started = time.perf_counter()
    given = {"rows": rows, "columns": columns, "lowrank": lowrank, "entries": entries}
    kind = _only_one(given)
    state = _state(result, rank, method, size, rounds, random_state)
    check_boolean("check_finite", check_finite)
    if method == "projection" or data is not None:
        state = _projected(result, data, rows, state, check_finite)
    elif kind == "rows" and isinstance(rows, SVDResult):
        _check_side("rows", "columns", rows.shape[1], result.shape[1])
        state.merge(_state(rows, None, method, size, rounds, random_state))
    elif kind == "rows":
        block = as_block(rows, "rows", check_finite=check_finite)
        _check_side("rows", "columns", block.shape[1], result.shape[1])
        for part in _pieces(block, method):
            state.append_rows(part)
    elif kind == "columns":
        block = as_block(columns, "columns", transpose=True, check_finite=check_finite)
        _check_side("columns", "rows", block.shape[1], result.shape[0])
        for part in _pieces(block, method):
            state.append_columns(part)
    else:
        D, E = _change(result.shape, lowrank, entries, check_finite)
        for first, second in zip(_pieces(D, method), _pieces(E, method), strict=True):
            state.add_product(first, second)
    return UpdatedSVD(state, started=started, task="update_svd")


def downdate_svd(
    result: SVDResult, *, rows: npt.ArrayLike | None = None, columns: npt.ArrayLike | None = None
) -> UpdatedSVD:
    """Update a truncated SVD when rows or columns are removed from its matrix.

    Parameters
    ----------
    result : SVDResult
        The SVD so far; it is not changed.
    rows, columns : sequence of int, optional
        What to remove, counted as in NumPy from either end; give one of the two. Something must be left.

    Returns
    -------
    UpdatedSVD
        An `SVDResult` of the smaller matrix; of lower rank only if a side became smaller than the rank.

    Raises
    ------
    TypeError, ValueError
        `result` is no SVDResult or is centered; indices are out of range or name everything.

    See Also
    --------
    corange.update_svd : Append or change.

    Notes
    -----
    Exact for the matrix that the kept factors stand for. The rows that are left of U are made orthonormal
    by the inverse square root of ``I - U_g' U_g``, U_g being those that are gone, or by orthogonalization
    where that would lose digits [1]_.

    References
    ----------
    .. [1] M. Brand (2006). Fast low-rank modifications of the thin singular value decomposition. Linear
       Algebra and its Applications 415(1). doi:10.1016/j.laa.2005.07.021.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> result = cr.svd(np.diag([3.0, 2.0, 1.0]), 3)
    >>> cr.downdate_svd(result, rows=[0]).s.round(6)
    array([2., 1.])
    """
    started = time.perf_counter()
    kind = _only_one({"rows": rows, "columns": columns})
    state = _state(result, None, "auto", None, 1, 0)
    places = _places(kind, rows if kind == "rows" else columns, result.shape[0 if kind == "rows" else 1])
    (state.remove_rows if kind == "rows" else state.remove_columns)(places)
    return UpdatedSVD(state, started=started, task="downdate_svd")


def _only_one(given: dict[str, Any]) -> str:
    names = [name for name, value in given.items() if value is not None]
    if len(names) != 1:
        found = " and ".join(names) or "none"
        raise ValueError(f"exactly one of {', '.join(given)} must be given, got {found}.")
    return names[0]


def _state(
    result: Any, rank: object, method: str, size: object, rounds: object, random_state: RandomState
) -> EvolvingSVD:
    """Check the arguments and make a state that can be changed."""
    if not isinstance(result, SVDResult):
        raise TypeError(f"result must be an SVDResult, got {shown(result)}.")
    if result.mean is not None:
        raise ValueError("result must not be centered: its mean changes with every row.")
    wanted = check_optional_integer("rank", rank, low=1)
    options: dict[str, Any] = {
        "rank": result.rank if wanted is None else wanted,
        "method": check_choice("method", method, (*METHODS, "projection")),
        "size": check_optional_integer("size", size, low=1),
        "rounds": check_integer("rounds", rounds, low=0),
        "seed": random_key(random_state),
    }
    if isinstance(result, UpdatedSVD):
        return result._state.fork(**options)
    if isinstance(result.report, UpdateReport):  # of an update that was saved
        drift, updates = result.report.drift, result.report.updates
    else:
        drift, updates = first_drift(result), 0
    state = EvolvingSVD(result.U, result.s, result.Vt.T, drift=drift, **options)
    state.updates = updates
    return state


def _projected(
    result: SVDResult, data: Any, rows: Any, state: EvolvingSVD, check_finite: bool
) -> EvolvingSVD:
    """Append rows by the method that looks at the old ones too."""
    if state.method != "projection" or data is None or rows is None or isinstance(rows, SVDResult):
        raise ValueError(
            f"data must be given with rows of a matrix and method='projection', and only then, got "
            f"method={state.method!r}, {shown(data)} as data and {shown(rows)} as rows."
        )
    matrix = as_matrix(data, argument_name="data", check_finite=check_finite)
    block = as_block(rows, "rows", check_finite=check_finite)
    _check_side("rows", "columns", block.shape[1], result.shape[1])
    for axis, what in enumerate(("rows", "columns")):
        _check_side("data", what, matrix.shape[axis], result.shape[axis])
    size = state.directions()
    found = project_rows(
        result, matrix, block, rank=state.rank, size=size, rounds=state.rounds, seed=state.seed
    )
    state.replace(found.U, found.s, found.V, found.lost)
    return state


def _pieces(block: Block, method: str) -> list[Block]:
    """Take rows one at a time for Brand's method, else all at once."""
    if method != "brand":
        return [block]
    return [block.part(slice(i, i + 1)) for i in range(block.shape[0])]


def _change(shape: tuple[int, int], lowrank: Any, entries: Any, check_finite: bool) -> tuple[Block, Block]:
    """Make the two factors of a change, each by rows of the transpose."""
    if lowrank is None:
        return _from_entries(shape, entries)
    if not isinstance(lowrank, tuple) or len(lowrank) != 2:
        raise TypeError(f"lowrank must be a pair (D, E), got {shown(lowrank)}.")
    blocks = [
        as_block(part, f"lowrank[{i}]", transpose=True, check_finite=check_finite)
        for i, part in enumerate(lowrank)
    ]
    for i, block in enumerate(blocks):
        _check_side(f"lowrank[{i}]", "rows", block.shape[1], shape[i])
    _check_side("lowrank[1]", "columns", blocks[1].shape[0], blocks[0].shape[0])
    return blocks[0], blocks[1]


def _from_entries(shape: tuple[int, int], entries: Any) -> tuple[Block, Block]:
    """Group entries by the rows they are in: unit vectors times sparse rows."""
    if not isinstance(entries, tuple) or len(entries) != 3:
        raise TypeError(f"entries must be (i, j, values), got {shown(entries)}.")
    i, j = (_indices(f"entries[{axis}]", entries[axis], shape[axis]) for axis in (0, 1))
    values = np.asarray(entries[2], dtype=np.float64)
    if not i.size or not i.shape == j.shape == values.shape:
        raise ValueError(
            f"entries must be three sequences of one length, at least 1, got {i.size}, {j.size} and "
            f"{values.size}."
        )
    if not np.isfinite(values).all():
        raise ValueError("entries[2] must be finite.")
    changed, local = np.unique(i, return_inverse=True)
    count = changed.size
    unit = scipy.sparse.csr_array((np.ones(count), (np.arange(count), changed)), shape=(count, shape[0]))
    rows = scipy.sparse.csr_array((values, (local, j)), shape=(count, shape[1]))
    return as_block(unit, "entries"), as_block(rows, "entries")


def _indices(name: str, values: Any, length: int) -> npt.NDArray[np.int64]:
    indices = np.atleast_1d(np.asarray(values))
    if indices.dtype.kind not in "iu" or indices.ndim != 1:
        raise TypeError(f"{name} must be a sequence of integers, got {shown(values)}.")
    if indices.size and (indices.min() < -length or indices.max() >= length):
        raise ValueError(f"{name} must be from {-length} to {length - 1}, got {shown(values)}.")
    return np.where(indices < 0, indices + length, indices).astype(np.int64)


def _places(name: str, values: Any, length: int) -> npt.NDArray[np.int64]:
    places = np.unique(_indices(name, values, length))
    if not 0 < places.size < length:
        raise ValueError(f"{name} must name some of the {length} there are, not {places.size}.")
    return places


def _check_side(name: str, what: str, given: int, wanted: int) -> None:
    if given != wanted:
        raise ValueError(f"{name} must have {wanted} {what}, got {given}.")
