# SPDX-License-Identifier: Apache-2.0
"""Streams and JPEG files into each other: nothing but the writing changes."""

import io

import jpeg_reference
import numpy as np
import pictures
import pytest
import reference

import codec

Image = pytest.importorskip("PIL.Image")

SAMPLINGS = {"444": 0, "422": 1, "420": 2}
ALL = [*SAMPLINGS, "grey"]


def street(subsampling, *size, seed=0):
    return pictures.street(*size, channels=1 if subsampling == "grey" else 3, seed=seed)


def pillow_jpeg(image, subsampling="444", **options):
    out = io.BytesIO()
    if image.ndim == 3:
        options["subsampling"] = SAMPLINGS[subsampling]
    Image.fromarray(image).save(out, "JPEG", **options)
    return out.getvalue()


def pillow_pixels(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def same(a, b, sets=()):
    """Coefficients and the steps that count are equal, and size and subsampling."""
    a, b = codec.decode_coefficients(a, sets), codec.decode_coefficients(b, sets)
    assert (a.width, a.height, a.subsampling) == (b.width, b.height, b.subsampling)
    assert all(np.array_equal(p, q) for p, q in zip(a.planes, b.planes, strict=True))
    used = [np.unique(one.level_map[one.level_map != codec.SKIP]) for one in (a, b)]
    n = len(a.planes)
    return np.array_equal(a.tables[used[0], :n], b.tables[used[1], :n])


def many_levels(subsampling="444", scale=1.0, skip=0, log=True):
    image = street(subsampling, 150, 203)
    base = np.clip(np.round(16 * np.log2(codec.ijg_table(50))), 0, 255).astype(np.uint8)
    table_set = codec.TableSet.from_log(base, [-16, -8, 0, 8])
    if not log:
        table_set = codec.TableSet(table_set.tables)
    level_map = pictures.levels(*codec.map_shape(150, 203), 4, skip=skip)
    return image, codec.QuantPlan(table_set, level_map, scale=scale)


# ----------------------------------------------------------------------------------------- JPEG, both ways


@pytest.mark.parametrize("subsampling", ALL)
@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"restart_marker_blocks": 7}], ids=str)
@pytest.mark.parametrize("entropy", ["huffman", "huffman-fixed"])
def test_a_jpeg_goes_in_and_out(subsampling, options, entropy):
    for size in ((1, 1), (17, 33), (131, 190)):
        image = street(subsampling, *size, seed=3)
        jpeg = pillow_jpeg(image, subsampling, quality=80, **options)
        data = codec.transcode(jpeg, entropy=entropy)
        assert codec.read_header(data).entropy == entropy
        assert same(data, jpeg) and np.array_equal(codec.decode(data), codec.decode(jpeg))
        back = codec.transcode(data, format="jpeg", entropy=entropy)
        assert same(back, jpeg) and np.array_equal(codec.decode(back), codec.decode(jpeg))
        planes, tables = jpeg_reference.jpeg_coefficients(back)
        expected, steps = jpeg_reference.jpeg_coefficients(jpeg)
        assert all(np.array_equal(a, b) for a, b in zip(planes, expected, strict=True))
        assert np.array_equal(tables, steps)
        assert np.array_equal(pillow_pixels(back), pillow_pixels(jpeg))
        assert codec.transcode(back, entropy=entropy) == data
        with Image.open(io.BytesIO(back)) as a, Image.open(io.BytesIO(jpeg)) as b:
            # Pillow writes one table for Cb and Cr, and so do we where they are equal.
            assert a.quantization == b.quantization


@pytest.mark.parametrize("subsampling", ALL)
def test_a_jpeg_becomes_smaller(subsampling):
    jpeg = pillow_jpeg(street(subsampling, 240, 320, seed=1), subsampling, quality=75)
    data = codec.transcode(jpeg)
    assert len(data) < len(jpeg)
    again = codec.transcode(jpeg, format="jpeg")
    assert len(data) < len(again) < len(jpeg) and same(again, jpeg)


@pytest.mark.parametrize("subsampling", ALL)
def test_one_of_our_streams_goes_out_and_in(subsampling):
    image = street(subsampling, 95, 121)
    for region_blocks in (1, 3, 8):
        plan = codec.QuantPlan.uniform(60, image.shape, region_blocks=region_blocks).with_scale(0.75)
        data = codec.encode(image, plan, subsampling=subsampling)
        jpeg = codec.transcode(data, format="jpeg")
        assert jpeg == codec.encode(image, plan, subsampling=subsampling, format="jpeg")
        assert same(jpeg, data) and same(codec.transcode(jpeg), data)
        if subsampling != "420" or codec.read_header(data).slices == 1:
            assert np.array_equal(codec.decode(jpeg), codec.decode(data))


def test_three_different_tables():
    image = street("444", 64, 72)
    tables = np.stack([codec.ijg_table(90)[0], codec.ijg_table(60)[1], codec.ijg_table(30)[1]])[None]
    data = codec.encode(image, codec.QuantPlan(tables, np.zeros((3, 3), np.uint8)))
    jpeg = codec.transcode(data, format="jpeg")
    assert same(jpeg, data) and np.array_equal(codec.read_header(jpeg).steps, tables)
    assert codec.transcode(jpeg, format="jpeg") == jpeg


def test_one_level_of_many_is_enough():
    image, plan = many_levels()
    plan = plan.with_map(np.full_like(plan.level_map, 2))
    data = codec.encode(image, plan)
    jpeg = codec.transcode(data, format="jpeg")
    assert same(jpeg, data) and np.array_equal(codec.decode(jpeg), codec.decode(data))
    assert np.array_equal(codec.read_header(jpeg).steps, plan.steps[2:3])


def test_slices():
    jpeg = pillow_jpeg(street("420", 400, 300), "420")
    data = codec.transcode(jpeg, slice_rows=1)
    assert codec.read_header(data).slices > 1 == codec.read_header(codec.transcode(jpeg)).slices
    assert same(data, jpeg)
    assert codec.read_header(codec.transcode(data)).slice_rows == 1  # kept
    restarts = codec.transcode(data, format="jpeg", slice_rows=1)
    assert same(restarts, jpeg) and codec.read_header(restarts).restart_interval > 0
    assert codec.read_header(codec.transcode(data, format="jpeg")).restart_interval == 0


# ------------------------------------------------------------------------------------- streams into streams


@pytest.mark.parametrize("subsampling", ALL)
@pytest.mark.parametrize("skip", [0, 5])
@pytest.mark.parametrize("log", [True, False])
def test_entropy_and_tables_change_alone(subsampling, skip, log):
    image, plan = many_levels(subsampling, scale=1.5, skip=skip, log=log)
    streams = {
        (entropy, tables): codec.encode(
            image, plan, subsampling=subsampling, entropy=entropy, tables=tables, slice_rows=2
        )
        for entropy in ("huffman", "huffman-fixed")
        for tables in ("inline", "id")
    }
    sets = [codec.TableSet.ijg(5), plan.table_set]
    for data in streams.values():
        for (entropy, tables), expected in streams.items():
            found = codec.transcode(data, entropy=entropy, tables=tables, table_sets=sets)
            assert found == expected
    # Without the set the tables in the stream serve as well, in the form they have there.
    for entropy in ("huffman", "huffman-fixed"):
        assert codec.transcode(streams["huffman", "inline"], entropy=entropy) == streams[entropy, "inline"]


def test_known_sets_bring_their_bands():
    image, plan = many_levels()
    counts = codec.encode_with_stats(image, plan)[1]
    band = np.stack(
        [
            codec.huffman_lengths(1 + np.pad(counts.dc_symbols[0], (0, 244))),
            codec.huffman_lengths(1 + counts.ac_symbols[0]),
            codec.huffman_lengths(1 + np.pad(counts.dc_symbols[1], (0, 244))),
            codec.huffman_lengths(1 + counts.ac_symbols[1]),
        ]
    )
    valid = np.zeros((4, 256), bool)
    valid[::2, :12] = True
    valid[1::2] = [s in (0, 0xF0) or 1 <= s % 16 <= 10 for s in range(256)]
    table_set = codec.TableSet(plan.tables, np.where(valid, band, 0)[None])
    data = codec.encode(image, plan)
    by_id = codec.transcode(data, entropy="huffman-fixed", tables="id", table_sets=[table_set])
    header = codec.read_header(by_id)
    assert header.table_set_id == table_set.id_hex and header.band == 0
    assert same(data, by_id, [table_set])


def test_threads_and_buffers_do_not_matter():
    jpeg = pillow_jpeg(street("444", 200, 210))
    data = codec.transcode(jpeg)
    assert codec.transcode(memoryview(jpeg), threads=3, cpu="c") == data
    assert codec.transcode(np.frombuffer(jpeg, np.uint8)) == data
    assert codec.transcode(bytearray(data)) == data


@pytest.mark.parametrize("subsampling", ALL)
def test_slices_change_alone(subsampling):
    image, plan = many_levels(subsampling, skip=2)
    streams = {
        rows: codec.encode(image, plan, subsampling=subsampling, slice_rows=rows) for rows in (2, 4, 7)
    }
    for data in streams.values():
        for rows, expected in streams.items():
            assert codec.transcode(data, slice_rows=rows) == expected
    assert codec.transcode(streams[4]) == streams[4]


# ------------------------------------------------------------------------------- many levels under one table


def dequantised(data):
    """Coefficients as the decoder reconstructs them, clamped."""
    found = codec.decode_coefficients(data)
    parsed = reference.parse(data) if data[:4] == b"RDCT" else None
    out = []
    for c, plane in enumerate(found.planes):
        levels = np.array(reference.block_levels(parsed, c)) if parsed else np.zeros(plane.shape[:2], int)
        out.append(np.clip(plane * found.tables[levels, c].astype(int), -2048, 2047))
    return out


def assert_merged(jpeg, data):
    assert all(map(np.array_equal, dequantised(jpeg), dequantised(data)))
    back = codec.transcode(jpeg)
    assert all(map(np.array_equal, dequantised(back), dequantised(data)))
    assert codec.transcode(back, format="jpeg") == jpeg


@pytest.mark.parametrize("subsampling", ALL)
@pytest.mark.parametrize("log", [True, False])
def test_many_levels_become_one_table(subsampling, log):
    for scale in (0.5, 1.0, 3.0):
        image, plan = many_levels(subsampling, scale=scale, log=log)
        for slice_rows in (2, 7):
            data = codec.encode(image, plan, subsampling=subsampling, slice_rows=slice_rows)
            jpeg = codec.transcode(data, format="jpeg")
            assert_merged(jpeg, data)
            assert jpeg == codec.transcode(data, format="jpeg", threads=3)
            if slice_rows == 7 or subsampling != "420":
                assert np.array_equal(codec.decode(jpeg), codec.decode(data))
                distance = np.abs(pillow_pixels(jpeg).astype(int) - codec.decode(data))
                assert distance.mean() < 1


def test_the_steps_are_the_largest_that_divide():
    tables = np.empty((4, 3, 8, 8), int)
    tables[:] = np.array([12, 18, 30, 255]).reshape(4, 1, 1, 1)  # the last is not in use
    planes = [np.zeros((1, 3, 8, 8), np.int16) for _ in range(3)]
    values = {  # what levels 0, 1, 2 hold -> the step
        (0, 1): ((1, 2, 3), 6),
        (0, 2): ((1, 0, 3), 6),
        (0, 3): ((1, 0, 0), 12),
        (0, 4): ((0, 5, -1), 6),
        (0, 5): ((0, 0, 7), 30),
        (0, 6): ((0, 9, 0), 18),
        (7, 7): ((0, 0, 0), 6),  # of all levels in use
    }
    for (v, u), (three, _) in values.items():
        planes[1][0, :, v, u] = three
    level_map = np.array([[0, 1, 2]], np.uint8)
    data = codec.encode_coefficients(codec.Coefficients(tuple(planes), tables, level_map, 1, "444", 24, 8))
    jpeg = codec.transcode(data, format="jpeg")
    assert_merged(jpeg, data)
    found = codec.decode_coefficients(jpeg)
    for (v, u), (three, step) in values.items():
        assert found.tables[0, 1, v, u] == step, (v, u)
        expected = [value * steps // step for value, steps in zip(three, (12, 18, 30), strict=True)]
        assert found.planes[1][0, :, v, u].tolist() == expected


def one_block_each(values, steps, n=(3, 4)):
    """A grey stream of one block a level, with one value each."""
    plane = np.zeros((1, len(values), 8, 8), np.int16)
    plane[(0, slice(None), *n)] = values
    tables = np.ones((len(steps), 3, 8, 8), int)
    tables[(slice(None), slice(None), *n)] = np.array(steps)[:, None]
    level_map = np.arange(len(values), dtype=np.uint8)[None]
    coefficients = codec.Coefficients((plane,), tables, level_map, 1, "grey", 8 * len(values), 8)
    return codec.encode_coefficients(coefficients)


@pytest.mark.parametrize(
    ("values", "steps", "step", "expected"),
    [
        ((100, -3), (256, 1024), 128, (16, -16)),  # steps above 255; -3 * 1024 is cut off
        ((4, 4), (257, 514), 1, None),  # a prime: 1028 has no size
        ((3, 3), (257, 514), 1, None),
        ((1, 1), (257, 257), 1, (257, 257)),
        ((3, -3), (300, 600), 150, (6, -12)),
        ((700, -700), (4, 6), 2, None),  # cut off at 2047, but still out of range
        ((-700, 682), (3, 6), 3, (-700, 683)),  # the first keeps its step
        ((1023, -1023), (1, 2), 1, None),
        ((1023, -511), (1, 2), 1, (1023, -1022)),
        ((1023, 1), (7, 7), 7, (1023, 1)),  # one step in use: nothing is touched, cut off or not
    ],
)
def test_ranges(values, steps, step, expected):
    data = one_block_each(values, steps)
    if expected is None:
        with pytest.raises(
            codec.UnsupportedError, match=r"coefficient 28 .* -1023\.\.1023; decode it"
        ) as caught:
            codec.transcode(data, format="jpeg")
        assert caught.value.rule == "jpeg_ac_range"
        return
    jpeg = codec.transcode(data, format="jpeg")
    assert_merged(jpeg, data)
    found = codec.decode_coefficients(jpeg)
    assert found.tables[0, 0, 3, 4] == step
    assert found.planes[0][0, :, 3, 4].tolist() == list(expected)
    assert np.array_equal(codec.decode(jpeg), codec.decode(data))


def test_dc_under_one_table():
    data = one_block_each((500, 300, -300), (3, 5, 9), n=(0, 0))
    with pytest.raises(codec.UnsupportedError, match="DC difference") as caught:
        codec.transcode(data, format="jpeg")
    assert caught.value.rule == "jpeg_dc_difference"
    data = one_block_each((700, 300, -300), (3, 5, 1), n=(0, 0))
    jpeg = codec.transcode(data, format="jpeg")
    assert_merged(jpeg, data)
    assert codec.decode_coefficients(jpeg).planes[0][0, :, 0, 0].tolist() == [2047, 1500, -300]


def test_merging_changes_no_jpeg():
    """Values that the reconstruction cuts off stay as a JPEG file has them."""
    plane = np.zeros((1, 1, 8, 8), np.int16)
    plane[0, 0, 2, 2] = 1023
    tables = np.full((1, 3, 8, 8), 255)
    jpeg = codec.encode_coefficients(
        codec.Coefficients((plane,), tables, np.zeros((1, 1), np.uint8), 1, "grey", 8, 8), format="jpeg"
    )
    assert (
        codec.transcode(codec.transcode(jpeg), format="jpeg") == jpeg == codec.transcode(jpeg, format="jpeg")
    )


# --------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("level_map", [[[0, codec.SKIP]], [[codec.SKIP, codec.SKIP]]])
def test_skip_is_no_jpeg(level_map):
    data = codec.encode(street("444", 24, 48), codec.QuantPlan(codec.TableSet.ijg(50), level_map))
    with pytest.raises(codec.UnsupportedError, match="SKIP") as caught:
        codec.transcode(data, format="jpeg")
    assert caught.value.rule == "jpeg_skip"


def test_missing_table_sets():
    image, plan = many_levels()
    data = codec.encode(image, plan, tables="id")
    with pytest.raises(ValueError, match="table") as caught:
        codec.transcode(data, table_sets=[codec.TableSet.ijg(75)])
    assert caught.value.rule == "missing_table_set"
    for source in (codec.encode(image, plan), pillow_jpeg(image)):
        with pytest.raises(ValueError, match="tables='id'") as caught:
            codec.transcode(source, tables="id", table_sets=[codec.TableSet.ijg(10)])
        assert caught.value.rule == "missing_table_set"


def test_arguments_are_checked_first():
    jpeg = pillow_jpeg(street("444", 16, 16))
    for options, words in [
        ({"format": "png"}, "format must be one of 'rdct', 'jpeg'"),
        ({"entropy": "none"}, "entropy must be one of"),
        ({"tables": "both"}, "tables must be one of"),
        ({"tables": "id", "format": "jpeg"}, "tables='id' needs format='rdct'"),
        ({"slice_rows": 0}, "slice_rows must be 1..8192"),
        ({"max_pixels": 0}, "max_pixels must be"),
        ({"threads": 0}, "threads must be 1..256"),
        ({"cpu": "mmx"}, "cpu must be one of"),
    ]:
        with pytest.raises(ValueError, match=words):
            codec.transcode(jpeg, **options)
        if not {"max_pixels"} & set(options):
            with pytest.raises(ValueError, match=words):
                codec.transcode(b"", **options)
    with pytest.raises(codec.UnsupportedError):
        codec.transcode(jpeg, entropy="context", format="jpeg")
    with pytest.raises(TypeError, match="table_sets"):
        codec.transcode(jpeg, table_sets=codec.TableSet.ijg(5))
    with pytest.raises(TypeError):
        codec.transcode(16)


def test_damage_and_limits():
    jpeg = pillow_jpeg(street("444", 64, 64))
    data = codec.transcode(jpeg)
    with pytest.raises(codec.LimitError):
        codec.transcode(jpeg, max_pixels=4095)
    for broken in (b"", data[:-1], data[:30], jpeg[: len(jpeg) // 2], data[:-1] + bytes([data[-1] ^ 1])):
        with pytest.raises(codec.BitstreamError):
            codec.transcode(broken)
    with pytest.raises(codec.UnsupportedError) as caught:
        codec.transcode(pillow_jpeg(street("444", 64, 64), progressive=True))
    assert caught.value.rule == "progressive"
    cmyk = io.BytesIO()
    Image.new("CMYK", (16, 16)).save(cmyk, "JPEG")
    with pytest.raises(codec.UnsupportedError) as caught:
        codec.transcode(cmyk.getvalue())
    assert caught.value.rule == "cmyk"


def test_what_no_jpeg_can_say_is_refused():
    """A DC difference across a slice boundary, where a stream starts afresh."""
    planes = [np.zeros((2, 1, 8, 8), np.int16) for _ in range(3)]
    planes[0][:, 0, 0, 0] = 2047, -2047
    ones = np.ones((1, 3, 8, 8), np.uint16)
    level_map = np.zeros((2, 1), np.uint8)
    coefficients = codec.Coefficients(tuple(planes), ones, level_map, 1, "444", 8, 16)
    data = codec.encode_coefficients(coefficients, slice_rows=1)
    assert same(codec.transcode(data), data)
    with pytest.raises(codec.UnsupportedError, match=r"DC difference .* -4094, .*slice_rows=") as caught:
        codec.transcode(data, format="jpeg")
    assert caught.value.rule == "jpeg_dc_difference"
    assert same(codec.transcode(data, format="jpeg", slice_rows=1), data)
    with pytest.raises(ValueError, match="DC difference") as caught:
        codec.transcode(data, slice_rows=2)
    assert caught.value.rule == "dc_difference"
