# SPDX-License-Identifier: Apache-2.0
"""Streams and JPEG files with exactly one thing wrong, made by hand: checksums are right unless they are the
point.
"""

import reference

SYMBOL_CODES = [{s: bits for bits, s in reference.canonical(t).items()} for t in reference.annex_k_lengths()]


def bits(*parts):
    """Bytes of '0'/'1' strings, padded with zeros."""
    text = "".join(parts)
    text += "0" * (-len(text) % 8)
    return bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))


def scan(*parts):
    """The same as JPEG wants it: padded with ones, a zero byte behind every 0xFF."""
    text = "".join(parts)
    return bits(text + "1" * (-len(text) % 8)).replace(b"\xff", b"\xff\x00")


def dc(difference):
    """A luma DC difference with the tables of Annex K."""
    size = abs(difference).bit_length()
    extra = difference if difference > 0 else difference + 2**size - 1
    return SYMBOL_CODES[0][size] + (f"{extra:0{size}b}" if size else "")


def ac(symbol):
    return SYMBOL_CODES[1][symbol]


EOB, ZRL = ac(0x00), ac(0xF0)
FLAT = dc(0) + EOB


def varint(value):
    out = bytearray()
    while value >= 128:
        out.append(128 | value & 127)
        value >>= 7
    return bytes([*out, value])


def stream(
    slices=None,
    *,
    width=8,
    height=8,
    flags=0b0000_0111,  # grey, fixed Huffman tables
    version=1,
    scale=256,
    levels=1,
    regions=1,
    slice_rows=1,
    sizes=None,
    tables=b"\x02\x32",  # IJG, quality 50
    huffman=b"\xff",  # Annex K
    level_map=b"\x00",
    index=None,
    trailing=b"",
    header_crc=None,
    slice_crc=None,
    magic=b"RDCT",
):
    """A grey rdct stream of one 8x8 block, unless said otherwise. Every field can be replaced."""
    slices = [bits(FLAT)] if slices is None else slices
    sizes = varint(width) + varint(height) if sizes is None else sizes
    data = magic + bytes([version, flags]) + sizes + scale.to_bytes(2, "little")
    data += bytes([levels, regions]) + (slice_rows if isinstance(slice_rows, bytes) else varint(slice_rows))
    data += tables + huffman + level_map
    if index is None:
        index = b"".join(
            varint(len(one))
            + (reference.crc32c(one) if slice_crc is None else slice_crc).to_bytes(4, "little")
            for one in slices
        )
    data += index
    data += (reference.crc32c(data) if header_crc is None else header_crc).to_bytes(4, "little")
    return data + b"".join(slices) + trailing


def coded(section):
    return varint(len(section)) + section


def segment(marker, body):
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def dht(kind, lengths=None, counts=None, symbols=None):
    """A DHT segment; kind 0x00 DC, 0x10 AC. Default: Annex K, luma."""
    if counts is None:
        lengths = reference.annex_k_lengths()[kind >> 4] if lengths is None else lengths
        pairs = sorted((n, s) for s, n in enumerate(lengths) if n)
        counts = [sum(n == k for n, _ in pairs) for k in range(1, 17)]
        symbols = [s for _, s in pairs]
    return segment(0xC4, bytes([kind, *counts, *symbols]))


def sof(marker=0xC0, precision=8, height=8, width=8, parts=((1, 0x11, 0),)):
    body = bytes([precision]) + height.to_bytes(2, "big") + width.to_bytes(2, "big") + bytes([len(parts)])
    return segment(marker, body + b"".join(bytes(part) for part in parts))


def sos(parts=((1, 0x00),), spectrum=(0, 63, 0)):
    return segment(0xDA, bytes([len(parts)]) + b"".join(bytes(part) for part in parts) + bytes(spectrum))


DQT = segment(0xDB, bytes([0] + [16] * 64))
COLOUR = ((1, 0x11, 0), (2, 0x11, 0), (3, 0x11, 0))
COLOUR_SCAN = ((1, 0x00), (2, 0x00), (3, 0x00))


def jpeg(
    data=None,
    *,
    start=b"\xff\xd8",
    before=b"",
    dqt=DQT,
    frame=None,
    huffman=None,
    between=b"",
    head=None,
    end=b"\xff\xd9",
):
    """A grey JPEG file of one 8x8 block, unless said otherwise. Every segment can be replaced."""
    data = scan(FLAT) if data is None else data
    frame = sof() if frame is None else frame
    huffman = dht(0x00) + dht(0x10) if huffman is None else huffman
    head = sos() if head is None else head
    return start + before + dqt + frame + huffman + between + head + data + end
