/* SPDX-License-Identifier: Apache-2.0
 * Many levels under one table, exactly: for a file that has one table a component.
 *
 * The table's steps divide every step that a value of the picture rests on, so quantised integers multiply up and each product stays what
 * it was. Two rounds over the blocks: the first finds the steps, the second rewrites the values. */
#include "common/intops.h"
#include "common/status.h"
#include "common/tables.h"
#include "enc/check.h"
#include "enc/symbols.h"

#include <string.h>

enum { MAX_JPEG_STEP = 255, MAX_BLOCKS_WIDE = (RDCT_MAX_SIDE + 15) / 8, LOWEST = -2048, HIGHEST = 2047 };

typedef struct Merge {
    RdctLayout layout;
    const RdctPlan *plan;
    RdctCoefficients *coefficients;
    uint16_t steps[RDCT_MAX_LEVELS * 192];
    uint16_t merged[3][64]; /* 0: no step yet */
    uint8_t in_use[256];    /* by level, and SKIP */
} Merge;

static int greatest_common_divisor(int a, int b) {
    while (b != 0) {
        const int rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static int largest_divisor_in_range(int step) {
    int divisor = step < MAX_JPEG_STEP ? step : MAX_JPEG_STEP;
    while (step % divisor != 0)
        divisor--;
    return divisor;
}

/* For a frequency that has no value anywhere every level of the map counts, so that one level keeps its table whole. */
static int divisor_of_levels(const Merge *merge, int c, int n) {
    int divisor = 0;
    for (int level = 0; level < merge->plan->set->levels; level++)
        if (merge->in_use[level])
            divisor = greatest_common_divisor(merge->steps[(level * 3 + c) * 64 + n], divisor);
    return divisor;
}

static void find_steps(Merge *merge) {
    const RdctLayout *layout = &merge->layout;
    uint8_t levels[MAX_BLOCKS_WIDE];
    for (int c = 0; c < layout->components; c++) {
        const int16_t *value = merge->coefficients->planes[c];
        uint16_t *merged = merge->merged[c];
        for (int y = 0; y < layout->blocks_high[c]; y++) {
            rdct_block_levels(layout, merge->plan->level_map, c, y, levels);
            for (int x = 0; x < layout->blocks_wide[c]; x++, value += 64) {
                const uint16_t *step = merge->steps + (levels[x] * 3 + c) * 64;
                for (int n = 0; n < 64; n++)
                    if (value[n] != 0 && step[n] != merged[n])
                        merged[n] = (uint16_t)greatest_common_divisor(step[n], merged[n]);
            }
        }
        for (int n = 0; n < 64; n++)
            merged[n] = (uint16_t)largest_divisor_in_range(merged[n] != 0 ? merged[n] : divisor_of_levels(merge, c, n));
    }
}

/* The value under the merged step. What the reconstruction cuts off becomes the smallest value that it cuts to the same. */
static int merge_value(int value, int step, int merged) {
    const int product = value * step;
    if (product > HIGHEST)
        return (HIGHEST + merged - 1) / merged;
    if (product < LOWEST)
        return -((-LOWEST + merged - 1) / merged);
    return product / merged;
}

static int rewrite_block(const uint16_t *step, const uint16_t *merged, int16_t *value, int c, int x, int y, RdctError *err) {
    for (int n = 0; n < 64; n++) {
        if (value[n] == 0 || step[n] == merged[n])
            continue;
        const int after = merge_value(value[n], step[n], merged[n]);
        if (n > 0 && (after < -RDCT_MAX_AC || after > RDCT_MAX_AC))
            return rdct_fail(err, RDCT_ERR_UNSUPPORTED, "jpeg_ac_range",
                             "coefficient %d of block (%d, %d) of component %d is %d x %d: under one table for all levels, with step %d, "
                             "it is %d, but JPEG allows -%d..%d",
                             n, x, y, c, value[n], step[n], merged[n], after, RDCT_MAX_AC, RDCT_MAX_AC);
        value[n] = (int16_t)after;
    }
    return RDCT_OK;
}

static int rewrite_values(const Merge *merge, RdctError *err) {
    const RdctLayout *layout = &merge->layout;
    uint8_t levels[MAX_BLOCKS_WIDE];
    for (int c = 0; c < layout->components; c++) {
        int16_t *value = merge->coefficients->planes[c];
        for (int y = 0; y < layout->blocks_high[c]; y++) {
            rdct_block_levels(layout, merge->plan->level_map, c, y, levels);
            for (int x = 0; x < layout->blocks_wide[c]; x++, value += 64)
                RDCT_TRY(rewrite_block(merge->steps + (levels[x] * 3 + c) * 64, merge->merged[c], value, c, x, y, err));
        }
    }
    return RDCT_OK;
}

int rdct_merge_levels(RdctCoefficients *coefficients, int width, int height, int subsampling, const RdctPlan *plan, uint16_t *tables,
                      RdctError *err) {
    Merge merge;
    rdct_error_clear(err);
    if (plan == NULL || tables == NULL)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "null", "plan or tables is NULL");
    memset(&merge, 0, sizeof merge);
    RDCT_TRY(rdct_layout_init(&merge.layout, width, height, subsampling, plan->region_blocks, 0, err));
    RDCT_TRY(rdct_check_plan(plan, &merge.layout, err));
    RDCT_TRY(rdct_check_coefficients(coefficients, &merge.layout, err));
    for (size_t i = 0; i < (size_t)plan->map_rows * (size_t)plan->map_cols; i++)
        merge.in_use[plan->level_map[i]] = 1;
    if (merge.in_use[RDCT_SKIP])
        return rdct_fail(err, RDCT_ERR_UNSUPPORTED, "jpeg_skip", "the picture has SKIP regions, which a JPEG file cannot have");
    merge.plan = plan;
    merge.coefficients = coefficients;
    rdct_scale_steps(plan->set->tables, plan->set->levels * 192, plan->scale, merge.steps);
    find_steps(&merge);
    RDCT_TRY(rewrite_values(&merge, err));
    for (int c = 0; c < 3; c++)
        memcpy(tables + 64 * c, merge.merged[c < merge.layout.components ? c : 0], sizeof merge.merged[0]);
    return RDCT_OK;
}
