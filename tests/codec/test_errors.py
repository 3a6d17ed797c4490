# SPDX-License-Identifier: Apache-2.0
"""Every rule that an argument or a stream can break, broken once, alone."""

import json
import pickle
import re
from pathlib import Path

import numpy as np
import pictures
import pytest
import reference
from broken import (
    COLOUR,
    COLOUR_SCAN,
    DQT,
    EOB,
    FLAT,
    ZRL,
    ac,
    bits,
    coded,
    dc,
    dht,
    jpeg,
    scan,
    segment,
    sof,
    sos,
    stream,
    varint,
)

import codec
from codec import CorruptError, TruncatedError, UnsupportedError

IMAGE = pictures.street(48, 48)
PLAN = codec.QuantPlan.uniform(75, IMAGE.shape)
DATA = codec.encode(IMAGE)

# ------------------------------------------------------------------------------------------------- streams

TOO_MANY_CODES = [[1, 1] + [0] * 254, [0] * 256]
ALL_ONES = [[1, 2, 2] + [0] * 253, [0] * 256]


def by_id(**options):
    tables = codec.TableSet.from_log(np.full((3, 8, 8), 60), [0, 8])
    return stream(flags=0b0001_0111, levels=2, tables=tables.id, **options), tables


# rule, exception, data. The data are right but for this one thing.
STREAMS = [
    ("magic", CorruptError, stream(magic=b"RDCX")),
    ("magic", CorruptError, b"GIF89a"),
    ("truncated_header", TruncatedError, b""),
    ("truncated_header", TruncatedError, b"RD"),
    ("truncated_header", TruncatedError, stream()[:20]),
    ("version", UnsupportedError, stream(version=2)),
    ("version", UnsupportedError, stream(version=0)),
    ("flags", CorruptError, stream(flags=0b1000_0111)),
    ("refine_section", CorruptError, stream(flags=0b0010_0111, level_map=bytes(9) + b"\x02\x80\x00")),
    ("truncated_header", TruncatedError, stream(flags=0b0010_0111, level_map=bytes(9) + b"\x7f")),
    ("entropy", UnsupportedError, stream(flags=0b0010_1011)),
    ("entropy", UnsupportedError, stream(flags=0b0000_1111)),
    ("width", CorruptError, stream(width=0)),
    ("width", CorruptError, stream(width=65536)),
    ("height", CorruptError, stream(height=0)),
    ("height", CorruptError, stream(height=65536)),
    ("varint", CorruptError, stream(sizes=b"\x88\x00\x08")),
    ("varint", CorruptError, stream(sizes=b"\xff\xff\xff\xff\x7f\x08")),
    ("varint", CorruptError, stream(sizes=b"\x80\x80\x80\x80\x80\x01\x08")),
    ("scale", CorruptError, stream(scale=0)),
    ("levels", CorruptError, stream(levels=0)),
    ("levels", CorruptError, stream(levels=65)),
    ("region_blocks", CorruptError, stream(regions=0)),
    ("region_blocks", CorruptError, stream(regions=9)),
    ("slice_rows", CorruptError, stream(slice_rows=0)),
    ("slice_rows", CorruptError, stream(slice_rows=8193)),
    ("slice_rows", CorruptError, stream(flags=0b0000_0110, height=24)),  # 4:2:0 in odd rows
    ("table_form", CorruptError, stream(tables=b"\x03\x32")),
    ("table_form", CorruptError, stream(levels=2)),  # form 2 with two levels
    ("ijg_quality", CorruptError, stream(tables=b"\x02\x00")),
    ("ijg_quality", CorruptError, stream(tables=b"\x02\x65")),
    ("step", CorruptError, stream(tables=b"\x00" + bytes(64))),
    ("step", CorruptError, stream(tables=b"\x00" + varint(4096) + b"\x01" * 63)),
    ("step", CorruptError, stream(levels=2, tables=b"\x00" + b"\x01" * 64 + b"\x01" + bytes(63))),
    ("band", CorruptError, stream(huffman=b"\x00")),  # a band of a set that is not named
    ("band", CorruptError, by_id(huffman=b"\x40")[0]),
    ("huffman_section", CorruptError, stream(huffman=b"\xfe" + coded(b"\x01\x00"))),
    ("huffman_section", CorruptError, stream(flags=3, huffman=coded(reference.huffman_bytes([[0] * 256] * 2) + b"\x01" * 8))),
    ("huffman_oversubscribed", CorruptError, stream(flags=3, huffman=coded(reference.huffman_bytes(TOO_MANY_CODES)))),
    ("huffman_oversubscribed", CorruptError, stream(huffman=b"\xfe" + coded(reference.huffman_bytes(ALL_ONES)))),
    ("map_section", CorruptError, stream(flags=0b0100_0111, level_map=coded(b"\x80\x00"))),
    ("map_section", CorruptError, stream(flags=0b0100_0111, level_map=coded(b"\x01\x02\x03\x04\x05\x06\x07\x08"))),
    ("level", CorruptError, stream(level_map=b"\x01")),
    ("level", CorruptError, stream(level_map=b"\xfe")),
    ("varint", CorruptError, stream(index=b"\x80\x80\x80\x80\x08" + bytes(4))),
    ("header_crc", CorruptError, stream(header_crc=0)),
    ("slice_crc", CorruptError, stream(slice_crc=0)),
    ("truncated_slice", TruncatedError, stream()[:-1]),
    ("trailing_bytes", CorruptError, stream(trailing=b"\x00")),
    ("missing_code", CorruptError, stream([b"\xff\xff\xff\xff"])),
    ("missing_code", CorruptError, stream([bits(dc(0), "1" * 16, "1" * 16)])),
    ("run", CorruptError, stream([bits(dc(0), ZRL * 4, EOB)])),
    ("run", CorruptError, stream([bits(dc(0), ZRL * 3, ac(0xF1), "1", EOB)])),
    ("dc_range", CorruptError, stream([bits(dc(2047), EOB, dc(1), EOB)], width=16)),
    ("dc_range", CorruptError, stream([bits(dc(-2047), EOB, dc(-2), EOB)], width=16)),
    ("slice_overrun", CorruptError, stream([b""])),
    ("slice_overrun", CorruptError, stream([bits(FLAT)], width=16)),
    ("slice_trailing", CorruptError, stream([bits(FLAT) + b"\x00"])),
    ("slice_padding", CorruptError, stream([bits(FLAT, "01")])),
    # JPEG files
    ("truncated_header", TruncatedError, b"\xff\xd8"),
    ("truncated_header", TruncatedError, jpeg()[:100]),
    ("marker", CorruptError, jpeg(before=b"\x00")),
    ("marker", CorruptError, jpeg(before=b"\xff\xd8")),
    ("marker", CorruptError, jpeg(before=b"\xff\xd0")),
    ("marker", CorruptError, jpeg(before=b"\xff\xd9")),
    ("marker", CorruptError, jpeg(before=b"\xff\xe1\x00\x01")),
    ("dqt", CorruptError, jpeg(dqt=b"")),
    ("dqt", CorruptError, jpeg(dqt=segment(0xDB, bytes(65)))),
    ("dqt", CorruptError, jpeg(dqt=segment(0xDB, bytes([4] + [1] * 64)))),
    ("dqt", CorruptError, jpeg(dqt=segment(0xDB, bytes([0x20] + [1] * 64)))),
    ("dqt", CorruptError, jpeg(dqt=segment(0xDB, bytes([0] + [1] * 63)))),
    ("step", UnsupportedError, jpeg(dqt=segment(0xDB, bytes([0x10] + [0x10, 0] * 64)))),
    ("dht", CorruptError, jpeg(huffman=b"")),
    ("dht", CorruptError, jpeg(huffman=dht(0x00))),
    ("dht", CorruptError, jpeg(huffman=dht(0x24, [1] + [0] * 255))),
    ("dht", CorruptError, jpeg(huffman=segment(0xC4, bytes(10)))),
    ("dht", CorruptError, jpeg(huffman=segment(0xC4, bytes([0, 0, 3] + [0] * 14)))),
    ("huffman_oversubscribed", CorruptError, jpeg(huffman=dht(0x00, counts=[2] + [0] * 15, symbols=[0, 1]))),
    ("sof", CorruptError, jpeg(frame=sof() + sof())),
    ("sof", CorruptError, jpeg(frame=sof(width=0))),
    ("sof", CorruptError, jpeg(frame=sof(precision=9))),
    ("sof", CorruptError, jpeg(frame=segment(0xC0, b"\x08\x00"))),
    ("sof", CorruptError, jpeg(frame=sof(parts=((1, 0x01, 0),)))),
    ("sof", CorruptError, jpeg(frame=sof(parts=((1, 0x11, 4),)))),
    ("sof", CorruptError, jpeg(frame=segment(0xC0, b"\x08\x00\x08\x00\x08\x01\x01\x11\x00\x00"))),
    ("precision", UnsupportedError, jpeg(frame=sof(precision=12))),
    ("dnl", UnsupportedError, jpeg(frame=sof(height=0))),
    ("cmyk", UnsupportedError, jpeg(frame=sof(parts=(*COLOUR, (4, 0x11, 0))))),
    ("components", UnsupportedError, jpeg(frame=sof(parts=COLOUR[:2]))),
    ("sampling", UnsupportedError, jpeg(frame=sof(parts=((1, 0x12, 0), *COLOUR[1:])), head=sos(COLOUR_SCAN))),
    ("rgb", UnsupportedError, jpeg(frame=sof(parts=((82, 0x11, 0), (71, 0x11, 0), (66, 0x11, 0))),
                                   head=sos(((82, 0), (71, 0), (66, 0))))),
    ("rgb", UnsupportedError, jpeg(before=segment(0xEE, b"Adobe\x00\x64\x00\x00\x00\x00\x00"), frame=sof(parts=COLOUR),
                                   head=sos(COLOUR_SCAN))),
    ("progressive", UnsupportedError, jpeg(frame=sof(0xC2))),
    ("lossless", UnsupportedError, jpeg(frame=sof(0xC3))),
    ("hierarchical", UnsupportedError, jpeg(frame=sof(0xC5))),
    ("arithmetic", UnsupportedError, jpeg(frame=sof(0xC9))),
    ("dri", CorruptError, jpeg(between=segment(0xDD, b"\x00"))),
    ("sos", CorruptError, jpeg(frame=b"")),
    ("sos", CorruptError, jpeg(head=sos(((2, 0x00),)))),
    ("sos", CorruptError, jpeg(head=sos(spectrum=(0, 5, 0)))),
    ("sos", CorruptError, jpeg(head=segment(0xDA, b""))),
    ("sos", CorruptError, jpeg(head=segment(0xDA, b"\x01\x01\x00\x00\x3f"))),
    ("non_interleaved", UnsupportedError, jpeg(frame=sof(parts=COLOUR))),
    ("truncated_scan", TruncatedError, jpeg(data=b"", end=b"")),
    ("truncated_scan", TruncatedError, jpeg(frame=sof(width=64), data=scan(FLAT) * 2, end=b"")),
    ("marker_in_scan", CorruptError, jpeg(frame=sof(width=64), data=scan(FLAT))),
    ("missing_code", CorruptError, jpeg(data=b"\xff\x00" * 6)),
    ("run", CorruptError, jpeg(data=scan(dc(0), ZRL * 4, EOB))),
    ("dc_range", CorruptError, jpeg(frame=sof(width=16), data=scan(dc(2047), EOB, dc(1), EOB))),
    ("coefficient_size", CorruptError, jpeg(huffman=dht(0x00) + dht(0x10, counts=[1] + [0] * 15, symbols=[0x0B]),
                                            data=scan(dc(0), "0" * 40))),
    ("coefficient_size", CorruptError, jpeg(huffman=dht(0x00, counts=[1] + [0] * 15, symbols=[12]) + dht(0x10),
                                            data=scan("0" * 40))),
    ("restart_marker", CorruptError, jpeg(between=segment(0xDD, b"\x00\x01"), frame=sof(width=16),
                                          data=scan(FLAT) + b"\xff\xd1" + scan(FLAT))),
]  # fmt: skip


IN_SLICES = {
    "slice_crc", "truncated_slice", "missing_code", "run", "dc_range", "slice_overrun", "slice_trailing",
    "slice_padding", "coefficient_size", "restart_marker", "marker_in_scan", "truncated_scan",
}  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "kind", "data"), STREAMS, ids=[f"{i}-{rule}" for i, (rule, _, _) in enumerate(STREAMS)]
)
def test_each_rule_of_a_stream(rule, kind, data):
    for call in (codec.decode, codec.decode_coefficients, codec.decode_planes):
        with pytest.raises(codec.CodecError) as caught:
            call(data)
        error = caught.value
        assert (type(error), error.rule) == (kind, rule), error
        assert error.offset is not None and 0 <= error.offset <= len(data)
        assert rule in str(error) and f"byte {error.offset}" in str(error)
        if rule in IN_SLICES:
            assert error.slice == 0 and "slice 0" in str(error)
        else:
            assert error.slice in (0, None)


def test_the_streams_are_right_but_for_that():
    assert codec.decode(stream()).tolist() == [[128] * 8] * 8
    assert codec.decode(jpeg()).tolist() == [[128] * 8] * 8
    data, table_set = by_id()
    assert codec.decode(data, table_sets=[table_set]).shape == (8, 8)
    two = jpeg(
        between=segment(0xDD, b"\x00\x01"),
        frame=sof(width=16),
        data=scan(FLAT) + b"\xff\xd0" + scan(FLAT),
    )
    assert codec.decode(two).shape == (8, 16)
    assert DQT in jpeg()


def test_a_named_set_must_have_what_the_stream_uses():
    data, table_set = by_id(huffman=b"\x00")
    with pytest.raises(CorruptError) as caught:
        codec.decode(data, table_sets=[table_set])
    assert caught.value.rule == "band"
    wrong = stream(flags=0b0001_0111, levels=1, tables=table_set.id)
    with pytest.raises(CorruptError) as caught:
        codec.decode(wrong, table_sets=[table_set])
    assert caught.value.rule == "levels"


def test_the_lowest_damaged_slice_is_named():
    data = bytearray(codec.encode(pictures.street(96, 48), slice_rows=1))
    offsets = np.cumsum([0] + [len(s) for s in reference.parse(bytes(data)).slice_data])
    header = codec.read_header(data).header_bytes
    for i in (3, 1):
        data[header + offsets[i]] ^= 1
        with pytest.raises(CorruptError) as caught:
            codec.decode(data)
        assert (caught.value.rule, caught.value.slice) == ("slice_crc", i)
        assert caught.value.offset == header + offsets[i]
    assert codec.decode(data, roi=(0, 0, 48, 24)).shape == (24, 48, 3)  # the first slice is fine


# ------------------------------------------------------------------------------------------------ arguments


def f(dtype):
    return IMAGE.astype(dtype)


QUANTIZED = codec.quantize(IMAGE, PLAN)


def changed(index, value):
    planes = [plane.copy() for plane in QUANTIZED.planes]
    planes[0][index] = value
    return codec.Coefficients(tuple(planes), PLAN.steps, PLAN.level_map, 3, "444", 48, 48)


# call, exception, what the message must name
ARGUMENTS = {
    "image dtype": (lambda: codec.encode(f(np.float32)), TypeError, "image must be uint8.*float32"),
    "image uint16": (lambda: codec.encode(f(np.uint16)), TypeError, "image must be uint8"),
    "image bool": (lambda: codec.encode(IMAGE > 9), TypeError, "image must be uint8.*bool"),
    "image list": (lambda: codec.encode([[1, 2], [3, 4]]), TypeError, "image must be uint8.*list"),
    "image bytes": (lambda: codec.encode(b"abc"), TypeError, "image must be uint8.*bytes"),
    "image None": (lambda: codec.encode(None), TypeError, "image must be uint8.*NoneType"),
    "image 1-d": (lambda: codec.encode(IMAGE[0, :, 0]), ValueError, r"image must have shape.*\[48\]"),
    "image 4-d": (lambda: codec.encode(IMAGE[None]), ValueError, r"image must have shape.*\[1, 48, 48, 3\]"),
    "image two channels": (lambda: codec.encode(IMAGE[:, :, :2]), ValueError, r"\[48, 48, 2\]"),
    "image four channels": (lambda: codec.encode(np.zeros((8, 8, 4), np.uint8)), ValueError, r"\[8, 8, 4\]"),
    "image empty": (lambda: codec.encode(IMAGE[:0]), ValueError, "height 0.*1..65535"),
    "image too wide": (lambda: codec.encode(np.zeros((1, 65536), np.uint8)), ValueError, "width 65536"),
    "quality 0": (lambda: codec.encode(IMAGE, quality=0), ValueError, "quality must be 1..100, got 0"),
    "quality 101": (lambda: codec.encode(IMAGE, quality=101), ValueError, "quality must be 1..100, got 101"),
    "quality float": (lambda: codec.encode(IMAGE, quality=7.5), TypeError, "quality must be an integer"),
    "plan and quality": (lambda: codec.encode(IMAGE, PLAN, quality=75), ValueError, "plan and quality"),
    "plan type": (lambda: codec.encode(IMAGE, 75), TypeError, "plan must be a QuantPlan, got int"),
    "plan of another size": (lambda: codec.encode(IMAGE[:24], PLAN), ValueError,
                             r"level_map must have shape \[1, 2\].*\[2, 2\]"),
    "subsampling": (lambda: codec.encode(IMAGE, subsampling="411"), ValueError, "subsampling.*'444'.*'411'"),
    "subsampling unhashable": (lambda: codec.encode(IMAGE, subsampling=[4]), ValueError, "subsampling"),
    "subsampling grey": (lambda: codec.encode(IMAGE, subsampling="grey"), ValueError, "grey"),
    "format": (lambda: codec.encode(IMAGE, format="png"), ValueError, "format.*'rdct', 'jpeg'.*'png'"),
    "entropy": (lambda: codec.encode(IMAGE, entropy="rans"), ValueError, "entropy.*'huffman-fixed'.*'rans'"),
    "tables": (lambda: codec.encode(IMAGE, tables="both"), ValueError, "tables.*'inline', 'id'.*'both'"),
    "tables id in jpeg": (lambda: codec.encode(IMAGE, tables="id", format="jpeg"), ValueError, "tables='id'"),
    "slice_rows 0": (lambda: codec.encode(IMAGE, slice_rows=0), ValueError, "slice_rows must be 1..8192, got 0"),
    "slice_rows odd": (lambda: codec.encode(IMAGE, slice_rows=1, subsampling="420"), ValueError, "slice_rows is 1.*even"),
    "threads 0": (lambda: codec.encode(IMAGE, threads=0), ValueError, "threads must be 1..256, got 0"),
    "threads 257": (lambda: codec.decode(DATA, threads=257), ValueError, "threads must be 1..256, got 257"),
    "cpu": (lambda: codec.encode(IMAGE, cpu="mmx"), ValueError, "cpu.*'auto'.*'mmx'"),
    "unknown option": (lambda: codec.encode(IMAGE, qualty=3), TypeError, "qualty"),
    "unknown option, stats": (lambda: codec.encode_with_stats(IMAGE, qualty=3), TypeError, "qualty"),
    "jpeg step": (lambda: codec.encode(IMAGE, PLAN.with_scale(99), format="jpeg"), ValueError, "JPEG needs 1..255"),
    "out None": (lambda: codec.encode_into(None, IMAGE), TypeError, "out"),
    "out read-only": (lambda: codec.encode_into(bytes(99999), IMAGE), TypeError, "out.*writable.*bytes"),
    "out strided": (lambda: codec.encode_into(np.zeros(99999, np.uint8)[::2], IMAGE), TypeError, "out.*contiguous"),
    "bound shape": (lambda: codec.encode_bound((8, 8, 2)), ValueError, r"image_shape.*\(8, 8, 2\)"),
    "bound type": (lambda: codec.encode_bound(8), TypeError, "image_shape"),
    "bound grey": (lambda: codec.encode_bound((8, 8, 3), "grey"), ValueError, "grey"),
    "bound sampling": (lambda: codec.encode_bound((8, 8, 3), "4:4:4"), ValueError, "subsampling"),
    "data None": (lambda: codec.decode(None), TypeError, "data must be a contiguous bytes-like.*NoneType"),
    "data str": (lambda: codec.decode("RDCT"), TypeError, "data must be.*str"),
    "data strided": (lambda: codec.decode(np.zeros(9, np.uint8)[::2]), TypeError, "data must be.*contiguous"),
    "header of None": (lambda: codec.read_header(None), TypeError, "data must be"),
    "dtype": (lambda: codec.decode(DATA, dtype=np.float64), ValueError, "dtype must be one of uint8.*float64"),
    "dtype swapped": (lambda: codec.decode(DATA, dtype=">f4"), ValueError, "dtype must be one of"),
    "out type": (lambda: codec.decode(DATA, out=bytearray(48 * 48 * 3)), TypeError, "out must be a numpy array"),
    "out dtype": (lambda: codec.decode(DATA, out=np.zeros((48, 48, 3), np.float32)), TypeError, "out must have dtype uint8"),
    "out shape": (lambda: codec.decode(DATA, out=np.zeros((48, 47, 3), np.uint8)), ValueError, r"\[48, 48, 3\].*\[48, 47, 3\]"),
    "out constant": (lambda: codec.decode(DATA, out=np.broadcast_to(np.uint8(0), (48, 48, 3))), ValueError, "writable"),
    "out pixels apart": (lambda: codec.decode(DATA, out=np.zeros((48, 96, 3), np.uint8)[:, ::2]), ValueError, "contiguous"),
    "out planar": (lambda: codec.decode(DATA, out=np.zeros((3, 48, 48), np.uint8).transpose(1, 2, 0)), ValueError, "contiguous"),
    "out rows overlap": (lambda: codec.decode(DATA, out=np.lib.stride_tricks.as_strided(
        np.zeros(9999, np.uint8), (48, 48, 3), (3, 3, 1))), ValueError, "overlapping rows"),
    "roi too wide": (lambda: codec.decode(DATA, roi=(0, 0, 49, 48)), ValueError, "roi x1 must be 1..48, got 49"),
    "roi negative": (lambda: codec.decode(DATA, roi=(-1, 0, 4, 4)), ValueError, "roi x0"),
    "roi empty": (lambda: codec.decode(DATA, roi=(5, 0, 5, 4)), ValueError, "x0 < x1"),
    "roi zeros": (lambda: codec.decode(DATA, roi=(0, 0, 0, 0)), ValueError, "roi x1"),
    "roi three": (lambda: codec.decode(DATA, roi=(0, 0, 4)), ValueError, r"roi must be \(x0, y0, x1, y1\)"),
    "roi floats": (lambda: codec.decode(DATA, roi=(0, 0, 4.0, 4)), TypeError, "roi x1 must be an integer"),
    "max_pixels": (lambda: codec.decode(DATA, max_pixels=0), ValueError, "max_pixels must be 1"),
    "table_sets one": (lambda: codec.decode(DATA, table_sets=PLAN.table_set), TypeError, "table_sets must be an iterable"),
    "table_sets of plans": (lambda: codec.decode(DATA, table_sets=[PLAN]), TypeError, r"table_sets\[0\] must be a TableSet"),
    "on_damage": (lambda: codec.decode(DATA, on_damage="ignore"), ValueError, "on_damage.*'ignore'"),
    "base size": (lambda: codec.decode(DATA, base=IMAGE[:40]), ValueError, "base must be a picture of 48 x 48"),
    "base grey": (lambda: codec.decode(DATA, base=IMAGE[:, :, 0]), ValueError, "base must be a picture of"),
    "base type": (lambda: codec.decode(DATA, base=DATA), TypeError, "base must be uint8"),
    "base sampling": (lambda: codec.decode(DATA, base=codec.encode_planes(IMAGE, "420")), ValueError, "'420'"),
    "base planes": (lambda: codec.decode(DATA, base=codec.Planes((np.zeros((8, 8), np.int16),) * 3, "444", 48, 48, 4)),
                    ValueError, r"base.planes\[0\] must have shape \[48, 48\]"),
    "base plane dtype": (lambda: codec.decode(DATA, base=codec.Planes((np.zeros((48, 48)),) * 3, "444", 48, 48, 4)),
                         TypeError, r"base.planes\[0\] must be an int16"),
    "base fraction": (lambda: codec.decode(DATA, base=codec.Planes((), "444", 48, 48, 5)), ValueError, "fraction_bits"),
    "coefficients type": (lambda: codec.encode_coefficients(IMAGE), TypeError, "coefficients must be Coefficients"),
    "coefficients planes": (lambda: codec.encode_coefficients(
        codec.Coefficients(QUANTIZED.planes[:1], PLAN.steps, PLAN.level_map, 3, "444", 48, 48)), ValueError, "3 arrays, got 1"),
    "coefficients shape": (lambda: codec.encode_coefficients(
        codec.Coefficients(QUANTIZED.planes, PLAN.steps, PLAN.level_map, 3, "420", 48, 48)), ValueError, r"planes\[1\].*\[3, 3, 8, 8\]"),
    "coefficients size": (lambda: codec.encode_coefficients(
        codec.Coefficients(QUANTIZED.planes, PLAN.steps, PLAN.level_map, 3, "444", 0, 48)), ValueError, "width 0"),
    "ac_range": (lambda: codec.encode_coefficients(changed((0, 0, 3, 3), 1024)), ValueError, "1024.*-1023..1023"),
    "dc_range": (lambda: codec.encode_coefficients(changed((0, 0, 0, 0), 2048)), ValueError, "2048.*-2048..2047"),
    "dc_difference": (lambda: codec.encode_coefficients(changed((0, slice(0, 2), 0, 0), [-2048, 2047])), ValueError, "difference"),
    "tables dtype": (lambda: codec.TableSet(np.ones((1, 3, 8, 8))), TypeError, "tables must be an integer array.*float64"),
    "tables shape": (lambda: codec.TableSet(np.ones((3, 8, 8), int)), ValueError, r"tables must have shape \[n, 3, 8, 8\]"),
    "tables zero": (lambda: codec.TableSet(np.zeros((1, 3, 8, 8), int)), ValueError, "tables must hold values 1..4095, got 0"),
    "tables large": (lambda: codec.TableSet(np.full((1, 3, 8, 8), 4096)), ValueError, "1..4095.*4096"),
    "no levels": (lambda: codec.TableSet(np.ones((0, 3, 8, 8), int)), ValueError, "levels.*1..64, got 0"),
    "65 levels": (lambda: codec.TableSet(np.ones((65, 3, 8, 8), int)), ValueError, "levels.*1..64, got 65"),
    "bands shape": (lambda: codec.TableSet(PLAN.tables, np.zeros((1, 4, 255), int)), ValueError, "bands must have shape"),
    "bands length": (lambda: codec.TableSet(PLAN.tables, np.full((1, 4, 256), 17)), ValueError, "bands must hold values 0..16"),
    "bands oversubscribed": (lambda: codec.TableSet(PLAN.tables, np.where(np.arange(256) < 12, 1, 0) * np.ones((1, 4, 1), int)),
                             ValueError, "over-subscribed|cannot occur"),
    "log alone": (lambda: codec.TableSet(PLAN.tables, None, np.zeros((3, 8, 8), int)), ValueError, "log_base and log_offset"),
    "log other": (lambda: codec.TableSet(PLAN.tables, None, np.zeros((3, 8, 8), int), [0]), ValueError, "log_base and log_offset give"),
    "log offset": (lambda: codec.TableSet.from_log(np.zeros((3, 8, 8), int), [128]), ValueError, "log_offset must hold"),
    "log levels": (lambda: codec.TableSet.from_log(np.zeros((3, 8, 8), int), np.zeros(65, int)), ValueError, "levels.*65"),
    "ijg": (lambda: codec.TableSet.ijg(0), ValueError, "quality must be 1..100"),
    "ijg_table": (lambda: codec.ijg_table("75"), TypeError, "quality must be an integer"),
    "map dtype": (lambda: codec.QuantPlan(PLAN.tables, np.zeros((2, 2))), TypeError, "level_map must be an integer"),
    "map dimensions": (lambda: codec.QuantPlan(PLAN.tables, [0]), ValueError, "level_map must have shape"),
    "map empty": (lambda: codec.QuantPlan(PLAN.tables, np.zeros((0, 2), int)), ValueError, "level_map must not be empty"),
    "map level": (lambda: codec.QuantPlan(PLAN.tables, [[1]]), ValueError, r"levels 0..0 or 255 \(SKIP\), got 1"),
    "map value": (lambda: codec.QuantPlan(PLAN.tables, [[-1]]), ValueError, "level_map must hold values 0..255, got -1"),
    "regions": (lambda: codec.QuantPlan(PLAN.tables, [[0]], 9), ValueError, "region_blocks must be 1..8, got 9"),
    "scale 0": (lambda: PLAN.with_scale(0), ValueError, "scale.*got 0"),
    "scale 256": (lambda: PLAN.with_scale(256), ValueError, "scale.*got 256"),
    "scale nan": (lambda: PLAN.with_scale(float("nan")), ValueError, "scale.*nan"),
    "scale str": (lambda: PLAN.with_scale("big"), TypeError, "scale must be a number"),
    "uniform": (lambda: codec.QuantPlan.uniform(75), TypeError, "image_shape"),
    "map_shape": (lambda: codec.map_shape(0, 5), ValueError, "height must be 1..65535"),
    "counts": (lambda: codec.huffman_lengths([1, 2]), ValueError, r"counts must have shape \[256\]"),
    "counts negative": (lambda: codec.huffman_lengths([-1] * 256), ValueError, "counts must be 0"),
    "counts float": (lambda: codec.huffman_lengths([0.5] * 256), TypeError, "counts must be an integer"),
}  # fmt: skip


@pytest.mark.parametrize("name", ARGUMENTS)
def test_each_rule_of_an_argument(name):
    call, kind, text = ARGUMENTS[name]
    with pytest.raises(kind, match=f"(?s){text}") as caught:
        call()
    assert not isinstance(caught.value, codec.CodecError)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("slice_rows odd", "slice_rows_even"),
        ("jpeg step", "jpeg_step"),
        ("ac_range", "ac_range"),
        ("dc_range", "dc_range"),
        ("dc_difference", "dc_difference"),
    ],
)
def test_argument_errors_of_the_c_core_name_their_rule(name, rule):
    with pytest.raises(ValueError) as caught:
        ARGUMENTS[name][0]()
    assert caught.value.rule == rule


def incomplete_bands():
    bands = np.zeros((1, 4, 256), np.uint8)
    bands[:, :, 0] = 1
    return codec.QuantPlan(codec.TableSet(codec.ijg_table(50)[None], bands), PLAN.level_map)


def test_fixed_tables_must_be_complete():
    with pytest.raises(ValueError, match="band 0, Huffman table 0 has no code for symbol 1") as caught:
        codec.encode(IMAGE, incomplete_bands(), entropy="huffman-fixed")
    assert caught.value.rule == "huffman_incomplete"
    codec.encode(IMAGE, incomplete_bands())  # unused, so unimportant


def test_a_restart_interval_must_fit_its_marker():
    image = np.zeros((65535, 64), np.uint8)
    plan = codec.QuantPlan(codec.TableSet.ijg(5), np.zeros(codec.map_shape(*image.shape, 8), np.uint8), 8)
    assert (
        codec.read_header(codec.encode(image, plan, format="jpeg", slice_rows=1000)).restart_interval == 64000
    )
    wide = np.zeros((24, 65528), np.uint8)
    plan = codec.QuantPlan.uniform(5, wide.shape, region_blocks=1)
    assert codec.read_header(codec.encode(wide, plan, format="jpeg", slice_rows=1)).restart_interval == 8191
    tall = np.zeros((600, 65528), np.uint8)
    plan = codec.QuantPlan.uniform(5, tall.shape, region_blocks=1)
    with pytest.raises(ValueError, match="restart interval") as caught:
        codec.encode(tall, plan, format="jpeg", slice_rows=9)
    assert caught.value.rule == "jpeg_restart_interval"


def test_pillow_images_are_told_what_to_do():
    image = pytest.importorskip("PIL.Image").fromarray(IMAGE)
    with pytest.raises(TypeError, match="asarray"):
        codec.encode(image)
    assert codec.encode(np.asarray(image)) == DATA


@pytest.mark.parametrize("name", ["ssse3", "avx2", "avx512", "neon"])
def test_an_instruction_set_that_is_not_there(name):
    try:
        assert codec.Encoder(cpu=name).cpu == name
    except ValueError as error:
        assert name in str(error) and error.rule == "cpu"


def test_environment_names_an_instruction_set(monkeypatch):
    monkeypatch.setenv("RDCT_CPU", "mmx")
    with pytest.raises(ValueError, match=r'RDCT_CPU is "mmx"'):
        codec.Encoder()
    assert codec.Encoder(cpu="c").cpu == "c"


# --------------------------------------------------------------------------------------------- not yet there

MANY = codec.QuantPlan(np.concatenate([codec.ijg_table(q)[None] for q in (90, 50)]), [[0, 1], [1, 0]])

NOT_YET = {
    "jpeg, levels": (
        lambda: codec.encode_coefficients(codec.quantize(IMAGE, MANY), format="jpeg"),
        "jpeg_levels",
    ),
    "jpeg, SKIP": (
        lambda: codec.encode(IMAGE, PLAN.with_map([[0, 255], [0, 0]]), format="jpeg"),
        "jpeg_skip",
    ),
}


@pytest.mark.parametrize("name", NOT_YET)
def test_what_is_not_supported_says_so(name):
    call, rule = NOT_YET[name]
    with pytest.raises(UnsupportedError) as caught:
        call()
    assert isinstance(caught.value, NotImplementedError) and isinstance(caught.value, codec.CodecError)
    assert caught.value.rule == rule


def test_one_level_of_many_is_a_jpeg():
    plan = MANY.with_map([[1, 1], [1, 1]])
    single = codec.QuantPlan(MANY.tables[1:], [[0, 0], [0, 0]])
    assert codec.encode(IMAGE, plan, format="jpeg") == codec.encode(IMAGE, single, format="jpeg")


# --------------------------------------------------------------------------------------------- the exceptions


def test_exceptions_are_builtins_too():
    for ours, builtin in (
        (codec.BufferTooSmallError, ValueError),
        (codec.TruncatedError, codec.BitstreamError),
        (codec.CorruptError, codec.BitstreamError),
        (codec.BitstreamError, ValueError),
        (codec.UnsupportedError, NotImplementedError),
        (codec.LimitError, ValueError),
        (codec.InternalError, RuntimeError),
    ):
        assert issubclass(ours, builtin) and issubclass(ours, codec.CodecError)


def test_buffer_too_small_says_how_much():
    out = bytearray(b"\xaa" * 100)
    with pytest.raises(codec.BufferTooSmallError) as caught:
        codec.encode_into(out, IMAGE)
    assert caught.value.needed == len(DATA) and caught.value.limit == 100
    assert out == b"\xaa" * 100
    with pytest.raises(codec.BufferTooSmallError):
        codec.encode_into(bytearray(len(DATA) - 1), IMAGE)
    with pytest.raises(codec.BufferTooSmallError):
        codec.encode_into(bytearray(), IMAGE)


def test_errors_can_be_pickled():
    for data, kind in ((DATA[:-1], TruncatedError), (stream(header_crc=1), CorruptError)):
        with pytest.raises(kind) as caught:
            codec.decode(data)
        again = pickle.loads(pickle.dumps(caught.value))
        assert type(again) is kind and str(again) == str(caught.value)
        assert (again.offset, again.slice, again.rule) == (
            caught.value.offset,
            caught.value.slice,
            caught.value.rule,
        )


def test_status_numbers_are_pinned():
    from codec import errors

    names = {status: kind.__name__ for status, kind in errors._BY_STATUS.items()}
    assert names == {
        10: "ValueError", 20: "BufferTooSmallError", 30: "TruncatedError", 31: "CorruptError",
        40: "UnsupportedError", 50: "LimitError", 60: "MemoryError", 90: "InternalError",
    }  # fmt: skip
    assert isinstance(errors.from_status(77, "?"), codec.InternalError)
    assert isinstance(errors.from_status(60, "no memory", rule="memory"), MemoryError)


# ------------------------------------------------------------------------------------------- table set files


def test_table_set_files(tmp_path):
    import base64

    table_set = codec.TableSet.from_log(np.full((3, 8, 8), 60), [0, 8])
    good = {
        "format": "rdct-network-tables",
        "version": 1,
        "id": table_set.id_hex,
        "table_set": base64.b64encode(table_set.to_bytes()).decode(),
        "anything": [1, 2],
    }
    path = tmp_path / "net.rdts"
    path.write_text(json.dumps(good))
    assert codec.TableSet.load(path) == codec.TableSet.load(str(path)) == table_set
    for wrong in (
        {"format": "other"},
        {"version": 2},
        {"id": "0" * 16},
        {"table_set": "!!"},
        {"table_set": None},
        {"table_set": base64.b64encode(table_set.to_bytes()[:-1]).decode()},
    ):
        path.write_text(json.dumps(good | wrong))
        with pytest.raises(ValueError):
            codec.TableSet.load(path)
    for text in (b"", b"[]", b"{}", b"\xff\xfe", b"[" * 100000):
        path.write_bytes(text)
        with pytest.raises(ValueError, match="rdct-network-tables"):
            codec.TableSet.load(path)
    with pytest.raises(FileNotFoundError):
        codec.TableSet.load(tmp_path / "none.rdts")


CANONICAL = codec.TableSet.from_log(np.full((3, 8, 8), 60), [0, 8]).to_bytes()
BAND = bytes([1, 1, 1] + [0] * 1021)


@pytest.mark.parametrize(
    ("rule", "data"),
    [
        ("magic", b"RDCT" + CANONICAL[4:]),
        ("version", CANONICAL[:4] + b"\x02" + CANONICAL[5:]),
        ("levels", CANONICAL[:5] + b"\x00" + CANONICAL[6:]),
        ("bands", CANONICAL[:6] + b"\x41" + CANONICAL[7:]),
        ("table_form", CANONICAL[:5] + b"\x01\x00\x02\x32"),
        ("trailing_bytes", CANONICAL + b"\x00"),
        ("truncated_header", CANONICAL[:-1]),
        ("truncated_header", b""),
        ("huffman_oversubscribed", CANONICAL[:6] + b"\x01" + CANONICAL[7:] + BAND),
        ("huffman_length", CANONICAL[:6] + b"\x01" + CANONICAL[7:] + bytes([17] + [0] * 1023)),
        ("huffman_symbol", CANONICAL[:6] + b"\x01" + CANONICAL[7:] + bytes([0] * 12 + [1] + [0] * 1011)),
    ],
)
def test_each_rule_of_canonical_bytes(rule, data):
    with pytest.raises(codec.CodecError) as caught:
        codec.TableSet.from_bytes(data)
    assert caught.value.rule == rule


# ------------------------------------------------------------------------------------- and nothing left out


def test_every_rule_of_the_c_core_is_tested():
    sources = [
        path for path in (Path(__file__).parents[2] / "csrc").rglob("*.c") if path.parent.name != "fuzz"
    ]
    if not sources:
        pytest.skip("needs the C sources, which are not beside an installed wheel")
    text = "".join(path.read_text("utf-8") for path in sources)
    rules = set(re.findall(r'(?:RDCT_ERR_[A-Z_]+|status), "([a-z_0-9]+)"', text))
    rules |= set(re.findall(r'FAIL\("([a-z_0-9]+)"', text))
    rules |= set(re.findall(r'(?:corrupt|unsupported)\((?:reader|cursor)[^"]*"([a-z_0-9]+)"', text))
    rules |= set(re.findall(r'rdct_cursor_varint\([^"]*"([a-z_0-9]+)"', text))
    rules |= set(re.findall(r'_span\([^"]*"([a-z_0-9]+)"', text))
    # Python checks these first, or no caller of Python can break them; the harnesses in csrc/fuzz do.
    not_from_python = {
        "null", "memory", "geometry", "image_channels", "image_size", "image_stride", "row_stride", "sample_type", "sets",
        "roi", "no_output", "coefficients", "threads", "tables_by_id", "jpeg_tables_by_id", "format", "entropy_context",
        "map_shape", "map_level", "scale", "log_tables", "log_form", "table_step", "quality", "huffman_counts", "subsampling",
        "slice_size", "slice_bytes", "capacity", "jpeg_refine", "refine_limit",
    }  # fmt: skip
    tested = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    untested = {rule for rule in rules - not_from_python if f'"{rule}"' not in tested}
    assert len(rules) > 60 and not untested
