# SPDX-License-Identifier: Apache-2.0
"""How much of a picture objects take, and how much a server of DDS asks for (the paper's Fig. 3).

    python -m benchmarks.dds_areas VIDEO... --detector fastestdet:FILE.onnx [--step N] [--figure FILE.svg]

For every frame, as shares of its pixels: the union of the objects that the detector finds in the raw frame;
the union of the regions that it asks for when it sees the frame under a coarse table; the cells of 24 pixels
that carry them; and what the regions cover of those objects that were not final already. The union, so that
what overlaps counts once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

import codec
from rdct.dds.feedback import DetectionRules, detection_feedback, merge_rounds
from rdct.dds.grid import inside, pixels_of, touched, two_levels
from rdct.vision import detectors
from rdct.vision.frames import open_source

__all__ = ["Areas", "areas", "main", "table"]

REGION_BLOCKS = 3
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True)
class Areas:
    """Shares of one frame's pixels.

    Attributes
    ----------
    objects, wanted, cells : float
        Of objects in the raw frame, of regions asked for, and of the cells these touch.
    open : float
        Of objects that no final box of the coarse frame covers.
    reached : float
        And of these what the regions cover.
    """

    objects: float
    wanted: float
    cells: float
    open: float
    reached: float


def areas(
    image: np.ndarray, detector, rules: DetectionRules, table_set: codec.TableSet, scale: float = 1.0
) -> Areas:
    """What objects, and what regions take of one picture.

    Parameters
    ----------
    image : numpy.ndarray
        u8 RGB ``[H, W, 3]``.
    detector : Detector
    rules : DetectionRules
    table_set : codec.TableSet
        Its last level codes the coarse picture.
    scale : float
        Of the coarse picture's sides.
    """
    size = image.shape[:2]
    merged = merge_rounds((), detector(image), rules)
    objects = inside([one for one in merged if one.score >= rules.final_score], size)
    small = tuple(max(round(scale * side), 1) for side in size)
    reduced = cv2.resize(image, small[::-1], interpolation=cv2.INTER_AREA) if scale != 1 else image
    level_map = np.full(codec.map_shape(*small, REGION_BLOCKS), table_set.levels - 1, np.uint8)
    plan = codec.QuantPlan(table_set, level_map, REGION_BLOCKS)
    data = codec.encode(reduced, plan, subsampling="420", tables="id")
    says = detection_feedback(detector(codec.decode(data, table_sets=(table_set,))), small, rules)
    final = inside([one.resized(small, size) for one in says.final], size)
    wanted_boxes = [one.resized(small, size) for one in says.wanted]
    wanted = inside(wanted_boxes, size)
    cells = pixels_of(touched(wanted_boxes, size, REGION_BLOCKS), size, REGION_BLOCKS)
    still = objects & ~final
    shares = (objects, wanted, cells, still, still & wanted)
    return Areas(*(float(one.mean()) for one in shares))


def table(name: str, rows: Sequence[Areas]) -> str:
    """Quantiles over the frames, and how the two areas go together."""
    values = {
        what: np.array([getattr(one, what) for one in rows])
        for what in ("objects", "wanted", "cells", "open", "reached")
    }
    lines = [
        "| % of the picture | " + " | ".join(f"{100 * q:.0f} % of frames" for q in _QUANTILES) + " | mean |"
    ]
    lines.append("|---" * (len(_QUANTILES) + 2) + "|")
    said = {"objects": "objects", "wanted": "regions asked for", "cells": "cells that carry them"}
    for what, text in said.items():
        quantiles = np.quantile(values[what], _QUANTILES)
        cells = [f"{100 * value:.2f}" for value in (*quantiles, values[what].mean())]
        lines.append(f"| {text} | " + " | ".join(cells) + " |")
    few = 100 * np.mean(values["objects"] < 0.2)
    both = values["objects"].std() > 0 and values["wanted"].std() > 0
    together = f"{np.corrcoef(values['objects'], values['wanted'])[0, 1]:.2f}" if both else "-"
    ratio = values["wanted"].sum() / max(values["objects"].sum(), 1e-12)
    open_ = values["open"].sum()
    reached = f"{100 * values['reached'].sum() / open_:.0f} %" if open_ else "-"
    lines.append(
        f"\n{name}, {len(rows)} frames: objects take less than 20 % of the picture in {few:.0f} % of frames; "
        f"regions are {ratio:.2f} of the objects' area, correlation by frame {together}; they cover "
        f"{reached} of the object area that is not final after the first look."
    )
    return "\n".join(lines)


def figure(path: str, of: dict[str, Sequence[Areas]]) -> None:
    """Cumulative distributions, one panel a video."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    canvas, axes = plt.subplots(1, len(of), figsize=(4.2 * len(of), 3.2), squeeze=False, layout="constrained")
    for axis, (name, rows) in zip(axes[0], of.items(), strict=True):
        for what, text in (("objects", "objects"), ("wanted", "asked for"), ("cells", "cells sent")):
            values = np.sort([100 * getattr(one, what) for one in rows])
            axis.step(values, 100 * np.arange(1, len(values) + 1) / len(values), where="post", label=text)
        axis.set(title=name, xlabel="share of the picture, %", ylabel="share of frames, %", ylim=(0, 100))
        axis.grid(alpha=0.3)
        axis.legend()
    canvas.savefig(path)
    plt.close(canvas)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table for every video, and draw the figure if one is wanted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dds_areas", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("videos", nargs="+", metavar="VIDEO")
    parser.add_argument("--detector", required=True, metavar="SPEC", help=detectors.FORMS)
    parser.add_argument("--labels", default="car,motorcycle,bus,truck", help="classes that count")
    parser.add_argument("--frames", type=int, help="of the first N frames")
    parser.add_argument("--step", type=int, default=1, help="every Nth")
    parser.add_argument("--quality", type=int, default=55, help='of "high"')
    parser.add_argument("--ratio", type=float, default=7.0, help='steps of "low" to those of "high"')
    parser.add_argument("--scale", type=float, default=1.0, help='of "low"')
    parser.add_argument("--objectness", type=float, default=0.3)
    parser.add_argument("--max-area", type=float, default=0.04)
    parser.add_argument("--figure", metavar="FILE", help="draw the distributions, too")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    detector = detectors.load(options.detector)
    names = options.labels.split(",")
    unknown = [name for name in names if name not in detector.class_names]
    if unknown:
        parser.error(f"--labels: {detector.name} knows no {', '.join(unknown)}")
    labels = frozenset(detector.class_names.index(name) for name in names)
    rules = DetectionRules(labels=labels, objectness=options.objectness, max_area=options.max_area)
    table_set = two_levels(options.quality, options.ratio)
    of = {}
    for video in options.videos:
        with open_source(video) as source:
            frames = islice(source, 0, options.frames, options.step)
            rows = [areas(frame.image, detector, rules, table_set, options.scale) for frame in frames]
        of[Path(video).stem] = rows
        print(table(Path(video).stem, rows) + "\n")
    if options.figure:
        figure(options.figure, of)
    return 0


if __name__ == "__main__":
    sys.exit(main())
