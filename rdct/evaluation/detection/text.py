# SPDX-License-Identifier: Apache-2.0
"""Summaries of systems on objects as text: the same look as those of stills (`rdct.evaluation.text`)."""

from __future__ import annotations

from typing import Any

from rdct.evaluation import text as stills
from rdct.evaluation.detection.objects import GAP_S, IOUS, MIN_FRAMES
from rdct.evaluation.text import label

__all__ = [
    "as_markdown", "as_text", "best_table", "label", "main_table", "metric_name", "note", "points_table",
    "title",
]  # fmt: skip

_NAMES = {
    "f1": "F1",
    "f1_loose": "F1 (IoU 0.3)",
    "iou": "target IoU",
    "agreement": "agreement",
    "miou_agreement": "mIoU agreement",
    "miou": "mIoU",
}


def _figure(value: float | None, digits: int, factor: float = 1.0) -> str:
    return "-" if value is None else f"{factor * value:.{digits}f}"


def metric_name(summary: dict[str, Any]) -> str:
    """What "accuracy" means in a summary."""
    return _NAMES[summary["metric"]]


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
    head = ["row", *(f"kbit/s at {name} {a:g}" for a in summary["accuracies"]), "settings"]
    body = []
    for row in summary["rows"]:
        cells = [_cell(row, j) for j in range(len(summary["accuracies"]))]
        missing = f", {row['missing']} not played" if row["missing"] else ""
        body.append([row["codec"], *cells, f"{len(row['points'])}{missing}"])
    return [head, *body]


def best_table(summary: dict[str, Any]) -> list[list[str]]:
    """The settings that the main table speaks of: up to where each is the cheapest, and what it costs."""
    name = metric_name(summary)
    head = ["row", f"up to {name}", "setting", "kbit/s", name, "response ms, mean", "inferences a frame",
            "$/h network", "$/h server"]  # fmt: skip
    table = [head]
    for row in summary["rows"]:
        upto = {dial: one for dial, one in zip(row["best"], summary["accuracies"], strict=True) if dial}
        points = {p["dial"]: p for p in row["points"]}
        for dial, accuracy in upto.items():
            p = points[dial]
            table.append([
                row["codec"], f"{accuracy:g}", dial, _figure(p["kbps"], 0),
                _figure(p[summary["metric"]], 3), _figure(p["response_s"], 0, 1e3),
                _figure(p["analysed"], 2), _figure(p["network_dollars"], 3),
                _figure(p["server_dollars"], 3),
            ])  # fmt: skip
    return table


def note(summary: dict[str, Any], tick: str = "") -> str:
    """What the figures of a table are."""
    run = summary["run"]
    if summary["task"] == "detection":
        least = IOUS["loose" if summary["metric"] == "f1_loose" else "strict"]
        what = (
            f"boxes one-to-one by class from an IoU of {least:g}, against the same detector on the raw "
            "frames. Response: from an object's first appearance until an answer has it right, over those "
            f"found; an object is in {MIN_FRAMES} frames or more, {1e3 * GAP_S:g} ms without it allowed."
        )
    else:
        what = "all pixels, against the same network on the raw frames; targets are the classes that count."
    return (
        f"kbit/s up, everything counted, of the cheapest setting that reaches it. {metric_name(summary)}: "
        f"{what} Percentages: against {tick}{summary['reference']}{tick}. "
        f"{run['mode'][0].upper()}{run['mode'][1:]}."
    )


def _parts(point: dict[str, Any]) -> str:
    return ", ".join(f"{kind} {100 * part:.0f} %" for kind, part in point["parts"].items() if part >= 0.005)


def points_table(summary: dict[str, Any]) -> list[list[str]]:
    """The settings of every row that no other of its own beats, in the order of their bits."""
    found = summary["task"] == "detection"
    if found:
        scores = {"f1": "F1", "f1_loose": "F1, IoU 0.3", "precision": "precision", "recall": "recall"}
        waits = {"response_s": "response ms, mean", "response_median_s": "median", "response_p95_s": "95 %",
                 "box_delay_s": "a box ms"}  # fmt: skip
    else:
        scores = {"iou": "IoU", "agreement": "agreement", "miou_agreement": "mIoU agreement", "miou": "mIoU"}
        waits = {"response_s": "response ms, mean"}
    head = ["row", "setting", "kbit/s up", "kbit/s down", *scores.values(), *waits.values(),
            *(["objects found"] if found else []), "sends", "unanswered", "inferences a frame",
            "on the device", "$/h network", "$/h server", "device ms", "bytes by stream"]  # fmt: skip
    table = [head]
    for row in summary["rows"]:
        for p in sorted((p for p in row["points"] if p["front"]), key=lambda p: p["kbps"]):
            objects = [f"{p['objects_found']} of {p['objects']}"] if found else []
            table.append([
                row["codec"], p["dial"], _figure(p["kbps"], 0), _figure(p["kbps_down"], 0),
                *(_figure(p[name], 3) for name in scores), *(_figure(p[name], 0, 1e3) for name in waits),
                *objects, str(p["sent"]), str(p["unanswered"]), _figure(p["analysed"], 2),
                _figure(p["camera_analysed"], 2), _figure(p["network_dollars"], 3),
                _figure(p["server_dollars"], 3), _figure(p["edge_s"], 1, 1e3), _parts(p),
            ])  # fmt: skip
    return table


def as_text(summary: dict[str, Any], *others: dict[str, Any]) -> str:
    """For a terminal: the main table, the same against `others`, best settings, and what is absent."""
    lines = [title(summary)]
    for one in (summary, *others):
        lines += ["", stills.aligned(main_table(one)), "", note(one)]
    lines += ["", stills.aligned(best_table(summary))]
    absences = stills.absences(summary)
    lines += ["", *absences] if absences else []
    return "\n".join(lines) + "\n"


def as_markdown(summary: dict[str, Any], *others: dict[str, Any]) -> str:
    """For docs/experiments: provenance, a table for each reference, best settings, fronts, settings."""
    run = summary["run"]
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    width, height = run["original"]
    size = f"{run['width']}x{run['height']}"
    if [run["width"], run["height"]] != [width, height]:
        size += f", resized from {width}x{height} before everything"
    counted = ", ".join(run["counted"]) or "all"
    lines = [
        f"**{title(summary)}, {size}.** Command `{run['command']}`.",
        f"Classes that count: {counted}. Commit `{run['commit']}`; {versions}.",
        "",
    ]
    for one in (summary, *others):
        lines += [stills.markdown(main_table(one)), "", note(one, "`"), ""]
    settings = [["row", "settings"], *([row["codec"], row["settings"]] for row in summary["rows"])]
    for name, table, numbers in (
        ("The settings behind them", best_table(summary), True),
        ("Settings that no other of their row beats", points_table(summary), True),
        ("Rows", settings, False),
    ):
        lines += [
            f"<details><summary>{name}</summary>", "", stills.markdown(table, numbers), "", "</details>", "",
        ]  # fmt: skip
    return "\n".join(lines[:-1]) + "\n"
