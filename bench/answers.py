"""The common form of what contenders return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class SVDAnswer:
    """A truncated SVD: ``U`` (m, k), ``s`` (k,) descending, ``Vt`` (k, n).

    ``products`` counts columns multiplied with A or its adjoint, ``passes`` counts readings of A;
    ``basis`` the vectors held at most; ``single_products`` counts those among ``products`` that are
    computed in single precision though the matrix is in double; all only where the contender says so
    or its algorithm fixes them.
    """

    U: np.ndarray
    s: np.ndarray
    Vt: np.ndarray
    products: int | None = None
    passes: int | None = None
    basis: int | None = None
    single_products: int = 0
    detail: str = ""


def descending(u: Any, s: Any, vt: Any, **facts: Any) -> SVDAnswer:
    """Answer from factors in ascending order, as SciPy returns them (views, no copies)."""
    return SVDAnswer(u[:, ::-1], s[::-1], vt[::-1], **facts)
