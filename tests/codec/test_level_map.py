"""Level maps by themselves: the bytes of a stream's own map, and nothing else gets through."""

from __future__ import annotations

import numpy as np
import pytest
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
