# SPDX-License-Identifier: Apache-2.0
"""How good a flow is for how much time: presets, scales and strides against the dense flow.

python -m benchmarks.flow_quality [--data DIR] [--part camvid | cityscapes]

Two sequences of the data folder, one Markdown table each:

*camvid*: the 101 consecutive labelled frames of CamVid val (480x360, 15 a second). Ground-truth labels and
pixels of every fifth frame are carried 1, 3, 5 and 10 frames on; mIoU over all of them in one confusion
matrix, PSNR as the mean in dB.

*cityscapes*: 15 frames of Frankfurt (2048x1024, 17 a second). Pixels of every second frame, carried 1, 3
and 5 frames on.

A flow is composed from frame to frame and filled where it is invalid, as on the device. "ms" is one search
between two prepared frames, the least over the sequence (other work only adds), with as many threads as
OpenCV has.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.pictures import data_folder
from rdct.vision.flow import DisFlow, FlowAccumulator, FlowField
from rdct.vision.frames import open_source
from rdct.vision.metrics import confusion, miou
from rdct.vision.warp import warp_labels, warp_psnr

__all__ = ["CHOICES", "Choice", "Quality", "main", "quality"]

CLASSES = IGNORED = 11


@dataclass(frozen=True)
class Choice:
    """One row. `preset` None: nothing moves. `interpolated`: every pixel has a flow of its own, bilinear
    between the centres of cells, where otherwise a cell moves as a whole.
    """

    preset: str | None
    scale: int = 0
    stride: int | None = None
    patch_stride: int | None = None
    interpolated: bool = False

    def __str__(self) -> str:
        return " | ".join(
            (
                self.preset or "no motion",
                str(self.scale) if self.preset else "",
                str(self.stride or 1 << self.scale) + ", interpolated" * self.interpolated
                if self.preset
                else "",
                str(self.patch_stride or ""),
            )
        )


CHOICES = (
    Choice(None, stride=8),
    Choice("medium", 0),
    Choice("ultrafast", 0),
    *(Choice(preset, scale) for scale in (1, 2, 3) for preset in ("ultrafast", "fast", "medium")),
    *(Choice("ultrafast", scale, stride << scale) for stride in (2, 4) for scale in (0, 1, 2)),
    *(Choice("ultrafast", scale, 2 << scale, interpolated=True) for scale in (1, 2)),
    *(Choice("ultrafast", scale, 2 << scale, patch_stride=6) for scale in (1, 2)),
)


@dataclass(frozen=True)
class Quality:
    """What one choice reaches on one sequence.

    Attributes
    ----------
    ms : float
        One search.
    psnr : dict
        dB by distance in frames.
    miou : dict
        0..1 by distance; empty without labels.
    """

    ms: float
    psnr: dict[int, float]
    miou: dict[int, float]


def _steps(choice: Choice, images: Sequence[np.ndarray]) -> Iterator[tuple[float, FlowField]]:
    """Seconds and flow from each image to the one before."""
    shape = images[0].shape[:2]
    if choice.preset is None:
        for _ in images[1:]:
            yield 0.0, FlowField.identity(shape, choice.stride)
        return
    search = DisFlow(
        choice.preset, choice.scale, choice.stride or 1 << choice.scale, patch_stride=choice.patch_stride
    )
    previous = search.prepare(images[0])
    for image in images[1:]:
        prepared = search.prepare(image)
        begin = time.perf_counter()
        flow = search.between(previous, prepared)
        yield time.perf_counter() - begin, flow
        previous = prepared


def _interpolated(flow: FlowField) -> FlowField:
    """The same with a value for every pixel."""
    rows, columns, _ = flow.values.shape
    size = (columns * flow.stride, rows * flow.stride)
    dense = cv2.resize(flow.values, size, interpolation=cv2.INTER_LINEAR)
    return FlowField(dense[: flow.shape[0], : flow.shape[1]], 1, flow.shape)


def quality(
    choice: Choice,
    images: Sequence[np.ndarray],
    labels: Sequence[np.ndarray] | None,
    distances: Sequence[int],
    every: int,
) -> Quality:
    """Carry every so many-th frame on.

    Parameters
    ----------
    choice : Choice
    images : sequence of numpy.ndarray
        u8 ``[H, W, 3]``, consecutive.
    labels : sequence of numpy.ndarray or None
        u8 ``[H, W]``, 0..10 and 11 for what is not counted.
    distances : sequence of int
        Ascending.
    every : int
        Distance of the frames that are carried.
    """
    steps = list(_steps(choice, images))
    psnr: dict[int, list[float]] = {distance: [] for distance in distances}
    matrices = dict.fromkeys(distances, 0) if labels is not None else {}
    for start in range(0, len(images) - distances[-1], every):
        way = FlowAccumulator(images[0].shape[:2], steps[0][1].stride)
        for distance in range(1, distances[-1] + 1):
            way.add(steps[start + distance - 1][1])
            if distance not in psnr:
                continue
            flow = _interpolated(way.filled) if choice.interpolated else way.filled
            psnr[distance].append(warp_psnr(images[start], images[start + distance], flow))
            if labels is not None:
                moved = warp_labels(labels[start], flow)
                matrices[distance] += confusion(moved, labels[start + distance], CLASSES, ignore=IGNORED)
    return Quality(
        1e3 * min(seconds for seconds, _ in steps),
        {distance: float(np.mean(found)) for distance, found in psnr.items()},
        {distance: miou(matrix) for distance, matrix in matrices.items()},
    )


def _table(
    images: Sequence[np.ndarray],
    labels: Sequence[np.ndarray] | None,
    distances: Sequence[int],
    every: int,
    choices: Iterable[Choice] = CHOICES,
) -> Iterator[str]:
    names = ["preset", "finest scale", "stride", "patch stride", "ms"]
    names += [f"PSNR {distance}" for distance in distances]
    names += [f"mIoU {distance}" for distance in distances] if labels is not None else []
    yield f"| {' | '.join(names)} |"
    yield "|" + "---|" * len(names)
    for choice in dict.fromkeys(choices):
        found = quality(choice, images, labels, distances, every)
        cells = [str(choice), f"{found.ms:.1f}" if choice.preset else ""]
        cells += [f"{found.psnr[distance]:.2f}" for distance in distances]
        cells += [f"{share:.4f}" for share in found.miou.values()]
        yield f"| {' | '.join(cells)} |"


def camvid(data: Path) -> Iterator[str]:
    from PIL import Image

    images = [frame.image for frame in open_source(data / "camvid360" / "val")]
    paths = sorted((data / "camvid360" / "valannot").iterdir())
    labels = [np.asarray(Image.open(path)) for path in paths]
    yield from _table(images, labels, (1, 3, 5, 10), 5)


def cityscapes(data: Path) -> Iterator[str]:
    paths = sorted((data / "cityscapes_frankfurt_seq").glob("*_leftImg8bit.*"))
    images = [next(iter(open_source(path))).image for path in paths]
    yield from _table(images, None, (1, 3, 5), 2)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.flow_quality", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--data", type=Path, default=data_folder(), metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument("--part", choices=("camvid", "cityscapes"), help="default: both")
    args = parser.parse_args(argv)
    try:
        for part in (camvid, cityscapes):
            if args.part in (None, part.__name__):
                print(f"\n{part.__name__}, {cv2.getNumThreads()} threads\n")
                for line in part(args.data):
                    print(line, flush=True)
    except OSError as error:
        print(f"flow_quality: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
