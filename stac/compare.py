"""What plain JPEG needs for the same labels: `--compare`."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stac.pictures import as_rgb

if TYPE_CHECKING:
    from rdct.vision.models import Model

__all__ = ["JpegMatch", "jpeg_at_agreement"]

# Agreement is not monotone in quality: so many further qualities below the last good one are tried.
_LOOK_BELOW = 5


@dataclass(frozen=True)
class JpegMatch:
    """The smallest JPEG found on which a network's labels agree enough.

    Attributes
    ----------
    quality : int
        libjpeg's, 1..100.
    data : bytes
        The file.
    agreement : float
        What it reaches.
    """

    quality: int
    data: bytes
    agreement: float

    def __len__(self) -> int:
        return len(self.data)


def jpeg_at_agreement(
    image: np.ndarray,
    model: Model,
    agreement: float,
    *,
    raw_labels: np.ndarray | None = None,
    subsampling: str = "444",
) -> JpegMatch | None:
    """Find the smallest optimised JPEG whose labels agree at least so much with the raw picture's.

    Parameters
    ----------
    image : numpy.ndarray
        u8 RGB ``[H, W, 3]`` or grey ``[H, W]``.
    model : Model
    agreement : float
        0..1.
    raw_labels : numpy.ndarray, optional
        The network's labels of the raw picture, if known already.
    subsampling : {"444", "422", "420"}

    Returns
    -------
    JpegMatch or None
        Written and read by Pillow (libjpeg-turbo) with optimised Huffman tables; None if not even
        quality 100 agrees enough.
    """
    from grace.search import UnreachableError, smallest
    from rdct.vision import metrics
    from rdct.vision.models import labels

    if raw_labels is None:
        raw_labels = labels(model, as_rgb(image))
    tried: dict[int, JpegMatch] = {}

    def encode(quality: float) -> JpegMatch:
        quality = int(quality)
        if quality not in tried:
            data, decoded = _jpeg(image, quality, subsampling)
            tried[quality] = JpegMatch(
                quality, data, metrics.agreement(labels(model, as_rgb(decoded)), raw_labels)
            )
        return tried[quality]

    def accept(match: JpegMatch) -> bool:
        return match.agreement >= agreement

    try:
        found = smallest(encode, accept, 1, 100, start=75, coarser="down", integer=True)
    except UnreachableError:
        return max((match for match in tried.values() if accept(match)), key=len, default=None)
    lowest = found.data.quality
    quality = lowest - 1
    while quality >= 1 and lowest - quality <= _LOOK_BELOW:
        if accept(encode(quality)):
            lowest = quality
        quality -= 1
    return min((match for match in tried.values() if accept(match)), key=len)


def _jpeg(image: np.ndarray, quality: int, subsampling: str) -> tuple[bytes, np.ndarray]:
    from PIL import Image

    options = (
        {"subsampling": f"{subsampling[0]}:{subsampling[1]}:{subsampling[2]}"} if image.ndim == 3 else {}
    )
    out = io.BytesIO()
    Image.fromarray(image).save(out, "JPEG", quality=quality, optimize=True, **options)
    with Image.open(io.BytesIO(out.getvalue())) as decoded:
        return out.getvalue(), np.asarray(decoded)
