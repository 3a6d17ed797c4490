# SPDX-License-Identifier: Apache-2.0
"""docs/bitstream.md, section 11, read by a person and written down in Python: a second reader of
context-modelled slices. Of the C core it shares the numbers that distributions begin with, and nothing else.
"""

import re
from pathlib import Path
from types import SimpleNamespace

import reference
from reference import SKIP, ZIGZAG, BitReader, block_levels, ceil_div, round_div

DEFAULTS = Path(__file__).parents[3] / "csrc/stream/blockmodel_defaults.h"
SHAPES = {
    "dc": (2, 11),
    "end_by_ends": (2, 13),
    "end_by_busy": (2, 9, 11),
    "last": (2, 9, 8),
    "by_band": (2, 9, 8, 8),
    "by_position": (2, 28, 11),
}
END_FIRST = (0, 1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49)
END_BITS = (0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4)


def above(x, *thresholds):
    return sum(t <= x for t in thresholds)


def one_class(x):
    return above(x, 1, 2, 3, 5, 8, 13, 22)


def defaults():
    """{name: list of hazards by flat index}"""
    source, found = DEFAULTS.read_text("utf-8"), {}
    for name in SHAPES:
        body = re.search(rf"default_{name}\[\d+\]\[\d+\] = \{{(.*?)\n\}};", source, re.S)[1]
        found[name] = [[int(one) for one in row.split(",")] for row in re.findall(r"\{([^}]*)\}", body)]
    return found


class Distribution:
    def __init__(self, hazards):
        rest, self.uses, self.below = 2**15 - 128, 0, [0]
        for s in range(15):
            share = rest * hazards[min(s, len(hazards) - 1)] >> 8
            self.below.append(self.below[-1] + share + 8)
            rest -= share

    def adapt(self, symbol):
        rate = 4 if self.uses < 4 else 5 if self.uses < 52 else 6
        for i in range(1, 16):
            target = 8 * i if i <= symbol else 2**15 - 8 * (16 - i)
            self.below[i] += target - self.below[i] >> rate
        self.uses = min(self.uses + 1, 255)


class Model:
    """The distributions of one slice."""

    start = None

    def __init__(self):
        Model.start = Model.start or defaults()
        self.made = {}

    def of(self, name, *index):
        if (name, index) not in self.made:
            flat = 0
            for size, i in zip(SHAPES[name], index, strict=True):
                assert 0 <= i < size
                flat = flat * size + i
            self.made[name, index] = Distribution(Model.start[name][flat])
        return self.made[name, index]


class SymbolReader:
    """The code as one long number, compared with the range's low end."""

    def __init__(self, data):
        self.data, self.doublings, self.range = data, 0, 65535
        self.offset = int.from_bytes((data + bytes(2))[:2], "big")

    def bit(self):
        at = 16 + self.doublings
        self.doublings += 1
        return self.data[at // 8] >> 7 - at % 8 & 1 if at // 8 < len(self.data) else 0

    def symbol(self, a, b):
        bounds = [0, *(self.range * (a.below[i] + b.below[i]) >> 16 for i in range(1, 16)), self.range]
        assert bounds == sorted(bounds) and self.offset < self.range
        symbol = max(i for i in range(16) if bounds[i] <= self.offset)
        self.offset -= bounds[symbol]
        self.range = bounds[symbol + 1] - bounds[symbol]
        while self.range < 2**15:
            self.range, self.offset = 2 * self.range, 2 * self.offset + self.bit()
        for one in {id(a): a, id(b): b}.values():
            one.adapt(symbol)
        return symbol

    def check_end(self):
        n = len(self.data)
        assert n <= ceil_div(self.doublings + 1, 8) and (n == 0 or self.data[-1] != 0)


def absent():
    return SimpleNamespace(m=[0] * 64, d=0, e=0)


def read_block(symbols, plain, model, chroma, steps, left, top, corner, right, same):
    """q in zigzag order. The neighbours are None where there is none, or SKIP."""
    there = left or top
    corner, right = (corner or top if left and top else top or left), (right or top) if top else left
    left, top = left or top or absent(), top or left or absent()
    corner, right = corner or absent(), right or absent()
    expected = [
        min(
            127,
            (2 * (left.m[k] + top.m[k]) * min(65535, ceil_div(2**16, steps[k])) >> 16)
            + (2 * min(abs(same[k]), 15) if same and k else 0),
        )
        for k in range(64)
    ]
    busy = above(sum(x >= 2 for x in expected[1:]), 1, 2, 3, 5, 8, 12, 18, 27)
    g = abs(left.d - corner.d) + abs(top.d - corner.d) + abs(right.d - top.d)
    gradient = min(10, (g // steps[0]).bit_length())
    middle = sorted((left.d, top.d, left.d + top.d - corner.d))[1]
    p = middle if steps[0] == 1 else round_div(min(max(middle, -1024), 1023), steps[0])
    q = [0] * 64
    by = model.of("dc", chroma, gradient)
    category = symbols.symbol(by, by)
    assert category <= 12
    q[0] = p + plain.signed(category)
    ends = above((left.e + top.e + 1) // 2, *END_FIRST[1:]) if there else 6
    end_class = symbols.symbol(
        model.of("end_by_ends", chroma, ends), model.of("end_by_busy", chroma, busy, gradient)
    )
    end = END_FIRST[end_class] + plain.read(END_BITS[end_class])
    places = {n: k for k, n in enumerate(ZIGZAG)}

    def small(k, right, down):
        v, u = divmod(ZIGZAG[k], 8)
        return min(q[places[8 * (v + down) + u + right]], 15) if u + right < 8 and v + down < 8 else 0

    for k in range(end, 0, -1):
        band = above(k, 3, 6, 10, 15, 21, 28, 36, 49)
        if k == end:
            a = b = model.of("last", chroma, band, one_class(expected[k]))
        else:
            n = 2 * (small(k, 1, 0) + small(k, 0, 1)) + small(k, 1, 1) + small(k, 2, 0) + small(k, 0, 2)
            a = model.of("by_band", chroma, band, one_class(n), one_class(expected[k]))
            y = above(3 * n + 2 * expected[k] + 2 >> 2, 1, 2, 3, 4, 6, 9, 13, 19, 28, 42)
            b = model.of("by_position", chroma, k - 1 if k <= 16 else min(16 + (k - 17) // 3, 27), y)
        value = symbols.symbol(a, b)
        if value == 15:
            zeros = 0
            while plain.read(1) == 0:
                zeros += 1
            value += (1 << zeros | plain.read(zeros)) - 1
        q[k] = value + (k == end)
        assert q[k] <= 1023
    for k in range(end, 0, -1):
        if q[k] and plain.read(1):
            q[k] = -q[k]
    return q


def coefficients(data, table_sets=()):
    """int [by][bx][64] for each component, zigzag order, None where SKIP; checks all that section 11 asks."""
    s = reference.parse(data, table_sets)
    assert s.entropy == 2
    v = reference.SAMPLING[s.subsampling][1]
    planes = [[[None] * len(row) for row in block_levels(s, c)] for c in range(s.components)]
    levels = [block_levels(s, c) for c in range(s.components)]
    mcu_rows = len(levels[-1])
    block_rows = s.slice_rows * s.region_blocks
    for i, slice_bytes in enumerate(s.slice_data):
        cursor = reference.Cursor(slice_bytes)
        symbols = SymbolReader(cursor.take(cursor.varint()))
        plain = BitReader(slice_bytes[cursor.at :])
        model, seen = Model(), {}
        last = mcu_rows if i + 1 == s.slices else (i + 1) * block_rows // v
        for mcu_y in range(i * block_rows // v, last):
            for c in range(s.components):
                for y in range(mcu_y * v, mcu_y * v + v) if c == 0 else (mcu_y,):
                    for x, level in enumerate(levels[c][y]):
                        if level == SKIP:
                            continue
                        steps = [int(s.steps[level, c, n]) for n in ZIGZAG]
                        around = [
                            seen.get((c, y + dy, x + dx)) for dy, dx in ((0, -1), (-1, 0), (-1, -1), (-1, 1))
                        ]
                        same = planes[1][y][x] if c == 2 else None
                        q = read_block(symbols, plain, model, int(c > 0), steps, *around, same)
                        planes[c][y][x] = q
                        seen[c, y, x] = SimpleNamespace(
                            m=[0] + [min(abs(q[k]) * steps[k], 2047) for k in range(1, 64)],
                            d=min(max(q[0] * steps[0], -1024), 1023),
                            e=max((k for k in range(1, 64) if q[k]), default=0),
                        )
        symbols.check_end()
        rest = plain.bits[plain.at :]
        assert len(rest) < 8 and "1" not in rest
    return planes
