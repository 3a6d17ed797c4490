"""The street renderer of examples/: determinism, exact labels, sizes, and motion that a clip needs."""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

cv2 = pytest.importorskip("cv2", reason="the street renderer draws with OpenCV")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))
import street  # noqa: E402


@pytest.fixture(scope="module")
def clip():
    scene = street.Scene(3, 240, 180)
    return [scene.frame(t) for t in range(4)]


@pytest.mark.parametrize("size", [(480, 360), (256, 128)])
def test_shapes_and_labels(size):
    for seed in range(2):
        image, labels = street.render(seed, *size)
        assert image.shape == (size[1], size[0], 3) and image.dtype == np.uint8
        assert labels.shape == (size[1], size[0]) and labels.dtype == np.uint8
        assert labels.max() < 11
        assert (labels == street.CLASS_NAMES.index("Road")).mean() > 0.05
        assert image.std() > 15


def test_same_seed_same_bytes_whatever_came_before(clip):
    for t in (2, 0):
        image, labels = street.Scene(3, 240, 180).frame(t)
        assert np.array_equal(image, clip[t][0]) and np.array_equal(labels, clip[t][1])


def test_thread_count_does_not_matter():
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        one = street.render(11, 240, 180)
        cv2.setNumThreads(4)
        four = street.render(11, 240, 180)
    finally:
        cv2.setNumThreads(before)
    assert np.array_equal(one[0], four[0]) and np.array_equal(one[1], four[1])


def test_seeds_differ():
    assert np.abs(street.render(1, 120, 90)[0].astype(int) - street.render(2, 120, 90)[0]).mean() > 5


def test_all_classes_appear():
    seen = set()
    for seed in range(12):
        seen |= set(np.unique(street.render(seed, 160, 120)[1]).tolist())
    assert seen == set(range(11))


def test_frames_move_a_little_and_a_warp_explains_it(clip):
    for (a, la), (b, lb) in pairwise(clip):
        plain = np.abs(a.astype(int) - b).mean()
        assert 0.5 < plain < 25
        assert 0 < (la != lb).mean() < 0.25
        grey = [cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) for x in (b, a)]
        flow = cv2.calcOpticalFlowFarneback(grey[0], grey[1], None, 0.5, 4, 15, 3, 7, 1.5, 0)
        y, x = np.mgrid[0 : b.shape[0], 0 : b.shape[1]].astype(np.float32)
        warped = cv2.remap(
            a, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        assert np.abs(warped.astype(int) - b).mean() < 0.75 * plain


def test_labels_agree_with_the_picture():
    """Most strong label borders lie on picture edges: gradients there beat the picture's mean."""
    image, labels = street.render(5, 480, 360)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    slope = np.abs(cv2.Sobel(grey, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    border = np.zeros(labels.shape, bool)
    border[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    assert slope[border].mean() > 2 * slope.mean()


def test_command_line(tmp_path):
    street.main(
        [
            str(tmp_path / "a.png"),
            "--seed",
            "5",
            "--size",
            "120x80",
            "--labels",
            str(tmp_path / "l.png"),
            "--clip",
            "2",
            "--fps",
            "15",
        ]
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "a_0000.png",
        "a_0001.png",
        "l_0000.png",
        "l_0001.png",
    ]
    image, labels = street.Scene(5, 120, 80).frame(1, 15)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a_0001.png")), image)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "l_0001.png")), labels)


def test_example_picture():
    image, labels = Image.open(EXAMPLES / "street.png"), Image.open(EXAMPLES / "street_labels.png")
    assert image.size == labels.size == (768, 512)
    assert (EXAMPLES / "street.png").stat().st_size < 900 * 1024
    labels = np.asarray(labels)
    assert set(np.unique(labels).tolist()) == set(range(11))
    again, again_labels = street.render(821, 768, 512)
    # Another OpenCV may round otherwise; the scene is the same.
    assert np.abs(again.astype(int) - np.asarray(image)).mean() < 2
    assert (again_labels != labels).mean() < 0.01
