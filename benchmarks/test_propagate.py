# SPDX-License-Identifier: Apache-2.0
"""A keyframe's labels, levels and pixels moved to the current frame, beside what OpenCV would take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

import codec
from benchmarks.sequences import Sequence
from benchmarks.settings import level_field
from benchmarks.test_flow import composed
from rdct.vision.flow import FlowField
from rdct.vision.metrics import psnr
from rdct.vision.warp import warp_labels, warp_labels_reference, warp_psnr, warp_psnr_reference

STEPS = 3


def common(sequence: Sequence, threads: int) -> dict[str, Any]:
    """extra_info of every row here."""
    return {
        "picture": sequence.name,
        "pixels": sequence.pixels,
        "codec": "rdct",
        "version": codec.__version__,
        "cpu": "numba",
        "threads": threads,
    }


def labels_like(image: np.ndarray) -> np.ndarray:
    """A label map with borders where the picture has them; the work does not depend on the classes."""
    smooth = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), 6)
    return (smooth // 24).astype(np.uint8)


def maps(flow: FlowField) -> tuple[np.ndarray, np.ndarray]:
    """Where every pixel looks, as OpenCV's remap wants it: to be made anew for every frame."""
    rows, columns, _ = flow.values.shape
    size = (columns * flow.stride, rows * flow.stride)
    dense = cv2.resize(flow.values, size, interpolation=cv2.INTER_NEAREST)[: flow.shape[0], : flow.shape[1]]
    x = np.arange(flow.shape[1], dtype=np.float32)[None, :] + dense[..., 0]
    return x, np.arange(flow.shape[0], dtype=np.float32)[:, None] + dense[..., 1]


@pytest.mark.parametrize("threads", [1, 2])
def test_psnr(timed: Callable, sequence: Sequence, threads: int) -> None:
    way, _ = composed(sequence, STEPS)
    keyframe, frame, flow = sequence.images[0], sequence.images[STEPS], way.filled

    def by_opencv() -> float:
        moved = cv2.remap(keyframe, *maps(flow), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return cv2.PSNR(moved, frame)

    wanted = warp_psnr_reference(keyframe, frame, flow)
    assert all(warp_psnr(keyframe, frame, flow, threads=count) == wanted for count in (1, 2, 3))
    assert abs(by_opencv() - wanted) < 0.02
    assert wanted > psnr(keyframe, frame) + 3, "the flow should explain most of the motion"
    timed(
        lambda: warp_psnr(keyframe, frame, flow, threads=threads),
        group="propagate",
        row="PSNR" + ", 2 threads" * (threads == 2),
        against={"cv2.remap and cv2.PSNR": by_opencv} if threads == cv2.getNumThreads() else {},
        psnr=wanted,
        **common(sequence, threads),
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_labels(timed: Callable, sequence: Sequence, threads: int) -> None:
    way, _ = composed(sequence, STEPS)
    labels, flow = labels_like(sequence.images[0]), way.filled

    def by_opencv() -> np.ndarray:
        return cv2.remap(labels, *maps(flow), cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)

    wanted = warp_labels_reference(labels, flow)
    assert all(np.array_equal(warp_labels(labels, flow, threads=count), wanted) for count in (1, 2, 3))
    assert np.mean(by_opencv() == wanted) > 0.999
    timed(
        lambda: warp_labels(labels, flow, threads=threads),
        group="propagate",
        row="labels" + ", 2 threads" * (threads == 2),
        against={"cv2.remap": by_opencv} if threads == cv2.getNumThreads() else {},
        **common(sequence, threads),
    )


def test_levels(timed: Callable, sequence: Sequence) -> None:
    from stac.propagation import propagate_levels, propagate_levels_reference

    way, _ = composed(sequence, STEPS)
    levels, flow = level_field(codec.map_shape(*way.flow.shape)), way.filled
    assert np.array_equal(propagate_levels(levels, flow), propagate_levels_reference(levels, flow))
    timed(lambda: propagate_levels(levels, flow), group="propagate", row="levels", **common(sequence, 1))
