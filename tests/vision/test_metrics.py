"""Metrics against numbers worked out by hand."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from rdct.vision import metrics

PRED = np.array([[0, 0, 1], [1, 2, 2]])
REF = np.array([[0, 1, 1], [1, 2, 0]])


def test_confusion_counts_rows_by_reference():
    expected = [[1, 0, 1, 0], [1, 2, 0, 0], [0, 0, 1, 0]]
    assert metrics.confusion(PRED, REF, 3).tolist() == expected


def test_confusion_leaves_ignored_pixels_out():
    ref = np.where(REF == 2, 255, REF)
    assert metrics.confusion(PRED, ref, 2).sum() == 5
    ref = np.where(REF == 2, 11, REF)
    assert metrics.confusion(PRED, ref, 2, ignore=11).sum() == 5


def test_a_prediction_outside_the_classes_is_a_miss():
    matrix = metrics.confusion(np.array([0, 11]), np.array([0, 0]), 2, ignore=11)
    assert matrix.tolist() == [[1, 0, 1], [0, 0, 0]]
    assert metrics.iou_per_class(matrix)[0] == 0.5


def test_iou_and_miou():
    matrix = metrics.confusion(PRED, REF, 3)
    np.testing.assert_allclose(metrics.iou_per_class(matrix), [1 / 3, 2 / 3, 1 / 2])
    assert metrics.miou(matrix) == pytest.approx(0.5)
    assert metrics.pixel_accuracy(matrix) == pytest.approx(4 / 6)


def test_absent_classes_do_not_count():
    matrix = metrics.confusion(PRED, REF, 5)
    assert np.isnan(metrics.iou_per_class(matrix)[3:]).all()
    assert metrics.miou(matrix) == pytest.approx(0.5)


def test_one_matrix_over_all_pictures_is_not_a_mean_of_scores():
    first = metrics.confusion(np.array([0, 0, 0, 0]), np.array([0, 0, 0, 1]), 2)
    second = metrics.confusion(np.array([1]), np.array([1]), 2)
    assert metrics.miou(first + second) == pytest.approx((3 / 4 + 1 / 2) / 2)


def test_miou_of_nothing_is_nan():
    assert np.isnan(metrics.miou(np.zeros((3, 3), int)))
    assert np.isnan(metrics.pixel_accuracy(np.zeros((3, 3), int)))


def test_agreement():
    assert metrics.agreement(PRED, REF) == pytest.approx(4 / 6)
    assert metrics.agreement(PRED, PRED) == 1.0
    assert metrics.miou_agreement(PRED, PRED, 3) == 1.0
    assert metrics.miou_agreement(PRED, REF, 3) == pytest.approx(0.5)


def test_psnr():
    a = np.zeros((4, 4), np.uint8)
    assert metrics.psnr(a, a) == float("inf")
    # uint8 differences must not wrap around.
    assert metrics.psnr(a, a + 255) == pytest.approx(0.0)
    assert metrics.psnr(a + 5, a) == pytest.approx(20 * np.log10(51))
    assert metrics.psnr(np.zeros(4), np.full(4, 0.1), peak=1.0) == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: metrics.confusion(PRED, REF[:1], 3), ValueError, "shapes must match"),
        (lambda: metrics.confusion(PRED, REF, 0), ValueError, "num_classes"),
        (lambda: metrics.confusion(PRED, REF, 2), ValueError, "label 2"),
        (lambda: metrics.confusion(PRED * 1.0, REF, 3), TypeError, "integer"),
        (lambda: metrics.confusion(PRED[:0], REF[:0], 3), ValueError, "empty"),
        (lambda: metrics.iou_per_class(np.zeros((2, 5))), ValueError, "confusion matrix"),
        (lambda: metrics.agreement(PRED, REF.T), ValueError, "shapes must match"),
        (lambda: metrics.psnr(PRED, REF.T), ValueError, "shapes must match"),
        (lambda: metrics.psnr(PRED, REF, peak=0), ValueError, "peak"),
    ],
)
def test_errors_name_the_rule(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("module", ["rdct.vision", "rdct.vision.metrics", "rdct.vision.models"])
def test_importing_it_does_not_import_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules or 'cv2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
