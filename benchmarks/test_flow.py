# SPDX-License-Identifier: Apache-2.0
"""Optical flow between two frames, and its composition back to a keyframe.

How good each choice is: `python -m benchmarks.flow_quality`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.sequences import Sequence
from rdct.vision import flow_grid
from rdct.vision.flow import DisFlow, FlowAccumulator, FlowField

#: Preset and finest scale; None is what the size of the picture gives.
CHOICES = [("ultrafast", None), ("ultrafast", 1), ("ultrafast", 3), ("fast", 2), ("medium", 2)]


def common(sequence: Sequence, **more: Any) -> dict[str, Any]:
    """extra_info of every row here."""
    return {
        "picture": sequence.name,
        "pixels": sequence.pixels,
        "codec": "opencv",
        "version": cv2.__version__,
        "cpu": "own choice",
        "threads": cv2.getNumThreads(),
        **more,
    }


def check_shift(search: DisFlow, image: np.ndarray) -> None:
    """Content moved by 8 pixels to the left and 4 down is found where it was."""
    moved = np.roll(image, (4, -8), (0, 1))
    flow = search.between(search.prepare(image), search.prepare(moved))
    off = np.abs(flow.values - [8, -4]).max(-1)
    assert np.median(off) < 0.5, f"off by {np.median(off):.2f} pixels"


@pytest.mark.parametrize(("preset", "scale"), CHOICES)
def test_search(timed: Callable, sequence: Sequence, preset: str, scale: int | None) -> None:
    search = DisFlow(preset, scale)
    check_shift(search, sequence.images[0])
    before, current = (search.prepare(image) for image in sequence.images[:2])
    row = f"{preset}, finest scale {search.scale_for(sequence.images[0].shape)}"
    timed(
        lambda: search.between(before, current),
        group="flow",
        row=row + " (default)" * (scale is None and preset == DisFlow().preset),
        **common(sequence),
    )


def test_prepare(timed: Callable, sequence: Sequence) -> None:
    search, image = DisFlow(), sequence.images[0]
    grey = image @ np.array([0.299, 0.587, 0.114])
    step = 1 << search.scale_for(image.shape)
    wanted = grey.reshape(1024 // step, step, 2048 // step, step).mean((1, 3))
    assert np.abs(search.prepare(image).grey - wanted).max() < 1.5
    timed(lambda: search.prepare(image), group="flow", row="grey and reduced", **common(sequence))


def composed(sequence: Sequence, steps: int) -> tuple[FlowAccumulator, FlowField]:
    """The way back over so many frames, and the last step."""
    search = DisFlow()
    shape = sequence.images[0].shape[:2]
    way = FlowAccumulator(shape, search.stride_for(shape))
    before = search.prepare(sequence.images[0])
    for image in sequence.images[1 : steps + 1]:
        current = search.prepare(image)
        step = search.between(before, current)
        way.add(step)
        before = current
    return way, step


def test_compose(timed: Callable, sequence: Sequence) -> None:
    way, step = composed(sequence, 3)
    excess = flow_grid.still_excess(*step.values.shape[:2])
    compiled = flow_grid.compose(step.values, way.flow.values, excess, step.stride)
    plain = flow_grid.compose_reference(step.values, way.flow.values, excess, step.stride)
    assert all(np.array_equal(one, other) for one, other in zip(compiled, plain, strict=True))
    timed(
        lambda: flow_grid.compose(step.values, way.flow.values, excess, step.stride),
        group="flow",
        row="composed with the way back",
        **common(sequence, codec="rdct", cpu="numba"),
    )


def test_fill(timed: Callable, sequence: Sequence) -> None:
    _, step = composed(sequence, 1)
    columns = np.arange(step.values.shape[1])
    valid = np.broadcast_to(columns >= len(columns) // 10, step.values.shape[:2]).copy()
    valid[::7, ::5] = False
    small = np.s_[:20, :60]
    plain = flow_grid.fill_reference(step.values[small], valid[small], step.stride)
    assert np.array_equal(flow_grid.fill(step.values[small], valid[small], step.stride), plain)
    timed(
        lambda: step.filled(valid),
        group="flow",
        row="filled where an eighth is invalid",
        **common(sequence, codec="rdct", cpu="numba", threads=1),
    )
