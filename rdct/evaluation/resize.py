"""Working size: a network made for small pictures gets them resized, before every codec or after.

The one rule: a picture larger than the network's working size is shrunk to fit inside it, its shape
kept; a smaller one stays. Pixels are averaged by Pillow's antialiased triangle filter (what such
networks were trained and judged with), labels are taken from the nearest pixel. Every codec gets the
same picture, the small one or (mode "after") the large one; the record keeps both sizes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from rdct.vision.models import Model

__all__ = [
    "MODES", "Shrinking", "describe", "fitted", "mode_of", "resize_labels", "resize_picture", "split",
]  # fmt: skip

#: "working": shrunk to the network's working size, where it has one, before every codec; "after": coded
#: as they come, the decoded picture shrunk for the network; "full": coded and labelled as they come.
MODES = ("working", "after", "full")

Size = tuple[int, int]


def describe(working_size: Size | None, mode: str) -> str | None:
    """What records call it; None where pictures are taken as they come."""
    if mode == "full" or working_size is None:
        return None
    height, width = working_size
    found = f"to fit {width}x{height}, triangle filter"
    return f"after every codec {found}" if mode == "after" else found


def mode_of(described: str | None) -> str:
    """The mode behind a record's words."""
    if not described:
        return "full"
    return "after" if described.startswith("after ") else "working"


def split(working_size: Size | None, mode: str) -> tuple[Size | None, Size | None]:
    """The size to fit before every codec, and the one to fit between decoder and network."""
    return (working_size if mode == "working" else None), (working_size if mode == "after" else None)


class Shrinking:
    """A network that shrinks what it is shown: what plans are made for where pictures are coded whole.

    Parameters
    ----------
    model : Model
    working_size : (int, int)
        Height and width to fit. Logits are spread to the size of the picture, bilinearly.
    """

    def __init__(self, model: Model, working_size: Size) -> None:
        self._model, self._size = model, working_size

    def __getattr__(self, name: str) -> object:
        return getattr(self._model, name)

    def __call__(self, image: Tensor) -> Tensor:
        from torch.nn.functional import interpolate

        shape = tuple(image.shape[2:])
        small = fitted(shape, self._size)
        if small == shape:
            return self._model(image)
        shrunk = interpolate(image, small, mode="bilinear", antialias=True, align_corners=False)
        return interpolate(self._model(shrunk), shape, mode="bilinear", align_corners=False)


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
