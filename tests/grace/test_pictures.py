"""Reading folders of pictures and labels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from grace.pictures import Pictures


@pytest.fixture
def folder(tmp_path, picture):
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.mkdir()
    labels.mkdir()
    for index in range(5):
        Image.fromarray(picture(16, 24, seed=index)).save(images / f"p{index}.png")
        Image.fromarray(np.full((16, 24), index, np.uint8)).save(labels / f"p{index}.png")
    (images / "readme.txt").write_text("no picture")
    return images, labels


def test_folder(folder, picture):
    found = Pictures(*folder)
    assert len(found) == 5 and found.labelled and found.name(3) == "p3.png"
    np.testing.assert_array_equal(found[3], picture(16, 24, seed=3))
    assert (found.labels(3) == 3).all()
    assert found[3] is found[3]  # kept


def test_limit_spreads(folder):
    assert [Pictures(*folder, limit=n).name(0) for n in (1, 5, 9)] == ["p2.png", "p0.png", "p0.png"]
    found = Pictures(*folder, limit=2)
    assert [found.name(i) for i in range(len(found))] == ["p1.png", "p3.png"]
    assert (found.labels(1) == 3).all()


def test_hash_is_the_files(folder):
    import hashlib

    content = (folder[0] / "p0.png").read_bytes()
    assert Pictures(folder[0]).sha256(0) == hashlib.sha256(content).hexdigest()


def test_arrays_and_paths(folder, picture):
    array = picture(8, 8)
    found = Pictures([array, folder[0] / "p1.png", str(folder[0] / "p2.png")])
    assert found[0] is array and found.name(0) == "#0" and found.name(2) == "p2.png"
    other = array.copy()
    other[0, 0, 0] ^= 1
    assert found.sha256(0) != Pictures([other]).sha256(0)


def test_grey_files_become_rgb(tmp_path):
    Image.fromarray(np.full((4, 5), 7, np.uint8)).save(tmp_path / "g.png")
    assert Pictures(tmp_path)[0].tolist() == np.full((4, 5, 3), 7).tolist()


def test_errors(folder, tmp_path):
    images, labels = folder
    with pytest.raises(FileNotFoundError, match="no folder"):
        Pictures(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no pictures in"):
        (tmp_path / "empty").mkdir()
        Pictures(tmp_path / "empty")
    with pytest.raises(ValueError, match="no pictures given"):
        Pictures([])
    with pytest.raises(ValueError, match="picture 0 must be a path or a uint8 array"):
        Pictures([np.zeros((4, 4, 3))])
    with pytest.raises(ValueError, match="limit must be at least 1"):
        Pictures(images, limit=0)
    (labels / "p4.png").unlink()
    with pytest.raises(ValueError, match=r"has no label picture for p4.png"):
        Pictures(images, labels)
    with pytest.raises(ValueError, match="1 label maps"):
        Pictures(images, [np.zeros((16, 24), np.uint8)])
    with pytest.raises(ValueError, match="have no labels"):
        Pictures(images).labels(0)
    (images / "p0.png").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=r"p0.png: not a readable picture"):
        Pictures(images)[0]
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(labels / "p1.png")
    Image.fromarray(np.zeros((16, 24), np.uint8)).save(labels / "p4.png")
    with pytest.raises(ValueError, match=r"p1.png are .9, 9. but the picture is .16, 24."):
        Pictures(images, labels).labels(1)
