# SPDX-License-Identifier: Apache-2.0
"""Taking turns: the order is fair, and the ratio outlives a machine that changes its speed."""

from __future__ import annotations

import gc

import pytest

from benchmarks import racing
from benchmarks.racing import interleave, race


class Machine:
    """A clock that functions move forward, at a speed that can change."""

    def __init__(self):
        self.now, self.speed, self.calls = 0.0, 1.0, []

    def job(self, name, seconds):
        def run():
            self.calls.append(name)
            self.now += seconds / self.speed

        return run

    def timer(self):
        return self.now


def test_ratio_of_a_drifting_machine():
    machine = Machine()
    ours, peer = machine.job("ours", 0.01), machine.job("peer", 0.015)

    def slowing():
        machine.speed *= 0.97
        peer()

    found = race(ours, {"peer": slowing}, 21, [machine.timer])["peer"]
    assert found["median"] == pytest.approx(1.5, rel=0.05)
    assert found["low"] <= found["median"] <= found["high"]
    assert found["rounds"] == 21


def test_processor_time_is_a_ratio_of_its_own():
    wall, processor = Machine(), Machine()

    def job(passes, works):
        def run():
            wall.now += passes
            processor.now += works

        return run

    clocks = [wall.timer, processor.timer]
    found = race(job(0.01, 0.01), {"kept waiting": job(0.05, 0.02)}, 5, clocks)["kept waiting"]
    assert found["median"] == pytest.approx(5)
    assert found["processor"] == pytest.approx(2)


def test_turns_are_fair():
    machine = Machine()
    functions = {name: machine.job(name, 0.01) for name in "abc"}
    interleave(functions, 6, [machine.timer])
    rounds = machine.calls[6:]  # after two warm-up calls of each
    assert len(rounds) == 18
    firsts = [rounds[i] for i in range(0, 18, 3)]
    assert sorted(firsts) == ["a", "a", "b", "b", "c", "c"]


def test_short_functions_are_repeated():
    machine = Machine()
    seconds = interleave(
        {"short": machine.job("short", 1e-5), "long": machine.job("long", 1)}, 2, [machine.timer]
    )
    assert machine.calls.count("short") == 2 + 2 * 200
    assert machine.calls.count("long") == 2 + 2
    assert [by_clock[0] for by_clock in seconds["short"]] == pytest.approx([1e-5] * 2)


def test_nothing_to_race():
    assert race(lambda: None, {}, 5) == {}
    assert race(lambda: None, {"peer": lambda: None}, 0) == {}


def test_collector_is_off_meanwhile_and_on_again():
    seen = []
    interleave({"job": lambda: seen.append(gc.isenabled())}, 2)
    assert True in seen and seen[-1] is False  # on in the warm-up only
    assert gc.isenabled()


def test_work_of_others_is_seen(tmp_path, monkeypatch):
    stat = tmp_path / "stat"
    monkeypatch.setattr(racing.os, "cpu_count", lambda: 4)
    stat.write_text("cpu  100 0 50 1000 50 0 0 0 0 0\n")
    # One of four cores busy: 75 of 100 ticks idle or waiting, 5 taken by the hypervisor.
    later = "cpu  115 0 55 1070 55 0 0 5 0 0\n"
    monkeypatch.setattr(racing.time, "sleep", lambda seconds: stat.write_text(later))
    assert racing.busy_cores(0.1, str(stat)) == pytest.approx(1.0)
    assert racing.busy_cores(0.1, str(stat)) == 0  # no ticks between
    assert racing.busy_cores(0.1, str(tmp_path / "none")) == 0
