"""Chunks of H.264 between a device and a server."""

from __future__ import annotations

from functools import partial

import pytest

pytest.importorskip("av")

from rdct.baselines.h264 import H264Edge, H264Server
from rdct.offload import Notice, Packet
from rdct.vision.h264_chunk import decode_chunk
from rdct.vision.regions import Matches, match


@pytest.mark.parametrize(
    "options", [{"crf": 20}, {"qp": 20, "gop": 1, "chunk_frames": 1}, {"qp": 20, "every": 2}]
)
def test_a_drawn_clip(by_hand, options):
    frames = list(by_hand.walk(20))
    edge = partial(H264Edge.from_welcome, **{"chunk_frames": 5, **options})
    run = by_hand.play(edge, H264Server(by_hand.RedDetector()), frames)
    total = Matches()
    for frame in frames:
        total += match(run.results[frame.index].regions, by_hand.RedDetector()(frame.image).regions(0.5))
    assert total.f1 == 1.0
    sent = 20 // options.get("every", 1)
    assert run.edge.stats.packets == sent // options.get("chunk_frames", 5)
    assert sum(one.kind == "server" for one in run.results.values()) == sent


def test_intra_costs_more(by_hand):
    sizes = {}
    for gop in (1, None):
        hand = by_hand.Hand(H264Edge(qp=28, gop=gop, chunk_frames=6))
        for frame in by_hand.walk(6):
            hand.frame(frame.image)
        sizes[gop] = hand.edge.stats.bytes
    assert sizes[None] < 0.6 * sizes[1]


def test_a_chunk_goes_when_it_is_full_or_old(by_hand):
    hand = by_hand.Hand(H264Edge(chunk_frames=4, chunk_s=0.5, deadline_s=3))
    hand.frames(4)
    assert [(one.keyframe, one.frame, one.stream) for one in hand.packets] == [(1, 0, "chunk")]
    hand.frames(2)
    assert hand.edge.next_timeout() == pytest.approx(0.9) and len(hand.packets) == 1
    hand.timeout(0.9)
    assert [(one.keyframe, one.frame) for one in hand.packets] == [(1, 0), (5, 4)]
    assert [len(decode_chunk(one.payload)) for one in hand.packets] == [4, 2]
    # The answers are numbered on from the packet's serial.
    for serial in (6, 1, 2):
        hand.feed(by_hand.detections(serial))
    assert [(one.frame, one.kind) for one in hand.results] == [(5, "server"), (0, "server"), (1, "server")]
    # What is refused is refused for all of its frames.
    assert [one.frame for one in hand.feed(Notice("busy", "", 1))] == [2, 3]
    assert [one.frame for one in hand.finish()] == [4]


def test_a_change_of_size_ends_a_chunk(by_hand):
    hand = by_hand.Hand(H264Edge(chunk_frames=4))
    hand.frames(2)
    hand.frame(by_hand.scene(size=(65, 97)))
    assert [len(decode_chunk(one.payload)) for one in hand.packets] == [2]
    hand.timeout(10)
    assert decode_chunk(hand.packets[1].payload)[0].shape == (64, 96, 3)  # both sides even


def test_the_server_refuses_what_is_no_chunk(by_hand):
    server = H264Server(by_hand.RedDetector())
    for payload in (b"nothing", b"\0\0\0\1"):
        (answer,) = server.on_packet(Packet(0, 0.0, 7, payload, "chunk"), 0.0)
        assert isinstance(answer, Notice) and answer.keyframe == 7


def test_wrong_options():
    for options, says in (
        ({"qp": 20, "crf": 20}, "one of them"),
        ({"chunk_frames": 65}, "1..64"),
        ({"scale": 2}, "scale"),
    ):
        with pytest.raises(ValueError, match=says):
            H264Edge(**options)
