"""Rate-aware levels: the fewest bits for the error, the map's own included."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import codec
from grace.tables import level_offsets, log_base
from stac import equal_error_levels, rate_aware_levels
from stac.map_bits import best_map, map_bits
from stac.rate import trade

LEVELS, MIDDLE = 16, 8
TABLES = codec.TableSet.from_log(log_base(codec.ijg_table(50)), level_offsets(LEVELS, 4.0))
LADDER = SimpleNamespace(table_set=TABLES, budget=None)
SIZE = (120, 168)


def picture(seed=1):
    """Smooth on the left, rough on the right."""
    rng = np.random.default_rng(seed)
    rough = rng.normal(0, 1, (*SIZE, 3)) * np.linspace(2, 40, SIZE[1])[:, None]
    slope = np.linspace(60, 190, SIZE[0])[:, None, None]
    return np.clip(slope + rough, 0, 255).astype(np.uint8)


def sensitivity(seed=2, subsampling="444", factor=1.0):
    rng = np.random.default_rng(seed)
    side = 2 if subsampling == "420" else 1
    rows, cols = (-(-length // (8 * side)) * side for length in SIZE)
    gain = np.repeat(np.repeat(2 ** rng.normal(0, 2, (-(-rows // 3), -(-cols // 3))), 3, 0), 3, 1)[
        :rows, :cols
    ]
    planes = []
    for step in (1, side, side):
        local = gain[::step, ::step]
        planes.append(
            (factor * local[..., None, None] * rng.chisquare(1, (*local.shape, 8, 8))).astype(np.float32)
        )
    return SimpleNamespace(planes=tuple(planes), subsampling=subsampling, height=SIZE[0], width=SIZE[1])


def size_of(level_map, scale=1.0, **options):
    plan = codec.QuantPlan(TABLES, level_map, 3, scale)
    return len(codec.encode(picture(), plan, entropy="context", **options))


def test_the_ends_of_the_trade():
    finest = rate_aware_levels(sensitivity(), LADDER, picture(), thrift=0).level_map
    coarsest = rate_aware_levels(sensitivity(), LADDER, picture(), thrift=1e12).level_map
    assert (finest == 0).all()
    # A region may cost nothing less at the last level than at the one before.
    assert coarsest.mean() > LEVELS - 1.1
    sizes = [
        size_of(rate_aware_levels(sensitivity(), LADDER, picture(), thrift=thrift).level_map)
        for thrift in (0, 0.3, 1, 3, 1e12)
    ]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == len(sizes)


@pytest.mark.parametrize("subsampling", ["444", "420"])
def test_the_objective_falls(subsampling):
    """By its own measure below equal errors, the middle level, and its own choice without the map's bits."""
    known, image = sensitivity(subsampling=subsampling), picture()
    offer = trade(known, LADDER, image)
    chosen = rate_aware_levels(known, LADDER, image).level_map
    equal = equal_error_levels(known, LADDER).level_map
    least = offer.total(chosen)
    assert least < 0.99 * offer.total(equal)
    assert least < 0.99 * offer.total(np.full_like(chosen, MIDDLE))
    assert least <= offer.total(rate_aware_levels(known, LADDER, image, map_weight=0).level_map)
    # No region gains by moving alone.
    for at in np.ndindex(chosen.shape):
        for level in range(LEVELS):
            other = chosen.copy()
            other[at] = level
            assert offer.total(other) >= least - 1e-6


def test_bits_are_what_the_coder_takes():
    """With errors out of play, the cost of a flat map is the stream's."""
    offer = trade(sensitivity(factor=1.0), LADDER, picture(), thrift=1e12)
    bits = offer.cost[..., MIDDLE].sum()
    header = codec.read_header(
        codec.encode(
            picture(), codec.QuantPlan(TABLES, np.full(offer.count.shape, MIDDLE)), entropy="context"
        )
    )
    assert bits == pytest.approx(8 * header.slice_bytes, rel=0.002)


def test_the_scale_is_the_dial():
    sizes = [
        size_of(rate_aware_levels(sensitivity(), LADDER, picture(), scale=scale).level_map, scale)
        for scale in (0.25, 0.5, 1, 2, 4)
    ]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == len(sizes)


def test_only_relative_sensitivity_counts_and_nothing_is_drawn():
    maps = [
        rate_aware_levels(sensitivity(factor=factor), LADDER, picture()).level_map
        for factor in (1, 1, 2.0**-20)
    ]
    assert np.array_equal(maps[0], maps[1]) and np.array_equal(maps[0], maps[2])
    assert len(np.unique(maps[0])) > 4


def test_nothing_to_lose_is_the_middle_level():
    chosen = rate_aware_levels(sensitivity(factor=0.0), LADDER, picture())
    assert (chosen.level_map == MIDDLE).all()


def test_one_level_and_plain_tables():
    steps = np.asarray(TABLES.tables)
    assert np.array_equal(
        rate_aware_levels(sensitivity(), (steps, None), picture()).level_map,
        rate_aware_levels(sensitivity(), LADDER, picture()).level_map,
    )
    assert (rate_aware_levels(sensitivity(), (steps[:1], None), picture()).level_map == 0).all()


def test_grey():
    known = sensitivity()
    known.planes, known.subsampling = known.planes[:1], "grey"
    chosen = rate_aware_levels(known, LADDER, picture()[..., 0].copy())
    assert chosen.level_map.shape == codec.map_shape(*SIZE)


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ({"temper": 1.5}, "temper is 1.5"),
        ({"thrift": -1}, "thrift is -1"),
        ({"map_weight": np.nan}, "map_weight"),
    ],
)
def test_refuses(option, says):
    with pytest.raises(ValueError, match=says):
        rate_aware_levels(sensitivity(), LADDER, picture(), **option)


def test_refuses_another_size():
    with pytest.raises(ValueError, match="pixels"):
        rate_aware_levels(sensitivity(), LADDER, picture()[:60])


# ---------------------------------------------------------------------------------------------- the map


def test_the_estimate_is_near_the_coder():
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 1, (32, 42))
    smooth = sum(noise[y : y + 30, x : x + 40] for y in range(3) for x in range(3)) / 3
    level_map = np.clip(np.rint(9 + 2 * smooth), 0, 15).astype(np.uint8)
    plan = codec.QuantPlan(TABLES, level_map, 1)
    header = codec.read_header(codec.encode(np.zeros((240, 320), np.uint8), plan, entropy="context"))
    assert map_bits(level_map, 16) == pytest.approx(8 * header.map_bytes, rel=0.12)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 3), (9, 11)])
def test_weight_smooths(shape):
    cost = np.random.default_rng(4).uniform(0, 20, (*shape, 8))

    def own(level_map):
        return np.take_along_axis(cost, level_map[..., None], -1).sum()

    maps = [best_map(cost, weight) for weight in (0, 1, 1000)]
    assert np.array_equal(maps[0], cost.argmin(-1))
    for weight, level_map in zip((1, 1000), maps[1:], strict=True):
        before = own(maps[0]) + weight * map_bits(maps[0], 8)
        assert own(level_map) + weight * map_bits(level_map, 8) <= before
    assert map_bits(maps[2], 8) <= map_bits(maps[0], 8)
