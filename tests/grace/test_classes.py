"""Weights of classes, by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from grace import coefficient_gradients, fisher_sensitivity, margin_sensitivity  # noqa: E402
from grace.classes import balanced_weights, class_counts, class_weights_of, load_weights  # noqa: E402


def test_balanced_by_hand():
    # Shares 0.75 and 0.25: each class is to weigh as much as the other, the mean over pixels being 1.
    weights = balanced_weights(np.array([300, 100]))
    np.testing.assert_allclose(weights, [2 / 3, 2])
    np.testing.assert_allclose(weights * [0.75, 0.25], 0.5)
    np.testing.assert_allclose(balanced_weights(np.array([0.75, 0.25]), 0.0), 1)
    # Roots: 1 / sqrt(0.64) : 1 / sqrt(0.36) = 1.25 : 1.667, over 0.64 * 1.25 + 0.36 * 1.667 = 1.4.
    np.testing.assert_allclose(balanced_weights(np.array([0.64, 0.36]), 0.5), [1.25 / 1.4, 1 / 0.6 / 1.4])


def test_absent_and_very_rare_classes_are_bounded():
    weights = balanced_weights(np.array([1_000_000, 1, 0]))
    assert weights[1] == weights[2] == pytest.approx(1000 * weights[0], rel=1e-5)


@pytest.mark.parametrize("shares", [[], [0, 0], [1, -1], [1, np.nan], [[1, 2]]])
def test_shares_that_are_none(shares):
    with pytest.raises(ValueError, match="shares must be numbers from 0"):
        balanced_weights(np.array(shares, float))


def test_counting():
    labels = np.array([[0, 0, 2], [1, 2, 255]], np.uint8)
    assert class_counts(labels, 4).tolist() == [2, 1, 2, 0]


def test_files(tmp_path):
    path = tmp_path / "weights.json"
    names = ("sky", "pole")
    path.write_text(json.dumps({"pole": 4}))
    assert load_weights(path, names).tolist() == [1, 4]
    path.write_text("[0.5, 2]")
    assert load_weights(path, names).tolist() == [0.5, 2]
    for text, message in (
        ("{", "no JSON"),
        ('{"tree": 1}', "no class 'tree'; the network has sky, pole"),
        ("[1]", "1 weights for 2 classes"),
        ("[1, -1]", "0 or more"),
        ("[0, 0]", "not all 0"),
        ("[1, true]", "list of numbers"),
        ('"even"', "list of numbers"),
        ("[1, NaN]", "finite"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message) as caught:
            load_weights(path, names)
        assert str(path) in str(caught.value)


def test_what_a_command_line_asks_for(toy):
    shares = np.array([0.4, 0.3, 0.2, 0.1])
    np.testing.assert_array_equal(class_weights_of("balanced", toy, shares), balanced_weights(shares))
    with pytest.raises(ValueError, match="stac-tables classes"):
        class_weights_of("balanced", toy, None)
    with pytest.raises(ValueError, match="counts 2 classes, the network has 4"):
        class_weights_of("balanced", toy, shares[:2])


def test_equal_weights_change_nothing_and_doubled_ones_double(toy, picture):
    image = picture(24, 32)
    for measure, factor in ((coefficient_gradients, 2), (fisher_sensitivity, 2), (margin_sensitivity, 2)):
        plain = measure(toy, image).planes[0]
        doubled = measure(toy, image, class_weights=np.full(4, 2.0)).planes[0]
        np.testing.assert_allclose(doubled, factor * plain, rtol=1e-4, atol=1e-12)


def test_a_class_without_weight_is_not_seen(toy, picture):
    """Sensitivity beyond the reach of every pixel of a counted class is 0."""
    image = picture(24, 120)
    labels = coefficient_gradients(toy, image).labels
    # The rarest class, and what lies more than the network's reach (3 pixels) from all of it.
    rare = np.argmin(
        np.bincount(labels.ravel(), minlength=4) + 10**6 * (np.bincount(labels.ravel(), minlength=4) == 0)
    )
    weights = np.zeros(4)
    weights[rare] = 1
    blocks = np.add.reduceat(np.add.reduceat(labels == rare, np.arange(0, 24, 8), 0), np.arange(0, 120, 8), 1)
    near = np.zeros_like(blocks, bool)
    for y, x in np.argwhere(blocks):
        near[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = True
    assert near.any() and not near.all()
    for measure in (coefficient_gradients, fisher_sensitivity, margin_sensitivity):
        plane = np.abs(measure(toy, image, class_weights=weights).planes[0])
        assert (plane[~near] == 0).all() and plane[blocks > 0].any()


@pytest.mark.parametrize("weights", [[1, 1], [1, 1, 1, -1], [1, 1, 1, np.inf]])
def test_wrong_weights(toy, picture, weights):
    with pytest.raises(ValueError, match="class_weights must be 4 numbers from 0"):
        coefficient_gradients(toy, picture(8, 8), class_weights=np.array(weights, float))
