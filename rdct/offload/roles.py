# SPDX-License-Identifier: Apache-2.0
"""The two roles every system plays, as state machines: no clock, no socket, no sleep, no thread inside.

A driver owns time and transport. It hands frames, messages and the time in, and carries out what comes back:
messages to the other end, results to the user. `rdct.offload.driver` does so under a virtual clock,
`rdct.offload.rpc` over a network; a test does so by hand. The loop between the ends closes in one place only,
`Edge.on_feedback`.

`now` is in seconds on a clock of the driver's that never goes backwards; the machines only take
differences. Calls on one machine never overlap. What a call returns must be gone through to its end: a
machine may do its work while it is being iterated.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from rdct.offload.messages import Feedback, Hello, Notice, Packet, Result, Welcome

if TYPE_CHECKING:
    from rdct.vision.frames import Frame

__all__ = ["Edge", "Server"]


@runtime_checkable
class Edge(Protocol):
    """The device's part of a system.

    Every frame that `on_frame` accepts (it raised nothing) yields exactly one `Result`, from that call or a
    later one, at the latest from `finish`. Packets that cannot be delivered are dropped by the driver; the
    machine finds out by itself.
    """

    def on_frame(self, frame: Frame, now: float) -> Iterable[Packet | Result]:
        """Take the next frame of the source. Indices grow; sizes may change."""
        ...

    def on_feedback(self, feedback: Feedback, now: float) -> Iterable[Packet | Result]:
        """Take what the server sent, whatever it is and whenever it comes."""
        ...

    def next_timeout(self) -> float | None:
        """When `on_timeout` wants to be called, None for never. Ask again after every call."""
        ...

    def on_timeout(self, now: float) -> Iterable[Packet | Result]:
        """The time of `next_timeout` has come. Calling it early does nothing."""
        ...

    def finish(self, now: float) -> Iterable[Result]:
        """The source has ended, and nothing more is waited for: yield the Results still owed."""
        ...


@runtime_checkable
class Server(Protocol):
    """The server's part of a system: one object a session, which shares nothing that changes with another."""

    def on_hello(self, hello: Hello, now: float) -> Welcome | Notice:
        """Open the session, or say why not (a `Notice` "refused")."""
        ...

    def on_packet(self, packet: Packet, now: float) -> Iterable[Feedback]:
        """Answer one packet. Each answer is ready when it is yielded: send it before asking for the next."""
        ...
