# SPDX-License-Identifier: Apache-2.0
"""The device's end of a session: kept up, and opened again whenever it breaks."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator

import grpc

from rdct.offload import wire
from rdct.offload.backoff import BackOff
from rdct.offload.errors import ProtocolError
from rdct.offload.messages import VERSION, Feedback, Hello, Notice, Packet, Welcome
from rdct.offload.rpc.channel import authorization, client_options
from rdct.offload.session import Connected, Disconnected, Event

__all__ = ["Link"]

#: Trying again with the same Hello and token does not help against these.
_FINAL = {
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.UNIMPLEMENTED,
}

#: What gRPC puts in front of the reason why it could not connect.
_ADDRESS = re.compile(r"^failed to connect to all addresses; last error: \w+: \S+: ")
#: Sessions that one packet may be sent in: it may be what broke the first.
_TRIES = 2


class _Refused(Exception):
    """A Notice came in the place of Welcome."""

    def __init__(self, notice: Notice) -> None:
        super().__init__(notice.message or notice.code)
        self.final = notice.code == "refused"


class _Outgoing:
    """A coded packet until it is answered."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.tries = 0
        self.waits = True


class _Session:
    """One try: what its threads share. `over` is guarded by the link's lock."""

    def __init__(self, hello: bytes) -> None:
        self.hello = hello
        self.open = False
        self.over = False


class Link:
    """A session with a server that survives the server, the network and any number of restarts.

    Packets wait here while there is no session: at most `capacity` of them, the oldest goes first. A packet
    that was sent but not answered when a session broke is sent again in the next one.

    Parameters
    ----------
    address : str
        ``HOST:PORT``.
    hello : callable
        Returns the Hello of the next try.
    deliver : callable
        Gets every `Event`, in order, from a thread of this link; it must not block.
    credentials : grpc.ChannelCredentials, optional
        TLS; without them the session is unencrypted.
    token : str, optional
    capacity : int
        Packets kept until they are answered, at least 1: the device's own keyframes in flight.
    backoff : BackOff, optional
    patience_s : float
        How long a try may take from connecting to Welcome.

    Attributes
    ----------
    bytes_up, bytes_down : int
        Lengths of all messages of all sessions, Hello and Welcome included. HTTP/2 adds some tens of bytes to
        each (docs/experiments/video.md).
    sessions : int
        Opened so far.
    """

    def __init__(
        self,
        address: str,
        hello: Callable[[], Hello],
        deliver: Callable[[Event], None],
        *,
        credentials: grpc.ChannelCredentials | None = None,
        token: str | None = None,
        capacity: int = 1,
        backoff: BackOff | None = None,
        patience_s: float = 5.0,
    ) -> None:
        self.address = address
        self.bytes_up = 0
        self.bytes_down = 0
        self.sessions = 0
        self._hello = hello
        self._deliver = deliver
        self._credentials = credentials
        self._token = token
        self._capacity = capacity
        self._backoff = backoff or BackOff()
        self._patience = patience_s
        self._set_id: bytes | None = None
        self._lock = threading.Condition()
        self._limit: int | None = None  # bytes of one message
        self._unanswered: dict[int, _Outgoing] = {}  # by keyframe, oldest first
        self._closing = threading.Event()
        self._call: grpc.Call | None = None
        self._thread = threading.Thread(target=self._run, name=f"link to {address}", daemon=True)

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def send(self, packet: Packet) -> None:
        """Queue a packet; returns at once. One beyond the server's limit is answered by a Notice."""
        data = wire.encode(packet)
        with self._lock:
            if self._limit is not None and len(data) > self._limit:
                text = f"{len(data)} bytes are beyond the server's limit of {self._limit}"
                self._deliver(Notice("refused", text, packet.keyframe))
                return
            while len(self._unanswered) >= self._capacity:
                del self._unanswered[next(iter(self._unanswered))]
            self._unanswered[packet.keyframe] = _Outgoing(data)
            self._lock.notify_all()

    def close(self, within_s: float = 1.0) -> None:
        """End the session: politely if every packet was answered and it takes no longer; else break it."""
        with self._lock:
            self._closing.set()
            self._lock.notify_all()
            polite = not self._unanswered
        if not self._thread.is_alive():
            return
        if polite:
            self._thread.join(within_s)
        with self._lock:
            call = self._call
        if call is not None:
            call.cancel()
        self._thread.join(5.0)

    # ------------------------------------------------------------ the link's thread

    def _run(self) -> None:
        while not self._closing.is_set():
            end = self._session()
            if self._closing.is_set():
                return
            self._deliver(end)
            self._closing.wait(self._backoff.next())

    def _session(self) -> Disconnected:
        """One session from connecting to its end, whatever that is."""
        session = _Session(wire.encode(self._hello()))
        options = client_options()
        if self._credentials is None:
            channel = grpc.insecure_channel(self.address, options)
        else:
            channel = grpc.secure_channel(self.address, self._credentials, options)
        with channel:
            method = channel.stream_stream(wire.SESSION)
            call = method(self._outgoing(session), metadata=authorization(self._token))
            impatience = threading.Timer(self._patience, call.cancel)
            impatience.daemon = True
            impatience.start()
            with self._lock:
                self._call = call
            try:
                for data in call:
                    self._incoming(session, data)
                    impatience.cancel()
                return Disconnected("the server ended the session")
            except _Refused as refusal:
                return Disconnected(str(refusal), refusal.final)
            except ProtocolError as error:
                return Disconnected(f"the server sent something else than answers: {error}")
            except grpc.RpcError as error:
                return self._explain(error, session.open)
            finally:
                impatience.cancel()
                call.cancel()
                with self._lock:
                    session.over = True
                    self._call = None
                    self._lock.notify_all()

    def _explain(self, error: grpc.RpcError, was_open: bool) -> Disconnected:
        code, details = error.code(), " ".join((error.details() or "").split())
        if code is grpc.StatusCode.CANCELLED and not was_open:
            return Disconnected(f"no answer within {self._patience:g} s")
        details = _ADDRESS.sub("", details)
        text = f"{details} ({code.name.lower()})" if details else code.name.lower()
        return Disconnected(text, final=code in _FINAL)

    def _outgoing(self, session: _Session) -> Iterator[bytes]:
        """What gRPC sends; runs in a thread of gRPC's, which takes the next when the last has left."""
        yield session.hello
        while True:
            with self._lock:
                while (packet := self._next(session)) is None:
                    if session.over or self._closing.is_set():
                        return
                    self._lock.wait()
                packet.waits = False
                packet.tries += 1
                self.bytes_up += len(packet.data)
            yield packet.data

    def _next(self, session: _Session) -> _Outgoing | None:
        if session.over or self._closing.is_set() or not session.open:
            return None
        return next((packet for packet in self._unanswered.values() if packet.waits), None)

    def _incoming(self, session: _Session, data: bytes) -> None:
        self.bytes_down += len(data)
        message = wire.decode(data)
        if not session.open:
            self._welcome(session, message)
        elif isinstance(message, Feedback):
            self._backoff.reset()
            with self._lock:
                self._unanswered.pop(message.keyframe, None)
            self._deliver(message)
        else:
            raise ProtocolError(f"a {type(message).__name__} in the middle of a session")

    def _welcome(self, session: _Session, message: object) -> None:
        if isinstance(message, Notice):
            raise _Refused(message)
        if not isinstance(message, Welcome):
            raise ProtocolError(f"a {type(message).__name__} in the place of Welcome")
        if message.version != VERSION:
            raise ProtocolError(f"version {message.version} of the protocol; this device speaks {VERSION}")
        with self._lock:
            if self._set_id not in (None, message.set_id):
                # Coded with tables that this server does not have.
                self._unanswered.clear()
            self._set_id = message.set_id
            self._limit = message.limits.max_packet_bytes
            for keyframe, packet in list(self._unanswered.items()):
                packet.waits = packet.tries < _TRIES
                if not packet.waits:
                    del self._unanswered[keyframe]
            self.sessions += 1
            self.bytes_up += len(session.hello)
            session.open = True
            # Before any answer to a packet of this session can arrive.
            self._deliver(Connected(message))
            self._lock.notify_all()
