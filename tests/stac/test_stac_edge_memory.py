"""A long run takes no more memory than a short one.

Measured in a process of its own: what other tests left to the allocator and to libraries is not the edge's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
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


def measure():
    """10,000 frames over a lossy link, and what the last 8,000 added, in bytes."""
    rng = np.random.default_rng(2)
    scene = np.kron(rng.integers(0, 255, (20, 20, 3)), np.ones((9, 9, 1))).astype(np.uint8)
    table_set = codec.TableSet.from_log(np.full((3, 8, 8), 64), np.arange(4) * 8)
    edge = StacEdge(table_set, policy=KeyframePolicy(deadline_s=0.5, wait_s=0.3), threads=1)
    up, down = SimulatedLink(1e6, 0.05, loss=0.2), SimulatedLink(1e6, 0.05, loss=0.2, seed=1)
    seen = {}
    tracemalloc.start()
    for record in simulate(edge, Answers(4), frames(10_000, scene), up, down):
        if isinstance(record, Output) and record.result.frame in (2_000, 9_990):
            seen[record.result.frame] = tracemalloc.get_traced_memory()[0], resident_bytes()
    traced, resident = (late - early for early, late in zip(seen[2_000], seen[9_990], strict=True))
    return vars(edge.stats) | {"traced": traced, "resident": resident}


@pytest.mark.slow
@pytest.mark.skipif(not STATM.exists(), reason="resident memory is read from /proc")
def test_memory_is_flat_over_10000_frames():
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    print(f"8,000 frames more: {found['traced']} traced, {found['resident']} resident bytes more")
    assert found["keyframes"] > 250 and found["keyframes_superseded"] > 20
    assert found["results"] == found["frames"] == 10_000
    # 32 bytes a frame, where a picture takes 9 kB and a flow 400 bytes.
    assert found["traced"] < 256 << 10
    assert found["resident"] < 2 << 20


if __name__ == "__main__":
    print(json.dumps(measure()))
