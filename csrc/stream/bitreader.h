/* SPDX-License-Identifier: Apache-2.0
 * Bytes into bits. Past the end the reader feeds zeros and latches `overrun`, so it can never read outside its buffer;
 * callers test `overrun` once per block row. With stuffing it removes T.81's zero bytes and stops at a marker. */
#ifndef RDCT_STREAM_BITREADER_H
#define RDCT_STREAM_BITREADER_H

#include <stddef.h>
#include <stdint.h>

typedef struct RdctBitReader {
    uint64_t buffer; /* left-aligned: the next bit is bit 63 */
    int count;       /* valid bits, may go negative once overrun */
    int stuffing, overrun;
    const uint8_t *next, *end;
} RdctBitReader;

void rdct_bitreader_init(RdctBitReader *reader, const uint8_t *data, size_t size, int stuffing);
/* At least 48 bits valid afterwards, zeros past the end. */
void rdct_bitreader_refill(RdctBitReader *reader);

static inline uint64_t rdct_load_big_endian(const uint8_t *p) { /* compilers make one load and one byte swap of this */
    return (uint64_t)p[0] << 56 | (uint64_t)p[1] << 48 | (uint64_t)p[2] << 40 | (uint64_t)p[3] << 32 | (uint64_t)p[4] << 24 |
           (uint64_t)p[5] << 16 | (uint64_t)p[6] << 8 | (uint64_t)p[7];
}

static inline int rdct_has_byte_ff(uint64_t x) {
    return ((~x - UINT64_C(0x0101010101010101)) & x & UINT64_C(0x8080808080808080)) != 0;
}

/* Eight bytes at once, if there are eight and none needs a second look: bits below `count` may be filled twice, with the same bits. */
static inline int rdct_bitreader_refill_fast(RdctBitReader *reader) {
    if (reader->count < 0 || reader->end - reader->next < 8)
        return 0;
    const uint64_t word = rdct_load_big_endian(reader->next);
    if (reader->stuffing && rdct_has_byte_ff(word))
        return 0;
    const int bytes = (63 - reader->count) >> 3;
    reader->buffer |= word >> reader->count;
    reader->next += bytes;
    reader->count += 8 * bytes;
    return 1;
}

/* At least 32 bits: code and extra bits of any symbol. The slow way works on a copy, so that a reader held in local variables stays there. */
static inline void rdct_bitreader_need32(RdctBitReader *reader) {
    if (reader->count >= 32 || rdct_bitreader_refill_fast(reader))
        return;
    RdctBitReader copy = *reader;
    rdct_bitreader_refill(&copy);
    *reader = copy;
}

static inline uint32_t rdct_peek_bits(const RdctBitReader *reader, int n) { /* n 1..32 */
    return (uint32_t)(reader->buffer >> (64 - n));
}
static inline void rdct_skip_bits(RdctBitReader *reader, int n) {
    reader->buffer <<= n;
    reader->count -= n;
}

#endif
