"""Bits-accuracy curves, drawn from summaries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["FORMATS", "plot", "save", "style", "title"]

FORMATS = (".png", ".svg", ".pdf")

# Okabe and Ito's colours, which colour-blind readers can tell apart; ours are warm and thick.
_STYLE = {
    "jpeg-turbo-444": ("#000000", "o"),
    "jpeg-turbo-420": ("#777777", "o"),
    "jpeg-precise-444": ("#000000", "s"),
    "webp": ("#56B4E9", "^"),
    "avif": ("#0072B2", "v"),
    "jxl": ("#009E73", "D"),
    "grace": ("#E69F00", "s"),
    "grace-capped": ("#C9B400", "P"),
    "stac-paper": ("#D55E00", "X"),
    "stac-fisher": ("#882255", "d"),
    "stac-fisher-context": ("#882255", "h"),
    "default": ("#CC79A7", "*"),
    "default-jpeg": ("#CC79A7", "p"),
    "h264-all": ("#0072B2", "v"),
    "h264-keyframes": ("#56B4E9", "^"),
    "h264-intra": ("#009E73", "D"),
    "h264": ("#0072B2", "v"),
    "uniform-jpeg": ("#000000", "o"),
    "uniform-rdct": ("#E69F00", "s"),
    "dds": ("#D55E00", "X"),
    "dds-h264": ("#CC79A7", "P"),
    "dds-replace": ("#882255", "d"),
    "dds-replace-static": ("#882255", "h"),
    "awstream": ("#56B4E9", "^"),
    "awstream-ideal": ("#56B4E9", "^"),
    "glimpse": ("#777777", "v"),
    "vigil": ("#C9B400", "P"),
    "cloudseg": ("#999933", "s"),
    "camera-only": ("#777777", "*"),
}
# Rows that have none of their own, as variants do: dark to light in their order, none of the colours above.
_OTHERS = ("#440154", "#46337F", "#365C8D", "#277F8E", "#1FA187", "#4AC16D", "#9FDA3A", "#FDE725")
_RATES = {"bpp": "bits per pixel", "kbps": "kbit/s up"}
_AXES = {"agreement": "agreement with the labels on the raw picture", "miou_agreement": "mIoU agreement",
         "miou": "mIoU"}  # fmt: skip


def plot(
    summaries: list[dict[str, Any]],
    path: Path,
    metrics: tuple[str, ...] | None = None,
    size: tuple[float, float] | None = None,
) -> None:
    """Draw one row of axes for each summary and one column for each metric; one metric alone in one row.

    Parameters
    ----------
    summaries : list of dict
        From `rdct.evaluation.summary.summarise`, or that of `rdct.evaluation.video`.
    path : Path
        ``.png``, ``.svg`` or ``.pdf``; written under a temporary name, then renamed.
    metrics : tuple of str, optional
        Agreement, and mIoU where there are labels, by default.
    size : tuple of float, optional
        Width and height of one pair of axes, in inches: 6.4 by 4.8, smaller where there is one metric only.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if metrics is None:
        known = any(p["miou"] is not None for s in summaries for r in s["rows"] for p in r["points"])
        metrics = ("agreement", "miou") if known else ("agreement",)
    alone = len(metrics) == 1
    width, height = size or ((5.2, 4.0) if alone else (6.4, 4.8))
    rows, columns = (1, len(summaries)) if alone else (len(summaries), len(metrics))
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).reshape(len(summaries), len(metrics))
    # One colour for a row in all axes.
    names = dict.fromkeys(row["codec"] for summary in summaries for row in summary["rows"])
    others = [name for name in names if name not in _STYLE]
    for summary, row_of_axes in zip(summaries, axes, strict=True):
        rate = summary.get("rate", "bpp")
        for metric, ax in zip(metrics, row_of_axes, strict=True):
            for row in summary["rows"]:
                points = [(p[rate], p[metric]) for p in row["points"] if p[metric] is not None]
                if not points:
                    continue
                label = row["codec"] if row["tables"] is None else f"{row['codec']} ({row['tables']})"
                colour, marker = style(row["codec"], others)
                ax.plot(
                    *zip(*sorted(points), strict=True),
                    color=colour,
                    marker=marker,
                    markersize=4,
                    linewidth=1.8 if row["tables"] else 1.1,
                    linestyle="--" if row["tables"] == "inline" else "-",
                    label=label,
                )
            if not ax.lines:  # this one has no labels to hold against, others of the figure have
                ax.axis("off")
                continue
            _axes(ax, metric, rate)
            ax.set_title(title(summary), fontsize=9)
        row_of_axes[0].legend(fontsize=7)
    save(figure, path)


def save(figure: Any, path: Path) -> None:
    """Write a figure under a temporary name, then rename it."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        figure.savefig(temporary, format=path.suffix[1:].lower(), metadata=_metadata(path.suffix))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def style(name: str, others: list[str]) -> tuple[str, str]:
    """Colour and marker of a row: its own, else by its place among `others`."""
    if name in _STYLE:
        return _STYLE[name]
    place = others.index(name) * (len(_OTHERS) - 1) // max(len(others) - 1, 1)
    return _OTHERS[place], "."


def title(summary: dict[str, Any]) -> str:
    """What a plot is of."""
    extent = f"{summary['frames']} frames" if "frames" in summary else f"{summary['pictures']} pictures"
    return f"{summary['model']}, {summary['set']}, {extent}"


def _axes(ax: Any, metric: str, rate: str) -> None:
    """Bits in octaves; agreement by the logarithm of what is missing, where the curves are spread."""
    import numpy as np
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter

    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_locator(LogLocator(2))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel(_RATES[rate])
    ax.set_ylabel(_AXES[metric])
    low, high = ax.get_ylim()
    if metric == "agreement":

        def missing(share: np.ndarray) -> np.ndarray:
            return -np.log10(np.maximum(1 - np.asarray(share), 1e-4))

        ax.set_yscale("function", functions=(missing, lambda y: 1 - 10 ** -np.asarray(y)))
        ax.yaxis.set_major_locator(
            FixedLocator([0.8, 0.9, 0.95, 0.97, 0.98, 0.985, 0.99, 0.995, 0.998, 0.999])
        )
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        best = float(max(np.max(line.get_ydata()) for line in ax.lines))
        # From 0.9, or from where eight times as many pixels differ as at best, to just above the best.
        ax.set_ylim(max(low, min(0.9, 1 - 8 * (1 - best))), min(1 - 0.85 * (1 - best), 0.9995))
    else:
        ax.set_ylim(max(low, high - 0.2), high)
    ax.grid(alpha=0.3, which="major", linewidth=0.5)


def _metadata(suffix: str) -> dict[str, None]:
    """No date, so that equal records give equal files."""
    return {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix.lower(), {})
