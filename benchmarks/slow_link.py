# SPDX-License-Identifier: Apache-2.0
"""A slow link on one machine: a TCP relay of limited rate and with delay, for stac-edge and stac-serve.

    python -m benchmarks.slow_link --listen 50052 --to 127.0.0.1:50051 --mbit 5 --delay-ms 50

Each direction has the rate and the delay, and both hold for all connections together. What was relayed is
printed as JSON at the end: TCP payload, so gRPC and HTTP/2 included.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import socket

_CHUNK = 4096
#: Bytes of a direction on their way at most; then the sender's TCP waits, as in front of a slow link.
_WINDOW = 1 << 18


class Direction:
    """Bytes leave one after the other at the rate, and arrive after the delay."""

    def __init__(self, bits_per_s: float, delay_s: float) -> None:
        self.relayed = 0
        self._seconds_a_byte = 8 / bits_per_s
        self._delay = delay_s
        self._free = 0.0  # when the last byte accepted has left

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay until the sender is done."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Queue = asyncio.Queue(_WINDOW // _CHUNK)

        async def deliver() -> None:
            while (item := await waiting.get()) is not None:
                arrives, data = item
                await asyncio.sleep(arrives - loop.time())
                writer.write(data)
                await writer.drain()
            writer.write_eof()

        task = asyncio.create_task(deliver())
        try:
            while data := await reader.read(_CHUNK):
                self._free = max(self._free, loop.time()) + len(data) * self._seconds_a_byte
                self.relayed += len(data)
                await waiting.put((self._free + self._delay, data))
            await waiting.put(None)
            await task
        finally:
            task.cancel()


async def relay(listen: int, to: str, bits_per_s: float, delay_s: float) -> dict:
    """Relay connections until SIGINT or SIGTERM.

    Returns
    -------
    dict
        Bytes "up" (to the server) and "down".
    """
    up, down = Direction(bits_per_s, delay_s), Direction(bits_per_s, delay_s)
    host, _, port = to.rpartition(":")

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
            pumps = [up.pump(reader, far_writer), down.pump(far_reader, writer)]
            try:
                await asyncio.gather(*pumps)
            finally:
                far_writer.close()
        writer.close()

    door = socket.create_server(("127.0.0.1", listen))
    # Small, so that what waits for the link waits in the sender and not in the kernel between us.
    door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = await asyncio.start_server(connected, sock=door)
    await stop.wait()
    server.close()
    return {"up": up.relayed, "down": down.relayed}


def main() -> None:
    parser = argparse.ArgumentParser("slow_link", description=__doc__.partition("\n")[0])
    parser.add_argument("--listen", type=int, required=True, metavar="PORT", help="port on 127.0.0.1")
    parser.add_argument("--to", required=True, metavar="HOST:PORT", help="where stac-serve listens")
    parser.add_argument("--mbit", type=float, required=True, help="rate of each direction, Mbit/s")
    parser.add_argument("--delay-ms", type=float, required=True, help="delay of each direction")
    args = parser.parse_args()
    print(json.dumps(asyncio.run(relay(args.listen, args.to, args.mbit * 1e6, args.delay_ms / 1e3))))


if __name__ == "__main__":
    main()
