"""Level maps by themselves: the bytes of a stream's own map, and nothing else gets through."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import codec

SHAPES = st.tuples(st.integers(1, 20), st.integers(1, 20))


@st.composite
def maps(draw):
    levels = draw(st.integers(1, 64))
    values = st.integers(0, levels - 1) | st.just(codec.SKIP)
    return draw(arrays.arrays(np.uint8, SHAPES, elements=values)), levels


@given(maps())
def test_a_map_comes_back_as_it_was(case):
    level_map, levels = case
    data = codec.encode_level_map(level_map, levels)
    back = codec.decode_level_map(data, level_map.shape, levels)
    assert back.dtype == np.uint8 and np.array_equal(back, level_map)


def test_the_bytes_are_those_of_a_stream():
    rng = np.random.default_rng(3)
    table_set = codec.TableSet.from_log(np.full((3, 8, 8), 64), np.arange(16) * 4)
    level_map = np.clip(rng.normal(8, 2, codec.map_shape(240, 320)).cumsum(1) / 4, 0, 15).astype(np.uint8)
    stream = codec.encode(np.zeros((240, 320, 3), np.uint8), codec.QuantPlan(table_set, level_map))
    data = codec.encode_level_map(level_map, 16)
    assert data in stream
    assert len(data) <= codec.read_header(stream).map_bytes <= len(data) + 2


@pytest.mark.parametrize("levels", [1, 2, 16, 64])
def test_the_worst_map_fits_its_bound(levels):
    # Alternating extremes after a long calm: every decision as dear as it can be.
    level_map = np.zeros((40, 40), np.uint8)
    level_map[20:, ::2] = levels - 1
    level_map[30:, 1::2] = codec.SKIP
    data = codec.encode_level_map(level_map, levels)
    assert np.array_equal(codec.decode_level_map(data, (40, 40), levels), level_map)


@given(st.binary(max_size=200), SHAPES, st.integers(1, 64))
def test_noise_gives_a_map_or_an_error(noise, shape, levels):
    try:
        level_map = codec.decode_level_map(noise, shape, levels)
    except codec.CorruptError as error:
        assert error.rule == "map_section"
        return
    assert level_map.shape == shape
    assert ((level_map < levels) | (level_map == codec.SKIP)).all()


def test_bytes_left_over_are_refused():
    data = codec.encode_level_map(np.arange(6).reshape(2, 3), 6)
    with pytest.raises(codec.CorruptError):
        codec.decode_level_map(data + bytes(8) + b"x", (2, 3), 6)
    with pytest.raises(codec.CorruptError):
        codec.decode_level_map(data + b"\0", (2, 3), 6)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: codec.encode_level_map([[3]], 3), ValueError, "3"),
        (lambda: codec.encode_level_map([[254]], 16), ValueError, "254"),
        (lambda: codec.encode_level_map([[0.5]], 3), TypeError, "level_map"),
        (lambda: codec.encode_level_map([0, 1], 3), ValueError, r"level_map must have shape \[n, n\]"),
        (lambda: codec.encode_level_map(np.zeros((0, 3), int), 3), ValueError, "rows"),
        (lambda: codec.encode_level_map([[0]], 0), ValueError, "levels"),
        (lambda: codec.encode_level_map([[0]], 65), ValueError, "levels"),
        (lambda: codec.decode_level_map(b"", (0, 3), 3), ValueError, r"shape\[0\]"),
        (lambda: codec.decode_level_map(b"", (3, 8193), 3), ValueError, r"shape\[1\]"),
        (lambda: codec.decode_level_map(b"", 3, 3), ValueError, "shape"),
        (lambda: codec.decode_level_map("", (3, 3), 3), TypeError, "data"),
    ],
)
def test_arguments_are_refused_by_name(call, error, says):
    with pytest.raises(error, match=says):
        call()


# ------------------------------------------------------------------------------------------ in streams


LADDER = codec.TableSet.from_log(np.full((3, 8, 8), 90), np.arange(16) * 4 - 30)


def stream_of(level_map, **options):
    """A stream whose regions are single blocks, so that any map is cheap to have; and the map's own bytes."""
    image = np.zeros((8 * level_map.shape[0], 8 * level_map.shape[1]), np.uint8)
    data = codec.encode(image, codec.QuantPlan(LADDER, level_map, 1), **options)
    return data, codec.read_header(data)


def rough(shape, seed, skip=0.0):
    """Levels as a network wants them: correlated, noisy, clipped at the coarse end."""
    rng = np.random.default_rng(seed)
    rows, cols = shape
    noise = rng.normal(0, 1, (rows + 2, cols + 2))
    smooth = sum(noise[y : y + rows, x : x + cols] for y in range(3) for x in range(3)) / 3
    level_map = np.clip(np.rint(10 + 2.5 * smooth + rng.normal(0, 1, shape)), 0, 15).astype(np.uint8)
    level_map[rng.random(shape) < skip] = codec.SKIP
    return level_map


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (1, 30), (30, 1), (9, 13), (40, 31)])
@pytest.mark.parametrize("kind", ["constant", "finest", "random", "rough", "holes", "skip"])
def test_maps_of_context_modelled_streams(shape, kind):
    """Both codings read back as they were, and as the page says; the shorter one is taken."""
    rng = np.random.default_rng(1)
    level_map = {
        "constant": np.full(shape, 9),
        "finest": np.where(rng.random(shape) < 0.05, 1, 0),
        "random": rng.integers(0, 16, shape),
        "rough": rough(shape, 2),
        "holes": rough(shape, 3, 0.3),
        "skip": np.full(shape, codec.SKIP),
    }[kind].astype(np.uint8)
    data, header = stream_of(level_map, entropy="context")
    assert np.array_equal(header.level_map, level_map)
    assert np.array_equal(reference.parse(data).level_map, level_map)
    flat = (level_map == level_map.flat[0]).all()
    sizes = {
        1: len(reference.map_bytes(level_map, 16)),
        2: len(reference.map_bytes(level_map, 16, trained=True)),
    }
    assert data[5] >> 6 == (0 if flat else 2 if sizes[2] < sizes[1] else 1)
    if not flat:
        assert header.map_bytes - min(sizes.values()) in (1, 2)


def test_the_trained_coding_is_for_rich_sets_and_contexts():
    level_map = rough((15, 20), 4)
    assert stream_of(level_map, entropy="context")[0][5] >> 6 == 2
    assert stream_of(level_map)[0][5] >> 6 == 1
    poor = codec.TableSet.from_log(np.full((3, 8, 8), 90), np.arange(7) * 4)
    plan = codec.QuantPlan(poor, np.minimum(level_map, 6), 1)
    assert codec.encode(np.zeros((120, 160), np.uint8), plan, entropy="context")[5] >> 6 == 1


def test_the_trained_coding_pays():
    plain = trained = 0
    for seed in range(8):
        level_map = rough((15, 20), 10 + seed)
        plain += stream_of(level_map)[1].map_bytes
        trained += stream_of(level_map, entropy="context")[1].map_bytes
    assert trained < 0.98 * plain


@pytest.mark.parametrize("levels", [8, 16, 64])
def test_the_worst_trained_map_fits_its_bound(levels):
    level_map = np.zeros((40, 40), np.uint8)
    level_map[20:, ::2] = levels - 1
    level_map[30:, 1::2] = codec.SKIP
    tables = codec.TableSet.from_log(np.full((3, 8, 8), 90), np.arange(levels))
    plan = codec.QuantPlan(tables, level_map, 1)
    data = codec.encode(np.zeros((320, 320), np.uint8), plan, entropy="context")
    assert np.array_equal(codec.read_header(data).level_map, level_map)
