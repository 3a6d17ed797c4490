"""Label maps as bytes: exact, small, and safe to read from anyone."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from rdct.offload import ProtocolError
from rdct.offload.labels import decode_labels, encode_labels

STREET_LABELS = Path(__file__).resolve().parents[2] / "examples" / "street_labels.png"
MAPS = arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)))


@given(MAPS)
def test_any_label_map_comes_back_exactly(labels):
    back = decode_labels(encode_labels(labels), labels.size)
    assert back.dtype == np.uint8 and np.array_equal(back, labels)


@pytest.mark.parametrize("shape", [(1, 65535), (16384, 2), (1, 16383)])
def test_long_maps_come_back_exactly(shape):
    labels = (np.arange(np.prod(shape)) // 7 % 12).astype(np.uint8).reshape(shape)
    assert np.array_equal(decode_labels(encode_labels(labels), labels.size), labels)


def test_strided_labels_are_taken_as_they_are():
    labels = np.arange(48, dtype=np.uint8).reshape(6, 8)
    assert np.array_equal(decode_labels(encode_labels(labels[::2, ::-1]), 48), labels[::2, ::-1])


def test_a_street_of_labels_costs_little():
    labels = np.asarray(Image.open(STREET_LABELS))
    assert labels.shape == (512, 768) and labels.max() < 11
    assert len(encode_labels(labels)) < labels.size / 60


@given(MAPS, st.data())
def test_damaged_bytes_give_a_map_or_a_protocol_error(labels, data):
    damaged = bytearray(encode_labels(labels))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    del damaged[data.draw(st.integers(0, len(damaged))) :]
    try:
        back = decode_labels(bytes(damaged), 10_000)
    except ProtocolError:
        return
    assert back.dtype == np.uint8 and back.ndim == 2 and back.size <= 10_000


def picture(mode, size=(8, 8), form="PNG", **options):
    out = io.BytesIO()
    Image.new(mode, size).save(out, form, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no coded label map"),
        (b"labels" * 9, "no coded label map"),
        (picture("L", form="JPEG"), "no coded label map"),
        (picture("RGB"), "mode L"),
        (picture("RGBA", form="WEBP", lossless=True), "one lossless frame without alpha"),
        (picture("RGB", form="WEBP"), "one lossless frame"),
        (picture("RGB", (9, 8), form="WEBP", lossless=True), "9 x 8 pixels, max_pixels allows 64"),
        (picture("RGB", form="WEBP", lossless=True)[:24], "one lossless frame"),
        (picture("RGB", form="WEBP", lossless=True)[:25], "broken WebP"),
        (picture("L", (9, 8)), "9 x 8 pixels, max_pixels allows 64"),
        (
            picture(
                "RGB", form="WEBP", lossless=True, save_all=True, append_images=[Image.new("RGB", (8, 8), 9)]
            ),
            "one lossless frame",
        ),
    ],
)
def test_other_data_is_refused(data, says):
    with pytest.raises(ProtocolError, match=says):
        decode_labels(data, 64)


@pytest.mark.parametrize("size", [(5, 3), (16383, 1), (1, 16383)])
def test_the_size_is_read_before_the_picture(size):
    data = picture("RGB", size, form="WEBP", lossless=True)
    with pytest.raises(ProtocolError, match=f"{size[0]} x {size[1]} pixels, max_pixels"):
        decode_labels(data[:25], size[0] * size[1] - 1)


@pytest.mark.parametrize(
    ("labels", "error"),
    [
        (np.zeros((2, 2), int), TypeError),
        (np.zeros(4, np.uint8), ValueError),
        (np.zeros((0, 4), np.uint8), ValueError),
    ],
)
def test_other_arrays_are_refused(labels, error):
    with pytest.raises(error, match="labels must be"):
        encode_labels(labels)
