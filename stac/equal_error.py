"""Levels from second-order sensitivity: every region errs alike, as far as it is wise to say.

Algorithm 1 (`stac.levels`) bounds the loss by |g| q / 2. Here a region costs, with steps q and errors
spread evenly over half a step either way,

    D = 1/2 sum over i of h_i q_i^2 / 12          h: `grace.fisher_sensitivity`

and would cost the same as all others if its steps were multiplied by sqrt(mean D / D). Sensitivities are
local, though, and estimated: going all the way overdoes it on some networks. So only a power of that
factor is taken, the *temper*:

    octaves(region) = -temper / 2 * log2(D(region) / mean D)

D being that of the middle level per coefficient. The level nearest to so many octaves from the middle one
is taken; the ladder's ends bound how far a region can go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stac.levels import Selection, checked_inputs, region_costs, selection_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grace.fisher import FisherSensitivity
    from grace.network_tables import NetworkTables
    from stac.ladder import GenericLadder

__all__ = ["TEMPER", "equal_error_levels"]

#: docs/experiments/beyond.md says how it was found.
TEMPER = 0.6
# Less than this share of the mean is as good as nothing, and has no logarithm to speak of.
_FLOOR = 1e-6


def equal_error_levels(
    sensitivity: FisherSensitivity,
    tables: NetworkTables | GenericLadder | tuple[np.ndarray, float | None],
    *,
    image_shape: Sequence[int] | None = None,
    scale: float = 1.0,
    region_blocks: int = 3,
    temper: float = TEMPER,
) -> Selection:
    """Choose the level of every region of a picture from second-order sensitivity.

    Parameters
    ----------
    sensitivity : FisherSensitivity
        From `grace.fisher_sensitivity`.
    tables, image_shape, scale, region_blocks
        As for `select_levels`; the budget is not asked for.
    temper : float
        0..1. 0 gives the middle level everywhere, 1 equal errors as far as the ladder reaches.

    Returns
    -------
    Selection
        Its sums are of D: `target_sum` what the middle level throughout would cost, `rho` a region's
        D per coefficient over the mean.
    """
    if not 0 <= temper <= 1:
        raise ValueError(f"temper is {temper}, outside 0..1")
    planes, steps, _, shape = checked_inputs(sensitivity, tables, image_shape, scale, region_blocks)
    # `region_costs` sums |plane| * steps / 2, so squares over 12 in place of steps make it D.
    cost, count = region_costs(planes, np.square(steps, dtype=np.float64) / 12, shape, region_blocks)
    middle = steps.shape[0] // 2
    mean = cost[..., middle].sum() / count.sum()
    target = mean * count
    if mean > 0:
        rho = np.maximum(cost[..., middle] / target, _FLOOR)
        wanted = -temper / 2 * np.log2(rho)
    else:
        wanted = np.zeros(shape)
    ladder = _octaves(tables)
    # argmin returns the first, so the finer, of equals.
    levels = np.abs(ladder - wanted[..., None]).argmin(-1)
    return selection_of(levels, cost, target)


def _octaves(tables: NetworkTables | GenericLadder | tuple[np.ndarray, float | None]) -> np.ndarray:
    """How far each level lies from the middle one, float64 ``[L]``: the mean over its steps."""
    base = tables[0] if isinstance(tables, tuple) else tables.table_set.tables
    logs = np.log2(np.asarray(base, np.float64)).mean((1, 2, 3))
    return logs - logs[len(logs) // 2]
