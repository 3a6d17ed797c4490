"""Levels without a server: what the picture's own coefficients foretell, in integers throughout.

A table set may bring a predictor of region sensitivity (`grace.predictor`). What it foretells takes the
place of the Fisher sensitivity in the rule of `stac.equal_error`; no network is asked and no floating point
decides, so that any machine gives the same levels. For pictures encoded away from any server, for the first
frame of a session, and for what comes into view later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stac.equal_error import TEMPER
from stac.levels import Selection

if TYPE_CHECKING:
    import codec
    from grace.predictor import SensitivityPredictor

__all__ = ["levels_of_prediction", "predicted_levels"]

# One unit of a sum of logarithms is 1/256 octave of one of 192 steps; a temper has 8 fractional bits.
_STEPS, _Q8 = 192, 256


def predicted_levels(
    image: np.ndarray,
    predictor: SensitivityPredictor,
    table_set: codec.TableSet,
    *,
    temper: float = TEMPER,
    encoder: codec.Encoder | None = None,
) -> Selection:
    """Choose the level of every region of a picture from its own coefficients.

    Parameters
    ----------
    image : numpy.ndarray
        u8 RGB ``[H, W, 3]`` or grey ``[H, W]``.
    predictor : grace.predictor.SensitivityPredictor
        That of the table set; it also says the side of a region.
    table_set : codec.TableSet
        Its ladder is what levels are chosen from.
    temper : float
        0..1, as for `stac.equal_error_levels`; rounded to a multiple of 1/256.
    encoder : codec.Encoder, optional
        Whose threads do the transform.

    Returns
    -------
    Selection
        Its sums count regions: `target_sum` what the middle level throughout is foretold to cost, `rho` the
        foretold D of a region over the mean.
    """
    from grace.region_features import region_features

    foretold = predictor(region_features(image, predictor.region_blocks, encoder=encoder))
    return levels_of_prediction(foretold, table_set, temper=temper)


def levels_of_prediction(
    foretold: np.ndarray, table_set: codec.TableSet, *, temper: float = TEMPER
) -> Selection:
    """The rule of `stac.equal_error` in integers.

    Parameters
    ----------
    foretold : numpy.ndarray
        int64 ``[rows, cols]``: 256 log2(D / mean D).
    table_set, temper
        As for `predicted_levels`.
    """
    if not 0 <= temper <= 1:
        raise ValueError(f"temper is {temper}, outside 0..1")
    ladder = _ladder(table_set)
    # Both sides in 1/512 of a unit: octaves wanted are -temper / 2 times the logarithm.
    wanted = -round(temper * _Q8) * _STEPS * foretold
    # argmin returns the first, so the finer, of equals.
    levels = np.abs(2 * _Q8 * ladder - wanted[..., None]).argmin(-1)
    rho = np.exp2(foretold / 256)
    return Selection(
        level_map=levels.astype(np.uint8),
        realised_sum=float((rho * 4 ** (ladder[levels] / (256 * _STEPS))).sum()),
        target_sum=float(rho.sum()),
        rho=rho.astype(np.float32),
        ln_rho_std=float(np.log(rho).std()),
    )


def _ladder(table_set: codec.TableSet) -> np.ndarray:
    """How far each level lies from the middle one: the sum over its steps, in 1/256 octave, int64 ``[L]``."""
    from grace.region_features import log2_q8

    # With 8 more bits below the point, steps of 1 and 2 have their nine leading bits, too.
    logs = log2_q8(table_set.tables.astype(np.int64) << 8).sum((1, 2, 3))
    return logs - logs[len(logs) // 2]
