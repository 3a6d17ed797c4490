# SPDX-License-Identifier: Apache-2.0
"""Context-modelled entropy coding: the same integers in fewer bytes, by every road."""

import context_reference
import numpy as np
import pictures
import pytest
import reference

import codec

TABLES = codec.TableSet.from_log(np.full((3, 8, 8), 50) + 2 * np.arange(8), [0, 6, 12, 18])


def plan(height, width, region_blocks=3, skip=0, scale=1.0, seed=0):
    shape = codec.map_shape(height, width, region_blocks)
    return codec.QuantPlan(TABLES, pictures.levels(*shape, 4, seed, skip), region_blocks, scale)


def equal(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a.planes, b.planes, strict=True))


@pytest.mark.parametrize("subsampling", ["444", "422", "420", "grey"])
@pytest.mark.parametrize("region_blocks", [1, 3, 8])
@pytest.mark.parametrize("skip", [0, 1])
def test_same_integers_as_huffman(subsampling, region_blocks, skip):
    channels = 1 if subsampling == "grey" else 3
    image = pictures.street(75, 101, channels, region_blocks)
    options = {} if channels == 1 else {"subsampling": subsampling}
    regions = plan(75, 101, region_blocks, skip, seed=region_blocks)
    rows = None if region_blocks == 8 else 2
    huffman = codec.encode(image, regions, slice_rows=rows, **options)
    context = codec.encode(image, regions, slice_rows=rows, entropy="context", **options)
    assert equal(codec.decode_coefficients(huffman), codec.decode_coefficients(context))
    assert np.array_equal(codec.decode(huffman), codec.decode(context))
    assert codec.read_header(context).entropy == "context"
    assert codec.read_header(context).huffman_bytes == 0


@pytest.mark.parametrize("subsampling", ["444", "422", "420", "grey"])
def test_a_second_reader_agrees(subsampling):
    """Every number of section 11, from the page and not from the code."""
    image = pictures.street(52, 61, 1 if subsampling == "grey" else 3, 3)
    options = {} if subsampling == "grey" else {"subsampling": subsampling}
    for regions in (plan(52, 61, 2, skip=1), plan(52, 61, 1, scale=0.05), plan(52, 61, 3, scale=12.0)):
        data = codec.encode(image, regions, entropy="context", slice_rows=2, **options)
        found = codec.decode_coefficients(data)
        for plane, wanted in zip(found.planes, context_reference.coefficients(data), strict=True):
            for y, x in np.ndindex(plane.shape[:2]):
                expected = [0] * 64 if wanted[y][x] is None else wanted[y][x]
                assert [int(plane[y, x].flat[n]) for n in reference.ZIGZAG] == expected


def test_extremes_come_back():
    """The largest values there are, escapes and all 64 places, and a step of 1."""
    rng = np.random.default_rng(5)
    ones = codec.QuantPlan(np.ones((1, 3, 8, 8), np.uint16), np.zeros(codec.map_shape(40, 48), np.uint8))
    base = codec.quantize(np.zeros((40, 48, 3), np.uint8), ones)
    for limit in (1, 15, 16, 40, 1023):
        planes = []
        for plane in base.planes:
            values = rng.integers(-limit, limit + 1, plane.shape).astype(np.int16)
            values[rng.random(plane.shape) < 0.3] = 0
            values[..., 0, 0] = rng.integers(-2048, 2048, plane.shape[:2])
            planes.append(values)
        wild = codec.Coefficients(
            tuple(planes), base.tables, base.level_map, base.region_blocks, "444", 48, 40
        )
        data = codec.encode_coefficients(wild, entropy="context")
        assert equal(codec.decode_coefficients(data), wild)
        wanted = context_reference.coefficients(data)
        assert wanted[0][1][2] == [int(planes[0][1, 2].flat[n]) for n in reference.ZIGZAG]


def test_bytes_depend_on_nothing_else():
    image, regions = pictures.street(150, 170, seed=2), plan(150, 170, skip=1)
    data = codec.encode(image, regions, entropy="context", slice_rows=2, subsampling="420")
    for cpu in ("c", "auto"):
        for threads in (1, 2, 3):
            again = codec.encode(
                image, regions, entropy="context", slice_rows=2, subsampling="420", threads=threads, cpu=cpu
            )
            assert again == data
            assert np.array_equal(codec.decode(data, threads=threads, cpu=cpu), codec.decode(data))
    quantized = codec.quantize(image, regions, "420")
    assert codec.encode_coefficients(quantized, regions, entropy="context", slice_rows=2) == data


def test_regions_base_and_damage():
    image, regions = pictures.street(150, 170, seed=2), plan(150, 170, skip=2)
    data = codec.encode(image, regions, entropy="context", slice_rows=2)
    whole = codec.decode(data)
    assert np.array_equal(codec.decode(data, roi=(30, 40, 131, 99)), whole[40:99, 30:131])
    base = codec.decode(data, base=image)
    huffman = codec.encode(image, regions, slice_rows=2)
    assert np.array_equal(base, codec.decode(huffman, base=image))
    header = codec.read_header(data)
    broken = bytearray(data)
    broken[header.header_bytes + 3] ^= 1
    report = []
    shown = codec.decode(bytes(broken), on_damage="conceal", report=report)
    assert [lost.slice for lost in report] == [0]
    assert np.array_equal(shown[48:], whole[48:]) and np.all(shown[:48] == 128)


def test_fewer_bytes_on_street_pictures():
    for seed in range(3):
        image = pictures.street(240, 320, seed=seed)
        for quality in (50, 75, 92):
            huffman = codec.encode(image, quality=quality)
            assert len(codec.encode(image, quality=quality, entropy="context")) < 0.93 * len(huffman)


def test_stats_count_blocks():
    image, regions = pictures.street(75, 101), plan(75, 101, skip=1)
    data, stats = codec.encode_with_stats(image, regions, entropy="context")
    _, huffman = codec.encode_with_stats(image, regions)
    for name in ("blocks", "skipped_blocks", "nonzero"):
        assert getattr(stats, name) == getattr(huffman, name)
    assert stats.total_bytes == len(data) and stats.huffman_bytes == 0


def test_default_slices_are_longer():
    image = np.zeros((720, 960), np.uint8)
    rows = [codec.read_header(codec.encode(image, entropy=e)).slice_rows for e in ("huffman", "context")]
    assert rows == [3, 12]


def test_transcoding_is_exact_both_ways():
    image, regions = pictures.street(75, 101, seed=4), plan(75, 101, skip=1)
    huffman = codec.encode(image, regions, subsampling="420")
    context = codec.transcode(huffman, entropy="context")
    assert context == codec.encode(image, regions, subsampling="420", entropy="context")
    assert codec.transcode(context, entropy="huffman") == huffman
    jpeg = codec.encode(image, quality=80, format="jpeg")
    packed = codec.transcode(jpeg, entropy="context")
    assert len(packed) < len(jpeg)
    assert codec.transcode(packed, format="jpeg") == jpeg


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda s: s[:-1] + bytes([s[-1] | 1]), "slice_padding"),
        (lambda s: s + b"\0", "slice_trailing"),
        (lambda s: b"\xff\xff\xff\xff\xff" + s[1:], "slice_symbols"),
        (lambda s: b"\x7f" + s[1:], "slice_symbols"),
        (lambda s: bytes([s[0] + 3]) + s[1 : 1 + s[0]] + b"\1\2\3" + s[1 + s[0] :], "slice_trailing"),
        (lambda s: b"\1\0", "slice_symbols"),
        (lambda s: s[:-1], "slice_overrun"),
    ],
)
def test_broken_slices(change, rule):
    data = codec.encode(pictures.street(16, 16), quality=45, entropy="context")
    stream = reference.parse(data)
    assert stream.slice_data[0][0] < 125
    with pytest.raises(codec.CorruptError) as caught:
        codec.decode(reseal(data, change(stream.slice_data[0])))
    assert caught.value.rule == rule and caught.value.slice == 0


def reseal(data, slice_bytes):
    """The one slice replaced, index and checksums made to fit."""
    stream = reference.parse(data)
    front = data[: stream.crc_at - stream.index_bytes]
    size, varint = len(slice_bytes), b""
    while size >= 128:
        varint, size = varint + bytes([size & 127 | 128]), size >> 7
    head = front + varint + bytes([size]) + reference.crc32c(slice_bytes).to_bytes(4, "little")
    return head + reference.crc32c(head).to_bytes(4, "little") + slice_bytes


def test_every_slice_byte_may_be_anything():
    """Behind a right checksum: a picture or a documented error."""
    data = codec.encode(pictures.street(24, 24), quality=70, entropy="context")
    content = reference.parse(data).slice_data[0]
    faults = set()
    for i in range(len(content)):
        for byte in (0, 0x0F, 0xF0, 0xFF, content[i] ^ 1):
            try:
                codec.decode(reseal(data, content[:i] + bytes([byte]) + content[i + 1 :]))
            except codec.CorruptError as error:
                faults.add(error.rule)
    assert "slice_overrun" in faults


@pytest.mark.parametrize(
    "options", [{"format": "jpeg"}, {"refine": codec.encode(pictures.street(24, 24), quality=20)}]
)
def test_what_only_huffman_codes_can_do(options):
    with pytest.raises(codec.UnsupportedError, match="Huffman") as caught:
        codec.encode(pictures.street(24, 24), quality=70, entropy="context", **options)
    assert caught.value.rule == "entropy_context"
