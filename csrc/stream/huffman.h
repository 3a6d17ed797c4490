/* SPDX-License-Identifier: Apache-2.0
 * Canonical Huffman codes: lengths from counts, codes for the encoder, look-up tables for the decoder, lengths coded in a header. */
#ifndef RDCT_STREAM_HUFFMAN_H
#define RDCT_STREAM_HUFFMAN_H

#include "rdct.h"
#include "stream/rangecoder.h"

typedef struct RdctHuffmanEncoder {
    uint32_t code[256];
    uint8_t length[256]; /* 0 = no code */
} RdctHuffmanEncoder;

/* 9-bit first look-up, then canonical limits per length: entry = length << 8 | symbol, 0 = longer than RDCT_HUFFMAN_FAST or no code. */
#define RDCT_HUFFMAN_FAST 9
typedef struct RdctHuffmanDecoder {
    uint16_t fast[1 << RDCT_HUFFMAN_FAST];
    uint32_t limit[18]; /* left-aligned 16-bit: first 16-bit value that is above all codes of this length */
    int32_t offset[17]; /* index into symbols = (code >> (16 - length)) + offset[length] */
    uint8_t symbols[256];
    int symbol_count;
} RdctHuffmanDecoder;

/* Checks: lengths 0..16, not over-subscribed, code of all ones unused, symbols allowed (is_dc: 0..11; AC: sizes 1..10, 0x00, 0xF0).
 * offset: place in the stream for the error message (-1 when from the caller). */
int rdct_huffman_check(const uint8_t *lengths, int is_dc, int64_t offset, RdctError *err);
void rdct_huffman_encoder_init(RdctHuffmanEncoder *encoder, const uint8_t *lengths); /* after rdct_huffman_check */
void rdct_huffman_decoder_init(RdctHuffmanDecoder *decoder, const uint8_t *lengths); /* after rdct_huffman_check */
/* JPEG: counts[1..16] codes of each length, symbols in the file's order. Returns 0, with no code in the table, when it is
 * over-subscribed or uses the code of all ones; only as many symbols as codes are read. */
int rdct_huffman_decoder_init_counts(RdctHuffmanDecoder *decoder, const uint8_t *counts, const uint8_t *symbols);
/* Section 4: tables = 4 or 2. Writing to an RdctRangeEncoder, reading checks every table. */
void rdct_huffman_write(RdctRangeEncoder *range, const RdctHuffmanLengths *lengths, int tables);
int rdct_huffman_read(RdctRangeDecoder *range, RdctHuffmanLengths *lengths, int tables, int64_t offset, RdctError *err);

#endif
