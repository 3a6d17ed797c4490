# SPDX-License-Identifier: Apache-2.0
"""The device of a baseline, but for what it sends: frames wait for answers, and each gets its one Result.

    answer to its own picture -> Result "server"
    answer to an earlier one  -> Result "propagated": of frames that were not sent
    nothing, too long         -> Result "propagated" with the newest answer there is, or "none"

It needs neither torch nor a clock nor a network: see `rdct.offload.roles`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from rdct.offload.errors import ProtocolError
from rdct.offload.labels import decode_labels
from rdct.offload.messages import Detections, Feedback, Notice, Packet, PlanUpdate, Result, Welcome
from rdct.vision.regions import Region

if TYPE_CHECKING:
    from rdct.vision.frames import Frame

__all__ = ["Answer", "EdgeStats", "SendingEdge", "check_frame", "read_answer"]


#: A picture counts as lost after so many deadlines.
_LOST = 4


@dataclass
class EdgeStats:
    """What a device has seen and done so far.

    Attributes
    ----------
    frames, results : int
        Accepted, and answered for; equal after `finish`.
    packets, bytes : int
        Sent, and of their payloads.
    answered : int
        Results of the server's own answer to that frame.
    unanswered : int
        Results without any answer.
    skipped : int
        Frames that were not sent because too many waited.
    feedback_ignored : int
        Answers that came late, twice, for a frame unknown, or that made no sense.
    notices : int
        From the server.
    """

    frames: int = 0
    results: int = 0
    packets: int = 0
    bytes: int = 0
    answered: int = 0
    unanswered: int = 0
    skipped: int = 0
    feedback_ignored: int = 0
    notices: int = 0


@dataclass(frozen=True, eq=False)
class Answer:
    """What the server found in one picture.

    Attributes
    ----------
    serial, frame : int
        Of the picture, and the index of its frame.
    size : (int, int)
        H, W of the picture that was looked at.
    regions : tuple of Region or None
    labels : numpy.ndarray or None
        u8, of that size. One of the two is there.
    """

    serial: int
    frame: int
    size: tuple[int, int]
    regions: tuple[Region, ...] | None
    labels: np.ndarray | None

    def result(self, frame: int, time_s: float, size: tuple[int, int]) -> Result:
        """As the Result of a frame of a size (H, W)."""
        regions, labels = self.regions, self.labels
        if regions is not None:
            regions = tuple(one.resized(self.size, size).clipped(size) for one in regions)
        if labels is not None and self.size != size:
            labels = cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        return Result(
            frame,
            time_s,
            labels=labels,
            keyframe=self.serial,
            age_frames=frame - self.frame,
            kind="server" if frame == self.frame else "propagated",
            regions=regions,
        )


def read_answer(
    feedback: Detections | PlanUpdate, frame: int, *, classes: int | None, max_pixels: int
) -> Answer | None:
    """What an answer says; None for one without boxes and labels.

    Raises
    ------
    ProtocolError
        Its labels are damaged, beyond the limit, or of classes that there are not.
    """
    if isinstance(feedback, Detections):
        known = tuple(one for one in feedback.found if classes is None or one.label < classes)
        return Answer(feedback.keyframe, frame, (feedback.height, feedback.width), known, None)
    if feedback.labels is None:
        return None
    labels = decode_labels(feedback.labels, max_pixels)
    if classes is not None and labels.max() >= classes:
        raise ProtocolError(f"labels hold {labels.max()}, there are {classes} classes")
    labels.flags.writeable = False  # Results share them
    return Answer(feedback.keyframe, frame, labels.shape, None, labels)


def check_frame(frame: Frame, last_index: int) -> None:
    """Raise a ValueError unless a frame can come after that of an index."""
    if frame.index <= last_index:
        raise ValueError(f"frame.index must grow from frame to frame, got {frame.index} after {last_index}")
    image = frame.image
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"frame.image must be uint8 [H, W, 3], got {image.dtype} {list(image.shape)}")


@dataclass(eq=False)
class _Waiting:
    """A frame whose Result is owed."""

    frame: int
    time_s: float
    since_s: float
    size: tuple[int, int]
    serial: int  # of the picture whose answer it waits for


class SendingEdge(ABC):
    """Sends what a subclass makes of the frames. Keeps `rdct.offload.Edge`.

    Parameters
    ----------
    deadline_s : float
        So long after a frame was taken its Result is given out, with what is known by then.
    max_waiting : int
        Frames that wait for Results, and pictures sent without an answer, at most. A frame that comes while
        there are so many is not sent, and its Result has the newest answer there is: the link, or the server,
        cannot keep up. After four deadlines a picture without an answer counts as lost.
    classes : int, optional
        Objects of a label of this value or above are left out.
    max_pixels : int
        Of a label map that is read.

    Attributes
    ----------
    stats : EdgeStats
    """

    def __init__(
        self,
        *,
        deadline_s: float = 2.0,
        max_waiting: int = 64,
        classes: int | None = None,
        max_pixels: int = 2**24,
    ) -> None:
        if not deadline_s > 0:
            raise ValueError(f"deadline_s must be more than 0 seconds, got {deadline_s}")
        if max_waiting < 1:
            raise ValueError(f"max_waiting must be 1 frame or more, got {max_waiting}")
        self.stats = EdgeStats()
        self._deadline_s, self._max_waiting = deadline_s, max_waiting
        self._classes, self._max_pixels = classes, max_pixels
        self._waiting: list[_Waiting] = []  # oldest first
        self._frames: dict[int, int] = {}  # of the newest serials; what an answer is about
        self._open: dict[int, float] = {}  # of those, not answered yet; since when
        self._serial = 0
        self._last_index = -1
        self._newest: Answer | None = None

    @classmethod
    def from_welcome(cls, welcome: Welcome, **options: Any) -> Any:
        """The edge for a server: it knows its classes and its limits.

        Parameters
        ----------
        welcome : rdct.offload.Welcome
        **options
            Of the class; they come before what the server says.
        """
        said = {"classes": len(welcome.class_names), "max_pixels": welcome.limits.max_pixels}
        return cls(**{**said, **options})

    # ------------------------------------------------------------------------------ what a subclass says

    @abstractmethod
    def _take(self, frame: Frame, now: float) -> list[Packet]:
        """Packets that are ready with this frame. `_serial_for` says which serial it has, if it has one."""

    def _members(self, serial: int) -> Sequence[int]:
        """The serials of the pictures that went with one packet's."""
        return (serial,)

    def _late(self, now: float) -> list[Packet]:
        """Packets whose time has come without a frame."""
        return []

    def _due(self) -> float | None:
        """When `_late` wants to be called."""
        return None

    def _heard(self, serial: int, now: float) -> None:  # noqa: B027  (most do not care)
        """An answer, or a Notice, has come for a picture that was sent and not answered yet."""

    # ---------------------------------------------------------------------------------- for the subclass

    def _number(self, frame: Frame, now: float) -> int:
        """The next serial, for a frame that is or will be sent."""
        self._serial += 1
        self._frames[self._serial] = frame.index
        self._open[self._serial] = now
        while len(self._frames) > 2 * self._max_waiting:
            oldest = next(iter(self._frames))
            del self._frames[oldest]
            self._open.pop(oldest, None)
        return self._serial

    def _packet(self, frame: int, time_s: float, serial: int, payload: bytes, stream: str = "key") -> Packet:
        self.stats.packets += 1
        self.stats.bytes += len(payload)
        return Packet(frame, time_s, serial, payload, stream)

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
            What is ready.

        Raises
        ------
        ValueError
            The frame is none; it was not accepted, and nothing has changed.
        """
        check_frame(frame, self._last_index)
        self._last_index = frame.index
        self.stats.frames += 1
        waiting = _Waiting(frame.index, frame.time_s, now, frame.size, 0)
        for serial in [n for n, since in self._open.items() if now - since > _LOST * self._deadline_s]:
            del self._open[serial]
        if max(len(self._waiting), len(self._open)) >= self._max_waiting:
            self.stats.skipped += 1
            return [self._result(waiting, self._newest)]
        out: list[Packet | Result] = list(self._take(frame, now))
        # Of a frame that is not sent, the answer to the last one that was.
        waiting.serial = self._serial
        if waiting.serial in self._open:
            self._waiting.append(waiting)
        else:
            out.append(self._result(waiting, self._newest))
        return out

    # -------------------------------------------------------------------------------------------- feedback

    def on_feedback(self, feedback: Feedback, now: float) -> list[Packet | Result]:
        """Take an answer, whichever and whenever. What comes twice or for an unknown frame is counted.

        Parameters
        ----------
        feedback : Detections, PlanUpdate or Notice
        now : float
            Seconds on the driver's clock.

        Returns
        -------
        list of Packet and Result
            The Results of the frames that waited for it.
        """
        if isinstance(feedback, Notice):
            self.stats.notices += 1
            if feedback.keyframe is None:
                return []
            return [one for serial in self._members(feedback.keyframe) for one in self._closed(serial, now)]
        if not isinstance(feedback, (Detections, PlanUpdate)):
            raise TypeError(
                f"feedback must be Detections, a PlanUpdate or a Notice, got {type(feedback).__name__}"
            )
        frame = self._frames.get(feedback.keyframe)
        try:
            answer = None if frame is None else self._read(feedback, frame)
        except ProtocolError:
            answer = None
        if answer is None:
            self.stats.feedback_ignored += 1
            return []
        if self._newest is None or answer.serial > self._newest.serial:
            self._newest = answer
        results = self._closed(answer.serial, now, answer)
        self.stats.feedback_ignored += not results
        return results

    def _read(self, feedback: Detections | PlanUpdate, frame: int) -> Answer | None:
        return read_answer(feedback, frame, classes=self._classes, max_pixels=self._max_pixels)

    def _closed(self, serial: int, now: float, answer: Answer | None = None) -> list[Result]:
        """Nothing more is waited for from this serial: the Results of the frames that did."""
        if serial not in self._open:
            return []
        self._heard(serial, now)
        del self._open[serial]
        return self._released([one for one in self._waiting if one.serial == serial], answer)

    # --------------------------------------------------------------------------------------------- Results

    def next_timeout(self) -> float | None:
        """When the first Result has to go, or a packet."""
        ends = [self._due()] + [one.since_s + self._deadline_s for one in self._waiting[:1]]
        return min((end for end in ends if end is not None), default=None)

    def on_timeout(self, now: float) -> list[Packet | Result]:
        """Send the packets, and give out the Results, whose time has come."""
        due = self._due()
        packets = self._late(now) if due is not None and now >= due else []
        over = [one for one in self._waiting if now >= one.since_s + self._deadline_s]
        return [*packets, *self._released(over)]

    def finish(self, now: float) -> list[Result]:
        """Give out all Results still owed."""
        return self._released(self._waiting)

    def _released(self, which: Sequence[_Waiting], answer: Answer | None = None) -> list[Result]:
        which = list(which)
        self._waiting = [one for one in self._waiting if one not in which]
        return [self._result(one, answer or self._newest) for one in which]

    def _result(self, waiting: _Waiting, answer: Answer | None) -> Result:
        """The Result of a frame: never of a later frame's answer."""
        self.stats.results += 1
        if answer is None or answer.frame > waiting.frame:
            self.stats.unanswered += 1
            return Result(waiting.frame, waiting.time_s)
        self.stats.answered += answer.frame == waiting.frame
        return answer.result(waiting.frame, waiting.time_s, waiting.size)
