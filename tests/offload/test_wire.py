"""Messages: what may be said, and that bytes carry it unchanged or not at all."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdct.offload import (
    Detections,
    Hello,
    Limits,
    Notice,
    Packet,
    PlanUpdate,
    ProtocolError,
    RegionRequest,
    Result,
    Welcome,
    wire,
)
from rdct.offload import offload_pb2 as pb
from rdct.offload.messages import CODES, MAX_FRAME, MAX_REGIONS, MAX_SERIAL
from rdct.vision.regions import Region

SERIALS = st.integers(1, MAX_SERIAL)
TIMES = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.text(min_size=1, max_size=64)
BLOBS = st.binary(min_size=1, max_size=64)
SIDES = st.integers(1, 65535)
HELLOS = st.builds(
    Hello, SIDES, SIDES, st.lists(st.binary(min_size=8, max_size=8), max_size=9).map(tuple), NAMES
)
LIMITS = st.builds(Limits, SIDES, SIDES, st.integers(1, 64))
PACKETS = st.builds(Packet, st.integers(0, MAX_FRAME), TIMES, SERIALS, BLOBS, NAMES)
UPDATES = st.builds(PlanUpdate, SERIALS, BLOBS, st.none() | st.binary(max_size=9), st.floats(0, 1e6))
NOTICES = st.builds(Notice, st.sampled_from(CODES), st.text(max_size=99), st.none() | SERIALS)

HEIGHT, WIDTH = 480, 640


@st.composite
def regions(draw):
    x0, x1 = sorted(draw(st.tuples(*[st.floats(0, WIDTH, width=32)] * 2)))
    y0, y1 = sorted(draw(st.tuples(*[st.floats(0, HEIGHT, width=32)] * 2)))
    return Region(x0, y0, x1, y1, draw(st.floats(0, 1, width=32)), draw(st.integers(-1, 65535)))


LISTS = st.lists(regions(), max_size=4).map(tuple)
SOME = st.lists(regions(), min_size=1, max_size=4).map(tuple)
REQUESTS = st.builds(RegionRequest, SERIALS, st.just(HEIGHT), st.just(WIDTH), SOME, LISTS, st.floats(0, 1e6))
DETECTIONS = st.builds(Detections, SERIALS, st.just(HEIGHT), st.just(WIDTH), LISTS, st.floats(0, 1e6))


@st.composite
def welcomes(draw):
    names = tuple(draw(st.lists(st.text(max_size=9), min_size=1, max_size=9)))
    palette = np.frombuffer(draw(st.binary(min_size=3 * len(names), max_size=3 * len(names))), np.uint8)
    return Welcome(
        set_id=draw(st.binary(min_size=8, max_size=8)),
        table_set=draw(st.none() | BLOBS),
        scale=draw(st.floats(1 / 256, 255)),
        region_blocks=draw(st.integers(1, 8)),
        class_names=names,
        palette=palette.reshape(-1, 3),
        limits=draw(LIMITS),
        subsampling=draw(st.sampled_from(["444", "422", "420"])),
    )


def fields(message):
    return {one.name: getattr(message, one.name) for one in dataclasses.fields(message)}


@given(st.one_of(HELLOS, PACKETS, UPDATES, REQUESTS, DETECTIONS, NOTICES, welcomes()))
def test_every_message_comes_back_as_it_was(message):
    back = wire.decode(wire.encode(message))
    assert type(back) is type(message)
    sent, got = fields(message), fields(back)
    if isinstance(message, Welcome):
        assert np.array_equal(sent.pop("palette"), got.pop("palette"))
        assert not back.palette.flags.writeable
    assert got == sent


@given(st.one_of(HELLOS, PACKETS, UPDATES, REQUESTS, DETECTIONS, NOTICES), st.data())
def test_damaged_bytes_give_a_message_or_a_protocol_error(message, data):
    damaged = bytearray(wire.encode(message))
    at = data.draw(st.integers(0, len(damaged) - 1))
    damaged[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    for attempt in (bytes(damaged), bytes(damaged[:cut])):
        try:
            wire.decode(attempt)
        except ProtocolError:
            continue


@given(st.binary(max_size=99))
def test_noise_gives_a_message_or_a_protocol_error(noise):
    try:
        wire.decode(noise)
    except ProtocolError:
        return


def test_an_empty_level_map_is_not_a_missing_one():
    back = wire.decode(wire.encode(PlanUpdate(1, level_map=b"")))
    assert back.level_map == b"" and back.labels is None


_BOX = pb.Region(x0=1, y0=1, x1=10, y1=2)
_NAN = pb.Region(x0=math.nan, x1=1)


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (dict(packet=pb.Packet(keyframe=0, payload=b"x", stream="key")), "keyframe"),
        (dict(packet=pb.Packet(keyframe=1, payload=b"", stream="key")), "payload"),
        (dict(packet=pb.Packet(keyframe=1, payload=b"x", stream="")), "stream"),
        (dict(packet=pb.Packet(keyframe=1, payload=b"x", stream="key", time_s=math.nan)), "time_s"),
        (dict(packet=pb.Packet(keyframe=1, payload=b"x", stream="key", frame=2**64 - 1)), "frame"),
        (dict(plan_update=pb.PlanUpdate(keyframe=1)), "neither"),
        (dict(plan_update=pb.PlanUpdate(keyframe=1, labels=b"x", server_s=-1)), "server_s"),
        (dict(notice=pb.Notice(code=0)), "code"),
        (dict(notice=pb.Notice(code=9)), "code"),
        (dict(hello=pb.Hello(version=1, width=0, height=1, system="stac")), "width"),
        (dict(hello=pb.Hello(version=1, width=1, height=1, system="stac", known_sets=[b"7"])), "known_sets"),
        (dict(hello=pb.Hello(version=1, width=1, height=1, system="s" * 65)), "system"),
        (dict(welcome=pb.Welcome(version=1, palette=b"1234", class_names=["a"])), "palette"),
        (dict(welcome=pb.Welcome(class_names=["a"], limits=pb.Limits())), "max_pixels"),
        (dict(region_request=pb.RegionRequest(keyframe=1, height=9, width=9)), "must want a region"),
        (dict(region_request=pb.RegionRequest(keyframe=1, width=9, wanted=[pb.Region()])), "height"),
        (dict(region_request=pb.RegionRequest(keyframe=1, height=9, width=9, wanted=[_BOX])), "inside 9 x 9"),
        (dict(detections=pb.Detections(keyframe=0, height=9, width=9)), "keyframe"),
        (dict(detections=pb.Detections(keyframe=1, height=9, width=65536)), "width"),
        (
            dict(detections=pb.Detections(keyframe=1, height=9, width=9, found=[_BOX])),
            "found must lie inside",
        ),
        (dict(detections=pb.Detections(keyframe=1, height=9, width=9, found=[pb.Region(x0=2)])), "x0 <= x1"),
        (dict(detections=pb.Detections(keyframe=1, height=9, width=9, found=[pb.Region(score=2)])), "score"),
        (dict(detections=pb.Detections(keyframe=1, height=9, width=9, found=[pb.Region(label=-2)])), "label"),
        (dict(detections=pb.Detections(keyframe=1, height=9, width=9, found=[_NAN])), "finite"),
        (dict(detections=pb.Detections(keyframe=1, height=9, width=9, found=[pb.Region()] * 4097)), "4096"),
        ({}, "empty"),
    ],
)
def test_values_out_of_range_are_refused_by_name(body, names):
    with pytest.raises(ProtocolError, match=names):
        wire.decode(pb.Message(**body).SerializeToString())


def test_a_message_beyond_the_limit_is_not_parsed():
    data = wire.encode(Packet(0, 0.0, 1, b"x" * 1000))
    assert wire.decode(data, max_bytes=len(data)).payload == b"x" * 1000
    with pytest.raises(ProtocolError, match=f"{len(data)} bytes is beyond the limit of {len(data) - 1}"):
        wire.decode(data, max_bytes=len(data) - 1)


def test_a_packet_costs_little_more_than_its_payload():
    payload = bytes(10_000)
    assert len(wire.encode(Packet(99_999, 6666.6, 44_000, payload))) - len(payload) < 40


def test_results_do_not_travel():
    with pytest.raises(TypeError, match="Result"):
        wire.encode(Result(0, 0.0))


def test_a_result_is_all_or_nothing():
    labels = np.zeros((2, 3), np.uint8)
    assert Result(3, 0.1, labels, 1, 0, kind="server").psnr_db is None
    with pytest.raises(ValueError, match="kind 'none'"):
        Result(3, 0.1, labels)
    with pytest.raises(ValueError, match="kind 'server'"):
        Result(3, 0.1, labels, kind="server")
    with pytest.raises(ValueError, match="uint8"):
        Result(3, 0.1, labels.astype(int), 1, 0, kind="server")
    assert Result(3, 0.1, regions=(), kind="device").keyframe is None
    with pytest.raises(ValueError, match="kind 'device'"):
        Result(3, 0.1, labels, 1, 0, kind="device")


def test_a_long_notice_is_cut_not_refused():
    assert len(wire.decode(wire.encode(Notice("refused", "x" * 5000))).message) == 1024


def test_the_session_is_named_as_in_the_proto_file():
    assert wire.SESSION == "/rdct.offload.v1.Offload/Session"


def test_so_many_regions_and_no_more():
    box = Region(0, 0, 1, 1)
    assert len(wire.decode(wire.encode(Detections(1, 9, 9, (box,) * MAX_REGIONS))).found) == MAX_REGIONS
    with pytest.raises(ProtocolError, match="at most 4096"):
        RegionRequest(1, 9, 9, (box,) * (MAX_REGIONS + 1))
    with pytest.raises(TypeError, match="regions"):
        Detections(1, 9, 9, ((0, 0, 1, 1),))


def test_a_region_costs_little():
    boxes = tuple(Region(1.5 * n, 7.25, 2.5 * n, 99.125, 0.75, 2) for n in range(100))
    assert len(wire.encode(Detections(1, 720, 1280, boxes))) < 32 * 100


def test_objects_are_an_answer_even_if_there_are_none():
    assert Result(3, 0.1, keyframe=1, age_frames=0, kind="server", regions=()).regions == ()
    with pytest.raises(ValueError, match="kind 'none'"):
        Result(3, 0.1, regions=())


def test_labels_travel_in_place_of_objects():
    wanted = (Region(0, 0, 4, 4),)
    for one in (RegionRequest(1, 9, 9, wanted, labels=b"map"), Detections(1, 9, 9, labels=b"map")):
        back = wire.decode(wire.encode(one))
        assert (back.labels, back.found) == (b"map", ())
    assert wire.decode(wire.encode(Detections(1, 9, 9))).labels is None
    both = pb.Message(detections=pb.Detections(keyframe=1, height=9, width=9, found=[_BOX], labels=b"map"))
    with pytest.raises(ProtocolError):
        wire.decode(both.SerializeToString())
    none = pb.Message(detections=pb.Detections(keyframe=1, height=9, width=9, labels=b""))
    with pytest.raises(ProtocolError, match="labels must have 1"):
        wire.decode(none.SerializeToString())
