/* SPDX-License-Identifier: Apache-2.0
 * The coded level map (docs/bitstream.md, section 5). */
#ifndef RDCT_STREAM_LEVEL_MAP_H
#define RDCT_STREAM_LEVEL_MAP_H

#include "rdct.h"
#include "stream/rangecoder.h"

/* The values of the header's field. */
typedef enum RdctMapCoding { RDCT_MAP_FLAT = 0, RDCT_MAP_PLAIN = 1, RDCT_MAP_TRAINED = 2 } RdctMapCoding;

/* coding: PLAIN or TRAINED. Values must be < levels or RDCT_SKIP. */
void rdct_level_map_write(RdctRangeEncoder *range, RdctMapCoding coding, const uint8_t *map, int rows, int cols, int levels);
/* Always yields values < levels or RDCT_SKIP. */
void rdct_level_map_read(RdctRangeDecoder *range, RdctMapCoding coding, uint8_t *map, int rows, int cols, int levels);

#endif
