# SPDX-License-Identifier: Apache-2.0
"""From the records of systems on objects to figures: kbit/s at equal F1, delays, costs.

Only records are read. F1 is pooled over all objects of all frames. A row is swept over several parameters, so
no curve joins its points: at an accuracy it needs what the cheapest of its settings that reach it needs, and
its front are the settings that no other of its own beats in both. One clip is one sample, and its frames are
anything but independent, so there are no intervals.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rdct.evaluation import curves
from rdct.evaluation.detection.objects import response_delays, tracks
from rdct.evaluation.detection.prices import network_cost, server_cost
from rdct.evaluation.records import read
from rdct.vision import metrics
from rdct.vision.regions import Matches, Region

__all__ = ["METRICS", "REFERENCE", "Group", "cheapest", "front", "groups", "point_of", "summarise"]

#: The row that percentages are given against unless another is named.
REFERENCE = "uniform-jpeg"
#: What a table may be read at, by task; the first is the default.
METRICS = {
    "detection": ("f1", "f1_loose"),
    "segmentation": ("iou", "agreement", "miou_agreement", "miou"),
}
#: Where F1 is read unless the user says: those of these that any row reaches.
_TARGETS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
_STEP = 0.01
# What tells records of one row apart besides clip and setting.
_VARIANT = ("sha256", "truth_sha256", "settings", "weights", "code")


@dataclass
class Group:
    """Everything played with one network on one clip.

    Attributes
    ----------
    run : dict
        The latest run record.
    rows : dict
        By row name: its plan and, by setting, (point record, frame records).
    absent : dict
        Rows that could not run, with the reason.
    """

    run: dict[str, Any]
    rows: dict[str, tuple[dict[str, Any], dict[str, tuple[dict, list[dict]]]]]
    absent: dict[str, str] = field(default_factory=dict)


def groups(folder: Path, systems: list[str] | None = None) -> list[Group]:
    """Read the records of a folder: one group for each clip and network.

    The latest run that names a row says which of its records count. A point that was not finished is left
    out.
    """
    runs: dict[tuple[str, ...], list[dict]] = defaultdict(list)
    points: dict[tuple[str, ...], list[dict]] = defaultdict(list)
    frames: dict[str, dict[int, dict]] = defaultdict(dict)
    for record in read(folder):
        if record["kind"] == "frame":
            frames[record["point"]][record["frame"]] = record
        else:
            where = runs if record["kind"] == "run" else points
            where[record["set"], record["model"], record["task"]].append(record)
    return [_group(of_group, points[name], frames, systems) for name, of_group in runs.items()]


def _group(
    runs: list[dict], points: list[dict], frames: dict[str, dict[int, dict]], systems: list[str] | None
) -> Group:
    plans: dict[str, dict] = {}
    absent: dict[str, str] = {}
    for run in runs:
        shared = {name: run[name] for name in ("sha256", "truth_sha256", "weights")}
        plans |= {name: {**plan, **shared} for name, plan in run["systems"].items()}
        absent |= run["absent"]
    rows = {}
    for name, plan in plans.items():
        if systems is not None and name not in systems:
            continue
        found = {}
        for point in points:
            if point["system"] == name and all(point[one] == plan[one] for one in _VARIANT):
                of_point = frames[point["point"]]
                found[point["dial"]] = point, [of_point[index] for index in range(point["frames"])]
        rows[name] = plan, {dial: found[dial] for dial in plan["dials"] if dial in found}
    absent = {
        name: why
        for name, why in absent.items()
        if name not in plans and (systems is None or name in systems)
    }
    return Group(runs[-1], rows, absent)


def _number(value: float | None, digits: int = 6) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), digits)


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if len(values) else None


# ---------------------------------------------------------------------------------------------- one point


def point_of(dial: str, point: dict[str, Any], frames: list[dict], run: dict[str, Any]) -> dict[str, Any]:
    """All that the tables say of one row in one setting."""
    seconds = len(frames) / run["fps"]
    up = point["hello_bytes"] + sum(sum(frame["bytes_up"].values()) for frame in frames)
    down = point["welcome_bytes"] + point["stray_bytes"]
    down += sum(sum(frame["bytes_down"].values()) for frame in frames)
    kbps = 8e-3 * up / seconds
    analysed = sum(frame["inferences"] for frame in frames) / len(frames)
    waits = [frame["at_s"] - frame["time_s"] for frame in frames if frame["result"] != "none"]
    kinds = list(dict.fromkeys(kind for frame in frames for kind in frame["bytes_up"]))
    judged = _found(frames, run["fps"]) if run["task"] == "detection" else _labelled(frames, run)
    return {
        "dial": dial,
        "setting": point["setting"],
        "kbps": _number(kbps, 3),
        "kbps_down": _number(8e-3 * down / seconds, 3),
        **judged,
        "result_delay_s": _number(_mean(waits), 4),
        "unanswered": sum(frame["result"] == "none" for frame in frames),
        "sent": sum(bool(frame["bytes_up"]) for frame in frames),
        "analysed": _number(analysed, 4),
        "camera_analysed": _number(_mean([frame["camera_inferences"] for frame in frames]), 4),
        "network_dollars": _number(network_cost(kbps), 5),
        "server_dollars": _number(server_cost(analysed), 5),
        "edge_s": _number(_mean([frame["edge_s"] for frame in frames]), 5),
        "parts": {kind: _number(sum(f["bytes_up"].get(kind, 0) for f in frames) / up, 4) for kind in kinds},
    }


def _found(frames: list[dict], fps: float) -> dict[str, Any]:
    """F1, and how long objects took."""
    strict, loose = (
        sum((Matches(*frame[name]) for frame in frames), Matches()) for name in ("strict", "loose")
    )
    reference = [[Region(*box[:5], label=box[5]) for box in frame["reference"]] for frame in frames]
    known = [frame["known_s"] for frame in frames]
    times = [frame["time_s"] for frame in frames]
    delays = response_delays(tracks(reference, fps), known, times)
    reached = [one for one in delays if one is not None]
    boxes = [at - time for row, time in zip(known, times, strict=True) for at in row if at is not None]
    return {
        "f1": _number(strict.f1),
        "f1_loose": _number(loose.f1),
        "precision": _number(strict.precision),
        "recall": _number(strict.recall),
        "objects": len(delays),
        "objects_found": len(reached),
        "response_s": _number(_mean(reached), 4),
        "response_median_s": _number(np.median(reached), 4) if reached else None,
        "response_p95_s": _number(np.percentile(reached, 95), 4) if reached else None,
        "box_delay_s": _number(_mean(boxes), 4),
    }


def _labelled(frames: list[dict], run: dict[str, Any]) -> dict[str, Any]:
    """IoU of the classes that count, and agreement, over all pixels of all frames."""
    raw = _pooled(frames, "raw_confusion")
    truth = _pooled(frames, "truth_confusion")
    of_class = metrics.iou_per_class(raw)
    wanted = of_class[run["counted_labels"]] if run["counted_labels"] else of_class
    waits = [frame["at_s"] - frame["time_s"] for frame in frames if frame["result"] != "none"]
    return {
        "iou": _number(np.mean(wanted[~np.isnan(wanted)])) if not np.isnan(wanted).all() else None,
        "agreement": _number(metrics.pixel_accuracy(raw)),
        "miou_agreement": _number(metrics.miou(raw)),
        "miou": None if truth is None else _number(metrics.miou(truth)),
        # A pixel's class is known when its frame's labels are.
        "response_s": _number(_mean(waits), 4),
    }


def _pooled(frames: list[dict], name: str) -> np.ndarray | None:
    """One confusion matrix over these frames."""
    if any(frame[name] is None for frame in frames):
        return None
    flat = np.sum([frame[name] for frame in frames], 0, dtype=np.int64)
    k = round((math.sqrt(4 * flat.size + 1) - 1) / 2)  # k (k + 1) entries
    return flat.reshape(k, k + 1)


# ---------------------------------------------------------------------------------------------- the rows


def front(points: list[dict], price: str, metric: str) -> list[dict]:
    """The points that no other beats: neither as good for less, nor better for as much.

    Parameters
    ----------
    points : list of dict
        Of a row; those without a price or an accuracy are passed over.
    price, metric : str
        What should be low, and what high.
    """
    known = [p for p in points if p[price] is not None and p[metric] is not None]
    best: list[dict] = []
    for p in sorted(known, key=lambda p: (p[price], -p[metric])):
        if not best or p[metric] > best[-1][metric]:
            best.append(p)
    return best


def cheapest(points: list[dict], metric: str, accuracy: float) -> dict | None:
    """The setting of the fewest bits that reaches an accuracy."""
    reached = [p for p in points if p[metric] is not None and p[metric] >= accuracy]
    return min(reached, key=lambda p: p["kbps"], default=None)


def _default_accuracies(rows: list[dict], metric: str) -> tuple[float, ...]:
    """F1 that any row reaches; of others the highest hundredth that every row reaches, and the two below."""
    best = [max((p[metric] for p in r["points"] if p[metric] is not None), default=None) for r in rows]
    best = [one for one in best if one is not None]
    if not best:
        return ()
    if metric in METRICS["detection"]:
        return tuple(one for one in _TARGETS if one <= max(best))
    top = math.floor(min(best) / _STEP) * _STEP
    return tuple(round(top - steps * _STEP, 6) for steps in (2, 1, 0))


def summarise(
    group: Group,
    accuracies: tuple[float, ...] | None = None,
    *,
    reference: str = REFERENCE,
    metric: str | None = None,
) -> dict[str, Any]:
    """Kbit/s at equal accuracy for every row, against a reference row.

    Parameters
    ----------
    group : Group
    accuracies : tuple of float, optional
        Values of `metric` to read at.
    reference : str
        A row name.
    metric : str, optional
        One of `METRICS` of the group's task; the first of them.

    Returns
    -------
    dict
        Plain JSON values, as `stac-eval table --json` prints them. Percentages are shares.

    Raises
    ------
    ValueError
        Another metric.
    """
    run = group.run
    known = METRICS[run["task"]]
    metric = known[0] if metric is None else metric
    if metric not in known:
        raise ValueError(f"metric must be one of {', '.join(known)} for {run['task']}, got {metric!r}")
    rows: list[dict[str, Any]] = []
    for name, (plan, found) in group.rows.items():
        points = [point_of(dial, *found[dial], run) for dial in found]
        best = [p["dial"] for p in front(points, "kbps", metric)]
        points = [{**p, "front": p["dial"] in best} for p in points]
        rows.append({"codec": name, "tables": None, "settings": plan["settings"], "code": plan["code"],
                     "missing": len(plan["dials"]) - len(points), "points": points})  # fmt: skip
    if accuracies is None:
        accuracies = _default_accuracies(rows, metric)
    base = next((row["points"] for row in rows if row["codec"] == reference), None)
    for row in rows:
        best = [cheapest(row["points"], metric, one) for one in accuracies]
        against = [None if base is None else cheapest(base, metric, one) for one in accuracies]
        row |= {
            "kbps": [p and p["kbps"] for p in best],
            "best": [p and p["dial"] for p in best],
            "why": ["" if p else curves.NOT_REACHED for p in best],
            "against": None if base is None else reference,
            "percent": [
                _number(p["kbps"] / q["kbps"] - 1) if p and q and q["kbps"] else None
                for p, q in zip(best, against, strict=True)
            ],
        }
    nothing = [None] * len(accuracies)
    rows += [
        {"codec": name, "tables": None, "settings": f"absent: {reason}", "code": "", "missing": 0,
         "points": [], "kbps": list(nothing), "best": list(nothing), "why": ["absent"] * len(accuracies),
         "against": None, "percent": list(nothing)}
        for name, reason in group.absent.items()
    ]  # fmt: skip
    return {
        "medium": "detection",
        "task": run["task"],
        "rate": "kbps",
        "set": run["set"],
        "model": run["model"],
        "run": run,
        "frames": run["frames"],
        "fps": run["fps"],
        "metric": metric,
        "accuracies": list(accuracies),
        "reference": reference,
        "rows": rows,
    }
