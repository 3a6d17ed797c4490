# SPDX-License-Identifier: Apache-2.0
"""From a network's gradients, or the picture alone, to a plan: what stands before the encoder."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

import codec
from benchmarks.settings import Setting, level_field

stac = pytest.importorskip("stac", reason="plan selection is in the package stac")


def gradients_like(shape: tuple[int, int], subsampling: str, seed: int = 3) -> SimpleNamespace:
    """Planes as `grace.coefficient_gradients` returns them: heavy-tailed, alike within a region.

    A stand-in, because a network's own need torch and minutes; the work does not depend on the values.
    """
    rng = np.random.default_rng(seed)
    height, width = shape
    regions = np.exp(0.6 * (level_field(codec.map_shape(height, width), seed=seed) - 8.0) / 2)
    planes = []
    for component in range(3):
        factor = 2 if component and subsampling == "420" else 1
        blocks = (-(-height // (8 * factor)), -(-width // (8 * factor)))
        rows = np.minimum(np.arange(blocks[0]) * factor // 3, regions.shape[0] - 1)
        cols = np.minimum(np.arange(blocks[1]) * factor // 3, regions.shape[1] - 1)
        plane = rng.standard_normal((*blocks, 8, 8), np.float32)
        plane *= (1e-6 * regions[np.ix_(rows, cols)])[:, :, None, None].astype(np.float32)
        planes.append(plane)
    return SimpleNamespace(
        planes=tuple(planes), loss=0.1, subsampling=subsampling, height=height, width=width
    )


def budget_of(gradients: SimpleNamespace, steps: np.ndarray) -> float:
    """What the middle level costs, so that about as many regions want finer as coarser levels."""
    middle = steps[len(steps) // 2].astype(np.float64)
    return sum(
        float((np.abs(plane).sum((0, 1), dtype=np.float64) * middle[c]).sum()) / 2
        for c, plane in enumerate(gradients.planes)
    )


@pytest.mark.parametrize("mode", ["closest", "floor"])
def test_select_levels(timed: Callable, setting: Setting, mode: str) -> None:
    from stac.levels import select_levels, select_levels_loop

    steps = setting.many_levels.steps
    # First against the loops the paper prints, on a picture they can bear.
    small = gradients_like((128, 192), setting.subsampling)
    tables = (steps, budget_of(small, steps))
    expected = select_levels_loop(small, tables, mode=mode).level_map
    assert np.array_equal(select_levels(small, tables, mode=mode).level_map, expected)
    assert len(np.unique(expected)) > 4
    gradients = gradients_like(setting.picture.rgb.shape[:2], setting.subsampling)
    tables = (steps, budget_of(gradients, steps))
    level_map = select_levels(gradients, tables, mode=mode).level_map
    assert level_map.shape == codec.map_shape(*setting.picture.rgb.shape[:2])
    timed(
        lambda: select_levels(gradients, tables, mode=mode),
        group=f"plan {setting.subsampling}",
        row=f"select_levels, {mode}",
        pixels=setting.picture.pixels,
        codec="rdct",
        version=codec.__version__,
        cpu="numpy",
        threads=1,
        levels=len(steps),
    )


def test_predicted_levels(timed: Callable, setting: Setting) -> None:
    """Levels from the picture alone: what a device spends on a first frame besides encoding it."""
    from grace import load_tables
    from stac import predicted_levels

    tables = load_tables("bisenet-camvid")
    image, encoder = setting.picture.rgb, codec.Encoder()
    level_map = predicted_levels(image, tables.predictor, tables.table_set, encoder=encoder).level_map
    for other in (codec.Encoder(cpu="c"), codec.Encoder(threads=3)):
        again = predicted_levels(image, tables.predictor, tables.table_set, encoder=other).level_map
        assert np.array_equal(again, level_map)
    assert len(np.unique(level_map)) > 4
    timed(
        lambda: predicted_levels(image, tables.predictor, tables.table_set, encoder=encoder),
        group=f"plan {setting.subsampling}",
        row="predicted_levels",
        pixels=setting.picture.pixels,
        codec="rdct",
        version=codec.__version__,
        cpu="auto",
        threads=1,
        levels=tables.levels,
    )


def test_plan_of_map(timed: Callable, setting: Setting) -> None:
    """A map as it comes from the server into a plan: checked, copied, ready."""
    plan, level_map = setting.many_levels, setting.many_levels.level_map
    assert np.array_equal(plan.with_map(level_map).level_map, level_map)
    with pytest.raises(ValueError):
        plan.with_map(level_map + 16)
    timed(
        lambda: plan.with_map(level_map),
        group=f"plan {setting.subsampling}",
        row="QuantPlan.with_map",
        pixels=None,
        codec="rdct",
        version=codec.__version__,
        cpu="numpy",
        threads=1,
        levels=plan.table_set.levels,
    )
