/* SPDX-License-Identifier: Apache-2.0 */
#include "enc/stock.h"

#include "common/intops.h"
#include "common/tables.h"

/* The base step at zigzag position k is (33 + k) / 48 of the regions' median step, by experiment (docs/experiments/coding.md). Finer bases waste bits
 * on values that coarse regions keep too precisely, coarser ones starve the fine regions, low frequencies first. */
enum { BASE_FIRST = 33, BASE_WHOLE = 48, MAX_JPEG_STEP = 255 };

int rdct_stock_needed(const RdctPlan *plan) {
    const size_t regions = (size_t)plan->map_rows * (size_t)plan->map_cols;
    for (size_t i = 1; i < regions; i++)
        if (plan->level_map[i] != plan->level_map[0])
            return 1;
    return 0;
}

/* The median over all regions of one frequency's step; steps: of level 0, the next levels 192 entries apart. */
static int median_step(const uint16_t *steps, const size_t *regions, int levels, size_t all) {
    int median = RDCT_MAX_STEP;
    for (int l = 0; l < levels; l++) {
        size_t at_most = 0;
        for (int other = 0; other < levels; other++)
            at_most += steps[192 * other] <= steps[192 * l] ? regions[other] : 0;
        if (2 * at_most > all && steps[192 * l] < median)
            median = steps[192 * l];
    }
    return median;
}

void rdct_stock_base(uint16_t *base, const RdctPlan *plan, const uint16_t *steps) {
    const size_t all = (size_t)plan->map_rows * (size_t)plan->map_cols;
    size_t regions[RDCT_MAX_LEVELS] = {0};
    for (size_t i = 0; i < all; i++)
        regions[plan->level_map[i]]++;
    for (int i = 0; i < 192; i++) {
        const int k = i % 64, at = i - k + rdct_zigzag[k];
        const int median = median_step(steps + at, regions, plan->set->levels, all);
        base[at] = (uint16_t)rdct_clamp((median * (BASE_FIRST + k) + BASE_WHOLE / 2) / BASE_WHOLE, 1, MAX_JPEG_STEP);
    }
}
