/* SPDX-License-Identifier: Apache-2.0
 * The qcoefs of a block that is about to be context-modelled, chosen by what the models, as they stand, say that each would cost. */
#ifndef RDCT_ENC_CONTEXT_SEARCH_H
#define RDCT_ENC_CONTEXT_SEARCH_H

#include "enc/rdo.h"
#include "stream/blockmodel.h"

/* coefficients: x 8. qcoef and *nonzero: rounded, and then what was chosen. All in zigzag order. */
void rdct_context_choose(RdctBlockModel *model, const RdctBlockContext *context, int chroma, const RdctRdoTable *table,
                         const int16_t *coefficients, int16_t *qcoef, uint64_t *nonzero);

#endif
