"""Video with what is shipped: network and tables on a rendered clip, over a simulated link."""

from __future__ import annotations

import math

import numpy as np
import pytest

import codec
import stac
from rdct.offload import Hello
from rdct.offload.driver import Output, Transfer, simulate
from rdct.offload.link import SimulatedLink
from rdct.offload.tally import Tally


@pytest.fixture(scope="module")
def raw_labels(model, clip):
    from rdct.vision import models

    return [models.labels(model, frame.image) for frame in clip]


def drive(model, tables, clip, *, policy, up=None, down=None):
    server = stac.StacServer(model, tables, scale=tables.scale_for_quality(75))
    edge = stac.StacEdge.from_welcome(server.on_hello(Hello(320, 240), 0.0), policy=policy)
    up = SimulatedLink(5e6, 0.05) if up is None else up
    down = SimulatedLink(5e6, 0.05) if down is None else down
    tally = Tally()
    records = list(simulate(edge, server, clip, up, down, server_s=(0.03, 0.09), tally=tally))
    return edge, records, tally


def agreements(records, raw_labels):
    """Share of pixels that agree, by frame; 0 where there are no labels yet."""
    results = {one.result.frame: one.result for one in records if isinstance(one, Output)}
    return np.array(
        [
            0.0 if results[t].labels is None else (results[t].labels == raw_labels[t]).mean()
            for t in range(len(raw_labels))
        ]
    )


def test_a_rendered_clip_keeps_its_labels(model, tables, clip, raw_labels):
    policy = stac.KeyframePolicy(wait_s=math.inf)
    _, records, tally = drive(model, tables, clip, policy=policy)
    share = agreements(records, raw_labels)
    kinds = [one.result.kind for one in records if isinstance(one, Output)]
    assert tally.results_lost == 0 and tally.keyframes_unanswered == 0
    assert 2 <= tally.keyframes <= 6 and kinds.count("server") == tally.keyframes
    # Measured: 0.918 on average, 0.817 at the least, 0.977 at the least on keyframes; the first answer
    # takes until the third frame.
    labelled = share[3:]
    assert share[0] > 0 and labelled.mean() > 0.90 and labelled.min() > 0.78
    sent = [one.message for one in records if isinstance(one, Transfer) and one.direction == "up"]
    assert min(share[packet.frame] for packet in sent) > 0.96
    # Levels reached the edge, and steer all keyframes but the first, whose are foretold.
    maps = [codec.read_header(packet.payload).level_map for packet in sent]
    foretold = stac.predicted_levels(clip[sent[0].frame].image, tables.predictor, tables.table_set)
    assert np.array_equal(maps[0], foretold.level_map) and len(set(maps[0].ravel())) > 4
    assert all(len(set(one.ravel())) > 3 for one in maps[1:])


def test_the_server_away_for_half_a_second_loses_nothing(model, tables, clip, raw_labels):
    policy = stac.KeyframePolicy(deadline_s=0.3)
    outage = [(0.9, 1.4)]
    up, down = SimulatedLink(5e6, 0.05, outages=outage), SimulatedLink(5e6, 0.05, outages=outage)
    _, records, tally = drive(model, tables, clip, policy=policy, up=up, down=down)
    assert tally.results_lost == 0
    assert tally.keyframes_unanswered > 0
    results = [one.result for one in records if isinstance(one, Output)]
    during = [one for one in results if 0.9 <= one.time_s < 1.4]
    assert all(one.kind == "propagated" for one in during)
    last = results[-1]
    sent = {
        one.message.keyframe: one.message
        for one in records
        if isinstance(one, Transfer) and one.direction == "up"
    }
    assert sent[last.keyframe].time_s > 1.4  # it resumed
    assert agreements(records, raw_labels)[during[-1].frame] > 0.5


def test_the_run_repeats_to_the_last_byte(model, tables, clip):
    def once():
        up = SimulatedLink(5e6, 0.05, loss=0.3, seed=2)
        down = SimulatedLink([(0, 1e6), (1, 2e5)], 0.05, loss=0.3, seed=8)
        policy = stac.KeyframePolicy(deadline_s=0.3)
        _, records, _ = drive(model, tables, clip[:15], policy=policy, up=up, down=down)
        return [
            (one.sent_s, one.arrived_s, one.message)
            if isinstance(one, Transfer)
            else (
                one.at_s,
                one.result.frame,
                one.result.psnr_db,
                None if one.result.labels is None else one.result.labels.tobytes(),
            )
            for one in records
        ]

    assert once() == once()
