/* SPDX-License-Identifier: Apache-2.0
 * From image or qcoefs to the finished stream.
 *
 *   huffman        rows -> tokens, counted  |  tables from the counts  |  slices coded
 *   context        rows -> slices coded, each learning from its own start
 *   huffman-fixed  a sample of rows -> tokens, counted  |  band chosen  |  the other rows -> tokens, each coded at once
 *
 * Where one table serves many levels (stock.h), a sample of rows tells beforehand what symbols cost.
 *
 * Slices are independent jobs and counts are sums, so no byte depends on which thread did what. */
#include "enc/encoder.h"

#include "common/status.h"
#include "enc/bands.h"
#include "enc/check.h"
#include "enc/refine.h"

#include <string.h>

#define CONTEXT_SLICE_ROWS 4 /* times the usual default */
#define SLICE_END_ROOM 32    /* what the last bits of a slice may touch */

static int bad_block(const RdctEncoder *encoder, const RdctBadBlock *bad, int mcu_row, RdctError *err) {
    const int c = bad->component, wide = encoder->layout.blocks_wide[c], v = c == 0 ? encoder->layout.v_samp : 1;
    return rdct_fail(err, RDCT_ERR_ARGUMENT, "dc_difference",
                     "the DC difference of block (%d, %d) of component %d is %d, but must be -%d..%d", bad->block % wide,
                     mcu_row * v + bad->block / wide, c, bad->difference, RDCT_MAX_DC_DIFFERENCE, RDCT_MAX_DC_DIFFERENCE);
}

/* Rows of a slice into tokens and symbol counts. */
static int analyse_slice(RdctEncoder *encoder, int slice, int worker, RdctError *err) {
    RdctPredictor predictor = {{0}, {{0, 0}}};
    RdctTokenRow *row;
    RdctBadBlock bad;
    int first, last;
    rdct_slice_mcu_rows(&encoder->layout, slice, &first, &last);
    for (int y = first; y < last; y++) {
        RDCT_TRY(rdct_encoder_token_row(encoder, y, worker, &row, err));
        if (rdct_tokens_join(&encoder->walk, row, &predictor, &bad) != 0)
            return bad_block(encoder, &bad, y, err);
        rdct_tokens_count(row, &encoder->workers[worker].counts);
    }
    return RDCT_OK;
}

static void analyse_job(void *arg, int slice, int worker) {
    RdctEncoder *encoder = arg;
    encoder->slices[slice].status = analyse_slice(encoder, slice, worker, NULL);
}

static void prepare_job(void *arg, int mcu_row, int worker) {
    RdctTokenRow *row;
    (void)rdct_encoder_token_row(arg, mcu_row, worker, &row, NULL); /* an image has no bad values */
}

/* With fewer slices than threads (JPEG without restart markers) the rows still become tokens in parallel. */
static int too_few_slices(const RdctEncoder *encoder) {
    return encoder->layout.slices < rdct_pool_threads(encoder->ctx->pool);
}

/* Each sampled row is counted on its own, joined to nothing. */
static void sample_job(void *arg, int index, int worker) {
    RdctEncoder *encoder = arg;
    RdctPredictor predictor = {{0}, {{0, 0}}};
    RdctTokenRow *row;
    RdctBadBlock bad;
    (void)rdct_encoder_token_row(encoder, rdct_sample_row(encoder->layout.mcu_high, index), worker, &row, NULL);
    (void)rdct_tokens_join(&encoder->walk, row, &predictor, &bad);
    rdct_tokens_count(row, &encoder->workers[worker].counts);
}

/* Room for one more MCU row behind `used` bytes; the block may move. */
static uint8_t *reserve_row(const RdctEncoder *encoder, const RdctTokenRow *row, RdctScratch *scratch, size_t used) {
    const size_t needed = used + rdct_tokens_room(row, rdct_encoder_is_jpeg(encoder));
    return rdct_scratch_grow(scratch, used, needed <= scratch->size ? needed : needed + 2 * scratch->size);
}

static int code_slice(RdctEncoder *encoder, int slice, int worker) {
    RdctEncodeWorker *own = &encoder->workers[worker];
    RdctScratch *scratch = &encoder->ctx->per_worker[worker];
    RdctPredictor predictor = {{0}, {{0, 0}}};
    RdctBitWriter writer;
    int first, last;
    rdct_slice_mcu_rows(&encoder->layout, slice, &first, &last);
    uint8_t *data = rdct_scratch_grow(scratch, own->used, own->used + SLICE_END_ROOM);
    if (data == NULL)
        return RDCT_ERR_MEMORY;
    rdct_bitwriter_init(&writer, data + own->used);
    for (int y = first; y < last; y++) {
        RdctTokenRow *row;
        RdctBadBlock bad;
        RDCT_TRY(rdct_encoder_token_row(encoder, y, worker, &row, NULL));
        (void)rdct_tokens_join(&encoder->walk, row, &predictor, &bad);
        if (encoder->count)
            rdct_tokens_count(row, &own->counts);
        const size_t used = (size_t)(writer.next - data);
        data = reserve_row(encoder, row, scratch, used);
        if (data == NULL)
            return RDCT_ERR_MEMORY;
        writer.next = data + used;
        rdct_tokens_write(row, &encoder->codes, rdct_encoder_is_jpeg(encoder), &writer);
    }
    const uint8_t *start = data + own->used;
    encoder->sizes[slice] = (size_t)(rdct_bitwriter_finish(&writer, rdct_encoder_is_jpeg(encoder), rdct_encoder_is_jpeg(encoder)) - start);
    encoder->crcs[slice] = rdct_encoder_is_jpeg(encoder) ? 0 : encoder->ctx->dsp.crc32c(start, encoder->sizes[slice]);
    encoder->slices[slice].worker = worker;
    encoder->slices[slice].offset = own->used;
    own->used += encoder->sizes[slice];
    return RDCT_OK;
}

static void code_job(void *arg, int slice, int worker) {
    RdctEncoder *encoder = arg;
    encoder->slices[slice].status = code_slice(encoder, slice, worker);
}

/* The first failure in stream order, whichever thread met one first. */
static int first_failure(const RdctEncoder *encoder) {
    int slice = 0;
    while (slice < encoder->layout.slices && encoder->slices[slice].status == RDCT_OK)
        slice++;
    return slice;
}

static void sum_counts(const RdctEncoder *encoder, RdctSymbolCounts *sum) {
    memset(sum, 0, sizeof *sum);
    for (int w = 0; w < rdct_pool_threads(encoder->ctx->pool); w++) {
        const RdctSymbolCounts *counts = &encoder->workers[w].counts;
        for (int t = 0; t < 4; t++)
            for (int symbol = 0; symbol < 256; symbol++)
                sum->table[t][symbol] += counts->table[t][symbol];
        sum->blocks += counts->blocks;
        sum->skipped += counts->skipped;
        sum->nonzero += counts->nonzero;
    }
}

static void clear_counts(const RdctEncoder *encoder) {
    for (int w = 0; w < rdct_pool_threads(encoder->ctx->pool); w++)
        memset(&encoder->workers[w].counts, 0, sizeof encoder->workers[w].counts);
}

static int analyse(RdctEncoder *encoder, RdctSymbolCounts *counts, RdctError *err) {
    rdct_pool_run(encoder->ctx->pool, encoder->layout.slices, analyse_job, encoder);
    const int failed = first_failure(encoder);
    if (failed < encoder->layout.slices) {
        (void)analyse_slice(encoder, failed, 0, err); /* once more, for its message */
        return encoder->slices[failed].status;
    }
    sum_counts(encoder, counts);
    encoder->counted = 1;
    return RDCT_OK;
}

/* The optimal tables, or the band chosen. */
static int choose_tables(RdctEncoder *encoder, RdctSymbolCounts *counts, RdctHuffmanLengths *optimal, const RdctHuffmanLengths **huffman,
                         int *band, RdctError *err) {
    const int fixed = encoder->options->entropy == RDCT_HUFFMAN_FIXED, tables = encoder->layout.components == 1 ? 2 : 4;
    const int mcu_rows = encoder->layout.mcu_high;
    if (!fixed || encoder->image == NULL)
        RDCT_TRY(analyse(encoder, counts, err));
    if (!fixed) {
        for (int t = 0; t < 4; t++)
            RDCT_TRY(rdct_huffman_lengths(counts->table[t], optimal->lengths[t], err));
        *huffman = optimal;
        *band = -1;
        return RDCT_OK;
    }
    RdctSymbolCounts sample;
    clear_counts(encoder);
    rdct_pool_run(encoder->ctx->pool, rdct_sample_rows(mcu_rows), sample_job, encoder);
    sum_counts(encoder, &sample);
    clear_counts(encoder);
    const RdctBandCost cost = rdct_encoder_is_jpeg(encoder)    ? RDCT_BAND_FREE
                              : encoder->options->tables_by_id ? RDCT_BAND_BY_ID
                                                               : RDCT_BAND_CODED;
    *band = rdct_choose_band(encoder->plan->set, &sample, tables, cost, mcu_rows, huffman);
    return RDCT_OK;
}

static void fill_stats(RdctEncodeStats *stats, const RdctSymbolCounts *counts, int slices, int band) {
    for (int chroma = 0; chroma < 2; chroma++) {
        for (int i = 0; i < 12; i++)
            stats->dc_symbols[chroma][i] = counts->table[2 * chroma][i];
        for (int i = 0; i < 256; i++)
            stats->ac_symbols[chroma][i] = counts->table[2 * chroma + 1][i];
    }
    stats->blocks = counts->blocks;
    stats->skipped_blocks = counts->skipped;
    stats->nonzero = counts->nonzero;
    stats->slices = slices;
    stats->band = band;
}

/* A sample of rows, optimised for the typical tables, tells what symbols of this picture cost; the rows are then made anew. */
static int learn_rates(RdctEncoder *encoder, RdctError *err) {
    RdctSymbolCounts sample;
    rdct_pool_run(encoder->ctx->pool, rdct_sample_rows(encoder->layout.mcu_high), sample_job, encoder);
    sum_counts(encoder, &sample);
    clear_counts(encoder);
    for (int y = 0; y < encoder->layout.mcu_high; y++)
        encoder->rows[y].tokens = NULL;
    return rdct_search_set_rates(encoder->search, &sample, err);
}

static int encode(RdctEncoder *encoder, size_t *size, RdctEncodeStats *stats, RdctError *err) {
    RdctHuffmanLengths optimal;
    const RdctHuffmanLengths *huffman = NULL;
    RdctSymbolCounts counts;
    int band = -1;
    if (encoder->learns)
        RDCT_TRY(learn_rates(encoder, err));
    if (encoder->options->refine != NULL)
        RDCT_TRY(rdct_refine_choose(encoder, err));
    if (encoder->image != NULL && too_few_slices(encoder))
        rdct_pool_run(encoder->ctx->pool, encoder->layout.mcu_high, prepare_job, encoder);
    RDCT_TRY(choose_tables(encoder, &counts, &optimal, &huffman, &band, err));
    rdct_token_codes_init(&encoder->codes, huffman);
    encoder->count = !encoder->counted && stats != NULL;
    rdct_pool_run(encoder->ctx->pool, encoder->layout.slices, code_job, encoder);
    if (first_failure(encoder) < encoder->layout.slices)
        return rdct_fail(err, RDCT_ERR_MEMORY, "memory", "no memory to code slices");
    if (encoder->count)
        sum_counts(encoder, &counts);
    if (stats != NULL) {
        memset(stats, 0, sizeof *stats);
        fill_stats(stats, &counts, encoder->layout.slices, band);
        stats->fresh_regions = encoder->refine.regions[0];
        stats->refined_regions = encoder->refine.regions[1];
    }
    return rdct_encoder_assemble(encoder, huffman, band, size, stats, err);
}

static void context_job(void *arg, int slice, int worker) {
    RdctEncoder *encoder = arg;
    encoder->slices[slice].status = rdct_context_code_slice(encoder, slice, worker, NULL);
}

static int code_by_context(RdctEncoder *encoder, RdctError *err) {
    rdct_pool_run(encoder->ctx->pool, encoder->layout.slices, context_job, encoder);
    const int failed = first_failure(encoder);
    if (failed == encoder->layout.slices)
        return RDCT_OK;
    (void)rdct_context_code_slice(encoder, failed, 0, err); /* once more, for its message */
    return encoder->slices[failed].status;
}

static int encode_by_context(RdctEncoder *encoder, size_t *size, RdctEncodeStats *stats, RdctError *err) {
    RdctSymbolCounts counts;
    RDCT_TRY(code_by_context(encoder, err));
    sum_counts(encoder, &counts);
    if (stats != NULL) {
        memset(stats, 0, sizeof *stats);
        fill_stats(stats, &counts, encoder->layout.slices, -1);
    }
    return rdct_encoder_assemble(encoder, NULL, -1, size, stats, err);
}

/* Checks the arguments both entrances share and starts the encoder. */
static int begin(RdctEncoder *encoder, RdctContext *ctx, int width, int height, const RdctPlan *plan, const RdctEncodeOptions *options,
                 RdctError *err) {
    memset(encoder, 0, sizeof *encoder);
    encoder->ctx = ctx;
    encoder->plan = plan;
    encoder->options = options;
    RDCT_TRY(rdct_layout_init(&encoder->layout, width, height, options->subsampling, plan->region_blocks, options->slice_rows, err));
    if (options->format == RDCT_FORMAT_JPEG && options->slice_rows == 0) {
        encoder->layout.slice_rows = encoder->layout.map_rows;
        encoder->layout.slices = 1;
    }
    if (options->entropy == RDCT_CONTEXT && options->slice_rows == 0) { /* models that learn want longer slices */
        RdctLayout *layout = &encoder->layout;
        const int rows =
            CONTEXT_SLICE_ROWS * layout->slice_rows < layout->map_rows ? CONTEXT_SLICE_ROWS * layout->slice_rows : layout->map_rows;
        RDCT_TRY(rdct_layout_init(layout, width, height, options->subsampling, plan->region_blocks, rows, err));
    }
    return rdct_check_plan(plan, &encoder->layout, err);
}

static RdctKept kept_rows(const RdctEncoder *encoder) {
    if (encoder->options->entropy == RDCT_CONTEXT)
        return RDCT_KEEP_NONE;
    const int twice = encoder->options->entropy != RDCT_HUFFMAN_FIXED || encoder->image == NULL || too_few_slices(encoder);
    return twice ? RDCT_KEEP_ALL : RDCT_KEEP_SAMPLE;
}

static int finish(RdctEncoder *encoder, size_t *size, RdctEncodeStats *stats, RdctError *err) {
    RDCT_TRY(rdct_encoder_setup(encoder, kept_rows(encoder), err));
    RDCT_TRY(rdct_check_options(encoder->options, encoder->plan, &encoder->layout, encoder->steps, encoder->image == NULL, err));
    const int stock = rdct_encoder_is_jpeg(encoder) && rdct_stock_needed(encoder->plan);
    RDCT_TRY(rdct_encoder_setup_effort(encoder, encoder->options->effort, stock, err));
    encoder->learns = stock || encoder->options->effort == RDCT_MAX_EFFORT;
    if (encoder->options->refine != NULL)
        RDCT_TRY(rdct_refine_setup(encoder, err));
    if (encoder->options->entropy == RDCT_CONTEXT)
        RDCT_TRY(rdct_context_setup(encoder, err));
    RDCT_TRY(encoder->context != NULL ? encode_by_context(encoder, size, stats, err) : encode(encoder, size, stats, err));
    encoder->ctx->output_size = *size;
    return RDCT_OK;
}

int rdct_encode(RdctContext *ctx, const RdctImage *image, const RdctPlan *plan, const RdctEncodeOptions *options, size_t *size,
                RdctEncodeStats *stats, RdctError *err) {
    RdctEncoder encoder;
    rdct_error_clear(err);
    if (ctx == NULL || plan == NULL || options == NULL || size == NULL)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "null", "ctx, plan, options or size is NULL");
    ctx->output_size = 0;
    RDCT_TRY(rdct_check_image(image, options->subsampling, err));
    RDCT_TRY(begin(&encoder, ctx, image->width, image->height, plan, options, err));
    encoder.image = image;
    return finish(&encoder, size, stats, err);
}

int rdct_encode_coefficients(RdctContext *ctx, const RdctCoefficients *coefficients, int width, int height, const RdctPlan *plan,
                             const RdctEncodeOptions *options, size_t *size, RdctEncodeStats *stats, RdctError *err) {
    RdctEncoder encoder;
    rdct_error_clear(err);
    if (ctx == NULL || plan == NULL || options == NULL || size == NULL)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "null", "ctx, plan, options or size is NULL");
    ctx->output_size = 0;
    RDCT_TRY(begin(&encoder, ctx, width, height, plan, options, err));
    RDCT_TRY(rdct_check_coefficients(coefficients, &encoder.layout, err));
    encoder.given = coefficients;
    return finish(&encoder, size, stats, err);
}

int rdct_region_bits(RdctContext *ctx, const RdctImage *image, const RdctPlan *plan, int subsampling, uint32_t *bits, RdctError *err) {
    RdctEncoder encoder;
    const RdctEncodeOptions options = {.subsampling = subsampling, .format = RDCT_FORMAT_RDCT, .entropy = RDCT_CONTEXT};
    rdct_error_clear(err);
    if (ctx == NULL || plan == NULL || bits == NULL)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "null", "ctx, plan or bits is NULL");
    ctx->output_size = 0;
    RDCT_TRY(rdct_check_image(image, subsampling, err));
    RDCT_TRY(begin(&encoder, ctx, image->width, image->height, plan, &options, err));
    encoder.image = image;
    encoder.region_bits = bits;
    memset(bits, 0, (size_t)plan->map_rows * (size_t)plan->map_cols * sizeof *bits);
    RDCT_TRY(rdct_encoder_setup(&encoder, RDCT_KEEP_NONE, err));
    RDCT_TRY(rdct_context_setup(&encoder, err));
    return code_by_context(&encoder, err);
}

int rdct_take_output(RdctContext *ctx, uint8_t *out, size_t capacity, RdctError *err) {
    rdct_error_clear(err);
    if (ctx == NULL || out == NULL)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "null", "ctx or out is NULL");
    if (ctx->output_size == 0)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "no_output", "this context holds no finished stream");
    if (capacity < ctx->output_size)
        return rdct_fail_limit(err, RDCT_ERR_BUFFER_SMALL, "capacity", (int64_t)capacity, (int64_t)ctx->output_size,
                               "the buffer holds %lld bytes, but the stream has %lld", (long long)capacity, (long long)ctx->output_size);
    memcpy(out, ctx->output.data, ctx->output_size);
    return RDCT_OK;
}
