# SPDX-License-Identifier: Apache-2.0
"""Limits come before memory: a small file that claims to be huge costs nothing."""

import resource
import tracemalloc

import numpy as np
import pictures
import pytest
from broken import FLAT, jpeg, scan, sof, stream

import codec

IMAGE = pictures.street(20, 30)
CALLS = [codec.decode, codec.decode_planes, codec.decode_coefficients]


@pytest.mark.parametrize("format", ["rdct", "jpeg"])
@pytest.mark.parametrize("call", CALLS)
def test_max_pixels(call, format):
    data = codec.encode(IMAGE, format=format)
    call(data, max_pixels=600)
    with pytest.raises(codec.LimitError) as caught:
        call(data, max_pixels=599)
    error = caught.value
    assert (error.rule, error.limit, error.actual) == ("max_pixels", 599, 600)
    assert "599" in str(error) and "30 x 20" in str(error)


def test_a_roi_does_not_get_around_the_limit():
    with pytest.raises(codec.LimitError):
        codec.decode(codec.encode(IMAGE), roi=(0, 0, 2, 2), max_pixels=599)


def huge():
    """65535 x 65535 pixels in some fifty bytes: all SKIP, or a JPEG file."""
    skip = stream([b""], width=65535, height=65535, regions=8, slice_rows=1024, level_map=b"\xff")
    return [skip, jpeg(frame=sof(width=65535, height=65535))]


@pytest.mark.parametrize("data", huge(), ids=["rdct", "jpeg"])
@pytest.mark.parametrize("call", CALLS)
def test_a_bomb_is_refused_before_anything_is_allocated(call, data):
    assert len(data) < 600
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    with pytest.raises(codec.LimitError) as caught:
        call(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.actual == 65535**2 and caught.value.limit == 2**28
    assert peak < 2**20 and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**13


def test_a_bomb_may_be_looked_at():
    for data in huge():
        header = codec.read_header(data)
        assert header.shape == (65535, 65535)
        assert header.level_map.shape == (1024, 1024)


def test_a_short_scan_cannot_make_a_big_picture():
    data = jpeg(frame=sof(width=16000, height=16000), data=scan(FLAT))
    with pytest.raises(codec.TruncatedError):
        codec.decode_coefficients(data)


def test_the_largest_sides():
    for shape in ((1, 65535), (65535, 1), (2, 65535, 3)):
        image = np.full(shape, 50, np.uint8)
        for subsampling in ("444", "420"):
            data = codec.encode(image, subsampling=subsampling)
            assert np.array_equal(codec.decode(data), image)
            assert len(data) <= codec.encode_bound(shape, subsampling)


def test_64_levels_and_the_largest_steps():
    tables = np.full((64, 3, 8, 8), 4095)
    image = pictures.noise(64, 64)
    plan = codec.QuantPlan(tables, np.arange(64).reshape(8, 8), region_blocks=1).with_scale(255)
    assert plan.steps.max() == 4095
    back = codec.decode(codec.encode(image, plan))
    assert back.shape == image.shape
