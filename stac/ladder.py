"""The generic ladder: levels for a network that has no table set of its own.

Its middle level is the luminance and chrominance table of T.81 Annex K, the others are scaled
copies of it. It knows nothing of the network, so it carries no budget: regions share what the
middle level would cost on the picture at hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codec import TableSet

__all__ = ["GenericLadder", "generic_ladder", "ijg_scale"]


def ijg_scale(quality: float) -> float:
    """The factor by which libjpeg scales the tables of Annex K, which are those of quality 50."""
    if not 1 <= quality <= 100:
        raise ValueError(f"quality is {quality}, outside 1..100")
    percent = 5000 / quality if quality < 50 else 200 - 2 * quality
    return max(percent, 1) / 100


@dataclass(frozen=True)
class GenericLadder:
    """Stands where `grace.NetworkTables` would.

    Attributes
    ----------
    table_set : codec.TableSet
        Middle level L // 2 = the tables of JPEG quality 50, to the nearest 1/16 octave.
    budget : None
        Unknown: `stac.select_levels` then takes what the middle level costs on the picture.
    subsampling : str
    """

    table_set: TableSet
    budget: None = None
    subsampling: str = "444"

    @property
    def levels(self) -> int:
        return self.table_set.levels

    def scale_for_quality(self, quality: float, use: str = "regions") -> float:
        """The scale at which the middle level is that of JPEG `quality`."""
        return ijg_scale(quality)


def generic_ladder(levels: int = 16, rho: float = 4.0) -> GenericLadder:
    """Scaled copies of the Annex K tables, geometric around them.

    Parameters
    ----------
    levels : int
        1..64.
    rho : float
        The coarsest level is nearly rho times the middle one, the finest 1/rho.

    Returns
    -------
    GenericLadder
    """
    import codec
    from grace.tables import level_offsets, log_base

    base = log_base(codec.ijg_table(50))
    return GenericLadder(codec.TableSet.from_log(base, level_offsets(levels, rho)))
