# SPDX-License-Identifier: Apache-2.0
"""What a server counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

__all__ = ["Metrics"]

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The counters of one server, in a registry of their own: two servers of a process do not mix.

    Attributes
    ----------
    registry : prometheus_client.CollectorRegistry
    sessions, sessions_opened, packets, bytes_received, bytes_sent, seconds, refused, notices
        See docs/cli.md, stac-serve, for names, labels and meanings.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.sessions = Gauge("rdct_sessions", "Sessions open now.", registry=registry)
        self.sessions_opened = Counter("rdct_sessions_opened", "Sessions welcomed.", registry=registry)
        self.packets = Counter("rdct_packets", "Packets received.", registry=registry)
        self.bytes_received = Counter("rdct_received_bytes", "Bytes of messages received.", registry=registry)
        self.bytes_sent = Counter("rdct_sent_bytes", "Bytes of messages sent.", registry=registry)
        self.seconds = Histogram(
            "rdct_server_seconds",
            "Seconds from a packet's arrival to this answer, waiting included.",
            ["answer"],
            registry=registry,
            buckets=_SECONDS,
        )
        self.refused = Counter(
            "rdct_refused", "Sessions refused or broken off by the server.", ["reason"], registry=registry
        )
        self.notices = Counter("rdct_notices", "Notices sent.", ["code"], registry=registry)

    def totals(self) -> dict[str, int | float]:
        """All counters by name, those with labels added up; for a last word at the end."""
        found: dict[str, int | float] = {}
        for metric in self.registry.collect():
            if metric.type == "counter":
                samples = (one.value for one in metric.samples if one.name.endswith("_total"))
                found[metric.name.removeprefix("rdct_")] = int(sum(samples))
        return found

    def listen(self, host: str, port: int):
        """Serve /metrics over HTTP from a thread.

        Returns
        -------
        port : int
            The bound one, if 0 was asked for.
        close : callable
        """
        server, thread = start_http_server(port, addr=host, registry=self.registry)

        def close() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return server.server_port, close
