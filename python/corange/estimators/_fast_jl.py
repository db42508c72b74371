"""The fast Johnson-Lindenstrauss projection as a scikit-learn transformer."""

from typing import Any, Literal

import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from corange import sketching
from corange._random import RandomState
from corange.estimators._base import REMEDY, looks_for_nan
from corange.estimators._random_projection import RandomProjection

__all__ = ["FastJL"]

Array = npt.NDArray[Any]


class FastJL(RandomProjection):
    """Fast Johnson-Lindenstrauss projection: Walsh-Hadamard transform, then a very sparse Gaussian matrix.

    Keeps distances like `corange.GaussianRandomProjection`, at ``log2(n_features)`` additions an entry of X
    instead of ``2 n_components`` flops.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        As in `corange.GaussianRandomProjection`.
    eps : float, default=0.1
        Distortion that "auto" aims at.
    density : {"auto", "classical"} or float, default="auto"
        Of the sparse matrix, see `corange.sketching.FastJL`.
    constant : float, default=3.0
        Factor of the rule for the density "auto": less is faster and less accurate.
    compute_inverse_components : bool, default=False
        As in `corange.GaussianRandomProjection`.
    random_state : int, RandomState, Generator or None, default=None
        The same integer always gives the same bits, on any number of threads.

    Attributes
    ----------
    n_components_ : int
        Number of components.
    components_ : ndarray of shape (n_components, n_features)
        The projection, multiplied out each time it is asked for.
    density_ : float
        Density of the sparse matrix.
    inverse_components_ : ndarray of shape (n_features, n_components)
        Pseudo-inverse of the projection, if it was asked for.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, when X had names that are all strings.

    See Also
    --------
    corange.sketching.FastJL : The operator: cost and sources.

    Examples
    --------
    >>> import numpy as np
    >>> from corange import FastJL
    >>> FastJL(20, random_state=0).fit_transform(np.ones((5, 100))).shape
    (5, 20)
    """

    density_: float

    def __init__(
        self,
        n_components: int | Literal["auto"] = "auto",
        *,
        eps: float = 0.1,
        density: float | Literal["auto", "classical"] = "auto",
        constant: float = 3.0,
        compute_inverse_components: bool = False,
        random_state: RandomState = None,
    ) -> None:
        self.n_components = n_components
        self.eps = eps
        self.density = density
        self.constant = constant
        self.compute_inverse_components = compute_inverse_components
        self.random_state = random_state

    def _draw(self, shape: tuple[int, int], key: int, dtype: Any) -> None:
        self._sketch = sketching.FastJL(
            self.n_components_,
            shape[1],
            density=self.density,
            constant=self.constant,
            points=max(shape[0], 2),
            random_state=key,
        )
        self._dtype = dtype
        self.density_ = self._sketch.density

    @property
    def components_(self) -> Array:
        """The projection as a matrix."""
        check_is_fitted(self, "density_")
        return self._sketch.toarray().astype(self._dtype, copy=False)

    def _project(self, X: Any) -> Array:
        return self._sketch._right(X, check_finite=looks_for_nan(), argument_name="X", remedy=REMEDY)
