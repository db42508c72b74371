"""Types of the compiled core; tests check that the names are those of the extension."""

from collections.abc import Callable
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

_Array = npt.NDArray[Any]
_Doubles = npt.NDArray[np.float64]
_Callback = Callable[[dict[str, Any]], bool] | None

class BuildInfo(TypedDict):
    version: str
    isa: str
    openmp: bool
    max_threads: int
    eigen: str
    compiler: str

def build_info() -> BuildInfo: ...
def philox4x32(counter: list[int], key: list[int]) -> list[int]: ...
def random_block(kind: str, seed: int, stream: int, row0: int, col0: int, out: _Array) -> None: ...
def orthonormalize(X: _Array, out: _Array) -> int: ...
def orthonormal_factor(X: _Array, out: _Array, rough: bool = False) -> _Doubles: ...
def small_eigh(X: _Doubles) -> tuple[_Doubles, _Doubles]: ...
def small_svd(X: _Doubles) -> tuple[_Doubles, _Doubles, _Doubles]: ...
def small_inverse(X: _Doubles) -> _Doubles: ...
def range_finder(op: Operator, power: int, seed: int, out: _Array) -> None: ...
def fwht(X: _Array, out: _Array, axis: int, scale: float) -> None: ...
def dense_sketch(
    kind: str, seed: int, stream: int, scale: float, A: _Array, offset: int, out: _Array
) -> None: ...
def sparse_rows_apply(
    indptr: _Array,
    indices: _Array,
    data: _Array,
    length: int,
    signs: _Array | None,
    X: _Array,
    offset: int,
    out: _Array,
) -> None: ...
def svd(
    op: Operator,
    rank: int | None,
    error: float | None,
    tol: float,
    seed: int,
    oversample: int | None,
    block_size: int | None,
    max_passes: int | None,
    check_finite: bool,
    allocate: Callable[[int], tuple[_Array, _Array, _Array]],
    callback: _Callback,
    start: _Doubles | None = None,
) -> dict[str, Any]: ...
def eigh(
    op: Operator,
    rank: int,
    which: str,
    tol: float,
    seed: int,
    block_size: int | None,
    max_passes: int | None,
    check_finite: bool,
    allocate: Callable[[int], tuple[_Array, _Array]],
    callback: _Callback,
) -> dict[str, Any]: ...
def lstsq(
    op: Operator,
    b: _Array,
    x: _Doubles,
    method: str,
    alpha: float,
    tol: float,
    rcond: float | None,
    sketch: str,
    size: int | None,
    seed: int,
    check_finite: bool,
    callback: _Callback,
) -> dict[str, Any]: ...
def kernel_block(
    kind: str, gamma: float, coef0: float, degree: float, X: _Array, Y: _Array, out: _Array
) -> None: ...
def kernel_features(
    kind: str,
    gamma: float,
    coef0: float,
    degree: float,
    X: _Array,
    Y: _Array,
    M: _Array,
    out: _Array,
) -> None: ...
def move_to_means(X: _Array, centers: _Array, steps: int) -> None: ...
def pivoted_cholesky(block: _Doubles, tol: float) -> tuple[_Doubles, npt.NDArray[np.int64]]: ...
def inverse_triangle(L: _Doubles) -> _Doubles: ...
def subtract_outer(part: _Doubles, block: _Doubles) -> None: ...
def cholesky_step(
    columns: _Array,
    pivots: _Array,
    triangle: _Doubles,
    factor: _Array,
    diagonal: _Doubles,
    floors: _Doubles,
) -> float: ...
def pivoted_qr(
    Y: _Array, rank: int, rcond: float, R: _Array | None = None, single: bool = False
) -> tuple[npt.NDArray[np.int64], _Doubles]: ...
def pivoted_lu(Y: _Array, rank: int, rcond: float) -> npt.NDArray[np.int64]: ...
def farthest_columns(Y: _Array, count: int, rcond: float) -> npt.NDArray[np.int64]: ...
def take_columns(A: _Array, columns: npt.NDArray[np.int64], out: _Array) -> None: ...
def bound_coefficients(
    W: _Array, chosen: npt.NDArray[np.int64], limit: float, most: int
) -> npt.NDArray[np.int64]: ...
def nmf(
    op: Operator,
    starts: list[tuple[_Array, _Array]],
    solver: str,
    l1: tuple[float, float],
    l2: tuple[float, float],
    row_l1: _Doubles | None,
    hold: tuple[bool, bool],
    extrapolate: bool,
    tol: float,
    max_iter: int,
    sum_squares: float | None,
    callback: _Callback,
) -> tuple[int, dict[str, Any]]: ...

class NmfRows:
    @staticmethod
    def dense(X: _Array, scale: float) -> NmfRows: ...
    @staticmethod
    def compressed(
        indptr: _Array,
        indices: _Array,
        data: _Array,
        weights: _Array | None,
        inner: int,
        scale: float,
        missing: bool,
    ) -> NmfRows: ...

def nmf_terms(
    rows: NmfRows,
    U: _Array,
    Y: _Array,
    k: int,
    beta: float,
    numerator: _Array | None,
    denominator: _Array | None,
) -> float: ...
def nmf_kl_descent(
    rows: NmfRows, U: _Array, Y: _Array, k: int, l1: float, l2: float, sweeps: int
) -> float: ...
def nmf_masked(
    rows: NmfRows,
    U: _Array,
    Y: _Array,
    k: int,
    l1: float,
    l2: float,
    sweeps: int,
    tol: float,
    by_count: bool,
) -> float: ...
def project_columns(X: _Array, scale: float, u: _Array, squares: _Doubles) -> None: ...
def column_squares(X: _Array, scale: float, squares: _Doubles) -> None: ...
def capped_least_squares(
    G: _Array, B: _Array, H: _Array, k: int, lipschitz: float, tol: float, steps: int
) -> None: ...
def hals(G: _Doubles, F: _Array, Y: _Array, sweeps: int) -> None: ...
def nnls(G: _Doubles, F: _Doubles, Y: _Doubles) -> None: ...

class Operator:
    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def apply(self, X: _Array, Y: _Array) -> None: ...
    def apply_adjoint(self, X: _Array, Y: _Array) -> None: ...
    def apply_normal(self, X: _Array, Z: _Array) -> None: ...
    def scaled(self, exponent: int) -> Operator: ...
    def scan(self, shifted: bool = False) -> dict[str, Any] | None: ...
    def column_means(self, weights: _Doubles | None = None) -> _Doubles: ...

class DenseOperator(Operator):
    def __init__(
        self, a: _Array, mean: _Doubles | None = None, row_scale: _Doubles | None = None
    ) -> None: ...

class CsrOperator(Operator):
    def __init__(
        self,
        indptr: _Array,
        indices: _Array,
        data: _Array,
        shape: tuple[int, int],
        mean: _Doubles | None = None,
        row_scale: _Doubles | None = None,
    ) -> None: ...

class CscOperator(Operator):
    def __init__(
        self,
        indptr: _Array,
        indices: _Array,
        data: _Array,
        shape: tuple[int, int],
        mean: _Doubles | None = None,
        row_scale: _Doubles | None = None,
    ) -> None: ...

class RowBlockedOperator(Operator):
    def __init__(
        self,
        read: Callable[[int, int], _Array],
        shape: tuple[int, int],
        dtype: np.dtype[Any],
        block_rows: int,
        mean: _Doubles | None = None,
        row_scale: _Doubles | None = None,
        check_finite: bool = True,
        by_columns: bool = False,
    ) -> None: ...

class CallbackOperator(Operator):
    def __init__(
        self,
        matmat: Callable[[_Array], _Array],
        rmatmat: Callable[[_Array], _Array],
        shape: tuple[int, int],
        dtype: np.dtype[Any],
        mean: _Doubles | None = None,
        row_scale: _Doubles | None = None,
    ) -> None: ...

class ProductOperator(Operator):
    def __init__(self, left: _Array, right: _Array, like: Operator) -> None: ...

class SparseSign:
    def __init__(self, size: int, nnz: int, seed: int, stream: int) -> None: ...
    def apply_dense(self, A: _Array, offset: int, out: _Array) -> None: ...
    def apply_sparse(
        self,
        indptr: _Array,
        indices: _Array,
        data: _Array,
        inner: int,
        by_rows: bool,
        offset: int,
        out: _Array,
    ) -> None: ...
    def apply_adjoint(self, Y: _Array, offset: int, out: _Array) -> None: ...
