"""The rules of the paper, one by one, on inputs made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from rdct.dds.feedback import (
    DetectionRules,
    SegmentationRules,
    detection_feedback,
    merge_rounds,
    segmentation_feedback,
    settled_objects,
    uncertain_windows,
    uncertainty,
)
from rdct.vision.detectors import Candidates
from rdct.vision.regions import Region

SIZE = (100, 200)  # 20000 pixels: 4 % are 800


def candidates(*rows):
    """Rows of box, score, label, objectness."""
    return Candidates(*zip(*rows, strict=True)) if rows else Candidates([], [], [], [])


def feedback(*rows, **rules):
    return detection_feedback(candidates(*rows), SIZE, DetectionRules(**rules))


def boxes(regions):
    return [(one.x0, one.y0, one.x1, one.y1) for one in regions]


def reasons(found):
    return [one.reason for one in found.dropped]


def test_the_defaults_are_those_of_the_brief():
    rules = DetectionRules()
    assert (rules.final_score, rules.objectness, rules.max_area, rules.overlap_iou) == (0.5, 0.5, 0.04, 0.3)
    assert (rules.enlarge, rules.duplicate_iou, rules.merge_score, rules.merge_iou) == (0.0, 0.5, 0.3, 0.3)
    rules = SegmentationRules()
    assert (rules.window, rules.windows, rules.max_object) == (80, 4, 0.004)


def test_sure_ones_are_final_and_doubtful_ones_are_asked_for():
    found = feedback(((0, 0, 20, 20), 0.9, 2, 0.9), ((50, 50, 70, 70), 0.4, 2, 0.6))
    assert found.final == (Region(0, 0, 20, 20, 0.9, 2),)
    assert found.wanted == (Region(50, 50, 70, 70, 0.6, -1),)
    assert found.dropped == ()


def test_both_thresholds_have_to_be_passed_not_met():
    found = feedback(((0, 0, 20, 20), 0.5, 2, 0.9), ((50, 50, 70, 70), 0.4, 2, 0.5))
    assert found.final == () and boxes(found.wanted) == [(0, 0, 20, 20)]
    assert reasons(found) == ["objectness"]


def test_a_sure_one_of_another_class_is_dropped_a_doubtful_one_asked_for():
    found = feedback(((0, 0, 20, 20), 0.9, 7, 0.9), ((50, 50, 70, 70), 0.4, 7, 0.6), labels={2})
    assert found.final == () and boxes(found.wanted) == [(50, 50, 70, 70)]
    assert reasons(found) == ["class"]


def test_large_proposals_are_dropped_and_exactly_four_per_cent_are_not():
    row = (0, 0, 20, 40), 0.2, 2, 0.8
    assert boxes(feedback(row).wanted) == [(0, 0, 20, 40)]
    assert reasons(feedback(((0, 0, 20, 41), *row[1:]))) == ["area"]
    assert reasons(feedback(row, max_area=0.01)) == ["area"]


def test_a_large_final_object_stays():
    assert len(feedback(((0, 0, 200, 100), 0.9, 2, 0.8)).final) == 1


def test_proposals_on_a_final_object_are_dropped_whatever_their_class():
    final = (0, 0, 20, 20), 0.9, 2, 0.9
    near = (0, 0, 20, 7), 0.2, 5, 0.8  # IoU 0.35
    assert reasons(feedback(final, near)) == ["overlap"]
    assert boxes(feedback(final, near, overlap_iou=0.35).wanted) == [(0, 0, 20, 7)]
    less = (0, 0, 20, 5), 0.2, 2, 0.8  # IoU 0.25
    assert boxes(feedback(final, less).wanted) == [(0, 0, 20, 5)]
    assert reasons(feedback(final, less, overlap_iou=0.0)) == ["overlap"]


def test_proposals_grow_and_stay_inside_the_picture():
    row = (190, 40, 200, 60), 0.2, 2, 0.8
    assert boxes(feedback(row, enlarge=0.5).wanted) == [(185, 30, 200, 70)]


def test_growing_comes_after_the_rules_on_area_and_overlap():
    final = (0, 0, 20, 20), 0.9, 2, 0.9
    row = (20, 0, 40, 40), 0.2, 2, 0.8  # 4 %, beside the final object
    assert boxes(feedback(final, row, enlarge=0.5).wanted) == [(10, 0, 50, 60)]


def test_doubles_are_asked_for_once_the_likeliest_first():
    one, two = ((0, 0, 20, 20), 0.2, 2, 0.6), ((0, 0, 20, 18), 0.3, 5, 0.8)  # IoU 0.9
    assert boxes(feedback(one, two).wanted) == [(0, 0, 20, 18)]
    assert len(feedback(one, two, duplicate_iou=0.95).wanted) == 2


def test_without_candidates_there_is_nothing():
    found = feedback()
    assert (found.final, found.wanted, found.dropped) == ((), (), ())


@pytest.mark.parametrize("name", ["final_score", "objectness", "max_area", "overlap_iou", "merge_iou"])
def test_rules_are_checked(name):
    with pytest.raises(ValueError, match=rf"rules\.{name} must be 0\.\.1, got 1\.5"):
        DetectionRules(**{name: 1.5})


# --------------------------------------------------------------------------------------------------- merging


def test_the_second_round_beats_the_first_whatever_the_scores():
    first = [Region(0, 0, 20, 20, 0.9, 2), Region(100, 0, 120, 20, 0.9, 2)]
    second = candidates(((0, 0, 20, 19), 0.6, 2, 0.9), ((50, 50, 60, 60), 0.4, 2, 0.9))
    merged = merge_rounds(first, second)
    assert boxes(merged) == [(0, 0, 20, 19), (50, 50, 60, 60), (100, 0, 120, 20)]
    assert [one.score for one in merged] == [0.6, 0.4, 0.9]


def test_the_second_round_may_take_back_what_the_first_saw():
    first, second = [Region(0, 0, 20, 20, 0.9, 2)], candidates(((50, 50, 60, 60), 0.6, 2, 0.9))
    assert len(merge_rounds(first, second)) == 2
    assert boxes(merge_rounds(first, second, DetectionRules(keep_first=False))) == [(50, 50, 60, 60)]


def test_weak_ones_and_other_classes_do_not_come_in():
    second = candidates(((0, 0, 20, 19), 0.29, 2, 0.9), ((50, 50, 60, 60), 0.9, 7, 0.9))
    assert merge_rounds([], second, DetectionRules(labels={2})) == ()


def test_pieces_of_one_object_become_its_hull():
    # IoU 12/28 = 0.43: too little to be the same, enough to belong together.
    first, second = [Region(0, 0, 20, 10, 0.9, 2)], candidates(((8, 0, 28, 10), 0.6, 2, 0.9))
    assert merge_rounds(first, second) == (Region(0, 0, 28, 10, 0.9, 2),)
    assert len(merge_rounds(first, second, DetectionRules(merge_iou=0.5))) == 2


# ---------------------------------------------------------------------------------------------- segmentation


def test_uncertainty_is_one_minus_the_gap_between_the_best_two():
    probabilities = np.array([[0.7, 0.5, 1.0, 0.1], [0.2, 0.5, 0.0, 0.3], [0.1, 0.0, 0.0, 0.6]])[:, None]
    assert np.allclose(uncertainty(probabilities), [[0.5, 1.0, 0.0, 0.7]])
    with pytest.raises(ValueError, match="softmax"):
        uncertainty(probabilities * 5)
    with pytest.raises(ValueError, match="2 classes"):
        uncertainty(probabilities[:1])


def largest_by_hand(unsure, height, width):
    rows, columns = unsure.shape
    sums = {
        (y, x): unsure[y : y + height, x : x + width].sum()
        for y in range(rows - height + 1)
        for x in range(columns - width + 1)
    }
    return max(sums, key=lambda at: (round(sums[at], 9), -at[0], -at[1]))


def test_the_first_window_has_the_largest_sum():
    unsure = np.random.default_rng(1).random((30, 41))
    (one,) = uncertain_windows(unsure, SegmentationRules(window=7, windows=1))
    y, x = largest_by_hand(unsure, 7, 7)
    assert boxes([one]) == [(x, y, x + 7, y + 7)]
    assert one.score == pytest.approx(unsure[y : y + 7, x : x + 7].mean())


def test_what_was_found_counts_no_more():
    unsure = np.zeros((20, 20))
    unsure[2:6, 2:6] = 1.0  # 16
    unsure[12:16, 10:14] = 0.5  # 8
    found = uncertain_windows(unsure, SegmentationRules(window=4, windows=4))
    assert boxes(found) == [(2, 2, 6, 6), (10, 12, 14, 16)]  # and then nothing is left
    # A window over a seen one counts only what is left of it.
    unsure[2:6, 6:8] = 0.9  # 7.2: less than 8
    found = uncertain_windows(unsure, SegmentationRules(window=4, windows=3))
    assert boxes(found)[:2] == [(2, 2, 6, 6), (10, 12, 14, 16)]
    assert boxes(found)[2][0] in (4, 5, 6)


def test_a_window_that_touches_what_is_settled_is_not_asked_for_but_counted():
    unsure = np.zeros((20, 20))
    unsure[2:6, 2:6] = 1.0
    unsure[12:16, 10:14] = 0.5
    settled = np.zeros((20, 20), bool)
    settled[5, 5] = True
    found = uncertain_windows(unsure, SegmentationRules(window=4, windows=2), settled)
    assert (10, 12, 14, 16) in boxes(found)
    assert all(not settled[int(r.y0) : int(r.y1), int(r.x0) : int(r.x1)].any() for r in found)
    assert uncertain_windows(unsure, SegmentationRules(window=4, windows=1), np.ones((20, 20), bool)) == ()


def test_a_window_larger_than_the_picture_is_the_picture():
    (one,) = uncertain_windows(np.ones((5, 9)), SegmentationRules(window=80, windows=4))
    assert boxes([one]) == [(0, 0, 9, 5)] and one.score == 1


def test_large_pieces_of_a_class_are_settled_small_ones_and_the_background_are_not():
    labels = np.zeros((100, 100), np.uint8)  # 0.4 % are 40 pixels
    labels[10:20, 10:14] = 3  # 40
    labels[30:40, 10:14] = 4
    labels[40, 10] = 4  # 41
    labels[60:70, 10:14] = 5  # 40, beside 40 of another class
    labels[60:70, 14:18] = 6
    settled = settled_objects(labels)
    assert (settled == (labels == 4)).all()
    assert (settled_objects(labels, SegmentationRules(background=(0, 4))) == False).all()  # noqa: E712
    assert (settled_objects(labels, SegmentationRules(max_object=0.0)) == (labels > 0)).all()


def test_feedback_looks_away_from_a_large_object_to_a_doubtful_place():
    probabilities = np.zeros((3, 60, 60))
    probabilities[0] = 1.0
    probabilities[:, 5:25, 5:25] = np.array([0.3, 0.4, 0.3])[:, None, None]  # a large object, uncertain: 0.9
    probabilities[:, 40:45, 40:45] = np.array([0.5, 0.1, 0.4])[:, None, None]  # background, uncertain too
    (one,) = segmentation_feedback(probabilities, SegmentationRules(window=8, windows=1))
    assert one.x0 <= 40 and one.x1 >= 45 and one.y0 <= 40 and one.y1 >= 45
