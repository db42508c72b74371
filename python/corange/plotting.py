"""Plots of results, in the manner of scikit-learn's Display classes; matplotlib comes with ``corange[plot]``.

Each class is made from a result by ``from_result``, which draws it at once. The object keeps what it drew in
``figure_``, ``ax_`` and ``line_``, and draws again, perhaps elsewhere, by ``plot``.
"""

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from corange._operators import as_matrix
from corange._report import Iteration
from corange._results import CURResult, EighResult, LowRankResult, SVDResult, TwoSidedIDResult
from corange._sparse import as_dense

__all__ = ["ConvergenceDisplay", "ResidualDisplay", "ScreeDisplay", "SelectionDisplay"]

Array = npt.NDArray[Any]


class _Display:
    """Axes, and the memory of what was drawn on them."""

    figure_: Any
    ax_: Any
    line_: Any

    def _start(self, ax: Any, **labels: Any) -> Any:
        """Take the axes given, or new ones; label them."""
        if ax is None:
            ax = _pyplot().subplots(layout="constrained")[1]
        self.ax_, self.figure_ = ax, ax.figure
        ax.set(**labels)
        ax.grid(True, which="major", alpha=0.3)
        return ax


class ScreeDisplay(_Display):
    """Singular values (or magnitudes of eigenvalues) in order: where the curve bends, a rank suggests itself.

    Parameters
    ----------
    values : ndarray of shape (rank,)
        Singular values.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    line_ : matplotlib Line2D
        What the last `plot` drew.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> from corange.plotting import ScreeDisplay
    >>> display = ScreeDisplay.from_result(cr.svd(np.diag([3.0, 2.0, 1.0]), 3))
    >>> display.figure_.savefig("scree.png")
    """

    def __init__(self, values: npt.ArrayLike) -> None:
        self.values = np.asarray(values)

    @classmethod
    def from_result(cls, result: LowRankResult, *, ax: Any = None, **line_options: Any) -> Self:
        """Draw the values of an `SVDResult` or an `EighResult`.

        Parameters
        ----------
        result : SVDResult or EighResult
            What `corange.svd` or `corange.eigh` returned.
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        **line_options
            For ``ax.plot``: color, marker, label and the like.
        """
        return cls(_values(result)).plot(ax=ax, **line_options)

    def plot(self, *, ax: Any = None, **line_options: Any) -> Self:
        """Draw; the options are those of `from_result`."""
        magnitudes = np.abs(self.values)
        ax = self._start(ax, xlabel="index", ylabel="singular value", yscale=_scale(magnitudes))
        positions = np.arange(1, magnitudes.size + 1)
        (self.line_,) = ax.plot(positions, magnitudes, **{"marker": ".", **line_options})
        return self


class ResidualDisplay(_Display):
    """Residual of each triplet relative to the largest singular value, with the tolerance as a line.

    Parameters
    ----------
    residuals : ndarray of shape (rank,)
        Relative residuals.
    tol : float
        The tolerance they were to meet.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    line_ : matplotlib Line2D
        What the last `plot` drew.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> from corange.plotting import ResidualDisplay
    >>> display = ResidualDisplay.from_result(cr.svd(np.diag([3.0, 2.0, 1.0]), 2))
    >>> display.ax_.get_xlabel()
    'index'
    """

    def __init__(self, residuals: npt.ArrayLike, tol: float) -> None:
        self.residuals, self.tol = np.asarray(residuals), tol

    @classmethod
    def from_result(cls, result: LowRankResult, *, ax: Any = None, **line_options: Any) -> Self:
        """Draw the residuals in a result's report.

        Parameters
        ----------
        result : SVDResult or EighResult
            What `corange.svd` or `corange.eigh` returned.
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        **line_options
            For ``ax.plot``: color, marker, label and the like.
        """
        return cls(result.report.relative_residuals, result.report.tol).plot(ax=ax, **line_options)

    def plot(self, *, ax: Any = None, **line_options: Any) -> Self:
        """Draw; the options are those of `from_result`."""
        ax = self._start(
            ax, xlabel="index", ylabel="residual / largest singular value", yscale=_scale(self.residuals)
        )
        positions = np.arange(1, self.residuals.size + 1)
        defaults = {"marker": ".", "linestyle": "none"}
        (self.line_,) = ax.plot(positions, self.residuals, **{**defaults, **line_options})
        if np.isfinite(self.tol):
            ax.axhline(self.tol, color="0.4", linestyle="--", linewidth=1)
        return self


class ConvergenceDisplay(_Display):
    """Largest residual after each iteration, against the seconds or the iterations it took.

    Parameters
    ----------
    history : sequence of Iteration
        From a report.
    tol : float
        The tolerance that ends the iteration.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    line_ : matplotlib Line2D
        What the last `plot` drew.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> from corange.plotting import ConvergenceDisplay
    >>> A = np.random.default_rng(0).standard_normal((300, 200))
    >>> display = ConvergenceDisplay.from_result(cr.svd(A, 3, random_state=0))
    >>> display.ax_.get_xlabel()
    'iteration'
    """

    def __init__(self, history: tuple[Iteration, ...], tol: float) -> None:
        self.history, self.tol = history, tol

    @classmethod
    def from_result(cls, result: LowRankResult, *, ax: Any = None, **line_options: Any) -> Self:
        """Draw the history in a result's report.

        Parameters
        ----------
        result : SVDResult or EighResult
            What `corange.svd` or `corange.eigh` returned.
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        **line_options
            For ``ax.plot``: color, marker, label and the like.
        """
        return cls(result.report.history, result.report.tol).plot(ax=ax, **line_options)

    def plot(self, *, ax: Any = None, **line_options: Any) -> Self:
        """Draw; the options are those of `from_result`."""
        residuals = np.array([entry.residual for entry in self.history])
        iterations = [entry.iteration for entry in self.history]
        ax = self._start(
            ax,
            xlabel="iteration",
            ylabel="largest residual / largest singular value",
            yscale=_scale(residuals),
        )
        (self.line_,) = ax.plot(iterations, residuals, **{"marker": ".", **line_options})
        if np.isfinite(self.tol):
            ax.axhline(self.tol, color="0.4", linestyle="--", linewidth=1)
        return self


class SelectionDisplay(_Display):
    """Magnitudes of the entries of a matrix, with lines at the rows and columns that were chosen.

    Parameters
    ----------
    matrix : array or sparse matrix of shape (m, n)
        What to show in the background. It is drawn entry by entry: take a part of a large one.
    rows, columns : array of int
        The chosen ones.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    line_ : matplotlib LineCollection
        The lines at the columns that the last `plot` drew.

    Examples
    --------
    >>> import numpy as np
    >>> import corange as cr
    >>> from corange.plotting import SelectionDisplay
    >>> A = np.random.default_rng(0).standard_normal((30, 20))
    >>> display = SelectionDisplay.from_result(cr.cur(A, 3, random_state=0), A)
    >>> display.ax_.get_xlabel()
    'column'
    """

    def __init__(self, matrix: Any, rows: npt.ArrayLike, columns: npt.ArrayLike) -> None:
        self.matrix = matrix
        self.rows, self.columns = np.asarray(rows), np.asarray(columns)

    @classmethod
    def from_result(
        cls, result: CURResult | TwoSidedIDResult, A: Any, *, ax: Any = None, **line_options: Any
    ) -> Self:
        """Draw the choice behind a CUR or a two-sided interpolative decomposition.

        Parameters
        ----------
        result : CURResult or TwoSidedIDResult
            What `corange.cur` or ``corange.interpolative(axis=None)`` returned.
        A : array or sparse matrix
            The matrix that was decomposed.
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        **line_options
            For ``ax.vlines`` and ``ax.hlines``: colors, linewidth and the like.
        """
        if not isinstance(result, (CURResult, TwoSidedIDResult)):
            raise TypeError(
                f"result must have rows and columns that were chosen, got {type(result).__name__}."
            )
        shape = as_matrix(A, check_finite=False).shape
        if shape != result.shape:
            raise ValueError(
                f"A has shape {shape}, but result approximates a matrix of shape {result.shape}."
            )
        return cls(A, result.rows, result.columns).plot(ax=ax, **line_options)

    def plot(self, *, ax: Any = None, **line_options: Any) -> Self:
        """Draw; the options are those of `from_result`."""
        m, n = np.shape(self.matrix)
        ax = self._start(ax, xlabel="column", ylabel="row")
        ax.grid(False)
        ax.imshow(np.abs(as_dense(self.matrix)), cmap="Greys", aspect="auto", interpolation="nearest")
        options = {"colors": "C1", "linewidth": 1.0, **line_options}
        ax.hlines(self.rows, -0.5, n - 0.5, **options)
        self.line_ = ax.vlines(self.columns, -0.5, m - 0.5, **options)
        return self


def _values(result: LowRankResult) -> Array:
    """Pick the values that a scree plot shows."""
    if isinstance(result, SVDResult):
        return result.s
    if isinstance(result, EighResult):
        return result.w
    raise TypeError(f"result must be an SVDResult or an EighResult, got {type(result).__name__}.")


def _scale(values: Array) -> str:
    """Choose a logarithmic axis for values that span more than two decades."""
    positive = values[values > 0]
    return "log" if positive.size and positive.max() > 100 * positive.min() else "linear"


def _pyplot() -> Any:
    """Import matplotlib only now, and say how to get it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("corange.plotting needs matplotlib: pip install 'corange[plot]'.") from error
    return plt
