# SPDX-License-Identifier: Apache-2.0
"""Colour conversion, transform and quantiser against float64, with the bounds they keep."""

import numpy as np
import pictures
import pytest
import transform_reference

import codec

SAMPLINGS = ["444", "422", "420", "grey"]


def image_for(subsampling, seed=0, make=pictures.noise, size=(67, 91)):
    return make(*size, channels=1 if subsampling == "grey" else 3, seed=seed)


def ones(image):
    """The plan whose steps are all 1: quantised coefficients are the coefficients, rounded."""
    rows, cols = codec.map_shape(*image.shape[:2], 8)
    return codec.QuantPlan(np.ones((1, 3, 8, 8), int), np.zeros((rows, cols), int), 8)


# ----------------------------------------------------------------------------------------------- conversion


@pytest.mark.parametrize("subsampling", SAMPLINGS)
@pytest.mark.parametrize("make", [pictures.noise, pictures.street])
def test_planes_are_eighths_rounded_once(subsampling, make):
    image = image_for(subsampling, make=make)
    ours = codec.encode_planes(image, subsampling)
    assert (
        ours.fraction_bits == 3 and ours.subsampling == subsampling and (ours.height, ours.width) == (67, 91)
    )
    for plane, exact in zip(ours.planes, transform_reference.ycc_planes(image, subsampling), strict=True):
        assert plane.dtype == np.int16 and plane.shape == exact.shape
        error = plane - 8 * exact
        # Half an eighth for the conversion, another half where chroma is averaged.
        assert abs(error).max() <= (0.53 if subsampling in ("444", "grey") else 1.03)
        assert abs(error.mean()) < 0.05 or subsampling in ("422", "420")


def test_planes_of_pure_colours():
    colours = [[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255], [128, 128, 128]]
    for colour in colours:
        image = np.full((8, 8, 3), colour, np.uint8)
        r, g, b = colour
        y, cb, cr = (int(plane[0, 0]) for plane in codec.encode_planes(image).planes)
        assert y == (9798 * r + 19235 * g + 3735 * b + 2048 >> 12) - 1024
        assert cb == -5529 * r - 10855 * g + 16384 * b + 2048 >> 12
        assert cr == 16384 * r - 13720 * g - 2664 * b + 2048 >> 12
    grey = codec.encode_planes(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4)
    assert np.array_equal(grey.planes[0], (np.arange(64).reshape(8, 8) * 4 - 128) * 8)


def test_every_colour_comes_back_within_one():
    r, g, b = np.meshgrid(*[np.arange(0, 256, 15)] * 3, indexing="ij")
    colours = np.stack([r, g, b], -1).reshape(-1, 3).astype(np.uint8)
    image = np.repeat(np.repeat(colours.reshape(72, 81, 3), 8, 0), 8, 1)
    back = codec.decode(codec.encode(image, quality=100))
    assert abs(back.astype(int) - image).max() <= 1


@pytest.mark.parametrize("subsampling", SAMPLINGS)
def test_padding_repeats_the_edge(subsampling):
    image = image_for(subsampling, size=(13, 21))
    planes = codec.encode_planes(image, subsampling).planes
    hs, vs = {"444": (1, 1), "422": (2, 1), "420": (2, 2), "grey": (1, 1)}[subsampling]
    for c, plane in enumerate(planes):
        h, w = (13, 21) if c == 0 else (-(13 // -vs), -(21 // -hs))
        assert np.array_equal(
            plane, np.pad(plane[:h, :w], ((0, plane.shape[0] - h), (0, plane.shape[1] - w)), "edge")
        )


# ------------------------------------------------------------------------------------------------ transform


@pytest.mark.parametrize("subsampling", SAMPLINGS)
@pytest.mark.parametrize("make", [pictures.noise, pictures.street])
def test_forward_transform_against_float64(subsampling, make):
    image = image_for(subsampling, make=make)
    planes = codec.encode_planes(image, subsampling).planes
    ours = codec.quantize(image, ones(image), subsampling).planes
    for plane, coefficients in zip(planes, ours, strict=True):
        exact = transform_reference.dct(plane / 8)
        error = coefficients - exact
        assert abs(error).max() < 0.5 + 0.25  # half for rounding, a quarter for the transform
        assert np.mean(coefficients != np.round(exact)) < 0.1
        assert abs(error).mean() < 0.26  # rounding alone makes 0.25


def test_forward_transform_of_single_waves():
    y, x = np.mgrid[:8, :8]
    for v in range(8):
        for u in range(8):
            wave = np.outer(transform_reference.BASIS[v], transform_reference.BASIS[u])
            image = np.clip(np.round(128 + 120 * wave / abs(wave).max()), 0, 255).astype(np.uint8)
            found = codec.quantize(image, ones(image)).planes[0][0, 0]
            exact = transform_reference.dct(image.astype(float) - 128)[0, 0]
            assert abs(found - exact).max() <= 0.7
            assert np.unravel_index(abs(found).argmax(), (8, 8)) == (v, u)
    assert y.shape == x.shape


def test_extremes_do_not_overflow():
    for v in range(8):
        for u in range(8):
            sign = np.sign(np.outer(transform_reference.BASIS[v], transform_reference.BASIS[u]))
            for image in (np.where(sign > 0, 255, 0), np.where(sign > 0, 0, 255)):
                image = np.tile(image.astype(np.uint8), (2, 2))
                exact = transform_reference.dct(image.astype(float) - 128)
                found = codec.quantize(image, ones(image)).planes[0]
                assert abs(found - exact).max() <= 0.75
                assert abs(codec.decode(codec.encode(image, quality=100)).astype(int) - image).max() <= 1


@pytest.mark.parametrize("subsampling", SAMPLINGS)
def test_inverse_transform_against_float64(subsampling):
    image = image_for(subsampling, make=pictures.street)
    for quality in (10, 75, 100):
        data = codec.encode(image, quality=quality, subsampling=subsampling)
        coefficients = codec.decode_coefficients(data)
        planes = codec.decode_planes(data)
        assert planes.fraction_bits == 4
        for c, (plane, q) in enumerate(zip(planes.planes, coefficients.planes, strict=True)):
            exact = transform_reference.idct(np.clip(q * coefficients.tables[0, c].astype(int), -2048, 2047))
            error = plane / 16 - exact
            assert abs(error).max() < 0.35 and np.sqrt(np.mean(error**2)) < 0.06


def wild(spread):
    seed = pictures.noise(64, 64, 1, seed=9).reshape(8, 8, 8, 8).astype(int) - 128
    planes = np.clip(seed * spread, -1023, 1023).astype(np.int16)
    source = codec.Coefficients(
        (planes,), np.ones((1, 3, 8, 8), int), np.zeros((1, 1), int), 8, "grey", 64, 64
    )
    return planes, codec.encode_coefficients(source)


def test_inverse_transform_outside_the_picture():
    """Samples may leave 0..255 by a hundred on the way, as they do at strong edges; all others stay exact."""
    planes, data = wild(0.85)
    exact = transform_reference.idct(planes) + 128
    assert -90 > exact.min() > -128 and 330 < exact.max() < 383
    found = codec.decode(data, dtype=np.float32)
    assert abs(found - np.clip(exact, 0, 255)).max() < 0.3


def test_saturated_coefficients_have_one_result():
    """No picture has them, but a damaged stream may: 16 bits saturate, everywhere in the same way."""
    _, data = wild(8)
    whole = codec.decode(data)
    for options in ({"cpu": "c"}, {"cpu": "auto"}, {"threads": 3}):
        assert np.array_equal(codec.decode(data, **options), whole)
    plane = codec.decode_planes(data).planes[0]
    assert (plane.min(), plane.max()) == (-4096, 4095)


def test_dequantised_coefficients_are_clamped():
    planes = np.zeros((1, 1, 8, 8), np.int16)
    planes[0, 0, 0, 0] = 3
    steps = np.full((1, 3, 8, 8), 4000)
    source = codec.Coefficients((planes,), steps, np.zeros((1, 1), int), 8, "grey", 8, 8)
    assert np.all(codec.decode(codec.encode_coefficients(source)) == 255)
    planes[0, 0, 0, 0] = -3
    assert np.all(codec.decode(codec.encode_coefficients(source)) == 0)


# ------------------------------------------------------------------------------------------------ quantiser


def test_the_reciprocal_divides_exactly():
    """Ruling 7: ((|c| + d/2) * ceil(2^(16+s)/d)) >> (16+s) for all |c| < 2^15 and d = 8q, q = 1..4095.

    Both sides are step functions of n = |c| + d/2 that never fall: the two ends of every stair are enough.
    """
    for q in range(1, 4096):
        d = 8 * q
        s = d.bit_length() - 1
        reciprocal = -(2 ** (16 + s) // -d)
        assert reciprocal <= 65536
        top = 2**15 - 1 + d // 2
        first = np.arange(d // 2 // d, top // d + 1) * d  # the first n of each stair, and the last
        for n in (np.maximum(first, d // 2), np.minimum(first + d - 1, top)):
            assert np.array_equal(n * reciprocal >> 16 + s, n // d), q


def test_every_step_rounds_half_away_from_zero():
    """Flat blocks of all 256 greys by all 4095 steps: their DC is 8 * (value - 128), exactly."""
    greys = np.arange(256).astype(np.uint8)
    image = np.repeat(np.repeat(np.tile(greys, (64, 1)), 8, 0), 8, 1)
    dc = 8 * (greys.astype(int) - 128)
    for first in range(1, 4096, 64):
        steps = np.minimum(np.arange(first, first + 64), 4095)
        tables = np.ones((64, 3, 8, 8), int)
        tables[:, :, 0, 0] = steps[:, None]
        level_map = np.repeat(np.arange(64)[:, None], 256, 1)
        planes = codec.quantize(image, codec.QuantPlan(tables, level_map, region_blocks=1)).planes[0]
        expected = np.sign(dc) * ((2 * abs(dc) + steps[:, None]) // (2 * steps[:, None]))
        assert np.array_equal(planes[..., 0, 0], expected), first
        assert not planes.reshape(64, 256, 64)[..., 1:].any()


def test_each_coefficient_has_its_own_step():
    image = image_for("444", make=pictures.noise, size=(48, 48))
    exact = [c.astype(int) for c in codec.quantize(image, ones(image)).planes]
    steps = (pictures.noise(24, 8, 1, seed=5).reshape(1, 3, 8, 8).astype(int) % 60) + 1
    found = codec.quantize(image, codec.QuantPlan(steps, np.zeros((1, 1), int), 8)).planes
    for c in range(3):
        # The integer coefficients were rounded once already, so a tie may go the other way.
        assert abs(found[c] - exact[c] / steps[0, c]).max() <= 0.5 + 0.5 / 1
        assert abs(found[c] * steps[0, c] - exact[c]).max() <= steps[0, c].max() / 2 + 0.5


def test_chroma_uses_chroma_tables():
    image = image_for("420", make=pictures.noise, size=(64, 64))
    for component in range(3):
        tables = np.full((1, 3, 8, 8), 4095)
        tables[0, component] = 1
        planes = codec.quantize(image, codec.QuantPlan(tables, np.zeros((1, 1), int), 8), "420").planes
        assert [bool(plane.any()) for plane in planes] == [c == component for c in range(3)]
