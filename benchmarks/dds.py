# SPDX-License-Identifier: Apache-2.0
"""DDS against sending every frame whole: bytes and F1, on a video, with a detector.

    python -m benchmarks.dds VIDEO --detector fastestdet:FILE.onnx [--frames N] [--labels car,bus,...]

The reference is the same detector on the raw frames; boxes match one to one and by label, from an
intersection over union of 0.5. All systems' boxes go through the same merging, the reference's too. Bytes are
those of whole messages from the device; for H.264 those of its packets. The detector may shrink its input, so
uniform systems sweep scale as well as quality.

`jpeg` is libjpeg-turbo with Huffman tables made for each file, `rdct` this project's codec under JPEG's
tables with context modelling, both 4:2:0; `h264` is libx264 at its default speed in groups of 15 frames,
`h264-intra` the same with key frames only. `dds` keeps to the paper's rules; in `dds-replace` the second
look takes the place of the first; `dds-static` and `dds-replace-static` leave out unchanged background.
`dds-h264` is the paper's own way: chunks of 15 frames as H.264 at a coarse quantiser, then the raw chunk,
black outside the regions asked for, at a fine one.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice, product

import cv2
import numpy as np

import codec
from rdct.dds import backends
from rdct.dds.edge import DdsEdge, DdsPolicy
from rdct.dds.feedback import DetectionRules, merge_rounds
from rdct.dds.grid import two_levels
from rdct.dds.policy import paper_policy
from rdct.dds.server import DdsServer
from rdct.offload import Edge, Hello, Packet, Server, wire
from rdct.offload.driver import Output, simulate
from rdct.offload.link import SimulatedLink
from rdct.offload.tally import Tally
from rdct.vision import detectors
from rdct.vision.frames import Frame, open_source
from rdct.vision.regions import Matches, Region, match

__all__ = ["Bench", "Row", "as_markdown", "equal_f1", "main"]

SCORE = 0.5  # of a box that counts
_SCALES = (0.35, 0.5, 0.7, 1.0)
_QUALITIES = (4, 6, 8, 11, 15, 21, 29, 40, 55, 75)
_CRFS = (20, 26, 32, 38, 44)
_TARGETS = (0.6, 0.7, 0.8, 0.85, 0.9, 0.95)


@dataclass
class Row:
    """One system in one setting.

    Attributes
    ----------
    system, setting : str
    up, down : int
        Bytes.
    loose, strict : Matches
        At 0.3 and 0.5.
    note : str
    """

    system: str
    setting: str
    up: int = 0
    down: int = 0
    loose: Matches = field(default_factory=Matches)
    strict: Matches = field(default_factory=Matches)
    note: str = ""

    def add(self, found: Sequence[Region], reference: Sequence[Region]) -> None:
        """Count one more frame."""
        self.loose += match(found, reference, min_iou=0.3)
        self.strict += match(found, reference, min_iou=0.5)


class Bench:
    """Frames, a detector, and what it says of them.

    Parameters
    ----------
    frames : sequence of Frame
    detector : Detector
    labels : collection of int or None
    """

    def __init__(self, frames: Sequence[Frame], detector, labels) -> None:
        self.frames, self.detector, self.labels = frames, detector, labels
        self.reference = [self._objects(frame.image) for frame in frames]

    def _rules(self, **options) -> DetectionRules:
        return DetectionRules(labels=self.labels, merge_score=SCORE, **options)

    def _objects(self, image: np.ndarray) -> list[Region]:
        merged = merge_rounds((), self.detector(image), self._rules())
        return [one for one in merged if one.score >= SCORE]

    def _score(self, row: Row, pictures: Iterable[np.ndarray]) -> Row:
        for frame, picture, reference in zip(self.frames, pictures, self.reference, strict=True):
            size = picture.shape[:2]
            row.add([one.resized(size, frame.size) for one in self._objects(picture)], reference)
        return row

    # ------------------------------------------------------------------------------------- frames sent whole

    def uniform(self, system: str, quality: int, scale: float) -> Row:
        """`jpeg` or `rdct` at one quality and scale."""
        encode, decode = _STILLS[system]
        row = Row(system, f"quality {quality}, scale {scale:g}")

        def pictures() -> Iterator[np.ndarray]:
            for frame in self.frames:
                data = encode(_reduced(frame.image, scale), quality)
                row.up += len(wire.encode(Packet(frame.index, frame.time_s, frame.index + 1, data)))
                yield decode(data)

        return self._score(row, pictures())

    def h264(self, crf: int, scale: float, group: int) -> Row:
        """libx264 at one rate factor and scale."""
        import av

        name = "h264-intra" if group == 1 else "h264"
        row, out = Row(name, f"crf {crf}, scale {scale:g}"), io.BytesIO()
        with av.open(out, "w", format="h264") as file:
            options = {"crf": str(crf), "keyint_min": str(group), "threads": "1"}
            stream = file.add_stream("libx264", rate=Fraction(25), options=options)
            stream.gop_size, stream.pix_fmt = group, "yuv420p"
            height, width = (2 * round(scale * side / 2) for side in self.frames[0].size)
            stream.height, stream.width = height, width
            for frame in self.frames:
                small = cv2.resize(frame.image, (width, height), interpolation=cv2.INTER_AREA)
                for packet in stream.encode(av.VideoFrame.from_ndarray(small, format="rgb24")):
                    row.up += packet.size
                    file.mux(packet)
            for packet in stream.encode(None):
                row.up += packet.size
                file.mux(packet)
        out.seek(0)
        with av.open(out, format="h264") as file:
            return self._score(row, [one.to_ndarray(format="rgb24") for one in file.decode(video=0)])

    # ------------------------------------------------------------------------------------------ in two rounds

    def dds(
        self,
        quality: int,
        ratio: float,
        scale: float,
        objectness: float,
        *,
        enlarge: float = 0.0,
        static: float | None = None,
        keep_first: bool = True,
        region_blocks: int = 3,
    ) -> Row:
        """DDS, "high" at a quality of JPEG's tables, "low" at so many times its steps, both at one scale."""
        rules = self._rules(objectness=objectness, enlarge=enlarge, keep_first=keep_first)
        policy = DdsPolicy(
            low_scale=scale, high_scale=scale, static=static, hold_s=1e6, deadline_s=2e6, chunk_s=1e6
        )
        server = DdsServer(
            self.detector, two_levels(quality, ratio), rules=rules, region_blocks=region_blocks
        )
        height, width = self.frames[0].size
        edge = DdsEdge.from_welcome(server.on_hello(Hello(width, height), 0.0), policy=policy)
        extra = f", static {static:g}" if static is not None else ""
        name = "dds" + ("" if keep_first else "-replace") + ("" if static is None else "-static")
        row = Row(
            name,
            f"quality {quality}, ratio {ratio:g}, scale {scale:g}, objectness {objectness:g}{extra}",
        )
        return self._played(row, edge, server)

    def dds_h264(
        self, low_qp: int, high_qp: int, scale: float, objectness: float, *, enlarge: float = 0.0
    ) -> Row:
        """DDS on H.264 at two constant quantisers, both streams at one scale."""
        rules = self._rules(objectness=objectness, enlarge=enlarge)
        policy = paper_policy(low_scale=scale, high_scale=scale, hold_s=1e6, deadline_s=2e6)
        server = backends.server(self.detector, backend="h264", rules=rules)
        height, width = self.frames[0].size
        edge = backends.edge(
            server.on_hello(Hello(width, height), 0.0),
            backend="h264",
            policy=policy,
            low_qp=low_qp,
            high_qp=high_qp,
        )
        row = Row("dds-h264", f"QP {low_qp}/{high_qp}, scale {scale:g}, objectness {objectness:g}")
        return self._played(row, edge, server)

    def _played(self, row: Row, edge: Edge, server: Server) -> Row:
        """The row of all frames through both ends, over links that lose nothing and take no time."""
        tally, results = Tally(), {}
        for one in simulate(edge, server, self.frames, SimulatedLink(), SimulatedLink(), tally=tally):
            if isinstance(one, Output):
                results[one.result.frame] = one.result.regions
        row.up, row.down = tally.bytes_up, tally.bytes_down
        stats = edge.stats
        row.note = (
            f"{stats.settled_second} of {stats.frames}; {100 * stats.high_bytes / tally.bytes_up:.0f} %"
        )
        for frame, reference in zip(self.frames, self.reference, strict=True):
            row.add([one for one in results[frame.index] if one.score >= SCORE], reference)
        return row


def _reduced(image: np.ndarray, scale: float) -> np.ndarray:
    height, width = (round(scale * side) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA) if scale != 1 else image


def _jpeg(image: np.ndarray, quality: int) -> bytes:
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    return cv2.imencode(".jpg", image[..., ::-1], flags)[1].tobytes()


def _rdct(image: np.ndarray, quality: int) -> bytes:
    plan = codec.QuantPlan.uniform(quality, image.shape)
    return codec.encode(image, plan, subsampling="420", entropy="context", tables="id")


_TABLE_SETS = tuple(map(codec.TableSet.ijg, _QUALITIES))
_STILLS: dict[str, tuple[Callable[[np.ndarray, int], bytes], Callable[[bytes], np.ndarray]]] = {
    "jpeg": (
        _jpeg,
        lambda data: np.ascontiguousarray(cv2.imdecode(np.frombuffer(data, np.uint8), 1)[..., ::-1]),
    ),
    "rdct": (
        _rdct,
        lambda data: codec.decode(data, table_sets=_TABLE_SETS),
    ),
}


# ------------------------------------------------------------------------------------------------ the tables


def _front(rows: Iterable[Row]) -> list[Row]:
    """Those that no other beats in both bytes and F1."""
    front: list[Row] = []
    for row in sorted(rows, key=lambda row: (row.up, -row.strict.f1)):
        if not front or row.strict.f1 > front[-1].strict.f1:
            front.append(row)
    return front


def as_markdown(rows: Sequence[Row], frames: int) -> str:
    """Of each system the settings that no other setting of it beats."""
    lines = [
        "| system | setting | bytes a frame | F1, IoU 0.5 | F1, IoU 0.3 | down, bytes a frame "
        '| frames asked for; share of "high" |',
        "|---|---|---|---|---|---|---|",
    ]
    for system in dict.fromkeys(row.system for row in rows):
        for row in _front(one for one in rows if one.system == system):
            lines.append(
                f"| {row.system} | {row.setting} | {row.up / frames:.0f} | {row.strict.f1:.3f} "
                f"| {row.loose.f1:.3f} | {row.down / frames:.0f} | {row.note} |"
            )
    return "\n".join(lines)


def equal_f1(rows: Sequence[Row], frames: int, targets: Sequence[float] = _TARGETS) -> str:
    """The fewest bytes a frame with which each system reaches an F1."""
    lines = ["| system | " + " | ".join(f"F1 {target:g}" for target in targets) + " |"]
    lines.append("|---" * (len(targets) + 1) + "|")
    for system in dict.fromkeys(row.system for row in rows):
        own = [row for row in rows if row.system == system]
        cells = []
        for target in targets:
            reached = [row.up for row in own if row.strict.f1 >= target]
            cells.append(f"{min(reached) / frames:.0f}" if reached else "-")
        lines.append(f"| {system} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _all(bench: Bench, options: argparse.Namespace) -> Iterator[Row]:
    wanted = options.systems
    for system, scale, quality in product(_STILLS, options.scales, _QUALITIES):
        if system in wanted:
            yield bench.uniform(system, quality, scale)
    for system, group in (("h264", 15), ("h264-intra", 1)):
        if system in wanted:
            for scale, crf in product(options.scales, _CRFS):
                yield bench.h264(crf, scale, group)
    settings = list(product(options.scales, options.qualities, options.ratios, options.objectness))
    for keep_first, static in product((True, False), (None, options.static)):
        name = "dds" + ("" if keep_first else "-replace") + ("" if static is None else "-static")
        if name in wanted:
            for scale, quality, ratio, objectness in settings:
                yield bench.dds(
                    int(quality),
                    ratio,
                    scale,
                    objectness,
                    enlarge=options.enlarge,
                    static=static,
                    keep_first=keep_first,
                    region_blocks=options.region_blocks,
                )
    if "dds-h264" in wanted:
        for scale, pair, objectness in product(options.scales, options.qps, options.objectness):
            yield bench.dds_h264(*pair, scale, objectness, enlarge=options.enlarge)


def _pairs(text: str) -> list[tuple[int, int]]:
    return [tuple(map(int, pair.split("/"))) for pair in text.split(",")]


def _numbers(text: str) -> list[float]:
    return [float(value) for value in text.split(",")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dds", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("video")
    parser.add_argument("--detector", required=True, metavar="SPEC", help=detectors.FORMS)
    parser.add_argument("--frames", type=int, help="the first N only")
    parser.add_argument("--labels", default="car,motorcycle,bus,truck", help="classes that count")
    parser.add_argument("--scales", type=_numbers, default=list(_SCALES))
    parser.add_argument("--qualities", type=_numbers, default=[35, 55, 75], help='of "high"')
    parser.add_argument(
        "--ratios", type=_numbers, default=[3, 5, 7], help='steps of "low" to those of "high"'
    )
    parser.add_argument(
        "--qps", type=_pairs, default=[(36, 26)], metavar="LOW/HIGH,...", help="of dds-h264 (default: 36/26)"
    )
    parser.add_argument("--objectness", type=_numbers, default=[0.15, 0.3])
    parser.add_argument(
        "--static", type=float, default=3.0, help="difference up to which a cell is unchanged"
    )
    parser.add_argument("--enlarge", type=float, default=0.0)
    parser.add_argument("--region-blocks", type=int, default=3)
    parser.add_argument(
        "--systems", default="jpeg,rdct,h264,h264-intra,dds,dds-replace", help="those of the first lines"
    )
    options = parser.parse_args(arguments)
    options.systems = options.systems.split(",")
    cv2.setNumThreads(1)
    detector = detectors.load(options.detector)
    names = options.labels.split(",")
    unknown = [name for name in names if name not in detector.class_names]
    if unknown:
        parser.error(f"--labels: {detector.name} knows no {', '.join(unknown)}")
    labels = frozenset(detector.class_names.index(name) for name in names)
    with open_source(options.video) as source:
        frames = list(islice(source, options.frames))
    bench = Bench(frames, detector, labels)
    rows = list(_all(bench, options))
    objects = sum(map(len, bench.reference))
    print(f"{len(frames)} frames of {frames[0].size[1]} x {frames[0].size[0]}, {objects} objects\n")
    print(equal_f1(rows, len(frames)) + "\n")
    print(as_markdown(rows, len(frames)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
