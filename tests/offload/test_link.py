"""The simulated link: arithmetic that can be checked by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdct.offload.link import SimulatedLink


def test_bytes_delay_and_queue():
    link = SimulatedLink(1e6, 0.05)
    assert link.send(10_000, 0.0) == pytest.approx(0.13, abs=1e-12)
    assert link.send(10_000, 0.0) == pytest.approx(0.21, abs=1e-12)  # waits for the first
    assert link.send(1, 1.0) == pytest.approx(1.050008, abs=1e-12)


def test_a_perfect_link_takes_no_time():
    assert SimulatedLink().send(10**9, 3.5) == 3.5


def test_a_message_may_span_several_rates():
    # 8000 bits: 1000 in the first second, none for two seconds, then 2000 a second.
    link = SimulatedLink([(0, 1000), (1, 0), (3, 2000)], 0.25)
    assert link.send(1000, 0.0) == pytest.approx(3 + 7000 / 2000 + 0.25)
    assert link.send(250, 100.0) == pytest.approx(100 + 1 + 0.25)


def test_a_message_handed_over_while_nothing_moves_waits():
    link = SimulatedLink([(0, 8), (1, 0), (5, 8)])
    assert link.send(1, 2.0) == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        (0.0, 1.5),  # through before
        (0.8, None),  # leaves before, under way when it begins
        (1.9, None),  # caught while leaving
        (2.5, None),  # handed over while it lasts
        (2.999, None),
        (3.0, 4.5),  # over
    ],
)
def test_an_outage_takes_what_it_touches(sent, arrives):
    link = SimulatedLink(8.0, 0.5, outages=[(2, 3)])
    assert link.send(1, sent) == (None if arrives is None else pytest.approx(arrives))


def test_what_an_outage_cut_short_frees_the_link():
    link = SimulatedLink(8.0, outages=[(2, 3)])
    assert link.send(100, 1.0) is None  # would have kept it busy until 101
    assert link.send(1, 4.0) == pytest.approx(5.0)


def test_losses_are_drawn_and_repeat():
    def run(seed):
        link = SimulatedLink(1e6, loss=0.3, seed=seed)
        return [link.send(100, t) for t in range(1000)]

    first = run(4)
    assert run(4) == first and run(5) != first
    assert 0.25 < sum(one is None for one in first) / 1000 < 0.35


def test_an_outage_does_not_change_the_losses_after_it():
    def late(outages):
        link = SimulatedLink(1e6, loss=0.5, seed=1, outages=outages)
        return [link.send(100, t) for t in range(100)][50:]

    assert late([]) == late([(10, 20)])


def test_a_lost_message_took_its_time_all_the_same():
    link = SimulatedLink(8.0, loss=1.0)
    assert link.send(1, 0.0) is None
    link._loss = 0.0
    assert link.send(1, 0.0) == 2.0


@given(
    st.lists(st.tuples(st.floats(0.01, 2), st.integers(0, 5)), max_size=6),
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 3000)), min_size=1, max_size=9),
)
def test_the_link_carries_what_its_rates_allow_in_order(steps, messages):
    trace, at = [(0.0, 1000.0)], 0.0
    for length, rate in steps:
        at += length
        trace.append((at, 1000.0 * rate))
    trace.append((at + 1, 500.0))
    link = SimulatedLink(trace)
    now, last = 0.0, 0.0
    for gap, size in messages:
        now += gap
        arrived = link.send(size, now)
        # Integrate the rate from when it could begin to when it came: exactly its bits.
        begin = max(now, last)
        ends = [t for t, _ in trace[1:]] + [math.inf]
        carried = sum(
            rate * max(0.0, min(arrived, end) - max(begin, start))
            for (start, rate), end in zip(trace, ends, strict=True)
        )
        assert carried == pytest.approx(8 * size, rel=1e-6)
        assert arrived >= last
        last = arrived


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (((1, 5),), "start at 0"),
        ((((1.0, 5.0),),), "start at 0"),
        (([(0, 1), (2, 1), (2, 3)],), "ascend"),
        (([(0, 1), (2, 0)],), "rates"),
        ((-1.0,), "rates"),
        ((math.nan,), "rates"),
        (([],), "trace"),
        ((1e6, -1), "delay_s"),
        ((1e6, math.inf), "delay_s"),
    ],
)
def test_links_that_make_no_sense_are_refused(arguments, says):
    if arguments == ((1, 5),):
        arguments = ([(1, 5)],)
    with pytest.raises(ValueError, match=says):
        SimulatedLink(*arguments)


@pytest.mark.parametrize("options", [{"loss": 1.5}, {"outages": [(3, 3)]}])
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(ValueError, match=r"loss|outage"):
        SimulatedLink(1e6, **options)


def test_sizes_and_times_that_make_no_sense_are_refused():
    for size, now in ((-1, 0.0), (1, -1.0), (1, math.nan)):
        with pytest.raises(ValueError, match="0 bytes or more"):
            SimulatedLink().send(size, now)
