# SPDX-License-Identifier: Apache-2.0
"""Messages into bytes and back: protocol buffers, as rdct/offload/offload.proto says.

What arrives is not trusted: any bytes give a message or a `ProtocolError`. Fields of later versions are
skipped.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from rdct.offload import offload_pb2 as pb
from rdct.offload.errors import ProtocolError
from rdct.offload.messages import (
    CODES,
    MAX_REGIONS,
    Detections,
    Hello,
    Limits,
    Message,
    Notice,
    Packet,
    PlanUpdate,
    RegionRequest,
    Welcome,
)
from rdct.vision.regions import Region

__all__ = ["decode", "encode"]

_SERVICE = pb.DESCRIPTOR.services_by_name["Offload"]
#: The one method of the service, as gRPC names it.
SESSION = f"/{_SERVICE.full_name}/Session"


def encode(message: Message) -> bytes:
    """A message as bytes.

    Parameters
    ----------
    message : Hello, Welcome, Packet, PlanUpdate, RegionRequest, Detections or Notice

    Returns
    -------
    bytes
        Regions lose what single precision cannot hold.
    """
    try:
        field, fill = _ENCODE[type(message)]
    except KeyError:
        raise TypeError(f"message must be one that travels, got {type(message).__name__}") from None
    return pb.Message(**{field: fill(message)}).SerializeToString()


def decode(data: bytes, *, max_bytes: int | None = None) -> Message:
    """The message that `encode` made these bytes of.

    Parameters
    ----------
    data : bytes
    max_bytes : int, optional
        Longer data is refused before it is looked at.

    Returns
    -------
    Hello, Welcome, Packet, PlanUpdate, RegionRequest, Detections or Notice

    Raises
    ------
    ProtocolError
        The data is no message, or a field breaks a rule of `rdct.offload.messages`.
    """
    if max_bytes is not None and len(data) > max_bytes:
        raise ProtocolError(f"a message of {len(data)} bytes is beyond the limit of {max_bytes}")
    try:
        whole = pb.Message.FromString(data)
    except DecodeError as error:
        raise ProtocolError(f"{len(data)} bytes are no message: {error}") from None
    field = whole.WhichOneof("body")
    if field is None:
        raise ProtocolError("the message is empty, or of a kind this version does not know")
    return _DECODE[field](getattr(whole, field))


def _optional(part: Any, field: str) -> Any:
    return getattr(part, field) if part.HasField(field) else None


def _hello_out(one: Hello) -> pb.Hello:
    return pb.Hello(
        version=one.version,
        width=one.width,
        height=one.height,
        known_sets=one.known_sets,
        system=one.system,
    )


def _hello_in(part: Any) -> Hello:
    return Hello(part.width, part.height, tuple(part.known_sets), part.system, part.version)


def _welcome_out(one: Welcome) -> pb.Welcome:
    limits = one.limits
    return pb.Welcome(
        version=one.version,
        set_id=one.set_id,
        table_set=one.table_set,
        scale=one.scale,
        region_blocks=one.region_blocks,
        subsampling=one.subsampling,
        class_names=one.class_names,
        palette=one.palette.tobytes(),
        predictor=one.predictor,
        limits=pb.Limits(
            max_pixels=limits.max_pixels,
            max_packet_bytes=limits.max_packet_bytes,
            max_in_flight=limits.max_in_flight,
        ),
    )


def _welcome_in(part: Any) -> Welcome:
    if len(part.palette) % 3:
        raise ProtocolError(f"palette must have 3 bytes a class, got {len(part.palette)} bytes")
    limits = part.limits
    return Welcome(
        set_id=part.set_id,
        table_set=_optional(part, "table_set"),
        scale=part.scale,
        region_blocks=part.region_blocks,
        class_names=tuple(part.class_names),
        palette=np.frombuffer(part.palette, np.uint8).reshape(-1, 3),
        limits=Limits(limits.max_pixels, limits.max_packet_bytes, limits.max_in_flight),
        subsampling=part.subsampling,
        version=part.version,
        predictor=_optional(part, "predictor"),
    )


def _packet_out(one: Packet) -> pb.Packet:
    return pb.Packet(
        frame=one.frame, time_s=one.time_s, keyframe=one.keyframe, stream=one.stream, payload=one.payload
    )


def _packet_in(part: Any) -> Packet:
    return Packet(part.frame, part.time_s, part.keyframe, part.payload, part.stream)


def _plan_update_out(one: PlanUpdate) -> pb.PlanUpdate:
    return pb.PlanUpdate(
        keyframe=one.keyframe, labels=one.labels, level_map=one.level_map, server_s=one.server_s
    )


def _plan_update_in(part: Any) -> PlanUpdate:
    labels, level_map = _optional(part, "labels"), _optional(part, "level_map")
    return PlanUpdate(part.keyframe, labels, level_map, part.server_s)


def _regions_out(regions: tuple[Region, ...]) -> list[pb.Region]:
    return [
        pb.Region(x0=one.x0, y0=one.y0, x1=one.x1, y1=one.y1, score=one.score, label=one.label)
        for one in regions
    ]


def _regions_in(name: str, parts: Any) -> tuple[Region, ...]:
    if len(parts) > MAX_REGIONS:
        raise ProtocolError(f"{name} must hold at most {MAX_REGIONS} regions, got {len(parts)}")
    try:
        return tuple(Region(one.x0, one.y0, one.x1, one.y1, one.score, one.label) for one in parts)
    except ValueError as error:
        raise ProtocolError(f"{name}: {error}") from None


def _region_request_out(one: RegionRequest) -> pb.RegionRequest:
    return pb.RegionRequest(
        keyframe=one.keyframe,
        height=one.height,
        width=one.width,
        wanted=_regions_out(one.wanted),
        found=_regions_out(one.found),
        server_s=one.server_s,
        labels=one.labels,
    )


def _region_request_in(part: Any) -> RegionRequest:
    wanted, found = _regions_in("wanted", part.wanted), _regions_in("found", part.found)
    labels = _optional(part, "labels")
    return RegionRequest(part.keyframe, part.height, part.width, wanted, found, part.server_s, labels)


def _detections_out(one: Detections) -> pb.Detections:
    return pb.Detections(
        keyframe=one.keyframe,
        height=one.height,
        width=one.width,
        found=_regions_out(one.found),
        server_s=one.server_s,
        labels=one.labels,
    )


def _detections_in(part: Any) -> Detections:
    found = _regions_in("found", part.found)
    labels = _optional(part, "labels")
    return Detections(part.keyframe, part.height, part.width, found, part.server_s, labels)


def _notice_out(one: Notice) -> pb.Notice:
    return pb.Notice(code=pb.Notice.Code.Value(one.code.upper()), message=one.message, keyframe=one.keyframe)


def _notice_in(part: Any) -> Notice:
    if not 1 <= part.code <= len(CODES):
        raise ProtocolError(f"code must be 1..{len(CODES)}, got {part.code}")
    name = pb.Notice.Code.Name(part.code).lower()
    return Notice(name, part.message, _optional(part, "keyframe"))


_ENCODE = {
    Hello: ("hello", _hello_out),
    Welcome: ("welcome", _welcome_out),
    Packet: ("packet", _packet_out),
    PlanUpdate: ("plan_update", _plan_update_out),
    RegionRequest: ("region_request", _region_request_out),
    Detections: ("detections", _detections_out),
    Notice: ("notice", _notice_out),
}
_DECODE = {
    "hello": _hello_in,
    "welcome": _welcome_in,
    "packet": _packet_in,
    "plan_update": _plan_update_in,
    "region_request": _region_request_in,
    "detections": _detections_in,
    "notice": _notice_in,
}
