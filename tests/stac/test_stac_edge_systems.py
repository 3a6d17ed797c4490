"""The device's state machine as GRACE, as JPEG, as a server's Welcome wants it, and without torch."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import codec
from rdct.offload import Hello, Limits, PlanUpdate, ProtocolError, Welcome
from rdct.vision.frames import Frame
from stac import StacEdge

ROOT = Path(__file__).resolve().parents[2]


def test_without_levels_it_is_grace(hand, answer, by_hand):
    feed = hand(adaptive=False)
    feed.run(lambda t: 13 * t % 250, 6, 1, answer)
    assert {value for p in feed.packets for value in codec.read_header(p.payload).level_map.ravel()} == {2}
    assert feed.edge.stats.feedback_ignored == 0


def test_with_one_level_stac_and_grace_send_the_same_bytes(hand, by_hand):
    one_level = codec.TableSet(by_hand.TABLE_SET.tables[2:3])
    payloads = []
    for options in ({}, {"adaptive": False}):
        feed = hand(table_set=one_level, **options)
        for t in range(4):
            feed.frame(60 * t)
            level_map = codec.encode_level_map(np.zeros(codec.map_shape(*by_hand.SIZE), int), 1)
            feed.feed(PlanUpdate(t + 1, by_hand.answer(t + 1).labels, level_map))
        payloads.append([packet.payload for packet in feed.packets])
    assert payloads[0] == payloads[1] and len(payloads[0]) == 4


def test_any_encoder_may_take_the_place_of_the_codec(hand, answer):
    def jpeg(image, plan):
        assert plan is None
        out = io.BytesIO()
        Image.fromarray(image).save(out, "JPEG", quality=90)
        return out.getvalue()

    feed = hand(table_set=None, encode=jpeg)
    feed.run(lambda t: 13 * t % 250, 6, 1, answer)
    assert len(feed.packets) > 3
    assert all(packet.payload.startswith(b"\xff\xd8") for packet in feed.packets)
    assert feed.results[-1].kind == "propagated"


def test_a_table_set_or_an_encoder_is_needed():
    with pytest.raises(ValueError, match="table_set"):
        StacEdge(None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"scale": 0.0},
        {"region_blocks": 9},
        {"subsampling": "411"},
        {"entropy": "lzw"},
        {"tables": "no"},
        {"threads": 0},
    ],
)
def test_options_that_cannot_be_are_refused_before_the_first_frame(by_hand, wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        StacEdge(by_hand.TABLE_SET, **wrong)


def welcome_for(known, **changes):
    said = {
        "set_id": known.id,
        "table_set": known.to_bytes(),
        "scale": 0.5,
        "region_blocks": 4,
        "class_names": ("road", "sky"),
        "palette": np.zeros((2, 3), np.uint8),
        "limits": Limits(),
        "subsampling": "420",
    }
    return Welcome(**{**said, **changes})


def test_it_encodes_as_the_welcome_says(by_hand):
    edge = StacEdge.from_welcome(welcome_for(by_hand.TABLE_SET), flow=by_hand.ShiftFlow(), threads=1)
    (packet, _) = edge.on_frame(Frame(0, 0.0, by_hand.picture(90)), 0.0)
    header = codec.read_header(packet.payload)
    assert (header.scale, header.region_blocks, header.subsampling) == (0.5, 4, "420")
    assert header.table_set_id == by_hand.TABLE_SET.id_hex
    edge.on_feedback(by_hand.answer(2), 0.0)
    assert edge.on_feedback(by_hand.answer(1), 0.0) == []  # label 1 of two classes: fine
    assert edge.stats.keyframes_answered == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"table_set": None}, "brings no table set"),
        ({"table_set": b"RDTS"}, "damaged"),
        ({"set_id": bytes(8)}, "names table set 0000000000000000 and brings"),
    ],
)
def test_a_welcome_that_does_not_fit_is_refused(by_hand, changes, says):
    with pytest.raises(ProtocolError, match=says):
        StacEdge.from_welcome(welcome_for(by_hand.TABLE_SET, **changes))


def test_it_works_without_torch():
    script = f"""
import sys
sys.modules["torch"] = None
sys.path.insert(0, {str(ROOT)!r})
import numpy as np, codec, stac
from rdct.offload import PlanUpdate, wire
from rdct.offload.labels import encode_labels
from rdct.offload.registry import edge_factory
from rdct.vision.frames import Frame
edge = stac.StacEdge(codec.TableSet.ijg(75), policy=stac.KeyframePolicy(wait_s=1.0))
(packet,) = edge.on_frame(Frame(0, 0.0, np.zeros((64, 64, 3), np.uint8)), 0.0)
update = wire.decode(wire.encode(PlanUpdate(1, encode_labels(np.ones((64, 64), np.uint8)))))
(result,) = edge.on_feedback(update, 0.1)
(result,) = edge.on_frame(Frame(1, 0.1, np.full((64, 64, 3), 3, np.uint8)), 0.2)
image = codec.decode(packet.payload, table_sets=[codec.TableSet.ijg(75)])
print(result.kind, int(result.labels.sum()), image.shape)
assert edge_factory("stac")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split(maxsplit=2) == ["propagated", "4096", "(64, 64, 3)\n"]


def test_hello_is_not_for_edges():
    with pytest.raises(TypeError):
        StacEdge(codec.TableSet.ijg(75)).on_feedback(Hello(1, 1), 0.0)
