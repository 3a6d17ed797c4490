# SPDX-License-Identifier: Apache-2.0
"""Bytes into pictures. The data is not trusted: any bytes give a picture or one of the errors of
codec/errors.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from codec import _core, arguments, errors
from codec.damage import Concealment, LostSlice
from codec.refine import MAX_PIXELS, base_view
from codec.results import Coefficients, Header, Planes
from codec.types import TableSet, _scaled
from codec.worker import Worker

__all__ = ["Decoder", "decode", "decode_coefficients", "decode_planes", "read_header"]

_SUBSAMPLING_NAMES = {value: name for name, value in _core.SUBSAMPLINGS.items()}
_FORMAT_NAMES = {value: name for name, value in _core.FORMATS.items()}
_ENTROPY_NAMES = {value: name for name, value in _core.ENTROPIES.items()}


def _views(sets: tuple[TableSet, ...]) -> tuple[_core.TableSetView, ...]:
    return tuple(one._view for one in sets)


def _bounded(data: Any, max_pixels: Any) -> tuple[dict[str, Any], int]:
    """The fixed-size header fields, once the picture is known to be within the limit; and the limit."""
    limit = arguments.integer("max_pixels", max_pixels, 1, 2**62)
    info = _core.read_header(data)
    pixels = info["width"] * info["height"]
    if pixels > limit:
        message = f"the picture has {info['width']} x {info['height']} pixels, max_pixels allows {limit}"
        raise errors.from_status(50, message, rule="max_pixels", limit=limit, actual=pixels)
    return info, limit


def _arrays(
    data: Any, info: dict[str, Any], sets: tuple[TableSet, ...], want_tables: bool
) -> tuple[np.ndarray | None, np.ndarray]:
    """(steps in use or None, level map)."""
    sizes = info["levels"], info["map_rows"], info["map_cols"]
    tables, level_map = _core.read_header_arrays(data, _views(sets), *sizes, want_tables)
    return None if tables is None else _scaled(tables, info["scale"]), level_map


def read_header(data: Any, table_sets: Iterable[TableSet] = ()) -> Header:
    """Read and check everything before the first slice of a stream; a JPEG file likewise.

    Parameters
    ----------
    data : bytes-like
    table_sets : iterable of TableSet
        Only for ``header.steps`` of a stream that names its set by id; not needed for anything else.

    Returns
    -------
    Header

    Raises
    ------
    BitstreamError, UnsupportedError
        As `decode`.
    """
    info = _core.read_header(data)
    sets = arguments.sets(table_sets)
    known = not info["tables_by_id"] or any(one.id == info["id"] for one in sets)
    steps, level_map = _arrays(data, info, sets, want_tables=known)
    same = (
        "version",
        "width",
        "height",
        "levels",
        "region_blocks",
        "band",
        "slices",
        "slice_rows",
        "restart_interval",
    )
    sizes = (
        "header_bytes",
        "table_bytes",
        "huffman_bytes",
        "map_bytes",
        "index_bytes",
        "slice_bytes",
        "refine_bytes",
        "total_bytes",
    )
    return Header(
        format=_FORMAT_NAMES[info["format"]],
        subsampling=_SUBSAMPLING_NAMES[info["subsampling"]],
        entropy=_ENTROPY_NAMES[info["entropy"]],
        scale=info["scale"] / _core.SCALE_ONE,
        tables="id" if info["tables_by_id"] else "inline",
        table_set_id=info["id"].hex() if info["tables_by_id"] else None,
        level_map=level_map,
        steps=steps,
        has_skip=bool(info["has_skip"]),
        refine=bool(info["refine"]),
        refine_hash=info["refine_hash"].hex() if info["refine"] else None,
        **{name: info[name] for name in same + sizes},
    )


class Decoder(Worker):
    """Decodes picture after picture with the same scratch memory and threads.

    Results are those of `decode`. One call at a time: a call while another thread is inside raises
    `RuntimeError`.

    Parameters
    ----------
    threads : int
        1..256 threads that share each picture.
    cpu : str
        As in `Encoder`. Pixels depend on neither.
    """

    def decode(
        self,
        data: Any,
        *,
        dtype: Any = np.uint8,
        out: np.ndarray | None = None,
        roi: tuple[int, int, int, int] | None = None,
        base: Any = None,
        refine: Any = None,
        table_sets: Iterable[TableSet] = (),
        on_damage: str = "raise",
        report: list[LostSlice] | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> np.ndarray:
        """As the function `decode`."""
        concealment = Concealment(on_damage, report)
        dtype = np.dtype(dtype)
        if dtype.name not in _core.SAMPLE_TYPES or not dtype.isnative:
            raise ValueError(f"dtype must be one of uint8, uint16, float32, got {dtype}")
        sets = arguments.sets(table_sets)
        info, limit = _bounded(data, max_pixels)
        width, height, channels = info["width"], info["height"], info["components"]
        if roi is not None:
            roi = arguments.roi(roi, width, height)
            width, height = roi[2] - roi[0], roi[3] - roi[1]
        array = arguments.output(out, (height, width) if channels == 1 else (height, width, channels), dtype)
        planes = None if base is None else self._base(base, info)
        view = None if refine is None else base_view(refine, sets, limit)
        sample_type = _core.SAMPLE_TYPES[dtype.name]
        damage = concealment.begin(info["slices"])
        self._context.decode(
            data, array, sample_type, roi or (0, 0, 0, 0), planes, view, _views(sets), limit, damage
        )
        concealment.finish()
        return array

    def decode_planes(
        self,
        data: Any,
        table_sets: Iterable[TableSet] = (),
        *,
        base: Any = None,
        refine: Any = None,
        on_damage: str = "raise",
        report: list[LostSlice] | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> Planes:
        """As the function `decode_planes`."""
        concealment = Concealment(on_damage, report)
        sets = arguments.sets(table_sets)
        info, limit = _bounded(data, max_pixels)
        width, height, subsampling = info["width"], info["height"], info["subsampling"]
        base_planes = None if base is None else self._base(base, info)
        view = None if refine is None else base_view(refine, sets, limit)
        damage = concealment.begin(info["slices"])
        planes = self._context.decode_planes(
            data, width, height, subsampling, base_planes, view, _views(sets), limit, damage
        )
        concealment.finish()
        return Planes(planes, _SUBSAMPLING_NAMES[subsampling], width, height, fraction_bits=4)

    def decode_coefficients(
        self,
        data: Any,
        table_sets: Iterable[TableSet] = (),
        *,
        refine: Any = None,
        max_pixels: int = MAX_PIXELS,
    ) -> Coefficients:
        """As the function `decode_coefficients`."""
        sets = arguments.sets(table_sets)
        info, limit = _bounded(data, max_pixels)
        width, height, subsampling = info["width"], info["height"], info["subsampling"]
        steps, level_map = _arrays(data, info, sets, want_tables=True)
        view = None if refine is None else base_view(refine, sets, limit)
        planes = self._context.decode_coefficients(
            data, width, height, subsampling, view, _views(sets), limit
        )
        return Coefficients(
            planes, steps, level_map, info["region_blocks"], _SUBSAMPLING_NAMES[subsampling], width, height
        )

    def _base(self, base: Any, info: dict[str, Any]) -> tuple[np.ndarray, ...]:
        """The planes of `base`, (sample-128) x 16, for a stream of this geometry."""
        subsampling = _SUBSAMPLING_NAMES[info["subsampling"]]
        expected = f"{info['width']} x {info['height']}, subsampling {subsampling!r}"
        if not isinstance(base, Planes):
            array = arguments.image(base, "base")
            if (array.ndim == 2) != (subsampling == "grey"):
                raise ValueError(f"base must be a picture of {expected}, got shape {list(array.shape)}")
            height, width = array.shape[:2]
            planes = self._context.encode_planes(array, info["subsampling"])
            base = Planes(planes, subsampling, width, height, fraction_bits=3)
        if (base.width, base.height, base.subsampling) != (info["width"], info["height"], subsampling):
            found = f"{base.width} x {base.height}, subsampling {base.subsampling!r}"
            raise ValueError(f"base must be a picture of {expected}, got {found}")
        if base.fraction_bits not in (3, 4):
            raise ValueError(f"base.fraction_bits must be 3 or 4, got {base.fraction_bits}")
        shapes = _core.geometry(info["width"], info["height"], info["subsampling"])[1]
        planes = arguments.planes_as("base.planes", base.planes, shapes)
        return planes if base.fraction_bits == 4 else tuple(plane * np.int16(2) for plane in planes)


def decode(
    data: Any,
    *,
    dtype: Any = np.uint8,
    out: np.ndarray | None = None,
    roi: tuple[int, int, int, int] | None = None,
    base: Any = None,
    refine: Any = None,
    table_sets: Iterable[TableSet] = (),
    on_damage: str = "raise",
    report: list[LostSlice] | None = None,
    max_pixels: int = MAX_PIXELS,
    threads: int = 1,
    cpu: str = "auto",
) -> np.ndarray:
    """Decode a stream, or a baseline JPEG file.

    Parameters
    ----------
    data : bytes-like
        Must not change during the call. Any bytes are safe to give.
    dtype : {uint8, uint16, float32}
        Of the result: rounded once, to 0..255, to 0..65535 (257 times the 8-bit scale, so 12 bits of it are
        real), or to 0.0..255.0.
    out : ndarray, optional
        Where to put the picture: exact shape and dtype, writable, pixels of a row contiguous; rows may be any
        distance apart. After an error its contents are undefined. Must not overlap `data` or `base`.
    roi : (x0, y0, x1, y1), optional
        Decode only these pixels, half-open: columns x0..x1-1, rows y0..y1-1. The result is exactly the crop
        of the whole picture, at the cost of the slices it touches.
    base : Planes or array_like, optional
        A picture of the same size and subsampling that shows where the stream has SKIP regions: what
        `decode_planes` returned, or a uint8 image. Otherwise mid-grey, or, in a refinement stream, what
        `refine` has there.
    refine : Coefficients or bytes-like, optional
        For a refinement stream, and only for one: the stream it refines, or its coefficients.
    table_sets : iterable of TableSet
        Known table sets, for a stream that names its set by id.
    on_damage : {"raise", "conceal"}
        What to do about slices that are damaged or missing. "conceal" decodes them as if all of their regions
        were SKIP - mid-grey, or `base` - and all others exactly as ever; bytes behind the last slice are not
        looked at. A damaged header is an error in any case. For a JPEG file, which has no slices, "conceal"
        is an `UnsupportedError`.
    report : list, optional
        With "conceal": what was lost is appended to it, a `LostSlice` each, in stream order. Only the slices
        that `roi` touches are looked at. An error leaves the list as it is.
    max_pixels : int
        Pictures of more pixels are refused before anything is allocated.
    threads : int
        1..256.
    cpu : str
        As in `Encoder`. The pixels depend on neither.

    Returns
    -------
    ndarray, shape [H, W, 3] (RGB) or [H, W] (grey)
        `out` if given, else a new array that owns its memory.

    Raises
    ------
    BitstreamError
        `TruncatedError` or `CorruptError`, with ``offset``, ``slice`` and ``rule``.
    UnsupportedError
        Well-formed, but not supported, such as a progressive JPEG file.
    LimitError
        More than `max_pixels`.
    TypeError, ValueError
        An argument broke a rule; or ``error.rule`` is "missing_table_set": the stream names a table set that
        is not among `table_sets`; "missing_refine_base": it is a refinement stream, and `refine` is needed;
        "no_refinement": it is none; "refine_geometry", "refine_hash": `refine` is not what it refines.

    Examples
    --------
    >>> import numpy as np
    >>> from codec import encode
    >>> data = encode(np.full((48, 64, 3), 200, np.uint8))
    >>> decode(data)[0, 0]
    array([200, 200, 200], dtype=uint8)
    >>> decode(data, roi=(8, 16, 24, 20)).shape
    (4, 16, 3)
    >>> lost = []
    >>> decode(data[:-1], on_damage="conceal", report=lost)[0, 0]
    array([128, 128, 128], dtype=uint8)
    >>> [(one.slice, one.y0, one.y1, one.rule) for one in lost]
    [(0, 0, 48, 'truncated_slice')]
    """
    return Decoder(threads=threads, cpu=cpu).decode(
        data,
        dtype=dtype,
        out=out,
        roi=roi,
        base=base,
        refine=refine,
        table_sets=table_sets,
        on_damage=on_damage,
        report=report,
        max_pixels=max_pixels,
    )


def decode_planes(
    data: Any,
    table_sets: Iterable[TableSet] = (),
    *,
    base: Any = None,
    refine: Any = None,
    on_damage: str = "raise",
    report: list[LostSlice] | None = None,
    max_pixels: int = MAX_PIXELS,
    threads: int = 1,
    cpu: str = "auto",
) -> Planes:
    """Decode up to the samples before up-sampling and colour conversion.

    Parameters
    ----------
    data, table_sets, base, refine, on_damage, report, max_pixels, threads, cpu
        As in `decode`.

    Returns
    -------
    Planes
        int16, ``(sample - 128) * 16``, whole MCUs; can be the `base` of another stream.
    """
    decoder = Decoder(threads=threads, cpu=cpu)
    return decoder.decode_planes(
        data, table_sets, base=base, refine=refine, on_damage=on_damage, report=report, max_pixels=max_pixels
    )


def decode_coefficients(
    data: Any,
    table_sets: Iterable[TableSet] = (),
    *,
    refine: Any = None,
    max_pixels: int = MAX_PIXELS,
    threads: int = 1,
    cpu: str = "auto",
) -> Coefficients:
    """Decode up to the quantised coefficients of a stream or a baseline JPEG file.

    Parameters
    ----------
    data, table_sets, refine, max_pixels, threads, cpu
        As in `decode`.

    Returns
    -------
    Coefficients
        SKIP blocks are zero. `encode_coefficients` writes them back.
    """
    decoder = Decoder(threads=threads, cpu=cpu)
    return decoder.decode_coefficients(data, table_sets, refine=refine, max_pixels=max_pixels)
