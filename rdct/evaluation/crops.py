"""Example crops for a report: where the codecs' labels differ most, at about equal accuracy."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rdct.evaluation.codecs import Absent, build, is_row
from rdct.evaluation.measure import make_setup
from rdct.evaluation.pictures import Picture, find, read_picture
from rdct.evaluation.resize import Shrinking, mode_of, resize_picture, split

__all__ = ["Example", "Tile", "examples", "png_uri"]

#: Height and width of a crop in pixels.
CROP = (120, 160)


@dataclass(frozen=True)
class Tile:
    """One codec's view of the crop.

    Attributes
    ----------
    label : str
        The row, or "raw".
    bpp, agreement : float or None
        Of the whole picture, at the dial that was taken; None for the raw picture.
    pixels : numpy.ndarray
        uint8 ``[h, w, 3]``.
    labels : numpy.ndarray
        uint8 ``[h, w, 3]``: the palette's colours, pixels that differ from the raw picture's labels
        in black.
    """

    label: str
    bpp: float | None
    agreement: float | None
    pixels: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Example:
    """The same crop of one picture through every codec.

    Attributes
    ----------
    picture : str
    accuracy : float
        What the rows' dials were chosen for.
    tiles : tuple of Tile
    legend : tuple of (str, (int, int, int))
        The classes of the raw picture's crop and their colours, the largest first.
    """

    picture: str
    accuracy: float
    tiles: tuple[Tile, ...]
    legend: tuple[tuple[str, tuple[int, int, int]], ...]


def examples(summary: dict[str, Any], images: Path, *, count: int = 2) -> list[Example]:
    """Code some pictures of a summary again and cut out where the labels differ most.

    Parameters
    ----------
    summary : dict
        From `rdct.evaluation.summary.summarise`; its first accuracy decides the dials: for each row
        the coarsest one whose pooled accuracy reaches it. Rows from a ``FILE.py:FACTORY`` are left
        out: records do not get to say which Python file is run.
    images : Path
        The folder the records were made from.
    count : int
        How many pictures, spread evenly over the folder.

    Raises
    ------
    FileNotFoundError
        No folder, or no picture in it.
    ValueError
        None of its pictures is one of the records'.
    """
    on_record = set(summary["run"]["pictures"])
    known = [picture for picture in find(images) if picture.sha256() in on_record]
    if not known:
        raise ValueError(f"{images} holds none of the {len(on_record)} pictures on record")
    run = summary["run"]
    setup = make_setup(run["model_spec"], run["tables"])
    dials = _dials(summary)
    chosen = [known[index * len(known) // count] for index in range(min(count, len(known)))]
    sizes = split(getattr(setup.model, "working_size", None), mode_of(summary["resize"]))
    return [_example(picture, setup, dials, summary["accuracies"][0], sizes) for picture in chosen]


def _dials(summary: dict[str, Any]) -> dict[str, float]:
    """For each system the coarsest dial that reaches the first accuracy; one table mode is enough."""
    wanted, metric = summary["accuracies"][0], summary["metric"]
    dials: dict[str, float] = {}
    for row in summary["rows"]:
        reached = [point for point in row["points"] if point[metric] is not None and point[metric] >= wanted]
        if reached and row["codec"] not in dials and is_row(row["codec"]):
            dials[row["codec"]] = min(reached, key=lambda point: point["bpp"])["dial"]
    return dials


def _example(
    picture: Picture,
    setup: Any,
    dials: dict[str, float],
    accuracy: float,
    sizes: tuple[tuple[int, int] | None, tuple[int, int] | None],
) -> Example:
    from rdct.vision import metrics, models

    before, after = sizes
    source = resize_picture(read_picture(picture.path), before)
    planned = setup if after is None else replace(setup, model=Shrinking(setup.model, after))
    image = resize_picture(source, after)
    raw = models.labels(setup.model, image)
    views = []
    for name, dial in dials.items():
        try:
            system = build(name, planned)
        except Absent:  # the table says so already
            continue
        mode = "id" if "id" in system.table_modes else None
        data = next(iter(system.code(source, dial, (mode,)).streams.values()))
        seen = resize_picture(system.decode(data), after)
        bpp = 8 * len(data) / (source.shape[0] * source.shape[1])
        views.append((name, bpp, seen, models.labels(setup.model, seen)))
    if not views:
        raise ValueError(f"no row reaches accuracy {accuracy:g}; ask for less")
    top, left = _window(sum((labels != raw).astype(np.float32) for _, _, _, labels in views))
    cut = (slice(top, top + CROP[0]), slice(left, left + CROP[1]))
    palette = np.asarray(setup.model.palette)

    def coloured(labels: np.ndarray) -> np.ndarray:
        return np.where((labels != raw)[cut][..., None], np.uint8(0), palette[labels[cut]])

    tiles = [Tile("raw", None, None, image[cut], coloured(raw))]
    tiles += [
        Tile(name, bpp, metrics.agreement(labels, raw), seen[cut], coloured(labels))
        for name, bpp, seen, labels in views
    ]
    counts = np.bincount(raw[cut].ravel(), minlength=len(palette))
    legend = tuple(
        (setup.model.class_names[k], tuple(map(int, palette[k])))
        for k in np.argsort(-counts, kind="stable") if counts[k]
    )  # fmt: skip
    return Example(picture.name, accuracy, tuple(tiles), legend)


def _window(weight: np.ndarray) -> tuple[int, int]:
    """Upper left corner of the crop that holds the most weight."""
    height, width = (min(side, whole) for side, whole in zip(CROP, weight.shape, strict=True))
    sums = np.pad(weight.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = np.unravel_index(np.argmax(inside), inside.shape)
    return int(top), int(left)


def png_uri(picture: np.ndarray) -> str:
    """A picture as a ``data:`` URI."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
