# SPDX-License-Identifier: Apache-2.0
"""From one kind of stream to another without leaving the coefficient domain: integers in, integers out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from codec import _core, arguments, errors
from codec.decoder import MAX_PIXELS, Decoder, _arrays, _bounded
from codec.encoder import Encoder, _options
from codec.results import Coefficients
from codec.tables import ZIGZAG
from codec.types import QuantPlan, TableSet

__all__ = ["transcode"]

#: The rules that keep a picture from being a JPEG file, and what else can be done.
_ANEW = 'decode it and encode the picture with format="jpeg"'
_WAYS_OUT = {
    "jpeg_skip": _ANEW,
    "jpeg_ac_range": f"{_ANEW}, or use one level",
    "dc_difference": f"give slice_rows=, so that DC prediction starts afresh more often, or {_ANEW}",
}


def transcode(
    data: Any,
    *,
    format: str = "rdct",
    entropy: str = "huffman",
    tables: str = "inline",
    slice_rows: int | None = None,
    table_sets: Iterable[TableSet] = (),
    max_pixels: int = MAX_PIXELS,
    threads: int = 1,
    cpu: str = "auto",
) -> bytes:
    """Write a stream or a baseline JPEG file anew, as a stream or a JPEG file, with the same coefficients.

    Nothing is quantised again: size, subsampling, quantised coefficients and steps stay as they are, so a
    JPEG file goes to "rdct" and back without loss. Metadata of a JPEG file, such as Exif, is not carried
    over.

    A stream of many levels becomes a JPEG file if it has a table for all of them: at each frequency the
    largest step up to 255 that divides the steps of all values there. Quantised coefficients multiply up, and
    dequantised ones stay what they were, also on the way back to "rdct", which then has one level. The finer
    steps cost bytes: about half as many again where the levels' steps have little in common (a rendered
    street, 16 levels of the shipped set: 47 to 58 %), 10 to 40 % where they are multiples of each other.

    Parameters
    ----------
    data : bytes-like
        As in `decode`.
    format : {"rdct", "jpeg"}
        What to write. "jpeg" needs a picture without SKIP.
    entropy : {"huffman", "huffman-fixed", "context"}
        As in `encode`.
    tables : {"inline", "id"}
        As in `encode`. "id" needs the picture's table set among `table_sets`: the set it names, or else the
        first with the same steps.
    slice_rows : int, optional
        As in `encode`. Default: a stream keeps its slices. A JPEG file in "420" becomes one slice, because
        up-sampling ends at slice boundaries; then, as in all other subsamplings, `decode` gives the same
        pixels. A JPEG file gets no restart markers.
    table_sets : iterable of TableSet
        Known table sets, for a stream that names its set by id, and for ``tables="id"``. With
        ``entropy="huffman-fixed"`` their rate bands are used.
    max_pixels : int
        As in `decode`.
    threads : int
        1..256.
    cpu : str
        As in `Encoder`. The bytes depend on neither.

    Returns
    -------
    bytes

    Raises
    ------
    BitstreamError, LimitError
        As in `decode`.
    UnsupportedError
        As in `decode`; also ``format="jpeg"`` for a stream with SKIP (``error.rule == "jpeg_skip"``), or with
        values that leave the range of a baseline JPEG file under one table for all levels: an AC coefficient
        above 1023 (``"jpeg_ac_range"``), a DC difference above 2047 (``"jpeg_dc_difference"``).
    TypeError, ValueError
        An argument broke a rule, or a table set is missing (``"missing_table_set"``).

    Examples
    --------
    >>> import numpy as np
    >>> from codec import decode, encode
    >>> jpeg = encode(np.full((48, 64, 3), 200, np.uint8), format="jpeg")
    >>> data = transcode(jpeg)
    >>> len(data) < len(jpeg), np.array_equal(decode(data), decode(jpeg))
    (True, True)
    >>> transcode(data, format="jpeg") == jpeg
    True
    """
    options = {"format": format, "entropy": entropy, "tables": tables, "slice_rows": slice_rows}
    _options(0, **options)  # a wrong argument is named before any work is done
    sets = arguments.sets(table_sets)
    encoder = Encoder(threads=threads, cpu=cpu)
    info, _ = _bounded(data, max_pixels)
    coefficients = Decoder(threads=threads, cpu=cpu).decode_coefficients(data, sets, max_pixels=max_pixels)
    table_set = _table_set(data, info, sets)
    if tables == "id" and table_set not in sets:
        message = "tables='id' needs the table set of the picture among table_sets, but none has its steps"
        raise errors.from_status(10, message, rule="missing_table_set")
    scale = info["scale"] / _core.SCALE_ONE
    plan = QuantPlan(table_set, coefficients.level_map, coefficients.region_blocks, scale)
    if format == "jpeg":
        return _encode_jpeg(encoder, coefficients, plan, options)
    if slice_rows is None and info["format"] == _core.FORMATS["rdct"]:
        options["slice_rows"] = info["slice_rows"]
    elif slice_rows is None and coefficients.subsampling == "420":
        options["slice_rows"] = len(plan.level_map)
    return encoder.encode_coefficients(coefficients, plan, **options)


def _table_set(data: Any, info: dict[str, Any], sets: tuple[TableSet, ...]) -> TableSet:
    """The table set of a stream whose header has been checked: a known one if it can be."""
    if info["tables_by_id"]:
        return next(one for one in sets if one.id == info["id"])
    plain, _ = _arrays(data, {**info, "scale": _core.SCALE_ONE}, sets, want_tables=True)
    assert plain is not None
    components = info["components"]
    for one in sets:
        if np.array_equal(one.tables[:, :components], plain[:, :components]):
            return one
    if info["format"] == _core.FORMATS["rdct"]:
        log = _log_form(data, info)
        if log is not None:
            return TableSet.from_log(*log)
    return TableSet(plain if components == 3 else np.repeat(plain[:, :1], 3, axis=1))


def _log_form(data: Any, info: dict[str, Any]) -> tuple[np.ndarray, np.ndarray] | None:
    """The logarithmic form of the tables of a stream that carries it (docs/bitstream.md, sections 1, 3)."""
    view = memoryview(data).cast("B")
    at = 6  # magic, version, flags
    for fixed in (0, 0, 4):  # width, height; scale, levels, regions and slice rows
        at += fixed
        while view[at] >= 0x80:
            at += 1
        at += 1
    if view[at] != 1:
        return None
    components = info["components"]
    zigzag = np.frombuffer(view, np.uint8, 64 * components, at + 1).reshape(components, 64)
    base = np.empty((3, 64), np.uint8)
    base[:, ZIGZAG] = zigzag  # that of a grey picture for all three
    offset = np.frombuffer(view, np.int8, info["levels"], at + 1 + zigzag.size)
    return base.reshape(3, 8, 8), offset


def _encode_jpeg(
    encoder: Encoder, coefficients: Coefficients, plan: QuantPlan, options: dict[str, Any]
) -> bytes:
    """One table for all levels, which changes the coefficients in place, and the file that holds them."""
    size = coefficients.width, coefficients.height, _core.SUBSAMPLINGS[coefficients.subsampling]
    try:
        table = _core.merge_levels(coefficients.planes, *size, plan._view)
        merged = TableSet(table[np.newaxis], plan.table_set.bands)
        plan = QuantPlan(merged, np.zeros_like(plan.level_map), plan.region_blocks)
        return encoder.encode_coefficients(coefficients, plan, **options)
    except (errors.UnsupportedError, ValueError) as error:
        rule = getattr(error, "rule", "")
        if rule not in _WAYS_OUT:
            raise
        message = f"{str(error).removesuffix(f' (rule {rule})')}; {_WAYS_OUT[rule]}"
        raise errors.from_status(40, message, rule=f"jpeg_{rule.removeprefix('jpeg_')}") from None
