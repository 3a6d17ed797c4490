/* SPDX-License-Identifier: Apache-2.0
 * The walk over the MCU rows of a context-modelled slice: block row by block row, not MCU by MCU (docs/bitstream.md, section 11). */
#ifndef RDCT_DEC_CONTEXT_ROWS_H
#define RDCT_DEC_CONTEXT_ROWS_H

#include "dec/rows.h"

/* Memory a worker needs for it: 0 for streams of other kinds. */
size_t rdct_context_rows_bytes(const RdctTask *task);
/* memory: aligned to 64. Splits the slice's bytes, leaves its plain bits to state->reader and sets state->context. */
int rdct_context_rows_open(const RdctTask *task, int slice, void *memory, RdctRowState *state, RdctError *err);
int rdct_context_mcu_row(const RdctTask *task, RdctRowState *state, int slice, int mcu_row, RdctMcuRange wanted,
                         const RdctRowTarget *target, RdctError *err);
/* The range-coded bytes end where the last symbol does. */
int rdct_context_rows_check_end(const RdctRowState *state, const RdctTask *task, int slice, RdctError *err);

#endif
