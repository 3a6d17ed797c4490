# SPDX-License-Identifier: Apache-2.0
"""JPEG files against Pillow (libjpeg-turbo), both ways, and against a plain reader of T.81."""

import io

import jpeg_reference
import numpy as np
import pictures
import pytest
import transform_reference

import codec

Image = pytest.importorskip("PIL.Image")

SAMPLINGS = {"444": 0, "422": 1, "420": 2}
SIZES = [(1, 1), (8, 8), (17, 33), (50, 70), (121, 95)]


def pillow_decode(data):
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "JPEG"
        return np.asarray(image)


def pillow_encode(image, subsampling="444", **options):
    out = io.BytesIO()
    if image.ndim == 3:
        options["subsampling"] = SAMPLINGS[subsampling]
    Image.fromarray(image).save(out, "JPEG", **options)
    return out.getvalue()


def distance(a, b):
    assert a.shape == b.shape
    return int(abs(a.astype(int) - b).max())


def muted(*size, channels=3, seed=0):
    """A picture away from 0 and 255: libjpeg clamps Y, Cb and Cr each to 8 bits, where we keep what is
    outside.
    """
    return 64 + pictures.street(*size, channels=channels, seed=seed) // 2


def agree(ours, theirs):
    """Equal but for libjpeg's roundings of Y, of the up-sampled Cb and Cr, and of the result: 2 at most, and
    where chroma is up-sampled 3 for some pixels in a hundred thousand. We round once, see
    test_we_are_nearer_than_pillow.
    """
    difference = abs(ours.astype(int) - theirs)
    assert ours.shape == theirs.shape and difference.max() <= 3
    return (difference > 2).sum() <= max(1, difference.size // 10000)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("subsampling", [*SAMPLINGS, "grey"])
@pytest.mark.parametrize("options", [{}, {"slice_rows": 2}, {"entropy": "huffman-fixed"}], ids=str)
def test_pillow_reads_what_we_write(size, subsampling, options):
    image = muted(*size, channels=1 if subsampling == "grey" else 3)
    for quality in (20, 75, 98):
        data = codec.encode(image, quality=quality, subsampling=subsampling, format="jpeg", **options)
        ours, theirs = codec.decode(data), pillow_decode(data)
        assert agree(ours, theirs) and (subsampling in ("422", "420") or distance(ours, theirs) <= 2)
        with Image.open(io.BytesIO(data)) as opened:
            assert opened.size == size[::-1] and opened.mode == ("L" if image.ndim == 2 else "RGB")
            tables = [np.reshape(t, (8, 8)) for t in opened.quantization.values()]
        assert np.array_equal(tables[0], codec.ijg_table(quality)[0])
        if image.ndim == 3:
            assert np.array_equal(tables[1], codec.ijg_table(quality)[1])


@pytest.mark.parametrize("subsampling", [*SAMPLINGS, "grey"])
@pytest.mark.parametrize("make", [pictures.street, pictures.noise])
def test_we_are_nearer_than_pillow(subsampling, make):
    image = make(90, 71, channels=1 if subsampling == "grey" else 3, seed=6)
    for quality in (15, 50, 95):
        data = pillow_encode(image, subsampling, quality=quality)
        planes, tables = jpeg_reference.jpeg_coefficients(data)
        samples = [
            transform_reference.idct(np.clip(plane.astype(int) * table, -2048, 2047))
            for plane, table in zip(planes, tables, strict=True)
        ]
        exact = transform_reference.pixels(samples, subsampling, 71, 90)
        ours, theirs = abs(codec.decode(data) - exact), abs(pillow_decode(data) - exact)
        assert ours.max() < 0.8 and ours.mean() < 0.27  # rounding alone: 0.5 and 0.25
        assert image.ndim == 2 or (ours.max() < theirs.max() and ours.mean() < theirs.mean())


def test_three_different_tables():
    image = muted(40, 56)
    tables = np.stack([codec.ijg_table(90)[0], codec.ijg_table(60)[1], codec.ijg_table(30)[1]])[None]
    data = codec.encode(image, codec.QuantPlan(tables, np.zeros((2, 3), np.uint8)), format="jpeg")
    assert distance(pillow_decode(data), codec.decode(data)) <= 2
    assert np.array_equal(codec.read_header(data).steps, tables)
    with Image.open(io.BytesIO(data)) as opened:
        assert len(opened.quantization) == 3


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("subsampling", [*SAMPLINGS, "grey"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimize": True},
        {"restart_marker_blocks": 3},
        {"restart_marker_rows": 1},
        {"comment": b"x" * 300},
    ],
    ids=lambda options: next(iter(options), "plain"),
)
def test_we_read_what_pillow_writes(size, subsampling, options):
    image = muted(*size, channels=1 if subsampling == "grey" else 3, seed=1)
    for quality in (15, 75, 95):
        data = pillow_encode(image, subsampling, quality=quality, **options)
        ours, theirs = codec.decode(data), pillow_decode(data)
        assert agree(ours, theirs) and (subsampling in ("422", "420") or distance(ours, theirs) <= 2)
        header = codec.read_header(data)
        assert (header.format, header.subsampling, header.shape) == ("jpeg", subsampling, image.shape)
        assert np.array_equal(
            header.steps[0, : 1 if image.ndim == 2 else 3],
            codec.ijg_table(quality)[: len(image.shape[2:]) * 2 + 1],
        )
        assert header.total_bytes == len(data) == header.header_bytes + header.slice_bytes
        if any("restart" in option for option in options):
            assert header.restart_interval > 0


@pytest.mark.parametrize("subsampling", [*SAMPLINGS, "grey"])
@pytest.mark.parametrize("writer", ["pillow", "restarts", "ours"])
def test_coefficients_are_those_of_the_file(subsampling, writer):
    image = pictures.street(61, 83, channels=1 if subsampling == "grey" else 3, seed=2)
    for quality in (30, 90):
        if writer == "ours":
            data = codec.encode(image, quality=quality, subsampling=subsampling, format="jpeg", slice_rows=2)
        else:
            restarts = {"restart_marker_blocks": 5} if writer == "restarts" else {}
            data = pillow_encode(image, subsampling, quality=quality, **restarts)
        planes, tables = jpeg_reference.jpeg_coefficients(data)
        found = codec.decode_coefficients(data)
        assert len(found.planes) == len(planes)
        assert all(np.array_equal(a, b) for a, b in zip(found.planes, planes, strict=True))
        assert np.array_equal(found.tables[0, : len(tables)], tables)


@pytest.mark.parametrize("subsampling", [*SAMPLINGS, "grey"])
def test_our_coefficients_are_near_those_of_libjpeg(subsampling):
    image = pictures.street(64, 96, channels=1 if subsampling == "grey" else 3, seed=4)
    theirs = jpeg_reference.jpeg_coefficients(pillow_encode(image, subsampling, quality=75))[0]
    ours = codec.decode_coefficients(
        codec.encode(image, quality=75, subsampling=subsampling, format="jpeg")
    ).planes
    for a, b in zip(ours, theirs, strict=True):
        assert abs(a.astype(int) - b).max() <= 1 and np.mean(a != b) < 0.02


@pytest.mark.parametrize("subsampling", [*SAMPLINGS, "grey"])
def test_a_jpeg_goes_through_without_loss(subsampling):
    image = pictures.street(75, 90, channels=1 if subsampling == "grey" else 3, seed=3)
    data = pillow_encode(image, subsampling, quality=80)
    coefficients = codec.decode_coefficients(data)
    back = codec.encode_coefficients(coefficients, format="jpeg")
    assert np.array_equal(pillow_decode(back), pillow_decode(data))
    native = codec.encode_coefficients(coefficients)
    assert len(native) < len(back) < len(data)
    again = codec.decode_coefficients(native)
    assert all(np.array_equal(a, b) for a, b in zip(again.planes, coefficients.planes, strict=True))
    assert np.array_equal(pillow_decode(codec.encode_coefficients(again, format="jpeg")), pillow_decode(data))


def test_optimised_tables_are_no_longer_than_those_of_libjpeg():
    image = pictures.street(128, 128)
    coefficients = codec.decode_coefficients(pillow_encode(image, quality=80))
    theirs = pillow_encode(image, quality=80, optimize=True)
    assert len(codec.encode_coefficients(coefficients, format="jpeg")) <= len(theirs) + 8


@pytest.mark.parametrize(
    ("options", "rule"),
    [({"progressive": True}, "progressive"), ({"keep_rgb": True}, "rgb")],
)
def test_other_jpeg_files_are_named(options, rule):
    data = pillow_encode(pictures.street(40, 40), **options)
    with pytest.raises(codec.UnsupportedError) as caught:
        codec.decode(data)
    assert caught.value.rule == rule
    with pytest.raises(codec.UnsupportedError):
        codec.read_header(data)


def test_cmyk_is_named():
    out = io.BytesIO()
    Image.new("CMYK", (20, 20)).save(out, "JPEG")
    with pytest.raises(codec.UnsupportedError) as caught:
        codec.decode(out.getvalue())
    assert caught.value.rule == "cmyk"


def test_exif_and_icc_are_passed_over():
    image = muted(24, 24)
    exif = Image.Exif()
    exif[0x010E] = "a picture"
    data = pillow_encode(image, quality=90, exif=exif, icc_profile=bytes(3000), dpi=(72, 72))
    assert distance(codec.decode(data), pillow_decode(data)) <= 2


def test_trailing_data_after_a_jpeg_is_ignored():
    data = pillow_encode(pictures.street(24, 24))
    assert np.array_equal(codec.decode(data + b"thumbnail"), codec.decode(data))


def test_simplejpeg_and_imagecodecs_agree():
    image = muted(90, 122)
    simplejpeg = pytest.importorskip("simplejpeg")
    imagecodecs = pytest.importorskip("imagecodecs")
    data = codec.encode(image, quality=85, format="jpeg")
    assert distance(simplejpeg.decode_jpeg(data), codec.decode(data)) <= 2
    assert distance(imagecodecs.jpeg8_decode(data), codec.decode(data)) <= 2
    theirs = simplejpeg.encode_jpeg(image, quality=85, colorsubsampling="444")
    assert distance(codec.decode(theirs), simplejpeg.decode_jpeg(theirs)) <= 2
