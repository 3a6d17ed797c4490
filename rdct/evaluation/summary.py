"""From records to figures: pooled curves, bits at equal accuracy, percentages, intervals.

Only records are read. A figure over several pictures is always pooled: bits over pixels, agreeing
pixels over pixels, one confusion matrix over all pixels; never a mean of per-picture scores. All
systems of a group are compared on the same pictures.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rdct.evaluation import curves
from rdct.evaluation.classes import class_iou, iou_at
from rdct.evaluation.codecs import NAMES, REFERENCE
from rdct.evaluation.records import read

__all__ = ["METRICS", "Curve", "Group", "groups", "summarise"]

#: What "accuracy" may mean.
METRICS = ("agreement", "miou_agreement", "miou")
#: BD-rates start here: what agrees less is of no use, and would fill most of the range.
BD_FLOOR = {"agreement": 0.95, "miou_agreement": 0.75, "miou": 0.0}
#: An interval is given only if at least this share of the resamples reach the accuracy.
MIN_REACHED = 0.95

# What tells records of one system apart besides picture, dial and table mode.
_VARIANT = ("settings", "table_set", "tables_sha256", "weights", "code")


@dataclass
class Curve:
    """One system's measurements on P pictures at D points of its dial.

    Attributes
    ----------
    bits, pixels, source_pixels : numpy.ndarray
        float64 ``[P, D]``, ``[P]`` and ``[P]``; the last before resizing, if there was any.
    raw, truth : numpy.ndarray
        Confusion matrices ``[P, D, K, K + 1]`` against the labels on the raw picture and against
        the given ones (None without those; its K leaves the ignored class out).
    """

    system: str
    tables: str | None
    settings: str
    code: str
    dials: list[float]
    pictures: list[str]
    bits: np.ndarray
    pixels: np.ndarray
    source_pixels: np.ndarray
    raw: np.ndarray
    truth: np.ndarray | None
    seconds: np.ndarray
    psnr: np.ndarray
    facts: list[dict[str, float]]
    parts: list[dict[str, float] | None]

    @property
    def label(self) -> str:
        return self.system if self.tables is None else f"{self.system} ({self.tables})"

    def bpp(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Bits per pixel ``[D]``; `weights` says how often each picture counts."""
        w = np.ones(len(self.pixels)) if weights is None else weights
        return (w @ self.bits) / (w @ self.pixels)

    def accuracy(self, metric: str, weights: np.ndarray | None = None) -> np.ndarray:
        """The pooled metric ``[D]``; NaN where there is no truth to hold against."""
        w = np.ones(len(self.pixels)) if weights is None else weights
        matrices = self.truth if metric == "miou" else self.raw
        if matrices is None:
            return np.full(len(self.dials), np.nan)
        pooled = np.tensordot(w, matrices, 1)
        hit = np.einsum("dkk->dk", pooled[..., : pooled.shape[1]])
        if metric == "agreement":
            return hit.sum(-1) / pooled.sum((1, 2))
        union = pooled.sum(2) + pooled[..., : pooled.shape[1]].sum(1) - hit
        present = union > 0
        iou = np.divide(hit, union, out=np.zeros_like(hit), where=present)
        return iou.sum(-1) / present.sum(-1)


@dataclass
class Group:
    """Everything measured with one network on one set of pictures, resized in one way."""

    set: str
    model: str
    resize: str | None
    run: dict[str, Any]
    curves: list[Curve]
    pictures: list[str]
    left_out: int
    absent: dict[str, str] = field(default_factory=dict)


def groups(folder: Path, systems: list[str] | None = None) -> list[Group]:
    """Read the records of a folder: one group for each set of pictures, network and way of resizing.

    The latest run that names a system says which of its records count: settings, version of the
    code, points of the dial, table modes and pictures. What other runs left there stays unused.

    Parameters
    ----------
    folder : Path
    systems : list of str, optional
        Only these.

    Raises
    ------
    ValueError
        The systems have no picture in common.
    """
    runs: dict[tuple, list[dict]] = defaultdict(list)
    points: dict[tuple, list[dict]] = defaultdict(list)
    for record in read(folder):
        where = runs if record["kind"] == "run" else points
        where[record["set"], record["model"], record.get("resize")].append(record)
    return [_group(of_group, points[name], systems) for name, of_group in runs.items()]


def _group(runs: list[dict], records: list[dict], systems: list[str] | None) -> Group:
    plans: dict[str, dict] = {}
    absent: dict[str, str] = {}
    for run in runs:
        for name, plan in run["systems"].items():
            plans[name] = {**plan, "weights": run["weights"], "pictures": run["pictures"]}
        absent |= run["absent"]
    if systems is not None:
        plans = {name: plan for name, plan in plans.items() if name in systems}
        absent = {name: reason for name, reason in absent.items() if name in systems}
    cells: dict[tuple[str, str | None], dict[tuple[str, float], dict]] = defaultdict(dict)
    for record in records:
        plan = plans.get(record["system"])
        if plan and all(record[name] == plan[name] for name in _VARIANT):
            cells[record["system"], record["tables"]][record["sha256"], record["dial"]] = record
    rows = [(name, mode) for name, plan in plans.items() for mode in plan["modes"]]
    complete = {
        row: {
            sha for sha in plans[row[0]]["pictures"]
            if all((sha, dial) in cells[row] for dial in plans[row[0]]["dials"])
        }
        for row in rows
    }  # fmt: skip
    asked = set().union(*(plan["pictures"] for plan in plans.values()))
    common = set.intersection(*complete.values()) if complete else set()
    name, model = runs[-1]["set"], runs[-1]["model"]
    if rows and not common:
        counts = ", ".join(f"{row[0]}: {len(found)}" for row, found in complete.items())
        raise ValueError(
            f"{name}, {model}: no picture is complete for every system ({counts}); finish the run, "
            "or name systems that ran on the same pictures"
        )
    pictures = sorted(common)
    order = {system: index for index, system in enumerate(NAMES)}
    rows.sort(key=lambda row: (order.get(row[0], len(order)), _natural(row[0]), row[1] == "inline"))
    found = [_curve(*row, plans[row[0]]["dials"], pictures, cells[row]) for row in rows]
    absent = {k: v for k, v in absent.items() if k not in plans}
    return Group(name, model, runs[-1].get("resize"), runs[-1], found, pictures, len(asked - common), absent)


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts `L8` before `L16`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _curve(
    system: str,
    tables: str | None,
    dials: list[float],
    pictures: list[str],
    cells: dict[tuple[str, float], dict],
) -> Curve:
    grid = [[cells[sha, dial] for dial in dials] for sha in pictures]

    def matrices(name: str) -> np.ndarray | None:
        if any(cell[name] is None for row in grid for cell in row):
            return None
        flat = np.array([[cell[name] for cell in row] for row in grid], np.float64)
        k = round((np.sqrt(4 * flat.shape[-1] + 1) - 1) / 2)  # k (k + 1) entries
        return flat.reshape(len(pictures), len(dials), k, k + 1)

    def mean(dicts: list[dict | None]) -> dict[str, float] | None:
        if any(one is None for one in dicts):
            return None
        names = [n for n, v in dicts[0].items() if isinstance(v, int | float)]
        return {n: float(np.mean([one[n] for one in dicts if n in one])) for n in names}

    first = grid[0][0]
    return Curve(
        system,
        tables,
        first["settings"],
        first["code"],
        dials,
        pictures,
        np.array([[8.0 * cell["bytes"] for cell in row] for row in grid]),
        np.array([float(row[0]["width"] * row[0]["height"]) for row in grid]),
        np.array([float(row[0].get("source_pixels", row[0]["width"] * row[0]["height"])) for row in grid]),
        matrices("raw_confusion"),
        matrices("truth_confusion"),
        np.mean([[(c["encode_s"], c["decode_s"]) for c in row] for row in grid], 0),
        np.mean([[np.nan if c["psnr"] is None else c["psnr"] for c in row] for row in grid], 0),
        [mean([row[d]["facts"] for row in grid]) or {} for d in range(len(dials))],
        [mean([row[d]["parts"] for row in grid]) for d in range(len(dials))],
    )


def _number(value: float | None, digits: int = 6) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), digits)


def _points(curve: Curve) -> list[dict[str, Any]]:
    columns = {metric: curve.accuracy(metric) for metric in METRICS}
    bpp = curve.bpp()
    classes = class_iou(curve)
    return [
        {
            "dial": dial,
            "bpp": _number(bpp[d]),
            "bpp_source": _number(bpp[d] * curve.pixels.sum() / curve.source_pixels.sum()),
            **{metric: _number(values[d]) for metric, values in columns.items()},
            "class_iou": {against: found and found[d] for against, found in classes.items()},
            "psnr": _number(curve.psnr[d], 3),
            "encode_s": _number(curve.seconds[d, 0], 5),
            "decode_s": _number(curve.seconds[d, 1], 5),
            "parts": curve.parts[d],
            "facts": curve.facts[d],
        }
        for d, dial in enumerate(curve.dials)
    ]


def _class_iou(curve: Curve, rates: list[float | None]) -> list[dict[str, Any] | None]:
    """IoU of every class at each rate; None where there is none."""
    found, bpp = class_iou(curve), curve.bpp()
    return [
        None
        if rate is None
        else {against: points and iou_at(points, bpp, rate) for against, points in found.items()}
        for rate in rates
    ]


def summarise(
    group: Group,
    accuracies: tuple[float, ...],
    *,
    reference: str = REFERENCE,
    metric: str = "agreement",
    resamples: int = 1000,
    seed: int = 1,
) -> dict[str, Any]:
    """Bits at equal accuracy for every row, against a reference row.

    Parameters
    ----------
    group : Group
    accuracies : tuple of float
        Values of `metric` to read the curves at.
    reference : str
        A row name ("grace") or row and table mode ("grace (id)"); the plain name of a system with
        table modes compares each row with the reference of its own mode.
    metric : str
        One of `METRICS`.
    resamples, seed : int
        Bootstrap over pictures for the 95 % intervals; 0 for none. The same resamples serve every
        row, so that a percentage compares two systems on the same pictures.

    Returns
    -------
    dict
        Plain JSON values, as `stac-eval table --json` prints them. Percentages are shares
        (-0.3 = 30 % fewer bits).
    """
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
    rng = np.random.default_rng(seed)
    count = len(group.pictures)
    draws = rng.multinomial(count, np.full(count, 1 / count), resamples) if count else np.empty((0, 0))
    read_outs = {}
    for curve in group.curves:
        at = curves.bits_at(curve.bpp(), curve.accuracy(metric), accuracies)
        boot = np.full((len(draws), len(accuracies)), np.nan)
        if any(one.rate is not None for one in at):
            for i, weights in enumerate(draws.astype(float)):
                drawn = curves.bits_at(curve.bpp(weights), curve.accuracy(metric, weights), accuracies)
                boot[i] = [np.nan if one.rate is None else one.rate for one in drawn]
        read_outs[curve.label] = (at, boot)
    rows = []
    for curve in group.curves:
        at, boot = read_outs[curve.label]
        base = _reference(group, curve, reference)
        row = {
            "codec": curve.system,
            "tables": curve.tables,
            "settings": curve.settings,
            "code": curve.code,
            "bpp": [_number(one.rate) for one in at],
            "why": [one.why for one in at],
            "against": base.label if base else None,
            "percent": [None] * len(accuracies),
            "interval": [None] * len(accuracies),
            "bd_rate": None,
            "class_iou": _class_iou(curve, [one.rate for one in at]),
            "points": _points(curve),
        }
        if base is not None:
            base_at, base_boot = read_outs[base.label]
            for j in range(len(accuracies)):
                if at[j].rate is not None and base_at[j].rate is not None:
                    row["percent"][j] = _number(at[j].rate / base_at[j].rate - 1)
                    row["interval"][j] = _interval(boot[:, j] / base_boot[:, j] - 1)
            pair = (curve.bpp(), curve.accuracy(metric), base.bpp(), base.accuracy(metric))
            share = curves.bd_rate(*pair, floor=BD_FLOOR[metric])
            row["bd_rate"] = _number(share)
        rows.append(row)
    rows += [
        {
            "codec": name,
            "tables": None,
            "settings": f"absent: {reason}",
            "code": "",
            "bpp": [None] * len(accuracies),
            "why": ["absent"] * len(accuracies),
            "against": None,
            "percent": [None] * len(accuracies),
            "interval": [None] * len(accuracies),
            "bd_rate": None,
            "class_iou": [],
            "points": [],
        }
        for name, reason in group.absent.items()
    ]
    return {
        "set": group.set,
        "resize": group.resize,
        "pixel_share": _number(_pixel_share(group)),
        "model": group.model,
        "run": group.run,
        "pictures": count,
        "left_out": group.left_out,
        "metric": metric,
        "bd_floor": BD_FLOOR[metric],
        "accuracies": list(accuracies),
        "reference": reference,
        "resamples": resamples,
        "seed": seed,
        "rows": rows,
    }


def _pixel_share(group: Group) -> float | None:
    """Pixels of the pictures as coded over those of their sources."""
    first = next(iter(group.curves), None)
    return None if first is None else first.pixels.sum() / first.source_pixels.sum()


def _reference(group: Group, curve: Curve, name: str) -> Curve | None:
    """The row to compare with: by label, else the same table mode, else without one."""
    of_name = [c for c in group.curves if name in (c.system, c.label)]
    for wanted in (curve.tables, None):
        for one in of_name:
            if one.label == name or one.tables == wanted:
                return one
    return of_name[0] if of_name else None


def _interval(values: np.ndarray) -> list[float] | None:
    reached = values[np.isfinite(values)]
    if not len(values) or len(reached) < MIN_REACHED * len(values):
        return None
    return [_number(one) for one in np.percentile(reached, (2.5, 97.5))]
