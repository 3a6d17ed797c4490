# SPDX-License-Identifier: Apache-2.0
"""What a run of a device amounted to."""

from __future__ import annotations

import math
from collections import Counter

from rdct.offload.messages import Detections, PlanUpdate, RegionRequest, Result

__all__ = ["PSNR_DEFINITION", "Tally"]

#: The trigger's measure, which its threshold is meaningless without.
PSNR_DEFINITION = (
    "peak 255, all RGB samples of the whole frame, against the newest sent keyframe warped to it, "
    "invalid pixels filled from the nearest valid one"
)


class Tally:
    """Counts of a run; takes no more memory as it goes on.

    Attributes
    ----------
    frames : int
        Accepted by the edge machine.
    keyframes : int
        Encoded and handed to the link, whether or not it could send them.
    frames_dropped : int
        Of a live source, replaced by a later one before they were accepted.
    results : int
    results_doubled : int
        Results that no accepted frame was still waiting for.
    notices : collections.Counter
        Notices by code.
    bytes_up, bytes_down : int
        Of all messages of all sessions.
    reconnects : int
        Sessions after the first.
    psnr_min : float or None
    last : Result or None
    """

    def __init__(self) -> None:
        self.frames = 0
        self.keyframes = 0
        self.frames_dropped = 0
        self.results = 0
        self.results_doubled = 0
        self.notices: Counter[str] = Counter()
        self.bytes_up = 0
        self.bytes_down = 0
        self.reconnects = 0
        self.away = False
        self.psnr_min: float | None = None
        self.last: Result | None = None
        self._kinds: Counter[str] = Counter()
        self._ages = 0
        self._awaited: set[int] = set()
        self._given_up = 0
        self._newest = 0
        self._clock = (0.0, 0.0)  # of this machine: first frame accepted, last result
        self._source = (0.0, 0.0)  # of the source: first and last frame accepted

    # ------------------------------------------------------------ what happened

    def accepted(self, time_s: float, now: float) -> None:
        """The edge machine is about to take a frame."""
        if not self.frames:
            self._clock, self._source = (now, now), (time_s, time_s)
        self._source = (self._source[0], time_s)
        self.frames += 1

    def sent(self, keyframe: int) -> None:
        """The edge machine made a keyframe, or a second packet of one: that counts in bytes only."""
        if keyframe > self._newest:
            self._newest = keyframe
            self.keyframes += 1
            self._awaited.add(keyframe)

    def answered(self, answer: PlanUpdate | RegionRequest | Detections) -> None:
        """Labels, levels or regions came."""
        if not isinstance(answer, PlanUpdate) or answer.labels is not None:
            self._awaited.discard(answer.keyframe)

    def restarted(self) -> None:
        """A new edge machine counts its keyframes from 1 again."""
        self._given_up += len(self._awaited)
        self._awaited.clear()
        self._newest = 0

    def resulted(self, result: Result, *, expected: bool, now: float) -> None:
        """A Result came out, for a frame that was still waiting for one or not."""
        if not expected:
            self.results_doubled += 1
            return
        self.results += 1
        self.last = result
        self._clock = (self._clock[0], now)
        self._kinds[result.kind] += 1
        self._ages += result.age_frames or 0
        if result.psnr_db is not None:
            self.psnr_min = result.psnr_db if self.psnr_min is None else min(self.psnr_min, result.psnr_db)

    # ------------------------------------------------------------ what it amounts to

    @property
    def keyframes_unanswered(self) -> int:
        """Keyframes whose labels never came."""
        return self._given_up + len(self._awaited)

    @property
    def results_lost(self) -> int:
        """Accepted frames without exactly one Result."""
        return self.frames - self.results + self.results_doubled

    @property
    def seconds(self) -> float:
        """From the first frame to the last Result."""
        return self._clock[1] - self._clock[0]

    @property
    def fps(self) -> float:
        """Frames a second as processed."""
        return self.results / self.seconds if self.seconds > 0 else 0.0

    def kbps(self, fps: float) -> float:
        """Uplink in kbit/s of the source's own time, its last frame lasting ``1 / fps``."""
        duration = self._source[1] - self._source[0] + 1 / fps
        return 8e-3 * self.bytes_up / duration if self.frames else 0.0

    def summary(self, fps: float) -> dict:
        """All of it for ``--json`` (docs/cli.md).

        Parameters
        ----------
        fps : float
            Frames a second of the source.
        """
        labelled = self.results - self._kinds["none"]
        return {
            "frames": self.frames,
            "keyframes": self.keyframes,
            "keyframes_unanswered": self.keyframes_unanswered,
            "frames_dropped": self.frames_dropped,
            "frames_unlabelled": self._kinds["none"],
            "results_lost": self.results_lost,
            "bytes_up": self.bytes_up,
            "bytes_down": self.bytes_down,
            "seconds": round(self.seconds, 3),
            "fps": round(self.fps, 2),
            "source_fps": round(fps, 3),
            "kbps": round(self.kbps(fps), 1),
            "mean_age_frames": round(self._ages / labelled, 3) if labelled else None,
            "psnr_min": None
            if self.psnr_min is None or math.isinf(self.psnr_min)
            else round(self.psnr_min, 3),
            "psnr": PSNR_DEFINITION,
            "notices": dict(self.notices),
            "reconnects": self.reconnects,
        }
