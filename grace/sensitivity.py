"""How much regions matter: sums of gradients over them, and what follows from those."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from grace.geometry import geometry, map_shape
from grace.tables import floored

if TYPE_CHECKING:
    from grace.gradients import CoefficientGradients

__all__ = ["RegionSums", "block_regions", "nearest_levels", "region_rho", "region_sums"]

#: A region whose coarsest level costs less than this share of its due has no say: its gradients are 0.
_DEAD = 1e-9


def block_regions(
    height: int, width: int, subsampling: str = "444", region_blocks: int = 3
) -> tuple[np.ndarray, ...]:
    """The region that decides each block's level, per component.

    A chroma block of a subsampled picture belongs to the region that holds the centre of the luma
    area it covers; look-ups beyond the map take its last row or column (docs/bitstream.md, 2).

    Returns
    -------
    tuple of numpy.ndarray
        int ``[by, bx]`` per component, an index into the flattened level map.
    """
    shape = geometry(height, width, subsampling)
    rows, columns = map_shape(height, width, region_blocks)
    side = 8 * region_blocks
    regions = []
    for component, (by, bx) in enumerate(shape.blocks):
        across, down = (shape.across, shape.down) if component else (1, 1)
        y = np.minimum((8 * down * np.arange(by) + 4 * down) // side, rows - 1)
        x = np.minimum((8 * across * np.arange(bx) + 4 * across) // side, columns - 1)
        regions.append(y[:, None] * columns + x)
    return tuple(regions)


@dataclass(frozen=True)
class RegionSums:
    """Sums of \\|g\\| over each region of one picture: all that levels depend on.

    Attributes
    ----------
    sums : numpy.ndarray
        float32 ``[rows, columns, components, 8, 8]``.
    blocks : numpy.ndarray
        int ``[rows, columns, components]``: blocks summed over.
    """

    sums: np.ndarray
    blocks: np.ndarray

    @property
    def coefficients(self) -> int:
        """M of the picture."""
        return 64 * int(self.blocks.sum())

    def rho(self, mean_gradient: np.ndarray, coefficients: float) -> np.ndarray:
        """Mean of \\|g\\| / gbar in each region, float64 ``[rows, columns]``; see `region_rho`."""
        components = self.sums.shape[2]
        # M g is what does not depend on the picture's size.
        relative = coefficients * floored(mean_gradient)[:components] / self.coefficients
        return (self.sums / relative).sum((2, 3, 4)) / (64 * self.blocks.sum(2))

    def costs(self, steps: np.ndarray) -> np.ndarray:
        """First-order loss of each region at each level.

        Parameters
        ----------
        steps : numpy.ndarray
            ``[L, 3, 8, 8]``.

        Returns
        -------
        numpy.ndarray
            float64 ``[rows, columns, L]``: D_l, the sum of \\|g\\| q / 2.
        """
        half = np.asarray(steps, np.float64)[:, : self.sums.shape[2]] / 2
        return np.tensordot(self.sums.astype(np.float64), half, axes=((2, 3, 4), (1, 2, 3)))

    def dues(self, budget: float) -> np.ndarray:
        """Each region's share of a budget: by its number of coefficients."""
        return budget * 64 * self.blocks.sum(2) / self.coefficients


def region_sums(gradients: CoefficientGradients, region_blocks: int = 3) -> RegionSums:
    """Sum \\|g\\| over each region, per component and frequency."""
    size = gradients.height, gradients.width
    shape = map_shape(*size, region_blocks)
    regions = block_regions(*size, gradients.subsampling, region_blocks)
    total = shape[0] * shape[1]
    sums = np.zeros((total, len(regions), 64), np.float32)
    blocks = np.zeros((total, len(regions)), np.int64)
    for component, (plane, index) in enumerate(zip(gradients.planes, regions, strict=True)):
        np.add.at(sums[:, component], index.ravel(), np.abs(plane).reshape(-1, 64))
        blocks[:, component] = np.bincount(index.ravel(), minlength=total)
    return RegionSums(sums.reshape(*shape, -1, 8, 8), blocks.reshape(*shape, -1))


def region_rho(
    gradients: CoefficientGradients,
    mean_gradient: np.ndarray,
    coefficients: float,
    region_blocks: int = 3,
) -> np.ndarray:
    """Mean of \\|g\\| / gbar over each region's coefficients: 1 where it matters as on average.

    Parameters
    ----------
    gradients : CoefficientGradients
        Of the picture.
    mean_gradient : numpy.ndarray
        ``[3, 8, 8]``, gbar of the pictures that the tables were made from.
    coefficients : float
        Their M; the picture may have another size.
    region_blocks : int
        Side of a region in luma blocks.

    Returns
    -------
    numpy.ndarray
        float64 ``[rows, columns]``.
    """
    return region_sums(gradients, region_blocks).rho(mean_gradient, coefficients)


def nearest_levels(costs: np.ndarray, dues: np.ndarray) -> np.ndarray:
    """The level whose cost is nearest what each region is due, linearly; of equals the finer.

    Before steps are rounded or clipped, level l costs ``B_l * rho`` where B is due.

    Parameters
    ----------
    costs : numpy.ndarray
        ``[..., L]``, rising with the level.
    dues : numpy.ndarray
        ``[...]``.

    Returns
    -------
    numpy.ndarray
        uint8 ``[...]``. A region without any gradient gets the coarsest level.
    """
    costs, dues = np.asarray(costs, np.float64), np.asarray(dues, np.float64)
    levels = np.abs(costs - dues[..., None]).argmin(-1)
    dead = costs[..., -1] <= _DEAD * dues
    return np.where(dead, costs.shape[-1] - 1, levels).astype(np.uint8)
