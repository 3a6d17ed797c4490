# SPDX-License-Identifier: Apache-2.0
"""A reader of baseline JPEG files down to quantised coefficients, from T.81."""

import numpy as np
from reference import ZIGZAG, BitReader, ceil_div, code_words, read_ac


def jpeg_coefficients(data):
    """Baseline JPEG file -> (list of int16 [by,bx,8,8], uint16 [components,8,8]); interleaved scan only."""
    at, tables, huffman, restart = 2, {}, {}, 0
    assert data[:2] == b"\xff\xd8"
    while True:
        assert data[at] == 0xFF
        marker = data[at + 1]
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        body, at = data[at + 4 : at + 2 + length], at + 2 + length
        if marker == 0xDB:
            while body:
                assert body[0] < 16
                table = np.zeros(64, np.uint16)
                table[ZIGZAG] = list(body[1:65])
                tables[body[0]], body = table, body[65:]
        elif marker == 0xC4:
            while body:
                n = sum(body[1:17])
                symbols, pairs, k = body[17 : 17 + n], [], 0
                for size, count in enumerate(body[1:17], 1):
                    pairs += [(size, symbol) for symbol in symbols[k : k + count]]
                    k += count
                huffman[body[0]], body = code_words(pairs), body[17 + n :]
        elif marker in (0xC0, 0xC1):
            height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
            parts = [
                (body[6 + 3 * i], body[7 + 3 * i] >> 4, body[7 + 3 * i] & 15, body[8 + 3 * i])
                for i in range(body[5])
            ]
        elif marker == 0xDD:
            restart = int.from_bytes(body, "big")
        elif marker == 0xDA:
            selectors = {body[1 + 2 * i]: body[2 + 2 * i] for i in range(body[0])}
            break
    if len(parts) == 1:
        parts = [(parts[0][0], 1, 1, parts[0][3])]
    hmax, vmax = max(p[1] for p in parts), max(p[2] for p in parts)
    mw, mh = ceil_div(width, 8 * hmax), ceil_div(height, 8 * vmax)
    planes = [np.zeros((mh * v, mw * h, 64), np.int16) for _, h, v, _ in parts]
    chunks, start = [], at
    while True:
        if data[at] == 0xFF and data[at + 1] != 0:
            chunks.append(BitReader(data[start:at].replace(b"\xff\x00", b"\xff")))
            if not 0xD0 <= data[at + 1] <= 0xD7:
                break
            at += 2
            start = at
        else:
            at += 1
    for mcu in range(mw * mh):
        if not mcu or (restart and mcu % restart == 0):
            bits, predictor = chunks[mcu // restart if restart else 0], [0] * len(parts)
        for c, (name, h, v, _) in enumerate(parts):
            for y in range(mcu // mw * v, mcu // mw * v + v):
                for x in range(mcu % mw * h, mcu % mw * h + h):
                    selector = selectors[name]
                    predictor[c] += bits.signed(bits.symbol(huffman[selector >> 4]))
                    planes[c][y, x, 0] = predictor[c]
                    read_ac(bits, huffman[0x10 | selector & 15], planes[c][y, x])
    planes = [plane.reshape(*plane.shape[:2], 8, 8) for plane in planes]
    return planes, np.array([tables[p[3]].reshape(8, 8) for p in parts])
