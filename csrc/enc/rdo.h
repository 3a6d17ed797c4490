/* SPDX-License-Identifier: Apache-2.0
 * Rate-distortion optimised quantisation of a block: of all qcoefs it could have, those of the least bits + distortion / lambda.
 * Integers only, so that every machine finds the same. */
#ifndef RDCT_ENC_RDO_H
#define RDCT_ENC_RDO_H

#include "rdct.h"

/* Costs count 256ths of a bit. A coefficient wins, over dropping it, its distortion as zero less its distortion when rounded. If that is
 * below the first it is dropped unseen (its code and extra bit cost more), above the second it is kept (that much is never saved). */
enum { RDCT_RDO_BIT = 256, RDCT_RDO_LEAST_GAIN = RDCT_RDO_BIT, RDCT_RDO_SURE_GAIN = 32 * RDCT_RDO_BIT };

/* A table as the search sees it, in zigzag order. */
typedef struct RdctRdoTable {
    uint16_t step[64];   /* what the decoder multiplies by, x 8 as coefficients are */
    uint32_t weight[64]; /* what a squared error is worth, in 2^-24 of a unit of cost */
} RdctRdoTable;

/* Cost of an AC symbol with its extra bits, zeros beyond fifteen included; [0][0] is the end of block. */
typedef struct RdctRdoRates {
    uint16_t ac[11][64]; /* [size][run] */
} RdctRdoRates;

/* steps: of the stream. wanted: the steps whose errors the block may have, which set lambda: where both are the same, about what plain
 * rounding does. Both in natural order, 1..RDCT_MAX_STEP. */
void rdct_rdo_table_init(RdctRdoTable *table, const uint16_t *steps, const uint16_t *wanted);
/* lengths: of an AC table that has a code for every symbol. */
void rdct_rdo_rates_init(RdctRdoRates *rates, const uint8_t *lengths);
/* coefficients: x 8. qcoef and *nonzero: rounded, and then the best. All in zigzag order. DC stays rounded: a network minds its errors
 * most, and its few bits are no place to save. */
void rdct_rdo_block(const RdctRdoTable *table, const RdctRdoRates *rates, const int16_t *coefficients, int16_t *qcoef, uint64_t *nonzero);

#endif
