/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/refine.h"

#include "common/status.h"

#include <string.h>

enum { MAX_BLOCKS = (RDCT_MAX_SIDE + 7) / 8, MAX_AC = 1023, HASH_BYTES = 4, TABLE_BYTES = 128 };

#define FAIL(rule, ...) return rdct_fail(err, RDCT_ERR_ARGUMENT, rule, __VA_ARGS__)

static int check_geometry(const RdctBase *base, const RdctLayout *layout, RdctError *err) {
    if (base->width != layout->width || base->height != layout->height || base->subsampling != layout->subsampling ||
        base->region_blocks != layout->region_blocks)
        FAIL("refine_geometry",
             "refine is a picture of %d x %d, subsampling %d, region_blocks %d, but must be as the stream: %d x %d, %d, %d", base->width,
             base->height, base->subsampling, base->region_blocks, layout->width, layout->height, layout->subsampling,
             layout->region_blocks);
    return RDCT_OK;
}

static int check_form(const RdctBase *base, const RdctLayout *layout, RdctError *err) {
    const RdctCoefficients *coefficients = &base->coefficients;
    int fits = base->steps != NULL && base->level_map != NULL && base->map_rows == layout->map_rows && base->map_cols == layout->map_cols &&
               coefficients->components == layout->components;
    for (int c = 0; fits && c < layout->components; c++)
        fits = coefficients->planes[c] != NULL && coefficients->blocks_wide[c] == layout->blocks_wide[c] &&
               coefficients->blocks_high[c] == layout->blocks_high[c];
    if (!fits)
        FAIL("refine_base", "refine lacks a part, or a plane or its level map does not have the shape of its picture");
    if (base->levels < 1 || base->levels > RDCT_MAX_LEVELS)
        FAIL("refine_base", "refine has %d levels, but must have 1..%d", base->levels, RDCT_MAX_LEVELS);
    for (int i = 0; i < 192 * base->levels; i++)
        if (i / 64 % 3 < layout->components && (base->steps[i] < 1 || base->steps[i] > RDCT_MAX_STEP))
            FAIL("refine_base", "step [%d][%d][%d] of refine is %d, but must be 1..%d", i / 192, i / 64 % 3, i % 64, base->steps[i],
                 RDCT_MAX_STEP);
    const size_t regions = (size_t)layout->map_rows * (size_t)layout->map_cols;
    for (size_t i = 0; i < regions; i++)
        if (base->level_map[i] >= base->levels && base->level_map[i] != RDCT_SKIP)
            FAIL("refine_base", "level %d in the map of refine must be 0..%d or %d (SKIP)", base->level_map[i], base->levels - 1,
                 RDCT_SKIP);
    return RDCT_OK;
}

static void put_u16(uint8_t *out, uint32_t value) {
    out[0] = (uint8_t)value;
    out[1] = (uint8_t)(value >> 8);
}

static void put_u32(uint8_t *out, uint32_t value) {
    put_u16(out, value & 0xFFFF);
    put_u16(out + 2, value >> 16);
}

/* A chain of checksums needs no state inside the kernel and no copy of the whole. piece: room for the last hash, then `size` bytes. */
static uint32_t chain(const RdctDsp *dsp, uint32_t hash, uint8_t *piece, size_t size) {
    put_u32(piece, hash);
    return dsp->crc32c(piece, HASH_BYTES + size);
}

static uint32_t hash_form(const RdctDsp *dsp, const RdctBase *base, const RdctLayout *layout) {
    uint8_t piece[HASH_BYTES + MAX_BLOCKS], *bytes = piece + HASH_BYTES;
    put_u32(bytes, (uint32_t)base->width);
    put_u32(bytes + 4, (uint32_t)base->height);
    bytes[8] = (uint8_t)base->subsampling;
    bytes[9] = (uint8_t)base->region_blocks;
    bytes[10] = (uint8_t)base->levels;
    uint32_t hash = chain(dsp, 0, piece, 11);
    for (int table = 0; table < 3 * base->levels; table++) {
        if (table % 3 >= layout->components)
            continue;
        for (int n = 0; n < 64; n++)
            put_u16(bytes + 2 * n, base->steps[64 * table + n]);
        hash = chain(dsp, hash, piece, TABLE_BYTES);
    }
    for (int row = 0; row < base->map_rows; row++) {
        memcpy(bytes, base->level_map + (size_t)row * (size_t)base->map_cols, (size_t)base->map_cols);
        hash = chain(dsp, hash, piece, (size_t)base->map_cols);
    }
    return hash;
}

static int in_range(const int16_t *qcoef) {
    int ok = qcoef[0] >= -2048 && qcoef[0] <= 2047;
    for (int n = 1; n < 64; n++)
        ok &= qcoef[n] >= -MAX_AC && qcoef[n] <= MAX_AC;
    return ok;
}

/* Values are checked on the way, since every one is looked at. */
static int hash_content(const RdctDsp *dsp, const RdctBase *base, const RdctLayout *layout, uint32_t *hash, RdctError *err) {
    uint8_t piece[HASH_BYTES + TABLE_BYTES], levels[MAX_BLOCKS];
    *hash = 0;
    for (int c = 0; c < layout->components; c++) {
        const int16_t *qcoef = base->coefficients.planes[c];
        for (int y = 0; y < layout->blocks_high[c]; y++) {
            rdct_block_levels(layout, base->level_map, c, y, levels);
            for (int x = 0; x < layout->blocks_wide[c]; x++, qcoef += 64) {
                if (levels[x] == RDCT_SKIP)
                    continue;
                if (!in_range(qcoef))
                    FAIL("refine_base", "a coefficient in block (%d, %d) of component %d of refine is outside DC -2048..2047, AC -%d..%d",
                         x, y, c, MAX_AC, MAX_AC);
                for (int n = 0; n < 64; n++)
                    put_u16(piece + HASH_BYTES + 2 * n, (uint16_t)qcoef[n]);
                *hash = chain(dsp, *hash, piece, TABLE_BYTES);
            }
        }
    }
    return RDCT_OK;
}

int rdct_base_check(const RdctDsp *dsp, const RdctBase *base, const RdctLayout *layout, uint8_t hash[RDCT_ID_BYTES], RdctError *err) {
    uint32_t content;
    RDCT_TRY(check_geometry(base, layout, err));
    RDCT_TRY(check_form(base, layout, err));
    RDCT_TRY(hash_content(dsp, base, layout, &content, err));
    put_u32(hash, hash_form(dsp, base, layout));
    put_u32(hash + 4, content);
    return RDCT_OK;
}

/* How many of the regions to the left and above are refined. */
static int context(const uint8_t *modes, int cols, int row, int col) {
    const uint8_t *mode = modes + (size_t)row * (size_t)cols + (size_t)col;
    return (col > 0 && rdct_mode_refined(mode[-1])) + (row > 0 && rdct_mode_refined(mode[-cols]));
}

void rdct_refine_map_write(RdctRangeEncoder *range, const uint8_t *modes, int rows, int cols) {
    RdctBitModel models[3];
    for (int i = 0; i < 3; i++)
        rdct_bit_model_init(&models[i]);
    for (int row = 0; row < rows; row++)
        for (int col = 0; col < cols; col++) {
            const uint8_t mode = modes[(size_t)row * (size_t)cols + (size_t)col];
            if (mode != RDCT_SKIP)
                rdct_range_encode(range, &models[context(modes, cols, row, col)], rdct_mode_refined(mode));
        }
}

void rdct_refine_map_read(RdctRangeDecoder *range, const uint8_t *level_map, uint8_t *modes, int rows, int cols) {
    RdctBitModel models[3];
    for (int i = 0; i < 3; i++)
        rdct_bit_model_init(&models[i]);
    for (int row = 0; row < rows; row++)
        for (int col = 0; col < cols; col++) {
            const size_t i = (size_t)row * (size_t)cols + (size_t)col;
            modes[i] = level_map[i] == RDCT_SKIP
                           ? RDCT_SKIP
                           : rdct_mode(level_map[i], !rdct_range_decode(range, &models[context(modes, cols, row, col)]));
        }
}
