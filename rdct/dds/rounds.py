# SPDX-License-Identifier: Apache-2.0
"""The device's side of DDS's two rounds, whatever codes the pictures: which frames wait, and for what.

    frame             -> stream "low": the whole picture, coarse
    RegionRequest     -> stream "high": the regions asked for, fine; nothing else
    Detections        -> Result
    nothing, too long -> Result with what the first round found, or with nothing

`rdct.dds.edge` and `rdct.dds.edge_h264` fill in the two streams. Neither needs torch, a clock or a network:
see `rdct.offload.roles`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rdct.dds.policy import DdsPolicy, EdgeStats
from rdct.offload.errors import ProtocolError
from rdct.offload.labels import decode_labels
from rdct.offload.messages import Detections, Feedback, Notice, Packet, RegionRequest, Result
from rdct.vision.regions import Region

if TYPE_CHECKING:
    from rdct.vision.frames import Frame

__all__ = ["Held", "Rounds", "reduced"]


@dataclass(eq=False)
class Held:
    """A frame whose Result is still owed.

    Attributes
    ----------
    serial : int
        Counted from 1.
    frame : int
        Its index in the source.
    time_s, since_s : float
        When it was taken, on the source's clock and on the driver's.
    size : (int, int)
        H, W.
    picture : numpy.ndarray or None
        What "high" is made of; None once it is sent or too old.
    low : bytes or None
        What "high" builds on, if it does.
    known : tuple of Region, numpy.ndarray or None
        What the server said last: objects, or labels u8 ``[H, W]``; None before its first answer.
    asked : bool
        Whether regions were asked for.
    """

    serial: int
    frame: int
    time_s: float
    since_s: float
    size: tuple[int, int]
    picture: np.ndarray | None = None
    low: bytes | None = None
    known: tuple[Region, ...] | np.ndarray | None = None
    asked: bool = False


class Rounds(ABC):
    """Keeps `rdct.offload.Edge`, but for the two streams.

    Parameters
    ----------
    policy : DdsPolicy
    classes : int, optional
        Objects of a label of this value or above are left out; labels that hold one are corrupt.

    Attributes
    ----------
    stats : EdgeStats

    Notes
    -----
    Without reduction a frame's own image is kept, for `DdsPolicy.hold_s` at most: it must not change.

    Results come as they are known, not always in the order of frames.
    """

    def __init__(self, policy: DdsPolicy, classes: int | None) -> None:
        self.stats = EdgeStats()
        self._policy = policy
        self._classes = classes
        self._held: dict[int, Held] = {}  # by serial, oldest first
        self._chunk: list[Held] = []
        self._serial = 0
        self._last_index = -1

    # ---------------------------------------------------------------------------------------- the streams

    @abstractmethod
    def _take(self, held: Held, image: np.ndarray) -> None:
        """Keep of a frame what the two streams are made of."""

    @abstractmethod
    def _low_packets(self, chunk: list[Held], now: float) -> Iterable[Packet]:
        """Stream "low" of a chunk."""

    @abstractmethod
    def _high_packets(self, held: Held, request: RegionRequest) -> Iterable[Packet]:
        """Stream "high", as far as it can go now that regions of this frame are asked for."""

    def _settled(self, held: Held) -> Iterable[Packet]:
        """Nothing will be asked of this frame any more: what does that set free?"""
        return ()

    def _concerned(self, serial: int) -> list[Held]:
        """The frames that a Notice about this packet is about."""
        return [self._held[serial]] if serial in self._held else []

    def _confirm(self, serial: int) -> None:  # noqa: B027, H.264 has nothing to confirm
        """The server gave its last word on this frame."""

    def _doubt(self) -> None:  # noqa: B027, nor to doubt
        """Something was refused or lost: what the server has is no longer sure."""

    def _forget(self, now: float) -> Iterable[Packet]:
        """Let go of pictures that are too old to be asked for."""
        for held in self._held.values():
            if now - held.since_s > self._policy.hold_s:
                held.picture = None
                if held not in self._chunk:
                    held.low = None
        return ()

    def _ends(self) -> list[float]:
        """More times at which `on_timeout` is wanted."""
        return []

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
        out: list[Packet | Result] = [*self._forget(now)]
        if len(self._held) >= self._policy.max_frames:
            self._last_index = frame.index
            self.stats.frames += 1
            self.stats.results += 1
            self.stats.skipped += 1
            self.stats.unanswered += 1
            return [*out, Result(frame.index, frame.time_s)]
        held = Held(self._serial + 1, frame.index, frame.time_s, now, frame.size)
        self._take(held, image)
        self._last_index = frame.index
        self.stats.frames += 1
        self._serial += 1
        if self._chunk and self._chunk[0].size != held.size:
            out += self._sent_chunk(now)
        self._held[held.serial] = held
        self._chunk.append(held)
        if len(self._chunk) >= self._policy.chunk_frames:
            out += self._sent_chunk(now)
        return out

    def _sent_chunk(self, now: float) -> Iterable[Packet]:
        chunk, self._chunk = self._chunk, []
        for packet in self._low_packets(chunk, now):
            self.stats.low += 1
            self.stats.low_bytes += len(packet.payload)
            yield packet

    def _counted(self, packets: Iterable[Packet]) -> Iterable[Packet]:
        for packet in packets:
            self.stats.high += 1
            self.stats.high_bytes += len(packet.payload)
            yield packet

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
        out: list[Packet | Result] = [*self._forget(now)]
        if isinstance(feedback, Notice):
            return [*out, *self._noticed(feedback)]
        if not isinstance(feedback, (RegionRequest, Detections)):
            raise TypeError(
                f"feedback must be a RegionRequest, Detections or a Notice, got {type(feedback).__name__}"
            )
        if isinstance(feedback, Detections):
            self._confirm(feedback.keyframe)
        held = self._held.get(feedback.keyframe)
        if held is None or held in self._chunk or (held.asked and isinstance(feedback, RegionRequest)):
            self.stats.feedback_ignored += 1
            return out
        try:
            held.known = self._known(feedback, held)
        except ProtocolError:
            self.stats.feedback_corrupt += 1
            return out
        if isinstance(feedback, Detections):
            if held.asked:
                self.stats.settled_second += 1
            else:
                self.stats.settled_first += 1
            return [*out, self._release(held, last=True), *self._counted(self._settled(held))]
        held.asked = True
        if held.picture is None:
            self.stats.requests_late += 1
            return [*out, self._release(held), *self._counted(self._settled(held))]
        return [*out, *self._counted(self._high_packets(held, feedback))]

    def _noticed(self, notice: Notice) -> list[Result]:
        """No answer will come, so nothing waits for one."""
        self.stats.notices += 1
        self._doubt()
        concerned = [] if notice.keyframe is None else self._concerned(notice.keyframe)
        return [self._release(held) for held in concerned]

    def _known(self, answer: RegionRequest | Detections, held: Held) -> tuple[Region, ...] | np.ndarray:
        """What an answer says, in pixels of the frame."""
        measured = answer.height, answer.width
        if answer.labels is None:
            known = [one for one in answer.found if self._classes is None or one.label < self._classes]
            return tuple(one.resized(measured, held.size).clipped(held.size) for one in known)
        # No more than was sent, whatever the answer says it measured: sides may have been made even.
        sent = (held.size[0] + 1) * (held.size[1] + 1)
        labels = decode_labels(answer.labels, max_pixels=min(answer.height * answer.width, sent))
        if labels.shape != measured:
            raise ProtocolError(f"labels are {list(labels.shape)} for a picture of {list(measured)}")
        if self._classes is not None and labels.max() >= self._classes:
            raise ProtocolError(f"labels hold {labels.max()}, there are {self._classes} classes")
        if measured != held.size:
            labels = cv2.resize(labels, held.size[::-1], interpolation=cv2.INTER_NEAREST)
        return labels

    # --------------------------------------------------------------------------------------------- Results

    def next_timeout(self) -> float | None:
        """When the chunk has to go, or the first Result."""
        ends = [held.since_s + self._policy.deadline_s for held in self._held.values()]
        ends += [held.since_s + self._policy.chunk_s for held in self._chunk[:1]]
        ends += self._ends()
        end = min(ends, default=math.inf)
        return None if end == math.inf else end

    def on_timeout(self, now: float) -> list[Packet | Result]:
        """Send the chunk, and give out the Results, whose time has come."""
        out: list[Packet | Result] = [*self._forget(now)]
        if self._chunk and now >= self._chunk[0].since_s + self._policy.chunk_s:
            out += self._sent_chunk(now)
        over = [held for held in self._held.values() if now >= held.since_s + self._policy.deadline_s]
        for held in over:
            out += [self._release(held), *self._counted(self._settled(held))]
        return out

    def finish(self, now: float) -> list[Result]:
        """Give out all Results still owed."""
        return [self._release(held) for held in list(self._held.values())]

    def _release(self, held: Held, *, last: bool = False) -> Result:
        """The Result of a frame, with what is known of it."""
        del self._held[held.serial]
        self._chunk = [one for one in self._chunk if one is not held]
        self.stats.results += 1
        if held.known is None:
            self.stats.unanswered += 1
            return Result(held.frame, held.time_s)
        self.stats.fallbacks += not last
        said = {"regions": held.known} if isinstance(held.known, tuple) else {"labels": held.known}
        return Result(held.frame, held.time_s, keyframe=held.serial, age_frames=0, kind="server", **said)


def reduced(image: np.ndarray, scale: float) -> np.ndarray:
    """The picture at `scale` of its sides."""
    if scale == 1:
        return image
    height, width = (max(round(scale * side), 1) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
