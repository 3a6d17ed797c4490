/* SPDX-License-Identifier: Apache-2.0
 * Which regions of a refinement stream are refined, and their blocks as differences (docs/bitstream.md, section 10). */
#ifndef RDCT_ENC_REFINE_H
#define RDCT_ENC_REFINE_H

#include "enc/encoder.h"

/* Its place among RdctContext.shared; the others are in setup.c. */
enum { RDCT_SHARED_REFINE = 8 };

/* Largest share, in thousandths, that a caller may set as refine_limit. */
#define RDCT_MAX_REFINE_LIMIT 1000000

/* After rdct_encoder_setup: checks base and limit, reserves memory. */
int rdct_refine_setup(RdctEncoder *encoder, RdctError *err);
/* Decides for every region; after this rows come out of rdct_encoder_prepare_row as they are coded. */
int rdct_refine_choose(RdctEncoder *encoder, RdctError *err);
/* The blocks of a row that are refined, from coefficients into differences in their order. */
void rdct_refine_row(const RdctEncoder *encoder, int mcu_row, int worker);

#endif
