/* SPDX-License-Identifier: Apache-2.0
 * Bits into bytes, most significant first; 64-bit buffer. With stuffing, T.81's zero byte follows every 0xFF. */
#ifndef RDCT_STREAM_BITWRITER_H
#define RDCT_STREAM_BITWRITER_H

#include <stddef.h>
#include <stdint.h>

typedef struct RdctBitWriter {
    uint64_t buffer; /* pending bits, right-aligned; bits above `count` are leftovers */
    int count;       /* below 8 after a flush */
    uint8_t *next;
} RdctBitWriter;

void rdct_bitwriter_init(RdctBitWriter *writer, uint8_t *out);

/* value: n bits, n + count at most 64 - 8 between two flushes. */
static inline void rdct_put_bits(RdctBitWriter *writer, uint64_t value, int n) {
    writer->buffer = writer->buffer << n | value;
    writer->count += n;
}

/* Stores the whole bytes that are pending, without a branch; touches 8 bytes (16 with stuffing) from `next`: room for them is the
 * caller's business. */
static inline void rdct_bitwriter_flush(RdctBitWriter *writer, int stuffing) {
    const uint64_t bits = writer->buffer << 1 << (63 - writer->count);
    const int bytes = writer->count >> 3;
    writer->count &= 7;
    /* A byte of 0xFF is one whose top bit is set and whose low bits carry into it when 1 is added: none at all is the usual case. */
    if (stuffing && (bits & ~(bits + UINT64_C(0x0101010101010101)) & UINT64_C(0x8080808080808080)) != 0) {
        for (int i = 0; i < bytes; i++) {
            const uint8_t byte = (uint8_t)(bits >> (56 - 8 * i));
            *writer->next++ = byte;
            if (byte == 0xFF)
                *writer->next++ = 0;
        }
        return;
    }
    for (int i = 0; i < 8; i++) /* compilers make one byte swap and one store of this */
        writer->next[i] = (uint8_t)(bits >> (56 - 8 * i));
    writer->next += bytes;
}

/* Pads with `fill` bits (0 or 1) to a byte and flushes. Returns the end of the bytes. */
uint8_t *rdct_bitwriter_finish(RdctBitWriter *writer, int fill, int stuffing);
/* Bytes that n bits may touch, the flushes included. */
#define RDCT_BITWRITER_ROOM(bits, stuffing) (((stuffing) ? 2 : 1) * ((bits) / 8 + 16))

#endif
