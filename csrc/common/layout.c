/* SPDX-License-Identifier: Apache-2.0
 * Geometry of a picture (docs/bitstream.md, section 2). */
#include "common/layout.h"

#include "common/status.h"

#include <string.h>

#define MAX_SLICE_ROWS 8192

/* A slice must hold about this many pixels before a thread of its own pays. */
#define DEFAULT_SLICE_PIXELS (1 << 16)
#define ONE_SLICE_PIXELS (1 << 18)

static int ceil_div(int a, int b) {
    return (a + b - 1) / b;
}

static int min_int(int a, int b) {
    return a < b ? a : b;
}

int rdct_default_slice_rows(int width, int height, int subsampling, int region_blocks) {
    const int map_rows = ceil_div(ceil_div(height, 8), region_blocks);
    if ((int64_t)width * height <= ONE_SLICE_PIXELS)
        return map_rows;
    int rows = ceil_div(DEFAULT_SLICE_PIXELS, 8 * region_blocks * width);
    if (subsampling == RDCT_420 && region_blocks % 2 != 0)
        rows += rows % 2;
    return min_int(rows, map_rows);
}

int rdct_layout_init(RdctLayout *layout, int width, int height, int subsampling, int region_blocks, int slice_rows, RdctError *err) {
    memset(layout, 0, sizeof *layout);
    if (width < 1 || width > RDCT_MAX_SIDE)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "image_size", "width is %d, but must be 1..%d", width, RDCT_MAX_SIDE);
    if (height < 1 || height > RDCT_MAX_SIDE)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "image_size", "height is %d, but must be 1..%d", height, RDCT_MAX_SIDE);
    if (subsampling < RDCT_444 || subsampling > RDCT_GREY)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "subsampling", "subsampling is %d, but must be 0..3", subsampling);
    if (region_blocks < 1 || region_blocks > RDCT_MAX_REGION_BLOCKS)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "region_blocks", "region_blocks is %d, but must be 1..%d", region_blocks,
                         RDCT_MAX_REGION_BLOCKS);
    if (slice_rows < 0 || slice_rows > MAX_SLICE_ROWS)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "slice_rows", "slice_rows is %d, but must be 0..%d", slice_rows, MAX_SLICE_ROWS);

    layout->width = width;
    layout->height = height;
    layout->subsampling = subsampling;
    layout->components = subsampling == RDCT_GREY ? 1 : 3;
    layout->h_samp = subsampling == RDCT_422 || subsampling == RDCT_420 ? 2 : 1;
    layout->v_samp = subsampling == RDCT_420 ? 2 : 1;
    layout->luma_wide = ceil_div(width, 8);
    layout->luma_high = ceil_div(height, 8);
    layout->mcu_wide = ceil_div(layout->luma_wide, layout->h_samp);
    layout->mcu_high = ceil_div(layout->luma_high, layout->v_samp);
    for (int c = 0; c < layout->components; c++) {
        const int h = c == 0 ? layout->h_samp : 1, v = c == 0 ? layout->v_samp : 1;
        layout->blocks_wide[c] = layout->mcu_wide * h;
        layout->blocks_high[c] = layout->mcu_high * v;
        layout->true_width[c] = c == 0 ? width : ceil_div(width, layout->h_samp);
        layout->true_height[c] = c == 0 ? height : ceil_div(height, layout->v_samp);
    }
    layout->region_blocks = region_blocks;
    layout->map_rows = ceil_div(layout->luma_high, region_blocks);
    layout->map_cols = ceil_div(layout->luma_wide, region_blocks);
    layout->slice_rows = slice_rows > 0 ? slice_rows : rdct_default_slice_rows(width, height, subsampling, region_blocks);
    if (slice_rows % 2 != 0 && subsampling == RDCT_420 && region_blocks % 2 != 0 && slice_rows < layout->map_rows)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "slice_rows_even",
                         "slice_rows is %d, but must be even with 4:2:0 and region_blocks %d unless it covers all %d region rows",
                         slice_rows, region_blocks, layout->map_rows);
    layout->slices = ceil_div(layout->map_rows, layout->slice_rows);
    return RDCT_OK;
}

void rdct_slice_mcu_rows(const RdctLayout *layout, int slice, int *first, int *last) {
    const int block_rows = layout->slice_rows * layout->region_blocks; /* luma; a multiple of v_samp if there are two slices */
    *first = slice * block_rows / layout->v_samp;
    *last = slice + 1 >= layout->slices ? layout->mcu_high : (slice + 1) * block_rows / layout->v_samp;
}

/* Rows of the map repeated along the blocks of one row: luma, and chroma of 4:4:4. */
static void expand_row(const RdctLayout *layout, const uint8_t *map_row, int blocks, uint8_t *levels) {
    int x = 0;
    for (int col = 0; col < layout->map_cols && x < blocks; col++) {
        const int run = min_int(layout->region_blocks, blocks - x);
        memset(levels + x, map_row[col], (size_t)run);
        x += run;
    }
    if (x < blocks) /* padding blocks beyond the last region */
        memset(levels + x, map_row[layout->map_cols - 1], (size_t)(blocks - x));
}

/* Finest level among the luma blocks a chroma block covers; SKIP is the largest value, so it stays only if all are. */
static uint8_t finest_covered(const RdctLayout *layout, const uint8_t *level_map, int x, int y) {
    uint8_t finest = RDCT_SKIP;
    for (int dy = 0; dy < layout->v_samp; dy++) {
        for (int dx = 0; dx < layout->h_samp; dx++) {
            const int luma_x = x * layout->h_samp + dx, luma_y = y * layout->v_samp + dy;
            if (luma_x >= layout->luma_wide || luma_y >= layout->luma_high)
                continue;
            const size_t row = (size_t)(luma_y / layout->region_blocks);
            const uint8_t level = level_map[row * (size_t)layout->map_cols + (size_t)(luma_x / layout->region_blocks)];
            finest = level < finest ? level : finest;
        }
    }
    return finest;
}

void rdct_block_levels(const RdctLayout *layout, const uint8_t *level_map, int component, int block_row, uint8_t *levels) {
    const int region = layout->region_blocks, blocks = layout->blocks_wide[component];
    const int h = component == 0 ? 1 : layout->h_samp, v = component == 0 ? 1 : layout->v_samp;
    const int row = rdct_region_of(block_row, v, region, layout->map_rows);
    const uint8_t *map_row = level_map + (size_t)row * (size_t)layout->map_cols;
    if (h == 1 && v == 1) {
        expand_row(layout, map_row, blocks, levels);
        return;
    }
    for (int x = 0; x < blocks; x++) {
        levels[x] = map_row[rdct_region_of(x, h, region, layout->map_cols)];
        if (levels[x] == RDCT_SKIP)
            levels[x] = finest_covered(layout, level_map, x, block_row);
    }
}

int rdct_geometry(int width, int height, int subsampling, RdctCoefficients *coefficients, RdctPlanes *planes, RdctError *err) {
    RdctLayout layout;
    rdct_error_clear(err);
    RDCT_TRY(rdct_layout_init(&layout, width, height, subsampling, RDCT_MAX_REGION_BLOCKS, 0, err));
    if (coefficients != NULL)
        coefficients->components = layout.components;
    if (planes != NULL)
        planes->components = layout.components;
    for (int c = 0; c < 3; c++) {
        if (coefficients != NULL) {
            coefficients->blocks_wide[c] = layout.blocks_wide[c];
            coefficients->blocks_high[c] = layout.blocks_high[c];
        }
        if (planes != NULL) {
            planes->width[c] = 8 * layout.blocks_wide[c];
            planes->height[c] = 8 * layout.blocks_high[c];
        }
    }
    return RDCT_OK;
}
