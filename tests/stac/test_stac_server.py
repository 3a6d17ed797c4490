"""The server's state machine: labels before gradients, refusals instead of crashes, sessions apart."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import codec
from rdct.offload import Hello, Limits, Notice, Packet, Server
from rdct.offload.labels import decode_labels
from stac import StacServer, generic_ladder, select_levels
from stac.server import KEPT_PASSES

torch = pytest.importorskip("torch", reason="the server runs a network")

CLASSES = 4


class Network(torch.nn.Module):
    """Tiny, and keeps a diary: a forward pass, and the moment a gradient passes back through it."""

    def __init__(self, diary):
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.weight = torch.nn.Parameter(torch.randn(CLASSES, 3, 5, 5, generator=generator) * 0.02)
        self.weight.requires_grad_(False)
        self.diary = diary
        self.name = "tiny"
        self.class_names = ("a", "b", "c", "d")
        self.palette = np.arange(12, dtype=np.uint8).reshape(4, 3)
        self.ignore_label = None
        self.eval()

    def forward(self, x):
        self.diary.append("forward")
        if x.requires_grad:
            x.register_hook(lambda gradient: self.diary.append("backward"))
        return torch.nn.functional.conv2d(torch.tanh((x - 128) / 64), self.weight, padding=2) * 9


@pytest.fixture
def diary():
    return []


@pytest.fixture
def network(diary):
    return Network(diary)


@pytest.fixture(scope="module")
def tables():
    return generic_ladder()


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(7)
    smooth = np.kron(rng.integers(0, 255, (9, 12, 3)), np.ones((8, 8, 1)))
    return np.clip(smooth[:61, :83] + rng.normal(0, 20, (61, 83, 3)), 0, 255).astype(np.uint8)


def packet(image, tables, **options):
    shape = codec.map_shape(*image.shape[:2])
    middle = np.full(shape, tables.table_set.levels // 2, np.uint8)
    plan = codec.QuantPlan(tables.table_set, middle)
    payload = codec.encode(image, plan, **{"tables": "id", "entropy": "huffman-fixed", **options})
    return Packet(0, 0.0, 1, payload)


def test_it_keeps_the_protocol(network, tables):
    assert isinstance(StacServer(network, tables), Server)


def test_labels_leave_before_gradients_are_computed(network, tables, image, diary):
    answers = iter(StacServer(network, tables).on_packet(packet(image, tables), 0.0))
    assert diary == []
    first = next(answers)
    assert first.labels is not None and first.level_map is None
    assert "backward" not in diary and diary.count("forward") == 1
    second = next(answers)
    assert second.labels is None and second.level_map is not None
    # Backward from the pass that the labels came from.
    assert diary == ["forward", "backward"]
    assert list(answers) == []


@pytest.mark.parametrize("sensitivity", ["gradient", "fisher", "margin"])
def test_levels_of_every_sensitivity_come_from_one_pass(network, tables, image, diary, sensitivity):
    from grace import Look
    from stac.sensitivity import checked_levels, levels_by, sensitivity_of

    sent = packet(image, tables)
    _, levels = StacServer(network, tables, sensitivity=sensitivity).on_packet(sent, 0.0)
    assert diary == ["forward", "backward"]
    seen = codec.decode(sent.payload, table_sets=[tables.table_set])
    found = sensitivity_of(sensitivity, Look(network, seen))
    expected = levels_by(checked_levels(None, sensitivity), found, tables, seen).level_map
    assert np.array_equal(codec.decode_level_map(levels.level_map, expected.shape, 16), expected)


def test_more_probes_are_more_backward_passes(network, tables, image, diary):
    list(StacServer(network, tables, sensitivity="fisher", probes=3).on_packet(packet(image, tables), 0.0))
    assert diary == ["forward", "backward", "backward", "backward"]


def test_sensitivities_do_not_choose_alike(network, tables, image):
    maps = set()
    for sensitivity in ("gradient", "fisher", "margin"):
        _, levels = StacServer(network, tables, sensitivity=sensitivity).on_packet(packet(image, tables), 0.0)
        maps.add(levels.level_map)
    assert len(maps) == 3


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"sensitivity": "sea"}, "sensitivity is 'sea'; use 'gradient', 'fisher' or 'margin'"),
        ({"probes": 2}, "a gradient is exact and has no probes"),
        ({"sensitivity": "margin", "mode": "floor"}, "'margin' knows 'closest' only"),
    ],
)
def test_a_server_refuses_what_it_does_not_know(network, tables, options, says):
    with pytest.raises(ValueError, match=says):
        StacServer(network, tables, **options)


def test_few_passes_are_kept_and_given_back(network, tables, image, diary):
    """Beyond so many sessions between labels and levels the network runs again; nothing is lost."""
    sent = packet(image, tables)
    held = [iter(StacServer(network, tables).on_packet(sent, 0.0)) for _ in range(KEPT_PASSES + 1)]
    labels = {next(one).labels for one in held}
    levels = {next(one).level_map for one in held}
    assert len(labels) == len(levels) == 1
    assert diary.count("forward") == KEPT_PASSES + 2
    # Dropped between the two, as a server does where the next keyframe waits already.
    diary.clear()
    for _ in range(KEPT_PASSES + 1):
        next(iter(StacServer(network, tables).on_packet(sent, 0.0)))
    list(StacServer(network, tables).on_packet(sent, 0.0))
    assert diary.count("forward") == KEPT_PASSES + 2 and diary.count("backward") == 1


@pytest.mark.parametrize("subsampling", ["444", "420"])
def test_the_answers_are_those_of_the_decoded_picture(network, tables, image, subsampling):
    from grace import coefficient_gradients
    from rdct.vision import models

    sent = packet(image, tables, subsampling=subsampling)
    labels, levels = StacServer(network, tables).on_packet(sent, 0.0)
    decoded = codec.decode(sent.payload, table_sets=[tables.table_set])
    assert not np.array_equal(decoded, image)
    assert np.array_equal(decode_labels(labels.labels, image.size), models.labels(network, decoded))
    gradients = coefficient_gradients(network, decoded, subsampling=subsampling)
    expected = select_levels(gradients, tables).level_map
    count = tables.table_set.levels
    assert np.array_equal(codec.decode_level_map(levels.level_map, expected.shape, count), expected)
    assert len(set(expected.ravel())) > 1


def test_levels_are_chosen_at_the_scale_of_the_stream(network, tables, image):
    """Where steps are clamped to 1 it matters; elsewhere steps and budget scale alike."""
    from grace import coefficient_gradients

    shape = codec.map_shape(*image.shape[:2])
    plan = codec.QuantPlan(tables.table_set, np.full(shape, 8, np.uint8), scale=1 / 64)
    sent = Packet(0, 0.0, 1, codec.encode(image, plan, tables="id"))
    _, levels = StacServer(network, tables, scale=1.0).on_packet(sent, 0.0)
    gradients = coefficient_gradients(network, codec.decode(sent.payload, table_sets=[tables.table_set]))
    chosen = codec.decode_level_map(levels.level_map, shape, 16)
    assert np.array_equal(chosen, select_levels(gradients, tables, scale=1 / 64).level_map)
    assert not np.array_equal(chosen, select_levels(gradients, tables, scale=1.0).level_map)


def test_without_levels_there_are_no_gradients(network, tables, image, diary):
    (labels,) = StacServer(network, tables, adaptive=False).on_packet(packet(image, tables), 0.0)
    assert labels.labels is not None and diary == ["forward"]


def jpeg(image, **options):
    out = io.BytesIO()
    Image.fromarray(image).save(out, "JPEG", **options)
    return out.getvalue()


def test_a_jpeg_gets_labels_and_no_levels(network, tables, image, diary):
    (labels,) = StacServer(network, tables).on_packet(Packet(0, 0.0, 3, jpeg(image)), 0.0)
    assert labels.keyframe == 3 and decode_labels(labels.labels, image.size).shape == (61, 83)
    assert diary == ["forward"]


def test_a_grey_stream_is_answered_too(network, tables, image):
    labels, levels = StacServer(network, tables).on_packet(packet(image[..., 0].copy(), tables), 0.0)
    assert decode_labels(labels.labels, image.size).shape == (61, 83)
    assert levels.level_map is not None


def test_labels_may_come_from_elsewhere(network, tables, image):
    seen = []

    def truth(decoded, sent):
        seen.append((decoded.shape, sent.frame))
        return np.full(decoded.shape[:2], 3, np.uint8)

    server = StacServer(network, tables, adaptive=False, label_source=truth)
    (labels,) = server.on_packet(packet(image, tables), 0.0)
    assert (decode_labels(labels.labels, image.size) == 3).all()
    assert seen == [(image.shape, 0)]


def test_every_cut_and_every_bent_byte_is_refused_or_answered(network, tables, image):
    server = StacServer(network, tables, adaptive=False)
    payload = packet(image, tables).payload
    refused = 0
    for at in range(0, len(payload), max(len(payload) // 60, 1)):
        bent = payload[:at] + bytes([payload[at] ^ 0x55]) + payload[at + 1 :]
        for damaged in (payload[:at] or b"R", bent):
            (answer,) = server.on_packet(Packet(0, 0.0, 1, damaged), 0.0)
            if isinstance(answer, Notice):
                assert answer.code == "refused" and answer.keyframe == 1 and "keyframe 1: " in answer.message
                refused += 1
    assert refused > 100
    (answer,) = server.on_packet(Packet(0, 0.0, 2, payload), 0.0)
    assert answer.labels is not None  # and it goes on


def test_what_is_beyond_a_limit_is_refused_unseen(network, tables, image, diary):
    sent = packet(image, tables)
    pixels = image.shape[0] * image.shape[1]
    small = Limits(max_pixels=pixels - 1)
    (answer,) = StacServer(network, tables, limits=small).on_packet(sent, 0.0)
    assert answer.code == "refused" and str(pixels - 1) in answer.message
    short = Limits(max_packet_bytes=len(sent.payload) - 1)
    (answer,) = StacServer(network, tables, limits=short).on_packet(sent, 0.0)
    assert answer.code == "refused" and str(len(sent.payload)) in answer.message
    assert diary == []
    exact = Limits(max_pixels=pixels, max_packet_bytes=len(sent.payload))
    assert len(list(StacServer(network, tables, limits=exact).on_packet(sent, 0.0))) == 2


def test_a_stream_with_an_unknown_table_set_is_refused(network, tables, image):
    other = codec.TableSet.ijg(75)
    plan = codec.QuantPlan(other, np.zeros(codec.map_shape(*image.shape[:2]), np.uint8))
    sent = Packet(0, 0.0, 1, codec.encode(image, plan, tables="id"))
    (answer,) = StacServer(network, tables).on_packet(sent, 0.0)
    assert answer.code == "refused" and other.id_hex in answer.message


def test_a_stream_of_other_levels_gets_none(network, tables, image):
    plan = codec.QuantPlan(codec.TableSet.ijg(75), np.zeros(codec.map_shape(*image.shape[:2]), np.uint8))
    (answer,) = StacServer(network, tables).on_packet(Packet(0, 0.0, 1, codec.encode(image, plan)), 0.0)
    assert answer.labels is not None


def test_a_session_opens_with_all_a_device_needs(network, tables):
    server = StacServer(network, tables, scale=0.75, limits=Limits(max_pixels=100_000))
    welcome = server.on_hello(Hello(320, 240), 0.0)
    assert codec.TableSet.from_bytes(welcome.table_set) == tables.table_set
    assert (welcome.set_id, welcome.scale) == (tables.table_set.id, 0.75)
    assert welcome.class_names == network.class_names and (welcome.palette == network.palette).all()
    assert welcome.limits.max_pixels == 100_000
    again = server.on_hello(Hello(320, 240, known_sets=(bytes(8), tables.table_set.id)), 0.0)
    assert again.table_set is None and again.set_id == tables.table_set.id


@pytest.mark.parametrize(
    ("hello", "says"),
    [(Hello(320, 240, version=2), "version 1, not 2"), (Hello(400, 300), "beyond the limit")],
)
def test_a_session_that_cannot_be_served_is_refused(network, tables, hello, says):
    server = StacServer(network, tables, limits=Limits(max_pixels=100_000))
    answer = server.on_hello(hello, 0.0)
    assert answer.code == "refused" and answer.keyframe is None and says in answer.message


def test_two_sessions_do_not_touch_each_other(network, tables, image):
    """Interleaved answers are those of sessions of their own, though both share the network."""
    first, second = StacServer(network, tables), StacServer(network, tables)
    other = image[::-1].copy()
    alone = [
        [
            (one.labels, one.level_map)
            for one in StacServer(network, tables).on_packet(packet(im, tables), 0.0)
        ]
        for im in (image, other)
    ]
    a = iter(first.on_packet(packet(image, tables), 0.0))
    b = iter(second.on_packet(packet(other, tables), 0.0))
    answers = [next(a), next(b), next(b), next(a)]
    assert [(one.labels, one.level_map) for one in (answers[0], answers[3])] == alone[0]
    assert [(one.labels, one.level_map) for one in (answers[1], answers[2])] == alone[1]
    shared = {id(value) for value in vars(first).values()} & {id(value) for value in vars(second).values()}
    changing = [
        name
        for name, value in vars(first).items()
        if id(value) in shared and isinstance(value, (codec.Decoder, list, dict, set, bytearray, np.ndarray))
    ]
    assert changing == []
