"""The device's state machine: when each frame's one Result comes, and what ends or restarts a run."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import codec
from rdct.offload import Notice, Packet
from rdct.vision.frames import Frame
from stac import StacEdge

ROOT = Path(__file__).resolve().parents[2]


def test_live_every_result_comes_at_once(hand, answer):
    feed = hand({"wait_s": 0.0})
    for t in range(6):
        assert sum(not isinstance(one, Packet) for one in feed.frame(40 * t)) == 1
        assert feed.edge.next_timeout() is None
    assert feed.feed(answer(1)) == []


def test_a_keyframe_waits_for_its_own_labels(hand, answer):
    feed = hand({"wait_s": math.inf, "deadline_s": 60})
    assert [type(one) for one in feed.frame(90)] == [Packet]
    feed.frame(92)
    assert [one.frame for one in feed.results] == [1]
    assert feed.edge.next_timeout() is None  # for ever is no time
    (own,) = feed.feed(answer(1))
    assert (own.frame, own.kind, own.keyframe, own.age_frames) == (0, "server", 1, 0)
    assert (own.labels == 1).all() and own.time_s == 0.0
    feed.frame(200)
    feed.feed(answer(2, labels=False, levels=1))  # levels are not what it waits for
    assert [one.frame for one in feed.results] == [1, 0]


def test_a_keyframe_waits_no_longer_than_told(hand, answer):
    feed = hand({"wait_s": 0.25})
    feed.frame(90)
    feed.feed(answer(1))
    feed.frame(200)
    sent = feed.now
    assert feed.edge.next_timeout() == sent + 0.25
    assert feed.timeout(sent + 0.2) == []
    (result,) = feed.timeout(sent + 0.25)
    assert (result.frame, result.kind, result.keyframe, result.age_frames) == (1, "propagated", 1, 1)
    assert (result.labels == 1).all()
    assert feed.edge.next_timeout() is None
    assert feed.feed(answer(2)) == []  # its Result is out; its labels serve the frames to come
    feed.frame(200)
    assert feed.results[-1].keyframe == 2


def test_a_superseded_keyframe_gives_its_result_first(hand):
    feed = hand({"wait_s": math.inf, "deadline_s": 0.3})
    for _ in range(7):
        feed.frame(90)
    assert feed.keyframes == [0, 3, 6]
    assert [one.frame for one in feed.results] == [1, 2, 0, 4, 5, 3]
    assert [one.frame for one in feed.finish()] == [6]


@pytest.mark.parametrize("code", ["refused", "busy", "superseded"])
def test_a_keyframe_that_gets_no_answer_waits_for_none(hand, code):
    feed = hand({"wait_s": math.inf})
    feed.frame(90)
    (result,) = feed.feed(Notice(code, keyframe=1))
    assert (result.frame, result.kind) == (0, "none")
    assert feed.feed(Notice(code, keyframe=1)) == []


def test_the_last_frames_get_their_results_from_finish(hand, answer):
    feed = hand({"wait_s": math.inf, "in_flight": 3})
    for t in range(3):
        feed.frame(80 * t)
    assert feed.results == []
    assert [one.frame for one in feed.finish()] == [0, 1, 2]
    assert feed.finish() == []
    assert feed.feed(answer(3)) == []


def test_a_source_of_one_frame_and_of_none(hand):
    feed = hand({"wait_s": 5.0})
    assert feed.finish() == []
    feed.frame(90)
    assert [one.frame for one in feed.finish()] == [0]


# ------------------------------------------------------------------------------------------ other sizes


@pytest.mark.parametrize("wait_s", [0.0, math.inf])
def test_another_size_starts_anew_and_old_answers_are_strangers(hand, answer, wait_s):
    small, large = (40, 56), (64, 80)
    feed = hand({"wait_s": wait_s})
    feed.frame(90, small)
    feed.feed(answer(1, levels=0))
    feed.frame(200, small)  # keyframe 2, under way when the size changes
    feed.frame(200, large)
    assert feed.keyframes == [0, 1, 2]
    header = codec.read_header(feed.packets[2].payload)
    assert (header.height, header.width) == large and set(header.level_map.ravel()) == {2}
    feed.feed(answer(2, levels=0, size=small))
    assert feed.edge.stats.feedback_ignored == 1
    feed.feed(answer(3, size=large))
    feed.frame(200, large)
    assert feed.results[-1].labels.shape == large and feed.results[-1].keyframe == 3
    assert sorted(one.frame for one in feed.results) == [0, 1, 2, 3]
    assert feed.edge.stats.restarts == 1


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (7, 5), (33, 31)])
def test_small_and_odd_sizes_work_with_the_real_flow(by_hand, answer, size):
    feed = by_hand.Hand(StacEdge(by_hand.TABLE_SET, threads=1))
    for t in range(3):
        feed.frame(90 + t, size)
        if t == 0:
            feed.feed(answer(1, levels=1, size=size))
    feed.frame(250, size)
    assert [one.labels.shape for one in feed.results[1:]] == [size] * 3
    assert len(feed.packets) == 2


# ------------------------------------------------------------------------------------------ refused frames


def test_a_frame_that_is_none_changes_nothing(hand, answer):
    feed = hand()
    feed.frame(90)
    feed.feed(answer(1))
    for wrong in (
        Frame(0, 0.1, np.zeros((40, 56, 3), np.uint8)),
        Frame(1, 0.1, np.zeros((40, 56), np.uint8)),
    ):
        with pytest.raises(ValueError, match=r"index must grow|image must be"):
            feed.edge.on_frame(wrong, 0.1)
    feed.frame(91)
    assert feed.edge.stats.frames == feed.edge.stats.results == 2
    assert feed.results[-1].age_frames == 1
