"""The device's state machine under every schedule hypothesis can think of.

Frames, answers late, twice, out of order, damaged or never, notices, timeouts, other sizes: whatever happens,
some things always hold.
"""

from __future__ import annotations

import math
import weakref
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import codec
import stac.edge
from rdct.offload import Notice, Packet, PlanUpdate
from rdct.offload.labels import encode_labels
from rdct.offload.messages import CODES
from rdct.vision.flow import FlowAccumulator, FlowField, Prepared
from rdct.vision.frames import Frame
from stac import KeyframePolicy, StacEdge

LEVELS = 4
TABLE_SET = codec.TableSet.from_log(np.full((3, 8, 8), 64), np.arange(LEVELS) * 8)
SIZES = [(24, 32), (33, 41)]
EPSILON = 1e-9


class StillFlow:
    def stride_for(self, shape):
        return 8

    def prepare(self, image):
        return Prepared(np.empty((0, 0), np.uint8), 8, image.shape[:2])

    def between(self, previous, current):
        return FlowField.identity(current.shape, 8)


class Counted(FlowAccumulator):
    """Knows how many of its kind are alive."""

    alive: ClassVar[weakref.WeakSet] = weakref.WeakSet()

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.alive.add(self)


class Schedules(RuleBasedStateMachine):
    """Labels are the keyframe's serial everywhere, so a Result shows where it comes from."""

    @initialize(
        in_flight=st.integers(1, 3),
        wait_s=st.sampled_from([0.0, 0.3, math.inf]),
        deadline_s=st.sampled_from([0.5, math.inf]),
    )
    def start(self, in_flight, wait_s, deadline_s):
        self.real = stac.edge.FlowAccumulator
        stac.edge.FlowAccumulator = Counted
        Counted.alive.clear()
        self.policy = KeyframePolicy(in_flight=in_flight, wait_s=wait_s, deadline_s=deadline_s)
        self.edge = StacEdge(TABLE_SET, policy=self.policy, flow=StillFlow(), threads=1)
        self.now = 0.0
        self.size = SIZES[0]  # of the frames to come
        self.generation = 0  # sizes so far
        self.accepted: dict[int, tuple[int, int]] = {}  # frame: its size
        self.sent: dict[int, tuple[int, float, int]] = {}  # serial: frame, when, generation
        self.labelled: set[int] = set()  # serials whose labels were fed, whole
        self.answered = 0  # the newest of them that counts, by the rule below
        self.results: dict[int, object] = {}
        self.images: list[weakref.ref] = []

    def teardown(self):
        if hasattr(self, "edge"):
            self.take(self.edge.finish(self.now))
            assert self.results.keys() == self.accepted.keys()
            assert self.edge.stats.results == self.edge.stats.frames == len(self.accepted)
            stac.edge.FlowAccumulator = self.real

    def take(self, out):
        """Everything that comes out, checked."""
        for one in out:
            if isinstance(one, Packet):
                self.packet(one)
            else:
                self.result(one)

    def packet(self, packet):
        assert packet.keyframe == len(self.sent) + 1
        header = codec.read_header(packet.payload)
        assert (header.height, header.width) == self.size == self.accepted[packet.frame]
        waiting = [
            when
            for serial, (_, when, generation) in self.sent.items()
            if generation == self.generation and serial not in self.labelled
        ]
        recent = [when for when in waiting if self.now - when < self.policy.deadline_s - EPSILON]
        assert len(recent) < self.policy.in_flight, "sent although enough is in flight"
        self.sent[packet.keyframe] = packet.frame, self.now, self.generation

    def result(self, result):
        assert result.frame in self.accepted and result.frame not in self.results, "not exactly one"
        self.results[result.frame] = result
        assert (result.labels is None) == (result.kind == "none")
        if result.kind == "none":
            return
        assert result.labels.shape == self.accepted[result.frame]
        assert (result.labels == result.keyframe).all(), "labels of another keyframe"
        assert result.keyframe in self.labelled, "labels that nobody sent"
        assert result.age_frames == result.frame - self.sent[result.keyframe][0] >= 0
        assert (result.age_frames == 0) == (result.kind == "server")

    @rule(brightness=st.integers(0, 255), seconds=st.sampled_from([0.0, 0.1, 0.6]), skipped=st.integers(0, 2))
    def frame(self, brightness, seconds, skipped):
        self.now += seconds
        last = max(self.accepted, default=-1)
        index = last + 1 + skipped
        if self.accepted.get(last) != self.size:
            self.generation += 1
            self.answered = 0
        self.accepted[index] = self.size
        image = np.full((*self.size, 3), brightness, np.uint8)
        self.images.append(weakref.ref(image))
        expected = self.answered
        out = self.edge.on_frame(Frame(index, self.now, image), self.now)
        del image
        self.take(out)
        mine = self.results.get(index)
        if mine is not None:
            assert (mine.keyframe or 0) == expected, "not the newest answered keyframe"
            assert mine.kind != "server"

    @rule()
    def other_size(self):
        self.size = SIZES[1 - SIZES.index(self.size)]

    def alive(self, serial):
        """Whether the edge still waits for, or uses, this keyframe: asked of itself, for the model's sake."""
        return self.edge._keyframes.find(serial) is not None

    @rule(
        data=st.data(), labels=st.booleans(), levels=st.booleans(), seconds=st.sampled_from([0.0, 0.2, 2.0])
    )
    def answer(self, data, labels, levels, seconds):
        self.now += seconds
        serial = data.draw(st.integers(1, len(self.sent) + 2))
        frame = self.sent.get(serial, (None,))[0]
        size = self.accepted.get(frame, self.size)
        coded = encode_labels(np.full(size, serial, np.uint8)) if labels or not levels else None
        coded_map = codec.encode_level_map(np.full(codec.map_shape(*size), serial % LEVELS), LEVELS)
        if coded is not None and self.alive(serial):
            self.labelled.add(serial)
            self.answered = max(self.answered, serial)
        newest = serial == len(self.sent)
        assert not newest or not self.sent or self.alive(serial), "the newest keyframe was forgotten"
        self.take(self.edge.on_feedback(PlanUpdate(serial, coded, coded_map if levels else None), self.now))

    @rule(serial=st.integers(1, 9), noise=st.binary(min_size=1, max_size=40), in_labels=st.booleans())
    def damaged(self, serial, noise, in_labels):
        good = encode_labels(np.full(self.size, serial, np.uint8))
        too_long = bytes(60) + b"x"
        update = PlanUpdate(serial, noise, b"") if in_labels else PlanUpdate(serial, good, too_long + noise)
        known = self.edge._keyframes.find(serial)
        if not in_labels and known is not None and known.level_map is not None:
            return  # its levels are known, so the damaged ones are not even looked at
        self.take(self.edge.on_feedback(update, self.now))

    @rule(code=st.sampled_from(CODES), serial=st.none() | st.integers(1, 9))
    def notice(self, code, serial):
        self.take(self.edge.on_feedback(Notice(code, keyframe=serial), self.now))

    @precondition(lambda self: self.edge.next_timeout() is not None)
    @rule(early=st.booleans())
    def timeout(self, early):
        timeout = self.edge.next_timeout()
        if early and timeout > self.now:
            assert (
                self.edge.on_timeout((self.now + timeout) / 2 if timeout - self.now > EPSILON else self.now)
                == []
            )
            return
        self.now = max(self.now, timeout)
        out = self.edge.on_timeout(self.now)
        assert out
        self.take(out)
        assert self.edge.next_timeout() is None or self.edge.next_timeout() > self.now

    @invariant()
    def memory_is_bounded(self):
        if not hasattr(self, "edge"):
            return
        assert len(Counted.alive) <= self.policy.in_flight + 2
        assert len(self.edge._keyframes.pending) <= self.policy.in_flight
        assert sum(one() is not None for one in self.images) <= 1
        self.images = [one for one in self.images if one() is not None]
        if self.policy.wait_s == 0:
            assert self.results.keys() == self.accepted.keys()


Schedules.TestCase.settings = settings(stateful_step_count=30)
TestSchedules = Schedules.TestCase


@pytest.mark.parametrize("in_flight", [1, 3])
def test_three_live_keyframes_with_one_in_flight(by_hand, monkeypatch, in_flight):
    """Answered, levelled and sent may all differ: then there are three accumulators, and never more."""
    monkeypatch.setattr(stac.edge, "FlowAccumulator", Counted)
    Counted.alive.clear()
    policy = KeyframePolicy(in_flight=in_flight, deadline_s=0.05)
    feed = by_hand.Hand(StacEdge(TABLE_SET, policy=policy, flow=StillFlow(), threads=1))
    most = 0
    for t in range(60):
        out = feed.frame(200 * (t % 2))
        serial = next((one.keyframe for one in out if isinstance(one, Packet)), None)
        if serial is not None and serial % 3 == 1:
            feed.feed(by_hand.answer(serial, labels=False, levels=1))
        elif serial is not None and serial % 3 == 2:
            feed.feed(by_hand.answer(serial))
        most = max(most, len(Counted.alive))
    assert len(feed.packets) == 60
    assert most == 3 if in_flight == 1 else 3 <= most <= 5
