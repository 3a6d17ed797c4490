# SPDX-License-Identifier: Apache-2.0
"""The device at work: a source, an edge machine, a link and what becomes of the results, in real time.

One thread owns the machine, so nothing here is locked: the source and the link leave what they have in an
inbox, and the loop below takes turns between feedback, timeouts and frames.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from rdct.offload.errors import LinkError
from rdct.offload.feed import Feed, Inbox
from rdct.offload.messages import Feedback, Hello, Notice, Packet, Result, Welcome
from rdct.offload.roles import Edge
from rdct.offload.session import Connected, Disconnected, MakeLink
from rdct.offload.tally import Tally

if TYPE_CHECKING:
    from rdct.vision.frames import Frame

__all__ = ["Device", "Shown", "Sink"]

#: Without any answer for so long, the server is said to be away, though the connection stands.
SILENCE_S = 3.0
#: The loop looks up at least this often, for silence.
_LOOK_S = 0.25


@dataclasses.dataclass(frozen=True)
class Shown:
    """One frame with its Result, as a sink gets it.

    Attributes
    ----------
    frame : rdct.vision.frames.Frame
    result : Result
    sent : bool
        Whether the frame was sent to the server as a keyframe.
    """

    frame: Frame
    result: Result
    sent: bool


class Sink(Protocol):
    """What becomes of results."""

    def open(self, welcome: Welcome, fps: float) -> None:
        """Once, before the first frame: the classes, and frames a second of the source."""

    def write(self, shown: Shown) -> None:
        """One frame's result; frames come in order, whenever their results were known."""

    def close(self) -> None:
        """After the last, also when the run was stopped."""


class Device:
    """Runs a source through an edge machine against a server, until the source ends or `stop` is called.

    Parameters
    ----------
    source : rdct.vision.frames.Source
        Files are never dropped; of live sources the latest frame is taken.
    make_edge : callable
        From a Welcome, whose `table_set` is never None, to an `Edge`. Called again if a server comes back
        with other tables.
    make_link : callable
        From what gives a Hello and what takes events to a `rdct.offload.session.Link`.
    sinks : sequence of Sink
    system : str
        What to ask the server for.
    pace : bool
        Take the frames of a file when they are due, as a camera would give them; else as fast as it goes.
    lockstep : int
        Take no frame while so many Results are owed, so that the outcome does not depend on who is faster: 1
        (or True), or the frames that a system sends at a time. 0: never wait.
    connect_s : float
        How long to try before the first session.
    limit : int, optional
        End after so many frames.
    say : callable
        Gets what a user should know: the server is away, is back.
    meanwhile : str
        What happens while it is away, for that message.
    view : callable
        Gets the `Tally` after every result.

    Attributes
    ----------
    tally : Tally
    """

    def __init__(
        self,
        source,
        make_edge: Callable[[Welcome], Edge],
        make_link: MakeLink,
        *,
        sinks: Sequence[Sink] = (),
        system: str = "stac",
        pace: bool = True,
        lockstep: int = 0,
        connect_s: float = 30.0,
        limit: int | None = None,
        say: Callable[[str], None] = lambda text: None,
        meanwhile: str = "labels are propagated",
        view: Callable[[Tally], None] = lambda tally: None,
    ) -> None:
        self.tally = Tally()
        self._source = source
        self._make_edge = make_edge
        self._sinks = sinks
        self._opened: list[Sink] = []
        self._system = system
        self._pace = pace and not source.live
        self._lockstep = lockstep
        self._connect_s = connect_s
        self._say = say
        self._meanwhile = meanwhile
        self._view = view
        self._inbox = Inbox()
        self._feed = Feed(source, live=source.live, wake=self._inbox.wake, limit=limit)
        self._link = make_link(self._greeting, self._inbox.put)
        self._stopped = False
        self._edge: Edge | None = None
        self._welcome: Welcome | None = None
        self._sets: dict[bytes, bytes] = {}  # canonical table sets by id
        self._owed: dict[
            int, tuple[Frame, bool]
        ] = {}  # frames without a Result yet, and whether they were sent
        self._done: dict[int, Shown] = {}  # with one, but behind a frame without
        self._size = (0, 0)
        self._start = (0.0, 0.0)  # of the first frame: when it was taken, and its own time
        self._away: float | None = None  # since when the server is
        self._refused = False  # a refusal was said and no answer has come since
        self._asked: float | None = None  # when the oldest packet without any answer was sent

    def stop(self) -> None:
        """End after the frame in hand; may be called from a signal handler or another thread."""
        self._stopped = True
        self._inbox.wake()

    def run(self) -> Tally:
        """Run to the end.

        Returns
        -------
        Tally

        Raises
        ------
        LinkError
            No session could be opened at all; what happens to later ones raises nothing.
        Exception
            What the source ended with, after all its frames have their Results.
        """
        self._feed.start()
        try:
            if self._first_frame() and self._connect():
                self._loop()
                self._emit(self._edge.finish(time.monotonic()))
        finally:
            self._link.close()
            self._feed.close()
            self._account()
            self._owed.clear()  # nothing more will come for these
            self._write()
            for sink in self._opened:
                sink.close()
        if self._feed.error is not None:
            raise self._feed.error
        return self.tally

    # ------------------------------------------------------------ before the first frame

    def _greeting(self) -> Hello:
        height, width = self._size
        return Hello(width=width, height=height, known_sets=tuple(self._sets), system=self._system)

    def _first_frame(self) -> bool:
        while not self._stopped:
            frame = self._feed.peek()
            if frame is not None:
                self._size = frame.image.shape[:2]
                return True
            if self._feed.ended:
                return False
            self._inbox.wait(None)
        return False

    def _connect(self) -> bool:
        """Whether there is a session; False only if stopped."""
        self._link.start()
        deadline = time.monotonic() + self._connect_s
        said = False
        reason = "no answer"
        while self._edge is None and not self._stopped:
            left = deadline - time.monotonic()
            if left <= 0:
                raise LinkError(f"{self._link.address} cannot be reached: {reason}")
            self._inbox.wait(left)
            for event in self._inbox.take():
                if isinstance(event, Connected):
                    self._connected(event.welcome)
                elif isinstance(event, Disconnected):
                    if event.final:
                        raise LinkError(f"{self._link.address} refuses: {event.reason}")
                    reason = event.reason
                    if not said:
                        self._say(f"{self._link.address} cannot be reached yet ({reason}); trying again")
                        said = True
        if self._edge is None:
            return False
        for sink in self._sinks:
            sink.open(self._welcome, self._source.fps)
            self._opened.append(sink)
        return True

    # ------------------------------------------------------------ the loop

    def _loop(self) -> None:
        while not self._stopped:
            for event in self._inbox.take():
                self._absorb(event)
            now = time.monotonic()
            timeout = self._edge.next_timeout()
            if timeout is not None and now >= timeout:
                self._emit(self._edge.on_timeout(now))
                timeout = self._edge.next_timeout()
            self._watch(now)
            held = 0 < self._lockstep <= len(self._owed)
            if self._feed.ended and not (held or self._awaited()):
                return
            frame = None if held else self._feed.peek()
            due = None if frame is None else self._due(frame, now)
            if due is not None and now >= due:
                self._accept(self._feed.take(), now)
                continue
            until = min((when for when in (timeout, due) if when is not None), default=now + _LOOK_S)
            self._inbox.wait(min(max(until - now, 0.0), _LOOK_S))

    def _awaited(self) -> bool:
        """Whether Results are owed that will come by a certain time."""
        return bool(self._owed) and self._edge.next_timeout() is not None

    def _due(self, frame: Frame, now: float) -> float:
        if not self.tally.frames or not self._pace:
            return now
        taken, time_s = self._start
        return taken + frame.time_s - time_s

    def _accept(self, frame: Frame, now: float) -> None:
        if not self.tally.frames:
            self._start = (now, frame.time_s)
        self._size = frame.image.shape[:2]
        self._owed[frame.index] = (frame, False)
        self.tally.accepted(frame.time_s, now)
        self._emit(self._edge.on_frame(frame, now))

    def _emit(self, outcome: Iterable[Packet | Result]) -> None:
        for one in outcome:
            if isinstance(one, Packet):
                self._send(one)
            else:
                self._show(one)

    def _send(self, packet: Packet) -> None:
        self.tally.sent(packet.keyframe)
        if packet.frame in self._owed:
            self._owed[packet.frame] = (self._owed[packet.frame][0], True)
        if self._asked is None:
            self._asked = time.monotonic()
        self._link.send(packet)

    def _show(self, result: Result) -> None:
        owed = self._owed.pop(result.frame, None)
        self.tally.resulted(result, expected=owed is not None, now=time.monotonic())
        if owed is not None:
            self._done[result.frame] = Shown(owed[0], result, owed[1])
            self._write()
        self._account()
        self._view(self.tally)

    def _write(self) -> None:
        """Hand on, in the order of frames, what waits for no Result of an earlier one."""
        oldest = next(iter(self._owed), math.inf)
        for frame in sorted(one for one in self._done if one < oldest):
            shown = self._done.pop(frame)
            for sink in self._opened:
                sink.write(shown)

    def _account(self) -> None:
        """Copy what the feed and the link count."""
        tally, link = self.tally, self._link
        tally.frames_dropped = self._feed.dropped
        tally.bytes_up, tally.bytes_down = link.bytes_up, link.bytes_down
        tally.reconnects = max(link.sessions - 1, 0)
        tally.away = self._away is not None

    # ------------------------------------------------------------ what the link brings

    def _absorb(self, event: object) -> None:
        now = time.monotonic()
        if isinstance(event, Feedback):
            self._asked = None
            if not isinstance(event, Notice):
                self._back(now)
                self.tally.answered(event)
                self._refused = False
            else:
                self.tally.notices[event.code] += 1
                self._explain(event)
            self._emit(self._edge.on_feedback(event, now))
        elif isinstance(event, Connected):
            self._connected(event.welcome)
            self._back(now)
        elif isinstance(event, Disconnected):
            self._lost(event.reason, now)

    def _explain(self, notice: Notice) -> None:
        """Say why keyframes are refused, once until one is answered again."""
        if notice.code == "refused" and not self._refused:
            self._say(f"{self._link.address} refuses keyframe {notice.keyframe}: {notice.message}")
            self._refused = True
        elif notice.code == "draining":
            self._say(f"{self._link.address} is about to stop")

    def _connected(self, welcome: Welcome) -> None:
        """Make an edge machine for this server, unless the one at work suits it."""
        if welcome.table_set is not None:
            self._sets[welcome.set_id] = welcome.table_set
        welcome = dataclasses.replace(welcome, table_set=self._sets.get(welcome.set_id))
        if self._edge is not None:
            if _plan(welcome) == _plan(self._welcome):
                return
            self._say("the server came back with other tables or classes: starting anew")
            self._emit(self._edge.finish(time.monotonic()))
            self.tally.restarted()
        self._welcome = welcome
        self._edge = self._make_edge(welcome)

    def _watch(self, now: float) -> None:
        if self._asked is not None and now - self._asked > SILENCE_S:
            self._lost(f"no answer for {SILENCE_S:g} s", self._asked)

    def _lost(self, reason: str, since: float) -> None:
        self._asked = None
        if self._away is None:
            self._away = since
            self._say(f"{self._link.address} is away ({reason}); {self._meanwhile} until it is back")

    def _back(self, now: float) -> None:
        if self._away is not None:
            self._say(f"{self._link.address} is back after {now - self._away:.1f} s")
            self._away = None
            self._asked = None


def _plan(welcome: Welcome) -> tuple:
    """What an edge machine was made for."""
    return (
        welcome.set_id,
        welcome.scale,
        welcome.region_blocks,
        welcome.subsampling,
        welcome.class_names,
        welcome.palette.tobytes(),
        welcome.predictor,
    )
