# SPDX-License-Identifier: Apache-2.0
"""Late, foretold and fresh maps by hand: the benchmark carries and reads off what it says."""

from __future__ import annotations

import numpy as np
import pytest

import codec
from benchmarks.device_sensitivity import level_maps, measured, report


@pytest.fixture(scope="module")
def clip():
    """Grey noise that moves twelve pixels a frame to the left."""
    rng = np.random.default_rng(5)
    scene = rng.integers(0, 256, (12, 48, 1), np.uint8).repeat(8, 0).repeat(8, 1).repeat(3, 2)
    return [np.ascontiguousarray(scene[:, 12 * t : 12 * t + 240]) for t in range(8)]


def numbered(index):
    """Every map tells its frame: level = index + 1."""
    return np.full((4, 10), index + 1, np.uint8)


def test_maps_come_from_where_they_should(clip):
    maps = level_maps(clip, (4, 6), numbered, lambda index: numbered(index) * 0 + 9, 8, ages=(2, 4))
    assert list(maps)[:2] == ["middle level", "predicted"] and list(maps)[-1] == "fresh"
    assert [one.max() for one in maps["fresh"]] == [5, 7]
    assert [one.max() for one in maps["4 frames old"]] == [1, 3]
    assert [one.max() for one in maps["predicted"]] == [9, 9]

    def columns(index):
        return np.broadcast_to(np.arange(10, dtype=np.uint8), (4, 10))

    # 48 pixels, two regions, to the left in four frames.
    carried = level_maps(clip, (4,), columns, columns, 8, ages=(4,))["4 frames old"][0]
    assert (carried[:, 1:7] == columns(0)[:, 3:9]).mean() > 0.7


def test_the_table(clip):
    table_set = codec.TableSet.from_log(np.full((3, 8, 8), 64), np.arange(16) * 4 - 32)
    fine = np.full((4, 10), 8, np.uint8)
    maps = {
        "middle level": [fine] * 2,
        "coarse": [fine + 2] * 2,
        "fresh": [np.arange(40).reshape(4, 10) % 16] * 2,
    }
    maps["fresh"] = [one.astype(np.uint8) for one in maps["fresh"]]
    rows = measured(clip[:2], maps, table_set, lambda image: (image[..., 1] // 32).astype(np.uint8))
    assert all(a > b for a, b in zip(rows["middle level"].rate, rows["coarse"].rate, strict=True))
    assert rows["fresh"].likeness == pytest.approx(1) and np.isnan(rows["coarse"].likeness)
    lines = list(report(rows, (0.5, 1.5)))
    assert len(lines) == 5 and lines[2].startswith("| middle level |  | ")
    assert lines[3].endswith("| not reached |")
