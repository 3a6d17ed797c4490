# SPDX-License-Identifier: Apache-2.0
"""stac-edge: the end device of STAC and of DDS. What it promises is in docs/cli.md."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stac import console
from stac.arguments import TINY, Parser, Version, number, threads
from stac.console import Console, Failure, UsageError

if TYPE_CHECKING:
    import argparse

    from rdct.offload.live import Device, Sink
    from rdct.offload.messages import Welcome
    from rdct.offload.roles import Edge
    from rdct.offload.tally import Tally
    from rdct.vision.frames import Source

__all__ = ["main"]

EDGE = "stac-edge"
_RPC_MISSING = 'a network session needs gRPC, which is not installed: pip install "rdct[rpc]"'
_SAVED = ("labels", "annotated.mp4", "results.jsonl")
#: Seconds between two status lines on a terminal, and elsewhere.
_LIVE_S, _LOGGED_S = 0.1, 5.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run stac-edge; returns the exit code."""
    args = edge_parser().parse_args(argv)
    # gRPC writes its own log to stderr, for instance of each handshake that fails; we say what matters.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    return console.guarded(EDGE, lambda: _Edge(args).run())


def edge_parser() -> argparse.ArgumentParser:
    parser = Parser(
        EDGE,
        "Label every frame of a video with the help of a server that sees only keyframes, or find objects "
        "with one that sees all of it, finely only where it asks to.",
        "examples:\n"
        "  stac-edge drive.mp4 --server 127.0.0.1:50051 --view\n"
        "  stac-edge camera:0 --server host:50051 --tls-ca ca.pem --token-file token --save out/\n"
        "  stac-edge frames/ --fps 15 --server 127.0.0.1:50051 --no-pace --wait --json\n"
        "  stac-edge drive.mp4 --server 127.0.0.1:50051 --system dds --save out/\n",
    )
    parser.add_argument(
        "source", metavar="SOURCE", help="a video file, a folder of pictures, camera:N or rtsp://..."
    )
    where = parser.add_argument_group("server")
    where.add_argument(
        "--server", required=True, metavar="HOST:PORT", help="where stac-serve listens (required)"
    )
    where.add_argument(
        "--tls-ca",
        metavar="FILE",
        help="use TLS and trust the certificates in this PEM file (default: unencrypted)",
    )
    where.add_argument("--token-file", metavar="FILE", help="the server's token; needs TLS but on loopback")
    where.add_argument(
        "--connect-timeout",
        metavar="S",
        type=number(0.1, 1e6, float, "a time, seconds from 0.1"),
        default=30.0,
        help="try this long before the first session, in seconds (default: 30)",
    )
    frames = parser.add_argument_group("frames")
    frames.add_argument(
        "--fps",
        metavar="F",
        type=number(TINY, 1000, float, "a frame rate, a number above 0 and up to 1000"),
        help="frames a second (default: the file's; 15 for a folder)",
    )
    frames.add_argument(
        "--no-pace",
        action="store_true",
        help="take a file's frames as fast as they can be handled (default: at their frame rate)",
    )
    frames.add_argument(
        "--wait",
        action="store_true",
        help="hold the next frame back until a keyframe has its own labels, or the deadline has passed; with "
        "dds, the next chunk until all frames of this one have their answers",
    )
    frames.add_argument(
        "--max-frames",
        metavar="N",
        type=number(1, 2**62, int, "a number of frames, an integer above 0"),
        help="end after so many frames",
    )
    how = parser.add_argument_group("keyframes")
    how.add_argument(
        "--system",
        choices=("stac", "grace", "dds"),
        default="stac",
        help="stac: a level for every region; grace: the middle level everywhere; dds: every frame coarse, "
        "then what the server asks for fine (default: stac)",
    )
    how.add_argument(
        "--predict",
        choices=("auto", "off"),
        default="auto",
        help="levels of the first frame, and of what comes into view, from the picture itself where the "
        "server sends a predictor; off: the middle level (default: auto)",
    )
    how.add_argument(
        "--threshold-db",
        metavar="DB",
        type=number(0, 100, float, "a PSNR, a number 0..100"),
        help="send a keyframe when the last one, warped to the frame, falls below this PSNR (default: 26)",
    )
    how.add_argument(
        "--deadline",
        metavar="S",
        type=number(0.01, 1e6, float, "a time, seconds from 0.01"),
        help="give a keyframe up for a newer one after so many seconds (default: 1; 10 with --wait); with "
        "dds, give a frame's result out after so many (default: 2; 6 with h264; 30 with --wait)",
    )
    how.add_argument(
        "--subsampling",
        choices=("444", "422", "420"),
        help="of chroma (default: what the server's tables were made for)",
    )
    how.add_argument(
        "--entropy",
        choices=("huffman-fixed", "huffman", "context"),
        help="of keyframes: the table set's own tables (fastest), tables made for each, or blocks modelled "
        "by their neighbours (fewest bytes, for thin links) (default: huffman-fixed); with dds of the coarse "
        "stream (default: context)",
    )
    how.add_argument(
        "--effort",
        metavar="N",
        type=number(0, 3, int, "an effort, an integer 0..3"),
        help="how coefficients of keyframes are quantised, as for stac-encode (default: 1; with grace 0)",
    )
    how.add_argument(
        "--preset",
        choices=("ultrafast", "fast", "medium"),
        help="of the flow (default: ultrafast)",
    )
    how.add_argument(
        "--finest-scale",
        metavar="N",
        type=number(0, 6, int, "a scale, an integer 0..6"),
        help="search the flow down to 1/2^N of the picture's sides (default: by picture size)",
    )
    _add_dds(parser.add_argument_group("dds"))
    out = parser.add_argument_group("output")
    out.add_argument(
        "--save", metavar="DIR", help=f"write {', '.join(_SAVED)} into this folder, made if missing"
    )
    out.add_argument("--view", action="store_true", help="a live status line on stderr")
    out.add_argument("--json", action="store_true", help="end with one JSON object on stdout")
    group = parser.add_argument_group("general")
    group.add_argument(
        "-j", dest="threads", metavar="N", type=threads, help="threads of the codec (default: all)"
    )
    group.add_argument("-f", "--force", action="store_true", help="replace what --save wrote before")
    group.add_argument("--quiet", action="store_true", help="say nothing but errors")
    group.add_argument("-V", "--version", action=Version, help="print the version and exit")
    return parser


def _add_dds(group: argparse._ArgumentGroup) -> None:
    scale = number(0.05, 1, float, "a scale, a number 0.05..1")
    qp = number(0, 51, int, "a quantiser, an integer 0..51")
    group.add_argument(
        "--backend",
        choices=("rdct", "h264"),
        help="what codes the two streams: this codec, or H.264 as in the paper; the server's must be the "
        "same (default: rdct)",
    )
    group.add_argument(
        "--chunk",
        metavar="N",
        type=number(1, 30, int, "a number of frames, an integer 1..30"),
        help="frames sent at a time (default: 1; 15 with h264)",
    )
    group.add_argument(
        "--hold",
        metavar="S",
        type=number(0.01, 1e6, float, "a time, seconds from 0.01"),
        help="keep a raw frame so long for the server to ask of it (default: half the deadline)",
    )
    group.add_argument(
        "--low-scale",
        metavar="F",
        type=scale,
        help="of the coarse stream's sides (default: 1; 0.8 with h264)",
    )
    group.add_argument(
        "--high-scale", metavar="F", type=scale, help="of the fine stream's (default: that of the coarse)"
    )
    group.add_argument(
        "--static",
        metavar="D",
        type=number(0, 255, float, "a difference of samples, a number 0..255"),
        help="do not send again what the server has finely and differs by no more (default: send all)",
    )
    group.add_argument("--low-qp", metavar="QP", type=qp, help="h264: of the coarse stream (default: 36)")
    group.add_argument("--high-qp", metavar="QP", type=qp, help="h264: of the fine stream (default: 26)")


#: Options that mean nothing to the other systems, or to the other backend.
_OF_STAC = ("threshold_db", "preset", "finest_scale", "effort")
_OF_DDS = ("backend", "chunk", "hold", "low_scale", "high_scale", "static", "low_qp", "high_qp")
_OF_H264 = ("low_qp", "high_qp")
_NOT_OF_H264 = ("static", "subsampling", "entropy")


class _Edge:
    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.console = Console(EDGE, quiet=args.quiet)
        self.threads = args.threads or console.available_threads()
        self.machine: Edge | None = None
        self.signal: int | None = None
        self.viewed = 0.0

    def run(self) -> int:
        code, error, summary = console.OK, None, {}
        try:
            self.settle()
            credentials, token = self.security()
            source = self.source()
            device = self.device(source, credentials, token)
            try:
                with self.stopping(device):
                    device.run()
            finally:
                summary = device.tally.summary(source.fps)
        except (BrokenPipeError, UsageError):
            raise
        except Exception as failure:
            error = _explain(failure)
            about = "" if isinstance(failure, ConnectionError) else f"{self.args.source}: "
            self.console.error(about + error)
            code = console.FAILED
        else:
            if self.signal is not None:
                self.console.warn("interrupted")
                code = 128 + self.signal
        self.report(summary, error)
        return code

    # ------------------------------------------------------------ what is needed

    def settle(self) -> None:
        """Refuse options that the system does not have, and fill in the defaults of those it has."""
        args = self.args
        dds, h264 = args.system == "dds", args.backend == "h264"
        strangers = _OF_STAC if dds else _OF_DDS
        if dds:
            strangers += _NOT_OF_H264 if h264 else _OF_H264
        for name in strangers:
            if getattr(args, name) is not None:
                here = f"--system {args.system}"
                if dds and name not in _OF_STAC:
                    here += f" --backend {args.backend or 'rdct'}"
                raise UsageError(f"--{name.replace('_', '-')} is no option of {here}")
        if dds:
            args.backend = args.backend or "rdct"
            args.chunk = args.chunk or (15 if h264 else 1)
            args.deadline = args.deadline or (30.0 if args.wait else 6.0 if h264 else 2.0)
            args.hold = args.hold or args.deadline / 2
            args.low_scale = args.low_scale or (0.8 if h264 else 1.0)
            args.high_scale = args.high_scale or args.low_scale
        else:
            args.deadline = args.deadline or (10.0 if args.wait else 1.0)

    def security(self):
        try:
            from rdct.offload.rpc.security import channel_credentials, check_sending, host_of, read_token
        except ModuleNotFoundError as error:
            if error.name not in ("grpc", "google"):
                raise
            raise Failure(_RPC_MISSING) from error
        args = self.args
        try:
            host_of(args.server)
            check_sending(args.server, tls=args.tls_ca is not None, token=args.token_file is not None)
            token = None if args.token_file is None else read_token(args.token_file)
            credentials = None if args.tls_ca is None else channel_credentials(args.tls_ca)
        except (ValueError, OSError) as error:
            raise UsageError(str(error)) from error
        return credentials, token

    def source(self) -> Source:
        from rdct.vision.frames import open_source

        try:
            return open_source(self.args.source, fps=self.args.fps)
        except ImportError as error:
            raise Failure(str(error)) from error

    def device(self, source: Source, credentials, token: str | None) -> Device:
        from rdct.offload.live import Device
        from rdct.offload.rpc.client import Link

        args = self.args
        # A keyframe takes the place of those before it; a frame of dds does not.
        capacity = self.max_frames() if args.system == "dds" else 1

        def make_link(hello, deliver):
            return Link(args.server, hello, deliver, credentials=credentials, token=token, capacity=capacity)

        return Device(
            source,
            self.edge,
            make_link,
            sinks=self.sinks(),
            system=args.system,
            pace=not args.no_pace,
            lockstep=args.wait and (args.chunk or 1),
            connect_s=args.connect_timeout,
            limit=args.max_frames,
            say=self.console.warn,
            meanwhile="results are empty" if args.system == "dds" else "labels are propagated",
            view=self.view,
        )

    def edge(self, welcome: Welcome) -> Edge:
        make = self.dds_edge if self.args.system == "dds" else self.stac_edge
        self.machine = make(welcome)
        return self.machine

    def dds_edge(self, welcome: Welcome) -> Edge:
        from rdct.dds.policy import DdsPolicy
        from rdct.offload.registry import edge_factory

        args = self.args
        policy = DdsPolicy(
            chunk_frames=args.chunk,
            hold_s=args.hold,
            deadline_s=args.deadline,
            max_frames=self.max_frames(),
            low_scale=args.low_scale,
            high_scale=args.high_scale,
            static=args.static,
        )
        if args.backend == "h264":
            given = {"low_qp": args.low_qp, "high_qp": args.high_qp}
            options = {name: value for name, value in given.items() if value is not None}
        else:
            options = {
                "subsampling": args.subsampling or welcome.subsampling,
                "low_entropy": args.entropy or "context",
                "threads": self.threads,
            }
        try:
            return edge_factory("dds")(welcome, backend=args.backend, policy=policy, **options)
        except ImportError as error:
            raise Failure(str(error)) from error

    def max_frames(self) -> int:
        """Frames of dds that wait for answers at most: four chunks."""
        return max(32, 4 * self.args.chunk)

    def stac_edge(self, welcome: Welcome) -> Edge:
        from rdct.offload.registry import edge_factory
        from rdct.vision.flow import DisFlow
        from stac.keyframes import KeyframePolicy

        args = self.args
        make = edge_factory(args.system)
        options = {
            "policy": KeyframePolicy(
                threshold_db=26.0 if args.threshold_db is None else args.threshold_db,
                deadline_s=args.deadline,
                wait_s=args.deadline if args.wait else 0.0,
            ),
            "flow": DisFlow(args.preset or "ultrafast", args.finest_scale),
            "subsampling": args.subsampling or welcome.subsampling,
            "entropy": args.entropy or "huffman-fixed",
            "effort": (args.system == "stac") if args.effort is None else args.effort,
            "threads": self.threads,
        }
        if args.system == "stac":
            options["predict"] = args.predict
        _warm_up(make(welcome, **options), welcome)
        return make(welcome, **options)

    def sinks(self) -> list[Sink]:
        from rdct.offload.sinks import Annotated, Background, LabelFiles, Lines

        if self.args.save is None:
            return []
        try:
            import av  # noqa: F401
        except ImportError as error:
            raise Failure('--save writes a video, which needs PyAV: pip install "rdct[video]"') from error
        folder = Path(self.args.save)
        there = [name for name in _SAVED if (folder / name).exists()]
        if there and not self.args.force:
            raise UsageError(f"{folder / there[0]} exists; -f replaces it")
        labels, video, lines = (folder / name for name in _SAVED)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for old in labels.glob("*.png"):
                old.unlink()
        except OSError as error:
            raise UsageError(f"--save {folder}: {error.strerror or error}") from error
        return [Background([LabelFiles(labels), Annotated(video), Lines(lines)])]

    # ------------------------------------------------------------ while it runs

    @contextlib.contextmanager
    def stopping(self, device: Device) -> Iterator[None]:
        """Have the first signal end the run after the frame in hand, and the second at once."""

        def stop(number: int, _frame: object) -> None:
            if self.signal is not None:
                raise KeyboardInterrupt
            self.signal = number
            device.stop()

        try:
            before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # not the main thread: whoever runs us there handles signals
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def view(self, tally: Tally) -> None:
        now = time.monotonic()
        live = console.is_terminal()
        if not (self.args.view or live) or now - self.viewed < (_LIVE_S if live else _LOGGED_S):
            return
        self.viewed = now
        if live:
            self.console.progress(_status(tally))
        else:
            self.console.say(_status(tally))

    # ------------------------------------------------------------ at the end

    def report(self, summary: dict, error: str | None) -> None:
        if summary.get("frames"):
            self.console.say(_sentence(self.args.source, summary))
        if self.args.json:
            row = {"source": self.args.source, "server": self.args.server, **summary}
            if self.args.system == "dds" and self.machine is not None:
                row["dds"] = dataclasses.asdict(self.machine.stats)
            if error is not None:
                row["error"] = error
            console.print_text(json.dumps(row, ensure_ascii=False, allow_nan=False))


def _explain(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, (Failure, OSError, ValueError)) and text:
        return text
    return f"{type(error).__name__}: {text}"


def _warm_up(edge: Edge, welcome: Welcome) -> None:
    """Run everything once on small pictures, so that numba compiles before the first frame and not on it."""
    import numpy as np

    import codec
    from rdct.offload.labels import encode_labels
    from rdct.offload.messages import PlanUpdate
    from rdct.vision.frames import Frame

    side = 64
    for index, grey in enumerate((0, 255, 0)):
        edge.on_frame(Frame(index, 0.0, np.full((side, side, 3), grey, np.uint8)), float(100 * index))
        levels = np.zeros(codec.map_shape(side, side, welcome.region_blocks), np.uint8)
        labels = encode_labels(np.zeros((side, side), np.uint8))
        level_map = codec.encode_level_map(levels, codec.TableSet.from_bytes(welcome.table_set).levels)
        edge.on_feedback(PlanUpdate(index + 1, labels, level_map), float(100 * index))


def _status(tally: Tally) -> str:
    result = tally.last
    if result.regions is not None:
        labels = console.plural(len(result.regions), "object")
    elif result.labels is None:
        labels = "no answer yet"
    else:
        labels = f"labels of keyframe {result.keyframe}, {console.plural(result.age_frames, 'frame')} old"
    psnr = "" if result.psnr_db is None else f", {result.psnr_db:.1f} dB"
    dropped = f", {tally.frames_dropped} dropped" if tally.frames_dropped else ""
    away = ", SERVER AWAY" if tally.away else ""
    return (
        f"frame {result.frame}: {tally.fps:.1f} fps, {labels}{psnr}, {tally.keyframes} keyframes, "
        f"{tally.bytes_up / 1000:.0f} kB up, {tally.bytes_down / 1000:.0f} kB down{dropped}{away}"
    )


def _sentence(name: str, summary: dict) -> str:
    away = f", {console.plural(summary['reconnects'], 'reconnect')}" if summary["reconnects"] else ""
    return (
        f"{name}: {console.plural(summary['frames'], 'frame')} at {summary['fps']:.1f} fps, "
        f"{console.plural(summary['keyframes'], 'keyframe')} "
        f"({summary['keyframes_unanswered']} unanswered), {summary['kbps']:.0f} kbit/s up{away}"
    )
