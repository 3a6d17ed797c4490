/* SPDX-License-Identifier: Apache-2.0
 * Blocks of a refinement stream that need its base (docs/bitstream.md, section 10). */
#ifndef RDCT_DEC_REFINE_H
#define RDCT_DEC_REFINE_H

#include "dec/decoder.h"

/* Among the levels of blocks: SKIP, but the base has something to show. Above every level, below SKIP. */
#define RDCT_SHOW_BASE 254

/* Whether stream and base belong together: geometry, hash, nothing refined that the base does not have; and that there is a base
 * exactly if there is a refinement. header NULL: a JPEG file. */
int rdct_refine_open(RdctTask *task, const RdctParsedHeader *header, const RdctBase *base, RdctError *err);

/* The blocks of a component's block row: level, RDCT_SHOW_BASE or SKIP; `distance` further on whether they are refined, and twice as far
 * their levels in the base. */
void rdct_refine_levels(const RdctTask *task, int component, int block_row, uint8_t *levels, ptrdiff_t distance, int lost);

/* A block at its place in the base. */
typedef struct RdctBaseBlock {
    const int16_t *qcoef;  /* natural order */
    const uint16_t *steps; /* natural order */
} RdctBaseBlock;
RdctBaseBlock rdct_base_block(const RdctTask *task, int component, int block_x, int block_y, int base_level);

/* As rdct_decode_block. steps: of this block. */
RdctBlockFault rdct_decode_refined(RdctBitReader *reader, const RdctBlockTables *tables, const RdctBaseBlock *base, const uint16_t *steps,
                                   int16_t *qcoef, uint64_t *nonzero);
/* The block as it is. */
void rdct_show_base(const RdctBaseBlock *base, int16_t *qcoef, uint64_t *nonzero);

#endif
