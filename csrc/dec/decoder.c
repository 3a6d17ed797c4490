/* SPDX-License-Identifier: Apache-2.0
 * The public decoding functions: arguments and headers checked, then the slices run, then the verdict of the lowest one that failed. */
#include "dec/decoder.h"

#include <string.h>

#include "common/context.h"
#include "common/status.h"
#include "common/tables.h"
#include "dec/refine.h"
#include "dec/slice.h"
#include "stream/jfif.h"

/* Uses of ctx->shared. */
enum { SHARED_STEPS = 0, SHARED_VERDICTS = 1, SHARED_TABLES = 2 };

typedef struct Verdict { /* the lowest failed slice a worker has met */
    int slice;
    RdctError err;
} Verdict;

typedef struct Run {
    RdctContext *ctx;
    RdctTask task;
    int first_slice;
    Verdict *verdicts;       /* [threads] */
    RdctParsedHeader header; /* rdct */
    RdctParsedJpeg jpeg;
    int is_jpeg;
} Run;

static int check_common(const RdctContext *ctx, const uint8_t *data, const RdctDecodeOptions *options, RdctError *err) {
    if (!ctx || !data || !options)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "null", "context, data and options must not be NULL");
    if (options->max_pixels <= 0)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "max_pixels", "max_pixels is %lld, but must be positive", (long long)options->max_pixels);
    if (options->set_count < 0 || (options->set_count > 0 && !options->sets))
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "sets", "sets must hold set_count table sets");
    return RDCT_OK;
}

static int fail_memory(RdctError *err) {
    return rdct_fail(err, RDCT_ERR_MEMORY, "memory", "out of memory for decoding");
}

static void set_dc_steps(RdctTask *task, int levels) {
    for (int t = 0; t < 3 * levels; t++)
        task->dc_steps[t] = rdct_dc_step(task->steps[64 * t]);
}

static int load_rdct(Run *run, const RdctDecodeOptions *options, RdctError *err) {
    RdctTask *task = &run->task;
    RdctParsedHeader *header = &run->header;
    RDCT_TRY(rdct_header_parse(header, task->data, task->size, options->sets, options->set_count, 0, options->max_pixels, err));
    const int64_t end = header->info.header_bytes + header->info.slice_bytes;
    if (end < (int64_t)task->size)
        return rdct_fail_at(err, RDCT_ERR_CORRUPT, "trailing_bytes", end, -1, "%lld bytes follow the last slice",
                            (long long)((int64_t)task->size - end));
    task->layout = &header->layout;
    task->level_map = header->level_map;
    task->slices = header->slices;
    RDCT_TRY(rdct_refine_open(task, header, options->refine, err));

    const int n = header->info.levels * 192;
    uint16_t *steps = rdct_scratch_reserve(&run->ctx->shared[SHARED_STEPS], (size_t)n, sizeof *steps);
    RdctBlockTables *tables = rdct_scratch_reserve(&run->ctx->shared[SHARED_TABLES], 3, sizeof *tables);
    if (!steps || !tables)
        return fail_memory(err);
    rdct_scale_steps(header->tables, n, header->info.scale, steps);
    task->steps = steps;
    set_dc_steps(task, header->info.levels);
    for (int i = 0; i < 2; i++) { /* luma, chroma */
        rdct_huffman_decoder_init(&tables[i].dc, header->huffman.lengths[2 * i]);
        rdct_huffman_decoder_init(&tables[i].ac, header->huffman.lengths[2 * i + 1]);
        rdct_block_tables_finish(&tables[i]);
    }
    for (int c = 0; c < 3; c++)
        task->tables[c] = &tables[c > 0];
    return RDCT_OK;
}

/* Every block takes two bits at least, so a short file cannot make a big picture. */
static int check_scan_size(const Run *run, RdctError *err) {
    const RdctLayout *layout = &run->jpeg.layout;
    const int64_t available = (int64_t)run->task.size - run->jpeg.scan_offset;
    int64_t blocks = 0;
    for (int c = 0; c < layout->components; c++)
        blocks += (int64_t)layout->blocks_wide[c] * layout->blocks_high[c];
    if (available * 4 < blocks)
        return rdct_fail_at(err, RDCT_ERR_TRUNCATED, "truncated_scan", (int64_t)run->task.size, 0,
                            "%lld bytes of scan cannot hold %lld blocks", (long long)available, (long long)blocks);
    return RDCT_OK;
}

static int load_jpeg(Run *run, const RdctDecodeOptions *options, RdctError *err) {
    RdctTask *task = &run->task;
    RdctParsedJpeg *jpeg = &run->jpeg;
    RDCT_TRY(rdct_jfif_parse(jpeg, task->data, task->size, options->max_pixels, err));
    RDCT_TRY(rdct_refine_open(task, NULL, options->refine, err));
    RDCT_TRY(check_scan_size(run, err));
    RdctBlockTables *tables = rdct_scratch_reserve(&run->ctx->shared[SHARED_TABLES], 3, sizeof *tables);
    if (!tables)
        return fail_memory(err);
    task->layout = &jpeg->layout;
    task->scan_offset = jpeg->scan_offset;
    task->restart_interval = jpeg->restart_interval;
    task->steps = &jpeg->tables[0][0];
    set_dc_steps(task, 1);
    for (int c = 0; c < jpeg->layout.components; c++) {
        rdct_huffman_decoder_init_counts(&tables[c].dc, jpeg->huffman[c][0].counts, jpeg->huffman[c][0].symbols);
        rdct_huffman_decoder_init_counts(&tables[c].ac, jpeg->huffman[c][1].counts, jpeg->huffman[c][1].symbols);
        rdct_block_tables_finish(&tables[c]);
        task->tables[c] = &tables[c];
    }
    return RDCT_OK;
}

/* After this the layout and everything a slice needs is known; run_close is needed whatever comes. */
static int run_open(Run *run, RdctContext *ctx, const uint8_t *data, size_t size, const RdctDecodeOptions *options, RdctError *err) {
    memset(run, 0, sizeof *run);
    run->ctx = ctx;
    run->task.dsp = &ctx->dsp;
    run->task.data = data;
    run->task.size = size;
    run->is_jpeg = rdct_is_jpeg(data, size);
    if (run->is_jpeg)
        RDCT_TRY(load_jpeg(run, options, err));
    else if (rdct_is_rdct(data, size))
        RDCT_TRY(load_rdct(run, options, err));
    else
        return rdct_unknown_format(data, size, err);
    run->task.x1 = run->task.layout->width;
    run->task.y1 = run->task.layout->height;
    return RDCT_OK;
}

static void run_close(Run *run) {
    rdct_parsed_header_free(&run->header);
}

static void run_slice(void *arg, int index, int worker) {
    Run *run = arg;
    Verdict *verdict = &run->verdicts[worker];
    RdctError err;
    const int slice = run->first_slice + index;
    rdct_error_clear(&err);
    if (rdct_decode_slice(&run->task, slice, run->ctx->per_worker[worker].data, &err) != RDCT_OK &&
        (verdict->slice < 0 || slice < verdict->slice)) {
        verdict->slice = slice;
        verdict->err = err;
    }
}

/* All slices run to their end, so the one reported does not depend on threads. */
static int run_slices(Run *run, int first, int last, RdctError *err) {
    RdctContext *ctx = run->ctx;
    const int threads = rdct_pool_threads(ctx->pool);
    const Verdict *worst = NULL;
    run->first_slice = first;
    run->verdicts = rdct_scratch_reserve(&ctx->shared[SHARED_VERDICTS], (size_t)threads, sizeof *run->verdicts);
    if (!run->verdicts)
        return fail_memory(err);
    for (int i = 0; i < threads; i++) {
        run->verdicts[i].slice = -1;
        if (!rdct_scratch_reserve(&ctx->per_worker[i], rdct_slice_scratch_bytes(&run->task), 1))
            return fail_memory(err);
    }
    rdct_pool_run(ctx->pool, last - first, run_slice, run);
    for (int i = 0; i < threads; i++)
        if (run->verdicts[i].slice >= 0 && (!worst || run->verdicts[i].slice < worst->slice))
            worst = &run->verdicts[i];
    if (!worst)
        return RDCT_OK;
    if (err)
        *err = worst->err;
    return worst->err.status;
}

static int check_planes(const char *name, const RdctPlanes *planes, const RdctLayout *layout, RdctError *err) {
    int fits = planes->components == layout->components;
    for (int c = 0; fits && c < layout->components; c++)
        fits = planes->planes[c] && planes->width[c] == layout->blocks_wide[c] * 8 && planes->height[c] == layout->blocks_high[c] * 8;
    if (!fits)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, name, "%s does not have the geometry of the stream (%d components, luma %d x %d)", name,
                         layout->components, layout->blocks_wide[0] * 8, layout->blocks_high[0] * 8);
    return RDCT_OK;
}

static int check_coefficients(const RdctCoefficients *coefficients, const RdctLayout *layout, RdctError *err) {
    int fits = coefficients->components == layout->components;
    for (int c = 0; fits && c < layout->components; c++)
        fits = coefficients->planes[c] && coefficients->blocks_wide[c] == layout->blocks_wide[c] &&
               coefficients->blocks_high[c] == layout->blocks_high[c];
    if (!fits)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "coefficients",
                         "coefficients do not have the geometry of the stream (%d components, %d x %d)", layout->components,
                         layout->blocks_wide[0], layout->blocks_high[0]);
    return RDCT_OK;
}

static int has_roi(const RdctDecodeOptions *options) {
    return options->roi[0] || options->roi[1] || options->roi[2] || options->roi[3];
}

static int set_roi(Run *run, const RdctDecodeOptions *options, RdctError *err) {
    const int32_t *roi = options->roi;
    RdctTask *task = &run->task;
    if (!has_roi(options))
        return RDCT_OK;
    if (roi[0] < 0 || roi[1] < 0 || roi[0] >= roi[2] || roi[1] >= roi[3] || roi[2] > task->x1 || roi[3] > task->y1)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "roi", "roi (%d, %d, %d, %d) is empty or outside the picture of %d x %d", roi[0], roi[1],
                         roi[2], roi[3], task->x1, task->y1);
    task->x0 = roi[0];
    task->y0 = roi[1];
    task->x1 = roi[2];
    task->y1 = roi[3];
    return RDCT_OK;
}

static int set_output(Run *run, const RdctDecodeOptions *options, void *out, ptrdiff_t row_stride, RdctError *err) {
    static const int sample_bytes[3] = {1, 2, 4};
    RdctTask *task = &run->task;
    RDCT_TRY(set_roi(run, options, err));
    const int64_t need = (int64_t)(task->x1 - task->x0) * task->layout->components * sample_bytes[options->sample_type];
    const int64_t distance = row_stride < 0 ? -(int64_t)row_stride : (int64_t)row_stride;
    if (distance < need && task->y1 - task->y0 > 1)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "row_stride", "row_stride is %lld bytes, but a row has %lld", (long long)row_stride,
                         (long long)need);
    task->exit = RDCT_EXIT_PIXELS;
    task->out = out;
    task->row_stride = row_stride;
    task->sample_type = options->sample_type;
    return RDCT_OK;
}

/* Half-open range of slices that the wanted lines touch. */
static void touched_slices(const RdctTask *task, int *first, int *last) {
    const int side = 8 * task->layout->v_samp, slices = task->layout->slices;
    int from, to;
    *first = slices;
    *last = 0;
    for (int i = 0; i < slices; i++) {
        rdct_slice_mcu_rows(task->layout, i, &from, &to);
        if (from * side < task->y1 && to * side > task->y0) {
            *first = i < *first ? i : *first;
            *last = i + 1;
        }
    }
}

static int decode_pixels(Run *run, const RdctDecodeOptions *options, void *out, ptrdiff_t row_stride, RdctError *err) {
    int first, last;
    RDCT_TRY(set_output(run, options, out, row_stride, err));
    if (options->base)
        RDCT_TRY(check_planes("base", options->base, run->task.layout, err));
    run->task.base = options->base;
    touched_slices(&run->task, &first, &last);
    return run_slices(run, first, last, err);
}

int rdct_decode(RdctContext *ctx, const uint8_t *data, size_t size, const RdctDecodeOptions *options, void *out, ptrdiff_t row_stride,
                RdctError *err) {
    Run run;
    rdct_error_clear(err);
    RDCT_TRY(check_common(ctx, data, options, err));
    if (!out)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "null", "out must not be NULL");
    if (options->sample_type < RDCT_U8 || options->sample_type > RDCT_F32)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "sample_type", "sample_type is %d, but must be 0..2", options->sample_type);
    int status = run_open(&run, ctx, data, size, options, err);
    if (status == RDCT_OK)
        status = decode_pixels(&run, options, out, row_stride, err);
    run_close(&run);
    return status;
}

static int check_no_roi(const RdctDecodeOptions *options, RdctError *err) {
    if (has_roi(options))
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "roi", "roi must be zero: planes and coefficients are decoded whole");
    return RDCT_OK;
}

static int decode_planes(Run *run, const RdctDecodeOptions *options, RdctPlanes *planes, RdctError *err) {
    RDCT_TRY(check_planes("planes", planes, run->task.layout, err));
    if (options->base)
        RDCT_TRY(check_planes("base", options->base, run->task.layout, err));
    run->task.base = options->base;
    run->task.planes = planes;
    run->task.exit = RDCT_EXIT_PLANES;
    return run_slices(run, 0, run->task.layout->slices, err);
}

int rdct_decode_planes(RdctContext *ctx, const uint8_t *data, size_t size, const RdctDecodeOptions *options, RdctPlanes *planes,
                       RdctError *err) {
    Run run;
    rdct_error_clear(err);
    RDCT_TRY(check_common(ctx, data, options, err));
    RDCT_TRY(check_no_roi(options, err));
    if (!planes)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "null", "planes must not be NULL");
    int status = run_open(&run, ctx, data, size, options, err);
    if (status == RDCT_OK)
        status = decode_planes(&run, options, planes, err);
    run_close(&run);
    return status;
}

int rdct_decode_coefficients(RdctContext *ctx, const uint8_t *data, size_t size, const RdctDecodeOptions *options,
                             RdctCoefficients *coefficients, RdctError *err) {
    Run run;
    rdct_error_clear(err);
    RDCT_TRY(check_common(ctx, data, options, err));
    RDCT_TRY(check_no_roi(options, err));
    if (!coefficients)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "null", "coefficients must not be NULL");
    int status = run_open(&run, ctx, data, size, options, err);
    if (status == RDCT_OK)
        status = check_coefficients(coefficients, run.task.layout, err);
    if (status == RDCT_OK) {
        run.task.coefficients = coefficients;
        run.task.exit = RDCT_EXIT_COEFFICIENTS;
        status = run_slices(&run, 0, run.task.layout->slices, err);
    }
    run_close(&run);
    return status;
}
