/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/bitreader.h"

void rdct_bitreader_init(RdctBitReader *reader, const uint8_t *data, size_t size, int stuffing) {
    reader->buffer = 0;
    reader->count = 0;
    reader->stuffing = stuffing;
    reader->overrun = 0;
    reader->next = data;
    reader->end = data + size;
}

static uint64_t load_big_endian(const uint8_t *p) {
    return (uint64_t)p[0] << 56 | (uint64_t)p[1] << 48 | (uint64_t)p[2] << 40 | (uint64_t)p[3] << 32 | (uint64_t)p[4] << 24 |
           (uint64_t)p[5] << 16 | (uint64_t)p[6] << 8 | (uint64_t)p[7];
}

static int has_byte_ff(uint64_t x) {
    return ((~x - UINT64_C(0x0101010101010101)) & x & UINT64_C(0x8080808080808080)) != 0;
}

/* Byte by byte: near the end, or where stuffing or a marker is near. */
static void refill_slowly(RdctBitReader *reader) {
    while (reader->count <= 56) {
        if (reader->next >= reader->end) {
            if (reader->count < 0) {
                reader->overrun = 1;
                reader->count = 0;
                reader->buffer = 0;
            }
            return;
        }
        const uint8_t byte = *reader->next;
        if (reader->stuffing && byte == 0xFF) {
            if (reader->end - reader->next < 2 || reader->next[1] != 0) {
                reader->end = reader->next; /* a marker, or an FF that ends the data: no bits beyond it */
                continue;
            }
            reader->next++;
        }
        reader->next++;
        reader->buffer |= (uint64_t)byte << (56 - reader->count);
        reader->count += 8;
    }
}

void rdct_bitreader_refill(RdctBitReader *reader) {
    if (reader->count > 56)
        return;
    if (reader->count >= 0 && reader->end - reader->next >= 8) {
        const uint64_t word = load_big_endian(reader->next);
        if (!reader->stuffing || !has_byte_ff(word)) {
            /* Bits below `count` may be filled twice, with the same bits: they are the following ones either way. */
            const int bytes = (64 - reader->count) >> 3;
            reader->buffer |= word >> reader->count;
            reader->next += bytes;
            reader->count += 8 * bytes;
            return;
        }
    }
    refill_slowly(reader);
}
