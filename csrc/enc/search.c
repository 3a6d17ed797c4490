/* SPDX-License-Identifier: Apache-2.0 */
#include "enc/search.h"

#include "common/status.h"
#include "common/tables.h"

#include <string.h>

void rdct_search_init(RdctSearch *search, RdctRdoBlockFn *choose) {
    search->choose = choose;
    for (int c = 0; c < 3; c++)
        rdct_quantizer_init_keep(&search->keep[c]);
    for (int chroma = 0; chroma < 2; chroma++)
        rdct_rdo_rates_init(&search->rates[chroma], rdct_annex_k.lengths[2 * chroma + 1]);
}

int rdct_search_set_rates(RdctSearch *search, const RdctSymbolCounts *counts, RdctError *err) {
    for (int chroma = 0; chroma < 2; chroma++) {
        const int t = 2 * chroma + 1;
        int64_t once_more[256];
        uint8_t lengths[256];
        for (int symbol = 0; symbol < 256; symbol++)
            once_more[symbol] = counts->table[t][symbol] + (rdct_annex_k.lengths[t][symbol] > 0);
        RDCT_TRY(rdct_huffman_lengths(once_more, lengths, err));
        rdct_rdo_rates_init(&search->rates[chroma], lengths);
    }
    return RDCT_OK;
}

/* Transformed once more: cheaper than a second kind of kernel. */
static const RdctBlockRow *load_whole(const RdctSearch *search, const RdctDsp *dsp, const RdctLayout *layout, const RdctRowWork *work,
                                      int worker) {
    RdctRowWork *whole = &search->whole[worker];
    whole->strip = work->strip;
    for (int c = 0; c < layout->components; c++) {
        const uint8_t *level = work->blocks.level[c];
        const size_t n = rdct_row_blocks(layout, c);
        for (size_t b = 0; b < n; b++)
            whole->blocks.level[c][b] = level[b] == RDCT_SKIP ? RDCT_SKIP : 0;
    }
    rdct_rows_quantize(dsp, layout, search->keep, whole);
    return &whole->blocks;
}

void rdct_search_row(const RdctSearch *search, const RdctDsp *dsp, const RdctLayout *layout, const RdctRowWork *work, int worker) {
    const RdctBlockRow *blocks = &work->blocks, *whole = load_whole(search, dsp, layout, work, worker);
    for (int c = 0; search->choose != NULL && c < layout->components; c++) {
        const size_t n = rdct_row_blocks(layout, c);
        for (size_t b = 0; b < n; b++)
            if (blocks->level[c][b] != RDCT_SKIP)
                search->choose(&search->tables[3 * blocks->level[c][b] + c], &search->rates[c > 0], whole->qcoef[c] + 64 * b,
                               blocks->qcoef[c] + 64 * b, &blocks->nonzero[c][b]);
    }
}
