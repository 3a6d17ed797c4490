"""DDS on H.264: chunks both ways, fed by hand, over simulated links, and with what nobody should send."""

from __future__ import annotations

import numpy as np
import pytest

from rdct.dds import backends
from rdct.dds.edge_h264 import H264Edge
from rdct.dds.feedback import DetectionRules
from rdct.dds.policy import DdsPolicy, paper_policy
from rdct.dds.server_h264 import H264Server
from rdct.offload import Detections, Edge, Hello, Limits, Notice, Packet, RegionRequest, Server
from rdct.offload.driver import Output, Transfer, simulate
from rdct.offload.link import SimulatedLink
from rdct.offload.tally import Tally
from rdct.vision.frames import Frame
from rdct.vision.h264_chunk import decode_chunk
from rdct.vision.regions import Matches, match

av = pytest.importorskip("av", reason="H.264 needs rdct[video]")
if "libx264" not in av.codecs_available:
    pytest.skip("PyAV here is built without libx264", allow_module_level=True)

#: Low quality does not show the first one's texture, high quality does; both show the second one's.
DOUBTFUL, SURE = (30, 60, 24, 8), (90, 30, 24, 40)
FAST = {"preset": "ultrafast"}


@pytest.fixture
def hand(by_hand):
    """Makes a hand-fed edge of chunks of three: ``hand(hold_s=1.0, options={...})``."""

    def make(options=None, **policy):
        policy = {"chunk_frames": 3, "max_frames": 12, "hold_s": 5.0, "deadline_s": 9.0, **policy}
        options = {"low_qp": 40, "high_qp": 18, **FAST, **(options or {})}
        return by_hand.Hand(H264Edge(policy=DdsPolicy(**policy), **options))

    return make


@pytest.fixture
def server(by_hand):
    def make(**options):
        return H264Server(by_hand.TextureDetector(), rules=DetectionRules(max_area=0.2), **options)

    return make


def chunk(feed, by_hand, *squares, frames=3):
    """The packets of so many frames of one scene."""
    return [one for _ in range(frames) for one in feed.frame(by_hand.scene(*squares))]


def test_they_keep_the_protocols(hand, server):
    assert isinstance(hand().edge, Edge) and isinstance(server(), Server)


def test_a_chunk_is_one_packet_of_all_its_frames(hand, by_hand):
    feed = hand()
    (low,) = chunk(feed, by_hand, SURE)
    assert (low.stream, low.frame, low.keyframe) == ("low", 2, 3)
    pictures = decode_chunk(low.payload)
    assert [picture.shape for picture in pictures] == [(96, 144, 3)] * 3
    (second,) = chunk(feed, by_hand, SURE)
    assert (second.frame, second.keyframe) == (5, 6)
    assert (feed.edge.stats.low, feed.edge.stats.low_bytes) == (2, len(low.payload) + len(second.payload))


@pytest.mark.parametrize(("scales", "size"), [((0.8, 0.8), (76, 116)), ((0.5, 1.0), (48, 72))])
def test_sides_are_even_at_every_scale(hand, by_hand, scales, size):
    feed = hand(low_scale=scales[0], high_scale=scales[1])
    (low,) = chunk(feed, by_hand, SURE)
    assert decode_chunk(low.payload)[0].shape[:2] == size


def test_high_goes_when_all_have_answered_from_the_first_asked_to_the_last(hand, by_hand):
    feed = hand(chunk_frames=4)
    chunk(feed, by_hand, (30, 30, 24, 40), frames=4)
    assert len(feed.feed(by_hand.detections(1))) == 1
    assert feed.feed(by_hand.request(2, (24, 24, 60, 60))) == []
    assert feed.feed(by_hand.request(4, (0, 0, 10.5, 10))) == []
    result, high = feed.feed(by_hand.detections(3))
    assert result.frame == 2
    assert (high.stream, high.frame, high.keyframe) == ("high", 3, 4)
    pictures = decode_chunk(high.payload)
    assert len(pictures) == 3
    assert (
        np.abs(pictures[0][26:58, 26:58].astype(int) - by_hand.scene((30, 30, 24, 40))[26:58, 26:58]).mean()
        < 8
    )
    assert pictures[0][64:, 64:].max() < 8  # black outside
    assert pictures[1].max() < 8  # nothing was asked of this one
    assert pictures[2][2:8, 2:8].min() > 80 and pictures[2][14:, 14:].max() < 8
    assert feed.edge.stats.high_bytes == len(high.payload)
    assert feed.feed(by_hand.detections(2, (1, 1, 9, 9)))[0].regions == by_hand.objects((1, 1, 9, 9))


def test_without_requests_there_is_no_high(hand, by_hand):
    feed = hand()
    chunk(feed, by_hand, SURE)
    for serial in (1, 2, 3):
        feed.feed(by_hand.detections(serial))
    assert feed.of("high") == [] and len(feed.results) == 3 and feed.edge.stats.settled_first == 3


def test_a_missing_answer_does_not_hold_back_the_others_for_longer_than_pictures_are_held(hand, by_hand):
    feed = hand(hold_s=1.0, deadline_s=3.0)
    chunk(feed, by_hand, DOUBTFUL)
    feed.feed(by_hand.request(1))
    sent = feed.now
    assert feed.edge.next_timeout() == sent + 1.0
    (high,) = feed.timeout(sent + 1.0)
    assert high.keyframe == 1 and len(decode_chunk(high.payload)) == 1
    # The request for the second frame is too late now, and counts for what it found.
    (result,) = feed.feed(by_hand.request(2, found=[(0, 0, 9, 9)]))
    assert result.regions == by_hand.objects((0, 0, 9, 9)) and feed.edge.stats.requests_late == 1
    assert {one.kind for one in feed.timeout(9.0)} == {"server", "none"}
    assert [one.frame for one in sorted(feed.results, key=lambda one: one.frame)] == [0, 1, 2]


def test_a_notice_ends_the_wait_of_a_whole_chunk_in_either_stream(hand, by_hand):
    feed = hand()
    chunk(feed, by_hand, DOUBTFUL)
    assert len(feed.feed(Notice("superseded", keyframe=1))) == 3
    chunk(feed, by_hand, DOUBTFUL)
    for serial in (4, 5, 6):
        feed.feed(by_hand.request(serial, found=[(0, 0, 9, 9)]))
    results = feed.feed(Notice("refused", keyframe=feed.of("high")[0].keyframe))
    assert [one.regions for one in results] == [by_hand.objects((0, 0, 9, 9))] * 3
    assert feed.edge.stats.fallbacks == 3 and feed.edge.stats.unanswered == 3


def test_the_end_of_a_clip_and_a_change_of_size_send_what_there_is(hand, by_hand):
    feed = hand(chunk_s=0.5)
    feed.frame(by_hand.scene(SURE))
    (low,) = feed.frame(by_hand.scene((9, 9, 24, 8), size=(60, 80)))
    assert decode_chunk(low.payload)[0].shape == (96, 144, 3)
    (low,) = feed.timeout(feed.now + 0.5)
    assert (low.keyframe, decode_chunk(low.payload)[0].shape) == (2, (60, 80, 3))
    assert len(feed.finish()) == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"low_qp": 52}, "low_qp must be 0..51, got 52"),
        ({"high_qp": -1}, "high_qp must be 0..51, got -1"),
        ({"preset": "quick"}, "preset must be one of ultrafast"),
        ({"policy": DdsPolicy(static=1.0)}, "must be None"),
        ({"policy": DdsPolicy(chunk_frames=15, max_frames=29)}, "two chunks of 15 at least, got 29"),
    ],
)
def test_settings_that_do_not_fit(options, says):
    with pytest.raises(ValueError, match=says):
        H264Edge(**options)
    with pytest.raises(ValueError, match="backend must be one of 'rdct', 'h264', got 'h265'"):
        backends.server(None, backend="h265")


# ------------------------------------------------------------------------------------------------ the server


def test_the_server_answers_every_frame_and_pastes_the_regions(hand, server, by_hand):
    feed, machine = hand(), server()
    (low,) = chunk(feed, by_hand, DOUBTFUL, SURE)
    asks = list(machine.on_packet(low, 0.0))
    assert [type(one) for one in asks] == [RegionRequest] * 3 and [one.keyframe for one in asks] == [1, 2, 3]
    assert all(len(one.found) == len(one.wanted) == 1 for one in asks)
    (high,) = [packet for one in asks for packet in feed.feed(one)]
    answers = list(machine.on_packet(high, 0.0))
    assert [type(one) for one in answers] == [Detections] * 3 and {len(one.found) for one in answers} == {2}
    first, second = machine._look._detector.shown[0], machine._look._detector.shown[-1]
    outside = np.ones(first.shape[:2], bool)
    for one in asks[0].wanted:
        outside[int(one.y0) : int(one.y1) + 1, int(one.x0) : int(one.x1) + 1] = False
    assert np.array_equal(decode_chunk(low.payload)[2][outside], second[outside])
    assert second[64:80, 34:50, 1].std() > 2 * first[64:80, 34:50, 1].std()
    assert machine._chunks == {}


def test_low_is_enlarged_under_a_high_of_another_scale(hand, server, by_hand):
    feed, machine = hand(low_scale=0.5), server()
    (low,) = chunk(feed, by_hand, (24, 24, 40, 8))
    asks = list(machine.on_packet(low, 0.0))
    (high,) = [packet for one in asks for packet in feed.feed(one)]
    answers = list(machine.on_packet(high, 0.0))
    assert {(one.height, one.width) for one in answers} == {(96, 144)}
    assert {one.shape for one in machine._look._detector.shown} == {(48, 72, 3), (96, 144, 3)}


def refused(answers, says):
    (notice,) = answers
    assert isinstance(notice, Notice) and notice.code == "refused" and says in notice.message, notice
    return notice


def test_what_is_not_to_be_sent_is_refused(hand, server, by_hand):
    feed, machine = hand(), server()
    chunk(feed, by_hand, DOUBTFUL)  # lost on its way
    (low,) = chunk(feed, by_hand, DOUBTFUL)
    asks = list(machine.on_packet(low, 0.0))
    (high,) = [packet for one in asks for packet in feed.feed(one)]

    def says(serial, payload, stream, text):
        refused(machine.on_packet(Packet(0, 0.0, serial, payload, stream), 0.0), text)

    says(6, b"noise", "low", "no H.264")
    says(6, b"noise", "high", "no H.264")
    says(6, high.payload, "key", "streams 'low' and 'high'")
    says(5, high.payload, "high", "its 3 frames go beyond the chunk that begins with 4")
    says(3, high.payload, "high", "no regions are waited for")
    says(7, high.payload, "high", "no regions are waited for")
    says(2, high.payload, "high", "2 cannot end 3 frames")
    says(2, low.payload, "low", "2 cannot end 3 frames")
    refused(server().on_packet(high, 0.0), "no regions are waited for")
    assert len(list(machine.on_packet(high, 0.0))) == 3  # the session goes on
    refused(machine.on_packet(high, 0.0), "no regions are waited for")


def test_limits_hold(hand, server, by_hand):
    (low,) = chunk(hand(), by_hand, DOUBTFUL)
    refused(server(limits=Limits(max_packet_bytes=99)).on_packet(low, 0.0), "limit of 99")
    refused(server(limits=Limits(max_pixels=99)).on_packet(low, 0.0), "99 pixels")
    refused(server(max_chunk=2).on_packet(low, 0.0), "more than 2 pictures")


def test_it_waits_for_so_many_chunks_and_bytes_and_no_more(hand, server, by_hand):
    feed = hand()
    lows = [one for _ in range(3) for one in chunk(feed, by_hand, DOUBTFUL)]
    for machine in (
        server(max_asked=2),
        server(limits=Limits(max_packet_bytes=2 * len(lows[0].payload) + 9)),
    ):
        for low in lows:
            list(machine.on_packet(low, 0.0))
        assert list(machine._chunks) == [4, 7]


# ------------------------------------------------------------------------------------------------ both ends


def clip(by_hand, frames=22, fps=15):
    for t in range(frames):
        yield Frame(t, t / fps, by_hand.scene((6 + 2 * t, 60, 24, 8), (100, 10, 24, 40)))


def through(by_hand, up, down, **policy):
    server = backends.server(
        by_hand.TextureDetector(), backend="h264", rules=DetectionRules(max_area=0.2), limits=Limits()
    )
    policy = {"chunk_frames": 5, "low_scale": 1.0, "high_scale": 1.0, **policy}
    edge = backends.edge(
        server.on_hello(Hello(144, 96), 0.0), backend="h264", policy=paper_policy(**policy),
        low_qp=40, high_qp=16, **FAST,
    )  # fmt: skip
    tally = Tally()
    records = list(simulate(edge, server, clip(by_hand), up, down, server_s=0.01, tally=tally))
    return edge, tally, records


def test_a_drawn_clip(by_hand):
    edge, tally, records = through(by_hand, SimulatedLink(1e6, 0.02), SimulatedLink(1e6, 0.02))
    results = {one.result.frame: one.result for one in records if isinstance(one, Output)}
    assert sorted(results) == list(range(22)) and tally.results_lost == 0
    reference, score = by_hand.TextureDetector(), Matches()
    for frame in clip(by_hand):
        score += match(results[frame.index].regions, reference(frame.image).regions(0.5))
    assert score.f1 > 0.95
    assert tally.keyframes == edge.stats.low == 5 and tally.keyframes_unanswered == 0
    assert edge.stats.high >= 4 and edge.stats.settled_second >= 12
    up = [one for one in records if isinstance(one, Transfer) and one.direction == "up"]
    assert tally.bytes_up == sum(one.size_bytes for one in up)


def test_over_links_that_lose_messages_every_frame_has_its_result(by_hand):
    up, down = (SimulatedLink(1e6, 0.02, loss=0.3, seed=seed) for seed in (3, 4))
    edge, tally, records = through(by_hand, up, down, hold_s=0.5, deadline_s=1.5)
    results = [one.result.frame for one in records if isinstance(one, Output)]
    assert sorted(results) == list(range(22)) and tally.results_lost == 0
    stats = edge.stats
    assert stats.settled_first + stats.settled_second + stats.fallbacks + stats.unanswered == 22
    assert stats.fallbacks > 0 and stats.unanswered > 0
