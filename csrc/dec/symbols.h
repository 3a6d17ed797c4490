/* SPDX-License-Identifier: Apache-2.0
 * One block: bits into quantised coefficients. */
#ifndef RDCT_DEC_SYMBOLS_H
#define RDCT_DEC_SYMBOLS_H

#include "stream/bitreader.h"
#include "stream/huffman.h"

typedef enum RdctBlockFault {
    RDCT_BLOCK_OK = 0,
    RDCT_BLOCK_MISSING_CODE, /* bits that no code begins with */
    RDCT_BLOCK_SIZE,         /* a category above 11 or a size above 10: JPEG tables may name them */
    RDCT_BLOCK_RUN,          /* a run past index 63 */
    RDCT_BLOCK_DC_RANGE      /* DC outside -2048..2047 */
} RdctBlockFault;

/* The four tables of a picture, or the six of a JPEG file, with the short AC codes decoded ahead. */
#define RDCT_AC_AHEAD 10
typedef struct RdctBlockTables {
    RdctHuffmanDecoder dc, ac;
    /* Indexed by the next bits: value << 16 | total length << 8 | run, when code and extra bits are that short; else 0. */
    int32_t ahead[1 << RDCT_AC_AHEAD];
} RdctBlockTables;

void rdct_block_tables_finish(RdctBlockTables *tables); /* after dc and ac are set */

/* qcoef: 64 zeros, natural order. prediction: of the quantised DC. *nonzero: bit k for zigzag position k. Bits past the end read as
 * zeros; the caller looks at the reader's overrun. */
RdctBlockFault rdct_decode_block(RdctBitReader *reader, const RdctBlockTables *tables, int prediction, int16_t *qcoef, uint64_t *nonzero);

#endif
