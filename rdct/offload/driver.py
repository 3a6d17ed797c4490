# SPDX-License-Identifier: Apache-2.0
"""An edge and a server over two simulated links, under a virtual clock.

Events are handled in the order of their times, ties in the order they came about, and nothing reads a real
clock: the same input gives the same records. Every message really becomes bytes and back, so the ends see
what they would see over a network, and the links are charged for what they would carry.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from rdct.offload import wire
from rdct.offload.link import SimulatedLink
from rdct.offload.messages import Feedback, Notice, Packet, PlanUpdate, Result
from rdct.offload.roles import Edge, Server
from rdct.offload.tally import Tally

if TYPE_CHECKING:
    from rdct.vision.frames import Frame

__all__ = ["Output", "Record", "Transfer", "simulate"]


@dataclass
class _Work:
    """What the server is at: a packet, when it arrived, and how many answers it got, labels last or not."""

    arrived_s: float
    answers: Iterator[Feedback]
    given: int = 0
    labelled: bool = False


@dataclass(frozen=True)
class Output:
    """A Result came out of the edge.

    Attributes
    ----------
    at_s : float
        On the virtual clock.
    result : Result
    """

    at_s: float
    result: Result


@dataclass(frozen=True)
class Transfer:
    """A message was handed to a link.

    Attributes
    ----------
    direction : {"up", "down"}
    message : Packet or Feedback
    size_bytes : int
        Of the whole coded message.
    sent_s : float
    arrived_s : float or None
        None if it is lost.
    """

    direction: Literal["up", "down"]
    message: Packet | Feedback = field(repr=False)
    size_bytes: int
    sent_s: float
    arrived_s: float | None


Record: TypeAlias = Output | Transfer


def simulate(
    edge: Edge,
    server: Server,
    frames: Iterable[Frame],
    up: SimulatedLink,
    down: SimulatedLink,
    *,
    edge_s: float = 0.0,
    server_s: float | Sequence[float] = 0.0,
    tally: Tally | None = None,
) -> Iterator[Record]:
    """Run frames through an edge and a server.

    Frames are taken when they are due by their own `time_s`, one after the other and none dropped. After the
    last one the clock runs on as long as the edge owes Results and anything is still under way.

    Parameters
    ----------
    edge, server : Edge, Server
        Fresh machines.
    frames : iterable of rdct.vision.frames.Frame
        Taken one at a time.
    up, down : SimulatedLink
        From edge to server, and back.
    edge_s : float
        Seconds the edge is busy with a frame; what comes of it leaves then.
    server_s : float or sequence of float
        Seconds the server is busy until its first answer to a packet, its second after the first, and so on;
        the last number stands for all that follow. Packets wait for each other, but as over
        a network the levels of a keyframe are given up where another waits for its labels by then.
    tally : Tally, optional
        Gets the counts.

    Yields
    ------
    Output or Transfer
        As they happen.
    """
    run = _Run(edge, server, up, down, edge_s, server_s, Tally() if tally is None else tally)
    yield from run.through(iter(frames))


class _Run:
    def __init__(
        self,
        edge: Edge,
        server: Server,
        up: SimulatedLink,
        down: SimulatedLink,
        edge_s: float,
        server_s: float | Sequence[float],
        tally: Tally,
    ) -> None:
        self._edge, self._server = edge, server
        self._up, self._down = up, down
        self._edge_s = edge_s
        self._server_s = (server_s,) if isinstance(server_s, (int, float)) else tuple(server_s)
        if edge_s < 0 or not self._server_s or min(self._server_s) < 0:
            raise ValueError(f"edge_s and server_s must be 0 seconds or more, got {edge_s} and {server_s}")
        self._tally = tally
        self._events: list[tuple[float, int, str, Any]] = []
        self._order = count()
        self._edge_free_s = 0.0
        # Packets that arrived, the one that is worked on, and whether an answer to it is being made.
        self._waiting: deque[tuple[Packet, float]] = deque()
        self._work: _Work | None = None
        self._busy = False
        self._owed: set[int] = set()

    def through(self, frames: Iterator[Frame]) -> Iterator[Record]:
        now = 0.0
        coming = self._next_frame(frames)
        while True:
            timeout = self._edge.next_timeout()
            if not coming and timeout is None and not (self._owed and self._events):
                break
            # An answer that comes just in time is in time.
            if timeout is not None and (not self._events or timeout < self._events[0][0]):
                now = max(now, timeout)
                yield from self._emit(self._edge.on_timeout(now), now)
                continue
            now, _, kind, what = heapq.heappop(self._events)
            if kind == "frame":
                yield from self._frame(what, now)
                coming = self._next_frame(frames)
            elif kind == "emit":
                yield from self._emit(what, now)
            elif kind == "packet":
                self._waiting.append((what, now))
                self._serve(now)
            elif kind == "answer":
                yield from self._send("down", what, now)
            elif kind == "free":
                self._busy = False
                self._serve(now)
            else:
                if not isinstance(what, Notice):
                    self._tally.answered(what)
                yield from self._emit(self._edge.on_feedback(what, now), now)
        yield from self._emit(self._edge.finish(now), now)

    def _at(self, time_s: float, kind: str, what: Any) -> None:
        heapq.heappush(self._events, (time_s, next(self._order), kind, what))

    def _next_frame(self, frames: Iterator[Frame]) -> bool:
        frame = next(frames, None)
        if frame is not None:
            self._at(max(frame.time_s, self._edge_free_s), "frame", frame)
        return frame is not None

    def _frame(self, frame: Frame, now: float) -> Iterator[Record]:
        self._edge_free_s = now + self._edge_s
        self._tally.accepted(frame.time_s, now)
        self._owed.add(frame.index)
        out = list(self._edge.on_frame(frame, now))
        if self._edge_s:
            self._at(self._edge_free_s, "emit", out)
        else:
            yield from self._emit(out, now)

    def _emit(self, out: Iterable[Packet | Result], now: float) -> Iterator[Record]:
        for one in out:
            if isinstance(one, Result):
                self._tally.resulted(one, expected=one.frame in self._owed, now=now)
                self._owed.discard(one.frame)
                yield Output(now, one)
            else:
                self._tally.sent(one.keyframe)
                yield from self._send("up", one, now)

    def _serve(self, now: float) -> None:
        """Begin what comes next, unless the server is busy; what takes no time is done at once."""
        while not self._busy:
            if self._work is None:
                if not self._waiting:
                    return
                packet, arrived = self._waiting.popleft()
                self._work = _Work(arrived, iter(self._server.on_packet(packet, now)))
            work = self._work
            takes_s = self._server_s[min(work.given, len(self._server_s) - 1)]
            if self._waiting and work.labelled and takes_s:
                # Its levels would come after the next keyframe was made, and keep that one waiting.
                self._work = None
                continue
            answer = next(work.answers, None)
            if answer is None:
                self._work = None
                continue
            work.given += 1
            work.labelled = isinstance(answer, PlanUpdate) and answer.labels is not None
            done = now + takes_s
            if not isinstance(answer, Notice):
                answer = replace(answer, server_s=done - work.arrived_s)
            self._at(done, "answer", answer)
            if takes_s:
                self._busy = True
                self._at(done, "free", None)

    def _send(
        self, direction: Literal["up", "down"], message: Packet | Feedback, now: float
    ) -> Iterator[Record]:
        data = wire.encode(message)
        link, kind = (self._up, "packet") if direction == "up" else (self._down, "feedback")
        arrived = link.send(len(data), now)
        if direction == "up":
            self._tally.bytes_up += len(data)
        else:
            self._tally.bytes_down += len(data)
        if arrived is not None:
            self._at(arrived, kind, wire.decode(data))
        yield Transfer(direction, message, len(data), now, arrived)
