# SPDX-License-Identifier: Apache-2.0
"""Damaged slices concealed: they decode as SKIP, all others exactly as ever, and the report says which."""

import functools

import numpy as np
import pictures
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

import codec

HEIGHT, WIDTH, SLICE_ROWS = 137, 75, 2
SAMPLINGS = ["444", "422", "420", "grey"]
TABLES = np.concatenate([codec.ijg_table(q)[None] for q in (90, 60, 30)])


def make(subsampling, lost=(), skip=1):
    """A stream of three slices of 48 rows; those in `lost` are SKIP throughout."""
    image = pictures.street(HEIGHT, WIDTH, 1 if subsampling == "grey" else 3)
    level_map = pictures.levels(*codec.map_shape(HEIGHT, WIDTH), 3, skip=skip)
    for i in lost:
        level_map[i * SLICE_ROWS : (i + 1) * SLICE_ROWS] = codec.SKIP
    plan = codec.QuantPlan(TABLES, level_map)
    return codec.encode(image, plan, subsampling=subsampling, slice_rows=SLICE_ROWS)


def base_of(subsampling):
    return pictures.street(HEIGHT, WIDTH, 1 if subsampling == "grey" else 3, seed=3)


STREAMS = {subsampling: make(subsampling) for subsampling in SAMPLINGS}
SLICES = 3
ROWS = [(0, 48), (48, 96), (96, 137)]


@functools.lru_cache
def spans(data):
    """[start, end) of each slice in the stream."""
    parsed = reference.parse(data)
    ends = parsed.header_bytes + np.cumsum([len(one) for one in parsed.slice_data])
    return list(zip([parsed.header_bytes, *ends[:-1].tolist()], ends.tolist(), strict=True))


def conceal(data, **options):
    report = []
    return codec.decode(data, on_damage="conceal", report=report, **options), report


def flip(data, at, bits=0x10):
    return data[:at] + bytes([data[at] ^ bits]) + data[at + 1 :]


# ----------------------------------------------------------------------------------------- what is shown


@pytest.mark.parametrize("subsampling", SAMPLINGS)
def test_each_slice_in_turn(subsampling):
    data = STREAMS[subsampling]
    whole, base = codec.decode(data), base_of(subsampling)
    with_base = codec.decode(data, base=base)
    for i, (start, end) in enumerate(spans(data)):
        skipped = make(subsampling, lost=[i])
        expected, expected_base = codec.decode(skipped), codec.decode(skipped, base=base)
        y0, y1 = ROWS[i]
        kept = np.r_[:y0, y1:HEIGHT]
        assert np.array_equal(expected[kept], whole[kept])  # slices do not see each other
        for at in (start, start + 1, (start + end) // 2, end - 2, end - 1):
            broken = flip(data, at)
            found, report = conceal(broken)
            assert np.array_equal(found, expected)
            (lost,) = report
            assert (lost.slice, lost.y0, lost.y1, lost.rule) == (i, y0, y1, "slice_crc")
            assert lost.offset == start and f"slice {i}" in lost.message
            assert np.array_equal(conceal(broken, base=base)[0], expected_base)
            with pytest.raises(codec.CorruptError):
                codec.decode(broken)
        assert np.array_equal(expected_base[kept], with_base[kept])


def test_what_grey_is():
    data = make("420", skip=0)
    start = spans(data)[1][0]
    found, _ = conceal(flip(data, start))
    assert (found[48:96] == 128).all() and not (found[:48] == 128).all()
    for dtype, grey in ((np.uint16, 32896), (np.float32, 128)):
        assert np.allclose(conceal(flip(data, start), dtype=dtype)[0][48:96], grey, atol=1)


@pytest.mark.parametrize("subsampling", SAMPLINGS)
def test_a_slice_that_is_wrong_behind_its_checksum(subsampling):
    """Found in the middle of the slice, when rows have been delivered already: they must go again."""
    data = STREAMS[subsampling]
    expected = {i: codec.decode(make(subsampling, lost=[i])) for i in range(SLICES)}
    rules = set()
    for i, (_, end) in enumerate(spans(data)):
        for at in range(end - 40, end):
            found, report = conceal(reference.seal(flip(data, at, 0xFF)))
            if report:
                assert [lost.slice for lost in report] == [i]
                assert np.array_equal(found, expected[i])
                rules.add(report[0].rule)
            y0, y1 = ROWS[i]
            kept = np.r_[:y0, y1:HEIGHT]
            assert np.array_equal(found[kept], expected[i][kept])
    assert {"slice_overrun", "slice_trailing"} & rules and "slice_crc" not in rules


@pytest.mark.parametrize("subsampling", ["420", "grey"])
def test_all_prefixes(subsampling):
    data = STREAMS[subsampling]
    parts = spans(data)
    expected = [codec.decode(make(subsampling, lost=range(n, SLICES))) for n in range(SLICES + 1)]
    for n in range(len(data)):
        if n < parts[0][0]:
            with pytest.raises(codec.TruncatedError):
                conceal(data[:n])
            continue
        complete = sum(end <= n for _, end in parts)
        found, report = conceal(data[:n])
        assert [lost.slice for lost in report] == list(range(complete, SLICES))
        assert {(lost.rule, lost.offset) for lost in report} == {("truncated_slice", n)}
        assert np.array_equal(found, expected[complete])


def test_bytes_too_many():
    data = STREAMS["444"]
    found, report = conceal(data + b"more")
    assert np.array_equal(found, codec.decode(data)) and report == []
    start = spans(data)[1][0]
    found, report = conceal(data[:start] + b"?" + data[start:])
    assert [lost.slice for lost in report] == [1, 2]
    assert np.array_equal(found, codec.decode(make("444", lost=[1, 2])))


def test_everything_lost():
    data = STREAMS["422"]
    base = base_of("422")
    found, report = conceal(data[: spans(data)[0][0]], base=base)
    assert len(report) == SLICES
    planes = codec.decode_planes(make("422", lost=range(SLICES)), base=base)
    assert np.array_equal(found, codec.decode(make("422", lost=range(SLICES)), base=planes))


# ------------------------------------------------------------------------------------------- in part


@given(
    x=st.lists(st.integers(0, WIDTH), min_size=2, max_size=2, unique=True).map(sorted),
    y=st.lists(st.integers(0, HEIGHT), min_size=2, max_size=2, unique=True).map(sorted),
    subsampling=st.sampled_from(SAMPLINGS),
    lost=st.sets(st.integers(0, SLICES - 1)),
    threads=st.sampled_from([1, 1, 3]),
)
def test_regions_of_interest(x, y, subsampling, lost, threads):
    data = STREAMS[subsampling]
    for i in lost:
        data = flip(data, spans(STREAMS[subsampling])[i][0] + 5)
    whole, _ = conceal(data)
    found, report = conceal(data, roi=(x[0], y[0], x[1], y[1]), threads=threads)
    assert np.array_equal(found, whole[y[0] : y[1], x[0] : x[1]])
    touched = [i for i in sorted(lost) if ROWS[i][0] < y[1] and ROWS[i][1] > y[0]]
    assert [(one.slice, one.y0, one.y1) for one in report] == [(i, *ROWS[i]) for i in touched]


def test_planes():
    for subsampling in SAMPLINGS:
        data, report = STREAMS[subsampling], []
        broken = flip(data, spans(data)[1][0])
        planes = codec.decode_planes(broken, on_damage="conceal", report=report)
        expected = codec.decode_planes(make(subsampling, lost=[1]))
        assert [lost.slice for lost in report] == [1]
        assert all(map(np.array_equal, planes.planes, expected.planes))
        # The frame before, as planes, shows through.
        previous = codec.decode_planes(make(subsampling, skip=0))
        planes = codec.decode_planes(broken, on_damage="conceal", base=previous)
        rows = np.r_[48:96]
        assert np.array_equal(planes.planes[0][rows], previous.planes[0][rows])
        with pytest.raises(codec.CorruptError):
            codec.decode_planes(broken)


@pytest.mark.parametrize("subsampling", SAMPLINGS)
def test_a_lost_refinement_shows_what_it_refines(subsampling):
    image = pictures.street(HEIGHT, WIDTH, 1 if subsampling == "grey" else 3)
    level_map = pictures.levels(*codec.map_shape(HEIGHT, WIDTH), 3, skip=1)
    options = {"subsampling": subsampling, "slice_rows": SLICE_ROWS}
    low = codec.encode(image, codec.QuantPlan(TABLES, np.where(level_map == 255, 255, 2)), **options)

    def refinement(lost=()):
        wanted = level_map.copy()
        for i in lost:
            wanted[i * SLICE_ROWS : (i + 1) * SLICE_ROWS] = codec.SKIP
        plan = codec.QuantPlan(TABLES, np.where(wanted == 1, 255, wanted))
        return codec.encode(image, plan, refine=low, refine_limit=None, **options)

    data, base = refinement(), base_of(subsampling)
    assert not np.array_equal(codec.decode(data, refine=low), codec.decode(low))
    ends = (
        np.cumsum([len(one) for one in reference.parse(data).slice_data])
        + codec.read_header(data).header_bytes
    )
    for i, end in enumerate(ends.tolist()):
        for options_ in ({}, {"base": base}, {"roi": (3, 5, 70, 130)}):
            found, report = conceal(flip(data, end - 1), refine=low, **options_)
            assert [one.slice for one in report] == [i]
            assert np.array_equal(found, codec.decode(refinement([i]), refine=low, **options_))


# ----------------------------------------------------------------------------------------- the report


def test_threads_change_nothing():
    image = pictures.street(400, 64)
    data = bytearray(codec.encode(image, slice_rows=1, subsampling="422"))
    for at in range(codec.read_header(data).header_bytes + 40, len(data), 400):
        data[at] ^= 8
    found, report = conceal(data)
    assert len(report) > 3 and report == sorted(report, key=lambda lost: lost.slice)
    for threads in (2, 3, 16):
        again, other = conceal(data, threads=threads)
        assert np.array_equal(again, found) and other == report


def test_the_list_is_appended_to():
    data = STREAMS["444"]
    broken = flip(data, len(data) - 1)
    decoder, report = codec.Decoder(), ["mine"]
    for expected in (1, 2, 2):
        stream = broken if len(report) == expected else data
        decoder.decode(stream, on_damage="conceal", report=report)
    assert len(report) == 3 and report[1] == report[2] == codec.LostSlice(
        2, 96, 137, "slice_crc", spans(data)[2][0], "the checksum of slice 2 does not match"
    )  # fmt: skip
    with pytest.raises(codec.CorruptError):
        decoder.decode(flip(data, 9), on_damage="conceal", report=report)
    with pytest.raises(codec.CorruptError):
        decoder.decode(broken, report=report)
    assert len(report) == 3
    decoder.decode(broken, on_damage="conceal")


def test_batches():
    data = STREAMS["444"]
    datas = [data, flip(data, len(data) - 1), data[: spans(data)[1][1]], data]
    for threads in (1, 3):
        report = []
        found = codec.decode_batch(datas, on_damage="conceal", report=report, threads=threads)
        assert [[lost.slice for lost in one] for one in report] == [[], [2], [2], []]
        assert all(np.array_equal(a, conceal(b)[0]) for a, b in zip(found, datas, strict=True))
    with pytest.raises(TypeError, match="report must be a list"):
        codec.decode_batch(datas, report={})


def test_what_cannot_be_concealed():
    data = STREAMS["444"]
    header = spans(data)[0][0]
    for at in range(header):
        with pytest.raises((codec.BitstreamError, codec.UnsupportedError)):
            conceal(flip(data, at))
    jpeg = codec.encode(pictures.street(16, 16), format="jpeg", quality=50)
    with pytest.raises(codec.UnsupportedError, match="no slices") as caught:
        conceal(jpeg)
    assert caught.value.rule == "conceal_jpeg"
    with pytest.raises(ValueError, match="on_damage must be one of 'raise', 'conceal', got 'hide'"):
        codec.decode(data, on_damage="hide")
    for report in ((), {}, "all"):
        with pytest.raises(TypeError, match="report must be a list"):
            codec.decode(data, on_damage="conceal", report=report)


# ------------------------------------------------------------------------------------------- hostile bytes


@given(
    subsampling=st.sampled_from(SAMPLINGS),
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=12),
    cut=st.integers(0, 10**6),
    seal=st.booleans(),
)
def test_anything_in_the_slices(subsampling, changes, cut, seal):
    """Slices whose bytes are untouched come out as ever, whatever the others hold."""
    good = STREAMS[subsampling]
    parts, whole = spans(good), codec.decode(good)
    first, size = parts[0][0], len(good) - parts[0][0]
    data = bytearray(good)
    for place, value in changes:
        data[first + place % size] = value
    mutant = reference.seal(bytes(data)) if seal else bytes(data)
    if not seal and cut % 3 == 0:
        mutant = mutant[: first + cut % size]
    found, report = conceal(mutant)
    lost = {one.slice for one in report}
    assert len(lost) == len(report)
    for i, (start, end) in enumerate(parts):
        y0, y1 = ROWS[i]
        if data[start:end] == good[start:end] and len(mutant) >= end:
            assert i not in lost and np.array_equal(found[y0:y1], whole[y0:y1])
        elif not seal:
            assert i in lost


@given(data=st.binary(max_size=200), keep=st.integers(0, 10**6))
def test_anything_at_all(data, keep):
    good = STREAMS["420"]
    try:
        conceal(good[: keep % len(good)] + data, max_pixels=1 << 16)
    except (codec.BitstreamError, codec.UnsupportedError, codec.LimitError) as error:
        assert error.rule and error.slice is None
