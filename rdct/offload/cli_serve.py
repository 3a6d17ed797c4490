# SPDX-License-Identifier: Apache-2.0
"""stac-serve: the server of STAC. What it promises is in docs/cli.md."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from stac import console, loading
from stac.arguments import SENSITIVITIES, TINY, Parser, Version, number, threads
from stac.console import Console, Failure, UsageError, one_line

if TYPE_CHECKING:
    import argparse

    from rdct.offload.messages import Hello
    from rdct.offload.roles import Server

__all__ = ["main"]

SERVE = "stac-serve"
_RPC_MISSING = 'serving needs gRPC and its companions, which are not installed: pip install "rdct[rpc]"'


def main(argv: Sequence[str] | None = None) -> int:
    """Run stac-serve; returns the exit code."""
    args = serve_parser().parse_args(argv)
    # gRPC writes its own log to stderr, for instance of each handshake that fails; we say what matters.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    return console.guarded(SERVE, lambda: _Serve(args).run())


def serve_parser() -> argparse.ArgumentParser:
    parser = Parser(
        SERVE,
        "Label keyframes for stac-edge and tell it where the network looks.",
        "examples:\n"
        "  stac-serve --port 50051\n"
        "  stac-serve --host 0.0.0.0 --port 50051 --tls-cert cert.pem --tls-key key.pem --token-file token\n"
        "  stac-serve --model mine.py:make --tables mine.rdts --port 50051 --metrics-port 9100\n",
    )
    what = parser.add_argument_group("what")
    what.add_argument("--model", metavar="SPEC", help="the network, as for stac-encode (default: built-in)")
    what.add_argument("--tables", metavar="FILE", help="its table set (default: the shipped one)")
    dial = what.add_mutually_exclusive_group()
    dial.add_argument(
        "-q",
        dest="quality",
        metavar="Q",
        type=number(1, 100, int, "a quality, an integer 1..100"),
        help="of keyframes, as for stac-encode (default: the budget the table set was made for)",
    )
    dial.add_argument(
        "--budget",
        metavar="B",
        type=number(TINY, 1e300, float, "a budget, a number above 0"),
        help="allowed increase of the network's loss",
    )
    what.add_argument(
        "--sensitivity",
        choices=SENSITIVITIES,
        default="gradient",
        help="what levels are chosen by, as for stac-encode (default: gradient)",
    )
    where = parser.add_argument_group("where and for whom")
    where.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine only)"
    )
    where.add_argument(
        "--port",
        required=True,
        type=number(0, 65535, int, "a port, an integer 0..65535"),
        help="port to listen on; 0: any, which is said (required)",
    )
    where.add_argument("--tls-cert", metavar="FILE", help="certificate chain, PEM; needs --tls-key")
    where.add_argument("--tls-key", metavar="FILE", help="its private key, PEM")
    where.add_argument("--token-file", metavar="FILE", help="ask devices for the token in this file")
    where.add_argument(
        "--insecure",
        action="store_true",
        help="listen beyond this machine without TLS and token, on a network you trust",
    )
    where.add_argument(
        "--metrics-port",
        metavar="PORT",
        type=number(0, 65535, int, "a port, an integer 0..65535"),
        help="Prometheus metrics over HTTP; on 127.0.0.1 unless --insecure is said",
    )
    limits = parser.add_argument_group("limits")
    limits.add_argument(
        "--workers",
        metavar="N",
        type=number(1, 64, int, "a number of workers, an integer 1..64"),
        default=1,
        help="keyframes worked on at a time; they share the network and the threads (default: 1)",
    )
    limits.add_argument(
        "--max-sessions",
        metavar="N",
        type=number(1, 10_000, int, "a number of sessions, an integer 1..10000"),
        default=64,
        help="sessions open at a time (default: 64)",
    )
    limits.add_argument(
        "--max-pixels",
        metavar="N",
        type=number(1, 2**32, int, "a number of pixels, an integer above 0"),
        default=2**24,
        help="pixels of a picture (default: 16777216)",
    )
    limits.add_argument(
        "--max-packet-bytes",
        metavar="N",
        type=number(1024, 2**31 - 1, int, "a number of bytes, an integer from 1024"),
        default=2**25,
        help="bytes of a message (default: 33554432)",
    )
    limits.add_argument(
        "--max-in-flight",
        metavar="N",
        type=number(1, 64, int, "a number of keyframes, an integer 1..64"),
        default=2,
        help="keyframes of a session worked on or waiting; the newest win (default: 2)",
    )
    limits.add_argument(
        "--patience",
        metavar="S",
        type=number(0.01, 1e6, float, "a time, seconds from 0.01"),
        default=2.0,
        help="a keyframe that waited longer for a worker is dropped as too old (default: 2)",
    )
    limits.add_argument(
        "--grace",
        metavar="S",
        type=number(0, 1e6, float, "a time, seconds"),
        default=5.0,
        help="when stopped, finish what is in flight for so many seconds (default: 5)",
    )
    group = parser.add_argument_group("general")
    group.add_argument(
        "-j", dest="threads", metavar="N", type=threads, help="threads of codec and network (default: all)"
    )
    group.add_argument(
        "--json", action="store_true", help="one JSON object when listening and one at the end"
    )
    loud = group.add_mutually_exclusive_group()
    loud.add_argument("--quiet", action="store_true", help="say nothing but errors")
    loud.add_argument("-v", "--verbose", action="store_true", help="say more: licences, where errors arose")
    group.add_argument("-V", "--version", action=Version, help="print the version and exit")
    return parser


class _Serve:
    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.console = Console(SERVE, quiet=args.quiet, verbose=args.verbose)
        self.threads = args.threads or console.available_threads()

    def run(self) -> int:
        try:
            credentials, token = self.security()
            make_machine, what = self.machines()
            return asyncio.run(self.serve(make_machine, what, credentials, token))
        except (Failure, OSError) as error:
            self.console.error(one_line(error))
            if self.args.json:
                self.tell({"error": one_line(error)})
            return console.FAILED

    # ------------------------------------------------------------ what is needed

    def security(self):
        try:
            from rdct.offload.rpc import metrics, server  # noqa: F401
            from rdct.offload.rpc.security import check_listening, read_token, server_credentials
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] not in ("grpc", "grpc_health", "google", "prometheus_client"):
                raise
            raise Failure(_RPC_MISSING) from error
        args = self.args
        if (args.tls_cert is None) != (args.tls_key is None):
            raise UsageError("--tls-cert and --tls-key go together")
        if args.insecure and (args.tls_cert is not None or args.token_file is not None):
            raise UsageError("--insecure means neither TLS nor a token; leave out the one or the others")
        tls, asked = args.tls_cert is not None, args.token_file is not None
        try:
            check_listening(args.host, tls=tls, token=asked, insecure=args.insecure)
            token = read_token(args.token_file) if asked else None
            credentials = server_credentials(args.tls_cert, args.tls_key) if tls else None
        except (ValueError, OSError) as error:
            raise UsageError(one_line(error)) from error
        return credentials, token

    def machines(self) -> tuple[Callable[[Hello], Server], dict]:
        """What makes a session's machine; the network and the tables are loaded once, for all."""
        from rdct.offload.messages import Hello
        from rdct.offload.registry import SYSTEMS, server_factory

        args = self.args
        tables = None if args.tables is None else loading.load_tables(args.tables)
        model = loading.load_model(args.model, max(self.threads // args.workers, 1))
        if tables is None:
            tables = loading.shipped_tables(model, self.console)
        elif note := loading.foreign(tables, model):
            self.console.warn(f"--tables {args.tables}: {note}")
        self.console.detail(loading.licences(model, tables))
        scale, limits = self.scale(tables), self.limits()
        what = {"model": model.name, "table_set": tables.table_set.id_hex, "scale": round(scale, 6)}

        def make(hello: Hello) -> Server:
            factory = server_factory(hello.system)
            options = {"sensitivity": args.sensitivity} if SYSTEMS[hello.system].levels else {}
            return factory(model, tables, scale=scale, limits=limits, threads=self.threads, **options)

        hello = Hello(width=96, height=96)
        _try_out(make(hello), hello)
        return make, what

    def scale(self, tables) -> float:
        args = self.args
        if args.quality is not None:
            return tables.scale_for_quality(args.quality)
        if args.budget is not None:
            if tables.budget is None:
                raise UsageError("--budget needs a table set made for the network; give --tables FILE")
            return tables.scale_for_budget(args.budget)
        return 1.0

    def limits(self):
        from rdct.offload.messages import Limits

        args = self.args
        return Limits(args.max_pixels, args.max_packet_bytes, args.max_in_flight)

    # ------------------------------------------------------------ serving

    async def serve(self, make_machine, what: dict, credentials, token: str | None) -> int:
        from rdct.offload.rpc.metrics import Metrics
        from rdct.offload.rpc.server import OffloadServer

        args = self.args
        metrics = Metrics()
        server = OffloadServer(
            make_machine,
            limits=self.limits(),
            workers=args.workers,
            max_sessions=args.max_sessions,
            token=token,
            patience_s=args.patience,
            metrics=metrics,
            on_error=self.failed,
        )
        metrics_port, close_metrics = None, lambda: None
        if args.metrics_port is not None:
            try:
                metrics_port, close_metrics = metrics.listen(
                    args.host if args.insecure else "127.0.0.1", args.metrics_port
                )
            except OSError as error:
                raise Failure(f"--metrics-port {args.metrics_port}: {error.strerror or error}") from error
        try:
            port = await server.start(args.host, args.port, credentials)
            stop = self.stopping()
            ready = {"event": "listening", "host": args.host, "port": port, "metrics_port": metrics_port}
            self.tell({**ready, **what})
            self.console.say(
                f"{SERVE}: listening on {args.host}:{port} for {what['model']}, table set {what['table_set']}"
                + (f"; metrics on port {metrics_port}" if metrics_port is not None else "")
            )
            await stop.wait()
            self.console.say(f"{SERVE}: stopping; what is in flight has {args.grace:g} s")
            await server.stop(args.grace)
        finally:
            close_metrics()
        self.tell({"event": "stopped", **metrics.totals()})
        return console.OK

    def stopping(self) -> asyncio.Event:
        """Set by the first SIGINT or SIGTERM; the second ends the process."""
        stop, loop = asyncio.Event(), asyncio.get_running_loop()

        def on_signal(which: int) -> None:
            stop.set()
            loop.remove_signal_handler(which)

        for which in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(which, on_signal, which)
        return stop

    def failed(self, error: Exception) -> None:
        """A machine raised something: its session is over, the others go on."""
        self.console.error(f"a session failed: {type(error).__name__}: {one_line(error)}")
        self.console.detail("".join(traceback.format_exception(error)).rstrip())

    def tell(self, row: dict) -> None:
        if self.args.json:
            console.print_text(json.dumps(row, ensure_ascii=False, allow_nan=False))


def _try_out(machine: Server, hello: Hello) -> None:
    """One small keyframe: a network that cannot do it is found out now, and later ones are not the first."""
    import numpy as np

    import codec
    from rdct.offload.messages import Notice, Packet

    picture = np.zeros((hello.height, hello.width, 3), np.uint8)
    picture[::7] = 200
    welcome = machine.on_hello(hello, 0.0)
    table_set = codec.TableSet.from_bytes(welcome.table_set)
    level_map = np.full(
        codec.map_shape(hello.height, hello.width, welcome.region_blocks), table_set.levels // 2, np.uint8
    )
    plan = codec.QuantPlan(table_set, level_map, welcome.region_blocks, welcome.scale)
    try:
        for answer in machine.on_packet(Packet(0, 0.0, 1, codec.encode(picture, plan, tables="id")), 0.0):
            if isinstance(answer, Notice):
                raise Failure(answer.message)
    except Failure:
        raise
    except Exception as error:  # the network may be the user's
        raise Failure(
            f"the network fails on a small picture: {type(error).__name__}: {one_line(error)}"
        ) from error
