# SPDX-License-Identifier: Apache-2.0
"""A region of interest is the crop of the whole picture, exactly, and costs less."""

import time

import numpy as np
import pictures
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

import codec

HEIGHT, WIDTH = 173, 149
SAMPLINGS = ["444", "422", "420", "grey"]


def make(subsampling, format="rdct"):
    image = pictures.street(HEIGHT, WIDTH, 1 if subsampling == "grey" else 3)
    if format == "jpeg":
        return codec.encode(image, subsampling=subsampling, format="jpeg", slice_rows=2)
    tables = np.concatenate([codec.ijg_table(q)[None] for q in (90, 60, 30)])
    rows, cols = codec.map_shape(HEIGHT, WIDTH, 3)
    plan = codec.QuantPlan(tables, pictures.levels(rows, cols, 3, skip=1))
    return codec.encode(image, plan, subsampling=subsampling, slice_rows=2)


STREAMS = {(s, f): make(s, f) for s in SAMPLINGS for f in ("rdct", "jpeg")}
WHOLE = {key: codec.decode(data) for key, data in STREAMS.items()}


@given(
    x=st.lists(st.integers(0, WIDTH), min_size=2, max_size=2, unique=True).map(sorted),
    y=st.lists(st.integers(0, HEIGHT), min_size=2, max_size=2, unique=True).map(sorted),
    key=st.sampled_from(sorted(STREAMS)),
    dtype=st.sampled_from([np.uint8, np.uint16, np.float32]),
)
def test_any_rectangle(x, y, key, dtype):
    (x0, x1), (y0, y1) = x, y
    whole = WHOLE[key] if dtype == np.uint8 else codec.decode(STREAMS[key], dtype=dtype)
    part = codec.decode(STREAMS[key], roi=(x0, y0, x1, y1), dtype=dtype)
    assert part.flags.owndata and np.array_equal(part, whole[y0:y1, x0:x1])


@pytest.mark.parametrize("key", sorted(STREAMS), ids="-".join)
def test_rectangles_at_every_edge(key):
    edges = [0, 1, 7, 8, 9, 15, 16, 17, 23, 24, 47, 48, 49]
    for a in edges:
        for side in (1, 2, 9):
            for roi in (
                (a, a, a + side, a + side),
                (WIDTH - a - 1, 0, WIDTH, side),
                (0, HEIGHT - a - 1, side, HEIGHT),
            ):
                x0, y0, x1, y1 = roi
                part = codec.decode(STREAMS[key], roi=roi)
                assert np.array_equal(part, WHOLE[key][y0:y1, x0:x1]), roi
    assert np.array_equal(codec.decode(STREAMS[key], roi=(0, 0, WIDTH, HEIGHT)), WHOLE[key])


@pytest.mark.parametrize("subsampling", SAMPLINGS)
def test_roi_with_a_base(subsampling):
    data = STREAMS[subsampling, "rdct"]
    base = pictures.street(HEIGHT, WIDTH, 1 if subsampling == "grey" else 3, seed=3)
    whole = codec.decode(data, base=base)
    assert not np.array_equal(whole, WHOLE[subsampling, "rdct"])
    for roi in ((3, 5, 40, 60), (100, 90, 149, 173), (47, 47, 49, 49)):
        assert np.array_equal(codec.decode(data, base=base, roi=roi), whole[roi[1] : roi[3], roi[0] : roi[2]])


def test_threads_and_numpy_integers():
    key = ("420", "rdct")
    roi = tuple(np.array([10, 20, 90, 150]))
    for threads in (1, 2, 5):
        assert np.array_equal(codec.decode(STREAMS[key], roi=roi, threads=threads), WHOLE[key][20:150, 10:90])


def test_slices_outside_are_not_read():
    data = bytearray(STREAMS["444", "rdct"])
    data[-1] ^= 0x55  # the last slice
    with pytest.raises(codec.CorruptError):
        codec.decode(data)
    assert np.array_equal(codec.decode(data, roi=(0, 0, WIDTH, 48)), WHOLE["444", "rdct"][:48])
    # They need not even be there.
    parsed = reference.parse(STREAMS["444", "rdct"])
    cut = data[: parsed.header_bytes + len(parsed.slice_data[0])]
    assert np.array_equal(codec.decode(cut, roi=(0, 0, WIDTH, 48)), WHOLE["444", "rdct"][:48])
    with pytest.raises(codec.TruncatedError) as caught:
        codec.decode(cut, roi=(0, 0, WIDTH, 49))
    assert caught.value.slice == 1


def test_a_small_region_is_quicker_than_the_picture():
    data = codec.encode(pictures.street(1024, 1024), slice_rows=1)
    decoder = codec.Decoder()

    def seconds(**options):
        best = 1.0
        for _ in range(5):
            start = time.process_time()
            decoder.decode(data, **options)
            best = min(best, time.process_time() - start)
        return best

    assert seconds(roi=(500, 500, 524, 524)) < seconds() / 4  # 2 of 43 slices
