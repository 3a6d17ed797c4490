# SPDX-License-Identifier: Apache-2.0
"""A picture into bytes, beside the peers, at equal PSNR."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import codec
from benchmarks.settings import (
    BYTES_TOLERANCE,
    CONTEXT_SHARE,
    FIXED_TOLERANCE,
    PEERS_BYTES,
    PEERS_DB,
    PSNR_TOLERANCE,
    Setting,
)


@dataclass(frozen=True)
class Variant:
    """One way of ours. `base`: the row that differs from it in one thing, to take turns with."""

    row: str
    entropy: str = "huffman"
    format: str = "rdct"
    many_levels: bool = False
    threads: int = 1
    reuse: bool = True
    base: str | None = None

    def options(self, setting: Setting) -> dict[str, Any]:
        options = {"subsampling": setting.subsampling, "entropy": self.entropy, "format": self.format}
        if self.entropy == "huffman-fixed" and self.format == "rdct":
            options["tables"] = "id"
        return options

    def plan(self, setting: Setting) -> codec.QuantPlan:
        if self.many_levels:
            return setting.many_levels
        return setting.jpeg_plan if self.format == "jpeg" else setting.plan

    def encoder(self, setting: Setting, *, cpu: str = "auto", threads: int | None = None) -> Callable:
        """A function without arguments that encodes the picture."""
        rgb, plan, options = setting.picture.rgb, self.plan(setting), self.options(setting)
        threads = threads or self.threads
        if not self.reuse:
            return lambda: codec.encode(rgb, plan, threads=threads, cpu=cpu, **options)
        encode = codec.Encoder(threads=threads, cpu=cpu).encode
        return lambda: encode(rgb, plan, **options)


VARIANTS = {
    variant.row: variant
    for variant in (
        Variant("huffman"),
        Variant("huffman, encode()", reuse=False, base="huffman"),
        Variant("huffman, 2 threads", threads=2, base="huffman"),
        Variant("huffman, 16 levels", many_levels=True, base="huffman"),
        Variant("huffman-fixed", entropy="huffman-fixed", base="huffman"),
        Variant("huffman-fixed, 2 threads", entropy="huffman-fixed", threads=2, base="huffman-fixed"),
        Variant("huffman-fixed, 16 levels", entropy="huffman-fixed", many_levels=True, base="huffman-fixed"),
        Variant("context", entropy="context", base="huffman"),
        Variant("context, 2 threads", entropy="context", threads=2, base="context"),
        Variant("jpeg", format="jpeg", base="huffman"),
        Variant("jpeg, huffman-fixed", entropy="huffman-fixed", format="jpeg", base="jpeg"),
    )
}


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_ours(timed: Callable, setting: Setting, variant: Variant) -> None:
    encode = variant.encoder(setting)
    data = encode()
    if variant.format == "jpeg":
        pixels = setting.peer.to_rgb(setting.peer.decode(data))
    else:
        pixels = codec.decode(data, table_sets=[variant.plan(setting).table_set])
    check_bytes(data, variant, setting)
    check_pixels(data, pixels, variant, setting)
    against = {setting.peer.name: lambda: _peer_encode(setting)}
    if variant.base:
        against[variant.base] = VARIANTS[variant.base].encoder(setting)
    timed(
        encode,
        group=f"encode {setting.subsampling}",
        row=variant.row,
        pixels=setting.picture.pixels,
        against=against,
        codec="rdct",
        version=codec.__version__,
        cpu=codec.Encoder().cpu,
        threads=variant.threads,
        bytes=len(data),
        bpp=setting.bpp(data),
        psnr=setting.psnr(pixels),
        peer_bytes=len(setting.peer_jpeg),
        peer_psnr=setting.peer_psnr,
        tables=variant.options(setting).get("tables", "inline"),
    )


def test_peer(timed: Callable, setting: Setting, peer: Any) -> None:
    prepared, quality = peer.prepare(setting.picture.rgb), setting.quality_of(peer)
    data = peer.encode(prepared, quality, setting.subsampling)
    pixels = peer.to_rgb(peer.decode(data))
    quality_db = setting.psnr(pixels)
    assert abs(quality_db - setting.peer_psnr) <= PEERS_DB, f"{peer.name}: {quality_db:.3f} dB"
    assert abs(len(data) / len(setting.peer_jpeg) - 1) <= PEERS_BYTES, f"{peer.name}: {len(data)} bytes"
    timed(
        lambda: peer.encode(prepared, quality, setting.subsampling),
        group=f"encode {setting.subsampling}",
        row=peer.name,
        pixels=setting.picture.pixels,
        against={} if peer.name == setting.peer.name else {setting.peer.name: lambda: _peer_encode(setting)},
        codec=peer.name,
        version=peer.version,
        cpu="own choice",
        threads=1,
        bytes=len(data),
        bpp=setting.bpp(data),
        psnr=quality_db,
        quality=quality,
    )


def _peer_encode(setting: Setting) -> bytes:
    return setting.peer.encode(setting.prepared, setting.quality, setting.subsampling)


def check_bytes(data: bytes, variant: Variant, setting: Setting) -> None:
    """Same bytes whatever computed them, and as few as claimed."""
    for cpu, threads in (("c", 1), ("auto", 2), ("auto", 3)):
        again = variant.encoder(setting, cpu=cpu, threads=threads)()
        assert again == data, f"cpu={cpu!r}, threads={threads} give other bytes"
    if variant.many_levels:
        return  # made to have the bytes of the one-table stream
    if variant.entropy == "huffman-fixed" and variant.format == "rdct":
        optimised = len(setting.stream("huffman").data)
        assert len(data) <= FIXED_TOLERANCE * optimised, f"{len(data)} bytes against {optimised} optimised"
    if variant.entropy == "context":
        assert len(data) <= CONTEXT_SHARE * len(setting.stream("huffman").data), f"{len(data)} bytes"
    assert len(data) <= BYTES_TOLERANCE * len(setting.peer_jpeg), (
        f"{len(data)} bytes, {setting.peer.name} needs {len(setting.peer_jpeg)} at the same PSNR"
    )


def check_pixels(data: bytes, pixels: np.ndarray, variant: Variant, setting: Setting) -> None:
    """The picture that comes out: the peer's PSNR, and one and the same from all Huffman streams."""
    if variant.many_levels:
        sets = [setting.many_levels.table_set]
        assert np.array_equal(codec.decode(data, table_sets=sets, cpu="c", threads=2), pixels)
        return
    quality_db = setting.psnr(pixels)
    gain = quality_db - setting.peer_psnr
    assert -1e-9 <= gain <= PSNR_TOLERANCE, (
        f"{quality_db:.3f} dB, {setting.peer.name} {setting.peer_psnr:.3f}"
    )
    if variant.entropy == "context":  # in taller slices, at whose ends up-sampling differs
        streams = data, setting.stream("huffman").data
        ours, plain = (codec.decode_coefficients(one).planes for one in streams)
        assert all(map(np.array_equal, ours, plain))
    elif variant.format == "rdct":
        assert np.array_equal(pixels, setting.pixels)
