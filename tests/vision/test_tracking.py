"""Trackers follow boxes that are drawn where we know them to be."""

import cv2
import numpy as np
import pytest

from rdct.vision.regions import Region, boxes_of, iou
from rdct.vision.tracking import KINDS, FlowTracker, OpenCvTracker, load

SIZE = (240, 320)


def noise(seed, size, low, high):
    rough = np.random.default_rng(seed).integers(low, high, (*size, 3), np.uint8)
    return cv2.GaussianBlur(rough, (0, 0), 2.0)


GROUND = cv2.normalize(noise(0, SIZE, 0, 255), None, 60, 160, cv2.NORM_MINMAX)
THING = cv2.normalize(noise(1, (60, 80), 0, 255), None, 20, 250, cv2.NORM_MINMAX)


def draw(*boxes):
    """The ground with the thing pasted into each box ``(x0, y0, x1, y1)`` of whole pixels."""
    image = GROUND.copy()
    for x0, y0, x1, y1 in boxes:
        patch = cv2.resize(THING, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
        inside = np.s_[max(y0, 0) : y1, max(x0, 0) : x1]
        image[inside] = patch[max(-y0, 0) :, max(-x0, 0) :][
            : image[inside].shape[0], : image[inside].shape[1]
        ]
    return image


def overlap(region, box):
    return float(iou(boxes_of([region]), np.array([box]))[0, 0])


def available(kind):
    try:
        return load(kind)
    except ImportError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("kind", KINDS)
def test_follows_a_moving_box(kind):
    tracker = available(kind)
    box = np.array([40, 80, 100, 130])
    tracker.start(tracker.prepare(draw(box)), [Region(*box.tolist(), 0.7, 3)])
    for _ in range(20):
        box = box + np.array([4, 1, 4, 1])
        (found,) = tracker.step(tracker.prepare(draw(box))).regions
    assert overlap(found, box) > 0.7
    assert (found.score, found.label) == (0.7, 3)


def test_several_boxes_each_on_its_way():
    tracker = FlowTracker()
    boxes = np.array([[20, 40, 80, 90], [200, 120, 270, 170]])
    by = np.array([[3, 0, 3, 0], [-4, 1, -4, 1]])
    tracker.start(
        tracker.prepare(draw(*boxes)), [Region(*box.tolist(), 1.0, n) for n, box in enumerate(boxes)]
    )
    for _ in range(12):
        boxes = boxes + by
        tracked = tracker.step(tracker.prepare(draw(*boxes)))
    assert [one.label for one in tracked.regions] == [0, 1] and tracked.lost == 0
    assert all(overlap(one, box) > 0.75 for one, box in zip(tracked.regions, boxes, strict=True))


def test_a_box_that_comes_nearer_grows():
    tracker = FlowTracker()
    box = np.array([130, 90, 190, 134])
    tracker.start(tracker.prepare(draw(box)), [Region(*box.tolist())])
    for _ in range(15):
        box = box + np.array([-2, -1, 2, 1])
        (found,) = tracker.step(tracker.prepare(draw(box))).regions
    still = Region(130, 90, 190, 134)
    assert overlap(found, box) > 0.8 > overlap(still, box)


def test_a_cut_loses_the_box():
    tracker = FlowTracker()
    tracker.start(tracker.prepare(draw((40, 80, 100, 130))), [Region(40, 80, 100, 130)])
    tracked = tracker.step(tracker.prepare(255 - draw((40, 80, 100, 130))[::-1, ::-1]))
    assert tracked.regions == () and tracked.lost == 1
    assert tracker.step(tracker.prepare(draw())).lost == 0  # it is lost once


def test_a_box_that_leaves_the_picture_is_lost():
    tracker = FlowTracker()
    box = np.array([20, 80, 80, 130])
    tracker.start(tracker.prepare(draw(box)), [Region(*box.tolist())])
    lost_at = None
    for step in range(1, 20):
        box = box - [5, 0, 5, 0]
        tracked = tracker.step(tracker.prepare(draw(box)))
        assert all(0 <= one.x0 and one.x1 <= SIZE[1] for one in tracked.regions)
        if tracked.lost:
            lost_at = step
            break
    # Half of it is outside after ten steps.
    assert lost_at is not None and 9 <= lost_at <= 13


def test_starting_again_forgets_what_was_followed():
    tracker = FlowTracker()
    picture = tracker.prepare(draw((40, 80, 100, 130)))
    tracker.start(picture, [Region(40, 80, 100, 130)])
    tracker.start(picture, [])
    assert tracker.step(picture).regions == () and tracker.step(picture).lost == 0


@pytest.mark.parametrize("box", [(0, 0, 3, 3), (310, 230, 320, 240), (50, 60, 51, 200), (0, 0, 320, 240)])
def test_boxes_of_any_size_stand_still_in_a_still_picture(box):
    tracker = FlowTracker()
    picture = tracker.prepare(draw())
    tracker.start(picture, [Region(*box)])
    (found,) = tracker.step(picture).regions
    assert np.allclose(boxes_of([found]), [box], atol=0.6)


def test_errors():
    with pytest.raises(ValueError, match="one of 'flow'"):
        load("magic")
    with pytest.raises(ValueError, match="started"):
        FlowTracker().step(FlowTracker().prepare(GROUND))
    with pytest.raises(ValueError, match="started"):
        OpenCvTracker("mil").step((SIZE, GROUND))
    with pytest.raises(ValueError, match="core"):
        FlowTracker(core=0)


def test_what_stock_opencv_lacks_is_said(monkeypatch):
    monkeypatch.delattr(cv2, "TrackerKCF_create", raising=False)
    monkeypatch.delattr(cv2, "TrackerKCF", raising=False)
    with pytest.raises(ImportError, match=r"TrackerKCF.*opencv-contrib-python-headless"):
        load("kcf")
