# SPDX-License-Identifier: Apache-2.0
"""Quantised coefficients out of streams and into them: entropy coding without the transform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import codec
from benchmarks.settings import Setting

SOURCES = {
    "rdct": "huffman",
    "rdct, huffman-fixed": "huffman-fixed",
    "our JPEG": "jpeg",
    "the peer's JPEG": "peer",
}
TARGETS = {
    "rdct": {},
    "rdct, huffman-fixed": {"entropy": "huffman-fixed", "tables": "id"},
    "jpeg": {"format": "jpeg"},
}


def same(one: codec.Coefficients, other: codec.Coefficients) -> bool:
    return len(one.planes) == len(other.planes) and all(
        np.array_equal(a, b) for a, b in zip(one.planes, other.planes, strict=True)
    )


def common(setting: Setting, **more: Any) -> dict[str, Any]:
    """extra_info of every row here."""
    cpu = codec.Encoder().cpu
    return {
        "pixels": setting.picture.pixels,
        "codec": "rdct",
        "version": codec.__version__,
        "cpu": cpu,
        "threads": 1,
        **more,
    }


@pytest.mark.parametrize("source", SOURCES)
def test_out(timed: Callable, setting: Setting, source: str) -> None:
    stream = setting.stream(SOURCES[source])
    decoder = codec.Decoder()
    coefficients = decoder.decode_coefficients(stream.data, stream.table_sets)
    if source == "the peer's JPEG":
        again = codec.encode_coefficients(coefficients, format="jpeg")
        assert same(codec.decode_coefficients(again, max_pixels=setting.picture.pixels), coefficients)
    else:
        plan = setting.jpeg_plan if source == "our JPEG" else setting.plan
        assert same(coefficients, codec.quantize(setting.picture.rgb, plan, setting.subsampling))
    timed(
        lambda: decoder.decode_coefficients(stream.data, stream.table_sets),
        group=f"coefficients out {setting.subsampling}",
        row=source,
        against={"decode": lambda: decoder.decode(stream.data, table_sets=stream.table_sets)},
        bytes=len(stream.data),
        bpp=setting.bpp(stream.data),
        **common(setting),
    )


@pytest.mark.parametrize("target", TARGETS)
def test_in(timed: Callable, setting: Setting, target: str) -> None:
    options = TARGETS[target]
    coefficients = codec.quantize(setting.picture.rgb, setting.plan, setting.subsampling)
    encoder = codec.Encoder()

    def whole() -> bytes:
        return encoder.encode(setting.picture.rgb, setting.plan, subsampling=setting.subsampling, **options)

    data = encoder.encode_coefficients(coefficients, setting.plan, **options)
    assert data == whole()
    timed(
        lambda: encoder.encode_coefficients(coefficients, setting.plan, **options),
        group=f"coefficients in {setting.subsampling}",
        row=target,
        against={"encode": whole},
        bytes=len(data),
        bpp=setting.bpp(data),
        **common(setting),
    )


def test_jpeg_to_rdct(timed: Callable, setting: Setting) -> None:
    """A JPEG of the peer's into .rdct without leaving the coefficients."""
    decoder, encoder = codec.Decoder(), codec.Encoder()

    def transcode() -> bytes:
        return encoder.encode_coefficients(decoder.decode_coefficients(setting.peer_jpeg))

    data = transcode()
    assert same(codec.decode_coefficients(data), codec.decode_coefficients(setting.peer_jpeg))
    assert len(data) <= len(setting.peer_jpeg)
    timed(
        transcode,
        group=f"coefficients through {setting.subsampling}",
        row="JPEG to rdct",
        bytes=len(data),
        bpp=setting.bpp(data),
        peer_bytes=len(setting.peer_jpeg),
        **common(setting),
    )


def test_quantize(timed: Callable, setting: Setting) -> None:
    """Picture to quantised coefficients: the encoder without entropy coding."""
    encoder = codec.Encoder()
    coefficients = encoder.quantize(setting.picture.rgb, setting.plan, setting.subsampling)
    reference = codec.Encoder(cpu="c").quantize(setting.picture.rgb, setting.plan, setting.subsampling)
    assert same(coefficients, reference)
    timed(
        lambda: encoder.quantize(setting.picture.rgb, setting.plan, setting.subsampling),
        group=f"coefficients of a picture {setting.subsampling}",
        row="quantize",
        against={
            "encode": lambda: encoder.encode(
                setting.picture.rgb, setting.plan, subsampling=setting.subsampling
            )
        },
        **common(setting),
    )
