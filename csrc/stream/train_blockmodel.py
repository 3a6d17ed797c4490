# SPDX-License-Identifier: Apache-2.0
"""Where the distributions of the context-modelled coder begin: counted on pictures, written as C.

    python csrc/stream/train_blockmodel.py FOLDER... -o csrc/stream/blockmodel_defaults.h

Every picture of the folders is quantised at several rates, with one table and with sixteen levels, 4:4:4
and 4:2:0, and each symbol counted in its contexts (docs/bitstream.md, section 11). The file is part of the
format: making it anew changes every stream of entropy 2.
"""

import argparse
from pathlib import Path

import numba
import numpy as np
from PIL import Image

import codec

MAGNITUDE_HAZARDS, FULL_HAZARDS = 4, 15
END_FIRST = np.array([0, 1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49])


def classes(thresholds: tuple[int, ...], size: int) -> np.ndarray:
    """How many thresholds are at most i, for i below size."""
    return (np.arange(size)[:, None] >= np.array(thresholds)).sum(1)


END_CLASS = classes(tuple(END_FIRST[1:]), 64)
BUSY_CLASS = classes((1, 2, 3, 5, 8, 12, 18, 27), 64)
BAND = classes((3, 6, 10, 15, 21, 28, 36, 49), 64)
ONE_CLASS = classes((1, 2, 3, 5, 8, 13, 22), 128)
BOTH_CLASS = classes((1, 2, 3, 4, 6, 9, 13, 19, 28, 42), 192)
POSITION = np.array([max(k - 1, 0) if k <= 16 else min(16 + (k - 17) // 3, 27) for k in range(64)])
SIZES = {
    "dc": (2, 11),
    "end_by_ends": (2, 13),
    "end_by_busy": (2, 9, 11),
    "last": (2, 9, 8),
    "by_band": (2, 9, 8, 8),
    "by_position": (2, 28, 11),
}


def _around() -> np.ndarray:
    """Zigzag places right, below, right below, two right, two below each place; 64 outside."""
    place = {int(natural): k for k, natural in enumerate(codec.ZIGZAG.ravel())}
    table = np.full((64, 5), 64)
    for natural, k in place.items():
        v, u = divmod(natural, 8)
        for i, (right, down) in enumerate(((1, 0), (0, 1), (1, 1), (2, 0), (0, 2))):
            if u + right < 8 and v + down < 8:
                table[k, i] = place[8 * (v + down) + u + right]
    return table


AROUND = _around()


@numba.njit(cache=True)
def _median(a, b, c):
    return max(min(a, b), min(max(a, b), c))


@numba.njit(cache=True)
def _bits(value):
    n = 0
    while value >> n:
        n += 1
    return n


@numba.njit(cache=True)
def _count(blocks, steps, chroma, other, tables, dc, end_by_ends, end_by_busy, last, by_band, by_position):
    """blocks [rows, wide, 64] and steps likewise, zigzag; other: |Cb|, or zeros."""
    end_class, busy_class, band, one_class, both_class, position, around = tables
    rows, wide = blocks.shape[:2]
    magnitude = np.zeros((rows, wide, 64), np.int64)
    ends = np.zeros((rows, wide), np.int64)
    for y in range(rows):
        for x in range(wide):
            q, step = blocks[y, x], steps[y, x]
            for k in range(1, 64):
                magnitude[y, x, k] = min(abs(q[k]) * step[k], 2047)
                if q[k]:
                    ends[y, x] = k
            left = (y, x - 1) if x else (y - 1, x) if y else (-1, -1)
            above = (y - 1, x) if y else left
            there = left[0] >= 0
            small = np.zeros(65, np.int64)
            beside = np.zeros(64, np.int64)
            busy = 0
            for k in range(1, 64):
                both = 2 * (magnitude[left[0], left[1], k] + magnitude[above[0], above[1], k]) if there else 0
                reciprocal = min(65535, (65536 + step[k] - 1) // step[k])
                beside[k] = min(127, ((both * reciprocal) >> 16) + 2 * min(other[y, x, k], 15))
                busy += beside[k] >= 2
            busy = busy_class[busy]
            near = np.zeros(4, np.int64)
            if there:
                corner = (y - 1, x - 1) if x and y else above
                right = (y - 1, x + 1) if y and x + 1 < wide else above
                for i, (v, u) in enumerate((left, above, corner, right)):
                    near[i] = max(-1024, min(1023, blocks[v, u, 0] * steps[v, u, 0]))
            gradient = abs(near[0] - near[2]) + abs(near[1] - near[2]) + abs(near[3] - near[1])
            gradient = min(10, _bits(gradient // step[0]))
            wanted = _median(near[0], near[1], near[0] + near[1] - near[2])
            predicted = int(np.sign(wanted)) * ((abs(wanted) + step[0] // 2) // step[0])
            dc[chroma, gradient, _bits(abs(q[0] - predicted))] += 1
            end = ends[y, x]
            i = end_class[(ends[left[0], left[1]] + ends[above[0], above[1]] + 1) >> 1] if there else 6
            end_by_ends[chroma, i, end_class[end]] += 1
            end_by_busy[chroma, busy, gradient, end_class[end]] += 1
            for k in range(end, 0, -1):
                m, b = abs(q[k]), one_class[beside[k]]
                if k == end:
                    last[chroma, band[k], b, min(m - 1, 15)] += 1
                else:
                    at = around[k]
                    n = 2 * (small[at[0]] + small[at[1]]) + small[at[2]] + small[at[3]] + small[at[4]]
                    by_band[chroma, band[k], one_class[n], b, min(m, 15)] += 1
                    by_position[
                        chroma, position[k], both_class[(3 * n + 2 * beside[k] + 2) >> 2], min(m, 15)
                    ] += 1
                small[k] = min(m, 15)


def count(
    picture: np.ndarray, plan: codec.QuantPlan, subsampling: str, counts: dict[str, np.ndarray]
) -> None:
    """Add a picture's symbols to counts."""
    found = codec.quantize(picture, plan, subsampling)
    tables = (END_CLASS, BUSY_CLASS, BAND, ONE_CLASS, BOTH_CLASS, POSITION, AROUND)
    zigzag = codec.ZIGZAG.ravel()
    rows, cols = found.level_map.shape
    other = None
    for c, plane in enumerate(found.planes):
        high, wide = plane.shape[:2]
        span = found.planes[0].shape[0] // high, found.planes[0].shape[1] // wide
        y = np.minimum((np.arange(high) * span[0] + span[0] // 2) // found.region_blocks, rows - 1)
        x = np.minimum((np.arange(wide) * span[1] + span[1] // 2) // found.region_blocks, cols - 1)
        levels = found.level_map[np.ix_(y, x)]
        steps = found.tables[:, c].reshape(-1, 64)[levels][..., zigzag].astype(np.int64)
        blocks = plane.reshape(high, wide, 64)[..., zigzag].astype(np.int64)
        beside = np.abs(other) if c == 2 else np.zeros_like(blocks)
        _count(blocks, steps, int(c > 0), beside, tables, *counts.values())
        other = blocks


def hazards(counts: np.ndarray, n: int) -> list[int]:
    """256 times the probability of a symbol that is none below; the last of n holds for all that follow."""
    counts = counts + 0.4 * np.array(
        [0.5**s for s in range(16)]
    )  # a context never met gets something sensible
    rest = counts[::-1].cumsum()[::-1]
    shares = list(counts[: n - 1] / rest[: n - 1])
    shares.append(counts[n - 1 : 15].sum() / rest[n - 1 : 15].sum())
    return [int(np.clip(round(256 * share), 1, 255)) for share in shares]


def source(counts: dict[str, np.ndarray]) -> str:
    """The C header."""
    text = [
        "/* SPDX-License-Identifier: Apache-2.0",
        " * Where the distributions of every slice begin, as hazards (rdct_distribution_init). Part of the",
        " * format; made by csrc/stream/train_blockmodel.py. */",
        "#ifndef RDCT_STREAM_BLOCKMODEL_DEFAULTS_H",
        "#define RDCT_STREAM_BLOCKMODEL_DEFAULTS_H",
        "",
        "#include <stdint.h>",
        "",
        "/* clang-format off */",
    ]
    for name, found in counts.items():
        n = MAGNITUDE_HAZARDS if name in ("last", "by_band", "by_position") else FULL_HAZARDS
        rows = ["{" + ", ".join(map(str, hazards(row, n))) + "}" for row in found.reshape(-1, 16)]
        each = 8 if n == MAGNITUDE_HAZARDS else 2
        text.append(f"static const uint8_t default_{name}[{len(rows)}][{n}] = {{")
        text += ["    " + ", ".join(rows[i : i + each]) + "," for i in range(0, len(rows), each)]
        text.append("};")
    return "\n".join([*text, "/* clang-format on */", "", "#endif", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--limit", type=int, default=8, help="pictures of a folder, spread evenly (8)")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    counts = {name: np.zeros((*size, 16), np.int64) for name, size in SIZES.items()}
    offsets = 4 * (np.arange(16) - 8)
    base = np.rint(16 * np.log2(codec.ijg_table(50))).astype(np.int64)
    ladder = codec.TableSet.from_log(base, offsets)
    rng = np.random.default_rng(1)
    for folder in options.folders:
        paths = [
            p for p in sorted(folder.iterdir()) if p.suffix in (".png", ".webp") and "gtFine" not in p.name
        ]
        for path in paths[:: max(1, len(paths) // options.limit)][: options.limit]:
            picture = np.asarray(Image.open(path).convert("RGB"))
            levels = np.clip(np.rint(rng.normal(8, 3, codec.map_shape(*picture.shape[:2]))), 0, 15).astype(
                np.uint8
            )
            plans = [codec.QuantPlan.uniform(quality, picture.shape) for quality in (95, 90, 80, 60)]
            plans += [codec.QuantPlan(ladder, levels, scale=scale) for scale in (0.15, 0.35, 0.8)]
            for plan in plans:
                for subsampling in ("444", "420"):
                    count(picture, plan, subsampling, counts)
            print(path.name, flush=True)
    options.output.write_text(source(counts), "utf-8")


if __name__ == "__main__":
    main()
