/* SPDX-License-Identifier: Apache-2.0
 * Constant tables of T.81, and quantisation tables from their compact forms. */
#include "common/tables.h"

#include "common/intops.h"
#include "common/status.h"

const uint8_t rdct_zigzag[64] = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
};

/* T.81 Annex K.1, natural order. */
static const uint8_t annex_k_steps[2][64] = {
    {
        16, 11,  10,  16, 24, 40, 51, 61, 12,  12,  14,  19,  26, 58, 60, 55,  14,  13,  16,  24, 40, 57,
        69, 56,  14,  17, 22, 29, 51, 87, 80,  62,  18,  22,  37, 56, 68, 109, 103, 77,  24,  35, 55, 64,
        81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98,  112, 100, 103, 99,
    },
    {
        17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
        99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    },
};

/* AC: a row for each run 0..15, entries by size 0..15. Within a length, Annex K lists symbols in ascending order, so these
 * lengths alone give its codes. */
const RdctHuffmanLengths rdct_annex_k = {
    .lengths =
        {
            {2, 3, 3, 3, 3, 3, 4, 5, 6, 7, 8, 9},
            {
                4, 2,  2,  3,  4,  5,  7,  8,  10, 16, 16, 0, 0, 0, 0, 0, 0,  4,  5,  7,  9,  11, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0,
                0, 5,  8,  10, 12, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0,  6,  9,  12, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0,
                0, 6,  10, 16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0,  7,  11, 16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0,
                0, 7,  12, 16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0,  8,  12, 16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0,
                0, 9,  15, 16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0,  9,  16, 16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0,
                0, 9,  16, 16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0,  10, 16, 16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0,
                0, 10, 16, 16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0,  11, 16, 16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0,
                0, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 11, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0,
            },
            {2, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11},
            {
                2, 2,  3,  4,  5,  5,  6,  7,  9,  10, 12, 0, 0, 0, 0, 0, 0,  4,  6,  8,  9,  11, 12, 16, 16, 16, 16, 0, 0, 0, 0, 0,
                0, 5,  8,  10, 12, 15, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0,  5,  8,  10, 12, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0,
                0, 6,  9,  16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0,  6,  10, 16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0,
                0, 7,  11, 16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0,  7,  11, 16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0,
                0, 8,  16, 16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0,  9,  16, 16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0,
                0, 9,  16, 16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0,  9,  16, 16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0,
                0, 9,  16, 16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0,  11, 16, 16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0,
                0, 14, 16, 16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 10, 15, 16, 16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0,
            },
        },
};

void rdct_scale_steps(const uint16_t *tables, int n, int scale, uint16_t *steps) {
    for (int i = 0; i < n; i++)
        steps[i] = (uint16_t)rdct_clamp((tables[i] * scale + 128) >> 8, 1, RDCT_MAX_STEP);
}

int rdct_tables_ijg(int quality, uint16_t *tables, RdctError *err) {
    rdct_error_clear(err);
    if (tables == NULL)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "null", "tables is NULL");
    if (quality < 1 || quality > 100)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "quality", "quality is %d, but must be 1..100", quality);
    const int percent = quality < 50 ? 5000 / quality : 200 - 2 * quality;
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 64; i++)
            tables[64 * c + i] = (uint16_t)rdct_clamp((annex_k_steps[c > 0][i] * percent + 50) / 100, 1, 255);
    return RDCT_OK;
}

/* round(2^14 * 2^(k/16)): sixteenths of an octave. */
static const uint16_t octave[16] = {16384, 17109, 17867, 18658, 19484, 20347, 21247, 22188,
                                    23170, 24196, 25268, 26386, 27554, 28774, 30048, 31379};

static uint16_t step_from_log(int exponent) {
    const int e = rdct_clamp(exponent, 0, 192);
    const uint32_t scaled = (uint32_t)octave[e % 16] << (e / 16);
    return (uint16_t)rdct_clamp((int)((scaled + (1u << 13)) >> 14), 1, RDCT_MAX_STEP);
}

int rdct_tables_from_log(const uint8_t *log_base, const int8_t *log_offset, int levels, uint16_t *tables, RdctError *err) {
    rdct_error_clear(err);
    if (log_base == NULL || log_offset == NULL || tables == NULL)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "null", "log_base, log_offset or tables is NULL");
    if (levels < 1 || levels > RDCT_MAX_LEVELS)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "levels", "levels is %d, but must be 1..%d", levels, RDCT_MAX_LEVELS);
    for (int l = 0; l < levels; l++)
        for (int i = 0; i < 192; i++)
            tables[192 * l + i] = step_from_log(log_base[i] + log_offset[l]);
    return RDCT_OK;
}
