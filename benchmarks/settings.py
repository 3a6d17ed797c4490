# SPDX-License-Identifier: Apache-2.0
"""What is encoded how: two rates, our plans at the peer's PSNR, and streams to decode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

import codec
from benchmarks.peers import Peer
from benchmarks.pictures import Picture, small_street
from rdct.vision.metrics import psnr

__all__ = [
    "BYTES_TOLERANCE",
    "CONTEXT_SHARE",
    "LEVELS",
    "PSNR_TOLERANCE",
    "RATES",
    "Setting",
    "closest_quality",
    "largest_accepted",
    "level_field",
]

#: Bits per pixel by subsampling.
RATES = {"444": 1.5, "420": 1.1}
#: dB that our PSNR may lie above the peer's; never below.
PSNR_TOLERANCE = 0.05
#: "No more bytes" at that PSNR means: at most this many times the peer's bytes.
BYTES_TOLERANCE = 1.0
#: Fixed Huffman tables may cost this much over those made for the picture.
FIXED_TOLERANCE = 1.03
#: Context-modelled, a stream must have at most this share of the bytes it has with Huffman tables of its own.
CONTEXT_SHARE = 0.9
#: The peers are one library, but two take its fast DCT below quality 96: they may differ by this much.
PEERS_DB, PEERS_BYTES = 0.3, 0.02
LEVELS = 16
MIDDLE = LEVELS // 2
BASE_QUALITY = 50
_BAND_QUALITIES = (30, 50, 70, 85, 92, 96)


def closest_quality(size: Callable[[int], int], wanted: float) -> int:
    """The quality 1..100 whose size is closest to `wanted`; sizes grow with quality."""
    low, high = 1, 100
    while high - low > 1:
        middle = (low + high) // 2
        if size(middle) < wanted:
            low = middle
        else:
            high = middle
    return min((low, high), key=lambda quality: abs(size(quality) - wanted))


def largest_accepted(accept: Callable[[int], bool], low: int, high: int) -> int:
    """The largest dial low..high that `accept` takes, given that it takes all below and none above."""
    if not accept(low):
        raise ValueError(f"even {low} is not accepted")
    while high - low > 1:
        middle = (low + high) // 2
        if accept(middle):
            low = middle
        else:
            high = middle
    return low


def scaled_example(dial: int) -> np.ndarray:
    """JPEG's example tables times dial / 4096, u16 [3, 8, 8]: a finer dial than a plan's scale."""
    base = codec.ijg_table(BASE_QUALITY).astype(np.int64)
    return np.clip((base * dial + 2048) >> 12, 1, 255).astype(np.uint16)


def level_field(shape: tuple[int, int], levels: int = LEVELS, seed: int = 7) -> np.ndarray:
    """A level map such as a network's gradients give: smooth with grain, about the middle level.

    Returns
    -------
    numpy.ndarray
        uint8 `shape`, mean near levels / 2, standard deviation about a fifth of the levels.
    """
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.standard_normal(shape), 3.0)
    grain = rng.standard_normal(shape)
    field = 0.8 * smooth / smooth.std() + 0.6 * grain / grain.std()
    return np.clip(np.rint(levels / 2 + levels / 5 * field), 0, levels - 1).astype(np.uint8)


@dataclass(frozen=True)
class Stream:
    """Bytes to decode, and the set they need if they name one."""

    data: bytes
    table_sets: tuple[codec.TableSet, ...] = ()


class Setting:
    """One subsampling at its rate.

    Parameters
    ----------
    picture : Picture
    subsampling : str
    peer : Peer
        The reference: its quality closest to the rate gives the PSNR that our plans must reach.
    """

    def __init__(self, picture: Picture, subsampling: str, peer: Peer) -> None:
        self.picture, self.subsampling, self.peer = picture, subsampling, peer
        self.prepared = peer.prepare(picture.rgb)
        self._encoder = codec.Encoder()
        self._decoder = codec.Decoder()
        self._streams: dict[str, Stream] = {}

    def bpp(self, data: bytes) -> float:
        return 8 * len(data) / self.picture.pixels

    def psnr(self, rgb: np.ndarray) -> float:
        """Of all three channels, dB."""
        return psnr(self.picture.rgb, rgb)

    def quality_of(self, peer: Peer) -> int:
        """The peer's quality that comes closest to the rate."""
        wanted = RATES[self.subsampling] * self.picture.pixels / 8
        prepared = peer.prepare(self.picture.rgb)
        return closest_quality(lambda quality: len(peer.encode(prepared, quality, self.subsampling)), wanted)

    @cached_property
    def quality(self) -> int:
        """That of the reference."""
        return self.quality_of(self.peer)

    @cached_property
    def peer_jpeg(self) -> bytes:
        return self.peer.encode(self.prepared, self.quality, self.subsampling)

    @cached_property
    def peer_pixels(self) -> np.ndarray:
        return self.peer.to_rgb(self.peer.decode(self.peer_jpeg))

    @cached_property
    def peer_psnr(self) -> float:
        return self.psnr(self.peer_pixels)

    @cached_property
    def bands(self) -> np.ndarray:
        """Fixed Huffman tables at six rates, u8 [6, 4, 256], from another picture: examples/street.png."""
        street = small_street()
        bands = np.zeros((len(_BAND_QUALITIES), 4, 256), np.uint8)
        for band, quality in zip(bands, _BAND_QUALITIES, strict=True):
            _, stats = codec.encode_with_stats(street, quality=quality, subsampling=self.subsampling)
            for chroma in (0, 1):
                dc = np.zeros(256, np.int64)
                dc[:12] = np.asarray(stats.dc_symbols)[chroma] + 1
                ac = np.array(np.asarray(stats.ac_symbols)[chroma])
                ac[_ac_symbols()] += 1
                band[2 * chroma] = codec.huffman_lengths(dc)
                band[2 * chroma + 1] = codec.huffman_lengths(ac)
        return bands

    def one_table(self, steps: np.ndarray) -> codec.QuantPlan:
        """A plan of these steps, [3, 8, 8], everywhere."""
        height, width = self.picture.rgb.shape[:2]
        level_map = np.zeros(codec.map_shape(height, width), np.uint8)
        return codec.QuantPlan(codec.TableSet(steps[np.newaxis], self.bands), level_map)

    def _reaching_peer(self, format: str, decode: Callable[[bytes], np.ndarray]) -> codec.QuantPlan:
        """The coarsest scale of JPEG's example tables at which the picture keeps the peer's PSNR."""

        def reaches(steps: np.ndarray) -> bool:
            plan, subsampling = self.one_table(steps), self.subsampling
            data = self._encoder.encode(self.picture.rgb, plan, subsampling=subsampling, format=format)
            return self.psnr(decode(data)) >= self.peer_psnr

        dial = largest_accepted(lambda dial: reaches(scaled_example(dial)), 64, 8192)
        # Many steps change at once where they were equal; the next scale's are taken over one by one.
        steps, coarser = scaled_example(dial), scaled_example(dial + 1)
        changed = np.flatnonzero(steps != coarser)

        def mixed(count: int) -> np.ndarray:
            found = steps.copy()
            found.flat[changed[:count]] = coarser.flat[changed[:count]]
            return found

        return self.one_table(mixed(largest_accepted(lambda n: reaches(mixed(n)), 0, len(changed))))

    @cached_property
    def plan(self) -> codec.QuantPlan:
        """One table, decoded by us."""
        return self._reaching_peer("rdct", self._decoder.decode)

    @cached_property
    def jpeg_plan(self) -> codec.QuantPlan:
        """One table, decoded by the peer, whose roundings on the way cost 0.1 to 0.2 dB."""
        return self._reaching_peer("jpeg", lambda data: self.peer.to_rgb(self.peer.decode(data)))

    @cached_property
    def many_levels(self) -> codec.QuantPlan:
        """16 levels a quarter of an octave apart in a grainy map, at the bytes of `plan`."""
        base = np.rint(16 * np.log2(codec.ijg_table(BASE_QUALITY)))
        offsets = 4 * (np.arange(LEVELS) - MIDDLE)
        tables = codec.TableSet.from_log(base.astype(np.int64), offsets, self.bands)
        height, width = self.picture.rgb.shape[:2]
        plan = codec.QuantPlan(tables, level_field(codec.map_shape(height, width)))
        wanted = len(self.stream("huffman").data)

        def suffices(plan: codec.QuantPlan) -> bool:
            return len(self._encoder.encode(self.picture.rgb, plan, subsampling=self.subsampling)) >= wanted

        scale = largest_accepted(lambda scale_q8: suffices(plan.with_scale(scale_q8 / 256)), 4, 512)
        plan = plan.with_scale(scale / 256)
        # The scale is too coarse a dial: one region after the other goes to the next level.
        order = np.random.default_rng(1).permutation(plan.level_map.size)

        def coarser(regions: int) -> codec.QuantPlan:
            level_map = plan.level_map.copy()
            level_map.flat[order[:regions]] = np.minimum(level_map.flat[order[:regions]] + 1, LEVELS - 1)
            return plan.with_map(level_map)

        return coarser(largest_accepted(lambda regions: suffices(coarser(regions)), 0, order.size))

    def stream(self, name: str) -> Stream:
        """What decoders read: "huffman", "huffman-fixed", "context", "jpeg", "16 levels", or "peer", the
        peer's JPEG.
        """
        if name not in self._streams:
            encode, rgb, subsampling = self._encoder.encode, self.picture.rgb, self.subsampling
            if name == "peer":
                stream = Stream(self.peer_jpeg)
            elif name == "16 levels":
                stream = Stream(encode(rgb, self.many_levels, subsampling=subsampling))
            elif name == "jpeg":
                stream = Stream(encode(rgb, self.jpeg_plan, subsampling=subsampling, format="jpeg"))
            elif name == "huffman-fixed":
                data = encode(rgb, self.plan, subsampling=subsampling, entropy=name, tables="id")
                stream = Stream(data, (self.plan.table_set,))
            else:
                stream = Stream(encode(rgb, self.plan, subsampling=subsampling, entropy=name))
            self._streams[name] = stream
        return self._streams[name]

    @cached_property
    def pixels(self) -> np.ndarray:
        """What `plan` decodes to, by the scalar reference: entropy coding changes no pixel."""
        return codec.decode(self.stream("huffman").data, cpu="c")


def _ac_symbols() -> np.ndarray:
    """The AC symbols a stream may hold: end of block, sixteen zeros, and run * 16 + size."""
    return np.array([0x00, 0xF0, *(16 * run + size for run in range(16) for size in range(1, 11))])
