/* SPDX-License-Identifier: Apache-2.0
 * A context-modelled slice into quantised blocks (docs/bitstream.md, section 11). */
#ifndef RDCT_DEC_CONTEXT_H
#define RDCT_DEC_CONTEXT_H

#include "dec/symbols.h"
#include "stream/blockmodel.h"

typedef struct RdctContextReader {
    RdctBlockModel *model;
    RdctSymbolDecoder symbols;
    RdctBitReader plain;
} RdctContextReader;

/* qcoef: 64 zeros, natural order; *nonzero: bit k = zigzag place k. Leaves the block in place->row[x]. Bits past the end read as zeros;
 * the caller looks at plain.overrun. */
RdctBlockFault rdct_context_read_block(RdctContextReader *reader, const RdctRowPlace *place, const RdctModelSteps *steps,
                                       const RdctNeighbour *same, int chroma, int16_t *qcoef, uint64_t *nonzero);

#endif
