"""Cutting a large picture into overlapping tiles, each of which a network can take at once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["ALIGN", "Span", "Tile", "cut"]

#: Tiles begin at multiples of this, so that a network's strides fall where they would in the whole.
ALIGN = 32


class Span(NamedTuple):
    """Half-open range of rows or columns."""

    start: int
    stop: int

    @property
    def slice(self) -> slice:
        return slice(self.start, self.stop)

    def within(self, other: Span) -> slice:
        """This range, counted from the start of `other`."""
        return slice(self.start - other.start, self.stop - other.start)


class Tile(NamedTuple):
    """What the network sees (`rows`, `columns`) and the part of it whose loss counts."""

    rows: Span
    columns: Span
    core_rows: Span
    core_columns: Span


def _spans(length: int, core: int, overlap: int) -> list[tuple[Span, Span]]:
    count = math.ceil(length / core)
    # Equal shares: no sliver at the end whose context would be nearly all overlap.
    share = math.ceil(math.ceil(length / count) / ALIGN) * ALIGN
    cores = [Span(at, min(at + share, length)) for at in range(0, length, share)]
    return [(Span(max(c.start - overlap, 0), min(c.stop + overlap, length)), c) for c in cores]


def cut(height: int, width: int, core: tuple[int, int], overlap: int) -> Iterator[Tile]:
    """Tiles whose cores cover a picture exactly once, row by row.

    Parameters
    ----------
    height, width : int
        The picture's size.
    core : (int, int)
        Largest height and width of a core.
    overlap : int
        Pixels of context on each side, where the picture has them; a multiple of `ALIGN`.
    """
    if min(core) < ALIGN or any(side % ALIGN for side in core):
        raise ValueError(f"tile sides must be positive multiples of {ALIGN}, got {core}")
    if overlap < 0 or overlap % ALIGN:
        raise ValueError(f"overlap must be a multiple of {ALIGN}, at least 0, got {overlap}")
    for rows, core_rows in _spans(height, core[0], overlap):
        for columns, core_columns in _spans(width, core[1], overlap):
            yield Tile(rows, columns, core_rows, core_columns)
