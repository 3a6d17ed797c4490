/* SPDX-License-Identifier: Apache-2.0 */
#include "enc/check.h"

#include "common/status.h"
#include "common/tables.h"
#include "enc/stock.h"
#include "enc/symbols.h"
#include "stream/huffman.h"

#include <string.h>

#define FAIL(rule, ...) return rdct_fail(err, RDCT_ERR_ARGUMENT, rule, __VA_ARGS__)

int rdct_check_image(const RdctImage *image, int subsampling, RdctError *err) {
    if (image == NULL || image->data == NULL)
        FAIL("null", "image or its data is NULL");
    if (image->channels != 1 && image->channels != 3)
        FAIL("image_channels", "image has %d channels, but must have 1 or 3", image->channels);
    if (image->width < 1 || image->width > RDCT_MAX_SIDE || image->height < 1 || image->height > RDCT_MAX_SIDE)
        FAIL("image_size", "image is %d x %d, but its sides must be 1..%d", image->width, image->height, RDCT_MAX_SIDE);
    const ptrdiff_t row_bytes = (ptrdiff_t)image->width * image->channels;
    if (image->height > 1 && image->row_stride < row_bytes && image->row_stride > -row_bytes)
        FAIL("image_stride", "row_stride is %lld bytes, but a row has %lld", (long long)image->row_stride, (long long)row_bytes);
    if (subsampling < RDCT_444 || subsampling > RDCT_GREY)
        FAIL("subsampling", "subsampling is %d, but must be 0..3", subsampling);
    if ((image->channels == 1) != (subsampling == RDCT_GREY))
        FAIL("subsampling", "subsampling %d does not fit an image of %d channel%s", subsampling, image->channels,
             image->channels == 1 ? "" : "s");
    return RDCT_OK;
}

/* The logarithmic form must give exactly the tables, else the stream would decode with others. */
static int check_log_form(const RdctTableSet *set, RdctError *err) {
    uint16_t table[192];
    if ((set->log_base == NULL) != (set->log_offset == NULL))
        FAIL("log_tables", "log_base and log_offset must be given together");
    for (int l = 0; set->log_base != NULL && l < set->levels; l++) {
        RDCT_TRY(rdct_tables_from_log(set->log_base, set->log_offset + l, 1, table, err));
        if (memcmp(table, set->tables + 192 * l, sizeof table) != 0)
            FAIL("log_tables", "the tables of level %d do not follow from log_base and log_offset", l);
    }
    return RDCT_OK;
}

static int check_set(const RdctTableSet *set, RdctError *err) {
    if (set == NULL || set->tables == NULL)
        FAIL("null", "plan.set or its tables are NULL");
    if (set->levels < 1 || set->levels > RDCT_MAX_LEVELS)
        FAIL("levels", "set.levels is %d, but must be 1..%d", set->levels, RDCT_MAX_LEVELS);
    for (int i = 0; i < 192 * set->levels; i++)
        if (set->tables[i] < 1 || set->tables[i] > RDCT_MAX_STEP)
            FAIL("table_step", "tables[%d][%d][%d] is %d, but must be 1..%d", i / 192, i / 64 % 3, i % 64, set->tables[i], RDCT_MAX_STEP);
    if (set->bands < 0 || set->bands > RDCT_MAX_BANDS)
        FAIL("bands", "set.bands is %d, but must be 0..%d", set->bands, RDCT_MAX_BANDS);
    if (set->bands > 0 && set->huffman == NULL)
        FAIL("null", "set.huffman is NULL, but bands is %d", set->bands);
    return check_log_form(set, err);
}

int rdct_check_plan(const RdctPlan *plan, const RdctLayout *layout, RdctError *err) {
    RDCT_TRY(check_set(plan->set, err));
    if (plan->scale < 1 || plan->scale > 65535)
        FAIL("scale", "plan.scale is %d, but must be 1..65535 (256 is 1.0)", plan->scale);
    if (plan->level_map == NULL)
        FAIL("null", "plan.level_map is NULL");
    if (plan->map_rows != layout->map_rows || plan->map_cols != layout->map_cols)
        FAIL("map_shape", "level_map is [%d, %d], but a picture of %d x %d with region_blocks %d needs [%d, %d]", plan->map_rows,
             plan->map_cols, layout->width, layout->height, layout->region_blocks, layout->map_rows, layout->map_cols);
    for (int row = 0; row < plan->map_rows; row++) {
        for (int col = 0; col < plan->map_cols; col++) {
            const int level = plan->level_map[(size_t)row * (size_t)plan->map_cols + (size_t)col];
            if (level >= plan->set->levels && level != RDCT_SKIP)
                FAIL("map_level", "level_map[%d][%d] is %d, but must be 0..%d or %d (SKIP)", row, col, level, plan->set->levels - 1,
                     RDCT_SKIP);
        }
    }
    return RDCT_OK;
}

/* A fixed table must be able to code whatever comes. */
static int check_bands(const RdctTableSet *set, int tables, RdctError *err) {
    for (int band = 0; band < set->bands; band++) {
        for (int t = 0; t < tables; t++) {
            const uint8_t *lengths = set->huffman[band].lengths[t];
            const int is_dc = t % 2 == 0;
            RDCT_TRY(rdct_huffman_check(lengths, is_dc, -1, err));
            for (int symbol = 0; symbol < 256; symbol++) {
                const int size = symbol & 15;
                const int needed = is_dc ? symbol < 12 : symbol == 0x00 || symbol == 0xF0 || (size >= 1 && size <= 10);
                if (needed && lengths[symbol] == 0)
                    FAIL("huffman_incomplete", "band %d, Huffman table %d has no code for symbol %d", band, t, symbol);
            }
        }
    }
    return RDCT_OK;
}

static int check_jpeg(const RdctEncodeOptions *options, const RdctPlan *plan, const RdctLayout *layout, const uint16_t *steps,
                      int quantized, RdctError *err) {
    if (options->tables_by_id)
        FAIL("jpeg_tables_by_id", "tables_by_id must be 0 for JPEG, which always carries its tables");
    if (options->refine != NULL)
        FAIL("jpeg_refine", "refine must be NULL for JPEG, which has no refinement streams");
    const size_t regions = (size_t)layout->map_rows * (size_t)layout->map_cols;
    const int level = plan->level_map[0], many = rdct_stock_needed(plan);
    for (size_t i = 0; i < regions; i++)
        if (plan->level_map[i] == RDCT_SKIP)
            return rdct_fail(err, RDCT_ERR_UNSUPPORTED, "jpeg_skip",
                             "a JPEG file cannot leave out regions: give SKIP regions the coarsest level, or write an rdct stream");
    if (many && quantized)
        return rdct_fail(err, RDCT_ERR_UNSUPPORTED, "jpeg_levels",
                         "coefficients quantised at many levels cannot share the one table of a JPEG file: encode the picture itself");
    for (int i = 0; !many && i < 64 * layout->components; i++)
        if (steps[192 * level + i] > 255)
            FAIL("jpeg_step", "step %d of component %d is %d, but JPEG needs 1..255", i % 64, i / 64, steps[192 * level + i]);
    const int64_t interval = (int64_t)layout->slice_rows * layout->region_blocks / layout->v_samp * layout->mcu_wide;
    if (options->slice_rows > 0 && layout->slices > 1 && interval > 65535)
        FAIL("jpeg_restart_interval", "slice_rows %d makes a restart interval of %lld MCUs, but JPEG allows 65535", options->slice_rows,
             (long long)interval);
    return RDCT_OK;
}

int rdct_check_options(const RdctEncodeOptions *options, const RdctPlan *plan, const RdctLayout *layout, const uint16_t *steps,
                       int quantized, RdctError *err) {
    if (options->format != RDCT_FORMAT_RDCT && options->format != RDCT_FORMAT_JPEG)
        FAIL("format", "format is %d, but must be 0 (rdct) or 1 (JPEG)", options->format);
    if (options->entropy < RDCT_HUFFMAN || options->entropy > RDCT_CONTEXT)
        FAIL("entropy", "entropy is %d, but must be 0..2", options->entropy);
    if (options->tables_by_id != 0 && options->tables_by_id != 1)
        FAIL("tables_by_id", "tables_by_id is %d, but must be 0 or 1", options->tables_by_id);
    if (options->effort < 0 || options->effort > RDCT_MAX_EFFORT)
        FAIL("effort", "effort is %d, but must be 0..%d", options->effort, RDCT_MAX_EFFORT);
    if (options->effort > 0 && quantized)
        FAIL("effort_given", "effort is %d, but must be 0 for coefficients, which are quantised already: encode the picture itself",
             options->effort);
    if (options->effort > 0 && options->refine != NULL)
        FAIL("effort_refine", "effort is %d, but must be 0 in a refinement stream, which decodes to what plain rounding gives",
             options->effort);
    if (options->entropy == RDCT_CONTEXT && options->format == RDCT_FORMAT_JPEG)
        return rdct_fail(err, RDCT_ERR_UNSUPPORTED, "entropy_context",
                         "a JPEG file holds Huffman codes: entropy must be huffman or huffman-fixed");
    if (options->entropy == RDCT_CONTEXT && options->refine != NULL)
        return rdct_fail(err, RDCT_ERR_UNSUPPORTED, "entropy_context",
                         "refinement streams hold Huffman codes: entropy must be huffman or huffman-fixed");
    if (options->entropy == RDCT_HUFFMAN_FIXED)
        RDCT_TRY(check_bands(plan->set, layout->components == 1 ? 2 : 4, err));
    return options->format == RDCT_FORMAT_JPEG ? check_jpeg(options, plan, layout, steps, quantized, err) : RDCT_OK;
}

int rdct_check_coefficients(const RdctCoefficients *coefficients, const RdctLayout *layout, RdctError *err) {
    if (coefficients == NULL)
        FAIL("null", "coefficients is NULL");
    if (coefficients->components != layout->components)
        FAIL("geometry", "coefficients have %d components, but the picture has %d", coefficients->components, layout->components);
    for (int c = 0; c < layout->components; c++) {
        if (coefficients->planes[c] == NULL)
            FAIL("null", "coefficients.planes[%d] is NULL", c);
        if (coefficients->blocks_high[c] != layout->blocks_high[c] || coefficients->blocks_wide[c] != layout->blocks_wide[c])
            FAIL("geometry", "coefficients.planes[%d] has [%d, %d] blocks, but the picture needs [%d, %d]", c, coefficients->blocks_high[c],
                 coefficients->blocks_wide[c], layout->blocks_high[c], layout->blocks_wide[c]);
    }
    return RDCT_OK;
}

int rdct_check_planes(const RdctPlanes *planes, const RdctLayout *layout, RdctError *err) {
    if (planes == NULL)
        FAIL("null", "planes is NULL");
    if (planes->components != layout->components)
        FAIL("geometry", "planes have %d components, but the picture has %d", planes->components, layout->components);
    for (int c = 0; c < layout->components; c++) {
        const int width = 8 * layout->blocks_wide[c], height = 8 * layout->blocks_high[c];
        if (planes->planes[c] == NULL)
            FAIL("null", "planes.planes[%d] is NULL", c);
        if (planes->height[c] != height || planes->width[c] != width)
            FAIL("geometry", "planes.planes[%d] has [%d, %d] samples, but the picture needs [%d, %d]", c, planes->height[c],
                 planes->width[c], height, width);
    }
    return RDCT_OK;
}

static int take_block(const int16_t *natural, int component, int x, int y, int16_t *qcoef, uint64_t *nonzero, RdctError *err) {
    uint64_t mask = 0;
    if (natural[0] < -2048 || natural[0] > 2047)
        FAIL("dc_range", "DC of block (%d, %d) of component %d is %d, but must be -2048..2047", x, y, component, natural[0]);
    for (int k = 0; k < 64; k++) {
        const int16_t value = natural[rdct_zigzag[k]];
        if (k > 0 && (value < -RDCT_MAX_AC || value > RDCT_MAX_AC))
            FAIL("ac_range", "coefficient %d of block (%d, %d) of component %d is %d, but must be -%d..%d", rdct_zigzag[k], x, y, component,
                 value, RDCT_MAX_AC, RDCT_MAX_AC);
        qcoef[k] = value;
        mask |= (uint64_t)(value != 0) << k;
    }
    *nonzero = mask;
    return RDCT_OK;
}

int rdct_take_values(const RdctCoefficients *coefficients, const RdctLayout *layout, int mcu_row, const RdctBlockRow *blocks,
                     RdctError *err) {
    for (int c = 0; c < layout->components; c++) {
        const int v = c == 0 ? layout->v_samp : 1, wide = layout->blocks_wide[c];
        const int16_t *natural = coefficients->planes[c] + 64 * (size_t)wide * (size_t)(mcu_row * v);
        for (int i = 0; i < v * wide; i++)
            if (blocks->level[c][i] != RDCT_SKIP)
                RDCT_TRY(take_block(natural + 64 * (ptrdiff_t)i, c, i % wide, mcu_row * v + i / wide, blocks->qcoef[c] + 64 * (ptrdiff_t)i,
                                    &blocks->nonzero[c][i], err));
    }
    return RDCT_OK;
}
