"""Glimpse and Vigil: which frames go, and what is said of the others."""

from __future__ import annotations

from functools import partial
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest

from rdct.baselines.glimpse import GlimpseEdge
from rdct.baselines.tracked import BoxServer, TrackingPolicy, partition
from rdct.baselines.vigil import VigilEdge
from rdct.offload import PlanUpdate
from rdct.vision.regions import Matches, boxes_of, iou, match
from rdct.vision.tracking import Tracked


class StillTracker:
    """Says that nothing moves, and loses boxes when it is told to; counts its steps."""

    def __init__(self):
        self.steps, self.lose, self.regions = 0, False, ()

    def prepare(self, image):
        return image

    def start(self, picture, regions):
        self.regions = tuple(regions)

    def step(self, picture):
        self.steps += 1
        if self.lose:
            lost, self.regions, self.lose = len(self.regions), (), False
            return Tracked((), lost)
        return Tracked(self.regions)


def glimpse(by_hand, policy=None, **options):
    options = {"tracker": StillTracker(), **options}
    return by_hand.Hand(GlimpseEdge(policy=TrackingPolicy(**(policy or {})), **options))


BOX = (30, 30, 54, 54)


def test_a_still_scene_is_sent_once(by_hand):
    hand = glimpse(by_hand)
    hand.frame()
    assert len(hand.packets) == 1 and hand.results == []
    (result,) = hand.feed(by_hand.detections(1, BOX), 0.05)
    assert (result.frame, result.kind) == (0, "server")
    hand.frames(30)
    assert len(hand.packets) == 1 and {one.kind for one in hand.results[1:]} == {"propagated"}
    assert [one.age_frames for one in hand.results] == list(range(31))
    assert all(len(one.regions) == 1 for one in hand.results)


def test_changed_pixels_trigger(by_hand):
    """A square of 40 x 40 is 11.6 % of the picture, one of 30 x 30 6.5 %."""
    for side, sent in ((30, 1), (40, 2)):
        hand = glimpse(by_hand, {"spacing": 0})
        hand.frame(by_hand.scene())
        hand.feed(by_hand.detections(1), 0.05)
        changed = by_hand.scene()
        changed[20 : 20 + side, 50 : 50 + side] = 255
        hand.frame(changed)
        assert len(hand.packets) == sent
        # Small differences in many pixels are none.
        hand.frame(by_hand.scene() + 20)
        assert len(hand.packets) == sent


def test_the_spacing_holds_a_trigger_back(by_hand):
    hand = glimpse(by_hand)
    hand.frame(by_hand.scene())
    hand.feed(by_hand.detections(1), 0.05)
    for _ in range(8):
        hand.frame(255 - by_hand.scene())
    # Five frames lie between.
    assert [one.frame for one in hand.packets] == [0, 6]
    assert hand.edge.stats.triggered == 7


def test_one_frame_is_on_its_way_at_a_time(by_hand):
    hand = glimpse(by_hand, {"spacing": 0, "deadline_s": 1.0})
    for n in range(14):
        hand.frame(by_hand.scene() if n % 2 else 255 - by_hand.scene())
    # The first is lost after a second, and the next one goes.
    assert [one.frame for one in hand.packets] == [0, 10] and hand.edge.stats.lost == 1
    assert hand.feed(by_hand.detections(1)) == [] and hand.edge.stats.feedback_ignored == 1


def test_a_lost_box_triggers(by_hand):
    hand = glimpse(by_hand)
    hand.frame()
    hand.feed(by_hand.detections(1, BOX), 0.05)
    hand.frames(9)
    hand.edge._tracker.lose = True
    hand.frame()
    assert [one.frame for one in hand.packets] == [0, 10]
    assert hand.edge.stats.failures == 1
    hand.feed(by_hand.detections(2, BOX))
    # A box that is lost within the spacing is remembered.
    hand.frames(2)
    hand.edge._tracker.lose = True
    hand.frames(8)
    assert [one.frame for one in hand.packets] == [0, 10, 16]


def test_results_of_sent_frames_wait_so_long(by_hand):
    hand = glimpse(by_hand, {"wait_s": 0.3})
    hand.frame()
    assert hand.edge.next_timeout() == pytest.approx(0.3) and hand.timeout(0.2) == []
    (result,) = hand.timeout(0.31)
    assert (result.frame, result.kind) == (0, "none") and hand.edge.next_timeout() is None
    hand.feed(by_hand.detections(1, BOX), 0.5)
    hand.frame()
    assert hand.results[-1].kind == "propagated" and len(hand.results[-1].regions) == 1
    at_once = glimpse(by_hand, {"wait_s": 0})
    packet, result = at_once.frame()
    assert packet.frame == result.frame == 0


def test_a_notice_frees_the_way(by_hand):
    hand = glimpse(by_hand, {"spacing": 0})
    hand.frame()
    (result,) = hand.feed(by_hand.Notice("busy", "", 1))
    assert result.kind == "none"
    hand.frame()
    assert [one.keyframe for one in hand.packets] == [1, 2]
    with pytest.raises(TypeError, match="Detections"):
        hand.feed(PlanUpdate(2, level_map=b""))


def test_pictures_are_reduced_to_fit(by_hand):
    import codec

    hand = glimpse(by_hand, {"send_size": (48, 100)})
    (packet,) = hand.frame()
    header = codec.read_header(packet.payload)
    assert (header.height, header.width) == (48, 72)
    (result,) = hand.feed(by_hand.detections(1, (10, 10, 20, 20), size=(48, 72)))
    assert boxes_of(result.regions).tolist() == [[20, 20, 40, 40]]


def test_partition_by_hand():
    assert partition([], 3) == []
    assert partition([5, 1, 1], 1) == [2]
    assert partition([1, 1], 5) == [0, 1]
    assert partition([9, 1, 1, 1, 9, 1, 1], 3)[-1] == 6
    rng = np.random.default_rng(3)
    for _ in range(20):
        changes = rng.random(9)
        ends = partition(changes.tolist(), 4)
        worst = max(part.sum() for part in np.split(changes, np.array(ends[:-1]) + 1))
        every = (np.split(changes, cuts) for cuts in combinations(range(1, 9), 3))
        assert worst == pytest.approx(min(max(part.sum() for part in parts) for parts in every))


def test_the_tracker_catches_up_over_a_few_pictures(by_hand):
    hand = glimpse(by_hand, {"catch_up": 3, "cache": 8, "spacing": 100, "deadline_s": 10, "wait_s": 10})
    hand.frames(40)
    assert len(hand.edge._flight.kept) <= 8
    before = hand.edge._tracker.steps
    hand.feed(by_hand.detections(1, BOX))
    assert hand.edge._tracker.steps - before == 3


def test_boxes_are_where_they_went_while_the_answer_was_under_way(by_hand):
    """The answer tells of frame 0; on frame 8 the box is 16 pixels further."""
    hand = by_hand.Hand(GlimpseEdge(policy=TrackingPolicy(deadline_s=5)))
    frames = list(by_hand.walk(10))
    for frame in frames[:8]:
        hand.frame(frame.image)
    hand.feed(by_hand.detections(1, (5, 60, 29, 84)))
    (result,) = hand.frame(frames[8].image)
    (one,) = result.regions
    assert iou(boxes_of([one]), np.array([[21, 60, 45, 84]]))[0, 0] > 0.7
    assert result.age_frames == 8


def test_glimpse_on_a_drawn_clip(by_hand):
    run = by_hand.play(GlimpseEdge.from_welcome, BoxServer(by_hand.RedDetector()), by_hand.walk(36))
    total = Matches()
    for frame in run.frames:
        found = run.results[frame.index].regions or ()
        total += match(found, by_hand.RedDetector()(frame.image).regions(0.5))
    assert total.f1 > 0.9 and run.edge.stats.packets < 12


def vigil(by_hand, **options):
    detector = by_hand.RedDetector()
    edge = VigilEdge(detector=detector, tracker=StillTracker(), **options)
    return SimpleNamespace(hand=by_hand.Hand(edge), detector=detector)


def test_vigil_sends_when_the_count_changes(by_hand):
    one, two = by_hand.scene(BOX), by_hand.scene(BOX, (80, 20, 110, 50))
    made = vigil(by_hand)
    for serial, image in enumerate((one, two, one), 1):
        made.hand.frames(8, image)
        made.hand.feed(by_hand.detections(serial, BOX))
    assert [packet.frame for packet in made.hand.packets] == [0, 8, 16]
    assert len(made.detector.shown) == 24  # it looks once a frame
    # A lost box sends a frame too, and what is counted then is what counts.
    made.hand.edge._tracker.lose = True
    made.hand.frames(1, two)
    assert [packet.frame for packet in made.hand.packets] == [0, 8, 16, 24]
    made.hand.feed(by_hand.detections(4, BOX))
    made.hand.frames(8, two)
    assert len(made.hand.packets) == 4
    made.hand.frames(8, one)
    made.hand.feed(by_hand.detections(5, BOX))
    assert len(made.hand.packets) == 5
    # Moving without a change of the count is nothing to it.
    made.hand.frames(8, by_hand.scene((60, 60, 84, 84)))
    assert len(made.hand.packets) == 5


def test_vigil_says_what_it_found_by_itself_until_it_is_answered(by_hand):
    made = vigil(by_hand, policy=TrackingPolicy(deadline_s=0.5, wait_s=0.5))
    made.hand.frames(4)
    assert {one.kind for one in made.hand.results} == {"device"}
    assert all(len(one.regions) == 1 for one in made.hand.results)
    assert [one.kind for one in made.hand.timeout(0.6)] == ["device"]
    assert made.hand.finish() == [] and made.hand.edge.stats.results == 4


def test_vigil_on_a_drawn_clip(by_hand):
    edge = partial(VigilEdge.from_welcome, detector=by_hand.RedDetector())
    run = by_hand.play(edge, BoxServer(by_hand.RedDetector()), by_hand.walk(30))
    assert run.edge.stats.packets == 1  # two things, all the time


def test_only_boxes_are_tracked():
    model = SimpleNamespace(name="net", ignore_label=None, class_names=("a",))
    with pytest.raises(ValueError, match=r"net.*labels pixels"):
        BoxServer(model)


def test_wrong_options():
    for options in ({"spacing": -1}, {"deadline_s": 0}, {"catch_up": 9, "cache": 8}, {"send_size": (0, 5)}):
        with pytest.raises(ValueError, match=next(iter(options))):
            TrackingPolicy(**options)
    for options in ({"step": 300}, {"share": 2}):
        with pytest.raises(ValueError, match=next(iter(options))):
            GlimpseEdge(**options)
