/* SPDX-License-Identifier: Apache-2.0
 * Baseline JPEG files (T.81, JFIF 1.02): markers written and read. Progressive, arithmetic, 12-bit, lossless, CMYK and non-interleaved
 * files are well-formed but unsupported. */
#ifndef RDCT_STREAM_JFIF_H
#define RDCT_STREAM_JFIF_H

#include "common/layout.h"
#include "rdct.h"

/* A Huffman table as the file lists it. JPEG codes are canonical in the order of that list, so the list is kept. */
typedef struct RdctJpegHuffman {
    uint8_t counts[17]; /* [1..16] */
    uint8_t symbols[256];
} RdctJpegHuffman;

typedef struct RdctParsedJpeg {
    RdctHeader info;
    RdctLayout layout;             /* region_blocks 8, one slice */
    uint16_t tables[3][64];        /* natural order; grey: all three are the one table */
    RdctJpegHuffman huffman[3][2]; /* per component: DC, AC; checked for over-subscription */
    int restart_interval;          /* MCUs, 0 = none */
    int64_t scan_offset;           /* first entropy-coded byte */
} RdctParsedJpeg;

/* Reads up to the end of the SOS marker. max_pixels <= 0: no limit. Allocates nothing. What follows the scan is never looked at: trailing
 * bytes and a missing EOI are tolerated, as every JPEG reader does. */
int rdct_jfif_parse(RdctParsedJpeg *parsed, const uint8_t *data, size_t size, int64_t max_pixels, RdctError *err);

/* SOI, APP0, DQT, SOF0, DHT, DRI (if restart_interval > 0), SOS. tables u16 [3][64] natural order, 1..255. A DQT or DHT that
 * two components share is written once. */
int rdct_jfif_write(const RdctLayout *layout, const uint16_t *tables, const RdctHuffmanLengths *huffman, int restart_interval, uint8_t *out,
                    size_t capacity, size_t *size, RdctEncodeStats *stats, RdctError *err);
#define RDCT_JFIF_BOUND 4096

#endif
