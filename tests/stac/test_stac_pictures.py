"""Every kind of picture becomes RGB or grey by the rule that docs/cli.md states."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from stac.pictures import PictureError, as_rgb, read_picture

RNG = np.random.default_rng(5)


def file_of(image, kind="PNG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def deep_file(samples, extension=".png"):
    """16-bit file; samples in RGB(A) order."""
    if samples.ndim == 3:
        samples = samples[..., [2, 1, 0, 3][: samples.shape[2]]]
    fine, data = cv2.imencode(extension, samples)
    assert fine
    return data.tobytes()


def test_rgb_and_grey_pass_unchanged():
    for shape in ((5, 7, 3), (5, 7)):
        samples = RNG.integers(0, 256, shape, np.uint8)
        picture = read_picture(file_of(Image.fromarray(samples)))
        np.testing.assert_array_equal(picture.samples, samples)
        assert picture.samples.dtype == np.uint8
        assert picture.samples.flags.c_contiguous
        assert picture.notes == []


def test_bilevel_is_grey():
    samples = RNG.integers(0, 2, (5, 7)).astype(bool)
    np.testing.assert_array_equal(
        read_picture(file_of(Image.fromarray(samples))).samples, samples * np.uint8(255)
    )


def test_grey_is_repeated_for_the_network():
    grey = RNG.integers(0, 256, (4, 6), np.uint8)
    assert as_rgb(grey).shape == (4, 6, 3)
    assert (as_rgb(grey) == grey[..., None]).all()
    rgb = RNG.integers(0, 256, (4, 6, 3), np.uint8)
    assert as_rgb(rgb) is rgb


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "deep PNG", "deep TIFF"])
def test_exif_orientation_is_applied(orientation, kind):
    samples = np.zeros((16, 32, 3), np.uint8)
    samples[:8, :16] = (255, 0, 0)
    samples[:8, 16:] = (0, 255, 0)
    samples[8:, :16] = (0, 0, 255)
    exif = Image.Exif()
    exif[0x0112] = orientation
    if kind.startswith("deep"):
        plain = file_of(Image.fromarray(samples), kind[5:], exif=exif)
        data = deep_file(samples.astype(np.uint16) * 257, "." + kind[5:].lower())
        if kind == "deep PNG":  # graft the eXIf chunk in front of the samples
            at = plain.index(b"eXIf") - 4
            chunk = plain[at : at + 12 + int.from_bytes(plain[at : at + 4], "big")]
            cut = data.index(b"IDAT") - 4
            data = data[:cut] + chunk + data[cut:]
        else:
            data = file_with_orientation(data, orientation)
    else:
        data = file_of(Image.fromarray(samples), kind, exif=exif)
    with Image.open(io.BytesIO(file_of(Image.fromarray(samples), "JPEG", exif=exif, quality=100))) as image:
        from PIL import ImageOps

        wanted = np.asarray(ImageOps.exif_transpose(image))
    got = read_picture(data).samples
    assert got.shape == wanted.shape
    assert (np.abs(got.astype(int) - wanted) < 60).mean() > 0.9


def file_with_orientation(tiff, orientation):
    """Set tag 274 of a little-endian TIFF in place."""
    assert tiff[:2] == b"II"
    at = int.from_bytes(tiff[4:8], "little")
    number = int.from_bytes(tiff[at : at + 2], "little")
    entries = [tiff[at + 2 + 12 * k : at + 14 + 12 * k] for k in range(number)]
    own = b"\x12\x01\x03\x00\x01\x00\x00\x00" + orientation.to_bytes(4, "little")
    entries = sorted(
        [entry for entry in entries if entry[:2] != own[:2]] + [own],
        key=lambda entry: int.from_bytes(entry[:2], "little"),
    )
    directory = len(entries).to_bytes(2, "little") + b"".join(entries) + bytes(4)
    return tiff[:4] + len(tiff).to_bytes(4, "little") + tiff[8:] + directory


@pytest.mark.parametrize("shape", [(6, 9), (6, 9, 3), (6, 9, 4)])
@pytest.mark.parametrize("extension", [".png", ".tiff"])
def test_16_bits_are_rounded(shape, extension):
    samples = RNG.integers(0, 65536, shape, np.uint16)
    samples.flat[:4] = (0, 65535, 128, 129)
    if shape[-1] == 4:
        samples[..., 3] = 65535
    picture = read_picture(deep_file(samples, extension))
    wanted = np.rint(samples / 257).astype(np.uint8)
    np.testing.assert_array_equal(picture.samples, wanted[..., :3] if len(shape) == 3 else wanted)
    assert picture.notes == ["16-bit samples are rounded to 8 bits"]


def test_16_bit_pgm():
    data = b"P5 4 1 65535\n" + np.array([0, 128, 129, 65535], ">u2").tobytes()
    assert read_picture(data).samples.tolist() == [[0, 0, 1, 255]]


def test_16_bit_grey_with_alpha():
    import struct
    import zlib

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    rows = b"\0" + np.array([[1000, 65535], [65535, 65535], [40000, 32768]], ">u2").tobytes()
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 1, 16, 4, 0, 0, 0))
    data += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    picture = read_picture(data)
    assert picture.samples.tolist() == [[4, 255, round(156 * 128 / 255)]]
    assert len(picture.notes) == 2


def test_alpha_is_laid_over_black():
    samples = RNG.integers(0, 256, (5, 7, 4), np.uint8)
    samples[0, 0] = (200, 100, 50, 0)
    samples[0, 1] = (200, 100, 50, 255)
    picture = read_picture(file_of(Image.fromarray(samples, "RGBA")))
    wanted = np.rint(samples[..., :3].astype(float) * samples[..., 3:] / 255)
    assert np.abs(picture.samples - wanted).max() <= 0.5
    assert picture.samples[0, 0].tolist() == [0, 0, 0]
    assert picture.samples[0, 1].tolist() == [200, 100, 50]
    assert picture.notes == ["the picture is partly transparent; it is laid over black"]


def test_opaque_alpha_is_dropped_silently():
    samples = RNG.integers(0, 256, (5, 7, 4), np.uint8)
    samples[..., 3] = 255
    picture = read_picture(file_of(Image.fromarray(samples, "RGBA")))
    np.testing.assert_array_equal(picture.samples, samples[..., :3])
    assert picture.notes == []


def test_grey_with_alpha_stays_grey():
    samples = RNG.integers(0, 256, (5, 7, 2), np.uint8)
    picture = read_picture(file_of(Image.fromarray(samples, "LA")))
    assert picture.samples.shape == (5, 7)
    assert len(picture.notes) == 1


def test_palette_is_expanded():
    rgb = Image.fromarray(RNG.integers(0, 256, (8, 8, 3), np.uint8)).quantize(16)
    picture = read_picture(file_of(rgb))
    np.testing.assert_array_equal(picture.samples, np.asarray(rgb.convert("RGB")))
    assert picture.notes == []
    picture = read_picture(file_of(rgb, transparency=0))
    assert (picture.samples[np.asarray(rgb) == 0] == 0).all()
    assert len(picture.notes) == 1


def test_cmyk_is_converted_with_a_note():
    cmyk = Image.fromarray(RNG.integers(0, 256, (16, 16, 4), np.uint8), "CMYK")
    picture = read_picture(file_of(cmyk, "TIFF"))
    np.testing.assert_array_equal(picture.samples, np.asarray(cmyk.convert("RGB")))
    assert picture.notes == ["CMYK is converted to RGB without its colour profile"]


def test_first_picture_of_an_animation():
    frames = [Image.new("RGB", (9, 5), colour) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    out = io.BytesIO()
    frames[0].save(out, "PNG", save_all=True, append_images=frames[1:])
    picture = read_picture(out.getvalue())
    assert (picture.samples == (255, 0, 0)).all()
    assert picture.notes == ["the file holds 3 pictures; the first one is used"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no picture of a kind that Pillow reads"),
        (b"hello, world", "no picture of a kind that Pillow reads"),
        (b"RDCT\x01", "an rdct stream already; stac-decode reads it"),
        (file_of(Image.new("RGB", (64, 64), (9, 8, 7)), "JPEG")[:400], "cannot be decoded"),
        (
            file_of(Image.fromarray(np.full((4, 4), 70000, np.int32)), "TIFF"),
            "32-bit samples have no stated range",
        ),
        (
            file_of(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF"),
            "float samples have no stated range",
        ),
    ],
)
def test_refusals_say_why(data, message):
    with pytest.raises(PictureError, match=message):
        read_picture(data)


def test_damaged_files_raise_nothing_else():
    whole = file_of(Image.fromarray(RNG.integers(0, 256, (12, 12, 3), np.uint8)))
    for cut in range(0, len(whole), 7):
        broken = bytearray(whole[: cut + 20])
        broken[cut % len(broken)] ^= 0x55
        try:
            read_picture(bytes(broken))
        except PictureError:
            pass
