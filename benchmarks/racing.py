# SPDX-License-Identifier: Apache-2.0
"""Comparing functions by turns, so that a machine that speeds up or slows down does so for all of them."""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["CLOCKS", "Ratio", "busy_cores", "interleave", "race"]

_MIN_SAMPLE_SECONDS = 0.002


#: Time that passes, and time this process had a processor for (the sum over its threads).
CLOCKS = (time.perf_counter, time.process_time)


@dataclass(frozen=True)
class Ratio:
    """How many times as fast as another one, round by round.

    Attributes
    ----------
    median, low, high : float
        Of the time that passed: median over the rounds, and the middle half of them.
    processor : float
        Median ratio of processor time: on a busy machine the better one, as long as both use one thread.
    rounds : int
    """

    median: float
    low: float
    high: float
    processor: float
    rounds: int


def interleave(
    functions: Mapping[str, Callable[[], Any]],
    rounds: int,
    clocks: Sequence[Callable[[], float]] = CLOCKS,
) -> dict[str, list[tuple[float, ...]]]:
    """Seconds of one call of each function in each round, by every clock.

    Every round calls all of them, in an order that turns by one from round to round and is reversed every
    other time. Short functions are called several times a round.
    """
    names = list(functions)
    repeats = {}
    for name in names:  # also the warm-up
        functions[name]()
        start = clocks[0]()
        functions[name]()
        repeats[name] = max(1, int(_MIN_SAMPLE_SECONDS / max(clocks[0]() - start, 1e-9)))
    seconds: dict[str, list[tuple[float, ...]]] = {name: [] for name in names}
    enabled = gc.isenabled()
    gc.disable()
    try:
        for round_ in range(rounds):
            turn = round_ // 2 % len(names)
            order = names[turn:] + names[:turn]
            for name in order if round_ % 2 == 0 else reversed(order):
                function, n = functions[name], repeats[name]
                starts = [clock() for clock in clocks]
                for _ in range(n):
                    function()
                ends = [clock() for clock in clocks]
                seconds[name].append(
                    tuple((end - start) / n for start, end in zip(starts, ends, strict=True))
                )
    finally:
        if enabled:
            gc.enable()
    return seconds


def race(
    function: Callable[[], Any],
    against: Mapping[str, Callable[[], Any]],
    rounds: int,
    clocks: Sequence[Callable[[], float]] = CLOCKS,
) -> dict[str, dict[str, float]]:
    """`Ratio` of `function` to each of the others, as dictionaries fit for JSON. Above 1: it is faster."""
    if not against or rounds < 2:
        return {}
    seconds = interleave({"": function, **against}, rounds, clocks)
    own = seconds.pop("")
    return {name: asdict(_ratio(own, others)) for name, others in seconds.items()}


def _ratio(own: list[tuple[float, ...]], others: list[tuple[float, ...]]) -> Ratio:
    passed, processor = (
        [other[clock] / max(mine[clock], 1e-9) for mine, other in zip(own, others, strict=True)]
        for clock in (0, -1)
    )
    low, median, high = statistics.quantiles(passed, n=4, method="inclusive")
    return Ratio(median, low, high, statistics.median(processor), len(passed))


def busy_cores(seconds: float = 0.5, stat: str = "/proc/stat") -> float:
    """Cores' worth of work that others do while this process sleeps; 0 where the system does not tell."""
    try:
        before = _processor_ticks(stat)
        time.sleep(seconds)
        after = _processor_ticks(stat)
    except (OSError, ValueError, IndexError):
        return 0.0
    idle, total = (late - early for early, late in zip(before, after, strict=True))
    return (os.cpu_count() or 1) * (1 - idle / total) if total > 0 else 0.0


def _processor_ticks(stat: str) -> tuple[int, int]:
    """(idle and waiting, all) since start-up, over all cores; what a hypervisor took counts as busy."""
    with open(stat, encoding="ascii") as file:
        ticks = [int(field) for field in file.readline().split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)
