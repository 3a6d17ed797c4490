"""Two rounds with a network that labels pixels: windows where it is unsure, labels merged at the end."""

from __future__ import annotations

import numpy as np
import pytest

import codec
from rdct.dds.backends import edge as make_edge
from rdct.dds.backends import server as make_server
from rdct.dds.feedback import SegmentationRules, settled_objects
from rdct.dds.server import DdsServer
from rdct.offload import Detections, Hello, Notice, ProtocolError, RegionRequest
from rdct.offload.driver import Output, simulate
from rdct.offload.labels import decode_labels, encode_labels
from rdct.offload.link import SimulatedLink
from rdct.offload.messages import MAX_REGIONS
from rdct.offload.tally import Tally
from rdct.vision.frames import Frame
from rdct.vision.models.load import TorchModel

torch = pytest.importorskip("torch", reason="needs rdct[model]")

#: Nothing is settled: the classes fill the picture.
RULES = SegmentationRules(window=24, windows=2, max_object=1.0)


def texture(image):
    """Two classes by how much neighbours in a row differ; where it is reddish, it is unsure of them."""
    grey = image.mean(1, keepdim=True)
    rough = torch.nn.functional.pad((grey[..., 1:] - grey[..., :-1]).abs(), (0, 1))
    rough = torch.nn.functional.avg_pool2d(torch.nn.functional.pad(rough, (3,) * 4, mode="replicate"), 7, 1)
    sure = torch.where(image[:, :1] - image[:, 2:] > 50, 0.1, 2.0)
    return torch.cat([(6 - rough) * sure, (rough - 6) * sure, -9 + 0 * rough], 1)


@pytest.fixture
def model():
    names, palette = ("flat", "rough", "paint"), np.array([(9, 9, 9), (0, 200, 0), (200, 0, 0)], np.uint8)
    return TorchModel(texture, name="texture", class_names=names, palette=palette)


def picture(by_hand):
    """Grey, with a reddish square of a fine texture that low quality does not keep."""
    return by_hand.scene((48, 24, 24, 6))


def only(answers):
    (one,) = answers
    return one


def test_labels_come_with_the_request_and_better_ones_after_it(hand, by_hand, model):
    feed, machine = hand(options={"classes": 3}), DdsServer(model, by_hand.TABLE_SET, rules=RULES)
    asks = only(machine.on_packet(only(feed.frame(picture(by_hand))), 0.0))
    assert isinstance(asks, RegionRequest) and asks.found == ()
    assert 1 <= len(asks.wanted) <= 2
    first = decode_labels(asks.labels, 10**6)
    assert first.shape == by_hand.SIZE and (first == 0).all()  # low quality shows nothing
    box = asks.wanted[0]
    assert box.x0 < 72 and box.x1 > 48 and box.y0 < 48 and box.y1 > 24  # but the network was unsure there
    high = only(feed.feed(asks))
    cells = codec.read_header(high.payload, (by_hand.TABLE_SET,)).level_map
    assert 0 < (cells == 0).sum() < cells.size and set(np.unique(cells)) == {0, codec.SKIP}
    last = only(machine.on_packet(high, 0.0))
    assert isinstance(last, Detections) and last.found == ()
    result = only(feed.feed(last))
    assert result.regions is None and result.kind == "server" and result.labels.shape == by_hand.SIZE
    inside = np.zeros(by_hand.SIZE, bool)
    for one in asks.wanted:
        inside[int(one.y0) : int(one.y1), int(one.x0) : int(one.x1)] = True
    assert (result.labels[inside] == 1).any() and (result.labels[~inside] == 0).all()
    assert feed.edge.stats.settled_second == 1


def test_the_second_look_may_replace_all_labels(hand, by_hand, model):
    maps = {}
    for keep_first in (True, False):
        rules = SegmentationRules(window=12, windows=1, max_object=1.0, keep_first=keep_first)
        feed, machine = hand(), DdsServer(model, by_hand.TABLE_SET, rules=rules)
        asks = only(machine.on_packet(only(feed.frame(picture(by_hand))), 0.0))
        last = only(machine.on_packet(only(feed.feed(asks)), 0.0))
        maps[keep_first] = decode_labels(last.labels, 10**6)
    # Cells are wider than the window: what they bring beyond it counts in one case only.
    assert 0 < (maps[True] == 1).sum() < (maps[False] == 1).sum()


def test_a_sure_network_asks_for_nothing(hand, by_hand, model):
    machine = DdsServer(model, by_hand.TABLE_SET, rules=SegmentationRules(windows=0))
    feed = hand()
    last = only(machine.on_packet(only(feed.frame(picture(by_hand))), 0.0))
    assert isinstance(last, Detections)
    assert only(feed.feed(last)).labels.shape == by_hand.SIZE
    one_class = TorchModel(
        lambda x: x[:, :1], name="one", class_names=("all",), palette=np.zeros((1, 3), np.uint8)
    )
    machine = DdsServer(one_class, by_hand.TABLE_SET)
    assert isinstance(only(machine.on_packet(only(feed.frame(picture(by_hand))), 0.0)), Detections)


def test_large_pieces_that_the_network_is_sure_of_are_masked():
    labels = np.zeros((40, 40), np.uint8)
    labels[:20, :20], labels[30:, 30:] = 1, 2
    unsure = np.full((40, 40), 0.1)
    unsure[30:, 30:] = 0.9
    rules = SegmentationRules(max_object=0.01, max_unsure=0.5)
    settled = settled_objects(labels, rules, unsure)
    assert settled[:20, :20].all() and settled.sum() == 400
    assert settled_objects(labels, SegmentationRules(max_object=0.01), unsure).sum() == 500  # the paper's
    assert settled_objects(labels, SegmentationRules(max_object=0.1), unsure).sum() == 400
    with pytest.raises(ValueError, match=r"max_unsure must be 0\.\.1"):
        SegmentationRules(max_unsure=1.5)


def test_labels_of_a_reduced_picture_are_enlarged_to_the_frame(hand, by_hand, model):
    feed, machine = hand(low_scale=0.5), DdsServer(model, by_hand.TABLE_SET, rules=RULES)
    asks = only(machine.on_packet(only(feed.frame(picture(by_hand))), 0.0))
    assert decode_labels(asks.labels, 10**6).shape == (48, 72)
    last = only(machine.on_packet(only(feed.feed(asks)), 0.0))
    assert decode_labels(last.labels, 10**6).shape == only(feed.feed(last)).labels.shape == (96, 144)
    feed.frame(picture(by_hand))
    feed.feed(only(machine.on_packet(feed.packets[-1], 0.0)))
    (fallback,) = feed.timeout(99.0)  # the second round never comes
    assert fallback.labels.shape == (96, 144) and feed.edge.stats.fallbacks == 1


@pytest.mark.parametrize(
    "labels",
    [
        b"noise",
        encode_labels(np.zeros((96, 143), np.uint8)),
        encode_labels(np.full((96, 144), 3, np.uint8)),
        encode_labels(np.zeros((960, 1440), np.uint8)),
    ],
    ids=["noise", "size", "class", "huge"],
)
def test_labels_that_are_none_change_nothing(hand, by_hand, labels):
    feed = hand(options={"classes": 3}, deadline_s=2.0)
    feed.frame()
    assert feed.feed(RegionRequest(1, 96, 144, by_hand.request(1).wanted, labels=labels)) == []
    assert feed.feed(Detections(1, 96, 144, labels=labels)) == []
    assert feed.edge.stats.feedback_corrupt == 2 and feed.edge.stats.settled_first == 0
    (result,) = feed.timeout(2.0)
    assert result.kind == "none"


def test_labels_of_more_pixels_than_were_sent_are_not_decoded(hand):
    feed = hand()
    feed.frame()
    labels = encode_labels(np.zeros((4000, 4000), np.uint8))
    assert feed.feed(Detections(1, 4000, 4000, labels=labels)) == []
    assert feed.edge.stats.feedback_corrupt == 1


def test_an_answer_brings_objects_or_labels(by_hand):
    with pytest.raises(ProtocolError, match="objects or labels"):
        Detections(1, 96, 144, by_hand.objects((0, 0, 9, 9)), labels=b"x")
    with pytest.raises(ProtocolError, match="labels must have 1"):
        Detections(1, 96, 144, labels=b"")
    assert MAX_REGIONS >= SegmentationRules().windows


def test_what_waits_is_bounded_in_bytes_with_its_labels(hand, by_hand, model):
    from rdct.offload import Limits

    feed = hand()
    lows = [only(feed.frame(picture(by_hand))) for _ in range(3)]
    # Two streams would fit without their labels.
    machine = DdsServer(
        model, by_hand.TABLE_SET, rules=RULES, limits=Limits(max_packet_bytes=2 * len(lows[0].payload) + 9)
    )
    asks = [only(machine.on_packet(low, 0.0)) for low in lows]
    answer = only(machine.on_packet(only(feed.feed(asks[1])), 0.0))
    assert isinstance(answer, Notice) and "no regions are waited for" in answer.message
    assert isinstance(only(machine.on_packet(only(feed.feed(asks[2])), 0.0)), Detections)


@pytest.mark.parametrize("backend", ["rdct", "h264"])
def test_both_ends_over_a_link(by_hand, model, backend):
    options, more = {}, {}
    if backend == "h264":
        pytest.importorskip("av", reason="H.264 needs rdct[video]")
        more = {"preset": "ultrafast"}
    else:
        options = {"tables": by_hand.TABLE_SET}
    server = make_server(model, backend=backend, rules=RULES, **options)
    edge = make_edge(server.on_hello(Hello(144, 96), 0.0), backend=backend, **more)
    frames = [Frame(t, t / 10, picture(by_hand)) for t in range(6)]
    tally = Tally()
    links = SimulatedLink(1e6, 0.02), SimulatedLink(1e6, 0.02)
    records = list(simulate(edge, server, frames, *links, server_s=0.01, tally=tally))
    results = [one.result for one in records if isinstance(one, Output)]
    assert len(results) == 6 and tally.results_lost == 0
    assert all(one.labels.shape == (96, 144) for one in results)
    assert edge.stats.settled_second == 6 and edge.stats.high >= 1
