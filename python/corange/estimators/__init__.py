"""scikit-learn estimators: the only part of corange that imports scikit-learn.

Each has the constructor arguments, attributes and methods of the scikit-learn class of the same name, so that
changing the import is the migration. They call the functional API.
"""

from corange.estimators._pca import PCA
from corange.estimators._sketched_linear import SketchedLinearRegression, SketchedRidge
from corange.estimators._truncated_svd import TruncatedSVD

__all__ = ["PCA", "SketchedLinearRegression", "SketchedRidge", "TruncatedSVD"]
