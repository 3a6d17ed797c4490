# SPDX-License-Identifier: Apache-2.0
"""DDS's server side on H.264: chunks of frames, and regions pasted into the enlarged coarse picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from rdct.dds.grid import inside
from rdct.dds.looks import Seen
from rdct.dds.server import DdsServer, answer_of
from rdct.offload.messages import Detections, Feedback, Notice, Packet
from rdct.vision.h264_chunk import decode_chunk

if TYPE_CHECKING:
    from rdct.vision.detectors import Detector
    from rdct.vision.models import Model

__all__ = ["H264Server"]


@dataclass
class _Chunk:
    """A chunk whose "high" may still come."""

    low: bytes
    frames: int
    seen: dict[int, Seen]  # of the frames that regions were asked of, by serial

    @property
    def kept_bytes(self) -> int:
        return len(self.low) + sum(len(one.labels or b"") for one in self.seen.values())


class H264Server(DdsServer):
    """Answers the chunks of one session, each frame by itself. Keeps `rdct.offload.Server`. Needs PyAV.

    Parameters
    ----------
    model, tables
        As for `DdsServer`; nothing is coded under the tables.
    max_chunk : int
        Frames of a chunk at most. A decoded one is in memory whole, ``3 * max_chunk * max_pixels`` bytes.
    **options
        As for `DdsServer`; `max_asked` counts chunks here.
    """

    def __init__(
        self, model: Detector | Model, tables: Any = None, *, max_chunk: int = 30, **options: Any
    ) -> None:
        super().__init__(model, tables, **options)
        self._max_chunk = max_chunk
        self._chunks: dict[int, _Chunk] = {}  # by the serial of their first frame, oldest first

    def on_packet(self, packet: Packet, now: float) -> Iterator[Feedback]:
        """Answer a chunk of either stream.

        Parameters
        ----------
        packet : Packet
            Its payload is not trusted.
        now : float
            Not needed here.

        Yields
        ------
        RegionRequest, Detections or Notice
            Of "low" one a frame, of "high" one for each frame that regions were asked of. A Notice "refused"
            for all of them, where a payload does not decode within the limits, or belongs to no chunk that
            regions were asked of.
        """
        try:
            self._check(packet)
            if packet.stream == "low":
                first, pictures = self._numbered(packet)
            else:
                asked = self._merged_chunk(packet)
        except ValueError as error:
            text = f"chunk {packet.keyframe}, stream {packet.stream!r}: {error}"
            yield Notice("refused", text, packet.keyframe)
            return
        if packet.stream == "low":
            yield from self._first_chunk(packet.payload, first, pictures)
        else:
            yield from self._second_chunk(asked)

    def _pictures(self, payload: bytes) -> list[np.ndarray]:
        return decode_chunk(payload, max_pixels=self._limits.max_pixels, max_frames=self._max_chunk)

    def _numbered(self, packet: Packet) -> tuple[int, list[np.ndarray]]:
        """The serial of a chunk's first frame, and its pictures."""
        pictures = self._pictures(packet.payload)
        first = packet.keyframe - len(pictures) + 1
        if first < 1:
            raise ValueError(f"serials count from 1, so {packet.keyframe} cannot end {len(pictures)} frames")
        return first, pictures

    def _first_chunk(self, payload: bytes, first: int, pictures: list[np.ndarray]) -> Iterator[Feedback]:
        chunk = _Chunk(payload, len(pictures), {})
        self._chunks.pop(first, None)
        self._chunks[first] = chunk
        for serial, picture in enumerate(pictures, first):
            seen = self._look.first(picture)
            if seen.wanted:
                chunk.seen[serial] = seen
            if serial == first + len(pictures) - 1:  # before the answer that may be the last one taken
                self._bound(first)
            yield answer_of(serial, seen)

    def _bound(self, first: int) -> None:
        """Keep no chunk that nothing was asked of, and no more than may be."""
        if not self._chunks[first].seen:
            del self._chunks[first]
        while len(self._chunks) > self._max_asked or self._kept() > self._limits.max_packet_bytes:
            del self._chunks[next(iter(self._chunks))]

    def _kept(self) -> int:
        return sum(one.kept_bytes for one in self._chunks.values())

    def _merged_chunk(self, packet: Packet) -> list[tuple[int, Seen, np.ndarray]]:
        """Serial, first look and merged picture of every frame that regions were asked of."""
        start, high = self._numbered(packet)
        end = packet.keyframe
        first = next((n for n, one in self._chunks.items() if n <= end < n + one.frames), None)
        if first is None:
            raise ValueError("no regions are waited for")
        if start < first:
            raise ValueError(f"its {len(high)} frames go beyond the chunk that begins with {first}")
        chunk = self._chunks[first]
        low = self._pictures(chunk.low)
        del self._chunks[first]
        return [
            (serial, chunk.seen[serial], _pasted(low[serial - first], fine, chunk.seen[serial]))
            for serial, fine in enumerate(high, start)
            if serial in chunk.seen
        ]

    def _second_chunk(self, asked: list[tuple[int, Seen, np.ndarray]]) -> Iterator[Detections]:
        for serial, seen, picture in asked:
            yield answer_of(serial, self._look.second(seen, picture))


def _pasted(low: np.ndarray, high: np.ndarray, seen: Seen) -> np.ndarray:
    """The coarse picture at the size of the fine one, and in it what was asked for."""
    size = height, width = high.shape[:2]
    if low.shape != high.shape:
        low = cv2.resize(low, (width, height), interpolation=cv2.INTER_CUBIC)
    wanted = inside((one.resized(seen.size, size) for one in seen.wanted), size)
    return np.where(wanted[..., None], high, low)
