# SPDX-License-Identifier: Apache-2.0
"""From regions to what the codec can send: cells of its region grid; and what was sent in which of them."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

import codec
from rdct.vision.regions import Region

__all__ = ["Memory", "block_differences", "inside", "pixels_of", "touched", "two_levels"]


def two_levels(quality: int = 75, ratio: float = 3.0) -> codec.TableSet:
    """JPEG's tables as level 0, for stream "high", and all their steps times `ratio` as level 1, for "low".

    Parameters
    ----------
    quality : int
        Of level 0, 1..100.
    ratio : float
        1 or more. Three is the one at which the two streams together cost least (docs/experiments/coding.md,
        "Refinement streams").
    """
    if not (math.isfinite(ratio) and ratio >= 1):
        raise ValueError(f"ratio must be 1 or more, got {ratio}")
    fine = codec.TableSet.ijg(quality).tables.astype(np.float64)
    return codec.TableSet(np.concatenate([fine, np.clip(np.rint(fine * ratio), 1, 4095)]).astype(np.uint16))


def touched(regions: Iterable[Region], size: tuple[int, int], region_blocks: int) -> np.ndarray:
    """The cells that hold a block touched by a region.

    Parameters
    ----------
    regions : iterable of Region
        In pixels of the picture.
    size : (int, int)
        H, W of the picture.
    region_blocks : int
        Side of a cell in 8 x 8 blocks.

    Returns
    -------
    numpy.ndarray
        bool, the shape of a level map.
    """
    cells = np.zeros(codec.map_shape(*size, region_blocks), bool)
    side = 8 * region_blocks
    for one in regions:
        inside = one.clipped(size)
        if inside.area > 0:
            rows = slice(int(inside.y0 // side), math.ceil(inside.y1 / side))
            columns = slice(int(inside.x0 // side), math.ceil(inside.x1 / side))
            cells[rows, columns] = True
    return cells


def inside(regions: Iterable[Region], size: tuple[int, int]) -> np.ndarray:
    """The pixels that a region covers, if only in part: bool ``[H, W]``."""
    pixels = np.zeros(size, bool)
    for one in regions:
        part = one.clipped(size)
        if part.area > 0:
            pixels[int(part.y0) : math.ceil(part.y1), int(part.x0) : math.ceil(part.x1)] = True
    return pixels


def pixels_of(cells: np.ndarray, size: tuple[int, int], region_blocks: int) -> np.ndarray:
    """The pixels of some cells: bool ``[H, W]``."""
    side = 8 * region_blocks
    return cells.repeat(side, axis=0)[: size[0]].repeat(side, axis=1)[:, : size[1]]


def block_differences(a: np.ndarray, b: np.ndarray, region_blocks: int) -> np.ndarray:
    """How much two pictures differ, cell by cell.

    Parameters
    ----------
    a, b : numpy.ndarray
        u8 ``[H, W, 3]`` of one size.
    region_blocks : int

    Returns
    -------
    numpy.ndarray
        float64, the shape of a level map: the largest mean absolute difference of an 8 x 8 block of the cell,
        0..255. A block, because what is small would vanish in the mean of a cell.
    """
    height, width = a.shape[:2]
    differences = np.abs(a.astype(np.int16) - b).sum(axis=2)
    rows, columns = np.arange(0, height, 8), np.arange(0, width, 8)
    sums = np.add.reduceat(np.add.reduceat(differences, rows, axis=0), columns, axis=1)
    counts = np.outer(np.diff(rows, append=height), np.diff(columns, append=width))
    means = sums / (3 * counts)
    of_rows = np.maximum.reduceat(means, np.arange(0, len(rows), region_blocks), axis=0)
    return np.maximum.reduceat(of_rows, np.arange(0, len(columns), region_blocks), axis=1)


class Memory:
    """The newest pixels of every cell that went in high quality, and with which serial. One picture large.

    Parameters
    ----------
    size : (int, int)
        H, W.
    region_blocks : int

    Attributes
    ----------
    picture : numpy.ndarray
        u8 ``[H, W, 3]``.
    serials : numpy.ndarray
        int64, the shape of a level map; 0 for never.
    """

    def __init__(self, size: tuple[int, int], region_blocks: int) -> None:
        self.size, self.region_blocks = size, region_blocks
        self.picture = np.zeros((*size, 3), np.uint8)
        self.serials = np.zeros(codec.map_shape(*size, region_blocks), np.int64)

    def put(self, picture: np.ndarray, cells: np.ndarray, serial: int) -> None:
        """Remember some cells of a picture, those not known from a later serial."""
        newer = cells & (serial > self.serials)
        self.serials[newer] = serial
        where = pixels_of(newer, self.size, self.region_blocks)
        self.picture[where] = picture[where]
