# SPDX-License-Identifier: Apache-2.0
"""Every frame, or every n-th, as a JPEG file or an rdct stream of one quality and one scale.

Its server is `rdct.baselines.answering.AnsweringServer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rdct.baselines.sending import SendingEdge
from rdct.baselines.stills import Still
from rdct.offload.messages import Packet

if TYPE_CHECKING:
    from rdct.vision.frames import Frame

__all__ = ["UniformEdge"]


class UniformEdge(SendingEdge):
    """Sends frames whole, one by one. Keeps `rdct.offload.Edge`.

    Parameters
    ----------
    quality : int
        Of JPEG's tables, 1..100.
    scale : float
        By which the sides are reduced first; more than 0, at most 1.
    every : int
        Of so many frames one is sent; the others have its answer.
    coding : {"jpeg", "rdct"}
    subsampling : {"420", "422", "444"}
    **options
        Of `rdct.baselines.sending.SendingEdge`.
    """

    def __init__(
        self,
        *,
        quality: int = 75,
        scale: float = 1.0,
        every: int = 1,
        coding: str = "jpeg",
        subsampling: str = "420",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if every < 1:
            raise ValueError(f"every must be 1 frame or more, got {every}")
        self._still = Still(quality, scale, coding, subsampling)
        self._every = every
        self._since = 0  # frames since the last one sent

    def _take(self, frame: Frame, now: float) -> list[Packet]:
        self._since += 1
        if self._serial and self._since < self._every:
            return []
        payload = self._still.encode(frame.image)
        self._since = 0
        return [self._packet(frame.index, frame.time_s, self._number(frame, now), payload)]
