"""Flow fields, their composition and fill, and the search that finds them, on motion known exactly."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from rdct.vision import flow_grid
from rdct.vision.flow import PRESETS, DisFlow, FlowAccumulator, FlowField

SHAPES = [(1, 1), (5, 7), (33, 50), (131, 77)]


def constant(shape, stride, dx, dy):
    still = FlowField.identity(shape, stride)
    return FlowField(still.values + np.float32([dx, dy]), stride, shape)


def centres(shape, stride):
    """x, y of the cells' centres, f64 [rows, columns, 2]."""
    rows, columns, _ = FlowField.identity(shape, stride).values.shape
    x, y = np.meshgrid(np.arange(columns), np.arange(rows))
    return np.stack([x, y], -1) * stride + (stride - 1) / 2


def noise(shape, seed=0, sigma=2.0):
    """Texture that a search can hold on to, u8 RGB."""
    plane = np.random.default_rng(seed).standard_normal(shape)
    plane = cv2.GaussianBlur(plane, (0, 0), sigma)
    plane = 128 + 45 * plane / max(plane.std(), 1e-9)
    return np.repeat(np.clip(plane, 0, 255).astype(np.uint8)[..., None], 3, 2)


def random_case(shape, stride, seed=0):
    rng = np.random.default_rng(seed)
    values = FlowField.identity(shape, stride).values.shape
    one, other = (rng.normal(0, 5, values).astype(np.float32) for _ in range(2))
    return one, other, rng.random(values[:2]) < 0.7


# --------------------------------------------------------------------------------------------- flow fields


def test_a_cell_moves_as_a_whole():
    flow = FlowField(np.arange(12, dtype=np.float32).reshape(2, 3, 2), 4, (7, 10))
    dense = flow.dense()
    assert dense.shape == (7, 10, 2)
    assert (dense[:4, :4] == [0, 1]).all() and (dense[4:, 8:] == [10, 11]).all()
    assert not FlowField.identity((7, 10), 4).dense().any()


@pytest.mark.parametrize(
    ("values", "stride", "shape", "said"),
    [
        (np.zeros((2, 3, 2)), 4, (7, 13), r"has values \[2, 4, 2\], got \[2, 3, 2\]"),
        (np.zeros((2, 3, 2)), 3, (7, 9), "power of two"),
        (np.zeros((1, 1, 2)), 128, (7, 9), "1..64"),
        (np.zeros((0, 3, 2)), 4, (0, 9), "at least one pixel"),
        (np.full((2, 3, 2), np.nan), 4, (7, 10), "finite"),
    ],
)
def test_a_field_that_does_not_fit_its_picture_is_refused(values, stride, shape, said):
    with pytest.raises(ValueError, match=said):
        FlowField(values, stride, shape)


# ---------------------------------------------------------------------------------------------------- fill


def test_an_invalid_cell_shows_what_the_nearest_valid_one_shows():
    flow = constant((8, 32), 8, 3, -2)
    filled = flow.filled(np.array([[False, False, True, True]]))
    assert filled.values.tolist() == [[[3 + 16, -2], [3 + 8, -2], [3, -2], [3, -2]]]


def test_of_several_nearest_cells_the_rule_decides():
    values = np.arange(18, dtype=np.float32).reshape(3, 3, 2)
    sources = values + 1.0 * centres((3, 3), 1)

    def source_of_the_middle(*valid_cells):
        valid = np.zeros((3, 3), bool)
        valid[tuple(zip(*valid_cells, strict=True))] = True
        return FlowField(values, 1, (3, 3)).filled(valid).values[1, 1] + [1, 1]

    above, left, right, below = (0, 1), (1, 0), (1, 2), (2, 1)
    for cells, wanted in [
        ((above, left, right, below), above),
        ((left, right, below), below),
        ((left, right), left),
        (((0, 0), (0, 2), (2, 0), (2, 2)), (0, 0)),
        (((0, 2), (2, 0), (2, 2)), (2, 0)),
        (((0, 0), right), right),
    ]:
        assert (source_of_the_middle(*cells) == sources[wanted]).all(), cells


def test_with_nothing_or_everything_valid():
    flow = constant((8, 8), 4, 5, 5)
    assert not flow.filled(np.zeros((2, 2), bool)).values.any()
    assert flow.filled(np.ones((2, 2), bool)) is flow
    with pytest.raises(ValueError, match=r"bool \[2, 2\]"):
        flow.filled(np.ones((2, 3), bool))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_the_compiled_fill_is_the_plain_one(shape, share):
    values, _, _ = random_case(shape, 4)
    valid = np.random.default_rng(5).random(values.shape[:2]) < share
    valid.flat[0] = True
    assert np.array_equal(flow_grid.fill(values, valid, 4), flow_grid.fill_reference(values, valid, 4))


# --------------------------------------------------------------------------------------------- composition


@pytest.mark.parametrize("shape", [*SHAPES, (600, 300)])
@pytest.mark.parametrize("stride", [1, 4, 16])
def test_the_compiled_composition_is_the_plain_one(shape, stride):
    step, before, _ = random_case(shape, stride)
    excess = np.random.default_rng(9).normal(-1, 1, step.shape).astype(np.float32)
    compiled = flow_grid.compose(step, before, excess, stride)
    plain = flow_grid.compose_reference(step, before, excess, stride)
    assert np.array_equal(compiled[0], plain[0])
    assert np.array_equal(compiled[1], plain[1])


def test_an_accumulator_starts_as_identity_and_a_first_step_is_itself():
    step = FlowField(random_case((60, 90), 8)[0], 8, (60, 90))
    kept = FlowAccumulator((60, 90), 8)
    assert kept.steps == 0 and kept.valid.all() and not kept.flow.values.any()
    kept.add(step)
    assert kept.steps == 1 and np.array_equal(kept.flow.values, step.values)


def test_translations_add_up_and_what_came_in_is_invalid():
    kept = FlowAccumulator((32, 64), 4)
    for _ in range(4):
        kept.add(constant((32, 64), 4, -3, 0))
    assert np.array_equal(kept.flow.values, constant((32, 64), 4, -12, 0).values)
    # The outermost 12 of 64 columns were not in the keyframe: three cells.
    assert not kept.valid[:, :3].any() and kept.valid[:, 3:].all()
    assert kept.valid_share == pytest.approx(13 / 16)
    assert kept.steps == 4


def test_what_left_the_picture_once_stays_invalid():
    kept = FlowAccumulator((32, 64), 4)
    kept.add(constant((32, 64), 4, 12, 0))
    kept.add(constant((32, 64), 4, -12, 0))
    assert not kept.flow.values.any()
    # The first 12 columns left on the first step, so what shows there now is unknown.
    assert not kept.valid[:, :3].any() and kept.valid[:, 3:].all()
    kept.add(constant((32, 64), 4, -4, 0))
    assert not kept.valid[:, :4].any() and kept.valid[:, 4:].all()


def test_slow_motion_counts_in_parts_of_a_cell():
    kept = FlowAccumulator((64, 128), 8)
    for step in range(1, 41):
        kept.add(constant((64, 128), 8, -0.75, 1.25))
        # Centres lie at 3.5, 11.5, ...; the picture ends at -0.5 and 63.5.
        columns, rows = np.arange(16) * 8 + 4 >= 0.75 * step, np.arange(8) * 8 + 4 + 1.25 * step <= 64
        assert np.array_equal(kept.valid, rows[:, None] & columns[None, :]), step


def test_zooms_multiply():
    shape, zoom = (240, 320), 1.03
    kept = FlowAccumulator(shape, 8)
    away = centres(shape, 8) - [159.5, 119.5]
    # Content at x was nearer to the middle: driving forward.
    step = FlowField((1 / zoom - 1) * away, 8, shape)
    for steps in range(1, 6):
        kept.add(step)
        np.testing.assert_allclose(kept.flow.values, (zoom**-steps - 1) * away, atol=2e-3)
    assert kept.valid.all()


def test_an_object_that_moves_over_a_still_ground():
    shape, stride = (64, 96), 4
    kept = FlowAccumulator(shape, stride)
    for t in range(1, 4):
        values = FlowField.identity(shape, stride).values.copy()
        values[4:8, 4 + 2 * t : 8 + 2 * t] = [-8, 0]  # a square of 16 pixels, 8 to the right each time
        kept.add(FlowField(values, stride, shape))
    assert (kept.flow.values[4:8, 10:14] == [-24, 0]).all()
    rest = np.ones(kept.valid.shape, bool)
    rest[4:8, 4:14] = False
    assert not kept.flow.values[rest].any() and kept.valid.all()


def test_reset_and_the_cached_fill():
    kept = FlowAccumulator((16, 16), 4)
    kept.add(constant((16, 16), 4, -4, 0))
    assert kept.filled.values[0, 0].tolist() == [0, 0]
    kept.add(constant((16, 16), 4, -4, 0))
    assert kept.filled.values[0, 0].tolist() == [0, 0] and kept.filled.values[0, 1].tolist() == [-4, 0]
    kept.reset()
    assert kept.steps == 0 and kept.valid.all() and not kept.filled.values.any()


def test_an_accumulator_hands_out_nothing_that_can_break_it():
    kept = FlowAccumulator((16, 16), 4)
    with pytest.raises(ValueError, match="read-only"):
        kept.valid[0, 0] = False
    with pytest.raises(ValueError, match="read-only"):
        kept.flow.values[0, 0] = 1
    with pytest.raises(ValueError, match="this accumulator is for"):
        kept.add(constant((16, 16), 8, 0, 0))
    with pytest.raises(ValueError, match="this accumulator is for"):
        kept.add(constant((16, 20), 4, 0, 0))


# -------------------------------------------------------------------------------------------------- search


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("finest_scale", [0, 1, 2])
def test_it_finds_where_content_was(preset, finest_scale):
    before = noise((240, 320), sigma=2.0 + 2 * finest_scale)
    current = np.roll(before, (4, -7), (0, 1))  # content moves 7 to the left, 4 down
    search = DisFlow(preset, finest_scale)
    flow = search.between(search.prepare(before), search.prepare(current))
    assert flow.stride == search.stride_for((240, 320)) == 2 << finest_scale
    inside = flow.values[4:-4, 4:-4]
    assert np.abs(np.median(inside, (0, 1)) - [7, -4]).max() < 0.25
    assert np.mean(np.abs(inside - [7, -4]).max(-1) < 1) > 0.9


def test_equal_pictures_do_not_move():
    search = DisFlow()
    image = noise((96, 128))
    assert np.abs(search.between(search.prepare(image), search.prepare(image)).values).max() < 1e-3


@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (37, 53), (241, 7), (125, 333)])
@pytest.mark.parametrize("finest_scale", [None, 0, 3])
def test_any_size(shape, finest_scale):
    search = DisFlow(finest_scale=finest_scale)
    prepared = search.prepare(noise(shape))
    flow = search.between(prepared, search.prepare(noise(shape, 1)))
    assert flow.shape == shape
    still = search.between(prepared, prepared)
    assert np.abs(still.values).max() < 1e-3


@pytest.mark.parametrize(("patch_size", "patch_stride"), [(4, 1), (5, 3), (16, 4)])
def test_other_patches(patch_size, patch_stride):
    for shape in [(1, 1), (20, 20), (12, 700)]:
        search = DisFlow("medium", 0, patch_size=patch_size, patch_stride=patch_stride)
        still = search.prepare(noise(shape))
        assert np.abs(search.between(still, still).values).max() < 1e-3


def test_pictures_without_anything_to_hold_on_to():
    black, white = np.zeros((90, 120, 3), np.uint8), np.full((90, 120, 3), 255, np.uint8)
    for preset in PRESETS:
        search = DisFlow(preset)
        for one in (black, white, noise((90, 120), sigma=0.1)):
            flow = search.between(search.prepare(one), search.prepare(black))
            assert np.abs(flow.values).max() < 120


def test_grey_is_luma_averaged_over_squares_and_repeated_at_the_edge():
    image = np.zeros((3, 5, 3), np.uint8)
    image[:, :2] = 200
    image[:, 4] = [255, 0, 0]
    grey = DisFlow(finest_scale=1).prepare(image).grey
    assert grey.tolist() == [[200, 0, 76], [200, 0, 76]]


def test_a_coarser_grid_averages_the_finer_one():
    before, current = noise((64, 96)), np.roll(noise((64, 96)), 2, 1)
    fields = []
    for stride in (2, 8):
        search = DisFlow(finest_scale=1, stride=stride)
        fields.append(search.between(search.prepare(before), search.prepare(current)).values)
    np.testing.assert_allclose(fields[1], fields[0].reshape(8, 4, 12, 4, 2).mean((1, 3)), atol=1e-4)


def test_the_default_scale_follows_the_size():
    search = DisFlow()
    assert [search.scale_for(s) for s in ((360, 480), (375, 1242), (720, 1280), (1024, 2048))] == [0, 1, 2, 2]
    assert search.stride_for((1024, 2048)) == 8
    assert DisFlow(stride=4).stride_for((1024, 2048)) == 4
    assert DisFlow(stride=2).scale_for((4320, 7680)) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"preset": "slow"}, "'ultrafast', 'fast', 'medium', got 'slow'"),
        ({"finest_scale": 7}, r"0\.\.6, got 7"),
        ({"stride": 6}, "power of two"),
        ({"finest_scale": 3, "stride": 4}, "at least 8"),
        ({"patch_size": 2}, r"4\.\.16"),
        ({"patch_size": 6, "patch_stride": 7}, r"1\.\.6, the patch size"),
    ],
)
def test_options_out_of_range(options, said):
    with pytest.raises(ValueError, match=said):
        DisFlow(**options)


def test_pictures_that_do_not_go_together():
    search = DisFlow()
    one, other = search.prepare(noise((64, 96))), search.prepare(noise((64, 90)))
    with pytest.raises(ValueError, match="start anew when the size changes"):
        search.between(one, other)
    with pytest.raises(ValueError, match=r"u8 \[H, W, 3\], got uint8 \[64, 96\]"):
        search.prepare(np.zeros((64, 96), np.uint8))
    with pytest.raises(ValueError, match="float32"):
        search.prepare(np.zeros((64, 96, 3), np.float32))
