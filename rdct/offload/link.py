# SPDX-License-Identifier: Apache-2.0
"""One direction of a simulated link: bandwidth, delay, loss and outages, in exact and repeatable time."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import pairwise

__all__ = ["SimulatedLink"]


class SimulatedLink:
    """Says when a message of so many bytes arrives.

    Messages go one after the other, in the order given: bits leave at the rate of the moment, and a message
    has arrived `delay_s` after its last bit left.

    Parameters
    ----------
    rate : float or sequence of (float, float)
        Bits a second, or a trace of (time in seconds, bits a second): ascending times, the first 0,
        each rate valid until the next time and the last one for ever. A rate of 0 makes messages wait.
    delay_s : float
        Propagation delay of every message.
    loss : float
        Probability 0..1 that a message is lost, drawn independently for each.
    seed : int
        Of the draws: the same seed, the same losses.
    outages : sequence of (float, float)
        Intervals [from, until) in seconds in which the link is down: what is leaving or under way in one is
        lost.

    Examples
    --------
    >>> link = SimulatedLink(1e6, delay_s=0.05)
    >>> link.send(10_000, now=0.0)
    0.13
    >>> round(link.send(10_000, now=0.0), 6)        # has to wait for the first
    0.21
    """

    def __init__(
        self,
        rate: float | Sequence[tuple[float, float]] = math.inf,
        delay_s: float = 0.0,
        *,
        loss: float = 0.0,
        seed: int = 0,
        outages: Sequence[tuple[float, float]] = (),
    ) -> None:
        trace = (
            [(0.0, float(rate))]
            if isinstance(rate, (int, float))
            else [(float(t), float(r)) for t, r in rate]
        )
        times = [t for t, _ in trace]
        if not trace or times[0] != 0 or any(a >= b for a, b in pairwise(times)):
            raise ValueError(f"a trace must start at 0 and ascend, got times {times[:8]}")
        if any(not r >= 0 for _, r in trace) or not trace[-1][1] > 0:
            raise ValueError("rates must be 0 bits a second or more, the last one more than 0")
        if not (math.isfinite(delay_s) and delay_s >= 0):
            raise ValueError(f"delay_s must be 0 seconds or more, got {delay_s}")
        if not 0 <= loss <= 1:
            raise ValueError(f"loss must be a probability 0..1, got {loss}")
        outages = sorted((float(a), float(b)) for a, b in outages)
        if any(not a < b for a, b in outages):
            raise ValueError(f"an outage must end after it starts, got {outages}")
        self._trace = trace
        self._delay_s = float(delay_s)
        self._loss = loss
        self._draw = random.Random(seed)
        self._outages = outages
        self._free_s = 0.0  # when the last bit of the message before leaves

    def send(self, size_bytes: int, now: float) -> float | None:
        """Hand over a message.

        Parameters
        ----------
        size_bytes : int
        now : float
            Seconds, from 0; not before the last call's.

        Returns
        -------
        float or None
            When it arrives; None if it is lost.
        """
        if size_bytes < 0 or not now >= 0:
            raise ValueError(
                f"a message has 0 bytes or more at 0 seconds or later, got {size_bytes} at {now}"
            )
        start = max(now, self._free_s)
        left = self._left(8 * size_bytes, start)
        arrived = left + self._delay_s
        # Drawn for every message, so that an outage does not change what happens after it.
        unlucky = self._draw.random() < self._loss
        for begins, ends in self._outages:
            if start < ends and begins <= arrived:
                self._free_s = max(self._free_s, min(left, begins))
                return None
        self._free_s = left
        return None if unlucky else arrived

    def _left(self, bits: float, start: float) -> float:
        """When the last of so many bits leaves, the first leaving at `start`."""
        for (begins, rate), end in zip(
            self._trace, [*(t for t, _ in self._trace[1:]), math.inf], strict=True
        ):
            if end <= start:
                continue
            start = max(start, begins)
            capacity = rate * (end - start)
            if bits <= capacity:
                return start + bits / rate if rate else start
            bits -= capacity
            start = end
        return start
