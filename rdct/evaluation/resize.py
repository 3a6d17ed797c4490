"""Working size: a network made for small pictures gets them resized before every codec.

The one rule: a picture larger than the network's working size is shrunk to fit inside it, its shape
kept; a smaller one stays. Pixels are averaged by Pillow's antialiased triangle filter (what such
networks were trained and judged with), labels are taken from the nearest pixel. Every codec then
gets the same small picture; the record keeps both sizes.
"""

from __future__ import annotations

import numpy as np

__all__ = ["MODES", "describe", "fitted", "resize_labels", "resize_picture"]

#: "working": at the network's working size, where it has one; "full": pictures as they come.
MODES = ("working", "full")


def describe(working_size: tuple[int, int] | None, mode: str) -> str | None:
    """What records and tables call it; None where pictures are taken as they come."""
    if mode == "full" or working_size is None:
        return None
    height, width = working_size
    return f"to fit {width}x{height}, triangle filter"


def fitted(shape: tuple[int, ...], working_size: tuple[int, int] | None) -> tuple[int, int]:
    """Height and width of a picture after resizing: never larger, same aspect to within a pixel."""
    height, width = int(shape[0]), int(shape[1])
    if working_size is None:
        return height, width
    factor = min(1.0, working_size[0] / height, working_size[1] / width)
    return max(1, round(height * factor)), max(1, round(width * factor))


def resize_picture(image: np.ndarray, working_size: tuple[int, int] | None) -> np.ndarray:
    """RGB uint8 ``[H, W, 3]`` at its working size; the very array where nothing changes."""
    height, width = fitted(image.shape, working_size)
    if (height, width) == image.shape[:2]:
        return image
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def resize_labels(labels: np.ndarray, working_size: tuple[int, int] | None) -> np.ndarray:
    """Class indices ``[H, W]`` at the working size: that of the pixel under each new pixel's centre."""
    height, width = fitted(labels.shape, working_size)
    if (height, width) == labels.shape:
        return labels
    rows = (2 * np.arange(height) + 1) * labels.shape[0] // (2 * height)
    columns = (2 * np.arange(width) + 1) * labels.shape[1] // (2 * width)
    return labels[np.ix_(rows, columns)]
