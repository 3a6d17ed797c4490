"""Levels by vote, labels by warp, on motion known exactly."""

from __future__ import annotations

import numpy as np
import pytest

import codec
import stac
from rdct.vision.flow import FlowAccumulator, FlowField
from stac.propagation import propagate_levels_reference

SHAPES = [(1, 1), (24, 24), (67, 131), (200, 150)]


def constant(shape, stride, dx, dy):
    still = FlowField.identity(shape, stride)
    return FlowField(still.values + np.float32([dx, dy]), stride, shape)


def random_levels(shape, region_blocks, seed=0, levels=16):
    return np.random.default_rng(seed).integers(0, levels, codec.map_shape(*shape, region_blocks), np.uint8)


@pytest.mark.parametrize("region_blocks", range(1, 9))
@pytest.mark.parametrize("shape", SHAPES)
def test_identity_is_identity(shape, region_blocks):
    levels = random_levels(shape, region_blocks)
    for stride in (1, 4, 8, 32):
        still = FlowField.identity(shape, stride)
        assert np.array_equal(stac.propagate_levels(levels, still, region_blocks=region_blocks), levels)


@pytest.mark.parametrize("region_blocks", range(1, 9))
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("stride", [2, 8, 16])
def test_the_compiled_vote_is_the_plain_one(shape, region_blocks, stride):
    rng = np.random.default_rng(region_blocks)
    cells = FlowField.identity(shape, stride).values.shape
    flow = FlowField(rng.normal(0, 30, cells), stride, shape)
    valid = rng.random(cells[:2]) < 0.7
    levels = random_levels(shape, region_blocks, levels=3)
    moved = stac.propagate_levels(levels, flow, valid, region_blocks=region_blocks)
    wanted = propagate_levels_reference(levels, flow, valid, region_blocks=region_blocks)
    assert np.array_equal(moved, wanted)


@pytest.mark.parametrize("region_blocks", [1, 3, 5])
def test_whole_regions_shift(region_blocks):
    side = 8 * region_blocks
    shape = (4 * side, 6 * side)
    levels = random_levels(shape, region_blocks)
    moved = stac.propagate_levels(levels, constant(shape, 8, side, -2 * side), region_blocks=region_blocks)
    wanted = levels[np.clip(np.arange(4) - 2, 0, 3)][:, np.clip(np.arange(6) + 1, 0, 5)]
    assert np.array_equal(moved, wanted)


def test_the_majority_of_block_centres_decides():
    levels = np.array([[4, 9]], np.uint8)
    # Regions of 24 pixels. At 8 pixels one of three columns of blocks comes from the right, at 16 two.
    assert stac.propagate_levels(levels, constant((24, 48), 8, 8, 0)).tolist() == [[4, 9]]
    assert stac.propagate_levels(levels, constant((24, 48), 8, 16, 0)).tolist() == [[9, 9]]
    # The last block's centre is at 20: 4 pixels take it across, 3.75 do not.
    corner = np.array([[9]], np.uint8)
    assert stac.propagate_levels(corner, constant((24, 24), 8, 4, 0)).tolist() == [[9]]


def test_of_equal_votes_the_finest_level_wins():
    for levels, wanted in [((7, 3), 3), ((3, 7), 3), ((7, 255), 7)]:
        # Regions of two blocks, moved by one: one column of blocks from each.
        moved = stac.propagate_levels(
            np.array([levels], np.uint8), constant((16, 32), 8, 8, 0), region_blocks=2
        )
        assert moved[0, 0] == wanted


def test_new_regions_take_the_nearest_regions_level():
    shape = (48, 96)
    levels = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.uint8)
    way = FlowAccumulator(shape, 8)
    for _ in range(2):
        way.add(constant(shape, 8, -24, 0))  # 48 pixels, two regions, come in at the left
    assert stac.propagate_levels(levels, way.flow, way.valid).tolist() == [[1, 1, 1, 2], [5, 5, 5, 6]]
    way.reset()
    assert np.array_equal(stac.propagate_levels(levels, way.flow, way.valid), levels)


def test_propagate_carries_both():
    shape = (48, 72)
    labels = np.random.default_rng(1).integers(0, 11, shape, np.uint8)
    levels = random_levels(shape, 3)
    way = FlowAccumulator(shape, 8)
    still = stac.propagate(labels, levels, way)
    assert np.array_equal(still.labels, labels) and np.array_equal(still.level_map, levels)
    assert still.valid_share == 1.0
    way.add(constant(shape, 8, 0, -24))
    moved = stac.propagate(labels, levels, way, threads=1)
    assert np.array_equal(moved.labels[24:], labels[:-24])
    assert np.array_equal(moved.level_map, levels[[0, 0]])
    assert moved.valid_share == 0.5
    only = stac.propagate(labels, None, way)
    assert only.level_map is None and np.array_equal(only.labels, moved.labels)
    only = stac.propagate(None, levels, way, region_blocks=3)
    assert only.labels is None and np.array_equal(only.level_map, moved.level_map)


@pytest.mark.parametrize(
    ("levels", "region_blocks", "said"),
    [
        (np.zeros((2, 2), np.uint8), 3, r"must be u8 \[2, 3\] for 48 rows of 72 .* got uint8 \[2, 2\]"),
        (np.zeros((2, 3), np.int32), 3, "int32"),
        (np.zeros((2, 3), np.uint8), 4, r"\[2, 3\].*regions of 4 blocks|u8"),
        (np.zeros((2, 3), np.uint8), 0, r"region_blocks must be 1\.\.8, got 0"),
        (np.zeros((2, 3), np.uint8), 9, r"region_blocks must be 1\.\.8, got 9"),
    ],
)  # fmt: skip
def test_maps_that_do_not_fit(levels, region_blocks, said):
    if region_blocks == 4:
        levels = levels[:1]
    with pytest.raises(ValueError, match=said):
        stac.propagate_levels(levels, FlowField.identity((48, 72), 8), region_blocks=region_blocks)
