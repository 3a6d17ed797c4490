# SPDX-License-Identifier: Apache-2.0
"""The two ends of DDS by what codes the pictures: this project's codec, or H.264 as in the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rdct.dds.rounds import Rounds
    from rdct.dds.server import DdsServer
    from rdct.offload.messages import Welcome

__all__ = ["BACKENDS", "edge", "server"]

BACKENDS = ("rdct", "h264")


def _check(backend: str) -> None:
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(map(repr, BACKENDS))}, got {backend!r}")


def edge(welcome: Welcome, *, backend: str = "rdct", **options: Any) -> Rounds:
    """The device's machine.

    Parameters
    ----------
    welcome : rdct.offload.Welcome
        With its table set.
    backend : {"rdct", "h264"}
        The server's must be the same.
    **options
        Of `rdct.dds.edge.DdsEdge` or `rdct.dds.edge_h264.H264Edge`.
    """
    _check(backend)
    if backend == "h264":
        from rdct.dds.edge_h264 import H264Edge

        return H264Edge.from_welcome(welcome, **options)
    from rdct.dds.edge import DdsEdge

    return DdsEdge.from_welcome(welcome, **options)


def server(model: Any, tables: Any = None, *, backend: str = "rdct", **options: Any) -> DdsServer:
    """The server's machine.

    Parameters
    ----------
    model : Detector or Model
    tables : codec.TableSet, optional
    backend : {"rdct", "h264"}
    **options
        Of `rdct.dds.server.DdsServer` or `rdct.dds.server_h264.H264Server`.
    """
    _check(backend)
    if backend == "h264":
        from rdct.dds.server_h264 import H264Server

        return H264Server(model, tables, **options)
    from rdct.dds.server import DdsServer

    return DdsServer(model, tables, **options)
