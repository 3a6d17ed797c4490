"""The rows of a video table: who codes which frames, and who answers.

Every row is `stac.StacEdge` with the same trigger, the same flow and the same propagation; what differs is
the plan, or the codec put in its place. `h264-all` sends every frame, so nothing is left to propagate but
what the link delays.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

import codec
from rdct.evaluation.codecs import Absent, Dial, Setup
from rdct.evaluation.codecs import build as build_still
from rdct.evaluation.codecs.own import SCALES, Grace, tables_sha256
from rdct.evaluation.video import h264
from rdct.offload.labels import encode_labels
from rdct.offload.messages import Feedback, Packet, PlanUpdate
from stac import KeyframePolicy, StacEdge, StacServer

if TYPE_CHECKING:
    from rdct.evaluation.video.clip import Clip
    from rdct.evaluation.video.scenario import VideoScenario
    from rdct.vision.models import Model

__all__ = ["NAMES", "REFERENCE", "Ends", "VideoSystem", "build", "keyframes_of", "policy_of"]

#: The row that percentages are given against unless another is named.
REFERENCE = "jpeg-turbo-444"
_ENTROPY = {"huffman": "optimised Huffman", "context": "context-modelled"}
#: So many packets may be unanswered where every frame is sent: all that a policy allows.
_ALL_IN_FLIGHT = 64


@dataclass(frozen=True)
class Ends:
    """Both ends of one session, fresh.

    Attributes
    ----------
    edge : StacEdge
    decode : callable
        A payload into what the server sees, u8 ``[H, W, 3]``; called once for each packet, in order.
    answer : callable
        ``answer(packet, image)`` yields the server's answers.
    set_bytes : int
        Of the table set that the session's Welcome brings.
    """

    edge: StacEdge
    decode: Callable[[bytes], np.ndarray]
    answer: Callable[[Packet, np.ndarray], Iterator[Feedback]]
    set_bytes: int = 0


def policy_of(scenario: VideoScenario) -> KeyframePolicy:
    """The trigger. Without a link a keyframe's Result waits for its own labels; with one, none waits."""
    return KeyframePolicy(scenario.threshold_db, wait_s=math.inf if scenario.link is None else 0.0)


class VideoSystem(ABC):
    """One row.

    Attributes
    ----------
    name, settings, dial, table_set, tables_sha256, rooms
        As of a still system (`rdct.evaluation.codecs.System`).
    family : str
        Rows of one family show the server the same pixels at the same dial.
    """

    name: str
    settings: str
    dial: Dial
    table_set: str | None = None
    tables_sha256: str | None = None
    rooms: tuple[str, ...] = ("codec", "stac", "rdct.vision", "rdct.offload")

    def __init__(self, setup: Setup) -> None:
        self.model: Model = setup.model

    @property
    def family(self) -> str:
        return self.name

    @abstractmethod
    def ends(self, clip: Clip, scenario: VideoScenario, dial: float) -> Ends:
        """A session at one point of the dial."""

    def parts(self, payload: bytes) -> dict[str, int]:
        """Bytes of a payload by kind."""
        return {"stream": len(payload)}

    def _labels_only(self, packet: Packet, image: np.ndarray) -> Iterator[Feedback]:
        from rdct.vision import models

        yield PlanUpdate(packet.keyframe, labels=encode_labels(models.labels(self.model, image)))


class _Own(VideoSystem):
    """Streams of our codec under network tables, the set named by id."""

    dial = SCALES
    rooms = (*VideoSystem.rooms, "grace")
    entropy = "huffman"
    effort = 0
    #: As of a still row of ours.
    published = True

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        tables = (setup.paper_tables if self.published else None) or setup.tables
        if tables is None:
            raise Absent("needs network tables: --tables FILE (see stac-tables build)")
        self.tables = tables
        self.tables_sha256 = tables_sha256(tables)
        self.table_set = tables.id

    def _decode(self, payload: bytes) -> np.ndarray:
        return codec.decode(payload, table_sets=(self._set,))

    def parts(self, payload: bytes) -> dict[str, int]:
        header = codec.read_header(payload, table_sets=(self._set,))
        kinds = ("table", "huffman", "map", "index", "slice")
        found = {kind: getattr(header, f"{kind}_bytes") for kind in kinds}
        # What is left are the fields, markers and checksums around them.
        return {"header": len(payload) - sum(found.values()), **found}

    def _edge(self, scenario: VideoScenario, dial: float, **options: Any) -> StacEdge:
        return StacEdge(
            self._set,
            scale=dial,
            policy=policy_of(scenario),
            entropy=self.entropy,
            effort=self.effort,
            threads=1,
            **options,
        )


class StacPaper(_Own):
    """Algorithms 1 and 2: levels from the gradient on the decoded keyframe, carried to the next."""

    name = "stac-paper"
    family = "stac"
    sensitivity = "gradient"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._set = self.tables.table_set
        self.settings = (
            f"rdct {codec.__version__}: propagated levels x scale, {_ENTROPY[self.entropy]}, 4:4:4, set by id"
        )

    def ends(self, clip: Clip, scenario: VideoScenario, dial: float) -> Ends:
        server = StacServer(self.model, self.tables, scale=dial, sensitivity=self.sensitivity)
        edge = self._edge(scenario, dial)
        return Ends(
            edge, self._decode, lambda packet, _: server.on_packet(packet, 0.0), len(self._set.to_bytes())
        )


class Default(StacPaper):
    """The same plan, context-modelled."""

    name = "default"
    entropy = "context"


class StacFisherDeadzone(Default):
    """Levels by second-order sensitivity, and dead zones: what `stac-edge` and `stac-serve` do by default."""

    name = "stac-fisher-deadzone"
    family = "stac-fisher"
    published = False
    sensitivity = "fisher"
    effort = 1

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.settings = self.settings.replace("propagated", "propagated Fisher").replace(
            "4:4:4", "effort 1, 4:4:4"
        )


class VideoGrace(_Own):
    """The middle table everywhere."""

    name = "grace"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._set = Grace(setup).single
        self.settings = f"rdct {codec.__version__}: middle table x scale, optimised Huffman, 4:4:4, set by id"

    def ends(self, clip: Clip, scenario: VideoScenario, dial: float) -> Ends:
        edge = self._edge(scenario, dial, adaptive=False)
        return Ends(edge, self._decode, self._labels_only, len(self._set.to_bytes()))


class Jpeg(VideoSystem):
    """libjpeg-turbo both ways, as among the stills."""

    name = "jpeg-turbo-444"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._still = build_still(self.name, setup)
        self.settings, self.dial = self._still.settings, self._still.dial

    def ends(self, clip: Clip, scenario: VideoScenario, dial: float) -> Ends:
        edge = StacEdge(
            None,
            policy=policy_of(scenario),
            threads=1,
            encode=lambda image, _: self._still.encode(image, dial),
        )
        return Ends(edge, self._still.decode, self._labels_only)


class _H264(VideoSystem):
    """libx264 in the encoder's place.

    Without a link all pictures are coded beforehand, with x264's look-ahead, whose delay is not charged: the
    paper's comparison, and the strongest H.264 without B-frames. Over a link each is coded when it comes.
    """

    dial = Dial("crf", 8, 38, coordinate=float)
    rooms = ("stac", "rdct.vision", "rdct.offload")
    intra = False
    what: str

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.settings = f"{h264.settings()}; {self.what}; look-ahead 40, with a link tune zerolatency"

    def _policy(self, scenario: VideoScenario) -> KeyframePolicy:
        return policy_of(scenario)

    def _sent(self, clip: Clip, scenario: VideoScenario) -> list[int]:
        """Indices of the frames that will be asked for, where no link has a say in it."""
        return keyframes_of(clip, scenario)

    def ends(self, clip: Clip, scenario: VideoScenario, dial: float) -> Ends:
        if scenario.link is not None:
            encoder = h264.Encoder(clip.shape, clip.fps, dial, intra=self.intra)
            encode = encoder.encode
        else:
            images = [clip.frames[index].image for index in self._sent(clip, scenario)]
            packets = h264.encode_sequence(images, clip.fps, dial, intra=self.intra)
            ready = iter(zip(images, packets, strict=True))

            def encode(image: np.ndarray) -> bytes:
                expected, packet = next(ready)
                if image is not expected:
                    raise RuntimeError("the device sends other frames than were coded beforehand")
                return packet

        edge = StacEdge(None, policy=self._policy(scenario), threads=1, encode=lambda image, _: encode(image))
        return Ends(edge, h264.Decoder().decode, self._labels_only)


class H264All(_H264):
    """Every frame sent, as in the paper."""

    name = "h264-all"
    what = "every frame, the network on each"

    def _policy(self, scenario: VideoScenario) -> KeyframePolicy:
        return replace(policy_of(scenario), max_age_frames=1, in_flight=_ALL_IN_FLIGHT)

    def _sent(self, clip: Clip, scenario: VideoScenario) -> list[int]:
        return [frame.index for frame in clip.frames]


class H264Keyframes(_H264):
    """The same keyframes as the other rows, coded as a sequence."""

    name = "h264-keyframes"
    what = "the keyframes as a sequence"


class H264Intra(_H264):
    """The same keyframes, each by itself."""

    name = "h264-intra"
    what = "each keyframe an IDR picture"
    intra = True


def keyframes_of(clip: Clip, scenario: VideoScenario) -> list[int]:
    """The frames that the trigger picks when every keyframe is answered at once.

    It compares raw pictures, so they are the same whatever codec and network.
    """
    seen: list[int] = []
    edge = StacEdge(None, policy=policy_of(scenario), threads=1, encode=lambda image, plan: b"-")
    answer = encode_labels(np.zeros(clip.shape, np.uint8))
    for frame in clip.frames:
        for one in edge.on_frame(frame, frame.time_s):
            if isinstance(one, Packet):
                seen.append(frame.index)
                edge.on_feedback(PlanUpdate(one.keyframe, labels=answer), frame.time_s)
    return seen


_SYSTEMS: dict[str, type[VideoSystem]] = {
    one.name: one
    for one in (Jpeg, VideoGrace, StacPaper, Default, StacFisherDeadzone, H264All, H264Keyframes, H264Intra)
}
#: Every row this room knows, in the order of the tables.
NAMES = tuple(_SYSTEMS)


def build(name: str, setup: Setup) -> VideoSystem:
    """Make the system of that row name.

    Raises
    ------
    Absent
        It cannot run here; the message names what is missing.
    ValueError
        No such row.
    """
    if name not in NAMES:
        raise ValueError(f"unknown system {name!r}; known: {', '.join(NAMES)}")
    try:
        return _SYSTEMS[name](setup)
    except ImportError as error:
        raise Absent(f"not installed here: {error}") from error
