# SPDX-License-Identifier: Apache-2.0
"""What both ends of a session must agree on below the messages: metadata, sizes, keep-alive."""

from __future__ import annotations

__all__ = ["authorization", "client_options", "server_options"]

#: A ping after this long, the least gRPC allows, and how long its echo may take. A frozen server or a cut
#: cable breaks no connection by itself; on a slow link the echo queues behind a whole keyframe.
KEEPALIVE_S, KEEPALIVE_TIMEOUT_S = 10, 10
#: Answers are losslessly coded label maps: never more than a few bytes a pixel.
MAX_ANSWER_BYTES = 256 << 20

_PINGS = [
    ("grpc.keepalive_time_ms", 1000 * KEEPALIVE_S),
    ("grpc.keepalive_timeout_ms", 1000 * KEEPALIVE_TIMEOUT_S),
    ("grpc.http2.max_pings_without_data", 0),
]


def client_options() -> list[tuple[str, int]]:
    """Channel options of the device."""
    return [
        *_PINGS,
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
        # Reconnecting is ours (client.py): no sub-channel with a back-off of its own outlives a try.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_retries", 0),
    ]


def server_options(max_packet_bytes: int) -> list[tuple[str, int]]:
    """Server options: messages no longer than the limit, pings as often as devices send them."""
    return [
        *_PINGS,
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", max_packet_bytes),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 1000),
        ("grpc.http2.max_ping_strikes", 0),
        # Else two servers could listen on one port and share its devices silently.
        ("grpc.so_reuseport", 0),
    ]


def authorization(token: str | None) -> tuple[tuple[str, str], ...]:
    """The metadata that carries a token."""
    return () if token is None else (("authorization", f"Bearer {token}"),)
