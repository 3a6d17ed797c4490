"""Detectors: what FastestDet's output means, checked by hand; and the network itself where it is at hand."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from rdct.vision import detectors
from rdct.vision.detectors import Candidates, Detector, suppressed
from rdct.vision.detectors.fastestdet import decode

ROOT = Path(__file__).resolve().parents[2]


def test_fastestdet_output_by_hand():
    # Two rows and four columns, three classes. Cell (1, 2): centre at x = (2 + 0.5) / 4, y = (1 - 0.5) / 2.
    output = np.zeros((1, 8, 2, 4), np.float32)
    output[0, :, 1, 2] = [0.9, np.arctanh(0.5), np.arctanh(-0.5), 0.0, np.log(0.2 / 0.8), 0.1, 0.7, 0.2]
    found = decode([output])
    assert len(found) == 8
    n = int(found.objectness.argmax())
    assert np.allclose(found.boxes[n], [0.625 - 0.25, 0.25 - 0.1, 0.625 + 0.25, 0.25 + 0.1])
    assert found.labels[n] == 1
    assert found.scores[n] == pytest.approx(0.9**0.6 * 0.7**0.4)
    assert found.objectness[n] == pytest.approx(0.9)


def test_other_networks_are_refused_by_shape():
    with pytest.raises(ValueError, match=r"this network \[1, 100, 85\]"):
        decode([np.zeros((1, 100, 85), np.float32)])


def candidates(*rows):
    """Rows of box, score, label, objectness."""
    return Candidates(*zip(*rows, strict=True))


def test_suppression_is_by_score_within_a_class():
    found = candidates(
        ((0, 0, 10, 9), 0.6, 1, 0.9),
        ((0, 0, 10, 10), 0.7, 1, 0.8),
        ((0, 0, 10, 10), 0.5, 2, 0.7),
        ((40, 40, 50, 50), 0.01, 1, 0.7),
    )
    kept = suppressed(found, 0.45, 0.05)
    assert kept.scores.tolist() == [0.7, 0.5]
    assert kept.labels.tolist() == [1, 2] and kept.objectness.tolist() == [0.8, 0.7]
    assert len(suppressed(found, 0.95)) == 4
    assert len(suppressed(Candidates([], [], [], []), 0.5)) == 0


def test_regions_of_candidates():
    found = candidates(((0, 0, 10, 9), 0.6, 1, 0.9), ((0, 0, 5, 5), 0.5, 2, 0.9), ((0, 0, 5, 5), 0.4, 2, 0.9))
    assert [one.score for one in found.regions(0.5)] == [0.6, 0.5]
    assert [one.label for one in found.regions(0.0, labels={2})] == [2, 2]


def test_logits_are_no_scores():
    with pytest.raises(ValueError, match="sigmoid"):
        candidates(((0, 0, 1, 1), 2.5, 1, 0.5))
    with pytest.raises(ValueError, match="one length"):
        Candidates(np.zeros((2, 4)), [0.5], [1], [0.5])


@pytest.mark.parametrize("spec", ["fastestdet", "fastestdet:", "nosuch:file.onnx", ""])
def test_a_spec_that_names_no_detector(spec):
    with pytest.raises(ValueError, match=r"fastestdet:FILE\.onnx"):
        detectors.load(spec)


def test_a_file_that_is_no_network(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.onnx"):
        detectors.load(f"fastestdet:{tmp_path / 'none.onnx'}")
    (tmp_path / "noise.onnx").write_bytes(bytes(range(200)))
    with pytest.raises(OSError, match=r"cannot read the network .*noise\.onnx"):
        detectors.load(f"fastestdet:{tmp_path / 'noise.onnx'}")


# ------------------------------------------------------------------------------- with the published weights

_DATA = Path(os.environ.get("RDCT_DATA", ROOT.parent / "shared" / "data"))
WEIGHTS = _DATA / "weights" / "fastestdet_coco_352.onnx"
VIDEO = _DATA / "video" / "udacity_vehicle_test_video.mp4"
needs_weights = pytest.mark.skipif(not WEIGHTS.is_file(), reason="RDCT_DATA has no FastestDet weights")


@needs_weights
def test_fastestdet_sees_nothing_in_grey_and_takes_any_size():
    detector = detectors.load(f"fastestdet:{WEIGHTS}")
    assert isinstance(detector, Detector) and detector.class_names[2] == "car"
    for size in ((352, 352), (1, 1), (90, 500)):
        found = detector(np.full((*size, 3), 128, np.uint8))
        assert not found.regions(0.5)
        assert (found.boxes >= 0).all() and (found.boxes <= [size[1], size[0]] * 2).all()
    with pytest.raises(ValueError, match="uint8 RGB"):
        detector(np.zeros((9, 9), np.uint8))


@needs_weights
@pytest.mark.skipif(not VIDEO.is_file(), reason="RDCT_DATA has no Udacity video")
def test_fastestdet_sees_the_two_cars_and_needs_the_channels_as_rgb():
    pytest.importorskip("av", reason="reading the video needs PyAV")
    from rdct.vision.frames import open_source

    with open_source(str(VIDEO)) as source:
        image = next(iter(source)).image
    detector = detectors.load(f"fastestdet:{WEIGHTS}")
    cars = detector(image).regions(0.6, labels=detectors.VEHICLES)
    assert len(cars) == 2 and {one.label for one in cars} == {2}
    for one in cars:  # the black car left of the white one, both on the right side of the road
        assert 800 < one.x0 and 390 < one.y0 and one.y1 < 510
    # In half the size the boxes are half as large.
    half = detector(cv2.resize(image, (640, 360), interpolation=cv2.INTER_AREA)).regions(0.6)
    assert abs(half[0].x0 - cars[0].x0 / 2) < 8
    swapped = detector(np.ascontiguousarray(image[..., ::-1])).regions(0.6)
    assert [round(one.score, 3) for one in swapped] != [round(one.score, 3) for one in cars]
    if importlib.util.find_spec("onnxruntime"):
        other = detectors.load(f"fastestdet:{WEIGHTS}", backend="onnxruntime")(image)
        assert np.allclose(other.regions(0.6)[0].score, cars[0].score, atol=1e-3)
