/* SPDX-License-Identifier: Apache-2.0
 * Regions of many levels in a file of one table a component, which any JPEG decoder reads (docs/architecture.md, 4.6).
 *
 * All blocks are quantised with a base table from the middle of the levels in use. In a region of a coarser level the search of rdo.h then
 * drops and shrinks what that level would not pay for; a region of a finer one keeps all that the base table gives it. */
#ifndef RDCT_ENC_STOCK_H
#define RDCT_ENC_STOCK_H

#include "rdct.h"

/* Whether the plan, without SKIP, has more than one level in use. */
int rdct_stock_needed(const RdctPlan *plan);
/* base: u16 [3][64], natural order, 1..255. steps: u16 [levels][3][64], scaled. */
void rdct_stock_base(uint16_t *base, const RdctPlan *plan, const uint16_t *steps);

#endif
