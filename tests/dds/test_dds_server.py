"""The server's state machine, fed by hand and by an edge, with a toy detector."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import codec
from rdct.dds.feedback import DetectionRules, SegmentationRules
from rdct.dds.server import DdsServer
from rdct.offload import Detections, Hello, Limits, Notice, Packet, RegionRequest, Server
from rdct.vision.detectors import Candidates
from rdct.vision.regions import Region

#: A car with so fine a texture that "low" does not show it, and one whose texture it does.
DOUBTFUL, SURE = (30, 30, 24, 8), (90, 30, 24, 40)


@pytest.fixture
def server(by_hand):
    def make(**options):
        rules = options.pop("rules", DetectionRules(max_area=0.2))
        return DdsServer(by_hand.TextureDetector(), by_hand.TABLE_SET, rules=rules, **options)

    return make


def only(answers):
    (one,) = answers
    return one


def near(found, *boxes):
    rows = [(one.x0, one.y0, one.x1, one.y1) for one in sorted(found, key=lambda one: one.x0)]
    return np.allclose(rows, boxes, atol=2)


def test_it_keeps_the_protocol(server):
    assert isinstance(server(), Server)


def test_nothing_doubtful_is_one_round(server, hand, by_hand):
    feed = hand()
    answer = only(server().on_packet(only(feed.frame(by_hand.scene(SURE))), 0.0))
    assert isinstance(answer, Detections) and near(answer.found, (90, 30, 114, 54))
    assert (answer.height, answer.width) == by_hand.SIZE
    answer = only(server().on_packet(only(feed.frame(by_hand.scene())), 0.0))
    assert isinstance(answer, Detections) and answer.found == ()


def test_what_is_doubtful_is_asked_for_seen_better_and_found(server, hand, by_hand):
    feed, machine = hand(), server()
    low = only(feed.frame(by_hand.scene(DOUBTFUL, SURE)))
    asks = only(machine.on_packet(low, 0.0))
    assert isinstance(asks, RegionRequest)
    assert near(asks.found, (90, 30, 114, 54)) and near(asks.wanted, (30, 30, 54, 54))
    last = only(machine.on_packet(only(feed.feed(asks)), 0.0))
    assert isinstance(last, Detections) and near(last.found, (30, 30, 54, 54), (90, 30, 114, 54))
    assert near(only(feed.feed(last)).regions, (30, 30, 54, 54), (90, 30, 114, 54))
    # The second picture is the first one with the regions fine.
    first, second = machine._look._detector.shown
    assert np.array_equal(first[:, 80:], second[:, 80:])
    assert second[34:50, 34:50, 1].std() > 2 * first[34:50, 34:50, 1].std()


class Turns:
    """Doubts the same box in the first picture that it is sure of in the second."""

    name, class_names = "turns", ("car",)

    def __init__(self):
        self.sizes = []

    def __call__(self, image):
        height, width = image.shape[:2]
        self.sizes.append((height, width))
        box = (0.25 * width, 0.25 * height, 0.5 * width, 0.5 * height)
        return Candidates([box], [0.2 if len(self.sizes) == 1 else 0.9], [0], [0.8])


@pytest.mark.parametrize("scales", [(0.5, 1.0), (0.75, 0.75), (1.0, 0.5)])
def test_streams_of_any_scale(hand, by_hand, scales):
    feed = hand(low_scale=scales[0], high_scale=scales[1])
    machine = DdsServer(Turns(), by_hand.TABLE_SET, rules=DetectionRules(max_area=1))
    asks = only(machine.on_packet(only(feed.frame()), 0.0))
    last = only(machine.on_packet(only(feed.feed(asks)), 0.0))
    sizes = [tuple(round(scale * side) for side in by_hand.SIZE) for scale in scales]
    assert machine._look._detector.sizes == sizes
    assert only(feed.feed(last)).regions == (Region(36, 24, 72, 48, 0.9, 0),)


def test_what_was_sent_before_and_has_not_changed_is_taken_from_memory(server, hand, by_hand):
    feed, machine = hand(static=1.0), server()
    pictures = []
    for _ in range(2):
        asks = only(machine.on_packet(only(feed.frame(by_hand.scene(DOUBTFUL))), 0.0))
        high = only(feed.feed(asks))
        last = only(machine.on_packet(high, 0.0))
        assert near(last.found, (30, 30, 54, 54))
        feed.feed(last)
        pictures.append(machine._look._detector.shown[-1])
    assert (codec.read_header(high.payload).level_map == codec.SKIP).all()
    assert len(high.payload) < 100
    # Sample by sample where both have it, but for the chroma that up-sampling takes from beyond the cells.
    window = slice(26, 70), slice(26, 70)
    assert np.array_equal(pictures[0][window], pictures[1][window])


def test_a_server_that_never_got_it_says_so_and_gets_it(server, hand, by_hand):
    feed, machine = hand(static=1.0), server()
    for round_ in range(3):
        if round_ == 1:
            machine = server()  # another session
        asks = only(machine.on_packet(only(feed.frame(by_hand.scene(DOUBTFUL))), 0.0))
        answer = only(machine.on_packet(only(feed.feed(asks)), 0.0))
        feed.feed(answer)
        if round_ == 1:
            assert isinstance(answer, Notice) and "never got" in answer.message
    assert isinstance(answer, Detections) and near(answer.found, (30, 30, 54, 54))


# --------------------------------------------------------------------------------------- what is not trusted


def refused(answers, says):
    notice = only(answers)
    assert isinstance(notice, Notice) and notice.code == "refused" and says in notice.message, notice
    return notice


def test_a_stream_nobody_asked_for_is_refused(server, hand, by_hand):
    feed, machine = hand(), server()
    low = only(feed.frame(by_hand.scene(DOUBTFUL)))
    high = only(feed.feed(by_hand.request(1)))
    assert refused(machine.on_packet(high, 0.0), "no regions are waited for").keyframe == 1
    machine.on_packet(low, 0.0)
    refused(machine.on_packet(Packet(0, 0.0, 1, low.payload, "key"), 0.0), "stream 'key'")


def test_high_comes_once(server, hand, by_hand):
    feed, machine = hand(), server()
    asks = only(machine.on_packet(only(feed.frame(by_hand.scene(DOUBTFUL))), 0.0))
    high = only(feed.feed(asks))
    assert isinstance(only(machine.on_packet(high, 0.0)), Detections)
    refused(machine.on_packet(high, 0.0), "no regions are waited for")


@pytest.mark.parametrize("stream", ["low", "high"])
def test_noise_is_refused_and_the_session_goes_on(server, hand, by_hand, stream):
    feed, machine = hand(), server()
    asks = only(machine.on_packet(only(feed.frame(by_hand.scene(DOUBTFUL))), 0.0))
    high = only(feed.feed(asks))
    refused(machine.on_packet(Packet(0, 0.0, 1, b"noise", stream), 0.0), f"stream {stream!r}")
    refused(machine.on_packet(Packet(0, 0.0, 1, high.payload[:-4], "high"), 0.0), "stream 'high'")
    assert isinstance(only(machine.on_packet(high, 0.0)), Detections)


def test_high_of_another_low_is_refused(server, hand, by_hand):
    feed, machine = hand(), server()
    only(feed.frame(by_hand.scene(DOUBTFUL)))
    other = only(feed.frame(by_hand.scene(DOUBTFUL, SURE)))
    only(machine.on_packet(Packet(0, 0.0, 1, other.payload, "low"), 0.0))
    refused(machine.on_packet(only(feed.feed(by_hand.request(1))), 0.0), "hash")


def test_limits_hold_for_either_stream(server, hand, by_hand):
    feed = hand(low_scale=0.5)
    machine = server(limits=Limits(max_pixels=48 * 72))
    low = only(feed.frame(by_hand.scene((20, 20, 48, 8))))
    asks = only(machine.on_packet(low, 0.0))
    refused(machine.on_packet(only(feed.feed(asks)), 0.0), "limit")
    refused(server(limits=Limits(max_pixels=99)).on_packet(low, 0.0), "max_pixels allows 99")
    refused(server(limits=Limits(max_packet_bytes=99)).on_packet(low, 0.0), "limit of 99")


def test_cells_of_another_size_are_refused(server, hand, by_hand):
    machine = server()
    asks = only(machine.on_packet(only(hand().frame(by_hand.scene(DOUBTFUL))), 0.0))
    feed = hand(options={"region_blocks": 2}, low_scale=0.5)
    feed.frame(by_hand.scene(DOUBTFUL))
    refused(machine.on_packet(only(feed.feed(asks)), 0.0), "region_blocks")


def test_it_waits_for_so_many_frames_and_no_more(server, hand, by_hand):
    feed, machine = hand(), server(max_asked=2)
    asks = [only(machine.on_packet(only(feed.frame(by_hand.scene(DOUBTFUL))), 0.0)) for _ in range(3)]
    high = [only(feed.feed(one)) for one in asks]
    refused(machine.on_packet(high[0], 0.0), "no regions are waited for")
    assert isinstance(only(machine.on_packet(high[1], 0.0)), Detections)


def test_it_keeps_no_more_bytes_than_one_message_may_have(server, hand, by_hand):
    feed = hand()
    lows = [only(feed.frame(by_hand.scene(DOUBTFUL))) for _ in range(3)]
    machine = server(limits=Limits(max_packet_bytes=2 * len(lows[0].payload) + 1))
    asks = [only(machine.on_packet(low, 0.0)) for low in lows]
    high = [only(feed.feed(one)) for one in asks]
    refused(machine.on_packet(high[0], 0.0), "no regions are waited for")
    assert isinstance(only(machine.on_packet(high[2], 0.0)), Detections)


def test_regions_beyond_the_picture_do_not_get_onto_the_wire(by_hand):
    def detector(image):
        found = by_hand.TextureDetector()(image)
        object.__setattr__(found, "boxes", found.boxes + 200)
        return found

    detector.name, detector.class_names = "astray", ("car",)
    machine = DdsServer(detector, by_hand.TABLE_SET)
    feed = by_hand.Hand(_edge(machine))
    answer = only(machine.on_packet(only(feed.frame(by_hand.scene(SURE))), 0.0))
    assert isinstance(answer, Detections)
    assert answer.found == () or answer.found[0].area == 0


def _edge(machine, **options):
    from rdct.dds.edge import DdsEdge

    return DdsEdge.from_welcome(machine.on_hello(Hello(144, 96), 0.0), **options)


# ---------------------------------------------------------------------------------------------------- opening


def test_the_welcome(server, by_hand):
    welcome = server().on_hello(Hello(144, 96), 0.0)
    assert codec.TableSet.from_bytes(welcome.table_set) == by_hand.TABLE_SET
    assert welcome.class_names == ("car", "paper") and welcome.palette.shape == (2, 3)
    assert welcome.subsampling == "420"
    assert server().on_hello(Hello(144, 96, (by_hand.TABLE_SET.id,)), 0.0).table_set is None
    assert server().on_hello(Hello(144, 96, version=9), 0.0).code == "refused"
    assert server(limits=Limits(max_pixels=99)).on_hello(Hello(144, 96), 0.0).code == "refused"


def test_models_and_tables_that_do_not_fit(by_hand):
    model = SimpleNamespace(name="seg", ignore_label=None, class_names=("a",), palette=np.zeros((1, 3)))
    with pytest.raises(ValueError, match="'seg' labels pixels: its rules are SegmentationRules"):
        DdsServer(model, rules=DetectionRules())
    with pytest.raises(ValueError, match="'texture' finds objects: its rules are DetectionRules"):
        DdsServer(by_hand.TextureDetector(), rules=SegmentationRules())
    with pytest.raises(ValueError, match="two streams"):
        DdsServer(by_hand.TextureDetector(), codec.TableSet.ijg(75))


def test_what_goes_over_the_wire_touches_the_same_cells_at_both_ends(server, hand, by_hand):
    """A box that ends a hair beyond a cell in double precision, and on its edge in single."""
    from rdct.offload import wire

    machine, feed = server(), hand(static=1.0)
    detect = machine._look._detector
    hair = Region(24, 24, 48 + 1e-9, 48 + 1e-9)

    def detector(image):
        found = type(detect).__call__(detect, image)
        object.__setattr__(found, "boxes", np.array([[hair.x0, hair.y0, hair.x1, hair.y1]] * len(found)))
        return found

    machine._look._detector = detector
    for _ in range(2):
        asks = wire.decode(wire.encode(only(machine.on_packet(only(feed.frame()), 0.0))))
        answer = only(machine.on_packet(only(feed.feed(asks)), 0.0))
        assert isinstance(answer, Detections), answer
        feed.feed(answer)
    assert feed.edge.stats.cells_static == 1
