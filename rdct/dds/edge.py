# SPDX-License-Identifier: Apache-2.0
"""DDS's device side, as a state machine.

    frame             -> stream "low": the whole picture, coarse
    RegionRequest     -> stream "high": the regions asked for, fine; nothing else
    Detections        -> Result
    nothing, too long -> Result with what the first round found, or with nothing

One packet a frame and stream. "high" is coded on top of "low" where that takes fewer bits than coding afresh.
It needs neither torch nor a clock nor a network: see `rdct.offload.roles`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

import codec
from rdct.dds.grid import Memory, block_differences, touched
from rdct.offload.messages import Detections, Feedback, Notice, Packet, RegionRequest, Result, Welcome
from rdct.offload.opening import opened
from rdct.vision.regions import Region

if TYPE_CHECKING:
    from rdct.vision.frames import Frame

__all__ = ["DdsEdge", "DdsPolicy", "EdgeStats"]


@dataclass(frozen=True)
class DdsPolicy:
    """When what is sent, and for how long what is kept.

    Attributes
    ----------
    chunk_frames : int
        Frames that are gathered before their stream "low" goes. The paper's 15 make a group of pictures for
        H.264; here every frame stands for itself, so 1 costs no bytes and waits for nothing.
    chunk_s : float
        A chunk goes after so long even if it is not full.
    hold_s : float
        For so long after it was taken a frame can still be sent in high quality. A request that comes later
        counts for what it found only.
    deadline_s : float
        So long after a frame was taken its Result is given out, with what is known by then.
    max_frames : int
        Frames that wait for an answer at most. One that comes while so many wait is not sent and has no
        answer: the link, or the server, cannot keep up. Pictures are kept for no others.
    low_scale, high_scale : float
        More than 0, at most 1: by how much a picture is reduced for either stream. Where the two are equal,
        "high" can build on "low".
    static : float, optional
        A cell is not sent again if none of its 8 x 8 blocks differs by more than this (mean absolute
        difference of samples, 0..255) from what the server last got of it in high quality, and said so. None:
        all is sent that is asked for.
    """

    chunk_frames: int = 1
    chunk_s: float = 1.0
    hold_s: float = 1.0
    deadline_s: float = 2.0
    max_frames: int = 32
    low_scale: float = 1.0
    high_scale: float = 1.0
    static: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.chunk_frames <= self.max_frames:
            raise ValueError(
                f"policy.chunk_frames must be 1..max_frames, got {self.chunk_frames} and {self.max_frames}"
            )
        for name in ("chunk_s", "hold_s", "deadline_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"policy.{name} must be more than 0 seconds, got {getattr(self, name)}")
        for name in ("low_scale", "high_scale"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(
                    f"policy.{name} must be more than 0 and at most 1, got {getattr(self, name)}"
                )
        if self.static is not None and not self.static >= 0:
            raise ValueError(f"policy.static must be 0 or more, or None, got {self.static}")


@dataclass
class EdgeStats:
    """What a `DdsEdge` has seen and done so far.

    Attributes
    ----------
    frames, results : int
        Accepted, and answered for; equal after `DdsEdge.finish`.
    low, high : int
        Packets of either stream.
    low_bytes, high_bytes : int
        Of their payloads.
    settled_first, settled_second : int
        Frames whose last answer came after one round, and after two.
    fallbacks : int
        Results that are the first round's, for the second never came or came too late.
    unanswered : int
        Results without any answer, those of skipped frames too.
    skipped : int
        Frames that were not sent, for too many waited.
    requests_late : int
        Requests for frames that were no longer kept.
    feedback_ignored : int
        Answers that came late, twice or for a frame unknown.
    notices : int
        From the server.
    cells_sent, cells_static : int
        Asked for and sent; asked for and not sent again.
    """

    frames: int = 0
    results: int = 0
    low: int = 0
    high: int = 0
    low_bytes: int = 0
    high_bytes: int = 0
    settled_first: int = 0
    settled_second: int = 0
    fallbacks: int = 0
    unanswered: int = 0
    skipped: int = 0
    requests_late: int = 0
    feedback_ignored: int = 0
    notices: int = 0
    cells_sent: int = 0
    cells_static: int = 0


@dataclass(eq=False)
class _Held:
    """A frame whose Result is still owed."""

    serial: int
    frame: int
    time_s: float
    since_s: float
    size: tuple[int, int]
    picture: np.ndarray | None  # what "high" is made of; None once it is sent or too old
    low: bytes | None = None  # what it builds on
    found: tuple[Region, ...] | None = None  # by the first round
    asked: bool = False


class DdsEdge:
    """Sends every frame coarse, and what the server asks for fine. Keeps `rdct.offload.Edge`.

    Parameters
    ----------
    table_set : codec.TableSet
        Both ends know it. Its first level is for "high", its last for "low".
    scale : float
        Factor on all steps.
    policy : DdsPolicy, optional
    region_blocks : int
        Side of a cell in blocks, 1..8.
    subsampling : {"420", "422", "444"}
    low_entropy : {"context", "huffman", "huffman-fixed"}
        Of stream "low".
    entropy : {"huffman", "huffman-fixed"}
        Of stream "high".
    threads : int
        For encoding.
    classes : int, optional
        Objects of a label of this value or above are left out.

    Attributes
    ----------
    stats : EdgeStats

    Notes
    -----
    Without reduction a frame's own image is kept, for `DdsPolicy.hold_s` at most: it must not change.

    Results come as they are known, not always in the order of frames.
    """

    def __init__(
        self,
        table_set: codec.TableSet,
        *,
        scale: float = 1.0,
        policy: DdsPolicy | None = None,
        region_blocks: int = 3,
        subsampling: str = "420",
        low_entropy: str = "context",
        entropy: str = "huffman",
        threads: int = 1,
        classes: int | None = None,
    ) -> None:
        self.stats = EdgeStats()
        self._policy = DdsPolicy() if policy is None else policy
        self._table_set = table_set
        self._scale = scale
        self._region_blocks = region_blocks
        self._classes = classes
        self._encoder = codec.Encoder(threads=threads)
        common = {"subsampling": subsampling, "tables": "id"}
        self._low_options = {**common, "entropy": low_entropy}
        self._high_options = {**common, "entropy": entropy}
        self._builds_on = self._policy.low_scale == self._policy.high_scale
        # A picture of one cell in both ways: what cannot be coded so is better known now than at a frame.
        tiny = np.zeros((8, 8, 3), np.uint8)
        self._high(tiny, np.ones((1, 1), bool), self._low(tiny))
        self._held: dict[int, _Held] = {}  # by serial, oldest first
        self._chunk: list[_Held] = []
        self._serial = 0
        self._last_index = -1
        self._memory: Memory | None = None
        self._confirmed: np.ndarray | None = None  # cells of the memory that the server has too

    @classmethod
    def from_welcome(cls, welcome: Welcome, **options) -> DdsEdge:
        """The edge a server asks for.

        Parameters
        ----------
        welcome : rdct.offload.Welcome
            With its table set.
        **options
            As for `DdsEdge`; they come before what the server says.

        Raises
        ------
        ProtocolError
            As `rdct.offload.opening.opened`.
        """
        table_set, said = opened(welcome)
        return cls(table_set, **{**said, **options})

    # ---------------------------------------------------------------------------------------------- frames

    def on_frame(self, frame: Frame, now: float) -> list[Packet | Result]:
        """Take the next frame.

        Parameters
        ----------
        frame : rdct.vision.frames.Frame
            Its index above that of the last one; its size may differ.
        now : float
            Seconds on the driver's clock.

        Returns
        -------
        list of Packet and Result
            The chunk, if this frame fills it; or the frame's Result, if too many wait.

        Raises
        ------
        ValueError
            The frame is none; it was not accepted, and nothing has changed.
        """
        if frame.index <= self._last_index:
            raise ValueError(
                f"frame.index must grow from frame to frame, got {frame.index} after {self._last_index}"
            )
        image = frame.image
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(f"frame.image must be uint8 [H, W, 3], got {image.dtype} {list(image.shape)}")
        self._forget(now)
        if len(self._held) >= self._policy.max_frames:
            self._last_index = frame.index
            self.stats.frames += 1
            self.stats.results += 1
            self.stats.skipped += 1
            self.stats.unanswered += 1
            return [Result(frame.index, frame.time_s)]
        picture = _reduced(image, self._policy.high_scale)
        low = self._low(picture if self._builds_on else _reduced(image, self._policy.low_scale))
        self._last_index = frame.index
        self.stats.frames += 1
        self._serial += 1
        held = _Held(self._serial, frame.index, frame.time_s, now, frame.size, picture, low)
        self._held[held.serial] = held
        self._chunk.append(held)
        return list(self._sent_chunk()) if len(self._chunk) >= self._policy.chunk_frames else []

    def _low(self, picture: np.ndarray) -> bytes:
        """The whole picture under the coarsest level."""
        cells = codec.map_shape(*picture.shape[:2], self._region_blocks)
        plan = self._plan(np.full(cells, self._table_set.levels - 1, np.uint8))
        return self._encoder.encode(picture, plan, **self._low_options)

    def _high(self, picture: np.ndarray, cells: np.ndarray, low: bytes) -> bytes:
        """Some cells under the finest level: each afresh or on top of "low", whichever is fewer bits.

        What "low" cost is spent, so it has no say (``refine_limit=None``).
        """
        plan = self._plan(np.where(cells, 0, codec.SKIP).astype(np.uint8))
        options = self._high_options
        if self._builds_on:
            base = codec.decode_coefficients(low, table_sets=(self._table_set,))
            options = {**options, "refine": base, "refine_limit": None}
        return self._encoder.encode(picture, plan, **options)

    def _plan(self, level_map: np.ndarray) -> codec.QuantPlan:
        return codec.QuantPlan(self._table_set, level_map, self._region_blocks, self._scale)

    def _sent_chunk(self) -> Iterator[Packet]:
        for held in self._chunk:
            self.stats.low += 1
            self.stats.low_bytes += len(held.low)
            yield Packet(held.frame, held.time_s, held.serial, held.low, "low")
        self._chunk = []

    def _forget(self, now: float) -> None:
        """Let go of pictures that are too old to be asked for."""
        for held in self._held.values():
            if now - held.since_s > self._policy.hold_s:
                held.picture = None
                if held not in self._chunk:
                    held.low = None

    # -------------------------------------------------------------------------------------------- feedback

    def on_feedback(self, feedback: Feedback, now: float) -> list[Packet | Result]:
        """Take an answer, whichever and whenever. What comes late, twice or for an unknown frame is counted.

        Parameters
        ----------
        feedback : RegionRequest, Detections or Notice
        now : float
            Seconds on the driver's clock.

        Returns
        -------
        list of Packet and Result
            Stream "high", where regions were asked for in time; else the frame's Result.
        """
        self._forget(now)
        if isinstance(feedback, Notice):
            return self._noticed(feedback)
        if not isinstance(feedback, (RegionRequest, Detections)):
            raise TypeError(
                f"feedback must be a RegionRequest, Detections or a Notice, got {type(feedback).__name__}"
            )
        if isinstance(feedback, Detections):
            self._confirm(feedback.keyframe)
        held = self._held.get(feedback.keyframe)
        if held is None or held in self._chunk or (held.asked and isinstance(feedback, RegionRequest)):
            self.stats.feedback_ignored += 1
            return []
        held.found = self._placed(feedback.found, feedback, held)
        if isinstance(feedback, Detections):
            if held.asked:
                self.stats.settled_second += 1
            else:
                self.stats.settled_first += 1
            return [self._release(held, last=True)]
        held.asked = True
        if held.picture is None:
            self.stats.requests_late += 1
            return [self._release(held)]
        return [self._fine(held, feedback)]

    def _noticed(self, notice: Notice) -> list[Result]:
        """No answer will come, so nothing waits for one; and what the server has is no longer sure."""
        self.stats.notices += 1
        if self._confirmed is not None:
            self._confirmed[:] = False
        held = self._held.get(notice.keyframe)
        return [] if held is None else [self._release(held)]

    def _placed(
        self, regions: tuple[Region, ...], answer: RegionRequest | Detections, held: _Held
    ) -> tuple[Region, ...]:
        """Regions in pixels of the frame."""
        measured = answer.height, answer.width
        known = [one for one in regions if self._classes is None or one.label < self._classes]
        return tuple(one.resized(measured, held.size).clipped(held.size) for one in known)

    def _fine(self, held: _Held, request: RegionRequest) -> Packet:
        """Stream "high" of a frame; its picture is let go."""
        picture, low = held.picture, held.low
        held.picture = held.low = None
        size = picture.shape[:2]
        measured = request.height, request.width
        wanted = touched((one.resized(measured, size) for one in request.wanted), size, self._region_blocks)
        cells = wanted & ~self._unchanged(picture)
        payload = self._high(picture, cells, low)
        if self._policy.static is not None:
            self._memory.put(picture, cells, held.serial)
            self._confirmed[cells] = False
        self.stats.high += 1
        self.stats.high_bytes += len(payload)
        self.stats.cells_sent += int(cells.sum())
        self.stats.cells_static += int((wanted & ~cells).sum())
        return Packet(held.frame, held.time_s, held.serial, payload, "high")

    # --------------------------------------------------------------------------------- what the server has

    def _unchanged(self, picture: np.ndarray) -> np.ndarray:
        """Cells that look as they did when the server last got them in high quality."""
        size = picture.shape[:2]
        if self._policy.static is None:
            return np.zeros(codec.map_shape(*size, self._region_blocks), bool)
        if self._memory is None or self._memory.size != size:
            self._memory = Memory(size, self._region_blocks)
            self._confirmed = np.zeros(self._memory.serials.shape, bool)
        differences = block_differences(picture, self._memory.picture, self._region_blocks)
        return self._confirmed & (differences <= self._policy.static)

    def _confirm(self, serial: int) -> None:
        """The server answered "high" of this frame, so it has what that brought.

        A cell that was sent again since stays unconfirmed: the server may or may not have the newer one.
        """
        if self._memory is not None:
            self._confirmed |= self._memory.serials == serial

    # --------------------------------------------------------------------------------------------- Results

    def next_timeout(self) -> float | None:
        """When the chunk has to go, or the first Result."""
        ends = [held.since_s + self._policy.deadline_s for held in self._held.values()]
        ends += [held.since_s + self._policy.chunk_s for held in self._chunk[:1]]
        end = min(ends, default=math.inf)
        return None if end == math.inf else end

    def on_timeout(self, now: float) -> list[Packet | Result]:
        """Send the chunk, and give out the Results, whose time has come."""
        out: list[Packet | Result] = []
        if self._chunk and now >= self._chunk[0].since_s + self._policy.chunk_s:
            out += self._sent_chunk()
        over = [held for held in self._held.values() if now >= held.since_s + self._policy.deadline_s]
        out += [self._release(held) for held in over]
        self._forget(now)
        return out

    def finish(self, now: float) -> list[Result]:
        """Give out all Results still owed."""
        return [self._release(held) for held in list(self._held.values())]

    def _release(self, held: _Held, *, last: bool = False) -> Result:
        """The Result of a frame, with what is known of it."""
        del self._held[held.serial]
        self._chunk = [one for one in self._chunk if one is not held]
        self.stats.results += 1
        if held.found is None:
            self.stats.unanswered += 1
            return Result(held.frame, held.time_s)
        self.stats.fallbacks += not last
        return Result(
            held.frame, held.time_s, keyframe=held.serial, age_frames=0, kind="server", regions=held.found
        )


def _reduced(image: np.ndarray, scale: float) -> np.ndarray:
    """The picture at `scale` of its sides."""
    if scale == 1:
        return image
    height, width = (max(round(scale * side), 1) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
