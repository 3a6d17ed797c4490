/* SPDX-License-Identifier: Apache-2.0
 * The walk over the MCUs of a slice, one MCU row a call: symbols, DC prediction across steps, SKIP, restart markers; then each block
 * goes to the exit that was asked for. */
#ifndef RDCT_DEC_ROWS_H
#define RDCT_DEC_ROWS_H

#include "dec/decoder.h"

/* Where the blocks of one MCU row go: coefficients, 64 a block, or samples. */
typedef struct RdctRowTarget {
    int16_t *plane[3];   /* of the first block */
    ptrdiff_t stride[3]; /* samples: between rows; coefficients: between block rows */
} RdctRowTarget;

/* Half-open range of MCUs. */
typedef struct RdctMcuRange {
    int first, last;
} RdctMcuRange;

/* Decoded blocks side by side. */
typedef struct RdctBlockRun {
    const int16_t *qcoef; /* natural order */
    const uint64_t *nonzero;
    const uint16_t *const *steps;
} RdctBlockRun;

typedef struct RdctRowState {
    RdctBitReader reader;
    const uint8_t *start;  /* of the slice's bytes */
    const uint8_t *finish; /* end of the data: the reader's own end moves to a marker */
    int dc[3];             /* last quantised DC of a component... */
    RdctDcStep dc_step[3]; /* ...and its step; all zeros: none yet */
    int until_restart, restarts;
    int lost;                        /* nothing is read: every block is SKIP */
    uint8_t *levels[3][2];           /* of the blocks of this MCU row; storage of the caller */
    ptrdiff_t refine_rows;           /* between the rows of a refinement, see dec/refine.h */
    struct RdctContextRows *context; /* of a context-modelled slice, whose plain bits `reader` then holds; else NULL */
} RdctRowState;

/* wanted = 0: nothing of this row is shown, so only bits are read. */
int rdct_decode_mcu_row(const RdctTask *task, RdctRowState *state, int slice, int mcu_row, int wanted, const RdctRowTarget *target,
                        RdctError *err);

/* Samples of `blocks` blocks, of the component's block row from block `first` on; levels and run begin there too. */
void rdct_put_samples(const RdctTask *task, const uint8_t *levels, const RdctBlockRun *run, int c, int first, int block_y, int blocks,
                      int16_t *to, ptrdiff_t stride);

/* What went wrong near where the reader stands. */
int rdct_fail_block(const RdctTask *task, const RdctRowState *state, int slice, RdctBlockFault fault, RdctError *err);
int rdct_fail_overrun(const RdctTask *task, const RdctRowState *state, int slice, RdctError *err);

#endif
