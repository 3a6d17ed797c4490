"""Algorithm 1 of STAC: one level per region, so that every region costs its share of the budget.

Notation of the paper (docs/architecture.md says "level" for l): g_i = dQ/ds_i is the gradient of
the task loss with respect to DCT coefficient i, q_i its quantisation step, so |g_i| q_i / 2 bounds
to first order what rounding that coefficient can add to the loss. Level l has steps q^l and, over
the whole picture, the budget B_l; the middle level L/2 carries the budget B itself.

    for each region R:
        target = B n_R / M           n_R of the picture's M coefficients lie in R
        for each level l:  D_l = sum over i in R of |g_i| q^l_i / 2
        level(R) = the l that brings D_l closest to target

`select_levels` does this for all regions at once, `select_levels_loop` as printed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grace.gradients import CoefficientGradients
    from grace.network_tables import NetworkTables
    from stac.ladder import GenericLadder

__all__ = [
    "Selection",
    "closed_form_levels",
    "region_index",
    "select_levels",
    "select_levels_loop",
    "steps_at_scale",
]

Mode = Literal["closest", "floor"]

MAX_STEP = 4095
# A region whose gradient sum is below this share of its target has no gradient worth the name.
_DEAD = 1e-9


@dataclass(frozen=True)
class Selection:
    """What Algorithm 1 chose for one picture, and how well it met the budget.

    Attributes
    ----------
    level_map : numpy.ndarray
        u8 ``[rows, cols]``; 0 is the finest level.
    realised_sum : float
        Sum over all regions of D at the chosen level: the first-order bound on the loss increase.
    target_sum : float
        What the regions were meant to sum to: the budget, at the scale in use. "closest" may
        overshoot it; the finest and coarsest level also miss it where they are not enough.
    rho : numpy.ndarray
        f32 ``[rows, cols]``: how sensitive a region is, as D at the middle level over its target.
        1 is what the table set expects; 0 where the network has no gradient at all.
    ln_rho_std : float
        Standard deviation of ln(rho) over the regions with rho > 0 (NaN without any). Adaptive
        levels save about 0.72 of its square in bits per significant coefficient.
    """

    level_map: np.ndarray
    realised_sum: float
    target_sum: float
    rho: np.ndarray
    ln_rho_std: float

    @property
    def overshoot(self) -> float:
        """``realised_sum / target_sum - 1``."""
        return self.realised_sum / self.target_sum - 1 if self.target_sum else float("nan")


def region_index(blocks: int, factor: int, region_blocks: int, regions: int) -> np.ndarray:
    """Index of the region that each block of a plane belongs to, along one axis.

    Parameters
    ----------
    blocks : int
        Number of blocks of the plane along this axis, padding blocks included.
    factor : int
        1, or 2 where the plane is subsampled along this axis.
    region_blocks : int
        Side of a region in luma blocks.
    regions : int
        Number of regions along this axis; blocks beyond the last count in it.

    Returns
    -------
    numpy.ndarray
        int64 ``[blocks]``, ascending.

    Notes
    -----
    The centre of block x lies at luma sample ``8 factor (x + 1/2)``; a region is
    ``8 region_blocks`` samples wide (docs/bitstream.md, section 2).
    """
    x = np.arange(blocks, dtype=np.int64)
    return np.minimum(factor * (2 * x + 1) // (2 * region_blocks), regions - 1)


def steps_at_scale(tables: np.ndarray, scale: float, max_step: int = MAX_STEP) -> np.ndarray:
    """The steps a decoder uses: tables times scale, rounded and clamped as the stream says.

    Parameters
    ----------
    tables : numpy.ndarray
        u16, any shape, or float, which is scaled without rounding or clamping (for tests).
    scale : float
        Rounded to a multiple of 1/256.
    max_step : int
        4095 in rdct streams, 255 in JPEG files.

    Returns
    -------
    numpy.ndarray
        int64 of the same shape (float64 for float tables).
    """
    q8 = scale_q8(scale)
    tables = np.asarray(tables)
    if tables.dtype.kind == "f":
        return tables.astype(np.float64) * (q8 / 256)
    return np.clip((tables.astype(np.int64) * q8 + 128) >> 8, 1, max_step)


def scale_q8(scale: float) -> int:
    """The scale as the stream stores it: Q8.8, 1..65535."""
    q8 = round(float(scale) * 256) if 0 < scale < 256 else 0
    if not 1 <= q8 <= 65535:
        raise ValueError(f"scale is {scale}, outside 1/256..65535/256")
    return q8


def select_levels(
    gradients: CoefficientGradients,
    tables: NetworkTables | GenericLadder | tuple[np.ndarray, float | None],
    *,
    image_shape: Sequence[int] | None = None,
    scale: float = 1.0,
    region_blocks: int = 3,
    mode: Mode = "closest",
) -> Selection:
    """Choose the level of every region of a picture (Algorithm 1).

    Parameters
    ----------
    gradients : CoefficientGradients
        From `grace.coefficient_gradients`: per component f32 ``[by, bx, 8, 8]`` over whole MCUs.
        One component for a grey picture, three otherwise; the subsampling shows in their shapes.
    tables : NetworkTables, GenericLadder or (steps, budget)
        Steps u16 ``[L, 3, 8, 8]`` in natural order, growing with the level, and the budget B of
        the middle level L // 2, both at scale 1. Budget None means: what the middle level costs
        on this very picture.
    image_shape : sequence of int, optional
        Height, width, ...; by default those that the gradients say.
    scale : float
        Multiplies steps and budget alike.
    region_blocks : int
        Side of a region in luma blocks, 1..8.
    mode : {"closest", "floor"}
        "closest": the level whose D is nearest to the target, linearly; ties go to the finer one.
        "floor": the coarsest level whose D does not exceed the target, the finest if none does.
        Both give a region without any gradient the coarsest level.

    Returns
    -------
    Selection

    Notes
    -----
    M counts the coded coefficients of all planes, padding blocks included, so the targets sum to B.
    Only a grey picture gets a third of a table set's budget: B is meant for three planes, and with
    all of it on one plane most regions would want levels coarser than there are.
    """
    planes, steps, share, shape = checked_inputs(gradients, tables, image_shape, scale, region_blocks)
    _check_mode(mode)
    cost, count = region_costs(planes, steps, shape, region_blocks)
    if share is None:
        share = cost[..., steps.shape[0] // 2].sum() / count.sum()
    target = share * count
    if mode == "closest":
        # argmin returns the first, so the finer, of equals.
        levels = np.abs(cost - target[..., None]).argmin(-1)
        levels[cost[..., -1] <= _DEAD * target] = steps.shape[0] - 1
    else:
        fits = cost <= target[..., None]
        coarsest = steps.shape[0] - 1 - fits[..., ::-1].argmax(-1)
        levels = np.where(fits.any(-1), coarsest, 0)
    return selection_of(levels, cost, target)


def select_levels_loop(
    gradients: CoefficientGradients,
    tables: NetworkTables | GenericLadder | tuple[np.ndarray, float | None],
    *,
    image_shape: Sequence[int] | None = None,
    scale: float = 1.0,
    region_blocks: int = 3,
    mode: Mode = "closest",
) -> Selection:
    """The same as `select_levels`, in the loops the paper prints: the reference, and slow."""
    planes, steps, share, shape = checked_inputs(gradients, tables, image_shape, scale, region_blocks)
    _check_mode(mode)
    levels_total = steps.shape[0]
    members: dict[tuple[int, int], list[tuple[int, np.ndarray]]] = {
        (row, col): [] for row in range(shape[0]) for col in range(shape[1])
    }
    for component, plane in enumerate(planes):
        fy = planes[0].shape[0] // plane.shape[0]
        fx = planes[0].shape[1] // plane.shape[1]
        for y in range(plane.shape[0]):
            for x in range(plane.shape[1]):
                # The luma sample at the block's centre, and the region that holds it.
                row = min((8 * fy * y + 4 * fy) // (8 * region_blocks), shape[0] - 1)
                col = min((8 * fx * x + 4 * fx) // (8 * region_blocks), shape[1] - 1)
                members[row, col].append((component, np.abs(plane[y, x], dtype=np.float64)))
    if share is None:
        middle = steps[levels_total // 2]
        blocks = [block for region in members.values() for block in region]
        share = sum((g * middle[c]).sum() / 2 for c, g in blocks) / (64 * len(blocks))

    levels = np.zeros(shape, np.int64)
    cost = np.zeros((*shape, levels_total))
    target = np.zeros(shape)
    for (row, col), blocks in members.items():
        target[row, col] = share * 64 * len(blocks)
        best = None
        for level in range(levels_total):
            cost[row, col, level] = sum((g * steps[level, c]).sum() / 2 for c, g in blocks)
            miss = abs(cost[row, col, level] - target[row, col])
            if mode == "closest":
                if best is None or miss < best:
                    best, levels[row, col] = miss, level
            elif cost[row, col, level] <= target[row, col]:
                levels[row, col] = level
        if cost[row, col, -1] <= _DEAD * target[row, col]:
            levels[row, col] = levels_total - 1
    return selection_of(levels, cost, target)


def closed_form_levels(rho: np.ndarray, budgets: Sequence[float], budget: float) -> np.ndarray:
    """What Algorithm 1 comes to where no step is rounded or clipped: the test oracle.

    With q^l = 2 B_l / (M gbar) a region costs D_l = B_l rho n_R / M, where rho is the mean of
    |g| / gbar over its coefficients; so it wants the budget B / rho, and gets the level nearest to
    that.

    Parameters
    ----------
    rho : numpy.ndarray
        ``[rows, cols]``.
    budgets : sequence of float
        B_l of each level, ascending.
    budget : float
        B.

    Returns
    -------
    numpy.ndarray
        u8 ``[rows, cols]``.
    """
    rho = np.asarray(rho, np.float64)
    wanted = np.divide(budget, rho, out=np.full(rho.shape, np.inf), where=rho > 0)
    budgets = np.asarray(budgets, np.float64)
    miss = np.abs(budgets - np.minimum(wanted, 2 * budgets[-1] + budget)[..., None])
    return miss.argmin(-1).astype(np.uint8)


def _check_mode(mode: str) -> None:
    if mode not in ("closest", "floor"):
        raise ValueError(f"mode is {mode!r}; use 'closest' or 'floor'")


def checked_inputs(
    gradients: CoefficientGradients,
    tables: object,
    image_shape: Sequence[int] | None,
    scale: float,
    region_blocks: int,
) -> tuple[list[np.ndarray], np.ndarray, float | None, tuple[int, int]]:
    """Checked: planes, steps at scale [L, C, 8, 8], budget of one coefficient, map shape."""
    if not 1 <= region_blocks <= 8:
        raise ValueError(f"region_blocks is {region_blocks}, outside 1..8")
    planes = [np.asarray(plane) for plane in gradients.planes]
    if len(planes) not in (1, 3) or any(p.ndim != 4 or p.shape[2:] != (8, 8) for p in planes):
        found = ", ".join(str(p.shape) for p in planes)
        raise ValueError(f"gradients must be 1 or 3 planes [by, bx, 8, 8], got {found}")
    if image_shape is None:
        image_shape = gradients.height, gradients.width
    height, width = int(image_shape[0]), int(image_shape[1])
    by, bx = -(-height // 8), -(-width // 8)
    if planes[0].shape[0] not in (by, by + 1) or planes[0].shape[1] not in (bx, bx + 1):
        raise ValueError(
            f"gradients of {planes[0].shape[:2]} luma blocks do not belong to a picture of "
            f"{width}x{height} pixels, which has {(by, bx)}"
        )
    if isinstance(tables, tuple):
        base, budget = tables
        total = sum(plane.size for plane in planes)
    else:
        base, budget = tables.table_set.tables, tables.budget
        total = sum(plane.size for plane in planes) * (3 // len(planes))
    base = np.asarray(base)
    if base.ndim != 4 or base.shape[1:] != (3, 8, 8):
        raise ValueError(f"steps must be [L, 3, 8, 8], got {base.shape}")
    if budget is not None and not budget > 0:
        raise ValueError(f"budget is {budget}; it must be positive")
    steps = steps_at_scale(base, scale)[:, : len(planes)]
    share = None if budget is None else budget * (scale_q8(scale) / 256) / total
    shape = (-(-by // region_blocks), -(-bx // region_blocks))
    return planes, steps, share, shape


def region_costs(
    planes: list[np.ndarray], steps: np.ndarray, shape: tuple[int, int], region_blocks: int
) -> tuple[np.ndarray, np.ndarray]:
    """D of every region and level f64 [rows, cols, L], and coefficients per region [rows, cols]."""
    cost = np.zeros((*shape, steps.shape[0]))
    count = np.zeros(shape, np.int64)
    for component, plane in enumerate(planes):
        fy = planes[0].shape[0] // plane.shape[0]
        fx = planes[0].shape[1] // plane.shape[1]
        rows, row_start, row_count = np.unique(
            region_index(plane.shape[0], fy, region_blocks, shape[0]),
            return_index=True,
            return_counts=True,
        )
        cols, col_start, col_count = np.unique(
            region_index(plane.shape[1], fx, region_blocks, shape[1]),
            return_index=True,
            return_counts=True,
        )
        weight = np.add.reduceat(np.abs(plane, dtype=np.float64), row_start, axis=0)
        weight = np.add.reduceat(weight, col_start, axis=1)
        at = np.ix_(rows, cols)
        cost[at] += np.tensordot(weight, steps[:, component] / 2, axes=((2, 3), (1, 2)))
        count[at] += 64 * np.outer(row_count, col_count)
    return cost, count


def selection_of(levels: np.ndarray, cost: np.ndarray, target: np.ndarray) -> Selection:
    """What those levels come to, from the costs ``[rows, cols, L]`` and targets ``[rows, cols]``."""
    middle = cost[..., cost.shape[-1] // 2]
    rho = np.divide(middle, target, out=np.zeros_like(middle), where=target > 0)
    live = rho[rho > _DEAD]
    return Selection(
        level_map=levels.astype(np.uint8),
        realised_sum=float(np.take_along_axis(cost, levels[..., None], -1).sum()),
        target_sum=float(target.sum()),
        rho=rho.astype(np.float32),
        ln_rho_std=float(np.log(live).std()) if live.size else float("nan"),
    )
