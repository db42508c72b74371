"""Displays draw what is in a result, on axes of their own or on given ones."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse

import corange as cr
from corange.plotting import ConvergenceDisplay, ResidualDisplay, ScreeDisplay, SelectionDisplay

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def result():
    A = np.random.default_rng(0).standard_normal((400, 300))
    return cr.svd(A, 5, random_state=0)


@pytest.mark.parametrize("display", [ScreeDisplay, ResidualDisplay, ConvergenceDisplay])
class TestEveryDisplay:
    def test_makes_its_own_axes(self, display, result):
        drawn = display.from_result(result)
        assert drawn.line_ in drawn.ax_.get_lines()
        assert drawn.ax_.figure is drawn.figure_
        assert drawn.ax_.get_xlabel()
        assert drawn.ax_.get_ylabel()

    def test_uses_the_axes_given(self, display, result):
        axes = plt.subplots()[1]
        assert display.from_result(result, ax=axes).ax_ is axes

    def test_passes_line_options_on(self, display, result):
        line = display.from_result(result, color="red", marker="x", label="mine").line_
        assert (line.get_color(), line.get_marker(), line.get_label()) == ("red", "x", "mine")

    def test_draws_again_elsewhere(self, display, result):
        drawn = display.from_result(result)
        first = drawn.ax_
        assert drawn.plot() is drawn
        assert drawn.ax_ is not first


def test_scree_shows_the_singular_values(result):
    line = ScreeDisplay.from_result(result).line_
    np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 6))
    np.testing.assert_array_equal(line.get_ydata(), result.s)


def test_scree_shows_magnitudes_of_eigenvalues():
    pairs = cr.eigh(np.diag([1.0, -4.0, 2.0]), 2)
    np.testing.assert_allclose(ScreeDisplay.from_result(pairs).line_.get_ydata(), [4, 2])


@pytest.mark.parametrize(("values", "scale"), [([0, 0], "linear"), ([3, 1], "linear"), ([1, 1e-3], "log")])
def test_scree_is_logarithmic_only_where_that_shows_something(values, scale):
    assert ScreeDisplay(values).plot().ax_.get_yscale() == scale


def test_residuals_come_with_their_tolerance(result):
    display = ResidualDisplay.from_result(result)
    np.testing.assert_array_equal(display.line_.get_ydata(), result.report.relative_residuals)
    assert any(np.allclose(line.get_ydata(), result.report.tol) for line in display.ax_.get_lines())


def test_convergence_shows_the_history(result):
    line = ConvergenceDisplay.from_result(result).line_
    np.testing.assert_array_equal(line.get_ydata(), [entry.residual for entry in result.report.history])


def test_scree_needs_values():
    with pytest.raises(TypeError, match="result must be an SVDResult or an EighResult, got QBResult"):
        ScreeDisplay.from_result(cr.qb(np.eye(4), 2))


def test_without_matplotlib_the_message_names_the_extra():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from corange.plotting import ScreeDisplay\n"
        "try: ScreeDisplay([2.0, 1.0]).plot()\n"
        "except ImportError as error: assert 'corange[plot]' in str(error), error\n"
        "else: raise SystemExit('no error')"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_selection_display_marks_the_chosen_rows_and_columns():
    A = np.random.default_rng(0).standard_normal((30, 20))
    for matrix in (A, scipy.sparse.csr_array(A)):
        result = cr.cur(matrix, 3, random_state=0)
        display = SelectionDisplay.from_result(result, matrix)
        drawn = sorted(segment[0][0] for segment in display.line_.get_segments())
        assert drawn == sorted(result.columns)
    with pytest.raises(ValueError, match="A has shape"):
        SelectionDisplay.from_result(result, A.T)
    with pytest.raises(TypeError, match="rows and columns"):
        SelectionDisplay.from_result(cr.svd(A, 2), A)
