# SPDX-License-Identifier: Apache-2.0
"""Sessions over gRPC: the only room of this package that knows a socket.

A session is one bidirectional stream of the messages of `rdct.offload.messages`, coded by
`rdct.offload.wire`: Hello and Welcome, then packets up and feedback and notices down. `client` keeps
a session up and reconnects; `server` serves many. Needs `pip install "rdct[rpc]"`.
"""

from __future__ import annotations
