# SPDX-License-Identifier: Apache-2.0
"""Where the contexts of the trained level map coding begin: counted in streams, written as C.

    python csrc/stream/train_level_map.py STREAM... -o csrc/stream/level_map_defaults.h

Every decision that docs/bitstream.md, section 5, asks for is counted in the level maps of the streams, those
of sixteen levels; clang-format then lays the file out. It is part of the format: making it anew changes
every stream with map = 2.
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

import codec

SETS, INNER_SETS, FRACTIONS, MORE = 8, 5, 4, 5
LEVELS = 16
# Nothing is certain after so few maps.
LOWEST, HIGHEST = 8, 248


def neighbours(level_map: np.ndarray, y: int, x: int) -> tuple[int, int, int, int]:
    """W, N, NW, NE with the absent ones filled."""
    cols = level_map.shape[1]

    def at(row: int, col: int) -> int | None:
        outside = row < 0 or not 0 <= col < cols
        return None if outside or level_map[row, col] == codec.SKIP else int(level_map[row, col])

    w, n, nw, ne = at(y, x - 1), at(y - 1, x), at(y - 1, x - 1), at(y - 1, x + 1)
    w = (LEVELS // 2 if n is None else n) if w is None else w
    n = w if n is None else n
    return w, n, n if nw is None else nw, n if ne is None else ne


def count(level_map: np.ndarray, seen: Counter) -> None:
    """Add the decisions of a map to `seen`, by kind, context and bit."""
    for y, x in np.argwhere(level_map != codec.SKIP):
        w, n, nw, ne = neighbours(level_map, y, x)
        pull = min(max(LEVELS // 2 - w, -7), 7)
        fine = min(max(10 * w + 6 * n - 2 * nw + 2 * ne + pull, 0), 16 * (LEVELS - 1))
        p = fine + 8 >> 4
        fraction = (fine - 16 * p + 8) // 4
        activity = abs(w - n) + abs(n - ne) + abs(w - nw)
        q = sum(activity > bound for bound in (0, 2, 5, 10))
        if p == LEVELS - 1:
            q = 6 if activity == 0 else 7
        elif p == 0 and activity == 0:
            q = 5
        value = int(level_map[y, x])
        seen["differs", q, int(fraction in (0, 3)), int(value != p)] += 1
        if value == p:
            continue
        if 0 < p < LEVELS - 1:
            seen["below", q, fraction, int(value < p)] += 1
        distance, limit = abs(value - p), p if value < p else LEVELS - 1 - p
        for k in range(min(distance, limit - 1)):
            seen["more", q, min(k, MORE - 1), int(k + 1 < distance)] += 1


def table(seen: Counter, kind: str, sets: int, width: int) -> str:
    """Of 256, the probability of a 0 in each context."""
    rows = []
    for q in range(sets):
        row = []
        for i in range(width):
            zeros, ones = (seen[kind, q, i, bit] for bit in (0, 1))
            share = (zeros + 1) / (zeros + ones + 2)
            row.append(str(min(max(round(256 * share), LOWEST), HIGHEST)))
        rows.append("{" + ", ".join(row) + "}")
    return f"static const uint8_t start_{kind}[{sets}][{width}] = {{\n    " + ",\n    ".join(rows) + ",\n};\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("streams", nargs="+", type=Path)
    parser.add_argument("-o", dest="out", required=True, type=Path)
    args = parser.parse_args()
    seen: Counter = Counter()
    maps = 0
    for path in args.streams:
        header = codec.read_header(path.read_bytes())
        if header.levels == LEVELS:
            count(header.level_map, seen)
            maps += 1
    text = (
        "/* SPDX-License-Identifier: Apache-2.0\n"
        " * Made by csrc/stream/train_level_map.py; part of the format (docs/bitstream.md, section 5). */\n"
        "#ifndef RDCT_STREAM_LEVEL_MAP_DEFAULTS_H\n#define RDCT_STREAM_LEVEL_MAP_DEFAULTS_H\n\n"
        "#include <stdint.h>\n\n/* Of 256, the probability of a 0 at first. */\n"
        + table(seen, "differs", SETS, 2)
        + table(seen, "below", INNER_SETS, FRACTIONS)
        + table(seen, "more", SETS, MORE)
        + "\n#endif\n"
    )
    args.out.write_text(text)
    print(f"{args.out}: {maps} maps")


if __name__ == "__main__":
    main()
