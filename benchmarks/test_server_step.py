# SPDX-License-Identifier: Apache-2.0
"""What a keyframe costs the server, whole and by parts: labels leave first, levels follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

import codec
from benchmarks.pictures import Picture
from rdct.offload import Packet
from rdct.offload.labels import decode_labels, encode_labels
from stac import select_levels
from stac.server import StacServer

torch = pytest.importorskip("torch", reason="the server runs a network")

import grace  # noqa: E402
from rdct.vision import models  # noqa: E402

#: One keyframe takes a second or so: fewer rounds than elsewhere tell enough.
ROUNDS = 5
SUBSAMPLING = "420"


@dataclass
class Step:
    """A keyframe at the server, with what its parts work on."""

    model: models.Model
    tables: grace.NetworkTables
    packet: Packet
    decoded: np.ndarray
    labels: np.ndarray
    gradients: grace.CoefficientGradients

    @property
    def server(self) -> StacServer:
        return StacServer(self.model, self.tables)


@pytest.fixture(scope="module")
def step(picture: Picture) -> Step:
    model = models.load(models.DEFAULT_MODEL)
    tables = grace.load_tables(model.name)
    shape = codec.map_shape(*picture.rgb.shape[:2])
    plan = codec.QuantPlan(tables.table_set, np.full(shape, tables.middle, np.uint8))
    options = {"subsampling": SUBSAMPLING, "entropy": "huffman-fixed", "tables": "id"}
    packet = Packet(0, 0.0, 1, codec.encode(picture.rgb, plan, **options))
    decoded = codec.decode(packet.payload, table_sets=[tables.table_set])
    gradients = grace.coefficient_gradients(model, decoded, subsampling=SUBSAMPLING)
    return Step(model, tables, packet, decoded, models.labels(model, decoded), gradients)


def check(step: Step) -> None:
    """The answers are what the parts give, one after the other."""
    labels, levels = step.server.on_packet(step.packet, 0.0)
    assert np.array_equal(decode_labels(labels.labels, step.labels.size), step.labels)
    expected = select_levels(step.gradients, step.tables).level_map
    got = codec.decode_level_map(levels.level_map, expected.shape, step.tables.levels)
    assert np.array_equal(got, expected) and len(np.unique(expected)) > 4


PARTS = {
    "whole": lambda step: list(step.server.on_packet(step.packet, 0.0)),
    "until the labels leave": lambda step: next(iter(step.server.on_packet(step.packet, 0.0))),
    "decode": lambda step: codec.decode(step.packet.payload, table_sets=[step.tables.table_set]),
    "forward": lambda step: models.labels(step.model, step.decoded),
    "labels coded": lambda step: encode_labels(step.labels),
    "forward and backward": lambda step: grace.coefficient_gradients(
        step.model, step.decoded, subsampling=SUBSAMPLING
    ),
    "selection": lambda step: select_levels(step.gradients, step.tables),
}


@pytest.mark.benchmark(min_rounds=ROUNDS, warmup=False)
@pytest.mark.parametrize("part", PARTS)
def test_step(timed: Callable, step: Step, picture: Picture, part: str) -> None:
    check(step)
    timed(
        partial(PARTS[part], step),
        group="server step",
        row=part,
        pixels=picture.pixels,
        codec="rdct",
        version=codec.__version__,
        cpu="torch",
        threads=torch.get_num_threads(),
        bytes=len(step.packet.payload),
    )
