# SPDX-License-Identifier: Apache-2.0
"""How an end device and a server work together: messages, roles and what drives them.

The systems (`stac` and others) are state machines that keep `Edge` and `Server`; this is what
surrounds them.

==========  ================================================================================
messages    what the two ends say to each other, and a device to its user
wire        messages into bytes and back
labels      label maps into bytes and back
roles       what a driver may assume of an edge and a server
registry    systems by name
opening     what an edge takes from a Welcome
link        a simulated link: bandwidth, delay, loss, outages
driver      an edge and a server over two such links, under a virtual clock
live        an edge in real time, over any session; feed, tally and sinks go with it
session     what such an edge knows of its session
rpc         sessions over gRPC
==========  ================================================================================
"""

from rdct.offload.errors import LinkError, ProtocolError
from rdct.offload.messages import (
    VERSION,
    Detections,
    Feedback,
    Hello,
    Limits,
    Message,
    Notice,
    Packet,
    PlanUpdate,
    RegionRequest,
    Result,
    Welcome,
)
from rdct.offload.roles import Edge, Server

__all__ = [
    "VERSION",
    "Detections",
    "Edge",
    "Feedback",
    "Hello",
    "Limits",
    "LinkError",
    "Message",
    "Notice",
    "Packet",
    "PlanUpdate",
    "ProtocolError",
    "RegionRequest",
    "Result",
    "Server",
    "Welcome",
]
