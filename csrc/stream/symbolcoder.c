/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/symbolcoder.h"

#include <string.h>

#define BOUNDARY(s, i) ((i) == 0 ? 0 : (i) > (s) ? RDCT_SYMBOL_ONE - RDCT_SYMBOL_FLOOR * (RDCT_SYMBOLS - (i)) : RDCT_SYMBOL_FLOOR * (i))
#define TARGET(s)                                                                                                                         \
    {BOUNDARY(s, 0), BOUNDARY(s, 1), BOUNDARY(s, 2),  BOUNDARY(s, 3),  BOUNDARY(s, 4),  BOUNDARY(s, 5),  BOUNDARY(s, 6),  BOUNDARY(s, 7), \
     BOUNDARY(s, 8), BOUNDARY(s, 9), BOUNDARY(s, 10), BOUNDARY(s, 11), BOUNDARY(s, 12), BOUNDARY(s, 13), BOUNDARY(s, 14), BOUNDARY(s, 15)}

const alignas(32) uint16_t rdct_symbol_target[RDCT_SYMBOLS][RDCT_SYMBOLS] = {
    TARGET(0), TARGET(1), TARGET(2),  TARGET(3),  TARGET(4),  TARGET(5),  TARGET(6),  TARGET(7),
    TARGET(8), TARGET(9), TARGET(10), TARGET(11), TARGET(12), TARGET(13), TARGET(14), TARGET(15),
};

void rdct_distribution_init(RdctDistribution *distribution, const uint8_t *hazard, int n) {
    int below = 0, rest = RDCT_SYMBOL_ONE - RDCT_SYMBOL_FLOOR * RDCT_SYMBOLS;
    distribution->at[0] = 0;
    for (int s = 0; s + 1 < RDCT_SYMBOLS; s++) {
        const int share = rest * hazard[s < n ? s : n - 1] >> 8;
        below += share + RDCT_SYMBOL_FLOOR;
        rest -= share;
        distribution->at[s + 1] = (uint16_t)below;
    }
}

void rdct_symbol_encoder_init(RdctSymbolEncoder *encoder, uint8_t *out) {
    encoder->low = 0;
    encoder->range = UINT16_MAX;
    encoder->count = 0;
    encoder->start = encoder->next = out;
}

/* Adds one to the number that the bytes written are. It never grows: a code stays below one. */
static void carry(RdctSymbolEncoder *encoder) {
    uint8_t *p = encoder->next;
    while (p > encoder->start && ++*--p == 0)
        ;
}

static void put_bytes(RdctSymbolEncoder *encoder, int bytes) {
    const int left = 16 + encoder->count - 8 * bytes;
    const uint64_t value = encoder->low >> left;
    if (value >> (8 * bytes) != 0)
        carry(encoder);
    for (int i = bytes - 1; i >= 0; i--)
        *encoder->next++ = (uint8_t)(value >> (8 * i));
    encoder->low &= (UINT64_C(1) << left) - 1;
    encoder->count -= 8 * bytes;
}

void rdct_symbol_encoder_flush(RdctSymbolEncoder *encoder) {
    put_bytes(encoder, encoder->count >> 3);
}

size_t rdct_symbol_encoder_finish(RdctSymbolEncoder *encoder) {
    /* The multiple of 2^15 at or above `low` lies within the range: one bit of the sixteen is enough. */
    const uint64_t half = UINT64_C(1) << 15;
    encoder->low = (encoder->low + half - 1) & ~(half - 1);
    put_bytes(encoder, encoder->count >> 3);
    encoder->low <<= 8;
    encoder->count += 8;
    put_bytes(encoder, encoder->count >> 3);
    while (encoder->next > encoder->start && encoder->next[-1] == 0)
        encoder->next--;
    return (size_t)(encoder->next - encoder->start);
}

void rdct_symbol_decoder_init(RdctSymbolDecoder *decoder, const uint8_t *data, size_t size) {
    decoder->window = 0;
    decoder->range = UINT16_MAX;
    decoder->count = 0;
    decoder->taken = 0;
    decoder->next = data;
    decoder->end = data + size;
    rdct_symbol_decoder_refill(decoder);
}

void rdct_symbol_decoder_refill(RdctSymbolDecoder *decoder) {
    const int bytes = (63 - decoder->count) >> 3;
    if (decoder->end - decoder->next >= 8) {
        decoder->window |= rdct_load_big_endian(decoder->next) >> decoder->count;
        decoder->next += bytes;
    } else {
        for (int i = 0; i < bytes && decoder->next < decoder->end; i++)
            decoder->window |= (uint64_t)*decoder->next++ << (56 - decoder->count - 8 * i);
    }
    decoder->count += 8 * bytes;
    decoder->taken += 8 * bytes;
}

int rdct_symbol_decoder_at_end(const RdctSymbolDecoder *decoder, size_t size) {
    const int64_t bits = decoder->taken - decoder->count + 1; /* shifted out, and the one that the encoder adds */
    return (int64_t)size <= (bits + 7) / 8;
}
