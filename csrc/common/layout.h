/* SPDX-License-Identifier: Apache-2.0
 * Geometry of a picture: blocks, MCUs, regions, slices (docs/bitstream.md, section 2). Pure integer functions. */
#ifndef RDCT_COMMON_LAYOUT_H
#define RDCT_COMMON_LAYOUT_H

#include "rdct.h"

typedef struct RdctLayout {
    int width, height;
    int subsampling;          /* RdctSubsampling */
    int components;           /* 1 or 3 */
    int h_samp, v_samp;       /* luma blocks an MCU spans (1 or 2) */
    int luma_wide, luma_high; /* ceil(W/8), ceil(H/8): blocks that hold pixels */
    int mcu_wide, mcu_high;
    int blocks_wide[3], blocks_high[3]; /* incl. padding blocks */
    int true_width[3], true_height[3];  /* samples that are not padding: ceil(W / h_samp) for chroma */
    int region_blocks, map_rows, map_cols;
    int slice_rows; /* region rows a slice */
    int slices;
} RdctLayout;

/* slice_rows 0 = the default for this size. Checks every range. */
int rdct_layout_init(RdctLayout *layout, int width, int height, int subsampling, int region_blocks, int slice_rows, RdctError *err);
/* The default height: the whole picture up to 2^18 pixels, else the fewest region rows that hold 2^16 (even for 4:2:0 with odd R): thin
 * enough that two threads end together, thick enough that what a slice costs does not show. */
int rdct_default_slice_rows(int width, int height, int subsampling, int region_blocks);
/* Half-open range of MCU rows of slice i. */
void rdct_slice_mcu_rows(const RdctLayout *layout, int slice, int *first, int *last);
/* Which of the `regions` regions along one axis holds the centre of the luma area that a block covers; factor: luma blocks it spans.
 * The centre lies in luma block (factor block + factor / 2); for factor = 1 that is the block itself. */
static inline int rdct_region_of(int block, int factor, int region_blocks, int regions) {
    const int region = (block * factor + factor / 2) / region_blocks;
    return region < regions ? region : regions - 1;
}
/* Level (or RDCT_SKIP) of each block of a component's block row into levels[blocks_wide[component]]; all clamps and the chroma and SKIP
 * rules of section 2. */
void rdct_block_levels(const RdctLayout *layout, const uint8_t *level_map, int component, int block_row, uint8_t *levels);

#endif
