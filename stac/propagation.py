"""What is known of a keyframe, carried to the current picture: labels, and the levels of its regions.

Steps 3 and 4 of the paper's Algorithm 2. Labels move pixel by pixel (`rdct.vision.warp`). Levels move by
vote: the centre of every block of a region looks up, through the same flow, the region it comes from, and
the majority's level is taken; of several the finest. What the keyframe did not show takes the level of what
is nearest to it, by the flow's nearest fill.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rdct.vision.compiled import compiled
from rdct.vision.flow import FlowAccumulator, FlowField
from rdct.vision.warp import warp_labels

__all__ = ["Propagated", "propagate", "propagate_levels", "propagate_levels_reference"]

_BLOCK = 8
_MAX_REGION_BLOCKS = 8


@dataclass(frozen=True)
class Propagated:
    """What a keyframe still says about the current picture.

    Attributes
    ----------
    labels : numpy.ndarray or None
        u8 ``[H, W]``, if labels were given.
    level_map : numpy.ndarray or None
        u8, one level a region, if levels were given.
    valid_share : float
        Share of the picture whose way back to the keyframe stayed inside the picture, 0..1; the rest
        was filled.
    """

    labels: np.ndarray | None = field(repr=False)
    level_map: np.ndarray | None = field(repr=False)
    valid_share: float


def _regions(level_map: np.ndarray, flow: FlowField, region_blocks: int) -> np.ndarray:
    if not 1 <= region_blocks <= _MAX_REGION_BLOCKS:
        raise ValueError(f"region_blocks must be 1..{_MAX_REGION_BLOCKS}, got {region_blocks}")
    side = _BLOCK * region_blocks
    wanted = (-(-flow.shape[0] // side), -(-flow.shape[1] // side))
    level_map = np.asarray(level_map)
    if level_map.dtype != np.uint8 or level_map.shape != wanted:
        raise ValueError(
            f"level_map must be u8 {list(wanted)} for {flow.shape[0]} rows of {flow.shape[1]} pixels in "
            f"regions of {region_blocks} blocks, got {level_map.dtype} {list(level_map.shape)}"
        )
    level_map = np.ascontiguousarray(level_map).view()
    level_map.flags.writeable = (
        False  # whatever the caller's is, so that loops are compiled for one kind only
    )
    return level_map


@compiled
def _vote(level_map, values, stride, height, width, region_blocks, moved):
    rows, columns = level_map.shape
    side = 8 * region_blocks
    block_rows, block_columns = -(-height // 8), -(-width // 8)
    votes = np.zeros(256, np.int64)
    for r in range(rows):
        for c in range(columns):
            best, most = 0, 0
            for by in range(r * region_blocks, min((r + 1) * region_blocks, block_rows)):
                for bx in range(c * region_blocks, min((c + 1) * region_blocks, block_columns)):
                    # The centre of a block that hangs over the edge may lie beyond it.
                    i = min((8 * by + 4) // stride, values.shape[0] - 1)
                    j = min((8 * bx + 4) // stride, values.shape[1] - 1)
                    y, x = 8 * by + 4 + np.float64(values[i, j, 1]), 8 * bx + 4 + np.float64(values[i, j, 0])
                    row = min(max(int(np.floor(y / side)), 0), rows - 1)
                    column = min(max(int(np.floor(x / side)), 0), columns - 1)
                    level = level_map[row, column]
                    votes[level] += 1
                    if votes[level] > most or (votes[level] == most and level < best):
                        best, most = level, votes[level]
            moved[r, c] = best
            votes[:] = 0


def propagate_levels(
    level_map: np.ndarray, flow: FlowField, valid: np.ndarray | None = None, *, region_blocks: int = 3
) -> np.ndarray:
    """Levels of a keyframe's regions, moved to the current picture.

    Parameters
    ----------
    level_map : numpy.ndarray
        u8, of the keyframe: `codec.map_shape(H, W, region_blocks)`.
    flow : FlowField
        Backward, from the current picture to the keyframe.
    valid : numpy.ndarray, optional
        bool, one value a cell of `flow`; invalid ones are filled first. Leave it out for a flow that is
        filled already (`FlowAccumulator.filled`).
    region_blocks : int
        Side R of a region in blocks of 8 pixels, 1..8.

    Returns
    -------
    numpy.ndarray
        u8 of the same shape: the level that most blocks of the region come from, of several the finest.
    """
    level_map = _regions(level_map, flow, region_blocks)
    if valid is not None:
        flow = flow.filled(valid)
    moved = np.empty_like(level_map)
    _vote(level_map, flow.values, flow.stride, *flow.shape, region_blocks, moved)
    return moved


def propagate_levels_reference(
    level_map: np.ndarray, flow: FlowField, valid: np.ndarray | None = None, *, region_blocks: int = 3
) -> np.ndarray:
    """`propagate_levels` in numpy."""
    level_map = _regions(level_map, flow, region_blocks)
    if valid is not None:
        flow = flow.filled(valid)
    side = _BLOCK * region_blocks
    rows, columns = level_map.shape
    # Centres of the blocks, from the upper left corner of the picture.
    y = _BLOCK * np.arange(-(-flow.shape[0] // _BLOCK))[:, None] + _BLOCK // 2
    x = _BLOCK * np.arange(-(-flow.shape[1] // _BLOCK))[None, :] + _BLOCK // 2
    i = np.minimum(y // flow.stride, flow.values.shape[0] - 1)
    j = np.minimum(x // flow.stride, flow.values.shape[1] - 1)
    step = flow.values[i, j].astype(np.float64)
    row = np.clip(np.floor((y + step[..., 1]) / side), 0, rows - 1).astype(np.int64)
    column = np.clip(np.floor((x + step[..., 0]) / side), 0, columns - 1).astype(np.int64)
    levels = level_map[row, column]
    moved = np.empty_like(level_map)
    for r in range(rows):
        for c in range(columns):
            inside = np.s_[
                r * region_blocks : (r + 1) * region_blocks, c * region_blocks : (c + 1) * region_blocks
            ]
            moved[r, c] = np.bincount(levels[inside].ravel()).argmax()
    return moved


def new_regions(
    valid: np.ndarray, shape: tuple[int, int], stride: int, *, region_blocks: int = 3
) -> np.ndarray:
    """Regions of the current picture that the keyframe did not show.

    Parameters
    ----------
    valid : numpy.ndarray
        bool, one value a cell of the flow: whether the way back stayed inside the picture.
    shape : (int, int)
        H, W of the picture.
    stride : int
        Of the flow.
    region_blocks : int
        Side R of a region in blocks of 8 pixels, 1..8.

    Returns
    -------
    numpy.ndarray
        bool, one value a region: at least half of its blocks' centres have no valid way back.
    """
    side = _BLOCK * region_blocks
    y, x = (_BLOCK * np.arange(-(-length // _BLOCK)) + _BLOCK // 2 for length in shape)
    # The centre of a block that hangs over the edge may lie beyond it.
    i, j = (np.minimum(at // stride, cells - 1) for at, cells in zip((y, x), valid.shape, strict=True))
    lost = ~valid[np.ix_(i, j)]
    starts = tuple(np.arange(0, _BLOCK * len(one), side) // _BLOCK for one in (y, x))
    count = np.add.reduceat(np.add.reduceat(lost.astype(np.int64), starts[0], 0), starts[1], 1)
    blocks = [np.diff(np.append(start, len(one))) for start, one in zip(starts, (y, x), strict=True)]
    return 2 * count >= np.outer(*blocks)


def propagate(
    keyframe_labels: np.ndarray | None,
    level_map: np.ndarray | None,
    accumulator: FlowAccumulator,
    *,
    region_blocks: int = 3,
    threads: int | None = None,
) -> Propagated:
    """What a keyframe says about the current picture.

    Parameters
    ----------
    keyframe_labels : numpy.ndarray or None
        u8 ``[H, W]``.
    level_map : numpy.ndarray or None
        u8, one level a region.
    accumulator : FlowAccumulator
        Of the way from that keyframe to here.
    region_blocks : int
        Side of a region in blocks, 1..8.
    threads : int, optional
        Default: as many as there are processors.
    """
    flow = accumulator.filled
    labels = None if keyframe_labels is None else warp_labels(keyframe_labels, flow, threads=threads)
    levels = None if level_map is None else propagate_levels(level_map, flow, region_blocks=region_blocks)
    return Propagated(labels, levels, accumulator.valid_share)
