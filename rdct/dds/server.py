# SPDX-License-Identifier: Apache-2.0
"""DDS's server side: look at the coarse picture, ask for what is doubtful, look again, merge.

"low" of a frame is answered by `Detections`, if nothing is doubtful; else by a `RegionRequest` with what is
known already. "high" is decoded on top of "low", the model runs again, and `Detections` are the last word:
objects, or the label of every pixel, as the model has it (`rdct.dds.looks`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

import codec
from rdct.dds.feedback import DetectionRules, SegmentationRules
from rdct.dds.grid import Memory, pixels_of, touched, two_levels
from rdct.dds.looks import Seen, look_of
from rdct.offload.messages import (
    VERSION,
    Detections,
    Feedback,
    Hello,
    Limits,
    Notice,
    Packet,
    RegionRequest,
    Welcome,
)

if TYPE_CHECKING:
    from rdct.vision.detectors import Detector
    from rdct.vision.models import Model

__all__ = ["DdsServer", "answer_of"]


@dataclass
class _Asked:
    """A frame whose "high" may still come."""

    low: bytes
    seen: Seen


class DdsServer:
    """Answers the frames of one session. Keeps `rdct.offload.Server`.

    Parameters
    ----------
    model : Detector or Model
        From `rdct.vision.detectors.load` or `rdct.vision.models.load`. It may be shared between servers;
        nothing else is.
    tables : codec.TableSet, optional
        Or what has one as `table_set`. Its first level is for "high", its last for "low"; `two_levels`.
    scale : float
        Factor on all steps that the device is told to use.
    rules : DetectionRules or SegmentationRules, optional
        Of the model's kind.
    region_blocks : int
        Side of a cell that the device is told to use.
    subsampling : {"420", "422", "444"}
    limits : rdct.offload.Limits, optional
    max_asked : int
        Frames whose "high" is waited for at most; nor are more bytes of their "low" kept than one message
        may have (``limits.max_packet_bytes``). The oldest are forgotten.
    threads : int
        For decoding.

    Raises
    ------
    ValueError
        Rules of the other kind, or tables of one level.
    """

    def __init__(
        self,
        model: Detector | Model,
        tables: Any = None,
        *,
        scale: float = 1.0,
        rules: DetectionRules | SegmentationRules | None = None,
        region_blocks: int = 3,
        subsampling: str = "420",
        limits: Limits | None = None,
        max_asked: int = 64,
        threads: int = 1,
    ) -> None:
        self._look = look_of(model, rules)
        table_set = two_levels() if tables is None else getattr(tables, "table_set", tables)
        if table_set.levels < 2:
            raise ValueError("tables must have a level for each of two streams, got one level")
        self._table_set: codec.TableSet = table_set
        self._scale = scale
        self._region_blocks = region_blocks
        self._subsampling = subsampling
        self._limits = Limits() if limits is None else limits
        self._max_asked = max_asked
        self._decoder = codec.Decoder(threads=threads)
        self._asked: dict[int, _Asked] = {}  # by serial, oldest first
        self._memory: Memory | None = None

    def on_hello(self, hello: Hello, now: float) -> Welcome | Notice:
        """Open the session, or refuse it: another version of the protocol, or pictures beyond the limit."""
        if hello.version != VERSION:
            return Notice("refused", f"this server speaks version {VERSION}, not {hello.version}")
        if hello.width * hello.height > self._limits.max_pixels:
            return Notice(
                "refused",
                f"pictures of {hello.width} x {hello.height} pixels are beyond the limit of "
                f"{self._limits.max_pixels}; send smaller ones",
            )
        known = self._table_set.id in hello.known_sets
        return Welcome(
            set_id=self._table_set.id,
            table_set=None if known else self._table_set.to_bytes(),
            scale=self._scale,
            region_blocks=self._region_blocks,
            class_names=self._look.class_names,
            palette=self._look.palette,
            limits=self._limits,
            subsampling=self._subsampling,
        )

    def on_packet(self, packet: Packet, now: float) -> Iterator[Feedback]:
        """Answer a packet of either stream.

        Parameters
        ----------
        packet : Packet
            Its payload is not trusted.
        now : float
            Not needed here.

        Yields
        ------
        RegionRequest, Detections or Notice
            One. A Notice "refused", where a payload does not decode within the limits, or belongs to no
            frame that regions were asked of.
        """
        serial = packet.keyframe
        try:
            picture, asked = self._read(packet)
        except (ValueError, codec.UnsupportedError) as error:
            yield Notice("refused", f"frame {serial}, stream {packet.stream!r}: {error}", serial)
            return
        yield self._first(packet, picture) if asked is None else self._second(packet, picture, asked)

    def _read(self, packet: Packet) -> tuple[np.ndarray, _Asked | None]:
        """The picture to look at, and for "high" what was asked."""
        self._check(packet)
        if packet.stream == "low":
            return self._decoded(packet.payload), None
        asked = self._asked.get(packet.keyframe)
        if asked is None:
            raise ValueError("no regions are waited for")
        return self._merged(asked, packet), asked

    def _check(self, packet: Packet) -> None:
        """What can be said of a packet before it is decoded."""
        if len(packet.payload) > self._limits.max_packet_bytes:
            raise ValueError(
                f"{len(packet.payload)} bytes are beyond the limit of {self._limits.max_packet_bytes}"
            )
        if packet.stream not in ("low", "high"):
            raise ValueError("DDS has streams 'low' and 'high'")

    def _first(self, packet: Packet, picture: np.ndarray) -> RegionRequest | Detections:
        seen = self._look.first(picture)
        if seen.wanted:
            self._asked.pop(packet.keyframe, None)
            self._asked[packet.keyframe] = _Asked(packet.payload, seen)
            while len(self._asked) > self._max_asked or self._kept_bytes() > self._limits.max_packet_bytes:
                del self._asked[next(iter(self._asked))]
        return answer_of(packet.keyframe, seen)

    def _kept_bytes(self) -> int:
        return sum(len(one.low) + len(one.seen.labels or b"") for one in self._asked.values())

    def _second(self, packet: Packet, picture: np.ndarray, asked: _Asked) -> Detections:
        del self._asked[packet.keyframe]
        return answer_of(packet.keyframe, self._look.second(asked.seen, picture))

    # -------------------------------------------------------------------------------------------- pictures

    def _decoded(self, payload: bytes, **options: Any) -> np.ndarray:
        image = self._decoder.decode(
            payload, table_sets=(self._table_set,), max_pixels=self._limits.max_pixels, **options
        )
        return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)

    def _merged(self, asked: _Asked, packet: Packet) -> np.ndarray:
        """The frame: fine where it was sent so, now or before and unchanged; coarse elsewhere."""
        header = codec.read_header(packet.payload, (self._table_set,))
        size = header.height, header.width
        if header.width * header.height > self._limits.max_pixels:
            raise ValueError(f"{header.width} x {header.height} pixels are beyond the limit")
        if header.region_blocks != self._region_blocks:
            raise ValueError(
                f"region_blocks must be {self._region_blocks} as in the Welcome, got {header.region_blocks}"
            )
        if header.refine:
            picture = self._decoded(packet.payload, refine=asked.low)
        else:
            picture = self._decoded(packet.payload, base=self._base(asked, size))
        cells = header.level_map != codec.SKIP
        if self._memory is None or self._memory.size != size:
            self._memory = Memory(size, self._region_blocks)
        regions = [one.resized(asked.seen.size, size) for one in asked.seen.wanted]
        wanted = touched(regions, size, self._region_blocks)
        unchanged = wanted & ~cells
        if (unchanged & (self._memory.serials == 0)).any():
            raise ValueError("regions were left out as unchanged that this server never got")
        if unchanged.any():
            where = pixels_of(unchanged, size, self._region_blocks)
            picture[where] = self._memory.picture[where]
        self._memory.put(picture, cells, packet.keyframe)
        return picture

    def _base(self, asked: _Asked, size: tuple[int, int]) -> Any:
        """What is under a stream that was coded afresh."""
        if size == asked.seen.size:
            return codec.decode_planes(asked.low, table_sets=(self._table_set,))
        low = self._decoded(asked.low)
        return cv2.resize(low, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)


def answer_of(serial: int, seen: Seen) -> RegionRequest | Detections:
    """What is seen in a frame, as a message."""
    if seen.wanted:
        return RegionRequest(serial, *seen.size, seen.wanted, seen.found, labels=seen.labels)
    return Detections(serial, *seen.size, seen.found, labels=seen.labels)
