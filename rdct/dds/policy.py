# SPDX-License-Identifier: Apache-2.0
"""When a device of DDS sends what, for how long it keeps what, and what it has done so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["DdsPolicy", "EdgeStats", "paper_policy"]


@dataclass(frozen=True)
class DdsPolicy:
    """When what is sent, and for how long what is kept.

    Attributes
    ----------
    chunk_frames : int
        Frames that are gathered before their stream "low" goes. The paper's 15 make a group of pictures for
        H.264; under this codec every frame stands for itself, so 1 costs no bytes and waits for nothing.
    chunk_s : float
        A chunk goes after so long even if it is not full.
    hold_s : float
        For so long after it was taken a frame can still be sent in high quality; under H.264, for so long
        after its chunk went. A request that comes later counts for what it found only.
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
        all is sent that is asked for. Not under H.264, which has a skip mode of its own.
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


def paper_policy(**changes: Any) -> DdsPolicy:
    """The paper's setting: chunks of 15 frames, both streams at 0.8 of the sides; and time for two rounds.

    Parameters
    ----------
    **changes
        Fields of `DdsPolicy` that are to be otherwise.
    """
    said = {"chunk_frames": 15, "hold_s": 3.0, "deadline_s": 6.0, "max_frames": 128}
    return DdsPolicy(**{**said, "low_scale": 0.8, "high_scale": 0.8, **changes})


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
    feedback_corrupt : int
        Answers whose labels do not decode, or do not fit their picture or the classes.
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
    feedback_corrupt: int = 0
    notices: int = 0
    cells_sent: int = 0
    cells_static: int = 0
