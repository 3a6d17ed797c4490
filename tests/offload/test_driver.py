"""An edge and a server under a virtual clock, with machines so small that times can be checked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rdct.offload import Notice, Packet, PlanUpdate, Result, wire
from rdct.offload.driver import Output, Transfer, simulate
from rdct.offload.labels import encode_labels
from rdct.offload.link import SimulatedLink
from rdct.offload.registry import SYSTEMS, edge_factory, server_factory
from rdct.offload.tally import Tally
from rdct.vision.frames import Frame

LABELS = encode_labels(np.zeros((2, 2), np.uint8))


class EveryFrame:
    """Sends every frame and holds its Result until it is answered, or for `patience` seconds."""

    def __init__(self, size=100, patience=math.inf):
        self.size, self.patience = size, patience
        self.waiting: dict[int, tuple[Frame, float]] = {}
        self.heard: list[tuple[float, object]] = []

    def on_frame(self, frame, now):
        self.waiting[frame.index + 1] = frame, now
        return [Packet(frame.index, frame.time_s, frame.index + 1, bytes(self.size))]

    def on_feedback(self, feedback, now):
        self.heard.append((now, feedback))
        return self.release([feedback.keyframe] if feedback.keyframe in self.waiting else [])

    def next_timeout(self):
        ends = [since + self.patience for _, since in self.waiting.values()]
        return min(ends) if ends and math.isfinite(min(ends)) else None

    def on_timeout(self, now):
        return self.release([k for k, (_, since) in self.waiting.items() if now >= since + self.patience])

    def finish(self, now):
        return self.release(list(self.waiting))

    def release(self, keys):
        return [Result(self.waiting[key][0].index, self.waiting.pop(key)[0].time_s) for key in keys]


class Echo:
    """Answers with labels, then with levels."""

    def __init__(self):
        self.taken: list[tuple[float, Packet]] = []

    def on_packet(self, packet, now):
        self.taken.append((now, packet))
        yield PlanUpdate(packet.keyframe, LABELS)
        yield PlanUpdate(packet.keyframe, level_map=b"")


def frames(count, fps=10.0):
    image = np.zeros((2, 2, 3), np.uint8)
    return [Frame(i, i / fps, image) for i in range(count)]


def size_of(payload_bytes):
    return len(wire.encode(Packet(0, 0.0, 1, bytes(payload_bytes))))


def run(count=1, *, edge=None, server=None, up=None, down=None, **options):
    edge = EveryFrame() if edge is None else edge
    server = Echo() if server is None else server
    up = SimulatedLink() if up is None else up
    down = SimulatedLink() if down is None else down
    return edge, server, list(simulate(edge, server, frames(count), up, down, **options))


def test_a_packet_of_10000_bytes_arrives_when_it_should():
    payload = next(n for n in range(9_900, 10_000) if size_of(n) == 10_000)
    _, server, records = run(edge=EveryFrame(payload), up=SimulatedLink(1e6, 0.05))
    assert isinstance(records[0], Transfer)
    assert (records[0].size_bytes, records[0].sent_s) == (10_000, 0.0)
    assert records[0].arrived_s == server.taken[0][0] == pytest.approx(0.13, abs=1e-12)


def test_every_time_of_a_round_trip():
    class UntilLevels(EveryFrame):
        def on_feedback(self, feedback, now):
            self.heard.append((now, feedback))
            return self.release([feedback.keyframe]) if feedback.level_map is not None else []

    tally = Tally()
    up, down = SimulatedLink(8000, 0.1), SimulatedLink(8000, 0.2)
    edge, _, records = run(
        edge=UntilLevels(), up=up, down=down, edge_s=0.01, server_s=(0.3, 0.4), tally=tally
    )
    packet, labels, levels, result = records
    arrived = 0.01 + packet.size_bytes / 1000 + 0.1
    assert packet.sent_s == 0.01 and packet.arrived_s == pytest.approx(arrived)
    assert labels.sent_s == pytest.approx(arrived + 0.3)
    assert labels.message.server_s == pytest.approx(0.3)
    assert labels.arrived_s == pytest.approx(arrived + 0.3 + labels.size_bytes / 1000 + 0.2)
    assert labels.arrived_s == edge.heard[0][0]
    assert isinstance(result, Output) and result.at_s == levels.arrived_s == edge.heard[1][0]
    assert levels.sent_s == pytest.approx(arrived + 0.7) and levels.message.server_s == pytest.approx(0.7)
    assert tally.bytes_up == packet.size_bytes
    assert tally.bytes_down == labels.size_bytes + levels.size_bytes
    assert (tally.frames, tally.results_lost, tally.keyframes_unanswered) == (1, 0, 0)


def test_packets_wait_for_a_busy_server():
    _, server, _ = run(3, server_s=(0.25, 0.0))
    assert [at for at, _ in server.taken] == pytest.approx([0.0, 0.25, 0.5])


class Listening(EveryFrame):
    """Releases nothing before its patience ends, so that every answer arrives."""

    def __init__(self):
        super().__init__(patience=2.0)

    def on_feedback(self, feedback, now):
        self.heard.append((now, feedback))
        return []


def told(records):
    """Which keyframe's labels or levels left the server when."""
    down = [one for one in records if isinstance(one, Transfer) and one.direction == "down"]
    return [
        (one.message.keyframe, "levels" if one.message.labels is None else "labels", round(one.sent_s, 9))
        for one in down
    ]


def test_a_waiting_keyframe_is_labelled_before_levels_of_an_earlier_one():
    """Frames every 0.1 s, labels 0.15 s, levels 0.3 s: 2 waits when 1 is labelled, and 3 when 2 is."""
    _, server, records = run(3, edge=Listening(), server_s=(0.15, 0.3))
    assert told(records) == [
        (1, "labels", 0.15),
        (2, "labels", 0.3),
        (3, "labels", 0.45),
        (3, "levels", 0.75),
    ]
    assert [at for at, _ in server.taken] == pytest.approx([0.0, 0.15, 0.3])


def test_levels_that_have_begun_are_finished():
    """2 comes while the levels of 1 are computed, and waits for no more than those."""
    _, _, records = run(2, edge=Listening(), server_s=(0.05, 0.2))
    assert told(records) == [
        (1, "labels", 0.05),
        (1, "levels", 0.25),
        (2, "labels", 0.3),
        (2, "levels", 0.5),
    ]
    answers = [one.message for one in records if isinstance(one, Transfer) and one.direction == "down"]
    # From its arrival, the wait included.
    assert [one.server_s for one in answers] == pytest.approx([0.05, 0.25, 0.2, 0.4])


def test_a_server_without_delay_answers_all():
    _, _, records = run(3, edge=Listening(), server_s=0.0)
    assert [what for _, what, _ in told(records)] == ["labels", "levels"] * 3


def test_frames_wait_for_a_busy_edge_and_none_is_dropped():
    tally = Tally()
    _, _, records = run(4, edge_s=0.25, tally=tally)
    sent = [one.sent_s for one in records if isinstance(one, Transfer) and one.direction == "up"]
    assert sent == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert tally.frames == 4 and tally.results_lost == 0


def test_what_the_ends_see_went_over_the_wire():
    edge, server, records = run()
    assert server.taken[0][1] == records[0].message and server.taken[0][1] is not records[0].message
    assert edge.heard[0][1] == records[1].message and edge.heard[0][1] is not records[1].message


def test_time_outs_come_when_asked_for():
    _, _, records = run(edge=EveryFrame(patience=0.125), up=SimulatedLink(loss=1.0))
    assert records[-1] == Output(0.125, records[-1].result)


def test_an_answer_just_in_time_is_in_time():
    edge, _, records = run(edge=EveryFrame(patience=0.5), up=SimulatedLink(delay_s=0.5))
    assert len(edge.heard) == 1 and records[-1].at_s == 0.5


def test_after_the_last_frame_owed_results_are_waited_for():
    _, _, records = run(up=SimulatedLink(delay_s=9.0))
    assert [one.at_s for one in records if isinstance(one, Output)] == [9.0]


def test_results_owed_for_ever_come_from_finish():
    tally = Tally()
    _, _, records = run(3, up=SimulatedLink(loss=1.0), tally=tally)
    assert [one.result.frame for one in records if isinstance(one, Output)] == [0, 1, 2]
    assert all(one.arrived_s is None for one in records if isinstance(one, Transfer))
    assert (tally.results_lost, tally.keyframes_unanswered) == (0, 3)


def test_a_frame_without_its_result_is_noticed():
    class Forgetful(EveryFrame):
        def finish(self, now):
            return []

    tally = Tally()
    run(3, edge=Forgetful(), up=SimulatedLink(loss=1.0), tally=tally)
    assert tally.results_lost == 3


def test_notices_travel_too():
    class Refusing(Echo):
        def on_packet(self, packet, now):
            yield Notice("refused", "no", packet.keyframe)

    edge, _, records = run(server=Refusing())
    assert edge.heard == [(0.0, Notice("refused", "no", 1))]
    assert len(records) == 3


def test_the_same_input_gives_the_same_records():
    def once():
        up = SimulatedLink([(0, 3e4), (0.5, 1e4)], 0.02, loss=0.2, seed=3, outages=[(1, 1.4)])
        down = SimulatedLink(2e4, 0.02, loss=0.2, seed=4)
        _, _, records = run(40, edge=EveryFrame(patience=0.7), up=up, down=down, edge_s=0.003, server_s=0.05)
        return [
            (one.at_s, one.result.frame)
            if isinstance(one, Output)
            else (one.sent_s, one.arrived_s, one.message)
            for one in records
        ]

    first = once()
    assert once() == first
    assert sum(one[1] is None for one in first) > 5  # and something really was lost


def test_frames_are_taken_one_at_a_time():
    taken = []

    def source():
        for frame in frames(3):
            taken.append(frame.index)
            yield frame

    records = simulate(EveryFrame(), Echo(), source(), SimulatedLink(), SimulatedLink())
    assert taken == []
    next(records)
    assert taken == [0]


@pytest.mark.parametrize("options", [{"edge_s": -1.0}, {"server_s": -1.0}, {"server_s": ()}])
def test_times_that_make_no_sense_are_refused(options):
    with pytest.raises(ValueError, match="0 seconds or more"):
        run(**options)


def test_every_system_of_the_registry_is_there():
    for name in SYSTEMS:
        assert callable(edge_factory(name)) and callable(server_factory(name))
    with pytest.raises(ValueError, match="'stack'; there are " + ", ".join(sorted(SYSTEMS))):
        edge_factory("stack")
    with pytest.raises(ValueError, match="unknown system"):
        server_factory("")


def test_no_cycle_of_imports_and_no_torch():
    import subprocess
    import sys

    script = (
        "import sys, rdct.offload.driver; print([n for n in ('torch', 'stac', 'grpc') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
