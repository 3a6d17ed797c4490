# SPDX-License-Identifier: Apache-2.0
"""What a device knows of its session, whatever carries it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from rdct.offload.messages import Feedback, Hello, Packet, Welcome

__all__ = ["Connected", "Disconnected", "Event", "Link", "MakeLink"]


@dataclass(frozen=True)
class Connected:
    """A session was opened.

    Attributes
    ----------
    welcome : Welcome
    """

    welcome: Welcome


@dataclass(frozen=True)
class Disconnected:
    """A session broke, or could not be opened.

    Attributes
    ----------
    reason : str
    final : bool
        The server refused this device; the same again would be refused again.
    """

    reason: str
    final: bool = False


#: What a link delivers, in the order it happened.
Event: TypeAlias = Connected | Disconnected | Feedback


class Link(Protocol):
    """A session with a server that is kept up; over a network it is `rdct.offload.rpc.client.Link`.

    Attributes
    ----------
    address : str
    bytes_up, bytes_down : int
        Of all messages so far.
    sessions : int
        Opened so far.
    """

    address: str
    bytes_up: int
    bytes_down: int
    sessions: int

    def start(self) -> None:
        """Begin to connect."""

    def send(self, packet: Packet) -> None:
        """Queue a packet; returns at once."""

    def close(self) -> None:
        """End the session."""


#: Makes a link from what gives its Hello and what takes its events.
MakeLink: TypeAlias = Callable[[Callable[[], Hello], Callable[[Event], None]], Link]
