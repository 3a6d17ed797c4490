"""A long run takes no more memory than a short one."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import codec
from rdct.offload import PlanUpdate
from rdct.offload.driver import Output, simulate
from rdct.offload.labels import encode_labels
from rdct.offload.link import SimulatedLink
from rdct.vision.frames import Frame
from stac import KeyframePolicy, StacEdge

SIZE = (48, 64)
STATM = Path("/proc/self/statm")


class Answers:
    """Labels and levels of nobody's making."""

    def __init__(self, levels):
        self.labels = encode_labels(np.zeros(SIZE, np.uint8))
        self.level_map = codec.encode_level_map(np.zeros(codec.map_shape(*SIZE), int), levels)

    def on_packet(self, packet, now):
        yield PlanUpdate(packet.keyframe, self.labels)
        yield PlanUpdate(packet.keyframe, level_map=self.level_map)


def frames(count, scene):
    """A scene that pans, with a cut every 40 frames; each picture is new."""
    for t in range(count):
        picture = np.roll(scene, (3 * t, t), (1, 0))[: SIZE[0], : SIZE[1]]
        yield Frame(t, t / 15, np.ascontiguousarray(picture if t // 40 % 2 else 255 - picture))


def resident_bytes():
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.skipif(not STATM.exists(), reason="resident memory is read from /proc")
def test_memory_is_flat_over_10000_frames():
    rng = np.random.default_rng(2)
    scene = np.kron(rng.integers(0, 255, (20, 20, 3)), np.ones((9, 9, 1))).astype(np.uint8)
    table_set = codec.TableSet.from_log(np.full((3, 8, 8), 64), np.arange(4) * 8)
    edge = StacEdge(table_set, policy=KeyframePolicy(deadline_s=0.5, wait_s=0.3), threads=1)
    up, down = SimulatedLink(1e6, 0.05, loss=0.2), SimulatedLink(1e6, 0.05, loss=0.2, seed=1)
    seen = {}
    tracemalloc.start()
    try:
        for record in simulate(edge, Answers(4), frames(10_000, scene), up, down):
            if isinstance(record, Output) and record.result.frame in (2_000, 9_990):
                seen[record.result.frame] = tracemalloc.get_traced_memory()[0], resident_bytes()
    finally:
        tracemalloc.stop()
    traced, resident = (late - early for early, late in zip(seen[2_000], seen[9_990], strict=True))
    print(f"8,000 frames more: {traced} traced, {resident} resident bytes more")
    assert edge.stats.keyframes > 250 and edge.stats.keyframes_superseded > 20
    assert edge.stats.results == edge.stats.frames == 10_000
    # 32 bytes a frame, where a picture takes 9 kB and a flow 400 bytes.
    assert traced < 256 << 10
    assert resident < 2 << 20
