"""The one search for "the smallest file that still ...".

A dial steers an encoder; turned one way files shrink and, near enough, get worse. Budget, scale and
JPEG quality are such dials. The search brackets and bisects the point where acceptance ends. What it
returns was itself encoded and accepted: it never claims anything of a setting that it did not try.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Evaluation", "SearchResult", "UnreachableError", "smallest"]

Data = TypeVar("Data")


@dataclass(frozen=True)
class Evaluation:
    """One setting that was tried."""

    value: float
    size: int
    accepted: bool


@dataclass(frozen=True)
class SearchResult(Generic[Data]):
    """The smallest accepted file among those tried.

    Attributes
    ----------
    value : float
        The dial's setting.
    data : object
        What `encode` made of it; it was accepted.
    size : int
        Its size.
    at_limit : bool
        The coarsest allowed setting was accepted, so a still smaller file may exist beyond it.
    evaluations : tuple of Evaluation
        All that was tried, in order.
    """

    value: float
    data: Data
    size: int
    at_limit: bool
    evaluations: tuple[Evaluation, ...]


class UnreachableError(ValueError):
    """Not even the finest setting was accepted.

    Attributes
    ----------
    evaluations : tuple of Evaluation
        All that was tried.
    """

    def __init__(self, message: str, evaluations: tuple[Evaluation, ...]) -> None:
        super().__init__(message)
        self.evaluations = evaluations


def smallest(
    encode: Callable[[float], Data],
    accept: Callable[[Data], bool],
    low: float,
    high: float,
    *,
    start: float | None = None,
    coarser: str = "up",
    integer: bool = False,
    tolerance: float = 0.01,
    max_evaluations: int = 32,
    size: Callable[[Data], int] = len,
) -> SearchResult[Data]:
    """Find the smallest file that is still accepted.

    Parameters
    ----------
    encode : callable
        Setting -> file; any object that `size` can measure.
    accept : callable
        File -> whether it will do. Assumed true below some coarseness and false above, up to noise.
    low, high : float
        Range of the dial, ``0 < low <= high``; searched on a logarithmic scale.
    start : float, optional
        Where to begin; a good guess saves evaluations. Without it the coarsest end is tried, then
        the finest, then the middle.
    coarser : {"up", "down"}
        The direction in which files get smaller: "up" for a scale, "down" for a JPEG quality.
    integer : bool
        Only whole numbers are tried, and the answer is exact for a monotone acceptance.
    tolerance : float
        Stop when the finest setting known to fail is within this factor (less 1) of the answer.
    max_evaluations : int
        Stop after so many trials and return the best accepted so far.
    size : callable
        Size of a file.

    Returns
    -------
    SearchResult

    Raises
    ------
    UnreachableError
        The finest setting was not accepted, or `max_evaluations` ran out before any was.
    """
    if not (0 < low <= high and math.isfinite(high)):
        raise ValueError(f"the dial's range must have 0 < low <= high, got {low}..{high}")
    if coarser not in ("up", "down"):
        raise ValueError(f'coarser must be "up" or "down", got {coarser!r}')
    if tolerance <= 0:
        raise ValueError(f"tolerance must be positive, got {tolerance}")
    if max_evaluations < 1:
        raise ValueError(f"max_evaluations must be at least 1, got {max_evaluations}")
    if integer:
        low, high = math.ceil(low), math.floor(high)
        if low > high:
            raise ValueError("no whole number lies within the dial's range")
    if start is not None and not low <= start <= high:
        raise ValueError(f"start {start} lies outside the dial's range {low}..{high}")

    fine, coarse = (low, high) if coarser == "up" else (high, low)
    tried: dict[float, Evaluation] = {}
    best: tuple[int, float, Data] | None = None

    def good(value: float) -> bool:
        nonlocal best
        if value in tried:
            return tried[value].accepted
        data = encode(value)
        evaluation = Evaluation(value, size(data), bool(accept(data)))
        tried[value] = evaluation
        if evaluation.accepted and (best is None or evaluation.size < best[0]):
            best = evaluation.size, value, data
        return evaluation.accepted

    def left() -> bool:
        return len(tried) < max_evaluations

    def between(a: float, b: float) -> float:
        middle = math.sqrt(a * b)
        if integer:
            # Strictly between them, so that the interval always shrinks.
            middle = min(max(round(middle), min(a, b) + 1), max(a, b) - 1)
        return middle

    def apart(a: float, b: float) -> bool:
        if integer:
            return abs(a - b) > 1
        return max(a, b) / min(a, b) > 1 + tolerance

    def move(value: float, factor: float, towards: float) -> float:
        moved = value * factor if towards > value else value / factor
        if integer:
            moved = round(moved)
            moved += (moved == value) * (1 if towards > value else -1)
        return min(moved, towards) if towards > value else max(moved, towards)

    accepted: float | None = None
    refused: float | None = None
    if start is None:
        if good(coarse):
            accepted = coarse
        else:
            refused = coarse
            if left() and good(fine):
                accepted = fine
    else:
        value, factor = (round(start) if integer else start), 2.0
        while True:
            if good(value):
                accepted = value
            else:
                refused = value
            goal = coarse if refused is None else fine
            if (accepted is not None and refused is not None) or value == goal or not left():
                break
            value, factor = move(value, factor, goal), factor * 1.25

    while accepted is not None and refused is not None and apart(accepted, refused) and left():
        value = between(accepted, refused)
        if good(value):
            accepted = value
        else:
            refused = value

    evaluations = tuple(tried.values())
    if best is None:
        last = evaluations[-1]
        if fine in tried:
            message = f"not even the finest setting {fine:g} ({tried[fine].size} bytes) is accepted"
        else:
            message = (
                f"no accepted setting found in {len(evaluations)} evaluations; the last was {last.value:g}"
            )
        raise UnreachableError(message, evaluations)
    found, value, data = best
    return SearchResult(value, data, found, tried.get(coarse, _NEVER).accepted, evaluations)


_NEVER = Evaluation(math.nan, 0, False)
