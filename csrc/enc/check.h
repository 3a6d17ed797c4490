/* SPDX-License-Identifier: Apache-2.0
 * What the caller hands in, checked at the door: after these, nothing in enc/ can go out of range. */
#ifndef RDCT_ENC_CHECK_H
#define RDCT_ENC_CHECK_H

#include "common/layout.h"
#include "enc/rows.h"

/* Image and subsampling against each other; every size. */
int rdct_check_image(const RdctImage *image, int subsampling, RdctError *err);
/* Plan and its table set against the layout. */
int rdct_check_plan(const RdctPlan *plan, const RdctLayout *layout, RdctError *err);
/* Options against plan and layout; steps u16 [levels][3][64] after scaling; quantized: the qcoefs are given, and cannot change. */
int rdct_check_options(const RdctEncodeOptions *options, const RdctPlan *plan, const RdctLayout *layout, const uint16_t *steps,
                       int quantized, RdctError *err);
/* Shape and pointers of coefficient planes or sample planes. */
int rdct_check_coefficients(const RdctCoefficients *coefficients, const RdctLayout *layout, RdctError *err);
int rdct_check_planes(const RdctPlanes *planes, const RdctLayout *layout, RdctError *err);
/* The coefficients of one MCU row, SKIP blocks excepted, checked and brought into zigzag order; blocks->level is filled. */
int rdct_take_values(const RdctCoefficients *coefficients, const RdctLayout *layout, int mcu_row, const RdctBlockRow *blocks,
                     RdctError *err);

#endif
