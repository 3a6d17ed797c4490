# SPDX-License-Identifier: Apache-2.0
"""The device's loop on a drive: flow, composition, PSNR, labels, and keyframes encoded and answered.

What is not in it: reading frames. What is: decoding the labels and levels that come back.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import codec
from benchmarks.pictures import ROOT
from benchmarks.sequences import Sequence
from benchmarks.settings import level_field
from benchmarks.test_propagate import labels_like
from rdct.offload import Packet, PlanUpdate, Result
from rdct.offload.labels import encode_labels
from rdct.vision.frames import Frame
from stac.edge import StacEdge
from stac.keyframes import KeyframePolicy

TABLES = ROOT / "grace" / "data" / "bisenet_camvid.rdts"
#: Seconds from frame to frame, and frames from a keyframe to its answer.
STEP_S, ROUND_TRIP = 1 / 17, 3
THREADS = 2


class Drive:
    """An edge that is driven back and forth along the sequence, and answered after `ROUND_TRIP` frames.

    Parameters
    ----------
    sequence : Sequence
    threshold_db : float
    """

    def __init__(self, sequence: Sequence, threshold_db: float) -> None:
        tables = codec.TableSet.load(TABLES)
        policy = KeyframePolicy(threshold_db, deadline_s=10 * STEP_S)
        self.edge = StacEdge(tables, policy=policy, threads=THREADS, subsampling="420")
        self.images = sequence.back_and_forth()
        self.labels = encode_labels(labels_like(sequence.images[0]))
        levels = level_field(codec.map_shape(*sequence.images[0].shape[:2]), tables.levels)
        self.levels = codec.encode_level_map(levels, tables.levels)
        self.index = -1
        self.bytes_up = 0
        self.due: list[tuple[int, int]] = []

    def step(self) -> list[Packet | Result]:
        """The next frame, after the answers that have arrived."""
        self.index += 1
        now = self.index * STEP_S
        while self.due and self.due[0][0] <= self.index:
            _, serial = self.due.pop(0)
            self.edge.on_feedback(PlanUpdate(serial, self.labels, self.levels), now)
        out = list(
            self.edge.on_frame(Frame(self.index, now, self.images[self.index % len(self.images)]), now)
        )
        for packet in out:
            if isinstance(packet, Packet):
                self.bytes_up += len(packet.payload)
                self.due.append((self.index + ROUND_TRIP, packet.keyframe))
        return out

    def there_and_back(self) -> None:
        for _ in self.images:
            self.step()


def check(drive: Drive) -> None:
    """One pass: a Result for every frame, labels of the right size, streams that decode."""
    stats, sent = drive.edge.stats, []
    for _ in drive.images:
        out = drive.step()
        (result,) = (one for one in out if isinstance(one, Result))
        assert result.frame == drive.index
        assert drive.index < ROUND_TRIP or result.labels.shape == drive.images[0].shape[:2]
        sent += [one for one in out if isinstance(one, Packet)]
    assert stats.frames == stats.results == len(drive.images)
    assert stats.keyframes == len(sent) >= 1 and not stats.feedback_corrupt
    tables = (codec.TableSet.load(TABLES),)
    for packet in (sent[0], sent[-1]):
        decoded = codec.decode(packet.payload, table_sets=tables)
        raw = drive.images[packet.frame].astype(np.float64)
        assert 10 * np.log10(255**2 / np.mean((decoded - raw) ** 2)) > 28


@pytest.mark.parametrize(
    ("row", "threshold_db"),
    [("every frame propagated", -np.inf), ("26 dB", 26.0), ("a keyframe whenever one is answered", np.inf)],
)
def test_loop(timed: Callable, sequence: Sequence, row: str, threshold_db: float) -> None:
    drive = Drive(sequence, threshold_db)
    check(drive)
    keyframes, sent = drive.edge.stats.keyframes, drive.bytes_up
    frames = len(drive.images)
    timed(
        drive.there_and_back,
        group="device loop",
        row=row,
        picture=sequence.name,
        pixels=frames * sequence.pixels,
        frames=frames,
        keyframes=keyframes,
        bytes=sent // keyframes,
        codec="rdct",
        version=codec.__version__,
        cpu=codec.Encoder().cpu,
        threads=THREADS,
    )
