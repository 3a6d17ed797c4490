"""Summaries of videos as text: the same look as those of stills (`rdct.evaluation.text`)."""

from __future__ import annotations

from typing import Any

from rdct.evaluation import text as stills
from rdct.evaluation.text import label, metric_name

__all__ = [
    "as_markdown", "as_text", "label", "main_table", "metric_name", "note", "points_table", "title",
]  # fmt: skip


def _figure(value: float | None, digits: int, factor: float = 1.0) -> str:
    return "-" if value is None else f"{factor * value:.{digits}f}"


def _range(row: dict[str, Any], name: str, digits: int, factor: float = 1.0) -> str:
    """One figure where every point says the same, else the lowest and the highest."""
    values = [factor * p[name] for p in row["points"] if p[name] is not None]
    if not values:
        return "-"
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return low if low == high else f"{low}-{high}"


def title(summary: dict[str, Any]) -> str:
    """Network, clip, how long."""
    frames, fps = summary["frames"], summary["fps"]
    return f"{summary['model']} on {summary['set']}: {frames} frames, {frames / fps:.1f} s"


def _cell(row: dict[str, Any], j: int) -> str:
    if row["kbps"][j] is None:
        return stills.reason(row["why"][j])
    found = f"{row['kbps'][j]:.0f}"
    if row["percent"][j] is not None and row["against"] != row["codec"]:
        found += f"  {stills.share(row['percent'][j])}"
    return found


def main_table(summary: dict[str, Any]) -> list[list[str]]:
    """Kbit/s at equal accuracy, a head and a row for each system."""
    name = metric_name(summary)
    head = [
        "row",
        *(f"kbit/s at {name} {a:g}" for a in summary["accuracies"]),
        f"BD-rate from {summary['bd_floor']:g}",
        "keyframes/s",
        "freshness ms, mean",
    ]
    body = []
    for row in summary["rows"]:
        reference = row["against"] == row["codec"]
        cells = [_cell(row, j) for j in range(len(summary["accuracies"]))]
        bd_rate = "reference" if reference else stills.share(row["bd_rate"])
        times = [_range(row, "keyframes_per_s", 1), _range(row, "freshness_mean_s", 0, 1e3)]
        body.append([row["codec"], *cells, bd_rate, *times])
    return [head, *body]


def note(summary: dict[str, Any], tick: str = "") -> str:
    """What the figures of a table are."""
    run = summary["run"]
    return (
        f"kbit/s up, everything counted; {metric_name(summary)} over all frames, sent or not. Percentages: "
        f"against {tick}{summary['reference']}{tick}. Freshness: age of the picture whose labels are shown. "
        f"{run['mode'][0].upper()}{run['mode'][1:]}; threshold {run['threshold_db']:g} dB."
    )


def points_table(summary: dict[str, Any]) -> list[list[str]]:
    """Every point of every row."""
    head = ["row", "dial", "kbit/s up", "kbit/s down", "agreement", "on keyframes", "on propagated",
            "mIoU agreement", "mIoU", "keyframes", "unlabelled", "freshness ms, mean", "95 %", "delay ms",
            "PSNR dB", "device ms", "labels ms", "levels ms", "bytes of a keyframe by kind"]  # fmt: skip
    table = [head]
    for row in summary["rows"]:
        for p in row["points"]:
            scores = ("agreement", "agreement_keyframes", "agreement_propagated", "miou_agreement", "miou")
            waits = ("freshness_mean_s", "freshness_p95_s", "delay_mean_s")
            times = ("edge_s", "labels_s", "levels_s")
            parts = ", ".join(f"{kind} {size:.0f}" for kind, size in p["parts"].items() if size >= 0.5)
            table.append([
                row["codec"], f"{p['dial']:g}", _figure(p["kbps"], 0), _figure(p["kbps_down"], 0),
                *(_figure(p[name], 4) for name in scores), str(p["keyframes"]), str(p["unlabelled"]),
                *(_figure(p[name], 0, 1e3) for name in waits), _figure(p["psnr"], 2),
                *(_figure(p[name], 1, 1e3) for name in times), parts,
            ])  # fmt: skip
    return table


def as_text(summary: dict[str, Any], *others: dict[str, Any]) -> str:
    """For a terminal: the main table, the same against `others`' references, and what is absent."""
    lines = [title(summary)]
    for one in (summary, *others):
        lines += ["", stills.aligned(main_table(one)), "", note(one)]
    absences = stills.absences(summary)
    lines += ["", *absences] if absences else []
    return "\n".join(lines) + "\n"


def as_markdown(summary: dict[str, Any], *others: dict[str, Any]) -> str:
    """For docs/experiments: provenance, a table for each reference, every point, settings."""
    run = summary["run"]
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    width, height = run["original"]
    size = f"{run['width']}x{run['height']}"
    if [run["width"], run["height"]] != [width, height]:
        size += f", resized from {width}x{height} before every codec"
    lines = [
        f"**{title(summary)}, {size}.** Command `{run['command']}`.",
        f"Table sets: {run['tables'] or 'shipped'}, by id. Commit `{run['commit']}`; {versions}.",
        "",
    ]
    for one in (summary, *others):
        lines += [stills.markdown(main_table(one)), "", note(one, "`"), ""]
    settings = [["row", "settings"], *([row["codec"], row["settings"]] for row in summary["rows"])]
    for name, table, numbers in (
        ("Every point", points_table(summary), True),
        ("Settings", settings, False),
    ):
        lines += [
            f"<details><summary>{name}</summary>",
            "",
            stills.markdown(table, numbers),
            "",
            "</details>",
            "",
        ]
    return "\n".join(lines[:-1]) + "\n"
