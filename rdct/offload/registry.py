# SPDX-License-Identifier: Apache-2.0
"""The systems by name.

Named by strings and loaded when asked for, because they build on this package and not the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any

from rdct.offload.roles import Edge, Server

__all__ = ["SYSTEMS", "System", "edge_factory", "server_factory"]


@dataclass(frozen=True)
class System:
    """Where the two ends of a system are to be found.

    Attributes
    ----------
    edge : str
        "module:name" of a callable ``(welcome, **options) -> Edge``.
    server : str
        "module:name" of a callable ``(model, tables, **options) -> Server``.
    edge_options, server_options : mapping
        What makes this system of a more general one.
    levels : bool
        Whether its server chooses levels, and takes the option `sensitivity`.
    """

    edge: str
    server: str
    edge_options: Mapping[str, Any] = field(default_factory=dict)
    server_options: Mapping[str, Any] = field(default_factory=dict)
    levels: bool = False


#: What a `Hello` may ask for.
SYSTEMS: Mapping[str, System] = {
    "stac": System("stac.edge:StacEdge.from_welcome", "stac.server:StacServer", levels=True),
    "grace": System(
        "stac.edge:StacEdge.from_welcome",
        "stac.server:StacServer",
        edge_options={"adaptive": False},
        server_options={"adaptive": False},
    ),
    "dds": System("rdct.dds.backends:edge", "rdct.dds.backends:server"),
    "jpeg": System(
        "rdct.baselines.uniform:UniformEdge.from_welcome", "rdct.baselines.answering:AnsweringServer"
    ),
    "rdct": System(
        "rdct.baselines.uniform:UniformEdge.from_welcome",
        "rdct.baselines.answering:AnsweringServer",
        edge_options={"coding": "rdct"},
    ),
    "h264": System("rdct.baselines.h264:H264Edge.from_welcome", "rdct.baselines.h264:H264Server"),
    "h264-intra": System(
        "rdct.baselines.h264:H264Edge.from_welcome",
        "rdct.baselines.h264:H264Server",
        edge_options={"gop": 1, "chunk_frames": 1},
    ),
    "awstream": System(
        "rdct.baselines.awstream:AwStreamEdge.from_welcome", "rdct.baselines.awstream:AwStreamServer"
    ),
    "glimpse": System("rdct.baselines.glimpse:GlimpseEdge.from_welcome", "rdct.baselines.tracked:BoxServer"),
    "vigil": System("rdct.baselines.vigil:VigilEdge.from_welcome", "rdct.baselines.tracked:BoxServer"),
    "cloudseg": System(
        "rdct.baselines.uniform:UniformEdge.from_welcome",
        "rdct.baselines.cloudseg:CloudSegServer",
        edge_options={"scale": 0.5},
    ),
    "camera-only": System(
        "rdct.baselines.camera_only:CameraOnlyEdge.from_welcome", "rdct.baselines.answering:AnsweringServer"
    ),
}


def _system(name: str) -> System:
    try:
        return SYSTEMS[name]
    except KeyError:
        raise ValueError(f"unknown system {name!r}; there are {', '.join(sorted(SYSTEMS))}") from None


def _load(where: str, options: Mapping[str, Any]) -> Callable[..., Any]:
    module, _, path = where.partition(":")
    found: Any = import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    return partial(found, **options)


def edge_factory(name: str) -> Callable[..., Edge]:
    """What makes a system's edge of a `Welcome` and options.

    Raises
    ------
    ValueError
        No system of that name.
    """
    system = _system(name)
    return _load(system.edge, system.edge_options)


def server_factory(name: str) -> Callable[..., Server]:
    """What makes a system's server of a model, its tables and options; call it once a session.

    Raises
    ------
    ValueError
        No system of that name.
    """
    system = _system(name)
    return _load(system.server, system.server_options)
