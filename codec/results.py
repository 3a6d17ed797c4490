# SPDX-License-Identifier: Apache-2.0
"""What comes out of the codec besides pictures and bytes.

Frozen; their arrays are plain arrays of the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

__all__ = ["Coefficients", "EncodeStats", "Header", "Planes"]


@dataclass(frozen=True, eq=False)
class Coefficients:
    """Quantised coefficients of a picture, and what is needed to read them.

    Attributes
    ----------
    planes : tuple of ndarray, int16, shape [by, bx, 8, 8]
        One per component (Y, Cb, Cr; grey: Y), blocks in rows, frequencies in natural order ``[v, u]``. They
        cover whole MCUs, so padding blocks are included. A coefficient in JPEG units is ``value * step``,
        clamped to -2048..2047.
    tables : ndarray, uint16, shape [L, 3, 8, 8]
        The steps, scale applied.
    level_map : ndarray, uint8, shape [rows, cols]
        Level or SKIP of each region; a file in JPEG format has zeros.
    region_blocks : int
    subsampling : str
        "444", "422", "420" or "grey".
    width, height : int
        Of the picture in pixels.
    """

    planes: tuple[np.ndarray, ...] = field(repr=False)
    tables: np.ndarray = field(repr=False)
    level_map: np.ndarray = field(repr=False)
    region_blocks: int
    subsampling: str
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class Planes:
    """Samples of a picture before colour conversion.

    Attributes
    ----------
    planes : tuple of ndarray, int16, shape [h, w]
        One per component (Y, Cb, Cr; grey: Y): ``(sample - 128) * 2 ** fraction_bits``. They cover whole
        MCUs; chroma is at its own resolution.
    subsampling : str
        "444", "422", "420" or "grey".
    width, height : int
        Of the picture in pixels.
    fraction_bits : int
        3 from `encode_planes`, 4 from `decode_planes`.
    """

    planes: tuple[np.ndarray, ...] = field(repr=False)
    subsampling: str
    width: int
    height: int
    fraction_bits: int


@dataclass(frozen=True, eq=False)
class Header:
    """What a stream says about itself, from `read_header`.

    Attributes
    ----------
    format : str
        "rdct" or "jpeg".
    version : int
        Of the format.
    width, height : int
        Pixels.
    subsampling : str
        "444", "422", "420" or "grey".
    entropy : str
        "huffman" or "huffman-fixed".
    levels, region_blocks, scale
        As in `QuantPlan`. A file in JPEG format has one level, scale 1.
    tables : str
        "inline" or "id".
    table_set_id : str or None
        16 hexadecimal digits if the stream names its table set by id.
    band : int
        Rate band of fixed Huffman tables; 254 = tables in the stream, 255 = typical tables of T.81, -1 = made
        for this picture.
    level_map : ndarray, uint8, shape [rows, cols]
    steps : ndarray, uint16, shape [L, 3, 8, 8], or None
        Quantisation steps in use, natural order, scale applied. None if the set is named by id and was not
        given. The chroma tables of a grey picture mean nothing.
    has_skip : bool
        The level map holds SKIP.
    slices, slice_rows : int
        Number of slices and their height in region rows.
    header_bytes, table_bytes, huffman_bytes, map_bytes, index_bytes, slice_bytes : int
        Where the bytes are: everything before the first slice; of these quantisation tables, Huffman tables,
        level map and slice index; and the slices.
    refine : bool
        A refinement stream: `decode` needs its base.
    refine_hash : str or None
        16 hexadecimal digits: the hash of that base.
    refine_bytes : int
        Bytes of the hash and of what says which regions are refined.
    total_bytes : int
        Length of the data.
    restart_interval : int
        JPEG: MCUs between restart markers, 0 for none.
    """

    format: str
    version: int
    width: int
    height: int
    subsampling: str
    entropy: str
    levels: int
    region_blocks: int
    scale: float
    tables: str
    table_set_id: str | None
    band: int
    level_map: np.ndarray = field(repr=False)
    steps: np.ndarray | None = field(repr=False)
    has_skip: bool
    slices: int
    slice_rows: int
    header_bytes: int
    table_bytes: int
    huffman_bytes: int
    map_bytes: int
    index_bytes: int
    slice_bytes: int
    total_bytes: int
    restart_interval: int
    refine: bool
    refine_hash: str | None
    refine_bytes: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the decoded picture: (H, W, 3), grey (H, W)."""
        return (self.height, self.width) if self.subsampling == "grey" else (self.height, self.width, 3)

    @property
    def bpp(self) -> float:
        """Bits per pixel of the whole stream."""
        return 8 * self.total_bytes / (self.width * self.height)


@dataclass(frozen=True, eq=False)
class EncodeStats:
    """Where the bytes of a stream went, from `encode_with_stats`.

    Attributes
    ----------
    total_bytes, header_bytes, table_bytes, huffman_bytes, map_bytes, index_bytes, slice_bytes : int
        As in `Header`.
    blocks, skipped_blocks, nonzero : int
        Coded 8x8 blocks, SKIP blocks, nonzero quantised coefficients; of refined blocks, differences.
    dc_symbols : ndarray, int64, shape [2, 12]
        How often each DC category was coded: luma, chroma.
    ac_symbols : ndarray, int64, shape [2, 256]
        How often each AC symbol ``run * 16 + size`` was coded: luma, chroma.
    slices : int
    band : int
        As in `Header`.
    refine_bytes : int
        As in `Header`.
    refined_regions, fresh_regions : int
        Of a refinement stream: how many regions are coded in either way.
    """

    total_bytes: int
    header_bytes: int
    table_bytes: int
    huffman_bytes: int
    map_bytes: int
    index_bytes: int
    slice_bytes: int
    blocks: int
    skipped_blocks: int
    nonzero: int
    dc_symbols: np.ndarray = field(repr=False)
    ac_symbols: np.ndarray = field(repr=False)
    slices: int
    band: int
    refine_bytes: int
    refined_regions: int
    fresh_regions: int
