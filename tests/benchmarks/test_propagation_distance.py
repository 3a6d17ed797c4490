# SPDX-License-Identifier: Apache-2.0
"""Fig. 8 by hand-made pairs: the knee is found where it was put, and a threshold does what it says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.propagation_distance import CLASSES, knee, pairs, report, threshold
from rdct.vision.metrics import pixel_accuracy


@pytest.fixture(scope="module")
def clip():
    """Grey noise that moves two pixels a frame, labelled by columns of the scene."""
    rng = np.random.default_rng(5)
    scene = np.repeat(rng.integers(0, 256, (64, 160, 1), np.uint8), 3, 2)
    columns = np.broadcast_to((np.arange(160) // 12 % CLASSES).astype(np.uint8), (64, 160))
    cut = [np.s_[:, 2 * t : 2 * t + 96] for t in range(8)]
    labels = [np.ascontiguousarray(columns[one]) for one in cut]
    return [np.ascontiguousarray(scene[one]) for one in cut], labels


@pytest.mark.parametrize("joint", [22.0, 25.5])
def test_the_knee_is_where_it_was_put(joint):
    psnr = np.linspace(18, 30, 200)
    accuracy = 0.9 + 0.02 * np.minimum(psnr - joint, 0) + 0.001 * np.maximum(psnr - joint, 0)
    found = knee(psnr, accuracy)
    assert found.psnr == pytest.approx(joint, abs=0.11)
    assert found.below == pytest.approx(0.02, rel=0.05) and found.above == pytest.approx(0.001, rel=0.2)
    assert found.left < 0.01
    with pytest.raises(ValueError, match="no room"):
        knee([20.0] * 5, [0.9] * 5)


def test_pairs_follow_the_motion(clip):
    images, labels = clip
    found = list(pairs(images, labels, labels, every=3, farthest=2))
    assert [one.distance for one in found] == [1, 2, 1, 2, 1]
    for one in found:
        assert pixel_accuracy(one.carried) > 0.85 and np.array_equal(one.own.trace(), one.carried.trace())
    # Where nothing is made of the motion, two columns in twelve are wrong at every step.
    still = list(pairs([images[0]] * 8, labels, labels, every=3, farthest=2))
    assert pixel_accuracy(still[1].carried) < pixel_accuracy(found[1].carried)


def test_a_threshold_buys_accuracy_with_keyframes(clip):
    images, labels = clip
    every = threshold(math.inf, images, labels, labels, 10)
    once = threshold(-math.inf, images, labels, labels, 10)
    assert every[0] == 10 and pixel_accuracy(every[1]) == 1
    assert once[0] == 10 / 8 and pixel_accuracy(once[2]) < 1


def test_the_page(clip):
    images, labels = clip
    found = list(pairs(images, labels, labels, every=1, farthest=3))
    lines = list(report(found, images, labels, labels, 10))
    assert lines[0].startswith("| distance") and sum("knee of" in line for line in lines) == 2
