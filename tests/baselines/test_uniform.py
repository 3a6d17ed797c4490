"""Frames sent whole: what waits for what, and what comes of it."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import codec
from rdct.baselines.answering import AnsweringServer, Looking
from rdct.baselines.uniform import UniformEdge
from rdct.offload import Hello, Notice, Packet, PlanUpdate
from rdct.offload.labels import encode_labels
from rdct.vision.regions import Matches, match


def f1(run, detector):
    total = Matches()
    for frame in run.frames:
        total += match(run.results[frame.index].regions or (), detector(frame.image).regions(0.5))
    return total.f1


@pytest.mark.parametrize("coding", ["jpeg", "rdct"])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_drawn_clip(by_hand, coding, scale):
    detector = by_hand.RedDetector()
    edge = partial(UniformEdge.from_welcome, coding=coding, scale=scale)
    run = by_hand.play(edge, AnsweringServer(detector), by_hand.walk())
    assert f1(run, by_hand.RedDetector()) == 1.0
    assert {one.kind for one in run.results.values()} == {"server"}
    assert run.edge.stats.packets == 24 and set(detector.shown) == {(int(96 * scale), int(144 * scale))}
    assert run.edge.stats.bytes < run.tally.bytes_up


def test_payloads_are_what_they_are_called(by_hand):
    images = {name: by_hand.Hand(UniformEdge(coding=name)) for name in ("jpeg", "rdct")}
    payloads = {name: hand.frame()[0].payload for name, hand in images.items()}
    assert payloads["jpeg"][:2] == b"\xff\xd8" and codec.read_header(payloads["rdct"]).format == "rdct"
    coarse = by_hand.Hand(UniformEdge(quality=20)).frame()[0].payload
    assert len(coarse) < len(payloads["jpeg"])


def test_frames_that_are_not_sent_have_the_last_answer(by_hand):
    hand = by_hand.Hand(UniformEdge(every=3))
    hand.frames(4)
    assert [one.frame for one in hand.packets] == [0, 3] and hand.results == []
    out = hand.feed(by_hand.detections(1, (1, 1, 9, 9)))
    assert [(one.frame, one.kind, one.age_frames) for one in out] == [
        (0, "server", 0), (1, "propagated", 1), (2, "propagated", 2),
    ]  # fmt: skip
    hand.feed(by_hand.detections(2))
    (late,) = hand.frame()  # its answer is there already
    assert (late.frame, late.kind, late.regions) == (4, "propagated", ())


def test_regions_are_placed_in_the_frame(by_hand):
    hand = by_hand.Hand(UniformEdge(scale=0.5, classes=1))
    hand.frame()
    (result,) = hand.feed(by_hand.detections(1, (10, 20, 30, 40), size=(48, 72)))
    (one,) = result.regions
    assert (one.x0, one.y0, one.x1, one.y1) == (20, 40, 60, 80)


def test_lost_late_and_double_answers(by_hand):
    hand = by_hand.Hand(UniformEdge(deadline_s=0.5))
    hand.frames(3)
    hand.feed(by_hand.detections(2, (1, 1, 9, 9)))
    assert hand.edge.next_timeout() == 0.5
    out = hand.timeout(0.5)
    # An answer for a later frame is none for an earlier one.
    assert [(one.frame, one.kind) for one in out] == [(0, "none")]
    out = hand.timeout(0.7)
    assert [(one.frame, one.kind, one.keyframe) for one in out] == [(2, "propagated", 2)]
    assert hand.feed(by_hand.detections(1)) == [] and hand.feed(by_hand.detections(2)) == []
    assert hand.feed(by_hand.detections(99)) == []
    assert hand.edge.stats.feedback_ignored == 3
    # Nor does it take the place of a newer one.
    hand.frame()
    (result,) = hand.feed(Notice("busy", "", 4))
    assert (result.kind, result.keyframe) == ("propagated", 2)
    assert hand.edge.stats.results == hand.edge.stats.frames == 4


def test_a_server_that_is_away_costs_no_memory(by_hand):
    hand = by_hand.Hand(UniformEdge(deadline_s=1e6, max_waiting=8))
    hand.frames(50)
    assert len(hand.packets) == 8 and hand.edge.stats.skipped == 42
    assert len(hand.results) == 42 and {one.kind for one in hand.results} == {"none"}
    assert len(hand.finish()) == 8


def test_labels_come_at_the_size_of_the_frame(by_hand):
    hand = by_hand.Hand(UniformEdge(classes=3))
    hand.frames(2)
    small = np.repeat(np.arange(3, dtype=np.uint8), 16)[:, None] * np.ones((1, 72), np.uint8)
    (result,) = hand.feed(PlanUpdate(1, labels=encode_labels(small)))
    assert result.labels.shape == (96, 144) and result.kind == "server"
    assert result.labels[[0, 47, 95], 0].tolist() == [0, 1, 2]
    # Classes that there are not are no answer, nor are bytes that are no labels.
    assert hand.feed(PlanUpdate(2, labels=encode_labels(small + 1))) == []
    assert hand.feed(PlanUpdate(2, labels=b"nothing")) == []
    assert hand.feed(PlanUpdate(2, level_map=b"")) == []
    assert hand.edge.stats.feedback_ignored == 3


def test_what_is_wrong_is_refused(by_hand):
    edge = UniformEdge()
    hand = by_hand.Hand(edge)
    hand.frame()
    for options in ({"quality": 0}, {"scale": 0}, {"every": 0}, {"coding": "gif"}, {"deadline_s": 0}):
        with pytest.raises(ValueError, match=next(iter(options))):
            UniformEdge(**options)
    hand.index = -1
    with pytest.raises(ValueError, match="must grow"):
        hand.frame()
    with pytest.raises(TypeError, match="feedback"):
        edge.on_feedback("hello", 0.0)


class Labeller:
    """Labels dark and bright pixels."""

    name, class_names, ignore_label = "labeller", ("dark", "bright"), None
    palette = np.array([(0, 0, 0), (255, 255, 255)], np.uint8)

    def __init__(self):
        self.shown = []

    def __call__(self, image):
        import torch

        self.shown.append(tuple(image.shape[-2:]))
        green = image[:, 1:2] - 110
        return torch.cat([-green, green], 1)


def test_networks_that_label_pixels(by_hand):
    pytest.importorskip("torch")
    model = Labeller()
    frames = list(by_hand.walk(6))
    edge = partial(UniformEdge.from_welcome, scale=0.5, quality=90)
    run = by_hand.play(edge, AnsweringServer(model), frames)
    agreement = np.mean([(run.results[f.index].labels == (f.image[..., 1] > 110)).mean() for f in frames])
    assert agreement > 0.9 and set(model.shown) == {(96, 144)}  # enlarged before it looks


def test_the_server_refuses_what_is_damaged_or_too_large(by_hand):
    server = AnsweringServer(by_hand.RedDetector())
    server.on_hello(Hello(144, 96), 0.0)
    payload = codec.encode(by_hand.scene(), quality=75)
    for packet in (
        Packet(0, 0.0, 1, payload[:50]),
        Packet(0, 0.0, 1, b"nothing"),
        Packet(0, 0.0, 1, payload, "low"),
    ):
        (answer,) = server.on_packet(packet, 0.0)
        assert isinstance(answer, Notice) and answer.code == "refused" and answer.keyframe == 1
    assert isinstance(server.on_hello(Hello(60000, 60000), 0.0), Notice)


def test_what_a_detector_finds_is_chosen_and_merged(by_hand):
    looking = Looking(min_score=0.95)
    assert looking.objects(by_hand.RedDetector(), by_hand.scene((10, 10, 40, 40))) == ()
    both = by_hand.scene((10, 10, 40, 40))
    assert len(Looking(labels={1}).objects(by_hand.RedDetector(), both)) == 0
    assert len(Looking().objects(by_hand.RedDetector(), both)) == 1
