"""The search: finds the edge, never claims what it did not try, and says when nothing will do."""

from __future__ import annotations

import math

import pytest

from grace import SearchResult, UnreachableError, smallest


def dial(edge, coarser="up"):
    """An encoder whose files shrink with the dial, and an acceptance that ends at `edge`."""
    calls = []

    def encode(value):
        calls.append(value)
        size = 1e6 / value if coarser == "up" else 1e4 * value
        return {"value": value, "size": int(size)}

    def accept(data):
        assert data["value"] == calls[-1]
        return data["value"] <= edge if coarser == "up" else data["value"] >= edge

    return encode, accept, calls


def size(data):
    return data["size"]


@pytest.mark.parametrize("edge", [0.013, 0.9, 1.0, 37.5, 99.0])
@pytest.mark.parametrize("start", [None, 0.02, 1.0, 80.0])
def test_finds_the_edge(edge, start):
    encode, accept, calls = dial(edge)
    found = smallest(encode, accept, 0.01, 100, start=start, tolerance=0.01, size=size)
    assert isinstance(found, SearchResult)
    assert edge / 1.011 <= found.value <= edge
    assert found.data["value"] == found.value and found.size == found.data["size"]
    assert not found.at_limit
    assert [e.value for e in found.evaluations] == calls
    assert len(set(calls)) == len(calls) <= 20


@pytest.mark.parametrize("edge", [1, 2, 41, 99, 100])
@pytest.mark.parametrize("start", [None, 1, 50, 100])
def test_whole_numbers_downwards_are_exact(edge, start):
    encode, accept, calls = dial(edge, "down")
    found = smallest(encode, accept, 1, 100, start=start, coarser="down", integer=True, size=size)
    assert found.value == edge and isinstance(found.value, int)
    assert found.at_limit == (edge == 1)
    assert len(calls) <= 14


def test_result_was_accepted_even_when_acceptance_is_ragged():
    accepted = []

    def accept(data):
        ok = data < 5 or int(data * 7) % 3 == 0
        if ok:
            accepted.append(data)
        return ok

    found = smallest(float, accept, 0.1, 50, start=1.0, size=lambda v: int(1e6 / v))
    assert found.data in accepted
    assert found.size == min(int(1e6 / v) for v in accepted)


def test_at_the_coarsest_setting():
    encode, accept, calls = dial(1e9)
    found = smallest(encode, accept, 0.1, 10, size=size)
    assert found.value == 10 and found.at_limit and calls == [10]
    found = smallest(encode, accept, 0.1, 10, start=1, size=size)
    assert found.value == 10 and found.at_limit


def test_unreachable():
    encode, accept, calls = dial(0.001)
    with pytest.raises(UnreachableError, match=r"finest setting 0.1 \(10000000 bytes\)") as info:
        smallest(encode, accept, 0.1, 10, start=3, size=size)
    assert [e.value for e in info.value.evaluations] == calls
    assert not any(e.accepted for e in info.value.evaluations)


def test_out_of_evaluations():
    encode, accept, calls = dial(0.5)
    found = smallest(encode, accept, 0.01, 100, start=0.02, tolerance=1e-9, max_evaluations=6, size=size)
    assert len(calls) == 6 and found.value <= 0.5
    with pytest.raises(UnreachableError, match="no accepted setting found in 2 evaluations"):
        smallest(encode, accept, 0.01, 100, start=90, max_evaluations=2, size=size)


@pytest.mark.parametrize(
    "arguments,message",
    [
        (dict(low=0, high=1), "0 < low <= high"),
        (dict(low=2, high=1), "0 < low <= high"),
        (dict(low=1, high=math.inf), "0 < low <= high"),
        (dict(low=1, high=2, coarser="left"), "coarser"),
        (dict(low=1, high=2, tolerance=0), "tolerance"),
        (dict(low=1, high=2, max_evaluations=0), "max_evaluations"),
        (dict(low=1, high=2, start=3), "start 3"),
        (dict(low=1.2, high=1.8, integer=True), "no whole number"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        smallest(bytes, bool, arguments.pop("low"), arguments.pop("high"), **arguments)


def test_bytes_are_measured_by_their_length():
    found = smallest(lambda v: b"x" * int(100 / v), lambda d: len(d) >= 20, 0.5, 50)
    assert 20 <= found.size == len(found.data) <= 21
