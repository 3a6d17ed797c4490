"""Class names and colours: CamVid, Cityscapes, and stand-ins for networks that bring none."""

from __future__ import annotations

import colorsys

import numpy as np

#: CamVid in SegNet's order; label 11 is void and counts nowhere.
CAMVID_CLASSES = (
    "Sky",
    "Building",
    "Pole",
    "Road",
    "Pavement",
    "Tree",
    "SignSymbol",
    "Fence",
    "Car",
    "Pedestrian",
    "Bicyclist",
)
CAMVID_VOID = 11

#: u8 [11, 3], the colours CamVid papers print.
CAMVID_PALETTE = np.array(
    [
        (128, 128, 128),
        (128, 0, 0),
        (192, 192, 128),
        (128, 64, 128),
        (60, 40, 222),
        (128, 128, 0),
        (192, 128, 128),
        (64, 64, 128),
        (64, 0, 128),
        (64, 64, 0),
        (0, 128, 192),
    ],
    np.uint8,
)
CAMVID_PALETTE.setflags(write=False)

#: Cityscapes in the order of its trainIds, 0..18.
CITYSCAPES_CLASSES = (
    "road",
    "sidewalk",
    "building",
    "wall",
    "fence",
    "pole",
    "traffic light",
    "traffic sign",
    "vegetation",
    "terrain",
    "sky",
    "person",
    "rider",
    "car",
    "truck",
    "bus",
    "train",
    "motorcycle",
    "bicycle",
)
#: The label of pixels that count nowhere, as in the data set's own trainId files.
CITYSCAPES_VOID = 255

#: u8 [19, 3], the data set's own colours.
CITYSCAPES_PALETTE = np.array(
    [
        (128, 64, 128),
        (244, 35, 232),
        (70, 70, 70),
        (102, 102, 156),
        (190, 153, 153),
        (153, 153, 153),
        (250, 170, 30),
        (220, 220, 0),
        (107, 142, 35),
        (152, 251, 152),
        (70, 130, 180),
        (220, 20, 60),
        (255, 0, 0),
        (0, 0, 142),
        (0, 0, 70),
        (0, 60, 100),
        (0, 80, 100),
        (0, 0, 230),
        (119, 11, 32),
    ],
    np.uint8,
)
CITYSCAPES_PALETTE.setflags(write=False)

#: The labelIds that the trainIds 0..18 stand for.
_LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
# The CamVid class that comes nearest to each trainId.
_CAMVID_OF_CITYSCAPES = (3, 4, 1, 1, 7, 2, 6, 6, 5, 5, 0, 9, 10, 8, 8, 8, 8, 10, 10)


def cityscapes_train_ids(label_ids: np.ndarray) -> np.ndarray:
    """The trainIds that networks answer, from a ``gtFine_labelIds`` picture.

    Parameters
    ----------
    label_ids : numpy.ndarray
        uint8, any shape: the data set's labelIds 0..33, or 255 for its -1.

    Returns
    -------
    numpy.ndarray
        uint8 of the same shape: 0..18, `CITYSCAPES_VOID` where a pixel counts nowhere.
    """
    table = np.full(256, CITYSCAPES_VOID, np.uint8)
    table[list(_LABEL_IDS)] = np.arange(len(_LABEL_IDS))
    return table[_as_bytes("label_ids", label_ids)]


def cityscapes_to_camvid(train_ids: np.ndarray) -> np.ndarray:
    """Fold Cityscapes labels onto the CamVid classes that come nearest.

    Walls become buildings, terrain trees, every vehicle a car, riders and motorcycles bicyclists.

    Parameters
    ----------
    train_ids : numpy.ndarray
        uint8, any shape: 0..18; 19, the background of networks with 20 outputs; `CITYSCAPES_VOID`.

    Returns
    -------
    numpy.ndarray
        uint8 of the same shape: CamVid's 0..10; `CAMVID_VOID` for background and void.

    Raises
    ------
    ValueError
        Any other label.
    """
    train_ids = _as_bytes("train_ids", train_ids)
    count = len(_CAMVID_OF_CITYSCAPES)
    wrong = train_ids[(train_ids > count) & (train_ids != CITYSCAPES_VOID)]
    if wrong.size:
        raise ValueError(
            f"train_ids hold {wrong[0]}, which is neither 0..{count} nor {CITYSCAPES_VOID}; "
            "labelIds go through cityscapes_train_ids first"
        )
    table = np.full(256, CAMVID_VOID, np.uint8)
    table[:count] = _CAMVID_OF_CITYSCAPES
    return table[train_ids]


def _as_bytes(name: str, labels: np.ndarray) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.dtype != np.uint8:
        raise TypeError(f"{name} must be uint8, got dtype {labels.dtype}")
    return labels


def default_names(count: int) -> tuple[str, ...]:
    """Names "class 0".. for a network that brings none."""
    return tuple(f"class {index}" for index in range(count))


def default_palette(count: int) -> np.ndarray:
    """u8 ``[count, 3]`` colours that differ well from one index to the next.

    Hues step by the golden ratio, so that any prefix of the list is well spread.
    """
    colours = [
        colorsys.hsv_to_rgb(index * 0.6180339887 % 1.0, 0.85 - 0.3 * (index % 2), 0.95 - 0.25 * (index % 3))
        for index in range(count)
    ]
    return np.round(np.array(colours, np.float64).reshape(count, 3) * 255).astype(np.uint8)
