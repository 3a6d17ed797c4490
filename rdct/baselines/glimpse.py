# SPDX-License-Identifier: Apache-2.0
"""Glimpse: a frame is sent when much has changed since the last one that was, or when a box is lost.

Chen et al., "Glimpse: Continuous, Real-Time Object Recognition on Mobile Devices", SenSys 2015. Its server is
`rdct.baselines.tracked.BoxServer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from rdct.baselines.tracked import TrackingEdge

if TYPE_CHECKING:
    from rdct.vision.frames import Frame

__all__ = ["GlimpseEdge"]


class GlimpseEdge(TrackingEdge):
    """Triggers by pixels. Keeps `rdct.offload.Edge`.

    Parameters
    ----------
    step : int
        A pixel has changed if its grey differs by more than this from the last frame that was sent, 0..255.
    share : float
        A frame is sent if more than this share of its pixels has changed, 0..1. The paper counts such pixels
        too and leaves both numbers to tuning. The code of DDS has a sum of differences above W H / 2, in
        units of its own: on 0..255 camera noise alone comes to as much, so half of the pixels must be meant.
    **options
        Of `rdct.baselines.tracked.TrackingEdge`.
    """

    def __init__(self, *, step: int = 35, share: float = 0.1, **options: Any) -> None:
        super().__init__(**options)
        if not 0 <= step <= 255:
            raise ValueError(f"step must be 0..255, got {step}")
        if not 0 <= share <= 1:
            raise ValueError(f"share must be 0..1, got {share}")
        self._step, self._share = step, share
        self._grey: np.ndarray | None = None
        self._sent: np.ndarray | None = None

    def _wants(self, frame: Frame, small: np.ndarray, failed: bool) -> bool:
        self._grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        if failed or self._sent is None or self._sent.shape != self._grey.shape:
            return True
        changed = cv2.countNonZero(cv2.threshold(cv2.absdiff(self._grey, self._sent), self._step, 1, 0)[1])
        return changed > self._share * self._grey.size

    def _was_sent(self) -> None:
        self._sent = self._grey
