"""When a frame becomes a keyframe."""

from __future__ import annotations

import math

import pytest

from stac import KeyframePolicy


def test_the_paper_threshold_is_the_default():
    policy = KeyframePolicy()
    assert policy.wants(25.99, 1.0, 1)
    assert not policy.wants(26.0, 0.0, 10_000)
    assert not policy.wants(math.inf, 1.0, 1)


def test_age_and_valid_share_ask_only_when_told_to():
    assert KeyframePolicy(max_age_frames=30).wants(math.inf, 1.0, 30)
    assert not KeyframePolicy(max_age_frames=30).wants(math.inf, 1.0, 29)
    assert KeyframePolicy(min_valid=0.8).wants(math.inf, 0.79, 1)
    assert not KeyframePolicy(min_valid=0.8).wants(math.inf, 0.8, 1)


def test_a_deadline_stretches_with_the_round_trip_but_not_for_ever():
    policy = KeyframePolicy(deadline_s=1.0)
    assert policy.deadline_after(None) == 1.0
    assert policy.deadline_after(0.2) == 1.0
    assert policy.deadline_after(2.0) == 3.0
    assert policy.deadline_after(60.0) == 8.0
    assert KeyframePolicy(deadline_s=math.inf).deadline_after(5.0) == math.inf


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold_db": math.nan},
        {"in_flight": 0},
        {"in_flight": 65},
        {"deadline_s": 0},
        {"deadline_s": math.nan},
        {"wait_s": -0.1},
        {"wait_s": math.nan},
        {"max_age_frames": 0},
        {"min_valid": 1.1},
    ],
)
def test_values_out_of_range_are_refused_by_name(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        KeyframePolicy(**wrong)


def test_a_share_of_frames_in_flight_is_none():
    with pytest.raises(TypeError):
        KeyframePolicy(in_flight=1.5)
