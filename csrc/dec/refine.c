/* SPDX-License-Identifier: Apache-2.0 */
#include "dec/refine.h"

#include <string.h>

#include "common/status.h"
#include "common/tables.h"
#include "stream/refine.h"

enum { MAX_AC = 1023 };

static int fail_missing(const RdctHeader *info, RdctError *err) {
    return rdct_fail(err, RDCT_ERR_ARGUMENT, "missing_refine_base",
                     "the data refine coefficients sent before: refine must hold those of hash %s", rdct_id_text(info->refine_hash).hex);
}

static int check_hash(const RdctHeader *info, const uint8_t *hash, RdctError *err) {
    if (memcmp(hash, info->refine_hash, RDCT_ID_BYTES) == 0)
        return RDCT_OK;
    return rdct_fail(err, RDCT_ERR_ARGUMENT, "refine_hash", "the data refine coefficients of hash %s, but refine has hash %s",
                     rdct_id_text(info->refine_hash).hex, rdct_id_text(hash).hex);
}

int rdct_refine_open(RdctTask *task, const RdctParsedHeader *header, const RdctBase *base, RdctError *err) {
    uint8_t hash[RDCT_ID_BYTES];
    if (header == NULL || !header->info.refine) {
        if (base != NULL)
            return rdct_fail(err, RDCT_ERR_ARGUMENT, "no_refinement", "refine must be NULL: the data are no refinement stream");
        return RDCT_OK;
    }
    if (base == NULL)
        return fail_missing(&header->info, err);
    RDCT_TRY(rdct_base_check(task->dsp, base, task->layout, hash, err));
    RDCT_TRY(check_hash(&header->info, hash, err));
    const size_t regions = (size_t)task->layout->map_rows * (size_t)task->layout->map_cols;
    for (size_t i = 0; i < regions; i++)
        if (rdct_mode_refined(header->modes[i]) && base->level_map[i] == RDCT_SKIP)
            return rdct_fail_at(err, RDCT_ERR_CORRUPT, "refine_skip", header->info.header_bytes, -1,
                                "region %lld is refined, but its base skips it", (long long)i);
    task->refine = base;
    task->modes = header->modes;
    return RDCT_OK;
}

void rdct_refine_levels(const RdctTask *task, int component, int block_row, uint8_t *levels, ptrdiff_t distance, int lost) {
    uint8_t *refined = levels + distance, *base_levels = refined + distance;
    const int shown = task->exit != RDCT_EXIT_COEFFICIENTS && task->base == NULL;
    rdct_block_levels(task->layout, task->modes, component, block_row, refined);
    rdct_block_levels(task->layout, task->refine->level_map, component, block_row, base_levels);
    for (int x = 0; x < task->layout->blocks_wide[component]; x++) {
        const uint8_t mode = lost ? RDCT_SKIP : refined[x];
        levels[x] = (uint8_t)rdct_mode_level(mode);
        if (mode == RDCT_SKIP && shown && base_levels[x] != RDCT_SKIP)
            levels[x] = RDCT_SHOW_BASE;
        refined[x] = (uint8_t)rdct_mode_refined(mode);
    }
}

RdctBaseBlock rdct_base_block(const RdctTask *task, int component, int block_x, int block_y, int base_level) {
    const RdctCoefficients *coefficients = &task->refine->coefficients;
    const size_t block = (size_t)block_y * (size_t)coefficients->blocks_wide[component] + (size_t)block_x;
    return (RdctBaseBlock){coefficients->planes[component] + 64 * block, task->refine->steps + 64 * (3 * base_level + component)};
}

/* Bit k = zigzag position k. */
static uint64_t find_nonzero(const int16_t *qcoef) {
    uint64_t mask = 0;
    for (int k = 0; k < 64; k++)
        mask |= (uint64_t)(qcoef[rdct_zigzag[k]] != 0) << k;
    return mask;
}

/* The differences come as any block does, the i-th at zigzag position i; then each goes to where it belongs. */
RdctBlockFault rdct_decode_refined(RdctBitReader *reader, const RdctBlockTables *tables, const RdctBaseBlock *base, const uint16_t *steps,
                                   int16_t *qcoef, uint64_t *nonzero) {
    int16_t sorted[64] = {0};
    uint64_t sorted_nonzero = 0;
    const uint64_t before = find_nonzero(base->qcoef);
    const int dc = rdct_refine_predict(base->qcoef[0], base->steps[0], steps[0]);
    const RdctBlockFault fault = rdct_decode_block(reader, tables, dc, sorted, &sorted_nonzero);
    if (fault != RDCT_BLOCK_OK)
        return fault;
    uint64_t mask = sorted[0] != 0;
    int at = 1, fits = 1;
    qcoef[0] = sorted[0];
    for (uint64_t left = before & ~UINT64_C(1); left != 0; left &= left - 1, at++) {
        const int k = rdct_lowest_bit(left), n = rdct_zigzag[k];
        const int value = sorted[rdct_zigzag[at]] + rdct_refine_predict(base->qcoef[n], base->steps[n], steps[n]);
        fits &= value >= -MAX_AC && value <= MAX_AC;
        qcoef[n] = (int16_t)value;
        mask |= (uint64_t)(value != 0) << k;
    }
    for (uint64_t left = ~before & ~UINT64_C(1); left != 0 && sorted_nonzero >> at != 0; left &= left - 1, at++) {
        const int k = rdct_lowest_bit(left);
        qcoef[rdct_zigzag[k]] = sorted[rdct_zigzag[at]];
        mask |= (uint64_t)(sorted[rdct_zigzag[at]] != 0) << k;
    }
    *nonzero = mask;
    return fits ? RDCT_BLOCK_OK : RDCT_BLOCK_AC_RANGE;
}

void rdct_show_base(const RdctBaseBlock *base, int16_t *qcoef, uint64_t *nonzero) {
    memcpy(qcoef, base->qcoef, 64 * sizeof *qcoef);
    *nonzero = find_nonzero(base->qcoef);
}
