# SPDX-License-Identifier: Apache-2.0
"""What levels are worth that the device foretells, against those of a server, fresh or late.

python -m benchmarks.device_sensitivity [--data DIR] [--model SPEC] [--tables FILE] [--pictures N]

On frames of CamVid val (480x360, 15 a second), ten frames apart. Each is coded, context-modelled, under the
level map of each row at a range of scales, and labelled by the network; bits per pixel are read at equal
agreement with its labels of the raw frame. The rows:

    middle level    no map at all: what a first frame gets without a predictor
    predicted       the table set's predictor, from the frame itself
    N frames old    the server's Fisher map of the frame N before, carried here by flow
    fresh           the server's Fisher map of this very frame

All Fisher maps are taken as a server takes them, on the frame decoded from the middle level, and serve at
every scale.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

import codec
from benchmarks.pictures import data_folder
from rdct.evaluation.curves import bits_at
from rdct.vision.flow import DisFlow, FlowAccumulator
from rdct.vision.frames import open_source
from stac import predicted_levels, propagate_levels

__all__ = ["Row", "level_maps", "main", "measured", "report"]

AGES = (3, 6, 15)
EVERY, PICTURES = 10, 8
SCALES = (0.14, 0.25, 0.45, 0.8, 1.5, 2.8, 5.0)
TARGETS = (0.97, 0.98, 0.985, 0.99)
REFERENCE, FRESH = "middle level", "fresh"

#: The level map of a frame, u8.
Levels = Callable[[int], np.ndarray]


@dataclass
class Row:
    """One way to choose levels.

    Attributes
    ----------
    likeness : float
        Correlation of its levels with the fresh ones, over all regions of all frames.
    rate, agreement : list of float
        Bits per pixel and agreement over all frames, by scale.
    """

    likeness: float
    rate: list[float]
    agreement: list[float]


def level_maps(
    images: Sequence[np.ndarray],
    targets: Sequence[int],
    fisher: Levels,
    predicted: Levels,
    middle: int,
    ages: Sequence[int] = AGES,
) -> dict[str, list[np.ndarray]]:
    """The level maps of every row for every target.

    Parameters
    ----------
    images : sequence of numpy.ndarray
        u8 ``[H, W, 3]``, consecutive.
    targets : sequence of int
        Indices, none below the greatest age.
    fisher, predicted : callable
        The map of the frame of an index.
    middle : int
        The middle level.
    ages : sequence of int
        How many frames ago a late map was taken.
    """
    flow, shape = DisFlow(), images[0].shape[:2]
    prepared = [flow.prepare(image) for image in images[: max(targets) + 1]]
    steps = [flow.between(a, b) for a, b in pairwise(prepared)]
    rows: dict[str, list[np.ndarray]] = {REFERENCE: [], "predicted": []}
    for age in reversed(ages):
        rows[f"{age} frames old"] = []
    rows[FRESH] = []
    for target in targets:
        fresh, foretold = fisher(target), predicted(target)
        rows[REFERENCE].append(np.full_like(fresh, middle))
        rows["predicted"].append(foretold)
        rows[FRESH].append(fresh)
        for age in ages:
            way = FlowAccumulator(shape, flow.stride_for(shape))
            for step in steps[target - age : target]:
                way.add(step)
            rows[f"{age} frames old"].append(propagate_levels(fisher(target - age), way.filled))
    return rows


def measured(
    images: Sequence[np.ndarray],
    maps: Mapping[str, Sequence[np.ndarray]],
    table_set: codec.TableSet,
    labels: Callable[[np.ndarray], np.ndarray],
    scales: Sequence[float] = SCALES,
) -> dict[str, Row]:
    """Every row's curve.

    Parameters
    ----------
    images : sequence of numpy.ndarray
        The targets.
    maps : mapping
        From `level_maps`.
    table_set : codec.TableSet
    labels : callable
        The network.
    scales : sequence of float
    """
    own = [labels(image) for image in images]
    pixels = sum(one.size for one in own)
    fresh = np.concatenate([one.ravel() for one in maps[FRESH]])
    rows = {}
    for name, chosen in maps.items():
        levels = np.concatenate([one.ravel() for one in chosen])
        alike = np.corrcoef(levels, fresh)[0, 1] if levels.std() > 0 and fresh.std() > 0 else np.nan
        row = Row(float(alike), [], [])
        for scale in scales:
            bits, same = 0, 0
            for image, level_map, wanted in zip(images, chosen, own, strict=True):
                plan = codec.QuantPlan(table_set, level_map, scale=scale)
                data = codec.encode(image, plan, entropy="context", tables="id")
                bits += 8 * len(data)
                same += int((labels(codec.decode(data, table_sets=(table_set,))) == wanted).sum())
            row.rate.append(bits / pixels)
            row.agreement.append(same / pixels)
        rows[name] = row
    return rows


def report(rows: Mapping[str, Row], targets: Sequence[float] = TARGETS) -> Iterator[str]:
    """The table, line by line: bits per pixel at equal agreement, and against the middle level."""
    yield "| levels | likeness | " + " | ".join(f"bits/pixel at {one:g}" for one in targets) + " |"
    yield "|---|" + "--:|" * (1 + len(targets))
    reference = bits_at(rows[REFERENCE].rate, rows[REFERENCE].agreement, tuple(targets))
    for name, row in rows.items():
        cells = []
        for own, base in zip(bits_at(row.rate, row.agreement, tuple(targets)), reference, strict=True):
            if own.rate is None:
                cells.append(own.why)
            elif base.rate is None or name == REFERENCE:
                cells.append(f"{own.rate:.3f}")
            else:
                cells.append(f"{own.rate:.3f}  {100 * (own.rate / base.rate - 1):+.1f} %")
        alike = "" if np.isnan(row.likeness) else f"{row.likeness:.2f}"
        yield f"| {name} | {alike} | {' | '.join(cells)} |"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.device_sensitivity", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--data", type=Path, default=data_folder(), metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument("--model", default="bisenet-camvid", metavar="SPEC", help="default: %(default)s")
    parser.add_argument("--tables", metavar="FILE", help="with a predictor (default: the shipped set)")
    parser.add_argument("--pictures", type=int, default=PICTURES, metavar="N", help="default: %(default)s")
    args = parser.parse_args(argv)
    from grace import fisher_sensitivity, load_tables
    from rdct.vision import models
    from stac import equal_error_levels

    try:
        with open_source(args.data / "camvid360" / "val") as source:
            images = [frame.image for frame in source]
        model = models.load(args.model)
        tables = load_tables(args.tables or model.name)
        if tables.predictor is None:
            raise ValueError(f"table set {tables.id} has no predictor: see stac-tables predictor")
        targets = range(max(AGES) + 3, len(images), EVERY)[: args.pictures]
        if len(targets) < args.pictures:
            raise ValueError(f"{len(images)} frames hold {len(targets)} targets, not {args.pictures}")
    except (OSError, ValueError) as error:
        print(f"device_sensitivity: {error}", file=sys.stderr)
        return 1

    known: dict[int, np.ndarray] = {}

    def fisher(index: int) -> np.ndarray:
        if index not in known:
            image = images[index]
            level_map = np.full(codec.map_shape(*image.shape[:2]), tables.middle, np.uint8)
            decoded = codec.decode(codec.encode(image, codec.QuantPlan(tables.table_set, level_map)))
            found = fisher_sensitivity(model, decoded)
            known[index] = equal_error_levels(found, tables).level_map
        return known[index]

    def predicted(index: int) -> np.ndarray:
        return predicted_levels(images[index], tables.predictor, tables.table_set).level_map

    maps = level_maps(images, targets, fisher, predicted, tables.middle)
    rows = measured(
        [images[one] for one in targets], maps, tables.table_set, lambda image: models.labels(model, image)
    )
    for line in report(rows):
        print(line)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
