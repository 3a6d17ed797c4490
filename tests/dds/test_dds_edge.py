"""The device's state machine, fed by hand: no clock, no network, no detector."""

from __future__ import annotations

import gc
import random
import weakref

import numpy as np
import pytest

import codec
from rdct.dds.edge import DdsEdge, DdsPolicy
from rdct.offload import Edge, Notice, Packet, ProtocolError, Welcome
from rdct.offload.messages import PlanUpdate


def level_map(packet, by_hand):
    return codec.read_header(packet.payload, (by_hand.TABLE_SET,)).level_map


def test_it_keeps_the_protocol(hand):
    assert isinstance(hand().edge, Edge)


# ------------------------------------------------------------------------------------------------ the streams


def test_every_frame_goes_low_under_the_coarsest_level(hand, by_hand):
    feed = hand()
    for _ in range(3):
        feed.frame()
    assert [(one.stream, one.frame, one.keyframe) for one in feed.packets] == [
        ("low", 0, 1),
        ("low", 1, 2),
        ("low", 2, 3),
    ]
    assert set(level_map(feed.packets[0], by_hand).ravel()) == {1}
    assert feed.results == []


def test_only_what_is_asked_for_goes_high(hand, by_hand):
    feed = hand()
    feed.frame()
    (packet,) = feed.feed(by_hand.request(1, (30, 30, 54, 54), (100, 0, 101, 1)))
    assert (packet.stream, packet.frame, packet.keyframe) == ("high", 0, 1)
    expected = np.full((4, 6), codec.SKIP)
    expected[1:3, 1:3] = 0  # 30..54 touches the cells 24..48 and 48..72
    expected[0, 4] = 0  # one pixel: one cell
    assert np.array_equal(level_map(packet, by_hand), expected)
    assert feed.edge.stats.cells_sent == 5


def test_a_box_that_ends_at_an_edge_of_a_cell_does_not_touch_the_next(hand, by_hand):
    feed = hand()
    feed.frame()
    (packet,) = feed.feed(by_hand.request(1, (24, 24, 48, 48)))
    assert np.argwhere(level_map(packet, by_hand) == 0).tolist() == [[1, 1]]


def test_high_builds_on_low_and_is_what_a_direct_stream_would_be(hand, by_hand):
    rng = np.random.default_rng(5)
    image = rng.integers(90, 150, (*by_hand.SIZE, 3), np.uint8)
    feed = hand()
    feed.frame(image)
    (high,) = feed.feed(by_hand.request(1, (0, 0, 60, 60)))
    low = feed.packets[0]
    sets = (by_hand.TABLE_SET,)
    assert codec.read_header(high.payload, sets).refine
    plan = codec.QuantPlan(by_hand.TABLE_SET, level_map(high, by_hand))
    direct = codec.encode(image, plan, subsampling="420", tables="id")
    assert len(high.payload) < len(direct)
    base = codec.decode_planes(low.payload, table_sets=sets)
    assert np.array_equal(
        codec.decode(high.payload, refine=low.payload, table_sets=sets),
        codec.decode(direct, base=base, table_sets=sets),
    )


def test_streams_of_two_scales_stand_each_for_itself(hand, by_hand):
    feed = hand(low_scale=0.5)
    feed.frame()
    sets = (by_hand.TABLE_SET,)
    low = codec.read_header(feed.packets[0].payload, sets)
    assert (low.height, low.width) == (48, 72)
    (packet,) = feed.feed(by_hand.request(1, (15, 15, 27, 27), size=(48, 72)))
    high = codec.read_header(packet.payload, sets)
    assert (high.height, high.width, high.refine) == (96, 144, False)
    assert np.argwhere(high.level_map == 0).tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]
    (result,) = feed.feed(by_hand.detections(1, (30, 30, 54, 54)))
    assert result.regions == by_hand.objects((30, 30, 54, 54))


def test_regions_of_a_reduced_picture_are_given_in_pixels_of_the_frame(hand, by_hand):
    feed = hand(low_scale=0.5, high_scale=0.5)
    feed.frame()
    (packet,) = feed.feed(by_hand.request(1, (15, 15, 27, 27), size=(48, 72)))
    assert codec.read_header(packet.payload, (by_hand.TABLE_SET,)).refine
    (result,) = feed.feed(by_hand.detections(1, (15, 15, 27, 36), size=(48, 72)))
    assert result.regions == by_hand.objects((30, 30, 54, 72))


def test_a_chunk_goes_when_it_is_full(hand):
    feed = hand(chunk_frames=3)
    assert [len(feed.frame()) for _ in range(7)] == [0, 0, 3, 0, 0, 3, 0]
    assert [one.frame for one in feed.packets] == [0, 1, 2, 3, 4, 5]


def test_or_when_it_has_waited_long_enough(hand):
    feed = hand(chunk_frames=15, chunk_s=0.5, deadline_s=2.0)
    feed.frame()
    feed.frame()
    assert feed.edge.next_timeout() == 0.5
    assert feed.timeout(0.4) == []
    assert [one.frame for one in feed.timeout(0.5)] == [0, 1]
    assert feed.edge.next_timeout() == 2.0  # the first Result's
    feed.frame()
    assert len(feed.packets) == 2


# ---------------------------------------------------------------------------------------------------- answers


def test_one_round_suffices_where_nothing_is_doubtful(hand, by_hand):
    feed = hand()
    feed.frame()
    (result,) = feed.feed(by_hand.detections(1, (30, 30, 54, 54)))
    assert (result.frame, result.kind, result.keyframe, result.age_frames) == (0, "server", 1, 0)
    assert result.regions == by_hand.objects((30, 30, 54, 54)) and result.labels is None
    assert (feed.edge.stats.settled_first, feed.edge.stats.settled_second) == (1, 0)


def test_the_second_round_has_the_last_word(hand, by_hand):
    feed = hand()
    feed.frame()
    feed.feed(by_hand.request(1, found=[(0, 0, 9, 9)]))
    (result,) = feed.feed(by_hand.detections(1, (0, 0, 9, 9), (30, 30, 54, 54)))
    assert len(result.regions) == 2
    assert (feed.edge.stats.settled_second, feed.edge.stats.fallbacks) == (1, 0)


def test_no_objects_are_an_answer_too(hand, by_hand):
    feed = hand()
    feed.frame()
    (result,) = feed.feed(by_hand.detections(1))
    assert result.regions == () and result.kind == "server"


def test_objects_of_unknown_classes_are_left_out(hand, by_hand):
    feed = hand(options={"classes": 0})
    feed.frame()
    (result,) = feed.feed(by_hand.detections(1, (30, 30, 54, 54)))
    assert result.regions == ()


# ------------------------------------------------------------------- late, lost, twice, out of order, unknown


def test_a_request_that_comes_too_late_counts_for_what_it_found(hand, by_hand):
    feed = hand(hold_s=0.5, deadline_s=2.0)
    feed.frame()
    (result,) = feed.feed(by_hand.request(1, found=[(0, 0, 9, 9)]), now=0.51)
    assert result.regions == by_hand.objects((0, 0, 9, 9))
    assert feed.of("high") == []
    assert (feed.edge.stats.requests_late, feed.edge.stats.fallbacks) == (1, 1)


def test_a_request_just_in_time_is_in_time(hand, by_hand):
    feed = hand(hold_s=0.5)
    feed.frame()
    feed.feed(by_hand.request(1), now=0.5)
    assert len(feed.of("high")) == 1


def test_without_any_answer_the_result_is_none_at_the_deadline(hand):
    feed = hand(deadline_s=2.0)
    feed.frame()
    assert feed.edge.next_timeout() == 2.0
    assert feed.timeout(1.99) == []
    (result,) = feed.timeout(2.0)
    assert (result.kind, result.regions) == ("none", None)
    assert feed.edge.next_timeout() is None
    assert feed.edge.stats.unanswered == 1


def test_without_the_second_answer_the_first_counts(hand, by_hand):
    feed = hand(deadline_s=2.0)
    feed.frame()
    feed.feed(by_hand.request(1, found=[(0, 0, 9, 9)]))
    (result,) = feed.timeout(2.0)
    assert result.regions == by_hand.objects((0, 0, 9, 9)) and result.kind == "server"
    assert feed.feed(by_hand.detections(1, (1, 1, 5, 5))) == []
    assert (feed.edge.stats.fallbacks, feed.edge.stats.feedback_ignored) == (1, 1)


def test_a_doubled_request_is_answered_once(hand, by_hand):
    feed = hand()
    feed.frame()
    feed.feed(by_hand.request(1))
    assert feed.feed(by_hand.request(1, (0, 0, 9, 9))) == []
    assert len(feed.of("high")) == 1 and feed.edge.stats.feedback_ignored == 1


def test_doubled_detections_give_one_result(hand, by_hand):
    feed = hand()
    feed.frame()
    feed.feed(by_hand.detections(1))
    assert feed.feed(by_hand.detections(1)) == []
    assert len(feed.results) == 1 and feed.edge.stats.feedback_ignored == 1


def test_a_request_overtaken_by_the_last_answer_is_ignored(hand, by_hand):
    feed = hand()
    feed.frame()
    feed.feed(by_hand.detections(1))
    assert feed.feed(by_hand.request(1)) == []


def test_answers_to_frames_may_come_in_any_order(hand, by_hand):
    feed = hand()
    for _ in range(3):
        feed.frame()
    feed.feed(by_hand.request(2))
    feed.feed(by_hand.detections(3))
    feed.feed(by_hand.detections(1))
    feed.feed(by_hand.detections(2))
    assert [one.frame for one in feed.results] == [2, 0, 1]


@pytest.mark.parametrize("serial", [2, 99])
def test_unknown_answers_are_counted_and_else_ignored(hand, by_hand, serial):
    feed = hand()
    feed.frame()
    assert feed.feed(by_hand.detections(serial)) == [] and feed.feed(by_hand.request(serial)) == []
    assert feed.edge.stats.feedback_ignored == 2


def test_an_answer_to_a_frame_not_yet_sent_is_no_answer(hand, by_hand):
    feed = hand(chunk_frames=2)
    feed.frame()
    assert feed.feed(by_hand.detections(1)) == []
    feed.frame()
    assert len(feed.packets) == 2


def test_a_notice_ends_the_wait_with_what_is_known(hand, by_hand):
    feed = hand()
    feed.frame()
    feed.frame()
    feed.feed(by_hand.request(2, found=[(0, 0, 9, 9)]))
    (first,) = feed.feed(Notice("busy", keyframe=1))
    (second,) = feed.feed(Notice("superseded", keyframe=2))
    assert first.kind == "none" and second.regions == by_hand.objects((0, 0, 9, 9))
    assert feed.feed(Notice("draining")) == []
    assert feed.edge.stats.notices == 3


def test_other_messages_are_none_of_its_business(hand):
    feed = hand()
    for message in (PlanUpdate(1, b"x"), Packet(0, 0.0, 1, b"x")):
        with pytest.raises(TypeError, match=type(message).__name__):
            feed.feed(message)


def test_the_end_gives_every_result_still_owed(hand, by_hand):
    feed = hand(chunk_frames=2)
    for _ in range(3):
        feed.frame()
    feed.feed(by_hand.request(1, found=[(0, 0, 9, 9)]))
    assert [one.kind for one in feed.finish()] == ["server", "none", "none"]
    assert feed.finish() == []


@pytest.mark.parametrize("seed", range(12))
def test_exactly_one_result_a_frame_whatever_happens(hand, by_hand, seed):
    """Answers lost, late, doubled and out of order, notices, and frames of two sizes."""
    draw = random.Random(seed)
    feed = hand(chunk_frames=draw.choice([1, 3]), hold_s=0.4, deadline_s=0.8, max_frames=6, static=1.0)
    small = by_hand.scene((10, 10, 24, 8), size=(60, 80))
    images = [by_hand.scene((30, 30, 24, 8)), by_hand.scene((30, 30, 24, 4)), small]
    pending = []
    for _ in range(60):
        feed.frame(images[draw.choice([0, 0, 1, 2])])
        pending += [serial for serial in {one.keyframe for one in feed.packets[-3:]} for _ in range(2)]
        draw.shuffle(pending)
        for _ in range(draw.randrange(3)):
            if pending:
                serial = pending.pop()
                answer = draw.choice(
                    [by_hand.request(serial), by_hand.detections(serial), Notice("busy", keyframe=serial)]
                )
                feed.feed(answer)
        timeout = feed.edge.next_timeout()
        if timeout is not None and timeout <= feed.now + 0.1 and draw.random() < 0.8:
            feed.timeout(max(feed.now, timeout))
    feed.finish()
    assert sorted(one.frame for one in feed.results) == list(range(60))
    assert feed.edge.stats.results == feed.edge.stats.frames == 60
    assert {one.stream for one in feed.packets} == {"low", "high"}


# ------------------------------------------------------------------------------------------ what it may keep


def test_no_more_frames_wait_than_allowed_and_the_link_is_not_flooded(hand, by_hand):
    feed = hand(max_frames=4)
    for _ in range(10):
        feed.frame()
    assert len(feed.packets) == 4
    assert [one.frame for one in feed.results] == [4, 5, 6, 7, 8, 9]
    assert feed.edge.stats.skipped == 6
    feed.feed(by_hand.detections(1))
    feed.frame()
    assert feed.packets[-1].frame == 10


def test_pictures_are_let_go(hand, by_hand):
    feed = hand(hold_s=0.25, deadline_s=100.0, max_frames=1000)
    kept = []

    def frame():
        image = by_hand.scene((30, 30, 24, 8))
        kept.append(weakref.ref(image))
        feed.frame(image)

    for _ in range(20):
        frame()
    gc.collect()
    alive = [n for n, one in enumerate(kept) if one() is not None]
    assert alive == [17, 18, 19]  # 10 a second: those younger than a quarter of a second
    feed.feed(by_hand.request(19))  # and one that has been sent
    gc.collect()
    assert kept[18]() is None and kept[19]() is not None


def test_a_frame_refused_changes_nothing(hand):
    feed = hand()
    feed.frame()
    with pytest.raises(ValueError, match=r"uint8 \[H, W, 3\]"):
        feed.frame(np.zeros((9, 9), np.uint8))
    feed.index = -1
    with pytest.raises(ValueError, match="must grow"):
        feed.frame()
    assert feed.edge.stats.frames == 1


# ------------------------------------------------------------------------------- what the server has already


def both_rounds(feed, by_hand, image, *wanted):
    """A frame, its request, and the last answer; gives the cells that went high."""
    (low,) = feed.frame(image)
    (high,) = feed.feed(by_hand.request(low.keyframe, *wanted))
    feed.feed(by_hand.detections(low.keyframe))
    return [tuple(cell) for cell in np.argwhere(level_map(high, by_hand) == 0).tolist()]


def test_what_has_not_changed_is_not_sent_again(hand, by_hand):
    feed = hand(static=2.0)
    image = by_hand.scene((30, 30, 24, 8))
    cells = [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert both_rounds(feed, by_hand, image) == cells
    assert both_rounds(feed, by_hand, image) == []
    assert feed.edge.stats.cells_static == 4
    # Elsewhere it has sent nothing yet.
    assert both_rounds(feed, by_hand, image, (0, 0, 30, 30)) == [(0, 0), (0, 1), (1, 0)]


def test_what_has_changed_is_sent_again_cell_by_cell(hand, by_hand):
    feed = hand(static=2.0)
    both_rounds(feed, by_hand, by_hand.scene((30, 30, 24, 8)))
    changed = by_hand.scene((30, 30, 24, 8))
    changed[49, 49] = 255  # one pixel of 64 in a block: 2.3 on average
    assert both_rounds(feed, by_hand, changed) == [(2, 2)]
    assert both_rounds(feed, by_hand, changed) == []


def test_small_changes_do_not_add_up_unseen(hand, by_hand):
    feed = hand(static=2.0)
    image = by_hand.scene((30, 30, 24, 8))
    sent = [bool(both_rounds(feed, by_hand, image + np.uint8(n))) for n in range(7)]
    assert sent == [True, False, False, True, False, False, True]  # against what was sent, not the last seen


def test_by_default_all_is_sent_that_is_asked_for(hand, by_hand):
    feed = hand()
    for _ in range(2):
        assert len(both_rounds(feed, by_hand, None)) == 4


def test_only_what_the_server_said_it_got_counts(hand, by_hand):
    feed = hand(static=2.0)
    for serial in (1, 2):  # no answer to the first: perhaps it was lost
        feed.frame()
        feed.feed(by_hand.request(serial))
    maps = [level_map(one, by_hand) for one in feed.of("high")]
    assert np.array_equal(*maps)
    # The answer to the first says nothing of the second, which the server may have as well, or not.
    feed.feed(by_hand.detections(1))
    assert len(both_rounds(feed, by_hand, None)) == 4
    assert both_rounds(feed, by_hand, None) == []


def test_a_cell_sent_again_is_in_doubt_again(hand, by_hand):
    feed = hand(static=2.0)
    other = by_hand.scene((30, 30, 24, 8)) + np.uint8(40)
    both_rounds(feed, by_hand, by_hand.scene((30, 30, 24, 8)))
    feed.frame(other)
    feed.feed(by_hand.request(2))  # and its answer is lost
    assert len(both_rounds(feed, by_hand, other)) == 4


def test_an_answer_says_nothing_of_earlier_frames(hand, by_hand):
    feed = hand(static=2.0)
    feed.frame()
    feed.feed(by_hand.request(1, (0, 0, 20, 20)))  # and its answer is lost
    both_rounds(feed, by_hand, None, (30, 30, 40, 40))
    assert both_rounds(feed, by_hand, None, (0, 0, 20, 20)) == [(0, 0)]


def test_an_answer_after_the_deadline_still_says_what_the_server_has(hand, by_hand):
    feed = hand(static=2.0, deadline_s=2.0)
    feed.frame()
    feed.feed(by_hand.request(1))
    feed.timeout(2.0)
    feed.feed(by_hand.detections(1))
    assert both_rounds(feed, by_hand, None) == []


def test_after_a_notice_nothing_is_sure(hand, by_hand):
    feed = hand(static=2.0)
    both_rounds(feed, by_hand, None)
    feed.feed(Notice("refused", "regions were left out", 1))
    assert len(both_rounds(feed, by_hand, None)) == 4


def test_pictures_of_another_size_start_anew(hand, by_hand):
    feed = hand(static=2.0)
    both_rounds(feed, by_hand, None)
    large = np.full((144, 144, 3), 110, np.uint8)
    (low,) = feed.frame(large)
    (high,) = feed.feed(by_hand.request(low.keyframe, size=(144, 144)))
    assert (level_map(high, by_hand) == 0).sum() == 4


# ------------------------------------------------------------------------------------------ how it is set up


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ({"chunk_frames": 0}, "chunk_frames"),
        ({"chunk_frames": 9, "max_frames": 8}, "chunk_frames"),
        ({"hold_s": 0.0}, "hold_s"),
        ({"deadline_s": -1.0}, "deadline_s"),
        ({"low_scale": 1.5}, "low_scale"),
        ({"high_scale": 0.0}, "high_scale"),
        ({"static": -1.0}, "static"),
    ],
)
def test_a_policy_that_makes_no_sense(policy, says):
    with pytest.raises(ValueError, match=rf"policy\.{says}"):
        DdsPolicy(**policy)


def test_a_codec_option_that_cannot_be_is_found_at_once(by_hand):
    with pytest.raises(codec.UnsupportedError):
        DdsEdge(by_hand.TABLE_SET, entropy="context")  # no refinement in it


def welcome(known, **changes):
    values = {"set_id": known.id, "table_set": known.to_bytes(), "scale": 2.0, "region_blocks": 2}
    palette = np.zeros((1, 3), np.uint8)
    return Welcome(**{**values, "class_names": ("a",), "palette": palette, "subsampling": "444", **changes})


def test_the_welcome_says_how_to_encode(by_hand):
    edge = DdsEdge.from_welcome(welcome(by_hand.TABLE_SET), policy=DdsPolicy(static=1.0))
    feed = by_hand.Hand(edge)
    feed.frame()
    header = codec.read_header(feed.packets[0].payload, (by_hand.TABLE_SET,))
    assert (header.scale, header.region_blocks, header.subsampling) == (2.0, 2, "444")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"table_set": None}, "brings no"),
        ({"table_set": b"x"}, "damaged"),
        ({"set_id": b"12345678"}, "names"),
    ],
)
def test_a_welcome_without_its_table_set(by_hand, changes, says):
    with pytest.raises(ProtocolError, match=says):
        DdsEdge.from_welcome(welcome(by_hand.TABLE_SET, **changes))
