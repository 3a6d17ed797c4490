"""AWStream's profile: what is kept of the points, and how they are measured."""

from __future__ import annotations

import pytest

from rdct.baselines.profile import Point, Profile, Setting, grid, measure, pareto
from rdct.baselines.stills import Still
from rdct.offload import Packet, wire


def points(*pairs):
    return [Point(Setting(quality=n + 1), bps, accuracy) for n, (bps, accuracy) in enumerate(pairs)]


def test_the_pareto_set_by_hand():
    a, b, c, d, e, f = points((10, 0.2), (20, 0.5), (25, 0.5), (30, 0.4), (40, 0.9), (40, 0.8))
    # c costs more than b for the same, d more for less, f as much as e for less.
    assert pareto([f, d, e, c, b, a]) == (a, b, e)
    twin = Point(Setting(quality=99), 20, 0.5)
    assert pareto([b, twin]) == (b,) and pareto([twin, b]) == (twin,)
    assert pareto([]) == ()


def test_a_profile_is_a_pareto_set_and_survives_json():
    profile = Profile.of(points((10, 0.2), (20, 0.5), (30, 0.4)))
    assert profile.rates == (10, 20)
    assert Profile.from_json(profile.to_json()) == profile
    with pytest.raises(ValueError, match="Pareto"):
        Profile(tuple(points((20, 0.5), (10, 0.2))))
    for text in ("{}", '{"points": [{"bps": 1}]}', '{"points": []}', "nothing"):
        with pytest.raises(ValueError):
            Profile.from_json(text)


def test_measured_on_a_drawn_clip(by_hand):
    frames = list(by_hand.walk(9, step=10))
    settings = [Setting(90), Setting(90, every=3), Setting(30), Setting(90, scale=0.5)]
    whole, sparse, coarse, small = measure(frames, by_hand.RedDetector(), settings, fps=12)
    assert whole.accuracy == 1.0 and small.accuracy == 1.0
    # The box moves by almost half its width: one in three is right, and the other box always.
    assert sparse.accuracy == pytest.approx(2 / 3, abs=0.05)
    assert sparse.bps == pytest.approx(whole.bps / 3, rel=0.02)
    assert coarse.bps < whole.bps and small.bps < 0.5 * whole.bps
    first = len(wire.encode(Packet(0, 0.0, 1, Still(90).encode(frames[0].image))))
    assert whole.bps == pytest.approx(8 * 12 * first, rel=0.05)


def test_every_combination():
    assert len(grid((30, 60), (0.5, 1.0), (1, 2, 4))) == 12
    with pytest.raises(ValueError, match="every"):
        grid((30,), (1.0,), (0,))
    with pytest.raises(ValueError, match="one size"):
        measure([], None, [], fps=12)
