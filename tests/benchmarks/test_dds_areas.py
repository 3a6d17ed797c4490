# SPDX-License-Identifier: Apache-2.0
"""Areas of objects and of what is asked for: unions, shares, and what a table says of them."""

import numpy as np
import pytest

from benchmarks import dds_areas
from benchmarks.dds_areas import Areas
from rdct.dds.feedback import DetectionRules
from rdct.dds.grid import two_levels
from rdct.vision.detectors import Candidates


class Twice:
    """Sure of two overlapping boxes at first; then sure of one, and in doubt of a smaller one."""

    name, class_names = "twice", ("lamp",)

    def __init__(self):
        self.shapes = []

    def __call__(self, image):
        self.shapes.append(image.shape[:2])
        h, w = image.shape[:2]
        if len(self.shapes) == 1:
            boxes, scores = [(0, 0, 40, 40), (20, 0, 60, 40)], [0.9, 0.8]
        else:
            boxes, scores = [(0, 0, 0.2 * w, 0.4 * h), (0.25 * w, 0, 0.3 * w, 0.2 * h)], [0.9, 0.2]
        return Candidates(boxes, scores, [0, 0], [0.9, 0.9])


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_areas_are_unions(scale):
    detector, image = Twice(), np.full((100, 200, 3), 90, np.uint8)
    got = dds_areas.areas(image, detector, DetectionRules(), two_levels(), scale)
    assert detector.shapes == [(100, 200), (round(100 * scale), round(200 * scale))]
    assert got.objects == pytest.approx(60 * 40 / 20000)
    assert got.wanted == pytest.approx(10 * 20 / 20000)  # 50..60, 0..20
    assert got.cells == pytest.approx(24 * 24 / 20000)  # of the cells 48..72, 0..24
    assert got.open == pytest.approx(20 * 40 / 20000)
    assert got.reached == pytest.approx(10 * 20 / 20000)


def test_the_table_and_the_figure(tmp_path):
    rows = [Areas(0.1, 0.05, 0.1, 0.04, 0.01), Areas(0.3, 0.15, 0.2, 0.04, 0.03)]
    text = dds_areas.table("clip", rows)
    assert "| regions asked for | 6.00 | 7.50 | 10.00 | 12.50 | 14.00 | 10.00 |" in text
    assert "less than 20 % of the picture in 50 % of frames" in text
    assert "0.50 of the objects' area, correlation by frame 1.00; they cover 50 %" in text
    assert "correlation by frame -; they cover -" in dds_areas.table("none", [Areas(0, 0, 0, 0, 0)])
    pytest.importorskip("matplotlib", reason="needs rdct[plot]")
    dds_areas.figure(str(tmp_path / "areas.svg"), {"clip": rows})
    assert (tmp_path / "areas.svg").stat().st_size > 1000
