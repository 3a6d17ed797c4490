"""Pictures of a table set, for `stac-tables show --plot`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from grace.network_tables import NetworkTables

__all__ = ["PlotError", "plot_tables"]

_COMPONENTS = ("Y", "Cb", "Cr")


class PlotError(RuntimeError):
    """matplotlib is missing."""


def plot_tables(tables: NetworkTables, path: str | Path) -> None:
    """Heat maps of the finest, middle and coarsest tables, and the calibration curves, as a PNG.

    Parameters
    ----------
    tables : NetworkTables
    path : str or Path
        Written whole or not at all.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.colors import LogNorm
        from matplotlib.figure import Figure
    except ImportError as error:
        raise PlotError(
            "plotting needs matplotlib, which is not installed: pip install 'rdct[plot]'"
        ) from error

    steps = tables.table_set.tables
    shown = [("finest", 0), ("middle", tables.middle), ("coarsest", tables.levels - 1)]
    figure = Figure(figsize=(14, 9), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    grid = figure.subplots(3, 4)
    norm = LogNorm(1, max(int(steps.max()), 2))
    for row, (word, level) in enumerate(shown):
        for component, name in enumerate(_COMPONENTS):
            axes = grid[row, component]
            image = axes.imshow(steps[level, component], norm=norm, cmap="viridis")
            axes.set_title(f"{name}, {word} level {level}", fontsize=9)
            axes.set_xticks([])
            axes.set_yticks([])
            for v in range(8):
                for u in range(8):
                    value = int(steps[level, component, v, u])
                    light = norm(value) < 0.6
                    axes.text(
                        u,
                        v,
                        str(value),
                        ha="center",
                        va="center",
                        fontsize=5,
                        color="white" if light else "black",
                    )
    figure.colorbar(image, ax=grid[:, 2], label="step", shrink=0.6)

    axes = grid[0, 3]
    for use, style in (("regions", "-"), ("uniform", "--")):
        points = tables.calibration.get(use, {})
        if points:
            qualities = sorted(points)
            axes.semilogy(qualities, [points[q] for q in qualities], style, label=use)
    axes.set_xlabel("JPEG quality of equal bytes")
    axes.set_ylabel("scale")
    axes.grid(True, which="major", alpha=0.4)
    if axes.lines:
        axes.legend(fontsize=8)

    axes = grid[1, 3]
    axes.semilogy(np.arange(tables.levels), tables.budgets, "o-")
    axes.axhline(tables.budget, color="grey", linewidth=0.8)
    axes.set_xlabel("level")
    axes.set_ylabel("budget")

    axes = grid[2, 3]
    used = tables.provenance.get("regions_by_level")
    if used:
        axes.bar(np.arange(len(used)), used)
        axes.set_xlabel("level")
        axes.set_ylabel("regions of the set's pictures")
    else:
        axes.set_axis_off()
    figure.suptitle(f"{tables.name}: table set {tables.id}")

    path = Path(path)
    temporary = path.with_name(f".{path.name}.part")
    try:
        canvas.print_png(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
