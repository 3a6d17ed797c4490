# SPDX-License-Identifier: Apache-2.0
"""Pictures made from integers alone, so that every machine and every numpy makes the same ones."""

import numpy as np


def _hash(*parts: np.ndarray | int) -> np.ndarray:
    """A well-mixed uint32 for each position: parts are broadcast against each other."""
    mixed = np.uint32(0x9E3779B9)
    for part in parts:
        with np.errstate(over="ignore"):
            mixed = (mixed ^ np.asarray(part).astype(np.uint32)) * np.uint32(0x85EBCA6B)
            mixed = (mixed ^ (mixed >> np.uint32(13))) * np.uint32(0xC2B2AE35)
            mixed = mixed ^ (mixed >> np.uint32(16))
    return mixed


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """uint8 [H,W,3], [H,W] for one channel: independent values."""
    y, x, c = np.ogrid[:height, :width, :channels]
    image = (_hash(seed, y, x, c) >> np.uint32(24)).astype(np.uint8)
    return np.ascontiguousarray(image[:, :, 0] if channels == 1 else image)


def slope(height: int, width: int, channels: int = 3) -> np.ndarray:
    """uint8 [H,W,3], [H,W] for one channel: a gentle ramp in every channel."""
    y, x, c = np.ogrid[:height, :width, :channels]
    image = (40 + 30 * c + (2 + c) * x + (3 - c) * y).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(image[:, :, 0] if channels == 1 else image)


def street(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """uint8 [H,W,3], [H,W] for one channel: slopes, edges, discs, texture and a little noise."""
    y, x = np.mgrid[:height, :width].astype(np.int64)
    c = np.arange(channels)
    image = (
        60
        + (x[..., None] * (90 + 20 * c)) // max(width, 1)
        + (y[..., None] * (70 - 25 * c)) // max(height, 1)
    )
    for i in range(10):
        left, top, size, tone = (int(_hash(seed, i, k)) for k in range(4))
        left, top, size = (
            left % max(width, 1),
            top % max(height, 1),
            2 + size % max(min(width, height) // 3, 1),
        )
        colour = (tone >> (8 * c % 24)) & 0xFF
        if i % 3 == 0:
            inside = (x - left) ** 2 + (y - top) ** 2 < size * size
        elif i % 3 == 1:
            inside = (abs(x - left) < size) & (abs(y - top) < 2 * size)
        else:
            inside = abs((x - left) + 2 * (y - top)) < max(size // 6, 2)
        image[inside] = (image[inside] + 3 * colour) // 4
    texture = ((x * 5 + y * 3) % 16 - 8)[..., None] * (y[..., None] * 3 > 2 * height)
    grain = (_hash(seed, 99, y[..., None], x[..., None], c) >> np.uint32(28)).astype(np.int64) - 8
    image = np.clip(image + texture + grain // 2, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(image[:, :, 0] if channels == 1 else image)


def levels(rows: int, cols: int, count: int, seed: int = 0, skip: int = 0) -> np.ndarray:
    """uint8 [rows, cols]: smooth random levels 0..count-1, with `skip` of 8 regions SKIP (255)."""
    y, x = np.mgrid[:rows, :cols]
    coarse = _hash(seed, y // 3, x // 3) % np.uint32(max(count, 1))
    fine = _hash(seed, 7, y, x) % np.uint32(3)
    values = np.clip(coarse.astype(np.int64) + fine.astype(np.int64) - 1, 0, count - 1)
    # Patches that straddle the pairs of 4:2:0, so that chroma blocks see SKIP and levels mixed.
    values[_hash(seed, 11, (y + 1) // 2, (x + 1) // 2) % np.uint32(8) < skip] = 255
    return values.astype(np.uint8)
