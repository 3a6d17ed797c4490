# SPDX-License-Identifier: Apache-2.0
"""docs/bitstream.md, read by a person and written down in Python: a second reader of the format, from bytes
to quantised coefficients. It shares no line with the C core and is as slow as it is plain.

What else the page says is beside it: range_reference.py (section 7), context_reference.py (section 11) and
transform_reference.py (section 9, in float64); jpeg_reference.py reads baseline JPEG files.
"""

import functools
import hashlib
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from range_reference import Models, RangeDecoder, RangeEncoder

SKIP = 255


def ceil_div(a, b):
    return (a + b - 1) // b


ZIGZAG = sorted(range(64), key=lambda n: (n // 8 + n % 8, n // 8 if (n // 8 + n % 8) % 2 else n % 8))
OCTAVE = [
    16384, 17109, 17867, 18658, 19484, 20347, 21247, 22188, 23170, 24196, 25268, 26386, 27554, 28774, 30048,
    31379,
]  # fmt: skip
ANNEX_K = {
    "luma": """
        16 11 10 16 24 40 51 61   12 12 14 19 26 58 60 55   14 13 16 24 40 57 69 56
        14 17 22 29 51 87 80 62   18 22 37 56 68 109 103 77   24 35 55 64 81 104 113 92
        49 64 78 87 103 121 120 101   72 92 95 98 112 100 103 99""",
    "chroma": """
        17 18 24 47 99 99 99 99   18 21 26 66 99 99 99 99   24 26 56 99 99 99 99 99
        47 66 99 99 99 99 99 99 """
    + "99 " * 32,
}


def ijg(quality):
    """uint16 [3,64], natural order."""
    assert 1 <= quality <= 100
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    rows = [
        [min(max((int(v) * scale + 50) // 100, 1), 255) for v in ANNEX_K[k].split()]
        for k in ("luma", "chroma")
    ]
    return np.array([rows[0], rows[1], rows[1]], np.uint16)


# ------------------------------------------------------------------------------------------------ CRC-32C


def _crc_table():
    table = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82F63B78 if i & 1 else 0)
        table.append(i)
    return table


_CRC = _crc_table()


@functools.lru_cache(4096)
def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


# -------------------------------------------------------------------------------------------------- header


class Cursor:
    def __init__(self, data):
        self.data, self.at = bytes(data), 0

    def take(self, n):
        assert self.at + n <= len(self.data), "stream ends early"
        self.at += n
        return self.data[self.at - n : self.at]

    def u8(self):
        return self.take(1)[0]

    def little(self, n):
        return int.from_bytes(self.take(n), "little")

    def varint(self):
        value = 0
        for i in range(5):
            byte = self.u8()
            value |= (byte & 127) << 7 * i
            if byte < 128:
                assert value < 2**31 and (byte or not i), "varint"
                return value
        raise AssertionError("varint too long")


def _tables(cursor, levels, components):
    """Section 3 from `form` on: int [L,components,64] in natural order."""
    form = cursor.u8()
    out = np.zeros((levels, components, 64), np.int64)
    if form == 0:
        for level in range(levels):
            for c in range(components):
                for k in range(64):
                    value = cursor.varint()
                    if level:
                        value = out[level - 1, c, ZIGZAG[k]] + (
                            value >> 1 if value % 2 == 0 else -(value + 1 >> 1)
                        )
                    assert 1 <= value <= 4095
                    out[level, c, ZIGZAG[k]] = value
    elif form == 1:
        base = [cursor.take(64) for _ in range(components)]
        offsets = np.frombuffer(cursor.take(levels), np.int8)
        for level in range(levels):
            for c in range(components):
                for k in range(64):
                    e = min(max(base[c][k] + int(offsets[level]), 0), 192)
                    step = OCTAVE[e % 16] * 2 ** (e // 16) + 2**13 >> 14
                    out[level, c, ZIGZAG[k]] = min(max(step, 1), 4095)
    elif form == 2:
        assert levels == 1
        out[0] = ijg(cursor.u8())[:components]
    else:
        raise AssertionError(f"form {form}")
    return form, out


AC_ORDER = [0x00, 0xF0] + [run * 16 + size for run in range(16) for size in range(1, 11)]


def huffman_bytes(lengths):
    """Section 4, written: a list of two or four [256] lengths."""
    coder = RangeEncoder()
    _huffman(coder, len(lengths), lengths)
    return coder.finish()


def map_bytes(level_map, levels, trained=False):
    """Section 5, written."""
    coder = RangeEncoder()
    _level_map(coder, *np.shape(level_map), levels, np.asarray(level_map).tolist(), trained)
    return coder.finish()


def _huffman(coder, tables, known=None):
    """Section 4: list of [256] lengths."""
    models = Models(coder)

    def band(p):
        return 0 if p == 0 else 1 if p < 8 else 2 if p < 14 else 3

    out = []
    for t in range(tables):
        lengths = [0] * 256
        value = known[t] if known else [None] * 256
        if t % 2 == 0:
            p = 3
            for symbol in range(12):
                p = lengths[symbol] = models.residual(p, 0, 16, 4 + band(p), value[symbol])
        else:
            for symbol in AC_ORDER:
                run, size = symbol >> 4, symbol & 15
                a = lengths[symbol - 16] if run else 0
                b = lengths[symbol - 1] if size > 1 else 0
                if symbol in (0x00, 0xF0):
                    p = 4 if symbol == 0 else 11
                elif run == 0:
                    p = 2 if size == 1 else b
                elif size == 1:
                    p = a
                else:
                    p = a + b + 1 >> 1 if a and b else max(a, b)
                lengths[symbol] = models.residual(p, 0, 16, band(p), value[symbol])
        out.append(lengths)
    return out


@functools.cache
def _trained_starts():
    """The entries of level_map_defaults.h, which are part of the format: {(kind, q, i): state}."""
    text = (Path(__file__).parents[3] / "csrc" / "stream" / "level_map_defaults.h").read_text()
    out = {}
    for kind, sets, width, body in re.findall(r"start_(\w+)\[(\d+)\]\[(\d+)\] = \{(.*?)\};", text, re.DOTALL):
        values = np.array(re.findall(r"\d+", body), int).reshape(int(sets), int(width))
        for (q, i), value in np.ndenumerate(values):
            out[kind, q, i] = 256 * int(value), 256 * int(value), 4
    assert {key[0] for key in out} == {"differs", "below", "more"}
    return out


def _level_map(coder, rows, cols, levels, known=None, trained=False):
    """Section 5."""
    known = known or [[None] * cols] * rows
    skips = coder.bit(2**15, int(any(SKIP in row for row in known)))
    skip_models, models = Models(coder), Models(coder, _trained_starts() if trained else None)
    out = np.zeros((rows, cols), np.uint8)

    def at(y, x):
        if y < 0 or not 0 <= x < cols or out[y, x] == SKIP:
            return None
        return int(out[y, x])

    for y in range(rows):
        for x in range(cols):
            w, n, nw, ne = at(y, x - 1), at(y - 1, x), at(y - 1, x - 1), at(y - 1, x + 1)
            if skips:
                around = int(x > 0 and out[y, x - 1] == SKIP) + int(y > 0 and out[y - 1, x] == SKIP)
                if skip_models.bit(around, int(known[y][x] == SKIP)):
                    out[y, x] = SKIP
                    continue
            if levels == 1:
                continue
            w = n if w is None else w
            n = w if n is None else n
            w, n = (levels // 2, levels // 2) if w is None else (w, n)
            nw = n if nw is None else nw
            ne = n if ne is None else ne
            activity = abs(w - n) + abs(n - ne) + abs(w - nw)
            if trained:
                f = 10 * w + 6 * n - 2 * nw + 2 * ne + min(max(levels // 2 - w, -7), 7)
                f = min(max(f, 0), 16 * (levels - 1))
                p = f + 8 >> 4
                r = f - 16 * p + 8 >> 2
                q = sum(activity > bound for bound in (0, 2, 5, 10))
                if p == 0 and activity == 0:
                    q = 5
                elif p == levels - 1:
                    q = 6 if activity == 0 else 7
                out[y, x] = models.residual_in(
                    p, 0, levels - 1, ("differs", q, int(r in (0, 3))), ("below", q, r),
                    lambda k, q=q: ("more", q, min(k, 4)), known[y][x],
                )  # fmt: skip
                continue
            p = 3 * w + 2 * n + 2 * ne + nw + 4 >> 3
            q = sum(activity > bound for bound in (0, 2, 5, 10))
            if activity == 0 and p in (0, levels - 1):
                q = 5 if p == 0 else 6
            out[y, x] = models.residual(p, 0, levels - 1, q, known[y][x])
    return out


def refine_bytes(level_map, refined):
    """Section 10, the coded part, written."""
    coder = RangeEncoder()
    _refine_map(coder, np.asarray(level_map), np.asarray(refined).tolist())
    return coder.finish()


def _refine_map(coder, level_map, known=None):
    """Section 10: bool [rows,cols]."""
    models = Models(coder)
    out = np.zeros(level_map.shape, bool)
    for y, x in np.argwhere(level_map != SKIP):
        around = int(x > 0 and out[y, x - 1]) + int(y > 0 and out[y - 1, x])
        out[y, x] = models.bit(around, int(known[y][x]) if known else None)
    return out


SAMPLING = {0: (1, 1), 1: (2, 1), 2: (2, 2), 3: (1, 1)}


def parse(data, table_sets=()):
    """Everything before slice 0, and where the slices are. table_sets: codec.TableSet."""
    cursor = Cursor(data)
    s = SimpleNamespace()
    assert cursor.take(4) == b"RDCT" and cursor.u8() == 1
    flags = cursor.u8()
    s.map = flags >> 6
    assert s.map < 3
    s.subsampling, s.entropy, s.by_id = flags & 3, flags >> 2 & 3, flags >> 4 & 1
    s.width, s.height = cursor.varint(), cursor.varint()
    s.scale, s.levels, s.region_blocks, s.slice_rows = (
        cursor.little(2),
        cursor.u8(),
        cursor.u8(),
        cursor.varint(),
    )
    s.components = 1 if s.subsampling == 3 else 3
    bw, bh = ceil_div(s.width, 8), ceil_div(s.height, 8)
    s.rows, s.cols = ceil_div(bh, s.region_blocks), ceil_div(bw, s.region_blocks)
    s.slices = ceil_div(s.rows, s.slice_rows)
    start = cursor.at
    s.parts = {}  # where the variable sections are
    known = None
    if s.by_id:
        s.id, s.form = cursor.take(8), None
        known = next(one for one in table_sets if one.id == s.id)
        s.tables = known.tables.reshape(-1, 3, 64).astype(np.int64)
    else:
        s.form, s.tables = _tables(cursor, s.levels, s.components)
    s.steps = np.clip(s.tables * s.scale + 128 >> 8, 1, 4095)
    s.table_bytes, start = cursor.at - start, cursor.at
    s.band = None
    if s.entropy == 1:
        s.band = cursor.u8()
    if s.entropy == 0 or s.band == 254:
        s.huffman = _huffman(RangeDecoder(cursor.take(cursor.varint())), 2 if s.components == 1 else 4)
    elif s.entropy == 2:
        s.huffman = None
    elif s.band == 255:
        s.huffman = annex_k_lengths()
    else:
        s.huffman = known.bands[s.band].tolist()
    s.huffman_bytes, start = cursor.at - start, cursor.at
    if s.map > 0:
        coder = RangeDecoder(cursor.take(cursor.varint()))
        s.level_map = _level_map(coder, s.rows, s.cols, s.levels, trained=s.map == 2)
    else:
        s.level_map = np.full((s.rows, s.cols), cursor.u8(), np.uint8)
    assert all(v < s.levels or v == SKIP for v in s.level_map.flat)
    s.map_bytes, start = cursor.at - start, cursor.at
    s.refine = bool(flags & 0x20)
    s.refined = np.zeros((s.rows, s.cols), bool)
    if s.refine:
        s.refine_hash = cursor.take(8)
        s.refined = _refine_map(RangeDecoder(cursor.take(cursor.varint())), s.level_map)
    s.refine_bytes, start = cursor.at - start, cursor.at
    index = [(cursor.varint(), cursor.little(4)) for _ in range(s.slices)]
    s.index_bytes = cursor.at - start
    s.crc_at = cursor.at
    assert crc32c(data[: cursor.at]) == cursor.little(4), "header CRC"
    s.header_bytes = cursor.at
    s.slice_data = []
    for length, crc in index:
        s.slice_data.append(cursor.take(length))
        assert crc32c(s.slice_data[-1]) == crc, "slice CRC"
    assert cursor.at == len(data)
    return s


# -------------------------------------------------------------------------------------------------- slices


class BitReader:
    def __init__(self, data):
        self.bits = "".join(f"{byte:08b}" for byte in data)
        self.at = 0

    def read(self, n):
        assert self.at + n <= len(self.bits), "slice ends early"
        self.at += n
        return int(self.bits[self.at - n : self.at], 2) if n else 0

    def symbol(self, codes):
        for n in range(1, 17):
            symbol = codes.get(self.bits[self.at : self.at + n])
            if symbol is not None:
                self.at += n
                return symbol
        raise AssertionError("no such code")

    def signed(self, size):
        value = self.read(size)
        return value if not size or value >> size - 1 else value - 2**size + 1


def canonical(lengths):
    """{bit string: symbol} of lengths by symbol: ascending length, then symbol."""
    return code_words(
        [(length, symbol) for length, symbol in sorted((n, s) for s, n in enumerate(lengths) if n)]
    )


def code_words(pairs):
    codes, code, last = {}, 0, 0
    for length, symbol in pairs:
        code <<= length - last
        last = length
        assert code < 2**length - 1, "over-subscribed, or all ones"
        codes[f"{code:0{length}b}"] = symbol
        code += 1
    return codes


def round_div(a, b):
    return (2 * abs(a) + b) // (2 * b) * (1 if a >= 0 else -1)


def block_levels(s, component):
    """Section 2: level or SKIP of every block of a component, padding included: int [by,bx]."""
    return [[level for level, _ in row] for row in _blocks_of(s, component)]


def block_refined(s, component):
    """Section 10: whether each is refined."""
    return [[refined for _, refined in row] for row in _blocks_of(s, component)]


def _blocks_of(s, component):
    """(level or SKIP, refined) of every block."""
    hs, vs = SAMPLING[s.subsampling]
    bw, bh = ceil_div(s.width, 8), ceil_div(s.height, 8)
    mw, mh = ceil_div(bw, hs), ceil_div(bh, vs)

    def of_luma(y, x):
        r = s.region_blocks
        place = min(y // r, s.rows - 1), min(x // r, s.cols - 1)
        return int(s.level_map[place]), bool(s.refined[place])

    if component == 0 or (hs, vs) == (1, 1):
        return [
            [of_luma(y, x) for x in range(mw * (hs if component == 0 else 1))]
            for y in range(mh * (vs if component == 0 else 1))
        ]
    out = []
    for y in range(mh):
        row = []
        for x in range(mw):
            inside = [
                of_luma(j, i)
                for j in range(y * vs, min(y * vs + vs, bh))
                for i in range(x * hs, min(x * hs + hs, bw))
            ]
            cy, cx = (
                (8 * vs * y + 4 * vs) // (8 * s.region_blocks),
                (8 * hs * x + 4 * hs) // (8 * s.region_blocks),
            )
            centre = min(cy, s.rows - 1), min(cx, s.cols - 1)
            level, refined = int(s.level_map[centre]), bool(s.refined[centre])
            if all(one == SKIP for one, _ in inside):
                level, refined = SKIP, False
            elif level == SKIP:
                level = min(one for one, _ in inside if one != SKIP)
                refined = any(mode for one, mode in inside if one == level)
            row.append((level, refined))
        out.append(row)
    return out


def base_hash(s, planes):
    """Section 10: the hash of a picture as a base; s, planes as from `parse`, `coefficients`."""

    def chain(pieces):
        h = 0
        for piece in pieces:
            h = crc32c(h.to_bytes(4, "little") + piece)
        return h.to_bytes(4, "little")

    form = [
        s.width.to_bytes(4, "little") + s.height.to_bytes(4, "little")
        + bytes([s.subsampling, s.region_blocks, s.levels])
    ]  # fmt: skip
    form += [
        s.steps[level, c].astype("<u2").tobytes() for level in range(s.levels) for c in range(s.components)
    ]
    form += [row.astype(np.uint8).tobytes() for row in s.level_map]
    content = [
        planes[c][y, x].astype("<i2").tobytes()
        for c in range(s.components)
        for y, row in enumerate(block_levels(s, c))
        for x, level in enumerate(row)
        if level != SKIP
    ]
    return chain(form) + chain(content)


def coefficients(s, base=None):
    """Quantised coefficients: list of int16 [by,bx,8,8]. Also checks every rule a slice has to keep.

    base: for a refinement stream, (s, planes) of what it refines.
    """
    assert s.refine == (base is not None)
    if base is not None:
        assert (s.width, s.height, s.subsampling, s.region_blocks) == (
            base[0].width, base[0].height, base[0].subsampling, base[0].region_blocks
        ), "geometry"  # fmt: skip
        assert base_hash(*base) == s.refine_hash, "hash of the base"
        assert not (s.refined & (base[0].level_map == SKIP)).any()
        base_levels = [block_levels(base[0], c) for c in range(s.components)]
        refined = [block_refined(s, c) for c in range(s.components)]
    hs, vs = SAMPLING[s.subsampling]
    sampling = [(hs, vs), (1, 1), (1, 1)][: s.components]
    levels = [block_levels(s, c) for c in range(s.components)]
    planes = [np.zeros((len(one), len(one[0]), 64), np.int16) for one in levels]
    mw, mh = planes[0].shape[1] // hs, planes[0].shape[0] // vs
    codes = [canonical(lengths) for lengths in s.huffman]
    for i, data in enumerate(s.slice_data):
        assert (s.slice_rows * s.region_blocks) % vs == 0 or s.slices == 1
        first = i * s.slice_rows * s.region_blocks // vs
        last = mh if i == s.slices - 1 else (i + 1) * s.slice_rows * s.region_blocks // vs
        bits, predictor = BitReader(data), [None] * 3
        for my in range(first, last):
            for mx in range(mw):
                for c, (ch, cv) in enumerate(sampling):
                    for y in range(my * cv, my * cv + cv):
                        for x in range(mx * ch, mx * ch + ch):
                            if levels[c][y][x] == SKIP:
                                continue
                            steps = s.steps[levels[c][y][x], c]
                            block = planes[c][y, x]
                            used = codes[2 if c else 0], codes[3 if c else 1]
                            if base is not None and refined[c][y][x]:
                                before = base[1][c][y, x].reshape(64)
                                before_steps = base[0].steps[base_levels[c][y][x], c]
                                predictor[c] = _refined_block(bits, *used, steps, before, before_steps, block)
                            else:
                                predictor[c] = _block(bits, *used, steps, predictor[c], block)
        rest = bits.bits[bits.at :]
        assert len(rest) < 8 and "1" not in rest, "padding"
    return [plane.reshape(*plane.shape[:2], 8, 8) for plane in planes]


def _block(bits, dc, ac, steps, predictor, block):
    q = int(steps[0])
    if predictor is None:
        prediction = 0
    elif predictor[1] == q:
        prediction = predictor[0]
    else:
        prediction = round_div(min(max(predictor[0] * predictor[1], -1024), 1023), q)
    value = prediction + bits.signed(bits.symbol(dc))
    assert -2048 <= value <= 2047
    block[0] = value
    read_ac(bits, ac, block)
    return value, q


def _refined_block(bits, dc, ac, steps, before, before_steps, block):
    """Section 10."""

    def promise(n):
        q0, s0, s1 = int(before[n]), int(before_steps[n]), int(steps[n])
        return q0 if s0 == s1 else round_div(min(max(q0 * s0, -1024), 1023), s1)

    difference = np.zeros(64, np.int64)
    difference[0] = bits.signed(bits.symbol(dc))
    read_ac(bits, ac, difference)  # in the order of the scan: the i-th at ZIGZAG[i]
    first = [n for n in ZIGZAG[1:] if before[n]]
    rest = [n for n in ZIGZAG[1:] if not before[n]]
    for i, n in enumerate([0, *first, *rest]):
        value = promise(n) + int(difference[ZIGZAG[i]])
        assert -2048 <= value <= 2047 if n == 0 else -1023 <= value <= 1023
        block[n] = value
    return int(block[0]), int(steps[0])


def read_ac(bits, ac, block):
    k = 1
    while k < 64:
        symbol = bits.symbol(ac)
        run, size = symbol >> 4, symbol & 15
        if symbol == 0:
            return
        k += run
        if size:
            assert k < 64
            block[ZIGZAG[k]] = bits.signed(size)
        k += 1


def seal(data):
    """The stream with its checksums made right again; AssertionError or IndexError if its header is past
    that.
    """
    data = bytearray(data)
    cursor = Cursor(data)
    cursor.take(5)
    flags = cursor.u8()
    width, height = cursor.varint(), cursor.varint()
    cursor.take(2)
    levels, region, slice_rows = cursor.u8(), cursor.u8(), cursor.varint()
    assert width and height and levels and region and slice_rows
    rows, cols = (ceil_div(ceil_div(side, 8), region) for side in (height, width))
    assert rows * cols < 10**6
    slices = ceil_div(rows, slice_rows)
    components = 1 if flags & 3 == 3 else 3
    if flags & 0x10:
        cursor.take(8)
    else:
        _tables(cursor, levels, components)
    band = cursor.u8() if flags >> 2 & 3 == 1 else None
    if flags >> 2 & 3 == 0 or band == 254:
        cursor.take(cursor.varint())
    cursor.take(cursor.varint() if flags & 0x40 else 1)
    if flags & 0x20:
        cursor.take(8)
        cursor.take(cursor.varint())
    places = []
    for _ in range(slices):
        length = cursor.varint()
        places.append((length, cursor.at))
        cursor.take(4)
    end = cursor.at
    at = end + 4
    for length, place in places:
        data[place : place + 4] = crc32c(bytes(data[at : at + length])).to_bytes(4, "little")
        at += length
    data[end : end + 4] = crc32c(bytes(data[:end])).to_bytes(4, "little")
    return bytes(data)


# ------------------------------------------------------------------------------------------ typical tables

_K3 = {
    (0, 0): ("00 01 05 01 01 01 01 01 01 00 00 00 00 00 00 00", "00 01 02 03 04 05 06 07 08 09 0a 0b"),
    (0, 1): ("00 03 01 01 01 01 01 01 01 01 01 00 00 00 00 00", "00 01 02 03 04 05 06 07 08 09 0a 0b"),
    (1, 0): (
        "00 02 01 03 03 02 04 03 05 05 04 04 00 00 01 7d",
        """
        01 02 03 00 04 11 05 12 21 31 41 06 13 51 61 07 22 71 14 32 81 91 a1 08 23 42 b1 c1 15 52 d1 f0
        24 33 62 72 82 09 0a 16 17 18 19 1a 25 26 27 28 29 2a 34 35 36 37 38 39 3a 43 44 45 46 47 48 49
        4a 53 54 55 56 57 58 59 5a 63 64 65 66 67 68 69 6a 73 74 75 76 77 78 79 7a 83 84 85 86 87 88 89
        8a 92 93 94 95 96 97 98 99 9a a2 a3 a4 a5 a6 a7 a8 a9 aa b2 b3 b4 b5 b6 b7 b8 b9 ba c2 c3 c4 c5
        c6 c7 c8 c9 ca d2 d3 d4 d5 d6 d7 d8 d9 da e1 e2 e3 e4 e5 e6 e7 e8 e9 ea f1 f2 f3 f4 f5 f6 f7 f8
        f9 fa""",
    ),
    (1, 1): (
        "00 02 01 02 04 04 03 04 07 05 04 04 00 01 02 77",
        """
        00 01 02 03 11 04 05 21 31 06 12 41 51 07 61 71 13 22 32 81 08 14 42 91 a1 b1 c1 09 23 33 52 f0
        15 62 72 d1 0a 16 24 34 e1 25 f1 17 18 19 1a 26 27 28 29 2a 35 36 37 38 39 3a 43 44 45 46 47 48
        49 4a 53 54 55 56 57 58 59 5a 63 64 65 66 67 68 69 6a 73 74 75 76 77 78 79 7a 82 83 84 85 86 87
        88 89 8a 92 93 94 95 96 97 98 99 9a a2 a3 a4 a5 a6 a7 a8 a9 aa b2 b3 b4 b5 b6 b7 b8 b9 ba c2 c3
        c4 c5 c6 c7 c8 c9 ca d2 d3 d4 d5 d6 d7 d8 d9 da e2 e3 e4 e5 e6 e7 e8 e9 ea f2 f3 f4 f5 f6 f7 f8
        f9 fa""",
    ),
}


def annex_k_lengths():
    """T.81 Annex K.3 as code lengths by symbol: DC luma, AC luma, DC chroma, AC chroma."""
    out = []
    for chroma in (0, 1):
        for is_ac in (0, 1):
            counts, symbols = (bytes.fromhex(one) for one in _K3[is_ac, chroma])
            lengths, at = [0] * 256, 0
            for n, count in enumerate(counts, 1):
                for symbol in symbols[at : at + count]:
                    lengths[symbol] = n
                at += count
            out.append(lengths)
    return out


def set_id(canonical_bytes):
    return hashlib.sha256(canonical_bytes).digest()[:8]
