"""AWStream's runtime: the state machine tick by tick, and on a link whose rate steps up and down."""

from __future__ import annotations

from functools import partial

import pytest

from rdct.baselines.awstream import AwStreamEdge, AwStreamServer, RateAdaptation
from rdct.baselines.profile import Point, Profile, Setting, measure
from rdct.offload import Notice, Packet

RATES = (100e3, 200e3, 400e3)


def ticks(machine, count, empty, bps=0.0):
    for _ in range(count):
        machine.tick(empty, round(bps * machine.period_s / 8))
    return machine.state, machine.level


def test_startup_climbs_to_the_top():
    machine = RateAdaptation(RATES)
    assert ticks(machine, 19, True) == ("startup", 0)
    assert ticks(machine, 1, True) == ("startup", 1)
    assert ticks(machine, 19, True) == ("startup", 1)  # twenty in a row, anew
    assert ticks(machine, 1, True) == ("startup", 2)
    assert ticks(machine, 1, True) == ("steady", 2)
    assert ticks(machine, 100, True) == ("steady", 2)  # nothing to probe for


def test_startup_ends_with_congestion():
    machine = RateAdaptation(RATES)
    ticks(machine, 30, True, 200e3)
    assert ticks(machine, 3, False, 120e3) == ("startup", 1)
    assert ticks(machine, 1, False, 120e3) == ("degrade", 1)
    # 0.9 of the rate has room for 100 kbit/s; it must be picked three times.
    assert ticks(machine, 1, False, 120e3) == ("degrade", 1)
    assert ticks(machine, 1, False, 120e3) == ("degrade", 0)
    assert ticks(machine, 1, True, 100e3) == ("steady", 0)


def test_headroom():
    for rate, level in ((219e3, 0), (230e3, 1), (50e3, 0)):
        machine = RateAdaptation(RATES)
        ticks(machine, 40, True, rate)
        ticks(machine, 20, False, rate)
        assert machine.level == level and machine.rate_bps == pytest.approx(rate, rel=0.01)


def test_the_rate_of_frames_larger_than_a_tick():
    """One every 0.3 s, and then none."""
    machine = RateAdaptation(RATES)
    for n in range(30):
        machine.tick(False, 7500 if n % 3 == 2 else 0)
        assert n < 11 or machine.rate_bps == pytest.approx(200e3, rel=0.07)
    ticks(machine, 10, False)
    assert machine.rate_bps > 150e3
    ticks(machine, 10, False)
    assert machine.rate_bps < 1e3


def steady(level=0):
    machine = RateAdaptation(RATES)
    machine.state, machine.level = "steady", level
    return machine


def test_a_probe_pads_up_to_the_next_level_and_then_is_it():
    machine = steady()
    assert ticks(machine, 3, True) == ("steady", 0)
    assert ticks(machine, 1, True) == ("probe", 0)
    assert machine.padding_bps == 0
    ticks(machine, 5, True)
    assert machine.padding_bps == pytest.approx(50e3)
    ticks(machine, 5, True)
    assert machine.padding_bps == pytest.approx(100e3)
    assert ticks(machine, 9, True) == ("probe", 0)
    assert ticks(machine, 1, True) == ("steady", 1) and machine.padding_bps == 0


def test_a_probe_that_meets_congestion_costs_no_level():
    machine = steady(1)
    ticks(machine, 6, True)
    assert ticks(machine, 1, False) == ("steady", 1) and machine.padding_bps == 0
    assert ticks(machine, 3, False) == ("steady", 1)  # its own queue drains
    # The next probe waits twice as long.
    assert ticks(machine, 6, True) == ("steady", 1)
    assert ticks(machine, 1, True) == ("probe", 1)
    ticks(machine, 20, True)
    # A queue after that is another one.
    assert machine.level == 2 and ticks(machine, 1, False) == ("degrade", 2)


def test_wrong_options():
    for rates, options in (((), {}), ((2, 1), {}), ((1,), {"headroom": 0}), ((1,), {"repeat": 0})):
        with pytest.raises(ValueError):
            RateAdaptation(rates, **options)


@pytest.fixture(scope="module")
def profile(by_hand):
    clip = list(by_hand.walk(6))
    settings = [Setting(quality) for quality in (10, 75, 95)]
    found = [one for one in measure(clip, by_hand.RedDetector(), settings, fps=15)]
    # The toy finds all at any quality; give the dearer ones something to be worth.
    points = [type(one)(one.setting, one.bps, 0.5 + n / 10) for n, one in enumerate(found)]
    return Profile.of(points)


def played(by_hand, profile, trace, seconds=40, **options):
    fps = 15
    frames = list(by_hand.walk(6))
    clip = (type(frames[0])(n, n / fps, frames[n % 6].image) for n in range(seconds * fps))
    edge = partial(AwStreamEdge.from_welcome, profile=profile, **options)
    return by_hand.play(edge, AwStreamServer(by_hand.RedDetector()), clip, rate=trace)


def test_on_a_link_that_steps_down_and_up(by_hand, profile):
    low, middle, high = profile.rates
    assert len(profile.points) == 3 and 1.3 * low < middle and 1.3 * middle < high
    # Room for all, then for the middle level only, then for all again.
    run = played(by_hand, profile, [(0.0, 2 * high), (12.0, 1.2 * middle), (24.0, 2 * high)])

    def level_at(time_s):
        return [one.level for one in run.edge.changes if one.at_s <= time_s][-1]

    assert level_at(11) == 2
    assert level_at(20) == 1
    assert level_at(39) == 2
    assert {one.state for one in run.edge.changes} == {"startup", "degrade", "steady", "probe"}
    assert any(one.stream == "padded" for one in packets(run))
    # Once it has come down, answers come in time again.
    late = [one.frame for one in run.results.values() if one.kind != "server"]
    assert not [frame for frame in late if 16 <= frame / 15 < 23]


def packets(run):
    return [one.message for one in run.records if getattr(one, "direction", None) == "up"]


def test_on_a_link_too_slow_for_the_lowest_level(by_hand, profile):
    run = played(by_hand, profile, 0.5 * profile.rates[0], seconds=15)
    assert run.edge.adaptation.level == 0
    assert run.edge.stats.skipped > 0 and len(run.results) == 225


def test_padding_is_left_out_and_checked(by_hand):
    server = AwStreamServer(by_hand.RedDetector())
    hand = by_hand.Hand(AwStreamEdge(profile=Profile((Point(Setting(), 1e5, 1.0),))))
    (packet,) = hand.frame()
    length = len(packet.payload).to_bytes(4, "little")
    (whole,) = server.on_packet(packet, 0.0)
    (padded,) = server.on_packet(Packet(0, 0.0, 2, length + packet.payload + bytes(99), "padded"), 0.0)
    assert whole.found == padded.found != ()
    for payload in (b"\1", length + packet.payload[:-1]):
        (answer,) = server.on_packet(Packet(0, 0.0, 3, payload, "padded"), 0.0)
        assert isinstance(answer, Notice)
