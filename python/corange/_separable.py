"""Separable nonnegative factorization: components that are columns of the matrix itself."""

import time
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from corange import _core
from corange._nmf._entries import in_units, padded
from corange._nmf._problem import make_problem
from corange._operators import Stored, as_stored
from corange._report import NMFReport
from corange._results import SeparableNMFResult
from corange._rows import Rows, adjoint_product, frobenius_norm, product
from corange._single_pass import multiply
from corange._small import eigh
from corange._validation import check_boolean, check_choice, check_integer, check_rank

__all__ = ["SEPARABLE_METHODS", "separable_nmf", "separate"]

Array = npt.NDArray[Any]
Doubles = npt.NDArray[np.float64]

SEPARABLE_METHODS = ("spa", "snpa")

_TIE = 1e-6  # relative difference of squares that counts as none
_STEPS, _STEP_TOL = 500, 1e-6  # of the gradient method for SNPA's residuals
_BLOCK = 2**20  # numbers of a block of columns whose residuals are computed anew


def separable_nmf(X: Any, rank: int, *, method: str = "spa", check_finite: bool = True) -> SeparableNMFResult:
    """Factor a nonnegative matrix into some of its columns and weights: ``X`` close to ``X[:, columns] @ H``.

    Where every column is a nonnegative combination of a few pure ones (pixels and materials, words and
    anchor words of topics), those are found, in a few passes and without iterations.

    Parameters
    ----------
    X : array or sparse matrix of shape (m, n)
        Nonnegative, in memory. Columns are compared as they are: for mixtures whose columns differ in length,
        divide them by their sums first, without the ones that are nearly zero.
    rank : int
        Columns to choose, at least 1; more than min(m, n) is clipped with a warning. Fewer are returned when
        they explain all columns to rounding.
    method : {"spa", "snpa"}, default="spa"
        "spa" chooses the column farthest from the span of those chosen before, and needs them linearly
        independent. "snpa" takes the farthest from their convex hull with the origin: more robust to noise,
        also for dependent columns, and slower.
    check_finite : bool, default=True
        Refuse NaN and infinity before work starts.

    Returns
    -------
    SeparableNMFResult
        Unpacks into W (m, rank) and H (rank, n), with `columns`, `report`, `reconstruct` and `save`.

    Raises
    ------
    TypeError, ValueError
        As `corange.nmf`; X is not in memory.

    See Also
    --------
    corange.nmf : For matrices whose components are not among their columns.

    Notes
    -----
    Projections are never carried out: the squared norm of what is left of a column falls by that of its
    product with each new direction, one pass over X of 2 flops an entry a component [1]_. When norms have
    fallen so far that rounding spoils them they are computed anew. "snpa" solves a small
    problem a column and component [2]_.
    Noise of size e moves the chosen columns by O(e * cond(W)**2). H is an exact nonnegative least squares.
    Memory: H and two numbers a column; "snpa" takes 2 * rank.

    References
    ----------
    .. [1] N. Gillis, S. Vavasis (2014). Fast and robust recursive algorithms for separable nonnegative matrix
       factorization. arXiv:1208.1237.
    .. [2] N. Gillis (2014). Successive nonnegative projection algorithm for robust nonnegative blind source
       separation. arXiv:1310.7529.

    Examples
    --------
    >>> import numpy as np, corange as cr
    >>> rng = np.random.default_rng(0)
    >>> X = rng.random((20, 3)) @ np.c_[np.eye(3), rng.dirichlet(np.ones(3), 30).T]
    >>> result = cr.separable_nmf(X, 3)
    >>> sorted(result.columns.tolist())
    [0, 1, 2]
    """
    check_integer("rank", rank, low=1)
    method = check_choice("method", method, SEPARABLE_METHODS)
    check_boolean("check_finite", check_finite)
    problem = make_problem(X, check_finite=check_finite)
    stored = as_stored(X, argument_name="X", check_finite=False)
    if stored.kind == "rows":
        raise TypeError("X must be in memory: an array or a sparse matrix, for its columns are looked at.")
    rank = check_rank(rank, problem.matrix.shape)
    return separate(stored, rank, method, problem.matrix.description)


def separate(stored: Stored, rank: int, method: str, description: str) -> SeparableNMFResult:
    """Factor a checked matrix; the body of `separable_nmf`."""
    started = time.perf_counter()
    columns = _Columns(stored)
    chosen, passes = (_project if method == "spa" else _project_nonnegatively)(columns, rank)
    W = columns.take(chosen)
    cross = columns.products(W)
    H = _weights(adjoint_product(W, W), cross)
    squares = columns.squares()
    scaled = W.astype(np.float64)
    fit = H.astype(np.float64)
    left = (
        float(squares.sum())
        - 2.0 * float((cross * fit).sum(dtype=np.float64))
        + float((product(fit, adjoint_product(scaled, scaled)) * fit).sum())
    )
    norm = float(np.ldexp(np.sqrt(squares.sum()), columns.exponent))
    error = float(np.sqrt(max(left, 0.0) / squares.sum())) if squares.any() else 0.0
    report = NMFReport(
        task="separable_nmf",
        matrix=description,
        method={"spa": "successive projection", "snpa": "successive nonnegative projection"}[method],
        rank=chosen.size,
        beta=2.0,
        init="none",
        l1=(0.0, 0.0),
        l2=(0.0, 0.0),
        tol=0.0,
        converged=True,
        stopped="completed",
        iterations=chosen.size,
        passes=passes + 1,
        products=passes + chosen.size,
        objective=in_units(0.5 * max(left, 0.0), 2 * columns.exponent),
        error=error,
        norm_fro=norm,
        gradient=0.0,
        reseeded=0,
        seconds=time.perf_counter() - started,
        history=(),
    )
    return SeparableNMFResult(np.ldexp(W, columns.exponent), H.T, chosen, report=report)


class _Columns:
    """Columns of a matrix in memory, in units in which its largest entry is about one."""

    def __init__(self, stored: Stored) -> None:
        self.stored, self.shape, self.dtype = stored, stored.shape, stored.dtype
        values = stored.arrays[-1]
        largest = float(np.max(values, initial=0.0))
        self.exponent = int(np.frexp(largest)[1]) if largest > 0.0 else 0
        self.scale = 2.0**-self.exponent
        self._by_columns: Any = None

    def squares(self) -> Doubles:
        """Squared norms of all columns."""
        squares = np.empty((1, self.shape[1]))
        if self.stored.kind == "dense":
            _core.column_squares(self.stored.arrays[0], self.scale, squares)
            first: Doubles = squares[0]
            return first
        norms = Rows(self._as_given().T, "X", check_finite=False).norms()
        scaled: Doubles = np.square(np.ldexp(norms, -self.exponent))
        return scaled

    def take(self, chosen: npt.NDArray[np.int64]) -> Array:
        """Copy some columns, as a dense array."""
        if self.stored.kind == "dense":
            taken = np.ascontiguousarray(self.stored.arrays[0][:, chosen])
        else:
            units = np.zeros((self.shape[1], chosen.size), self.dtype)
            units[chosen, np.arange(chosen.size)] = 1.0
            taken = np.empty((self.shape[0], chosen.size), self.dtype)
            operator = self.stored.operator
            (operator.apply_adjoint if self.stored.flipped else operator.apply)(units, taken)
        scaled: Array = np.ldexp(taken, -self.exponent)
        return scaled

    def products(self, Y: Array) -> Array:
        """Multiply ``X.T @ Y``."""
        out = np.empty((self.shape[1], Y.shape[1]), self.dtype)
        scaled = np.ldexp(np.ascontiguousarray(Y, dtype=self.dtype), -self.exponent)
        operator = self.stored.operator
        (operator.apply if self.stored.flipped else operator.apply_adjoint)(scaled, out)
        return out

    def subtract(self, u: Array, squares: Doubles) -> None:
        """Take the squares of ``X.T @ u`` off."""
        if self.stored.kind == "dense":
            _core.project_columns(self.stored.arrays[0], self.scale, u, squares[np.newaxis])
        else:
            squares -= np.square(self.products(u[:, np.newaxis])[:, 0].astype(np.float64))

    def residual_squares(self, basis: Array) -> Doubles:
        """Squared norms of all columns projected on the complement of a basis, by carrying it out."""
        squares = np.empty(self.shape[1])
        height = max(1, _BLOCK // self.shape[0])
        for start in range(0, self.shape[1], height):
            here = slice(start, min(start + height, self.shape[1]))
            block = self._rows_of_transpose(here)
            for _ in range(2):  # the second time takes off what rounding left
                block -= multiply(multiply(block, basis), basis.T)
            squares[here] = np.einsum("ij,ij->i", block, block, dtype=np.float64)
        return squares

    def _rows_of_transpose(self, here: slice) -> Array:
        """Copy a run of columns, as rows; of sparse data stored by rows all are copied once, by columns."""
        if self.stored.kind == "dense":
            columns = self.stored.arrays[0][:, here]
        else:
            if self._by_columns is None:
                self._by_columns = self._as_given().tocsc()
            columns = self._by_columns[:, here].toarray()
        return np.ascontiguousarray(np.ldexp(columns.T, -self.exponent), dtype=self.dtype)

    def _as_given(self) -> Any:
        """Wrap the caller's arrays as a sparse matrix again."""
        indptr, indices, data = self.stored.arrays
        make = scipy.sparse.csr_array if self.stored.kind == "csr" else scipy.sparse.csc_array
        return make((data, indices, indptr), shape=self.shape)


def _farthest(squares: Doubles, norms: Doubles) -> int:
    """Position of the largest; of those that tie, the one whose column is longest, then the first."""
    best = squares.max()
    if not np.isfinite(best):
        raise np.linalg.LinAlgError("successive projection met NaN or infinity")
    tied = np.flatnonzero(squares >= best * (1.0 - _TIE))
    return int(tied[norms[tied].argmax()])


def _project(columns: _Columns, rank: int) -> tuple[npt.NDArray[np.int64], int]:
    """Choose columns by successive projection; and passes over the matrix."""
    eps = float(np.finfo(columns.dtype).eps)
    norms = columns.squares()
    squares = norms.copy()
    reliable, nothing = max(1e-10, 1e3 * eps) * norms.max(), (10.0 * eps) ** 2 * norms.max()
    basis = np.zeros((columns.shape[0], rank), columns.dtype)
    chosen: list[int] = []
    passes = 1
    for step in range(rank):
        if step and squares.max() < reliable:
            squares = columns.residual_squares(np.ascontiguousarray(basis[:, :step]))
            squares[chosen] = 0.0
            reliable, passes = max(1e-10, 1e3 * eps) * squares.max(), passes + 1
        if step and squares.max() <= nothing * columns.shape[0]:
            break
        best = _farthest(squares, norms)
        chosen.append(best)
        u = columns.take(np.array([best])).astype(np.float64)
        known = basis[:, :step].astype(np.float64, copy=False)
        for _ in range(2):
            u -= product(known, adjoint_product(known, u))
        length = frobenius_norm(u)
        if length == 0.0:
            break
        basis[:, step] = u[:, 0] / length
        if step + 1 < rank:
            columns.subtract(np.ascontiguousarray(basis[:, step]), squares)
            squares[chosen] = 0.0
            passes += 1
    return np.array(chosen, dtype=np.int64), passes


def _project_nonnegatively(columns: _Columns, rank: int) -> tuple[npt.NDArray[np.int64], int]:
    """Choose columns by their distance to the convex hull of those chosen and the origin."""
    eps = float(np.finfo(columns.dtype).eps)
    norms = columns.squares()
    chosen = [_farthest(norms, norms)]
    cross = np.zeros((norms.size, rank))
    H = np.zeros((norms.size, 0))
    while len(chosen) < rank:
        k = len(chosen)
        W = columns.take(np.array(chosen)).astype(np.float64)
        G = adjoint_product(W, W)
        cross[:, k - 1] = columns.products(W[:, -1:].astype(columns.dtype))[:, 0]
        H = padded(np.c_[H[:, : k - 1], np.zeros(norms.size)])
        lipschitz = float(eigh(G)[0][-1])
        if lipschitz == 0.0:
            break
        _core.capped_least_squares(padded(G), padded(cross[:, :k]), H, k, lipschitz, _STEP_TOL, _STEPS)
        fit = H[:, :k]
        squares = norms - 2.0 * (cross[:, :k] * fit).sum(axis=1) + (multiply(fit, G) * fit).sum(axis=1)
        squares[chosen] = 0.0
        if squares.max() <= 1e3 * max(eps, _STEP_TOL**2) * norms.max():
            break
        chosen.append(_farthest(squares, norms))
    return np.array(chosen, dtype=np.int64), len(chosen)


def _weights(G: Array, cross: Array) -> Array:
    """Nonnegative least squares with these columns, for all columns: H transposed."""
    H = np.zeros(cross.shape)
    _core.nnls(G.astype(np.float64), np.ascontiguousarray(cross, dtype=np.float64), H)
    return H.astype(cross.dtype)
