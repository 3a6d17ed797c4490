"""One self-contained page about a folder of records, for people: curves, tables, crops, settings."""

from __future__ import annotations

import base64
import html
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from rdct.evaluation import plots
from rdct.evaluation import text as of_stills
from rdct.evaluation.crops import Example, png_uri
from rdct.evaluation.detection import plots as plots_of_objects
from rdct.evaluation.detection import text as of_objects
from rdct.evaluation.video import text as of_videos

__all__ = ["page", "words", "write"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1d1d1f; --paper: #fdfdfc; --faint: #6b6b70; --line: #d9d9d4; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e6; --paper: #17181a; --faint: #9b9ba1; --line: #37383c; }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 72rem;
  color: var(--ink); background: var(--paper); font: 16px/1.5 system-ui, sans-serif;
}
h1 { font-size: 1.6rem; line-height: 1.2; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 0.5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 0.5rem; }
.lead { font-size: 1.1rem; margin: 0.25rem 0; }
.note, figcaption, .faint { color: var(--faint); font-size: 0.85rem; }
.scroll { overflow-x: auto; }
table { border-spacing: 0; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3rem 0.7rem; border-bottom: 1px solid var(--line); text-align: right; }
th { vertical-align: bottom; min-width: 5.5rem; }
td { white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: nowrap; }
th:first-child, td:first-child { position: sticky; left: 0; background: var(--paper); }
td.wide { white-space: normal; text-align: left; min-width: 20rem; }
figure { margin: 1rem 0 1.5rem; }
figcaption { margin-top: 0.4rem; }
.curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(28rem, 100%), 1fr)); gap: 1rem; }
.curves img { width: 100%; background: #fff; border-radius: 0.4rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: 1rem; }
.tiles figure { margin: 0; }
.tiles img { width: 100%; image-rendering: pixelated; display: block; margin-bottom: 2px; }
.class { display: inline-block; margin-left: 0.8em; }
.class i { display: inline-block; width: 0.8em; height: 0.8em; margin-right: 0.3em; border-radius: 2px; }
details { margin: 0.75rem 0; }
summary { cursor: pointer; }
code { overflow-wrap: anywhere; }
"""


_CAPTIONS = {
    "stills": "Every point codes, decodes and asks the network; pooled over all pictures. Rates in octaves.",
    "video": "Every point plays the whole clip through both ends; pooled over all frames, sent or not. Rates "
    "in octaves.",
    "detection": "A faint dot is a setting, played over the whole clip; a line joins those that none beats.",
}


def write(path: Path, summaries: list[list[dict[str, Any]]], examples: list[list[Example]]) -> None:
    """Write the page under a temporary name, then rename it. The arguments are those of `page`."""
    document = page(summaries, examples)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(document, "utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def page(summaries: list[list[dict[str, Any]]], examples: list[list[Example]]) -> str:
    """The whole page; it loads nothing from anywhere.

    Parameters
    ----------
    summaries : list of list of dict
        For each group (network and pictures) one summary for each reference row.
    examples : list of list of Example
        For each group its crops; empty where there are none.

    Returns
    -------
    str
        HTML.
    """
    title = "Bits at equal answers: " + ", ".join(dict.fromkeys(group[0]["model"] for group in summaries))
    body = [f"<h1>{html.escape(title)}</h1>"]
    for group, crops in zip(summaries, examples, strict=True):
        body += _group(group, crops)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


_WORDS = {"stills": of_stills, "video": of_videos, "detection": of_objects}


def words(summary: dict[str, Any]) -> Any:
    """The module that puts such a summary into words."""
    return _WORDS[summary.get("medium", "stills")]


def _group(group: list[dict[str, Any]], crops: list[Example]) -> list[str]:
    first = group[0]
    text = words(first)
    parts = [f"<h2>{html.escape(text.title(first))}</h2>"]
    parts += [f'<p class="lead">{html.escape(line)}</p>' for line in _verdicts(first)]
    parts.append(
        f'<figure><div class="curves">{_curves(first)}</div>'
        f"<figcaption>{_CAPTIONS[first.get('medium', 'stills')]}</figcaption></figure>"
    )
    for summary in group:
        parts.append(_table(text.main_table(summary)))
        parts.append(f'<p class="note">{html.escape(text.note(summary))}</p>')
    if text is of_objects:
        parts.append(_table(text.best_table(first)))
    for example in crops:
        parts += _crops(example)
    settings = [["row", "settings"], *([text.label(row), row["settings"]] for row in first["rows"])]
    parts += [
        f"<details><summary>Every point</summary>{_table(text.points_table(first))}</details>",
        f"<details><summary>Settings</summary>{_table(settings, wide=True)}</details>",
        _provenance(first["run"]),
    ]
    return parts


def _verdicts(summary: dict[str, Any]) -> list[str]:
    """The row that needs the fewest bits at each accuracy, in words."""
    lines, text = [], words(summary)
    rate = summary.get("rate", "bpp")
    for j, accuracy in enumerate(summary["accuracies"]):
        where = f"At {text.metric_name(summary)} {accuracy:g}"
        reached = [row for row in summary["rows"] if row[rate][j] is not None]
        if not reached:
            lines.append(f"{where} no row has a figure.")
            continue
        best = min(reached, key=lambda row: row[rate][j])
        line = f"{where}, {text.label(best)} needs the fewest bits: {_amount(best[rate][j], rate)}"
        if best["percent"][j] is not None and best["against"] != text.label(best):
            # The spaces do not break: a percentage stays in one line.
            line += f", {100 * best['percent'][j]:+.1f}\u00a0% against {best['against']}"
        lines.append(line + ".")
    return lines


def _amount(value: float, rate: str) -> str:
    return f"{value:.0f}\u00a0kbit/s" if rate == "kbps" else f"{value:.3f} a pixel"


def _curves(summary: dict[str, Any]) -> str:
    """A plot for each metric that has values; of objects one over bits and one over delay."""
    if summary.get("medium") == "detection":
        drawn = {one: partial(plots_of_objects.plot, panels=(one,)) for one in plots_of_objects.PANELS}
    else:
        drawn = {
            metric: partial(plots.plot, metrics=(metric,))
            for metric in ("agreement", "miou")
            if any(point[metric] is not None for row in summary["rows"] for point in row["points"])
        }
    pictures = []
    with tempfile.TemporaryDirectory() as folder:
        for name, draw in drawn.items():
            path = Path(folder) / f"{name}.svg"
            draw([summary], path)
            data = base64.b64encode(path.read_bytes()).decode("ascii")
            pictures.append(f'<img alt="{name}" src="data:image/svg+xml;base64,{data}">')
    return "".join(pictures)


def _table(rows: list[list[str]], *, wide: bool = False) -> str:
    def cells(row: list[str], tag: str) -> str:
        kind = ' class="wide"' if wide and tag == "td" else ""
        first = f"<{tag}>{html.escape(row[0])}</{tag}>"
        return first + "".join(f"<{tag}{kind}>{html.escape(cell)}</{tag}>" for cell in row[1:])

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows[1:])
    head = f"<thead><tr>{cells(rows[0], 'th')}</tr></thead>"
    return f'<div class="scroll"><table>{head}<tbody>{body}</tbody></table></div>'


def _crops(example: Example) -> list[str]:
    tiles = []
    for tile in example.tiles:
        caption = html.escape(tile.label)
        if tile.bpp is not None:
            caption += f"<br>{tile.bpp:.3f} bpp<br>agreement {tile.agreement:.4f}"
        tiles.append(
            f'<figure><img alt="{html.escape(tile.label)}: pixels" src="{png_uri(tile.pixels)}">'
            f'<img alt="{html.escape(tile.label)}: labels" src="{png_uri(tile.labels)}">'
            f"<figcaption>{caption}</figcaption></figure>"
        )
    legend = "".join(
        f'<span class="class"><i style="background: rgb{colour}"></i>{html.escape(name)}</span>'
        for name, colour in example.legend
    )
    return [
        f"<h3>{html.escape(example.picture)}, where the labels differ most</h3>",
        f'<p class="note">Each row at the coarsest setting whose accuracy over all pictures reaches '
        f"{example.accuracy:g}. Black: another label than on the raw picture.{legend}</p>",
        f'<div class="tiles">{"".join(tiles)}</div>',
    ]


def _provenance(run: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in run.get("versions", {}).items())
    facts = (
        f"Table sets {run.get('tables') or 'none'}, sent {run.get('tables_mode', 'by id')}. "
        f"Commit {run.get('commit')}; {versions}."
    )
    command = f"<code>{html.escape(run.get('command', ''))}</code>"
    return f'<p class="note">Command {command}. {html.escape(facts)}</p>'
