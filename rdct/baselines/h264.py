# SPDX-License-Identifier: Apache-2.0
"""Every frame, or every n-th, in chunks of H.264: what a camera with a hardware encoder does. Needs PyAV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rdct.baselines.answering import AnsweringServer
from rdct.baselines.sending import SendingEdge
from rdct.baselines.stills import check_scale, reduced
from rdct.offload.messages import Packet
from rdct.vision.h264_chunk import decode_chunk, encode_chunk

if TYPE_CHECKING:
    from rdct.vision.frames import Frame

__all__ = ["H264Edge", "H264Server"]

#: Pictures of a chunk at most, on both sides.
MAX_CHUNK = 64


class H264Edge(SendingEdge):
    """Gathers frames and sends them as one chunk. Keeps `rdct.offload.Edge`.

    A packet's serial is that of its first frame; the others count on from it.

    Parameters
    ----------
    qp : int, optional
        Constant quantiser, 0..51.
    crf : float, optional
        Constant rate factor, 0..51; 26 if neither is given.
    scale : float
        By which the sides are reduced first; they become even.
    every : int
        Of so many frames one is sent; the others have its answer.
    chunk_frames : int
        Sent frames of a chunk, 1..64; the paper's 15.
    chunk_s : float
        A chunk goes after so long even if it is not full.
    gop : int, optional
        Pictures from one IDR picture to the next; 1 is intra only. None: one for each chunk.
    preset : str
        x264's.
    fps : float
        Of the frames that are sent; matters to x264's rate factor only.
    **options
        Of `rdct.baselines.sending.SendingEdge`.

    Raises
    ------
    ImportError
        PyAV is missing, or built without libx264.
    """

    def __init__(
        self,
        *,
        qp: int | None = None,
        crf: float | None = None,
        scale: float = 1.0,
        every: int = 1,
        chunk_frames: int = 15,
        chunk_s: float = 2.0,
        gop: int | None = None,
        preset: str = "medium",
        fps: float = 30.0,
        **options: Any,
    ) -> None:
        # A chunk's first frame waits for its last one, and then for the answer.
        super().__init__(**{"deadline_s": 2.0 + chunk_s, **options})
        check_scale(scale)
        if every < 1:
            raise ValueError(f"every must be 1 frame or more, got {every}")
        if not 1 <= chunk_frames <= min(MAX_CHUNK, self._max_waiting):
            raise ValueError(
                f"chunk_frames must be 1..{min(MAX_CHUNK, self._max_waiting)}, got {chunk_frames}"
            )
        if not chunk_s > 0:
            raise ValueError(f"chunk_s must be more than 0 seconds, got {chunk_s}")
        if qp is None and crf is None:
            crf = 26.0
        self._settings = {"qp": qp, "crf": crf, "gop": gop, "preset": preset, "fps": fps}
        # What cannot be encoded is better known now than at a frame.
        encode_chunk([np.zeros((16, 16, 3), np.uint8)], **self._settings)
        self._scale, self._every = scale, every
        self._chunk_frames, self._chunk_s = chunk_frames, chunk_s
        self._since = 0
        self._chunk: list[tuple[int, int, float, np.ndarray]] = []  # serial, frame, time, picture
        self._chunk_since = 0.0
        self._chunks: dict[int, int] = {}  # pictures by first serial, the newest chunks

    def _take(self, frame: Frame, now: float) -> list[Packet]:
        self._since += 1
        if self._serial and self._since < self._every:
            return []
        self._since = 0
        # Both sides even, for 4:2:0.
        picture = reduced(frame.image, self._scale, multiple=2)
        out = []
        if self._chunk and self._chunk[0][3].shape != picture.shape:
            out = self._sent()
        if not self._chunk:
            self._chunk_since = now
        self._chunk.append((self._number(frame, now), frame.index, frame.time_s, picture))
        return out + (self._sent() if len(self._chunk) >= self._chunk_frames else [])

    def _sent(self) -> list[Packet]:
        chunk, self._chunk = self._chunk, []
        serial, frame, time_s, _ = chunk[0]
        payload = encode_chunk([picture for *_, picture in chunk], **self._settings)
        self._chunks[serial] = len(chunk)
        while len(self._chunks) > 2 * self._max_waiting:
            del self._chunks[next(iter(self._chunks))]
        return [self._packet(frame, time_s, serial, payload, "chunk")]

    def _members(self, serial: int) -> Sequence[int]:
        return range(serial, serial + self._chunks.get(serial, 1))

    def _due(self) -> float | None:
        return self._chunk_since + self._chunk_s if self._chunk else None

    def _late(self, now: float) -> list[Packet]:
        return self._sent()


class H264Server(AnsweringServer):
    """Decodes chunks, and answers picture by picture. Keeps `rdct.offload.Server`.

    Parameters
    ----------
    *arguments, **options
        Of `rdct.baselines.answering.AnsweringServer`.
    """

    def _pictures(self, packet: Packet) -> list[np.ndarray]:
        if packet.stream == "chunk":
            return decode_chunk(packet.payload, self._limits.max_pixels, MAX_CHUNK)
        return super()._pictures(packet)
