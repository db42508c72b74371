"""The Gaussian model that principal components fit to data, and how likely samples are under it."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from corange._rows import product
from corange.estimators._base import SpectralTransformer
from corange.estimators._linalg import centered_blocks

__all__ = ["ProbabilisticModel"]

Array = npt.NDArray[Any]


class ProbabilisticModel(SpectralTransformer):
    """Covariance, precision and log-likelihood for a mean, principal components and isotropic noise."""

    mean_: Array
    explained_variance_: Array
    noise_variance_: float

    def get_covariance(self) -> Array:
        """Covariance of the model: the components with their variances, and noise in all other directions.

        Returns
        -------
        ndarray of shape (n_features, n_features)
            Dense: meant for few features.
        """
        check_is_fitted(self)
        spread = self._variances() - self.noise_variance_
        covariance = product(self.components_.T * spread.astype(self.components_.dtype), self.components_)
        np.einsum("ii->i", covariance)[:] += self.noise_variance_
        return covariance

    def get_precision(self) -> Array:
        """Inverse of the covariance, in closed form.

        Returns
        -------
        ndarray of shape (n_features, n_features)
            Dense: meant for few features.

        Raises
        ------
        numpy.linalg.LinAlgError
            The covariance is singular.
        """
        check_is_fitted(self)
        self._refuse_singular()
        variances, noise = self._variances(), self.noise_variance_
        if noise == 0:
            return product(self.components_.T / variances.astype(self.components_.dtype), self.components_)
        share = ((variances - noise) / variances).astype(self.components_.dtype)
        precision = product(self.components_.T * -share, self.components_)
        np.einsum("ii->i", precision)[:] += 1
        precision /= noise
        return precision

    def score_samples(self, X: Any) -> Array:
        """Log-likelihood of each sample under the model.

        Parameters
        ----------
        X : matrix of shape (n_rows, n_features)
            What `fit` accepts, except a LinearOperator, whose rows cannot be seen.

        Returns
        -------
        ndarray of shape (n_rows,)

        Raises
        ------
        numpy.linalg.LinAlgError
            The covariance is singular: there is no variance in the directions that were left out.
        TypeError, ValueError
            As `transform`.

        Notes
        -----
        Two passes; 4 * n_components flops for each entry. Rows are looked at in blocks, so that sparse and
        memory-mapped data stay what they are, and no n_features x n_features matrix is formed.
        """
        check_is_fitted(self)
        X = self._validated(X, reset=False)
        scores = self._project(X, self.mean_)
        self._refuse_singular()
        variances, noise, n_features = self._variances(), self.noise_variance_, self.mean_.size
        distance = np.empty(scores.shape[0])
        for rows, block in centered_blocks(X, self.mean_):
            coordinates = scores[rows].astype(np.float64)
            distance[rows] = (coordinates**2 / variances).sum(axis=1)
            if noise > 0:
                rest = block - product(coordinates, self.components_)
                distance[rows] += np.einsum("ij,ij->i", rest, rest) / noise
        log_determinant = np.log(variances).sum()
        if noise > 0:
            log_determinant += (n_features - variances.size) * np.log(noise)
        likelihood = -0.5 * (distance + n_features * np.log(2 * np.pi) + log_determinant)
        in_precision: Array = likelihood.astype(scores.dtype)
        return in_precision

    def score(self, X: Any, y: object = None) -> float:
        """Mean log-likelihood of the samples.

        Parameters
        ----------
        X : matrix of shape (n_rows, n_features)
            As in `score_samples`.
        y : Ignored

        Returns
        -------
        float

        Raises
        ------
        numpy.linalg.LinAlgError, TypeError, ValueError
            As `score_samples`.
        """
        return float(self.score_samples(X).mean(dtype=np.float64))

    def _variances(self) -> npt.NDArray[np.float64]:
        """Variances along the components, at least that of the noise, in double precision."""
        return np.maximum(self.explained_variance_.astype(np.float64), self.noise_variance_)

    def _refuse_singular(self) -> None:
        """Raise when a direction has no variance beyond what rounding leaves of none."""
        variances, n_features = self._variances(), self.mean_.size
        rounding = (n_features * np.finfo(self.components_.dtype).eps) ** 2 * variances.max(initial=0.0)
        varied = np.count_nonzero(variances > rounding)
        if self.noise_variance_ == 0 and varied < n_features:
            raise np.linalg.LinAlgError(
                f"the covariance of {n_features} features is singular, since the data vary in {varied} "
                "directions only: the model has no density. Keep fewer components, so that the noise fills "
                "the other directions."
            )
