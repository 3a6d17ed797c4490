"""Intersection over union class by class: whether what is rare is starved.

A mean over classes hides which of them pay for the bits that are saved. Held against the network's labels on
the raw picture it says what coding did, against the truth what is left to a user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from rdct.evaluation.summary import Curve

__all__ = ["class_iou", "iou_at", "per_class_tables"]


def class_iou(curve: Curve) -> dict[str, list[list[float | None]] | None]:
    """IoU of every class at every point of a dial, pooled over the pictures.

    Returns
    -------
    dict
        "raw" and "truth" to ``[D][K]``; None inside for a class that neither side holds, in place of the
        whole where there is no truth.
    """
    return {
        "raw": _pooled(curve.raw),
        "truth": None if curve.truth is None else _pooled(curve.truth),
    }


def _pooled(matrices: np.ndarray) -> list[list[float | None]]:
    from rdct.vision.metrics import iou_per_class

    found = [iou_per_class(matrix) for matrix in matrices.sum(0)]
    return [[None if np.isnan(one) else round(float(one), 6) for one in point] for point in found]


def iou_at(
    points: list[list[float | None]], bpp: np.ndarray, rate: float | None
) -> list[float | None] | None:
    """IoU of every class at a rate, linear in log rate between the points on either side of it.

    Parameters
    ----------
    points : list
        ``[D][K]``, as `class_iou` gives them.
    bpp : numpy.ndarray
        ``[D]``.
    rate : float or None
        Within the points; None (the curve does not tell) gives None.
    """
    if rate is None:
        return None
    order = np.argsort(bpp)
    logs = np.log(np.asarray(bpp)[order])
    values = np.array([[np.nan if one is None else one for one in points[d]] for d in order])
    found = [np.interp(np.log(rate), logs, column) for column in values.T]
    return [None if np.isnan(one) else round(float(one), 6) for one in found]


def per_class_tables(summary: dict[str, Any]) -> list[tuple[str, list[list[str]]]]:
    """A title and a table for each accuracy: classes across, rows down, per cent against raw / truth."""
    from rdct.evaluation.text import label, metric_name

    rows = [row for row in summary["rows"] if row["class_iou"]]
    if not rows:
        return []
    count = len(rows[0]["points"][0]["class_iou"]["raw"])
    names = summary["run"].get("class_names") or [f"class {k}" for k in range(count)]
    truth = all(row["points"][0]["class_iou"]["truth"] for row in rows)
    # An ignored class has no pixels in the truth, whose matrices leave it out.
    ignored = summary["run"].get("ignore_label")
    of_truth = [k for k in range(count) if k != ignored]
    against = "raw / truth" if truth else "raw"
    tables = []
    for j, accuracy in enumerate(summary["accuracies"]):
        body = []
        for row in rows:
            at = row["class_iou"][j]
            if at is None:
                continue
            cells = [_share(one) for one in at["raw"]]
            if truth:
                given = dict(zip(of_truth, at["truth"], strict=True))
                cells = [f"{cell} / {_share(given.get(k))}" for k, cell in enumerate(cells)]
            body.append([label(row), *cells])
        if body:
            title = f"IoU of each class, per cent against {against}, at {metric_name(summary)} {accuracy:g}"
            tables.append((title, [["row", *names], *body]))
    return tables


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
