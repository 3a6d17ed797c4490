/* SPDX-License-Identifier: Apache-2.0
 * Rate-distortion optimised quantisation of a block: of all qcoefs it could have, those of the least bits + distortion / lambda.
 * Integers only, so that every machine finds the same. */
#ifndef RDCT_ENC_RDO_H
#define RDCT_ENC_RDO_H

#include "rdct.h"

/* Costs count 256ths of a bit. A coefficient wins, over dropping it, its distortion as zero less its distortion when rounded. If that is
 * below the first it is dropped unseen (its code and extra bit cost more), above the second it is kept (that much is never saved). */
enum { RDCT_RDO_WEIGHT_SHIFT = 24 };
enum { RDCT_RDO_BIT = 256, RDCT_RDO_LEAST_GAIN = RDCT_RDO_BIT, RDCT_RDO_SURE_GAIN = 32 * RDCT_RDO_BIT };

/* A table as the search sees it, in zigzag order. */
typedef struct RdctRdoTable {
    uint16_t step[64];   /* what the decoder multiplies by, x 8 as coefficients are */
    uint32_t weight[64]; /* what a squared error is worth, in 2^-24 of a unit of cost */
} RdctRdoTable;

/* What an error (x 8) at a place costs. |error| < 2^16, so the square fits 32 bits, and with the weight 64. */
static inline int64_t rdct_rdo_distortion(const RdctRdoTable *table, int k, int error) {
    const uint32_t magnitude = (uint32_t)(error < 0 ? -error : error);
    return (int64_t)((uint64_t)(magnitude * magnitude) * table->weight[k] >> RDCT_RDO_WEIGHT_SHIFT);
}

/* Cost of an AC symbol with its extra bits, zeros beyond fifteen included; [0][0] is the end of block. */
typedef struct RdctRdoRates {
    uint16_t ac[11][64]; /* [size][run] */
} RdctRdoRates;

/* steps: of the stream. wanted: the steps whose errors the block may have, which set lambda. Both in natural order, 1..RDCT_MAX_STEP.
 * price: of a bit, in 256ths of what it buys where rounding to finer steps saves errors, (ln 2 / 6) of a squared step. */
enum { RDCT_RDO_PRICE_ONE = 256 };
void rdct_rdo_table_init(RdctRdoTable *table, const uint16_t *steps, const uint16_t *wanted, int price);
/* lengths: of an AC table that has a code for every symbol. */
void rdct_rdo_rates_init(RdctRdoRates *rates, const uint8_t *lengths);

/* Chooses the qcoefs of a block. coefficients: x 8. qcoef and *nonzero: rounded, and then what was chosen. All in zigzag order. DC stays
 * rounded: a network minds its errors most, and its few bits are no place to save. */
typedef void RdctRdoBlockFn(const RdctRdoTable *table, const RdctRdoRates *rates, const int16_t *coefficients, int16_t *qcoef,
                            uint64_t *nonzero);
/* The best there are. */
RdctRdoBlockFn rdct_rdo_block;
/* From the last coefficient to the first, each weighed once, as if all before it stayed as they were rounded. */
RdctRdoBlockFn rdct_rdo_block_once;

#endif
