"""Node embeddings of a graph as a scikit-learn estimator."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_non_negative, validate_data

from corange._fastrp import embed_nodes
from corange._operators import as_matrix
from corange._random import RandomState, random_key
from corange._validation import (
    check_boolean,
    check_integer,
    check_number,
    check_power_weights,
)

__all__ = ["FastRP"]

Array = npt.NDArray[Any]


class FastRP(ClassNamePrefixFeaturesOutMixin, BaseEstimator):  # type: ignore[misc]
    """Node embeddings of a graph by very sparse random projection, in time linear in the edges.

    Nodes that random walks of a few steps take to the same places get similar rows. The matrix of all these
    walks is never formed: its powers are applied to a random projection.

    Parameters
    ----------
    n_components : int, default=128
        Columns of the embedding. 128 to 512 are usual.
    weights : sequence of float, default=(0.0, 0.0, 1.0, 1.0)
        Weight of walks of 1, 2, 3, ... steps; as many steps as weights. Short walks see little more than
        degrees and neighbours; tune the last one first, from 0.1 to 10.
    beta : float, default=-0.5
        Exponent of the degrees of the nodes that walks end in. 0 lets nodes of large degree dominate, -1
        weighs them down; tune in [-1, 0]. Legal is [-1, 1].
    normalize : bool, default=True
        Scale every row to length one for each number of steps, before they are added.
    density : float, default=1/3
        Part of the projection that is not zero, from 1e-6 to 1.
    random_state : int, RandomState, Generator or None, default=None
        The same integer always gives the same bits, on any number of threads. None draws from NumPy's
        global generator, as in scikit-learn.

    Attributes
    ----------
    embedding_ : ndarray of shape (n_nodes, n_components)
        The rows of the nodes, float32 for a graph in float32. Nodes without outgoing edges have zero rows.
    n_features_in_ : int
        Number of nodes.

    See Also
    --------
    corange.eigh : Exact spectral embeddings.

    Notes
    -----
    ``sum_i weights[i - 1] * M**i @ L @ R`` [1]_, where M is the adjacency divided by the sums of its rows, L
    diagonal with ``(degree_j / sum of degrees) ** beta``, and R a very sparse random matrix [2]_. In a
    directed graph rows are divided by outgoing degrees and L has incoming ones. 2 * n_components flops an
    edge and step. Memory: the embedding, one such array more for each nonzero weight with `normalize`, and
    four blocks of 32 columns. Columns are not standardized; a classifier may want
    :class:`sklearn.preprocessing.StandardScaler`.

    There is no `transform`: like spectral embeddings these are of the nodes of one graph. Embeddings of other
    graphs with the same seed have the same random projection, and are comparable where nodes keep their
    numbers.

    References
    ----------
    .. [1] H. Chen, S. F. Sultan, Y. Tian, M. Chen, S. Skiena (2019). Fast and accurate network embeddings via
       very sparse random projection. CIKM. arXiv:1908.11512.
    .. [2] P. Li, T. Hastie, K. Church (2006). Very sparse random projections. KDD.
       doi:10.1145/1150402.1150436.

    Examples
    --------
    Two groups of four nodes, joined by one edge:

    >>> import numpy as np
    >>> from corange import FastRP
    >>> graph = np.kron(np.eye(2), np.ones((4, 4)))
    >>> graph[3, 4] = graph[4, 3] = 1.0
    >>> rows = FastRP(n_components=32, random_state=0).fit_transform(graph)
    >>> similarity = rows @ rows.T
    >>> bool(similarity[:4, :4].min() > similarity[:4, 4:].max())
    True
    """

    embedding_: Array

    def __init__(
        self,
        n_components: int = 128,
        *,
        weights: Sequence[float] = (0.0, 0.0, 1.0, 1.0),
        beta: float = -0.5,
        normalize: bool = True,
        density: float = 1.0 / 3.0,
        random_state: RandomState = None,
    ) -> None:
        self.n_components = n_components
        self.weights = weights
        self.beta = beta
        self.normalize = normalize
        self.density = density
        self.random_state = random_state

    def fit(self, X: Any, y: object = None) -> "FastRP":
        """Embed the nodes of a graph.

        Parameters
        ----------
        X : matrix of shape (n_nodes, n_nodes)
            Adjacency, sparse (CSR and CSC in place) or dense: entry (i, j) is the weight of the edge from i
            to j, not negative. Undirected graphs have symmetric ones.
        y : Ignored

        Returns
        -------
        FastRP
            The fitted estimator itself.

        Raises
        ------
        TypeError, ValueError
            X is not a square matrix of finite, nonnegative numbers in memory, or an argument is illegal.
        """
        columns = check_integer("n_components", self.n_components, low=1)
        weights = check_power_weights("weights", self.weights)
        beta = check_number("beta", self.beta, low=-1, high=1)
        density = check_number("density", self.density, low=1e-6, high=1)
        normalize = check_boolean("normalize", self.normalize)
        # As in scikit-learn None is NumPy's global generator, so that numpy.random.seed has its effect.
        state = check_random_state(None) if self.random_state is None else self.random_state
        if isinstance(X, np.ma.MaskedArray):  # scikit-learn would drop the mask
            as_matrix(X, argument_name="X")
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype="numeric", ensure_all_finite=False)
        graph = as_matrix(X, argument_name="X", remedy=None)
        if X.shape[0] != X.shape[1]:
            raise ValueError(f"X must be square, with a row and a column for each node, got shape {X.shape}.")
        check_non_negative(X, type(self).__name__)
        self.embedding_ = embed_nodes(
            graph,
            weights,
            columns,
            beta=beta,
            density=density,
            normalize=normalize,
            seed=random_key(state),
        )
        return self

    def fit_transform(self, X: Any, y: object = None) -> Array:
        """Embed the nodes of a graph and return their rows.

        Parameters
        ----------
        X : matrix of shape (n_nodes, n_nodes)
        y : Ignored

        Returns
        -------
        ndarray of shape (n_nodes, n_components)
            `embedding_`.

        Raises
        ------
        TypeError, ValueError
            As `fit`.
        """
        return self.fit(X).embedding_

    @property
    def _n_features_out(self) -> int:
        """Number of columns; for `get_feature_names_out`."""
        return int(self.embedding_.shape[1])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.pairwise = True
        tags.input_tags.positive_only = True
        return tags
