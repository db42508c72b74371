"""A matrix whose columns or rows are to be chosen: what is asked of it, the same for every kind of matrix."""

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from corange import _core
from corange._operators import REMEDY, Matrix, as_matrix, as_numbers
from corange._rows import Rows, column_norms
from corange._single_pass import basis
from corange._sparse import compressed
from corange._svd import decompose, svd_options
from corange.sketching import SparseSign

__all__ = ["Source"]

Array = npt.NDArray[Any]

# Entries in each column of a sketch: as good as eight for choosing, and half the work.
_NNZ = 4
# Residuals of singular vectors that only rank columns, and of those that were asked to be exact.
_ROUGH, _EXACT = 3e-2, 1e-9


class Source:
    """The columns (axis 1) and the rows (axis 0) of a checked matrix; those asked for are copied.

    Parameters
    ----------
    A : matrix of shape (m, n)
        Whatever `corange.svd` accepts.
    check_finite : bool
        Refuse NaN and infinity.

    Attributes
    ----------
    matrix : Matrix
        The operator of the core, with shape, dtype and kind.
    norm : float or None
        Frobenius norm, where entries can be seen.
    rcond : float
        Where numerical rank ends, relative to the largest pivot or singular value: eps * max(m, n).
    """

    def __init__(self, A: Any, *, check_finite: bool) -> None:
        self._check_finite = check_finite
        self.matrix: Matrix = as_matrix(A, check_finite=check_finite, look_now=False)
        self.norm: float | None = None
        if self.matrix.in_memory:
            scan = self.matrix.operator.scan()
            if check_finite and not scan["finite"]:
                as_matrix(A)  # raises, and says where
            self.norm = float(scan["norm_fro"])
        self._A = compressed(A, "A") if scipy.sparse.issparse(A) else A
        if self.matrix.kind == "dense":
            self._A = np.require(as_numbers(A, "A"), requirements="A")  # the core reads aligned arrays alone
        self.rcond = float(np.finfo(self.matrix.dtype).eps) * max(self.matrix.shape)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.matrix.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Precision of the computation."""
        return self.matrix.dtype

    @property
    def data(self) -> Any:
        """The matrix as it was given, for methods that look at entries in ways of their own."""
        return self._A

    def sketch(self, axis: int, size: int, seed: int, power: int = 0, *, single: bool = False) -> Array:
        """Compress each column (or row) to `size` numbers: an array of shape (size, n) or (size, m).

        Each power step is two more passes, which let the leading singular vectors stand out. `single`
        computes in single precision, where `sketches_in_single` allows that.
        """
        length = self.shape[1 - axis]
        if self.sketch_is_whole(axis, size):
            return self._oriented(axis)
        S = SparseSign(size, length, nnz=min(_NNZ, size), random_state=seed)
        if single:
            return S._in_single(self._A if axis == 1 else self._A.T)
        if axis == 1:
            Y = S._left(self._A, check_finite=self._check_finite, remedy=REMEDY)
        else:
            Y = S._right(self._A, check_finite=self._check_finite, remedy=REMEDY).T
        for _ in range(power):
            Q = basis(self.product(1 - axis, basis(np.ascontiguousarray(Y.T))))
            Y = self.product(axis, Q).T
        return Y

    def sketches_in_single(self, axis: int, size: int) -> bool:
        """Whether a sketch of this size can be made of doubles in single precision, none out of its range."""
        dense = self.matrix.kind == "dense" and self._A.dtype == np.float64
        return dense and not self.sketch_is_whole(axis, size) and 1e-20 < (self.norm or 0.0) < 1e30

    def sketch_is_whole(self, axis: int, size: int) -> bool:
        """Whether there is nothing to compress, so that the sketch is the matrix itself."""
        return size >= self.shape[1 - axis]

    def product(self, axis: int, Q: Array, *, single: bool = False) -> Array:
        """Products of each column (or row) with those of Q: ``A.T @ Q`` for axis 1, ``A @ Q`` for axis 0.

        In single precision the matrix is scaled, so that its entries stay in range; the result is not single.
        """
        dtype = np.dtype(np.float32) if single else self.dtype
        out = np.empty((self.shape[axis], Q.shape[1]), dtype)
        operator, exponent = self.matrix.operator, 0
        if single and self.norm:
            exponent = int(np.frexp(self.norm)[1])
            operator = operator.scaled(exponent)
        multiply = operator.apply_adjoint if axis == 1 else operator.apply
        multiply(np.ascontiguousarray(Q, dtype=dtype), out)
        return np.ldexp(out.astype(self.dtype), exponent) if single else out

    @functools.lru_cache(maxsize=1)  # noqa: B019 (a source lives as long as a call; rows and columns share it)
    def _triplets(self, rank: int, seed: int, exact: bool) -> tuple[Array, Array, Array]:
        options = svd_options(tol=_EXACT if exact else _ROUGH, random_state=seed)
        U, s, Vt = decompose(self.matrix, rank, check_finite=self._check_finite, **options)
        kept = max(1, int(np.count_nonzero(s > self.rcond * s[0])))
        return U[:, :kept], s[:kept], Vt[:kept]

    def vectors(self, axis: int, rank: int, seed: int, *, exact: bool) -> Array:
        """Leading right (or left) singular vectors in rows, no more than the numerical rank."""
        U, s, Vt = self._triplets(min(rank, *self.shape), seed, exact)
        if s[0] == 0:
            return np.empty((0, self.shape[axis]), self.dtype)
        return Vt if axis == 1 else U.T

    def norms(self, axis: int) -> npt.NDArray[np.float64]:
        """Euclidean norms of the columns (or rows), in one pass."""
        if axis == 0:
            return self._rows().norms()
        if self.matrix.kind == "rows":
            return column_norms(self._rows())
        return Rows(_transposed(self._A), "A", check_finite=False).norms()

    def take(self, axis: int, indices: npt.NDArray[np.int64]) -> Any:
        """Copy columns (or rows) in the order of the indices: sparse of a sparse matrix, else an array."""
        if self.matrix.kind == "products":
            return self._answered(axis, indices)
        if self.matrix.kind == "sparse":
            A = self._A if scipy.sparse.issparse(self._A) else _as_scipy(self._A)
            taken = A[:, indices] if axis == 1 else A[indices]
            taken = taken.astype(self.dtype, copy=False)
            taken.sum_duplicates()
            return taken
        if self.matrix.kind == "dense":
            if axis == 0 or self._A.dtype != self.dtype:
                # not ndarray.take, which copies all of an array that is not stored by rows
                taken = self._A[:, indices] if axis == 1 else self._A[indices]
                return np.ascontiguousarray(taken, dtype=self.dtype)
            columns = np.empty((self.shape[0], indices.size), self.dtype)
            _core.take_columns(self._A, indices, columns)
            return columns
        if axis == 1:
            return np.concatenate([block[:, indices] for _, block in self._rows().blocks()])
        order = np.argsort(indices)
        rows = np.empty((indices.size, self.shape[1]), self.dtype)
        rows[order] = self._rows().take(indices[order])
        return rows

    def _rows(self) -> Rows:
        return Rows(self._A, "A", check_finite=self._check_finite and not self.matrix.in_memory)

    def _oriented(self, axis: int) -> Array:
        """All of a matrix with so few rows, with the vectors to choose from as columns."""
        if self.matrix.kind != "dense":
            return self.product(axis, np.eye(self.shape[1 - axis], dtype=self.dtype)).T
        A = np.asarray(self._A, dtype=self.dtype)
        return A if axis == 1 else A.T

    def _answered(self, axis: int, indices: npt.NDArray[np.int64]) -> Array:
        """Columns (or rows) of an operator, by multiplying it with unit vectors."""
        units = np.zeros((self.shape[axis], indices.size), self.dtype)
        units[indices, np.arange(indices.size)] = 1
        answers = self.product(1 - axis, units)
        return answers if axis == 1 else np.ascontiguousarray(answers.T)


def _transposed(A: Any) -> Any:
    return A.T if hasattr(A, "T") else _as_scipy(A).T


def _as_scipy(A: Any) -> Any:
    """Wrap arrays of unusual index types, which `compressed` has brought to int64."""
    make = scipy.sparse.csr_array if A.format == "csr" else scipy.sparse.csc_array
    return make((A.data, A.indices, A.indptr), shape=A.shape)
