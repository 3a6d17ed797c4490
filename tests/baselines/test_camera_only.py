"""What the device finds by itself."""

from __future__ import annotations

from functools import partial

import pytest

from rdct.baselines.answering import AnsweringServer
from rdct.baselines.camera_only import CameraOnlyEdge


def test_nothing_is_sent_and_all_is_answered_at_once(by_hand):
    detector = by_hand.RedDetector()
    edge = partial(CameraOnlyEdge.from_welcome, model=detector)
    run = by_hand.play(edge, AnsweringServer(by_hand.RedDetector()), by_hand.walk(10))
    assert run.tally.bytes_up == run.tally.bytes_down == 0
    assert {one.kind for one in run.results.values()} == {"device"}
    assert all(len(one.regions) == 2 and one.keyframe is None for one in run.results.values())
    assert len(detector.shown) == 10


def test_it_may_look_less_often(by_hand):
    detector = by_hand.RedDetector()
    hand = by_hand.Hand(CameraOnlyEdge(detector, every=3))
    hand.frames(7)
    assert len(detector.shown) == 3 and len(hand.results) == 7
    # A picture of another size is looked at in any case.
    hand.frame(by_hand.scene(size=(48, 72)))
    assert detector.shown[-1] == (48, 72)
    with pytest.raises(ValueError, match="every"):
        CameraOnlyEdge(detector, every=0)
