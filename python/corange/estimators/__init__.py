"""scikit-learn estimators: the only part of corange that imports scikit-learn.

Those with the name of a scikit-learn class have its constructor arguments, attributes and methods, so that
changing the import is the migration. They call the functional API.
"""

from corange.estimators._cur import CUR, ColumnSelector
from corange.estimators._fast_jl import FastJL
from corange.estimators._fastrp import FastRP
from corange.estimators._masked_nmf import MaskedNMF
from corange.estimators._minibatch_nmf import MiniBatchNMF
from corange.estimators._nmf import NMF
from corange.estimators._nystroem import Nystroem
from corange.estimators._pca import PCA
from corange.estimators._random_projection import GaussianRandomProjection, SparseRandomProjection
from corange.estimators._separable_nmf import SeparableNMF
from corange.estimators._sketched_linear import SketchedLinearRegression, SketchedRidge
from corange.estimators._truncated_svd import TruncatedSVD

__all__ = [
    "CUR",
    "NMF",
    "PCA",
    "ColumnSelector",
    "FastJL",
    "FastRP",
    "GaussianRandomProjection",
    "MaskedNMF",
    "MiniBatchNMF",
    "Nystroem",
    "SeparableNMF",
    "SketchedLinearRegression",
    "SketchedRidge",
    "SparseRandomProjection",
    "TruncatedSVD",
]
