"""What is left behind of a run, and what happens when it cannot be."""

from __future__ import annotations

import doctest
import json

import numpy as np
import pytest

from rdct.offload import backoff
from rdct.offload.backoff import BackOff
from rdct.offload.live import Shown
from rdct.offload.messages import Result, Welcome
from rdct.offload.sinks import Annotated, Background, LabelFiles, Lines, annotate
from rdct.vision.frames import Frame
from rdct.vision.regions import Region

PALETTE = np.array([(0, 0, 0), (200, 100, 50)], np.uint8)
WELCOME = Welcome(b"8 bytes.", b"tables", 1.0, 3, ("a", "b"), PALETTE)


def shown(index, *, height=48, width=64, labelled=True, sent=False, psnr_db=30.0):
    image = np.full((height, width, 3), 100, np.uint8)
    labels = np.zeros((height, width), np.uint8)
    labels[:, width // 2 :] = 1
    known = {"labels": labels, "keyframe": 1, "age_frames": index, "kind": "propagated"} if labelled else {}
    return Shown(Frame(index, index / 10, image), Result(index, index / 10, psnr_db=psnr_db, **known), sent)


def test_annotate_blends_marks_and_leaves_the_frame_alone():
    one = shown(0)
    before = one.frame.image.copy()
    plain = annotate(one.frame.image, one.result, PALETTE, sent=False)
    marked = annotate(one.frame.image, one.result, PALETTE, sent=True)
    assert np.array_equal(one.frame.image, before)
    assert plain[40, 60].tolist() == [145, 100, 78]  # 0.55 of the picture, 0.45 of the palette
    assert plain[40, 2].tolist() == [55, 55, 55]
    assert marked[47, 30].tolist() == [230, 30, 30]
    assert plain[47, 30].tolist() != [230, 30, 30]
    bare = shown(0, labelled=False)
    assert np.array_equal(annotate(bare.frame.image, bare.result, PALETTE, False)[40:], before[40:])


def test_objects_are_drawn_as_boxes_and_written_by_class(tmp_path):
    found = Region(10, 20, 30, 40, 0.75, 1), Region(40.123, 20, 60, 40, 0.5, 7)
    result = Result(4, 0.4, keyframe=5, age_frames=0, kind="server", regions=found)
    image = np.full((48, 64, 3), 100, np.uint8)
    picture = annotate(image, result, PALETTE, False, ("a", "b"))
    for y, x in ((20, 20), (39, 29), (30, 10)):
        assert picture[y, x].tolist() == [200, 100, 50]
    assert picture[30, 20].tolist() == picture[40, 20].tolist() == [100, 100, 100]
    assert picture[30, 40].tolist() == [255, 255, 255]  # of a class beyond the palette
    sink = Lines(tmp_path / "results.jsonl")
    sink.open(WELCOME, 10.0)
    sink.write(Shown(Frame(4, 0.4, image), result, True))
    sink.close()
    (row,) = map(json.loads, (tmp_path / "results.jsonl").read_text().splitlines())
    assert row["regions"] == [
        {"box": [10, 20, 30, 40], "score": 0.75, "class": "b"},
        {"box": [40.12, 20, 60, 40], "score": 0.5, "class": "7"},
    ]


def test_labels_beyond_the_palette_are_black():
    result = Result(0, 0.0, np.full((48, 64), 7, np.uint8), 1, 0, None, "server")
    assert annotate(np.zeros((48, 64, 3), np.uint8), result, PALETTE, False)[40, 60].tolist() == [0, 0, 0]


def test_lines_have_no_infinity(tmp_path):
    sink = Lines(tmp_path / "results.jsonl")
    sink.open(WELCOME, 10.0)
    for psnr_db in (None, float("inf"), 25.12345):
        sink.write(shown(0, psnr_db=psnr_db))
    sink.close()
    rows = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [row["psnr_db"] for row in rows] == [None, None, 25.123]


def test_frames_without_labels_have_no_file(tmp_path):
    sink = LabelFiles(tmp_path / "labels")
    sink.open(WELCOME, 10.0)
    sink.write(shown(0, labelled=False))
    sink.write(shown(1))
    sink.close()
    assert [path.name for path in (tmp_path / "labels").iterdir()] == ["000001.png"]


def test_a_video_of_odd_and_changing_sizes(tmp_path):
    av = pytest.importorskip("av", reason="needs rdct[video]")
    sink = Annotated(tmp_path / "annotated.mp4")
    sink.open(WELCOME, 24000 / 1001)
    for index, (height, width) in enumerate([(49, 65), (49, 65), (32, 48), (49, 65)]):
        sink.write(shown(index, height=height, width=width))
    assert not (tmp_path / "annotated.mp4").exists()  # not before it is whole
    sink.close()
    with av.open(str(tmp_path / "annotated.mp4")) as video:
        stream = video.streams.video[0]
        assert (stream.width, stream.height) == (64, 48)
        assert float(stream.average_rate) == pytest.approx(23.976, abs=0.01)
        assert sum(1 for _ in video.decode(stream)) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["annotated.mp4"]


def test_a_video_of_nothing_leaves_nothing(tmp_path):
    pytest.importorskip("av", reason="needs rdct[video]")
    sink = Annotated(tmp_path / "annotated.mp4")
    sink.open(WELCOME, 10.0)
    sink.close()
    assert list(tmp_path.iterdir()) == []


class Full:
    """A disk with room for two frames."""

    def __init__(self):
        self.frames, self.closed = 0, False

    def open(self, welcome, fps):
        pass

    def write(self, shown):
        self.frames += 1
        if self.frames > 2:
            raise OSError("No space left on device")

    def close(self):
        self.closed = True


def test_a_full_disk_is_not_passed_over():
    disk = Full()
    sink = Background([disk], behind=2)
    sink.open(WELCOME, 10.0)
    with pytest.raises(OSError, match="No space left"):
        for index in range(100):
            sink.write(shown(index))
    with pytest.raises(OSError, match="No space left"):
        sink.close()
    assert disk.closed


def test_a_full_disk_on_the_last_frame_is_not_passed_over():
    disk = Full()
    sink = Background([disk])
    sink.open(WELCOME, 10.0)
    for index in range(3):
        sink.write(shown(index))
    with pytest.raises(OSError, match="No space left"):
        sink.close()


def test_back_off():
    assert doctest.testmod(backoff).failed == 0
    waits = BackOff(0.2, 5.0, jitter=0.5, seed=3)
    full = [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    delays = [waits.next() for _ in full]
    assert all(most / 2 <= delay <= most for delay, most in zip(delays, full, strict=True))
    assert len(set(delays)) == len(delays)
    other = BackOff(0.2, 5.0, jitter=0.5, seed=4)
    assert [other.next() for _ in full] != delays
    for wrong in ({"first": 0}, {"first": 9.0}, {"factor": 0.5}, {"jitter": 1.5}):
        with pytest.raises(ValueError, match="must"):
            BackOff(**wrong)
