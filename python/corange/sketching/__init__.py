"""Sketch operators: random matrices that compress a dimension and keep norms on average.

Each is a SciPy `LinearOperator` S of shape (size, n) with ``E[S.T @ S]`` the identity: ``S @ A`` compresses
the rows of A, ``A @ S.T`` its columns, for dense, sparse and row-blocked A. Nothing but a seed is stored, and
``S[:, i:j]`` is a block of the same matrix, so that ``S[:, i:j] @ A[i:j]`` can be added up anywhere.
"""

from corange.sketching._base import Sketch
from corange.sketching._dense import Gaussian, Rademacher
from corange.sketching._dimension import johnson_lindenstrauss_min_dim
from corange.sketching._fourier import SRFT
from corange.sketching._mixed import SRHT, FastJL, VerySparse
from corange.sketching._sampling import RowSampling
from corange.sketching._sign import CountSketch, SparseSign
from corange.sketching._sketch import sketch

__all__ = [
    "SRFT",
    "SRHT",
    "CountSketch",
    "FastJL",
    "Gaussian",
    "Rademacher",
    "RowSampling",
    "Sketch",
    "SparseSign",
    "VerySparse",
    "johnson_lindenstrauss_min_dim",
    "sketch",
]
