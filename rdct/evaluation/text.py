"""Summaries as text: aligned columns for a terminal, Markdown for docs/experiments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rdct.evaluation import resize
from rdct.evaluation.classes import per_class_tables
from rdct.evaluation.curves import BELOW_SWEEP, NOT_REACHED, TOO_FEW

__all__ = [
    "absences", "aligned", "as_markdown", "as_text", "compare_document", "insert", "label", "main_table",
    "markdown", "metric_name", "note", "points_table", "reason", "share", "title",
]  # fmt: skip

_WHY = {NOT_REACHED: "not reached", BELOW_SWEEP: "below the sweep", TOO_FEW: "too few points"}
_NAMES = {"agreement": "agreement", "miou_agreement": "mIoU agreement", "miou": "mIoU"}


def label(row: dict[str, Any]) -> str:
    """Row name and table mode."""
    return row["codec"] if row["tables"] is None else f"{row['codec']} ({row['tables']})"


def share(value: float | None) -> str:
    """A share as signed per cent."""
    return "-" if value is None else f"{100 * value:+.1f} %"


def reason(why: str) -> str:
    """Why a curve does not tell, in words."""
    return _WHY.get(why, why)


def _cell(row: dict[str, Any], j: int) -> str:
    """`1.234 bpp, -12.3 % [-15.0, -9.8]`, or why there is no figure."""
    if row["bpp"][j] is None:
        return reason(row["why"][j])
    text = f"{row['bpp'][j]:.3f}"
    if row["percent"][j] is not None and row["against"] != label(row):
        text += f"  {share(row['percent'][j])}"
        if row["interval"][j] is not None:
            low, high = (100 * one for one in row["interval"][j])
            text += f" [{low:+.1f}, {high:+.1f}]"
    return text


def metric_name(summary: dict[str, Any]) -> str:
    """What "accuracy" means in a summary."""
    return _NAMES[summary["metric"]]


def main_table(summary: dict[str, Any]) -> list[list[str]]:
    """Bits at equal accuracy, a head and a row for each system."""
    name = metric_name(summary)
    head = [
        "row",
        *(f"bits/pixel at {name} {a:g}" for a in summary["accuracies"]),
        f"BD-rate from {summary['bd_floor']:g}",
    ]
    body = []
    for row in summary["rows"]:
        reference = row["against"] == label(row)
        bd_rate = "reference" if reference else share(row["bd_rate"])
        cells = [_cell(row, j) for j in range(len(summary["accuracies"]))]
        body.append([label(row), *cells, bd_rate])
    return [head, *body]


def aligned(table: list[list[str]]) -> str:
    """Columns for a terminal."""
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in table]
    return "\n".join([lines[0], "  ".join("-" * w for w in widths), *lines[1:]])


def markdown(table: list[list[str]], numbers: bool = True) -> str:
    """A table of a page; all but the first column to the right if they are numbers."""
    rule = ["---", *(["--:" if numbers else "---"] * (len(table[0]) - 1))]
    rows = [table[0], rule, *table[1:]]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def title(summary: dict[str, Any]) -> str:
    """Network, pictures, how many."""
    left = f" ({summary['left_out']} incomplete left out)" if summary["left_out"] else ""
    count = f"{summary['pictures']} picture{'' if summary['pictures'] == 1 else 's'}"
    return f"{summary['model']} on {summary['set']}, {count}{left}{_resized(summary)}"


def _resized(summary: dict[str, Any]) -> str:
    if not summary["resize"]:
        return ""
    if resize.mode_of(summary["resize"]) == "after":
        return f", coded as they come, resized {summary['resize']}"
    return (
        f", resized before every codec {summary['resize']} (bits/pixel are of the resized pictures; "
        f"x {summary['pixel_share']:.4g} for bits per pixel of the source)"
    )


def absences(summary: dict[str, Any]) -> list[str]:
    """The rows that could not run, and why."""
    return [f"{r['codec']}: {r['settings']}" for r in summary["rows"] if r["settings"].startswith("absent")]


def note(summary: dict[str, Any], tick: str = "") -> str:
    """What the percentages of a table are against."""
    found = f"Percentages: bits against {tick}{summary['reference']}{tick}"
    modes = {row["against"] for row in summary["rows"] if row["against"]}
    if modes - {summary["reference"]}:
        found += " of the same table mode (rows without table sets: by id)"
    if summary["resamples"]:
        found += (
            f"; [95 % interval over {summary['resamples']} resamples of the pictures, seed {summary['seed']}]"
        )
    return found + "."


def as_text(summary: dict[str, Any], *others: dict[str, Any], per_class: bool = False) -> str:
    """For a terminal: the main table, the same against `others`' references, and what is absent."""
    lines = [title(summary)]
    for one in (summary, *others):
        lines += ["", aligned(main_table(one)), "", note(one)]
    for name, table in per_class_tables(summary) if per_class else ():
        lines += ["", name, "", aligned(table)]
    lines += ["", *absences(summary)] if absences(summary) else []
    return "\n".join(lines) + "\n"


def _parts(point: dict[str, Any]) -> str:
    if not point["parts"]:
        return ""
    return ", ".join(f"{name} {value:.0f}" for name, value in point["parts"].items() if value >= 0.5)


def points_table(summary: dict[str, Any]) -> list[list[str]]:
    """Every point of every row."""

    def figure(value: float | None, digits: int) -> str:
        return "-" if value is None else f"{value:.{digits}f}"

    resized = resize.mode_of(summary["resize"]) == "working"
    source = ["bpp of source"] if resized else []
    head = ["row", "dial", "bpp", *source, "agreement", "mIoU agreement", "mIoU", "PSNR dB", "encode ms",
            "decode ms", "bytes by kind, mean", "std ln rho"]  # fmt: skip
    table = [head]
    for row in summary["rows"]:
        for p in row["points"]:
            scores = [figure(p[m], 4) for m in ("agreement", "miou_agreement", "miou")]
            times = [figure(1e3 * p[t], 1) for t in ("encode_s", "decode_s")]
            spread = figure(p["facts"].get("ln_rho_std"), 2)
            bpp, psnr = figure(p["bpp"], 3), figure(p["psnr"], 2)
            bpp = [bpp, figure(p["bpp_source"], 3)] if resized else [bpp]
            table.append([label(row), f"{p['dial']:g}", *bpp, *scores, psnr, *times, _parts(p), spread])
    return table


def as_markdown(summary: dict[str, Any], *others: dict[str, Any], per_class: bool = False) -> str:
    """For docs/experiments: provenance, a table for each reference, every point, settings."""
    run = summary["run"]
    versions = ", ".join(f"{name} {version}" for name, version in run.get("versions", {}).items())
    source = f"{run.get('tables') or 'none'}, sent {run.get('tables_mode')}"
    lines = [
        f"**{title(summary)}.** Command `{run.get('command', '')}`.",
        f"Table sets: {source}. Commit `{run.get('commit')}`; {versions}.",
        "",
    ]
    for one in (summary, *others):
        lines += [markdown(main_table(one)), "", note(one, "`"), ""]
    for name, table in per_class_tables(summary) if per_class else ():
        lines += [f"{name}:", "", markdown(table), ""]
    lines += [
        "<details><summary>Every point</summary>",
        "",
        markdown(points_table(summary)),
        "",
        "</details>",
        "",
        "<details><summary>Settings</summary>",
        "",
        markdown([["row", "settings"], *([label(r), r["settings"]] for r in summary["rows"])], False),
        "",
        "</details>",
    ]
    return "\n".join(lines) + "\n"


def insert(path: Path, section: str, text: str) -> None:
    """Replace what stands between ``<!-- begin SECTION -->`` and ``<!-- end SECTION -->``.

    Raises
    ------
    ValueError
        The file lacks one of the markers.
    """
    begin, end = f"<!-- begin {section} -->", f"<!-- end {section} -->"
    page = path.read_text("utf-8")
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{path} lacks the markers {begin} and {end}")
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(f"{before}{begin}\n{text.rstrip()}\n{end}{after}", "utf-8")
    temporary.replace(path)


def compare_document(summary: dict[str, Any]) -> dict[str, Any]:
    """The document of ``stac-eval compare --json``.

    ``miou`` is held against the given labels, or, where none were given, against the network's
    labels on the raw picture; ``miou_against`` says which.
    """
    against_truth = bool(summary["run"].get("labels"))
    key = "miou" if against_truth else "miou_agreement"
    return {
        "accuracies": summary["accuracies"],
        "miou_against": "labels" if against_truth else "raw",
        "rows": [
            {
                "codec": row["codec"],
                "settings": row["settings"] + (f"; tables {row['tables']}" if row["tables"] else ""),
                "bpp": row["bpp"],
                "points": [
                    {"bpp": p["bpp"], "agreement": p["agreement"], "miou": p[key]} for p in row["points"]
                ],
            }
            for row in summary["rows"]
        ],
    }
