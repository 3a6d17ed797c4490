"""From the records of a video to figures: kbit/s at equal accuracy over all frames, keyframes, freshness.

Only records are read. Accuracy is pooled over every frame of the clip, keyframes and propagated ones alike;
a frame without labels misses all its pixels. One clip is one sample, and its frames are anything but
independent, so there are no intervals.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rdct.evaluation import curves
from rdct.evaluation.records import read
from rdct.evaluation.summary import METRICS
from rdct.evaluation.video.systems import NAMES, REFERENCE
from rdct.vision import metrics

__all__ = ["Group", "groups", "summarise"]

# What tells records of one system apart besides clip and dial.
_VARIANT = ("sha256", "truth_sha256", "settings", "table_set", "tables_sha256", "weights", "code")
#: Without a word from the user: as far as every row reaches, in steps of this, and two steps less.
_STEP = 0.01


@dataclass
class Group:
    """Everything played with one network on one clip.

    Attributes
    ----------
    run : dict
        The latest run record.
    rows : dict
        By system: its plan and, by dial, (point record, frame records).
    absent : dict
        Systems that could not run, with the reason.
    """

    run: dict[str, Any]
    rows: dict[str, tuple[dict[str, Any], dict[float, tuple[dict, list[dict]]]]]
    absent: dict[str, str] = field(default_factory=dict)


def groups(folder: Path, systems: list[str] | None = None) -> list[Group]:
    """Read the records of a folder: one group for each clip and network.

    The latest run that names a system says which of its records count. A point that was not finished
    is left out.
    """
    runs: dict[tuple[str, str], list[dict]] = defaultdict(list)
    points: dict[tuple[str, str], list[dict]] = defaultdict(list)
    frames: dict[str, dict[int, dict]] = defaultdict(dict)
    for record in read(folder):
        if record["kind"] == "frame":
            frames[record["point"]][record["frame"]] = record
        else:
            where = runs if record["kind"] == "run" else points
            where[record["set"], record["model"]].append(record)
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
    wanted = [name for name in NAMES if systems is None or name in systems]
    rows = {}
    for name in wanted:
        if name not in plans:
            continue
        plan, found = plans[name], {}
        for point in points:
            same = point["system"] == name and all(point[one] == plan[one] for one in _VARIANT)
            if same and point["dial"] in plan["dials"]:
                of_point = frames[point["point"]]
                found[point["dial"]] = point, [of_point[index] for index in range(point["frames"])]
        rows[name] = plan, {dial: found[dial] for dial in plan["dials"] if dial in found}
    absent = {name: why for name, why in absent.items() if name in wanted and name not in plans}
    return Group(runs[-1], rows, absent)


def _number(value: float | None, digits: int = 6) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), digits)


def _pooled(frames: list[dict], name: str) -> np.ndarray | None:
    """One confusion matrix over these frames."""
    if not frames or any(frame[name] is None for frame in frames):
        return None
    flat = np.sum([frame[name] for frame in frames], 0, dtype=np.int64)
    k = round((math.sqrt(4 * flat.size + 1) - 1) / 2)  # k (k + 1) entries
    return flat.reshape(k, k + 1)


def _share(frames: list[dict], kind: str) -> float | None:
    matrix = _pooled([frame for frame in frames if frame["result"] == kind], "raw_confusion")
    return None if matrix is None else metrics.pixel_accuracy(matrix)


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _point(dial: float, point: dict[str, Any], frames: list[dict], fps: float) -> dict[str, Any]:
    """All that the tables say of one system at one setting."""
    seconds = len(frames) / fps
    raw, truth = _pooled(frames, "raw_confusion"), _pooled(frames, "truth_confusion")
    sent = [frame for frame in frames if frame["keyframe"] is not None]
    up = point["hello_bytes"] + sum(sum(frame["bytes_up"].values()) for frame in frames)
    down = point["table_set_bytes"] + sum(sum(frame["bytes_down"].values()) for frame in frames)
    # How old the picture behind the labels is when they come out.
    ages = [f["age_frames"] / fps + f["delay_s"] for f in frames if f["age_frames"] is not None]
    kinds = list(dict.fromkeys(kind for frame in sent for kind in frame["bytes_up"]))
    server = [frame["server_s"] for frame in sent if frame["server_s"]]
    return {
        "dial": dial,
        "kbps": _number(8e-3 * up / seconds, 3),
        "kbps_down": _number(8e-3 * down / seconds, 3),
        "agreement": _number(metrics.pixel_accuracy(raw)),
        "miou_agreement": _number(metrics.miou(raw)),
        "miou": None if truth is None else _number(metrics.miou(truth)),
        "agreement_keyframes": _number(_share(frames, "server")),
        "agreement_propagated": _number(_share(frames, "propagated")),
        "keyframes": len(sent),
        "keyframes_per_s": _number(len(sent) / seconds, 3),
        "unlabelled": sum(frame["result"] == "none" for frame in frames),
        "freshness_mean_s": _number(_mean(ages), 4),
        "freshness_p95_s": _number(np.percentile(ages, 95), 4) if ages else None,
        "delay_mean_s": _number(_mean([frame["delay_s"] for frame in frames]), 4),
        "psnr": _number(_mean([f["decoded_psnr"] for f in sent if f["decoded_psnr"] is not None]), 3),
        "edge_s": _number(float(np.median([frame["edge_s"] for frame in frames])), 5),
        "labels_s": _number(_mean([times[0] for times in server]), 5),
        "levels_s": _number(_mean([times[1] for times in server if len(times) > 1]), 5),
        "parts": {kind: _number(_mean([f["bytes_up"].get(kind, 0) for f in sent]), 1) for kind in kinds},
    }


def _reachable(rows: list[dict], metric: str) -> tuple[float, ...]:
    """The highest accuracy that every row reaches, and two below it, on a grid."""
    best = [max((p[metric] for p in r["points"] if p[metric] is not None), default=None) for r in rows]
    best = [one for one in best if one is not None]
    if not best:
        return ()
    top = math.floor(min(best) / _STEP) * _STEP
    return tuple(round(top - steps * _STEP, 6) for steps in (2, 1, 0))


def summarise(
    group: Group,
    accuracies: tuple[float, ...] | None = None,
    *,
    reference: str = REFERENCE,
    metric: str = "agreement",
) -> dict[str, Any]:
    """Kbit/s at equal accuracy for every row, against a reference row.

    Parameters
    ----------
    group : Group
    accuracies : tuple of float, optional
        Values of `metric` to read the curves at. Default: the highest hundredth that every row
        reaches, and the two below.
    reference : str
        A row name.
    metric : str
        One of `rdct.evaluation.summary.METRICS`.

    Returns
    -------
    dict
        Plain JSON values, as `stac-eval table --json` prints them. Percentages are shares.
    """
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
    run = group.run
    rows: list[dict[str, Any]] = [
        {
            "codec": name,
            "tables": None,
            "settings": plan["settings"],
            "code": plan["code"],
            "points": [_point(dial, *found[dial], run["fps"]) for dial in found],
        }
        for name, (plan, found) in group.rows.items()
    ]
    if accuracies is None:
        accuracies = _reachable(rows, metric)
    nothing = [None] * len(accuracies)
    lines = {row["codec"]: _line(row, metric) for row in rows}
    floor = min(accuracies, default=0.0)
    for row in rows:
        at = curves.bits_at(*lines[row["codec"]], accuracies)
        row |= {"kbps": [_number(one.rate, 3) for one in at], "why": [one.why for one in at]}
        row |= {"against": None, "percent": list(nothing), "bd_rate": None}
        if reference in lines:
            base = curves.bits_at(*lines[reference], accuracies)
            row["against"] = reference
            row["percent"] = [
                _number(a.rate / b.rate - 1) if a.rate and b.rate else None
                for a, b in zip(at, base, strict=True)
            ]
            row["bd_rate"] = _number(curves.bd_rate(*lines[row["codec"]], *lines[reference], floor=floor))
    rows += [
        {
            "codec": name,
            "tables": None,
            "settings": f"absent: {reason}",
            "code": "",
            "kbps": list(nothing),
            "why": ["absent"] * len(accuracies),
            "against": None,
            "percent": list(nothing),
            "bd_rate": None,
            "points": [],
        }
        for name, reason in group.absent.items()
    ]
    return {
        "medium": "video",
        "rate": "kbps",
        "set": run["set"],
        "model": run["model"],
        "run": run,
        "frames": run["frames"],
        "fps": run["fps"],
        "metric": metric,
        "bd_floor": floor,
        "accuracies": list(accuracies),
        "reference": reference,
        "rows": rows,
    }


def _line(row: dict[str, Any], metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Rate and accuracy of a row's points; NaN where there is no truth to hold against."""
    points = row["points"]
    accuracy = [np.nan if p[metric] is None else p[metric] for p in points]
    return np.array([p["kbps"] for p in points], float), np.array(accuracy, float)
