"""The chart of measured ratios: how many times corange's time each peer needs."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

_OURS, _COLOR, _OTHERS = "corange", "#d9622b", "#9aa5b1"
_MOST_PEERS = 5
_COLUMNS, _WIDTH_INCHES, _ROW_INCHES, _TITLE_LETTERS = 2, 9.5, 1.9, 48
# cases about memory, passes or seconds
_NO_RATIOS = ("disk", "memory", "import")


def draw(record: Path, out: Path) -> None:
    """Draw one panel for each case that has a bar on time, from a file of ``python -m bench FAMILY --json``.

    Only contenders that were as accurate as the case wants are shown.

    Parameters
    ----------
    record : Path
        What was measured.
    out : Path
        Image to write; its suffix chooses the format.

    Raises
    ------
    SystemExit
        If no case in the file compares times with corange's.
    """
    from matplotlib.figure import Figure

    cases = json.loads(record.read_text())["cases"]
    panels = [(case["title"], ratios_of(case)) for case in cases]
    panels = [(title, bars) for title, bars in panels if bars]
    if not panels:
        raise SystemExit(f"{record}: no case compares times with corange's")
    lines = -(-len(panels) // _COLUMNS)
    figure = Figure(figsize=(_WIDTH_INCHES, lines * _ROW_INCHES + 0.3), layout="constrained")
    axes = figure.subplots(lines, _COLUMNS, squeeze=False).ravel()
    for axis, (title, bars) in zip(axes, panels, strict=False):
        _panel(axis, title, bars)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    figure.supxlabel("time over corange's: same machine, same run, at least the accuracy named", fontsize=8)
    figure.savefig(out, dpi=150)


def ratios_of(case: dict[str, Any]) -> list[tuple[str, float]]:
    """``(label, time over corange's)`` for the bars of a panel; empty if the case has none.

    A case with groups of rows gives one bar a group, its reference; another gives corange, its
    reference and the fastest of the others, fastest first.
    """
    if case["name"] in _NO_RATIOS or not case["bars"]:
        return []
    timed = [row for row in case["rows"] if row["status"] == "compared" and row["seconds"]]
    ours = {row["group"]: row["seconds"] for row in timed if row["name"] == _OURS}
    ratios = [
        (row, row["seconds"] / ours[row["group"]])
        for row in timed
        if row["group"] in ours and not row["name"].startswith(_OURS + ",")
    ]
    if len(ours) > 1:
        return [(row["group"], ratio) for row, ratio in ratios if row["name"] == case["reference"]]
    return _fastest([(row["name"], ratio) for row, ratio in ratios], case["reference"])


def _fastest(ratios: list[tuple[str, float]], reference: str) -> list[tuple[str, float]]:
    """Corange, its reference and the fastest others, fastest first; nothing where nobody compares."""
    ranked = sorted(ratios, key=lambda pair: (pair[1], pair[0]))
    always = [pair for pair in ranked if pair[0] in (_OURS, reference)]
    others = [pair for pair in ranked if pair not in always][: _MOST_PEERS - 1]
    return sorted(always + others, key=lambda pair: (pair[1], pair[0])) if len(ranked) > 1 else []


def _panel(axis: Any, title: str, bars: list[tuple[str, float]]) -> None:
    names, ratios = [name for name, _ in bars], [ratio for _, ratio in bars]
    colors = [_COLOR if name == _OURS else _OTHERS for name in names]
    drawn = axis.barh(range(len(bars)), ratios, color=colors, height=0.7)
    labels = [f"{ratio:.1f}x" if ratio < 10 else f"{ratio:.0f}x" for ratio in ratios]
    axis.bar_label(drawn, labels, padding=3, fontsize=7)
    axis.axvline(1, color=_COLOR, linewidth=0.8, zorder=0)
    axis.set_yticks(range(len(bars)), names, fontsize=7)
    axis.invert_yaxis()
    axis.set_title(textwrap.fill(title, _TITLE_LETTERS), fontsize=8, loc="left")
    axis.margins(x=0.12)
    axis.xaxis.set_visible(False)
    axis.spines[["top", "right", "bottom"]].set_visible(False)
