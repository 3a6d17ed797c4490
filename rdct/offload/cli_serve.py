# SPDX-License-Identifier: Apache-2.0
"""stac-serve: the server of STAC and of DDS. What it promises is in docs/cli.md."""

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

    from rdct.offload.messages import Feedback, Hello, Packet
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
        "Label keyframes for stac-edge and tell it where the network looks; or find objects in two rounds.",
        "examples:\n"
        "  stac-serve --port 50051\n"
        "  stac-serve --host 0.0.0.0 --port 50051 --tls-cert cert.pem --tls-key key.pem --token-file token\n"
        "  stac-serve --model mine.py:make --tables mine.rdts --port 50051 --metrics-port 9100\n"
        "  stac-serve --system dds --model fastestdet:FastestDet.onnx --labels car,bus --port 50051\n",
    )
    what = parser.add_argument_group("what")
    what.add_argument(
        "--system",
        choices=tuple(_SERVED),
        default="stac",
        help="stac: for stac and grace; dds: for dds (default: stac)",
    )
    what.add_argument(
        "--model",
        metavar="SPEC",
        help="the network, as for stac-encode (default: built-in); with dds also a detector, "
        "such as fastestdet:FILE.onnx",
    )
    what.add_argument("--tables", metavar="FILE", help="its table set (default: the shipped one)")
    dial = what.add_mutually_exclusive_group()
    dial.add_argument(
        "-q",
        dest="quality",
        metavar="Q",
        type=number(1, 100, int, "a quality, an integer 1..100"),
        help="of keyframes, as for stac-encode (default: the budget the table set was made for); with dds of "
        "the fine stream, on JPEG's scale (default: 75)",
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
        help="what levels are chosen by: gradient is the paper's, with Algorithm 1; others make regions err "
        "alike (default: fisher)",
    )
    _add_dds(parser.add_argument_group("dds"))
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
        help="keyframes of a session worked on or waiting; the newest win (default: 2; 64 with dds)",
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


def _add_dds(group: argparse._ArgumentGroup) -> None:
    share = number(0, 1, float, "a share, a number 0..1")

    def add(name: str, metavar: str, kind: Callable[[str], object], text: str) -> None:
        group.add_argument(name, metavar=metavar, type=kind, help=text)

    group.add_argument(
        "--backend",
        choices=("rdct", "h264"),
        help="what codes the two streams; the device's must be the same (default: rdct)",
    )
    ratio = number(1, 100, float, "a ratio, a number 1..100")
    add("--ratio", "F", ratio, "steps of the coarse stream to those of the fine one (default: 3)")
    regions = number(1, 8, int, "a region side, an integer 1..8")
    add("--regions", "R", regions, "side of a cell in 8x8 blocks (default: 3)")
    add("--labels", "NAMES", str, "classes to look for, with commas between (default: all)")
    add("--final-score", "P", share, "a box above this score is an object (default: 0.5)")
    add("--objectness", "P", share, "of the others, those above this are asked for (default: 0.5)")
    add("--max-area", "P", share, "but not those of more than this share of the picture (default: 0.04)")
    add("--overlap-iou", "P", share, "nor those that overlap an object by more than this IoU (default: 0.3)")
    enlarge = number(0, 10, float, "a ratio, a number 0..10")
    add("--enlarge", "F", enlarge, "grow what is asked for by this share of its sides (default: 0)")
    side = number(1, 65535, int, "a number of pixels, an integer above 0")
    add("--window", "PX", side, "labels: side of the windows that are asked for (default: 80)")
    count = number(0, 4096, int, "a number of windows, an integer 0..4096")
    add("--windows", "N", count, "labels: how many, where the network is least sure (default: 4)")
    add(
        "--max-object",
        "P",
        share,
        "labels: larger objects are settled (default: 1; 0.004 with --background)",
    )
    add("--max-unsure", "P", share, "labels: if their mean uncertainty is at most this (default: 1)")
    add("--background", "NAMES", str, "labels: classes that are no objects (default: all are none)")
    group.add_argument(
        "--replace",
        action="store_true",
        default=None,
        help="let the second look stand alone (default: what the first was sure of stays)",
    )


#: What a device may ask for, by what this server runs.
_SERVED = {"stac": ("stac", "grace"), "dds": ("dds",)}
#: Options of dds that are fields of the rules of either kind of model.
_OF_DETECTION = ("final_score", "objectness", "max_area", "overlap_iou", "enlarge")
_OF_SEGMENTATION = ("window", "windows", "max_object", "max_unsure")
_OF_RDCT = ("quality", "ratio", "regions")
_OF_DDS = ("backend", *_OF_RDCT[1:], *_OF_DETECTION, "labels", *_OF_SEGMENTATION, "background", "replace")


class _Serve:
    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        if args.max_in_flight is None:
            # Each frame of dds counts, and none replaces another.
            args.max_in_flight = 64 if args.system == "dds" else 2
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

        args = self.args
        for name in ("tables", "budget", "sensitivity") if args.system == "dds" else _OF_DDS:
            if getattr(args, name) is not None:
                raise UsageError(f"--{name.replace('_', '-')} is no option of --system {args.system}")
        made, what = self.dds() if args.system == "dds" else self.stac()

        def make(hello: Hello) -> Server:
            if hello.system not in _SERVED[args.system]:
                raise ValueError(
                    f"this server runs {args.system}, not {hello.system}; start one with --system for it"
                )
            return made(hello.system)

        hello = Hello(width=96, height=96, system=args.system)
        (_try_dds if args.system == "dds" else _try_out)(make(hello), hello, args)
        return make, what

    def stac(self) -> tuple[Callable[[str], Server], dict]:
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

        def make(system: str) -> Server:
            factory = server_factory(system)
            options = {"sensitivity": args.sensitivity or "fisher"} if SYSTEMS[system].levels else {}
            return factory(model, tables, scale=scale, limits=limits, threads=self.threads, **options)

        return make, what

    def dds(self) -> tuple[Callable[[str], Server], dict]:
        from rdct.dds.grid import two_levels
        from rdct.offload.registry import server_factory

        args, backend = self.args, self.args.backend or "rdct"
        if backend == "h264":
            for name in _OF_RDCT:
                if getattr(args, name) is not None:
                    option = "-q" if name == "quality" else f"--{name}"
                    raise UsageError(f"{option} is no option of --backend h264; the device sets quantisers")
        model = loading.load_detector_or_model(args.model, max(self.threads // args.workers, 1))
        tables = two_levels(args.quality or 75, args.ratio or 3.0)
        options = {"rules": self.rules(model), "region_blocks": args.regions or 3, "limits": self.limits()}
        what = {"model": model.name, "table_set": tables.id_hex, "scale": 1.0, "backend": backend}

        def make(system: str) -> Server:
            factory = server_factory(system)
            return factory(model, tables, backend=backend, threads=self.threads, **options)

        return make, what

    def rules(self, model):
        """The rules of either kind of model, and no options of the other kind."""
        from rdct.dds.feedback import DetectionRules, SegmentationRules

        labels_pixels = hasattr(model, "ignore_label")
        known, others = _OF_DETECTION, _OF_SEGMENTATION
        names, other_names = "labels", "background"
        if labels_pixels:
            known, others, names, other_names = others, known, other_names, names
        does = "labels pixels" if labels_pixels else "finds objects"
        for name in (*others, other_names):
            if getattr(self.args, name) is not None:
                raise UsageError(f"--{name.replace('_', '-')}: {model.name} {does}")
        given = {name: getattr(self.args, name) for name in known}
        fields = {name: value for name, value in given.items() if value is not None}
        if (text := getattr(self.args, names)) is not None:
            fields[names] = self.classes(names, text, model.class_names)
        elif labels_pixels:
            # Where every class fills the picture all would be settled, and nothing asked for.
            fields.setdefault("max_object", 1.0)
        fields["keep_first"] = not self.args.replace
        return SegmentationRules(**fields) if labels_pixels else DetectionRules(**fields)

    @staticmethod
    def classes(option: str, text: str, class_names: Sequence[str]) -> frozenset[int]:
        names = text.split(",") if text else []
        unknown = [name for name in names if name not in class_names]
        if unknown:
            some = ", ".join(class_names[:8])
            raise UsageError(f"--{option}: there is no class {unknown[0]!r}; there are {some}, ...")
        return frozenset(index for index, name in enumerate(class_names) if name in names)

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


def _try_out(machine: Server, hello: Hello, _args: argparse.Namespace) -> None:
    """One small keyframe: a network that cannot do it is found out now, and later ones are not the first."""
    import numpy as np

    import codec
    from rdct.offload.messages import Packet

    picture = np.zeros((hello.height, hello.width, 3), np.uint8)
    picture[::7] = 200
    welcome = machine.on_hello(hello, 0.0)
    table_set = codec.TableSet.from_bytes(welcome.table_set)
    level_map = np.full(
        codec.map_shape(hello.height, hello.width, welcome.region_blocks), table_set.levels // 2, np.uint8
    )
    plan = codec.QuantPlan(table_set, level_map, welcome.region_blocks, welcome.scale)
    _tried(machine, Packet(0, 0.0, 1, codec.encode(picture, plan, tables="id")))


def _try_dds(machine: Server, hello: Hello, args: argparse.Namespace) -> None:
    """One small frame, through a device's own machine: its first round, and the second if there is one."""
    import numpy as np

    from rdct.dds.policy import DdsPolicy
    from rdct.offload.messages import Packet
    from rdct.offload.registry import edge_factory
    from rdct.vision.frames import Frame

    picture = np.zeros((hello.height, hello.width, 3), np.uint8)
    picture[::7] = 200
    try:
        welcome = machine.on_hello(hello, 0.0)
        make = edge_factory("dds")
        edge = make(welcome, backend=args.backend or "rdct", policy=DdsPolicy(hold_s=9.0, deadline_s=9.0))
    except ImportError as error:
        raise Failure(one_line(error)) from error
    packets = [one for one in edge.on_frame(Frame(0, 0.0, picture), 0.0) if isinstance(one, Packet)]
    while packets:
        answers = _tried(machine, packets.pop(0))
        packets += [
            one for answer in answers for one in edge.on_feedback(answer, 0.0) if isinstance(one, Packet)
        ]


def _tried(machine: Server, packet: Packet) -> list[Feedback]:
    """The answers to a packet, which must be some."""
    from rdct.offload.messages import Notice

    try:
        answers = list(machine.on_packet(packet, 0.0))
    except Exception as error:  # the network may be the user's
        raise Failure(
            f"the network fails on a small picture: {type(error).__name__}: {one_line(error)}"
        ) from error
    for answer in answers:
        if isinstance(answer, Notice):
            raise Failure(answer.message)
    return answers
