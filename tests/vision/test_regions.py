"""Boxes: overlap, doubles, hulls, and one-to-one matching; every number here was worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rdct.vision.regions import Matches, Region, boxes_of, deduplicate, hulls, iou, match


def test_iou_of_known_boxes():
    a = np.array([[0, 0, 10, 10], [0, 0, 4, 4], [5, 5, 5, 5]])
    b = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [5, 5, 5, 5]])
    expected = [[1, 50 / 150, 0, 0], [16 / 100, 0, 0, 0], [0, 0, 0, 0]]
    assert np.allclose(iou(a, b), expected)
    assert iou(a, boxes_of([])).shape == (3, 0)


@pytest.mark.parametrize("box", [(1, 0, 0, 1), (0, 1, 1, 0), (math.nan, 0, 1, 1), (0, 0, math.inf, 1)])
def test_a_region_is_a_box(box):
    with pytest.raises(ValueError, match="x0 <= x1"):
        Region(*box)


def test_a_score_is_a_probability():
    with pytest.raises(ValueError, match=r"0\.\.1, got 3"):
        Region(0, 0, 1, 1, 3.0)


def test_regions_are_clipped_enlarged_and_resized():
    one = Region(-5, 2, 15, 12, 0.5, 3)
    assert one.clipped((10, 20)) == Region(0, 2, 15, 10, 0.5, 3)
    assert Region(30, 30, 40, 40).clipped((10, 20)).area == 0
    assert one.enlarged(0.25) == Region(-10, -0.5, 20, 14.5, 0.5, 3)
    assert one.resized((10, 20), (20, 10)) == Region(-2.5, 4, 7.5, 24, 0.5, 3)


def test_the_higher_score_stays_and_labels_count():
    low, high = Region(0, 0, 10, 10, 0.6, 1), Region(1, 0, 10, 10, 0.7, 1)
    other = Region(0, 0, 10, 10, 0.2, 2)
    assert deduplicate([low, high, other]) == (high, other)
    assert deduplicate([low, high, other], labelled=False) == (high,)
    assert deduplicate([low, high], max_iou=0.9) == (high, low)  # they overlap by exactly 0.9


def test_an_earlier_group_beats_a_higher_score():
    fine, coarse = Region(0, 0, 10, 10, 0.6, 1), Region(0, 0, 10, 9, 0.9, 1)
    assert deduplicate([fine], [coarse]) == (fine,)
    assert deduplicate([coarse], [fine]) == (coarse,)


def test_what_hangs_together_becomes_one_hull():
    chain = [Region(x, 0, x + 10, 10, 0.3 + x / 100, 1) for x in (0, 5, 10)]  # neighbours overlap by 1/3
    alone = Region(0, 0, 10, 10, 0.9, 2)
    assert hulls([*chain, alone], max_iou=0.3) == (Region(0, 0, 20, 10, 0.4, 1), alone)
    assert len(hulls([*chain, alone], max_iou=0.34)) == 4
    assert hulls([chain[0], chain[2]], max_iou=0.3) == (chain[0], chain[2])  # without the link between
    assert hulls([]) == ()


def test_matching_is_one_to_one():
    there = [Region(0, 0, 10, 10, 1, 1)]
    found = [Region(0, 0, 10, 9, 0.8, 1), Region(0, 0, 10, 10, 0.7, 1)]
    assert match(found, there) == Matches(right=1, wrong=1, missed=0)
    assert match(found, there).f1 == pytest.approx(2 / 3)


def test_a_sure_one_takes_what_it_overlaps_most():
    there = [Region(0, 0, 10, 10, 1, 1), Region(4, 0, 14, 10, 1, 1)]
    found = [Region(4, 0, 14, 10, 0.9, 1), Region(4, 0, 12, 10, 0.6, 1)]
    # The second still overlaps the first reference, by 6/12.
    assert match(found, there, min_iou=0.5) == Matches(2, 0, 0)
    assert match(found, there, min_iou=0.51) == Matches(1, 1, 1)


def test_the_threshold_decides_between_half_and_three_tenths():
    there, found = [Region(0, 0, 10, 10, 1, 1)], [Region(0, 0, 10, 4, 1, 1)]
    assert match(found, there, min_iou=0.5) == Matches(0, 1, 1)
    assert match(found, there, min_iou=0.3) == Matches(1, 0, 0)


def test_labels_must_agree_unless_they_do_not_matter():
    there, found = [Region(0, 0, 10, 10, 1, 1)], [Region(0, 0, 10, 10, 1, 2)]
    assert match(found, there) == Matches(0, 1, 1)
    assert match(found, there, labelled=False) == Matches(1, 0, 0)


def test_nothing_found_and_nothing_there():
    one = [Region(0, 0, 1, 1)]
    assert match([], []).f1 == 1
    assert match(one, []) == Matches(0, 1, 0) and match(one, []).f1 == 0
    assert match([], one) == Matches(0, 0, 1) and match([], one).recall == 0
    assert sum([Matches(1, 2, 3), Matches(4, 5, 6)], Matches()) == Matches(5, 7, 9)
