"""scikit-learn estimators: the only part of corange that imports scikit-learn.

Each has the constructor arguments, attributes and methods of the scikit-learn class of the same name, so that
changing the import is the migration. They call the functional API.
"""

from corange.estimators._fast_jl import FastJL
from corange.estimators._pca import PCA
from corange.estimators._random_projection import GaussianRandomProjection, SparseRandomProjection
from corange.estimators._truncated_svd import TruncatedSVD

__all__ = ["PCA", "FastJL", "GaussianRandomProjection", "SparseRandomProjection", "TruncatedSVD"]
