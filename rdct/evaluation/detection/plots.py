# SPDX-License-Identifier: Apache-2.0
"""Bits against accuracy and delay against accuracy, drawn from summaries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rdct.evaluation.detection.summary import front
from rdct.evaluation.detection.text import metric_name
from rdct.evaluation.plots import save, style, title

__all__ = ["PANELS", "plot"]

#: What may stand below: bits, and seconds until an object is known.
PANELS = ("kbps", "response_s")
_AXES = {"kbps": "kbit/s up", "response_s": "response delay, s"}


def plot(summaries: list[dict[str, Any]], path: Path, panels: tuple[str, ...] = PANELS) -> None:
    """Draw one row of axes for each summary and one column for each of `panels`.

    Every setting is a faint dot; a line joins those that no other of their row beats.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4 * len(panels), 4.8 * len(summaries)), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(summaries), len(panels), squeeze=False)
    for summary, row_of_axes in zip(summaries, axes, strict=True):
        for panel, ax in zip(panels, row_of_axes, strict=True):
            _draw(summary, panel, ax)
        row_of_axes[0].legend(fontsize=7)
    save(figure, path)


def _draw(summary: dict[str, Any], panel: str, ax: Any) -> None:
    metric = summary["metric"]
    names = [row["codec"] for row in summary["rows"]]
    for row in summary["rows"]:
        points = [p for p in row["points"] if p[panel] is not None and p[metric] is not None]
        if not points:
            continue
        colour, marker = style(row["codec"], names)
        ax.plot(*_places(points, panel, metric), ".", color=colour, markersize=3, alpha=0.35)
        best = _places(front(points, panel, metric), panel, metric)
        ax.plot(*best, color=colour, marker=marker, markersize=4, linewidth=1.2, label=row["codec"])
    if panel == "kbps":
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel(_AXES[panel])
    ax.set_ylabel(metric_name(summary))
    ax.set_title(title(summary), fontsize=9)
    ax.grid(alpha=0.3, which="major", linewidth=0.5)


def _places(points: list[dict[str, Any]], panel: str, metric: str) -> tuple[list[float], list[float]]:
    return [p[panel] for p in points], [p[metric] for p in points]
