"""Truncated SVD of a matrix that is seen once, in pieces, and never stored."""

import time
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from corange._estimate import measured_error
from corange._factor_core import span_of
from corange._operators import as_operator
from corange._random import RandomState, Stream, random_key
from corange._results import SVDResult
from corange._results._storage import File, save_arrays
from corange._rows import adjoint_product
from corange._single_pass import (
    CONFIDENCE,
    PROBES,
    basis,
    multiply,
    normal_rows,
    paired_signs,
    single_pass_report,
)
from corange._small import svd
from corange._validation import (
    check_integer,
    check_optional_integer,
    check_place,
    check_precision,
    check_shape_pair,
)

__all__ = ["StreamingSVD"]

Array = npt.NDArray[Any]

# What is kept, and saved.
_SKETCHES = ("range", "corange", "core", "probe")
# Rows of a test matrix that are regenerated together.
_REGENERATED = 2**15


class StreamingSVD:
    """Truncated SVD of a matrix that arrives as rows, columns, blocks or low-rank updates, in any order.

    Everything that arrives is added: what is kept are linear sketches, so pieces may overlap, may come in any
    order and on different machines, and may be taken back by adding their negatives.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the whole matrix; what never arrives is zero.
    rank : int
        Triplets wanted.
    size : int, optional
        Columns of the sketches of range and co-range; 4 * rank + 1 by default. The error falls with it.
    core_size : int, optional
        Side of the core sketch; 2 * size + 1 by default, and never less than size + 2.
    dtype : {float64, float32}, default=float64
        Precision of sketches and results.
    random_state : None, int, Generator or RandomState, default=None
        The seed. Sketches of parts can be merged when they were made with the same one.

    Attributes
    ----------
    shape, rank, size, core_size, dtype
        As above.
    seed : int
        What the test matrices depend on.
    updates : int
        Pieces that were added.

    Raises
    ------
    TypeError, ValueError
        An argument is illegal, `rank` is more than the shape allows, or `core_size` is too small.

    See Also
    --------
    corange.svd : When the matrix can be read more than once.
    corange.sketching.FrequentDirections : Rows only, with a deterministic bound.

    Notes
    -----
    The method of [1]_: range ``A O``, co-range ``U A`` and core ``P A Q'`` sketches with Gaussian test
    matrices, and an independent sketch ``T A`` with 10 rows that estimates the error. The test matrices are
    regenerated from their counters, so none is stored, and a piece at (i, j) uses the same entries whoever
    adds it. How the matrix is cut into pieces changes sketches by rounding only, as sums are taken in the
    order of arrival; the range sketch of a row that comes in one piece has the same bits in every partition
    of the rows. A piece of p rows and q columns costs ``2 * (2 * size + core_size + 10)`` flops per stored
    entry, 2 p * core_size**2, and (p + q) * (size + core_size) random numbers: make pieces of many rows.
    Memory: (m + n) * size + core_size**2 numbers, and as much again for `result`. The expected
    squared error of the approximation, before it is truncated to `rank`, is at most ``(t - 1) / (t - s - 1) *
    min_k (s + k - 1) / (s - k - 1) * (sum of squares of the singular values after the k-th)``, for s = size,
    t = core_size, and k below s - 1.

    References
    ----------
    .. [1] J. Tropp, A. Yurtsever, M. Udell, V. Cevher (2019). Streaming low-rank matrix approximation with an
       application to scientific simulation. SIAM Journal on Scientific Computing 41(4). arXiv:1902.08651.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> A = cr.testing.matrix_with_spectrum(0.5 ** np.arange(30), (400, 100), random_state=0)
    >>> stream = cr.sketching.StreamingSVD(A.shape, 5, random_state=0)
    >>> for start in range(0, 400, 100):
    ...     stream.partial_fit(A[start : start + 100], row=start)
    StreamingSVD(400 x 100, rank=5, size=21, core_size=43, float64, updates=1)
    StreamingSVD(400 x 100, rank=5, size=21, core_size=43, float64, updates=2)
    StreamingSVD(400 x 100, rank=5, size=21, core_size=43, float64, updates=3)
    StreamingSVD(400 x 100, rank=5, size=21, core_size=43, float64, updates=4)
    >>> U, s, Vt = stream.result()
    >>> np.abs(s - 0.5 ** np.arange(5)).max() < 1e-4
    np.True_
    """

    def __init__(
        self,
        shape: tuple[int, int],
        rank: int,
        *,
        size: int | None = None,
        core_size: int | None = None,
        dtype: npt.DTypeLike = np.float64,
        random_state: RandomState = None,
    ) -> None:
        m, n = self.shape = check_shape_pair("shape", shape)
        self.rank = check_integer("rank", rank, low=1, high=min(m, n))
        wanted = check_optional_integer("size", size, low=self.rank)
        self.size = min(4 * self.rank + 1 if wanted is None else wanted, m, n)
        wanted = check_optional_integer("core_size", core_size, low=self.size + 2)
        self.core_size = 2 * self.size + 1 if wanted is None else wanted
        self.dtype = check_precision("dtype", dtype)
        self.seed = random_key(random_state)
        self.updates = 0
        self._range = np.zeros((m, self.size), self.dtype)
        self._corange = np.zeros((n, self.size), self.dtype)
        self._core = np.zeros((self.core_size, self.core_size), self.dtype)
        self._probe = np.zeros((n, PROBES), self.dtype)

    def partial_fit(self, X: Any, *, row: int = 0, column: int = 0) -> "StreamingSVD":
        """Add a block of rows, of columns, or of both, at a place in the matrix.

        Parameters
        ----------
        X : matrix of shape (p, q)
            Whatever `corange.svd` accepts, with finite entries. Rows of the whole matrix have q = n.
        row, column : int, default=0
            Where the first entry of X belongs.

        Returns
        -------
        StreamingSVD
            The sketch itself.

        Raises
        ------
        TypeError, ValueError
            As `corange.svd`; the block does not fit into the matrix.
        """
        operator = as_operator(X, argument_name="X", remedy=None)
        p, q = operator.shape
        row = check_place("row", row, p, self.shape[0])
        column = check_place("column", column, q, self.shape[1])
        left, right = self._row_tests(row, row + p), self._column_tests(column, column + q)
        forward, adjoint = (
            np.empty((p, right.shape[1]), self.dtype),
            np.empty((q, left[0].shape[1]), self.dtype),
        )
        operator.apply(right, forward)
        operator.apply_adjoint(left[0], adjoint)
        self._add(row, column, left[1], forward, adjoint)
        return self

    def update(self, left: Any, right: Any) -> "StreamingSVD":
        """Add a product of two thin matrices, without forming it.

        Parameters
        ----------
        left : matrix of shape (m, r)
        right : matrix of shape (r, n)

        Returns
        -------
        StreamingSVD
            The sketch itself.

        Raises
        ------
        TypeError, ValueError
            As `corange.svd`; the shapes do not fit.
        """
        first = as_operator(left, argument_name="left", remedy=None)
        second = as_operator(right, argument_name="right", remedy=None)
        shape, inner = (first.shape[0], second.shape[1]), first.shape[1]
        if shape != self.shape or second.shape[0] != inner:
            raise ValueError(
                f"left and right must have shapes ({self.shape[0]}, r) and (r, {self.shape[1]}), got "
                f"{tuple(first.shape)} and {tuple(second.shape)}."
            )
        tests, others = self._row_tests(0, shape[0]), self._column_tests(0, shape[1])
        forward, adjoint = (
            np.empty((side, T.shape[1]), self.dtype)
            for side, T in zip(shape, (others, tests[0]), strict=True)
        )
        thin = np.empty((inner, others.shape[1]), self.dtype)
        second.apply(others, thin)
        first.apply(thin, forward)
        thin = np.empty((inner, tests[0].shape[1]), self.dtype)
        first.apply_adjoint(tests[0], thin)
        second.apply_adjoint(thin, adjoint)
        self._add(0, 0, tests[1], forward, adjoint)
        return self

    def merge(self, other: "StreamingSVD") -> "StreamingSVD":
        """Add the matrix that another sketch stands for.

        Parameters
        ----------
        other : StreamingSVD
            With the same shape, sizes, precision and seed. It is not changed.

        Returns
        -------
        StreamingSVD
            This sketch.

        Raises
        ------
        TypeError, ValueError
            `other` is no such sketch, or was made differently.
        """
        if not isinstance(other, StreamingSVD):
            raise TypeError(f"other must be a StreamingSVD, got {type(other).__name__}.")
        for what in ("shape", "size", "core_size", "dtype", "seed"):
            mine, theirs = getattr(self, what), getattr(other, what)
            if mine != theirs:
                raise ValueError(f"both sketches must have the same {what}, got {mine} and {theirs}.")
        self._range += other._range
        self._corange += other._corange
        self._core += other._core
        self._probe += other._probe
        self.updates += other.updates
        return self

    def result(self) -> SVDResult:
        """Decompose what has arrived so far; more may be added afterwards.

        Returns
        -------
        SVDResult
            Unpacks into U (m, rank), s (rank,) and Vt (rank, n), with `report`, whose error is estimated from
            the sketch made for it.

        Notes
        -----
        O((m + n) * size**2) flops, and m + n rows of the test matrices are regenerated.
        """
        started = time.perf_counter()
        Q, P = basis(self._range), basis(self._corange)
        tested, probed = self._tested_rows(Q)
        left, right = span_of(tested), span_of(self._tested_columns(P))
        between = multiply(adjoint_product(left.Q, self._core), right.Q)
        factor = right.coefficients(left.coefficients(between.T).T)
        inner, s, outer = svd(factor)
        inner, s, outer = inner[:, : self.rank], s[: self.rank], outer[: self.rank].T
        seen = self._probe.astype(np.float64)
        U, V = multiply(Q, inner), multiply(P, outer)
        signs = paired_signs(U, V)
        missing = seen - multiply(V, s[:, np.newaxis] * adjoint_product(inner, probed))
        error = measured_error(seen, missing, confidence=CONFIDENCE, relative=True)
        m, n = self.shape
        report = single_pass_report(
            "StreamingSVD",
            f"{m} x {n} stream of {self.updates} updates, {self.dtype}",
            f"range, co-range and core sketches of {self.size} and {self.core_size} columns",
            self.rank,
            error,
            norm=None,
            passes=1,
            products=2 * self.size + self.core_size + PROBES,
            size=self.size,
            seconds=time.perf_counter() - started,
            peak_bytes=2 * ((m + n) * self.size + self.core_size**2) * self.dtype.itemsize,
        )
        return SVDResult(U * signs, s.astype(self.dtype), (V * signs).T, report=report)

    def save(self, path: File) -> None:
        """Write the sketches to an .npz file without pickles, to go on elsewhere: `corange.load` reads it.

        Parameters
        ----------
        path : str, path or binary file
            The ending .npz is added to a name without it, as `numpy.savez` does.
        """
        save_arrays(
            path,
            type(self).__name__,
            shape=np.array(self.shape),
            rank=np.array(self.rank),
            seed=np.array(self.seed, np.uint64),
            updates=np.array(self.updates),
            **{name: getattr(self, f"_{name}") for name in _SKETCHES},
        )

    @classmethod
    def _from_arrays(cls, arrays: Any) -> Self:
        core, wide = arrays["core"], arrays["range"].shape[1]
        m, n = (int(side) for side in arrays["shape"])
        stream = cls(
            (m, n),
            int(arrays["rank"]),
            size=wide,
            core_size=len(core),
            dtype=core.dtype,
            random_state=int(arrays["seed"]),
        )
        stream.updates = int(arrays["updates"])
        for name in _SKETCHES:
            setattr(stream, f"_{name}", arrays[name])
        return stream

    def _row_tests(self, start: int, stop: int) -> tuple[Array, Array]:
        """Test matrices of some rows: those of co-range and error, and that of the core."""
        width = self.size + PROBES
        whole = normal_rows(self.seed, Stream.STREAMING_ROWS, start, stop, width + self.core_size, self.dtype)
        return np.ascontiguousarray(whole[:, :width]), np.ascontiguousarray(whole[:, width:])

    def _column_tests(self, start: int, stop: int) -> Array:
        """Test matrices of some columns, range and core side by side."""
        return normal_rows(
            self.seed, Stream.STREAMING_COLUMNS, start, stop, self.size + self.core_size, self.dtype
        )

    def _add(self, row: int, column: int, core_tests: Array, forward: Array, adjoint: Array) -> None:
        self._range[row : row + forward.shape[0]] += forward[:, : self.size]
        self._core += adjoint_product(core_tests, forward[:, self.size :])
        here = slice(column, column + adjoint.shape[0])
        self._corange[here] += adjoint[:, : self.size]
        self._probe[here] += adjoint[:, self.size :]
        self.updates += 1

    def _tested_rows(self, Q: Array) -> tuple[Array, Array]:
        """Multiply Q' with the test matrices of core and error: (t, s), and (s, 10)."""
        tested = np.zeros((self.core_size, Q.shape[1]))
        probed = np.zeros((Q.shape[1], PROBES))
        for start in range(0, Q.shape[0], _REGENERATED):
            part = Q[start : start + _REGENERATED]
            others, core = self._row_tests(start, start + part.shape[0])
            tested += adjoint_product(core, part)
            probed += adjoint_product(part, others[:, self.size :])
        return tested, probed

    def _tested_columns(self, P: Array) -> Array:
        """Multiply the test matrix of the core with P: (t, s)."""
        tested = np.zeros((self.core_size, P.shape[1]))
        for start in range(0, P.shape[0], _REGENERATED):
            part = P[start : start + _REGENERATED]
            core = self._column_tests(start, start + part.shape[0])[:, self.size :]
            tested += adjoint_product(np.ascontiguousarray(core), part)
        return tested

    def __repr__(self) -> str:
        (m, n), sizes = self.shape, f"size={self.size}, core_size={self.core_size}"
        return f"StreamingSVD({m} x {n}, rank={self.rank}, {sizes}, {self.dtype}, updates={self.updates})"
