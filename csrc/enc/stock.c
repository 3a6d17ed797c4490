/* SPDX-License-Identifier: Apache-2.0 */
#include "enc/stock.h"

#include "common/intops.h"
#include "common/status.h"
#include "common/tables.h"

#include <string.h>

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

static void make_base(uint16_t *base, const RdctPlan *plan, const uint16_t *steps) {
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

void rdct_stock_init(RdctStock *stock, const RdctPlan *plan, const uint16_t *steps) {
    make_base(stock->base, plan, steps);
    for (int t = 0; t < 3 * plan->set->levels; t++)
        rdct_rdo_table_init(&stock->tables[t], stock->base + 64 * (t % 3), steps + 64 * t);
    for (int c = 0; c < 3; c++)
        rdct_quantizer_init_keep(&stock->keep[c]);
    for (int chroma = 0; chroma < 2; chroma++)
        rdct_rdo_rates_init(&stock->rates[chroma], rdct_annex_k.lengths[2 * chroma + 1]);
}

int rdct_stock_set_rates(RdctStock *stock, const RdctSymbolCounts *counts, RdctError *err) {
    for (int chroma = 0; chroma < 2; chroma++) {
        const int t = 2 * chroma + 1;
        int64_t once_more[256];
        uint8_t lengths[256];
        for (int symbol = 0; symbol < 256; symbol++)
            once_more[symbol] = counts->table[t][symbol] + (rdct_annex_k.lengths[t][symbol] > 0);
        RDCT_TRY(rdct_huffman_lengths(once_more, lengths, err));
        rdct_rdo_rates_init(&stock->rates[chroma], lengths);
    }
    return RDCT_OK;
}

void rdct_stock_refine(const RdctStock *stock, const RdctDsp *dsp, const RdctLayout *layout, const RdctRowWork *work, int worker) {
    const RdctBlockRow *blocks = &work->blocks;
    RdctRowWork whole = stock->whole[worker];
    whole.strip = work->strip; /* transformed once more: cheaper than a second kind of kernel */
    for (int c = 0; c < layout->components; c++)
        memset(whole.blocks.level[c], 0, rdct_row_blocks(layout, c));
    rdct_rows_quantize(dsp, layout, stock->keep, &whole);
    for (int c = 0; c < layout->components; c++) {
        const size_t n = rdct_row_blocks(layout, c);
        for (size_t b = 0; b < n; b++)
            rdct_rdo_block(&stock->tables[3 * blocks->level[c][b] + c], &stock->rates[c > 0], whole.blocks.qcoef[c] + 64 * b,
                           blocks->qcoef[c] + 64 * b, &blocks->nonzero[c][b]);
        memset(blocks->level[c], 0, n);
    }
}
