"""The device at work: one Result for every accepted frame, whatever the server does, and true counts."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from rdct.offload.errors import LinkError
from rdct.offload.feed import Feed, Inbox
from rdct.offload.live import Device
from rdct.offload.messages import Notice, Packet, PlanUpdate, Result, Welcome
from rdct.offload.session import Connected, Disconnected
from rdct.offload.tally import Tally
from rdct.vision.frames import Source

IMAGE = np.zeros((4, 6, 3), np.uint8)
WELCOME = Welcome(b"8 bytes.", b"tables", 1.0, 3, ("a",), np.zeros((1, 3), np.uint8))
OPENED = (Connected(WELCOME),)


class Clip(Source):
    """So many frames; a live one gives them `every_s` seconds."""

    def __init__(self, frames, *, fps=1000.0, live=False, every_s=0.0, error=None):
        super().__init__("clip", fps, (4, 6), frames, live=live)
        self.every_s, self.error, self.closed = every_s, error, False
        self.count = frames

    def _pass(self):
        for index in range(self.count):
            if self.every_s:
                time.sleep(self.every_s)
            yield index / self.fps, IMAGE
        if self.error is not None:
            raise self.error

    def close(self):
        self.closed = True


class Wire:
    """A link without a network: `answer` gets each packet and returns events."""

    address = "here:1"

    def __init__(self, hello, deliver, answer=lambda packet: (), opening=OPENED):
        self.hello, self.deliver, self.answer, self.opening = hello, deliver, answer, opening
        self.bytes_up = self.bytes_down = self.sessions = 0
        self.sent, self.closed = [], False

    def start(self):
        self.sessions = 1
        for event in self.opening:
            self.deliver(event)

    def send(self, packet):
        self.sent.append(packet)
        self.bytes_up += len(packet.payload)
        for event in self.answer(packet):
            self.deliver(event)

    def close(self):
        self.closed = True


class Machine:
    """Sends every `every`-th frame; if `hold`, a keyframe's Result waits for its labels, or `wait_s`."""

    def __init__(self, every=5, hold=False, wait_s=10.0, slow_s=0.0):
        self.every, self.hold, self.wait_s, self.slow_s = every, hold, wait_s, slow_s
        self.serial, self.owed, self.fed, self.finished = 0, {}, [], 0

    def on_frame(self, frame, now):
        time.sleep(self.slow_s)
        result = Result(frame.index, frame.time_s, psnr_db=20.0 + frame.index)
        if frame.index % self.every:
            yield result
            return
        self.serial += 1
        if self.hold:
            self.owed[self.serial] = (result, now + self.wait_s)
        yield Packet(frame.index, frame.time_s, self.serial, b"x" * 100)
        if not self.hold:
            yield result

    def on_feedback(self, feedback, now):
        self.fed.append(feedback)
        result, _ = self.owed.pop(feedback.keyframe, (None, 0))
        if result is not None:
            labels = np.zeros((4, 6), np.uint8)
            yield Result(result.frame, result.time_s, labels, feedback.keyframe, 0, None, "server")

    def next_timeout(self):
        return min((until for _, until in self.owed.values()), default=None)

    def on_timeout(self, now):
        for serial, (result, until) in list(self.owed.items()):
            if now >= until:
                del self.owed[serial]
                yield result

    def finish(self, now):
        self.finished += 1
        for result, _ in self.owed.values():
            yield result
        self.owed = {}


class Keep:
    """A sink that keeps everything."""

    def __init__(self):
        self.shown, self.opened, self.closed = [], None, 0

    def open(self, welcome, fps):
        self.opened = (welcome, fps)

    def write(self, shown):
        self.shown.append(shown)

    def close(self):
        self.closed += 1


def labels_of(packet):
    return [PlanUpdate(packet.keyframe, labels=b"l"), PlanUpdate(packet.keyframe, level_map=b"")]


def play(source, machine=None, *, answer=labels_of, opening=OPENED, **options):
    machine = machine or Machine()
    made = SimpleNamespace(machine=machine, link=None, sink=Keep(), said=[], device=None)

    def make_link(hello, deliver):
        made.link = Wire(hello, deliver, answer, opening)
        return made.link

    options.setdefault("pace", False)
    make_edge = options.pop("make_edge", lambda welcome: machine)
    made.device = Device(source, make_edge, make_link, sinks=[made.sink], say=made.said.append, **options)
    return made


def test_every_frame_once_and_in_order():
    made = play(Clip(23))
    tally = made.device.run()
    assert [shown.result.frame for shown in made.sink.shown] == list(range(23))
    assert [shown.frame.index for shown in made.sink.shown if shown.sent] == [0, 5, 10, 15, 20]
    summary = tally.summary(1000.0)
    assert (summary["frames"], summary["keyframes"], summary["results_lost"]) == (23, 5, 0)
    assert (summary["frames_dropped"], summary["reconnects"]) == (0, 0)
    assert summary["bytes_up"] == 500
    assert summary["kbps"] == pytest.approx(8 * 500 / 1000 / 0.023, rel=1e-3)
    assert summary["psnr_min"] == 20.0
    assert summary["frames_unlabelled"] == 23
    assert made.link.closed
    assert made.sink.closed == 1
    assert made.device._source.closed
    assert made.link.hello().width, made.link.hello().height == (6, 4)


def test_the_first_frame_waits_for_the_tables():
    seen = []
    made = play(Clip(3), make_edge=lambda welcome: seen.append(welcome) or Machine())
    made.device.run()
    assert seen[0].table_set == b"tables"
    assert made.sink.opened[0] is seen[0]


def test_unanswered_keyframes_are_counted_and_cost_no_result():
    tally = play(
        Clip(20), answer=lambda packet: labels_of(packet) if packet.keyframe % 2 else []
    ).device.run()
    assert (tally.keyframes, tally.keyframes_unanswered, tally.results_lost) == (4, 2, 0)


def test_lockstep_holds_the_next_frame_until_the_result_is_there():
    made = play(Clip(12), Machine(hold=True), answer=labels_of, lockstep=True)
    tally = made.device.run()
    assert [shown.result.frame for shown in made.sink.shown] == list(range(12))
    assert [shown.result.kind for shown in made.sink.shown if shown.sent] == ["server"] * 3
    assert tally.results_lost == 0


def test_lockstep_goes_on_after_the_timeout():
    made = play(Clip(6), Machine(hold=True, wait_s=0.1), answer=lambda packet: [], lockstep=True)
    tally = made.device.run()
    assert [shown.result.frame for shown in made.sink.shown] == list(range(6))
    assert tally.results_lost == 0


def test_so_many_frames_may_be_owed_and_no_more():
    held = []

    def answer(packet):
        held.append(packet)
        return [event for one in held for event in labels_of(one)] if len(held) % 3 == 0 else []

    made = play(Clip(7), Machine(every=1, hold=True, wait_s=0.3), answer=answer, lockstep=3)
    tally = made.device.run()
    kinds = [shown.result.kind for shown in made.sink.shown]
    assert (kinds, tally.results_lost) == (["server"] * 6 + ["none"], 0)


def test_the_end_of_a_file_waits_for_answers_under_way():
    late = []

    def answer(packet):
        late.append(threading.Timer(0.2, lambda: [made.link.deliver(one) for one in labels_of(packet)]))
        late[-1].start()
        return []

    made = play(Clip(6), Machine(hold=True), answer=answer)
    started = time.monotonic()
    tally = made.device.run()
    assert [shown.result.kind for shown in made.sink.shown].count("server") == 2
    assert tally.results_lost == 0 and time.monotonic() - started < 8


def test_results_still_owed_come_at_the_end():
    made = play(Clip(6), Machine(hold=True, wait_s=0.2), answer=lambda packet: [])
    tally = made.device.run()
    # Those of frames 1 to 4 were known before that of frame 0, but sinks get frames in order.
    assert [shown.result.frame for shown in made.sink.shown] == list(range(6))
    assert (tally.results_lost, made.machine.finished) == (0, 1)


def test_a_machine_that_loses_or_doubles_results_is_found_out():
    class Careless(Machine):
        def on_frame(self, frame, now):
            if frame.index == 1:
                return
            yield Result(frame.index, 0.0)
            if frame.index == 2:
                yield Result(frame.index, 0.0)

    assert play(Clip(5), Careless()).device.run().results_lost == 2


def test_files_are_paced_and_never_dropped():
    started = time.monotonic()
    made = play(Clip(10, fps=20.0), Machine(slow_s=0.01), pace=True)
    tally = made.device.run()
    assert 0.4 < time.monotonic() - started
    assert (tally.frames, tally.frames_dropped) == (10, 0)
    tally = play(Clip(30, fps=1000.0), Machine(slow_s=0.01), pace=True).device.run()  # cannot keep up
    assert (tally.frames, tally.frames_dropped) == (30, 0)


def test_live_sources_drop_to_the_latest_and_say_so():
    made = play(Clip(40, live=True, every_s=0.005), Machine(slow_s=0.03), pace=True)
    tally = made.device.run()
    indices = [shown.result.frame for shown in made.sink.shown]
    assert tally.frames_dropped > 10
    assert tally.frames + tally.frames_dropped == 40
    assert indices == sorted(set(indices))
    assert indices[-1] == 39
    assert tally.results_lost == 0


def test_an_outage_is_said_once_and_so_is_its_end():
    def answer(packet):
        if packet.keyframe == 2:
            return [Disconnected("gone"), Disconnected("still gone")]
        if packet.keyframe == 5:
            return [Connected(WELCOME), *labels_of(packet)]
        return [] if packet.keyframe in (3, 4) else labels_of(packet)

    made = play(Clip(30), answer=answer)
    tally = made.device.run()
    assert [text.split(" (")[0].split(" after")[0] for text in made.said] == [
        "here:1 is away",
        "here:1 is back",
    ]
    assert tally.results_lost == 0
    assert tally.keyframes_unanswered == 3


def test_silence_is_an_outage_too(monkeypatch):
    monkeypatch.setattr("rdct.offload.live.SILENCE_S", 0.05)
    made = play(Clip(10), Machine(hold=True, wait_s=0.4), answer=lambda packet: [], lockstep=True)
    made.device.run()
    assert len(made.said) == 1
    assert "no answer for 0.05 s" in made.said[0]


def test_a_server_with_other_tables_gets_a_new_machine():
    other = Welcome(b"9 bytes.", b"others", 1.0, 3, ("a",), np.zeros((1, 3), np.uint8))
    machines = []

    def make_edge(welcome):
        machines.append((welcome.table_set, Machine(hold=True, wait_s=0.5)))
        return machines[-1][1]

    def answer(packet):
        same = Connected(Welcome(b"8 bytes.", None, 1.0, 3, ("a",), np.zeros((1, 3), np.uint8)))
        return [same] if packet.frame == 5 else [Connected(other)] if packet.frame == 10 else []

    made = play(Clip(20), answer=answer, make_edge=make_edge)
    tally = made.device.run()
    assert [tables for tables, _ in machines] == [b"tables", b"others"]
    assert [machine.finished for _, machine in machines] == [1, 1]
    assert (tally.frames, tally.results_lost) == (20, 0)
    assert tally.keyframes_unanswered == tally.keyframes == 4
    assert made.link.hello().known_sets == (b"8 bytes.", b"9 bytes.")


def test_notices_are_counted_and_refusals_said():
    made = play(Clip(11), answer=lambda packet: [Notice("refused", "too bad", packet.keyframe)])
    tally = made.device.run()
    assert tally.summary(10)["notices"] == {"refused": 3}
    assert made.said == ["here:1 refuses keyframe 1: too bad"]
    assert [one.code for one in made.machine.fed] == ["refused"] * 3


def test_no_session_at_all():
    made = play(Clip(3), opening=[Disconnected("connection refused")], connect_s=0.1)
    with pytest.raises(LinkError, match="here:1 cannot be reached: connection refused"):
        made.device.run()
    assert made.device.tally.frames == 0
    assert made.sink.closed == 0
    assert made.link.closed
    made = play(Clip(3), opening=[Disconnected("wrong token", final=True)])
    started = time.monotonic()
    with pytest.raises(LinkError, match="here:1 refuses: wrong token"):
        made.device.run()
    assert time.monotonic() - started < 5


def test_a_source_that_breaks_gives_its_frames_first():
    made = play(Clip(7, error=OSError("the cable is out")))
    with pytest.raises(OSError, match="the cable is out"):
        made.device.run()
    assert made.device.tally.frames == 7
    assert made.device.tally.results_lost == 0


def test_a_source_without_frames():
    made = play(Clip(0))
    assert made.device.run().frames == 0
    assert made.link.closed


def test_limit():
    assert play(Clip(100), limit=7).device.run().frames == 7


@pytest.mark.parametrize("live", [False, True])
def test_stop_ends_a_run_that_would_not_end(live):
    made = play(Clip(10**6, fps=100.0, live=live, every_s=0.005), Machine(hold=True), pace=True)
    threading.Timer(0.2, made.device.stop).start()
    tally = made.device.run()
    assert 3 < tally.frames < 200
    assert tally.results_lost == 0
    assert made.sink.closed == 1


def test_stop_while_there_is_no_session():
    made = play(Clip(10), opening=[])
    threading.Timer(0.1, made.device.stop).start()
    assert made.device.run().frames == 0


# ---------------------------------------------------------------- parts


def test_a_feed_of_a_file_waits():
    feed = Feed(Clip(10), live=False, wake=lambda: None, ahead=3)
    feed.start()
    time.sleep(0.1)
    taken = []
    while not feed.ended:
        if feed.peek() is not None:
            taken.append(feed.take().index)
    assert taken == list(range(10))
    assert feed.dropped == 0


def test_a_feed_that_is_closed_lets_go_of_its_source():
    source = Clip(10**6)
    feed = Feed(source, live=False, wake=lambda: None)
    feed.start()
    feed.close()
    assert source.closed


def test_an_inbox_wakes_its_owner():
    inbox = Inbox()
    threading.Timer(0.05, lambda: inbox.put("letter")).start()
    inbox.wait(5)
    assert inbox.take() == ["letter"]
    inbox.wake()
    started = time.monotonic()
    inbox.wait(5)
    assert time.monotonic() - started < 1
    inbox.wait(0.01)
    assert inbox.take() == []


def test_a_tally_of_nothing_is_still_json():
    import json

    summary = Tally().summary(25.0)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["psnr_min"] is None
    assert summary["fps"] == summary["kbps"] == 0


def test_a_tally_of_equal_pictures_has_no_psnr():
    tally = Tally()
    tally.accepted(0.0, 0.0)
    tally.resulted(Result(0, 0.0, psnr_db=float("inf")), expected=True, now=1.0)
    assert tally.summary(25.0)["psnr_min"] is None
