# SPDX-License-Identifier: Apache-2.0
"""The comparison of DDS with frames sent whole: what counts as a byte, a match, and the best setting."""

import numpy as np
import pytest

import codec
from benchmarks import dds
from rdct.offload import Packet, wire
from rdct.vision.detectors import Candidates
from rdct.vision.frames import Frame
from rdct.vision.regions import Matches


class Bright:
    """One box, where the picture is bright; doubtful where it is not flat."""

    name, class_names = "bright", ("lamp",)

    def __call__(self, image):
        rows, columns = np.nonzero(image[..., 1] > 180)
        if not len(rows):
            return Candidates([], [], [], [])
        box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        score = 0.9 if image[rows, columns, 1].std() < 9 else 0.4
        return Candidates([box], [score], [0], [0.8])


def frames():
    rng = np.random.default_rng(0)
    for t in range(3):
        image = rng.integers(90, 120, (96, 144, 3), np.uint8)
        image[20:36, 20 + t : 36 + t] = 230
        yield Frame(t, t / 10, image)


@pytest.fixture(scope="module")
def bench():
    return dds.Bench(list(frames()), Bright(), None)


def test_the_reference_is_the_detector_on_the_raw_frames(bench):
    assert [[(one.x0, one.y0) for one in found] for found in bench.reference] == [
        [(20 + t, 20)] for t in range(3)
    ]


def test_bytes_are_those_of_messages(bench):
    row = bench.uniform("rdct", 75, 1.0)
    expected = 0
    for frame in bench.frames:
        plan = codec.QuantPlan.uniform(75, frame.image.shape)
        data = codec.encode(frame.image, plan, subsampling="420", entropy="context", tables="id")
        expected += len(wire.encode(Packet(frame.index, frame.time_s, frame.index + 1, data)))
    assert row.up == expected
    assert row.strict == Matches(3, 0, 0)


@pytest.mark.parametrize("system", ["jpeg", "rdct"])
def test_a_reduced_picture_is_scored_in_pixels_of_the_frame(bench, system):
    row = bench.uniform(system, 75, 0.5)
    assert row.strict.right == 3 and row.up < bench.uniform(system, 75, 1.0).up


def test_dds_counts_both_streams_and_what_comes_down(bench):
    one = bench.dds(75, 12.0, 1.0, 0.5)
    never = bench.dds(75, 12.0, 1.0, 1.0)  # no objectness is above 1: nothing is asked for
    assert never.note == "0 of 3; 0 %"
    assert one.note.startswith("3 of 3;") and one.up > never.up and one.down > never.down
    assert one.strict.f1 > never.strict.f1


def test_the_tables():
    def row(system, up, right, wrong):
        return dds.Row(
            system, f"{up}", up, 0, strict=Matches(right, wrong, 0), loose=Matches(right, wrong, 0)
        )

    rows = [row("a", 100, 8, 4), row("a", 300, 8, 5), row("a", 400, 9, 1), row("b", 200, 1, 0)]
    lines = dds.equal_f1(rows, 10, (0.8, 0.9, 0.96)).splitlines()
    assert lines[2:] == ["| a | 10 | 40 | - |", "| b | 20 | 20 | 20 |"]
    fronts = [line.split(" | ")[1] for line in dds.as_markdown(rows, 10).splitlines()[2:]]
    assert fronts == ["100", "400", "200"]  # 300 costs more than 100 and is worse


def test_dds_on_h264_counts_both_streams_too(bench):
    av = pytest.importorskip("av", reason="needs rdct[video]")
    if "libx264" not in av.codecs_available:
        pytest.skip("PyAV here is built without libx264")
    one = bench.dds_h264(40, 18, 1.0, 0.5)
    never = bench.dds_h264(40, 18, 1.0, 1.0)
    assert never.note == "0 of 3; 0 %"
    assert one.strict.right + one.strict.missed == 3
    if one.note != never.note:  # whether a flat lamp looks textured at this quantiser is x264's to say
        assert one.up > never.up and one.down > never.down
