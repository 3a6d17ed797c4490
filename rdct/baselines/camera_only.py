# SPDX-License-Identifier: Apache-2.0
"""What a model on the device finds, frame by frame; nothing is sent, and nothing waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rdct.baselines.answering import Looking, labels_pixels
from rdct.baselines.sending import EdgeStats, check_frame
from rdct.offload.messages import Feedback, Packet, Result, Welcome

if TYPE_CHECKING:
    from rdct.vision.detectors import Detector
    from rdct.vision.frames import Frame
    from rdct.vision.models import Model

__all__ = ["CameraOnlyEdge"]


class CameraOnlyEdge:
    """Answers by itself. Keeps `rdct.offload.Edge`.

    Parameters
    ----------
    model : Detector or Model
        One that the device can afford.
    looking : Looking, optional
        For detectors.
    every : int
        It looks at one of so many frames; the others have that one's answer.

    Attributes
    ----------
    stats : EdgeStats
    """

    def __init__(self, model: Detector | Model, *, looking: Looking | None = None, every: int = 1) -> None:
        if every < 1:
            raise ValueError(f"every must be 1 frame or more, got {every}")
        self.stats = EdgeStats()
        self._model = model
        self._looking = Looking() if looking is None else looking
        self._every = every
        self._last_index = -1
        self._found: dict[str, Any] = {}
        self._size: tuple[int, int] | None = None

    @classmethod
    def from_welcome(cls, welcome: Welcome, *, model: Detector | Model, **options: Any) -> CameraOnlyEdge:
        """The edge beside any server: it takes nothing from it."""
        return cls(model, **options)

    def on_frame(self, frame: Frame, now: float) -> list[Packet | Result]:
        """Look at the frame, or at it no closer than at the last one; its Result is there at once."""
        check_frame(frame, self._last_index)
        self._last_index = frame.index
        if self.stats.frames % self._every == 0 or frame.size != self._size:
            self._found, self._size = self._look(frame), frame.size
        self.stats.frames += 1
        self.stats.results += 1
        return [Result(frame.index, frame.time_s, kind="device", **self._found)]

    def _look(self, frame: Frame) -> dict[str, Any]:
        if labels_pixels(self._model):
            from rdct.vision import models

            labels = models.labels(self._model, frame.image)
            labels.flags.writeable = False  # Results share them
            return {"labels": labels}
        return {"regions": self._looking.objects(self._model, frame.image)}

    def on_feedback(self, feedback: Feedback, now: float) -> list[Packet | Result]:
        """Nothing was asked; what comes is counted."""
        self.stats.feedback_ignored += 1
        return []

    def next_timeout(self) -> None:
        """Never."""

    def on_timeout(self, now: float) -> list[Packet | Result]:
        """Nothing is waited for."""
        return []

    def finish(self, now: float) -> list[Result]:
        """Nothing is owed."""
        return []
