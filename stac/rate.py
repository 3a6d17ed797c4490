"""Rate-aware levels: every region spends bits until a bit buys as little there as anywhere else.

Equal errors (`stac.equal_error`) do not ask what a level costs: a smooth region hardly pays for a fine one,
a busy region pays dearly. Here the levels are those that minimise

    sum over regions of  w D(l) + lambda R(l),  + lambda times the bits of the level map

R is what the context-modelled coder itself says a region costs at each level (`codec.region_bits`; Huffman
codes cost more, but in much the same proportion). D is the second-order error, and of two minds:

    D_real     = 1/2 sum of h_i (c_i - c_i quantised)^2       the errors that this picture will have
    D_expected = 1/2 sum of h_i q_i^2 / 12                    as `stac.equal_error` has it

The first alone overrates what a single probe says of coefficients that happen to quantise well, the second
knows nothing of those that vanish anyway; their geometric mean beats either (docs/experiments/beyond.md).
w = rho^(temper - 1), rho being a region's D_expected over the mean: the sensitivities are not trusted all
the way, as with equal errors.

lambda is no dial. It is the slope dD/dR of the whole picture at the middle level, so that `scale` alone says
how much is spent, and a picture all alike would get the middle level everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stac.levels import Selection, checked_inputs, region_costs, region_index, selection_of
from stac.map_bits import best_map, map_bits

if TYPE_CHECKING:
    from grace.fisher import FisherSensitivity
    from grace.network_tables import NetworkTables
    from stac.ladder import GenericLadder

__all__ = ["RATE_TEMPER", "rate_aware_levels"]

#: docs/experiments/beyond.md says how it was found.
RATE_TEMPER = 0.8
# Less than this share of the mean is as good as nothing.
_FLOOR = 1e-6


@dataclass(frozen=True)
class Trade:
    """What a picture's regions have to offer.

    Attributes
    ----------
    cost : numpy.ndarray
        float64 ``[rows, cols, L]``: w D / lambda + R, in bits.
    expected : numpy.ndarray
        float64 ``[rows, cols, L]``: D_expected.
    count : numpy.ndarray
        int64 ``[rows, cols]``: coefficients.
    """

    cost: np.ndarray
    expected: np.ndarray
    count: np.ndarray

    def total(self, level_map: np.ndarray, map_weight: float = 1.0) -> float:
        """The objective, in bits."""
        own = np.take_along_axis(self.cost, level_map[..., None].astype(np.int64), -1).sum()
        return float(own + map_weight * map_bits(level_map, self.cost.shape[-1]))


def rate_aware_levels(
    sensitivity: FisherSensitivity,
    tables: NetworkTables | GenericLadder | tuple[np.ndarray, float | None],
    image: np.ndarray,
    *,
    scale: float = 1.0,
    region_blocks: int = 3,
    temper: float = RATE_TEMPER,
    thrift: float = 1.0,
    map_weight: float = 1.0,
) -> Selection:
    """Choose the level of every region of a picture by error and bits.

    Parameters
    ----------
    sensitivity : FisherSensitivity
        From `grace.fisher_sensitivity`.
    tables, scale, region_blocks
        As for `select_levels`; the budget is not asked for.
    image : numpy.ndarray
        u8 RGB ``[H, W, 3]`` or grey ``[H, W]``: the picture that will be encoded.
    temper : float
        0..1: how far sensitivities are trusted.
    thrift : float
        Factor on lambda, not negative. 0 gives the finest level wherever that errs least, a large number
        the cheapest one.
    map_weight : float
        Of the level map's bits, not negative; 1 is what they cost, more smooths the map.

    Returns
    -------
    Selection
        Its sums are of D_expected, as those of `equal_error_levels`.

    Raises
    ------
    ValueError
        An argument is out of its range, or picture and sensitivity are not of the same size.
    """
    for name, value in (("thrift", thrift), ("map_weight", map_weight)):
        if not 0 <= value < np.inf:
            raise ValueError(f"{name} is {value}; it must be a number, not negative")
    offer = trade(
        sensitivity,
        tables,
        image,
        scale=scale,
        region_blocks=region_blocks,
        temper=temper,
        thrift=thrift,
    )
    mean = offer.expected[..., offer.expected.shape[-1] // 2].sum() / offer.count.sum()
    return selection_of(best_map(offer.cost, map_weight), offer.expected, mean * offer.count)


def trade(
    sensitivity: FisherSensitivity,
    tables: NetworkTables | GenericLadder | tuple[np.ndarray, float | None],
    image: np.ndarray,
    *,
    scale: float = 1.0,
    region_blocks: int = 3,
    temper: float = RATE_TEMPER,
    thrift: float = 1.0,
) -> Trade:
    """What `rate_aware_levels` decides on, with its parameters."""
    if not 0 <= temper <= 1:
        raise ValueError(f"temper is {temper}, outside 0..1")
    planes, steps, _, shape = checked_inputs(sensitivity, tables, image.shape, scale, region_blocks)
    expected, count = region_costs(planes, np.square(steps, dtype=np.float64) / 12, shape, region_blocks)
    rate = _rates(image, tables, scale, region_blocks, sensitivity.subsampling, shape)
    middle = steps.shape[0] // 2
    mean = expected[..., middle].sum() / count.sum()
    if mean <= 0 or steps.shape[0] == 1:
        # Nothing tells regions apart: the middle level, whatever it costs.
        level = np.arange(steps.shape[0])
        return Trade(np.broadcast_to(abs(level - middle) * 1e9, expected.shape), expected, count)
    real = _real_errors(planes, steps, image, sensitivity.subsampling, shape, region_blocks)
    rho = np.maximum(expected[..., middle] / (mean * count), _FLOOR)
    # That a coarser level errs less, or costs more, is an accident not to be built on.
    error = np.maximum.accumulate(np.sqrt(real * expected) * rho[..., None] ** (temper - 1), -1)
    rate = np.minimum.accumulate(rate, -1)
    near = slice(max(middle - 1, 0), middle + 2)
    bought, spent = (float(np.ptp(which.sum((0, 1))[near])) for which in (error, rate))
    if spent <= 0:
        return Trade(error, expected, count)
    # Divided by lambda, so that everything is in bits; with thrift 0 bits are worth nothing.
    value = spent / bought if bought > 0 else 0.0
    cost = error * (value / thrift) + rate if thrift > 0 else error * (value * 1e9)
    return Trade(cost, expected, count)


def _rates(image, tables, scale, region_blocks, subsampling, shape) -> np.ndarray:
    """Bits of every region at every level, float64 [rows, cols, L]."""
    import codec

    given = np.asarray(tables[0]).astype(np.uint16) if isinstance(tables, tuple) else tables.table_set
    levels = given.shape[0] if isinstance(given, np.ndarray) else given.levels
    plan = codec.QuantPlan(given, np.zeros(shape, np.uint8), region_blocks, scale)
    encoder = codec.Encoder()
    sampling = "444" if subsampling == "grey" else subsampling
    return np.stack(
        [
            encoder.region_bits(image, plan.with_map(np.full(shape, level, np.uint8)), sampling)
            for level in range(levels)
        ],
        -1,
    )


def _real_errors(planes, steps, image, subsampling, shape, region_blocks) -> np.ndarray:
    """D_real of every region and level, float64 [rows, cols, L]."""
    out = np.zeros((*shape, steps.shape[0]))
    for component, (h, c) in enumerate(zip(planes, _coefficients(image, subsampling), strict=True)):
        if h.shape != c.shape:
            raise ValueError(f"the picture has blocks {c.shape[:2]}, its sensitivity {h.shape[:2]}")
        at = []
        for axis in (0, 1):
            factor = planes[0].shape[axis] // c.shape[axis]
            index = region_index(c.shape[axis], factor, region_blocks, shape[axis])
            at.append(np.unique(index, return_index=True))
        for level, step in enumerate(steps[:, component].astype(np.float32)):
            error = c - np.rint(c / step) * step
            blocks = np.einsum("yxvu,yxvu,yxvu->yx", h, error, error)
            blocks = np.add.reduceat(blocks, at[0][1], axis=0, dtype=np.float64)
            out[np.ix_(at[0][0], at[1][0], [level])] += (
                np.add.reduceat(blocks, at[1][1], axis=1)[..., None] / 2
            )
    return out


def _coefficients(image: np.ndarray, subsampling: str) -> list[np.ndarray]:
    """Unquantised, per component float32 [by, bx, 8, 8]."""
    from scipy.fft import dctn

    import codec

    sampling = "444" if subsampling == "grey" else subsampling
    found = []
    for plane in codec.encode_planes(image, sampling).planes:
        rows, cols = plane.shape[0] // 8, plane.shape[1] // 8
        blocks = plane.reshape(rows, 8, cols, 8).swapaxes(1, 2).astype(np.float32) / 8
        found.append(dctn(blocks, axes=(2, 3), norm="ortho"))
    return found
