/* SPDX-License-Identifier: Apache-2.0
 * The search of enc/rdo.h against trying everything. For tests only. */
#ifndef RDCT_TESTS_CHECKRDO_H
#define RDCT_TESTS_CHECKRDO_H

/* 0, or which of the random blocks (from 1) has cheaper qcoefs than those found. */
int rdct_checkrdo(unsigned seed, int blocks);

#endif
