"""Table I of the STAC paper beside ours: its systems at its own settings, and at equal answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rdct.evaluation import text
from rdct.evaluation.records import medium
from rdct.evaluation.video import summary

__all__ = ["PUBLISHED", "Published", "table_one"]


@dataclass(frozen=True)
class Published:
    """A line of Table I: DRN-D-22, Cityscapes at 2048x1024 and 17 frames a second, trigger 26 dB.

    Attributes
    ----------
    dial : float or None
        Quality or CRF; None where the budget was searched.
    kbps, miou, frames_per_s : float
        kbit/s up, mIoU as a share, frames sent a second.
    """

    dial: float | None
    kbps: float
    miou: float
    frames_per_s: float


#: Xiao et al., INFOCOM 2022, Table I, by our names of rows.
PUBLISHED = {
    "stac-paper": Published(None, 19450, 0.6616, 6.8),
    "grace": Published(None, 23120, 0.6604, 6.8),
    "jpeg-turbo-444": Published(96, 29260, 0.6594, 6.8),
    "h264-all": Published(13, 25670, 0.6622, 17.0),
}
#: The row whose accuracy at the paper's setting is the one at which all are compared.
_AT = "jpeg-turbo-444"
_OURS = "stac-paper"
_DIALS = {"jpeg-turbo-444": "Q", "h264-all": "CRF ", "h264-keyframes": "CRF ", "h264-intra": "CRF "}


def table_one(folder: Path) -> str:
    """Theirs and ours, as Markdown.

    Every system at the point nearest to the paper's setting (where it has none of its own, at the scale that
    agrees as JPEG does there), and all at that agreement, read off their curves.

    Parameters
    ----------
    folder : Path
        Records of `stac-eval run` on a clip.

    Raises
    ------
    ValueError
        They are not of a clip, or lack JPEG or STAC.
    """
    if medium(folder) != "video":
        raise ValueError(f"{folder} holds no records of a clip; make them with stac-eval run table-1")
    return "\n".join(_table(group) for group in summary.groups(folder))


def _table(group: summary.Group) -> str:
    missing = [name for name in (_AT, _OURS) if name not in group.rows]
    if missing:
        raise ValueError(f"{group.run['set']}: {' and '.join(missing)} not on record; Table I needs both")
    points = {row["codec"]: row["points"] for row in summary.summarise(group, ())["rows"]}
    wanted = _nearest(points[_AT], PUBLISHED[_AT].dial)["agreement"]
    found = summary.summarise(group, (wanted,), reference=_OURS)
    rows = {row["codec"]: row for row in found["rows"] if row["points"]}
    ours = rows[_OURS]["kbps"][0]
    head = [
        "system", "paper: setting", "kbit/s", "mIoU", "frames/s", "STAC against it",
        "here: setting", "kbit/s", "agreement", "mIoU", "frames/s", "STAC against it",
        f"kbit/s at agreement {wanted:.4f}", "STAC against it",
    ]  # fmt: skip
    names = [name for name in PUBLISHED if name in rows] + [name for name in rows if name not in PUBLISHED]
    table = [
        head,
        *([name, *_theirs(name), *_here(name, rows[name], wanted, ours), *_equal(name, rows[name], ours)]
          for name in names),
    ]  # fmt: skip
    run = group.run
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    return "\n".join([
        f"**{run['model']} on {run['set']}: {run['frames']} frames, {run['width']}x{run['height']}.** "
        f"Command `{run['command']}`.",
        f"Table sets: {run['tables'] or 'shipped'}, by id. Commit `{run['commit']}`; {versions}.",
        "", text.markdown(table), "",
    ])  # fmt: skip


def _nearest(points: list[dict[str, Any]], dial: float) -> dict[str, Any]:
    return min(points, key=lambda point: abs(point["dial"] - dial))


def _theirs(name: str) -> list[str]:
    published = PUBLISHED.get(name)
    if published is None:
        return ["-"] * 5
    setting = "budget searched" if published.dial is None else f"{_DIALS[name]}{published.dial:g}"
    return [
        setting, f"{published.kbps:.0f}", f"{published.miou:.4f}", f"{published.frames_per_s:g}",
        _against(name, PUBLISHED[_OURS].kbps, published.kbps),
    ]  # fmt: skip


def _here(name: str, row: dict[str, Any], wanted: float, ours: float | None) -> list[str]:
    """A row at the paper's setting, or, if that was a search, at the scale that reaches `wanted`."""
    dial = PUBLISHED["h264-all" if name.startswith("h264") else name].dial if name in _DIALS else None
    if dial is None:
        if row["kbps"][0] is None:
            return ["scale", *["-"] * 5]
        scale, miou, sent = (
            _at(row, one, row["kbps"][0]) for one in ("dial", "miou", "keyframes_per_s")
        )  # fmt: skip
        point = {"kbps": row["kbps"][0], "agreement": wanted, "miou": miou, "keyframes_per_s": sent}
        setting = f"scale {scale:.2f}"
    else:
        point = _nearest(row["points"], dial)
        setting = f"{_DIALS[name]}{point['dial']:g}"
    return [
        setting, f"{point['kbps']:.0f}", f"{point['agreement']:.4f}",
        "-" if point["miou"] is None else f"{point['miou']:.4f}", f"{point['keyframes_per_s']:.1f}",
        _against(name, ours, point["kbps"]),
    ]  # fmt: skip


def _at(row: dict[str, Any], name: str, kbps: float) -> float | None:
    """A column of the points at that rate, between its neighbours by the logarithm of the rate."""
    points = sorted(row["points"], key=lambda point: point["kbps"])
    if any(point[name] is None for point in points):
        return None
    rates = np.log([point["kbps"] for point in points])
    return float(np.interp(np.log(kbps), rates, [point[name] for point in points]))


def _equal(name: str, row: dict[str, Any], ours: float | None) -> list[str]:
    if row["kbps"][0] is None:
        return [text.reason(row["why"][0]), "-"]
    return [f"{row['kbps'][0]:.0f}", _against(name, ours, row["kbps"][0])]


def _against(name: str, ours: float | None, theirs: float) -> str:
    return "" if name == _OURS else text.share(None if ours is None else ours / theirs - 1)
