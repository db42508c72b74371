"""Sketch operators: random matrices that compress a dimension and keep norms on average.

Each is a SciPy `LinearOperator` S of shape (size, n) with ``E[S.T @ S]`` the identity: ``S @ A`` compresses
the rows of A, ``A @ S.T`` its columns, for dense, sparse and row-blocked A. Nothing but a seed is stored, and
``S[:, i:j]`` is a block of the same matrix, so that ``S[:, i:j] @ A[i:j]`` can be added up anywhere. An A
that can only be multiplied (a `LinearOperator`) is given 2**23 entries of S at a time, or 32 rows if those
are more: one product for each such strip.

`CoordinatedSample`, `FrequentDirections` and `StreamingSVD` are no operators: they hold what was kept of data
that were seen, to be merged or combined later.
"""

from corange.sketching._base import Sketch
from corange.sketching._coordinated import CoordinatedSample
from corange.sketching._dense import Gaussian, Rademacher
from corange.sketching._dimension import johnson_lindenstrauss_min_dim
from corange.sketching._fourier import SRFT
from corange.sketching._frequent_directions import Directions, FrequentDirections
from corange.sketching._mixed import SRHT, FastJL
from corange.sketching._sampling import RowSampling
from corange.sketching._sign import CountSketch, SparseSign
from corange.sketching._sketch import sketch
from corange.sketching._streaming_svd import StreamingSVD
from corange.sketching._very_sparse import VerySparse

__all__ = [
    "SRFT",
    "SRHT",
    "CoordinatedSample",
    "CountSketch",
    "Directions",
    "FastJL",
    "FrequentDirections",
    "Gaussian",
    "Rademacher",
    "RowSampling",
    "Sketch",
    "SparseSign",
    "StreamingSVD",
    "VerySparse",
    "johnson_lindenstrauss_min_dim",
    "sketch",
]
