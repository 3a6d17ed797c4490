/* SPDX-License-Identifier: Apache-2.0 */
#include "enc/bands.h"

#include "common/tables.h"
#include "stream/huffman.h"

enum { SAMPLE_EVERY = 8, SAMPLE_OFFSET = 4 };

/* The middle of each group of eight; of the picture, if it is one group only. */
static int sample_offset(int mcu_rows) {
    return mcu_rows < 2 * SAMPLE_OFFSET ? mcu_rows / 2 : SAMPLE_OFFSET;
}

int rdct_sample_rows(int mcu_rows) {
    return (mcu_rows - sample_offset(mcu_rows) + SAMPLE_EVERY - 1) / SAMPLE_EVERY;
}

int rdct_sample_row(int mcu_rows, int i) {
    return sample_offset(mcu_rows) + SAMPLE_EVERY * i;
}

int rdct_is_sample_row(int mcu_rows, int mcu_row) {
    return mcu_row % SAMPLE_EVERY == sample_offset(mcu_rows) % SAMPLE_EVERY;
}

int rdct_sample_index(int mcu_rows, int mcu_row) {
    return (mcu_row - sample_offset(mcu_rows)) / SAMPLE_EVERY;
}

/* Extra bits are the same whatever the tables. */
static int64_t code_bits(const RdctHuffmanLengths *huffman, const RdctSymbolCounts *counts, int tables) {
    int64_t bits = 0;
    for (int t = 0; t < tables; t++)
        for (int symbol = 0; symbol < 256; symbol++)
            bits += counts->table[t][symbol] * huffman->lengths[t][symbol];
    return bits;
}

static int64_t coded_table_bits(const RdctHuffmanLengths *huffman, int tables) {
    uint8_t buffer[4096];
    RdctRangeEncoder range;
    rdct_range_encoder_init(&range, buffer, sizeof buffer);
    rdct_huffman_write(&range, huffman, tables);
    return 8 * (int64_t)rdct_range_encoder_finish(&range);
}

int rdct_choose_band(const RdctTableSet *set, const RdctSymbolCounts *counts, int tables, RdctBandCost cost, int mcu_rows,
                     const RdctHuffmanLengths **huffman) {
    const int sampled = rdct_sample_rows(mcu_rows);
    int64_t best = code_bits(&rdct_annex_k, counts, tables) * mcu_rows / sampled;
    int chosen = RDCT_BAND_ANNEX_K;
    *huffman = &rdct_annex_k;
    for (int band = 0; band < set->bands; band++) {
        int64_t bits = code_bits(&set->huffman[band], counts, tables) * mcu_rows / sampled;
        if (bits < best && cost == RDCT_BAND_CODED)
            bits += coded_table_bits(&set->huffman[band], tables);
        if (bits < best) {
            best = bits;
            chosen = cost == RDCT_BAND_BY_ID ? band : RDCT_BAND_INLINE;
            *huffman = &set->huffman[band];
        }
    }
    return chosen;
}
