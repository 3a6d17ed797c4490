# SPDX-License-Identifier: Apache-2.0
"""What steers the codec: table sets and plans.

They are frozen and check themselves when they are made, so a `QuantPlan` that exists is a plan that can be
used. Their arrays are read-only copies.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from codec import _core, arguments

__all__ = ["SKIP", "QuantPlan", "TableSet", "map_shape"]

#: Level value of a region without coefficients.
SKIP: int = _core.SKIP


def map_shape(height: int, width: int, region_blocks: int = 3) -> tuple[int, int]:
    """Shape of the level map of a picture: one value a region.

    Parameters
    ----------
    height, width : int
        Size of the picture in pixels, 1..65535.
    region_blocks : int
        Side R of a region in blocks of 8 luma pixels, 1..8.

    Returns
    -------
    (int, int)
        ``(ceil(ceil(height / 8) / R), ceil(ceil(width / 8) / R))``.

    Examples
    --------
    >>> map_shape(360, 480)
    (15, 20)
    >>> map_shape(1, 1, region_blocks=8)
    (1, 1)
    """
    height = arguments.integer("height", height, 1, _core.MAX_SIDE)
    width = arguments.integer("width", width, 1, _core.MAX_SIDE)
    region = 8 * arguments.integer("region_blocks", region_blocks, 1, _core.MAX_REGION_BLOCKS)
    return -(-height // region), -(-width // region)


@dataclass(frozen=True, eq=False, repr=False)
class TableSet:
    """Quantisation tables of L levels and the fixed Huffman tables that suit them.

    Made offline, usually for one network, and known to both ends; a stream carries it whole or names it by
    `id`. Two sets are equal when their ids are.

    Parameters
    ----------
    tables : array_like of integers, shape [L, 3, 8, 8]
        Steps 1..4095 by level (0 the finest), component (Y, Cb, Cr) and frequency in natural order, the
        vertical one first. L is 1..64. Kept as uint16. A file in JPEG format takes steps up to 255.
    bands : array_like of integers, shape [K, 4, 256], optional
        Huffman code lengths of K rate bands, K 0..64: DC luma, AC luma, DC chroma, AC chroma by symbol; 0 for
        a symbol without code, else 1..16. Used by ``entropy="huffman-fixed"``.
    log_base, log_offset : array_like of integers, shapes [3, 8, 8] and [L], optional
        The logarithmic form `tables` follow from, see `from_log`. Streams then carry the set in 192 + L
        bytes.

    Raises
    ------
    TypeError, ValueError
        Names the argument and the rule it broke.

    Examples
    --------
    >>> TableSet.ijg(75).tables[0, 0, 0, :4]
    array([8, 6, 5, 8], dtype=uint16)
    >>> TableSet.ijg(75) == TableSet(TableSet.ijg(75).tables)
    True
    """

    tables: np.ndarray
    bands: np.ndarray = None  # type: ignore[assignment]
    log_base: np.ndarray | None = None
    log_offset: np.ndarray | None = None
    #: First 8 bytes of the SHA-256 of the canonical bytes.
    id: bytes = field(init=False)
    _view: _core.TableSetView = field(init=False)

    def __post_init__(self) -> None:
        import hashlib

        tables = arguments.frozen("tables", self.tables, np.uint16, (None, 3, 8, 8), 1, _core.MAX_STEP)
        arguments.integer("number of levels (tables.shape[0])", len(tables), 1, _core.MAX_LEVELS)
        bands = np.empty((0, 4, 256), np.uint8) if self.bands is None else self.bands
        bands = arguments.frozen("bands", bands, np.uint8, (None, 4, 256), 0, 16)
        arguments.integer("number of bands (bands.shape[0])", len(bands), 0, _core.MAX_BANDS)
        base, offset = self.log_base, self.log_offset
        if (base is None) != (offset is None):
            raise ValueError("log_base and log_offset belong together: give both or neither")
        if base is not None:
            base = arguments.frozen("log_base", base, np.uint8, (3, 8, 8), 0, 255)
            offset = arguments.frozen("log_offset", offset, np.int8, (len(tables),), -128, 127)
            if not np.array_equal(_core.tables_from_log(base, offset), tables):
                raise ValueError(
                    "tables must be what log_base and log_offset give; TableSet.from_log makes such a set"
                )
        view = _core.TableSetView(tables, bands, base, offset)
        identity = hashlib.sha256(view.canonical_bytes()).digest()[:8]
        view.set_id(identity)
        values = {
            "tables": tables,
            "bands": bands,
            "log_base": base,
            "log_offset": offset,
            "id": identity,
            "_view": view,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_log(cls, log_base: Any, log_offset: Any, bands: Any = None) -> TableSet:
        """Tables in sixteenths of an octave: one per component, and one offset a level.

        ``step = clamp(round(2 ** (e / 16)), 1, 4095)`` with ``e = clamp(log_base[c, v, u] + log_offset[l], 0,
        192)``, in the integer arithmetic of docs/bitstream.md, section 3.

        Parameters
        ----------
        log_base : array_like of integers, shape [3, 8, 8]
            0..255, sixteenths of an octave, natural order.
        log_offset : array_like of integers, shape [L]
            -128..127 for each level, L 1..64.
        bands : array_like, optional
            As for `TableSet`.

        Examples
        --------
        >>> import numpy as np
        >>> TableSet.from_log(np.full((3, 8, 8), 64), [-16, 0, 16]).tables[:, 0, 0, 0]
        array([ 8, 16, 32], dtype=uint16)
        """
        base = arguments.frozen("log_base", log_base, np.uint8, (3, 8, 8), 0, 255)
        offset = arguments.frozen("log_offset", log_offset, np.int8, (None,), -128, 127)
        arguments.integer("number of levels (log_offset.shape[0])", len(offset), 1, _core.MAX_LEVELS)
        return cls(_core.tables_from_log(base, offset), bands, base, offset)

    @classmethod
    def ijg(cls, quality: int) -> TableSet:
        """The one-level set of JPEG's example tables at `quality` 1..100, as libjpeg scales them."""
        return cls(_core.tables_ijg(arguments.integer("quality", quality, 1, 100))[np.newaxis])

    @classmethod
    def from_bytes(cls, data: Any) -> TableSet:
        """Read canonical bytes (docs/bitstream.md, section 8). `BitstreamError` if they are none."""
        return cls(*_core.table_set_parse(data))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TableSet:
        """Read the table set of an .rdts file (JSON with canonical bytes in base64 under "table_set").

        Raises
        ------
        OSError
            The file cannot be read.
        ValueError
            It is no .rdts file, or its id does not fit its contents.
        """
        import base64
        import json

        with open(path, "rb") as file:
            text = file.read()
        try:
            entries = json.loads(text)
            if entries["format"] != "rdct-network-tables" or entries["version"] != 1:
                raise ValueError(f"format {entries['format']!r}, version {entries['version']!r}")
            data = base64.b64decode(entries["table_set"], validate=True)
            expected = entries.get("id")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(
                f"{os.fspath(path)!r} is no rdct-network-tables file of version 1: {error}"
            ) from error
        table_set = cls.from_bytes(data)
        if expected is not None and expected != table_set.id_hex:
            raise ValueError(
                f"{os.fspath(path)!r} says id {expected!r}, its tables have id {table_set.id_hex!r}"
            )
        return table_set

    def to_bytes(self) -> bytes:
        """Canonical bytes, the same for equal sets; `from_bytes` reads them."""
        return self._view.canonical_bytes()

    @property
    def levels(self) -> int:
        """Number of levels L."""
        return len(self.tables)

    @property
    def id_hex(self) -> str:
        """`id` as 16 hexadecimal digits."""
        return self.id.hex()

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, TableSet) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        form = ", logarithmic" if self.log_base is not None else ""
        return f"<TableSet {self.id_hex}: {self.levels} levels, {len(self.bands)} bands{form}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return TableSet.from_bytes, (self.to_bytes(),)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class QuantPlan:
    """All that steers the encoder: a table set, a scale and the level of every region.

    Parameters
    ----------
    tables : TableSet or array_like of integers, shape [L, 3, 8, 8]
        An array becomes ``TableSet(tables)``.
    level_map : array_like of integers, shape [rows, cols]
        One value a region, 0..L-1 (0 the finest) or `SKIP` (255: no coefficients). The shape is
        ``map_shape(height, width, region_blocks)`` of the picture to encode. Kept as uint8.
    region_blocks : int
        Side R of a region in blocks of 8 luma pixels, 1..8.
    scale : float
        Factor on all steps, 1/256 to 255 + 255/256, rounded to 1/256.

    Attributes
    ----------
    table_set : TableSet
    scale_q8 : int
        The scale as the stream stores it: ``round(scale * 256)``, 1..65535.

    Raises
    ------
    TypeError, ValueError
        Names the argument and the rule it broke.

    Examples
    --------
    >>> import numpy as np
    >>> plan = QuantPlan(TableSet.ijg(50), np.zeros((15, 20), np.uint8), scale=0.5)
    >>> plan
    QuantPlan(<TableSet ...: 1 levels, 0 bands>, level map 15 x 20, region_blocks=3, scale=0.5)
    >>> plan.steps[0, 0, 0, :4]
    array([8, 6, 5, 8], dtype=uint16)
    """

    table_set: TableSet
    level_map: np.ndarray
    region_blocks: int
    scale_q8: int
    _view: _core.PlanView

    def __init__(self, tables: Any, level_map: Any, region_blocks: int = 3, scale: float = 1.0) -> None:
        table_set = tables if isinstance(tables, TableSet) else TableSet(tables)
        level_map = arguments.frozen("level_map", level_map, np.uint8, (None, None), 0, 255)
        if level_map.size == 0:
            raise ValueError(f"level_map must not be empty, got shape {list(level_map.shape)}")
        wrong = level_map[(level_map >= table_set.levels) & (level_map != SKIP)]
        if wrong.size:
            raise ValueError(
                f"level_map must hold levels 0..{table_set.levels - 1} or {SKIP} (SKIP), got {wrong.max()}"
            )
        region_blocks = arguments.integer("region_blocks", region_blocks, 1, _core.MAX_REGION_BLOCKS)
        try:
            scale = float(scale)
        except (TypeError, ValueError):
            raise TypeError(f"scale must be a number, got {type(scale).__name__}") from None
        if not 1 / 512 < scale < 256 - 1 / 512:
            raise ValueError(f"scale must round to 1..65535 in 1/256, got {scale:g}")
        scale_q8 = round(scale * _core.SCALE_ONE)
        view = _core.PlanView(table_set._view, scale_q8, region_blocks, level_map)
        values = {
            "table_set": table_set,
            "level_map": level_map,
            "region_blocks": region_blocks,
            "scale_q8": scale_q8,
            "_view": view,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def uniform(cls, quality: int = 75, image_shape: Any = None, *, region_blocks: int = 3) -> QuantPlan:
        """The plan of a plain picture: JPEG's example tables everywhere.

        Parameters
        ----------
        quality : int
            1..100 as in libjpeg.
        image_shape : (H, W) or (H, W, 1) or (H, W, 3)
            Of the picture to encode.
        region_blocks : int
            1..8.
        """
        if image_shape is None:
            raise TypeError("image_shape is needed: the (H, W) of the picture to encode")
        height, width, _ = arguments.size("image_shape", image_shape)
        shape = map_shape(height, width, region_blocks)
        return cls(TableSet.ijg(quality), np.zeros(shape, np.uint8), region_blocks)

    def with_map(self, level_map: Any) -> QuantPlan:
        """The same plan with another level map."""
        return QuantPlan(self.table_set, level_map, self.region_blocks, self.scale)

    def with_scale(self, scale: float) -> QuantPlan:
        """The same plan with another scale; the table set keeps its id."""
        return QuantPlan(self.table_set, self.level_map, self.region_blocks, scale)

    @property
    def tables(self) -> np.ndarray:
        """uint16 [L, 3, 8, 8]: the steps before `scale`."""
        return self.table_set.tables

    @property
    def scale(self) -> float:
        """``scale_q8 / 256``, exactly."""
        return self.scale_q8 / _core.SCALE_ONE

    @property
    def levels(self) -> int:
        """Number of levels L."""
        return self.table_set.levels

    @property
    def steps(self) -> np.ndarray:
        """uint16 [L, 3, 8, 8]: the steps in use, ``clamp((tables * scale_q8 + 128) >> 8, 1, 4095)``."""
        return _scaled(self.tables, self.scale_q8)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QuantPlan):
            return NotImplemented
        return self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[Any, ...]:
        return (
            self.table_set.id,
            self.scale_q8,
            self.region_blocks,
            self.level_map.shape,
            self.level_map.tobytes(),
        )

    def __repr__(self) -> str:
        rows, cols = self.level_map.shape
        rest = f"level map {rows} x {cols}, region_blocks={self.region_blocks}, scale={self.scale:g}"
        return f"QuantPlan({self.table_set!r}, {rest})"

    def __reduce__(self) -> tuple[Any, ...]:
        return QuantPlan, (self.table_set, self.level_map, self.region_blocks, self.scale)


def _scaled(tables: np.ndarray, scale_q8: int) -> np.ndarray:
    """The rule of docs/bitstream.md, section 1, for uint16 [L, 3, 8, 8]."""
    return np.clip((tables.astype(np.uint32) * scale_q8 + 128) >> 8, 1, _core.MAX_STEP).astype(np.uint16)
