"""Class names and colours: those of CamVid, and stand-ins for networks that bring none."""

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
