# SPDX-License-Identifier: Apache-2.0
"""DDS's device side on H.264, as the paper has it: both streams are chunks of frames.

"low" is the whole chunk at a coarse quantiser. Once the server has answered for every frame of it, "high" is
the raw chunk at a fine one, black outside the regions asked for, from the first frame asked for to the last.
A chunk's packet bears the serial of its last frame; those before it count down one by one. So the answer to
the packet's own serial is the last of its answers, and "high" has no serial that "low" has not had.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from rdct.dds.grid import inside
from rdct.dds.policy import DdsPolicy, paper_policy
from rdct.dds.rounds import Held, Rounds
from rdct.offload.messages import Packet, RegionRequest, Welcome
from rdct.vision.h264_chunk import PRESETS, encode_chunk

__all__ = ["H264Edge"]


@dataclass(eq=False)
class _Chunk:
    """A chunk that went; "open" as long as its "high" may still go."""

    members: list[Held]
    sent_s: float
    waiting: set[int]  # serials without an answer
    wanted: dict[int, np.ndarray] = field(default_factory=dict)  # masks by serial
    open: bool = True


class H264Edge(Rounds):
    """Sends every chunk coarse, and what the server asks for fine. Keeps `rdct.offload.Edge`. Needs PyAV.

    Parameters
    ----------
    policy : DdsPolicy, optional
        `paper_policy`. ``hold_s`` counts from when a chunk went; what was asked for by then is sent, though
        answers may be missing.
    low_qp, high_qp : int
        Constant quantisers of the two streams, 0..51; the paper's are 36 and 26.
    preset : str
        x264's.
    fps : float
        Of the source; it does not matter to a constant quantiser.
    classes : int, optional
        As for `DdsEdge`.

    Raises
    ------
    ValueError
        A quantiser out of range or a preset unknown, a `policy.static`, or fewer `policy.max_frames` than
        two chunks: the first would still wait for its second round when the second is full.
    ImportError
        There is no PyAV.
    """

    def __init__(
        self,
        *,
        policy: DdsPolicy | None = None,
        low_qp: int = 36,
        high_qp: int = 26,
        preset: str = "medium",
        fps: float = 30.0,
        classes: int | None = None,
    ) -> None:
        policy = paper_policy() if policy is None else policy
        super().__init__(policy, classes)
        if policy.static is not None:
            raise ValueError("policy.static is of this project's codec; under H.264 it must be None")
        if policy.max_frames < 2 * policy.chunk_frames:
            raise ValueError(
                f"policy.max_frames must be two chunks of {policy.chunk_frames} at least, "
                f"got {policy.max_frames}"
            )
        for name, qp in (("low_qp", low_qp), ("high_qp", high_qp)):
            if not 0 <= qp <= 51:
                raise ValueError(f"{name} must be 0..51, got {qp}")
        if preset not in PRESETS:
            raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {preset!r}")
        self._low_qp, self._high_qp = low_qp, high_qp
        self._options = {"preset": preset, "fps": fps}
        # What is missing is better known now than at a frame.
        encode_chunk([np.zeros((16, 16, 3), np.uint8)], qp=low_qp, **self._options)
        self._lows: dict[int, np.ndarray] = {}  # of the chunk that gathers, where the scales differ
        self._chunks: list[_Chunk] = []  # with frames whose Result is still owed

    @classmethod
    def from_welcome(cls, welcome: Welcome, **options) -> H264Edge:
        """The edge for a server that has said how many classes there are; of its tables nothing is used."""
        return cls(**{"classes": len(welcome.class_names), **options})

    # ---------------------------------------------------------------------------------------- the streams

    def _take(self, held: Held, image: np.ndarray) -> None:
        policy = self._policy
        held.picture = _even(image, policy.high_scale)
        if policy.low_scale != policy.high_scale:
            self._lows[held.serial] = _even(image, policy.low_scale)

    def _low_packets(self, chunk: list[Held], now: float) -> Iterator[Packet]:
        pictures = [self._lows.pop(held.serial, held.picture) for held in chunk]
        payload = encode_chunk(pictures, qp=self._low_qp, **self._options)
        self._chunks = [one for one in self._chunks if self._owed(one)]
        self._chunks.append(_Chunk(chunk, now, {held.serial for held in chunk}))
        yield Packet(chunk[-1].frame, chunk[-1].time_s, chunk[-1].serial, payload, "low")

    def _high_packets(self, held: Held, request: RegionRequest) -> Iterable[Packet]:
        size, measured = held.picture.shape[:2], (request.height, request.width)
        wanted = inside((one.resized(measured, size) for one in request.wanted), size)
        self._chunk_of(held.serial).wanted[held.serial] = wanted
        return self._settled(held)

    def _settled(self, held: Held) -> Iterable[Packet]:
        """The chunk's "high", if this was the last frame it waited for."""
        chunk = self._chunk_of(held.serial)
        if chunk is None or not chunk.open:
            return []
        chunk.waiting.discard(held.serial)
        return [] if chunk.waiting else self._finished(chunk)

    def _finished(self, chunk: _Chunk) -> list[Packet]:
        """A chunk's "high", if regions were asked for in frames that still wait; its pictures are let go."""
        chunk.open = False
        pictures = [held.picture for held in chunk.members]
        for held in chunk.members:
            held.picture = None
        owed = {held.serial for held in self._owed(chunk)}
        asked = [n for n, held in enumerate(chunk.members) if held.serial in chunk.wanted.keys() & owed]
        if not asked:
            return []
        sent = range(asked[0], asked[-1] + 1)
        nothing = np.zeros(pictures[asked[0]].shape[:2], bool)
        masks = [chunk.wanted.get(chunk.members[n].serial, nothing) for n in sent]
        payload = encode_chunk([pictures[n] for n in sent], qp=self._high_qp, roi=masks, **self._options)
        last = chunk.members[asked[-1]]
        return [Packet(last.frame, last.time_s, last.serial, payload, "high")]

    def _chunk_of(self, serial: int) -> _Chunk | None:
        ours = (one for one in self._chunks if one.members[0].serial <= serial <= one.members[-1].serial)
        return next(ours, None)

    def _owed(self, chunk: _Chunk) -> list[Held]:
        return [held for held in chunk.members if held.serial in self._held]

    def _concerned(self, serial: int) -> list[Held]:
        """What is refused or lost is a chunk, in either stream."""
        chunk = self._chunk_of(serial)
        if chunk is None:
            return super()._concerned(serial)
        chunk.open = False
        return self._owed(chunk)

    # ----------------------------------------------------------------------------------------------- time

    def _forget(self, now: float) -> list[Packet]:
        over = [one for one in self._chunks if one.open and now >= one.sent_s + self._policy.hold_s]
        return [packet for one in over for packet in self._counted(self._finished(one))]

    def _ends(self) -> list[float]:
        return [one.sent_s + self._policy.hold_s for one in self._chunks if one.open]


def _even(image: np.ndarray, scale: float) -> np.ndarray:
    """The picture at `scale` of its sides, which are made even: H.264 in 4:2:0 takes no others."""
    height, width = (max(2 * round(scale * side / 2), 2) for side in image.shape[:2])
    if (height, width) == image.shape[:2]:
        return image
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
