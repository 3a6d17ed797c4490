"""What regions cost is what the coder spends, shared out."""

from __future__ import annotations

import numpy as np
import pytest

import codec

SIZE = (200, 260)
TABLES = codec.TableSet.from_log(np.full((3, 8, 8), 72), np.arange(8) * 8)


def picture():
    rng = np.random.default_rng(5)
    rough = rng.normal(0, 1, (*SIZE, 3)).cumsum(0).cumsum(1)
    return np.clip(rough / rough.std() * 40 + 128, 0, 255).astype(np.uint8)


def plan(level_map=None, region_blocks=3):
    if level_map is None:
        shape = codec.map_shape(*SIZE, region_blocks)
        level_map = np.random.default_rng(7).integers(0, TABLES.levels, shape)
    return codec.QuantPlan(TABLES, level_map, region_blocks)


@pytest.mark.parametrize("subsampling", ["444", "422", "420"])
@pytest.mark.parametrize("region_blocks", [1, 3, 8])
def test_regions_sum_to_the_slices(subsampling, region_blocks):
    image, mixed = picture(), plan(region_blocks=region_blocks)
    bits = codec.region_bits(image, mixed, subsampling)
    header = codec.read_header(codec.encode(image, mixed, subsampling=subsampling, entropy="context"))
    assert bits.shape == mixed.level_map.shape and (bits > 0).all()
    # A slice adds the length of its symbols, and ends two sections on a byte.
    assert 0 <= 8 * header.slice_bytes - bits.sum() <= 40 * header.slices


def test_a_grey_picture_and_threads():
    grey = picture()[..., 0].copy()
    bits = codec.region_bits(grey, plan())
    assert np.array_equal(bits, codec.region_bits(grey, plan(), threads=3))
    header = codec.read_header(codec.encode(grey, plan(), entropy="context"))
    assert 0 <= 8 * header.slice_bytes - bits.sum() <= 40 * header.slices


def test_a_skipped_region_is_free_and_a_finer_one_dearer():
    image, flat = picture(), plan(np.full(codec.map_shape(*SIZE), 5))
    before = codec.region_bits(image, flat)
    changed = flat.level_map.copy()
    changed[2, 3], changed[5, 6] = codec.SKIP, 0
    after = codec.region_bits(image, plan(changed))
    assert after[2, 3] == 0
    assert after[5, 6] > 2 * before[5, 6]
    # Nothing before the first change hears of it.
    assert np.array_equal(after[:2], before[:2])


def test_a_plan_of_another_size_is_refused():
    with pytest.raises(ValueError, match="level_map"):
        codec.region_bits(picture()[:100], plan())
