/* SPDX-License-Identifier: Apache-2.0
 * Quantised blocks into a context-modelled slice (docs/bitstream.md, section 11). */
#ifndef RDCT_ENC_CONTEXT_H
#define RDCT_ENC_CONTEXT_H

#include "stream/bitwriter.h"
#include "stream/blockmodel.h"

typedef struct RdctContextWriter {
    RdctBlockModel *model;
    RdctSymbolEncoder symbols;
    RdctBitWriter plain;
} RdctContextWriter;

/* Bytes one block may take of each: 2 + 64 symbols of at most 12 bits; 12 + 4 + 63 * (19 + 1) plain bits. */
enum { RDCT_CONTEXT_SYMBOL_BYTES = 136, RDCT_CONTEXT_PLAIN_BYTES = 192 };

/* What rdct_block_context says of the block; qcoef: zigzag order; nonzero: bit k = place k. Leaves the block in place->row[x]. */
void rdct_context_write_block(RdctContextWriter *writer, const RdctBlockContext *context, const RdctRowPlace *place,
                              const RdctModelSteps *steps, int chroma, const int16_t *qcoef, uint64_t nonzero);

#endif
