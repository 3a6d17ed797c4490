# SPDX-License-Identifier: Apache-2.0
"""Pillow opens and saves our files."""

import io
import subprocess
import sys

import numpy as np
import pictures
import pytest

import codec

Image = pytest.importorskip("PIL.Image")
IMAGE = pictures.street(61, 83)
GREY = pictures.street(40, 30, channels=1)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(codec.pillow, "_known", {})
    codec.pillow.register()


def opened(data):
    return Image.open(io.BytesIO(data))


def saved(image, **options):
    out = io.BytesIO()
    Image.fromarray(image).save(out, "RDCT", **options)
    return out.getvalue()


@pytest.mark.parametrize("image", [IMAGE, GREY, IMAGE[:1, :1], GREY[:1]], ids=lambda image: str(image.shape))
def test_save_and_open(tmp_path, image):
    path = tmp_path / "x.rdct"
    Image.fromarray(image).save(path)
    assert path.read_bytes() == codec.encode(image)
    with Image.open(path) as back:
        assert (back.format, back.mode) == ("RDCT", "L" if image.ndim == 2 else "RGB")
        assert back.size == image.shape[1::-1] and back.get_format_mimetype() == "image/x-rdct"
        assert back.info == {"subsampling": "grey" if image.ndim == 2 else "444"}
        assert np.array_equal(np.asarray(back), codec.decode(path.read_bytes()))
    Image.fromarray(image).save(tmp_path / "X.RDCT", quality=30)
    assert (tmp_path / "X.RDCT").read_bytes() == codec.encode(image, quality=30)


@pytest.mark.parametrize(
    "options",
    [
        {"quality": 40},
        {"subsampling": "420"},
        {"subsampling": "422", "entropy": "huffman-fixed", "slice_rows": 1, "threads": 2},
        {"plan": codec.QuantPlan(codec.TableSet.ijg(20), np.zeros((3, 4), np.uint8))},
    ],
    ids=lambda options: next(iter(options)),
)
def test_options(options):
    data = saved(IMAGE, **options, compress_level=9)  # what is not ours is passed over
    assert data == codec.encode(IMAGE, **options)
    assert np.array_equal(np.asarray(opened(data)), codec.decode(data))
    assert saved(IMAGE, subsampling="4:2:0") == codec.encode(IMAGE, subsampling="420")


def test_registering_again_changes_nothing():
    for _ in range(2):
        codec.pillow.register()
    assert Image.ID.count("RDCT") == 1 and Image.registered_extensions()[".rdct"] == "RDCT"
    assert Image.MIME["RDCT"] == "image/x-rdct"


def test_opening_reads_the_first_bytes_only():
    data = codec.encode(IMAGE)
    for rest in (b"", bytes(1000)):
        image = opened(data[:16] + rest)
        assert (image.size, image.mode) == ((83, 61), "RGB")
        with pytest.raises(OSError, match="cannot decode the RDCT file"):
            image.load()


def test_a_picture_can_be_used_like_any_other():
    image = opened(codec.encode(IMAGE))
    assert image.crop((8, 8, 24, 16)).size == (16, 8)
    assert image.convert("L").resize((10, 10)).mode == "L"
    assert np.array_equal(np.asarray(image.copy()), codec.decode(codec.encode(IMAGE)))
    again = io.BytesIO()
    image.save(again, "PNG")
    assert np.array_equal(np.asarray(Image.open(again)), np.asarray(image))


@pytest.mark.parametrize("mode", ["RGBA", "P", "1", "CMYK", "YCbCr", "I;16", "F", "LA"])
def test_other_modes_are_told_what_to_do(mode, tmp_path):
    with pytest.raises(OSError, match=f"mode {mode} as RDCT: convert to 'RGB' or 'L'"):
        Image.new(mode, (8, 8)).save(tmp_path / "x.rdct")
    assert not (tmp_path / "x.rdct").exists()


def test_wrong_options_are_named():
    plan = codec.QuantPlan.uniform(50, IMAGE.shape)
    for options, words in [
        ({"quality": 101}, "quality must be 1..100"),
        ({"subsampling": "411"}, "subsampling must be one of"),
        ({"subsampling": 2}, "subsampling must be one of"),
        ({"entropy": "x"}, "entropy must be one of"),
        ({"tables": "x"}, "tables must be one of"),
        ({"plan": plan, "quality": 5}, "exclude each other"),
    ]:
        with pytest.raises(ValueError, match=words):
            saved(IMAGE, **options)
    with pytest.raises(TypeError, match="plan must be a QuantPlan"):
        saved(IMAGE, plan=3)


def test_table_sets():
    table_set = codec.TableSet.from_log(np.full((3, 8, 8), 60), [0, 8])
    plan = codec.QuantPlan(table_set, np.eye(3, 4, dtype=np.uint8))
    data = saved(IMAGE, plan=plan, tables="id")
    image = opened(data)
    with pytest.raises(OSError, match=r"codec\.pillow\.register\(table_sets") as caught:
        image.load()
    assert caught.value.__cause__.rule == "missing_table_set"
    codec.pillow.register(table_sets=[table_set])
    codec.pillow.register(table_sets=[codec.TableSet.ijg(3)])  # they add up
    codec.pillow.register()
    expected = codec.decode(data, table_sets=[table_set])
    assert np.array_equal(np.asarray(opened(data)), expected)
    assert np.array_equal(np.asarray(image), expected)  # the failed one can be tried again
    for wrong in (table_set, ["x"]):
        with pytest.raises(TypeError, match="table_sets"):
            codec.pillow.register(table_sets=wrong)


def test_decompression_bombs(monkeypatch):
    data = codec.encode(np.zeros((100, 100), np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4999)
    with pytest.raises(Image.DecompressionBombError):
        opened(data)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 9999)
    with pytest.warns(Image.DecompressionBombWarning):
        opened(data)


@pytest.mark.parametrize(
    "data",
    [
        b"RDCT",
        b"RDCT\x01",
        b"RDCT\x01\x00\x08",
        b"RDCT\x01\x00\x00\x08" + bytes(20),
        b"RDCT\x01\x00\x80\x80\x04\x08" + bytes(20),
        b"RDCT\x01\x00" + b"\x80" * 20,
        b"RDCS" + bytes(30),
    ],
    ids=bytes.hex,
)
def test_what_is_no_stream_is_not_identified(data):
    from PIL import UnidentifiedImageError

    with pytest.raises(UnidentifiedImageError):
        opened(data)


def test_another_version_is_named():
    with pytest.raises(OSError, match="version 2"):
        opened(b"RDCT\x02" + bytes(30))


def test_every_damaged_byte_is_an_oserror_or_a_picture():
    data = codec.encode(IMAGE[:16, :16])
    for i in range(len(data)):
        broken = data[:i] + bytes([data[i] ^ 0x11]) + data[i + 1 :]
        with pytest.raises(OSError):
            opened(broken).load()
        with pytest.raises(OSError):
            opened(data[:i]).load()


def test_pillow_is_imported_by_register_only():
    code = (
        "import sys, codec\n"
        "assert 'PIL' not in sys.modules\n"
        "codec.pillow.register()\n"
        "assert 'PIL' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
