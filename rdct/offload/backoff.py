# SPDX-License-Identifier: Apache-2.0
"""How long to wait before the next try."""

from __future__ import annotations

import random

__all__ = ["BackOff"]


class BackOff:
    """Exponential delays with jitter, so that devices that lost one server do not come back as one.

    Parameters
    ----------
    first, most : float
        Seconds: the first delay and the longest, before jitter. 0 < first <= most.
    factor : float
        Each delay is this many times the one before, at least 1.
    jitter : float
        Share of the delay that is left to chance, 0..1: delays are drawn from
        ``[(1 - jitter) d, d]``.
    seed : int, optional
        For tests; by default drawn from the system.

    Examples
    --------
    >>> waits = BackOff(first=1.0, most=4.0, jitter=0.0)
    >>> [waits.next() for _ in range(4)]
    [1.0, 2.0, 4.0, 4.0]
    >>> waits.reset()
    >>> waits.next()
    1.0
    """

    def __init__(
        self,
        first: float = 0.2,
        most: float = 5.0,
        *,
        factor: float = 2.0,
        jitter: float = 0.5,
        seed: int | None = None,
    ) -> None:
        if not 0 < first <= most:
            raise ValueError(f"delays of {first} to {most} s: 0 < first <= most must hold")
        if not factor >= 1:
            raise ValueError(f"factor is {factor}; it must be at least 1")
        if not 0 <= jitter <= 1:
            raise ValueError(f"jitter is {jitter}; it must lie in 0..1")
        self._first, self._most, self._factor, self._jitter = first, most, factor, jitter
        self._random = random.Random(seed)
        self._delay = first

    def next(self) -> float:
        """The delay before the next try, in seconds."""
        delay = self._delay
        self._delay = min(delay * self._factor, self._most)
        return delay * (1 - self._jitter * self._random.random())

    def reset(self) -> None:
        """A try succeeded: start over with the first delay."""
        self._delay = self._first
