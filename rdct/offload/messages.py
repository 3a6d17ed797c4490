# SPDX-License-Identifier: Apache-2.0
"""What an end device and a server say to each other, and what the device says to its user.

A session opens with `Hello` and `Welcome`; then the device sends `Packet`, and the server answers
`PlanUpdate`, `RegionRequest`, `Detections` or `Notice`. `Result` stays on the device. All are frozen and
check themselves when they are made, so a message that exists is one that may be sent; `rdct.offload.wire`
turns them into bytes and back.

Frames are named by their index in the source. Keyframes are named by a serial that the device counts from 1
and never uses twice, so that an answer that comes late, twice or out of order is known as such.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from operator import index
from typing import Any, Literal, TypeAlias

import numpy as np

from rdct.offload.errors import ProtocolError
from rdct.vision.regions import Region

__all__ = [
    "CODES",
    "KINDS",
    "VERSION",
    "Detections",
    "Feedback",
    "Hello",
    "Limits",
    "Message",
    "Notice",
    "Packet",
    "PlanUpdate",
    "RegionRequest",
    "Result",
    "Welcome",
]

#: Version of the protocol. `Hello` says it, and a server refuses others than its own.
VERSION = 1

MAX_SIDE = 65535
MAX_PIXELS = MAX_SIDE * MAX_SIDE
MAX_BYTES = 2**31 - 1
MAX_FRAME = 2**63 - 1
MAX_SERIAL = 2**32 - 1
MAX_NAME = 64
MAX_TEXT = 1024
MAX_KNOWN_SETS = 256
SET_ID_BYTES = 8
MAX_CLASSES = 255
MAX_PREDICTOR_BYTES = 2**20
MAX_IN_FLIGHT = 64
MAX_REGIONS = 4096
MAX_LABEL = 65535

Code: TypeAlias = Literal["superseded", "busy", "refused", "draining"]
Kind: TypeAlias = Literal["server", "propagated", "device", "none"]
CODES: tuple[Code, ...] = ("superseded", "busy", "refused", "draining")
KINDS: tuple[Kind, ...] = ("server", "propagated", "device", "none")
SUBSAMPLINGS = ("444", "422", "420")


def _integer(name: str, value: Any, low: int, high: int) -> int:
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {type(value).__name__}") from None
    if not low <= number <= high:
        raise ProtocolError(f"{name} must be {low}..{high}, got {number}")
    return number


def _seconds(name: str, value: Any, low: float = -math.inf) -> float:
    number = float(value)
    if not math.isfinite(number) or number < low:
        raise ProtocolError(f"{name} must be a finite number of seconds, got {value}")
    return number


def _bytes(name: str, value: Any, low: int = 1, high: int = MAX_BYTES) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"{name} must be bytes, got {type(value).__name__}")
    if not low <= len(value) <= high:
        raise ProtocolError(f"{name} must have {low}..{high} bytes, got {len(value)}")
    return value


def _text(name: str, value: Any, high: int, low: int = 1) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, got {type(value).__name__}")
    if not low <= len(value) <= high:
        raise ProtocolError(f"{name} must have {low}..{high} characters, got {len(value)}")
    return value


def _choice(name: str, value: Any, allowed: Collection[str]) -> str:
    if value not in allowed:
        raise ProtocolError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")
    return value


def _regions(name: str, value: Any, size: tuple[int, int]) -> tuple[Region, ...]:
    regions = tuple(value)
    if len(regions) > MAX_REGIONS:
        raise ProtocolError(f"{name} must hold at most {MAX_REGIONS} regions, got {len(regions)}")
    height, width = size
    for one in regions:
        if not isinstance(one, Region):
            raise TypeError(f"{name} must hold regions, got {type(one).__name__}")
        if not (0 <= one.x0 and 0 <= one.y0 and one.x1 <= width and one.y1 <= height):
            raise ProtocolError(f"{name} must lie inside {width} x {height} pixels, got {one}")
        _integer(f"the label of a region of {name}", one.label, -1, MAX_LABEL)
    return regions


class _Checked:
    """Writes checked values into a frozen dataclass while it is being made."""

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class Limits(_Checked):
    """What a server takes of one session.

    Attributes
    ----------
    max_pixels : int
        Pixels of one picture.
    max_packet_bytes : int
        Bytes of one coded message.
    max_in_flight : int
        Keyframes sent and not yet answered, 1..64.
    """

    max_pixels: int = 2**24
    max_packet_bytes: int = 2**25
    max_in_flight: int = 4

    def __post_init__(self) -> None:
        self._set(
            max_pixels=_integer("limits.max_pixels", self.max_pixels, 1, MAX_PIXELS),
            max_packet_bytes=_integer("limits.max_packet_bytes", self.max_packet_bytes, 1, MAX_BYTES),
            max_in_flight=_integer("limits.max_in_flight", self.max_in_flight, 1, MAX_IN_FLIGHT),
        )


@dataclass(frozen=True)
class Hello(_Checked):
    """What a device says first.

    Attributes
    ----------
    width, height : int
        Of its pictures, in pixels, 1..65535. They may change later; the limits stay.
    known_sets : tuple of bytes
        Ids of table sets it has already, 8 bytes each, at most 256.
    system : str
        What it wants to run: a name of `rdct.offload.registry`.
    version : int
        Of the protocol.
    """

    width: int
    height: int
    known_sets: tuple[bytes, ...] = ()
    system: str = "stac"
    version: int = VERSION

    def __post_init__(self) -> None:
        known = tuple(self.known_sets)
        if len(known) > MAX_KNOWN_SETS:
            raise ProtocolError(f"known_sets must hold at most {MAX_KNOWN_SETS} ids, got {len(known)}")
        self._set(
            width=_integer("width", self.width, 1, MAX_SIDE),
            height=_integer("height", self.height, 1, MAX_SIDE),
            known_sets=tuple(_bytes("known_sets", one, SET_ID_BYTES, SET_ID_BYTES) for one in known),
            system=_text("system", self.system, MAX_NAME),
            version=_integer("version", self.version, 1, 2**32 - 1),
        )


@dataclass(frozen=True, eq=False)
class Welcome(_Checked):
    """What a server answers to `Hello`: all that a device must know to encode for it.

    Attributes
    ----------
    set_id : bytes
        Id of the table set in use, 8 bytes.
    table_set : bytes or None
        The set itself as `codec.TableSet.to_bytes` gives it; None if the device said that it knows it.
    scale : float
        Factor on all steps, more than 0 and less than 256.
    region_blocks : int
        Side of a region in luma blocks, 1..8.
    subsampling : {"444", "422", "420"}
        The chroma sampling that the table set was made for.
    class_names : tuple of str
        One per class, K in all, 1..255.
    palette : numpy.ndarray
        u8 ``[K, 3]`` RGB, read-only.
    limits : Limits
    version : int
        Of the protocol.
    predictor : bytes or None
        What foretells region sensitivity for that set, as `grace.SensitivityPredictor.to_bytes` gives it, up
        to 1 MiB; None where there is none. A known set does not stand for it.
    """

    set_id: bytes
    table_set: bytes | None
    scale: float
    region_blocks: int
    class_names: tuple[str, ...]
    palette: np.ndarray
    limits: Limits = Limits()
    subsampling: str = "444"
    version: int = VERSION
    predictor: bytes | None = None

    def __post_init__(self) -> None:
        names = tuple(_text("class_names", name, MAX_NAME, low=0) for name in self.class_names)
        _integer("number of class_names", len(names), 1, MAX_CLASSES)
        palette = np.array(self.palette)
        if palette.dtype != np.uint8 or palette.shape != (len(names), 3):
            raise ProtocolError(
                f"palette must be uint8 [{len(names)}, 3] for {len(names)} classes, "
                f"got {palette.dtype} {list(palette.shape)}"
            )
        palette.flags.writeable = False
        if not isinstance(self.limits, Limits):
            raise TypeError(f"limits must be Limits, got {type(self.limits).__name__}")
        if not 0 < self.scale < 256:
            raise ProtocolError(f"scale must be more than 0 and less than 256, got {self.scale}")
        self._set(
            set_id=_bytes("set_id", self.set_id, SET_ID_BYTES, SET_ID_BYTES),
            table_set=None if self.table_set is None else _bytes("table_set", self.table_set),
            scale=float(self.scale),
            region_blocks=_integer("region_blocks", self.region_blocks, 1, 8),
            class_names=names,
            palette=palette,
            subsampling=_choice("subsampling", self.subsampling, SUBSAMPLINGS),
            version=_integer("version", self.version, 1, 2**32 - 1),
            predictor=None
            if self.predictor is None
            else _bytes("predictor", self.predictor, high=MAX_PREDICTOR_BYTES),
        )


@dataclass(frozen=True)
class Packet(_Checked):
    """One coded picture, or part of one, on its way to the server.

    Attributes
    ----------
    frame : int
        Index of the frame in the source, from 0.
    time_s : float
        When it was taken, on the source's clock.
    keyframe : int
        Serial, from 1.
    payload : bytes
        An rdct stream or a JPEG file.
    stream : str
        Which of the system's streams this belongs to.
    """

    frame: int
    time_s: float
    keyframe: int
    payload: bytes
    stream: str = "key"

    def __post_init__(self) -> None:
        self._set(
            frame=_integer("frame", self.frame, 0, MAX_FRAME),
            time_s=_seconds("time_s", self.time_s),
            keyframe=_integer("keyframe", self.keyframe, 1, MAX_SERIAL),
            payload=_bytes("payload", self.payload),
            stream=_text("stream", self.stream, MAX_NAME),
        )


@dataclass(frozen=True)
class PlanUpdate(_Checked):
    """The server's answer to a keyframe, whole or in two parts: labels first, levels when they are ready.

    Attributes
    ----------
    keyframe : int
        Serial of the keyframe it answers.
    labels : bytes or None
        Coded by `rdct.offload.labels.encode_labels`, at the size of the picture.
    level_map : bytes or None
        Coded by `codec.encode_level_map`.
    server_s : float
        Seconds from the packet's arrival to this answer.
    """

    keyframe: int
    labels: bytes | None = None
    level_map: bytes | None = None
    server_s: float = 0.0

    def __post_init__(self) -> None:
        if self.labels is None and self.level_map is None:
            raise ProtocolError("a PlanUpdate must bring labels or level_map; it has neither")
        self._set(
            keyframe=_integer("keyframe", self.keyframe, 1, MAX_SERIAL),
            labels=None if self.labels is None else _bytes("labels", self.labels),
            # A map without surprises codes to no bytes at all.
            level_map=None if self.level_map is None else _bytes("level_map", self.level_map, low=0),
            server_s=_seconds("server_s", self.server_s, 0.0),
        )


@dataclass(frozen=True)
class RegionRequest(_Checked):
    """The server's first answer to a frame: what it found, and what it wants to see better.

    Attributes
    ----------
    keyframe : int
        Serial of the frame it answers.
    height, width : int
        The picture that regions are measured in: the one the server decoded.
    wanted : tuple of Region
        At least one, at most 4096, inside that picture.
    found : tuple of Region
        The objects it is sure of already; what counts if the regions never come.
    server_s : float
        Seconds from the packet's arrival to this answer.
    labels : bytes or None
        Instead of objects the label of every pixel of that picture, coded by
        `rdct.offload.labels.encode_labels`; what counts if the regions never come.
    """

    keyframe: int
    height: int
    width: int
    wanted: tuple[Region, ...]
    found: tuple[Region, ...] = ()
    server_s: float = 0.0
    labels: bytes | None = None

    def __post_init__(self) -> None:
        _measured(self)
        self._set(wanted=_regions("wanted", self.wanted, (self.height, self.width)))
        if not self.wanted:
            raise ProtocolError("a RegionRequest must want a region; one that wants none is Detections")


@dataclass(frozen=True)
class Detections(_Checked):
    """The server's last answer to a frame: the objects in it, or the label of every pixel.

    Attributes
    ----------
    keyframe : int
        Serial of the frame it answers.
    height, width : int
        The picture that regions are measured in: the one the server decoded.
    found : tuple of Region
        Maybe none, at most 4096, inside that picture.
    server_s : float
        Seconds from the arrival of the packet it answers.
    labels : bytes or None
        As in `RegionRequest`. An answer brings objects or labels, not both.
    """

    keyframe: int
    height: int
    width: int
    found: tuple[Region, ...] = ()
    server_s: float = 0.0
    labels: bytes | None = None

    def __post_init__(self) -> None:
        _measured(self)


def _measured(answer: RegionRequest | Detections) -> None:
    """Check what the two have in common."""
    height = _integer("height", answer.height, 1, MAX_SIDE)
    width = _integer("width", answer.width, 1, MAX_SIDE)
    labels = None if answer.labels is None else _bytes("labels", answer.labels)
    if labels is not None and answer.found:
        raise ProtocolError(
            f"an answer brings objects or labels, this one has {len(answer.found)} objects too"
        )
    answer._set(
        keyframe=_integer("keyframe", answer.keyframe, 1, MAX_SERIAL),
        height=height,
        width=width,
        found=_regions("found", answer.found, (height, width)),
        server_s=_seconds("server_s", answer.server_s, 0.0),
        labels=labels,
    )


@dataclass(frozen=True)
class Notice(_Checked):
    """Why a keyframe, or the whole session, will have no answer.

    Attributes
    ----------
    code : {"superseded", "busy", "refused", "draining"}
        A newer keyframe took its place in the server's queue; the server cannot keep up; the packet is
        malformed or beyond a limit; the server is about to stop.
    message : str
        One English sentence, at most 1024 characters; longer ones are cut.
    keyframe : int or None
        Serial, None where the session is meant.
    """

    code: Code
    message: str = ""
    keyframe: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.message, str):
            raise TypeError(f"message must be a string, got {type(self.message).__name__}")
        serial = self.keyframe
        self._set(
            code=_choice("code", self.code, CODES),
            message=self.message[:MAX_TEXT],
            keyframe=None if serial is None else _integer("keyframe", serial, 1, MAX_SERIAL),
        )


@dataclass(frozen=True, eq=False)
class Result(_Checked):
    """What the device knows of one frame. Each accepted frame has exactly one.

    Attributes
    ----------
    frame : int
        Index of the frame in the source.
    time_s : float
        When it was taken, on the source's clock.
    labels : numpy.ndarray or None
        u8 ``[H, W]``; None where objects are looked for, and as long as no keyframe of this size was
        answered.
    keyframe : int or None
        Serial of the keyframe that the labels come from.
    age_frames : int or None
        How many frames of the source ago that keyframe was taken; 0 for its own frame.
    psnr_db : float or None
        Of this frame against the newest sent keyframe warped to it; infinite where the two are equal, None on
        the first frame of a size.
    kind : {"server", "propagated", "device", "none"}
        The server's own answer to this very frame; an earlier answer carried along; what the device found by
        itself, without a keyframe; none yet.
    regions : tuple of Region or None
        The objects, in pixels of the frame; None where pixels are labelled.
    """

    frame: int
    time_s: float
    labels: np.ndarray | None = None
    keyframe: int | None = None
    age_frames: int | None = None
    psnr_db: float | None = None
    kind: Kind = "none"
    regions: tuple[Region, ...] | None = None

    def __post_init__(self) -> None:
        _choice("kind", self.kind, KINDS)
        answered = self.labels is not None or self.regions is not None
        known = (answered, self.keyframe is not None, self.age_frames is not None)
        sent = self.kind in ("server", "propagated")
        if known != (self.kind != "none", sent, sent):
            raise ValueError(
                "labels or regions go with a kind other than 'none', keyframe and age_frames with 'server' "
                f"and 'propagated', and only with these; got kind {self.kind!r} and {known}"
            )
        if self.labels is not None and (self.labels.dtype != np.uint8 or self.labels.ndim != 2):
            raise ValueError(f"labels must be uint8 [H, W], got {self.labels.dtype} {self.labels.shape}")


#: What comes back to the device.
Feedback: TypeAlias = PlanUpdate | RegionRequest | Detections | Notice
#: What travels.
Message: TypeAlias = Hello | Welcome | Packet | PlanUpdate | RegionRequest | Detections | Notice
