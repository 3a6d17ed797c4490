/* SPDX-License-Identifier: Apache-2.0
 * Constant tables of T.81, and quantisation tables made usable: scaled steps per level. */
#ifndef RDCT_COMMON_TABLES_H
#define RDCT_COMMON_TABLES_H

#include "rdct.h"

extern const uint8_t rdct_zigzag[64];         /* scan position -> natural index */
extern const RdctHuffmanLengths rdct_annex_k; /* typical Huffman tables, T.81 Annex K.3 */
/* The order in which AC and DC code lengths are coded in a stream (section 4) belongs to stream/huffman.c. */

/* step = clamp((table * scale + 128) >> 8, 1, RDCT_MAX_STEP) for n entries. */
void rdct_scale_steps(const uint16_t *tables, int n, int scale, uint16_t *steps);

#endif
