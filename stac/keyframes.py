"""When a frame becomes a keyframe, and which keyframes are still of use.

Three roles, often played by one and the same: the newest keyframe *sent*, which the trigger compares frames
with; the newest *answered* one, whose labels are carried along; and the newest whose *levels* are known,
which steer the next keyframe. Each has one flow accumulator, so memory does not grow with the time between
keyframes or the silence of a server.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from operator import index
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from rdct.offload.messages import Result
    from rdct.vision.flow import FlowAccumulator

__all__ = ["Keyframe", "KeyframePolicy", "Keyframes"]

#: A deadline is stretched to so many round trips, but to no more than so many times its own length.
_PATIENCE_ROUND_TRIPS = 1.5
_PATIENCE_DEADLINES = 8
#: Keyframes given up that a late answer is still recognised for.
_GIVEN_UP = 8


@dataclass(frozen=True)
class KeyframePolicy:
    """When a frame is sent to the server.

    Attributes
    ----------
    threshold_db : float
        A frame of lower PSNR against the newest sent keyframe, warped to it, becomes a keyframe. The
        paper's 26 dB; ``-inf`` never, ``inf`` always (a still picture excepted).
    in_flight : int
        Keyframes that may be on their way at a time, 1..64.
    deadline_s : float
        After so long an unanswered keyframe counts as lost: the next frame takes its place. Where answers
        are seen to take longer, it stretches to 1.5 of the last round trip, at most eightfold: else a slow
        link would see each keyframe superseded before its answer comes, and no label ever.
    wait_s : float
        How long the Result of a keyframe waits for that keyframe's own labels. 0: every Result at
        once, as live use wants it. ``inf``: as long as the keyframe may still be answered, the
        synchronous evaluation of the paper.
    max_age_frames : int, optional
        A keyframe at the latest after so many frames of the source.
    min_valid : float, optional
        A keyframe also where less than this share of the picture, 0..1, can be traced to the newest one.
    """

    threshold_db: float = 26.0
    in_flight: int = 1
    deadline_s: float = 1.0
    wait_s: float = 0.0
    max_age_frames: int | None = None
    min_valid: float | None = None

    def __post_init__(self) -> None:
        if math.isnan(self.threshold_db):
            raise ValueError("threshold_db is not a number; give decibels, such as 26.0")
        if not 1 <= index(self.in_flight) <= 64:
            raise ValueError(f"in_flight must be 1..64, got {self.in_flight}")
        if not self.deadline_s > 0:
            raise ValueError(f"deadline_s must be more than 0 seconds, got {self.deadline_s}")
        if not self.wait_s >= 0:
            raise ValueError(f"wait_s must be 0 seconds or more, got {self.wait_s}")
        if self.max_age_frames is not None and index(self.max_age_frames) < 1:
            raise ValueError(f"max_age_frames must be 1 or more, got {self.max_age_frames}")
        if self.min_valid is not None and not 0 <= self.min_valid <= 1:
            raise ValueError(f"min_valid must be 0..1, got {self.min_valid}")

    def wants(self, psnr_db: float, valid_share: float, age_frames: int) -> bool:
        """Whether a frame is so far from the newest sent keyframe that it should be one itself."""
        return (
            psnr_db < self.threshold_db
            or (self.min_valid is not None and valid_share < self.min_valid)
            or (self.max_age_frames is not None and age_frames >= self.max_age_frames)
        )

    def deadline_after(self, round_trip_s: float | None) -> float:
        """The deadline in seconds, given how long the last answer took."""
        if round_trip_s is None:
            return self.deadline_s
        stretched = max(self.deadline_s, _PATIENCE_ROUND_TRIPS * round_trip_s)
        return min(stretched, _PATIENCE_DEADLINES * self.deadline_s)


@dataclass(eq=False)
class Keyframe:
    """A keyframe that is still of use.

    Attributes
    ----------
    serial : int
        Counted from 1.
    frame : int
        Index in the source.
    sent_s : float
        When it was sent, on the driver's clock.
    way : FlowAccumulator
        From the current frame back to this one.
    image : numpy.ndarray or None
        u8 ``[H, W, 3]``, what the camera saw; kept for the newest only.
    labels, level_map : numpy.ndarray or None
        What the server answered, as far as it has.
    owed : Result or None
        What to say of its own frame if its labels do not come in time.
    """

    serial: int
    frame: int
    sent_s: float
    way: FlowAccumulator
    image: np.ndarray | None = field(repr=False)
    labels: np.ndarray | None = field(default=None, repr=False)
    level_map: np.ndarray | None = field(default=None, repr=False)
    owed: Result | None = field(default=None, repr=False)


class Keyframes:
    """The keyframes that are still of use; all others are forgotten.

    Attributes
    ----------
    sent, answered, levelled : Keyframe or None
        The newest sent, the newest with labels, the newest with levels.
    pending : list of Keyframe
        Sent and not answered, oldest first.
    round_trip_s : float or None
        From sending to labels, as last seen.
    """

    def __init__(self) -> None:
        self.round_trip_s: float | None = None
        self.forget()

    def forget(self) -> None:
        """Start anew; what was sent before is unknown from here on."""
        self.sent: Keyframe | None = None
        self.answered: Keyframe | None = None
        self.levelled: Keyframe | None = None
        self.pending: list[Keyframe] = []
        self._given_up: deque[tuple[int, float]] = deque(maxlen=_GIVEN_UP)

    def live(self) -> list[Keyframe]:
        """Every keyframe in one of the roles, once each: at most 2 more than may be in flight."""
        found = [*self.pending, self.sent, self.answered, self.levelled]
        return list({id(one): one for one in found if one is not None}.values())

    def find(self, serial: int) -> Keyframe | None:
        """The live keyframe of that serial."""
        return next((one for one in self.live() if one.serial == serial), None)

    def send(self, keyframe: Keyframe) -> None:
        """The newest so far goes out."""
        if self.sent is not None:
            self.sent.image = None
        self.sent = keyframe
        self.pending.append(keyframe)

    def give_up(self) -> Keyframe:
        """Stop waiting for the oldest pending keyframe."""
        keyframe = self.pending.pop(0)
        self._given_up.append((keyframe.serial, keyframe.sent_s))
        return keyframe

    def late(self, serial: int, now: float) -> None:
        """An answer came after all for a keyframe given up: learn from it how long answers take."""
        for known in self._given_up:
            if known[0] == serial:
                self._given_up.remove(known)
                self.round_trip_s = now - known[1]
                return

    def label(self, keyframe: Keyframe, labels: np.ndarray, now: float) -> None:
        """Its labels have come."""
        keyframe.labels = labels
        if keyframe in self.pending:
            self.pending.remove(keyframe)
            self.round_trip_s = now - keyframe.sent_s
        if self.answered is None or keyframe.serial > self.answered.serial:
            self.answered = keyframe

    def level(self, keyframe: Keyframe, level_map: np.ndarray) -> None:
        """Its levels have come."""
        keyframe.level_map = level_map
        if self.levelled is None or keyframe.serial > self.levelled.serial:
            self.levelled = keyframe
