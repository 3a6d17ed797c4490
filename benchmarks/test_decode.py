# SPDX-License-Identifier: Apache-2.0
"""Bytes into a picture, beside the peers, at equal PSNR."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import codec
from benchmarks.settings import LEVELS, PSNR_TOLERANCE, Setting

#: Share of samples that may differ by more than 2 between two decoders of one JPEG: libjpeg clamps Y, Cb, Cr
#: to 8 bits before it turns them into RGB, so ringing at saturated edges comes out otherwise.
DIFFERENT_SAMPLES = 0.002


@dataclass(frozen=True)
class Variant:
    """One way of ours. `stream`: what is decoded; `base`: the row to take turns with besides the peer."""

    row: str
    stream: str
    threads: int = 1
    into: bool = False
    base: str | None = None


VARIANTS = {
    variant.row: variant
    for variant in (
        Variant("huffman", "huffman"),
        Variant("huffman, out=", "huffman", into=True, base="huffman"),
        Variant("huffman, 2 threads", "huffman", threads=2, base="huffman"),
        Variant("huffman, 16 levels", "16 levels", base="huffman"),
        Variant("huffman-fixed", "huffman-fixed", base="huffman"),
        Variant("huffman-fixed, 2 threads", "huffman-fixed", threads=2, base="huffman-fixed"),
        Variant("context", "context", base="huffman"),
        Variant("context, 2 threads", "context", threads=2, base="context"),
        Variant("our JPEG", "jpeg", base="huffman"),
        Variant("the peer's JPEG", "peer", base="huffman"),
        Variant("the peer's JPEG, 2 threads", "peer", threads=2, base="the peer's JPEG"),
    )
}


def decoder(variant: Variant, setting: Setting, *, cpu: str = "auto", threads: int | None = None) -> Callable:
    """A function without arguments that decodes the variant's stream."""
    stream = setting.stream(variant.stream)
    decode = codec.Decoder(threads=threads or variant.threads, cpu=cpu).decode
    if variant.into:
        out = np.empty_like(setting.picture.rgb)
        return lambda: decode(stream.data, out=out, table_sets=stream.table_sets)
    return lambda: decode(stream.data, table_sets=stream.table_sets)


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_ours(timed: Callable, setting: Setting, variant: Variant) -> None:
    decode = decoder(variant, setting)
    pixels = np.array(decode())
    check_pixels(pixels, variant, setting)
    data = setting.stream(variant.stream).data
    against = {setting.peer.name: _peer_decode(setting, variant.into)}
    if variant.base:
        against[variant.base] = decoder(VARIANTS[variant.base], setting)
    timed(
        decode,
        group=f"decode {setting.subsampling}",
        row=variant.row,
        pixels=setting.picture.pixels,
        against=against,
        codec="rdct",
        version=codec.__version__,
        cpu=codec.Decoder().cpu,
        threads=variant.threads,
        bytes=len(data),
        bpp=setting.bpp(data),
        psnr=setting.psnr(pixels),
        peer_bytes=len(setting.peer_jpeg),
        peer_psnr=setting.peer_psnr,
    )


def test_peer(timed: Callable, setting: Setting, peer: Any) -> None:
    pixels = peer.to_rgb(peer.decode(setting.peer_jpeg))
    assert np.array_equal(pixels, setting.peer_pixels), f"{peer.name} decodes otherwise"
    against = {} if peer.name == setting.peer.name else {setting.peer.name: _peer_decode(setting)}
    _time_peer(timed, setting, peer, setting.peer_jpeg, pixels, peer.name, against)


def test_peer_reads_ours(timed: Callable, setting: Setting) -> None:
    peer, data = setting.peer, setting.stream("jpeg").data
    pixels = peer.to_rgb(peer.decode(data))
    assert abs(setting.psnr(pixels) - setting.peer_psnr) <= PSNR_TOLERANCE
    check_close(codec.decode(data), pixels)
    against = {peer.name: _peer_decode(setting)}
    _time_peer(timed, setting, peer, data, pixels, f"{peer.name}, our JPEG", against)


def _time_peer(
    timed: Callable,
    setting: Setting,
    peer: Any,
    data: bytes,
    pixels: np.ndarray,
    row: str,
    against: dict[str, Callable],
) -> None:
    timed(
        lambda: peer.decode(data),
        group=f"decode {setting.subsampling}",
        row=row,
        pixels=setting.picture.pixels,
        against=against,
        codec=peer.name,
        version=peer.version,
        cpu="own choice",
        threads=1,
        bytes=len(data),
        bpp=setting.bpp(data),
        psnr=setting.psnr(pixels),
    )


def test_region(timed: Callable, setting: Setting) -> None:
    """A ninth of the picture, from its middle: costs the slices it touches."""
    stream = setting.stream("huffman")
    height, width = setting.picture.rgb.shape[:2]
    x0, y0 = width // 3, height // 3
    roi = (x0, y0, 2 * x0, 2 * y0)
    decode = codec.Decoder().decode
    pixels = decode(stream.data, roi=roi)
    assert np.array_equal(pixels, setting.pixels[y0 : 2 * y0, x0 : 2 * x0])
    timed(
        lambda: decode(stream.data, roi=roi),
        group=f"decode region {setting.subsampling}",
        row="a ninth",
        pixels=x0 * y0,
        against={"the whole picture": lambda: decode(stream.data)},
        codec="rdct",
        version=codec.__version__,
        cpu=codec.Decoder().cpu,
        threads=1,
    )


def _peer_decode(setting: Setting, into: bool = False) -> Callable:
    if into and setting.peer.decode_into is not None:
        out = np.empty_like(setting.picture.rgb)
        return lambda: setting.peer.decode_into(setting.peer_jpeg, out)
    return lambda: setting.peer.decode(setting.peer_jpeg)


def check_pixels(pixels: np.ndarray, variant: Variant, setting: Setting) -> None:
    """The scalar reference's pixels, for any number of threads, and the picture they should be."""
    for cpu, threads in (("c", 1), ("auto", 2), ("auto", 3)):
        again = decoder(variant, setting, cpu=cpu, threads=threads)()
        assert np.array_equal(again, pixels), f"cpu={cpu!r}, threads={threads} give other pixels"
    if variant.stream in ("huffman", "huffman-fixed"):
        assert np.array_equal(pixels, setting.pixels)
        assert setting.psnr(pixels) >= setting.peer_psnr - 1e-9
    elif variant.stream in ("peer", "jpeg"):
        data = setting.stream(variant.stream).data
        check_close(pixels, setting.peer.to_rgb(setting.peer.decode(data)))
        assert setting.psnr(pixels) >= setting.peer_psnr - PSNR_TOLERANCE
    elif variant.stream == "16 levels":
        data = setting.stream(variant.stream).data
        assert codec.read_header(data).levels == LEVELS
        coefficients = codec.decode_coefficients(data)
        again = codec.encode_coefficients(coefficients, setting.many_levels)
        assert again == data
        assert setting.psnr(pixels) > 30


def check_close(pixels: np.ndarray, reference: np.ndarray) -> None:
    """Two decoders of one JPEG: all but a few samples within 2."""
    assert pixels.shape == reference.shape
    difference = np.abs(pixels.astype(np.int16) - reference)
    share = float((difference > 2).mean())
    assert share <= DIFFERENT_SAMPLES, f"{share:.2%} of the samples differ by more than 2"
