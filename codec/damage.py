# SPDX-License-Identifier: Apache-2.0
"""What a decoder may do about damaged slices, and what it says about those it lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from codec import _core

__all__ = ["LostSlice"]


@dataclass(frozen=True)
class LostSlice:
    """A slice that could not be decoded, from the `report` of `decode`.

    Attributes
    ----------
    slice : int
        Which one, from 0.
    y0, y1 : int
        Its rows of the whole picture, half-open: these show the base picture or mid-grey.
    rule : str
        What is wrong with it: ``"slice_crc"``, ``"truncated_slice"``, ...
    offset : int
        Byte offset in the stream at which that showed.
    message : str
        The same as a sentence.
    """

    slice: int
    y0: int
    y1: int
    rule: str
    offset: int
    message: str


class Concealment:
    """The arguments `on_damage` and `report` of one call, checked.

    The C core gets `room` (None: damage is an error), and `finish` hands over what it put there.
    """

    room: _core.Damage | None = None

    def __init__(self, on_damage: Any, report: Any) -> None:
        if on_damage not in ("raise", "conceal"):
            raise ValueError(f"on_damage must be one of 'raise', 'conceal', got {on_damage!r}")
        if report is not None and not isinstance(report, list):
            raise TypeError(f"report must be a list to append to, got {type(report).__name__}")
        self._wanted = on_damage == "conceal"
        self._report = report

    def begin(self, slices: int) -> _core.Damage | None:
        """Room for all slices of the stream, once its header is known."""
        self.room = _core.Damage(slices) if self._wanted else None
        return self.room

    def finish(self) -> None:
        """Append to the caller's list, in stream order."""
        if self.room is not None and self._report is not None:
            self._report.extend(LostSlice(*one) for one in self.room.lost())
