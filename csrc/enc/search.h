/* SPDX-License-Identifier: Apache-2.0
 * Quantisation that weighs bits against errors, over the rows of a picture: each block, rounded already, once more as whole
 * coefficients, and of both the best qcoefs by enc/rdo.h. */
#ifndef RDCT_ENC_SEARCH_H
#define RDCT_ENC_SEARCH_H

#include "dsp/dsp.h"
#include "enc/rdo.h"
#include "enc/rows.h"
#include "enc/symbols.h"

typedef struct RdctSearch {
    RdctQuantizer keep[3];  /* leaves coefficients whole */
    RdctRdoRates rates[2];  /* luma, chroma */
    RdctRdoTable *tables;   /* [levels][3] */
    RdctRowWork *whole;     /* [threads]: blocks before quantisation */
    RdctRdoBlockFn *choose; /* of a block; NULL: whoever codes it chooses, by ->whole */
} RdctSearch;

/* Rates of the typical tables of T.81. search->tables and ->whole are the caller's. */
void rdct_search_init(RdctSearch *search, RdctRdoBlockFn *choose);
/* What symbols cost: from how often each occurred, whatever did not being rare. */
int rdct_search_set_rates(RdctSearch *search, const RdctSymbolCounts *counts, RdctError *err);
/* The row's blocks, loaded and rounded, into what is chosen; their whole coefficients are in ->whole[worker] then, SKIP excepted. */
void rdct_search_row(const RdctSearch *search, const RdctDsp *dsp, const RdctLayout *layout, const RdctRowWork *work, int worker);

#endif
