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
void rdct_bitreader_refill(RdctBitReader *reader);                          /* at least 48 bits valid afterwards, zeros past the end */
static inline uint32_t rdct_peek_bits(const RdctBitReader *reader, int n) { /* n 1..32 */
    return (uint32_t)(reader->buffer >> (64 - n));
}
static inline void rdct_skip_bits(RdctBitReader *reader, int n) {
    reader->buffer <<= n;
    reader->count -= n;
}

#endif
