# SPDX-License-Identifier: Apache-2.0
"""Vigil: a frame is sent when a small detector on the device counts more or fewer objects than before.

Zhang et al., "The Design and Implementation of a Wireless Video Surveillance System", MobiCom 2015, as the
code of DDS runs it: with a tracker between. Its server is `rdct.baselines.tracked.BoxServer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rdct.baselines.answering import Looking
from rdct.baselines.tracked import TrackingEdge
from rdct.offload.messages import Result

if TYPE_CHECKING:
    from rdct.vision.detectors import Detector
    from rdct.vision.frames import Frame
    from rdct.vision.regions import Region

__all__ = ["VigilEdge"]


class VigilEdge(TrackingEdge):
    """Triggers by count. Keeps `rdct.offload.Edge`.

    Until the first answer, and after a change of size, what the device found by itself is its Result.

    Parameters
    ----------
    detector : Detector
        One that the device can afford; for instance FastestDet at a small ``input_size``.
    looking : Looking, optional
        What counts of what it finds. Its classes are those of the server's detector.
    **options
        Of `rdct.baselines.tracked.TrackingEdge`.
    """

    def __init__(self, *, detector: Detector, looking: Looking | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._detector = detector
        self._looking = Looking() if looking is None else looking
        self._found: tuple[int, tuple[Region, ...]] | None = None  # index of the frame, and what is in it
        self._count: int | None = None  # when a frame was sent last

    def _local(self, frame: Frame) -> tuple[Region, ...]:
        """What the device finds in a frame; it looks once."""
        if self._found is None or self._found[0] != frame.index:
            self._found = frame.index, self._looking.objects(self._detector, frame.image)
        return self._found[1]

    def _wants(self, frame: Frame, small: np.ndarray, failed: bool) -> bool:
        count = len(self._local(frame))
        return failed or count != self._count

    def _was_sent(self) -> None:
        self._count = len(self._found[1])

    def _unanswered(self, frame: Frame) -> Result:
        return Result(frame.index, frame.time_s, kind="device", regions=self._local(frame))
