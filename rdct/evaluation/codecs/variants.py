"""Rows for the paper's figures that nobody would pick: ablations of STAC, and its straw man.

`stac-paper-L8`, `stac-paper-R4`, `stac-paper-L32-R1`: `stac-paper` with so many levels, or regions of
so many blocks a side. `boundary`, `boundary-W8`: fine steps where a region holds a boundary between
labels, coarse ones elsewhere, W sixteenths of an octave apart.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np

import codec
from rdct.evaluation.codecs import TABLE_MODES, Absent, Coded, Dial, Setup, System
from rdct.evaluation.codecs.own import _RDCT, StacPaper, _Own, tables_sha256

__all__ = ["FORMS", "build", "is_variant"]

FORMS = "stac-paper-L2..64, stac-paper-R1..8, both (stac-paper-L8-R4), boundary, boundary-W1..64"
_STAC = re.compile(r"stac-paper(?=-)(?:-L(?P<levels>\d{1,2}))?(?:-R(?P<regions>\d))?")
_BOUNDARY = re.compile(r"boundary(?:-W(?P<apart>\d{1,2}))?")
_RHO = 4.0
#: One octave between the steps of the two kinds of region.
_APART = 16


def _numbers(name: str) -> tuple[type, dict[str, int]] | None:
    """Class and parameters behind a row name; None if it is no variant."""
    for pattern, made, ranges in (
        (_STAC, StacVariant, {"levels": (2, 64), "regions": (1, 8)}),
        (_BOUNDARY, Boundary, {"apart": (1, 64)}),
    ):
        if found := pattern.fullmatch(name):
            values = {one: int(text) for one, text in found.groupdict().items() if text is not None}
            fits = all(ranges[one][0] <= value <= ranges[one][1] for one, value in values.items())
            return (made, values) if fits else None
    return None


def is_variant(name: str) -> bool:
    """Whether a row name is one of `FORMS`."""
    return _numbers(name) is not None


def build(name: str, setup: Setup) -> System:
    """Make the row of that name."""
    made, values = _numbers(name)
    return made(setup, name, **values)


class StacVariant(StacPaper):
    """`stac-paper` with other numbers of levels, or other regions (Figs. 6 and 7 of the paper).

    The tables are scaled copies of the same middle table over the same range B/4..4B, as
    `grace.tables.level_offsets` spaces them, so that only their number changes; the middle level
    carries B whatever their number.
    """

    def __init__(self, setup: Setup, name: str, levels: int | None = None, regions: int = 3) -> None:
        super().__init__(setup)
        self.name, self._regions = name, regions
        if levels is not None:
            self.tables = relevelled(self.tables, levels)
            self.table_set = self.tables.id
            self.tables_sha256 = tables_sha256(self.tables)
        count = self.tables.levels if levels is None else levels
        self.settings += f"; {count} levels, regions of {regions}x{regions} blocks"

    def _steered(self, image: np.ndarray, modes: tuple[str | None, ...], **options: Any) -> Coded:
        return super()._steered(image, modes, region_blocks=self._regions, **options)


def relevelled(tables: Any, levels: int) -> Any:
    """Network tables with `levels` levels between B/4 and 4B around the same middle table."""
    from grace.tables import level_offsets, log_base

    own = tables.table_set
    base = own.log_base
    if base is None or own.log_offset[tables.middle] != 0:
        base = log_base(own.tables[tables.middle])
    made = codec.TableSet.from_log(base, level_offsets(levels, _RHO), own.bands)
    return replace(tables, table_set=made, rho=_RHO)


class Boundary(_Own):
    """Annex K tables, finer where the network's labels on the raw picture change (Fig. 1 of the paper).

    As kind to the idea as can be: the boundaries are the network's own, on the raw picture, and the
    pipeline is that of `jpeg-precise-444`, which is what it should be held against.
    """

    table_modes = TABLE_MODES
    # The steps of quality 50; 4 stands for quality 12, 1/16 for 97.
    dial = Dial("scale", 1 / 16, 4.0, grid=1 / 256)

    def __init__(self, setup: Setup, name: str, apart: int = _APART) -> None:
        super().__init__()
        if setup.model is None:
            raise Absent("needs a network to find boundaries with: --model SPEC")
        from grace.tables import log_base

        self.name, self.model = name, setup.model
        half = apart // 2
        offsets = np.array([-half, apart - half], np.int8)
        self._set = codec.TableSet.from_log(log_base(codec.ijg_table(50).astype(float)), offsets)
        self.settings = (
            f"{_RDCT}: Annex K tables x scale, steps 2^(-{half}/16) in regions of 3x3 blocks that hold a "
            f"label boundary and 2^({apart - half}/16) elsewhere, optimised Huffman, 4:4:4"
        )

    def code(self, image: np.ndarray, dial: float, modes: tuple[str | None, ...]) -> Coded:
        from rdct.vision.models import labels

        level_map = 1 - boundary_regions(labels(self.model, image))
        plan = codec.QuantPlan(self._set, level_map, scale=dial)
        self._sets[plan.table_set.id] = plan.table_set
        options = {"subsampling": "444", "entropy": "huffman"}
        streams = {mode: codec.encode(image, plan, tables=mode, **options) for mode in modes}
        return Coded(streams, {"boundary_share": float(1 - level_map.mean())})


def boundary_regions(labels: np.ndarray, region_blocks: int = 3) -> np.ndarray:
    """Which regions hold a pixel whose right or lower neighbour has another label.

    Parameters
    ----------
    labels : numpy.ndarray
        Integer ``[H, W]``.
    region_blocks : int
        Side of a region in blocks.

    Returns
    -------
    numpy.ndarray
        uint8 ``[rows, cols]``, 1 where there is one.
    """
    side = 8 * region_blocks
    edge = np.zeros(labels.shape, bool)
    down, right = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    for first, second, change in (
        (np.s_[1:], np.s_[:-1], down),
        (np.s_[:, 1:], np.s_[:, :-1], right),
    ):
        edge[first] |= change
        edge[second] |= change
    rows, cols = codec.map_shape(*labels.shape, region_blocks)
    padded = np.zeros((rows * side, cols * side), bool)
    padded[: labels.shape[0], : labels.shape[1]] = edge
    return padded.reshape(rows, side, cols, side).any((1, 3)).astype(np.uint8)
