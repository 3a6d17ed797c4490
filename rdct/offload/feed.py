# SPDX-License-Identifier: Apache-2.0
"""Frames of a source, read ahead by a thread: all of a file's, the latest of a camera's."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rdct.vision.frames import Frame

__all__ = ["Feed", "Inbox"]


class Inbox:
    """Where other threads leave things for the one that owns the state machine, and wake it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._items: deque[Any] = deque()
        self._woken = False

    def put(self, item: object) -> None:
        with self._changed:
            self._items.append(item)
            self._changed.notify()

    def wake(self) -> None:
        """End the current `wait`, or the next if there is none."""
        with self._changed:
            self._woken = True
            self._changed.notify()

    def wait(self, seconds: float | None) -> None:
        """Until something is there, somebody wakes us, or so many seconds are over (None: never)."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._woken, seconds)
            self._woken = False

    def take(self) -> list[Any]:
        """All that is there, oldest first."""
        with self._changed:
            items = list(self._items)
            self._items.clear()
            return items


class Feed:
    """Reads a source in a thread.

    Parameters
    ----------
    source : rdct.vision.frames.Source
        Entered, read and left by the thread; nobody else may touch it meanwhile.
    live : bool
        Keep only the latest frame and count those it replaces; else none is lost, and the source waits.
    wake : callable
        Called after every change.
    limit : int, optional
        Stop after so many frames were taken from the source.
    ahead : int
        Frames kept of a source that is not live.

    Attributes
    ----------
    dropped : int
        Frames that a later one replaced before anybody took them.
    error : Exception or None
        What ended the source early; its frames until then are still there.
    """

    def __init__(
        self, source, *, live: bool, wake: Callable[[], None], limit: int | None = None, ahead: int = 4
    ) -> None:
        self.dropped = 0
        self.error: Exception | None = None
        self._source = source
        self._live = live
        self._wake = wake
        self._limit = limit
        self._ahead = 1 if live else ahead
        self._frames: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._over = False
        self._stopped = False
        self._thread = threading.Thread(target=self._read, name="source", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether every frame was taken and none will come."""
        with self._changed:
            return self._over and not self._frames

    def peek(self) -> Frame | None:
        """The next frame, which stays; None if there is none now."""
        with self._changed:
            return self._frames[0] if self._frames else None

    def take(self) -> Frame:
        """The next frame."""
        with self._changed:
            frame = self._frames.popleft()
            self._changed.notify_all()
            return frame

    def close(self, within_s: float = 2.0) -> None:
        """Stop reading. A source that blocks for longer is left to its thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(within_s)

    def _read(self) -> None:
        try:
            with self._source as source:
                for count, frame in enumerate(source, 1):
                    if not self._keep(frame) or count == self._limit:
                        break
        except Exception as error:  # whatever a decoder or a camera makes of its trouble
            self.error = error
        finally:
            with self._changed:
                self._over = True
            self._wake()

    def _keep(self, frame: Frame) -> bool:
        with self._changed:
            if self._live and self._frames:
                self._frames.popleft()
                self.dropped += 1
            self._changed.wait_for(lambda: len(self._frames) < self._ahead or self._stopped)
            if self._stopped:
                return False
            self._frames.append(frame)
        self._wake()
        return True
