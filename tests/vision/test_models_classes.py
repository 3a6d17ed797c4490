"""Class lists, and the way from one labelling to another."""

from __future__ import annotations

import numpy as np
import pytest

from rdct.vision import models


def test_palettes_are_distinct_and_read_only():
    for names, palette in (
        (models.CAMVID_CLASSES, models.CAMVID_PALETTE),
        (models.CITYSCAPES_CLASSES, models.CITYSCAPES_PALETTE),
    ):
        assert palette.shape == (len(names), 3) and palette.dtype == np.uint8
        assert len(np.unique(palette, axis=0)) == len(names) == len(set(names))
        assert not palette.flags.writeable


def test_label_ids_become_train_ids():
    ids = np.arange(256).astype(np.uint8).reshape(16, 16)
    found = models.cityscapes_train_ids(ids)
    assert found.dtype == np.uint8 and found.shape == ids.shape
    by_name = {7: "road", 8: "sidewalk", 11: "building", 17: "pole", 23: "sky", 26: "car", 33: "bicycle"}
    for label_id, name in by_name.items():
        assert models.CITYSCAPES_CLASSES[found.ravel()[label_id]] == name
    assert sorted(found[found != models.CITYSCAPES_VOID]) == list(range(19))
    # Ego vehicle, parking, rail track, guard rail, caravan, trailer, licence plate.
    assert (found.ravel()[[1, 9, 10, 14, 29, 30, 255]] == models.CITYSCAPES_VOID).all()


def test_cityscapes_folds_onto_camvid():
    folded = models.cityscapes_to_camvid(np.array([*range(20), 255], np.uint8))
    pairs = {
        "road": "Road",
        "sidewalk": "Pavement",
        "wall": "Building",
        "fence": "Fence",
        "pole": "Pole",
        "traffic light": "SignSymbol",
        "traffic sign": "SignSymbol",
        "terrain": "Tree",
        "sky": "Sky",
        "person": "Pedestrian",
        "rider": "Bicyclist",
        "train": "Car",
        "motorcycle": "Bicyclist",
    }
    for city, camvid in pairs.items():
        assert models.CAMVID_CLASSES[folded[models.CITYSCAPES_CLASSES.index(city)]] == camvid
    assert (folded[-2:] == models.CAMVID_VOID).all()
    assert set(folded.tolist()) == set(range(12))


def test_labels_of_the_wrong_kind():
    with pytest.raises(ValueError, match=r"hold 23.*cityscapes_train_ids"):
        models.cityscapes_to_camvid(np.array([[0, 23]], np.uint8))
    with pytest.raises(TypeError, match="label_ids must be uint8"):
        models.cityscapes_train_ids(np.zeros((2, 2)))
