# SPDX-License-Identifier: Apache-2.0
"""Pictures there and back: every size, sampling and region size; and against the float64 reading of the
format.
"""

import numpy as np
import pictures
import pytest
import reference
import transform_reference
from hypothesis import given
from hypothesis import strategies as st

import codec

SAMPLINGS = ["444", "422", "420"]
SIZES = [(1, 1), (1, 9), (7, 5), (8, 8), (9, 1), (16, 16), (17, 33), (64, 48)]


def psnr(a, b):
    error = np.mean((a.astype(float) - b.astype(float)) ** 2)
    return 99.0 if error == 0 else 10 * np.log10(255**2 / error)


def table_set(levels=4):
    return codec.TableSet.from_log(
        np.full((3, 8, 8), 40) + np.add.outer(np.arange(8), np.arange(8)) * 2,
        np.arange(levels) * 120 // levels,
    )


def plan_for(image, region_blocks=3, levels=4, skip=0, seed=0):
    rows, cols = codec.map_shape(*image.shape[:2], region_blocks)
    return codec.QuantPlan(table_set(levels), pictures.levels(rows, cols, levels, seed, skip), region_blocks)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("subsampling", [*SAMPLINGS, "grey"])
@pytest.mark.parametrize("format", ["rdct", "jpeg"])
def test_every_size_comes_back(size, subsampling, format):
    image = pictures.slope(*size, channels=1 if subsampling == "grey" else 3)
    data = codec.encode(image, quality=95, subsampling=subsampling, format=format)
    back = codec.decode(data)
    assert back.shape == image.shape and back.dtype == np.uint8
    header = codec.read_header(data)
    assert (header.height, header.width, header.subsampling) == (*size, subsampling)
    assert header.total_bytes == len(data) == header.header_bytes + header.slice_bytes
    assert psnr(back, image) > 40


@pytest.mark.parametrize("region_blocks", range(1, 9))
def test_480x360_in_420_with_every_region_size(region_blocks):
    image = pictures.street(360, 480)
    plan = plan_for(image, region_blocks, skip=1)
    data = codec.encode(image, plan, subsampling="420")
    stream = reference.parse(data)
    planes = reference.coefficients(stream)
    assert np.array_equal(stream.level_map, plan.level_map)
    expected = codec.quantize(image, plan, "420")
    assert all(np.array_equal(a, b) for a, b in zip(planes, expected.planes, strict=True))
    difference = codec.decode(data).astype(float) - transform_reference.picture(stream, planes)
    assert abs(difference).max() <= 1.5
    assert np.sqrt(np.mean(difference**2)) < 0.36  # rounding alone makes 0.29


@pytest.mark.parametrize("subsampling", [*SAMPLINGS, "grey"])
@pytest.mark.parametrize("slice_rows", [None, 2, 4])
def test_pixels_are_those_of_the_float64_decoder(subsampling, slice_rows):
    image = pictures.street(131, 101, channels=1 if subsampling == "grey" else 3, seed=5)
    data = codec.encode(image, plan_for(image, 2, skip=1), subsampling=subsampling, slice_rows=slice_rows)
    stream = reference.parse(data)
    exact = transform_reference.picture(stream, reference.coefficients(stream))
    assert abs(codec.decode(data) - exact).max() <= 1.5
    assert abs(codec.decode(data, dtype=np.float32) - exact).max() <= 1.0
    assert abs(codec.decode(data, dtype=np.uint16) / 257 - exact).max() <= 1.0


@pytest.mark.parametrize("subsampling", SAMPLINGS)
def test_flat_pictures_are_exact(subsampling):
    for value in range(0, 256, 5):
        image = np.full((20, 30, 3), value, np.uint8)
        assert np.array_equal(codec.decode(codec.encode(image, quality=100, subsampling=subsampling)), image)


def test_quality_100_is_nearly_lossless():
    image = pictures.noise(40, 56)
    assert abs(codec.decode(codec.encode(image, quality=100)).astype(int) - image).max() <= 2


@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    subsampling=st.sampled_from([*SAMPLINGS, "grey"]),
    region_blocks=st.integers(1, 8),
    levels=st.integers(1, 64),
    skip=st.integers(0, 8),
    seed=st.integers(0, 2**16),
    scale=st.floats(0.01, 30),
    entropy=st.sampled_from(["huffman", "huffman-fixed"]),
    slice_rows=st.none() | st.sampled_from([2, 4, 6]),
)
def test_any_plan_agrees_with_the_reference_reader(
    height, width, subsampling, region_blocks, levels, skip, seed, scale, entropy, slice_rows
):
    image = pictures.street(height, width, 1 if subsampling == "grey" else 3, seed)
    plan = plan_for(image, region_blocks, levels, skip, seed).with_scale(scale)
    data = codec.encode(image, plan, subsampling=subsampling, entropy=entropy, slice_rows=slice_rows)
    stream = reference.parse(data)
    planes = reference.coefficients(stream)
    ours = codec.decode_coefficients(data)
    assert all(np.array_equal(a, b) for a, b in zip(planes, ours.planes, strict=True))
    assert np.array_equal(ours.level_map, plan.level_map) and np.array_equal(stream.level_map, plan.level_map)
    assert np.array_equal(ours.tables[:, : len(planes)].reshape(levels, -1, 64), stream.steps)
    assert np.array_equal(ours.tables[:, : len(planes)], plan.steps[:, : len(planes)])
    assert codec.encode_coefficients(ours, plan, entropy=entropy, slice_rows=slice_rows) == data
    assert len(data) <= codec.encode_bound(image.shape, subsampling)
    assert abs(codec.decode(data) - transform_reference.picture(stream, planes)).max() <= 2


@pytest.mark.parametrize("format", ["rdct", "jpeg"])
@pytest.mark.parametrize("subsampling", [*SAMPLINGS, "grey"])
def test_coefficients_there_and_back(format, subsampling):
    image = pictures.street(45, 70, 1 if subsampling == "grey" else 3)
    data = codec.encode(image, quality=60, subsampling=subsampling, format=format)
    plan = codec.QuantPlan.uniform(60, image.shape)
    expected = codec.quantize(image, plan, subsampling)
    found = codec.decode_coefficients(data)
    assert all(np.array_equal(a, b) for a, b in zip(found.planes, expected.planes, strict=True))
    assert np.array_equal(found.tables[:, : len(found.planes)], expected.tables[:, : len(found.planes)])
    assert codec.encode_coefficients(expected, plan, format=format) == data
    # And across formats: the same coefficients, so the same pixels but for slices and rounding.
    other = codec.encode_coefficients(found, format="jpeg" if format == "rdct" else "rdct")
    assert np.array_equal(codec.decode(other), codec.decode(data))


def test_extreme_coefficients_survive():
    image = np.zeros((16, 16), np.uint8)
    coefficients = codec.quantize(image, codec.QuantPlan.uniform(100, image.shape))
    plane = coefficients.planes[0]
    plane[...] = 1023
    plane[0] = -1023
    plane[..., 0, 0] = [[-1024, 1023], [1023, -1024]]
    data = codec.encode_coefficients(coefficients)
    assert np.array_equal(codec.decode_coefficients(data).planes[0], plane)
    assert len(data) <= codec.encode_bound(image.shape)


def test_skip_is_grey_and_costs_nothing():
    image = pictures.street(96, 96)
    plan = plan_for(image, 3, 4).with_map(np.full((4, 4), codec.SKIP, np.uint8))
    data, stats = codec.encode_with_stats(image, plan)
    assert np.all(codec.decode(data) == 128)
    assert stats.blocks == 0 and stats.skipped_blocks == 3 * 144 and stats.slice_bytes == 0
    assert len(data) < 400 and codec.read_header(data).has_skip


@pytest.mark.parametrize("subsampling", [*SAMPLINGS, "grey"])
def test_base_shows_through_skip(subsampling):
    channels = 1 if subsampling == "grey" else 3
    first, second = pictures.street(96, 120, channels), pictures.street(96, 120, channels, seed=1)
    whole = codec.QuantPlan(table_set(), np.zeros((4, 5), np.uint8))
    part = whole.with_map(np.where(np.arange(20).reshape(4, 5) % 3, codec.SKIP, 1))
    base_data = codec.encode(first, whole, subsampling=subsampling)
    data = codec.encode(second, part, subsampling=subsampling)
    base = codec.decode_planes(base_data)
    merged = codec.decode(data, base=base)
    inside = np.kron(part.level_map != codec.SKIP, np.ones((24, 24), bool))[:96, :120]
    # Away from the borders of regions, where up-sampling and chroma blocks mix the two, each picture is
    # itself.
    core = np.kron(np.ones((4, 5), bool), np.pad(np.ones((6, 6), bool), 9))
    assert np.array_equal(merged[~inside & core], codec.decode(base_data)[~inside & core])
    if subsampling in ("444", "grey"):
        assert np.array_equal(merged[inside], codec.decode(data)[inside])
    planes = codec.decode_planes(data, base=base)
    assert np.array_equal(codec.decode(data, base=planes), merged)
    # A picture as base goes through the encoder's colour conversion first.
    image = codec.decode(base_data)
    as_image = codec.decode(data, base=image)
    assert np.array_equal(as_image, codec.decode(data, base=codec.encode_planes(image, subsampling)))
    if subsampling in ("444", "grey"):
        assert abs(as_image.astype(int) - merged).max() <= (2 if channels == 3 else 0)


def test_stats_say_where_the_bytes_went():
    image = pictures.street(100, 150)
    plan = plan_for(image, 3, skip=1)
    data, stats = codec.encode_with_stats(image, plan, subsampling="420", slice_rows=2)
    header = codec.read_header(data)
    assert data == codec.encode(image, plan, subsampling="420", slice_rows=2)
    for name in ("total", "header", "table", "huffman", "map", "index", "slice"):
        assert getattr(stats, f"{name}_bytes") == getattr(header, f"{name}_bytes"), name
    assert stats.total_bytes == len(data) and stats.slices == header.slices == 3
    coefficients = codec.decode_coefficients(data)
    assert stats.nonzero == sum(np.count_nonzero(plane) for plane in coefficients.planes)
    assert stats.blocks + stats.skipped_blocks == sum(
        plane.shape[0] * plane.shape[1] for plane in coefficients.planes
    )
    assert stats.dc_symbols.sum() == stats.blocks
    sizes = np.arange(256) & 15
    ac = sum(np.count_nonzero(p) - np.count_nonzero(p[..., 0, 0]) for p in coefficients.planes)
    assert stats.ac_symbols[:, sizes > 0].sum() == ac
    stream = reference.parse(data)
    assert (stream.table_bytes, stream.huffman_bytes, stream.map_bytes, stream.index_bytes,
    stream.header_bytes) == (
        stats.table_bytes, stats.huffman_bytes, stats.map_bytes, stats.index_bytes, stats.header_bytes,
    )  # fmt: skip
    # The symbols, with their lengths and extra bits, are the slices to the last bit.
    bits = sum(
        int(count) * (stream.huffman[2 * c + kind][symbol] + (symbol & 15))
        for c in (0, 1)
        for kind, counts in enumerate((stats.dc_symbols[c], stats.ac_symbols[c]))
        for symbol, count in enumerate(counts)
        if count
    )
    assert 0 <= 8 * stats.slice_bytes - bits < 8 * stats.slices
