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

typedef struct RdctRowState {
    RdctBitReader reader;
    const uint8_t *start;  /* of the slice's bytes */
    const uint8_t *finish; /* end of the data: the reader's own end moves to a marker */
    int dc[3];             /* last quantised DC of a component... */
    RdctDcStep dc_step[3]; /* ...and its step; all zeros: none yet */
    int until_restart, restarts;
    uint8_t *levels[3][2]; /* of the blocks of this MCU row; storage of the caller */
    ptrdiff_t refine_rows; /* between the rows of a refinement, see dec/refine.h */
} RdctRowState;

/* wanted = 0: nothing of this row is shown, so only bits are read. */
int rdct_decode_mcu_row(const RdctTask *task, RdctRowState *state, int slice, int mcu_row, int wanted, const RdctRowTarget *target,
                        RdctError *err);

#endif
