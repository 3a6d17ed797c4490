# SPDX-License-Identifier: Apache-2.0
"""Pictures into bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from codec import _core, arguments
from codec.refine import MAX_PIXELS, REFINE_LIMIT, base_view, limit_in_thousandths
from codec.results import Coefficients, EncodeStats, Planes
from codec.types import QuantPlan, TableSet, map_shape
from codec.worker import Worker

__all__ = [
    "Encoder",
    "encode",
    "encode_bound",
    "encode_coefficients",
    "encode_into",
    "encode_planes",
    "encode_with_stats",
    "quantize",
    "region_bits",
]

_TABLES = {"inline": 0, "id": 1}
_MAX_SLICE_ROWS = 8192


def _plan(plan: Any, height: int, width: int) -> QuantPlan:
    if not isinstance(plan, QuantPlan):
        raise TypeError(f"plan must be a QuantPlan, got {type(plan).__name__}")
    expected = map_shape(height, width, plan.region_blocks)
    if plan.level_map.shape != expected:
        raise ValueError(
            f"plan.level_map must have shape {list(expected)} for {width} x {height} pixels and "
            f"region_blocks={plan.region_blocks}, got {list(plan.level_map.shape)}"
        )
    return plan


def _plan_or_quality(plan: Any, quality: Any, height: int, width: int) -> QuantPlan:
    if plan is None:
        return QuantPlan.uniform(75 if quality is None else quality, (height, width))
    if quality is not None:
        raise ValueError(
            "plan and quality exclude each other: a plan holds its own tables; use plan.with_scale"
        )
    return _plan(plan, height, width)


def _options(
    subsampling: int,
    known: Iterable[TableSet] = (),
    *,
    format: str = "rdct",
    entropy: str = "huffman",
    tables: str = "inline",
    slice_rows: int | None = None,
    refine: Any = None,
    refine_limit: Any = REFINE_LIMIT,
    effort: int = 0,
) -> tuple[int, int, int, int, int, _core.BaseView | None, int, int]:
    """The options of `encode` as RdctEncodeOptions has them; `known` sets serve to read `refine`."""
    c_format = arguments.choice("format", format, _core.FORMATS)
    c_entropy = arguments.choice("entropy", entropy, _core.ENTROPIES)
    by_id = arguments.choice("tables", tables, _TABLES)
    if by_id and format == "jpeg":
        raise ValueError("tables='id' needs format='rdct': a JPEG file carries its tables")
    rows = 0 if slice_rows is None else arguments.integer("slice_rows", slice_rows, 1, _MAX_SLICE_ROWS)
    limit = limit_in_thousandths(refine_limit)
    if refine is not None and format == "jpeg":
        raise ValueError("refine needs format='rdct': JPEG has no refinement streams")
    effort = arguments.integer("effort", effort, 0, _core.MAX_EFFORT)
    if effort and refine is not None:
        raise ValueError(f"effort must be 0 with refine, got {effort}: a refinement ends in plain rounding")
    base = None if refine is None else base_view(refine, known, MAX_PIXELS)
    return subsampling, c_format, c_entropy, by_id, rows, base, limit, effort


class Encoder(Worker):
    """Encodes picture after picture with the same scratch memory and threads.

    Results are those of `encode`: an encoder remembers nothing but memory. One call at a time: a call while
    another thread is inside raises `RuntimeError`. Give each of your threads its own, or one encoder several
    threads.

    Parameters
    ----------
    threads : int
        1..256 threads that share each picture. Bytes do not depend on it.
    cpu : str
        "auto" (the best there is, or what the environment variable RDCT_CPU names), "c", "ssse3", "avx2",
        "avx512", "neon". Bytes do not depend on it.

    Examples
    --------
    >>> import numpy as np
    >>> encoder = Encoder(threads=2)
    >>> frames = np.zeros((3, 48, 64, 3), np.uint8)
    >>> [encoder.encode(frame) == encode(frame) for frame in frames]
    [True, True, True]
    """

    def encode(
        self,
        image: Any,
        plan: QuantPlan | None = None,
        *,
        quality: int | None = None,
        subsampling: str = "444",
        format: str = "rdct",
        entropy: str = "huffman",
        tables: str = "inline",
        slice_rows: int | None = None,
        effort: int = 0,
        refine: Any = None,
        refine_limit: float | None = REFINE_LIMIT,
    ) -> bytes:
        """As the function `encode`."""
        options = {
            "format": format,
            "entropy": entropy,
            "tables": tables,
            "slice_rows": slice_rows,
            "effort": effort,
            "refine": refine,
            "refine_limit": refine_limit,
        }
        return self._encode(image, plan, quality=quality, subsampling=subsampling, **options)[0]

    def encode_with_stats(
        self, image: Any, plan: QuantPlan | None = None, **options: Any
    ) -> tuple[bytes, EncodeStats]:
        """As the function `encode_with_stats`."""
        data, stats = self._encode(image, plan, want_stats=True, **options)
        return data, EncodeStats(**stats)

    def encode_into(self, out: Any, image: Any, plan: QuantPlan | None = None, **options: Any) -> int:
        """As the function `encode_into`."""
        if out is None:
            raise TypeError("out must be a writable contiguous buffer, got None")
        return self._encode(image, plan, out=out, **options)[0]

    def _encode(
        self,
        image: Any,
        plan: Any,
        *,
        quality: int | None = None,
        subsampling: str = "444",
        out: Any = None,
        want_stats: bool = False,
        **options: Any,
    ) -> tuple[Any, Any]:
        array = arguments.image(image)
        plan = _plan_or_quality(plan, quality, *array.shape[:2])
        value = arguments.subsampling(array, subsampling)
        c_options = _options(value, (plan.table_set,), **options)
        return self._context.encode(array, plan._view, c_options, out, want_stats)

    def encode_coefficients(
        self,
        coefficients: Coefficients,
        plan: QuantPlan | None = None,
        **options: Any,
    ) -> bytes:
        """As the function `encode_coefficients`."""
        if not isinstance(coefficients, Coefficients):
            raise TypeError(f"coefficients must be Coefficients, got {type(coefficients).__name__}")
        size = coefficients.height, coefficients.width
        height, width, _ = arguments.size("coefficients (height, width)", size)
        name = coefficients.subsampling
        subsampling = arguments.choice("coefficients.subsampling", name, _core.SUBSAMPLINGS)
        if plan is None:
            plan = QuantPlan(coefficients.tables, coefficients.level_map, coefficients.region_blocks)
        plan = _plan(plan, height, width)
        c_options = _options(subsampling, (plan.table_set,), **options)
        shapes = _core.geometry(width, height, subsampling)[0]
        planes = arguments.planes_as("coefficients.planes", coefficients.planes, shapes)
        return self._context.encode_coefficients(planes, width, height, plan._view, c_options)[0]

    def encode_planes(self, image: Any, subsampling: str = "444") -> Planes:
        """As the function `encode_planes`."""
        array = arguments.image(image)
        value = arguments.subsampling(array, subsampling)
        height, width = array.shape[:2]
        planes = self._context.encode_planes(array, value)
        return Planes(planes, "grey" if array.ndim == 2 else subsampling, width, height, fraction_bits=3)

    def quantize(
        self, image: Any, plan: QuantPlan, subsampling: str = "444", *, effort: int = 0
    ) -> Coefficients:
        """As the function `quantize`."""
        array = arguments.image(image)
        value = arguments.subsampling(array, subsampling)
        effort = arguments.integer("effort", effort, 0, _core.MAX_EFFORT)
        if effort == _core.MAX_EFFORT:
            raise ValueError(
                f"effort must be 0..{effort - 1}, got {effort}, which depends on the entropy coder; "
                "decode_coefficients of the stream says what it chose"
            )
        height, width = array.shape[:2]
        plan = _plan(plan, height, width)
        planes = self._context.quantize(array, plan._view, value, effort)
        name = "grey" if array.ndim == 2 else subsampling
        return Coefficients(planes, plan.steps, plan.level_map, plan.region_blocks, name, width, height)

    def region_bits(self, image: Any, plan: QuantPlan, subsampling: str = "444") -> np.ndarray:
        """As the function `region_bits`."""
        array = arguments.image(image)
        value = arguments.subsampling(array, subsampling)
        plan = _plan(plan, *array.shape[:2])
        return self._context.region_bits(array, plan._view, value) / 256


def encode(
    image: Any,
    plan: QuantPlan | None = None,
    *,
    quality: int | None = None,
    subsampling: str = "444",
    format: str = "rdct",
    entropy: str = "huffman",
    tables: str = "inline",
    slice_rows: int | None = None,
    effort: int = 0,
    refine: Any = None,
    refine_limit: float | None = REFINE_LIMIT,
    threads: int = 1,
    cpu: str = "auto",
) -> bytes:
    """Encode a picture.

    The bytes depend on the picture, the plan and the options; never on `threads`, `cpu`, strides or the
    machine.

    Parameters
    ----------
    image : array_like, uint8, shape [H, W, 3] (RGB), [H, W] or [H, W, 1] (grey)
        1..65535 pixels a side. Rows may be any distance apart (crops, every other row, rows in reverse)
        without a copy as long as the pixels of a row are contiguous; otherwise one copy is made. Must not
        change during the call.
    plan : QuantPlan, optional
        Tables, scale and level map. Excludes `quality`.
    quality : int, optional
        1..100: one level with JPEG's example tables. 75 if neither is given.
    subsampling : {"444", "422", "420"}
        Resolution of chroma: full, halved across, halved both ways. A grey picture has none; "grey" is
        accepted for it.
    format : {"rdct", "jpeg"}
        "jpeg" writes a baseline JPEG file, which cannot SKIP. A plan with one level in use needs steps up to
        255. With more, all regions share a base table a component (made from the median step of the regions),
        and each is quantised to the least rate and distortion by the measure of its own level: regions
        coarser than the base come out like their level, finer ones no better than the base.
    entropy : {"huffman", "huffman-fixed", "context"}
        Huffman tables made for this picture, or the best fixed ones: a rate band of the plan's table set,
        else the typical tables of T.81. "context" models each block by its neighbours: the same integers in
        about a sixth fewer bytes, at about a quarter of the speed; not in JPEG files and refinements.
    tables : {"inline", "id"}
        Whether the stream carries the table set or its 8-byte id; then `decode` needs the set.
    slice_rows : int, optional
        Height of a slice in region rows, 1..8192 (even for "420" with odd `region_blocks`, unless one slice
        is all). Slices are what threads, regions of interest and damage control work on. Default: from the
        size of the picture, with "context" four times as high. In a JPEG file: restart markers as often, by
        default none.
    effort : int
        0..3, how coefficients are quantised; any decoder reads the result. 0 rounds them. 1 rounds with dead
        zones, wider for high frequencies, in the same time. 2 weighs the bits of each AC coefficient, by
        the typical tables of T.81, against the error it leaves in units of its level's own step squared. 3
        looks for the best of all: for Huffman codes over whole blocks, by code lengths learnt from a sample
        of the picture; for contexts by what the model that codes the block has learnt by then. DC is only
        rounded. In a JPEG file of many levels, which is always made by such a search, it changes nothing.
        Must be 0 with `refine`.
    refine : Coefficients or bytes-like, optional
        What the receiver has of this picture: a stream sent before, or its coefficients. Makes a refinement
        stream (docs/bitstream.md, section 10): a region may then be coded as the difference to these, and
        `decode` needs them too. It decodes to the same integers as without. Size, subsampling and
        `region_blocks` must be the same. A stream that names another table set than the plan's by id, or
        itself a refinement, must be given as `Coefficients`.
    refine_limit : float or None
        A region is refined where that is cheaper than coding it afresh, and where its bits in both streams
        are at most this many times those of coding it afresh. None: just where it is cheaper.
    threads : int
        1..256.
    cpu : str
        As in `Encoder`.

    Returns
    -------
    bytes

    Raises
    ------
    TypeError, ValueError
        Names the argument, its value and the rule it broke.
    UnsupportedError
        A combination that this version does not write: SKIP in a JPEG file (``rule`` "jpeg_skip"), or
        coefficients quantised at many levels ("jpeg_levels").

    Examples
    --------
    >>> import numpy as np
    >>> image = np.full((48, 64, 3), 200, np.uint8)
    >>> data = encode(image, quality=90)
    >>> isinstance(data, bytes), len(data) < image.size
    (True, True)
    """
    options = {
        "format": format,
        "entropy": entropy,
        "tables": tables,
        "slice_rows": slice_rows,
        "effort": effort,
        "refine": refine,
        "refine_limit": refine_limit,
    }
    return Encoder(threads=threads, cpu=cpu).encode(
        image, plan, quality=quality, subsampling=subsampling, **options
    )


def encode_with_stats(
    image: Any, plan: QuantPlan | None = None, *, threads: int = 1, cpu: str = "auto", **options: Any
) -> tuple[bytes, EncodeStats]:
    """As `encode`, and where the bytes went.

    Parameters
    ----------
    image, plan, threads, cpu, **options
        As in `encode`.

    Returns
    -------
    (bytes, EncodeStats)
    """
    return Encoder(threads=threads, cpu=cpu).encode_with_stats(image, plan, **options)


def encode_into(
    out: Any,
    image: Any,
    plan: QuantPlan | None = None,
    *,
    threads: int = 1,
    cpu: str = "auto",
    **options: Any,
) -> int:
    """As `encode`, into a buffer of the caller.

    Parameters
    ----------
    out : writable contiguous buffer
        Such as a bytearray, a memoryview or a uint8 array. `encode_bound` bytes are always enough.
    image, plan, threads, cpu, **options
        As in `encode`.

    Returns
    -------
    int
        Number of bytes written at the start of `out`.

    Raises
    ------
    BufferTooSmallError
        `out` is too small: ``error.needed`` bytes would do. `out` is unchanged.
    """
    return Encoder(threads=threads, cpu=cpu).encode_into(out, image, plan, **options)


def encode_bound(image_shape: Any, subsampling: str = "444") -> int:
    """The most bytes any stream of a picture of this size can have, whatever its contents, plan and options.

    Parameters
    ----------
    image_shape : (H, W), (H, W, 1) or (H, W, 3)
    subsampling : {"444", "422", "420", "grey"}

    Returns
    -------
    int

    Examples
    --------
    >>> encode_bound((480, 640, 3)) > 480 * 640 * 3
    True
    """
    height, width, channels = arguments.size("image_shape", image_shape)
    value = arguments.choice("subsampling", subsampling, _core.SUBSAMPLINGS)
    if channels == 1:
        value = _core.SUBSAMPLINGS["grey"]
    elif value == _core.SUBSAMPLINGS["grey"]:
        raise ValueError(
            f"subsampling 'grey' needs image_shape (H, W) or (H, W, 1), got {tuple(image_shape)}"
        )
    return _core.encode_bound(width, height, value)


def encode_coefficients(
    coefficients: Coefficients,
    plan: QuantPlan | None = None,
    *,
    threads: int = 1,
    cpu: str = "auto",
    **options: Any,
) -> bytes:
    """Write quantised coefficients as a stream, unchanged.

    Parameters
    ----------
    coefficients : Coefficients
        From `quantize` or `decode_coefficients`, or made by hand: int16 planes of the shapes the class
        describes. Values are limited by what the entropy coder can say: AC -1023..1023, DC -2048..2047.
        Blocks of SKIP regions are ignored.
    plan : QuantPlan, optional
        Tables and level map to write; the coefficients are not touched, so a plan with other steps changes
        the picture. Default: those of `coefficients`.
    **options
        ``format``, ``entropy``, ``tables``, ``slice_rows``, ``refine``, ``refine_limit`` as in `encode`.
        There is nothing left to do for an ``effort``: it must be 0.
    threads, cpu
        As in `encode`.

    Returns
    -------
    bytes
        Decodes to the same coefficients.
    """
    return Encoder(threads=threads, cpu=cpu).encode_coefficients(coefficients, plan, **options)


def encode_planes(image: Any, subsampling: str = "444", *, threads: int = 1, cpu: str = "auto") -> Planes:
    """The encoder's first step alone: colour conversion, chroma averaging, padding.

    Parameters
    ----------
    image, subsampling, threads, cpu
        As in `encode`.

    Returns
    -------
    Planes
        int16, ``(sample - 128) * 8``, replicated at the edges to whole MCUs.
    """
    return Encoder(threads=threads, cpu=cpu).encode_planes(image, subsampling)


def quantize(
    image: Any,
    plan: QuantPlan,
    subsampling: str = "444",
    *,
    effort: int = 0,
    threads: int = 1,
    cpu: str = "auto",
) -> Coefficients:
    """The encoder up to its quantised coefficients.

    ``encode_coefficients(quantize(image, plan, s, effort=e), plan)`` is ``encode(image, plan, subsampling=s,
    effort=e)``. SKIP blocks are zero.

    Parameters
    ----------
    image, plan, subsampling, threads, cpu
        As in `encode`.
    effort : int
        0..2 as in `encode`. What effort 3 chooses depends on the entropy coder:
        ``decode_coefficients(encode(image, plan, effort=3))`` says what it was.

    Returns
    -------
    Coefficients
    """
    return Encoder(threads=threads, cpu=cpu).quantize(image, plan, subsampling, effort=effort)


def region_bits(
    image: Any, plan: QuantPlan, subsampling: str = "444", *, threads: int = 1, cpu: str = "auto"
) -> np.ndarray:
    """What each region of a picture costs under a plan, context-modelled.

    Exact: the coder itself keeps the account, block by block, with everything it has learnt by then. A block
    of subsampled chroma counts in the region that holds its centre. Header, level map and the rounding of
    slices to bytes are not in it.

    Parameters
    ----------
    image, plan, subsampling, threads, cpu
        As in `encode`.

    Returns
    -------
    numpy.ndarray
        float64 ``[rows, cols]``: bits, of which 1/256 is the smallest part. SKIP regions cost nothing.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    >>> region_bits(image, QuantPlan.uniform(75, image.shape)).shape
    (2, 2)
    """
    return Encoder(threads=threads, cpu=cpu).region_bits(image, plan, subsampling)
