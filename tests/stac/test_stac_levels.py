"""Algorithm 1: the fast form against the printed loops and against the closed form."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from stac.levels import (
    closed_form_levels,
    region_index,
    select_levels,
    select_levels_loop,
    steps_at_scale,
)

FACTORS = {"444": (1, 1), "422": (2, 1), "420": (2, 2)}
LEVELS = 16


def planes_of(height, width, subsampling, rng=None, spread=0.0):
    """Random gradients over whole MCUs, with regions of differing sensitivity."""
    rng = rng or np.random.default_rng(1)
    by, bx = -(-height // 8), -(-width // 8)
    if subsampling == "grey":
        shapes = [(by, bx)]
    else:
        hs, vs = FACTORS[subsampling]
        my, mx = -(-by // vs), -(-bx // hs)
        shapes = [(my * vs, mx * hs), (my, mx), (my, mx)]
    planes = []
    for rows, cols in shapes:
        gain = np.exp(spread * rng.standard_normal((rows, cols, 1, 1)))
        planes.append((rng.standard_normal((rows, cols, 8, 8)) * gain).astype(np.float32))
    return SimpleNamespace(planes=tuple(planes))


def gradient_tables(gradients, budget, budgets, dtype=np.float64):
    """Exact scaled copies of one gradient table: q^l = 2 B_l / (M gbar)."""
    total = sum(plane.size for plane in gradients.planes)
    gbar = np.stack([np.abs(plane).mean((0, 1), dtype=np.float64) for plane in gradients.planes])
    gbar = np.concatenate([gbar] * (3 // len(gbar)))
    steps = 2 * np.asarray(budgets)[:, None, None, None] / (total * gbar)
    return steps if dtype == np.float64 else np.clip(np.rint(steps), 1, 4095).astype(dtype)


def budget_of(gradients, step=30):
    """The budget at which the middle level's steps are about `step`."""
    return step / 2 * sum(np.abs(plane).sum(dtype=np.float64) for plane in gradients.planes)


def budgets_around(budget, rho=4.0, levels=LEVELS):
    return budget * rho ** ((np.arange(levels) - levels // 2) / (levels / 2))


@pytest.mark.parametrize("mode", ["closest", "floor"])
@pytest.mark.parametrize("subsampling", ["444", "422", "420", "grey"])
@pytest.mark.parametrize(
    ("size", "region"),
    [((1, 1), 3), ((8, 24), 1), ((50, 77), 3), ((65, 130), 2), ((49, 200), 8), ((97, 33), 5)],
)
def test_equals_the_printed_loops(size, region, subsampling, mode):
    gradients = planes_of(*size, subsampling, spread=0.8)
    budget = budget_of(gradients)
    steps = gradient_tables(gradients, budget, budgets_around(budget), np.uint16)
    # A scale at which many steps of the finest levels are clipped to 1.
    for scale in (1.0, 0.03):
        tables = (steps, budget)
        fast = select_levels(
            gradients, tables, image_shape=size, scale=scale, region_blocks=region, mode=mode
        )
        slow = select_levels_loop(
            gradients, tables, image_shape=size, scale=scale, region_blocks=region, mode=mode
        )
        np.testing.assert_array_equal(fast.level_map, slow.level_map)
        np.testing.assert_allclose(fast.rho, slow.rho, rtol=1e-5)
        assert fast.realised_sum == pytest.approx(slow.realised_sum, rel=1e-9)
        assert fast.target_sum == pytest.approx(slow.target_sum, rel=1e-9)
        assert fast.level_map.dtype == np.uint8
        assert fast.rho.dtype == np.float32


@pytest.mark.parametrize("subsampling", ["444", "420", "grey"])
def test_agrees_with_the_closed_form_where_nothing_is_clipped(subsampling):
    size, budget = (240, 320), 0.05
    gradients = planes_of(*size, subsampling, spread=1.2)
    budgets = budgets_around(budget)
    steps = gradient_tables(gradients, budget, budgets)
    chosen = select_levels(gradients, (steps, budget), image_shape=size)
    # rho as the brief defines it, from gbar: the mean of |g| / gbar over a region.
    gbar = [np.abs(plane).mean((0, 1), dtype=np.float64) for plane in gradients.planes]
    total, number = np.zeros(chosen.rho.shape), np.zeros(chosen.rho.shape)
    for plane, mean in zip(gradients.planes, gbar, strict=True):
        fy = gradients.planes[0].shape[0] // plane.shape[0]
        fx = gradients.planes[0].shape[1] // plane.shape[1]
        rows = region_index(plane.shape[0], fy, 3, total.shape[0])[:, None]
        cols = region_index(plane.shape[1], fx, 3, total.shape[1])[None, :]
        np.add.at(total, (rows, cols), (np.abs(plane) / mean).sum((2, 3), dtype=np.float64))
        np.add.at(number, (rows, cols), 64)
    np.testing.assert_allclose(chosen.rho, total / number, rtol=1e-5)
    np.testing.assert_array_equal(chosen.level_map, closed_form_levels(total / number, budgets, budget))
    assert len(np.unique(chosen.level_map)) > 8


def test_clipping_matters():
    """Where fine steps are clipped to 1 the loop over levels departs from the closed form."""
    size, budget = (96, 96), 0.05
    gradients = planes_of(*size, "444", spread=1.5)
    budgets = budgets_around(budget)
    exact = gradient_tables(gradients, budget, budgets)
    coarse = np.maximum(np.rint(exact / exact[LEVELS // 2].max() * 2), 1).astype(np.uint16)
    chosen = select_levels(gradients, (coarse, budget * 2 / exact[LEVELS // 2].max()), image_shape=size)
    assert (chosen.level_map != closed_form_levels(chosen.rho, budgets, budget)).any()
    # Levels 0.. whose tables are equal after clipping: ties go to the finest.
    same = np.flatnonzero((coarse == coarse[0]).all((1, 2, 3)))
    assert len(same) > 1
    assert not np.isin(chosen.level_map, same[1:]).any()


def test_tie_goes_to_the_finer_level():
    gradients = SimpleNamespace(planes=(np.ones((1, 1, 8, 8), np.float32),))
    steps = np.stack([np.full((3, 8, 8), value, np.uint16) for value in (2, 6, 9)])
    # D = 64 q / 2 = 64, 192, 288; the target 128 lies midway between the first two.
    for choose in (select_levels, select_levels_loop):
        assert choose(gradients, (steps, 128.0), image_shape=(8, 8)).level_map.item() == 0
        assert choose(gradients, (steps, 128.1), image_shape=(8, 8)).level_map.item() == 1


def test_nearest_is_linear_not_logarithmic():
    gradients = SimpleNamespace(planes=(np.ones((1, 1, 8, 8), np.float32),))
    steps = np.stack([np.full((3, 8, 8), value, np.uint16) for value in (1, 9)])
    # 4 is nearer to 1 than to 9, though its logarithm is nearer to that of 9.
    assert select_levels(gradients, (steps, 32 * 4.0), image_shape=(8, 8)).level_map.item() == 0


def test_floor_never_exceeds_the_target_where_it_can():
    size, budget = (120, 160), 0.05
    gradients = planes_of(*size, "444", spread=0.7)
    tables = (gradient_tables(gradients, budget, budgets_around(budget)), budget)
    closest = select_levels(gradients, tables, image_shape=size)
    floor = select_levels(gradients, tables, image_shape=size, mode="floor")
    assert (floor.level_map <= closest.level_map).all()
    assert floor.realised_sum <= floor.target_sum
    assert floor.realised_sum < closest.realised_sum
    assert floor.overshoot < 0


def test_levels_follow_the_sensitivity():
    size, budget = (96, 96), 0.05
    gradients = planes_of(*size, "444", spread=0.0)
    steps = gradient_tables(gradients, budget, budgets_around(budget))
    gradients.planes[0][:3, :3] *= 20
    gradients.planes[0][9:, 9:] *= 1e-3
    gradients.planes[1][9:, 9:] *= 1e-3
    gradients.planes[2][9:, 9:] *= 1e-3
    chosen = select_levels(gradients, (steps, budget), image_shape=size)
    assert chosen.level_map[0, 0] == 0
    assert chosen.level_map[3, 3] == LEVELS - 1
    assert chosen.level_map[1, 1] == LEVELS // 2
    assert chosen.ln_rho_std > 0.5


@pytest.mark.parametrize("choose", [select_levels, select_levels_loop])
@pytest.mark.parametrize("mode", ["closest", "floor"])
def test_region_without_gradient_is_coarsest(choose, mode):
    gradients = planes_of(48, 48, "444")
    for plane in gradients.planes:
        plane[3:, 3:] = 0
    steps = gradient_tables(gradients, 0.05, budgets_around(0.05))
    chosen = choose(gradients, (steps, 0.05), image_shape=(48, 48), mode=mode)
    assert chosen.level_map[1, 1] == LEVELS - 1
    assert chosen.rho[1, 1] == 0
    assert np.isfinite(chosen.ln_rho_std)


def test_target_is_shared_by_coefficients_and_padding_counts():
    # 420, 17x17: 3x3 luma blocks padded to 4x4; one region holds them and the 2x2 chroma blocks.
    gradients = planes_of(17, 17, "420")
    assert gradients.planes[0].shape[:2] == (4, 4)
    steps = gradient_tables(gradients, 1.0, budgets_around(1.0))
    chosen = select_levels(gradients, (steps, 1.0), image_shape=(17, 17))
    assert chosen.level_map.shape == (1, 1)
    assert chosen.target_sum == pytest.approx(1.0)
    chosen = select_levels(gradients, (steps, 1.0), image_shape=(17, 17), region_blocks=1)
    assert chosen.target_sum == pytest.approx(1.0)
    # M = 64 (16 + 4 + 4); the corner region takes four luma blocks and one block of each chroma plane.
    steps[:] = 1
    chosen = select_levels(gradients, (steps, 1.0), image_shape=(17, 17), region_blocks=1)
    luma = np.abs(gradients.planes[0][2:, 2:]).sum(dtype=np.float64)
    chroma = sum(np.abs(plane[1, 1]).sum(dtype=np.float64) for plane in gradients.planes[1:])
    assert chosen.rho[2, 2] == pytest.approx((luma + chroma) / 2 / (6 / 24), rel=1e-6)


@pytest.mark.parametrize("region", range(1, 9))
def test_chroma_block_counts_where_its_centre_lies(region):
    """By pixels: the region of the luma sample at the centre of a chroma block's area."""
    for blocks in (1, 2, 5, 16, 33):
        regions = -(-blocks // region)
        mcus = -(-blocks // 2)
        centre = np.array([min((16 * x + 8) // (8 * region), regions - 1) for x in range(mcus)])
        np.testing.assert_array_equal(region_index(mcus, 2, region, regions), centre)
        luma = np.array([min(x // region, regions - 1) for x in range(2 * mcus)])
        np.testing.assert_array_equal(region_index(2 * mcus, 1, region, regions), luma)


def test_scale_moves_steps_and_budget_alike():
    size, budget = (120, 160), 0.05
    gradients = planes_of(*size, "444", spread=0.7)
    tables = (gradient_tables(gradients, budget, budgets_around(budget)), budget)
    one = select_levels(gradients, tables, image_shape=size)
    half = select_levels(gradients, tables, image_shape=size, scale=0.5)
    np.testing.assert_array_equal(one.level_map, half.level_map)
    assert half.target_sum == pytest.approx(one.target_sum / 2)
    assert half.realised_sum == pytest.approx(one.realised_sum / 2)


def test_grey_gets_a_third_of_a_table_sets_budget():
    """What its luma would have got beside two chroma planes, so that levels do not shift."""
    size = (96, 96)
    colour = planes_of(*size, "444")
    budget = budget_of(colour)
    steps = gradient_tables(colour, budget, budgets_around(budget), np.uint16)
    tables = SimpleNamespace(table_set=SimpleNamespace(tables=steps), budget=budget)
    whole = select_levels(colour, tables, image_shape=size)
    assert whole.target_sum == pytest.approx(budget)
    assert (whole.level_map == select_levels(colour, (steps, budget), image_shape=size).level_map).all()
    grey = SimpleNamespace(planes=colour.planes[:1], height=size[0], width=size[1])
    chosen = select_levels(grey, tables)
    assert chosen.target_sum == pytest.approx(budget / 3)
    assert abs(int(np.median(chosen.level_map)) - LEVELS // 2) <= 1


def test_rho_is_that_of_grace():
    sensitivity = pytest.importorskip("grace.sensitivity")
    size, budget = (120, 160), 0.05
    gradients = planes_of(*size, "420", spread=0.7)
    gradients.subsampling, gradients.height, gradients.width = "420", *size
    gradients.coefficients = sum(plane.size for plane in gradients.planes)
    steps = gradient_tables(gradients, budget, budgets_around(budget))
    gbar = np.stack([np.abs(plane).mean((0, 1), dtype=np.float64) for plane in gradients.planes])
    chosen = select_levels(gradients, (steps, budget))
    rho = sensitivity.region_rho(gradients, gbar, gradients.coefficients)
    np.testing.assert_allclose(chosen.rho, rho, rtol=1e-5)


def test_without_a_budget_the_middle_level_sets_it():
    size = (96, 96)
    gradients = planes_of(*size, "444", spread=0.6)
    steps = gradient_tables(gradients, 1.0, budgets_around(1.0))
    free = select_levels(gradients, (steps, None), image_shape=size)
    assert free.rho.mean() == pytest.approx(1.0, rel=1e-6)
    slow = select_levels_loop(gradients, (steps, None), image_shape=size)
    np.testing.assert_array_equal(free.level_map, slow.level_map)


def test_steps_at_scale_is_the_streams_rule():
    tables = np.array([1, 2, 3, 100, 4095], np.uint16)
    np.testing.assert_array_equal(steps_at_scale(tables, 0.5), [1, 1, 2, 50, 2048])
    np.testing.assert_array_equal(steps_at_scale(tables, 2.0), [2, 4, 6, 200, 4095])
    np.testing.assert_array_equal(steps_at_scale(tables, 1 / 256), [1, 1, 1, 1, 16])
    np.testing.assert_array_equal(steps_at_scale(tables, 8.0, max_step=255), [8, 16, 24, 255, 255])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": "nearest"}, "mode is 'nearest'"),
        ({"region_blocks": 0}, "region_blocks is 0, outside 1..8"),
        ({"region_blocks": 9}, "region_blocks is 9, outside 1..8"),
        ({"scale": 0.0}, "scale is 0.0, outside"),
        ({"scale": float("nan")}, "scale is nan, outside"),
        ({"scale": 256.0}, "scale is 256.0, outside"),
        ({"image_shape": (64, 64)}, "do not belong to a picture"),
        ({"tables": (np.ones((4, 2, 8, 8), np.uint16), 1.0)}, r"steps must be \[L, 3, 8, 8\]"),
        ({"tables": (np.ones((4, 3, 8, 8), np.uint16), 0.0)}, "budget is 0.0; it must be positive"),
    ],
)
def test_errors_name_the_value_and_the_rule(change, message):
    arguments = {
        "gradients": planes_of(48, 48, "444"),
        "tables": (np.ones((4, 3, 8, 8), np.uint16), 1.0),
        "image_shape": (48, 48),
    } | change
    with pytest.raises(ValueError, match=message):
        select_levels(**arguments)
