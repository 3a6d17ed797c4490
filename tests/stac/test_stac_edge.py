"""The device's state machine, fed by hand: no clock, no network, no network of neurons."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import codec
from rdct.offload import Edge, Notice, Packet, PlanUpdate
from rdct.offload.labels import encode_labels

ROOT = Path(__file__).resolve().parents[2]


def test_it_keeps_the_protocol(hand):
    assert isinstance(hand().edge, Edge)


# ------------------------------------------------------------------------------------------- the trigger


@pytest.mark.parametrize("in_flight", [1, 4])
@pytest.mark.parametrize("round_trip", [1, 5])
def test_a_pending_answer_sets_off_no_storm(hand, answer, round_trip, in_flight):
    # One step of brightness a frame: the 13th is below 26 dB, however long the answers take and however
    # many may be on their way.
    feed = hand({"in_flight": in_flight})
    feed.run(lambda t: 50 + t, 40, round_trip, answer)
    assert feed.keyframes == [0, 13, 26, 39]


def test_in_an_eventful_scene_the_round_trip_paces_the_keyframes(hand, answer):
    # Every frame is a scene of its own, so each answer lets exactly one keyframe out.
    feed = hand()
    feed.run(lambda t: 200 * (t % 2), 30, 5, answer)
    assert feed.keyframes == [0, 5, 10, 15, 20, 25]
    assert feed.edge.stats.keyframes_answered == 5  # the last is under way
    assert feed.edge.stats.keyframes_superseded == 0


def test_a_still_camera_sends_one_keyframe(hand, answer):
    feed = hand()
    feed.run(lambda t: 90, 60, 5, answer)
    assert feed.keyframes == [0]
    assert [one.kind for one in feed.results] == ["none"] * 5 + ["propagated"] * 55
    assert {one.psnr_db for one in feed.results[1:]} == {math.inf}


def test_a_scene_cut_is_a_keyframe_at_once(hand, answer):
    feed = hand()
    feed.run(lambda t: 40 if t < 7 else 200, 12, 2, answer)
    assert feed.keyframes == [0, 7]
    assert [one.keyframe for one in feed.results] == [None, None] + [1] * 7 + [2] * 3


def test_the_oldest_keyframe_may_be_asked_for_by_age(hand, answer):
    feed = hand({"max_age_frames": 6})
    feed.run(lambda t: 90, 20, 1, answer)
    assert feed.keyframes == [0, 6, 12, 18]


def test_a_keyframe_may_be_asked_for_by_valid_share(hand, answer, by_hand):
    # 7 pixels a frame out of 56, on a grid of 8: after two steps a fifth of the nodes has left.
    feed = hand({"min_valid": 0.8}, flow=by_hand.ShiftFlow(dx=7))
    feed.run(lambda t: 90, 9, 1, answer)
    assert len(feed.keyframes) > 2
    calm = hand(flow=by_hand.ShiftFlow(dx=7))
    calm.run(lambda t: 90, 9, 1, answer)
    assert calm.keyframes == [0]


def test_psnr_is_reported_with_every_result(hand, answer):
    feed = hand()
    feed.run(lambda t: 100 + 2 * t, 4, 1, answer)
    assert feed.results[0].psnr_db is None
    for t, one in enumerate(feed.results[1:], 1):
        assert one.psnr_db == pytest.approx(20 * math.log10(255 / (2 * t)))
    assert feed.edge.stats.psnr_min == pytest.approx(20 * math.log10(255 / 6))


# ------------------------------------------------------------------------------- late, lost, twice, unknown


def test_a_lost_answer_costs_one_deadline(hand, answer):
    feed = hand({"deadline_s": 1.0})  # ten frames
    for _ in range(10):
        feed.frame(90)
    assert feed.keyframes == [0]
    feed.frame(90)  # nothing has moved, but nothing was answered either
    assert feed.keyframes == [0, 10]
    assert feed.edge.stats.keyframes_superseded == 1
    feed.feed(answer(2))
    for _ in range(30):
        feed.frame(90)
    assert feed.keyframes == [0, 10]
    assert feed.edge.stats.keyframes_unanswered == 1


def test_a_second_trigger_waits_for_the_deadline_then_supersedes(hand, answer):
    feed = hand({"deadline_s": 0.4})
    for t in range(9):
        feed.frame(0 if t < 1 else 20 * t)
    assert feed.keyframes == [0, 4, 8]
    feed.feed(answer(2))  # superseded by the third
    assert feed.edge.stats.feedback_ignored == 1
    feed.frame(250)
    assert feed.results[-1].kind == "none"
    feed.feed(answer(3))
    feed.frame(250)
    assert (feed.results[-1].keyframe, feed.results[-1].age_frames) == (3, 2)


def test_an_answer_after_the_deadline_counts_until_another_keyframe_is_sent(hand, answer):
    feed = hand({"deadline_s": 0.5})
    feed.frame(90)
    feed.feed(answer(1), now=7.0)
    assert feed.edge.stats.keyframes_answered == 1
    feed.index = 80
    feed.frame(90)
    assert feed.results[-1].keyframe == 1


def test_a_silent_server_is_asked_once_a_deadline(hand):
    feed = hand({"deadline_s": 1.0})
    feed.run(lambda t: 200 * (t % 2), 100)
    assert feed.keyframes == list(range(0, 100, 10))
    assert [one.kind for one in feed.results] == ["none"] * 100
    assert feed.edge.stats.keyframes_unanswered == 10


def test_a_server_slower_than_the_deadline_is_learned_not_raced(hand, answer):
    # Answers take 2.5 deadlines. Were the deadline not stretched, each keyframe would be superseded before
    # its answer, and no label would ever be used.
    feed = hand({"deadline_s": 1.0})
    feed.run(lambda t: 60 + t, 120, 25, answer)
    assert feed.edge.stats.keyframes_answered >= 3
    assert feed.results[-1].kind == "propagated"


def test_a_deadline_learned_from_a_slow_answer_is_forgotten_with_a_fast_one(hand, answer):
    feed = hand({"deadline_s": 0.45})
    for _ in range(6):
        feed.frame(90)
    assert feed.keyframes == [0, 5]
    feed.feed(answer(1), now=1.0)  # a second late: the deadline is 1.5 s from here on
    feed.index = 15
    feed.frame(90)
    assert feed.keyframes == [0, 5]  # 1.1 s after the second was sent
    feed.feed(answer(2), now=1.6)
    feed.frame(200)
    sent = feed.index
    feed.feed(answer(3), now=feed.now + 0.1)
    for brightness in (0, 200, 0, 200, 0, 200):
        feed.frame(brightness)
    assert feed.keyframes == [0, 5, sent, sent + 1, sent + 6]


def test_with_two_in_flight_the_older_is_given_up(hand, answer):
    feed = hand({"in_flight": 2, "deadline_s": 0.25})
    for brightness in (0, 100, 200, 0):
        feed.frame(brightness)
    assert feed.keyframes == [0, 1, 3]
    feed.feed(answer(1))
    assert feed.edge.stats.feedback_ignored == 1
    feed.feed(answer(2))
    feed.frame(0)
    assert feed.results[-1].keyframe == 2


def test_a_doubled_answer_changes_nothing(hand, answer):
    feed = hand()
    feed.frame(90)
    feed.feed(answer(1, levels=1))
    feed.frame(90)
    before = feed.edge.stats.keyframes_answered
    other = PlanUpdate(1, answer(7).labels, answer(7, levels=3).level_map)
    assert feed.feed(other) == []
    feed.frame(90)
    assert (feed.results[-1].labels == 1).all()
    feed.frame(200)
    assert set(codec.read_header(feed.packets[-1].payload).level_map.ravel()) == {1}
    assert feed.edge.stats.keyframes_answered == before
    assert feed.edge.stats.feedback_ignored == 2  # labels and levels


def test_labels_never_go_back_to_an_older_keyframe(hand, answer):
    feed = hand({"in_flight": 2})
    feed.frame(50)
    feed.frame(150)
    assert feed.keyframes == [0, 1]
    feed.feed(answer(2))
    feed.feed(answer(1))
    feed.frame(150)
    assert feed.results[-1].keyframe == 2 and (feed.results[-1].labels == 2).all()
    assert feed.edge.stats.keyframes_answered == 2


def test_levels_never_go_back_to_an_older_keyframe(hand, answer):
    feed = hand({"in_flight": 3})
    feed.frame(50)
    feed.feed(answer(1))
    feed.frame(150)
    feed.feed(answer(2, labels=False, levels=0))
    feed.feed(answer(1, labels=False, levels=3))
    feed.frame(50)
    assert set(codec.read_header(feed.packets[2].payload).level_map.ravel()) == {0}


@pytest.mark.parametrize("serial", [2, 99])
def test_unknown_answers_are_counted_and_else_ignored(hand, answer, serial):
    feed = hand()
    feed.frame(90)
    assert feed.feed(answer(serial, levels=1)) == []
    assert feed.edge.stats.feedback_ignored == 1
    feed.frame(90)
    assert feed.results[-1].kind == "none"


@pytest.mark.parametrize(
    "part",
    [
        {"labels": b"labels"},
        {"labels": "other size"},
        {"labels": "class"},
        {"level_map": b"\x00"},
        {"level_map": bytes(range(1, 99))},
    ],
    ids=["noise", "size", "class", "zero", "too long"],
)
def test_a_corrupt_answer_is_taken_not_even_in_part(hand, answer, by_hand, part):
    good = answer(1, levels=1)
    wrong = {
        "other size": answer(1, size=(40, 55)).labels,
        "class": by_hand.answer(9).labels,
    }
    part = {
        name: wrong.get(value, value) if isinstance(value, str) else value for name, value in part.items()
    }
    feed = hand(classes=9)
    feed.frame(90)
    assert feed.feed(PlanUpdate(1, **{"labels": good.labels, "level_map": good.level_map, **part})) == []
    assert feed.edge.stats.feedback_corrupt == 1
    feed.frame(90)
    assert feed.results[-1].kind == "none"
    feed.feed(good)  # the state is intact: the right one is still welcome
    feed.frame(90)
    assert feed.results[-1].keyframe == 1


def test_other_messages_are_none_of_its_business(hand):
    with pytest.raises(TypeError, match="Packet"):
        hand().feed(Packet(0, 0.0, 1, b"x"))


def test_notices_are_counted_and_do_not_hurry_the_next_keyframe(hand, answer):
    feed = hand({"deadline_s": 1.0})
    feed.frame(0)
    for code in ("refused", "busy", "superseded"):
        feed.feed(Notice(code, keyframe=1))
    feed.feed(Notice("draining"))
    for t in range(1, 21):
        feed.frame(10 * t)
    assert feed.keyframes == [0, 10, 20]
    assert feed.edge.stats.notices == 4


# ----------------------------------------------------------------------------------- half of an answer only


def test_a_server_that_never_sends_levels_leaves_the_middle_level(hand, answer, by_hand):
    feed = hand()
    feed.run(lambda t: 13 * t % 250, 12, 1, answer=lambda serial, levels: answer(serial))
    assert len(feed.packets) > 5
    for packet in feed.packets:
        header = codec.read_header(packet.payload)
        assert set(header.level_map.ravel()) == {by_hand.LEVELS // 2}
    assert feed.results[-1].kind == "propagated"


def test_a_server_that_never_sends_labels_still_steers(hand, answer):
    feed = hand({"deadline_s": 0.5})
    feed.run(lambda t: 90, 11, 1, answer=lambda serial, levels: answer(serial, labels=False, levels=3))
    assert feed.keyframes == [0, 5, 10]
    maps = [set(codec.read_header(packet.payload).level_map.ravel()) for packet in feed.packets]
    assert maps == [{2}, {3}, {3}]
    assert {one.kind for one in feed.results} == {"none"}


def test_labels_and_levels_may_come_apart(hand, answer):
    feed = hand()
    feed.frame(90)
    feed.feed(answer(1))
    feed.feed(answer(1, labels=False, levels=0))
    feed.frame(200)
    assert set(codec.read_header(feed.packets[1].payload).level_map.ravel()) == {0}
    assert feed.edge.stats.feedback_ignored == 0


# -------------------------------------------------------------------------------------- what is carried along


def test_labels_and_levels_move_with_the_picture(hand, by_hand):
    height, width = by_hand.SIZE
    labels = (np.arange(height * width) % 247).astype(np.uint8).reshape(by_hand.SIZE)
    level_map = np.array([[0, 1, 3], [3, 0, 1]], np.uint8)
    feed = hand(flow=by_hand.ShiftFlow(dx=8), table_set=by_hand.TABLE_SET)
    feed.frame(90)
    feed.feed(PlanUpdate(1, encode_labels(labels), codec.encode_level_map(level_map, by_hand.LEVELS)))
    for steps in (1, 2):
        feed.frame(90)
        moved = feed.results[-1].labels
        assert np.array_equal(moved[:, 8 * steps :], labels[:, : -8 * steps])
        # What came in from the left takes the nearest there is.
        assert np.isin(moved[:, : 8 * steps], labels[:, :8]).all()
    feed.frame(200)  # a keyframe one region (24 pixels) further
    carried = codec.read_header(feed.packets[1].payload).level_map
    assert np.array_equal(carried[:, 1:], level_map[:, :-1])
    assert np.array_equal(carried[:, 0], level_map[:, 0])


def test_every_live_keyframe_keeps_its_own_way_back(hand, by_hand):
    """Answered, levelled and sent are three keyframes, each further back than the next."""
    height, width = by_hand.SIZE
    labels = (np.arange(height * width) % 247).astype(np.uint8).reshape(by_hand.SIZE)
    feed = hand({"deadline_s": 0.05}, flow=by_hand.ShiftFlow(dx=8))
    feed.frame(0)
    level_map = np.array([[0, 1, 3], [3, 0, 1]], np.uint8)
    feed.feed(PlanUpdate(1, level_map=codec.encode_level_map(level_map, by_hand.LEVELS)))
    feed.frame(100)
    feed.feed(PlanUpdate(2, encode_labels(labels)))
    feed.frame(200)
    feed.frame(200)
    assert feed.keyframes == [0, 1, 2, 3]
    assert (feed.results[-1].keyframe, feed.results[-1].age_frames) == (2, 2)
    assert np.array_equal(feed.results[-1].labels[:, 16:], labels[:, :-16])
    carried = codec.read_header(feed.packets[-1].payload).level_map
    assert np.array_equal(carried[:, 1:], level_map[:, :-1])  # 3 frames of 8 pixels: one region
    assert feed.results[-1].psnr_db > 60


def test_results_cannot_be_used_to_damage_the_keyframe(hand, answer):
    feed = hand({"wait_s": math.inf})
    feed.frame(90)
    (own,) = feed.feed(answer(1))
    with pytest.raises(ValueError, match="read-only"):
        own.labels[:] = 3
