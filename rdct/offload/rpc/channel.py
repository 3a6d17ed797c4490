"""What both ends of a session must agree on below the messages: names, metadata, keep-alive."""

from __future__ import annotations

__all__ = ["METHOD", "PATH", "SERVICE", "authorization", "client_options", "server_options"]

SERVICE = "rdct.offload.Offload"
METHOD = "Session"
PATH = f"/{SERVICE}/{METHOD}"

#: A ping after this long without data, and how long its echo may take. A frozen server or a cut cable
#: breaks no connection by itself; on a slow link the echo queues behind a whole keyframe.
KEEPALIVE_S, KEEPALIVE_TIMEOUT_S = 5, 10
#: What gRPC and protobuf add to the payload of a packet, generously.
MESSAGE_OVERHEAD = 4096
#: Answers are label maps, losslessly coded: never more than a few bytes a pixel.
MAX_ANSWER_BYTES = 256 << 20


def client_options() -> list[tuple[str, int]]:
    """Channel options of the device."""
    return [
        ("grpc.keepalive_time_ms", 1000 * KEEPALIVE_S),
        ("grpc.keepalive_timeout_ms", 1000 * KEEPALIVE_TIMEOUT_S),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
        # Reconnecting is ours (client.py): no sub-channel with a back-off of its own outlives a try.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_retries", 0),
    ]


def server_options(max_packet_bytes: int) -> list[tuple[str, int]]:
    """Server options: pings as often as devices send them, messages no larger than a packet."""
    return [
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", max_packet_bytes + MESSAGE_OVERHEAD),
        ("grpc.keepalive_time_ms", 1000 * KEEPALIVE_S),
        ("grpc.keepalive_timeout_ms", 1000 * KEEPALIVE_TIMEOUT_S),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 1000),
        ("grpc.http2.max_ping_strikes", 0),
        # Two servers on one port would share its devices silently.
        ("grpc.so_reuseport", 0),
    ]


def authorization(token: str | None) -> tuple[tuple[str, str], ...]:
    """The metadata that carries a token."""
    return () if token is None else (("authorization", f"Bearer {token}"),)
