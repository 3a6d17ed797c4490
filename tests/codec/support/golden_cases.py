# SPDX-License-Identifier: Apache-2.0
"""The streams that pin the format: name -> (image, plan, options). Shared by test_golden.py and
make_golden.py.

A case, once frozen, is never changed: a new feature gets a new case.
"""

import hashlib
from pathlib import Path

import numpy as np
import pictures

import codec

FOLDER = Path(__file__).parents[1] / "golden"
SUMS = "sums.txt"


def table_set():
    """Four levels in logarithmic form and two rate bands."""
    n = np.add.outer(np.arange(8), np.arange(8))
    counts = np.zeros((2, 4, 256), np.int64)
    symbols = np.array([run * 16 + size for run in range(16) for size in range(1, 11)])
    for band, slope in enumerate((3, 6)):
        counts[band, ::2, :12] = np.maximum(4096 >> np.arange(12), 1)
        ac = np.maximum(2**20 >> (symbols // 16 + slope * (symbols % 16)) // 2, 1)
        counts[band, 1::2, symbols] = ac[:, None]
        counts[band, 1::2, 0x00], counts[band, 1::2, 0xF0] = 2**18, 2**8
    bands = np.array([[codec.huffman_lengths(one) for one in band] for band in counts])
    return codec.TableSet.from_log(np.stack([40 + 5 * n, 56 + 5 * n, 58 + 5 * n]), [-12, 0, 12, 24], bands)


def plan(height, width, region_blocks, skip=0, scale=1.0, seed=0):
    shape = codec.map_shape(height, width, region_blocks)
    return codec.QuantPlan(table_set(), pictures.levels(*shape, 4, seed, skip), region_blocks, scale)


def cases():
    """{file name: (image, keyword arguments of codec.encode)}"""
    out = {}

    def add(name, height, width, channels=3, seed=0, **options):
        image = pictures.street(height, width, channels, seed)
        suffix = "jpg" if options.get("format") == "jpeg" else "rdct"
        out[f"{name}.{suffix}"] = (image, options)

    for subsampling in ("444", "422", "420"):
        add(f"q75-{subsampling}", 67, 93, quality=75, subsampling=subsampling)
        add(f"q75-{subsampling}", 67, 93, quality=75, subsampling=subsampling, format="jpeg")
        add(f"levels-{subsampling}", 120, 161, plan=plan(120, 161, 3, skip=1), subsampling=subsampling)
    for region_blocks in range(1, 9):
        regions = plan(96, 128, region_blocks, skip=1, seed=region_blocks)
        add(f"regions-{region_blocks}-420", 96, 128, plan=regions, subsampling="420", slice_rows=2)
    add("q75-grey", 67, 93, 1, quality=75)
    add("q75-grey", 67, 93, 1, quality=75, format="jpeg")
    add("levels-grey", 50, 61, 1, plan=plan(50, 61, 2, scale=1.7))
    add("one-pixel", 1, 1, quality=50)
    add("one-row", 1, 100, quality=50, subsampling="420")
    add("one-column", 100, 1, quality=50, subsampling="422")
    add("q1", 48, 48, quality=1)
    add("q100", 48, 48, quality=100)
    add("fixed-annex-k", 48, 64, quality=60, entropy="huffman-fixed")
    add("fixed-band-by-id", 72, 96, plan=plan(72, 96, 3), entropy="huffman-fixed", tables="id")
    add("fixed-band-inline", 360, 480, plan=plan(360, 480, 3, scale=0.4), entropy="huffman-fixed")
    add("by-id", 72, 96, plan=plan(72, 96, 3, skip=2), tables="id", subsampling="420")
    add("explicit", 48, 72, plan=codec.QuantPlan(
        np.array([codec.ijg_table(q) for q in (90, 70, 40)]), [[0, 1, 2], [2, 1, 0]]))  # fmt: skip
    add("all-skip", 48, 72, plan=plan(48, 72, 3).with_map(np.full((2, 3), codec.SKIP)))
    add("slices", 130, 70, quality=70, slice_rows=1)
    add("restarts", 130, 70, quality=70, slice_rows=2, subsampling="420", format="jpeg")
    add("large-steps", 64, 64, plan=plan(64, 64, 3, scale=40))
    for subsampling in ("444", "422", "420"):
        add(f"stock-{subsampling}", 120, 161, plan=plan(120, 161, 3), subsampling=subsampling, format="jpeg")
    add("stock-grey", 50, 61, 1, plan=plan(50, 61, 2, scale=0.3), format="jpeg")
    add("stock-restarts", 130, 70, plan=plan(130, 70, 1), slice_rows=2, subsampling="420", format="jpeg")
    for subsampling in ("444", "422", "420"):
        regions = plan(120, 161, 3, skip=1)
        add(f"context-{subsampling}", 120, 161, plan=regions, subsampling=subsampling, entropy="context")
    add("context-grey", 50, 61, 1, plan=plan(50, 61, 2, scale=1.7), entropy="context")
    add(
        "context-slices", 130, 70, plan=plan(130, 70, 1, skip=1), entropy="context", slice_rows=2, tables="id"
    )
    add("context-q100", 48, 48, quality=100, entropy="context")
    add("stock-fixed", 360, 480, plan=plan(360, 480, 3, scale=0.4), entropy="huffman-fixed", format="jpeg")
    trained = codec.TableSet.from_log(table_set().log_base, np.arange(-16, 16, 2))
    level_map = pictures.levels(*codec.map_shape(160, 200, 2), 16, 7, 1)
    regions = codec.QuantPlan(trained, level_map, 2)
    add("map-trained", 160, 200, plan=regions, subsampling="420", entropy="context")
    return out


def refinements():
    """{file name: (image, keyword arguments of codec.encode, file name of the base or None)}, a base before
    what refines it.
    """
    out = {}

    def add(name, height, width, channels=3, region_blocks=3, limit=None, **options):
        image = pictures.street(height, width, channels, seed=region_blocks)
        shape = codec.map_shape(height, width, region_blocks)
        tables = table_set()
        coarse = pictures.levels(*shape, 2, region_blocks, skip=1)
        coarse = np.where(coarse == codec.SKIP, coarse, coarse + 2)
        fine = pictures.levels(*shape, 2, region_blocks + 50, skip=2)
        low, high = (codec.QuantPlan(tables, levels, region_blocks) for levels in (coarse, fine))
        out[f"{name}-low.rdct"] = image, {"plan": low, **options}, None
        options |= {"plan": high, "refine_limit": limit}
        out[f"{name}-high.rdct"] = image, options, f"{name}-low.rdct"

    for subsampling in ("444", "422", "420"):
        add(f"refine-{subsampling}", 120, 161, subsampling=subsampling, slice_rows=2)
    add("refine-grey", 120, 161, 1)
    for region_blocks in (1, 2, 5, 8):
        add(f"refine-regions-{region_blocks}", 96, 128, 3, region_blocks, subsampling="420")
    add("refine-limit", 120, 161, limit=1.1, subsampling="420")
    add("refine-fixed", 120, 161, entropy="huffman-fixed", tables="id", subsampling="420")
    return out


def encode(image, options, base, **more):
    """The stream of a case of `refinements`; base: bytes or None."""
    return codec.encode(image, **options, **more, **({} if base is None else {"refine": base}))


def digest(data):
    return hashlib.sha256(data).hexdigest()


def lines(name, data, base=None):
    """What sums.txt says of a stream: its own hash, and those of what it decodes to."""
    options = {"table_sets": [table_set()], "refine": base}
    pixels = codec.decode(data, **options)
    floats = codec.decode(data, dtype=np.float32, **options)
    planes = codec.decode_coefficients(data, **options).planes
    coefficients = b"".join(plane.astype("<i2").tobytes() for plane in planes)
    return [
        f"{digest(data)}  {name}",
        f"{digest(pixels.tobytes())}  {name} pixels {'x'.join(map(str, pixels.shape))}",
        f"{digest(floats.astype('<f4').tobytes())}  {name} float pixels",
        f"{digest(coefficients)}  {name} coefficients",
    ]
