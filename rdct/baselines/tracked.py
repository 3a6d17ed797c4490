# SPDX-License-Identifier: Apache-2.0
"""The device of a baseline that sends few frames and tracks between them; a subclass says which.

Glimpse (Chen et al., SenSys 2015) is the model. While a frame is on its way the pictures after it are kept;
when its answer comes, a tracker goes from there to now over a few of them: Glimpse's active cache.

    frame that is sent  -> its own answer, if that comes in `wait_s`
    frame between       -> at once: the newest answer, tracked to it
    nothing, too long   -> the frame on its way counts as lost, and another may go
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from rdct.baselines.answering import AnsweringServer, labels_pixels
from rdct.baselines.sending import EdgeStats, check_frame, read_answer
from rdct.baselines.stills import Still, fitted
from rdct.offload.messages import Detections, Feedback, Notice, Packet, Result, Welcome
from rdct.vision.regions import Region
from rdct.vision.tracking import Tracked, Tracker, load

if TYPE_CHECKING:
    from rdct.vision.frames import Frame

__all__ = ["BoxServer", "TrackingEdge", "TrackingPolicy", "TrackingStats", "partition"]

#: Differences between kept pictures are measured on so small ones.
_THUMB = 64, 48


class BoxServer(AnsweringServer):
    """The server of a device that tracks: with a detector only. Keeps `rdct.offload.Server`."""

    def __init__(self, model: Any, tables: Any = None, **options: Any) -> None:
        if labels_pixels(model):
            raise ValueError(
                f"boxes are tracked here, and {getattr(model, 'name', 'this model')!r} labels pixels; "
                "see rdct.vision.detectors"
            )
        super().__init__(model, tables, **options)


@dataclass(frozen=True)
class TrackingPolicy:
    """When a frame may be sent, as what, and what is kept.

    Attributes
    ----------
    spacing : int
        More than so many frames lie between one that is sent and the next; 5 in the code of DDS.
    quality : int
        Of the JPEG that is sent, 1..100.
    send_size : (int, int)
        H, W that it is reduced to fit into, its proportions kept.
    deadline_s : float
        After so long a frame without an answer counts as lost. Only one is on its way at a time.
    wait_s : float
        So long the Result of a frame that was sent waits for its own answer. 0: it is tracked like others.
    cache : int
        Pictures kept while a frame is on its way; when there are more, every second one goes.
    catch_up : int
        Over so many of them the tracker goes when the answer comes.
    """

    spacing: int = 5
    quality: int = 70
    send_size: tuple[int, int] = (480, 640)
    deadline_s: float = 2.0
    wait_s: float = 1.0
    cache: int = 32
    catch_up: int = 4

    def __post_init__(self) -> None:
        if self.spacing < 0:
            raise ValueError(f"policy.spacing must be 0 frames or more, got {self.spacing}")
        if min(self.send_size) < 1:
            raise ValueError(f"policy.send_size must be 1 pixel or more, got {self.send_size}")
        if not self.deadline_s > 0 or not self.wait_s >= 0:
            raise ValueError(
                "policy.deadline_s must be more than 0 seconds and policy.wait_s 0 or more, "
                f"got {self.deadline_s} and {self.wait_s}"
            )
        if not 1 <= self.catch_up <= self.cache:
            raise ValueError(f"policy.catch_up must be 1..policy.cache, got {self.catch_up} and {self.cache}")


@dataclass
class TrackingStats(EdgeStats):
    """What a device that tracks has seen and done so far.

    Attributes
    ----------
    triggered : int
        Frames that a subclass wanted to be sent, whether or not they could be.
    failures : int
        Boxes that were lost.
    lost : int
        Frames whose answer did not come in time.
    """

    triggered: int = 0
    failures: int = 0
    lost: int = 0


@dataclass(eq=False)
class _Flight:
    """The frame on its way."""

    serial: int
    frame: int
    since_s: float
    size: tuple[int, int]
    picture: Any  # the tracker's
    kept: list[tuple[float, Any]] = field(default_factory=list)  # later ones; how much each changed


class TrackingEdge(ABC):
    """Sends the frames that `_wants` wants, and tracks. Keeps `rdct.offload.Edge`.

    Parameters
    ----------
    policy : TrackingPolicy, optional
    tracker : str or Tracker
        A name for `rdct.vision.tracking.load`, or a tracker of this edge's own.
    classes : int, optional
        Objects of a label of this value or above are left out.

    Attributes
    ----------
    stats : TrackingStats
    """

    def __init__(
        self,
        *,
        policy: TrackingPolicy | None = None,
        tracker: str | Tracker = "flow",
        classes: int | None = None,
    ) -> None:
        self.stats = TrackingStats()
        self._policy = TrackingPolicy() if policy is None else policy
        self._tracker = load(tracker) if isinstance(tracker, str) else tracker
        self._classes = classes
        self._still = Still(self._policy.quality)
        self._serial = 0
        self._last_index = -1
        self._size: tuple[int, int] | None = None
        self._since: int | None = None  # frames since the last one sent
        self._flight: _Flight | None = None
        self._thumb: np.ndarray | None = None
        self._source: tuple[int, int] | None = None  # serial and frame of the answer that is tracked
        self._failed = False  # a box was lost since the last frame that was sent
        self._held: list[tuple[float, Result]] = []  # Results of frames that were sent: until when

    @classmethod
    def from_welcome(cls, welcome: Welcome, **options: Any) -> Any:
        """The edge for a server: it knows its classes.

        Parameters
        ----------
        welcome : rdct.offload.Welcome
        **options
            Of the class; they come before what the server says.
        """
        return cls(**{"classes": len(welcome.class_names), **options})

    # ------------------------------------------------------------------------------ what a subclass says

    @abstractmethod
    def _wants(self, frame: Frame, small: np.ndarray, failed: bool) -> bool:
        """Whether this frame should be sent.

        Parameters
        ----------
        frame : Frame
        small : numpy.ndarray
            Its picture as it would be sent.
        failed : bool
            A box was lost since the last frame that was sent.
        """

    def _was_sent(self) -> None:  # noqa: B027  (not all remember it)
        """The frame that `_wants` was asked about last went."""

    def _unanswered(self, frame: Frame) -> Result:
        """The Result of a frame as long as the server has answered nothing."""
        self.stats.unanswered += 1
        return Result(frame.index, frame.time_s)

    # ---------------------------------------------------------------------------------------------- frames

    def on_frame(self, frame: Frame, now: float) -> list[Packet | Result]:
        """Take the next frame.

        Parameters
        ----------
        frame : rdct.vision.frames.Frame
            Its index above that of the last one. When its size changes, tracking starts anew.
        now : float
            Seconds on the driver's clock.

        Returns
        -------
        list of Packet and Result
            The frame, if it is sent; its Result, unless that waits.

        Raises
        ------
        ValueError
            The frame is none; it was not accepted, and nothing has changed.
        """
        check_frame(frame, self._last_index)
        self._last_index = frame.index
        self.stats.frames += 1
        if frame.size != self._size:
            self._size, self._source, self._thumb, self._since = frame.size, None, None, None
            self._flight = None
        self._give_up(now)
        picture = self._tracker.prepare(frame.image)
        result = self._tracked(frame, picture)
        self._keep(frame, picture)
        self._since = None if self._since is None else self._since + 1
        small = fitted(frame.image, self._policy.send_size)
        wanted = self._wants(frame, small, self._failed) or self._since is None
        self.stats.triggered += wanted
        spaced = self._since is None or self._since > self._policy.spacing
        if not (wanted and spaced and self._flight is None):
            return [self._given(result)]
        self._failed, self._since = False, 0
        self._was_sent()
        self._serial += 1
        self._flight = _Flight(self._serial, frame.index, now, frame.size, picture)
        payload = self._still.encode(small)
        self.stats.packets += 1
        self.stats.bytes += len(payload)
        packet = Packet(frame.index, frame.time_s, self._serial, payload)
        if not self._policy.wait_s:
            return [packet, self._given(result)]
        self._held.append((now + self._policy.wait_s, result))
        return [packet]

    def _tracked(self, frame: Frame, picture: Any) -> Result:
        """What tracking says of a frame."""
        if self._source is None:
            return self._unanswered(frame)
        tracked = self._tracker.step(picture)
        self._note(tracked)
        serial, origin = self._source
        return Result(
            frame.index,
            frame.time_s,
            keyframe=serial,
            age_frames=frame.index - origin,
            kind="propagated",
            regions=tracked.regions,
        )

    def _note(self, tracked: Tracked) -> None:
        self.stats.failures += tracked.lost
        self._failed = self._failed or tracked.lost > 0

    def _keep(self, frame: Frame, picture: Any) -> None:
        """Remember a picture after the one on its way, and by how much it differs from the one before."""
        thumb = cv2.resize(frame.image, _THUMB, interpolation=cv2.INTER_AREA)
        before, self._thumb = self._thumb, thumb
        if self._flight is None:
            return
        change = float(cv2.absdiff(before, thumb).mean())
        kept = self._flight.kept
        kept.append((change, picture))
        if len(kept) > self._policy.cache:
            # Later ones of pairs stay, with the change of both.
            pairs = zip(kept[:-1:2], kept[1::2], strict=False)
            rest = kept[len(kept) - len(kept) % 2 :]
            self._flight.kept = [(a + b, after) for (a, _), (b, after) in pairs] + rest

    def _give_up(self, now: float) -> None:
        if self._flight is not None and now >= self._flight.since_s + self._policy.deadline_s:
            self.stats.lost += 1
            self._flight = None
            self._failed = True  # what was to be seen is still to be seen

    # -------------------------------------------------------------------------------------------- feedback

    def on_feedback(self, feedback: Feedback, now: float) -> list[Packet | Result]:
        """Take an answer, whichever and whenever. What comes late, twice or for an unknown frame is counted.

        Parameters
        ----------
        feedback : Detections or Notice
        now : float
            Seconds on the driver's clock.

        Returns
        -------
        list of Packet and Result
            The Result of the frame that was answered, if it still waits.
        """
        self._give_up(now)
        flight = self._flight
        if isinstance(feedback, Notice):
            self.stats.notices += 1
            if flight is None or feedback.keyframe != flight.serial:
                return []
            self._flight, self._failed = None, True
            return [self._given(held) for held in self._taken(flight.frame)]
        if not isinstance(feedback, Detections):
            raise TypeError(f"feedback must be Detections or a Notice, got {type(feedback).__name__}")
        if flight is None or feedback.keyframe != flight.serial:
            self.stats.feedback_ignored += 1
            return []
        self._flight = None
        answer = read_answer(feedback, flight.frame, classes=self._classes, max_pixels=0)
        regions = tuple(one.resized(answer.size, flight.size).clipped(flight.size) for one in answer.regions)
        self._follow(flight, regions)
        held = self._taken(flight.frame)
        return [self._given(answer.result(one.frame, one.time_s, flight.size)) for one in held]

    def _follow(self, flight: _Flight, regions: tuple[Region, ...]) -> None:
        """Track from the answered frame to now, over a few of the pictures between."""
        self._source = flight.serial, flight.frame
        self._tracker.start(flight.picture, regions)
        for last in partition([change for change, _ in flight.kept], self._policy.catch_up):
            self._note(self._tracker.step(flight.kept[last][1]))

    def _taken(self, frame: int) -> list[Result]:
        taken = [result for _, result in self._held if result.frame == frame]
        self._held = [one for one in self._held if one[1].frame != frame]
        return taken

    # --------------------------------------------------------------------------------------------- Results

    def next_timeout(self) -> float | None:
        """When the first Result that waits has to go."""
        return self._held[0][0] if self._held else None

    def on_timeout(self, now: float) -> list[Packet | Result]:
        """Give out the Results that have waited long enough: as tracked."""
        over = [result for until, result in self._held if now >= until]
        self._held = [one for one in self._held if now < one[0]]
        return [self._given(result) for result in over]

    def finish(self, now: float) -> list[Result]:
        """Give out all Results still owed."""
        held, self._held = self._held, []
        return [self._given(result) for _, result in held]

    def _given(self, result: Result) -> Result:
        self.stats.results += 1
        self.stats.answered += result.kind == "server"
        return result


def partition(changes: Sequence[float], parts: int) -> list[int]:
    """The last index of each part, when a sequence is cut so that the largest sum of a part is smallest.

    Glimpse's choice of pictures from its active cache (section 4): tracking goes wrong where much changes at
    once, so no step should have more than its share.

    Parameters
    ----------
    changes : sequence of float
        0 or more each.
    parts : int
        At most so many, 1 or more.

    Returns
    -------
    list of int
        Ascending; the last index of the sequence is the last, and none without a sequence.
    """
    count = len(changes)
    parts = min(parts, count)
    if not count:
        return []
    sums = np.concatenate([[0.0], np.cumsum(np.asarray(changes, np.float64))])
    # cost[n]: the largest part of the best cut of the first n into as many parts as rounds so far.
    cost, cuts = sums.copy(), []
    for part in range(2, parts + 1):
        new, where = np.full(count + 1, np.inf), np.zeros(count + 1, int)
        for n in range(part, count + 1):
            starts = np.arange(part - 1, n)
            worst = np.maximum(cost[starts], sums[n] - sums[starts])
            best = int(worst.argmin())
            new[n], where[n] = worst[best], starts[best]
        cost = new
        cuts.append(where)
    ends = [count]
    for where in reversed(cuts):
        ends.append(int(where[ends[-1]]))
    return [end - 1 for end in reversed(ends)]
