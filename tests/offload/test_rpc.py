"""Sessions over gRPC: who is let in, what is refused, what survives, and who keeps whom waiting.

Machines are stubs, so that these are tests of the talking alone; no network, no tables, no torch.
"""

from __future__ import annotations

import queue
import shutil
import subprocess
import threading
import time
import urllib.request

import numpy as np
import pytest

grpc = pytest.importorskip("grpc", reason="needs rdct[rpc]")

from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: E402

from rdct.offload import wire  # noqa: E402
from rdct.offload.backoff import BackOff  # noqa: E402
from rdct.offload.messages import Hello, Limits, Notice, Packet, PlanUpdate, Welcome  # noqa: E402
from rdct.offload.rpc.client import Link  # noqa: E402
from rdct.offload.rpc.metrics import Metrics  # noqa: E402
from rdct.offload.rpc.security import (  # noqa: E402
    channel_credentials,
    check_listening,
    check_sending,
    host_of,
    read_token,
    server_credentials,
)
from rdct.offload.rpc.server import Background, OffloadServer  # noqa: E402
from rdct.offload.session import Connected, Disconnected  # noqa: E402

LIMITS = Limits(max_pixels=10_000, max_packet_bytes=50_000, max_in_flight=2)
TOKEN = "0123456789abcdef0123"


class Machine:
    """Answers a packet with its own payload, doubled; `gate` holds the levels back."""

    set_id = b"8 bytes."

    def __init__(self, gate=None):
        self.gate = gate
        self.seen = []

    def on_hello(self, hello, now):
        if hello.system != "stac":
            return Notice("refused", f"no system {hello.system!r} here")
        known = self.set_id in hello.known_sets
        return Welcome(
            self.set_id, None if known else b"tables", 1.0, 3, ("a", "b"), np.zeros((2, 3), np.uint8)
        )

    def on_packet(self, packet, now):
        self.seen.append(packet.keyframe)
        if packet.payload == b"explode":
            raise RuntimeError("a bug")
        if packet.payload == b"garbage":
            yield Notice("refused", "no stream", packet.keyframe)
            return
        yield PlanUpdate(packet.keyframe, labels=2 * packet.payload)
        if self.gate is not None:
            self.gate.wait(10)
        yield PlanUpdate(packet.keyframe, level_map=b"")


def serve(make=Machine, *, port=0, credentials=None, grace_s=1.0, **options):
    options.setdefault("limits", LIMITS)
    return Background(
        lambda: OffloadServer(lambda hello: make(), **options),
        port=port,
        credentials=credentials,
        grace_s=grace_s,
    )


class Device:
    """A link and what it delivered."""

    def __init__(self, port, *, host="127.0.0.1", hello=None, **options):
        self.events = queue.Queue()
        options.setdefault("backoff", BackOff(0.02, 0.1))
        self.link = Link(f"{host}:{port}", lambda: hello or Hello(10, 10), self.events.put, **options)

    def __enter__(self):
        self.link.start()
        return self

    def __exit__(self, *_):
        self.link.close()

    def next(self, kind=None, within_s=30):
        """The next event, of this kind if one is given: others are passed over."""
        end = time.monotonic() + within_s
        while True:
            event = self.events.get(timeout=max(end - time.monotonic(), 0.01))
            if kind is None or isinstance(event, kind):
                return event

    def send(self, keyframe, payload=b"payload"):
        self.link.send(Packet(keyframe, 0.0, keyframe, payload))


def statuses(port, *messages, token=None):
    """Talk by hand: the answers, then the status and its text."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        metadata = () if token is None else (("authorization", f"Bearer {token}"),)
        call = channel.stream_stream(wire.SESSION)(iter(messages), metadata=metadata, timeout=10)
        answers = []
        try:
            for data in call:
                answers.append(wire.decode(data))
        except grpc.RpcError:
            pass
        return answers, call.code(), call.details()


HELLO = wire.encode(Hello(10, 10))


# ---------------------------------------------------------------- a session


def test_hello_welcome_packets_and_every_byte_counted():
    with serve() as server, Device(server.port) as device:
        welcome = device.next(Connected).welcome
        assert welcome.table_set == b"tables"
        assert welcome.limits == LIMITS
        got = [welcome]
        for keyframe in (1, 2, 3):
            device.send(keyframe)
            labels, levels = device.next(), device.next()
            assert (labels.keyframe, labels.labels) == (keyframe, b"payloadpayload")
            assert (levels.keyframe, levels.level_map) == (keyframe, b"")
            assert 0 < labels.server_s < levels.server_s
            got += [labels, levels]
        sent = [Hello(10, 10)] + [Packet(k, 0.0, k, b"payload") for k in (1, 2, 3)]
        assert device.link.bytes_up == sum(len(wire.encode(one)) for one in sent)
        assert device.link.bytes_down == sum(len(wire.encode(one)) for one in got)
        assert device.link.sessions == 1


def test_labels_leave_before_the_levels_are_computed():
    gate = threading.Event()
    with serve(lambda: Machine(gate)) as server, Device(server.port) as device:
        device.send(1)
        assert device.next(PlanUpdate).labels is not None
        assert device.events.empty()
        gate.set()
        assert device.next(PlanUpdate).level_map is not None


def test_two_sessions_have_a_machine_each():
    machines = []

    def make():
        machines.append(Machine())
        return machines[-1]

    with serve(make, workers=2) as server, Device(server.port) as one, Device(server.port) as other:
        for keyframe in (1, 2, 3):
            one.send(keyframe, b"one")
            other.send(10 + keyframe, b"other")
            for device, payload in ((one, b"oneone"), (other, b"otherother")):
                assert device.next(PlanUpdate).labels == payload
                device.next(PlanUpdate)
    assert sorted(machine.seen for machine in machines) == [[1, 2, 3], [11, 12, 13]]


def test_a_busy_session_leaves_the_labels_of_another_alone():
    """One worker: the gradients of one session are not computed before the labels of the other."""
    order, both_arrived = [], threading.Event()

    class Slow(Machine):
        def on_packet(self, packet, now):
            for answer in super().on_packet(packet, now):
                both_arrived.wait(20)
                order.append((packet.payload, answer.labels is not None))
                yield answer

    metrics = Metrics()
    with (
        serve(Slow, patience_s=60, metrics=metrics) as server,
        Device(server.port) as one,
        Device(server.port) as other,
    ):
        one.next(Connected), other.next(Connected)
        one.send(1, b"one")
        while not metrics.totals()["packets"]:
            time.sleep(0.01)
        other.send(1, b"other")
        while metrics.totals()["packets"] < 2:
            time.sleep(0.01)
        both_arrived.set()
        for device in (one, other):
            device.next(PlanUpdate), device.next(PlanUpdate)
    assert order == [(b"one", True), (b"other", True), (b"one", False), (b"other", False)]


# ---------------------------------------------------------------- it cannot keep up


def test_the_newest_keyframe_wins_and_the_others_are_told():
    gate = threading.Event()
    with (
        serve(lambda: Machine(gate), patience_s=10) as server,
        Device(server.port, capacity=10) as device,
    ):
        device.send(1)
        assert device.next(PlanUpdate).keyframe == 1  # and its gradients keep the worker busy
        for keyframe in (2, 3, 4, 5):
            device.send(keyframe)
        notices = [device.next(Notice) for _ in range(3)]
        assert [(one.code, one.keyframe) for one in notices] == [("superseded", k) for k in (2, 3, 4)]
        gate.set()
        assert [device.next(PlanUpdate).keyframe for _ in range(3)] == [1, 5, 5]


def test_levels_are_left_out_where_the_next_keyframe_waits():
    second_arrived = threading.Event()

    class Slow(Machine):
        def on_packet(self, packet, now):
            second_arrived.wait(20)
            yield from super().on_packet(packet, now)

    metrics = Metrics()
    with (
        serve(Slow, patience_s=60, metrics=metrics) as server,
        Device(server.port, capacity=2) as device,
    ):
        device.next(Connected)
        device.send(1)
        device.send(2)
        while metrics.totals()["packets"] < 2:
            time.sleep(0.01)
        second_arrived.set()
        answers = [device.next(PlanUpdate) for _ in range(3)]
        assert [(one.keyframe, one.labels is not None) for one in answers] == [
            (1, True),
            (2, True),
            (2, False),
        ]


def test_a_packet_that_waited_too_long_is_told_so():
    gate = threading.Event()
    with serve(lambda: Machine(gate), patience_s=0.2) as server:
        with Device(server.port) as one, Device(server.port) as other:
            one.send(1)
            one.next(PlanUpdate)
            other.next(Connected)
            other.send(1)
            time.sleep(0.4)
            gate.set()
            notice = other.next(Notice)
            assert (notice.code, notice.keyframe) == ("busy", 1)
            other.send(2)
            assert other.next(PlanUpdate).keyframe == 2


def test_a_device_that_reads_nothing_holds_up_only_itself():
    """Its answers pile up to a bound, then its packets are not read; another session is served meanwhile."""
    machines = []

    def make():
        machines.append(Machine())
        return machines[-1]

    with serve(make, limits=Limits(max_packet_bytes=1 << 20, max_in_flight=1), grace_s=0) as server:
        packets = [wire.encode(Packet(k, 0.0, k, bytes(500_000))) for k in range(1, 200)]
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            call = channel.stream_stream(wire.SESSION)(iter([HELLO, *packets]), timeout=20)
            time.sleep(1.0)
            seen = len(machines[0].seen)
            with Device(server.port) as other:
                other.send(1)
                assert other.next(PlanUpdate).labels is not None
            time.sleep(0.3)
            assert len(machines[0].seen) == seen < 30
            call.cancel()


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("messages", "code", "text"),
    [
        ([b"\xff\xfe nonsense"], "INVALID_ARGUMENT", "no message"),
        ([wire.encode(Packet(0, 0.0, 1, b"x"))], "INVALID_ARGUMENT", "opens with Hello; Packet came"),
        ([], "INVALID_ARGUMENT", "opens with Hello; nothing came"),
        ([wire.encode(Hello(10, 10, version=99))], "FAILED_PRECONDITION", "speaks version 99"),
        ([wire.encode(Hello(1000, 1000))], "INVALID_ARGUMENT", "1000x1000 pixels are beyond the limit"),
        ([wire.encode(Hello(10, 10, system="x"))], "INVALID_ARGUMENT", "no system 'x' here"),
        ([HELLO, HELLO], "INVALID_ARGUMENT", "a Hello where only packets may come"),
        ([HELLO, b"\xff\xff"], "INVALID_ARGUMENT", "no message"),
        ([HELLO, bytes(60_000)], "RESOURCE_EXHAUSTED", "larger than max"),
        ([HELLO, wire.encode(Packet(0, 0.0, 1, b"explode"))], "INTERNAL", "failed on keyframe 1"),
    ],
)
def test_what_breaks_the_protocol_ends_its_session_with_a_status_and_no_other(messages, code, text):
    with serve() as server, Device(server.port) as bystander:
        bystander.send(1)
        bystander.next(PlanUpdate), bystander.next(PlanUpdate)
        _, status, details = statuses(server.port, *messages)
        assert status is grpc.StatusCode[code]
        assert text in details
        bystander.send(2)
        assert bystander.next(PlanUpdate).keyframe == 2
        assert bystander.link.sessions == 1


def test_a_payload_that_is_no_stream_ends_nothing():
    with serve() as server, Device(server.port) as device:
        device.send(1, b"garbage")
        assert device.next(Notice) == Notice("refused", "no stream", 1)
        device.send(2)
        assert device.next(PlanUpdate).keyframe == 2
        assert device.link.sessions == 1


def test_an_oversized_packet_is_refused_before_it_is_sent():
    with serve() as server, Device(server.port) as device:
        device.next(Connected)
        before = device.link.bytes_up
        device.send(1, bytes(60_000))
        notice = device.next(Notice)
        assert (notice.code, notice.keyframe) == ("refused", 1)
        assert "limit of 50000" in notice.message
        assert device.link.bytes_up == before


def test_more_sessions_than_allowed():
    with serve(max_sessions=1) as server:
        with Device(server.port) as device:
            device.next(Connected)
            _, status, details = statuses(server.port, HELLO)
            assert status is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "no more than 1" in details
        for _ in range(50):  # the place becomes free
            answers, status, _ = statuses(server.port, HELLO)
            if status is grpc.StatusCode.OK:
                break
            time.sleep(0.05)
        assert isinstance(answers[0], Welcome)


# ---------------------------------------------------------------- who is let in


def test_token():
    with serve(token=TOKEN) as server:
        for token in (None, "wrong" * 5, TOKEN + "x", TOKEN[:-1]):
            answers, status, details = statuses(server.port, HELLO, token=token)
            assert not answers
            assert status is grpc.StatusCode.UNAUTHENTICATED
            assert TOKEN not in details
        answers, status, _ = statuses(server.port, HELLO, token=TOKEN)
        assert isinstance(answers[0], Welcome)
        assert status is grpc.StatusCode.OK
        with Device(server.port, token="wrong" * 5) as device:
            end = device.next(Disconnected)
            assert end.final
            assert "token" in end.reason


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate that signs itself, for localhost."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    line = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost "
        "-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout key.pem -out cert.pem"
    )
    subprocess.run([openssl, *line.split()], cwd=folder, check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


def test_tls(certificate, tmp_path):
    cert, key = certificate
    with serve(credentials=server_credentials(cert, key), token=TOKEN) as server:
        with Device(
            server.port, host="localhost", credentials=channel_credentials(cert), token=TOKEN
        ) as device:
            device.send(1)
            assert device.next(PlanUpdate).keyframe == 1
        with Device(server.port, token=TOKEN, patience_s=2) as device:  # in the clear
            assert isinstance(device.next(), Disconnected)
        other = tmp_path / "other.pem"
        subprocess.run(
            f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 "
            f"-subj /CN=localhost -keyout {tmp_path / 'k.pem'} -out {other}".split(),
            check=True,
            capture_output=True,
        )
        with Device(
            server.port, host="localhost", credentials=channel_credentials(other), token=TOKEN, patience_s=2
        ) as device:  # a server that this device does not trust
            assert isinstance(device.next(), Disconnected)


def test_who_may_listen_where():
    for host in ("127.0.0.1", "localhost", "::1", "127.8.9.1"):
        check_listening(host, tls=False, token=False, insecure=False)
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org", ""):
        check_listening(host, tls=True, token=True, insecure=False)
        check_listening(host, tls=False, token=False, insecure=True)
        with pytest.raises(ValueError, match="--tls-cert with --tls-key and --token-file are missing"):
            check_listening(host, tls=False, token=False, insecure=False)
        with pytest.raises(ValueError, match="but --token-file is missing"):
            check_listening(host, tls=True, token=False, insecure=False)
        with pytest.raises(ValueError, match="but --tls-cert with --tls-key is missing"):
            check_listening(host, tls=False, token=True, insecure=False)


def test_a_token_does_not_travel_in_the_clear():
    check_sending("127.0.0.1:1", tls=False, token=True)
    check_sending("far.example:1", tls=True, token=True)
    check_sending("far.example:1", tls=False, token=False)
    with pytest.raises(ValueError, match="in the clear"):
        check_sending("far.example:1", tls=False, token=True)


def test_addresses():
    assert host_of("host:50051") == "host"
    assert host_of("[::1]:50051") == "::1"
    for wrong in ("host", "host:", ":50051", "host:0", "host:65536", "host:http", "::1:50051", "host:-1"):
        with pytest.raises(ValueError, match=r"HOST:PORT|IPv6"):
            host_of(wrong)


def test_token_files(tmp_path):
    path = tmp_path / "token"
    path.write_text(f"  {TOKEN}\n")
    assert read_token(path) == TOKEN
    for text, message in (("short", "5 characters"), ("", "0 characters"), ("two words" * 4, "printable")):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            read_token(path)


def test_files_that_are_no_certificates(tmp_path):
    path = tmp_path / "no.pem"
    path.write_text("hello")
    with pytest.raises(ValueError, match="no PEM file with a certificate"):
        channel_credentials(path)
    with pytest.raises(ValueError, match="no PEM file"):
        server_credentials(path, path)


# ---------------------------------------------------------------- it breaks and comes back


def test_a_link_survives_its_server_and_sends_again_what_was_not_answered():
    gate = threading.Event()

    class Mute(Machine):
        def on_packet(self, packet, now):
            gate.wait(10)
            return iter(())

    with serve(Mute, grace_s=0.0) as server:
        device = Device(server.port)
        device.link.start()
        assert device.next(Connected).welcome.table_set == b"tables"
        device.send(1)
        time.sleep(0.3)
        gate.set()
    assert isinstance(device.next(), (Disconnected, Notice))
    time.sleep(0.3)
    with serve(port=server.port) as server:
        device.next(Connected)
        assert device.next(PlanUpdate).keyframe == 1
        device.send(2)
        device.next(PlanUpdate)
        assert device.next(PlanUpdate).keyframe == 2
        assert device.link.sessions == 2
        device.link.close()


def test_what_is_sent_while_nobody_is_there_waits_and_the_newest_wins():
    with serve() as server:
        pass
    with Device(server.port) as device:
        assert isinstance(device.next(), Disconnected)
        for keyframe in (1, 2, 3):
            device.send(keyframe)
        with serve(port=server.port):
            assert device.next(PlanUpdate).keyframe == 3
            assert device.next(PlanUpdate).keyframe == 3


def test_a_packet_that_breaks_sessions_is_not_sent_for_ever():
    with serve() as server, Device(server.port) as device:
        device.next(Connected)
        device.send(1, b"explode")
        for _ in range(2):
            assert "failed on keyframe 1" in device.next(Disconnected).reason
            device.next(Connected)
        with pytest.raises(queue.Empty):
            device.events.get(timeout=0.5)
        device.send(2)
        assert device.next(PlanUpdate).keyframe == 2


def test_packets_for_other_tables_are_dropped():
    class Other(Machine):
        set_id = b"9 bytes."

    other = Other()
    with serve() as server:
        device = Device(server.port, capacity=2)
        device.link.start()
        device.next(Connected)
    device.next(Disconnected)
    device.send(1)
    with serve(lambda: other, port=server.port) as server:
        assert device.next(Connected).welcome.set_id == b"9 bytes."
        device.send(2)
        assert device.next(PlanUpdate).keyframe == 2
        device.link.close()
    assert other.seen == [2]


def test_a_server_that_accepts_and_says_nothing_is_given_up():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as mute:
        with Device(mute.getsockname()[1], patience_s=0.3) as device:
            assert "no answer within 0.3 s" in device.next(Disconnected).reason


def test_a_link_closes_at_once_whatever_it_is_doing():
    with Device(1) as device:  # nobody listens there
        assert device.next(Disconnected).reason == (
            "Failed to connect to remote host: Connection refused (unavailable)"
        )
        started = time.monotonic()
    with serve() as server, Device(server.port) as device:
        device.next(Connected)
    assert time.monotonic() - started < 3
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("link to")]


# ---------------------------------------------------------------- operation


def test_graceful_stop_answers_what_is_in_flight_and_says_goodbye():
    gate = threading.Event()
    server = serve(lambda: Machine(gate), grace_s=8)
    with server:
        device = Device(server.port)
        device.link.start()
        device.send(1)
        assert device.next(PlanUpdate).labels is not None
        threading.Timer(0.3, gate.set).start()
    assert device.next() == Notice("draining", "the server is about to stop")
    assert device.next().level_map is not None
    end = device.next()
    assert isinstance(end, Disconnected)
    assert not end.final
    device.link.close()


def test_grace_ends():
    gate = threading.Event()
    server = serve(lambda: Machine(gate), grace_s=0.2)
    with server:
        device = Device(server.port)
        device.link.start()
        device.send(1)
        device.next(PlanUpdate)
        threading.Timer(1.5, gate.set).start()
        started = time.monotonic()
    assert time.monotonic() - started < 1.5
    device.link.close()


def test_health():
    with serve(token=TOKEN) as server:
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            for service in ("", "rdct.offload.v1.Offload"):
                answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
                assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_metrics():
    metrics = Metrics()
    port, close = metrics.listen("127.0.0.1", 0)
    try:
        with serve(metrics=metrics, token=TOKEN) as server, Device(server.port, token=TOKEN) as device:
            device.send(1)
            device.next(PlanUpdate), device.next(PlanUpdate)
            device.send(2, b"garbage")
            device.next(Notice)
            statuses(server.port, HELLO)
            page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
        lines = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
        assert float(lines["rdct_sessions"]) == 1
        assert float(lines["rdct_sessions_opened_total"]) == 1
        assert float(lines["rdct_packets_total"]) == 2
        assert float(lines["rdct_received_bytes_total"]) == device.link.bytes_up
        assert float(lines["rdct_sent_bytes_total"]) == device.link.bytes_down
        assert float(lines['rdct_server_seconds_count{answer="labels"}']) == 1
        assert float(lines['rdct_server_seconds_count{answer="levels"}']) == 1
        assert float(lines['rdct_notices_total{code="refused"}']) == 1
        assert float(lines['rdct_refused_total{reason="token"}']) == 1
    finally:
        close()


def test_a_port_in_use():
    with serve() as server, pytest.raises(OSError, match="is it in use"):
        with serve(port=server.port):
            pass
