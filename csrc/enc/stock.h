/* SPDX-License-Identifier: Apache-2.0
 * Regions of many levels in a file of one table a component, which any JPEG decoder reads (docs/architecture.md, 4.6).
 *
 * All blocks are quantised with a base table from the middle of the levels in use. In a region of a coarser level the search of rdo.h then
 * drops and shrinks what that level would not pay for; a region of a finer one keeps all that the base table gives it. */
#ifndef RDCT_ENC_STOCK_H
#define RDCT_ENC_STOCK_H

#include "dsp/dsp.h"
#include "enc/rdo.h"
#include "enc/rows.h"
#include "enc/symbols.h"

typedef struct RdctStock {
    uint16_t base[192];    /* [3][64], natural order, 1..255 */
    RdctQuantizer keep[3]; /* leaves coefficients whole */
    RdctRdoRates rates[2]; /* luma, chroma */
    RdctRdoTable *tables;  /* [levels][3] */
    RdctRowWork *whole;    /* [threads]: blocks before quantisation */
} RdctStock;

/* Whether the plan, without SKIP, has more than one level in use. */
int rdct_stock_needed(const RdctPlan *plan);
/* steps: u16 [levels][3][64], scaled. stock->tables and ->whole are set. */
void rdct_stock_init(RdctStock *stock, const RdctPlan *plan, const uint16_t *steps);
/* What symbols cost: from how often each occurred, whatever did not being rare. */
int rdct_stock_set_rates(RdctStock *stock, const RdctSymbolCounts *counts, RdctError *err);
/* The row's blocks, loaded and rounded to the base table, into the best for their levels; they have level 0 afterwards. */
void rdct_stock_refine(const RdctStock *stock, const RdctDsp *dsp, const RdctLayout *layout, const RdctRowWork *work, int worker);

#endif
