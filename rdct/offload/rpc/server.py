# SPDX-License-Identifier: Apache-2.0
"""Many sessions, one network: the server's end of the link.

An asyncio loop does all that talks; a pool of threads runs the machines. A session has one machine, steps it
with one thread at a time, and gives the thread back between two answers, so sessions take turns. Its
waiting packets are few, and the newest wins: an old keyframe is worth nothing once a newer one is there.
"""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from rdct.offload import wire
from rdct.offload.errors import ProtocolError
from rdct.offload.messages import (
    VERSION,
    Feedback,
    Hello,
    Limits,
    Message,
    Notice,
    Packet,
    PlanUpdate,
    RegionRequest,
)
from rdct.offload.roles import Server
from rdct.offload.rpc.channel import server_options
from rdct.offload.rpc.metrics import Metrics
from rdct.offload.rpc.security import token_matches

__all__ = ["Background", "OffloadServer"]

_SERVICE, _METHOD = wire.SESSION.strip("/").split("/")
#: Seconds a device may take for its Hello.
_HELLO_S = 10.0
#: Answers that may wait for a device to read them.
_UNREAD = 8


class _Refusal(Exception):
    """Ends a session with a status."""

    def __init__(self, code: grpc.StatusCode, reason: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.reason = reason


class OffloadServer:
    """Serves sessions over gRPC.

    Parameters
    ----------
    make_machine : callable
        From a session's Hello to its own `rdct.offload.roles.Server`; a ValueError refuses the session.
    limits : Limits
        Of every session; a Welcome of the machine's that says otherwise is corrected.
    workers : int
        Threads that run machines, at least 1.
    max_sessions : int
        Open at once; more are turned away with ``RESOURCE_EXHAUSTED``.
    token : str, optional
        Asked of every session. Health checks need none.
    patience_s : float
        A packet that waited longer for a worker is not worth answering any more: Notice "busy".
    metrics : Metrics, optional
    on_error : callable
        Gets an exception that a machine raised; it ended one session and no other.

    Notes
    -----
    All methods are coroutines of one event loop, which must be the one it was made in.
    """

    def __init__(
        self,
        make_machine: Callable[[Hello], Server],
        *,
        limits: Limits,
        workers: int = 1,
        max_sessions: int = 64,
        token: str | None = None,
        patience_s: float = 2.0,
        metrics: Metrics | None = None,
        on_error: Callable[[Exception], None] = lambda error: None,
    ) -> None:
        self.limits = limits
        self.max_sessions = max_sessions
        self.patience_s = patience_s
        self.metrics = metrics or Metrics()
        self.on_error = on_error
        self.draining = asyncio.Event()
        self.slots = asyncio.Semaphore(workers)
        self.pool = ThreadPoolExecutor(workers, thread_name_prefix="worker")
        self.make_machine = make_machine
        self._token = token
        self._open = 0
        self._health = health.aio.HealthServicer()
        self._server = grpc.aio.server(options=server_options(limits.max_packet_bytes))
        handler = grpc.stream_stream_rpc_method_handler(self._session)
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(_SERVICE, {_METHOD: handler}),)
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    async def start(self, host: str, port: int, credentials: grpc.ServerCredentials | None = None) -> int:
        """Listen.

        Returns
        -------
        int
            The port, which the system chooses if 0 is asked for.

        Raises
        ------
        OSError
            The address cannot be had.
        """
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if credentials is None:
                bound = self._server.add_insecure_port(address)
            else:
                bound = self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            bound, cause = 0, error
        else:
            cause = None
        if not bound:
            raise OSError(f"{address} cannot be listened on: is it in use?") from cause
        await self._server.start()
        for service in ("", _SERVICE):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        return bound

    async def stop(self, grace_s: float) -> None:
        """Take no new sessions, answer what is in flight, and end: within `grace_s` seconds in any case."""
        self.draining.set()
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_s)
        self.pool.shutdown(wait=False, cancel_futures=True)

    # ------------------------------------------------------------ one session

    async def _session(self, _requests, context: grpc.aio.ServicerContext) -> None:
        try:
            self._admit(context)
            self._open += 1
            try:
                await _Conversation(self, context).run()
            finally:
                self._open -= 1
        except _Refusal as refusal:
            self.metrics.refused.labels(refusal.reason).inc()
            await context.abort(refusal.code, str(refusal))

    def _admit(self, context: grpc.aio.ServicerContext) -> None:
        if not token_matches(context.invocation_metadata(), self._token):
            raise _Refusal(
                grpc.StatusCode.UNAUTHENTICATED,
                "token",
                "the token is missing or wrong; the device needs the server's token file",
            )
        if self.draining.is_set():
            raise _Refusal(grpc.StatusCode.UNAVAILABLE, "draining", "the server is about to stop")
        if self._open >= self.max_sessions:
            raise _Refusal(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "sessions",
                f"{self._open} sessions are open, and no more than {self.max_sessions} may be",
            )


class _Conversation:
    """One session: a task that reads, one that works, one that writes."""

    def __init__(self, server: OffloadServer, context: grpc.aio.ServicerContext) -> None:
        self._server = server
        self._context = context
        self._waiting: deque[tuple[Packet, float]] = deque()
        self._arrived = asyncio.Event()
        self._last = False  # no packet will follow those that wait
        self._unread: asyncio.Queue[Message | None] = asyncio.Queue(_UNREAD)

    async def run(self) -> None:
        metrics = self._server.metrics
        await self._greet()
        metrics.sessions_opened.inc()
        with metrics.sessions.track_inprogress():
            read = asyncio.create_task(self._read())
            drained = asyncio.create_task(self._server.draining.wait())
            work = asyncio.create_task(self._work())
            write = asyncio.create_task(self._write())
            tasks = (read, drained, work, write)
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                if drained in done and not read.done():
                    await self._answer(Notice("draining", "the server is about to stop"))
                for task in done:
                    task.result()  # raises what went wrong
                self._last = True
                self._arrived.set()
                await self._until(work, write)
                await self._unread.put(None)
                await write
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    @staticmethod
    async def _until(work: asyncio.Task, write: asyncio.Task) -> None:
        """Wait for the work to end; a writer that ends before it has failed."""
        await asyncio.wait((work, write), return_when=asyncio.FIRST_COMPLETED)
        if write.done():
            write.result()
        await work

    # ------------------------------------------------------------ Hello and Welcome

    async def _greet(self) -> None:
        try:
            message = await asyncio.wait_for(self._receive(), _HELLO_S)
        except asyncio.TimeoutError:
            raise _Refusal(
                grpc.StatusCode.DEADLINE_EXCEEDED, "hello", f"no Hello within {_HELLO_S:g} s"
            ) from None
        if not isinstance(message, Hello):
            what = "nothing" if message is None else type(message).__name__
            raise _Refusal(
                grpc.StatusCode.INVALID_ARGUMENT, "hello", f"a session opens with Hello; {what} came"
            )
        if message.version != VERSION:
            raise _Refusal(
                grpc.StatusCode.FAILED_PRECONDITION,
                "version",
                f"the device speaks version {message.version} of the protocol, this server version {VERSION}",
            )
        limits = self._server.limits
        if message.width * message.height > limits.max_pixels:
            raise _Refusal(
                grpc.StatusCode.INVALID_ARGUMENT,
                "pixels",
                f"pictures of {message.width}x{message.height} pixels are beyond the limit of "
                f"{limits.max_pixels}",
            )
        try:
            self._machine = self._server.make_machine(message)
        except ValueError as error:
            raise _Refusal(grpc.StatusCode.INVALID_ARGUMENT, "hello", str(error)) from error
        answer = self._machine.on_hello(message, time.monotonic())
        if isinstance(answer, Notice):
            raise _Refusal(grpc.StatusCode.INVALID_ARGUMENT, "hello", answer.message)
        await self._transmit(dataclasses.replace(answer, limits=limits))

    # ------------------------------------------------------------ the three tasks

    async def _read(self) -> None:
        # One of those in flight is being worked on.
        limit = max(self._server.limits.max_in_flight - 1, 1)
        while True:
            message = await self._receive()
            if message is None:
                return
            if not isinstance(message, Packet):
                raise _Refusal(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    "malformed",
                    f"a {type(message).__name__} where only packets may come",
                )
            self._server.metrics.packets.inc()
            self._waiting.append((message, time.monotonic()))
            self._arrived.set()
            if len(self._waiting) > limit:
                old, _ = self._waiting.popleft()
                text = "newer keyframes wait, and the server cannot answer them all"
                await self._answer(Notice("superseded", text, old.keyframe))

    async def _work(self) -> None:
        while True:
            while not self._waiting:
                if self._last:
                    return
                self._arrived.clear()
                await self._arrived.wait()
            async with self._server.slots:
                # Only now: while it waited for the slot, a newer packet may have taken its place.
                packet, arrived = self._waiting.popleft()
                waited = time.monotonic() - arrived
                if waited > self._server.patience_s:
                    text = f"{waited:.1f} s went by without a free worker"
                    answers = iter([Notice("busy", text, packet.keyframe)])
                else:
                    answers = self._answers(packet, arrived)
                answer = await self._step(answers, packet)
            while answer is not None:
                seconds = time.monotonic() - arrived
                self._server.metrics.seconds.labels(_kind(answer)).observe(seconds)
                if not isinstance(answer, Notice):
                    answer = dataclasses.replace(answer, server_s=seconds)
                await self._answer(answer)
                if self._waiting and isinstance(answer, PlanUpdate) and answer.labels is not None:
                    # Its levels would come after the next keyframe was made, and keep that one waiting.
                    break
                # A slot for each answer: the labels of one session go before the gradients of another.
                async with self._server.slots:
                    answer = await self._step(answers, packet)

    def _answers(self, packet: Packet, arrived: float) -> Iterator[Feedback]:
        """The machine's answers; all its work is done in a worker, even if it answers with a list."""
        yield from self._machine.on_packet(packet, arrived)

    async def _step(self, answers: Iterator[Feedback], packet: Packet) -> Feedback | None:
        """Have a worker make the next answer; None if there is none left."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._server.pool, next, answers, None)
        except Exception as error:
            self._server.on_error(error)
            raise _Refusal(
                grpc.StatusCode.INTERNAL,
                "internal",
                f"the server failed on keyframe {packet.keyframe}: {type(error).__name__}",
            ) from error

    async def _write(self) -> None:
        while True:
            message = await self._unread.get()
            if message is None:
                return
            await self._transmit(message)

    # ------------------------------------------------------------ messages

    async def _answer(self, message: Feedback) -> None:
        """Queue an answer; waits while the device leaves too many unread.

        Then nothing more is read from it either, and gRPC holds its packets back. No worker waits.
        """
        if isinstance(message, Notice):
            self._server.metrics.notices.labels(message.code).inc()
        await self._unread.put(message)

    async def _receive(self) -> Message | None:
        """The next message, None at the end."""
        data = await self._context.read()
        if data is grpc.aio.EOF:
            return None
        self._server.metrics.bytes_received.inc(len(data))
        try:
            return wire.decode(data)
        except ProtocolError as error:
            raise _Refusal(grpc.StatusCode.INVALID_ARGUMENT, "malformed", str(error)) from error

    async def _transmit(self, message: Message) -> None:
        data = wire.encode(message)
        await self._context.write(data)
        self._server.metrics.bytes_sent.inc(len(data))


def _kind(answer: Feedback) -> str:
    if isinstance(answer, Notice):
        return "notice"
    if isinstance(answer, PlanUpdate):
        return "labels" if answer.labels is not None else "levels"
    return "regions" if isinstance(answer, RegionRequest) else "detections"


class Background:
    """A server in a thread of this process: for tests, notebooks and programs that do other things as well.

    Parameters
    ----------
    make : callable
        Returns the `OffloadServer`; called in the thread.
    host : str
    port : int
    credentials : grpc.ServerCredentials, optional
    grace_s : float
        For what is in flight when the block is left.

    Examples
    --------
    >>> with Background(lambda: OffloadServer(make_machine, limits=Limits())) as server:      # doctest: +SKIP
    ...     print(f"127.0.0.1:{server.port}")
    """

    def __init__(
        self,
        make: Callable[[], OffloadServer],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        credentials: grpc.ServerCredentials | None = None,
        grace_s: float = 1.0,
    ) -> None:
        self.port = port
        self._make, self._host, self._credentials, self._grace = make, host, credentials, grace_s
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)

    def __enter__(self) -> Background:
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            raise self._error
        return self

    def __exit__(self, *_exception: object) -> None:
        self._loop.call_soon_threadsafe(self._leave.set)
        self._thread.join()

    async def _main(self) -> None:
        self._loop, self._leave = asyncio.get_running_loop(), asyncio.Event()
        try:
            server = self._make()
            self.port = await server.start(self._host, self.port, self._credentials)
        except BaseException as error:
            self._error = error
            return
        finally:
            self._ready.set()
        await self._leave.wait()
        await server.stop(self._grace)
