# SPDX-License-Identifier: Apache-2.0
"""One picture into bytes and back: how large, how good, and as what."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

import codec

__all__ = ["Still", "check_scale", "decode", "fitted", "reduced"]


@dataclass(frozen=True)
class Still:
    """How single pictures are coded.

    Attributes
    ----------
    quality : int
        Of JPEG's tables, 1..100.
    scale : float
        By which the sides are reduced first; more than 0, at most 1.
    coding : {"jpeg", "rdct"}
        A baseline JPEG file with Huffman tables of its own; a context-modelled rdct stream under one level.
    subsampling : {"420", "422", "444"}
    """

    quality: int = 75
    scale: float = 1.0
    coding: str = "jpeg"
    subsampling: str = "420"

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise ValueError(f"quality must be 1..100, got {self.quality}")
        check_scale(self.scale)
        if self.coding not in ("jpeg", "rdct"):
            raise ValueError(f"coding must be 'jpeg' or 'rdct', got {self.coding!r}")
        if self.subsampling not in ("420", "422", "444"):
            raise ValueError(f"subsampling must be '420', '422' or '444', got {self.subsampling!r}")

    def encode(self, image: np.ndarray) -> bytes:
        """A picture, u8 RGB ``[H, W, 3]``, as bytes that say all there is to know."""
        entropy = "huffman" if self.coding == "jpeg" else "context"
        return codec.encode(
            reduced(image, self.scale),
            quality=self.quality,
            format=self.coding,
            subsampling=self.subsampling,
            entropy=entropy,
        )


def check_scale(scale: float) -> None:
    """Raise a ValueError unless `scale` can be a Still's."""
    if not 0 < scale <= 1:
        raise ValueError(f"scale must be more than 0 and at most 1, got {scale}")


def decode(data: bytes, max_pixels: int, table_sets: tuple[codec.TableSet, ...] = ()) -> np.ndarray:
    """The picture as u8 RGB ``[H, W, 3]``. Raises codec's errors for what is damaged or beyond the limit."""
    image = codec.decode(data, table_sets=table_sets, max_pixels=max_pixels)
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def reduced(image: np.ndarray, scale: float, multiple: int = 1) -> np.ndarray:
    """The picture at `scale` of its sides, each a multiple of a number of pixels."""
    size = tuple(max(round(scale * side / multiple), 1) * multiple for side in image.shape[:2])
    if size == image.shape[:2]:
        return image
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def fitted(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture reduced, its proportions kept, to fit into `size` (H, W); never enlarged."""
    scale = min(size[0] / image.shape[0], size[1] / image.shape[1])
    return reduced(image, scale) if scale < 1 else image
