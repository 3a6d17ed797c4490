/* SPDX-License-Identifier: Apache-2.0
 * Ways out before any byte is made: sample planes, qcoefs, and the bound on a stream's size. */
#include "common/status.h"
#include "common/tables.h"
#include "enc/check.h"
#include "enc/encoder.h"
#include "stream/header.h"
#include "stream/jfif.h"

#include <string.h>

typedef struct PlanesJob {
    const RdctDsp *dsp;
    const RdctLayout *layout;
    const RdctImage *image;
    const RdctPlanes *planes;
    int16_t *scratch; /* [threads][samples] */
    size_t samples;
} PlanesJob;

static void planes_job(void *arg, int mcu_row, int worker) {
    const PlanesJob *job = arg;
    RdctStrip strip;
    rdct_strip_init_full(&strip, job->layout, job->scratch + job->samples * (size_t)worker);
    for (int c = 0; c < job->layout->components; c++) {
        const int rows = c == 0 ? 8 * job->layout->v_samp : 8;
        strip.plane[c] = job->planes->planes[c] + strip.stride[c] * rows * mcu_row;
    }
    rdct_rows_load(job->dsp, job->layout, job->image, mcu_row, &strip);
}

int rdct_encode_planes(RdctContext *ctx, const RdctImage *image, int subsampling, RdctPlanes *planes, RdctError *err) {
    RdctLayout layout;
    rdct_error_clear(err);
    if (ctx == NULL)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "null", "ctx is NULL");
    RDCT_TRY(rdct_check_image(image, subsampling, err));
    RDCT_TRY(rdct_layout_init(&layout, image->width, image->height, subsampling, RDCT_MAX_REGION_BLOCKS, 0, err));
    RDCT_TRY(rdct_check_planes(planes, &layout, err));
    const size_t samples = rdct_strip_full_samples(&layout);
    int16_t *scratch = rdct_scratch_reserve(&ctx->shared[0], (size_t)rdct_pool_threads(ctx->pool), samples * sizeof *scratch);
    if (scratch == NULL)
        return rdct_fail(err, RDCT_ERR_MEMORY, "memory", "no memory for rows of %d samples", image->width);
    PlanesJob job = {&ctx->dsp, &layout, image, planes, scratch, samples};
    rdct_pool_run(ctx->pool, layout.mcu_high, planes_job, &job);
    return RDCT_OK;
}

typedef struct QuantizeJob {
    const RdctEncoder *encoder;
    const RdctCoefficients *out;
} QuantizeJob;

/* Zigzag -> natural order; SKIP blocks hold no coefficients: their places are zeroed. */
static void put_values(const RdctBlockRow *blocks, const RdctLayout *layout, int mcu_row, const RdctCoefficients *out) {
    for (int c = 0; c < layout->components; c++) {
        const int v = c == 0 ? layout->v_samp : 1, wide = layout->blocks_wide[c];
        int16_t *natural = out->planes[c] + 64 * (size_t)wide * (size_t)(mcu_row * v);
        for (int i = 0; i < v * wide; i++, natural += 64) {
            const int16_t *qcoef = blocks->qcoef[c] + 64 * (ptrdiff_t)i;
            if (blocks->level[c][i] == RDCT_SKIP)
                memset(natural, 0, 64 * sizeof *natural);
            else
                for (int k = 0; k < 64; k++)
                    natural[rdct_zigzag[k]] = qcoef[k];
        }
    }
}

static void quantize_job(void *arg, int mcu_row, int worker) {
    const QuantizeJob *job = arg;
    (void)rdct_encoder_prepare_row(job->encoder, mcu_row, worker, NULL); /* an image has no bad values */
    put_values(&job->encoder->workers[worker].work.blocks, &job->encoder->layout, mcu_row, job->out);
}

int rdct_quantize(RdctContext *ctx, const RdctImage *image, const RdctPlan *plan, int subsampling, int effort, RdctCoefficients *out,
                  RdctError *err) {
    RdctEncoder encoder;
    rdct_error_clear(err);
    if (ctx == NULL || plan == NULL)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "null", "ctx or plan is NULL");
    memset(&encoder, 0, sizeof encoder);
    encoder.ctx = ctx;
    encoder.plan = plan;
    encoder.image = image;
    RDCT_TRY(rdct_check_image(image, subsampling, err));
    RDCT_TRY(rdct_layout_init(&encoder.layout, image->width, image->height, subsampling, plan->region_blocks, 0, err));
    RDCT_TRY(rdct_check_plan(plan, &encoder.layout, err));
    RDCT_TRY(rdct_check_coefficients(out, &encoder.layout, err));
    if (effort < 0 || effort >= RDCT_MAX_EFFORT)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "effort_quantize", "effort is %d, but must be 0..%d: what follows depends on the coder",
                         effort, RDCT_MAX_EFFORT - 1);
    RDCT_TRY(rdct_encoder_setup(&encoder, RDCT_KEEP_NONE, err));
    RDCT_TRY(rdct_encoder_setup_effort(&encoder, effort, 0, err));
    QuantizeJob job = {&encoder, out};
    rdct_pool_run(ctx->pool, encoder.layout.mcu_high, quantize_job, &job);
    return RDCT_OK;
}

int rdct_encode_bound(int width, int height, int subsampling, size_t *bound, RdctError *err) {
    RdctLayout layout;
    rdct_error_clear(err);
    if (bound == NULL)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "null", "bound is NULL");
    /* The smallest regions and slices make the largest header; of two layouts the one with even slices is legal for every picture. */
    RDCT_TRY(rdct_layout_init(&layout, width, height, subsampling, 1, subsampling == RDCT_420 ? 2 : 1, err));
    const size_t header = rdct_header_bound(&layout, RDCT_MAX_LEVELS);
    uint64_t blocks = 0;
    for (int c = 0; c < layout.components; c++)
        blocks += (uint64_t)layout.blocks_wide[c] * (uint64_t)layout.blocks_high[c];
    /* A slice adds a partial byte (two with stuffing) and a restart marker. */
    const uint64_t total =
        blocks * RDCT_BLOCK_BYTES + (uint64_t)layout.slices * 4 + (header > RDCT_JFIF_BOUND ? header : RDCT_JFIF_BOUND) + 2;
    if (total > SIZE_MAX / 2)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "image_size", "a stream of %d x %d may exceed the address space", width, height);
    *bound = (size_t)total;
    return RDCT_OK;
}
